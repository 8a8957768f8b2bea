//! Bad luck while it records: a full or failing disk, a device that goes, a machine that freezes, a clock that jumps.

use rustix::process::Signal;
use spool_tests::{
    CodeShow, Disk, Display, Film, Finished, Pcm, Recorder, Running, Sound, Spool,
    codes::{self, host_time},
    film, gaps, library, my_turn, process, program, rows, tone, tool, wait_for,
};
use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

/// Writes until only about `left` bytes are free; none at all for 0.
fn fill(disk: &Disk, left: u64) {
    let ballast = disk.path().join("ballast");
    let size = disk.free().saturating_sub(left.max(1 << 20)).to_string();
    process::text(tool("fallocate").args(["-l", &size]).arg(&ballast));
    if left == 0 {
        let mut crumbs = File::create(disk.path().join("crumbs")).expect("a name still fits");
        while crumbs.write_all(&[0; 512]).is_ok() {}
    }
}

/// Waits for a recording that ends without having been asked to; gives it, and what was said.
#[track_caller]
fn ended_early(mut recorder: Recorder) -> (Finished, String) {
    let event = recorder.event("finished", Duration::from_secs(30));
    let (code, said) = recorder.exit();
    assert_eq!(code, Some(1), "an early end is not a success: {said}");
    (Finished::read(event), said)
}

/// The synthetic pictures' codes, in order, each at its time within 50 ms, so that none slid.
#[track_caller]
fn assert_codes_on_time(file: &Path, dropped: u64) -> Vec<(f64, u32)> {
    let pictures = Film::decode(file).pictures;
    let read = pictures.iter().filter_map(|picture| Some((picture.at, picture.synthetic_code()?)));
    let read = codes::without_repeats(read.collect());
    codes::assert_in_order(&read, dropped);
    // The counter counts thirtieths of a second of host time.
    let start = |(at, code): &(f64, u32)| f64::from(*code) / 30.0 - at;
    let first = start(&read[0]);
    for code in &read {
        assert!((start(code) - first).abs() <= 0.05, "{code:?} is shown {} s off", start(code) - first);
    }
    read
}

#[test]
fn a_recording_ends_cleanly_before_the_disk_is_full() {
    let _turn = my_turn();
    let disk = Disk::mount(64);
    let spool = Spool::new().in_folder(disk.path().join("data"));
    spool.run(["config", "disk-reserve=10MB"]).ok();
    spool.run(["config", "disk-warning=20MB"]).ok();
    let earlier = spool.record(["--synthetic", "--for", "2s"]).finished();
    let mut recorder = spool.record(["--synthetic"]);
    recorder.elapsed(2 * SECOND);
    fill(&disk, 15_000_000);
    recorder.event_where("a warning", 5 * SECOND, |event| event["code"] == "disk_low");
    fs::remove_file(disk.path().join("ballast")).unwrap();
    fill(&disk, 9_000_000);
    let (finished, said) = ended_early(recorder);
    assert!(said.contains("disk"), "{said}");
    assert!(disk.free() > 5_000_000, "only {} bytes are left", disk.free());
    for recording in [&earlier.recording, &finished.recording] {
        assert_eq!(spool.json(&["show", recording])["state"], "finalized");
        spool.run(["verify", recording]).ok();
    }
    assert_codes_on_time(&spool.export(&finished.recording, "rest.mp4"), finished.frames("dropped"));
    spool.run(["record", "--synthetic"]).refused(1, "full");
}

#[test]
fn a_disk_without_a_free_byte_costs_only_what_does_not_fit() {
    let _turn = my_turn();
    let disk = Disk::mount(64);
    let spool = Spool::new().in_folder(disk.path().join("data"));
    spool.run(["config", "disk-reserve=0"]).ok();
    let earlier = spool.record(["--synthetic", "--for", "2s"]).finished();
    let mut recorder = spool.record(["--synthetic", "--chunk", "2s"]);
    recorder.elapsed(3 * SECOND);
    let chunks = library::chunks(&spool, &session(&spool), "program").len();
    assert!(chunks >= 1);
    fill(&disk, 0);
    // How it ends depends on which write fails first; that it ends, and says why, does not.
    let (code, said) = recorder.exit();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("disk is full") || said.contains("No space left"), "{said}");

    spool.end_engine();
    for name in ["ballast", "crumbs"] {
        fs::remove_file(disk.path().join(name)).unwrap();
    }
    let list = spool.json(&["list"]);
    assert_eq!(rows(&list).len(), 2, "{list}");
    for line in rows(&list) {
        spool.run(["verify", line["recording"].as_str().unwrap()]).ok();
    }
    let rest = rows(&list).iter().find(|line| line["recording"] != earlier.recording.as_str()).unwrap();
    let pictures = Film::decode(&spool.export(rest["recording"].as_str().unwrap(), "rest.mp4")).pictures;
    assert!(pictures[pictures.len() - 1].at >= 2.5, "only {} s are left", pictures[pictures.len() - 1].at);
    spool.record(["--synthetic", "--for", "1s"]).finished();
}

