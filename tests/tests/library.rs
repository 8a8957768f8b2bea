//! The library as people and shells use it: found, named, marked, put away, looked at and played.

use rustix::process::Signal;
use serde_json::{Value, json};
use spool_tests::{
    CodeShow, Display, Film, Finished, Picture, Shell, Spool,
    browser::{Page, browse},
    film, my_turn, rows, tone,
};
use std::{collections::HashMap, f32::consts::SQRT_2, fs, time::Duration};

const SECOND: Duration = Duration::from_secs(1);

fn titles(list: &Value) -> Vec<&str> {
    rows(list).iter().map(|line| line["title"].as_str().expect("lines have titles")).collect()
}

fn recorded(spool: &Spool, arguments: &[&str]) -> Finished {
    spool.record(["--synthetic"].iter().chain(arguments)).finished()
}

/// Asks for something that must be given.
#[track_caller]
fn ask(shell: &mut Shell, command: Value) -> (Value, Vec<u8>) {
    let answer = shell.ask(&command).unwrap_or_else(|code| panic!("{command}: {code}"));
    (answer.reply, answer.bytes)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

fn seconds(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("not a number: {value}"))
}

#[test]
fn recordings_are_found_renamed_marked_and_put_into_the_trash() {
    let _turn = my_turn();
    let spool = Spool::new();
    let first = recorded(&spool, &["--for", "1s", "--title", "Übersicht", "--meta", "room=Blue"]);
    let second = recorded(&spool, &["--for", "2s", "--title", "Standup", "--description", "with Anna"]);
    let mut recorder = spool.record(["--synthetic", "--chunk", "2s"]);
    let id = recorder.started();
    recorder.elapsed(SECOND);
    spool.run(["mark", "the demo"]).ok();
    spool.run(["rename", "last", "--title", "Demo", "--meta", "room=Red"]).ok();
    spool.run(["trash", &id]).refused(1, "stop it first");
    recorder.elapsed(2 * SECOND);
    spool.run(["stop"]).ok();

    let list = |arguments: &[&str]| spool.json(&[&["list"], arguments].concat());
    assert_eq!(titles(&list(&[])), ["Demo", "Standup", "Übersicht"]);
    assert_eq!(titles(&list(&["--order", "title"])), ["Demo", "Standup", "Übersicht"]);
    assert_eq!(titles(&list(&["--order", "oldest", "--offset", "1"])), ["Standup", "Demo"]);
    assert_eq!(titles(&list(&["--search", "ROOM übER"])), ["Übersicht"]);
    assert_eq!(titles(&list(&["--search", "anna"])), ["Standup"]);
    assert_eq!(titles(&list(&["--search", "nobody"])), [""; 0]);

    let shown = spool.json(&["show", &id]);
    assert_eq!((text(&shown["title"]), text(&shown["metadata"]["room"])), ("Demo", "Red"));
    assert_eq!(text(&shown["marks"][0]["label"]), "the demo");
    let at = seconds(&shown["marks"][0]["at_ms"]);
    assert!((1_000.0..seconds(&shown["duration_ms"])).contains(&at), "{at}");
    spool.run(["mark", "", &second.recording, "--at", "1.5s"]).ok();
    spool.run(["mark", "late", &second.recording, "--at", "1m"]).refused(1, "no longer");
    spool.run(["mark", "now"]).refused(1, "nothing is being recorded");
    spool.run(["unmark", &id, "--at", &format!("{at}ms")]).ok();
    assert_eq!(rows(&spool.json(&["show", &id])["marks"]).len(), 0);
    assert!(spool.run(["show", &second.recording]).ok().stdout.contains("mark       at 1.500 s"));

    spool.run(["rename", &first.recording, "--meta", "room="]).ok();
    spool.run(["rename", &first.recording, "--title", &"x".repeat(201)]).refused(1, "200");
    spool.run(["trash", &first.recording]).ok();
    assert_eq!(titles(&list(&[])), ["Demo", "Standup"]);
    // What was said is said for good, whatever happens to the engine and its index.
    spool.signal_engine(Signal::KILL);
    fs::remove_file(spool.data().join("spool.db")).unwrap();
    assert_eq!(titles(&list(&["--trash"])), ["Übersicht"]);
    let usage = spool.json(&["usage"]);
    assert_eq!((&usage["recordings"], &usage["trashed"]), (&json!(2), &json!(1)));
    assert_eq!(spool.json(&["show", &second.recording])["marks"], json!([{ "at_ms": 1500, "label": "" }]));
    assert_eq!(spool.json(&["show", &first.recording])["metadata"], json!({}));
    spool.run(["restore", &first.recording]).ok();
    assert_eq!(titles(&list(&[])).len(), 3);
}

