//! What the synthetic sources show and play, and how a test reads it back.
//!
//! The picture, from the top: a row of [`CELLS`] cells in the first twelfth (a white one and a black one to compare
//! with, the 24 bits of a counter from the highest, a parity bit, its opposite); a box that moves through the middle;
//! in the last quarter's right half a flash, white for the first [`FLASH`] of each second of host time and black
//! else. The microphone beeps for [`BEEP`] at the same instants. Cells and flash are large enough to be read after
//! scaling to a quarter and after any encoder.
//!
//! Pure: no clock, no thread. Tested below.

use crate::{damage::Rows, ticks::Ticks};
use model::{HostTime, Rect, Size};
use std::{f64::consts::TAU, ops::Range, time::Duration};

/// Cells in the row that carries the counter.
pub const CELLS: u32 = 28;
/// The counter begins again after this many pictures.
pub const CODES: u32 = 1 << 24;
/// How long the flash shows.
pub const FLASH: Duration = Duration::from_millis(100);
/// How long the beep lasts.
pub const BEEP: Duration = Duration::from_millis(50);
/// Of the beep, in hertz.
pub const BEEP_HZ: f64 = 1000.0;
/// Of what the microphone plays between beeps, in hertz, forty times quieter.
pub const HUM_HZ: f64 = 200.0;
/// Of the synthetic system sound, in hertz.
pub const SYSTEM_HZ: f64 = 440.0;

const SECOND: i64 = 1_000_000_000;
const WHITE: [u8; 4] = [255; 4];
const BLACK: [u8; 4] = [0, 0, 0, 255];
const BOX: [u8; 4] = [40, 140, 240, 255];
/// The same as luma, Cb and Cr of BT.601, which is what cameras send.
const CAMERA_WHITE: [u8; 3] = [235, 128, 128];
const CAMERA_BLACK: [u8; 3] = [16, 128, 128];
const CAMERA_BOX: [u8; 3] = [152, 69, 179];

/// The cells that show `code` in a picture of this size, with whether each is white.
pub fn code_cells(size: Size, code: u32) -> impl Iterator<Item = (Rect, bool)> {
    let bits = (0..24).rev().map(move |bit| code >> bit & 1 == 1);
    let parity = code.count_ones() % 2 == 1;
    [true, false].into_iter().chain(bits).chain([parity, !parity]).zip(0..).map(move |(white, cell)| {
        let left = size.width * cell / CELLS;
        let right = size.width * (cell + 1) / CELLS;
        (Rect::new(left.cast_signed(), 0, right - left, size.height / 12), white)
    })
}

/// The counter that a picture of this size shows, given the brightness at (x, y). None where it shows none.
pub fn read_code(size: Size, luma: impl Fn(u32, u32) -> u8) -> Option<u32> {
    let levels: Vec<u32> = code_cells(size, 0).map(|(cell, _)| mean(cell, &luma)).collect();
    let (white, black) = (levels[0], levels[1]);
    if white < black + 64 {
        return None;
    }
    let threshold = u32::midpoint(white, black);
    let code = levels[2..26].iter().fold(0, |code, level| code << 1 | u32::from(*level > threshold));
    let same = code_cells(size, code).zip(&levels).all(|((_, white), level)| white == (*level > threshold));
    same.then_some(code)
}

/// Where the flash is in a picture of this size.
pub fn flash_area(size: Size) -> Rect {
    let (x, y) = (size.width / 2, size.height * 3 / 4);
    Rect::new(x.cast_signed(), y.cast_signed(), size.width - x, size.height - y)
}

/// Whether a picture of this size shows the flash, given the brightness at (x, y).
pub fn read_flash(size: Size, luma: impl Fn(u32, u32) -> u8) -> bool {
    mean(flash_area(size), &luma) > 128
}

/// The mean of nine points in the middle of `area`, which no edge's ringing reaches.
fn mean(area: Rect, luma: &impl Fn(u32, u32) -> u8) -> u32 {
    let at = |start: i32, length: u32, ninth: u32| start.cast_unsigned() + length * (3 + ninth) / 8;
    let points = (0..3).flat_map(|x| (0..3).map(move |y| (x, y)));
    points.map(|(x, y)| u32::from(luma(at(area.x, area.width, x), at(area.y, area.height, y)))).sum::<u32>()
        / 9
}

/// What the moving picture shows at one tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scene {
    code: u32,
    moved: u32,
    flash: bool,
}

impl Scene {
    /// At tick `index` of `ticks`.
    pub fn at(ticks: Ticks, index: i64) -> Self {
        let code = u32::try_from(index.rem_euclid(i64::from(CODES))).unwrap_or(0);
        Self { code, moved: code, flash: is_within(ticks.time_of(index), FLASH) }
    }

    /// Where the box is in a picture of this size.
    fn moving_box(self, size: Size) -> Rect {
        let (width, height) = ((size.width / 16).max(1), (size.height / 8).max(1));
        let way = (size.width - width).max(1);
        let x = u64::from(self.moved) * 8 % u64::from(way);
        let x = i32::try_from(x).unwrap_or(0);
        Rect::new(x, (size.height * 7 / 16).cast_signed(), width, height)
    }
}

