//! Pictures held to files and to a plain renderer in floating point that shares no code with the real one.

use model::{
    Content, Damage, Frame, Frames, Layer, Matrix, Nv12, Outline, PixelFormat, Planes, Point, Rect, Scene,
    Size, Timestamp,
};
use std::{env, fs, path::PathBuf};

/// Steps of 8 bits that a value may be off: rounding after each pass, each blend and the conversion.
const TOLERANCE: f64 = 2.0;
/// The same at an edge, which the real renderer cuts into sixteen lines.
const TOLERANCE_EDGE: f64 = 10.0;

/// A picture made pixel by pixel, each in its format.
pub(crate) fn frame(
    format: PixelFormat,
    size: Size,
    origin: Point,
    pixel: impl Fn(u32, u32) -> [u8; 4],
) -> Frame {
    let bytes: Vec<u8> = (0..size.height)
        .flat_map(|y| (0..size.width).map(move |x| (x, y)))
        .flat_map(|(x, y)| pixel(x, y))
        .collect();
    let picture = Planes { format, size, stride: size.width as usize * 4, bytes: bytes.into() };
    Frame { at: Timestamp::ZERO, picture, origin, serial: 1, since: 0, damage: Damage::All }
}

/// Holds `picture` to `golden/pictures/NAME/expected.png`.
pub(crate) fn compare_to_expected(name: &str, picture: Nv12<'_>) {
    let drawn = rgb_from_nv12(picture);
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "../../golden/pictures", name, "expected.png"].iter().collect();
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_png(&path, picture.size, &drawn);
    }
    let (size, expected) = read_png(&path);
    assert_eq!(size, picture.size, "{name}");
    let far = |(a, b): &(&u8, &u8)| f64::from(a.abs_diff(**b)) > TOLERANCE;
    let outliers = drawn.iter().zip(&expected).filter(far).count();
    // None may: all but tables and outlines is done in whole numbers.
    assert_eq!(outliers, 0, "{name}: values that differ from {}", path.display());
}

/// Holds `picture` to what `scene` is by definition, with this many values at edges less exact.
pub(crate) fn compare_to_reference(
    name: &str,
    picture: Nv12<'_>,
    scene: &Scene,
    frames: &mut dyn Frames,
    outliers: usize,
) {
    let far = compare_planes(name, picture, &reference(picture.size, scene, frames));
    assert!(far <= outliers, "{name}: {far} values are more than {TOLERANCE} off");
}

/// How the scene looks, by its definition: each pixel of each layer as a sum over the whole source, each weighed by
/// its distance.
fn reference(canvas: Size, scene: &Scene, frames: &mut dyn Frames) -> Vec<[f64; 3]> {
    let background = [scene.background.red, scene.background.green, scene.background.blue].map(f64::from);
    let mut picture = vec![background; (canvas.width * canvas.height) as usize];
    for layer in &scene.layers {
        let Content::Track(track) = &layer.content;
        let Some(frame) = frames.frame(track, Timestamp::ZERO) else { continue };
        let opacity = f64::from((layer.opacity * 255.0).round()) / 255.0;
        for (i, pixel) in picture.iter_mut().enumerate() {
            let (x, y) = ((i as u32 % canvas.width) as i32, (i as u32 / canvas.width) as i32);
            if layer.place.intersect(Rect::new(x, y, 1, 1)).is_none() {
                continue;
            }
            let (x, y) = (x - layer.place.x, y - layer.place.y);
            let mut seen = layer_pixel(layer, &frame, x, y);
            if let Some(border) = layer.border {
                let within = coverage(layer, border.width, x, y);
                let color = [border.color.red, border.color.green, border.color.blue, 255].map(f64::from);
                (0..4).for_each(|c| seen[c] = seen[c] * within + color[c] * (1.0 - within));
            }
            let seen = seen.map(|value| value * opacity * coverage(layer, 0, x, y));
            (0..3).for_each(|c| pixel[c] = seen[c] + pixel[c] * (1.0 - seen[3] / 255.0));
        }
    }
    picture
}

