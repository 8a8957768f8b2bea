//! One layer of a scene on the canvas: where its source's pixels land, what a new picture damages, and drawing it.

use super::{
    blend::{Blend, OPAQUE},
    damage::Region,
    outline::Cover,
    rows::{self, Rows},
    scale::{Pixels, Scaling, Taps},
    source::{PLACE_MAX, SIDE_MAX, Source},
};
use crate::RenderError;
use model::{Border, Color, Content, Damage, Layer, Outline, PixelFormat, Point, Rect, Size, TrackId};
use std::ops::Range;

/// What of a source is on the canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shown {
    serial: u64,
    origin: Point,
    size: Size,
    format: PixelFormat,
}

/// How the pixels of one plane become canvas pixels, across and down.
#[derive(Debug)]
struct Scales {
    across: Taps,
    down: Taps,
}

impl Scales {
    fn new(from: Size, to: Size) -> Self {
        Self { across: Taps::new(from.width, to.width), down: Taps::new(from.height, to.height) }
    }
}

/// A layer that can be drawn.
#[derive(Debug)]
pub(crate) struct Placed {
    place: Rect,
    crop: Rect,
    opacity: u8,
    mirrored: bool,
    /// None if source and canvas pixels are the same.
    scales: Option<Scales>,
    /// For chroma at half the resolution, since the first picture that had it: to half that of the canvas where the
    /// place is even, since there it stays so.
    half: Option<Scales>,
    /// None where all of the place is drawn.
    outline: Option<Cover>,
    /// The colour of the border, and what is within it.
    border: Option<(Color, Cover)>,
    /// Where its picture was and which it was when it was last drawn.
    shown: Option<(Shown, Rect)>,
}

