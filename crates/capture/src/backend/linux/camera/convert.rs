//! What a camera sends, as NV12.
//!
//! Owns: the layouts of raw pictures, and which matrix a driver means. JPEG is read in [`jpeg`](super::jpeg). Allocates
//! nothing per picture, and trusts no length that a driver tells. Pure; tested below against the formats' definitions.

use super::{choice::Encoding, jpeg::Jpeg, sys};
use model::{Matrix, Size};

/// How the pictures come that a camera agreed to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub encoding: Encoding,
    /// As sent; sides may be odd.
    pub size: Size,
    /// Bytes from one row to the next, of the first plane.
    pub stride: usize,
    pub matrix: Matrix,
}

/// A picture that is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

impl Layout {
    /// What the driver says of its pictures; a stride that cannot be is none.
    pub fn new(encoding: Encoding, pix: &sys::PixFormat) -> Self {
        let packed = matches!(encoding, Encoding::Yuyv | Encoding::Uyvy);
        let least = (pix.width as usize).next_multiple_of(2) * if packed { 2 } else { 1 };
        Self {
            encoding,
            size: Size::new(pix.width, pix.height),
            stride: (pix.bytes_per_line as usize).max(least),
            matrix: matrix_of(encoding, pix),
        }
    }

    /// What we make of it: both sides even, the last odd column and row left out.
    pub fn even(&self) -> Size {
        Size::new(self.size.width & !1, self.size.height & !1)
    }

    /// Of the NV12 picture, whose rows follow each other without padding.
    pub fn bytes(&self) -> usize {
        let Size { width, height } = self.even();
        width as usize * height as usize / 2 * 3
    }
}

/// BT.601 unless something else is said. BT.709 in full range is not known further in; of the two its range is what is
/// seen more.
fn matrix_of(encoding: Encoding, pix: &sys::PixFormat) -> Matrix {
    let is_jpeg = pix.colorspace == sys::COLORSPACE_JPEG;
    let is_full = pix.quantization == sys::QUANTIZATION_FULL
        || (pix.quantization == sys::QUANTIZATION_DEFAULT && is_jpeg);
    let is_709 = pix.ycbcr_enc == sys::YCBCR_ENC_709
        || (pix.ycbcr_enc == sys::YCBCR_ENC_DEFAULT && pix.colorspace == sys::COLORSPACE_REC709);
    match encoding {
        Encoding::Mjpeg => Matrix::Bt601Full,
        _ if is_full => Matrix::Bt601Full,
        _ if is_709 => Matrix::Bt709,
        _ => Matrix::Bt601,
    }
}

/// Reads the pictures of one layout.
pub(super) struct Converter {
    layout: Layout,
    jpeg: Jpeg,
}

impl Converter {
    pub fn new(layout: Layout) -> Self {
        Self { layout, jpeg: Jpeg::default() }
    }

    /// Fills `target`, which has [`Layout::bytes`]. After an error it holds some of the picture.
    pub fn convert(&mut self, picture: &[u8], target: &mut [u8]) -> Result<(), Broken> {
        let Layout { encoding, size, stride, .. } = self.layout;
        let even = self.layout.even();
        let width = even.width as usize;
        if width == 0 || even.height == 0 || target.len() != self.layout.bytes() {
            return Err(Broken);
        }
        let (luma, chroma) = target.split_at_mut(width * even.height as usize);
        let mut planes = Planes { width, luma, chroma };
        match encoding {
            Encoding::Nv12 => planes.copy_nv12(picture, size, stride),
            Encoding::I420 => planes.join_i420(picture, size, stride),
            Encoding::Yuyv => planes.unpack(picture, stride, |[luma, _]| luma, |[_, chroma]| chroma),
            Encoding::Uyvy => planes.unpack(picture, stride, |[_, luma]| luma, |[chroma, _]| chroma),
            Encoding::Mjpeg => self.jpeg.decode(picture, size, &mut planes),
        }
    }
}

/// An NV12 picture to be filled, with even sides and no padding.
pub(super) struct Planes<'a> {
    pub width: usize,
    pub luma: &'a mut [u8],
    pub chroma: &'a mut [u8],
}

