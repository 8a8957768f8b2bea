//! What drawing costs: CPU per 1080p picture. `cargo bench -p spool-compose --bench draw [PART OF A NAME]`.

#![expect(clippy::unwrap_used, reason = "a bench ends where it fails")]

use model::{
    Annotation, Color, Damage, Drawing, Frame, Frames, InputEvent, Inset, Layout, Matrix, Pictured,
    PixelFormat, Planes, Point, PointerStyle, Rect, Scene, Shape, Size, Timestamp, Tool, TrackId,
};
use spool_compose::{Compositor, Overlay};
use std::{env, fs, hint::black_box, sync::LazyLock, time::Instant};

const HD: Size = Size { width: 1920, height: 1080 };
const HD720: Size = Size { width: 1280, height: 720 };
const PICTURES: u64 = 200;

struct Desk {
    screens: Vec<Frame>,
    cameras: Vec<Frame>,
    cursor: Frame,
    step: usize,
    screen_damage: Damage,
    cursor_moves: bool,
}

impl Frames for Desk {
    fn frame(&mut self, track: &TrackId, _at: Timestamp) -> Option<Frame> {
        let serial = self.step as u64 + 2;
        match track.as_str() {
            "cursor" => {
                let step = if self.cursor_moves { self.step as i32 } else { 0 };
                let origin = Point { x: 100 + step * 7 % 1700, y: 100 + step * 5 % 900 };
                Some(Frame { origin, ..self.cursor.clone() })
            }
            "camera" => {
                let frame = self.cameras[self.step % self.cameras.len()].clone();
                Some(Frame { serial, ..frame })
            }
            _ => {
                let frame = self.screens[self.step % self.screens.len()].clone();
                Some(Frame { serial, since: serial - 1, damage: self.screen_damage.clone(), ..frame })
            }
        }
    }
}

fn picture(format: PixelFormat, size: Size, seed: u32) -> Frame {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let bytes: Vec<u8> = (0..size.width as usize * size.height as usize * 4).map(|_| next()).collect();
    let stride = size.width as usize * if matches!(format, PixelFormat::Nv12(_)) { 1 } else { 4 };
    Frame {
        at: Timestamp::ZERO,
        picture: Planes { format, size, stride, bytes: bytes.into() },
        origin: Point::default(),
        serial: 1,
        since: 0,
        damage: Damage::All,
    }
}

/// Draws with a pointer on the screen, and with a camera if `inset` has one.
fn bench(name: &str, canvas: Size, screen_damage: Damage, cursor_moves: bool, inset: Option<Inset>) {
    if env::args().skip(1).any(|part| !part.starts_with('-') && !name.contains(&part)) {
        return;
    }
    // Several pictures, so that they come from memory as they do from a screen.
    let screens = (1..=8).map(|seed| picture(PixelFormat::Bgrx, HD, seed)).collect();
    let cameras = (1..=8).map(|seed| picture(PixelFormat::Nv12(Matrix::Bt601Full), HD720, seed)).collect();
    let cursor = picture(PixelFormat::BgraPremultiplied, Size::new(24, 24), 9);
    let mut desk = Desk { screens, cameras, cursor, step: 0, screen_damage, cursor_moves };
    let scene = scene(canvas, inset);
    let mut compositor = Compositor::new(canvas).unwrap();
    let mut start = cpu_ms();
    for step in 0..PICTURES as usize + 10 {
        if step == 10 {
            start = cpu_ms();
        }
        desk.step = step;
        black_box(compositor.render(&scene, Timestamp::ZERO, &mut desk).unwrap());
    }
    println!("{name:40} {:7.3} ms", (cpu_ms() - start) / PICTURES as f64);
}

