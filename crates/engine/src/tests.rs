//! Whole sessions of synthetic sources in this process, for what cannot be done to a machine from outside.

mod library;

use super::*;
use crate::command::{Activity, Choice, Page, Quality, Query, SessionPlan, Snapshot};
use model::{
    Annotation, Drawing, GapReason, InputEvent, InputSample, Inset, Layout, Manifest, Mode, SessionMeta,
    Timestamp, TrackKind,
};
use std::sync::atomic::AtomicI64;

struct Recorder {
    engine: Engine,
    running: Running,
    ahead: Arc<AtomicI64>,
    data: tempfile::TempDir,
}

impl Recorder {
    fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let ahead = Arc::new(AtomicI64::new(0));
        let read = Arc::clone(&ahead);
        let sleep = SleepWatch::by(move || read.load(Ordering::Relaxed));
        let (engine, running, _) = Engine::start_with(data.path(), sleep).unwrap();
        Self { engine, running, ahead, data }
    }

    fn ask(&self, command: Command) -> Result<Reply, EngineError> {
        self.engine.handle(command, &mut |_| ControlFlow::Continue(()))
    }

    fn begin(&self) {
        self.ask(Command::Begin(plan().into())).unwrap();
    }

    /// Hears snapshots until one of them is as wanted.
    fn wait(&self, wanted: impl Fn(&Snapshot) -> bool) {
        let subscription = self.engine.subscribe().unwrap();
        let patience = Instant::now() + Duration::from_secs(30);
        while Instant::now() < patience {
            if let Some(Event::Changed(snapshot)) = subscription.next(Duration::from_secs(1))
                && wanted(&snapshot)
            {
                return;
            }
        }
        panic!("it never came to that");
    }

    fn record_until(&self, elapsed_ms: u64) {
        self.wait(|snapshot| snapshot.elapsed_ms >= elapsed_ms && snapshot.frames.encoded > 0);
    }

    fn stop(self) -> (command::Summary, Manifest, tempfile::TempDir) {
        let Ok(Reply::Finished(summary)) = self.ask(Command::Stop) else { panic!("it did not stop") };
        let manifest = self.engine.store.manifest(summary.session).unwrap();
        self.ask(Command::Shutdown).unwrap();
        self.running.wait();
        (summary, manifest, self.data)
    }
}

/// What a session is begun with, for tests of what is stored.
pub(crate) fn meta() -> SessionMeta {
    SessionMeta {
        version: SessionMeta::VERSION,
        id: SessionId(uuid::Uuid::now_v7()),
        recording: model::RecordingId(uuid::Uuid::now_v7()),
        title: "Test".into(),
        description: String::new(),
        metadata: Default::default(),
        mode: Mode::Program,
        retention: model::Retention::KeepAll,
        started_at: model::UtcTime(1_764_000_000_000),
        chunk: Duration::from_secs(4),
        state: model::SessionState::Recording,
        tracks: Vec::new(),
        gaps: Vec::new(),
        lost: None,
        layouts: Vec::new(),
        check: None,
        marks: Vec::new(),
        trashed_at: None,
        key: None,
    }
}

fn plan() -> SessionPlan {
    SessionPlan {
        title: "Test".into(),
        description: String::new(),
        metadata: Default::default(),
        screen: Choice::Default,
        camera: Choice::Off,
        camera_format: None,
        mode: Mode::Program,
        layout: None,
        keys: false,
        microphone: Choice::Default,
        system_audio: Choice::Off,
        quality: Quality { width: 320, height: 180, bitrate: 1_000_000 },
        fps: 30,
        chunk_ms: 2000,
        synthetic: true,
        stop_after_ms: None,
    }
}

/// A live picture newer than `after`: its number, and its size as its own header tells it.
fn look(recorder: &Recorder, width: u32, after: u64) -> Option<(u64, [u16; 2])> {
    match recorder.ask(Command::Look { width, after }).unwrap() {
        Reply::Blob(blob) => Some((blob.number, size(&blob))),
        Reply::Done => None,
        other => panic!("{other:?}"),
    }
}