impl Planes<'_> {
    fn copy_nv12(&mut self, picture: &[u8], size: Size, stride: usize) -> Result<(), Broken> {
        let (luma, chroma) = picture.split_at_checked(stride * size.height as usize).ok_or(Broken)?;
        copy_rows(self.luma, luma, stride, self.width)?;
        copy_rows(self.chroma, chroma, stride, self.width)
    }

    fn join_i420(&mut self, picture: &[u8], size: Size, stride: usize) -> Result<(), Broken> {
        let (luma, chroma) = picture.split_at_checked(stride * size.height as usize).ok_or(Broken)?;
        copy_rows(self.luma, luma, stride, self.width)?;
        let stride = stride / 2;
        let plane = stride * size.height.div_ceil(2) as usize;
        let (cb, cr) = chroma.split_at_checked(plane).ok_or(Broken)?;
        for (y, row) in self.chroma.chunks_exact_mut(self.width).enumerate() {
            let (cb, cr) = (row_of(cb, y, stride, self.width / 2)?, row_of(cr, y, stride, self.width / 2)?);
            for ((pair, cb), cr) in row.as_chunks_mut::<2>().0.iter_mut().zip(cb).zip(cr) {
                *pair = [*cb, *cr];
            }
        }
        Ok(())
    }

    /// Pictures with luma and chroma in turn, and chroma in every row: each two rows of it are averaged. Cb and Cr
    /// alternate as they do in NV12.
    fn unpack(
        &mut self,
        picture: &[u8],
        stride: usize,
        luma: impl Fn([u8; 2]) -> u8,
        chroma: impl Fn([u8; 2]) -> u8,
    ) -> Result<(), Broken> {
        let pairs = self.luma.chunks_exact_mut(2 * self.width).zip(self.chroma.chunks_exact_mut(self.width));
        for (y, (both, between)) in pairs.enumerate() {
            let above = row_of(picture, 2 * y, stride, 2 * self.width)?.as_chunks::<2>().0;
            let below = row_of(picture, 2 * y + 1, stride, 2 * self.width)?.as_chunks::<2>().0;
            // One row at a time: chained, they are not vectorised.
            let (upper, lower) = both.split_at_mut(self.width);
            for (row, pixels) in [(upper, above), (lower, below)] {
                for (target, pixel) in row.iter_mut().zip(pixels) {
                    *target = luma(*pixel);
                }
            }
            for ((target, above), below) in between.iter_mut().zip(above).zip(below) {
                *target = mean(chroma(*above), chroma(*below));
            }
        }
        Ok(())
    }
}

/// Rounded up.
pub(super) fn mean(a: u8, b: u8) -> u8 {
    ((u16::from(a) + u16::from(b) + 1) >> 1) as u8
}

fn copy_rows(target: &mut [u8], source: &[u8], stride: usize, width: usize) -> Result<(), Broken> {
    for (y, row) in target.chunks_exact_mut(width).enumerate() {
        row.copy_from_slice(row_of(source, y, stride, width)?);
    }
    Ok(())
}

