//! The picture of a file at any instant: decoded tracks and replayed input, drawn by the one compositor.
//!
//! Owns: which frames and which scene that takes. What it shows depends on the instant alone. Draws nothing itself.

use crate::{
    ExportError,
    input::Input,
    plan::{Composed, Pictured},
    source::Track,
};
use codec::{ReadChunk, StoredFrames, StoredTrack};
use compose::Compositor;
use media::ChunkPolicy;
use model::{
    ChunkId, Color, Frame, Frames, Layer, Layout, LayoutChange, Matrix, Nv12, PixelFormat, Rect, Scene, Size,
    Span, Timestamp, TrackId, TrackManifest,
};
use std::time::Duration;
use store::ChunkStore;

/// Pointers move more often than anybody can see.
const OVERLAY_PERIOD: Duration = Duration::from_nanos(16_666_667);

/// Draws what a file shows.
pub(crate) struct Painter<'a> {
    stage: Stage<'a>,
    arrangement: Arrangement,
    canvas: Size,
    compositor: Compositor,
    /// The picture as it was decoded, where nothing needs to be done to it.
    direct: Option<Frame>,
    span: Span,
}

enum Arrangement {
    Alone(TrackId),
    Composed { screen: Option<model::Pictured>, camera: Option<model::Pictured>, layouts: Vec<LayoutChange> },
}

/// All that a scene's layers can show.
struct Stage<'a> {
    frames: StoredFrames<'a>,
    input: Option<Input<'a>>,
    drawings: TrackId,
    pointer: TrackId,
}

impl Frames for Stage<'_> {
    fn frame(&mut self, track: &TrackId, at: Timestamp) -> Option<Frame> {
        match &mut self.input {
            Some(input) if *track == self.drawings => input.drawings(at),
            Some(input) if *track == self.pointer => input.pointer(at),
            _ => self.frames.frame(track, at),
        }
    }
}

impl<'a> Painter<'a> {
    /// Of what is pictured, within `limit`; none if there is nothing that can be read. Chunks that cannot be used are added to `lost`.
    pub fn new(
        store: &'a ChunkStore,
        pictured: &Pictured<'_>,
        limit: Size,
        lost: &mut Vec<ChunkId>,
    ) -> Result<Option<Self>, ExportError> {
        let mut tracks = Vec::new();
        for manifest in pictured.tracks() {
            tracks.push(Track::load(store, manifest, lost)?);
        }
        let input = match pictured {
            Pictured::Composition(Composed { input: Some(_), .. }) => tracks.pop(),
            _ => None,
        };
        let all = || tracks.iter().flat_map(|track| &track.chunks);
        if !all().any(|chunk| store.look_for(chunk).is_ok()) {
            lost.extend(all().map(|chunk| chunk.id.clone()));
            return Ok(None);
        }
        let tracks: Vec<_> = tracks.into_iter().map(stored).collect();
        let Some(main) = tracks.iter().find(|track| !track.chunks.is_empty()) else { return Ok(None) };
        let (Some(begins), Some(size)) = (main.begins(), main.size()) else { return Ok(None) };
        let ends = tracks.iter().filter_map(|track| track.chunks.last()).map(|chunk| chunk.span.end).max();
        let canvas = size.fit_even(limit);
        Ok(Some(Self {
            arrangement: arrangement(pictured, &tracks),
            compositor: Compositor::new(canvas)?,
            canvas,
            direct: None,
            span: Span::new(begins.max(Timestamp::ZERO), ends.unwrap_or(begins)),
            stage: Stage {
                frames: StoredFrames::new(tracks, read_from(store))?,
                input: input.map(|track| Input::new(track, read_from(store))),
                drawings: track_id("drawings"),
                pointer: track_id("pointer"),
            },
        }))
    }

    /// Pixels of every picture.
    pub fn size(&self) -> Size {
        self.canvas
    }

    /// From the first picture to the end of the last.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The first instant after `at` at which something else may be seen. Of a composition also each boundary of
    /// chunks, so that what is seen in a chunk does not depend on what was before it.
    pub fn next_after(&self, at: Timestamp) -> Option<Timestamp> {
        if at < self.span.start {
            return Some(self.span.start);
        }
        let frames = &self.stage.frames;
        match &self.arrangement {
            Arrangement::Alone(track) => frames.next_after(track, at),
            Arrangement::Composed { screen, camera, layouts } => {
                let pictured = [screen, camera].into_iter().flatten();
                let pictures = pictured.filter_map(|source| frames.next_after(&source.track, at));
                let layout = layouts.iter().map(|change| change.at).find(|change| *change > at);
                let input = self.stage.input.as_ref().and_then(|input| input.next_after(at));
                let input = input.map(|event| event.max(at + OVERLAY_PERIOD));
                let boundary = at.next_multiple(ChunkPolicy::CHUNK);
                pictures.chain(layout).chain(input).chain([boundary]).min().filter(|at| *at < self.span.end)
            }
        }
    }

