//! Windows of an X server, on servers that each test starts for itself.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod rig;

use model::{Damage, Frame, InputEvent, Point, Rect, Size};
use rig::{
    Listener,
    conformance::{self, Canvas, Subject},
    display::{Painter, Xvfb},
    in_session,
    process::{Running, output, tethered},
    track, wait_for,
    window::Pane,
};
use spool_capture::{
    CaptureError, LostReason, SourceConfig, SourceEvent, SourceId, SourceInfo, SourceKind, native,
};
use std::{
    env,
    process::{Command, Stdio},
    thread,
    time::Duration,
};
use x11rb::protocol::{
    composite::{ConnectionExt as _, Redirect},
    xproto::ConnectionExt as _,
};

const SCREEN: Size = Size { width: 800, height: 600 };
const PLACE: Rect = Rect { x: 100, y: 60, width: 301, height: 200 };
const FPS: u32 = 30;

fn on_xvfb(name: &str, body: impl FnOnce()) {
    let start = || {
        let server = Xvfb::start(SCREEN);
        let variables = server.variables();
        (server, variables)
    };
    in_session(name, start, body);
}

fn listed(id: &str) -> Option<SourceInfo> {
    native().sources().unwrap().into_iter().find(|source| source.id.as_str() == id)
}

/// The next picture that shows what was painted.
fn shown(listener: &Listener, pane: &Pane<'_>) -> Frame {
    listener.picture("source", |frame| pane.is_shown_by(&frame.picture.bytes))
}

/// Runs `body` while something moves on the pane.
fn while_painting(pane: &Pane<'_>, size: Size, body: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let running = scope.spawn(body);
        for step in (0_u32..).take_while(|_| !running.is_finished()) {
            let mixed = step.wrapping_mul(2_654_435_761);
            let (x, y) = (mixed % size.width, mixed / 7 % size.height);
            pane.fill(Rect::new(x as i32, y as i32, 1 + mixed % 97, 1 + mixed % 61), mixed & 0xff_ffff);
            thread::sleep(Duration::from_millis(7));
        }
    });
}

#[test]
fn x11_windows_conform() {
    on_xvfb("x11_windows_conform", || {
        let painter = Painter::connect();
        let still = Pane::open(&painter, PLACE);
        still.name("Still  life\n", "Gallery");
        let covered = Pane::open(&painter, Rect::new(420, 300, 200, 150));
        let cover = Pane::open(&painter, Rect::new(400, 280, 150, 300));
        let source = listed(&still.id()).unwrap();
        assert_eq!(
            (source.kind, source.size, source.is_default),
            (SourceKind::Window, Some(PLACE.size()), false)
        );
        assert!(source.name.starts_with("Still  life (Gallery)"), "{}", source.name);
        assert!(listed(&cover.id()).unwrap().name.starts_with("Window 0x"));
        let unknown = &["x11:window:", "x11:window:0x7", "x11:window:0x0"];
        conformance::check(
            &*native(),
            &Subject { still: &[&still.id(), &cover.id()], unknown, ..Subject::default() },
        );
        for pane in [&covered, &still] {
            let id = pane.id();
            while_painting(pane, Size::new(200, 150), || {
                conformance::check(
                    &*native(),
                    &Subject { moving: &[&id], is_torn: true, ..Subject::default() },
                );
            });
        }
    });
}

