//! Screens of an X server, on servers that each test starts for itself.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod rig;

use model::{Damage, InputEvent, Point, Rect, Size};
use rig::{
    Listener,
    conformance::{self, Canvas, Subject},
    display::{Painter, Xvfb},
    in_session, track, wait_for,
};
use spool_capture::{CaptureError, LostReason, SampleSink, SourceConfig, SourceEvent, SourceId, native};
use std::{
    env,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

const SCREEN: Size = Size { width: 800, height: 600 };
const LEFT: Rect = Rect { x: 0, y: 0, width: 300, height: 600 };
const RIGHT: Rect = Rect { x: 300, y: 40, width: 500, height: 500 };
const FPS: u32 = 30;

fn on_xvfb(name: &str, body: impl FnOnce()) {
    let start = || {
        let server = Xvfb::start(SCREEN);
        let variables = server.variables();
        (server, variables)
    };
    in_session(name, start, body);
}

/// Runs `body` while rectangles of all sizes are drawn everywhere.
fn while_drawing(body: impl FnOnce()) {
    /// Also when `body` panics.
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let painter = Painter::connect();
            for step in 0_u32.. {
                if done.load(Ordering::Relaxed) {
                    return;
                }
                let mixed = step.wrapping_mul(2_654_435_761);
                let (x, y) = (mixed % SCREEN.width, mixed / 7 % SCREEN.height);
                let area = Rect::new(x as i32, y as i32, 1 + mixed % 97, 1 + mixed % 61);
                painter.fill(area, mixed & 0xff_ffff);
                thread::sleep(Duration::from_millis(7));
            }
        });
        let _done = Done(&done);
        body();
    });
}

#[test]
fn x11_screens_conform() {
    on_xvfb("x11_screens_conform", || {
        let painter = Painter::connect();
        painter.add_monitor("LEFT", LEFT);
        painter.add_monitor("RIGHT", RIGHT);
        let names: Vec<_> =
            native().sources().unwrap().into_iter().map(|source| (source.id, source.size)).collect();
        let source = |id: &str, size: Size| (SourceId::new(id), Some(size));
        for listed in [
            source("x11:screen", SCREEN),
            source("x11:monitor:LEFT", LEFT.size()),
            source("x11:monitor:RIGHT", RIGHT.size()),
        ] {
            assert!(names.contains(&listed), "{listed:?} is not among {names:?}");
        }
        let ids = ["x11:screen", "x11:monitor:LEFT", "x11:monitor:RIGHT"];
        let unknown = &["x11:monitor:", "x11:monitor:NONE"];
        conformance::check(&*native(), &Subject { still: &ids, unknown, ..Subject::default() });
        while_drawing(|| {
            conformance::check(&*native(), &Subject { moving: &ids, is_torn: true, ..Subject::default() });
        });
    });
}

#[test]
fn a_picture_is_what_the_server_shows() {
    on_xvfb("a_picture_is_what_the_server_shows", || {
        let painter = Painter::connect();
        painter.add_monitor("RIGHT", RIGHT);
        let listener = Listener::new();
        let _capture = listener.open(&*native(), "x11:monitor:RIGHT", FPS);
        let mut canvas = Canvas::default();
        canvas.apply(&listener.picture("source", |_| true));
        // Far apart, so that they are fetched apart; one crosses the monitor's edge, one is outside.
        let drawn = [
            Rect::new(310, 45, 20, 4),
            Rect::new(290, 300, 30, 9),
            Rect::new(700, 520, 100, 80),
            Rect::new(0, 0, 50, 50),
        ];
        for round in 0..20 {
            for (index, area) in drawn.iter().enumerate() {
                painter.fill(area.shifted(round, 0), 0x10_2030 * (index as u32 + 1) + round as u32);
            }
            let truth = painter.read(RIGHT);
            wait_for("what was drawn", || {
                let frame = listener.picture("source", |_| true);
                assert_eq!(frame.picture.size, RIGHT.size());
                let Damage::Rects(rects) = &frame.damage else { panic!("not all of it changed") };
                let changed: u64 = rects.iter().map(|rect| rect.area()).sum();
                assert!(changed < 20_000, "little was drawn and much is said to have changed: {rects:?}");
                canvas.apply(&frame);
                (frame.picture.bytes == truth).then_some(())
            });
            assert!(canvas.bytes == truth, "what damage left out is not what the server shows");
        }
    });
}

