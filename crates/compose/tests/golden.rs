//! Pictures of whole scenes, held in two ways: to `golden/pictures/*/expected.png`, which people can look at, and to
//! a plain renderer in floating point that shares no code with the real one.
//!
//! `UPDATE_EXPECT=1 cargo test -p spool-compose --test golden` writes the expected pictures anew.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use model::{
    Color, Content, Damage, Frame, Frames, Layer, Nv12, PixelFormat, Planes, Point, Rect, Scene, Size,
    Timestamp, TrackId,
};
use spool_compose::Compositor;
use std::{env, fs, path::PathBuf};

/// Steps of 8 bits that a value may be off: rounding after each pass, each blend and the conversion.
const TOLERANCE: f64 = 2.0;

const SCREEN: Size = Size { width: 160, height: 90 };
const BACKGROUND: Color = Color { red: 30, green: 60, blue: 110 };

struct Desk {
    screen: Frame,
    cursor: Frame,
}

impl Frames for Desk {
    fn frame(&mut self, track: &TrackId, _at: Timestamp) -> Option<Frame> {
        Some(if track.as_str() == "cursor" { self.cursor.clone() } else { self.screen.clone() })
    }
}

fn frame(format: PixelFormat, size: Size, origin: Point, pixel: impl Fn(u32, u32) -> [u8; 4]) -> Frame {
    let bytes: Vec<u8> = (0..size.height)
        .flat_map(|y| (0..size.width).map(move |x| (x, y)))
        .flat_map(|(x, y)| pixel(x, y))
        .collect();
    let picture = Planes { format, size, stride: size.width as usize * 4, bytes: bytes.into() };
    Frame { at: Timestamp::ZERO, picture, origin, serial: 1, since: 0, damage: Damage::All }
}

/// A desktop in small: a wallpaper that fades, a window with a title and lines, and bars of pure colours.
fn desk(pointer: Point) -> Desk {
    let screen = frame(PixelFormat::Bgrx, SCREEN, Point::default(), |x, y| {
        let window = (20..120).contains(&x) && (12..70).contains(&y);
        let line = y % 6 < 3 && (x / 3 * 7 + y / 6 * 5) % 4 != 0 && (26..112).contains(&x);
        match (x, y) {
            _ if y >= 80 => [0u8, 1, 2].map(|c| if ((x / 20) >> c) & 1 == 1 { 255 } else { 0 }),
            _ if window && y < 20 => [160, 80, 40],
            _ if window && line => [40, 40, 40],
            _ if window => [250, 250, 245],
            _ => [(60 + y) as u8, (x / 2) as u8, (200 - x) as u8],
        }
        .into_iter()
        .chain([x as u8])
        .collect::<Vec<_>>()
        .try_into()
        .unwrap()
    });
    let cursor = frame(PixelFormat::BgraPremultiplied, Size::new(14, 18), pointer, |x, y| match () {
        _ if x * 3 <= y * 2 && x + y / 3 < 9 => [255, 255, 255, 255],
        _ if x * 3 <= y * 2 + 5 && x + y / 3 < 11 => [0, 0, 0, 160],
        _ => [0, 0, 0, 0],
    });
    Desk { screen, cursor }
}

fn layers(place: Rect, crop: Rect, opacity: f32) -> Vec<Layer> {
    let layer = |name: &str, opacity| Layer { opacity, ..Layer::plain(name.parse().unwrap(), crop, place) };
    vec![layer("screen", opacity), layer("cursor", 1.0)]
}

/// Draws and compares, both ways.
fn check(name: &str, canvas: Size, layers: Vec<Layer>, pointer: Point) {
    let scene = Scene { background: BACKGROUND, layers };
    let mut desk = desk(pointer);
    let mut compositor = Compositor::new(canvas).unwrap();
    compositor.render(&scene, Timestamp::ZERO, &mut desk).unwrap();
    let drawn = rgb_from_nv12(compositor.picture());
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "../../golden/pictures", name, "expected.png"].iter().collect();
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_png(&path, canvas, &drawn);
    }
    let (size, expected) = read_png(&path);
    assert_eq!(size, canvas, "{name}");
    let far = |(a, b): &(&u8, &u8)| f64::from(a.abs_diff(**b)) > TOLERANCE;
    let outliers = drawn.iter().zip(&expected).filter(far).count();
    // None may: all but the tables of taps is done in whole numbers.
    assert_eq!(outliers, 0, "{name}: values that differ from {}", path.display());
    compare_planes(name, compositor.picture(), &reference(canvas, &scene, &mut desk));
}

