//! A Wayland desktop, recorded through its portal.

use model::Rect;
use serde_json::{Value, json};
use spool_tests::{
    Answer, CodeShow, Film, Finished, Pcm, Sheet, Spool, Wayland,
    codes::{assert_in_order, assert_on_time, without_keyframes, without_repeats},
    film, gaps, my_turn, rows, tone, wait_for,
};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const WHOLE: (i16, i16, u16, u16) = (0, 0, 1280, 720);
/// Seconds until a code is in the recording: a compositor without a screen draws when it has time.
const LATE: f64 = 0.08;

#[test]
fn a_desktop_plays_back_as_it_was_and_asks_once() {
    let _turn = my_turn();
    let desktop = Wayland::start(&[(1280, 720)]);
    let show = CodeShow::on_wayland(&desktop, "HEADLESS-1", WHOLE, 15);
    let _tone = desktop.sound().play("micfeed", 1000);
    let spool = Spool::new().on_wayland(&desktop);
    for round in 0..2 {
        let finished = spool.record(["--for", "5s", "--mic", "default"]).finished();
        let file = spool.export(&finished.recording, &format!("{round}.mp4"));
        assert_eq!(film::size(&file), (1280, 720));
        assert!((film::duration(&file) - finished.seconds()).abs() < 0.1, "{}", film::describe(&file));
        let codes = without_keyframes(Film::decode(&file).codes(), 4.0);
        assert!(codes.len() > 60, "only {} of 75 codes", codes.len());
        assert_in_order(&codes, finished.frames("dropped") + show.brief(Duration::from_millis(40)));
        assert_on_time(&codes, &show, LATE, finished.frames("dropped"));
        let pcm = Pcm::decode(&file, 0);
        assert!((tone::frequency(pcm.between(1.0, 4.5), pcm.rate, 1000.0) / 1000.0 - 1.0).abs() < 0.001);
        assert_eq!(desktop.questions(), 1, "the user is asked once, not at each recording");
        // The next engine remembers it too.
        spool.end_engine();
    }
}

#[test]
fn the_output_that_the_user_chose_is_recorded() {
    let _turn = my_turn();
    let desktop = Wayland::start(&[(1280, 720), (640, 480)]);
    let _other = CodeShow::on_wayland(&desktop, "HEADLESS-1", WHOLE, 10);
    let show = CodeShow::on_wayland(&desktop, "HEADLESS-2", (0, 0, 640, 480), 15);
    desktop.answer(Answer::Share("HEADLESS-2"));
    let spool = Spool::new().on_wayland(&desktop);
    let finished = spool.record(["--for", "3s", "--no-mic"]).finished();
    let file = spool.export(&finished.recording, "second.mp4");
    assert_eq!(film::size(&file), (640, 480));
    let codes = without_repeats(Film::decode(&file).codes());
    assert_in_order(&codes, finished.frames("dropped"));
    assert_on_time(&codes, &show, LATE, finished.frames("dropped"));
}

#[test]
fn a_magnified_desktop_is_recorded_in_its_own_pixels() {
    let _turn = my_turn();
    let desktop = Wayland::start(&[(1280, 720)]);
    desktop.tell("output HEADLESS-1 scale 2");
    let show = CodeShow::on_wayland(&desktop, "HEADLESS-1", (0, 0, 640, 360), 15);
    let spool = Spool::new().on_wayland(&desktop);
    let finished = spool.record(["--for", "3s", "--no-mic"]).finished();
    let file = spool.export(&finished.recording, "magnified.mp4");
    assert_eq!(film::size(&file), (1280, 720), "not in points");
    let codes = without_repeats(Film::decode(&file).codes());
    assert!(codes.len() > 30, "only {} of 45 codes", codes.len());
    assert_in_order(&codes, finished.frames("dropped") + show.brief(Duration::from_millis(40)));
    assert_on_time(&codes, &show, LATE, finished.frames("dropped"));
}

#[test]
fn a_rehearsal_asks_once_for_itself_and_the_recording_and_a_glance_never_asks() {
    let _turn = my_turn();
    let desktop = Wayland::start(&[(1280, 720)]);
    let mut sheet = Sheet::open(&desktop, "HEADLESS-1", WHOLE);
    sheet.fill(0x28_3CB4);
    let spool = Spool::new().on_wayland(&desktop);
    let mut shell = spool.shell();
    let glance = json!({ "glance": { "device": "wayland:monitor", "width": 640 } });
    assert_eq!(shell.ask(&glance).unwrap_err(), "invalid");
    assert_eq!(desktop.questions(), 0);
    let plan = json!({
        "title": "", "description": "", "metadata": {}, "mode": "program", "layout": null, "keys": false,
        "screen": "default", "camera": "off", "camera_format": null, "microphone": "off", "system_audio": "off",
        "quality": { "width": 1280, "height": 720, "bitrate": 2_500_000 },
        "fps": 30, "chunk_ms": 4000, "synthetic": false, "stop_after_ms": null,
    });
    shell.ask(&json!({ "rehearse": plan })).unwrap();
    let (number, _) = shell.look(640, 0).expect("it is seen");
    // A desktop that stands still says nothing more: the recording is given what the rehearsal had.
    shell.ask(&json!({ "begin": plan })).unwrap();
    shell.look(640, number).expect("it is seen again");
    wait_for("a second of recording", 20 * SECOND, || (spool.elapsed() > 1.0).then_some(()));
    let finished = shell.ask(&json!("stop")).unwrap().reply["finished"].take();
    assert_eq!(desktop.questions(), 1);
    let file = spool.export(finished["recording"].as_str().unwrap(), "still.mp4");
    let color = film::color(&file, 0.3, Rect::new(100, 100, 200, 200));
    let near = color.iter().zip([0x28, 0x3C, 0xB4]).all(|(one, other): (&u8, u8)| one.abs_diff(other) < 8);
    assert!(near, "the desktop is {color:?}");
}

