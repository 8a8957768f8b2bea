//! The engine dies at any instant, without a word. The next command finds what it left, whole.
//!
//! SPOOL_KILLS says how often, SPOOL_SEED when.

use rustix::process::Signal;
use serde_json::Value;
use spool_tests::{CodeShow, Display, Film, Pcm, Random, Sound, Spool, codes, my_turn, rows, tone};
use std::{env, thread, time::Duration};

/// Nanoseconds that may be missing before the kill.
const LOSS_MAX: f64 = 0.5e9;

fn kills() -> u64 {
    env::var("SPOOL_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(5)
}

/// The line of this recording in the library, which recovers it where that is still to be done.
#[track_caller]
fn recovered(spool: &Spool, recording: &str) -> Value {
    let list = spool.json(&["list"]);
    let line = rows(&list).iter().find(|line| line["recording"] == recording);
    let line = line.unwrap_or_else(|| panic!("{recording} is not in {list}")).clone();
    assert_eq!(line["state"], "recovered", "{line}");
    line
}

#[test]
fn at_most_half_a_second_before_a_kill_is_missing() {
    let _turn = my_turn();
    let (display, sound) = (Display::start(1280, 720), Sound::start());
    let show = CodeShow::fill(&display, 30);
    let spool = Spool::new().on(&display).hearing(&sound);
    let mut random = Random::from_environment(20_261_121);
    for round in 1..=kills() {
        let _tones = [sound.play("speakers", 440), sound.play("micfeed", 1000)];
        let mut recorder =
            spool.record(["--fps", "60", "--chunk", "2s", "--mic", "default", "--system-audio"]);
        let recording = recorder.started();
        let wait = random.between(Duration::from_millis(700), Duration::from_millis(4_500));
        println!("kill {round}: {} ms after the start", wait.as_millis());
        thread::sleep(wait);
        let killed = spool.signal_engine(Signal::KILL) as f64;
        let (code, said) = recorder.exit();
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("engine"), "it does not say what happened: {said}");

        let line = recovered(&spool, &recording);
        spool.run(["verify", &recording]).ok();
        let file = spool.export(&recording, &format!("{round}.mp4"));
        let read = codes::without_keyframes(Film::decode(&file).codes(), 2.0);
        codes::assert_in_order(&read, u64::MAX);
        // A part holds seven codes: none is missing in the middle.
        assert!(read.windows(2).all(|pair| pair[1].1 - pair[0].1 < 5), "a hole in {read:?}");
        // Nobody is left to say how often it looked late.
        let begun = codes::assert_on_time(&read, &show, 0.06, u64::MAX);
        let newest = show.find(read[read.len() - 1].1).unwrap().after as f64;
        let sounded = Pcm::decode(&file, 0);
        let heard = begun + sounded.end() * 1e9;
        let lost = [killed - newest, killed - heard].map(|lost| lost / 1e6);
        println!(
            "  {:.0} ms of picture and {:.0} ms of sound are missing, {} said",
            lost[0], lost[1], line["lost_ms"]
        );
        assert!(killed - newest <= LOSS_MAX, "{} ms of picture are missing", lost[0]);
        assert!(killed - heard <= LOSS_MAX, "{} ms of sound are missing", lost[1]);
        let end = sounded.between(sounded.end() - 0.15, sounded.end() - 0.02);
        assert!(tone::amplitude(end, sounded.rate, 1000.0) > 0.05, "the last sound is none");
        let said = line["lost_ms"].as_f64().expect("what was lost is said");
        assert!(said <= 500.0 && said + 60.0 >= lost[0].max(lost[1]), "{said} ms said, {lost:?} true");
        assert_eq!(spool.json(&["show", &recording])["lost_ms"], line["lost_ms"]);
    }
}

#[test]
fn a_kill_during_recovery_costs_nothing_more() {
    let _turn = my_turn();
    let spool = Spool::new();
    let mut random = Random::from_environment(7);
    let mut recorder = spool.record(["--synthetic", "--chunk", "2s"]);
    let recording = recorder.started();
    recorder.elapsed(Duration::from_secs(5));
    let killed = spool.signal_engine(Signal::KILL);
    for _ in 0..5 {
        let mut engine = spool_tests::Running::start(&mut spool.command(["engine"]));
        thread::sleep(random.between(Duration::ZERO, Duration::from_millis(40)));
        spool_tests::process::kill(engine.pid(), Signal::KILL);
        let _ended = engine.child().wait();
    }
    recovered(&spool, &recording);
    spool.run(["verify", &recording]).ok();
    let pictures = Film::decode(&spool.export(&recording, "recovered.mp4")).pictures;
    // The counter counts thirtieths of a second of host time.
    let newest = pictures[pictures.len() - 1].synthetic_code().expect("the last picture is whole");
    let due = killed / 33_333_333;
    assert!(due - i64::from(newest) <= 15, "the newest picture is number {newest}, the kill was at {due}");
}

#[test]
fn an_export_that_dies_leaves_no_half_a_file() {
    let _turn = my_turn();
    let spool = Spool::new();
    let finished = spool.record(["--synthetic", "--for", "3s"]).finished();
    let file = spool.file("half.mp4");
    let mut export = spool.command(["export", &finished.recording, "-o"]);
    let mut export = spool_tests::Running::start(export.arg(&file));
    thread::sleep(Random::from_environment(3).between(Duration::from_millis(1), Duration::from_millis(30)));
    spool.signal_engine(Signal::KILL);
    let _ended = export.child().wait();
    if file.exists() {
        Film::decode(&file);
    }
    assert_eq!(spool.export(&finished.recording, "half.mp4"), file, "the next attempt works");
    Film::decode(&file);
}
