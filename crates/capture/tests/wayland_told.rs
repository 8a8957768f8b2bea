//! What better portals tell: the pointer, damage, crops, windows. The portal is a stand-in, PipeWire is real.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "rig/portal.rs"]
mod portal;
mod rig;

use model::{Damage, Frame, InputEvent, Point, Rect, Size};
use portal::{Shot, StandIn, Store};
use rig::{
    Listener, in_session,
    sound::{SoundServers, signal_pipewire},
    track, wait_for,
};
use spool_capture::{
    Capture, CaptureError, LostReason, PermissionState, SourceConfig, SourceEvent, SourceId, SourceKind,
    native,
};
use std::{
    process::Command,
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

const MONITOR: &str = "wayland:monitor";
const WINDOW: &str = "wayland:window";
const SIZE: Size = Size { width: 320, height: 200 };
const FPS: u32 = 60;
const RED: u32 = 0xff_0000;
const BLUE: u32 = 0x00_00ff;

fn on_pipewire(name: &str, body: impl FnOnce()) {
    let start = || {
        let (servers, mut variables) = SoundServers::start();
        variables.push(("WAYLAND_DISPLAY".to_owned(), "stand-in".to_owned()));
        (servers, variables)
    };
    in_session(name, start, body);
}

fn open(listener: &Listener, id: &str, token: Option<String>) -> Capture {
    let config = SourceConfig { token, ..SourceConfig::new(FPS) };
    native().open(&SourceId::new(id), &config, listener.sink("source")).unwrap()
}

/// The first picture: the stream may begin after the first are sent.
fn first(listener: &Listener, portal: &StandIn, shot: &Shot) -> Frame {
    wait_for("the first picture", || {
        portal.show(shot.clone());
        listener.pictures().wait(Duration::from_millis(300));
        listener.pictures().take(&track("source"))
    })
}

fn pixel(frame: &Frame, x: usize, y: usize) -> u32 {
    let bytes = &frame.picture.bytes[frame.picture.stride * y + 4 * x..][..3];
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0])
}

#[test]
fn what_is_told_beside_a_picture_is_heeded() {
    on_pipewire("what_is_told_beside_a_picture_is_heeded", || {
        let portal = StandIn::start(&Arc::default(), SIZE, false);
        let listener = Listener::new();
        let capture = open(&listener, MONITOR, None);
        let frame = first(&listener, &portal, &Shot::of(RED));
        assert_eq!((frame.picture.size, pixel(&frame, 319, 199), frame.damage), (SIZE, RED, Damage::All));

        let (told, kept) = (Rect::new(10, 20, 30, 40), Rect::new(100, 100, 5, 5));
        let mut patches = vec![(told, BLUE)];
        portal.show(Shot { patches: patches.clone(), damage: vec![told], ..Shot::of(RED) });
        let frame = listener.picture("source", |_| true);
        assert_eq!(frame.damage, Damage::Rects(vec![told]), "what is told is believed");
        assert_eq!([pixel(&frame, 10, 20), pixel(&frame, 40, 20)], [BLUE, RED]);

        patches.push((kept, BLUE));
        portal.show(Shot { patches, ..Shot::of(RED) });
        let frame = listener.picture("source", |_| true);
        let Damage::Rects(rects) = &frame.damage else { panic!("all of it changed") };
        assert_eq!(pixel(&frame, 100, 100), BLUE, "what is not told is compared");
        assert!(rects.iter().any(|rect| rect.intersect(kept).is_some()), "{rects:?}");

        let crop = Rect::new(90, 90, 64, 48);
        portal.show(Shot { patches: vec![(kept, BLUE)], crop: Some(crop), ..Shot::of(RED) });
        let frame = listener.picture("source", |_| true);
        assert_eq!((frame.picture.size, &frame.damage), (crop.size(), &Damage::All));
        assert_eq!([pixel(&frame, 10, 10), pixel(&frame, 15, 10)], [BLUE, RED]);

        let larger = Size::new(640, 360);
        portal.resize(larger);
        wait_for("the new size", || {
            portal.show(Shot::of(BLUE));
            listener.pictures().wait(Duration::from_millis(300));
            let frame = listener.pictures().take(&track("source"))?;
            (frame.picture.size == larger && pixel(&frame, 639, 359) == BLUE).then_some(())
        });
        drop(capture);
    });
}

#[test]
fn the_pointer_is_apart_from_the_picture() {
    on_pipewire("the_pointer_is_apart_from_the_picture", || {
        let portal = StandIn::start(&Arc::default(), SIZE, false);
        let listener = Listener::new();
        let capture = open(&listener, WINDOW, None);
        first(&listener, &portal, &Shot::of(RED));
        let pointer =
            |id, x, y, shape| Shot { color: None, pointer: Some((id, Point { x, y }, shape)), ..Shot::of(0) };
        let at = |x, y| InputEvent::Pointer(Point { x, y });

        portal.show(pointer(1, 50, 60, Some(0x8010_2030)));
        let InputEvent::PointerShape(shape) = listener.input(|_| true) else { panic!("no shape") };
        assert_eq!((shape.size, shape.hot), (Size::new(2, 2), Point { x: 1, y: 1 }));
        assert_eq!(shape.pixels[..4], [0x30, 0x20, 0x10, 0x80]);
        assert_eq!(listener.input(|_| true), at(50, 60));
        portal.show(pointer(1, 51, 60, None));
        assert_eq!(listener.input(|_| true), at(51, 60));
        portal.show(pointer(0, 0, 0, None));
        assert_eq!(listener.input(|_| true), InputEvent::PointerGone);
        let counts = listener.pictures().counts(&track("source"));
        assert_eq!(counts.captured, 1, "a pointer costs no picture: {counts:?}");
        drop(capture);
    });
}

