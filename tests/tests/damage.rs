//! Bytes that are gone or wrong, at rest and on the socket: named, refused, and never in the way of the rest.

use serde_json::{Value, json};
use spool_tests::{
    Film, Finished, Pcm, Random, Spool, codes, film, library, my_turn, process, rows, tone, tool, wait_for,
};
use std::{
    fs::{self, Permissions},
    io::{Read, Write},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

/// Something bad that happens to a file.
type Damage = fn(&Path);

fn overwrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("it is there to be damaged");
    change(&mut bytes);
    fs::write(path, bytes).expect("it can be written to");
}

/// What the library tells about every recording, as far as it can be known from the files.
fn told(spool: &Spool) -> Vec<Value> {
    let list = spool.json(&["list"]);
    let facts = |line: &Value| {
        json!([line["recording"], line["title"], line["duration_ms"], line["bytes"], line["state"]])
    };
    rows(&list).iter().map(facts).collect()
}

#[test]
fn a_lost_index_is_rebuilt_from_the_files() {
    let _turn = my_turn();
    let spool = Spool::new();
    for title in ["first", "second"] {
        spool
            .record(["--synthetic", "--for", "2500ms", "--chunk", "2s", "--title", title, "--meta", "k=v"])
            .finished();
    }
    spool.run(["config", "fps=24"]).ok();
    let before = told(&spool);
    assert_eq!(before.len(), 2);
    let index = spool.data().join("spool.db");
    let damages: [(&str, Damage); 4] = [
        ("deleted", |index| fs::remove_file(index).expect("it is there")),
        ("emptied", |index| overwrite(index, Vec::clear)),
        ("garbage", |index| overwrite(index, |bytes| bytes.fill(0xA5))),
        ("torn", |index| overwrite(index, |bytes| bytes[4096..].fill(0))),
    ];
    for (name, damage) in damages {
        spool.end_engine();
        for rest in ["spool.db-wal", "spool.db-shm"] {
            // Whether they are there depends on how the engine ended.
            let _gone = fs::remove_file(spool.data().join(rest));
        }
        damage(&index);
        assert_eq!(told(&spool), before, "after the index was {name}");
        let recording = before[0][0].as_str().unwrap();
        assert_eq!(spool.json(&["show", recording])["metadata"], json!({ "k": "v" }), "{name}");
        assert_eq!(spool.json(&["config", "fps"])[0]["value"], "24", "{name}");
        spool.run(["verify", recording]).ok();
        Film::decode(&spool.export(recording, &format!("{name}.mp4")));
    }
    let finished = spool.record(["--synthetic", "--for", "1s"]).finished();
    assert_eq!(told(&spool)[0][0], finished.recording.as_str(), "recording goes on");
}

fn damaged_recording(spool: &Spool) -> (Finished, PathBuf) {
    let finished = spool.record(["--synthetic", "--for", "9s", "--chunk", "2s"]).finished();
    let chunks = library::chunks(spool, &finished.session, "program");
    assert!(chunks.len() >= 4, "{chunks:?}");
    (finished, chunks[1].clone())
}

/// Fails the test unless the list names exactly these chunks.
#[track_caller]
fn assert_names(list: &Value, names: &[String]) {
    assert_eq!(rows(list).len(), names.len(), "{list}");
    for name in names {
        let named = rows(list).iter().any(|entry| entry.as_str().is_some_and(|entry| entry.contains(name)));
        assert!(named, "{name} is not in {list}");
    }
}