#[test]
fn a_still_desktop_is_hardly_encoded() {
    let _turn = my_turn();
    let desktop = Wayland::start(&[(1280, 720)]);
    let mut sheet = Sheet::open(&desktop, "HEADLESS-1", WHOLE);
    sheet.fill(0x28_3CB4);
    let spool = Spool::new().on_wayland(&desktop);
    let finished = spool.record(["--for", "6s", "--no-mic", "--chunk", "2s"]).finished();
    assert!((6..=16).contains(&finished.frames("encoded")), "{}", finished.event);
    let file = spool.export(&finished.recording, "still.mp4");
    // The film begins with its first picture, which a busy desktop gives late.
    assert!((film::duration(&file) - finished.seconds()).abs() < 0.5, "{}", film::describe(&file));
    let color = film::color(&file, 3.0, model::Rect::new(300, 300, 200, 200));
    let near = color.iter().zip([40, 60, 180]).all(|(one, other): (&u8, u8)| one.abs_diff(other) <= 6);
    assert!(near, "the desktop's colour became {color:?}");
}

#[test]
fn a_user_who_refuses_is_believed() {
    let _turn = my_turn();
    let desktop = Wayland::start(&[(640, 480)]);
    desktop.answer(Answer::Refuse);
    let spool = Spool::new().on_wayland(&desktop);
    let done = spool.run(["record", "--no-mic", "--for", "1s"]);
    assert!(!done.stderr.trim().is_empty(), "it says why");
    done.refused(1, "");
    assert!(rows(&spool.json(&["list"])).is_empty(), "nothing was begun");
    assert_eq!(desktop.questions(), 1);
    desktop.answer(Answer::Share("HEADLESS-1"));
    spool.record(["--no-mic", "--for", "1s"]).finished();
    assert_eq!(desktop.questions(), 2, "who refused once may be asked again");
}

#[test]
fn sharing_that_the_user_stops_is_a_gap_and_sound_goes_on() {
    let _turn = my_turn();
    let desktop = Wayland::start(&[(1280, 720)]);
    let _show = CodeShow::on_wayland(&desktop, "HEADLESS-1", WHOLE, 15);
    let _tone = desktop.sound().play("micfeed", 1000);
    let spool = Spool::new().on_wayland(&desktop);
    let mut recorder = spool.record(["--mic", "default"]);
    recorder.elapsed(3 * SECOND);
    desktop.stop_sharing();
    recorder.event_where("the loss", 5 * SECOND, |event| event["code"] == "source_lost");
    let away = spool.elapsed();
    recorder.goes_on(&spool, 3 * SECOND);
    let finished = Finished::read(spool.json(&["stop"]));

    let details = spool.json(&["show", &finished.recording]);
    let fits = |gap: &Value| gap["track"] == "screen" && gap["reason"] == "permission_revoked";
    let found = gaps(&details, fits);
    assert_eq!(found.len(), 1, "{details}");
    assert!(found[0].0 < away && found[0].1 > finished.seconds() - 0.5, "{found:?}");
    let file = spool.export(&finished.recording, "all.mp4");
    let codes = without_repeats(Film::decode(&file).codes());
    assert_in_order(&codes, finished.frames("dropped"));
    assert!(codes[codes.len() - 1].0 < away, "pictures come although they were forbidden");
    let pcm = Pcm::decode(&file, 0);
    assert!((pcm.end() - finished.seconds()).abs() < 0.15, "the sound ends at {} s", pcm.end());
    assert!((tone::frequency(pcm.between(1.0, 5.5), pcm.rate, 1000.0) / 1000.0 - 1.0).abs() < 0.001);
}

#[test]
fn a_portal_that_dies_is_a_gap_and_sound_goes_on() {
    let _turn = my_turn();
    let mut desktop = Wayland::start(&[(1280, 720)]);
    let show = CodeShow::on_wayland(&desktop, "HEADLESS-1", WHOLE, 15);
    let _tone = desktop.sound().play("micfeed", 1000);
    let spool = Spool::new().on_wayland(&desktop);
    let mut recorder = spool.record(["--mic", "default"]);
    recorder.elapsed(3 * SECOND);
    desktop.end_portal();
    recorder.event_where("the loss", 8 * SECOND, |event| event["code"] == "source_lost");
    let away = spool.elapsed();
    recorder.goes_on(&spool, SECOND);
    desktop.start_portal();
    recorder.event_where("the return", 20 * SECOND, |event| event["code"] == "source_returned");
    recorder.goes_on(&spool, 2 * SECOND);
    let finished = Finished::read(spool.json(&["stop"]));
    let details = spool.json(&["show", &finished.recording]);
    let found = gaps(&details, |gap| gap["track"] == "screen");
    assert!(found.len() == 1 && found[0].0 < away, "{details}");
    let file = spool.export(&finished.recording, "all.mp4");
    let codes = without_repeats(Film::decode(&file).codes());
    let after = codes.iter().filter(|code| code.0 > found[0].1).count();
    assert!(after > 15, "only {after} codes after the return");
    assert_on_time(&codes, &show, LATE, finished.frames("dropped"));
    let pcm = Pcm::decode(&file, 0);
    assert!((pcm.end() - finished.seconds()).abs() < 0.15, "the sound ends at {} s", pcm.end());
}
