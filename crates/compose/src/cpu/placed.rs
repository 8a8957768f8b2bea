//! One layer of a scene on the canvas: where its source's pixels land, what a new picture damages, and drawing it.

use super::{
    blend::{Blend, OPAQUE},
    damage::Region,
    scale::{self, Pixels, Scratch, Taps},
    source::{PLACE_MAX, SIDE_MAX, Source},
};
use crate::RenderError;
use model::{Content, Damage, Layer, PixelFormat, Point, Rect, Size, TrackId};

/// What of a source is on the canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shown {
    serial: u64,
    origin: Point,
    size: Size,
    format: PixelFormat,
}

/// A layer that can be drawn.
#[derive(Debug)]
pub(crate) struct Placed {
    place: Rect,
    crop: Rect,
    opacity: u8,
    /// Across and down; none if source and canvas pixels are the same.
    scaling: Option<(Taps, Taps)>,
    /// Where its picture was and which it was when it was last drawn.
    shown: Option<(Shown, Rect)>,
}

/// A part of the canvas being drawn, as blue, green, red and one byte that is ignored.
pub(crate) struct Tile<'a> {
    pub(crate) rect: Rect,
    pub(crate) bytes: &'a mut [u8],
}

impl Tile<'_> {
    /// The bytes of the canvas row `y` from column `x` on.
    fn row(&mut self, x: i32, y: i32) -> &mut [u8] {
        let (x, y) = (x.abs_diff(self.rect.x) as usize, y.abs_diff(self.rect.y) as usize);
        let width = self.rect.width as usize;
        &mut self.bytes[(y * width + x) * 4..(y + 1) * width * 4]
    }
}

/// The track that a layer shows.
pub(crate) fn track_of(layer: &Layer) -> &TrackId {
    match &layer.content {
        Content::Track(track) => track,
    }
}

impl Placed {
    /// Checks `layer` and makes its tables.
    pub(crate) fn new(layer: &Layer) -> Result<Self, RenderError> {
        let (place, crop) = (layer.place, layer.crop);
        let fits = |rect: Rect| {
            rect.width.max(rect.height) <= SIDE_MAX
                && rect.x.unsigned_abs().max(rect.y.unsigned_abs()) <= PLACE_MAX
        };
        if !fits(place) || !fits(crop) {
            let why = format!("{crop:?} on {place:?} is too large");
            return Err(RenderError::InvalidLayer { track: track_of(layer).clone(), why });
        }
        let is_empty = place.is_empty() || crop.is_empty();
        let scaling = (!is_empty && place.size() != crop.size())
            .then(|| (Taps::new(crop.width, place.width), Taps::new(crop.height, place.height)));
        // What is not a number becomes 0.
        let opacity =
            if is_empty { 0 } else { (layer.opacity.clamp(0.0, 1.0) * f32::from(OPAQUE)).round() as u8 };
        Ok(Self { place, crop, opacity, scaling, shown: None })
    }

    /// Adds to `region` what differs between the picture last drawn and `source`, which will be drawn now.
    pub(crate) fn damage(&mut self, source: Option<&Source<'_>>, region: &mut Region) {
        let now = source.and_then(|source| Some((shown(source), self.visible(source)?)));
        let before = std::mem::replace(&mut self.shown, now);
        let (Some((old, old_rect)), Some((new, new_rect)), Some(source)) = (before, now, source) else {
            let changed = before.or(now).filter(|_| before.is_some() != now.is_some());
            return changed.into_iter().for_each(|(_, rect)| region.add(rect));
        };
        let moved = (old.origin, old.size, old.format) != (new.origin, new.size, new.format);
        let frame = source.frame();
        match &frame.damage {
            _ if moved => {
                region.add(old_rect);
                region.add(new_rect);
            }
            _ if old.serial == new.serial => {}
            Damage::Rects(rects) if frame.since > 0 && (frame.since..new.serial).contains(&old.serial) => {
                for rect in rects {
                    let rect = rect.shifted(frame.origin.x, frame.origin.y).intersect(source.bounds());
                    rect.and_then(|rect| self.canvas_from_layer(rect))
                        .into_iter()
                        .for_each(|rect| region.add(rect));
                }
            }
            _ => region.add(new_rect),
        }
    }