/// Whether `at` is within the first `part` of its second.
fn is_within(at: HostTime, part: Duration) -> bool {
    u128::from(at.0.rem_euclid(SECOND).unsigned_abs()) < part.as_nanos()
}

/// Paints scenes as BGRX, touching only the rows that it is told to.
pub(crate) struct Painter {
    size: Size,
    background: Vec<u8>,
}

impl Painter {
    pub fn new(size: Size) -> Self {
        let shade = |value: u32, of: u32| u8::try_from(value * 96 / of.max(1)).unwrap_or(96) + 32;
        let pixels = (0..size.height).flat_map(|y| {
            (0..size.width).flat_map(move |x| [shade(x, size.width), shade(y, size.height), 64, 255])
        });
        Self { size, background: pixels.collect() }
    }

    pub fn stride(&self) -> usize {
        4 * self.size.width as usize
    }

    /// The picture without anything that moves.
    pub fn background(&self) -> &[u8] {
        &self.background
    }

    /// What differs between two scenes.
    pub fn changes(&self, from: Scene, to: Scene) -> Vec<Rect> {
        let cells = code_cells(self.size, from.code).zip(code_cells(self.size, to.code));
        let cells = cells.filter(|(old, new)| old.1 != new.1).map(|(_, new)| new.0);
        let mut changes = cells.reduce(Rect::union).into_iter().collect::<Vec<_>>();
        if from.moved != to.moved {
            changes.extend([from.moving_box(self.size), to.moving_box(self.size)]);
        }
        if from.flash != to.flash {
            changes.push(flash_area(self.size));
        }
        changes
    }

    /// Makes `rows` of `pixels` show `scene`.
    pub fn paint(&self, pixels: &mut [u8], rows: &Rows, scene: Scene) {
        for run in rows.runs() {
            let bytes = run.start as usize * self.stride()..run.end as usize * self.stride();
            pixels[bytes.clone()].copy_from_slice(&self.background[bytes]);
            for (cell, white) in code_cells(self.size, scene.code) {
                self.fill(pixels, &run, cell, if white { WHITE } else { BLACK });
            }
            self.fill(pixels, &run, scene.moving_box(self.size), BOX);
            self.fill(pixels, &run, flash_area(self.size), if scene.flash { WHITE } else { BLACK });
        }
    }

    fn fill(&self, pixels: &mut [u8], rows: &Range<u32>, area: Rect, color: [u8; 4]) {
        let band = Rect::new(0, rows.start.cast_signed(), self.size.width, rows.end - rows.start);
        let Some(area) = area.intersect(band) else { return };
        for y in area.y.cast_unsigned()..area.bottom().cast_unsigned() {
            let start = y as usize * self.stride() + 4 * area.x.cast_unsigned() as usize;
            let row = &mut pixels[start..start + 4 * area.width as usize];
            row.as_chunks_mut::<4>().0.fill(color);
        }
    }
}

/// Paints scenes as NV12 of BT.601, always all of it: a camera does not say what changed. On a ground of another colour
/// than the screen's.
pub(crate) struct CameraPainter {
    size: Size,
    background: Vec<u8>,
}

impl CameraPainter {
    /// Both sides of `size` are even.
    pub fn new(size: Size) -> Self {
        let shade = |value: u32, of: u32| u8::try_from(value * 64 / of.max(1)).unwrap_or(64);
        let luma = (0..size.height)
            .flat_map(|y| (0..size.width).map(move |x| 64 + shade(x + y, size.width + size.height)));
        let chroma = (0..size.height / 2).flat_map(|y| {
            (0..size.width / 2).flat_map(move |x| [160 - shade(x, size.width), 80 + shade(y, size.height)])
        });
        Self { size, background: luma.chain(chroma).collect() }
    }

    /// How many a picture has; rows follow each other without padding.
    pub fn bytes(&self) -> usize {
        self.background.len()
    }

    /// Makes `picture` show `scene`.
    pub fn paint(&self, picture: &mut [u8], scene: Scene) {
        picture.copy_from_slice(&self.background);
        for (cell, white) in code_cells(self.size, scene.code) {
            self.fill(picture, cell, if white { CAMERA_WHITE } else { CAMERA_BLACK });
        }
        self.fill(picture, scene.moving_box(self.size), CAMERA_BOX);
        self.fill(picture, flash_area(self.size), if scene.flash { CAMERA_WHITE } else { CAMERA_BLACK });
    }

