//! The picture of a source, checked once, so that nothing after it reads outside its bytes.

use super::{blend::OPAQUE, scale::Pixels};
use crate::RenderError;
use model::{Frame, PixelFormat, Planes, Rect, TrackId};

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

    fn covers(&self, rect: Rect) -> bool {
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
            PixelFormat::Nv12(_) => self.convert_row(x, y, out.as_chunks_mut::<4>().0),
        }
    }

    /// A row of NV12, each chroma sample spread over its two by two pixels.
    fn convert_row(&self, x: i32, y: i32, out: &mut [[u8; 4]]) {
        let Planes { size, stride, ref bytes, .. } = self.frame.picture;
        let x = x.abs_diff(self.frame.origin.x) as usize;
        let y = y.abs_diff(self.frame.origin.y) as usize;
        let luma = &bytes[y * stride..];
        let chroma = &bytes[(size.height as usize + y / 2) * stride..];
        for (x, out) in (x..).zip(out) {
            let pair = x & !1;
            *out = bgra_from_ycbcr(luma[x], chroma[pair], chroma[pair + 1]);
        }
    }
}

/// The inverse of ITU-R BT.709-6, limited range.
fn bgra_from_ycbcr(y: u8, cb: u8, cr: u8) -> [u8; 4] {
    let y = (f32::from(y) - 16.0) / 219.0;
    let cb = (f32::from(cb) - 128.0) / 224.0;
    let cr = (f32::from(cr) - 128.0) / 224.0;
    let (blue, red) = (y + 1.8556 * cb, y + 1.5748 * cr);
    let green = (y - 0.0722 * blue - 0.2126 * red) / 0.7152;
    let byte = |value: f32| (value * 255.0 + 0.5) as u8;
    [byte(blue), byte(green), byte(red), OPAQUE]
}
