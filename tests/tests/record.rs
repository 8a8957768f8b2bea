//! A real screen and real sound, recorded by the real program, and read back from the file it makes.

use rustix::process::Signal;
use serde_json::Value;
use spool_tests::{
    CodeShow, Display, Film, Finished, Pcm, Sound, Spool,
    codes::{assert_in_order, assert_on_time, without_keyframes, without_repeats},
    film, library, my_turn, rows, tone, wait_for,
};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Relative to what was played.
#[track_caller]
fn assert_frequency(pcm: &Pcm, hertz: f64) {
    let heard = pcm.between(1.0, pcm.end() - 0.5);
    let measured = tone::frequency(heard, pcm.rate, hertz);
    assert!((measured / hertz - 1.0).abs() < 0.001, "{measured} Hz instead of {hertz}");
    // A tone that comes and goes has neighbours; this one has none.
    let (own, other) =
        (tone::amplitude(heard, pcm.rate, hertz), tone::amplitude(heard, pcm.rate, hertz * 1.37));
    assert!(own > 0.05 && own > 50.0 * other, "amplitude {own} at {hertz} Hz, {other} beside it");
}

#[test]
fn devices_that_the_settings_name_are_not_looked_for_among_made_up_ones() {
    let spool = Spool::new();
    spool.run(["config", "screen=x11:monitor:NOWHERE"]).ok();
    assert!(spool.record(["--synthetic", "--for", "1s"]).finished().seconds() > 0.5);
}

#[test]
fn a_screen_with_sound_plays_back_as_it_was() {
    let _turn = my_turn();
    let (display, sound) = (Display::start(1280, 720), Sound::start());
    let _tones = [sound.play("speakers", 440), sound.play("micfeed", 1000)];
    let show = CodeShow::fill(&display, 30);
    let spool = Spool::new().on(&display).hearing(&sound);
    let finished =
        spool.record(["--for", "6s", "--fps", "60", "--system-audio", "--mic", "default"]).finished();

    assert!((finished.seconds() - 6.0).abs() < 0.25, "{}", finished.event);
    let mut tracks: Vec<_> = rows(&finished.event["tracks"]).iter().flat_map(Value::as_str).collect();
    tracks.sort_unstable();
    assert_eq!(tracks, ["input", "mic", "mix", "program", "system"]);

    let file = spool.export(&finished.recording, "all.mp4");
    assert_eq!(film::size(&file), (1280, 720));
    assert!((film::duration(&file) - finished.seconds()).abs() < 0.1, "{}", film::describe(&file));
    let codes = without_keyframes(Film::decode(&file).codes(), 4.0);
    // Sixty looks a second see what stands for a sixtieth.
    let unseen = show.brief(Duration::from_millis(20));
    assert_in_order(&codes, finished.frames("dropped") + unseen);
    assert!(unseen < 10, "the display itself was late {unseen} times");
    assert!(codes.len() > 150, "only {} of 180 codes", codes.len());
    assert_on_time(&codes, &show, 0.05, finished.frames("dropped"));

    let mix = Pcm::decode(&file, 0);
    assert_eq!(mix.seams, [], "sound goes on without a seam");
    assert_frequency(&mix, 440.0);
    assert_frequency(&mix, 1000.0);
    for (track, own, foreign) in [("mic", 1000.0, 440.0), ("system", 440.0, 1000.0)] {
        let pcm = Pcm::decode(&library::join(&spool, &finished.session, track, 0), 0);
        assert_frequency(&pcm, own);
        assert!(
            tone::amplitude(pcm.between(1.0, 5.0), pcm.rate, foreign) < 0.001,
            "{track} hears the other source"
        );
    }
}

#[test]
fn devices_are_listed_with_names_and_ids_that_stay() {
    let _turn = my_turn();
    let (display, sound) = (Display::start(640, 360), Sound::start());
    display.split();
    let spool = Spool::new().on(&display).hearing(&sound);
    let devices = spool.json(&["devices"]);
    let has = |kind: &str, name: &str| {
        let fits =
            |device: &Value| device["kind"] == kind && device["name"].as_str().unwrap_or("").contains(name);
        rows(&devices).iter().any(fits)
    };
    assert!(has("screen", "LEFT") && has("screen", "RIGHT"), "{devices}");
    assert!(has("microphone", "Microphone") && has("system_audio", "Speakers"), "{devices}");
    let whole =
        |device: &Value| device["kind"] == "screen" && device["size"] == serde_json::json!([640, 360]);
    assert!(rows(&devices).iter().any(whole), "{devices}");

    spool.end_engine();
    assert_eq!(spool.json(&["devices"]), devices, "ids outlive the engine");
    let text = spool.run(["devices"]).ok().stdout;
    assert!(text.contains("Microphone") && text.contains("RIGHT"), "{text}");
}