/// Memory to work in, kept from one picture to the next.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    unpacked: Vec<u8>,
    finished: Vec<u8>,
    rows: rows::Memory,
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
        let size = place.size();
        let scales = (!is_empty && size != crop.size()).then(|| Scales::new(crop.size(), size));
        // What is not a number becomes 0.
        let opacity =
            if is_empty { 0 } else { (layer.opacity.clamp(0.0, 1.0) * f32::from(OPAQUE)).round() as u8 };
        let seen = opacity > 0;
        let outline =
            (seen && layer.outline != Outline::Rectangle).then(|| Cover::new(layer.outline, size, 0));
        let border = layer.border.filter(|border| seen && border.width > 0);
        let border = border.map(|Border { width, color }| (color, Cover::new(layer.outline, size, width)));
        let mirrored = layer.mirrored;
        Ok(Self { place, crop, opacity, mirrored, scales, half: None, outline, border, shown: None })
    }

    /// Where it was seen when it was last drawn.
    pub(crate) fn last_seen(&self) -> Option<Rect> {
        self.shown.map(|(_, rect)| rect)
    }

    /// Adds to `region` what differs between the picture last drawn and `source`, which will be drawn now.
    pub(crate) fn damage(&mut self, source: Option<&Source<'_>>, region: &mut Region) {
        if let (None, Some(true)) =
            (&self.half, source.map(|source| self.scales.is_some() && source.planes(self.crop).is_some()))
        {
            let half = Size::new(self.crop.width / 2, self.crop.height / 2);
            let (place, step) = (self.place.size(), self.chroma_step());
            self.half = Some(Scales::new(half, Size::new(place.width / step, place.height / step)));
        }
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
                let on_canvas = |rect: &Rect| self.canvas_from_damage(source, *rect);
                rects.iter().filter_map(on_canvas).for_each(|rect| region.add(rect));
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
            && self.outline.as_ref().is_none_or(|outline| self.is_whole(outline, rect))
            && source.is_opaque(self.layer_from_canvas(rect))
    }

    /// The source's own pixels that make `rect` of the canvas, if nothing is to be done to them.
    pub(crate) fn untouched<'a>(&self, source: &Source<'a>, rect: Rect) -> Option<Pixels<'a>> {
        if self.scales.is_some() || self.mirrored || !self.hides(source, rect) {
            return None;
        }
        let clear = self.border.as_ref().is_none_or(|(_, within)| self.is_whole(within, rect));
        clear.then(|| source.lent(self.layer_from_canvas(rect)))?
    }

    /// Whether `cover` leaves out nothing of `rect` of the canvas, which lies in the layer's place.
    fn is_whole(&self, cover: &Cover, rect: Rect) -> bool {
        let columns = offset(rect.x, rect.right(), self.place.x);
        cover.is_whole(&columns, &offset(rect.y, rect.bottom(), self.place.y))
    }

    /// Draws `source` over the part of `tile` where it is seen.
    pub(crate) fn draw(&self, source: &Source<'_>, tile: &mut Tile<'_>, memory: &mut Memory) {
        let Some(rect) = self.visible(source).and_then(|rect| rect.intersect(tile.rect)) else { return };
        let from = self.layer_from_canvas(rect);
        let blend = match self.opacity {
            OPAQUE if source.is_opaque(from) => Blend::Replace,
            opacity if source.is_opaque(from) => Blend::Mix(opacity),
            opacity => Blend::Over(opacity),
        };
        let columns = offset(rect.x, rect.right(), self.place.x);
        let Memory { unpacked, finished, rows: memory } = memory;
        let rows = self.rows(source, from, unpacked);
        memory.begin();
        for y in rect.y..rect.bottom() {
            let row = y.abs_diff(self.place.y);
            let columns =
                self.outline.as_ref().map_or(columns.clone(), |outline| outline.within(row, &columns));
            if columns.is_empty() {
                continue;
            }
            let mut drawn = rows.row(row, self.mirror(columns.clone()), memory);
            if self.mirrored || self.border.is_some() {
                self.finish(drawn, row, &columns, finished);
                drawn = finished;
            }
            let under = tile.row(self.place.x.saturating_add_unsigned(columns.start), y);
            let under = &mut under[..columns.len() * 4];
            match &self.outline {
                None => blend.draw(drawn, under),
                Some(outline) => draw_within(outline, row, columns, blend, drawn, under),
            }
        }
    }

    /// How the rows are made that `from` of layer space makes.
    fn rows<'a>(&'a self, source: &Source<'a>, from: Rect, unpacked: &'a mut Vec<u8>) -> Rows<'a> {
        if let (Some(scales), Some(half)) = (&self.scales, &self.half)
            && let Some((matrix, luma, chroma)) = source.planes(self.crop)
        {
            let luma = Scaling { source: luma, first: (0, 0), across: &scales.across, down: &scales.down };
            let chroma = Scaling { source: chroma, first: (0, 0), across: &half.across, down: &half.down };
            return Rows::Planes { matrix, luma, chroma, step: self.chroma_step() };
        }
        let first = (from.x.abs_diff(self.crop.x), from.y.abs_diff(self.crop.y));
        let pixels = source.pixels(from, unpacked);
        match &self.scales {
            Some(Scales { across, down }) => Rows::Scaled(Scaling { source: pixels, first, across, down }),
            None => Rows::Lent { pixels, first },
        }
    }

    /// The other way round and with its border, as far as these are asked for.
    fn finish(&self, drawn: &[u8], row: u32, columns: &Range<u32>, finished: &mut Vec<u8>) {
        finished.clear();
        finished.extend_from_slice(drawn);
        let pixels = finished.as_chunks_mut::<4>().0;
        if self.mirrored {
            pixels.reverse();
        }
        let Some((Color { red, green, blue }, within)) = &self.border else { return };
        let border = [*blue, *green, *red, OPAQUE];
        let at = |column: u32| column.clamp(columns.start, columns.end).abs_diff(columns.start) as usize;
        let outer = within.outer(row);
        pixels[..at(outer.start)].fill(border);
        pixels[at(outer.end)..].fill(border);
        for (column, share) in within.edges(row).filter(|(column, _)| columns.contains(column)) {
            Blend::Over(OPAQUE - share).draw(&border, &mut pixels[at(column)]);
        }
    }

    /// The pixels of the canvas that may differ where `damage` of the picture does.
    fn canvas_from_damage(&self, source: &Source<'_>, damage: Rect) -> Option<Rect> {
        let rect = source.damaged(damage)?.intersect(self.crop)?;
        let near = self.canvas_from_layer(rect);
        let Some(half) = self.half.as_ref().filter(|_| source.planes(self.crop).is_some()) else {
            return near;
        };
        let (columns, rows) =
            (offset(rect.x, rect.right(), self.crop.x), offset(rect.y, rect.bottom(), self.crop.y));
        let step = self.chroma_step();
        let reached = |taps: &Taps, range: Range<u32>| {
            let reached = taps.reached_by(range.start / 2..range.end.div_ceil(2));
            reached.start * step..reached.end * step
        };
        let far = self.on_canvas(reached(&half.across, columns), reached(&half.down, rows));
        near.into_iter().chain(far).reduce(Rect::union)
    }

    /// The pixels of the canvas that depend on `rect` of layer space.
    fn canvas_from_layer(&self, rect: Rect) -> Option<Rect> {
        let rect = rect.intersect(self.crop)?;
        let (columns, rows) =
            (offset(rect.x, rect.right(), self.crop.x), offset(rect.y, rect.bottom(), self.crop.y));
        match &self.scales {
            Some(Scales { across, down }) => {
                self.on_canvas(across.reached_by(columns), down.reached_by(rows))
            }
            None => self.on_canvas(columns, rows),
        }
    }

    /// These columns and rows of the place, before it is mirrored.
    fn on_canvas(&self, columns: Range<u32>, rows: Range<u32>) -> Option<Rect> {
        let columns = self.mirror(columns);
        let rect =
            Rect::new(columns.start as i32, rows.start as i32, columns.len() as u32, rows.len() as u32);
        (!rect.is_empty()).then(|| rect.shifted(self.place.x, self.place.y))
    }

    /// The pixels of layer space that `rect` of the canvas, within the layer's place, depends on.
    fn layer_from_canvas(&self, rect: Rect) -> Rect {
        let mut columns = self.mirror(offset(rect.x, rect.right(), self.place.x));
        let mut rows = offset(rect.y, rect.bottom(), self.place.y);
        if let Some(Scales { across, down }) = &self.scales {
            (columns, rows) = (across.sources(columns), down.sources(rows));
        }
        let needed =
            Rect::new(columns.start as i32, rows.start as i32, columns.len() as u32, rows.len() as u32);
        needed.shifted(self.crop.x, self.crop.y)
    }

    /// Pixels of the canvas, across and down, that are given one value of chroma.
    fn chroma_step(&self) -> u32 {
        let Rect { x, y, width, height } = self.place;
        if (x | y) & 1 == 0 && (width | height) & 1 == 0 { 2 } else { 1 }
    }

    /// From columns as they are seen to columns as they are made, and back.
    fn mirror(&self, columns: Range<u32>) -> Range<u32> {
        if !self.mirrored {
            return columns;
        }
        self.place.width - columns.end..self.place.width - columns.start
    }
}

/// Draws `drawn` as far as `outline` goes. `columns` have something of it.
fn draw_within(outline: &Cover, row: u32, columns: Range<u32>, blend: Blend, drawn: &[u8], under: &mut [u8]) {
    let at = |column: u32| column.clamp(columns.start, columns.end).abs_diff(columns.start) as usize * 4;
    let inner = outline.inner(row);
    let whole = at(inner.start)..at(inner.end);
    blend.draw(&drawn[whole.clone()], &mut under[whole]);
    for (column, share) in outline.edges(row).filter(|(column, _)| columns.contains(column)) {
        let pixel = at(column)..at(column) + 4;
        blend.faded(share).draw(&drawn[pixel.clone()], &mut under[pixel]);
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