/// Of a JPEG: in the first segment that begins a frame (ITU-T T.81, B.2.2).
fn size(jpeg: &command::Blob) -> [u16; 2] {
    assert_eq!((jpeg.media_type.as_str(), jpeg.length), ("image/jpeg", jpeg.bytes.len() as u64));
    let mut at = 2;
    loop {
        let segment = &jpeg.bytes[at..];
        let number = |from: usize| u16::from_be_bytes([segment[from], segment[from + 1]]);
        if segment[1] == 0xC0 {
            return [number(7), number(5)];
        }
        at += 2 + usize::from(number(2));
    }
}

#[test]
fn three_hours_of_sleep_are_a_gap_of_three_hours_and_no_more() {
    let recorder = Recorder::start();
    recorder.begin();
    recorder.record_until(1_000);
    let slept = Duration::from_secs(3 * 3600);
    recorder.ahead.fetch_add(slept.as_nanos() as i64, Ordering::Relaxed);
    recorder.record_until(3_000);
    let (summary, manifest, _data) = recorder.stop();

    assert_eq!(manifest.meta.gaps.len(), 1, "{:?}", manifest.meta.gaps);
    let gap = &manifest.meta.gaps[0];
    assert_eq!((gap.track.as_ref(), gap.reason, gap.span.duration()), (None, GapReason::Slept, slept));
    for track in &manifest.tracks {
        let spans: Vec<_> = track.chunks.iter().map(|chunk| chunk.span).collect();
        assert!(spans.iter().any(|span| span.end <= gap.span.end), "{}: nothing before it", track.track.id);
        assert!(
            spans.iter().any(|span| span.start >= gap.span.start),
            "{}: nothing after it",
            track.track.id
        );
        assert!(spans.iter().all(|span| span.duration() <= Duration::from_secs(3)), "{spans:?}");
    }
    assert!(manifest.span().end > Timestamp::ZERO + slept);
    assert!((2_900..20_000).contains(&summary.duration_ms), "{summary:?}");
}

#[test]
fn a_second_engine_and_a_second_recording_are_refused() {
    let recorder = Recorder::start();
    let second = Engine::start(recorder.data.path()).err().unwrap();
    assert_eq!(second.code(), "in_use");
    recorder.begin();
    assert_eq!(recorder.ask(Command::Begin(plan().into())).unwrap_err().code(), "busy");
    recorder.record_until(100);
    recorder.stop();
}

#[test]
fn plans_that_make_no_sense_are_refused_and_leave_nothing() {
    let recorder = Recorder::start();
    let refused = |change: &dyn Fn(&mut SessionPlan)| {
        let mut plan = plan();
        change(&mut plan);
        recorder.ask(Command::Begin(plan.into())).unwrap_err().code()
    };
    assert_eq!(refused(&|plan| plan.fps = 0), "invalid");
    assert_eq!(refused(&|plan| plan.chunk_ms = 1), "media");
    assert_eq!(refused(&|plan| plan.title = "x".repeat(201)), "invalid");
    assert_eq!(refused(&|plan| plan.screen = Choice::Id("no such screen".into())), "capture");
    assert_eq!(refused(&|plan| plan.screen = Choice::Id("synthetic:mic".into())), "invalid");
    assert_eq!(
        refused(&|plan| {
            plan.screen = Choice::Off;
            plan.microphone = Choice::Off;
        }),
        "no_source"
    );
    for command in [Command::Stop, Command::Pause, Command::Resume] {
        assert_eq!(recorder.ask(command).unwrap_err().code(), "not_recording");
    }
    let Ok(Reply::Status(status)) = recorder.ask(Command::Status) else { panic!("no status") };
    assert_eq!(status.activity, Activity::Idle);
    let Ok(Reply::Recordings(Page { recordings: list, .. })) = recorder.ask(Command::List(Query::default()))
    else {
        panic!()
    };
    assert_eq!(list, []);
}

