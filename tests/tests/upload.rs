//! Uploads, end to end: the real recorder, the real server, and what people are told of both.

use rustix::process::Signal;
use serde_json::{Value, json};
use spool_tests::{Finished, Server, Spool, rows, wait_for};
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

const SECOND: Duration = Duration::from_secs(1);

/// A recorder whose settings and secrets lie in its own folder. There is no keychain.
fn recorder() -> Spool {
    let spool = Spool::new();
    let config = spool.file("config");
    spool.with("XDG_CONFIG_HOME", config)
}

/// Records made-up sources in chunks of two seconds for so long.
fn record(spool: &Spool, seconds: u32) -> Finished {
    let mut recorder = spool.record(["--synthetic", "--chunk", "2s", "--for", &format!("{seconds}s")]);
    Finished::read(recorder.event("finished", Duration::from_secs(60 + u64::from(seconds))))
}

fn login(spool: &Spool, server: &Server) -> Value {
    spool.json(&["login", &server.url(), "--token", &server.token()])
}

#[track_caller]
fn details(spool: &Spool, id: &str) -> Value {
    spool.json(&["show", id])
}

/// All of a recording is at the server, chunk by chunk, and both sides say so.
#[track_caller]
fn assert_receipted(spool: &Spool, server: &Server, id: &str) {
    let details = details(spool, id);
    let receipt = &details["receipt"];
    let chunks: u64 = rows(&details["tracks"]).iter().filter_map(|track| track["chunks"].as_u64()).sum();
    assert!(chunks > 0, "{details}");
    assert_eq!(receipt["complete"], true, "{receipt}");
    assert_eq!([&receipt["verified"], &receipt["expected"]], [&json!(chunks), &json!(chunks)], "{receipt}");
    assert_eq!(details["uploaded"], "verified");
    assert_eq!(receipt["server"], server.url());
    let said = spool.run(["show", id]).ok().stdout;
    assert!(said.contains(&format!("{chunks} of {chunks} chunks verified")), "{said}");
    assert_same_files(spool, server, &details);
}

