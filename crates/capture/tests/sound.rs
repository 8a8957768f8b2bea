//! Sound of PipeWire and of PulseAudio, on servers and devices that each test starts for itself.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod rig;

use rig::{
    Listener,
    conformance::{self, Subject},
    in_session,
    sound::{
        SoundServers, Tone, load_devices, load_microphone, load_sink, measure, set_default, signal_pipewire,
        unload,
    },
    wait_for,
};
use spool_capture::{CaptureError, LostReason, SourceConfig, SourceEvent, SourceId, SourceKind, native};
use std::time::{Duration, Instant};

const HEARD: Duration = Duration::from_secs(2);

fn on_pipewire(name: &str, body: impl FnOnce()) {
    in_session(name, SoundServers::start, body);
}

fn on_pulse(name: &str, body: impl FnOnce()) {
    in_session(name, SoundServers::start_pulse, body);
}

#[test]
fn pipewire_conforms() {
    on_pipewire("pipewire_conforms", || check_conforms("pipewire:mic", "pipewire:spk"));
}

#[test]
fn pulse_conforms() {
    on_pulse("pulse_conforms", || check_conforms("pulse:mic", "pulse:spk.monitor"));
}

fn check_conforms(microphone: &str, speaker: &str) {
    load_devices();
    let sources = native().sources().unwrap();
    let kind_of = |id: &str| sources.iter().find(|source| source.id.as_str() == id).map(|source| source.kind);
    assert_eq!(kind_of(microphone), Some(SourceKind::Microphone), "{sources:?}");
    assert_eq!(kind_of(speaker), Some(SourceKind::SystemAudio), "{sources:?}");
    let sound = &["default-mic", "default-system", microphone, speaker];
    let unknown = &["pipewire:none", "pulse:none", "nonsense", ""];
    conformance::check(&*native(), &Subject { sound, unknown, ..Subject::default() });
}

#[test]
fn pipewire_hears_the_right_tones() {
    on_pipewire("pipewire_hears_the_right_tones", || check_tones("pipewire:mic", "pipewire:spk"));
}

#[test]
fn pulse_hears_the_right_tones() {
    on_pulse("pulse_hears_the_right_tones", || check_tones("pulse:mic", "pulse:spk.monitor"));
}

fn check_tones(microphone: &str, speaker: &str) {
    load_devices();
    let _tones = (Tone::play("spk", 440), Tone::play("micfeed", 1000));
    for (id, hertz) in
        [("default-mic", 1000.0), (microphone, 1000.0), ("default-system", 440.0), (speaker, 440.0)]
    {
        let listener = Listener::new();
        let _capture = listener.open(&*native(), id, 30);
        wait_for_tone(&listener, hertz);
        let (heard, loudness) = measure(&listener.sound(HEARD));
        assert!((heard - hertz).abs() < hertz / 1000.0, "{id}: {heard} Hz instead of {hertz}");
        assert!((0.4..0.6).contains(&loudness), "{id}: {loudness} instead of half of full scale");
    }
}

fn wait_for_tone(listener: &Listener, hertz: f64) {
    wait_for("the tone", || {
        let (heard, _) = measure(&listener.sound(Duration::from_millis(200)));
        ((heard - hertz).abs() < hertz / 100.0).then_some(())
    });
}

#[test]
fn a_microphone_of_pipewire_may_go_and_return() {
    on_pipewire("a_microphone_of_pipewire_may_go_and_return", || check_returns("pipewire:mic"));
}

#[test]
fn a_microphone_of_pulse_may_go_and_return() {
    on_pulse("a_microphone_of_pulse_may_go_and_return", || check_returns("pulse:mic"));
}