#[test]
fn the_screen_as_it_is() {
    check("as-it-is", SCREEN, layers(Rect::whole(SCREEN), Rect::whole(SCREEN), 1.0), Point { x: 70, y: 31 });
}

#[test]
fn the_screen_made_smaller() {
    let canvas = Size::new(106, 60);
    check("smaller", canvas, layers(Rect::whole(canvas), Rect::whole(SCREEN), 1.0), Point { x: 70, y: 31 });
}

#[test]
fn the_screen_made_much_smaller() {
    for (name, canvas) in [("half", Size::new(72, 40)), ("thumbnail", Size::new(40, 22))] {
        check(name, canvas, layers(Rect::whole(canvas), Rect::whole(SCREEN), 1.0), Point { x: 70, y: 31 });
    }
}

#[test]
fn the_screen_made_larger() {
    let canvas = Size::new(224, 126);
    check("larger", canvas, layers(Rect::whole(canvas), Rect::whole(SCREEN), 1.0), Point { x: 71, y: 30 });
}

#[test]
fn a_tall_canvas_shows_its_background() {
    let place = Rect::new(4, 20, 80, 46);
    check("letterboxed", Size::new(88, 96), layers(place, Rect::whole(SCREEN), 1.0), Point { x: 20, y: 60 });
}

#[test]
fn a_part_of_the_screen_with_the_pointer_leaving_it() {
    let crop = Rect::new(31, 11, 81, 59);
    check("part", Size::new(90, 64), layers(Rect::new(4, 2, 81, 59), crop, 1.0), Point { x: 104, y: 60 });
    let place = Rect::new(10, 8, 66, 48);
    check("part-scaled", Size::new(90, 64), layers(place, crop, 1.0), Point { x: 104, y: 60 });
}

#[test]
fn the_pointer_at_the_corner() {
    check("corner", SCREEN, layers(Rect::whole(SCREEN), Rect::whole(SCREEN), 1.0), Point { x: -2, y: 74 });
}

#[test]
fn the_screen_seen_through() {
    let place = Rect::new(20, 10, 120, 68);
    check("half-opacity", SCREEN, layers(place, Rect::whole(SCREEN), 0.5), Point { x: 70, y: 31 });
}

/// How the scene looks, by its definition: each pixel of each layer as a sum over the whole source, each weighed by
/// its distance.
fn reference(canvas: Size, scene: &Scene, desk: &mut Desk) -> Vec<[f64; 3]> {
    let Color { red, green, blue } = scene.background;
    let mut picture =
        vec![[f64::from(red), f64::from(green), f64::from(blue)]; (canvas.width * canvas.height) as usize];
    for layer in &scene.layers {
        let Content::Track(track) = &layer.content;
        let frame = desk.frame(track, Timestamp::ZERO).unwrap();
        let opacity = f64::from((layer.opacity * 255.0).round()) / 255.0;
        for (i, pixel) in picture.iter_mut().enumerate() {
            let (x, y) = ((i as u32 % canvas.width) as i32, (i as u32 / canvas.width) as i32);
            if layer.place.intersect(Rect::new(x, y, 1, 1)).is_none() {
                continue;
            }
            let across = shares(x - layer.place.x, layer.crop.width, layer.place.width);
            let down = shares(y - layer.place.y, layer.crop.height, layer.place.height);
            let mut sum = [0.0; 4];
            for &(row, by_row) in &down {
                for &(column, by_column) in &across {
                    let source = pixel_at(&frame, layer.crop.x + column, layer.crop.y + row);
                    (0..4).for_each(|c| sum[c] += source[c] * by_row * by_column);
                }
            }
            (0..3).for_each(|c| pixel[c] = sum[c] * opacity + pixel[c] * (1.0 - sum[3] / 255.0 * opacity));
        }
    }
    picture
}