/// What lies in the server's folder is what was recorded, byte by byte, and each once.
#[track_caller]
fn assert_same_files(spool: &Spool, server: &Server, details: &Value) {
    let id = |name: &str| details[name].as_str().expect("recordings have ids");
    let (recording, session) = (id("recording"), id("session"));
    let local = spool.data().join("sessions").join(session);
    let remote = server.data().join("objects/recordings").join(recording).join("sessions").join(session);
    let files = |folder: &Path, track: &str| {
        let entries =
            fs::read_dir(folder.join(track)).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut files: Vec<_> = entries
            .flatten()
            .map(|entry| (entry.file_name(), fs::read(entry.path()).expect("it can be read")))
            .collect();
        files.sort();
        files
    };
    for track in rows(&details["tracks"]) {
        let track = track["track"].as_str().expect("tracks have names");
        let (ours, theirs) = (files(&local, track), files(&remote, track));
        let names = |files: &[(_, Vec<u8>)]| {
            files.iter().map(|(name, _): &(std::ffi::OsString, _)| name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(&ours), names(&theirs), "{track}");
        assert!(ours == theirs, "{track} has other bytes at the server");
    }
}

#[test]
fn a_recording_is_uploaded_and_receipted() {
    let (spool, server) = (recorder(), Server::start());
    let finished = record(&spool, 5);
    assert_eq!(details(&spool, &finished.recording)["uploaded"], "not_wanted");
    spool.run(["sync", "--once"]).refused(1, "not logged in");

    let account = login(&spool, &server);
    assert_eq!((&account["server"], &account["kept"]), (&json!(server.url()), &json!("file")), "{account}");
    let secret = Path::new(account["path"].as_str().expect("people hear where it lies"));
    assert_eq!(fs::metadata(secret).unwrap().permissions().mode() & 0o777, 0o600);

    spool.run(["sync", "--once"]).ok();
    assert_receipted(&spool, &server, &finished.recording);
    let listed = spool.run(["list"]).ok().stdout;
    assert!(listed.contains("at the server"), "{listed}");
    let again = spool.run(["verify", &finished.recording, "--at-server"]).ok().stdout;
    assert!(again.contains("chunks verified"), "{again}");

    spool.run(["logout"]).ok();
    assert!(!secret.exists(), "nobody keeps a secret that is not needed");
    spool.run(["sync", "--once"]).refused(1, "not logged in");
    // The receipt stays.
    assert_eq!(details(&spool, &finished.recording)["receipt"]["complete"], true);
}

#[test]
fn what_is_recorded_goes_to_the_server_meanwhile() {
    let (spool, server) = (recorder(), Server::start());
    let spool = spool.with("SPOOL_TOKEN", server.token());
    let mut recorder = spool.record(["--synthetic", "--chunk", "2s", "--server", &server.url()]);
    recorder.elapsed(SECOND);
    wait_for("chunks at the server while it is recorded", 60 * SECOND, || {
        let status = spool.json(&["status"]);
        let line = rows(&status["upload"]["sessions"]).first().cloned()?;
        (line["chunks_done"].as_u64()? > 0).then_some(())
    });
    let finished = Finished::read(spool.json(&["stop"]));
    spool.run(["sync", "--once"]).ok();
    assert_receipted(&spool, &server, &finished.recording);
}

#[test]
fn a_server_that_was_away_gets_everything_later() {
    let (spool, mut server) = (recorder(), Server::start());
    login(&spool, &server);
    server.stop();
    let finished = record(&spool, 5);
    assert_eq!(details(&spool, &finished.recording)["uploaded"], "waiting");
    spool.run(["sync", "--once", "--patience", "1s"]).refused(1, "cannot be reached");
    server.run();
    spool.run(["sync", "--once"]).ok();
    assert_receipted(&spool, &server, &finished.recording);
}

#[test]
fn an_engine_that_is_killed_goes_on_where_it_was() {
    let (spool, server) = (recorder(), Server::start());
    let finished = record(&spool, 10);
    // Slow enough to be caught in the middle.
    spool.run(["config", "upload-limit=100kB/s"]).ok();
    spool.run(["config", "upload-parallel=1"]).ok();
    login(&spool, &server);
    wait_for("some of it at the server", 60 * SECOND, || {
        (details(&spool, &finished.recording)["uploaded"] == "partial").then_some(())
    });
    spool.signal_engine(Signal::KILL);
    assert_eq!(details(&spool, &finished.recording)["uploaded"], "partial", "what was confirmed is known");
    spool.run(["config", "upload-limit=off"]).ok();
    spool.run(["sync", "--once"]).ok();
    assert_receipted(&spool, &server, &finished.recording);
}

#[test]
fn only_what_people_name_goes_where_they_say_so() {
    let (spool, server) = (recorder(), Server::start());
    spool.run(["config", "upload=manual"]).ok();
    login(&spool, &server);
    let (first, second) = (record(&spool, 2), record(&spool, 2));
    spool.run(["sync", "--once"]).ok();
    for id in [&first.recording, &second.recording] {
        assert_eq!(details(&spool, id)["uploaded"], "not_wanted");
    }
    spool.run(["sync", "--once", &first.recording]).ok();
    assert_receipted(&spool, &server, &first.recording);
    assert_eq!(details(&spool, &second.recording)["uploaded"], "not_wanted");
}

#[test]
fn a_wrong_token_lets_nobody_in() {
    let (spool, server) = (recorder(), Server::start());
    spool.run(["login", &server.url(), "--token", "no-such-secret"]).refused(1, "unauthorized");
    assert_eq!(spool.json(&["status"])["upload"]["server"], Value::Null);
    // Whoever has the server's own token gets one that may only record.
    let account = spool.json(&["login", &server.url(), "--token", &server.admin_token()]);
    let kept = fs::read_to_string(account["path"].as_str().unwrap()).unwrap();
    assert_ne!(kept, server.admin_token());
}
