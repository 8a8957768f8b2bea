//! What people do is drawn the same live and at once, from the beginning and from the middle, and whatever changes,
//! the damage says so.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod random;

use bytes::Bytes;
use model::{
    Annotation, Color, Damage, Drawing, Frame, Frames, InputEvent, Layer, Point, PointerShape, PointerStyle,
    Rect, Scene, Size, Timestamp, Tool, TrackId,
};
use random::Random;
use spool_compose::{Compositor, Effects, Overlay};

const PICTURE: Size = Size { width: 318, height: 201 };
const CANVAS: Size = Size { width: 318, height: 200 };

impl Random {
    fn point(&mut self) -> Point {
        match self.below(40) {
            0 => Point { x: i32::MIN, y: i32::MAX },
            1 => Point { x: -50_000, y: 70 },
            _ => Point { x: self.below(360) as i32 - 20, y: self.below(240) as i32 - 20 },
        }
    }

    fn drawing(&mut self) -> Drawing {
        let tool = match self.below(10) {
            0 => Tool::Text(["Look here", "e\u{301}\nÖl", "👍"][self.below(3) as usize].to_owned()),
            1 => Tool::Highlighter,
            2 => Tool::Line,
            3 => Tool::Arrow,
            4 => Tool::Rectangle,
            5 => Tool::Ellipse,
            _ => Tool::Pen,
        };
        let points = (0..2 + self.below(12)).map(|_| self.point()).collect();
        let color = Color::new(self.next() as u8, self.next() as u8, self.next() as u8);
        let fade_after_ms = [None, Some(self.below(800))][self.below(2) as usize];
        Drawing { id: self.below(6).into(), tool, points, color, width: 1 + self.below(24), fade_after_ms }
    }

    fn event(&mut self) -> InputEvent {
        match self.below(12) {
            0 => InputEvent::Annotation(Annotation::Undo),
            1 if self.one_in(4) => InputEvent::Annotation(Annotation::Clear),
            1 => InputEvent::Annotation(Annotation::Erase { points: vec![self.point()], radius: 30 }),
            2 | 3 => {
                let name = ["Ctrl", "Shift", "C", "Enter"][self.below(4) as usize].to_owned();
                InputEvent::Key { name, pressed: self.one_in(2) }
            }
            4 | 5 => InputEvent::Button { button: 1, pressed: self.one_in(2), at: self.point() },
            6 => InputEvent::Pointer(self.point()),
            _ => InputEvent::Annotation(Annotation::Draw(self.drawing())),
        }
    }
}

const STYLE: PointerStyle = PointerStyle { shown: true, size: 1.5, ripple: true, hide_after_ms: Some(700) };

fn overlay() -> Overlay {
    let mut overlay = Overlay::default();
    overlay.set_style(STYLE, true);
    overlay.resize(PICTURE);
    let pixels = Bytes::from(vec![200; 10 * 16 * 4]);
    let shape = PointerShape { size: Size::new(10, 16), hot: Point { x: 1, y: 2 }, pixels };
    overlay.apply(&InputEvent::PointerShape(shape), Timestamp::ZERO);
    overlay
}

/// What is seen at `at`: all that matters of the frames.
fn looks(overlay: &mut Overlay, at: Timestamp) -> [Option<(Point, Size, Bytes)>; 2] {
    [overlay.drawings(at), overlay.pointer(at)]
        .map(|frame| frame.map(|frame| (frame.origin, frame.picture.size, frame.picture.bytes)))
}

struct Both<'a>(&'a mut Overlay);

impl Frames for Both<'_> {
    fn frame(&mut self, track: &TrackId, at: Timestamp) -> Option<Frame> {
        if track.as_str() == "pointer" { self.0.pointer(at) } else { self.0.drawings(at) }
    }
}

fn scene() -> Scene {
    let layer = |track: &str| Layer::plain(track.parse().unwrap(), Rect::whole(CANVAS), Rect::whole(CANVAS));
    Scene { background: Color::new(90, 120, 60), layers: vec![layer("drawings"), layer("pointer")] }
}

