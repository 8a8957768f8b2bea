//! Cells as frames of a GIF: only what changed, each frame with the best colours for it.
//!
//! Remembers which picture the colours on show stand for: small changes, such as an encoder's noise, are left until
//! they add up. That memory is put away with each cell, so that what goes on is the same as what was never cut off.

use crate::{
    ExportError,
    pace::{Cell, TICKS},
    palette::{COLORS_MAX, Palette, Rgb, dither},
    part_file::PartFile,
    render::{Maker, Teller},
    work::Work,
};
use gif::{DisposalMethod, Encoder, EncodingError, Frame, Repeat};
use model::{Nv12, Rect, Size, Timestamp};
use std::{borrow::Cow, io};

/// Pixels that differ by no more than this in every colour are the same: what a good encoder changes of a picture
/// that stands still.
const NOISE: u8 = 5;
const HUNDREDTHS: u32 = 100;
const TRAILER: u8 = 0x3b;

/// Makes the frames.
pub(crate) struct Gif {
    size: Size,
    /// What the pixels on show stand for; not known at first.
    shown: Option<Vec<Rgb>>,
    /// The cell that this was after.
    after: Option<u32>,
    cell: Option<Cell>,
    bytes: Vec<u8>,
    /// The newest frame, which lasts until the next, and when it begins, in hundredths of a second.
    held: Option<(Frame<'static>, i64)>,
}

impl Gif {
    pub fn new(size: Size) -> Self {
        Self { size, shown: None, after: None, cell: None, bytes: Vec::new(), held: None }
    }

    /// Writes a file of the finished cells, durably, but not yet under its name. Gives its size.
    pub fn write(
        &self,
        file: &mut PartFile,
        work: &Work,
        cells: &[Cell],
        teller: &mut Teller<'_>,
    ) -> Result<u64, ExportError> {
        let mut head = encoder(self.size)?;
        head.set_repeat(Repeat::Infinite).map_err(unwritable)?;
        file.write(head.get_ref())?;
        for (done, cell) in (1..).zip(cells) {
            if let Some(frames) = work.load(&self.name(cell)) {
                file.write(&frames)?;
            }
            teller.written(done, cells.len() as u64)?;
        }
        file.write(&[TRAILER])?;
        file.sync()
    }

    /// Ends the newest frame at a tick of the session.
    fn release(&mut self, at: i64) -> Result<(), ExportError> {
        let (Some((mut frame, begun)), Some(cell)) = (self.held.take(), &self.cell) else { return Ok(()) };
        // From the file's own times, so that rounding never adds up.
        frame.delay = u16::try_from(hundredths(cell, at) - begun).unwrap_or(u16::MAX);
        let mut encoder = encoder(self.size)?;
        let head = encoder.get_ref().len();
        encoder.write_frame(&frame).map_err(unwritable)?;
        self.bytes.extend_from_slice(&encoder.get_ref()[head..]);
        Ok(())
    }

    /// What must be drawn, and which of its pixels.
    fn changed(&self, seen: &[Rgb]) -> (Rect, Vec<bool>) {
        let Some(shown) = &self.shown else { return (Rect::whole(self.size), vec![true; seen.len()]) };
        let differs = |(a, b): (&Rgb, &Rgb)| (0..3).any(|part| a[part].abs_diff(b[part]) > NOISE);
        let mask: Vec<bool> = seen.iter().zip(shown).map(differs).collect();
        let mut rect = Rect::new(0, 0, 0, 0);
        for (y, row) in (0..).zip(mask.chunks(self.size.width as usize)) {
            if let (Some(first), Some(last)) = (row.iter().position(|c| *c), row.iter().rposition(|c| *c)) {
                rect = rect.union(Rect::new(first as i32, y, (last - first + 1) as u32, 1));
            }
        }
        (rect, mask)
    }

    fn canvas(index: u32) -> String {
        format!("{index:06}.canvas")
    }

    /// The newest finished cell before this one.
    fn before(&self, cell: &Cell, work: &Work) -> Option<u32> {
        let name = |index| self.name(&Cell { index, ..*cell });
        (1..cell.index).rev().find(|index| work.path(&name(*index)).is_some())
    }
}

impl Maker for Gif {
    fn name(&self, cell: &Cell) -> String {
        format!("{:06}.frames", cell.index)
    }

    fn begin(&mut self, cell: &Cell, work: &Work) -> Result<(), ExportError> {
        let before = self.before(cell, work);
        if before != self.after || self.shown.is_none() {
            let pixels = self.size.width as usize * self.size.height as usize;
            let canvas = before.and_then(|before| work.load(&Self::canvas(before)));
            let canvas = canvas.filter(|bytes| bytes.len() == pixels * 3);
            // Without it all is drawn again.
            self.shown = canvas.map(|bytes| bytes.as_chunks::<3>().0.to_vec());
        }
        self.cell = Some(*cell);
        self.bytes.clear();
        Ok(())
    }