    fn fill(&self, picture: &mut [u8], area: Rect, [luma, cb, cr]: [u8; 3]) {
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        let (left, right) = (area.x.cast_unsigned() as usize, area.right().cast_unsigned() as usize);
        let rows = area.y.cast_unsigned() as usize..area.bottom().cast_unsigned() as usize;
        for y in rows.clone() {
            picture[y * width + left..y * width + right].fill(luma);
        }
        for y in rows.start / 2..rows.end.div_ceil(2) {
            let row = (height + y) * width;
            let pairs = &mut picture[row + (left & !1)..row + right.next_multiple_of(2)];
            pairs.as_chunks_mut::<2>().0.fill([cb, cr]);
        }
    }
}

/// The microphone at one instant: a beep at the beginning of each second of host time, a hum else.
pub(crate) fn microphone(at: HostTime) -> f32 {
    let beep = is_within(at, BEEP);
    let (hertz, volume) = if beep { (BEEP_HZ, 0.5) } else { (HUM_HZ, 0.0125) };
    sine(at, hertz) * volume
}

/// The system's sound at one instant.
pub(crate) fn system(at: HostTime) -> f32 {
    sine(at, SYSTEM_HZ) * 0.25
}

/// All tones have a whole number of periods a second, so the second's fraction is phase enough and stays exact.
fn sine(at: HostTime, hertz: f64) -> f32 {
    let seconds = at.0.rem_euclid(SECOND) as f64 / SECOND as f64;
    (TAU * hertz * seconds).sin() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luma(size: Size, pixels: &[u8]) -> impl Fn(u32, u32) -> u8 {
        move |x, y| pixels[4 * (y * size.width + x) as usize + 1]
    }

    #[test]
    fn a_painted_code_can_be_read() {
        let size = Size::new(320, 180);
        let (painter, ticks) = (Painter::new(size), Ticks::new(30));
        let mut pixels = vec![0; painter.background().len()];
        for index in [0, 1, 2, 29, 30, 12_345_678, 16_777_215, 16_777_216 + 77] {
            painter.paint(&mut pixels, &Rows::all(size.height), Scene::at(ticks, index));
            assert_eq!(read_code(size, luma(size, &pixels)), Some(index as u32 % CODES));
            assert_eq!(read_flash(size, luma(size, &pixels)), index % 30 < 3, "{index}");
        }
        assert_eq!(read_code(size, luma(size, painter.background())), None);
        assert_eq!(read_code(size, |_, _| 255), None);
        let cell = code_cells(size, 77).nth(14).unwrap().0;
        let flipped = |x: u32, y: u32| {
            let inside = cell.intersect(Rect::new(x as i32, y as i32, 1, 1)).is_some();
            if inside { 255 - luma(size, &pixels)(x, y) } else { luma(size, &pixels)(x, y) }
        };
        assert_eq!(read_code(size, flipped), None, "one wrong cell is noticed");
    }

    #[test]
    fn painting_the_changes_is_painting_all() {
        let size = Size::new(640, 360);
        let (painter, ticks) = (Painter::new(size), Ticks::new(30));
        let all = Rows::all(size.height);
        let mut kept = vec![0; painter.background().len()];
        let mut scene = Scene::at(ticks, 27);
        painter.paint(&mut kept, &all, scene);
        for index in 28..200 {
            let next = Scene::at(ticks, index);
            let changes = painter.changes(scene, next);
            let mut rows = Rows::default();
            rows.insert_rects(&changes, size.height);
            let before = kept.clone();
            painter.paint(&mut kept, &rows, next);
            let mut whole = vec![0; kept.len()];
            painter.paint(&mut whole, &all, next);
            assert!(kept == whole, "tick {index} is not all painted");
            let honest = kept.chunks(4).zip(before.chunks(4)).enumerate().all(|(pixel, (new, old))| {
                let (x, y) = ((pixel % 640) as i32, (pixel / 640) as i32);
                new == old || changes.iter().any(|c| c.intersect(Rect::new(x, y, 1, 1)).is_some())
            });
            assert!(honest, "tick {index} changed pixels that it did not name");
            scene = next;
        }
    }

    #[test]
    fn a_camera_shows_the_same_code() {
        for size in [Size::new(640, 480), Size::new(1280, 720), Size::new(322, 182)] {
            let (painter, ticks) = (CameraPainter::new(size), Ticks::new(30));
            let mut picture = vec![0; painter.bytes()];
            assert_eq!(picture.len(), (size.width * size.height * 3 / 2) as usize);
            for index in [0, 1, 30, 12_345_678] {
                painter.paint(&mut picture, Scene::at(ticks, index));
                let luma = |x: u32, y: u32| picture[(y * size.width + x) as usize];
                assert_eq!(read_code(size, luma), Some(index as u32 % CODES));
                assert_eq!(read_flash(size, luma), index % 30 < 3, "{index}");
            }
        }
    }

    #[test]
    fn the_beep_begins_with_the_second() {
        let loud = |nanos| (0..48).any(|n| microphone(HostTime(nanos + n * 20_833)).abs() > 0.4);
        assert!(loud(5 * SECOND) && loud(5 * SECOND + 48_000_000));
        assert!(!loud(5 * SECOND + 51_000_000) && !loud(5 * SECOND - 1_100_000));
    }
}
