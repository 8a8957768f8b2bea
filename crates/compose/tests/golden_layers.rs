//! A picture of each kind of layer: the camera in its shapes and colours, a window, the pointer, each tool that people
//! draw with, rings, keys, and fading. `UPDATE_EXPECT=1` writes them anew, as in `golden.rs`.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod pictures;

use bytes::Bytes;
use model::{
    Annotation, Border, Color, Damage, Drawing, Frame, Frames, InputEvent, Layer, Matrix, Outline,
    PixelFormat, Planes, Point, PointerShape, PointerStyle, Rect, Scene, Size, Timestamp, Tool, TrackId,
};
use pictures::frame;
use spool_compose::{Compositor, Overlay};

const CANVAS: Size = Size { width: 480, height: 270 };
const CAMERA: Size = Size { width: 320, height: 180 };

struct Desk {
    screen: Frame,
    camera: Frame,
    overlay: Overlay,
}

impl Frames for Desk {
    fn frame(&mut self, track: &TrackId, at: Timestamp) -> Option<Frame> {
        match track.as_str() {
            "screen" => Some(self.screen.clone()),
            "camera" => Some(self.camera.clone()),
            "drawings" => self.overlay.drawings(at),
            _ => self.overlay.pointer(at),
        }
    }
}

/// A desktop with one window that has a title, a side bar and lines of words.
fn screen() -> Frame {
    frame(PixelFormat::Bgrx, CANVAS, Point::default(), |x, y| {
        let (window, word) =
            ((90..440).contains(&x) && (30..245).contains(&y), (x / 7 * 5 + y / 14 * 11) % 6 != 0);
        let line = (204..418).contains(&x) && (76..228).contains(&y) && y % 14 < 5 && word;
        match () {
            _ if window && y < 54 && (102..146).contains(&x) && is_round(x, y, 102, 42) => [120, 130, 140, 0],
            _ if window && y < 54 => [238, 236, 233, 0],
            _ if window && x < 188 => [250, 246, 243, 0],
            _ if line => [150, 145, 140, 0],
            _ if window => [255, 255, 255, 0],
            _ => [(150 - y / 4) as u8, (95 + y / 6) as u8, (60 + y / 5) as u8, 0],
        }
    })
}

/// Three buttons of a window.
fn is_round(x: u32, y: u32, left: u32, middle: u32) -> bool {
    let (x, y) = ((x - left) as i32 % 16 - 5, y as i32 - middle as i32);
    x * x + y * y <= 20
}