#[test]
fn one_monitor_is_recorded_alone() {
    let _turn = my_turn();
    let display = Display::start(1280, 720);
    display.split();
    let _left = CodeShow::start(&display, (0, 0, 640, 720), 10);
    let right = CodeShow::start(&display, (640, 0, 640, 720), 15);
    let spool = Spool::new().on(&display);
    let devices = spool.json(&["devices"]);
    let monitor = rows(&devices).iter().find(|device| {
        device["kind"] == "screen" && device["name"].as_str().is_some_and(|name| name.contains("RIGHT"))
    });
    let id = monitor.unwrap_or_else(|| panic!("{devices}"))["id"].as_str().unwrap();
    let finished = spool.record(["--for", "2s", "--no-mic", "--screen", id]).finished();
    let file = spool.export(&finished.recording, "right.mp4");
    assert_eq!(film::size(&file), (640, 720));
    let codes = without_repeats(Film::decode(&file).codes());
    assert_in_order(&codes, finished.frames("dropped"));
    assert_on_time(&codes, &right, 0.08, finished.frames("dropped"));
}

#[test]
fn presets_limit_the_picture_and_never_enlarge_it() {
    let _turn = my_turn();
    let display = Display::start(1280, 720);
    let _show = CodeShow::fill(&display, 10);
    let spool = Spool::new().on(&display);
    for (preset, size) in [("480p", (852, 480)), ("1080p", (1280, 720))] {
        let finished = spool.record(["--for", "1500ms", "--no-mic", "--preset", preset]).finished();
        let file = spool.export(&finished.recording, &format!("{preset}.mp4"));
        assert_eq!(film::size(&file), size, "{preset}");
        assert_in_order(&without_repeats(Film::decode(&file).codes()), finished.frames("dropped"));
    }
}

#[test]
fn a_still_screen_is_hardly_encoded() {
    let _turn = my_turn();
    let display = Display::start(1280, 720);
    let spool = Spool::new().on(&display);
    let finished = spool.record(["--for", "6s", "--no-mic", "--chunk", "2s"]).finished();
    assert!((finished.seconds() - 6.0).abs() < 0.25, "{}", finished.event);
    // One a second, one at the beginning of each chunk and one in its last part.
    assert!((6..=14).contains(&finished.frames("encoded")), "{}", finished.event);
    assert!(finished.frames("unchanged") >= 100, "{}", finished.event);
    assert_eq!(finished.frames("dropped"), 0, "{}", finished.event);
    let file = spool.export(&finished.recording, "still.mp4");
    assert!((film::duration(&file) - finished.seconds()).abs() < 0.1, "{}", film::describe(&file));
    film::assert_complaint_free(&file);
}

#[test]
fn sound_alone_is_a_recording_too() {
    let _turn = my_turn();
    let sound = Sound::start();
    let _tone = sound.play("micfeed", 880);
    let spool = Spool::new().hearing(&sound);
    let finished = spool.record(["--for", "4s", "--no-screen", "--mic", "default"]).finished();
    assert!((finished.seconds() - 4.0).abs() < 0.25, "{}", finished.event);
    for name in ["sound.m4a", "sound.mp4"] {
        let file = spool.export(&finished.recording, name);
        assert!(film::streams(&file, "video").is_empty());
        assert_frequency(&Pcm::decode(&file, 0), 880.0);
    }
}

