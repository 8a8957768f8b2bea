//! Trouble with sound that is told while it can still be mended. (Cameras have theirs in `camera.rs`.)

use rustix::process::Signal;
use serde_json::Value;
use spool_tests::{Sound, Spool, my_turn, rows};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn told(spool: &Spool, kind: &str) -> bool {
    rows(&spool.json(&["status"])["alarms"]).iter().any(|alarm: &Value| alarm["kind"] == kind)
}

#[test]
fn a_silent_microphone_is_told_until_it_is_heard() {
    let _turn = my_turn();
    let sound = Sound::start();
    let spool = Spool::new().hearing(&sound);
    let mut recorder = spool.record(["--no-screen", "--mic", "default", "--system-audio"]);
    let alarm = recorder.alarm("silent", 10 * SECOND);
    let after = spool.elapsed();
    assert!(after <= 5.5, "it took {after} s");
    assert_eq!(alarm["track"], "mic", "speakers may be silent: {alarm}");
    assert!(alarm["message"].as_str().is_some_and(|text| text.contains("icrophone")), "{alarm}");
    assert!(told(&spool, "silent"));
    let tone = sound.play("micfeed", 440);
    recorder.alarm_ends("silent", 5 * SECOND);
    assert!(!told(&spool, "silent"));
    recorder.goes_on(&spool, 2 * SECOND);
    drop(tone);
    recorder.alarm("silent", 10 * SECOND);
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
    assert_eq!(rows(&spool.json(&["status"])["alarms"]).len(), 0);
    drop(fair);
    let before = spool.elapsed();
    let loud = sound.play_too_loud("micfeed", 440);
    let alarm = recorder.alarm("clipped", 10 * SECOND);
    let after = spool.elapsed() - before;
    assert!(after <= 5.5, "it took {after} s");
    assert!(alarm["message"].as_str().is_some_and(|text| text.contains("icrophone")), "{alarm}");
    drop(loud);
    recorder.alarm_ends("clipped", 10 * SECOND);
    recorder.signal(Signal::TERM);
    recorder.finished();
}