/// Draws lines, a box and words all over the screen; one of the lines may grow.
fn bench_drawings(name: &str, screen_damage: &Damage, grows: bool) {
    if env::args().skip(1).any(|part| !part.starts_with('-') && !name.contains(&part)) {
        return;
    }
    let screens: Vec<_> = (1..=8).map(|seed| picture(PixelFormat::Bgrx, HD, seed)).collect();
    let mut overlay = Overlay::default();
    overlay.resize(HD);
    let points = |end: i32| (0..end).map(|i| Point { x: 200 + i * 7, y: 500 + (i * 37) % 300 }).collect();
    let drawing =
        |id, tool, points| Drawing { id, tool, points, color: Color::WHITE, width: 6, fade_after_ms: None };
    let corners = || vec![Point { x: 100, y: 100 }, Point { x: 1800, y: 1000 }];
    let draw = |overlay: &mut Overlay, drawing| {
        overlay.apply(&InputEvent::Annotation(Annotation::Draw(drawing)), Timestamp::ZERO);
    };
    draw(&mut overlay, drawing(1, Tool::Rectangle, corners()));
    draw(&mut overlay, drawing(2, Tool::Arrow, corners()));
    draw(&mut overlay, drawing(3, Tool::Pen, points(200)));
    let scene = scene(HD, None);
    let mut compositor = Compositor::new(HD).unwrap();
    let mut start = cpu_ms();
    for step in 0..PICTURES as usize + 10 {
        if step == 10 {
            start = cpu_ms();
        }
        if grows {
            draw(&mut overlay, drawing(3, Tool::Pen, points(step as i32 + 2)));
        }
        let serial = step as u64 + 2;
        let screen =
            Frame { serial, since: serial - 1, damage: screen_damage.clone(), ..screens[step % 8].clone() };
        let mut sheet = Sheet { screen, overlay: &mut overlay };
        black_box(compositor.render(&scene, Timestamp::ZERO, &mut sheet).unwrap());
    }
    println!("{name:40} {:7.3} ms", (cpu_ms() - start) / PICTURES as f64);
}

struct Sheet<'a> {
    screen: Frame,
    overlay: &'a mut Overlay,
}

impl Frames for Sheet<'_> {
    fn frame(&mut self, track: &TrackId, at: Timestamp) -> Option<Frame> {
        if track.as_str() == "cursor" { self.overlay.drawings(at) } else { Some(self.screen.clone()) }
    }
}

fn scene(canvas: Size, inset: Option<Inset>) -> Scene {
    let pictured = |track: &str, size| Pictured { track: track.parse().unwrap(), size };
    let camera = inset.map(|_| pictured("camera", HD720));
    let layout = Layout {
        background: Color::BLACK,
        camera: inset.unwrap_or_default(),
        pointer: PointerStyle::default(),
        keys: false,
    };
    layout.scene(canvas, Some(&pictured("screen", HD)), camera.as_ref(), &[pictured("cursor", HD)])
}

/// Milliseconds on a processor so far where the system tells, else milliseconds.
fn cpu_ms() -> f64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let on_processor = fs::read_to_string("/proc/self/schedstat")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    on_processor.map_or_else(|| START.elapsed().as_secs_f64() * 1e3, |nanos| nanos / 1e6)
}

fn main() {
    // A band of 5 % of the pixels.
    let band = Damage::Rects(vec![Rect::new(100, 300, 1600, 65)]);
    let nothing = Damage::Rects(Vec::new());
    bench("1:1, all damaged", HD, Damage::All, false, None);
    bench("1:1, 5 % damaged", HD, band.clone(), false, None);
    bench("1:1, pointer moves", HD, nothing.clone(), true, None);
    bench("1:1, nothing", HD, nothing.clone(), false, None);
    bench("to 720p, all damaged", HD720, Damage::All, false, None);
    bench("to 720p, 5 % damaged", HD720, band, false, None);
    bench("to 720p, pointer moves", HD720, nothing.clone(), true, None);
    bench("to 480p, all damaged", Size::new(852, 480), Damage::All, false, None);
    bench("to 1600x900, all damaged", Size::new(1600, 900), Damage::All, false, None);
    bench_drawings("a line that grows", &nothing, true);
    bench_drawings("drawings, all damaged", &Damage::All, false);
    let circle = Inset::default();
    let plain = Inset { shape: Shape::Rectangle, border: 0.0, mirrored: false, ..circle };
    bench("camera 480x270, nothing else", HD, nothing.clone(), false, Some(plain));
    bench("camera 270x270 circle, nothing else", HD, nothing.clone(), false, Some(circle));
    bench(
        "camera 480x270 rounded, nothing else",
        HD,
        nothing,
        false,
        Some(Inset { shape: Shape::Rounded, ..circle }),
    );
    bench("camera 480x270, all damaged", HD, Damage::All, false, Some(plain));
    bench("camera 270x270 circle, all damaged", HD, Damage::All, false, Some(circle));
}