fn check_returns(id: &str) {
    load_sink("micfeed");
    // So that there is something else to which the stream could be moved.
    load_sink("other");
    load_microphone("wrong", "other");
    let mut module = load_microphone("mic", "micfeed");
    let _tones = (Tone::play("micfeed", 1000), Tone::play("other", 300));
    let listener = Listener::new();
    let _capture = listener.open(&*native(), id, 30);
    wait_for_tone(&listener, 1000.0);
    for _ in 0..2 {
        unload(&module);
        let lost = listener.event();
        assert!(matches!(lost, SourceEvent::Lost { reason: LostReason::Unplugged, .. }), "{lost:?}");
        let gone = listener.now();
        module = load_microphone("mic", "micfeed");
        assert_eq!(listener.event(), SourceEvent::Returned);
        wait_for_tone(&listener, 1000.0);
        let blocks = listener.sound(HEARD);
        let (heard, _) = measure(&blocks);
        assert!((heard - 1000.0).abs() < 1.0, "{heard} Hz after the return");
        assert!(blocks[0].at > gone, "sound after the gap is stamped after it");
    }
}

#[test]
fn the_default_of_pipewire_is_followed() {
    on_pipewire("the_default_of_pipewire_is_followed", check_follows);
}

#[test]
fn the_default_of_pulse_is_followed() {
    on_pulse("the_default_of_pulse_is_followed", check_follows);
}

fn check_follows() {
    load_devices();
    load_sink("spk2");
    let _tones = (Tone::play("spk", 440), Tone::play("spk2", 600));
    let listener = Listener::new();
    let _capture = listener.open(&*native(), "default-system", 30);
    wait_for_tone(&listener, 440.0);
    set_default("sink", "spk2");
    let changed = listener.event();
    assert!(matches!(changed, SourceEvent::Changed { .. }), "{changed:?}");
    wait_for_tone(&listener, 600.0);
    assert_eq!(listener.intake.events.try_recv().ok(), None, "that is no loss");
}

#[test]
fn a_sound_server_that_hangs_is_noticed() {
    on_pipewire("a_sound_server_that_hangs_is_noticed", || {
        load_devices();
        let listener = Listener::new();
        let _capture = listener.open(&*native(), "pipewire:mic", 30);
        listener.sound(Duration::from_millis(500));
        signal_pipewire("STOP");
        let lost = listener.event();
        assert!(matches!(lost, SourceEvent::Lost { reason: LostReason::Silent, .. }), "{lost:?}");
        signal_pipewire("CONT");
        assert_eq!(listener.event(), SourceEvent::Returned);
        listener.sound(Duration::from_millis(500));
    });
}

#[test]
fn a_sound_server_that_dies_is_noticed() {
    on_pipewire("a_sound_server_that_dies_is_noticed", || {
        load_devices();
        let listener = Listener::new();
        let capture = listener.open(&*native(), "default-system", 30);
        listener.sound(Duration::from_millis(500));
        signal_pipewire("KILL");
        let lost = listener.event();
        assert!(matches!(lost, SourceEvent::Lost { reason: LostReason::ServerGone, .. }), "{lost:?}");
        let begun = Instant::now();
        drop(capture);
        assert!(begun.elapsed() < Duration::from_secs(3), "it took {:?} to stop", begun.elapsed());
    });
}

#[test]
fn a_sound_server_may_be_missing() {
    let start = || {
        let (servers, variables) = SoundServers::start();
        drop(servers);
        ((), variables)
    };
    in_session("a_sound_server_may_be_missing", start, || {
        let id = SourceId::new("default-mic");
        let sink = Listener::new().sink("source");
        let error = native().open(&id, &SourceConfig::new(30), sink).err().unwrap();
        assert!(matches!(error, CaptureError::Unreachable { .. }) && error.is_retryable(), "{error}");
    });
}

#[test]
fn a_machine_may_have_no_microphone() {
    on_pipewire("a_machine_may_have_no_microphone", || {
        load_sink("spk");
        let ids: Vec<_> = native().sources().unwrap().into_iter().map(|source| source.id).collect();
        assert!(!ids.contains(&SourceId::new("default-mic")), "{ids:?}");
        let sink = Listener::new().sink("source");
        let opened = native().open(&SourceId::new("default-mic"), &SourceConfig::new(30), sink);
        assert!(matches!(opened.err(), Some(CaptureError::UnknownSource { .. })));
    });
}
