//! A running session: its sources, its threads, and what is known of it until it is finalized.

use crate::{
    clock::{SystemClock, utc_now},
    command::{Activity, Choice, SessionPlan, Snapshot, Summary, TrackStatus},
    error::EngineError,
    program::{Program, ProgramPlan, ProgramReport},
    run::Input,
    sound::{Silence, Sound, SoundPlan},
    sources::{self, Opened},
    writer::{self, Write},
};
use capture::{Capture, Intake, Outlet, SourceEvent};
use clock::{HostClock, SessionClock};
use crossbeam_channel::{Sender, bounded, unbounded};
use media::ChunkPolicy;
use model::{
    Gap, GapReason, Manifest, Mode, Piece, RecordingId, Retention, SessionId, SessionMeta, SessionState,
    Span, Timestamp, TrackId, TrackInfo, TrackKind,
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

/// See the module.
pub(crate) struct Session {
    pub(crate) meta: SessionMeta,
    pub(crate) stop_at: Option<Timestamp>,
    pub(crate) notices: Vec<String>,
    time: SessionTime,
    captures: Vec<Capture>,
    intake: Intake,
    workers: Vec<Worker>,
    /// For gaps; gone once the session is stopping, so that the writer sees the end.
    writer: Option<Sender<Write>>,
    writer_thread: JoinHandle<()>,
    paused: Option<Timestamp>,
    skipped: Duration,
    pub(crate) reason: Option<String>,
    pub(crate) report: ProgramReport,
    tracks: Vec<TrackStatus>,
    bytes: u64,
    bitrate: Bitrate,
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
        let (outlet, intake) = Outlet::new();
        let opened = sources::open(plan, &outlet, &time.clock)?;
        let meta = describe(plan, policy, &opened);
        let writer = store.begin(meta.clone())?;
        let (queue, queued) = bounded(PIECES_MAX);
        let mut session = Self {
            tracks: meta.tracks.iter().map(track_status).collect(),
            meta,
            stop_at: None,
            notices: opened.notices,
            time: time.clone(),
            captures: opened.captures,
            workers: Vec::new(),
            writer_thread: spawn("writer", {
                let inputs = inputs.clone();
                move || writer::run(writer, &queued, &inputs)
            })?,
            writer: Some(queue.clone()),
            intake,
            paused: None,
            skipped: Duration::ZERO,
            reason: None,
            report: ProgramReport::default(),
            bytes: 0,
            bitrate: Bitrate::default(),
            lost: HashMap::new(),
        };
        session.start_program(plan, policy, opened.screen, inputs)?;
        session.start_sound(policy, opened.sound, inputs)?;
        Ok(session)
    }

    fn start_program(
        &mut self,
        plan: &SessionPlan,
        policy: ChunkPolicy,
        screen: Option<TrackId>,
        inputs: &Sender<Input>,
    ) -> Result<(), EngineError> {
        let Some(screen) = screen else { return Ok(()) };
        let track = sources::name("program");
        let plan = ProgramPlan {
            session: self.meta.id,
            track: track.clone(),
            screen,
            cursor: sources::name("cursor"),
            quality: plan.quality,
            fps: plan.fps,
            policy,
        };
        let (controls, told) = unbounded();
        let (pieces, pictures) = (self.pieces(), self.intake.pictures.clone());
        let program = Program::new(plan, self.time.clone(), pictures, told, pieces, inputs.clone());
        self.add_worker(track, controls, inputs, move || program.run())
    }

    fn start_sound(
        &mut self,
        policy: ChunkPolicy,
        sources: Vec<(TrackId, Silence)>,
        inputs: &Sender<Input>,
    ) -> Result<(), EngineError> {
        if sources.is_empty() {
            return Ok(());
        }
        let mix = sources::name("mix");
        let plan = SoundPlan { session: self.meta.id, sources, mix: mix.clone(), policy };
        let (controls, told) = unbounded();
        let blocks = self.intake.sound.clone();
        let sound = Sound::new(&plan, self.time.clone(), blocks, told, self.pieces(), inputs.clone())?;
        self.add_worker(mix, controls, inputs, move || sound.run())
    }

    fn pieces(&self) -> Pieces {
        Pieces(self.writer.clone().expect("the session is not stopping before it began"))
    }

    fn add_worker(
        &mut self,
        track: TrackId,
        controls: Sender<Control>,
        inputs: &Sender<Input>,
        work: impl FnOnce() -> Result<(), EngineError> + Send + 'static,
    ) -> Result<(), EngineError> {
        let (name, inputs) = (track.clone(), inputs.clone());
        let thread = spawn(track.as_str(), move || {
            if let Err(error) = work() {
                tracing::error!(track = %name, %error, "track failed");
                let _ending = inputs.send(Input::TrackFailed { track: name, message: error.to_string() });
            }
        })?;
        self.workers.push(Worker { track, controls, thread });
        Ok(())
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
        self.intake.pictures.wake();
    }

    /// What befell a source. Gives a code and a sentence for people, if they should hear.
    pub(crate) fn source_event(&mut self, track: &TrackId, event: SourceEvent) -> (&'static str, String) {
        let label = self.tracks.iter().find(|t| t.track == track.as_str()).map_or("", |t| t.label.as_str());
        let subject = if label.is_empty() { track.to_string() } else { label.to_owned() };
        match event {
            SourceEvent::Lost { message, .. } | SourceEvent::Ended { message } => {
                let now = self.now();
                self.lost.entry(track.clone()).or_insert(now);
                self.set_trouble(track, Some(message.clone()));
                ("source_lost", format!("{subject}: {message}"))
            }
            SourceEvent::Returned => {
                if let Some(since) = self.lost.remove(track) {
                    let span = Span::new(since, self.now());
                    self.gap(Gap { track: Some(track.clone()), span, reason: GapReason::DeviceLost });
                }
                self.set_trouble(track, None);
                ("source_returned", format!("{subject} is back"))
            }
            SourceEvent::Changed { name } => {
                let now = name.as_deref().unwrap_or("another device");
                ("source_changed", format!("{subject} is now {now}"))
            }
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
        self.set_trouble(track, Some(message.to_owned()));
        // With its sender gone the writer can see the end although this thread is no more.
        self.workers.retain(|worker| worker.track != *track);
    }

    pub(crate) fn has_workers(&self) -> bool {
        !self.workers.is_empty()
    }

    fn set_trouble(&mut self, track: &TrackId, trouble: Option<String>) {
        // The screen's track is the program; a lone microphone's is the mix.
        let stored = self.stored_track(track);
        if let Some(status) = self.tracks.iter_mut().find(|status| status.track == stored) {
            status.trouble = trouble;
        }
    }

    fn stored_track(&self, source: &TrackId) -> String {
        let own = self.tracks.iter().any(|status| status.track == source.as_str());
        match source.as_str() {
            name if own => name.to_owned(),
            "screen" | "cursor" => "program".to_owned(),
            _ => "mix".to_owned(),
        }
    }

    pub(crate) fn written(&mut self, track: &TrackId, bytes: u64, sealed: bool) {
        self.bytes += bytes;
        let now = self.now();
        self.bitrate.add(bytes, now);
        if let Some(status) = self.tracks.iter_mut().find(|status| status.track == track.as_str()) {
            status.chunks += u32::from(sealed);
        }
    }

    /// How loud each source was lately, in dB of full scale.
    pub(crate) fn peaks(&mut self, peaks: &HashMap<TrackId, f32>) {
        for (source, peak) in peaks {
            let stored = self.stored_track(source);
            if let Some(status) = self.tracks.iter_mut().find(|status| status.track == stored) {
                status.peak_db = Some(*peak);
            }
        }
        let loudest = peaks.values().copied().reduce(f32::max);
        if let Some(mix) = self.tracks.iter_mut().find(|status| status.kind == TrackKind::Mix) {
            mix.peak_db = loudest;
        }
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
            fps: self.report.fps,
            fps_ceiling: self.report.ceiling,
            frames: self.report.frames,
            bytes: self.bytes,
            bitrate: self.bitrate.bits_per_second(now),
            tracks: self.tracks.clone(),
            disk_free,
            notices: self.notices.clone(),
        }
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
            frames: self.report.frames,
            tracks: manifest.tracks.iter().map(|track| track.track.id.to_string()).collect(),
            lost_ms: millis(lost),
            reason: self.reason,
        }
    }
}

