//! Broken pictures and scenes are refused or clipped; nothing panics and nothing is read outside its bytes.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use model::{
    Border, Color, Damage, Frame, Frames, Layer, Matrix, Outline, PixelFormat, Planes, Point, Rect, Scene,
    Size, Timestamp, TrackId,
};
use spool_compose::{Compositor, RenderError};

const CANVAS: Size = Size { width: 64, height: 48 };

struct One(Option<Frame>);

impl Frames for One {
    fn frame(&mut self, _track: &TrackId, _at: Timestamp) -> Option<Frame> {
        self.0.clone()
    }
}

fn frame(format: PixelFormat, size: Size, stride: usize, len: usize) -> Frame {
    Frame {
        at: Timestamp::ZERO,
        picture: Planes { format, size, stride, bytes: vec![200; len].into() },
        origin: Point::default(),
        serial: 1,
        since: 0,
        damage: Damage::All,
    }
}

fn good() -> Frame {
    frame(PixelFormat::Bgrx, CANVAS, 64 * 4, 64 * 4 * 48)
}

fn layer(place: Rect, crop: Rect, opacity: f32) -> Layer {
    Layer { opacity, ..Layer::plain("screen".parse().unwrap(), crop, place) }
}

fn scene(layers: Vec<Layer>) -> Scene {
    Scene { background: Color { red: 255, green: 255, blue: 255 }, layers }
}

fn whole() -> Scene {
    scene(vec![layer(Rect::whole(CANVAS), Rect::whole(CANVAS), 1.0)])
}

fn render(scene: &Scene, frame: Frame) -> Result<Compositor, RenderError> {
    let mut compositor = Compositor::new(CANVAS).unwrap();
    compositor.render(scene, Timestamp::ZERO, &mut One(Some(frame)))?;
    Ok(compositor)
}

#[test]
fn canvases_that_cannot_be_are_refused() {
    for (width, height) in [(0, 0), (0, 2), (3, 2), (2, 3), (16_386, 2), (u32::MAX, u32::MAX)] {
        let error = Compositor::new(Size::new(width, height)).unwrap_err();
        assert!(matches!(error, RenderError::InvalidCanvas { .. }) && !error.is_retryable());
    }
    assert!(Compositor::new(Size::new(2, 2)).is_ok());
}

#[test]
fn pictures_shorter_than_they_say_are_refused() {
    use PixelFormat::{BgraPremultiplied, Bgrx};
    const NV12: PixelFormat = PixelFormat::Nv12(Matrix::Bt709);
    for broken in [
        frame(Bgrx, CANVAS, 256, 256 * 48 - 1),
        frame(BgraPremultiplied, CANVAS, 256, 0),
        frame(Bgrx, CANVAS, 255, 256 * 48),
        frame(Bgrx, CANVAS, 0, 256 * 48),
        frame(Bgrx, CANVAS, usize::MAX, 256 * 48),
        frame(Bgrx, Size::new(u32::MAX, u32::MAX), usize::MAX, 9),
        frame(Bgrx, Size::new(1 << 30, 1), 4, 4),
        frame(NV12, CANVAS, 64, 64 * 72 - 1),
        frame(NV12, Size::new(63, 48), 64, 64 * 72),
        frame(NV12, Size::new(64, 47), 64, 64 * 72),
        Frame { origin: Point { x: i32::MIN, y: i32::MAX }, ..good() },
    ] {
        let error = render(&whole(), broken).err().unwrap();
        assert!(matches!(error, RenderError::InvalidFrame { .. }) && error.is_retryable(), "{error}");
    }
}

#[test]
fn the_last_row_may_end_where_the_picture_does() {
    let short = frame(PixelFormat::Bgrx, CANVAS, 300, 300 * 47 + 256);
    let expected = render(&whole(), frame(PixelFormat::Bgrx, CANVAS, 300, 300 * 48)).unwrap();
    assert_eq!(render(&whole(), short).unwrap().picture().luma, expected.picture().luma);
}

#[test]
fn a_picture_without_pixels_is_not_there() {
    for size in [Size::new(0, 0), Size::new(0, 48), Size::new(64, 0)] {
        let drawn = render(&whole(), frame(PixelFormat::Bgrx, size, 0, 0)).unwrap();
        assert!(drawn.picture().luma.iter().all(|&y| y == 235));
    }
}