#[test]
fn a_pointer_is_a_layer_of_its_own() {
    on_xvfb("a_pointer_is_a_layer_of_its_own", || {
        let painter = Painter::connect();
        painter.add_monitor("RIGHT", RIGHT);
        painter.set_pointer(9);
        painter.move_pointer(400, 140);
        let listener = Listener::new();
        let _capture = listener.open(&*native(), "x11:monitor:RIGHT", FPS);
        // The monitor begins at (300, 40).
        let at = |x: i32, y: i32| {
            let tip = Point { x: x - 300, y: y - 40 };
            move |event: &InputEvent| *event == InputEvent::Pointer(tip)
        };
        let InputEvent::PointerShape(shape) = listener.input(|_| true) else {
            panic!("the shape comes first")
        };
        assert_eq!(
            (shape.size, shape.hot, shape.pixels.len()),
            (Size::new(9, 9), Point { x: 2, y: 3 }, 4 * 81)
        );
        assert_eq!(&shape.pixels[..4], &[0, 0, 255, 255], "the pointer is red");
        listener.input(at(400, 140));
        painter.move_pointer(301, 100);
        listener.input(at(301, 100));
        painter.set_pointer(5);
        let smaller = |event: &InputEvent| matches!(event, InputEvent::PointerShape(shape) if shape.size == Size::new(5, 5));
        listener.input(smaller);
        painter.move_pointer(100, 100);
        listener.input(|event| *event == InputEvent::PointerGone);
        let counts = listener.pictures().counts(&track("source"));
        assert_eq!(counts.captured, 1, "moving the pointer costs no picture");
    });
}

#[test]
fn a_screen_may_change_its_size() {
    on_xvfb("a_screen_may_change_its_size", || {
        let painter = Painter::connect();
        let listener = Listener::new();
        let _capture = listener.open(&*native(), "x11:screen", FPS);
        assert_eq!(listener.picture("source", |_| true).picture.size, SCREEN);
        for size in [Size::new(640, 480), Size::new(720, 500), SCREEN] {
            painter.resize(size);
            let frame = listener.picture("source", |frame| frame.picture.size == size);
            assert_eq!(frame.damage, Damage::All);
            painter.fill(Rect::new(3, 3, 600, 400), size.width);
            let truth = painter.read(Rect::whole(size));
            listener.picture("source", |frame| frame.picture.bytes == truth);
        }
        assert_eq!(listener.intake.events.try_recv().ok(), None, "that is no loss");
    });
}

#[test]
fn a_monitor_may_go_and_return() {
    on_xvfb("a_monitor_may_go_and_return", || {
        let painter = Painter::connect();
        painter.add_monitor("RIGHT", RIGHT);
        let listener = Listener::new();
        let _capture = listener.open(&*native(), "x11:monitor:RIGHT", FPS);
        let before = listener.picture("source", |_| true);
        painter.remove_monitor("RIGHT");
        let lost = listener.event();
        assert!(matches!(lost, SourceEvent::Lost { reason: LostReason::Unplugged, .. }), "{lost:?}");
        let smaller = Rect { width: 200, ..RIGHT };
        painter.add_monitor("RIGHT", smaller);
        assert_eq!(listener.event(), SourceEvent::Returned);
        let after = listener.picture("source", |_| true);
        assert_eq!((after.picture.size, after.damage), (smaller.size(), Damage::All));
        assert!(after.serial > before.serial && after.at > before.at);
    });
}

#[test]
fn a_server_may_go_and_return() {
    // The server is started inside, on a display number that is free again once it was ended.
    let start = || {
        let server = Xvfb::start(SCREEN);
        let variables = server.variables();
        server.end();
        ((), variables)
    };
    in_session("a_server_may_go_and_return", start, || {
        let display = env::var("DISPLAY").unwrap();
        let error =
            native().open(&SourceId::new("x11:screen"), &SourceConfig::new(FPS), sink()).err().unwrap();
        assert!(matches!(error, CaptureError::Unreachable { .. }) && error.is_retryable(), "{error}");
        let server = Xvfb::start_on(&display, SCREEN);
        wait_for("the X server", Painter::try_connect);
        let listener = Listener::new();
        let _capture = listener.open(&*native(), "x11:screen", FPS);
        listener.picture("source", |_| true);
        server.end();
        let lost = listener.event();
        assert!(
            matches!(&lost, SourceEvent::Lost { reason: LostReason::ServerGone, message } if !message.is_empty()),
            "{lost:?}"
        );
        let _server = Xvfb::start_on(&display, SCREEN);
        assert_eq!(listener.event(), SourceEvent::Returned);
        assert_eq!(listener.picture("source", |_| true).damage, Damage::All);
    });
}

fn sink() -> SampleSink {
    Listener::new().sink("source")
}

#[test]
fn a_reader_that_keeps_pictures_stops_nothing() {
    on_xvfb("a_reader_that_keeps_pictures_stops_nothing", || {
        while_drawing(|| {
            let listener = Listener::new();
            let _capture = listener.open(&*native(), "x11:screen", FPS);
            let mut kept = Vec::new();
            let dropped = || listener.pictures().counts(&track("source")).dropped;
            wait_for("a picture that found no memory", || {
                kept.extend(listener.pictures().take(&track("source")));
                (dropped() >= 5 && kept.len() >= 3).then_some(())
            });
            let bytes: Vec<_> = kept.iter().map(|frame| frame.picture.bytes.to_vec()).collect();
            thread::sleep(Duration::from_millis(200));
            let same = kept.iter().zip(&bytes).all(|(frame, bytes)| frame.picture.bytes == *bytes);
            assert!(same, "a picture changed while it was kept");
            kept.clear();
            listener.picture("source", |_| true);
        });
    });
}
