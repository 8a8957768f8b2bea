//! Pictures that carry their own number: shown on a display, and read back from a recording.
//!
//! A code is a grid of large black and white cells, so that it survives scaling and encoding: 24 bits of the number,
//! then eight bits that check it.

use crate::{
    display::Display,
    wayland::{Sheet, Wayland},
    window::{Canvas, Window},
};
use rustix::time::{ClockId, clock_gettime};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// However busy a machine is: what is seen later than this, in seconds, is wrong.
const LATEST: f64 = 0.5;
/// Cells across.
pub const COLUMNS: u16 = 8;
/// Cells down.
pub const ROWS: u16 = 4;

/// The cells of a number, row by row from the top left; true is white.
pub fn cells(number: u32) -> Vec<bool> {
    let word = number & 0xFF_FFFF | u32::from(check(number)) << 24;
    (0..u32::from(COLUMNS * ROWS)).map(|bit| word >> bit & 1 == 1).collect()
}

/// The number that these cells carry, if they carry one.
pub fn number(cells: impl IntoIterator<Item = bool>) -> Option<u32> {
    let word = cells.into_iter().enumerate().fold(0, |word, (bit, white)| word | u32::from(white) << bit);
    let number = word & 0xFF_FFFF;
    (word >> 24 == u32::from(check(number))).then_some(number)
}

/// The number whose code fills this area (x, y, width, height), if one can be read without doubt. `brightness` gives
/// the mean of an area, from 0 to 255.
pub fn read(area: Area, brightness: impl Fn(Area) -> f64) -> Option<u32> {
    let (across, down) = (area.2 / f64::from(COLUMNS), area.3 / f64::from(ROWS));
    let cells = (0..ROWS).flat_map(|row| (0..COLUMNS).map(move |column| (row, column)));
    let cells: Option<Vec<bool>> = cells
        .map(|(row, column)| {
            // Only the middle of a cell: its edge is smeared.
            let (x, y) = ((f64::from(column) + 0.25) * across, (f64::from(row) + 0.25) * down);
            match brightness((area.0 + x, area.1 + y, across / 2.0, down / 2.0)) {
                black if black < 100.0 => Some(false),
                white if white > 155.0 => Some(true),
                _ => None,
            }
        })
        .collect();
    number(cells?)
}

/// A part of a picture as shares of its sides: x, y, width and height.
pub type Area = (f64, f64, f64, f64);

/// Neither all black nor all white is a code.
fn check(number: u32) -> u8 {
    let [low, middle, high, _] = number.to_le_bytes();
    (low.rotate_left(1) ^ middle.rotate_left(3) ^ high.rotate_left(5)) ^ 0x5A
}

/// Nanoseconds on the steady clock that recordings are stamped with.
pub fn host_time() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// A code that was put on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Its number.
    pub number: u32,
    /// Before it was drawn, in nanoseconds of [`host_time`].
    pub before: i64,
    /// After the server had drawn it.
    pub after: i64,
}

