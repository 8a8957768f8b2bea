//! Screens of a Wayland session: a compositor without a screen, a real portal and a real PipeWire.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod rig;

use model::{Damage, Size};
use rig::{
    Listener,
    conformance::{self, Subject},
    wayland::{MOVING, SIZE, STILL, answer, on_wayland, questions, stop_sharing},
};
use spool_capture::{
    CaptureError, LostReason, PermissionState, SourceConfig, SourceEvent, SourceId, SourceKind, native,
};
use std::{process::Command, thread, time::Duration};

const MONITOR: &str = "wayland:monitor";
const FPS: u32 = 30;

fn screens() -> Vec<(String, bool)> {
    let sources = native().sources().unwrap_or_default().into_iter();
    let seen = sources.filter(|source| matches!(source.kind, SourceKind::Screen | SourceKind::Window));
    seen.map(|source| (source.id.to_string(), source.is_default)).collect()
}

#[test]
fn wayland_screens_conform() {
    on_wayland("wayland_screens_conform", || {
        let unknown = ["wayland:", "wayland:printer", "wayland:monitor:1"];
        assert_eq!(screens(), [(MONITOR.to_owned(), true)], "this portal has no windows");
        answer(STILL);
        conformance::check(
            &*native(),
            &Subject { still: &[MONITOR], unknown: &unknown, ..Subject::default() },
        );
        answer(MOVING);
        conformance::check(&*native(), &Subject { moving: &[MONITOR], ..Subject::default() });
    });
}

#[test]
fn the_user_is_asked_once() {
    on_wayland("the_user_is_asked_once", || {
        let permission = native().permission(SourceKind::Screen);
        assert_eq!(permission.state, PermissionState::NotAsked);
        let listener = Listener::new();
        let mut config = SourceConfig::new(FPS);
        for _ in 0..3 {
            let capture = native().open(&SourceId::new(MONITOR), &config, listener.sink("source")).unwrap();
            let SourceEvent::Allowed { token } = listener.event() else { panic!("no token") };
            config.token = Some(token);
            assert_eq!(listener.picture("source", |_| true).picture.size, SIZE);
            drop(capture);
        }
        assert_eq!(questions(), 1);
        for token in ["not a token", "123e4567-e89b-12d3-a456-426614174000"] {
            let before = questions();
            config.token = Some(token.to_owned());
            let capture = native().open(&SourceId::new(MONITOR), &config, listener.sink("source")).unwrap();
            listener.picture("source", |_| true);
            assert_eq!(questions(), before + 1, "{token} is unknown, so the user is asked again");
            drop(capture);
        }
    });
}

#[test]
fn a_no_is_an_answer() {
    on_wayland("a_no_is_an_answer", || {
        answer("refuse");
        let listener = Listener::new();
        let opened = native().open(&SourceId::new(MONITOR), &SourceConfig::new(FPS), listener.sink("source"));
        let Err(CaptureError::Denied { message, .. }) = opened else { panic!("{opened:?}") };
        assert!(message.contains("answered with no"), "{message}");
        assert_eq!(questions(), 1);
    });
}

#[test]
fn the_user_can_stop_sharing() {
    on_wayland("the_user_can_stop_sharing", || {
        let listener = Listener::new();
        let _capture = listener.open(&*native(), MONITOR, FPS);
        listener.picture("source", |_| true);
        assert!(matches!(listener.event(), SourceEvent::Allowed { .. }));
        stop_sharing();
        let SourceEvent::Ended { reason: LostReason::Denied, message } = listener.event() else {
            panic!("not ended")
        };
        assert!(message.contains("sharing was ended"), "{message}");
        let counts = listener.pictures().counts(&rig::track("source"));
        thread::sleep(Duration::from_millis(300));
        assert_eq!(listener.pictures().counts(&rig::track("source")), counts, "it goes on after its end");
        assert_eq!(questions(), 1, "who ended it is not asked again");
    });
}

#[test]
fn a_screen_may_change_its_size() {
    on_wayland("a_screen_may_change_its_size", || {
        let listener = Listener::new();
        let _capture = listener.open(&*native(), MONITOR, FPS);
        assert_eq!(listener.picture("source", |_| true).picture.size, SIZE);
        let larger = Size::new(800, 600);
        let words = ["output", MOVING, "resolution", "800x600@60Hz"];
        assert!(Command::new("swaymsg").args(words).status().unwrap().success());
        let frame = listener.picture("source", |frame| frame.picture.size == larger);
        assert_eq!(frame.damage, Damage::All);
    });
}