/// Somebody before a wall, with a lamp on the left, as a camera with this matrix gives it.
fn camera(matrix: Matrix) -> Frame {
    let inside = |x: f64, y: f64, (cx, cy): (f64, f64), (a, b): (f64, f64)| {
        (((x - cx) / a).powi(2) + ((y - cy) / b).powi(2)).sqrt() - 1.0
    };
    let rgb = |x: u32, y: u32| -> [f64; 3] {
        let (x, y) = (f64::from(x), f64::from(y));
        let mut color = [70.0 + x / 6.0, 96.0 + y / 8.0, 120.0 - x / 9.0];
        let mut paint = |distance: f64, size: f64, paint: [f64; 3]| {
            let share = (0.5 - distance * size).clamp(0.0, 1.0);
            (0..3).for_each(|c| color[c] += (paint[c] - color[c]) * share);
        };
        paint(inside(x, y, (62.0, 48.0), (22.0, 22.0)), 22.0, [255.0, 225.0, 140.0]);
        paint(inside(x, y, (160.0, 190.0), (78.0, 66.0)), 60.0, [196.0, 62.0, 52.0]);
        paint(inside(x, y, (160.0, 92.0), (37.0, 46.0)), 40.0, [82.0, 50.0, 38.0]);
        paint(inside(x, y, (160.0, 98.0), (31.0, 39.0)), 34.0, [232.0, 184.0, 150.0]);
        for side in [-12.0, 12.0] {
            paint(inside(x, y, (160.0 + side, 92.0), (3.5, 4.0)), 4.0, [45.0, 35.0, 32.0]);
        }
        paint(inside(x, y, (160.0, 115.0), (11.0, 3.0)), 4.0, [178.0, 84.0, 78.0]);
        color
    };
    let (kr, kb, black, luma, chroma) = match matrix {
        Matrix::Bt709 => (0.2126, 0.0722, 16.0, 219.0, 224.0),
        Matrix::Bt601 => (0.299, 0.114, 16.0, 219.0, 224.0),
        Matrix::Bt601Full => (0.299, 0.114, 0.0, 255.0, 255.0),
    };
    let y_of = |[r, g, b]: [f64; 3]| (kr * r + (1.0 - kr - kb) * g + kb * b) / 255.0;
    let pixels = (0..CAMERA.height).flat_map(|y| (0..CAMERA.width).map(move |x| (x, y)));
    let mut bytes: Vec<u8> = pixels.map(|(x, y)| (black + y_of(rgb(x, y)) * luma).round() as u8).collect();
    for y in 0..CAMERA.height / 2 {
        for x in 0..CAMERA.width / 2 {
            let four = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| rgb(2 * x + dx, 2 * y + dy));
            let mean = [0, 1, 2].map(|c| four.iter().map(|rgb| rgb[c]).sum::<f64>() / 4.0);
            let cb = (mean[2] / 255.0 - y_of(mean)) / (2.0 * (1.0 - kb)) * chroma + 128.0;
            let cr = (mean[0] / 255.0 - y_of(mean)) / (2.0 * (1.0 - kr)) * chroma + 128.0;
            bytes.extend([cb, cr].map(|value| value.round() as u8));
        }
    }
    let (format, stride) = (PixelFormat::Nv12(matrix), CAMERA.width as usize);
    let picture = Planes { format, size: CAMERA, stride, bytes: bytes.into() };
    Frame { at: Timestamp::ZERO, picture, origin: Point::default(), serial: 1, since: 0, damage: Damage::All }
}