/// A window that shows the next code again and again, until the guard is dropped.
#[derive(Debug)]
pub struct CodeShow {
    shown: Arc<Mutex<Vec<Shown>>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl CodeShow {
    /// Fills this part of the display (x, y, width, height) with `rate` codes a second, beginning with 1.
    pub fn start(display: &Display, part: (i16, i16, u16, u16), rate: u32) -> Self {
        let mut canvas = Canvas::unmanaged(display.connect(), part);
        Self::run(rate, move |number| canvas.paint(|size| rectangles(number, size)))
    }

    /// All of the display.
    pub fn fill(display: &Display, rate: u32) -> Self {
        let (width, height) = display.size();
        Self::start(display, (0, 0, width, height), rate)
    }

    /// In a window, whatever its size, for as long as it is open.
    pub fn in_window(window: &Window, rate: u32) -> Self {
        let mut canvas = window.canvas();
        Self::run(rate, move |number| canvas.paint(|size| rectangles(number, size)))
    }

    /// Fills this part of a Wayland desktop's output, in its own coordinates.
    pub fn on_wayland(desktop: &Wayland, output: &str, part: (i16, i16, u16, u16), rate: u32) -> Self {
        let mut sheet = Sheet::open(desktop, output, part);
        Self::run(rate, move |number| sheet.paint(|size| rectangles(number, size)))
    }

    /// Lets `paint` show one number after the other until there is nothing more to paint on. It returns once the
    /// number can be seen.
    fn run(rate: u32, mut paint: impl FnMut(u32) -> Option<()> + Send + 'static) -> Self {
        let (shown, ended) = (Arc::<Mutex<Vec<Shown>>>::default(), Arc::<AtomicBool>::default());
        let thread = thread::spawn({
            let (shown, ended) = (Arc::clone(&shown), Arc::clone(&ended));
            let (start, period) = (Instant::now(), Duration::from_secs(1) / rate);
            move || {
                for number in 1.. {
                    if ended.load(Ordering::Relaxed) {
                        return;
                    }
                    let before = host_time();
                    // What it paints on is gone when a test ends in another order than it began.
                    if paint(number).is_none() {
                        return;
                    }
                    let code = Shown { number, before, after: host_time() };
                    shown.lock().unwrap_or_else(PoisonError::into_inner).push(code);
                    thread::sleep((start + period * number).saturating_duration_since(Instant::now()));
                }
            }
        });
        Self { shown, ended, thread: Some(thread) }
    }

    /// Every code so far, in order.
    pub fn shown(&self) -> Vec<Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many codes stood for less than `least`, because the display or the machine was busy: who looks that often
    /// may have missed them.
    pub fn brief(&self, least: Duration) -> u64 {
        let stood = |pair: &[Shown]| Duration::from_nanos(pair[1].before.abs_diff(pair[0].after));
        self.shown().windows(2).filter(|pair| stood(pair) < least).count() as u64
    }

    /// When this code was put on the screen, if it was.
    pub fn find(&self, number: u32) -> Option<Shown> {
        let shown = self.shown();
        shown.binary_search_by_key(&number, |shown| shown.number).ok().map(|index| shown[index])
    }
}

impl Drop for CodeShow {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// What is white of a picture of this size that shows a number; the rest is black. Places and sizes are x, y, width and
/// height.
fn rectangles(number: u32, (width, height): (u16, u16)) -> Vec<(u16, u16, u16, u16)> {
    let (across, down) = (width / COLUMNS, height / ROWS);
    (0u16..)
        .zip(cells(number))
        .filter(|(_, white)| *white)
        .map(|(cell, _)| (cell % COLUMNS * across, cell / COLUMNS * down, across, down))
        .collect()
}

/// Without what only repeats the code before it, as a picture that stands may.
pub fn without_repeats(mut codes: Vec<(f64, u32)>) -> Vec<(f64, u32)> {
    codes.dedup_by_key(|code| code.1);
    codes
}

/// Without the repeats that begin a chunk of `chunk` seconds: a picture that stood on the boundary is encoded once
/// more there, so that players can begin with it.
pub fn without_keyframes(mut codes: Vec<(f64, u32)>, chunk: f64) -> Vec<(f64, u32)> {
    let on_boundary = |at: f64| (at / chunk - (at / chunk).round()).abs() * chunk < 0.001;
    codes.dedup_by(|later, earlier| later.1 == earlier.1 && on_boundary(later.0));
    codes
}

/// Fails the test unless these codes, with the times at which a file shows them, came in order, none twice, and no
/// more are missing between the first and the last than `dropped`.
#[track_caller]
pub fn assert_in_order(codes: &[(f64, u32)], dropped: u64) {
    assert!(codes.len() > 1, "hardly any code can be read: {codes:?}");
    for pair in codes.windows(2) {
        assert!(pair[0].0 < pair[1].0, "shown at the same time: {pair:?}");
        assert!(pair[0].1 < pair[1].1, "out of order, or twice: {pair:?}");
    }
    let (first, last) = (codes[0].1, codes[codes.len() - 1].1);
    let missing = u64::from(last - first) + 1 - codes.len() as u64;
    assert!(missing <= dropped, "{missing} codes are missing, {dropped} were reported: {codes:?}");
}

/// Fails the test unless the file shows each code as long after the others as the display did, up to `tolerance`
/// seconds. On a busy machine a recorder looks late. It says so only where it is late by a whole picture, so as many
/// codes may come late as it `missed` looks, and one in eight besides: a recorder that is wrong is late with most.
/// Gives the time on the display, in nanoseconds of [`host_time`], at which the file begins.
#[track_caller]
pub fn assert_on_time(codes: &[(f64, u32)], show: &CodeShow, tolerance: f64, missed: u64) -> f64 {
    let shown = |code| show.find(code).unwrap_or_else(|| panic!("code {code} was never shown"));
    assert_in_time(codes, |code| [shown(code).before, shown(code).after], tolerance, missed)
}

/// The same for codes that came to be seen at some instant between two, in nanoseconds of [`host_time`].
#[track_caller]
pub fn assert_in_time(
    codes: &[(f64, u32)],
    shown: impl Fn(u32) -> [i64; 2],
    tolerance: f64,
    missed: u64,
) -> f64 {
    let mut beginnings: Vec<f64> = codes.iter().map(|(at, code)| shown(*code)[1] as f64 - at * 1e9).collect();
    beginnings.sort_by(f64::total_cmp);
    let begun = beginnings[beginnings.len() / 2];
    let mut late = Vec::new();
    for (at, code) in codes {
        let ([before, after], seen) = (shown(*code), begun + at * 1e9);
        let early = (before as f64 - seen) / 1e9;
        assert!(early <= tolerance, "code {code} is shown {early:.3} s early");
        if (seen - after as f64) / 1e9 > tolerance {
            late.push((*code, (seen - after as f64) / 1e9));
        }
    }
    let allowed = missed.saturating_add(codes.len() as u64 / 8);
    assert!(
        late.len() as u64 <= allowed,
        "codes are shown late (in s), {missed} looks were missed: {late:?}"
    );
    assert!(late.iter().all(|code| code.1 < tolerance + LATEST), "codes are shown much too late: {late:?}");
    begun
}
