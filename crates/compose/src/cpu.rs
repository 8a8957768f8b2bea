//! The renderer for any computer. Keeps one NV12 picture and redraws what was damaged of it: straight from the source
//! where a layer is neither scaled nor seen through, else by way of a tile of BGRX that stays in the cache.

mod blend;
mod convert;
mod damage;
mod outline;
mod placed;
mod rows;
mod scale;
mod simd;
mod source;
mod ycbcr;

pub(crate) use blend::by_255;
pub(crate) use damage::Region;
pub(crate) use scale::scaled;

use crate::RenderError;
use convert::Target;
use model::{Color, Frame, Frames, Layer, Nv12, Rect, Scene, Size, Timestamp};
use placed::{Memory, Placed, Tile, track_of};
use source::Source;

/// As encoders take it.
const SIDE_MAX: u32 = 16_384;
/// With four bytes each, an eighth of a megabyte: a tile stays in the second-level cache.
const TILE_PIXELS: u32 = 1 << 15;

/// What [`Compositor::render`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// What of the picture was drawn again; with none, it is as it was before.
    pub damage: Vec<Rect>,
}

/// Draws scenes. Same scene and same frames, same picture; what it keeps from one to the next only saves work.
///
/// Takes memory for the picture, a tile, the pixels of one source that a tile needs, and tables: for each layer a few
/// numbers for each of its rows and columns, and for each pixel at its edge.
#[derive(Debug)]
pub struct Compositor {
    canvas: Size,
    luma: Vec<u8>,
    chroma: Vec<u8>,
    /// The scene that is on the canvas; none if that is not known.
    drawn: Option<(Scene, Vec<Placed>)>,
    tile: Vec<u8>,
    memory: Memory,
}

impl Compositor {
    /// With a picture of `canvas` pixels, both sides even.
    pub fn new(canvas: Size) -> Result<Self, RenderError> {
        let valid = |side: u32| (2..=SIDE_MAX).contains(&side) && side.is_multiple_of(2);
        if !valid(canvas.width) || !valid(canvas.height) {
            return Err(RenderError::InvalidCanvas { size: canvas, max: SIDE_MAX });
        }
        let pixels = canvas.width as usize * canvas.height as usize;
        Ok(Self {
            canvas,
            luma: vec![16; pixels],
            chroma: vec![128; pixels / 2],
            drawn: None,
            tile: Vec::new(),
            memory: Memory::default(),
        })
    }

    /// Draws `scene` as it is at `at`, with pictures from `frames`. After an error, what the picture shows is not
    /// defined, and the next call draws all of it.
    pub fn render(
        &mut self,
        scene: &Scene,
        at: Timestamp,
        frames: &mut dyn Frames,
    ) -> Result<Drawn, RenderError> {
        let frames = collect(scene, at, frames);
        let mut region = Region::new(self.canvas);
        // Until all is drawn, what is on the canvas is not known.
        let (scene_drawn, mut placed) = match self.drawn.take() {
            Some((drawn, placed)) if drawn == *scene => (drawn, placed),
            Some((drawn, placed)) if drawn.background == scene.background => {
                (scene.clone(), arrange(&drawn.layers, placed, &scene.layers, &mut region)?)
            }
            _ => {
                region.add(Rect::whole(self.canvas));
                (scene.clone(), scene.layers.iter().map(Placed::new).collect::<Result<_, _>>()?)
            }
        };
        let mut sources = Vec::with_capacity(placed.len());
        for ((layer, frame), placed) in scene.layers.iter().zip(&frames).zip(&mut placed) {
            let source = match frame {
                Some(frame) => Source::new(track_of(layer), frame)?,
                None => None,
            };
            placed.damage(source.as_ref(), &mut region);
            sources.push(source);
        }
        let damage = region.into_rects();
        let layers: Vec<_> = placed
            .iter()
            .zip(&sources)
            .filter_map(|(placed, source)| Some((placed, source.as_ref()?)))
            .collect();
        for &rect in &damage {
            tiles(rect).for_each(|tile| self.draw(tile, scene.background, &layers));
        }
        self.drawn = Some((scene_drawn, placed));
        Ok(Drawn { damage })
    }