#[test]
fn damaged_chunks_are_named_and_the_rest_plays() {
    let _turn = my_turn();
    let spool = Spool::new();
    let (finished, second) = damaged_recording(&spool);
    let sound = library::chunks(&spool, &finished.session, "mix");
    let all = Film::decode(&spool.export(&finished.recording, "whole.mp4"));
    spool.run(["verify", &finished.recording]).ok();

    overwrite(&second, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
    });
    overwrite(&sound[2], |bytes| bytes.truncate(bytes.len() / 3));
    fs::remove_file(&sound[3]).unwrap();
    let done = spool.run(["verify", &finished.recording, "--json"]).refused(1, "damaged or missing");
    let found = done.json();
    let name = |track: &str, index: u32| format!("{}/{track}/{index:06}", finished.session);
    assert_names(&found["damaged"], &[name("mix", 3), name("program", 2)]);
    assert_names(&found["missing"], &[name("mix", 4)]);

    let file = spool.file("rest.mp4");
    let made = spool.json(&["export", &finished.recording, "-o", file.to_str().unwrap()]);
    assert_names(&made["skipped"], &[name("mix", 3), name("mix", 4), name("program", 2)]);
    let rest = Film::decode(&file);
    let read = |film: &Film| -> Vec<(f64, u32)> {
        film.pictures.iter().filter_map(|picture| Some((picture.at, picture.synthetic_code()?))).collect()
    };
    let (all, rest) = (read(&all), read(&rest));
    codes::assert_in_order(&rest, u64::MAX);
    assert!(
        (all.len() - 65..=all.len() - 55).contains(&rest.len()),
        "{} of {} pictures",
        rest.len(),
        all.len()
    );
    for (at, code) in &rest {
        let whole = all.iter().find(|whole| whole.1 == *code).unwrap().0;
        assert!((whole - at).abs() < 0.002, "code {code} moved from {whole} s to {at} s");
    }
    let pcm = Pcm::decode_with_holes(&file, 0);
    assert!((pcm.end() - finished.seconds()).abs() < 0.1, "the sound ends at {} s", pcm.end());
    assert!(tone::peak(pcm.between(4.1, 7.9)) < 0.001, "what is gone is silent");
    assert!(tone::peak(pcm.between(0.5, 3.5)) > 0.4 && tone::peak(pcm.between(8.0, 9.0)) > 0.4);
    film::assert_complaint_free(&file);
}

#[test]
fn a_recording_whose_files_are_all_gone_hurts_no_other() {
    let _turn = my_turn();
    let spool = Spool::new();
    let gone = spool.record(["--synthetic", "--for", "1s"]).finished();
    let kept = spool.record(["--synthetic", "--for", "1s"]).finished();
    spool.end_engine();
    fs::remove_dir_all(spool.data().join("sessions").join(&gone.session)).unwrap();
    let list = spool.json(&["list"]);
    assert!(rows(&list).iter().any(|line| line["recording"] == kept.recording.as_str()), "{list}");
    spool.run(["verify", &kept.recording]).ok();
    let export = spool.run(["export", &gone.recording, "-o", spool.file("gone.mp4").to_str().unwrap()]);
    assert_eq!(export.code, Some(1), "{export:?}");
    assert!(!spool.file("gone.mp4").exists());
    // Deleting twice is refused, deleting once is not.
    let deleted = spool.run(["delete", &kept.recording]).ok();
    assert!(deleted.stdout.contains("free again"), "{deleted:?}");
    spool.run(["delete", &kept.recording]).refused(1, "there is no");
}

/// The socket of the only engine in these surroundings.
fn socket(spool: &Spool) -> PathBuf {
    let folder = spool.file("run").join("spool");
    let mut entries = fs::read_dir(folder).expect("an engine listens").flatten().map(|entry| entry.path());
    entries.find(|path| path.extension().is_some_and(|ending| ending == "sock")).expect("an engine listens")
}

#[test]
fn garbage_on_the_socket_is_refused_and_forgotten() {
    let _turn = my_turn();
    let spool = Spool::new();
    let mut recorder = spool.record(["--synthetic"]);
    recorder.started();
    let path = socket(&spool);
    let mut random = Random::from_environment(11);
    let mut noise = |length: usize| (0..length).map(|_| random.bits() as u8).collect::<Vec<_>>();
    let mut deep = vec![b'['; 100_000];
    deep.push(b'\n');
    let garbage = [
        noise(1),
        noise(70_000),
        vec![b'x'; 3 << 20],
        b"{}\n".to_vec(),
        b"null\n".to_vec(),
        b"{\"v\":1,\"id\":1,\"command\":\"dance\"}\n".to_vec(),
        b"{\"v\":999,\"id\":1,\"command\":\"stop\"}\n".to_vec(),
        b"{\"v\":1,\"id\":1,\"command\":{\"begin\":{}}}\n".to_vec(),
        b"{\"v\":1,\"id\":1,\"command\":{\"show\":{\"id\":\"../../etc\"}}}\n".to_vec(),
        b"{\"v\":1,\"id\":1,\"command\":\"stat".to_vec(),
        deep,
    ];
    for bytes in &garbage {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(5 * SECOND)).unwrap();
        // The engine may hang up before it has heard all of it.
        let _hung_up = stream.write_all(bytes);
        let _closed = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer);
        let head = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let reset = end.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset);
        assert!(end.is_ok() || reset, "the engine neither answers nor hangs up on {head:?}: {end:?}");
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains("\"reply\""), "{head:?} was answered {answer}");
    }
    let crowd: Vec<_> = (0..200).filter_map(|_| UnixStream::connect(&path).ok()).collect();
    assert!(crowd.len() > 10);
    drop(crowd);
    wait_for("the engine to listen again", 5 * SECOND, || {
        (spool.run(["status"]).code == Some(0)).then_some(())
    });
    recorder.elapsed(SECOND);
    assert_eq!(spool.json(&["status"])["activity"], "recording");
    let finished = Finished::read(spool.json(&["stop"]));
    spool.run(["verify", &finished.recording]).ok();
}

