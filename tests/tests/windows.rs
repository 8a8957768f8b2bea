//! Windows, regions and monitors of an X display, whatever befalls them while they are recorded.

use rustix::process::Signal;
use serde_json::Value;
use spool_tests::{
    CodeShow, Display, Film, Finished, Pcm, Running, Sound, Spool, Window,
    codes::{assert_in_order, assert_on_time, without_repeats},
    film, gaps, my_turn, rows, tone, wait_for, window,
};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A display, somebody who manages its windows, and one of them, which shows codes.
fn window_with_codes() -> (Display, Running, Window, CodeShow) {
    let display = Display::start(1280, 720);
    let manager = window::manage(&display);
    let wanted = Window::open(&display, "The codes", (40, 40, 640, 360));
    let show = CodeShow::in_window(&wanted, 15);
    (display, manager, wanted, show)
}

#[test]
fn a_window_is_recorded_wherever_it_is_and_whatever_covers_it() {
    let _turn = my_turn();
    let (display, _manager, wanted, show) = window_with_codes();
    let spool = Spool::new().on(&display);
    let id = spool.device("window", "The codes");
    let mut recorder = spool.record(["--no-mic", "--window", &id]);
    recorder.elapsed(SECOND);
    let other = Window::open(&display, "In front", (20, 20, 1000, 600));
    other.raise();
    other.fill(0xFF_FFFF);
    recorder.goes_on(&spool, 2 * SECOND);
    wanted.move_to(600, 300);
    recorder.goes_on(&spool, SECOND);
    // Half of it is off the screen.
    wanted.raise();
    wanted.move_to(960, 540);
    recorder.goes_on(&spool, SECOND);
    recorder.signal(Signal::TERM);
    let finished = recorder.finished();

    let file = spool.export(&finished.recording, "window.mp4");
    assert_eq!(film::size(&file), (640, 360), "{}", spool.json(&["show", &finished.recording]));
    let codes = without_repeats(Film::decode(&file).codes());
    assert_in_order(&codes, finished.frames("dropped") + show.brief(Duration::from_millis(40)));
    assert_on_time(&codes, &show, 0.08, finished.frames("dropped"));
    let (first, last) = (codes[0].0, codes[codes.len() - 1].0);
    assert!(first < 0.3 && last > finished.seconds() - 0.4, "codes from {first} s to {last} s");
    assert!(codes.len() > 60, "only {} codes", codes.len());
}

#[test]
fn a_window_may_change_its_size() {
    let _turn = my_turn();
    let (display, _manager, wanted, show) = window_with_codes();
    let spool = Spool::new().on(&display);
    let id = spool.device("window", "The codes");
    let mut recorder = spool.record(["--no-mic", "--window", &id]);
    recorder.elapsed(2 * SECOND);
    wanted.resize(480, 480);
    recorder.goes_on(&spool, 2 * SECOND);
    recorder.signal(Signal::TERM);
    let finished = recorder.finished();

    let details = spool.json(&["show", &finished.recording]);
    let program = rows(&details["tracks"]).iter().find(|track| track["track"] == "program").unwrap();
    assert_eq!(program["inits"], 2, "{details}");
    let codes = without_repeats(Film::decode(&spool.export(&finished.recording, "resized.mp4")).codes());
    // One picture may show the window while its new size is still empty.
    assert_in_order(&codes, finished.frames("dropped") + show.brief(Duration::from_millis(40)) + 3);
    assert_on_time(&codes, &show, 0.08, finished.frames("dropped"));
    let late = codes.iter().filter(|code| code.0 > finished.seconds() - 1.5).count();
    assert!(late > 15, "only {late} codes at its second size");
}

#[test]
fn a_window_that_closes_ends_its_pictures_with_a_reason_and_sound_goes_on() {
    let _turn = my_turn();
    let sound = Sound::start();
    let (display, _manager, wanted, show) = window_with_codes();
    let _tone = sound.play("micfeed", 1000);
    let spool = Spool::new().on(&display).hearing(&sound);
    let id = spool.device("window", "The codes");
    let mut recorder = spool.record(["--mic", "default", "--window", &id]);
    recorder.elapsed(2 * SECOND);
    wanted.close();
    let lost = recorder.event_where("the loss", 5 * SECOND, |event| event["code"] == "source_lost");
    assert!(lost["message"].as_str().is_some_and(|text| text.contains("clos")), "{lost}");
    let away = spool.elapsed();
    recorder.goes_on(&spool, 2 * SECOND);
    let finished = Finished::read(spool.json(&["stop"]));
    let details = spool.json(&["show", &finished.recording]);
    let found = gaps(&details, |gap| gap["track"] == "screen" && gap["reason"] == "closed");
    assert_eq!(found.len(), 1, "{details}");
    assert!(found[0].0 < away && found[0].1 > finished.seconds() - 0.5, "{found:?}");

    let file = spool.export(&finished.recording, "closed.mp4");
    let codes = without_repeats(Film::decode(&file).codes());
    assert_in_order(&codes, finished.frames("dropped") + show.brief(Duration::from_millis(40)));
    let pcm = Pcm::decode(&file, 0);
    assert!((pcm.end() - finished.seconds()).abs() < 0.15, "the sound ends at {} s", pcm.end());
    assert!((tone::frequency(pcm.between(1.0, 3.5), pcm.rate, 1000.0) / 1000.0 - 1.0).abs() < 0.001);
}