#[test]
fn a_nearly_full_disk_ends_the_recording_in_order() {
    let recorder = Recorder::start();
    recorder.begin();
    recorder.record_until(500);
    // More than any disk has: from now on this one is nearly full.
    recorder.ask(Command::Set { key: "disk-reserve".into(), value: Some("9000000TB".into()) }).unwrap();
    recorder.wait(|snapshot| snapshot.activity == Activity::Idle);
    let Ok(Reply::Recordings(Page { recordings: list, .. })) = recorder.ask(Command::List(Query::default()))
    else {
        panic!()
    };
    assert_eq!((list.len(), list[0].state), (1, model::SessionState::Finalized));
    let refused = recorder.ask(Command::Begin(plan().into())).unwrap_err();
    assert_eq!(refused.code(), "disk_full");
}

fn kinds(manifest: &Manifest) -> Vec<(String, TrackKind)> {
    manifest.tracks.iter().map(|track| (track.track.id.to_string(), track.track.kind)).collect()
}

#[test]
fn each_mode_has_its_tracks_and_all_of_them_end_together() {
    use TrackKind::{Camera, Input, Mix, Program, Screen};
    for (mode, pictures) in [
        (Mode::Program, vec![("program", Program)]),
        (Mode::Tracks, vec![("screen", Screen), ("camera", Camera)]),
        (Mode::Both, vec![("program", Program), ("screen", Screen), ("camera", Camera)]),
    ] {
        let recorder = Recorder::start();
        let plan = SessionPlan { mode, camera: Choice::Default, ..plan() };
        recorder.ask(Command::Begin(plan.into())).unwrap();
        recorder.record_until(2_500);
        let (_, manifest, _data) = recorder.stop();
        let expected = pictures.into_iter().chain([("input", Input), ("mix", Mix)]);
        assert_eq!(kinds(&manifest), expected.map(|(id, kind)| (id.to_owned(), kind)).collect::<Vec<_>>());
        for track in &manifest.tracks {
            let (first, last) = (track.chunks.first().unwrap(), track.chunks.last().unwrap());
            let early = manifest.span().end.saturating_since(last.span.end);
            assert!(early < Duration::from_millis(100), "{} ends {early:?} early", track.track.id);
            let past = first.span.end.saturating_since(Timestamp(1_970_000_000));
            assert!(past < Duration::from_millis(400), "{} leaves the grid by {past:?}", track.track.id);
        }
    }
}

#[test]
fn a_camera_alone_and_sound_alone_are_recordings_too() {
    for (camera, expected) in [(Choice::Default, vec!["program", "input", "mix"]), (Choice::Off, vec!["mix"])]
    {
        let recorder = Recorder::start();
        let plan = SessionPlan { screen: Choice::Off, camera, ..plan() };
        recorder.ask(Command::Begin(plan.into())).unwrap();
        recorder.wait(|snapshot| snapshot.elapsed_ms >= 1_000);
        let (_, manifest, _data) = recorder.stop();
        assert_eq!(kinds(&manifest).iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), expected);
        assert!(manifest.tracks.iter().all(|track| !track.chunks.is_empty()));
    }
}

#[test]
fn a_camera_beside_a_screen_does_not_raise_the_rate() {
    let recorder = Recorder::start();
    let plan = SessionPlan { camera: Choice::Default, ..plan() };
    recorder.ask(Command::Begin(plan.into())).unwrap();
    recorder.record_until(3_000);
    let (summary, manifest, _data) = recorder.stop();
    let program = manifest.tracks.iter().find(|track| track.track.kind == TrackKind::Program).unwrap();
    let parts = program.chunks.iter().flat_map(|chunk| &chunk.parts);
    let pictures: usize = parts.map(|part| part.samples.len()).sum();
    let most = summary.duration_ms as usize * 32 / 1000 + 4;
    assert!(pictures <= most, "{pictures} pictures in {} ms", summary.duration_ms);
}

