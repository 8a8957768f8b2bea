//! A running session: its sources, its threads, and what is known of it until it is finalized.

use crate::{
    clock::{SystemClock, utc_now},
    command::{Activity, Choice, SessionPlan, Snapshot, Summary},
    error::EngineError,
    program::{Program, ProgramPlan},
    run::Input,
    sound::{Silence, Sound, SoundPlan},
    sources::{self, Opened},
    status::Status,
    writer::{self, Write},
};
use capture::{Capture, Intake, Outlet, SourceEvent};
use clock::{HostClock, SessionClock};
use crossbeam_channel::{Sender, bounded, unbounded};
use media::ChunkPolicy;
use model::{
    Gap, GapReason, Manifest, Mode, Piece, RecordingId, Retention, SessionId, SessionMeta, SessionState,
    Span, Timestamp, TrackId,
};
use std::{
    collections::HashMap,
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};
use store::ChunkStore;
use uuid::Uuid;

/// Pieces that wait for the disk: about a minute of four tracks. A disk that stalls longer fails the tracks.
const PIECES_MAX: usize = 1024;
/// How long a track waits for room among them.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the engine's loop tells a track's thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    Pause { at: Timestamp },
    Resume { at: Timestamp },
    Stop { at: Timestamp },
}

/// Whether a track's thread goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    End,
}

/// Session time, now.
#[derive(Clone)]
pub(crate) struct SessionTime {
    pub(crate) clock: Arc<SessionClock>,
    host: SystemClock,
}

impl SessionTime {
    fn begin() -> Self {
        let host = SystemClock;
        Self { clock: Arc::new(SessionClock::new(host.now())), host }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.session_from_host(self.host.now())
    }
}

/// A track's way to the store: blocks while the disk is behind, and fails the track where that lasts.
#[derive(Clone)]
pub(crate) struct Pieces(Sender<Write>);

impl Pieces {
    pub(crate) fn send(&self, piece: Piece) -> Result<(), EngineError> {
        self.0.send_timeout(Write::Piece(piece), PATIENCE).map_err(|_| EngineError::System {
            operation: "handing a part to the disk",
            cause: io::ErrorKind::TimedOut.into(),
        })
    }
}

/// A thread of a track.
struct Worker {
    track: TrackId,
    controls: Sender<Control>,
    thread: JoinHandle<()>,
}

/// A thread of a track that is ready to be started.
struct Start {
    track: TrackId,
    controls: Sender<Control>,
    work: Box<dyn FnOnce() -> Result<(), EngineError> + Send>,
}

impl Start {
    fn run(self, inputs: &Sender<Input>) -> Result<Worker, EngineError> {
        let Self { track, controls, work } = self;
        let (name, inputs) = (track.clone(), inputs.clone());
        let thread = spawn(track.as_str(), move || {
            if let Err(error) = work() {
                tracing::error!(track = %name, %error, "track failed");
                let _ending = inputs.send(Input::TrackFailed { track: name, message: error.to_string() });
            }
        })?;
        Ok(Worker { track, controls, thread })
    }
}

/// What the threads of tracks are made of.
struct Threads<'a> {
    time: &'a SessionTime,
    intake: &'a Intake,
    pieces: Pieces,
    inputs: &'a Sender<Input>,
}

impl Threads<'_> {
    fn program(&self, plan: &SessionPlan, policy: ChunkPolicy, screen: TrackId, session: SessionId) -> Start {
        let track = sources::name("program");
        let plan = ProgramPlan {
            session,
            track: track.clone(),
            screen,
            pointer: sources::name("pointer"),
            quality: plan.quality,
            fps: plan.fps,
            policy,
        };
        let (controls, told) = unbounded();
        let viewer = self.intake.viewers[0].clone();
        let program =
            Program::new(plan, self.time.clone(), viewer, told, self.pieces.clone(), self.inputs.clone());
        Start { track, controls, work: Box::new(move || program.run()) }
    }

    fn sound(
        &self,
        policy: ChunkPolicy,
        sources: Vec<(TrackId, Silence)>,
        session: SessionId,
    ) -> Result<Start, EngineError> {
        let track = sources::name("mix");
        let plan = SoundPlan { session, sources, mix: track.clone(), policy };
        let (controls, told) = unbounded();
        let blocks = self.intake.sound.clone();
        let sound =
            Sound::new(&plan, self.time.clone(), blocks, told, self.pieces.clone(), self.inputs.clone())?;
        Ok(Start { track, controls, work: Box::new(move || sound.run()) })
    }
}