#[test]
fn after_a_broken_picture_everything_is_drawn_again() {
    let mut compositor = Compositor::new(CANVAS).unwrap();
    let mut render = |frame| compositor.render(&whole(), Timestamp::ZERO, &mut One(Some(frame)));
    render(good()).unwrap();
    render(frame(PixelFormat::Bgrx, CANVAS, 256, 0)).unwrap_err();
    assert_eq!(render(good()).unwrap().damage, [Rect::whole(CANVAS)]);
}

#[test]
fn places_beyond_the_canvas_are_clipped() {
    let numbers = [i32::MIN, -70_000, -31, 0, 17, 63, 64, 70_000, i32::MAX];
    let sides = [0, 1, 3, 64, 3000, u32::MAX];
    for x in numbers {
        for side in sides {
            for other in [1, 40_000] {
                for (place, crop) in [
                    (Rect::new(x, 5, side, 7), Rect::new(0, 0, other, 7)),
                    (Rect::new(5, x, 7, side), Rect::new(0, 0, 7, other)),
                    (Rect::new(0, 0, 9, 9), Rect::new(x, x, side, side)),
                ] {
                    for opacity in [1.0, 0.3] {
                        match render(&scene(vec![layer(place, crop, opacity)]), good()) {
                            Ok(_) => {}
                            Err(RenderError::InvalidLayer { .. }) => {
                                let most = [side, other, x.unsigned_abs()].into_iter().max().unwrap();
                                assert!(most > 1 << 15, "{crop:?} on {place:?}");
                            }
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn opacity_is_between_nothing_and_all() {
    let luma = |opacity| {
        let mut black = good();
        black.picture.bytes = vec![0; 64 * 4 * 48].into();
        let scene = scene(vec![layer(Rect::whole(CANVAS), Rect::whole(CANVAS), opacity)]);
        render(&scene, black).unwrap().picture().luma[0]
    };
    let seen: Vec<u8> = [f32::NAN, f32::NEG_INFINITY, -1.0, 0.0, 0.5, 1.0, 7.0, f32::INFINITY]
        .into_iter()
        .map(luma)
        .collect();
    assert_eq!(seen, [235, 235, 235, 235, 125, 16, 16, 16]);
}

#[test]
fn damage_that_cannot_be_is_clipped() {
    let mut compositor = Compositor::new(CANVAS).unwrap();
    let mut render = |frame| compositor.render(&whole(), Timestamp::ZERO, &mut One(Some(frame)));
    render(good()).unwrap();
    let odd = [
        Rect::new(i32::MIN, i32::MIN, u32::MAX, u32::MAX),
        Rect::new(i32::MAX, 0, u32::MAX, 1),
        Rect::new(63, 47, 9, 9),
        Rect::new(5, 5, 0, 9),
    ];
    let damage = Damage::Rects(odd.to_vec());
    let drawn = render(Frame { serial: 2, since: 1, damage, ..good() }).unwrap();
    let canvas = Rect::whole(CANVAS);
    assert!(drawn.damage.iter().all(|&rect| rect.intersect(canvas) == Some(rect)), "{drawn:?}");
    assert!(drawn.damage.contains(&Rect::new(62, 46, 2, 2)) || drawn.damage.contains(&canvas));
}

#[test]
fn outlines_and_borders_of_any_size_fit() {
    let sides = [0, 1, 2, 7, 64, 1 << 15];
    for (width, height) in sides.into_iter().flat_map(|width| sides.map(|height| (width, height))) {
        for outline in [
            Outline::Rectangle,
            Outline::Ellipse,
            Outline::Rounded { radius: 0 },
            Outline::Rounded { radius: u32::MAX },
        ] {
            for border in [0, 1, 40, u32::MAX] {
                let border = Some(Border { width: border, color: Color::WHITE });
                let place = Rect::new(-3, -3, width, height);
                let layer =
                    Layer { outline, border, mirrored: true, ..layer(place, Rect::whole(CANVAS), 0.9) };
                render(&scene(vec![layer]), good()).unwrap();
            }
        }
    }
}