/// Red, green, blue and alpha of the layer at a pixel of its place.
fn layer_pixel(layer: &Layer, frame: &Frame, x: i32, y: i32) -> [f64; 4] {
    let (place, crop) = (layer.place.size(), layer.crop.size());
    let x = if layer.mirrored { place.width as i32 - 1 - x } else { x };
    // A value of chroma is of two by two pixels, in the source and on the canvas.
    let sum = |part: u32, value: &dyn Fn(i32, i32) -> [f64; 4]| {
        let mut sum = [0.0; 4];
        let (x, y) = (x / part as i32, y / part as i32);
        for (row, by_row) in shares(y, crop.height / part, place.height / part) {
            for (column, by_column) in shares(x, crop.width / part, place.width / part) {
                let value = value(column, row);
                (0..4).for_each(|c| sum[c] += value[c] * by_row * by_column);
            }
        }
        sum
    };
    if let PixelFormat::Nv12(matrix) = frame.picture.format {
        let Planes { size, stride, bytes, .. } = &frame.picture;
        let byte = |x: i32, y: i32| f64::from(bytes[y as usize * stride + x as usize]);
        let (left, top, height) = (layer.crop.x, layer.crop.y, size.height as i32);
        let luma = sum(1, &|x, y| [byte(left + x, top + y), 0.0, 0.0, 0.0]);
        let chroma =
            |i: i32| sum(2, &|x, y| [byte((left / 2 + x) * 2 + i, height + top / 2 + y), 0.0, 0.0, 0.0])[0];
        return rgb(matrix, [luma[0], chroma(0), chroma(1)]);
    }
    sum(1, &|x, y| pixel_at(frame, layer.crop.x + x, layer.crop.y + y))
}

/// What a matrix means.
fn rgb(matrix: Matrix, [y, cb, cr]: [f64; 3]) -> [f64; 4] {
    let (kr, kb, black, luma, chroma) = match matrix {
        Matrix::Bt709 => (0.2126, 0.0722, 16.0, 219.0, 224.0),
        Matrix::Bt601 => (0.299, 0.114, 16.0, 219.0, 224.0),
        Matrix::Bt601Full => (0.299, 0.114, 0.0, 255.0, 255.0),
    };
    let (y, cb, cr) = ((y - black) / luma, (cb - 128.0) / chroma, (cr - 128.0) / chroma);
    let (r, b) = (y + 2.0 * (1.0 - kr) * cr, y + 2.0 * (1.0 - kb) * cb);
    let g = (y - kr * r - kb * b) / (1.0 - kr - kb);
    let [r, g, b] = [r, g, b].map(|value| value.clamp(0.0, 1.0) * 255.0);
    [r, g, b, 255.0]
}

/// The share of a pixel of the place that lies within the outline, made smaller by `inset`: of 64 by 64 points.
fn coverage(layer: &Layer, inset: u32, x: i32, y: i32) -> f64 {
    const POINTS: u32 = 64;
    let (inset, width, height) =
        (f64::from(inset), f64::from(layer.place.width), f64::from(layer.place.height));
    let (a, b) = match layer.outline {
        Outline::Rectangle => (0.0, 0.0),
        Outline::Rounded { radius } => {
            let radius = f64::from(radius).min(width / 2.0).min(height / 2.0);
            (radius, radius)
        }
        Outline::Ellipse => (width / 2.0, height / 2.0),
    };
    let (a, b) = ((a - inset).max(0.0), (b - inset).max(0.0));
    let is_within = |px: f64, py: f64| {
        let (px, py) = ((px - width / 2.0).abs(), (py - height / 2.0).abs());
        let (beyond_x, beyond_y) = (px - (width / 2.0 - inset - a), py - (height / 2.0 - inset - b));
        if beyond_x <= 0.0 || beyond_y <= 0.0 || a == 0.0 || b == 0.0 {
            return px <= width / 2.0 - inset && py <= height / 2.0 - inset;
        }
        (beyond_x / a).powi(2) + (beyond_y / b).powi(2) <= 1.0
    };
    let (x, y) = (f64::from(x), f64::from(y));
    let corners = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)];
    if corners.iter().all(|(dx, dy)| is_within(x + dx, y + dy)) {
        return 1.0;
    }
    let at = |i: u32| (f64::from(i) + 0.5) / f64::from(POINTS);
    let points = (0..POINTS).flat_map(|i| (0..POINTS).map(move |j| (x + at(i), y + at(j))));
    points.filter(|&(x, y)| is_within(x, y)).count() as f64 / f64::from(POINTS * POINTS)
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

/// How many values are more than a little off; none may be by much.
fn compare_planes(name: &str, drawn: Nv12<'_>, reference: &[[f64; 3]]) -> usize {
    let (width, height) = (drawn.size.width as usize, drawn.size.height as usize);
    let mut far = 0;
    let luma = |[r, g, b]: [f64; 3]| 0.2126 * r + 0.7152 * g + 0.0722 * b;
    for (i, &rgb) in reference.iter().enumerate() {
        let exact = 16.0 + luma(rgb) * 219.0 / 255.0;
        let got = f64::from(drawn.luma[i / width * drawn.stride + i % width]);
        far += usize::from((got - exact).abs() > TOLERANCE);
        let (x, y) = (i % width, i / width);
        assert!((got - exact).abs() <= TOLERANCE_EDGE, "{name}: luma at {x}, {y}: {got}, not {exact}");
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
                far += usize::from((got - exact).abs() > TOLERANCE);
                assert!(
                    (got - exact).abs() <= TOLERANCE_EDGE,
                    "{name}: chroma at {x}, {y}: {got}, not {exact}"
                );
            }
        }
    }
    far
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
