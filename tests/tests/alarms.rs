//! Trouble with sound that is told while it can still be mended. (Cameras have theirs in `camera.rs`.)

use rustix::process::Signal;
use serde_json::Value;
use spool_tests::{Sound, Spool, my_turn, rows};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// Longer than anything takes on a busy machine. That it takes five seconds is a matter of session time, and tested
/// where that is known: in the engine's `watch`.
const LIMIT: Duration = Duration::from_secs(30);

fn told(spool: &Spool, kind: &str) -> bool {
    rows(&spool.json(&["status"])["alarms"]).iter().any(|alarm: &Value| alarm["kind"] == kind)
}

#[test]
fn a_silent_microphone_is_told_until_it_is_heard() {
    let _turn = my_turn();
    let sound = Sound::start();
    let spool = Spool::new().hearing(&sound);
    let mut recorder = spool.record(["--no-screen", "--mic", "default", "--system-audio"]);
    let alarm = recorder.alarm("silent", LIMIT);
    assert_eq!(alarm["track"], "mic", "speakers may be silent: {alarm}");
    assert!(alarm["message"].as_str().is_some_and(|text| text.contains("icrophone")), "{alarm}");
    assert!(told(&spool, "silent"));
    let tone = sound.play("micfeed", 440);
    recorder.alarm_ends("silent", LIMIT);
    assert!(!told(&spool, "silent"));
    recorder.goes_on(&spool, 2 * SECOND);
    drop(tone);
    recorder.alarm("silent", LIMIT);
    recorder.signal(Signal::TERM);
    recorder.finished();
}

#[test]
fn sound_that_is_cut_off_is_told_and_loud_sound_is_not() {
    let _turn = my_turn();
    let sound = Sound::start();
    let spool = Spool::new().hearing(&sound);
    let fair = sound.play("micfeed", 440);
    let mut recorder = spool.record(["--no-screen", "--mic", "default"]);
    recorder.elapsed(6 * SECOND);
    assert!(!told(&spool, "clipped"));
    drop(fair);
    let loud = sound.play_too_loud("micfeed", 440);
    let alarm = recorder.alarm("clipped", LIMIT);
    assert!(alarm["message"].as_str().is_some_and(|text| text.contains("icrophone")), "{alarm}");
    drop(loud);
    recorder.alarm_ends("clipped", LIMIT);
    recorder.signal(Signal::TERM);
    recorder.finished();
}
