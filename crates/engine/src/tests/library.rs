//! The library of an engine that runs: what is asked while a recording is made, and after it.

use super::{Recorder, plan};
use crate::command::{
    Choice, Command, Details, Film, Order, Page, Query, Reply, SessionPlan, Snapshot, Usage,
};
use model::{GapReason, SessionId};
use std::{collections::BTreeMap, fs, path::PathBuf, sync::atomic::Ordering};

impl Recorder {
    fn code(&self, command: Command) -> &'static str {
        self.ask(command).expect_err("it is refused").code()
    }

    fn page(&self, query: Query) -> Page {
        let Ok(Reply::Recordings(page)) = self.ask(Command::List(query)) else { panic!("no page") };
        page
    }

    fn details(&self, id: &str) -> Details {
        let Ok(Reply::Details(details)) = self.ask(Command::Show { id: id.into() }) else {
            panic!("no details")
        };
        *details
    }

    fn film(&self, id: &str) -> Film {
        let Ok(Reply::Film(film)) = self.ask(Command::Film { id: id.into() }) else { panic!("no film") };
        *film
    }

    fn bytes(&self, command: Command) -> Vec<u8> {
        let Ok(Reply::Blob(blob)) = self.ask(command) else { panic!("no bytes") };
        assert_eq!(blob.length, blob.bytes.len() as u64);
        blob.bytes
    }

    fn usage(&self) -> Usage {
        let Ok(Reply::Usage(usage)) = self.ask(Command::Usage) else { panic!("no usage") };
        usage
    }

    fn end(&self) -> String {
        let Ok(Reply::Finished(summary)) = self.ask(Command::Stop) else { panic!("it did not stop") };
        summary.session.to_string()
    }

    fn chunk_files(&self, session: &str, track: &str) -> Vec<PathBuf> {
        let folder = self.data.path().join("sessions").join(session).join(track);
        let entries = fs::read_dir(folder).expect("the track has a folder").flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "m4s"));
        paths.sort();
        paths
    }
}

fn mark(at_ms: Option<u64>, label: &str) -> Command {
    Command::Mark { id: None, at_ms, label: label.into() }
}

fn describe(id: &str, title: &str) -> Command {
    Command::Describe { id: id.into(), title: Some(title.into()), description: None, metadata: None }
}

fn still(id: &str, at_ms: u64) -> Command {
    Command::Still { id: id.into(), at_ms, width: 160 }
}

#[test]
fn a_running_recording_is_described_marked_and_played_but_not_put_away() {
    let recorder = Recorder::start();
    assert_eq!(recorder.code(mark(None, "")), "not_recording");
    recorder.begin();
    recorder.record_until(2_400);
    let Ok(Reply::Status(status)) = recorder.ask(Command::Status) else { panic!("no status") };
    let id = status.session.unwrap().to_string();
    recorder.ask(describe(&id, "Renamed")).unwrap();
    recorder.wait(|snapshot: &Snapshot| snapshot.title == "Renamed");
    recorder.ask(mark(None, "now")).unwrap();
    recorder.ask(mark(Some(1_500), "before")).unwrap();
    recorder.ask(mark(Some(1_500), "replaced")).unwrap();
    for command in [Command::Trash { id: id.clone() }, Command::Delete { id: id.clone() }] {
        assert_eq!(recorder.code(command), "live");
    }
    assert_eq!(recorder.code(Command::Waveform { id: id.clone(), spans: 9 }), "live");
    assert_eq!(recorder.film(&id).tracks.len(), 2, "what is sealed can be played");
    assert!(recorder.bytes(still(&id, 500)).starts_with(&[0xFF, 0xD8]));

    recorder.ask(Command::Pause).unwrap();
    recorder.ask(mark(None, "in the pause")).unwrap();
    recorder.ask(Command::Resume).unwrap();
    recorder.record_until(4_500);
    let id = recorder.end();
    let details = recorder.details(&id);
    assert_eq!(details.line.title, "Renamed");
    let labels: Vec<_> = details.marks.iter().map(|mark| mark.label.as_str()).collect();
    assert_eq!(labels, ["replaced", "now", "in the pause"]);
    assert_eq!(details.marks[0].at_ms, 1_500);
    assert!((2_300..details.line.duration_ms).contains(&details.marks[1].at_ms), "{:?}", details.marks);
    recorder.ask(Command::Unmark { id: id.clone(), at_ms: 1_500 }).unwrap();
    assert_eq!(recorder.code(Command::Unmark { id: id.clone(), at_ms: 1_500 }), "not_found");
    let late = Command::Mark { id: Some(id.clone()), at_ms: Some(3_600_000), label: String::new() };
    assert_eq!(recorder.code(late), "invalid");
    let now = Command::Mark { id: Some(id.clone()), at_ms: None, label: String::new() };
    assert_eq!(recorder.code(now), "invalid");
    let long = Command::Mark { id: Some(id.clone()), at_ms: Some(1), label: "x".repeat(201) };
    assert_eq!(recorder.code(long), "invalid");
    assert_eq!(recorder.details(&id).marks.len(), 2);
}