    /// The picture as it is now. Black before the first [`Self::render`].
    pub fn picture(&self) -> Nv12<'_> {
        Nv12 { size: self.canvas, stride: self.canvas.width as usize, luma: &self.luma, chroma: &self.chroma }
    }

    fn draw(&mut self, rect: Rect, background: Color, layers: &[(&Placed, &Source<'_>)]) {
        let Self { canvas, luma, chroma, tile, memory, .. } = self;
        let mut target = Target { stride: canvas.width as usize, luma, chroma };
        let is_seen = |&(placed, source): &(&Placed, &Source<'_>)| {
            placed.visible(source).and_then(|r| r.intersect(rect)).is_some()
        };
        let top = layers.iter().rfind(|layer| is_seen(layer));
        if let Some(pixels) = top.and_then(|(placed, source)| placed.untouched(source, rect)) {
            return convert::to_nv12(pixels.bytes, pixels.stride, &mut target, rect);
        }
        let hidden = layers.iter().rposition(|(placed, source)| placed.hides(source, rect));
        let row = rect.width as usize * 4;
        let bytes = row * rect.height as usize;
        if tile.len() < bytes {
            tile.resize(bytes, 0);
        }
        let mut tile = Tile { rect, bytes: &mut tile[..bytes] };
        if hidden.is_none() {
            let Color { red, green, blue } = background;
            tile.bytes.as_chunks_mut::<4>().0.fill([blue, green, red, 0]);
        }
        for (placed, source) in &layers[hidden.unwrap_or(0)..] {
            placed.draw(source, &mut tile, memory);
        }
        convert::to_nv12(tile.bytes, row, &mut target, rect);
    }
}

/// Takes over what is drawn of `old` for the layers of `new` that are the same. What is different of the others is
/// damaged: where the old ones were seen here, and where the new ones will be once their pictures are known.
fn arrange(
    old: &[Layer],
    placed: Vec<Placed>,
    new: &[Layer],
    region: &mut Region,
) -> Result<Vec<Placed>, RenderError> {
    let alike = |(old, new): &(&Layer, &Layer)| old.content == new.content;
    let first = old.iter().zip(new).take_while(alike).count();
    let shorter = old.len().min(new.len()) - first;
    let last = old.iter().rev().zip(new.iter().rev()).take(shorter).take_while(alike).count();
    let (old_end, new_end) = (old.len() - last, new.len() - last);
    let mut arranged: Vec<Option<Placed>> = new.iter().map(|_| None).collect();
    for (index, placed) in placed.into_iter().enumerate() {
        let place = match index {
            _ if index < first => Some(index),
            _ if index >= old_end => Some(index - old_end + new_end),
            _ => None,
        };
        match place.filter(|&place| new[place] == old[index]) {
            Some(place) => arranged[place] = Some(placed),
            None => placed.last_seen().into_iter().for_each(|rect| region.add(rect)),
        }
    }
    arranged
        .into_iter()
        .zip(new)
        .map(|(placed, layer)| placed.map_or_else(|| Placed::new(layer), Ok))
        .collect()
}

/// The frame of each layer; asked for once per track, as damage counts from the picture given before.
fn collect(scene: &Scene, at: Timestamp, frames: &mut dyn Frames) -> Vec<Option<Frame>> {
    let mut collected: Vec<Option<Frame>> = Vec::with_capacity(scene.layers.len());
    for (index, layer) in scene.layers.iter().enumerate() {
        let earlier = scene.layers[..index].iter().position(|other| other.content == layer.content);
        let frame = match earlier {
            Some(earlier) => collected[earlier].clone(),
            None => frames.frame(track_of(layer), at),
        };
        collected.push(frame);
    }
    collected
}

/// `rect` in bands of at most [`TILE_PIXELS`] or two rows, all of them even if it is. As wide as it is, since whole
/// rows come from memory twice as fast as parts of them.
fn tiles(rect: Rect) -> impl Iterator<Item = Rect> {
    let rows = ((TILE_PIXELS / rect.width.max(1)) & !1).max(2);
    (0..rect.height).step_by(rows as usize).map(move |y| {
        Rect::new(rect.x, rect.y.saturating_add_unsigned(y), rect.width, rows.min(rect.height - y))
    })
}