#[test]
fn the_trash_is_emptied_when_its_time_has_come() {
    let _turn = my_turn();
    let spool = Spool::new();
    let kept = recorded(&spool, &["--for", "1s", "--title", "kept"]);
    let gone = recorded(&spool, &["--for", "1s", "--title", "gone"]);
    spool.run(["trash", &gone.recording]).ok();
    // It looks after the library soon after it has started.
    spool.end_engine();
    let settings = json!({ "trash-keep": "0s", "keep-days": "1", "keep-size": "1B" });
    fs::write(spool.data().join("settings.json"), settings.to_string()).unwrap();
    let mut shell = spool.shell();
    ask(&mut shell, json!("subscribe"));
    let notice = shell.hear(|event| event["notice"]["code"] == "deleted");
    assert!(text(&notice["notice"]["message"]).contains("gone"), "{notice}");
    assert!(!spool.data().join("sessions").join(&gone.session).exists());
    assert!(!spool.engine_log().contains("\u{201c}gone"), "titles are not for logs");
    // No server has verified the other one.
    spool.run(["verify", &kept.recording]).ok();
}

#[test]
fn stills_show_what_was_on_the_screen_then() {
    let _turn = my_turn();
    let display = Display::start(1280, 720);
    let _show = CodeShow::fill(&display, 10);
    let spool = Spool::new().on(&display);
    let finished = spool.record(["--for", "9s", "--chunk", "2s", "--no-mic"]).finished();
    let film = Film::decode(&spool.export(&finished.recording, "all.mp4"));
    let codes = film.codes();
    let mut shell = spool.shell();
    let played = ask(&mut shell, json!({ "film": { "id": finished.recording } })).0;
    let segments = rows(&played["film"]["tracks"][0]["segments"]).to_vec();
    assert!(segments.len() >= 4, "{played}");
    // At the beginnings of chunks the very picture, and elsewhere none that is older than a chunk.
    let begins = segments.iter().map(|segment| (seconds(&segment["from"]) + 0.02, 0.15));
    for (at, late) in begins.chain([(3.7, 2.2), (8.9, 2.2), (1e6, 2.5)]) {
        let command =
            json!({ "still": { "id": finished.recording, "at_ms": (at * 1e3) as u64, "width": 640 } });
        let (reply, bytes) = ask(&mut shell, command);
        assert_eq!(text(&reply["blob"]["media_type"]), "image/jpeg");
        let file = spool.file("still.jpg");
        fs::write(&file, bytes).unwrap();
        assert_eq!(film::size(&file), (640, 360));
        let still: Picture = Film::decode(&file).pictures.remove(0);
        let code = still.code().expect("a still is as clear as the recording");
        let due = |at: f64| {
            let shown = codes.iter().take_while(|(shown, _)| *shown <= at + 0.001).last();
            shown.unwrap_or(&codes[0]).1
        };
        let at = at.min(finished.seconds());
        let (first, last) = (due(at - late), due(at));
        assert!((first..=last).contains(&code), "code {code} at {at} s instead of {first} to {last}");
    }
}

