//! The picture of a source, checked once, so that nothing after it reads outside its bytes.

use super::{blend::OPAQUE, scale::Pixels, ycbcr};
use crate::RenderError;
use model::{Frame, Matrix, PixelFormat, Planes, Rect, TrackId};

/// Longer than any screen's side, and short enough that no sum of a few overflows.
pub(crate) const SIDE_MAX: u32 = 1 << 15;
/// Farther than anything that could be seen.
pub(crate) const PLACE_MAX: u32 = 1 << 24;

/// A frame whose bytes hold what its size says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    frame: &'a Frame,
}

impl<'a> Source<'a> {
    /// Checks `frame`; none if it has no pixel.
    pub(crate) fn new(track: &TrackId, frame: &'a Frame) -> Result<Option<Self>, RenderError> {
        let invalid = |why: String| Err(RenderError::InvalidFrame { track: track.clone(), why });
        let Planes { format, size, stride, ref bytes } = frame.picture;
        if size.width == 0 || size.height == 0 {
            return Ok(None);
        }
        if size.width > SIDE_MAX || size.height > SIDE_MAX {
            return invalid(format!("{size} is too large"));
        }
        if frame.origin.x.unsigned_abs() > PLACE_MAX || frame.origin.y.unsigned_abs() > PLACE_MAX {
            return invalid(format!("it lies at {}, {}", frame.origin.x, frame.origin.y));
        }
        let (width, height) = (size.width as usize, size.height as usize);
        let (row, rows) = match format {
            PixelFormat::Bgrx | PixelFormat::BgraPremultiplied => (width * 4, height),
            PixelFormat::Nv12(_) if width % 2 == 0 && height % 2 == 0 => (width, height / 2 * 3),
            PixelFormat::Nv12(_) => return invalid(format!("{size} is not even")),
        };
        let needed = stride.checked_mul(rows - 1).and_then(|before| before.checked_add(row));
        if stride < row || needed.is_none_or(|needed| bytes.len() < needed) {
            return invalid(format!("{} bytes in rows of {stride} do not make {size}", bytes.len()));
        }
        Ok(Some(Self { frame }))
    }

