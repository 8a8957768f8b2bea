//! Screens of an X server, on servers that each test starts for itself.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod rig;

use model::{Damage, InputEvent, Point, Rect, Size};
use rig::{
    Listener,
    conformance::{self, Canvas, Subject},
    display::{Painter, Xvfb},
    in_session, process, track, wait_for, window,
};
use spool_capture::{
    CaptureError, LostReason, PermissionState, SampleSink, SourceConfig, SourceEvent, SourceId, SourceKind,
    native,
};
use std::{
    env, fs,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
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
        let ids = ["x11:screen", "x11:monitor:LEFT", "x11:monitor:RIGHT", "x11:region:21,33,640x480"];
        let unknown =
            &["x11:monitor:", "x11:monitor:NONE", "x11:region:", "x11:region:0,0,0x9", "x11:nothing"];
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
fn a_region_is_a_part_of_the_screen() {
    on_xvfb("a_region_is_a_part_of_the_screen", || {
        let painter = Painter::connect();
        painter.set_pointer(9);
        painter.move_pointer(500, 140);
        let area = Rect::new(420, 80, 333, 111);
        let listener = Listener::new();
        let _capture = listener.open(&*native(), "x11:region:420,80,333x111", FPS);
        listener.input(|event| *event == InputEvent::Pointer(Point { x: 80, y: 60 }));
        painter.fill(Rect::new(400, 70, 60, 60), 0x12_3456);
        painter.fill(Rect::new(600, 150, 300, 5), 0x65_4321);
        let truth = painter.read(area);
        let frame = listener.picture("source", |frame| frame.picture.bytes == truth);
        assert_eq!((frame.picture.size, frame.picture.stride), (area.size(), 4 * 333));
        // What is beyond the screen's edges is left out.
        let clipped = Listener::new();
        let _clipped = clipped.open(&*native(), "x11:region:-20,500,100x300", FPS);
        let truth = painter.read(Rect::new(0, 500, 80, 100));
        let frame = clipped.picture("source", |_| true);
        assert!(frame.picture.size == Size::new(80, 100) && frame.picture.bytes == truth);
        let beyond = SourceId::new("x11:region:800,0,10x10");
        let error = native().open(&beyond, &SourceConfig::new(FPS), sink()).err().unwrap();
        assert_eq!(
            error.to_string(),
            "cannot record x11:region:800,0,10x10: it lies outside the screen, which is 800x600"
        );
        // A screen may become too small for a region, and large enough again.
        painter.resize(Size::new(400, 600));
        let lost = listener.event();
        assert!(matches!(lost, SourceEvent::Lost { reason: LostReason::Unplugged, .. }), "{lost:?}");
        painter.resize(SCREEN);
        assert_eq!(listener.event(), SourceEvent::Returned);
        assert_eq!(listener.picture("source", |_| true).picture.size, area.size());
    });
}

#[test]
fn monitors_go_and_their_neighbours_stay() {
    on_xvfb("monitors_go_and_their_neighbours_stay", || {
        let painter = Painter::connect();
        painter.add_monitor("LEFT", LEFT);
        painter.add_monitor("RIGHT", RIGHT);
        let (left, right, whole) = (Listener::new(), Listener::new(), Listener::new());
        let _captures = [
            left.open(&*native(), "x11:monitor:LEFT", FPS),
            right.open(&*native(), "x11:monitor:RIGHT", FPS),
            whole.open(&*native(), "x11:screen", FPS),
        ];
        let unplug = ["--delmonitor", "RIGHT"];
        process::output(Command::new("xrandr").args(unplug), "x11-xserver-utils");
        let SourceEvent::Lost { reason, message } = right.event() else { panic!("it is lost") };
        assert_eq!((reason, message.as_str()), (LostReason::Unplugged, "the monitor was unplugged"));
        for (listener, area) in [(&left, LEFT), (&whole, Rect::whole(SCREEN))] {
            painter.fill(Rect::new(10, 10, 200, 200), area.width);
            let truth = painter.read(area);
            listener.picture("source", |frame| frame.picture.bytes == truth);
            assert_eq!(listener.intake.events.try_recv().ok(), None, "another one's loss is not its own");
        }
        let plug = ["--setmonitor", "RIGHT", "500/100x500/100+300+40", "none"];
        process::output(Command::new("xrandr").args(plug), "x11-xserver-utils");
        assert_eq!(right.event(), SourceEvent::Returned);
        let truth = painter.read(RIGHT);
        right.picture("source", |frame| frame.picture.bytes == truth);
    });
}

#[test]
fn pixels_are_the_screens_however_it_scales() {
    const LARGE: Size = Size { width: 3840, height: 2160 };
    let start = || {
        let server = Xvfb::start_with(LARGE, &["-dpi", "192"]);
        let variables = server.variables();
        (server, variables)
    };
    in_session("pixels_are_the_screens_however_it_scales", start, || {
        let painter = Painter::connect();
        painter.set_resources("Xft.dpi:\t192\nXcursor.size:\t96\n");
        painter.set_pointer(96);
        painter.move_pointer(3000, 2000);
        let listener = Listener::new();
        let _capture = listener.open(&*native(), "x11:screen", FPS);
        let InputEvent::PointerShape(shape) = listener.input(|_| true) else {
            panic!("the shape comes first")
        };
        assert_eq!((shape.size, shape.pixels.len()), (Size::new(96, 96), 4 * 96 * 96));
        listener.input(|event| *event == InputEvent::Pointer(Point { x: 3000, y: 2000 }));
        painter.fill(Rect::new(3700, 2100, 140, 60), 0x12_3456);
        let truth = painter.read(Rect::whole(LARGE));
        assert_eq!(listener.picture("source", |frame| frame.picture.bytes == truth).picture.size, LARGE);
    });
}

/// Runs `body` with a display number that no server has, which the environment names.
fn on_free_display(name: &str, body: impl FnOnce(&str)) {
    let start = || ((), vec![("DISPLAY".to_owned(), Xvfb::free_display())]);
    in_session(name, start, || body(&env::var("DISPLAY").unwrap()));
}

#[test]
fn a_server_that_hangs_holds_nobody_up() {
    on_free_display("a_server_that_hangs_holds_nobody_up", |display| {
        let server = Xvfb::start_on(display, SCREEN);
        let painter = wait_for("the X server", Painter::try_connect);
        let (listener, other) = (Listener::new(), Listener::new());
        let capture = listener.open(&*native(), "x11:screen", FPS);
        let _other = other.open(&*native(), "x11:screen", 1);
        listener.picture("source", |_| true);
        other.picture("source", |_| true);
        server.freeze();
        for listener in [&listener, &other] {
            let lost = listener.event();
            assert!(
                matches!(&lost, SourceEvent::Lost { reason: LostReason::Silent, message } if !message.is_empty()),
                "{lost:?}"
            );
        }
        // Who asks for something new hears of it, too.
        let error =
            native().open(&SourceId::new("x11:screen"), &SourceConfig::new(FPS), sink()).err().unwrap();
        assert!(matches!(error, CaptureError::Unreachable { .. }) && error.is_retryable(), "{error}");
        let permission = native().permission(SourceKind::Screen);
        assert_eq!(permission.state, PermissionState::Restricted);
        server.thaw();
        assert_eq!(listener.event(), SourceEvent::Returned);
        painter.fill(Rect::new(5, 5, 70, 70), 0x12_3456);
        let truth = painter.read(Rect::whole(SCREEN));
        listener.picture("source", |frame| frame.picture.bytes == truth);
        server.freeze();
        thread::sleep(Duration::from_millis(200));
        let begun = Instant::now();
        drop(capture);
        assert!(begun.elapsed() < Duration::from_secs(1), "it took {:?} to stop", begun.elapsed());
        // A server that hangs while it is looked for holds nobody up either.
        server.end();
        let gone =
            |event: &SourceEvent| matches!(event, SourceEvent::Lost { reason: LostReason::ServerGone, .. });
        wait_for("the loss of the server", || Some(other.event()).filter(gone));
    });
}

#[test]
fn a_server_that_hangs_while_it_is_looked_for_holds_nobody_up() {
    on_free_display("a_server_that_hangs_while_it_is_looked_for_holds_nobody_up", |display| {
        let server = Xvfb::start_on(display, SCREEN);
        wait_for("the X server", Painter::try_connect);
        let listener = Listener::new();
        let capture = listener.open(&*native(), "x11:screen", FPS);
        listener.picture("source", |_| true);
        server.end();
        assert!(matches!(listener.event(), SourceEvent::Lost { reason: LostReason::ServerGone, .. }));
        let server = Xvfb::start_on(display, SCREEN);
        server.freeze();
        thread::sleep(Duration::from_secs(1));
        let begun = Instant::now();
        drop(capture);
        assert!(begun.elapsed() < Duration::from_secs(1), "it took {:?} to stop", begun.elapsed());
        server.thaw();
        let counts = listener.pictures().counts(&track("source"));
        assert_eq!((counts.captured, listener.intake.events.len()), (1, 0), "it was not back");
    });
}

/// What is said of screens and of windows, in a session with these variables.
fn check_permission(kind: SourceKind, state: PermissionState, words: &[&str]) {
    let permission = native().permission(kind);
    assert_eq!(permission.state, state, "{permission:?}");
    assert_eq!(permission.advice.is_empty(), state == PermissionState::Granted, "{permission:?}");
    let missing = words.iter().find(|word| !permission.advice.contains(**word));
    assert_eq!(missing, None, "{permission:?}");
    assert!(permission.advice.is_empty() || permission.advice.ends_with('.'), "{permission:?}");
}

/// The same of both.
fn check_pictures(state: PermissionState, words: &[&str]) {
    for kind in [SourceKind::Screen, SourceKind::Window] {
        check_permission(kind, state, words);
    }
}

#[test]
fn permission_is_granted_by_a_server_that_lets_itself_be_recorded() {
    on_xvfb("permission_is_granted_by_a_server_that_lets_itself_be_recorded", || {
        check_pictures(PermissionState::Granted, &[]);
        // A Wayland session's server calls its monitors so.
        Painter::connect().add_monitor("XWAYLAND0", LEFT);
        let words = ["Wayland session", "portal", "X11 session"];
        check_pictures(PermissionState::Restricted, &words);
        let opened = native().open(&SourceId::new("x11:screen"), &SourceConfig::new(FPS), sink());
        assert!(matches!(opened.err().unwrap(), CaptureError::Unsupported { .. }));
    });
}

#[test]
fn permission_needs_a_display() {
    let variables = |display: &str| ((), vec![("DISPLAY".to_owned(), display.to_owned())]);
    in_session(
        "permission_needs_a_display",
        || variables(""),
        || {
            let words = ["set DISPLAY", "DISPLAY=:0"];
            check_pictures(PermissionState::Restricted, &words);
        },
    );
}

#[test]
fn permission_needs_a_server() {
    on_free_display("permission_needs_a_server", |_| {
        let words = ["Start the X server", "DISPLAY"];
        check_pictures(PermissionState::Restricted, &words);
    });
}

#[test]
fn permission_needs_the_servers_key() {
    let start = |key: &'static str| {
        move || {
            let folder = tempfile::tempdir().unwrap();
            let (right, wrong) = (folder.path().join("right"), folder.path().join("wrong"));
            fs::write(&right, authority([7; 16])).unwrap();
            fs::write(&wrong, authority([8; 16])).unwrap();
            let server = Xvfb::start_with(SCREEN, &["-auth", right.to_str().unwrap()]);
            let mut variables = server.variables();
            let file = folder.path().join(key).to_str().unwrap().to_owned();
            variables.push(("XAUTHORITY".to_owned(), file));
            ((server, folder), variables)
        }
    };
    let name = "permission_needs_the_servers_key";
    let is_inside = env::var("XAUTHORITY").unwrap_or_default();
    for key in ["right", "wrong", "none"] {
        if env::var_os("SPOOL_TEST_INSIDE").is_some() && !is_inside.ends_with(key) {
            continue;
        }
        in_session(name, start(key), || match key {
            "right" => check_pictures(PermissionState::Granted, &[]),
            _ => {
                let words = ["XAUTHORITY", "xhost"];
                check_pictures(PermissionState::Restricted, &words);
                let opened = native().open(&SourceId::new("x11:screen"), &SourceConfig::new(FPS), sink());
                assert!(matches!(opened.err().unwrap(), CaptureError::Denied { .. }));
            }
        });
    }
}