fn check(seed: u64) {
    let random = &mut Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (mut live, mut kept) = (overlay(), Compositor::new(CANVAS).unwrap());
    let mut events: Vec<(InputEvent, Timestamp)> = Vec::new();
    let mut middle = live.state().clone();
    let (mut now, mut since) = (Timestamp::ZERO, 0);
    for step in 0..25 {
        now = Timestamp(now.0 + i64::from(random.below(300)) * 1_000_000);
        for _ in 0..random.below(3) {
            let event = random.event();
            live.apply(&event, now);
            events.push((event, now));
        }
        if random.one_in(10) {
            (middle, since) = (live.state().clone(), events.len());
        }
        now = Timestamp(now.0 + i64::from(random.below(60)) * 1_000_000);
        let name = format!("seed {seed}, step {step}, {now}");

        kept.render(&scene(), now, &mut Both(&mut live)).unwrap();
        let mut at_once = overlay();
        events.iter().for_each(|(event, at)| at_once.apply(event, *at));
        let mut fresh = Compositor::new(CANVAS).unwrap();
        fresh.render(&scene(), now, &mut Both(&mut at_once)).unwrap();
        let (kept, fresh) = (kept.picture(), fresh.picture());
        assert!(kept.luma == fresh.luma && kept.chroma == fresh.chroma, "{name}: another picture");

        let mut restored = overlay();
        restored.restore(&middle);
        events[since..].iter().for_each(|(event, at)| restored.apply(event, *at));
        assert!(looks(&mut restored, now) == looks(&mut live, now), "{name}: from the middle");

        // Until something is to change, nothing does.
        let next = live.next_change(now).unwrap_or(Timestamp(now.0 + 2_000_000_000));
        assert!(next > now, "{name}");
        let until = Timestamp(next.0 - 1);
        assert!(looks(&mut live, now) == looks(&mut at_once, until), "{name}: changed before {next}");
    }
}

#[test]
fn live_and_at_once_and_from_the_middle_look_the_same() {
    (0..40).for_each(check);
}

fn draw(overlay: &mut Overlay, drawing: Drawing, at: Timestamp) {
    overlay.apply(&InputEvent::Annotation(Annotation::Draw(drawing)), at);
}

fn pen(id: u64, points: &[(i32, i32)]) -> Drawing {
    let points = points.iter().map(|&(x, y)| Point { x, y }).collect();
    Drawing { id, tool: Tool::Pen, points, color: Color::WHITE, width: 4, fade_after_ms: None }
}

#[test]
fn a_line_that_grows_damages_where_it_grew() {
    let mut overlay = overlay();
    let at = Timestamp::ZERO;
    draw(&mut overlay, pen(1, &[(10, 10), (60, 10)]), at);
    let first = overlay.drawings(at).unwrap();
    assert_eq!(
        (first.damage, first.origin, first.picture.size),
        (Damage::All, Point::default(), Size::new(128, 128))
    );
    assert_eq!(overlay.drawings(at).unwrap().serial, first.serial);
    draw(&mut overlay, pen(1, &[(10, 10), (60, 10), (100, 10)]), at);
    let second = overlay.drawings(at).unwrap();
    assert_eq!((second.since, second.serial), (first.serial, first.serial + 1));
    let Damage::Rects(rects) = second.damage else { panic!("all of it") };
    let [rect] = rects[..] else { panic!("{rects:?}") };
    assert!(rect.x >= 34 && rect.right() <= 104 && rect.height <= 6, "{rect:?}");
    draw(&mut overlay, pen(1, &[(10, 10), (60, 10), (100, 10)]), at);
    assert_eq!(overlay.drawings(at).unwrap().serial, second.serial, "the same line again");
    overlay.apply(&InputEvent::Annotation(Annotation::Clear), at);
    assert!(overlay.drawings(at).is_none());
}