#[test]
fn a_pause_is_left_out_and_the_rest_follows_on() {
    let _turn = my_turn();
    let (display, sound) = (Display::start(1280, 720), Sound::start());
    let _tone = sound.play("micfeed", 1000);
    let show = CodeShow::fill(&display, 15);
    let spool = Spool::new().on(&display).hearing(&sound);
    let mut recorder = spool.record(["--mic", "default", "--chunk", "2s"]);
    recorder.elapsed(2 * SECOND);
    spool.run(["pause"]).ok();
    assert_eq!(spool.json(&["status"])["activity"], "paused");
    let paused_at = show.shown().len();
    wait_for("a pause", 5 * SECOND, || (show.shown().len() > paused_at + 30).then_some(()));
    spool.run(["resume"]).ok();
    recorder.elapsed(4 * SECOND);
    let stopped = Finished::read(spool.json(&["stop"]));
    let finished = recorder.finished();
    assert_eq!(stopped.recording, finished.recording);
    assert!((4.0..5.5).contains(&finished.seconds()), "{}", finished.event);
    assert_eq!(finished.number("lost_ms"), 0.0, "a pause is not a loss: {}", finished.event);

    let file = spool.export(&finished.recording, "paused.mp4");
    assert!((film::duration(&file) - finished.seconds()).abs() < 0.15, "{}", film::describe(&file));
    let codes = without_repeats(Film::decode(&file).codes());
    let jump = codes.windows(2).position(|pair| pair[1].1 - pair[0].1 > 25).expect("the pause shows") + 1;
    let (before, after) = codes.split_at(jump);
    let dropped = finished.frames("dropped");
    assert_in_order(before, dropped);
    assert_in_order(after, dropped);
    let skip = after[0].0 - before[before.len() - 1].0;
    assert!(skip < 0.2, "the pause lasts {skip} s in the file");
    assert_frequency(&Pcm::decode(&file, 0), 1000.0);
}

#[test]
fn the_cursor_is_recorded_where_it_was() {
    let _turn = my_turn();
    let display = Display::start(1280, 720);
    let cursor = spool_tests::Cursor::show(&display, 64);
    cursor.move_to(320, 180);
    let spool = Spool::new().on(&display);
    let mut recorder = spool.record(["--no-mic"]);
    recorder.elapsed(SECOND);
    cursor.move_to(960, 540);
    recorder.elapsed(2 * SECOND);
    recorder.signal(Signal::TERM);
    let finished = recorder.finished();
    let pictures = Film::decode(&spool.export(&finished.recording, "cursor.mp4")).pictures;

    // The middle half of the pointer, which hangs with its middle on its place.
    let (first, second) = ((0.2375, 0.2278, 0.025, 0.044), (0.7375, 0.7278, 0.025, 0.044));
    let at = |place| move |picture: &film::Picture| picture.brightness(place) > 200.0;
    let (early, late) = (&pictures[0], &pictures[pictures.len() - 1]);
    assert!(at(first)(early) && !at(second)(early), "the pointer is not where it began");
    assert!(!at(first)(late) && at(second)(late), "the pointer is not where it went");
    let moved = pictures.iter().position(at(second)).unwrap();
    assert!(pictures[moved..].iter().all(at(second)), "the pointer flickers");
}

#[test]
fn a_screen_that_changes_its_size_stays_one_recording() {
    let _turn = my_turn();
    let display = Display::start(1280, 720);
    let first = CodeShow::fill(&display, 15);
    let spool = Spool::new().on(&display);
    let mut recorder = spool.record(["--no-mic"]);
    recorder.elapsed(2 * SECOND);
    display.resize(800, 600);
    let second = CodeShow::start(&display, (0, 0, 800, 600), 15);
    recorder.elapsed(5 * SECOND);
    recorder.signal(Signal::TERM);
    let finished = recorder.finished();

    assert_eq!(rows(&spool.json(&["list"])).len(), 1);
    let details = spool.json(&["show", &finished.recording]);
    let program = rows(&details["tracks"]).iter().find(|track| track["track"] == "program").unwrap();
    assert_eq!(program["inits"], 2, "{details}");
    let codes = without_repeats(Film::decode(&spool.export(&finished.recording, "resized.mp4")).codes());
    let split = codes.windows(2).position(|pair| pair[1].1 < pair[0].1).expect("both sizes can be read") + 1;
    let (before, after) = codes.split_at(split);
    let dropped = finished.frames("dropped");
    assert_in_order(before, dropped);
    assert_in_order(after, dropped);
    assert!(before.len() > 20 && after.len() > 30, "{} and {} codes", before.len(), after.len());
    let offset =
        assert_on_time(before, &first, 0.08, dropped) - assert_on_time(after, &second, 0.08, dropped);
    assert!(offset.abs() < 0.1e9, "the pictures move by {offset} ns where the size changes");
}