#[test]
fn a_window_closes_and_its_permission_stays() {
    on_pipewire("a_window_closes_and_its_permission_stays", || {
        let store = Arc::<Store>::default();
        let portal = StandIn::start(&store, SIZE, false);
        let kinds: Vec<_> =
            native().sources().unwrap().into_iter().map(|source| source.id.to_string()).collect();
        assert!(kinds.contains(&MONITOR.to_owned()) && kinds.contains(&WINDOW.to_owned()), "{kinds:?}");
        let listener = Listener::new();
        let capture = open(&listener, WINDOW, Some("an old token".to_owned()));
        let SourceEvent::Allowed { token } = listener.event() else { panic!("no token") };
        first(&listener, &portal, &Shot::of(RED));
        portal.close_session();
        let event = listener.event();
        assert!(matches!(event, SourceEvent::Ended { reason: LostReason::Closed, .. }), "{event:?}");
        drop(capture);
        drop(open(&listener, WINDOW, Some(token)));
        assert_eq!(store.questions.load(Ordering::Relaxed), 1);
        store.refuses.store(true, Ordering::Relaxed);
        let config = SourceConfig { token: Some("an old token".to_owned()), ..SourceConfig::new(FPS) };
        let opened = native().open(&SourceId::new(WINDOW), &config, listener.sink("source"));
        assert!(matches!(opened, Err(CaptureError::Denied { .. })), "{opened:?}");
    });
}

#[test]
fn a_portal_comes_back_without_a_question() {
    on_pipewire("a_portal_comes_back_without_a_question", || {
        let store = Arc::<Store>::default();
        let portal = StandIn::start(&store, SIZE, false);
        let listener = Listener::new();
        let capture = open(&listener, MONITOR, None);
        assert!(matches!(listener.event(), SourceEvent::Allowed { .. }));
        first(&listener, &portal, &Shot::of(RED));
        drop(portal);
        let event = listener.event();
        assert!(matches!(event, SourceEvent::Lost { reason: LostReason::ServerGone, .. }), "{event:?}");
        let counts = listener.pictures().counts(&track("source"));
        thread::sleep(Duration::from_millis(200));
        assert_eq!(listener.pictures().counts(&track("source")), counts, "what is lost is not unchanged");
        let portal = StandIn::start(&store, SIZE, false);
        let event = listener.event();
        assert!(matches!(event, SourceEvent::Allowed { .. }), "{event:?}");
        assert_eq!(listener.event(), SourceEvent::Returned);
        assert_eq!(pixel(&first(&listener, &portal, &Shot::of(BLUE)), 0, 0), BLUE);
        assert_eq!(store.questions.load(Ordering::Relaxed), 1);
        signal_pipewire("KILL");
        let event = listener.event();
        assert!(matches!(event, SourceEvent::Lost { reason: LostReason::ServerGone, .. }), "{event:?}");
        drop(capture);
    });
}

#[test]
fn memory_that_is_no_gpus_ends_in_words() {
    on_pipewire("memory_that_is_no_gpus_ends_in_words", || {
        let portal = StandIn::start(&Arc::default(), SIZE, true);
        let listener = Listener::new();
        let capture = open(&listener, MONITOR, None);
        assert!(matches!(listener.event(), SourceEvent::Allowed { .. }));
        let ended = wait_for("the end", || {
            portal.show(Shot::of(RED));
            thread::sleep(Duration::from_millis(40));
            listener.intake.events.try_recv().ok()
        });
        let (_, SourceEvent::Lost { message, .. } | SourceEvent::Ended { message, .. }) = ended else {
            panic!("{ended:?}")
        };
        assert!(message.contains("cannot be read"), "{message}");
        drop(capture);
    });
}

#[test]
fn without_a_portal_it_is_said_what_to_install() {
    let start = || {
        let sound = stands::Sound::start();
        let mut command = Command::new("true");
        sound.dress(&mut command);
        let text = |text: &std::ffi::OsStr| text.to_str().unwrap().to_owned();
        let set = command.get_envs().filter_map(|(name, value)| Some((text(name), text(value?))));
        let wayland = [("WAYLAND_DISPLAY", "none"), ("DISPLAY", ":nothing")];
        let wayland = wayland.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let variables = set.chain(wayland).collect();
        (sound, variables)
    };
    in_session("without_a_portal_it_is_said_what_to_install", start, || {
        let permission = native().permission(SourceKind::Screen);
        assert_eq!(permission.state, PermissionState::Restricted);
        assert!(
            permission.advice.contains("install the package xdg-desktop-portal"),
            "{}",
            permission.advice
        );
        let opened =
            native().open(&SourceId::new(MONITOR), &SourceConfig::new(FPS), Listener::new().sink("source"));
        assert!(matches!(opened, Err(CaptureError::Unsupported { .. })), "{opened:?}");
    });
}
