//! Pictures of whole scenes, held in two ways: to `golden/pictures/*/expected.png`, which people can look at, and to
//! a plain renderer in floating point that shares no code with the real one.
//!
//! `UPDATE_EXPECT=1 cargo test -p spool-compose --test golden` writes the expected pictures anew.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod pictures;

use model::{Color, Frame, Frames, Layer, PixelFormat, Point, Rect, Scene, Size, Timestamp, TrackId};
use pictures::frame;
use spool_compose::Compositor;

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
    pictures::compare_to_expected(name, compositor.picture());
    pictures::compare_to_reference(name, compositor.picture(), &scene, &mut desk, 0);
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