/// A file with one key, for every display of every machine.
fn authority(key: [u8; 16]) -> Vec<u8> {
    const ANY: [u8; 2] = [0xff, 0xff];
    const NAME: &[u8] = b"MIT-MAGIC-COOKIE-1";
    let text = |text: &[u8]| [&(text.len() as u16).to_be_bytes(), text].concat();
    [ANY.to_vec(), text(b""), text(b""), text(NAME), text(&key)].concat()
}

#[test]
fn permission_needs_extensions() {
    let start = || {
        let server = Xvfb::start_with(SCREEN, &["-extension", "Composite"]);
        let variables = server.variables();
        (server, variables)
    };
    in_session("permission_needs_extensions", start, || {
        check_permission(SourceKind::Screen, PermissionState::Granted, &[]);
        check_permission(SourceKind::Window, PermissionState::Restricted, &["with the extension Composite"]);
        let painter = Painter::connect();
        let pane = window::Pane::open(&painter, LEFT);
        assert!(native().sources().unwrap().iter().all(|source| source.kind != SourceKind::Window));
        let opened = native().open(&SourceId::new(pane.id()), &SourceConfig::new(FPS), sink());
        assert!(matches!(opened.err().unwrap(), CaptureError::Unsupported { .. }));
    });
}

#[test]
fn a_server_may_go_and_return() {
    on_free_display("a_server_may_go_and_return", |display| {
        let error =
            native().open(&SourceId::new("x11:screen"), &SourceConfig::new(FPS), sink()).err().unwrap();
        assert!(matches!(error, CaptureError::Unreachable { .. }) && error.is_retryable(), "{error}");
        let server = Xvfb::start_on(display, SCREEN);
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
        let _server = Xvfb::start_on(display, SCREEN);
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
