//! Whole sessions of synthetic sources in this process, for what cannot be done to a machine from outside.

use super::*;
use crate::command::{Activity, Choice, Quality, SessionPlan, Snapshot};
use model::{GapReason, Manifest, Timestamp};
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

fn plan() -> SessionPlan {
    SessionPlan {
        title: "Test".into(),
        description: String::new(),
        metadata: Default::default(),
        screen: Choice::Default,
        camera: Choice::Off,
        camera_format: None,
        mode: model::Mode::Program,
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
    let Ok(Reply::Recordings(list)) = recorder.ask(Command::List { limit: 10, before: None }) else {
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
    let Ok(Reply::Recordings(list)) = recorder.ask(Command::List { limit: 10, before: None }) else {
        panic!()
    };
    assert_eq!((list.len(), list[0].state), (1, model::SessionState::Finalized));
    let refused = recorder.ask(Command::Begin(plan().into())).unwrap_err();
    assert_eq!(refused.code(), "disk_full");
}