/// The session that is being recorded.
fn session(spool: &Spool) -> String {
    spool.json(&["status"])["session"].as_str().expect("it is recording").to_owned()
}

/// An engine whose system calls can be made to fail.
struct Injected<'a> {
    spool: &'a Spool,
    engine: Running,
}

impl<'a> Injected<'a> {
    fn start(spool: &'a Spool) -> Self {
        let mut command = process::server("fiu-run");
        spool.dress(&mut command);
        command.arg("-x").arg("-f").arg(spool.file("fiu"));
        let log = File::options().append(true).open(spool.data().join("engine.log")).expect("there is a log");
        let engine = Running::start(command.arg(program::spool_binary()).arg("engine").stderr(log));
        wait_for("the engine", 10 * SECOND, || (spool.engine() == Some(engine.pid())).then_some(()));
        Self { spool, engine }
    }

    fn tell(&self, command: &str) {
        let mut control = tool("fiu-ctrl");
        control.arg("-f").arg(self.spool.file("fiu")).args(["-c", command, &self.engine.pid().to_string()]);
        process::text(&mut control);
    }
}

#[test]
fn a_disk_that_fails_ends_the_recording_and_hurts_nothing_that_was_safe() {
    let _turn = my_turn();
    let spool = Spool::new();
    let earlier = spool.record(["--synthetic", "--for", "1s"]).finished();
    spool.end_engine();
    const EIO: u32 = 5;
    const ENOSPC: u32 = 28;
    for (point, error) in [
        ("sync/fdatasync", EIO),
        ("sync/fsync", EIO),
        ("dir/rename", ENOSPC),
        ("oc/open", ENOSPC),
        ("rw/pwrite", EIO),
    ] {
        let injected = Injected::start(&spool);
        let mut recorder = spool.record(["--synthetic", "--chunk", "2s"]);
        let recording = recorder.started();
        recorder.elapsed(Duration::from_millis(2_500));
        injected.tell(&format!("enable name=posix/io/{point},failinfo={error}"));
        let (code, said) = recorder.exit();
        println!("{point}: {said}");
        assert_eq!(code, Some(1), "{point}: {said}");
        assert!(!said.trim().is_empty(), "{point}: it does not say why it ended");
        injected.tell(&format!("disable name=posix/io/{point}"));
        drop(injected);

        let list = spool.json(&["list"]);
        for wanted in [&recording, &earlier.recording] {
            assert!(rows(&list).iter().any(|line| line["recording"] == wanted.as_str()), "{point}: {list}");
            spool.run(["verify", wanted]).ok();
        }
        let pictures = Film::decode(&spool.export(&recording, "rest.mp4")).pictures;
        assert!(
            pictures[pictures.len() - 1].at >= 1.9,
            "{point}: {} s are left",
            pictures[pictures.len() - 1].at
        );
        spool.end_engine();
    }
}

#[test]
fn a_microphone_that_is_pulled_out_comes_back() {
    let _turn = my_turn();
    let (display, sound) = (Display::start(1280, 720), Sound::start());
    let show = CodeShow::fill(&display, 15);
    let _tones = [sound.play("micfeed", 1000), sound.play("speakers", 440)];
    let spool = Spool::new().on(&display).hearing(&sound);
    let devices = spool.json(&["devices"]);
    let mic =
        rows(&devices).iter().find(|device| device["name"].as_str().is_some_and(|name| name == "Microphone"));
    let id = mic.unwrap_or_else(|| panic!("{devices}"))["id"].as_str().unwrap();
    let mut recorder = spool.record(["--mic", id, "--system-audio"]);
    recorder.elapsed(2 * SECOND);
    sound.remove_microphone();
    let lost = recorder.event_where("the loss", 10 * SECOND, |event| event["code"] == "source_lost");
    assert!(lost["message"].as_str().unwrap().contains("Microphone"), "{lost}");
    let elapsed = spool.json(&["status"])["elapsed_ms"].as_u64().unwrap();
    recorder.elapsed(Duration::from_millis(elapsed) + SECOND);
    let away = spool.json(&["status"])["elapsed_ms"].as_f64().unwrap() / 1e3;
    sound.add_microphone();
    recorder.event_where("the return", 10 * SECOND, |event| event["code"] == "source_returned");
    let elapsed = spool.json(&["status"])["elapsed_ms"].as_u64().unwrap();
    recorder.elapsed(Duration::from_millis(elapsed) + 2 * SECOND);
    let finished = Finished::read(spool.json(&["stop"]));

    let details = spool.json(&["show", &finished.recording]);
    let found = gaps(&details, |gap| gap["track"] == "mic" && gap["reason"] == "device_lost");
    assert_eq!(found.len(), 1, "{details}");
    assert!(
        found[0].0 < away && found[0].1 >= away && found[0].1 - found[0].0 >= 1.0,
        "{found:?}, away at {away}"
    );
    let mic = Pcm::decode(&library::join(&spool, &finished.session, "mic", 0), 0);
    let loudness = |from: f64, to: f64| tone::amplitude(mic.between(from, to), mic.rate, 1000.0);
    assert!(loudness(0.5, 1.5) > 0.1, "nothing was heard before");
    assert!(loudness(away - 0.5, away - 0.1) < 0.001, "the gap is not silent");
    assert!(loudness(mic.end() - 1.0, mic.end() - 0.2) > 0.1, "nothing is heard again");
    assert!((mic.end() - finished.seconds()).abs() < 0.15, "the microphone's track ends at {} s", mic.end());

    let file = spool.export(&finished.recording, "all.mp4");
    let codes = codes::without_repeats(Film::decode(&file).codes());
    codes::assert_in_order(&codes, finished.frames("dropped"));
    codes::assert_on_time(&codes, &show, 0.08, finished.frames("dropped"));
    let system = Pcm::decode(&library::join(&spool, &finished.session, "system", 0), 0);
    let heard = system.between(1.0, system.end() - 0.3);
    assert!((tone::frequency(heard, system.rate, 440.0) / 440.0 - 1.0).abs() < 0.001);
    for window in heard.chunks_exact(4800) {
        assert!(tone::amplitude(window, system.rate, 440.0) > 0.1, "the speakers' track has a hole");
    }
}

