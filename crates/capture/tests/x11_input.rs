//! Clicks and keys on an X server, on servers that each test starts for itself.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod rig;

use model::{InputEvent, Point, Rect, Size};
use rig::{
    Listener,
    display::{Painter, Xvfb},
    in_session,
    process::{output, require},
    track, wait_for,
    window::Pane,
};
use spool_capture::{Capture, SourceConfig, SourceId, native};
use std::process::Command;
use x11rb::protocol::xproto::{ConnectionExt as _, EventMask, GrabMode, GrabStatus, InputFocus};

const SCREEN: Size = Size { width: 800, height: 600 };
/// The codes of these keys on a keyboard of today.
const A: u8 = 38;
const Y: u8 = 29;
const SHIFT: u8 = 50;
const ENTER: u8 = 36;
const LEFT: u8 = 113;

fn on_xvfb(name: &str, body: impl FnOnce()) {
    let start = || {
        let server = Xvfb::start(SCREEN);
        let variables = server.variables();
        (server, variables)
    };
    in_session(name, start, body);
}

/// Two looks a second: what comes between looks is told when it comes.
fn open(listener: &Listener, id: &str, keys: bool) -> Capture {
    let config = SourceConfig { keys, ..SourceConfig::new(2) };
    let capture = native().open(&SourceId::new(id), &config, listener.sink("source")).unwrap();
    listener.picture("source", |_| true);
    capture
}

fn button(button: u8, pressed: bool, x: i32, y: i32) -> InputEvent {
    InputEvent::Button { button, pressed, at: Point { x, y } }
}

fn key(name: &str, pressed: bool) -> InputEvent {
    InputEvent::Key { name: name.to_owned(), pressed }
}

/// Waits until everything that was done is known.
fn settle(listener: &Listener) {
    let looks = || listener.pictures().counts(&track("source")).unchanged;
    // The next look may have begun before.
    let before = looks() + 1;
    wait_for("a look", || (looks() > before).then_some(()));
}

/// The next click or key.
fn next(listener: &Listener) -> InputEvent {
    listener.input(|event| matches!(event, InputEvent::Button { .. } | InputEvent::Key { .. }))
}

#[test]
fn clicks_are_told_where_they_are() {
    on_xvfb("clicks_are_told_where_they_are", || {
        let painter = Painter::connect();
        let listener = Listener::new();
        let _capture = open(&listener, "x11:region:100,50,200x100", false);
        painter.move_pointer(110, 70);
        painter.button(1, true);
        assert_eq!(next(&listener), button(1, true, 10, 20));
        painter.move_pointer(130, 75);
        painter.button(1, false);
        assert_eq!(next(&listener), button(1, false, 30, 25));
        // Neither wheels nor what is beside it nor keys that nobody asked for; what went down within it comes up.
        (4..=7).for_each(|wheel| painter.click(wheel));
        painter.tap(A);
        settle(&listener);
        painter.move_pointer(99, 70);
        painter.click(2);
        settle(&listener);
        painter.move_pointer(299, 149);
        painter.button(3, true);
        assert_eq!(next(&listener), button(3, true, 199, 99));
        painter.move_pointer(500, 500);
        painter.button(3, false);
        assert_eq!(next(&listener), button(3, false, 400, 450));
    });
}

#[test]
fn what_a_button_means_is_the_users_choice() {
    on_xvfb("what_a_button_means_is_the_users_choice", || {
        let painter = Painter::connect();
        painter.move_pointer(7, 8);
        let listener = Listener::new();
        let _capture = open(&listener, "x11:screen", false);
        painter.click(1);
        assert_eq!([next(&listener), next(&listener)], [button(1, true, 7, 8), button(1, false, 7, 8)]);
        let map = painter.server.get_pointer_mapping().unwrap().reply().unwrap().map;
        let left_handed: Vec<u8> = [3, 2, 1].iter().copied().chain(map[3..].iter().copied()).collect();
        painter.server.set_pointer_mapping(&left_handed).unwrap().reply().unwrap();
        painter.click(1);
        assert_eq!([next(&listener), next(&listener)], [button(3, true, 7, 8), button(3, false, 7, 8)]);
    });
}