#[test]
fn signals_to_the_command_finalize() {
    let _turn = my_turn();
    let spool = Spool::new();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut recorder = spool.record(["--synthetic"]);
        recorder.elapsed(SECOND);
        recorder.signal(signal);
        let finished = recorder.finished();
        let details = spool.json(&["show", &finished.recording]);
        assert_eq!(details["state"], "finalized", "{signal:?}");
        assert!(finished.seconds() >= 1.0, "{}", finished.event);
        spool.run(["verify", &finished.recording]).ok();
    }
}

#[test]
fn a_signal_to_the_engine_finalizes_too() {
    let _turn = my_turn();
    let spool = Spool::new();
    let mut recorder = spool.record(["--synthetic"]);
    recorder.elapsed(SECOND);
    spool.signal_engine(Signal::TERM);
    let finished = recorder.finished();
    assert_eq!(spool.json(&["show", &finished.recording])["state"], "finalized");
}

#[test]
fn the_engine_outlives_whoever_started_it() {
    let _turn = my_turn();
    let spool = Spool::new();
    let mut recorder = spool.record(["--synthetic"]);
    let recording = recorder.started();
    recorder.elapsed(SECOND);
    recorder.signal(Signal::KILL);
    assert_eq!(recorder.exit().0, None);
    let elapsed = || spool.json(&["status"])["elapsed_ms"].as_u64().unwrap();
    let before = elapsed();
    assert!(before >= 1000);
    wait_for("the recording to go on", 5 * SECOND, || (elapsed() > before + 1000).then_some(()));
    let status = spool.json(&["status"]);
    assert_eq!(
        (&status["activity"], status["recording"].as_str()),
        (&"recording".into(), Some(recording.as_str()))
    );
    let finished = Finished::read(spool.json(&["stop"]));
    assert_eq!(finished.recording, recording);
    assert!(finished.seconds() >= 2.0, "{}", finished.event);
    spool.run(["stop"]).refused(1, "nothing is being recorded");
}

#[test]
fn an_idle_engine_ends_by_itself() {
    let _turn = my_turn();
    let spool = Spool::new();
    spool.run(["config", "idle-exit=1s"]).ok();
    assert!(spool.engine().is_some());
    let mut recorder = spool.record(["--synthetic", "--for", "3s"]);
    recorder.elapsed(2 * SECOND);
    assert!(spool.engine().is_some(), "a recording engine is not idle");
    let finished = recorder.finished();
    wait_for("the idle engine's end", 6 * SECOND, || spool.engine().is_none().then_some(()));
    assert_eq!(spool.json(&["status"])["activity"], "idle");
    assert!(spool.engine().is_none(), "asking for the status starts no engine");
    assert_eq!(spool.json(&["show", &finished.recording])["state"], "finalized");
    assert!(spool.engine().is_some(), "other commands do");
}

#[test]
fn a_second_engine_on_one_folder_is_refused() {
    let _turn = my_turn();
    let spool = Spool::new();
    let mut recorder = spool.record(["--synthetic"]);
    recorder.elapsed(SECOND);
    let engine = spool.engine().unwrap();
    spool.run(["engine"]).refused(1, "another engine");
    // Where its socket cannot be found, a command tries to start one, and tells why it cannot.
    let elsewhere = Spool::new().in_folder(spool.data());
    elsewhere.run(["list"]).refused(1, "another engine");
    spool.run(["record", "--synthetic"]).refused(1, "already recording");
    assert_eq!(spool.engine(), Some(engine));
    recorder.signal(Signal::INT);
    recorder.finished();
}

#[test]
fn nothing_to_record_is_said() {
    let _turn = my_turn();
    let display = Display::start(640, 360);
    let spool = Spool::new().on(&display);
    spool.run(["record", "--no-screen", "--no-mic"]).refused(1, "nothing to record");
    spool.run(["record", "--screen", "x11:monitor:NONE"]).refused(1, "x11:monitor:NONE");
    assert!(library::sessions(&spool).is_empty(), "nothing is left of what never began");
}