/// What people did, by the chunks of the data track, each read alone.
fn input(recorder: &Engine, manifest: &Manifest) -> Vec<(Timestamp, InputSample)> {
    let track = manifest.tracks.iter().find(|track| track.track.kind == TrackKind::Input).unwrap();
    let mut samples = Vec::new();
    for chunk in &track.chunks {
        let bytes = recorder.store.read(&chunk.id).unwrap();
        let before = samples.len();
        for part in &chunk.parts {
            let mut at = part.offset as usize + part.payload as usize;
            for sample in &part.samples {
                let document = &bytes[at..at + sample.size as usize];
                samples.push((part.span.start, serde_json::from_slice(document).unwrap()));
                at += sample.size as usize;
            }
        }
        let first: &(Timestamp, InputSample) = &samples[before];
        assert!(first.1.state.is_some(), "a chunk begins with all that holds");
    }
    samples
}

#[test]
fn layouts_and_drawings_are_kept_with_their_times() {
    let recorder = Recorder::start();
    let plan = SessionPlan { camera: Choice::Default, ..plan() };
    recorder.ask(Command::Begin(plan.into())).unwrap();
    recorder.record_until(700);
    let moved = Layout { camera: Inset::default().at(model::Corner::TopLeft), ..Layout::default() };
    recorder.ask(Command::Arrange(moved)).unwrap();
    let drawing = Drawing {
        id: 7,
        tool: model::Tool::Line,
        points: vec![model::Point { x: 0, y: 0 }, model::Point { x: 90, y: 90 }],
        color: model::Color::WHITE,
        width: 4,
        fade_after_ms: None,
    };
    recorder.ask(Command::Annotate(Annotation::Draw(drawing.clone()))).unwrap();
    let wrong = Drawing { width: 0, ..drawing };
    assert_eq!(recorder.ask(Command::Annotate(Annotation::Draw(wrong))).unwrap_err().code(), "invalid");
    recorder.record_until(4_500);
    let engine = recorder.engine.clone();
    let (_, manifest, _data) = recorder.stop();
    let layouts = &manifest.meta.layouts;
    assert_eq!(layouts.iter().map(|change| change.layout).collect::<Vec<_>>(), [Layout::default(), moved]);
    assert!(layouts[1].at >= Timestamp(700_000_000));
    let samples = input(&engine, &manifest);
    let size = samples.iter().flat_map(|(_, sample)| &sample.events).find_map(|event| match event {
        InputEvent::Resized(size) => Some(*size),
        _ => None,
    });
    assert_eq!(size, Some(model::Size::new(1280, 720)));
    let (at, last) = samples.iter().rfind(|(_, sample)| sample.state.is_some()).unwrap();
    assert_eq!(*at, Timestamp(4_000_000_000));
    assert_eq!(
        last.state.as_ref().unwrap().drawings.iter().map(|drawn| drawn.drawing.id).collect::<Vec<_>>(),
        [7]
    );
}

#[test]
fn sound_and_pictures_are_compared_at_the_end() {
    let recorder = Recorder::start();
    let plan = SessionPlan { microphone: Choice::Id("synthetic:mic:200ppm".into()), ..plan() };
    recorder.ask(Command::Begin(plan.into())).unwrap();
    recorder.record_until(1_500);
    let (_, manifest, _data) = recorder.stop();
    let check = manifest.meta.check.unwrap();
    assert_eq!(check.sound.iter().map(|sound| sound.track.as_str()).collect::<Vec<_>>(), ["mic"]);
    assert!(check.end_offset_us.is_some_and(|offset| offset.abs() < 50_000), "{check:?}");
}

#[test]
fn nothing_is_arranged_or_drawn_without_a_recording_and_none_on_sound() {
    let recorder = Recorder::start();
    let clear = || Command::Annotate(Annotation::Clear);
    assert_eq!(recorder.ask(clear()).unwrap_err().code(), "not_recording");
    assert_eq!(recorder.ask(Command::Arrange(Layout::default())).unwrap_err().code(), "not_recording");
    let plan = SessionPlan { screen: Choice::Off, ..plan() };
    recorder.ask(Command::Begin(plan.into())).unwrap();
    assert_eq!(recorder.ask(clear()).unwrap_err().code(), "invalid");
    recorder.stop();
}