#[test]
fn a_slow_machine_leaves_out_rings_and_keys_alone() {
    let mut overlay = overlay();
    let at = Timestamp(1_000_000_000);
    overlay.set_effects(Effects::Essential);
    overlay.apply(&InputEvent::Key { name: "A".into(), pressed: true }, at);
    overlay.apply(&InputEvent::Button { button: 1, pressed: true, at: Point { x: 50, y: 50 } }, at);
    overlay.apply(&InputEvent::Pointer(Point { x: 50, y: 50 }), at);
    assert!(overlay.drawings(at).is_none() && overlay.pointer(at).is_some());
    draw(&mut overlay, pen(1, &[(10, 10), (60, 10)]), at);
    assert!(overlay.drawings(at).is_some());
    overlay.set_effects(Effects::All);
    assert_eq!(overlay.drawings(at).unwrap().picture.size, Size::new(256, 201));
}

#[test]
fn the_pointer_has_its_size_and_hides() {
    let mut overlay = overlay();
    let at = |ms: i64| Timestamp(ms * 1_000_000);
    overlay.apply(&InputEvent::Pointer(Point { x: 100, y: 80 }), at(50));
    let frame = overlay.pointer(at(100)).unwrap();
    assert_eq!((frame.picture.size, frame.origin), (Size::new(15, 24), Point { x: 98, y: 77 }));
    assert_eq!(overlay.next_change(at(100)), Some(at(750)));
    assert!(overlay.pointer(at(749)).is_some() && overlay.pointer(at(750)).is_none());
    assert_eq!(overlay.next_change(at(750)), None);
    overlay.apply(&InputEvent::Pointer(Point { x: 101, y: 80 }), at(800));
    assert_eq!(overlay.pointer(at(800)).unwrap().serial, frame.serial);
    overlay.set_style(PointerStyle { shown: false, ..STYLE }, true);
    assert!(overlay.pointer(at(800)).is_none());
}

#[test]
fn nonsense_is_not_drawn_and_takes_no_memory() {
    for size in [Size::new(0, 9), Size::new(u32::MAX, u32::MAX), Size::new(9, 1 << 20)] {
        let mut overlay = Overlay::default();
        overlay.apply(&InputEvent::Resized(size), Timestamp::ZERO);
        draw(&mut overlay, pen(1, &[(1, 1), (5, 5)]), Timestamp::ZERO);
        assert!(overlay.drawings(Timestamp::ZERO).is_none());
    }
    let far = [i32::MIN, -1, 0, i32::MAX];
    for tool in [Tool::Pen, Tool::Highlighter, Tool::Line, Tool::Arrow, Tool::Rectangle, Tool::Ellipse] {
        for (x, y) in far.into_iter().flat_map(|x| far.map(|y| (x, y))) {
            for width in [0, 1, 500, u32::MAX] {
                let mut overlay = overlay();
                let points = [(x, y), (y, x), (0, 0)];
                draw(
                    &mut overlay,
                    Drawing { tool: tool.clone(), width, ..pen(1, &points) },
                    Timestamp(i64::MAX),
                );
                if let Some(frame) = overlay.drawings(Timestamp(i64::MAX)) {
                    let area = Rect::whole(frame.picture.size).shifted(frame.origin.x, frame.origin.y);
                    assert_eq!(area.intersect(Rect::whole(PICTURE)), Some(area));
                }
                overlay.next_change(Timestamp(i64::MIN));
            }
        }
    }
    let mut overlay = overlay();
    let broken = [(Size::new(9, 9), 9 * 9 * 4 - 1), (Size::new(0, 0), 0), (Size::new(u32::MAX, 1), 4)];
    overlay.apply(&InputEvent::Pointer(Point { x: i32::MIN, y: i32::MAX }), Timestamp::ZERO);
    for (size, len) in broken {
        let shape =
            PointerShape { size, hot: Point { x: i32::MIN, y: i32::MAX }, pixels: vec![0; len].into() };
        overlay.apply(&InputEvent::PointerShape(shape), Timestamp::ZERO);
        assert!(overlay.pointer(Timestamp::ZERO).is_none());
    }
    overlay.apply(&InputEvent::Key { name: "\u{1F4A9}".repeat(10_000), pressed: true }, Timestamp::ZERO);
    assert!(overlay.drawings(Timestamp::ZERO).unwrap().picture.size.width <= PICTURE.width);
}
