//! Encrypted recordings: nothing of them can be read on the disk, nothing of them is lost without their key, and all of
//! it is there with it.

use rustix::process::Signal;
use serde_json::{Value, json};
use spool_tests::{
    CodeShow, Display, Film, Keychain, Pcm, Sound, Spool, codes, library::contents, my_turn, rows, tone,
};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);
/// The beginning of every part, behind its size: a `moof` whose first box is an `mfhd`.
const PART: &[u8] = b"moof\0\0\0\x10mfhd";
/// What a sample of input says.
const INPUT: &[u8] = b"\"events\"";

/// The same with key files in a folder of its own, and with encryption switched on.
fn encrypting(spool: Spool) -> Spool {
    let config = spool.file("config");
    let spool = spool.with("XDG_CONFIG_HOME", config);
    spool.run(["config", "encryption=on"]).ok();
    spool.end_engine();
    spool
}

/// The line of this recording in the library.
#[track_caller]
fn line(spool: &Spool, recording: &str) -> Value {
    let list = spool.json(&["list"]);
    let line = rows(&list).iter().find(|line| line["recording"] == recording);
    line.unwrap_or_else(|| panic!("{recording} is not in {list}")).clone()
}

/// No file of the data folder has anything of what was recorded.
#[track_caller]
fn assert_nothing_readable(spool: &Spool) {
    let holds = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).any(|found| found == what);
    let files = contents(spool.data());
    let is_chunk = |path: &Path| path.extension().is_some_and(|end| end == "m4s" || end == "open");
    assert!(files.iter().any(|(path, _)| is_chunk(path)));
    for (path, bytes) in files {
        assert!(!holds(&bytes, PART) && !holds(&bytes, INPUT), "{} can be read", path.display());
    }
}

/// What there is of tracks, byte by byte.
fn tracks(spool: &Spool) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = contents(&spool.data().join("sessions"));
    files.retain(|(path, _)| path.extension().is_none_or(|end| end != "json"));
    files
}

#[track_caller]
fn keys(spool: &Spool) -> Vec<(String, u64)> {
    let keys = spool.json(&["key", "show"]);
    let key = |key: &Value| (key["kept"].as_str().unwrap_or_default().to_owned(), key["recordings"].as_u64());
    rows(&keys).iter().map(key).map(|(kept, count)| (kept, count.expect("they are counted"))).collect()
}

/// Codes come in order, and the tone is heard at the end.
#[track_caller]
fn assert_plays(file: &Path) {
    let read = codes::without_keyframes(Film::decode(file).codes(), 2.0);
    codes::assert_in_order(&read, u64::MAX);
    assert!(read.len() > 20, "{} codes", read.len());
    let sounded = Pcm::decode(file, 0);
    let end = sounded.between(sounded.end() - 0.15, sounded.end() - 0.02);
    assert!(tone::amplitude(end, sounded.rate, 1000.0) > 0.05, "the last sound is none");
}

#[test]
fn a_keychain_keeps_the_key_and_recordings_wait_for_it() {
    let _turn = my_turn();
    let (display, sound) = (Display::start(1280, 720), Sound::start());
    let _show = CodeShow::fill(&display, 30);
    let spool = encrypting(Spool::new().on(&display).hearing(&sound));
    let home = spool.file("keychain");
    let keychain = Keychain::start(&sound, &home);
    let _tone = sound.play("micfeed", 1000);
    let record = |wait: Duration| {
        let mut recorder = spool.record(["--fps", "60", "--chunk", "2s", "--mic", "default"]);
        let recording = recorder.started();
        recorder.elapsed(wait);
        thread::sleep(Duration::from_millis(300));
        spool.signal_engine(Signal::KILL);
        recorder.exit();
        recording
    };

    let first = record(3 * SECOND);
    assert_nothing_readable(&spool);
    let found = line(&spool, &first);
    assert_eq!(
        (&found["state"], &found["encryption"]),
        (&json!("recovered"), &json!("encrypted")),
        "{found}"
    );
    assert!(found["lost_ms"].as_u64().is_some_and(|lost| lost <= 500), "{found}");
    spool.run(["verify", &first]).ok();
    assert_eq!(keys(&spool), [("keychain".to_owned(), 1)]);
    assert!(!spool.file("config").join("spool/keys").exists(), "a file of keys although there is a keychain");
    assert_plays(&spool.export(&first, "first.mp4"));
    let mut shell = spool.shell();
    let id = found["session"].as_str().expect("it has one");
    shell.ask(&json!({ "waveform": { "id": id, "spans": 100 } })).expect("it can be heard");
    let still = shell.ask(&json!({ "still": { "id": id, "at_ms": 1500, "width": 320 } }));
    assert!(!still.expect("it can be seen").bytes.is_empty());
    drop(shell);
    assert_nothing_readable(&spool);

    // Another is cut off, and the keychain is gone when that is found.
    let second = record(2 * SECOND);
    drop(keychain);
    let before = tracks(&spool);
    for _ in 0..2 {
        for recording in [&first, &second] {
            assert_eq!(line(&spool, recording)["encryption"], "locked");
            spool.run(["verify", recording]).refused(1, "key");
            let out = spool.file("locked.mp4");
            spool
                .run(["export".as_ref(), recording.as_ref(), "-o".as_ref(), out.as_os_str()])
                .refused(1, "key");
            assert!(!out.exists());
        }
        spool.run(["show", &second]).ok();
        spool.run(["record", "--synthetic", "--for", "1s"]).refused(1, "spool key");
        assert_eq!(keys(&spool), [("away".to_owned(), 2)]);
        spool.end_engine();
    }
    assert!(tracks(&spool) == before, "something was changed without the key");

    let _again = Keychain::start(&sound, &home);
    for recording in [&first, &second] {
        let found = line(&spool, recording);
        assert_eq!((&found["state"], &found["encryption"]), (&json!("recovered"), &json!("encrypted")));
        spool.run(["verify", recording]).ok();
    }
    assert_plays(&spool.export(&second, "second.mp4"));
    assert_eq!(keys(&spool), [("keychain".to_owned(), 2)]);
}