/// Which source pixels make the canvas pixel, and how much each counts.
fn shares(canvas_pixel: i32, source: u32, canvas: u32) -> Vec<(i32, f64)> {
    let scale = f64::from(source) / f64::from(canvas);
    let centre = (f64::from(canvas_pixel) + 0.5) * scale - 0.5;
    let width = scale.max(1.0);
    let all: Vec<(i32, f64)> = (-(width as i32) - 2..source as i32 + width as i32 + 2)
        .map(|k| (k.clamp(0, source as i32 - 1), 1.0 - (f64::from(k) - centre).abs() / width))
        .filter(|&(_, share)| share > 0.0)
        .collect();
    let total: f64 = all.iter().map(|(_, share)| share).sum();
    all.into_iter().map(|(k, share)| (k, share / total)).collect()
}

/// Red, green, blue and alpha of a pixel of layer space.
fn pixel_at(frame: &Frame, x: i32, y: i32) -> [f64; 4] {
    let (x, y) = (x - frame.origin.x, y - frame.origin.y);
    let Planes { size, stride, format, bytes } = &frame.picture;
    if Rect::whole(*size).intersect(Rect::new(x, y, 1, 1)).is_none() {
        return [0.0; 4];
    }
    let at = y as usize * stride + x as usize * 4;
    let [b, g, r, a] = [0, 1, 2, 3].map(|c| f64::from(bytes[at + c]));
    [r, g, b, if *format == PixelFormat::Bgrx { 255.0 } else { a }]
}

fn compare_planes(name: &str, drawn: Nv12<'_>, reference: &[[f64; 3]]) {
    let (width, height) = (drawn.size.width as usize, drawn.size.height as usize);
    let luma = |[r, g, b]: [f64; 3]| 0.2126 * r + 0.7152 * g + 0.0722 * b;
    for (i, &rgb) in reference.iter().enumerate() {
        let exact = 16.0 + luma(rgb) * 219.0 / 255.0;
        let got = f64::from(drawn.luma[i / width * drawn.stride + i % width]);
        assert!(
            (got - exact).abs() <= TOLERANCE,
            "{name}: luma at {}, {}: {got}, not {exact}",
            i % width,
            i / width
        );
    }
    for y in 0..height / 2 {
        for x in 0..width / 2 {
            let four =
                [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| reference[(2 * y + dy) * width + 2 * x + dx]);
            let mean = [0, 1, 2].map(|c| four.iter().map(|rgb| rgb[c]).sum::<f64>() / 4.0);
            let cb = 128.0 + (mean[2] - luma(mean)) / 1.8556 * 224.0 / 255.0;
            let cr = 128.0 + (mean[0] - luma(mean)) / 1.5748 * 224.0 / 255.0;
            for (exact, at) in [(cb, 2 * x), (cr, 2 * x + 1)] {
                let got = f64::from(drawn.chroma[y * drawn.stride + at]);
                assert!((got - exact).abs() <= TOLERANCE, "{name}: chroma at {x}, {y}: {got}, not {exact}");
            }
        }
    }
}

fn rgb_from_nv12(picture: Nv12<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for y in 0..picture.size.height as usize {
        for x in 0..picture.size.width as usize {
            let luma = (f64::from(picture.luma[y * picture.stride + x]) - 16.0) / 219.0;
            let at = y / 2 * picture.stride + (x & !1);
            let [cb, cr] = [0, 1].map(|c| (f64::from(picture.chroma[at + c]) - 128.0) / 224.0);
            let (blue, red) = (luma + 1.8556 * cb, luma + 1.5748 * cr);
            let green = (luma - 0.0722 * blue - 0.2126 * red) / 0.7152;
            out.extend([red, green, blue].map(|value| (value * 255.0).round() as u8));
        }
    }
    out
}

fn write_png(path: &PathBuf, size: Size, rgb: &[u8]) {
    let mut encoder = png::Encoder::new(fs::File::create(path).unwrap(), size.width, size.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(rgb).unwrap();
}

fn read_png(path: &PathBuf) -> (Size, Vec<u8>) {
    let file = fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut rgb).unwrap();
    rgb.truncate(info.buffer_size());
    (Size::new(info.width, info.height), rgb)
}