/// How long a session plays: its span without what is left out on all tracks.
pub(crate) fn played(manifest: &Manifest) -> Duration {
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
    }
}

fn track_status(track: &TrackInfo) -> TrackStatus {
    TrackStatus {
        track: track.id.to_string(),
        kind: track.kind,
        label: track.label.clone(),
        chunks: 0,
        peak_db: None,
        trouble: None,
    }
}

/// Bits a second over the last moments.
#[derive(Default)]
struct Bitrate {
    since: Timestamp,
    bytes: u64,
    last: u64,
}

impl Bitrate {
    const WINDOW: Duration = Duration::from_secs(2);

    fn add(&mut self, bytes: u64, now: Timestamp) {
        self.bytes += bytes;
        let elapsed = now.saturating_since(self.since);
        if elapsed >= Self::WINDOW {
            self.last = (self.bytes as f64 * 8.0 / elapsed.as_secs_f64()) as u64;
            self.bytes = 0;
            self.since = now;
        }
    }

    fn bits_per_second(&self, now: Timestamp) -> u64 {
        let elapsed = now.saturating_since(self.since);
        if self.last == 0 && elapsed > Duration::ZERO {
            return (self.bytes as f64 * 8.0 / elapsed.as_secs_f64()) as u64;
        }
        self.last
    }
}
