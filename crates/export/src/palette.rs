//! Pictures with at most 256 colours. Pure.

use color_quant::NeuQuant;
use std::collections::{HashMap, HashSet};

/// Red, green and blue.
pub(crate) type Rgb = [u8; 3];

/// A colour table has 256; one of them is the transparent one.
pub(crate) const COLORS_MAX: usize = 255;
/// Colours that so many pixels have stay exactly as they are: a tenth of a percent.
const FREQUENT: usize = 1000;
/// At most so many of them.
const FREQUENT_MAX: usize = 127;
/// So many pixels tell enough of a picture.
const SAMPLES_MAX: usize = 1 << 15;

/// Finds the colour for each pixel of a picture.
pub(crate) struct Palette {
    pub colors: Vec<Rgb>,
    exact: HashMap<Rgb, u8>,
    /// The nearest colour by the upper bits of each part, once it was looked for.
    near: Vec<Option<u8>>,
}

impl Palette {
    /// The best colours for these pixels: exactly theirs, if they are few enough.
    pub fn of(pixels: &[Rgb]) -> Self {
        let colors = distinct(pixels).unwrap_or_else(|| chosen(pixels));
        let exact = colors.iter().zip(0..).map(|(color, index)| (*color, index)).collect();
        Self { colors, exact, near: vec![None; 1 << 16] }
    }

    /// The place of this very colour.
    pub fn exactly(&self, color: Rgb) -> Option<u8> {
        self.exact.get(&color).copied()
    }

    /// The place of the colour that looks most like this one.
    pub fn nearest(&mut self, color: Rgb) -> u8 {
        if let Some(index) = self.exactly(color) {
            return index;
        }
        let [red, green, blue] = color.map(usize::from);
        let bin = red >> 3 << 11 | green >> 2 << 5 | blue >> 3;
        let colors = &self.colors;
        *self.near[bin].get_or_insert_with(|| {
            let nearest = (0u8..).zip(colors).min_by_key(|(_, other)| distance(color, **other));
            nearest.map_or(0, |(index, _)| index)
        })
    }
}

/// Eyes see green best and blue least.
fn distance(a: Rgb, b: Rgb) -> i32 {
    let part = |index: usize| i32::from(a[index]) - i32::from(b[index]);
    2 * part(0) * part(0) + 4 * part(1) * part(1) + part(2) * part(2)
}

/// All colours, if there are not too many, in an order that depends on them alone.
fn distinct(pixels: &[Rgb]) -> Option<Vec<Rgb>> {
    let mut colors = HashSet::new();
    let mut last = None;
    for pixel in pixels {
        if last.replace(pixel) != Some(pixel) && colors.insert(*pixel) && colors.len() > COLORS_MAX {
            return None;
        }
    }
    let mut colors: Vec<_> = colors.into_iter().collect();
    colors.sort_unstable();
    Some(colors)
}

/// Those that many pixels have, exactly, and the best for all others.
fn chosen(pixels: &[Rgb]) -> Vec<Rgb> {
    let step = pixels.len().div_ceil(SAMPLES_MAX).max(1);
    let mut samples: Vec<Rgb> = pixels.iter().step_by(step).copied().collect();
    samples.sort_unstable();
    let mut runs: Vec<&[Rgb]> = samples.chunk_by(|a, b| a == b).collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.len()));
    let frequent = runs.partition_point(|run| run.len() * FREQUENT >= samples.len() && run.len() > 1);
    let (kept, rest) = runs.split_at(frequent.min(FREQUENT_MAX));
    let mut colors: Vec<Rgb> = kept.iter().map(|run| run[0]).collect();
    let others: Vec<u8> =
        rest.iter().flat_map(|run| run.iter()).flat_map(|&[r, g, b]| [r, g, b, 255]).collect();
    if !others.is_empty() {
        // Every sample is looked at.
        let quantized = NeuQuant::new(1, COLORS_MAX - colors.len(), &others).color_map_rgb();
        colors.extend(quantized.as_chunks::<3>().0);
    }
    colors
}