    fn push(&mut self, picture: Nv12<'_>, at: i64) -> Result<(), ExportError> {
        let Some(cell) = self.cell else { return Ok(()) };
        let seen = to_rgb(&picture);
        let (rect, mask) = self.changed(&seen);
        if rect.is_empty() && self.held.is_some() {
            return Ok(());
        }
        self.release(at)?;
        let frame = draw(&seen, &mask, rect, self.size.width as usize);
        let shown = self.shown.get_or_insert_with(|| seen.clone());
        for ((shown, seen), _) in shown.iter_mut().zip(&seen).zip(&mask).filter(|(_, changed)| **changed) {
            *shown = *seen;
        }
        self.held = Some((frame, hundredths(&cell, at)));
        Ok(())
    }

    fn end(&mut self, cell: &Cell, at: i64, work: &mut Work) -> Result<(), ExportError> {
        self.release(at)?;
        let before = self.before(cell, work);
        if let Some(shown) = &self.shown {
            work.save(&Self::canvas(cell.index), shown.as_flattened())?;
        }
        work.save(&self.name(cell), &self.bytes)?;
        if let Some(before) = before {
            work.forget(&Self::canvas(before));
        }
        self.after = Some(cell.index);
        Ok(())
    }
}

fn hundredths(cell: &Cell, at: i64) -> i64 {
    Timestamp::from_ticks(cell.flat(at), TICKS).to_ticks(HUNDREDTHS)
}

/// The frame that changes what is within `rect` and wanted.
fn draw(seen: &[Rgb], mask: &[bool], rect: Rect, width: usize) -> Frame<'static> {
    // Where nothing changed a frame still takes time; it needs a pixel.
    let rect = if rect.is_empty() { Rect::new(0, 0, 1, 1) } else { rect };
    let rows = || (rect.y as usize..rect.bottom() as usize).map(|y| y * width + rect.x as usize);
    let within = |start: usize| start..start + rect.width as usize;
    let pixels: Vec<Rgb> = rows().flat_map(|start| seen[within(start)].iter().copied()).collect();
    let wanted: Vec<bool> = rows().flat_map(|start| mask[within(start)].iter().copied()).collect();
    let of_interest: Vec<Rgb> =
        pixels.iter().zip(&wanted).filter(|(_, wanted)| **wanted).map(|(pixel, _)| *pixel).collect();
    let mut palette = Palette::of(&of_interest);
    let indices = dither(&pixels, &wanted, rect.width as usize, &mut palette);
    let transparent = palette.colors.len().min(COLORS_MAX) as u8;
    let mut table = palette.colors;
    table.push([0; 3]);
    let short = |pixels: i32| u16::try_from(pixels).unwrap_or(u16::MAX);
    Frame {
        left: short(rect.x),
        top: short(rect.y),
        width: short(rect.width.cast_signed()),
        height: short(rect.height.cast_signed()),
        dispose: DisposalMethod::Keep,
        transparent: Some(transparent),
        palette: Some(table.as_flattened().to_vec()),
        buffer: Cow::Owned(indices.into_iter().map(|index| index.unwrap_or(transparent)).collect()),
        ..Frame::default()
    }
}

/// BT.709, limited range, to sRGB.
fn to_rgb(picture: &Nv12<'_>) -> Vec<Rgb> {
    let width = picture.size.width as usize;
    let mut rgb = Vec::with_capacity(width * picture.size.height as usize);
    let rows = picture.luma.chunks(picture.stride).take(picture.size.height as usize);
    for (y, row) in rows.enumerate() {
        let chroma = &picture.chroma[y / 2 * picture.stride..];
        for (x, luma) in row[..width].iter().enumerate() {
            let (blue, red) = (i32::from(chroma[x & !1]) - 128, i32::from(chroma[x | 1]) - 128);
            let luma = (i32::from(*luma) - 16) * 298 + 128;
            let part = |value: i32| (value >> 8).clamp(0, 255) as u8;
            rgb.push([part(luma + 459 * red), part(luma - 55 * blue - 136 * red), part(luma + 541 * blue)]);
        }
    }
    rgb
}

fn encoder(size: Size) -> Result<Encoder<Vec<u8>>, ExportError> {
    let side = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX);
    Encoder::new(Vec::new(), side(size.width), side(size.height), &[]).map_err(unwritable)
}

/// Into memory nothing can fail, but the library asks.
fn unwritable(error: EncodingError) -> ExportError {
    ExportError::Io { operation: "write", path: "a GIF".into(), source: io::Error::other(error) }
}