#[test]
fn what_is_recorded_can_be_looked_at_in_every_mode() {
    for mode in [Mode::Program, Mode::Tracks] {
        let recorder = Recorder::start();
        let plan = SessionPlan { mode, camera: Choice::Default, ..plan() };
        recorder.ask(Command::Begin(plan.into())).unwrap();
        let (mut number, mut last) = (0, [0; 2]);
        for _ in 0..10 {
            let (next, size) = look(&recorder, 200, number).unwrap();
            assert!(next > number);
            (number, last) = (next, size);
        }
        assert_eq!(last, [200, 112], "as large as asked for, in the program's shape");
        // The program itself is no larger.
        let mut large = (number, last);
        while large.1 != [320, 180] {
            large = look(&recorder, 4_000, large.0).unwrap();
        }
        recorder.stop();
    }
}

#[test]
fn looks_that_make_no_sense_are_refused_and_sound_has_no_picture() {
    let recorder = Recorder::start();
    let refused = |width| recorder.ask(Command::Look { width, after: 0 }).unwrap_err().code();
    assert_eq!([refused(640), refused(0), refused(u32::MAX)], ["not_recording", "invalid", "invalid"]);
    let plan = SessionPlan { screen: Choice::Off, ..plan() };
    recorder.ask(Command::Begin(plan.into())).unwrap();
    assert_eq!([refused(0), refused(u32::MAX)], ["invalid"; 2]);
    assert_eq!(look(&recorder, 640, 0), None);
    recorder.stop();
}

#[test]
fn a_rehearsal_is_seen_and_heard_and_leaves_nothing_behind() {
    let recorder = Recorder::start();
    recorder.ask(Command::Rehearse(SessionPlan { camera: Choice::Default, ..plan() }.into())).unwrap();
    recorder.wait(|snapshot| {
        let heard = snapshot.tracks.iter().any(|track| track.peak_db.is_some_and(|peak| peak > -30.0));
        assert_eq!((snapshot.elapsed_ms, snapshot.bytes), (0, 0));
        look(&recorder, 320, 0).is_some() && snapshot.activity == Activity::Rehearsing && heard
    });
    let layout = Layout { camera: Inset::default().at(model::Corner::TopLeft), ..Layout::default() };
    recorder.ask(Command::Arrange(layout)).unwrap();
    assert_eq!(recorder.ask(Command::Layout).unwrap(), Reply::Layout(layout));
    // It ends by itself, since nobody looks any more.
    recorder.wait(|snapshot| snapshot.activity == Activity::Idle);
    let refused = recorder.ask(Command::Look { width: 640, after: 0 }).unwrap_err();
    assert_eq!(refused.code(), "not_recording");
    let Ok(Reply::Recordings(Page { recordings: list, .. })) = recorder.ask(Command::List(Query::default()))
    else {
        panic!()
    };
    assert_eq!(list, []);
}

#[test]
fn rehearsals_replace_each_other_and_give_way_to_sessions() {
    let recorder = Recorder::start();
    let rehearse = |screen: &str| {
        let plan = SessionPlan { screen: Choice::Id(screen.into()), ..plan() };
        recorder.ask(Command::Rehearse(plan.into()))
    };
    rehearse("synthetic:screen").unwrap();
    assert_eq!(look(&recorder, 320, 0).unwrap().1, [320, 180]);
    rehearse("synthetic:still:400x400").unwrap();
    assert_eq!(look(&recorder, 320, 0).unwrap().1, [180, 180]);
    assert_eq!(rehearse("nonsense").unwrap_err().code(), "capture");
    rehearse("synthetic:still:400x400").unwrap();
    recorder.ask(Command::Stop).unwrap();
    assert_eq!(recorder.ask(Command::Stop).unwrap_err().code(), "not_recording");

    rehearse("synthetic:still:400x400").unwrap();
    let (before, _) = look(&recorder, 320, 0).unwrap();
    recorder.begin();
    assert_eq!(rehearse("synthetic:screen").unwrap_err().code(), "busy");
    let (after, size) = look(&recorder, 320, before).unwrap();
    assert_eq!((after > before, size), (true, [320, 180]));
    recorder.record_until(500);
    recorder.stop();
}

