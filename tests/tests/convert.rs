//! Files that take encoding: other containers, codecs, sizes and rates, judged by FFmpeg.

use rustix::process::Signal;
use serde_json::Value;
use spool_tests::{
    CodeShow, Display, Film, Finished, Pcm, Sound, Spool,
    codes::{assert_in_order, assert_on_time, without_repeats},
    film, my_turn,
    process::{kill, wait_for_exit},
    tone, wait_for,
};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Child, Stdio},
    time::{Duration, SystemTime},
};

const SECOND: Duration = Duration::from_secs(1);

/// A recording of codes and a tone.
struct Recorded {
    spool: Spool,
    show: CodeShow,
    finished: Finished,
    _stage: (Display, Sound),
}

impl Recorded {
    fn new(seconds: u32) -> Self {
        let (display, sound) = (Display::start(1280, 720), Sound::start());
        let show = CodeShow::fill(&display, 10);
        let _tone = sound.play("micfeed", 1000);
        let spool = Spool::new().on(&display).hearing(&sound);
        let finished = spool.record(["--for", &format!("{seconds}s"), "--mic", "default"]).finished();
        Self { spool, show, finished, _stage: (display, sound) }
    }

    /// Fails the test unless the file shows codes in order and in time for as long as it should, give or take
    /// `coarse` seconds, which is how exactly it tells times.
    fn assert_pictures(&self, file: &Path, seconds: f64, coarse: f64) {
        let length = film::duration(file);
        assert!((length - seconds).abs() < 0.1 + coarse, "{}: {length} s", file.display());
        let codes = without_repeats(Film::decode(file).codes());
        assert!(codes.len() as f64 > 8.0 * seconds, "{}: only {} codes", file.display(), codes.len());
        let dropped = self.finished.frames("dropped");
        assert_in_order(&codes, dropped);
        assert_on_time(&codes, &self.show, 0.08 + coarse, dropped);
    }

    fn assert_tone(&self, file: &Path) {
        let pcm = Pcm::decode(file, 0);
        let heard = pcm.between(0.5, pcm.end() - 0.3);
        let measured = tone::frequency(heard, pcm.rate, 1000.0);
        assert!((measured / 1000.0 - 1.0).abs() < 0.001, "{}: {measured} Hz", file.display());
        assert!(tone::amplitude(heard, pcm.rate, 1000.0) > 0.1, "{}: it is hardly heard", file.display());
        assert!((pcm.end() - film::duration(file)).abs() < 0.1, "{}: sound ends early", file.display());
    }
}