#[test]
fn a_frozen_engine_goes_on_in_time() {
    let _turn = my_turn();
    let spool = Spool::new();
    let mut recorder = spool.record(["--synthetic", "--chunk", "2s"]);
    recorder.elapsed(2 * SECOND);
    let frozen = spool.signal_engine(Signal::STOP);
    wait_for("three seconds of frost", 5 * SECOND, || (host_time() - frozen > 3_000_000_000).then_some(()));
    spool.signal_engine(Signal::CONT);
    recorder.elapsed(8 * SECOND);
    let finished = Finished::read(spool.json(&["stop"]));
    assert!(finished.seconds() >= 8.0, "{}", finished.event);
    assert!(finished.number("lost_ms") >= 2_000.0, "the loss is not told: {}", finished.event);
    let details = spool.json(&["show", &finished.recording]);
    let found = gaps(&details, |gap| gap["track"] == "program" || gap["track"].is_null());
    assert!(found.iter().any(|gap| gap.1 - gap.0 > 2.0), "{details}");
    spool.run(["verify", &finished.recording]).ok();

    let file = spool.export(&finished.recording, "thawed.mp4");
    assert!((film::duration(&file) - finished.seconds()).abs() < 0.15, "{}", film::describe(&file));
    let read = assert_codes_on_time(&file, u64::MAX);
    let widest = read.windows(2).map(|pair| pair[1].0 - pair[0].0).fold(0.0, f64::max);
    assert!((2.5..3.6).contains(&widest), "the widest step between pictures is {widest} s");
    let pcm = Pcm::decode(&file, 0);
    assert!((pcm.end() - finished.seconds()).abs() < 0.15, "the sound ends at {} s", pcm.end());
}

#[test]
fn a_wall_clock_that_jumps_moves_nothing() {
    let _turn = my_turn();
    let jumps = tempfile::NamedTempFile::new().unwrap();
    let wall = |text: &str| fs::write(jumps.path(), text).unwrap();
    wall("+0");
    let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
    tool("faketime");
    let spool = Spool::new()
        .with("LD_PRELOAD", library)
        .with("FAKETIME_TIMESTAMP_FILE", jumps.path())
        .with("FAKETIME_NO_CACHE", "1")
        .with("DONT_FAKE_MONOTONIC", "1")
        .with("NO_FAKE_STAT", "1");
    let mut recorder = spool.record(["--synthetic", "--chunk", "2s"]);
    for (step, jump) in ["-1d", "+400d", "+0"].into_iter().enumerate() {
        recorder.elapsed((u32::try_from(step).unwrap() + 1) * 1500 * Duration::from_millis(1));
        wall(jump);
    }
    recorder.elapsed(6 * SECOND);
    let finished = Finished::read(spool.json(&["stop"]));
    assert!((6.0..7.5).contains(&finished.seconds()), "{}", finished.event);
    assert_eq!(finished.number("lost_ms"), 0.0, "{}", finished.event);
    let file = spool.export(&finished.recording, "jumped.mp4");
    assert_codes_on_time(&file, finished.frames("dropped"));

    wall("-3d");
    let later = spool.record(["--synthetic", "--for", "1s"]).finished();
    let list = spool.json(&["list"]);
    let ids: Vec<_> = rows(&list).iter().filter_map(|line| line["recording"].as_str()).collect();
    assert_eq!(ids.len(), 2, "{list}");
    assert!(ids.contains(&later.recording.as_str()) && ids.contains(&finished.recording.as_str()));
}