/// See the module.
pub(crate) struct Session {
    pub(crate) meta: SessionMeta,
    pub(crate) stop_at: Option<Timestamp>,
    pub(crate) status: Status,
    time: SessionTime,
    captures: Vec<Capture>,
    intake: Intake,
    workers: Vec<Worker>,
    /// For gaps; gone once the session is stopping, so that the writer sees the end.
    writer: Option<Sender<Write>>,
    writer_thread: JoinHandle<()>,
    paused: Option<Timestamp>,
    skipped: Duration,
    reason: Option<String>,
    lost: HashMap<TrackId, Timestamp>,
}

impl Session {
    /// Opens the sources, makes the session in the store and starts its threads.
    pub(crate) fn begin(
        plan: &SessionPlan,
        store: &ChunkStore,
        inputs: &Sender<Input>,
    ) -> Result<Self, EngineError> {
        let policy = ChunkPolicy::new(Duration::from_millis(plan.chunk_ms))?;
        check_texts(plan)?;
        let time = SessionTime::begin();
        let (outlet, intake) = Outlet::new(&[&[sources::name("screen")]]);
        let opened = sources::open(plan, &outlet, &time.clock)?;
        let meta = describe(plan, policy, &opened);
        let (queue, queued) = bounded(PIECES_MAX);
        let threads = Threads { time: &time, intake: &intake, pieces: Pieces(queue.clone()), inputs };
        let mut starts = Vec::new();
        starts.extend(opened.screen.map(|screen| threads.program(plan, policy, screen, meta.id)));
        if !opened.sound.is_empty() {
            starts.push(threads.sound(policy, opened.sound, meta.id)?);
        }
        // All that can be refused has been tried: only now is there a session.
        let writer = store.begin(meta.clone())?;
        let writer_thread = spawn("writer", {
            let inputs = inputs.clone();
            move || writer::run(writer, &queued, &inputs)
        })?;
        Ok(Self {
            status: Status::new(&meta.tracks, opened.notices, plan.fps),
            meta,
            stop_at: None,
            captures: opened.captures,
            workers: starts.into_iter().map(|start| start.run(inputs)).collect::<Result<_, _>>()?,
            writer: Some(queue),
            writer_thread,
            time,
            intake,
            paused: None,
            skipped: Duration::ZERO,
            reason: None,
            lost: HashMap::new(),
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.time.now()
    }

    pub(crate) fn events(&self) -> &crossbeam_channel::Receiver<(TrackId, SourceEvent)> {
        &self.intake.events
    }

    /// How long until the planned end, if there is one ahead. Pauses do not count.
    pub(crate) fn ends_in(&self) -> Option<Duration> {
        let running = self.paused.is_none() && !self.is_stopping();
        self.planned_end().filter(|_| running).map(|end| end.saturating_since(self.now()))
    }

    fn planned_end(&self) -> Option<Timestamp> {
        self.stop_at.map(|at| at + self.skipped)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.writer.is_none()
    }

    /// Begins a pause now.
    pub(crate) fn pause(&mut self) -> Result<(), EngineError> {
        if self.paused.is_some() || self.is_stopping() {
            return Err(EngineError::Invalid("it is not recording now".into()));
        }
        let at = self.now();
        self.paused = Some(at);
        self.tell(Control::Pause { at });
        Ok(())
    }

    /// Ends a pause now.
    pub(crate) fn resume(&mut self) -> Result<(), EngineError> {
        let at = self.now();
        let Some(since) = self.paused.filter(|_| !self.is_stopping()) else {
            return Err(EngineError::Invalid("it is not paused".into()));
        };
        self.paused = None;
        self.skip(Span::new(since, at), GapReason::Paused);
        self.tell(Control::Resume { at });
        Ok(())
    }

    /// The machine slept: nothing was recorded meanwhile, and session time goes on as the world's did.
    pub(crate) fn slept(&mut self, duration: Duration) {
        let from = self.now();
        let to = from + duration;
        if self.paused.is_some() || self.is_stopping() {
            return self.time.clock.skip(duration);
        }
        // Before the time jumps, so that nobody fills three hours with silence and a picture a second.
        self.tell(Control::Pause { at: from });
        self.time.clock.skip(duration);
        self.skip(Span::new(from, to), GapReason::Slept);
        self.tell(Control::Resume { at: to });
    }

    /// A span that is left out on all tracks.
    fn skip(&mut self, span: Span, reason: GapReason) {
        self.skipped += span.duration();
        self.gap(Gap { track: None, span, reason });
    }

    /// Something is missing.
    pub(crate) fn gap(&mut self, gap: Gap) {
        self.meta.gaps.push(gap.clone());
        if let Some(writer) = &self.writer
            && writer.send_timeout(Write::Gap(gap), Duration::from_secs(1)).is_err()
        {
            tracing::warn!("the disk is behind: a gap is told at the end only");
        }
    }

    /// Ends the session now; [`Input::Finalized`] follows.
    pub(crate) fn stop(&mut self, reason: Option<String>) {
        if self.is_stopping() {
            return;
        }
        self.reason = reason;
        let now = self.now();
        let at = self.planned_end().map_or(now, |end| end.min(now));
        for (track, since) in std::mem::take(&mut self.lost) {
            self.gap(Gap { track: Some(track), span: Span::new(since, at), reason: GapReason::DeviceLost });
        }
        self.tell(Control::Stop { at });
        self.writer = None;
    }

    fn tell(&self, control: Control) {
        for worker in &self.workers {
            // A track that failed does not listen any more.
            let _failed = worker.controls.send(control);
        }
        self.intake.viewers.iter().for_each(|viewer| viewer.pictures.wake());
    }

    /// What befell a source. Gives a code and a sentence for people, if they should hear.
    pub(crate) fn source_event(&mut self, track: &TrackId, event: SourceEvent) -> (&'static str, String) {
        let subject = self.status.label(track);
        match event {
            SourceEvent::Lost { message, .. } | SourceEvent::Ended { message, .. } => {
                let now = self.now();
                self.lost.entry(track.clone()).or_insert(now);
                self.status.set_trouble(track, Some(message.clone()));
                ("source_lost", format!("{subject}: {message}"))
            }
            SourceEvent::Returned => {
                if let Some(since) = self.lost.remove(track) {
                    let span = Span::new(since, self.now());
                    self.gap(Gap { track: Some(track.clone()), span, reason: GapReason::DeviceLost });
                }
                self.status.set_trouble(track, None);
                ("source_returned", format!("{subject} is back"))
            }
            SourceEvent::Changed { name } => {
                let now = name.as_deref().unwrap_or("another device");
                ("source_changed", format!("{subject} is now {now}"))
            }
            SourceEvent::Allowed { .. } => ("source_allowed", format!("{subject} may be recorded")),
        }
    }

    pub(crate) fn track_failed(&mut self, track: &TrackId, message: &str) {
        let at = self.now();
        self.lost.remove(track);
        self.gap(Gap {
            track: Some(track.clone()),
            span: Span::new(at, at),
            reason: GapReason::EncoderFailed,
        });
        self.status.set_trouble(track, Some(message.to_owned()));
        // With its sender gone the writer can see the end although this thread is no more.
        self.workers.retain(|worker| worker.track != *track);
    }

    pub(crate) fn has_workers(&self) -> bool {
        !self.workers.is_empty()
    }

    pub(crate) fn written(&mut self, track: &TrackId, bytes: u64, sealed: bool) {
        let now = self.now();
        self.status.written(track, bytes, sealed, now);
    }

    pub(crate) fn snapshot(&self, disk_free: u64) -> Snapshot {
        let now = self.paused.unwrap_or_else(|| self.now());
        Snapshot {
            activity: match (self.is_stopping(), self.paused) {
                (true, _) => Activity::Stopping,
                (false, Some(_)) => Activity::Paused,
                (false, None) => Activity::Recording,
            },
            session: Some(self.meta.id),
            recording: Some(self.meta.recording),
            title: self.meta.title.clone(),
            elapsed_ms: millis(now.saturating_since(Timestamp::ZERO).saturating_sub(self.skipped)),
            fps: self.status.report.fps,
            fps_ceiling: self.status.report.ceiling,
            frames: self.status.report.frames,
            bytes: self.status.bytes,
            bitrate: self.status.bits_per_second(now),
            tracks: self.status.tracks.clone(),
            disk_free,
            notices: self.status.notices.clone(),
        }
    }

    /// What there is to say of a session whose rows cannot be read.
    pub(crate) fn nothing_written(&self) -> Manifest {
        Manifest { meta: self.meta.clone(), tracks: Vec::new() }
    }

    /// Waits for the threads, which have ended or are about to, and says how it went.
    pub(crate) fn finish(self, manifest: &Manifest) -> Summary {
        drop(self.captures);
        for thread in self.workers.into_iter().map(|worker| worker.thread).chain([self.writer_thread]) {
            if thread.join().is_err() {
                tracing::error!(session = %self.meta.id, "a thread of the session panicked");
            }
        }
        let lost: Duration = (manifest.meta.gaps.iter())
            .filter(|gap| gap.reason != GapReason::Paused)
            .map(|gap| gap.span.duration())
            .sum();
        Summary {
            session: self.meta.id,
            recording: self.meta.recording,
            duration_ms: millis(played(manifest)),
            bytes: manifest.bytes(),
            frames: self.status.report.frames,
            tracks: manifest.tracks.iter().map(|track| track.track.id.to_string()).collect(),
            lost_ms: millis(lost),
            reason: self.reason,
        }
    }
}

/// How long a session plays: its span without what is left out on all tracks.
fn played(manifest: &Manifest) -> Duration {
    let skipped: Duration = manifest.meta.session_gaps().map(Span::duration).sum();
    manifest.span().duration().saturating_sub(skipped)
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, EngineError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|cause| EngineError::System { operation: "starting a thread", cause })
}

fn check_texts(plan: &SessionPlan) -> Result<(), EngineError> {
    for (what, text, limit) in [("title", &plan.title, 200), ("description", &plan.description, 2000)] {
        if text.chars().count() > limit {
            return Err(EngineError::Invalid(format!("the {what} is longer than {limit} characters")));
        }
    }
    if plan.fps == 0 || plan.fps > 240 {
        return Err(EngineError::Invalid(format!("{} pictures a second make no sense", plan.fps)));
    }
    if [&plan.screen, &plan.microphone, &plan.system_audio].iter().all(|choice| **choice == Choice::Off) {
        return Err(EngineError::NoSource);
    }
    Ok(())
}

fn describe(plan: &SessionPlan, policy: ChunkPolicy, opened: &Opened) -> SessionMeta {
    SessionMeta {
        version: SessionMeta::VERSION,
        id: SessionId(Uuid::now_v7()),
        recording: RecordingId(Uuid::now_v7()),
        title: plan.title.clone(),
        description: plan.description.clone(),
        metadata: plan.metadata.clone(),
        mode: Mode::Program,
        retention: Retention::KeepAll,
        started_at: utc_now(),
        chunk: policy.chunk(),
        state: SessionState::Recording,
        tracks: opened.tracks.clone(),
        gaps: Vec::new(),
        lost: None,
        layouts: Vec::new(),
        check: None,
    }
}