/// The last row need not have its padding.
fn row_of(plane: &[u8], y: usize, stride: usize, width: usize) -> Result<&[u8], Broken> {
    plane.get(y * stride..y * stride + width).ok_or(Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any picture: luma and both chromas at a pixel, and what each way of sending it makes of that.
    fn sample(x: u32, y: u32, plane: u32) -> u8 {
        (x * 7 + y * 13 + plane * 101 + x * y % 5) as u8
    }

    /// Sends a picture the way its encoding is defined, with `padding` bytes after each row.
    fn send(encoding: Encoding, size: Size, padding: usize) -> (Layout, Vec<u8>) {
        let Size { width, height } = size;
        let whole = width.next_multiple_of(2);
        let mut bytes = Vec::new();
        let mut row = |samples: Vec<u8>, padding: usize| {
            bytes.extend(samples);
            bytes.extend(vec![0xee; padding]);
        };
        let luma = |y: u32| (0..whole).map(move |x| sample(x, y, 0)).collect::<Vec<_>>();
        let half = |y: u32, plane: u32| (0..whole / 2).map(move |x| sample(x, y, plane));
        let stride = match encoding {
            Encoding::Yuyv | Encoding::Uyvy => {
                for y in 0..height {
                    let groups = (0..whole / 2).flat_map(|x| {
                        let (a, b) = (sample(2 * x, y, 0), sample(2 * x + 1, y, 0));
                        let (cb, cr) = (sample(x, y, 1), sample(x, y, 2));
                        if encoding == Encoding::Yuyv { [a, cb, b, cr] } else { [cb, a, cr, b] }
                    });
                    row(groups.collect(), padding);
                }
                2 * whole as usize + padding
            }
            Encoding::Nv12 => {
                (0..height).for_each(|y| row(luma(y), padding));
                let pairs = |y| half(y, 1).zip(half(y, 2)).flat_map(|(cb, cr)| [cb, cr]);
                (0..height.div_ceil(2)).for_each(|y| row(pairs(y).collect(), padding));
                whole as usize + padding
            }
            _ => {
                (0..height).for_each(|y| row(luma(y), padding));
                for plane in [1, 2] {
                    (0..height.div_ceil(2)).for_each(|y| row(half(y, plane).collect(), padding / 2));
                }
                whole as usize + padding
            }
        };
        let pix = sys::PixFormat { width, height, bytes_per_line: stride as u32, ..Default::default() };
        (Layout::new(encoding, &pix), bytes)
    }

    fn check(encoding: Encoding, size: Size, padding: usize) {
        let (layout, mut sent) = send(encoding, size, padding);
        let (even, mut got) = (layout.even(), vec![0; layout.bytes()]);
        let mut converter = Converter::new(layout);
        converter.convert(&sent, &mut got).unwrap();
        let is_packed = matches!(encoding, Encoding::Yuyv | Encoding::Uyvy);
        for y in 0..even.height {
            for x in 0..even.width {
                let place = (y * even.width + x) as usize;
                assert_eq!(got[place], sample(x, y, 0), "luma at {x},{y} of {encoding:?} {size}");
                if y % 2 == 0 {
                    let at = |y| sample(x / 2, y, 1 + x % 2);
                    let want = if is_packed {
                        u16::midpoint(at(y).into(), u16::from(at(y + 1)) + 1) as u8
                    } else {
                        at(y / 2)
                    };
                    let chroma = (even.width * even.height + y / 2 * even.width + x) as usize;
                    assert_eq!(got[chroma], want, "chroma at {x},{y} of {encoding:?} {size}");
                }
            }
        }
        let is_odd = size.width % 2 + size.height % 2 > 0;
        sent.truncate(sent.len() - padding / if encoding == Encoding::I420 { 2 } else { 1 });
        assert_eq!(converter.convert(&sent, &mut got), Ok(()), "the last row's padding may be missing");
        sent.truncate(sent.len().saturating_sub(if is_odd { 200 } else { 1 }));
        assert_eq!(converter.convert(&sent, &mut got), Err(Broken));
        assert_eq!(converter.convert(&[], &mut got), Err(Broken));
    }

    #[test]
    fn raw_pictures_are_what_their_formats_say() {
        for encoding in [Encoding::Nv12, Encoding::I420, Encoding::Yuyv, Encoding::Uyvy] {
            for size in [Size::new(64, 48), Size::new(66, 50), Size::new(33, 27), Size::new(2, 2)] {
                for padding in [0, 32] {
                    check(encoding, size, padding);
                }
            }
        }
    }

    #[test]
    fn a_driver_says_which_matrix() {
        let check = |encoding, colorspace, ycbcr_enc, quantization, want| {
            let pix = sys::PixFormat { colorspace, ycbcr_enc, quantization, ..Default::default() };
            assert_eq!(matrix_of(encoding, &pix), want);
        };
        check(Encoding::Yuyv, 0, 0, 0, Matrix::Bt601);
        check(Encoding::Yuyv, 8, 0, 0, Matrix::Bt601);
        check(Encoding::Nv12, sys::COLORSPACE_REC709, 0, 0, Matrix::Bt709);
        check(Encoding::Nv12, sys::COLORSPACE_REC709, 1, 0, Matrix::Bt601);
        check(Encoding::Nv12, 8, sys::YCBCR_ENC_709, 0, Matrix::Bt709);
        check(Encoding::Yuyv, 8, 1, sys::QUANTIZATION_FULL, Matrix::Bt601Full);
        check(Encoding::Yuyv, sys::COLORSPACE_JPEG, 0, 2, Matrix::Bt601);
        check(Encoding::Mjpeg, 8, 0, 0, Matrix::Bt601Full);
    }

    #[test]
    fn no_length_that_a_driver_tells_is_trusted() {
        let pix = sys::PixFormat { width: 64, height: 48, bytes_per_line: 3, ..Default::default() };
        assert_eq!(Layout::new(Encoding::Yuyv, &pix).stride, 128);
        let layout = Layout::new(Encoding::Yuyv, &sys::PixFormat::default());
        assert_eq!(Converter::new(layout).convert(&[], &mut []), Err(Broken));
    }
}