/// An arrow, white with a dark edge, smooth as those of desktops are.
fn shape() -> PointerShape {
    const CORNERS: [(f64, f64); 7] =
        [(2.0, 1.5), (2.0, 17.0), (5.6, 13.6), (8.0, 19.0), (10.4, 18.0), (8.0, 12.8), (13.0, 12.6)];
    let size = Size::new(16, 22);
    let sides = || CORNERS.into_iter().zip(CORNERS.into_iter().cycle().skip(1));
    // From the nearest side: less than nothing within.
    let distance = |x: f64, y: f64| {
        let to_side = |((ax, ay), (bx, by)): ((f64, f64), (f64, f64))| {
            let (dx, dy) = (bx - ax, by - ay);
            let along = (((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
            (x - ax - along * dx).hypot(y - ay - along * dy)
        };
        let crosses = |((ax, ay), (bx, by)): &((f64, f64), (f64, f64))| {
            (*ay > y) != (*by > y) && x < ax + (y - ay) / (by - ay) * (bx - ax)
        };
        let nearest = sides().map(to_side).fold(f64::INFINITY, f64::min);
        if sides().filter(crosses).count() % 2 == 1 { -nearest } else { nearest }
    };
    let pixels = (0..size.height).flat_map(|y| (0..size.width).map(move |x| (x, y)));
    let pixels: Vec<u8> = pixels
        .flat_map(|(x, y)| {
            let distance = distance(f64::from(x) + 0.5, f64::from(y) + 0.5);
            let (all, white) = ((1.7 - distance).clamp(0.0, 1.0), (0.5 - distance).clamp(0.0, 1.0));
            let value = (all * (white * 255.0 + (1.0 - white) * 20.0)).round() as u8;
            [value, value, value, (all * 255.0).round() as u8]
        })
        .collect();
    PointerShape { size, hot: Point { x: 2, y: 1 }, pixels: Bytes::from(pixels) }
}

fn desk(matrix: Matrix) -> Desk {
    let mut overlay = Overlay::default();
    overlay.resize(CANVAS);
    overlay.set_style(PointerStyle { size: 2.0, ripple: true, ..PointerStyle::default() }, true);
    Desk { screen: screen(), camera: camera(matrix), overlay }
}

fn whole(track: &str) -> Layer {
    Layer::plain(track.parse().unwrap(), Rect::whole(CANVAS), Rect::whole(CANVAS))
}

fn scene(layers: Vec<Layer>) -> Scene {
    Scene { background: Color::new(28, 30, 36), layers }
}

/// The camera over the screen.
fn check_camera(name: &str, matrix: Matrix, camera: Layer) {
    let scene = scene(vec![whole("screen"), camera]);
    let mut desk = desk(matrix);
    let mut compositor = Compositor::new(CANVAS).unwrap();
    compositor.render(&scene, Timestamp::ZERO, &mut desk).unwrap();
    pictures::compare_to_expected(name, compositor.picture());
    pictures::compare_to_reference(name, compositor.picture(), &scene, &mut desk, 400);
}

/// All of the camera at the bottom right.
fn inset() -> Layer {
    Layer::plain("camera".parse().unwrap(), Rect::whole(CAMERA), Rect::new(292, 162, 176, 98))
}

/// The middle of it, round.
fn circle() -> Layer {
    let border = Some(Border { width: 3, color: Color::WHITE });
    let (crop, place) = (Rect::new(70, 0, 180, 180), Rect::new(348, 138, 122, 122));
    Layer { outline: Outline::Ellipse, border, ..Layer::plain("camera".parse().unwrap(), crop, place) }
}

#[test]
fn the_camera_in_its_shapes() {
    check_camera("camera-rectangle", Matrix::Bt709, inset());
    let rounded = Layer { outline: Outline::Rounded { radius: 14 }, ..inset() };
    check_camera("camera-rounded", Matrix::Bt709, rounded.clone());
    check_camera("camera-circle", Matrix::Bt709, Layer { border: None, ..circle() });
    check_camera("camera-circle-bordered", Matrix::Bt709, circle());
    let border = Some(Border { width: 4, color: Color::new(255, 196, 64) });
    check_camera("camera-rounded-bordered", Matrix::Bt709, Layer { border, ..rounded });
    check_camera("camera-faint", Matrix::Bt709, Layer { opacity: 0.6, ..circle() });
    check_camera("camera-mirrored", Matrix::Bt709, Layer { mirrored: true, ..inset() });
}

#[test]
fn the_camera_in_its_colours() {
    check_camera("camera-bt601", Matrix::Bt601, inset());
    check_camera("camera-bt601-full", Matrix::Bt601Full, inset());
}

#[test]
fn the_camera_alone() {
    let place = Rect::whole(CANVAS);
    let camera =
        Layer { mirrored: true, ..Layer::plain("camera".parse().unwrap(), Rect::whole(CAMERA), place) };
    let scene = scene(vec![camera]);
    let mut desk = desk(Matrix::Bt601Full);
    let mut compositor = Compositor::new(CANVAS).unwrap();
    compositor.render(&scene, Timestamp::ZERO, &mut desk).unwrap();
    pictures::compare_to_expected("camera-alone", compositor.picture());
    pictures::compare_to_reference("camera-alone", compositor.picture(), &scene, &mut desk, 0);
}

#[test]
fn a_window_before_a_background() {
    let window = Layer {
        outline: Outline::Rounded { radius: 12 },
        ..Layer::plain("screen".parse().unwrap(), Rect::new(90, 30, 350, 215), Rect::new(36, 12, 400, 246))
    };
    let scene = scene(vec![window]);
    let mut desk = desk(Matrix::Bt709);
    let mut compositor = Compositor::new(CANVAS).unwrap();
    compositor.render(&scene, Timestamp::ZERO, &mut desk).unwrap();
    pictures::compare_to_expected("window", compositor.picture());
    pictures::compare_to_reference("window", compositor.picture(), &scene, &mut desk, 400);
}

/// What people do over the screen, at some milliseconds.
fn check_events(name: &str, at_ms: i64, events: Vec<InputEvent>) {
    let mut desk = desk(Matrix::Bt709);
    for event in events {
        desk.overlay.apply(&event, Timestamp::ZERO);
    }
    let scene = scene(vec![whole("screen"), whole("drawings"), whole("pointer")]);
    let mut compositor = Compositor::new(CANVAS).unwrap();
    compositor.render(&scene, Timestamp(at_ms * 1_000_000), &mut desk).unwrap();
    pictures::compare_to_expected(name, compositor.picture());
}

const RED: Color = Color::new(236, 62, 58);

fn drawn(tool: Tool, points: &[(i32, i32)], color: Color, width: u32) -> Drawing {
    let points = points.iter().map(|&(x, y)| Point { x, y }).collect();
    Drawing { id: width.into(), tool, points, color, width, fade_after_ms: None }
}

fn draw(drawing: Drawing) -> InputEvent {
    InputEvent::Annotation(Annotation::Draw(drawing))
}

/// As a hand would draw it, with points far apart.
fn wave() -> Vec<(i32, i32)> {
    (0..24).map(|i| (110 + i * 12, 140 - ((f64::from(i) * 0.62).sin() * 48.0) as i32)).collect()
}

#[test]
fn each_tool() {
    let check = |name: &str, drawing: Drawing| check_events(name, 0, vec![draw(drawing)]);
    check("pen", drawn(Tool::Pen, &wave(), RED, 5));
    let yellow = Color::new(255, 214, 10);
    let lines = [(206, 86), (300, 87), (412, 86), (300, 86), (206, 86)];
    check("highlighter", drawn(Tool::Highlighter, &lines, yellow, 3));
    check("line", drawn(Tool::Line, &[(120, 220), (400, 80)], RED, 5));
    check("arrow", drawn(Tool::Arrow, &[(120, 220), (330, 100)], RED, 5));
    check("rectangle", drawn(Tool::Rectangle, &[(196, 68), (428, 150)], RED, 4));
    check("ellipse", drawn(Tool::Ellipse, &[(196, 68), (428, 150)], RED, 4));
    check("text", drawn(Tool::Text("Look here: 50 % less\nGrüße 👍".into()), &[(110, 96)], RED, 30));
}

#[test]
fn tools_together() {
    let blue = Color::new(10, 122, 255);
    let green = Color::new(48, 176, 92);
    let drawings = vec![
        draw(drawn(Tool::Highlighter, &[(206, 114), (418, 114)], Color::new(255, 214, 10), 3)),
        draw(drawn(Tool::Rectangle, &[(198, 130), (424, 172)], green, 4)),
        draw(drawn(Tool::Arrow, &[(60, 200), (190, 152)], blue, 6)),
        draw(drawn(Tool::Text("New this week".into()), &[(20, 204)], blue, 22)),
        draw(drawn(Tool::Pen, &[(30, 40), (31, 41)], RED, 12)),
    ];
    check_events("drawings", 0, drawings);
}

#[test]
fn the_pointer_twice_as_large() {
    let pointer = vec![InputEvent::PointerShape(shape()), InputEvent::Pointer(Point { x: 250, y: 120 })];
    check_events("pointer-double", 0, pointer);
}

#[test]
fn rings_and_keys() {
    let press = InputEvent::Button { button: 1, pressed: true, at: Point { x: 250, y: 120 } };
    check_events("ripple", 170, vec![press]);
    let key = |name: &str| InputEvent::Key { name: name.to_owned(), pressed: true };
    check_events("keys", 100, vec![key("Ctrl"), key("Shift"), key("P")]);
}

#[test]
fn fading_half_way() {
    let fading = Drawing { fade_after_ms: Some(1000), ..drawn(Tool::Pen, &wave(), RED, 5) };
    check_events("fade-half-way", 1250, vec![draw(fading)]);
}