#[test]
fn a_film_leaves_gaps_out_and_its_chunks_are_proved() {
    let recorder = Recorder::start();
    recorder.begin();
    recorder.record_until(2_600);
    recorder.ahead.fetch_add(7_000_000_000, Ordering::Relaxed);
    recorder.record_until(5_000);
    let id = recorder.end();
    let details = recorder.details(&id);
    let gap = details.gaps.iter().find(|gap| gap.reason == GapReason::Slept).expect("it slept");
    let slept = gap.span.duration().as_secs_f64();
    let film = recorder.film(&id);
    assert!((film.duration * 1e3 - details.line.duration_ms as f64).abs() < 1.0);
    let names: Vec<_> = film.tracks.iter().map(|track| track.track.as_str()).collect();
    assert_eq!(names, ["program", "mix"]);
    assert!(
        film.tracks[0].media_type.starts_with("video/mp4; codecs=\"avc1."),
        "{}",
        film.tracks[0].media_type
    );
    assert_eq!(film.tracks[1].media_type, "audio/mp4; codecs=\"mp4a.40.2\"");
    for track in &film.tracks {
        for pair in track.segments.windows(2) {
            let hole = pair[1].from - pair[0].to;
            assert!(hole.abs() < 0.1, "{}: a hole of {hole} s", track.track);
            let skipped = pair[0].offset - pair[1].offset;
            assert!(skipped.abs() < 1e-9 || (skipped - slept).abs() < 1e-9, "{skipped} of {slept} s");
        }
        let (first, last) = (&track.segments[0], &track.segments[track.segments.len() - 1]);
        // On a busy machine the first picture comes late.
        assert!(first.from < 2.0 && (last.to - film.duration).abs() < 0.1, "{first:?} {last:?}");
        assert!((first.offset - last.offset - slept).abs() < 1e-9);
        let id: model::TrackId = track.track.parse().unwrap();
        for segment in &track.segments {
            let init = Command::Init { session: film.session, track: id.clone(), hash: segment.init };
            assert_eq!(recorder.bytes(init)[4..8], *b"ftyp");
            let chunk = Command::Chunk { session: film.session, track: id.clone(), index: segment.index };
            assert_eq!(recorder.bytes(chunk).len() as u64, segment.bytes);
        }
    }

    let chunk = |index| Command::Chunk { session: film.session, track: "mix".parse().unwrap(), index };
    let files = recorder.chunk_files(&id, "mix");
    let mut damaged = fs::read(&files[0]).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&files[0], damaged).unwrap();
    fs::remove_file(&files[1]).unwrap();
    assert_eq!(recorder.code(chunk(1)), "damaged");
    assert_eq!(recorder.code(chunk(2)), "missing");
    assert_eq!(recorder.code(chunk(99)), "not_found");
}

#[test]
fn a_library_is_shown_whatever_is_in_the_file_of_settings() {
    let recorder = Recorder::start();
    recorder.begin();
    recorder.record_until(1_000);
    let id = recorder.end();
    fs::write(recorder.data.path().join("settings.json"), "\"no map\"").unwrap();
    assert!(
        matches!(recorder.ask(Command::List(Query::default())), Ok(Reply::Recordings(page)) if page.total == 1)
    );
    assert_eq!(recorder.details(&id).line.session.to_string(), id);
}

#[test]
fn stills_and_waveforms_are_made_once_and_refused_where_there_is_nothing() {
    let recorder = Recorder::start();
    recorder.begin();
    recorder.record_until(2_500);
    let id = recorder.end();
    let first = recorder.bytes(still(&id, 0));
    assert_eq!(recorder.bytes(still(&id, 0)), first);
    // The picture at the end of all, not none.
    assert_ne!(recorder.bytes(still(&id, 3_600_000)), first);
    for width in [0, 15, 1_921] {
        assert_eq!(recorder.code(Command::Still { id: id.clone(), at_ms: 0, width }), "invalid");
    }
    let waveform = |spans| Command::Waveform { id: id.clone(), spans };
    let Ok(Reply::Waveform(peaks)) = recorder.ask(waveform(100)) else { panic!("no waveform") };
    // A beep each second, at half of full scale or so, and silence between.
    let loud = peaks.iter().filter(|peak| **peak > 60).count();
    assert!(peaks.len() == 100 && (3..60).contains(&loud), "{peaks:?}");
    let Ok(Reply::Waveform(coarse)) = recorder.ask(waveform(1)) else { panic!("no waveform") };
    assert_eq!(Some(&coarse[0]), peaks.iter().max());
    let kept = recorder.data.path().join("cache/waveforms").join(&id);
    assert!(recorder.data.path().join("cache/CACHEDIR.TAG").exists());
    // What is not whole is made again.
    fs::write(&kept, [0; 4_104]).unwrap();
    let Ok(Reply::Waveform(again)) = recorder.ask(waveform(100)) else { panic!("no waveform") };
    assert_eq!(again, peaks);
    for spans in [0, 4_097] {
        assert_eq!(recorder.code(waveform(spans)), "invalid");
    }
    recorder.ask(Command::Delete { id: id.clone() }).unwrap();
    assert!(!kept.exists());
    assert_eq!(recorder.code(still(&id, 0)), "not_found");

    let sound = SessionPlan { screen: Choice::Off, ..plan() };
    recorder.ask(Command::Begin(sound.into())).unwrap();
    recorder.wait(|snapshot| snapshot.elapsed_ms >= 500);
    let sound = recorder.end();
    assert_eq!(recorder.code(still(&sound, 0)), "no_pictures");
    assert_eq!(recorder.film(&sound).tracks.len(), 1);
    let silent = SessionPlan { microphone: Choice::Off, ..plan() };
    recorder.ask(Command::Begin(silent.into())).unwrap();
    recorder.record_until(500);
    let silent = recorder.end();
    assert_eq!(recorder.code(Command::Waveform { id: silent, spans: 10 }), "no_sound");
}