#[test]
fn a_window_is_whole_when_covered_and_beyond_the_edge() {
    on_xvfb("a_window_is_whole_when_covered_and_beyond_the_edge", || {
        let painter = Painter::connect();
        let pane = Pane::open_with(&painter, PLACE, 24, 7);
        let cover = Pane::open(&painter, Rect::new(0, 0, 400, 150));
        let listener = Listener::new();
        let _capture = listener.open(&*native(), &pane.id(), FPS);
        pane.paint(0x10_2030);
        pane.fill(Rect::new(0, 0, 1, 1), 0xff_0000);
        pane.fill(Rect::new(300, 199, 1, 1), 0x00_00ff);
        cover.paint(0x00_ff00);
        let mut canvas = Canvas::default();
        let whole = listener.picture("source", |frame| {
            canvas.apply(frame);
            pane.is_shown_by(&frame.picture.bytes)
        });
        assert_eq!(whole.picture.size, PLACE.size(), "its border is not part of it");
        for (step, place) in [(-150, -90), (700, 30), (120, 560), (100, 60)].into_iter().enumerate() {
            // To the server a window that moved has changed in all of it.
            pane.move_to(place.0, place.1);
            pane.fill(Rect::new(0, 0, 9, 9), step as u32);
            listener.picture("source", |frame| {
                canvas.apply(frame);
                pane.is_shown_by(&frame.picture.bytes)
            });
            let looks = || listener.pictures().counts(&track("source")).unchanged;
            let before = looks();
            wait_for("a look at the window where it is", || (looks() > before).then_some(()));
            pane.fill(Rect::new(17 * step as i32, 33, 20, 9), 0x40_5060 + step as u32);
            let frame = listener.picture("source", |frame| {
                canvas.apply(frame);
                pane.is_shown_by(&frame.picture.bytes)
            });
            assert!(pane.is_shown_by(&canvas.bytes), "what damage left out is not what was painted");
            let Damage::Rects(rects) = &frame.damage else { panic!("not all of it changed") };
            let changed: u64 = rects.iter().map(|rect| rect.area()).sum();
            assert!(changed < 10_000, "little was painted and much is said to have changed: {rects:?}");
        }
    });
}

#[test]
fn what_is_within_a_window_is_part_of_it() {
    on_xvfb("what_is_within_a_window_is_part_of_it", || {
        let painter = Painter::connect();
        let pane = Pane::open(&painter, PLACE);
        let within = Rect::new(20, 30, 50, 40);
        let button = pane.open_within(within);
        let listener = Listener::new();
        let _capture = listener.open(&*native(), &pane.id(), FPS);
        let mut canvas = Canvas::default();
        for color in [0x10_2030, 0x40_5060, 0x70_8090] {
            button.paint(color);
            let frame = listener.picture("source", |frame| {
                let early = canvas.apply(frame);
                assert_eq!(early, [], "what changed within it is named");
                let row = 35 * frame.picture.stride;
                frame.picture.bytes[row + 4 * 69..][..3] == color.to_le_bytes()[..3]
            });
            let white = &frame.picture.bytes[35 * frame.picture.stride + 4 * 70..][..3];
            assert_eq!(white, [0xff; 3], "beside it nothing changed");
        }
    });
}

#[test]
fn a_window_may_change_its_size() {
    on_xvfb("a_window_may_change_its_size", || {
        let painter = Painter::connect();
        let pane = Pane::open(&painter, PLACE);
        let listener = Listener::new();
        let _capture = listener.open(&*native(), &pane.id(), FPS);
        listener.picture("source", |_| true);
        for size in [Size::new(90, 333), Size::new(1000, 700), Size::new(1, 1), PLACE.size()] {
            pane.resize(size);
            let frame = listener.picture("source", |frame| frame.picture.size == size);
            assert_eq!(frame.damage, Damage::All);
            pane.paint(0x77_0000 | size.width);
            shown(&listener, &pane);
        }
        assert_eq!(listener.intake.events.try_recv().ok(), None, "that is no loss");
    });
}