fn codec(file: &Path, kind: &str) -> String {
    let streams = film::streams(file, kind);
    assert_eq!(streams.len(), 1, "{} has one stream of {kind}", file.display());
    streams[0]["codec_name"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn every_kind_of_file_shows_and_sounds_the_same() {
    let _turn = my_turn();
    let recorded = Recorded::new(5);
    let (id, seconds) = (recorded.finished.recording.clone(), recorded.finished.seconds());
    let export = |name: &str, more: &[&str]| recorded.spool.export_part(&id, name, more);
    for (name, more, video, sound) in [
        ("vp9.webm", &[][..], "vp9", "opus"),
        ("av1.webm", &["--codec", "av1"][..], "av1", "opus"),
        ("again.mp4", &["--codec", "h264", "--crf", "30"][..], "h264", "aac"),
    ] {
        let file = export(name, more);
        assert_eq!((codec(&file, "video"), codec(&file, "audio")), (video.to_owned(), sound.to_owned()));
        assert_eq!(film::size(&file), (1280, 720), "{name}");
        recorded.assert_pictures(&file, seconds, 0.0);
        recorded.assert_tone(&file);
    }
    let gif = export("pictures.gif", &["--fps", "20"]);
    assert_eq!(codec(&gif, "video"), "gif");
    assert!(film::streams(&gif, "audio").is_empty());
    recorded.assert_pictures(&gif, seconds, 0.05);
    let small = export("small.mp4", &["--size", "480x480"]);
    assert_eq!(film::size(&small), (480, 270), "it keeps its shape");
    recorded.assert_pictures(&small, seconds, 0.0);
    recorded.assert_tone(&small);
    let part = export("part.webm", &["--from", "1500ms", "--to", "3500ms"]);
    recorded.assert_pictures(&part, 2.0, 0.0);
    recorded.assert_tone(&part);

    let refused = recorded.spool.file("refused.webm");
    let arguments = ["export", &id, "--no-encode", "-o", refused.to_str().expect("paths are text")];
    recorded.spool.run(arguments).refused(1, "encod");
    assert!(!refused.exists());
}

#[test]
fn a_constant_rate_is_constant() {
    let _turn = my_turn();
    let recorded = Recorded::new(4);
    let id = &recorded.finished.recording;
    for (name, fps) in [("25.mp4", 25_u32), ("30.webm", 30)] {
        let file = recorded.spool.export_part(id, name, &["--constant-rate", "--fps", &fps.to_string()]);
        let pictures = Film::decode(&file).pictures;
        // WebM tells times in thousandths.
        let first = pictures[0].at;
        assert!(first <= 2.0 / f64::from(fps), "{name}: the first picture is shown at {first} s");
        for (index, picture) in pictures.iter().enumerate() {
            let due = first + index as f64 / f64::from(fps);
            assert!((picture.at - due).abs() < 0.0011, "{name}: picture {index} at {} s", picture.at);
        }
        let wanted = recorded.finished.seconds() * f64::from(fps);
        assert!((pictures.len() as f64 - wanted).abs() <= 3.0, "{name}: {} pictures", pictures.len());
        recorded.assert_pictures(&file, recorded.finished.seconds(), 1.0 / f64::from(fps));
    }
}

/// An export that runs beside the test.
struct Exporting(Child);

impl Exporting {
    fn start(spool: &Spool, id: &str, file: &Path) -> Self {
        let mut command = spool.command(["export", id, "-o"]);
        let quiet = command.arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.spawn().expect("spool can be started"))
    }

    fn end(mut self) -> Option<i32> {
        wait_for_exit(&mut self.0, 120 * SECOND).and_then(|status| status.code())
    }
}

impl Drop for Exporting {
    fn drop(&mut self) {
        kill(self.0.id(), Signal::KILL);
        let _reaped = self.0.wait();
    }
}

/// What exports have finished so far: files that carry their hash, and when they were written.
fn pieces(spool: &Spool) -> BTreeMap<String, SystemTime> {
    let folders = fs::read_dir(spool.data().join("exports")).into_iter().flatten().flatten();
    let files = folders.filter_map(|folder| fs::read_dir(folder.path()).ok()).flatten().flatten();
    files
        .filter_map(|file| {
            let name = file.file_name().into_string().ok()?;
            let is_piece = name.len() > 8 && name != "unfinished";
            is_piece.then_some((name, file.metadata().ok()?.modified().ok()?))
        })
        .collect()
}

#[test]
fn an_export_that_was_killed_goes_on_where_it_was() {
    let _turn = my_turn();
    let recorded = Recorded::new(12);
    let (spool, id) = (&recorded.spool, &recorded.finished.recording);
    let file = spool.file("killed.webm");
    let exporting = Exporting::start(spool, id, &file);
    let before = wait_for("some finished work", 60 * SECOND, || {
        let pieces = pieces(spool);
        (pieces.len() >= 2).then_some(pieces)
    });
    spool.signal_engine(Signal::KILL);
    assert_ne!(exporting.end(), Some(0), "nothing was made");
    assert!(!file.exists(), "half a file under its name");
    let kept = pieces(spool);
    assert!(before.keys().all(|name| kept.contains_key(name)), "{before:?} and then {kept:?}");

    let mut exporting = Exporting::start(spool, id, &file);
    let mut seen = BTreeMap::new();
    wait_for("the file", 120 * SECOND, || {
        seen.extend(pieces(spool));
        matches!(exporting.0.try_wait(), Ok(Some(_))).then_some(())
    });
    assert_eq!(exporting.end(), Some(0));
    let rewritten: Vec<_> = kept.iter().filter(|(name, at)| seen.get(*name) != Some(at)).collect();
    assert!(rewritten.is_empty(), "made once more: {rewritten:?}");
    assert!(seen.len() > kept.len(), "nothing was left to do: {seen:?}");
    assert!(pieces(spool).is_empty(), "work that nobody needs is left");
    recorded.assert_pictures(&file, recorded.finished.seconds(), 0.0);
    recorded.assert_tone(&file);
}

#[test]
fn an_export_that_nobody_waits_for_is_given_up() {
    let _turn = my_turn();
    // Long enough that a quick machine is still at it.
    let recorded = Recorded::new(24);
    let (spool, id) = (&recorded.spool, &recorded.finished.recording);
    let file = spool.file("cancelled.webm");
    let exporting = Exporting::start(spool, id, &file);
    wait_for("some finished work", 60 * SECOND, || (!pieces(spool).is_empty()).then_some(()));
    kill(exporting.0.id(), Signal::TERM);
    assert_ne!(exporting.end(), Some(0), "it was cancelled");
    let engine = spool.engine().expect("the engine lives on");
    let busy = || -> u64 {
        let stat = fs::read_to_string(format!("/proc/{engine}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        fields[11].parse::<u64>().unwrap_or(0) + fields[12].parse::<u64>().unwrap_or(0)
    };
    let mut last = u64::MAX;
    wait_for("an engine at rest", 30 * SECOND, || {
        let (now, before) = (busy(), last);
        last = now;
        std::thread::sleep(SECOND / 2);
        (now == before).then_some(())
    });
    assert!(!file.exists(), "the file was made although nobody waited");
    let status: Value = spool.json(&["status"]);
    assert_eq!(status["activity"], "idle", "{status}");
    spool.run(["export", id, "-o", file.to_str().expect("paths are text")]).ok();
    recorded.assert_pictures(&file, recorded.finished.seconds(), 0.0);
}