#[test]
fn the_library_is_searched_tidied_and_counted() {
    let recorder = Recorder::start();
    let ids: Vec<String> = ["Alpha", "beta", "Gamma"]
        .into_iter()
        .map(|title| {
            let metadata = BTreeMap::from([("room".to_owned(), format!("{title} room"))]);
            let plan = SessionPlan { title: title.into(), screen: Choice::Off, metadata, ..plan() };
            recorder.ask(Command::Begin(plan.into())).unwrap();
            recorder.wait(|snapshot| snapshot.elapsed_ms >= 300);
            recorder.end()
        })
        .collect();
    let titles = |query| -> Vec<String> {
        recorder.page(query).recordings.into_iter().map(|line| line.title).collect()
    };
    let text = |text: &str| Query { text: text.into(), ..Query::default() };
    assert_eq!(titles(Query::default()), ["Gamma", "beta", "Alpha"]);
    assert_eq!(titles(Query { order: Order::Title, ..Query::default() }), ["Alpha", "beta", "Gamma"]);
    assert_eq!(titles(text("ROOM be")), ["beta"]);
    let page = recorder.page(Query { offset: 1, limit: 1, ..Query::default() });
    assert_eq!((page.total, page.recordings.len()), (3, 1));
    assert_eq!(page.bytes, recorder.usage().bytes);
    for limit in [0, 501] {
        assert_eq!(recorder.code(Command::List(Query { limit, ..Query::default() })), "invalid");
    }

    recorder.ask(Command::Trash { id: ids[1].clone() }).unwrap();
    let trash = || recorder.page(Query { trashed: true, ..Query::default() }).recordings;
    let since = trash()[0].trashed_at.expect("it says since when");
    recorder.ask(Command::Trash { id: ids[1].clone() }).unwrap();
    assert_eq!(trash()[0].trashed_at, Some(since), "twice is once");
    assert_eq!(titles(Query::default()), ["Gamma", "Alpha"]);
    let usage = recorder.usage();
    assert_eq!((usage.recordings, usage.trashed), (2, 1));
    assert!(usage.bytes > 0 && usage.trashed_bytes > 0 && usage.free > 0 && usage.reserve == 500_000_000);
    recorder.ask(Command::Restore { id: ids[1].clone() }).unwrap();
    assert_eq!(titles(Query::default()), ["Gamma", "beta", "Alpha"]);
    assert_eq!(recorder.details(&ids[1]).line.trashed_at, None);
    assert_eq!(recorder.code(describe(&ids[1], &"x".repeat(201))), "invalid");
    assert_eq!(recorder.details(&ids[1]).line.title, "beta");
}

#[test]
fn a_diagnosis_says_nothing_that_is_private() {
    let recorder = Recorder::start();
    let plan = SessionPlan {
        title: "Secret meeting".into(),
        description: "with Anna".into(),
        metadata: BTreeMap::from([("client".to_owned(), "Initech".to_owned())]),
        ..plan()
    };
    recorder.ask(Command::Begin(plan.into())).unwrap();
    recorder.record_until(300);
    recorder.ask(mark(None, "the secret part")).unwrap();
    let session: SessionId = recorder.end().parse().unwrap();
    recorder.ask(Command::Set { key: "screen-token".into(), value: Some("a-secret-token".into()) }).unwrap();
    recorder.ask(Command::Set { key: "fps".into(), value: Some("60".into()) }).unwrap();
    let output = recorder.data.path().join("diagnosis.txt");
    let diagnose = |output: PathBuf| Command::Diagnose { output };
    recorder.ask(diagnose(output.clone())).unwrap();
    let text = fs::read_to_string(output).unwrap();
    for word in
        ["fps=60", &session.to_string(), "program", env!("CARGO_PKG_VERSION"), "screen-token=(chosen)"]
    {
        assert!(text.contains(word), "{word} is missing: {text}");
    }
    for word in ["ecret", "Anna", "Initech", "client"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    assert_eq!(recorder.code(diagnose("diagnosis.txt".into())), "invalid");
    assert_eq!(recorder.code(diagnose(recorder.data.path().join("no such folder/x"))), "system");
}