#[test]
fn another_user_is_turned_away() {
    let _turn = my_turn();
    let spool = Spool::new();
    spool.run(["config"]).ok();
    let path = socket(&spool);
    let folder = path.parent().unwrap();
    assert_eq!(fs::metadata(folder).unwrap().mode() & 0o777, 0o700, "nobody else can enter the folder");
    // Even where somebody opens every door to it, the engine looks at who comes.
    for (door, mode) in
        [(spool.file(""), 0o711), (spool.file("run"), 0o711), (folder.into(), 0o711), (path.clone(), 0o777)]
    {
        fs::set_permissions(door, Permissions::from_mode(mode)).unwrap();
    }
    let says = |user: &str| {
        let mut command = tool("setpriv");
        command.args(["--reuid", user, "--clear-groups", "curl", "--silent", "--max-time", "5", "--http0.9"]);
        let output =
            process::output(command.arg("--unix-socket").arg(&path).args(["--data", "{}", "http://spool/"]));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    tool("curl");
    assert!(says("0").contains("not a request"), "the same user is answered: {:?}", says("0"));
    let said = says("65534");
    assert!(!said.contains("not a request"), "another user is answered {said:?}");
}

#[test]
fn nonsense_is_answered_with_a_sentence() {
    let _turn = my_turn();
    let spool = Spool::new();
    for (arguments, words) in [
        (&["record", "--for", "ten"][..], "10s"),
        (&["record", "--for", "-1s"], "unexpected argument"),
        (&["record", "--fps", "31"], "24, 30, 60"),
        (&["record", "--preset", "8k"], "480p, 720p, 1080p"),
        (&["record", "--chunk", "1s"], "chunk"),
        (&["record", "--meta", "novalue"], "key=value"),
        (&["record", "--mic", "x", "--no-mic"], "cannot be used with"),
        (&["list", "--limit", "0"], "1..=10000"),
        (&["export", "last"], "--output"),
        (&["dance"], "dance"),
        (&[], "Usage"),
    ] {
        spool.run(arguments).refused(2, words);
    }
    assert!(spool.engine().is_none(), "nonsense starts no engine");
    for (arguments, words) in [
        (&["show", "nothing"][..], "there is no"),
        (&["show", "0000"], "there is no"),
        (&["show", "last"], "no recordings yet"),
        (&["verify", ""], "there is no"),
        (&["pause"], "nothing is being recorded"),
        (&["resume"], "nothing is being recorded"),
        (&["stop"], "nothing is being recorded"),
        (&["config", "colour"], "no setting"),
        (&["config", "fps=1000"], "24, 30, 60"),
        (&["record", "--synthetic", "--screen", "synthetic:nothing"], "synthetic:nothing"),
        (&["record", "--synthetic", "--title", &"x".repeat(201)], "200 characters"),
    ] {
        spool.run(arguments).refused(1, words);
    }
    let finished = spool.record(["--synthetic", "--for", "1s"]).finished();
    for (arguments, words) in [
        (["export", &finished.recording, "-o", "/nowhere/x.mp4"], "/nowhere"),
        (["export", &finished.recording, "-o", "x.avi"], ".mp4, .m4a, .webm or .gif"),
    ] {
        spool.run(arguments).refused(1, words);
    }
    let file = spool.file("none.mp4");
    let none = ["export", &finished.recording, "-o", file.to_str().unwrap(), "--from", "5s", "--to", "4s"];
    spool.run(none).refused(1, "nothing between");
    assert!(!file.exists());
}