#[test]
fn a_file_keeps_the_key_where_there_is_no_keychain_and_goes_with_a_library_that_moves() {
    let _turn = my_turn();
    let spool = encrypting(Spool::new());
    let mut recorder = spool.record(["--synthetic", "--for", "3s", "--chunk", "2s"]);
    recorder.event_where("word of the key", 30 * SECOND, |event| {
        event["message"].as_str().is_some_and(|message| message.contains("spool key save"))
    });
    let made = recorder.finished();
    assert_nothing_readable(&spool);
    spool.run(["verify", &made.recording]).ok();
    assert_eq!(keys(&spool), [("file".to_owned(), 1)]);
    // Another key for what comes, and what is there keeps its own.
    spool.run(["key", "new"]).ok();
    let later = spool.record(["--synthetic", "--for", "1s"]).finished();
    let both = [("file".to_owned(), 1), ("file".to_owned(), 1)];
    assert_eq!(keys(&spool), both);
    let saved = spool.file("saved.key");
    let save = ["key".as_ref(), "save".as_ref(), saved.as_os_str()];
    spool.run(save).ok();
    assert_eq!(fs::metadata(&saved).expect("it is there").permissions().mode() & 0o777, 0o600);
    spool.run(save).refused(1, "is there already");
    let here = counters(&spool.export(&made.recording, "here.mp4"));
    // A second recording in the clear, in the same library.
    spool.run(["config", "encryption=off"]).ok();
    let clear = spool.record(["--synthetic", "--for", "1s"]).finished();
    assert_eq!(line(&spool, &clear.recording)["encryption"], "plain");
    spool.end_engine();

    let other = Spool::new();
    let other = other.with("XDG_CONFIG_HOME", spool.file("other-config")).in_folder(spool.file("moved"));
    copy(spool.data(), other.data());
    let before = tracks(&other);
    assert_eq!(line(&other, &made.recording)["encryption"], "locked");
    other.run(["verify", &clear.recording]).ok();
    other.run(["verify", &made.recording]).refused(1, "key");
    assert_eq!(keys(&other), [("away".to_owned(), 1), ("away".to_owned(), 1)]);
    // A key of somebody else's, and something else.
    let strangers = encrypting(Spool::new());
    strangers.run(["key", "new"]).ok();
    let stranger = strangers.file("stranger.key");
    strangers.run(["key".as_ref(), "save".as_ref(), stranger.as_os_str()]).ok();
    for (file, words) in [(&stranger, "no recording"), (&spool.file("here.mp4"), "here.mp4")] {
        other.run(["key".as_ref(), "load".as_ref(), file.as_os_str()]).refused(1, words);
    }
    assert!(tracks(&other) == before);
    other.run(["key".as_ref(), "load".as_ref(), saved.as_os_str()]).ok();
    assert_eq!(keys(&other), both);
    other.run(["verify", &made.recording]).ok();
    other.run(["verify", &later.recording]).ok();
    assert_eq!(counters(&other.export(&made.recording, "there.mp4")), here);
    // What nobody can read is deleted like anything else.
    fs::remove_dir_all(spool.file("other-config")).expect("it was made");
    other.end_engine();
    other.run(["delete", &made.recording]).ok();
    assert_eq!(rows(&other.json(&["list"])).len(), 2);
}

/// What the synthetic pictures of a file count.
fn counters(file: &Path) -> Vec<u32> {
    let pictures = Film::decode(file).pictures;
    let counters: Vec<u32> = pictures.iter().filter_map(|picture| picture.synthetic_code()).collect();
    assert!(counters.len() > 40, "{} pictures", counters.len());
    counters
}

fn copy(from: &Path, to: &Path) {
    for (path, bytes) in contents(from) {
        let path = to.join(path.strip_prefix(from).expect("it lies within"));
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("there is room");
        fs::write(path, bytes).expect("there is room");
    }
}