#[test]
fn a_session_goes_on_with_what_a_rehearsal_has_open() {
    let recorder = Recorder::start();
    // A picture that never changes comes once: whoever begins later must be given it.
    let still = SessionPlan { screen: Choice::Id("synthetic:still".into()), ..plan() };
    recorder.ask(Command::Rehearse(still.clone().into())).unwrap();
    look(&recorder, 320, 0).unwrap();
    recorder.wait(|snapshot| snapshot.tracks.iter().any(|track| track.peak_db.is_some_and(|db| db > -30.0)));
    recorder.ask(Command::Begin(still.into())).unwrap();
    recorder.record_until(2_500);
    let (_, manifest, _data) = recorder.stop();
    let program = manifest.tracks.iter().find(|track| track.track.kind == TrackKind::Program).unwrap();
    let first = program.chunks[0].span.start;
    assert!(first < Timestamp(300_000_000), "the first picture is of {first}");
    assert_eq!(manifest.meta.gaps, []);
    let check = manifest.meta.check.unwrap();
    assert!(check.end_offset_us.is_some_and(|offset| offset.abs() < 50_000), "{check:?}");
}

#[test]
fn what_is_asked_while_a_rehearsal_is_being_opened_comes_after_it() {
    let recorder = Recorder::start();
    // Without waiting for the answer, so that what comes next finds it on its way.
    let send = |command: Command| {
        let (answer, answered) = bounded(1);
        recorder.engine.inputs.send(Input::Command(command, answer)).unwrap();
        answered
    };
    let rehearse = |screen: &str| {
        let plan = SessionPlan { screen: Choice::Id(screen.into()), ..plan() };
        send(Command::Rehearse(plan.into()))
    };
    let answers = [rehearse("synthetic:screen"), rehearse("nonsense"), rehearse("synthetic:still:400x400")];
    assert!(answers.iter().all(|answer| answer.recv().unwrap().is_ok()), "the newest counts for all");
    assert_eq!(look(&recorder, 320, 0).unwrap().1, [180, 180]);

    let before = rehearse("synthetic:screen");
    let begun = send(Command::Begin(plan().into()));
    assert_eq!(recorder.ask(Command::Begin(plan().into())).unwrap_err().code(), "busy");
    assert!(before.recv().unwrap().is_ok() && matches!(begun.recv().unwrap(), Ok(Reply::Begun { .. })));
    recorder.record_until(300);
    recorder.ask(Command::Stop).unwrap();

    let (before, ended) = (rehearse("synthetic:screen"), send(Command::Stop));
    assert!(before.recv().unwrap().is_ok() && ended.recv().unwrap().is_ok());
    let Ok(Reply::Status(status)) = recorder.ask(Command::Status) else { panic!("no status") };
    assert_eq!(status.activity, Activity::Idle);
    let (before, ended) = (rehearse("synthetic:screen"), send(Command::Shutdown));
    assert!(before.recv().unwrap().is_ok() && ended.recv().unwrap().is_ok());
    recorder.running.wait();
}

#[test]
fn a_glance_shows_a_source_that_nobody_records() {
    let recorder = Recorder::start();
    let glance = |device: &str, width| recorder.ask(Command::Glance { device: device.into(), width });
    let seen = |device: &str| match glance(device, 256) {
        Ok(Reply::Blob(blob)) => size(&blob),
        other => panic!("{device}: {other:?}"),
    };
    assert_eq!([seen("synthetic:screen"), seen("synthetic:camera")], [[256, 144]; 2]);
    let refused = |device: &str, width| glance(device, width).unwrap_err().code();
    assert_eq!(refused("synthetic:mic", 256), "invalid");
    assert_eq!(refused("synthetic:screen", 0), "invalid");
    assert_eq!(refused("synthetic:screen", u32::MAX), "invalid");
    assert_eq!(refused("synthetic:nonsense", 256), "capture");
    recorder.ask(Command::Rehearse(SessionPlan { camera: Choice::Default, ..plan() }.into())).unwrap();
    assert_eq!(refused("synthetic:camera", 256), "device_in_use");
    assert_eq!(seen("synthetic:screen"), [256, 144]);
}