    /// The frame as it came.
    pub(crate) fn frame(&self) -> &'a Frame {
        self.frame
    }

    /// What it covers, in layer space.
    pub(crate) fn bounds(&self) -> Rect {
        Rect::whole(self.frame.picture.size).shifted(self.frame.origin.x, self.frame.origin.y)
    }

    /// Whether nothing is seen through it anywhere in `rect` of layer space.
    pub(crate) fn is_opaque(&self, rect: Rect) -> bool {
        self.frame.picture.format != PixelFormat::BgraPremultiplied && self.covers(rect)
    }

    /// Whether the picture covers all of `rect` of layer space.
    pub(crate) fn covers(&self, rect: Rect) -> bool {
        self.bounds().intersect(rect) == Some(rect)
    }

    /// `rect` of layer space, which has a pixel, as blue, green, red and alpha, with no colour and no alpha where the
    /// picture is not. Where it is opaque, alpha is whatever the source left there. `scratch` is memory to work in.
    pub(crate) fn pixels<'b>(&self, rect: Rect, scratch: &'b mut Vec<u8>) -> Pixels<'b>
    where
        'a: 'b,
    {
        if let Some(pixels) = self.lent(rect) {
            return pixels;
        }
        let row = rect.width as usize * 4;
        scratch.clear();
        scratch.resize(row * rect.height as usize, 0);
        if let Some(part) = self.bounds().intersect(rect) {
            for y in part.y..part.bottom() {
                let at = y.abs_diff(rect.y) as usize * row + part.x.abs_diff(rect.x) as usize * 4;
                self.copy_row(part.x, y, &mut scratch[at..][..part.width as usize * 4]);
            }
        }
        Pixels { stride: row, bytes: scratch }
    }

    /// `rect` of layer space as luma and chroma, if it has these, all of it lies in the picture, and no pixel of
    /// chroma only in part.
    pub(crate) fn planes(&self, rect: Rect) -> Option<(Matrix, Pixels<'a>, Pixels<'a>)> {
        let Planes { format: PixelFormat::Nv12(matrix), size, stride, ref bytes } = self.frame.picture else {
            return None;
        };
        let (x, y) = (rect.x.wrapping_sub(self.frame.origin.x), rect.y.wrapping_sub(self.frame.origin.y));
        if !self.covers(rect) || (x | y) & 1 != 0 || (rect.width | rect.height) & 1 != 0 {
            return None;
        }
        let (x, y) = (x as usize, y as usize);
        let luma = Pixels { stride, bytes: &bytes[y * stride + x..] };
        let chroma = Pixels { stride, bytes: &bytes[(size.height as usize + y / 2) * stride + x..] };
        Some((matrix, luma, chroma))
    }

    /// What of layer space looks different where `damage` of the picture does.
    pub(crate) fn damaged(&self, damage: Rect) -> Option<Rect> {
        let mut rect = damage.intersect(Rect::whole(self.frame.picture.size))?;
        if let PixelFormat::Nv12(_) = self.frame.picture.format {
            // Four pixels share one of chroma.
            let (right, bottom) = ((rect.right() + 1) & !1, (rect.bottom() + 1) & !1);
            let (x, y) = (rect.x & !1, rect.y & !1);
            rect = Rect::new(x, y, x.abs_diff(right), y.abs_diff(bottom));
        }
        Some(rect.shifted(self.frame.origin.x, self.frame.origin.y))
    }

    /// `rect` of layer space as it lies in the frame, if all of it does and it has the right format.
    pub(crate) fn lent(&self, rect: Rect) -> Option<Pixels<'a>> {
        let Planes { format, stride, ref bytes, .. } = self.frame.picture;
        (!matches!(format, PixelFormat::Nv12(_)) && self.covers(rect))
            .then(|| Pixels { stride, bytes: &bytes[self.offset(rect.x, rect.y)..] })
    }

    /// Where the pixel at (`x`, `y`) of layer space begins in the first plane.
    fn offset(&self, x: i32, y: i32) -> usize {
        let Planes { format, stride, .. } = self.frame.picture;
        let depth = if matches!(format, PixelFormat::Nv12(_)) { 1 } else { 4 };
        let (x, y) = (x.abs_diff(self.frame.origin.x) as usize, y.abs_diff(self.frame.origin.y) as usize);
        y * stride + x * depth
    }

    fn copy_row(&self, x: i32, y: i32, out: &mut [u8]) {
        let Planes { format, ref bytes, .. } = self.frame.picture;
        let from = self.offset(x, y);
        match format {
            PixelFormat::BgraPremultiplied => out.copy_from_slice(&bytes[from..][..out.len()]),
            PixelFormat::Bgrx => {
                out.copy_from_slice(&bytes[from..][..out.len()]);
                out.iter_mut().skip(3).step_by(4).for_each(|alpha| *alpha = OPAQUE);
            }
            PixelFormat::Nv12(matrix) => self.convert_row(matrix, x, y, out),
        }
    }

    /// A row of NV12, each chroma sample spread over its two by two pixels.
    fn convert_row(&self, matrix: Matrix, x: i32, y: i32, out: &mut [u8]) {
        /// As many at a time as need no memory of their own.
        const RUN: usize = 256;
        let Planes { size, stride, ref bytes, .. } = self.frame.picture;
        let x = x.abs_diff(self.frame.origin.x) as usize;
        let y = y.abs_diff(self.frame.origin.y) as usize;
        let luma = &bytes[y * stride + x..][..out.len() / 4];
        let chroma = &bytes[(size.height as usize + y / 2) * stride..];
        let mut spread = [0; 2 * RUN];
        for (run, (luma, out)) in luma.chunks(RUN).zip(out.chunks_mut(4 * RUN)).enumerate() {
            for (x, spread) in (x + run * RUN..).zip(spread.as_chunks_mut::<2>().0).take(luma.len()) {
                *spread = [chroma[x & !1], chroma[x | 1]];
            }
            ycbcr::to_bgra(matrix, luma, &spread[..2 * luma.len()], out);
        }
    }
}
