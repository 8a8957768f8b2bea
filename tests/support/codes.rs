//! Pictures that carry their own number: shown on a display, and read back from a recording.
//!
//! A code is a grid of large black and white cells, so that it survives scaling and encoding: 24 bits of the number,
//! then eight bits that check it.

use crate::display::Display;
use rustix::time::{ClockId, clock_gettime};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use x11rb::{
    connection::Connection,
    protocol::xproto::{
        ConnectionExt, CreateGCAux, CreateWindowAux, Drawable, Gcontext, Rectangle, Window, WindowClass,
    },
    rust_connection::RustConnection,
};

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
        let (shown, ended) = (Arc::default(), Arc::default());
        let painter = Painter::new(display.connect(), part);
        let thread = thread::spawn({
            let (shown, ended) = (Arc::clone(&shown), Arc::clone(&ended));
            move || painter.run(rate, &shown, &ended)
        });
        Self { shown, ended, thread: Some(thread) }
    }

    /// All of the display.
    pub fn fill(display: &Display, rate: u32) -> Self {
        let (width, height) = display.size();
        Self::start(display, (0, 0, width, height), rate)
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

struct Painter {
    server: RustConnection,
    window: Window,
    // The code is drawn here first and appears on the screen as a whole.
    canvas: Drawable,
    black: Gcontext,
    white: Gcontext,
    size: (u16, u16),
}

impl Painter {
    fn new(server: RustConnection, (x, y, width, height): (i16, i16, u16, u16)) -> Self {
        let screen = server.setup().roots[0].clone();
        let id = || server.generate_id().expect("an X client has thousands of ids");
        let (window, canvas, black, white) = (id(), id(), id(), id());
        let aux = CreateWindowAux::new().background_pixel(screen.black_pixel).override_redirect(1);
        let (depth, class) = (screen.root_depth, WindowClass::INPUT_OUTPUT);
        let sent = server
            .create_window(depth, window, screen.root, x, y, width, height, 0, class, 0, &aux)
            .and_then(|_| server.create_pixmap(depth, canvas, window, width, height))
            .and_then(|_| server.create_gc(black, canvas, &CreateGCAux::new().foreground(screen.black_pixel)))
            .and_then(|_| server.create_gc(white, canvas, &CreateGCAux::new().foreground(screen.white_pixel)))
            .and_then(|_| server.map_window(window))
            .map(drop);
        sent.expect("the X server listens");
        Self { server, window, canvas, black, white, size: (width, height) }
    }

    fn run(&self, rate: u32, shown: &Mutex<Vec<Shown>>, ended: &AtomicBool) {
        let (start, period) = (Instant::now(), Duration::from_secs(1) / rate);
        for number in 1.. {
            if ended.load(Ordering::Relaxed) {
                return;
            }
            let before = host_time();
            // The server is gone when a test ends in another order than it began.
            if self.paint(number).is_none() {
                return;
            }
            let code = Shown { number, before, after: host_time() };
            shown.lock().unwrap_or_else(PoisonError::into_inner).push(code);
            thread::sleep((start + period * number).saturating_duration_since(Instant::now()));
        }
    }

    fn paint(&self, number: u32) -> Option<()> {
        let (width, height) = self.size;
        let (across, down) = (width / COLUMNS, height / ROWS);
        let whole = Rectangle { x: 0, y: 0, width, height };
        let white: Vec<_> = (0u16..)
            .zip(cells(number))
            .filter(|(_, white)| *white)
            .map(|(cell, _)| {
                let (x, y) = (cell % COLUMNS * across, cell / COLUMNS * down);
                Rectangle { x: x.cast_signed(), y: y.cast_signed(), width: across, height: down }
            })
            .collect();
        self.server.poly_fill_rectangle(self.canvas, self.black, &[whole]).ok()?;
        self.server.poly_fill_rectangle(self.canvas, self.white, &white).ok()?;
        self.server.copy_area(self.canvas, self.window, self.black, 0, 0, 0, 0, width, height).ok()?;
        // Its answer comes after everything before it was drawn.
        self.server.get_input_focus().ok()?.reply().ok().map(drop)
    }
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
/// seconds. Gives the time on the display, in nanoseconds of [`host_time`], at which the file begins.
#[track_caller]
pub fn assert_on_time(codes: &[(f64, u32)], show: &CodeShow, tolerance: f64) -> f64 {
    let beginnings: Vec<f64> = codes
        .iter()
        .map(|(at, number)| {
            let shown = show.find(*number).unwrap_or_else(|| panic!("code {number} was never shown"));
            shown.after as f64 - at * 1e9
        })
        .collect();
    let mut sorted = beginnings.clone();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted[sorted.len() / 2];
    for (beginning, code) in beginnings.iter().zip(codes) {
        let off = (beginning - middle) / 1e9;
        assert!(off.abs() <= tolerance, "code {} is shown {off:.3} s too early or late", code.1);
    }
    middle
}