    /// Where `source` is seen on the canvas, if anywhere.
    pub(crate) fn visible(&self, source: &Source<'_>) -> Option<Rect> {
        if self.opacity == 0 { None } else { self.canvas_from_layer(source.bounds()) }
    }

    /// Whether drawing `source` leaves nothing to be seen of what is beneath `rect` of the canvas.
    pub(crate) fn hides(&self, source: &Source<'_>, rect: Rect) -> bool {
        self.opacity == OPAQUE
            && self.place.intersect(rect) == Some(rect)
            && source.is_opaque(self.layer_from_canvas(rect))
    }

    /// The source's own pixels that make `rect` of the canvas, if nothing is to be done to them.
    pub(crate) fn untouched<'a>(&self, source: &Source<'a>, rect: Rect) -> Option<Pixels<'a>> {
        if self.scaling.is_some() || !self.hides(source, rect) {
            return None;
        }
        source.lent(self.layer_from_canvas(rect))
    }

    /// Draws `source` over the part of `tile` where it is seen.
    pub(crate) fn draw(&self, source: &Source<'_>, tile: &mut Tile<'_>, memory: &mut (Vec<u8>, Scratch)) {
        let Some(rect) = self.visible(source).and_then(|rect| rect.intersect(tile.rect)) else { return };
        let from = self.layer_from_canvas(rect);
        let blend = match self.opacity {
            OPAQUE if source.is_opaque(from) => Blend::Replace,
            opacity if source.is_opaque(from) => Blend::Mix(opacity),
            opacity => Blend::Over(opacity),
        };
        let (unpacked, scratch) = memory;
        let pixels = source.pixels(from, unpacked);
        let width = rect.width as usize * 4;
        let mut put = |y: i32, row: &[u8]| blend.draw(row, &mut tile.row(rect.x, y)[..width]);
        let Some((across, down)) = &self.scaling else {
            let rows = (rect.y..rect.bottom()).zip(pixels.bytes.chunks(pixels.stride));
            return rows.for_each(|(y, row)| put(y, &row[..width]));
        };
        let columns = offset(rect.x, rect.right(), self.place.x);
        let rows = offset(rect.y, rect.bottom(), self.place.y);
        scale::scale(pixels, (across, columns), (down, rows), scratch, |row, bytes| {
            put(self.place.y.saturating_add_unsigned(row), bytes);
        });
    }

    /// The pixels of the canvas that depend on `rect` of layer space.
    fn canvas_from_layer(&self, rect: Rect) -> Option<Rect> {
        let rect = rect.intersect(self.crop)?;
        let Some((across, down)) = &self.scaling else {
            return Some(rect.shifted(self.place.x - self.crop.x, self.place.y - self.crop.y));
        };
        let columns = across.reached_by(offset(rect.x, rect.right(), self.crop.x));
        let rows = down.reached_by(offset(rect.y, rect.bottom(), self.crop.y));
        let reached =
            Rect::new(columns.start as i32, rows.start as i32, columns.len() as u32, rows.len() as u32);
        (!reached.is_empty()).then(|| reached.shifted(self.place.x, self.place.y))
    }

    /// The pixels of layer space that `rect` of the canvas, within the layer's place, depends on.
    fn layer_from_canvas(&self, rect: Rect) -> Rect {
        let Some((across, down)) = &self.scaling else {
            return rect.shifted(self.crop.x - self.place.x, self.crop.y - self.place.y);
        };
        let columns = across.sources(offset(rect.x, rect.right(), self.place.x));
        let rows = down.sources(offset(rect.y, rect.bottom(), self.place.y));
        let needed =
            Rect::new(columns.start as i32, rows.start as i32, columns.len() as u32, rows.len() as u32);
        needed.shifted(self.crop.x, self.crop.y)
    }
}

fn shown(source: &Source<'_>) -> Shown {
    let frame = source.frame();
    let (size, format) = (frame.picture.size, frame.picture.format);
    Shown { serial: frame.serial, origin: frame.origin, size, format }
}

/// `from..to`, counted from `zero`, which is not after it.
fn offset(from: i32, to: i32, zero: i32) -> std::ops::Range<u32> {
    from.abs_diff(zero)..to.abs_diff(zero)
}