#[test]
fn a_window_may_be_hidden_and_shown_and_closed() {
    on_xvfb("a_window_may_be_hidden_and_shown_and_closed", || {
        let painter = Painter::connect();
        let pane = Pane::open(&painter, PLACE);
        let id = pane.id();
        let open = || {
            let listener = Listener::new();
            native().open(&SourceId::new(&id), &SourceConfig::new(FPS), listener.sink("source"))
        };
        pane.hide();
        let error = open().err().unwrap();
        assert!(matches!(error, CaptureError::Device { .. }) && error.is_retryable(), "{error}");
        pane.show();
        let listener = Listener::new();
        let _capture = listener.open(&*native(), &id, FPS);
        pane.paint(0x12_3456);
        shown(&listener, &pane);
        for round in 1..3 {
            pane.hide();
            let lost = listener.event();
            assert!(
                matches!(&lost, SourceEvent::Lost { reason: LostReason::Silent, message } if message.contains("minimised")),
                "{lost:?}"
            );
            pane.resize(Size::new(300 + round, 200));
            pane.show();
            assert_eq!(listener.event(), SourceEvent::Returned);
            pane.paint(0x65_4321 + round);
            shown(&listener, &pane);
        }
        // Gone and back within a look, with other pixels behind the same id.
        pane.hide();
        pane.show();
        pane.paint(0x00_ffff);
        shown(&listener, &pane);
        while listener.intake.events.try_recv().is_ok() {}
        pane.close();
        let ended = loop {
            match listener.event() {
                SourceEvent::Lost { .. } | SourceEvent::Returned => {}
                other => break other,
            }
        };
        let SourceEvent::Ended { reason, message } = ended else { panic!("{ended:?}") };
        assert_eq!((reason, message.as_str()), (LostReason::Closed, "the window was closed"));
        assert_eq!(open().err().unwrap(), CaptureError::UnknownSource { id: SourceId::new(&id) });
    });
}

#[test]
fn a_hidden_window_may_be_closed() {
    on_xvfb("a_hidden_window_may_be_closed", || {
        let painter = Painter::connect();
        let pane = Pane::open(&painter, PLACE);
        let listener = Listener::new();
        let _capture = listener.open(&*native(), &pane.id(), FPS);
        pane.hide();
        assert!(matches!(listener.event(), SourceEvent::Lost { reason: LostReason::Silent, .. }));
        pane.close();
        let ended = listener.event();
        assert!(matches!(ended, SourceEvent::Ended { reason: LostReason::Closed, .. }), "{ended:?}");
    });
}

#[test]
fn a_window_with_alpha_is_opaque() {
    on_xvfb("a_window_with_alpha_is_opaque", || {
        let painter = Painter::connect();
        let pane = Pane::open_with(&painter, PLACE, 32, 0);
        let listener = Listener::new();
        let _capture = listener.open(&*native(), &pane.id(), FPS);
        pane.paint(0x8010_2030);
        let frame = shown(&listener, &pane);
        assert_eq!(frame.picture.format, model::PixelFormat::Bgrx);
    });
}

#[test]
fn a_compositor_is_no_hindrance() {
    on_xvfb("a_compositor_is_no_hindrance", || {
        let (painter, compositor) = (Painter::connect(), Painter::connect());
        let pane = Pane::open(&painter, PLACE);
        let _version = compositor.server.composite_query_version(0, 4).unwrap().reply().unwrap();
        let root = compositor.root;
        let all = compositor.server.composite_redirect_subwindows(root, Redirect::MANUAL).unwrap();
        all.check().unwrap();
        let listener = Listener::new();
        let _capture = listener.open(&*native(), &pane.id(), FPS);
        pane.paint(0x31_4159);
        shown(&listener, &pane);
        // It may also go while the window is recorded.
        drop(compositor);
        pane.paint(0x27_1828);
        shown(&listener, &pane);
    });
}

#[test]
fn a_pointer_belongs_to_the_window_it_is_over() {
    on_xvfb("a_pointer_belongs_to_the_window_it_is_over", || {
        let painter = Painter::connect();
        painter.set_pointer(9);
        let pane = Pane::open(&painter, PLACE);
        let cover = Pane::open(&painter, Rect::new(300, 60, 200, 200));
        painter.move_pointer(110, 80);
        let listener = Listener::new();
        let _capture = listener.open(&*native(), &pane.id(), FPS);
        let points = |x, y| listener.input(|event| *event == InputEvent::Pointer(Point { x, y }));
        let gone = || listener.input(|event| *event == InputEvent::PointerGone);
        points(10, 20);
        painter.move_pointer(111, 80);
        points(11, 20);
        let counts = listener.pictures().counts(&track("source"));
        assert_eq!(counts.captured, 1, "a pointer is no picture");
        painter.move_pointer(110, 80);
        pane.move_to(90, 50);
        points(20, 30);
        pane.move_to(100, 60);
        points(10, 20);
        painter.move_pointer(310, 80);
        gone();
        pane.raise();
        points(210, 20);
        painter.move_pointer(99, 80);
        gone();
        cover.close();
    });
}