#[test]
fn a_region_is_recorded_to_the_pixel() {
    let _turn = my_turn();
    let display = Display::start(1280, 720);
    let _white = CodeShow::start(&display, (0, 0, 90, 720), 5);
    let show = CodeShow::start(&display, (102, 54, 640, 360), 15);
    let spool = Spool::new().on(&display);
    let finished = spool.record(["--for", "3s", "--no-mic", "--region", "102,54,640x360"]).finished();
    let file = spool.export(&finished.recording, "region.mp4");
    assert_eq!(film::size(&file), (640, 360));
    let codes = without_repeats(Film::decode(&file).codes());
    assert_in_order(&codes, finished.frames("dropped") + show.brief(Duration::from_millis(40)));
    assert_on_time(&codes, &show, 0.08, finished.frames("dropped"));
    for (region, words) in [("5,5", "region"), ("0,0,0x0", "region"), ("5000,0,10x10", "region")] {
        spool.run(["record", "--no-mic", "--for", "1s", "--region", region]).refused(1, words);
    }
}

#[test]
fn a_monitor_that_is_unplugged_comes_back() {
    let _turn = my_turn();
    let (display, sound) = (Display::start(1280, 720), Sound::start());
    display.split();
    let _left = CodeShow::start(&display, (0, 0, 640, 720), 10);
    let show = CodeShow::start(&display, (640, 0, 640, 720), 15);
    let _tone = sound.play("micfeed", 1000);
    let spool = Spool::new().on(&display).hearing(&sound);
    let id = spool.device("screen", "RIGHT");
    let mut recorder = spool.record(["--mic", "default", "--screen", &id]);
    recorder.elapsed(2 * SECOND);
    display.unplug("RIGHT");
    recorder.event_where("the loss", 5 * SECOND, |event| event["code"] == "source_lost");
    let away = spool.elapsed();
    recorder.goes_on(&spool, 2 * SECOND);
    display.plug_in("RIGHT", (640, 0, 640, 720));
    recorder.event_where("the return", 8 * SECOND, |event| event["code"] == "source_returned");
    let back = spool.elapsed();
    recorder.goes_on(&spool, 2 * SECOND);
    let finished = Finished::read(spool.json(&["stop"]));
    let details = spool.json(&["show", &finished.recording]);
    let found = gaps(&details, |gap: &Value| gap["track"] == "screen" && gap["reason"] == "device_lost");
    assert_eq!(found.len(), 1, "{details}");
    assert!(found[0].0 < away && found[0].1 > away + 1.5 && found[0].1 < back + 0.5, "{found:?}");

    let file = spool.export(&finished.recording, "monitor.mp4");
    assert_eq!(film::size(&file), (640, 720));
    let codes = without_repeats(Film::decode(&file).codes());
    let (before, after): (Vec<_>, Vec<_>) = codes.iter().copied().partition(|code| code.0 < away + 0.5);
    let dropped = finished.frames("dropped") + show.brief(Duration::from_millis(40));
    assert_in_order(&before, dropped);
    assert_in_order(&after, dropped);
    let offset = assert_on_time(&before, &show, 0.08, dropped) - assert_on_time(&after, &show, 0.08, dropped);
    assert!(offset.abs() < 0.1e9, "the monitor comes back {offset} ns off");
    let pcm = Pcm::decode(&file, 0);
    assert!((pcm.end() - finished.seconds()).abs() < 0.15, "the sound ends at {} s", pcm.end());
}

#[test]
fn windows_are_listed_by_their_titles_and_no_longer_when_they_are_closed() {
    let _turn = my_turn();
    let display = Display::start(640, 360);
    let _manager = window::manage(&display);
    let spool = Spool::new().on(&display);
    let titles = || -> Vec<String> {
        let devices = spool.json(&["devices"]);
        let windows = rows(&devices).iter().filter(|device| device["kind"] == "window");
        windows.filter_map(|window| Some(window["name"].as_str()?.to_owned())).collect()
    };
    assert!(titles().is_empty());
    let first = Window::open(&display, "Größe: ½ ✓", (0, 0, 200, 100));
    let second = Window::open(&display, "second", (50, 50, 200, 100));
    let found = titles();
    assert!(found.len() == 2 && found.iter().any(|title| title.contains("Größe: ½ ✓")), "{found:?}");
    let id = spool.device("window", "second");
    second.close();
    wait_for("one window", 5 * SECOND, || (titles().len() == 1).then_some(()));
    spool.run(["record", "--no-mic", "--for", "1s", "--window", &id]).refused(1, "");
    first.close();
}