#[test]
fn keys_are_told_by_name_where_somebody_asked() {
    on_xvfb("keys_are_told_by_name_where_somebody_asked", || {
        require("setxkbmap", "x11-xkb-utils");
        let painter = Painter::connect();
        let listener = Listener::new();
        let _capture = open(&listener, "x11:screen", true);
        painter.key(SHIFT, true);
        painter.tap(A);
        painter.key(SHIFT, false);
        let told: Vec<InputEvent> = (0..4).map(|_| next(&listener)).collect();
        assert_eq!(told, [key("Shift", true), key("A", true), key("A", false), key("Shift", false)]);
        for (code, name) in [(ENTER, "Enter"), (LEFT, "←"), (Y, "Y")] {
            painter.tap(code);
            assert_eq!([next(&listener), next(&listener)], [key(name, true), key(name, false)]);
        }
        output(Command::new("setxkbmap").arg("de"), "x11-xkb-utils");
        painter.tap(Y);
        assert_eq!([next(&listener), next(&listener)], [key("Z", true), key("Z", false)]);
    });
}

#[test]
fn nothing_is_grabbed_and_no_grab_hides_anything() {
    on_xvfb("nothing_is_grabbed_and_no_grab_hides_anything", || {
        let painter = Painter::connect();
        painter.move_pointer(7, 8);
        let listener = Listener::new();
        let _capture = open(&listener, "x11:screen", true);
        let (server, root, now) = (&painter.server, painter.root, x11rb::CURRENT_TIME);
        let (mask, mode) = (EventMask::BUTTON_PRESS, GrabMode::ASYNC);
        let pointer =
            server.grab_pointer(false, root, mask, mode, mode, x11rb::NONE, x11rb::NONE, now).unwrap();
        assert_eq!(pointer.reply().unwrap().status, GrabStatus::SUCCESS);
        let keyboard = server.grab_keyboard(false, root, now, mode, mode).unwrap();
        assert_eq!(keyboard.reply().unwrap().status, GrabStatus::SUCCESS);
        painter.button(1, true);
        assert_eq!(next(&listener), button(1, true, 7, 8));
        painter.key(A, true);
        assert_eq!(next(&listener), key("A", true));
    });
}

#[test]
fn a_window_hears_what_is_meant_for_it() {
    on_xvfb("a_window_hears_what_is_meant_for_it", || {
        let painter = Painter::connect();
        let pane = Pane::open(&painter, Rect::new(100, 100, 200, 100));
        let cover = Pane::open(&painter, Rect::new(200, 100, 200, 100));
        let listener = Listener::new();
        let _capture = open(&listener, &pane.id(), true);
        let focus = |window: u32| {
            let set = painter.server.set_input_focus(InputFocus::PARENT, window, x11rb::CURRENT_TIME);
            set.unwrap().check().unwrap();
        };
        // To the window above it, and then to itself.
        painter.move_pointer(250, 150);
        focus(cover.window);
        for detail in [1, 3] {
            painter.click(detail);
        }
        painter.tap(A);
        settle(&listener);
        painter.move_pointer(150, 150);
        focus(pane.window);
        painter.button(1, true);
        assert_eq!(next(&listener), button(1, true, 50, 50));
        painter.key(ENTER, true);
        assert_eq!(next(&listener), key("Enter", true));
        listener.input(|event| *event == InputEvent::Pointer(Point { x: 50, y: 50 }));
        // What is down when it goes comes up, and so does the pointer.
        pane.hide();
        let left: Vec<InputEvent> = (0..3).map(|_| listener.input(|_| true)).collect();
        assert_eq!(left, [InputEvent::PointerGone, button(1, false, 50, 50), key("Enter", false)]);
    });
}

#[test]
fn held_keys_are_told_once() {
    on_xvfb("held_keys_are_told_once", || {
        let painter = Painter::connect();
        let listener = Listener::new();
        let _capture = open(&listener, "x11:screen", true);
        painter.key(A, true);
        assert_eq!(next(&listener), key("A", true));
        // Long enough for the server to repeat it.
        let mut pressed = Vec::new();
        let repeated = std::time::Instant::now();
        wait_for("a second of holding it", || {
            pressed.extend(listener.intake.viewers[0].inputs.try_iter().map(|(_, event)| event));
            (repeated.elapsed().as_millis() > 1000).then_some(())
        });
        pressed.retain(|event| matches!(event, InputEvent::Key { .. }));
        assert_eq!(pressed, []);
        painter.key(A, false);
        assert_eq!(next(&listener), key("A", false));
    });
}