#[test]
fn a_window_ends_with_its_server() {
    let start = || ((), vec![("DISPLAY".to_owned(), Xvfb::free_display())]);
    in_session("a_window_ends_with_its_server", start, || {
        let display = env::var("DISPLAY").unwrap();
        let server = Xvfb::start_on(&display, SCREEN);
        let painter = wait_for("the X server", Painter::try_connect);
        let pane = Pane::open(&painter, PLACE);
        let listener = Listener::new();
        let _capture = listener.open(&*native(), &pane.id(), FPS);
        listener.picture("source", |_| true);
        server.end();
        let ended = listener.event();
        assert!(matches!(ended, SourceEvent::Ended { reason: LostReason::ServerGone, .. }), "{ended:?}");
    });
}

fn xdotool(arguments: &[&str]) -> String {
    output(Command::new("xdotool").args(arguments), "xdotool")
}

#[test]
fn a_window_manager_frames_and_minimises() {
    on_xvfb("a_window_manager_frames_and_minimises", || {
        rig::process::require("openbox", "openbox");
        rig::process::require("xdotool", "xdotool");
        let folder = tempfile::tempdir().unwrap();
        let begun = folder.path().join("begun");
        let mut openbox = tethered("openbox");
        openbox.args(["--sm-disable", "--startup", &format!("touch {}", begun.display())]);
        let manager = Running::start(openbox.stdout(Stdio::null()).stderr(Stdio::null()), "openbox");
        wait_for("the window manager", || begun.exists().then_some(()));
        let painter = Painter::connect();
        let managed = || {
            let pane = Pane::open(&painter, PLACE);
            pane.name("Übersicht", "Notes");
            let parent = || painter.server.query_tree(pane.window).unwrap().reply().unwrap().parent;
            wait_for("a frame", || (parent() != painter.root).then_some(()));
            pane
        };
        let pane = managed();
        let source = wait_for("it is listed", || listed(&pane.id()));
        assert!(source.name.starts_with("Übersicht (Notes)"), "{}", source.name);
        let windows = native().sources().unwrap();
        let windows = windows.iter().filter(|source| source.kind == SourceKind::Window).count();
        assert_eq!(windows, 1, "frames and the manager's own windows are not listed");
        let listener = Listener::new();
        let _capture = listener.open(&*native(), &pane.id(), FPS);
        pane.paint(0x20_4060);
        assert_eq!(shown(&listener, &pane).picture.size, PLACE.size(), "its frame is not part of it");
        let number = pane.window.to_string();
        let other_desktop =
            [&["set_desktop_for_window", &number, "1"], &["set_desktop_for_window", &number, "0"][..]];
        for [away, back] in [[&["windowminimize", &number][..], &["windowactivate", &number]], other_desktop]
        {
            xdotool(away);
            let lost = listener.event();
            assert!(matches!(lost, SourceEvent::Lost { reason: LostReason::Silent, .. }), "{lost:?}");
            assert!(listed(&pane.id()).is_some(), "it is there, and can be listed");
            xdotool(back);
            assert_eq!(listener.event(), SourceEvent::Returned);
            pane.paint(number.len() as u32);
            shown(&listener, &pane);
        }
        manager.end();
        let parent = || painter.server.query_tree(pane.window).unwrap().reply().unwrap().parent;
        wait_for("a window without a frame", || (parent() == painter.root).then_some(()));
        pane.paint(0x99_8877);
        shown(&listener, &pane);
        assert!(wait_for("a list without a manager", || listed(&pane.id())).name.starts_with("Übersicht"));
    });
}