    /// Draws the picture at `at`, and says whether it is another one than before.
    pub fn paint(&mut self, at: Timestamp) -> Result<bool, ExportError> {
        let scene = match &self.arrangement {
            Arrangement::Alone(track) => {
                let frame = self.stage.frames.frame(track, at);
                if let Some(frame) = frame.as_ref().filter(|frame| is_ready(frame, self.canvas)) {
                    let before = self.direct.replace(frame.clone());
                    return Ok(before.is_none_or(|before| before.serial != frame.serial));
                }
                alone(track, frame.map(|frame| frame.picture.size), self.canvas)
            }
            Arrangement::Composed { screen, camera, layouts } => {
                let change = layouts.iter().rfind(|change| change.at <= at).or(layouts.first());
                let layout = change.map_or_else(Layout::default, |change| change.layout.checked());
                self.stage.scene(screen.as_ref(), camera.as_ref(), &layout, self.canvas, at)
            }
        };
        let was_direct = self.direct.take().is_some();
        let drawn = self.compositor.render(&scene, at, &mut self.stage)?;
        Ok(was_direct || !drawn.damage.is_empty())
    }

    /// What was painted last.
    pub fn picture(&self) -> Nv12<'_> {
        let Some(frame) = &self.direct else { return self.compositor.picture() };
        let planes = &frame.picture;
        let (luma, chroma) = planes.bytes.split_at(planes.stride * planes.size.height as usize);
        Nv12 { size: planes.size, stride: planes.stride, luma, chroma }
    }

    /// Chunks that could not be read since this was asked last.
    pub fn take_lost(&mut self) -> Vec<ChunkId> {
        let mut lost = self.stage.frames.take_lost();
        lost.extend(self.stage.input.iter_mut().flat_map(Input::take_lost));
        lost
    }
}

impl Stage<'_> {
    /// What is drawn at `at`, in the middle of the canvas.
    fn scene(
        &mut self,
        screen: Option<&model::Pictured>,
        camera: Option<&model::Pictured>,
        layout: &Layout,
        canvas: Size,
        at: Timestamp,
    ) -> Scene {
        let mut seen = |source: &model::Pictured| {
            let size = self.frames.frame(&source.track, at).map_or(source.size, |frame| frame.picture.size);
            model::Pictured { track: source.track.clone(), size }
        };
        let (screen, camera) = (screen.map(&mut seen), camera.map(&mut seen));
        let main = screen.as_ref().or(camera.as_ref()).map_or(canvas, |main| main.size);
        let own = main.fit_even(canvas);
        let mut overlays = Vec::new();
        if let Some(input) = &mut self.input {
            input.advance(at, layout);
            let size = input.size().unwrap_or(main);
            let tracks = [&self.drawings, &self.pointer];
            overlays.extend(tracks.map(|track| model::Pictured { track: track.clone(), size }));
        }
        centred(layout.scene(own, screen.as_ref(), camera.as_ref(), &overlays), own, canvas)
    }
}

/// A track all over its own canvas.
fn alone(track: &TrackId, size: Option<Size>, canvas: Size) -> Scene {
    let size = size.unwrap_or(canvas);
    let own = size.fit_even(canvas);
    let layer = Layer::plain(track.clone(), Rect::whole(size), Rect::whole(own));
    centred(Scene { background: Color::BLACK, layers: vec![layer] }, own, canvas)
}

/// A scene for a canvas of its own, in the middle of another: pictures may change their shape, a file does not.
fn centred(mut scene: Scene, own: Size, canvas: Size) -> Scene {
    let middle = |own: u32, canvas: u32| ((canvas.saturating_sub(own) / 2) & !1).cast_signed();
    let (x, y) = (middle(own.width, canvas.width), middle(own.height, canvas.height));
    for layer in &mut scene.layers {
        layer.place = layer.place.shifted(x, y);
    }
    scene
}

/// Whether a picture is one for the encoder as it is.
fn is_ready(frame: &Frame, canvas: Size) -> bool {
    frame.picture.format == PixelFormat::Nv12(Matrix::Bt709) && frame.picture.size == canvas
}

fn arrangement(pictured: &Pictured<'_>, tracks: &[StoredTrack]) -> Arrangement {
    let of = |manifest: Option<&TrackManifest>| {
        let track =
            tracks.iter().find(|track| manifest.is_some_and(|manifest| manifest.track.id == track.id))?;
        Some(model::Pictured { track: track.id.clone(), size: track.size()? })
    };
    match pictured {
        Pictured::Composition(Composed { screen, camera, layouts, .. }) => {
            Arrangement::Composed { screen: of(*screen), camera: of(*camera), layouts: layouts.clone() }
        }
        Pictured::Track(manifest) => Arrangement::Alone(manifest.track.id.clone()),
        Pictured::Nothing => Arrangement::Composed { screen: None, camera: None, layouts: Vec::new() },
    }
}

fn stored(track: Track) -> StoredTrack {
    StoredTrack { id: track.id, inits: track.inits, chunks: track.chunks }
}

/// Chunks as the store proves them.
pub(crate) fn read_from<'a>(store: &'a ChunkStore) -> ReadChunk<'a> {
    Box::new(|chunk| store.read(&chunk.id).ok())
}

fn track_id(name: &str) -> TrackId {
    name.parse().expect("a track's name may have small letters")
}