#[test]
fn a_film_plays_in_a_browser_and_leaves_its_pause_out() {
    let _turn = my_turn();
    let spool = Spool::new();
    let finished = spool.record_with_pause();
    let film = Film::decode(&spool.export(&finished.recording, "paused.mp4"));
    let mut shell = spool.shell();
    let played = ask(&mut shell, json!({ "film": { "id": finished.recording } })).0["film"].take();
    assert!((seconds(&played["duration"]) - finished.seconds()).abs() < 0.02, "{played}");
    let mut files = HashMap::new();
    let mut tracks = Vec::new();
    for track in rows(&played["tracks"]) {
        let (name, session) = (text(&track["track"]), &played["session"]);
        let (mut urls, mut offsets, mut init) = (Vec::new(), Vec::new(), Value::Null);
        let mut add = |path: String, bytes: Vec<u8>, offset: &Value| {
            files.insert(path.clone(), bytes);
            urls.push(path);
            offsets.push(offset.clone());
        };
        for segment in rows(&track["segments"]) {
            let offset = &segment["offset"];
            if segment["init"] != init {
                init = segment["init"].clone();
                let command = json!({ "init": { "session": session, "track": name, "hash": init } });
                add(format!("/{name}/{}", text(&init)), ask(&mut shell, command).1, offset);
            }
            let index = &segment["index"];
            let command = json!({ "chunk": { "session": session, "track": name, "index": index } });
            add(format!("/{name}/{index}"), ask(&mut shell, command).1, offset);
        }
        tracks.push(json!({ "mime": track["media_type"], "urls": urls, "offsets": offsets }));
    }
    // FFmpeg plays them too, in their own time.
    for track in &tracks {
        let parts = rows(&track["urls"]).iter().flat_map(|url| files[text(url)].clone());
        let file = spool.file("joined.mp4");
        fs::write(&file, parts.collect::<Vec<u8>>()).unwrap();
        film::probe(&file);
    }
    let instants = [0.51, 2.51, 3.51, 5.31];
    let plan = json!({ "tracks": tracks, "start": 2.0, "seconds": 2.0, "instants": instants });
    let report = browse(Page::Mse, &plan, move |path| files.get(path).cloned());
    for (track, said) in rows(&report["tracks"]).iter().zip(rows(&played["tracks"])) {
        assert_eq!(rows(track).len(), 1, "a hole in what a track buffers: {track}");
        let range = [&track[0][0], &track[0][1]].map(seconds);
        let begin = seconds(&said["segments"][0]["from"]);
        assert!((range[0] - begin).abs() < 0.05, "it begins at {} s, not at {begin}", range[0]);
        assert!((range[1] - finished.seconds()).abs() < 0.15, "it ends at {} s", range[1]);
    }
    let looks = rows(&report["looks"]);
    assert_eq!(looks.len(), instants.len());
    for look in looks {
        let picture = Picture::from_report(look);
        let seen = picture.synthetic_code().unwrap_or_else(|| panic!("no code at {} s", picture.at));
        let due = film.pictures.iter().take_while(|shown| shown.at <= picture.at + 0.001).last();
        let due = due.and_then(Picture::synthetic_code).expect("FFmpeg shows a code there");
        assert!(seen.abs_diff(due) <= 2, "code {seen} instead of {due} at {} s", picture.at);
    }
    assert_eq!(report["corrupted"], json!(0));
}

#[test]
fn a_waveform_shows_where_it_is_loud() {
    let _turn = my_turn();
    let spool = Spool::new();
    let finished = recorded(&spool, &["--for", "5s"]);
    let mut shell = spool.shell();
    let command = json!({ "waveform": { "id": finished.recording, "spans": 200 } });
    let reply = ask(&mut shell, command.clone()).0;
    let peaks: Vec<f64> = rows(&reply["waveform"]).iter().map(seconds).collect();
    let sound = spool_tests::Pcm::decode(&spool.export(&finished.recording, "all.m4a"), 0);
    assert_eq!(peaks.len(), 200);
    let (span, full) = (finished.seconds() / 200.0, 255.0 / SQRT_2);
    for (number, peak) in peaks.iter().enumerate() {
        let from = number as f64 * span;
        // FFmpeg adds both channels, which are alike, as powers. Two decoders may end a beep some samples apart, and spans are edges of 4,096.
        let around = tone::peak(sound.between((from - 0.01).max(0.0), from + span + 0.01)) * full;
        let within = tone::peak(sound.between(from + 0.005, from + span - 0.005)) * full;
        assert!(
            (f64::from(within) - 3.0..=f64::from(around) + 3.0).contains(peak),
            "{peak} at {from} s, where FFmpeg hears {within} to {around}"
        );
    }
    // Once it is known it needs no chunk.
    fs::remove_dir_all(spool.data().join("sessions").join(&finished.session).join("mix")).unwrap();
    assert_eq!(ask(&mut shell, command).0, reply);
}

#[test]
fn a_diagnosis_is_a_text_without_anything_private() {
    let _turn = my_turn();
    let display = Display::start(640, 360);
    let spool = Spool::new().on(&display);
    let finished = spool.record(["--for", "1s", "--no-mic", "--title", "Payroll 2026"]).finished();
    spool.run(["rename", "last", "--title", "Salaries"]).ok();
    let file = spool.file("diagnosis.txt");
    spool.run(["diagnose".as_ref(), "-o".as_ref(), file.as_os_str()]).ok();
    let text = fs::read_to_string(&file).unwrap();
    for word in ["== spool", "(640x360", &finished.session, "listening", "Finalized"] {
        assert!(text.contains(word), "{word:?} is missing in {text}");
    }
    let home = spool.file("home");
    for word in ["Payroll", "Salaries", home.to_str().unwrap()] {
        assert!(!text.contains(word), "{word:?} in {text}");
    }
    spool.run(["diagnose", "-o", "/nowhere/at/all"]).refused(1, "writing the diagnosis");
}
