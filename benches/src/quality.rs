//! How close a recording is to what was shown.

use crate::clip::Clip;
use anyhow::{Context, Result, ensure};
use spool_tests::tool;
use std::{io::Read, path::Path, process::Stdio};

/// Sides of the windows in which pictures are compared.
const WINDOW: usize = 8;

/// One picture, brightness only.
pub(crate) struct Luma {
    width: usize,
    values: Vec<u8>,
}

impl Luma {
    /// Of pixels whose first three bytes are blue, green and red.
    pub(crate) fn from_bgr(width: usize, pixels: &[u8], bytes: usize) -> Self {
        let values = pixels.chunks_exact(bytes).map(|pixel| {
            let [blue, green, red] = [0, 1, 2].map(|part| f32::from(pixel[part]));
            (0.0722 * blue + 0.7152 * green + 0.2126 * red).round() as u8
        });
        Self { width, values: values.collect() }
    }

    fn at(&self, x: usize, y: usize) -> u8 {
        self.values[y * self.width + x]
    }

    /// The mean structural similarity (Wang et al. 2004): 1 for the same picture.
    pub(crate) fn similarity(&self, other: &Self) -> f64 {
        let height = self.values.len().min(other.values.len()) / self.width.max(1);
        let (mut sum, mut count) = (0.0, 0.0);
        for y in (0..(height + 1).saturating_sub(WINDOW)).step_by(WINDOW / 2) {
            for x in (0..(self.width + 1).saturating_sub(WINDOW)).step_by(WINDOW / 2) {
                sum += self.window(other, x, y);
                count += 1.0;
            }
        }
        sum / count
    }

    fn window(&self, other: &Self, left: usize, top: usize) -> f64 {
        const C1: f64 = (0.01 * 255.0) * (0.01 * 255.0);
        const C2: f64 = (0.03 * 255.0) * (0.03 * 255.0);
        let (mut a, mut b, mut aa, mut bb, mut ab) = (0u32, 0u32, 0u32, 0u32, 0u32);
        for y in top..top + WINDOW {
            let row = y * self.width + left;
            for (one, two) in self.values[row..row + WINDOW].iter().zip(&other.values[row..row + WINDOW]) {
                let (one, two) = (u32::from(*one), u32::from(*two));
                a += one;
                b += two;
                aa += one * one;
                bb += two * two;
                ab += one * two;
            }
        }
        let n = (WINDOW * WINDOW) as f64;
        let [a, b, aa, bb, ab] = [a, b, aa, bb, ab].map(|sum| f64::from(sum) / n);
        let (variance, covariance) = (aa - a * a + bb - b * b, ab - a * b);
        (2.0 * a * b + C1) * (2.0 * covariance + C2) / ((a * a + b * b + C1) * (variance + C2))
    }
}

/// Decodes a file and gives each picture to `look`.
fn decode(file: &Path, width: usize, height: usize, mut look: impl FnMut(Luma)) -> Result<()> {
    let mut command = tool("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-i"]).arg(file).args([
        "-map",
        "0:v:0",
        "-fps_mode",
        "passthrough",
    ]);
    command.args(["-pix_fmt", "bgr24", "-f", "rawvideo", "-"]).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let mut pipe = child.stdout.take().context("it is a pipe")?;
    let mut pixels = vec![0; width * height * 3];
    while pipe.read_exact(&mut pixels).is_ok() {
        look(Luma::from_bgr(width, &pixels, 3));
    }
    ensure!(child.wait()?.success(), "{} does not decode", file.display());
    Ok(())
}

/// The similarity of the last picture of a file to what was on the screen in the end.
pub(crate) fn of_last(file: &Path, shown: &[u8], (width, height): (u16, u16)) -> Result<f64> {
    let (width, height) = (usize::from(width), usize::from(height));
    let mut last = None;
    decode(file, width, height, |picture| last = Some(picture))?;
    let last = last.context("no picture in the file")?;
    Ok(last.similarity(&Luma::from_bgr(width, shown, 4)))
}

/// The mean similarity of the pictures of a file to those of the film that filled the screen.
pub(crate) fn of_film(file: &Path, clip: &Clip) -> Result<f64> {
    let (mut sum, mut count, mut seen) = (0.0, 0.0, 0);
    decode(file, clip.width, clip.height, |picture| {
        seen += 1;
        // Every third picture tells as much as all of them.
        if seen % 3 != 0 {
            return;
        }
        if let Some(number) = Clip::number(|x, y| picture.at(x, y)) {
            sum += picture.similarity(&Luma::from_bgr(clip.width, clip.picture(number), 4));
            count += 1.0;
        }
    })?;
    ensure!(count >= 10.0, "only {count} pictures of {} carry a number", file.display());
    Ok(sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similarity_falls_with_noise() {
        let picture = |noise: u32| {
            let mut state = 1u32;
            let values = (0..64 * 64u32).map(|n| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let clean = (n % 64 * 3 + n / 64) % 200;
                u8::try_from(clean + (state >> 16) % (noise + 1)).unwrap()
            });
            Luma { width: 64, values: values.collect() }
        };
        let clean = picture(0);
        assert!((clean.similarity(&clean) - 1.0).abs() < 1e-9);
        let (little, much) = (clean.similarity(&picture(5)), clean.similarity(&picture(50)));
        assert!(1.0 > little && little > much && much > 0.0, "{little} {much}");
    }
}