/// The palette's index of each pixel of an area that is `width` wide; none where `wanted` says so. Errors are passed
/// on to neighbours (Floyd and Steinberg), so that areas have the right colour on the whole; colours that the palette
/// has take no part in it, so that what is plain stays plain.
pub(crate) fn dither(
    pixels: &[Rgb],
    wanted: &[bool],
    width: usize,
    palette: &mut Palette,
) -> Vec<Option<u8>> {
    // The errors of this row and the next, with a pixel more at each side.
    let (mut now, mut next) = (vec![[0i16; 3]; width + 2], vec![[0i16; 3]; width + 2]);
    let mut indices = Vec::with_capacity(pixels.len());
    for (row, wanted) in pixels.chunks(width).zip(wanted.chunks(width)) {
        for (x, (pixel, wanted)) in row.iter().zip(wanted).enumerate() {
            let exact = if *wanted { palette.exactly(*pixel) } else { None };
            if !wanted || exact.is_some() {
                indices.push(exact);
                continue;
            }
            let error = now[x + 1];
            let part = |index: usize| i16::from(pixel[index]) + error[index] / 16;
            let sought = [part(0), part(1), part(2)];
            let index = palette.nearest(sought.map(|part| part.clamp(0, 255) as u8));
            let found = palette.colors.get(usize::from(index)).copied().unwrap_or_default();
            for channel in 0..3 {
                let error = (sought[channel] - i16::from(found[channel])).clamp(-128, 128);
                now[x + 2][channel] += error * 7;
                next[x][channel] += error * 3;
                next[x + 1][channel] += error * 5;
                next[x + 2][channel] += error;
            }
            indices.push(Some(index));
        }
        now.fill([0; 3]);
        std::mem::swap(&mut now, &mut next);
    }
    indices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_colours_stay_as_they_are() {
        let pixels: Vec<Rgb> = (0..10_000).map(|n| [(n % 255) as u8, 7, 200]).collect();
        let mut palette = Palette::of(&pixels);
        assert_eq!(palette.colors.len(), 255);
        let indices = dither(&pixels, &vec![true; pixels.len()], 100, &mut palette);
        let drawn: Vec<_> = indices.iter().map(|index| palette.colors[usize::from(index.unwrap())]).collect();
        assert_eq!(drawn, pixels);
    }

    #[test]
    fn many_colours_are_right_on_the_whole_and_plain_ones_exactly() {
        // A gradient under a white bar.
        let (width, height) = (256, 256);
        let pixel = |place: usize| {
            let (x, y) = (place % width, place / width);
            if y < 32 { [255; 3] } else { [x as u8, y as u8, (x / 2 + y / 2) as u8] }
        };
        let pixels: Vec<Rgb> = (0..width * height).map(pixel).collect();
        let mut palette = Palette::of(&pixels);
        assert!(palette.colors.len() <= COLORS_MAX);
        let indices = dither(&pixels, &vec![true; pixels.len()], width, &mut palette);
        let drawn: Vec<_> = indices.iter().map(|index| palette.colors[usize::from(index.unwrap())]).collect();
        assert!(drawn[..32 * width].iter().all(|color| *color == [255; 3]));
        // The mean of every block of 16 by 16 is right within 6 of 255.
        for block in 0..16 * 14 {
            let (left, top) = (block % 16 * 16, 32 + block / 16 * 16);
            let places = || (0..256).map(|n| (top + n / 16) * width + left + n % 16);
            for channel in 0..3 {
                let sum =
                    |picture: &[Rgb]| places().map(|place| i64::from(picture[place][channel])).sum::<i64>();
                let off = (sum(&drawn) - sum(&pixels)).abs() / 256;
                assert!(off <= 6, "{off} at {left},{top}");
            }
        }
    }

    #[test]
    fn what_is_not_wanted_has_no_colour() {
        let pixels = vec![[1, 2, 3]; 4];
        let mut palette = Palette::of(&pixels);
        let indices = dither(&pixels, &[true, false, false, true], 2, &mut palette);
        assert_eq!(indices, [Some(0), None, None, Some(0)]);
    }
}
