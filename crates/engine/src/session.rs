//! A running session: its sources, its threads, and what is known of it until it is finalized.

use crate::{
    clock::utc_now,
    command::{Activity, Choice, Quality, SessionPlan, Snapshot, Summary},
    error::EngineError,
    keys::KeyRing,
    picture::Show,
    preview::Stage,
    run::Input,
    settings::Settings,
    sources::{self, Held, Opened, Source},
    status::Status,
    threads::{Control, PIECES_MAX, Pieces, SessionTime, Threads, Worker, spawn},
    watch::{Alarm, Change, Heard, Looks, Watch},
    writer::{self, Write},
};
use capture::{Intake, LostReason, Outlet, SourceEvent};
use crossbeam_channel::{Sender, bounded};
use media::ChunkPolicy;
use model::{
    Annotation, Gap, GapReason, InputEvent, Layout, LayoutChange, RecordingId, Retention, SessionId,
    SessionMeta, SessionState, Size, Span, Timestamp, TrackId,
};
use std::{collections::HashMap, thread::JoinHandle, time::Duration};
use store::{ChunkStore, SessionSummary};
use uuid::Uuid;

/// While a layout is dragged, it is written down no more often than this.
const LAYOUT_PAUSE: Duration = Duration::from_millis(500);

/// A source that gives nothing.
struct Lost {
    since: Timestamp,
    reason: GapReason,
    /// Its capture gave up.
    ended: bool,
}

/// See the module.
pub(crate) struct Session {
    pub(crate) meta: SessionMeta,
    pub(crate) stop_at: Option<Timestamp>,
    pub(crate) status: Status,
    time: SessionTime,
    sources: Vec<Source>,
    outlet: Outlet,
    intake: Intake,
    /// What a preview shows: all pictures together.
    program: Option<Show>,
    quality: Quality,
    watch: Watch,
    /// The sources' names for people.
    names: HashMap<TrackId, String>,
    workers: Vec<Worker>,
    /// For what is not a piece; gone once the session is stopping, so that the writer sees the end.
    writer: Option<Sender<Write>>,
    writer_thread: JoinHandle<()>,
    policy: ChunkPolicy,
    layout: Layout,
    /// A layout that is not written down yet.
    unwritten: Option<LayoutChange>,
    /// Tracks for whose sake chunks are longer now.
    pressed: Vec<TrackId>,
    /// Uploads are behind: chunks are longer for their sake.
    lags: bool,
    /// The main picture's size, once there is one.
    picture: Option<Size>,
    paused: Option<Timestamp>,
    skipped: Duration,
    reason: Option<String>,
    lost: HashMap<TrackId, Lost>,
}

/// A reason to tell people something: a code for programs, and words.
pub(crate) type Notice = (&'static str, String);

impl Session {
    /// Opens the sources, or goes on with those that a rehearsal left, makes the session in the store and starts its
    /// threads. May take as long as people take to answer a question of their desktop's.
    pub(crate) fn begin(
        plan: &SessionPlan,
        settings: &Settings,
        store: &ChunkStore,
        inputs: &Sender<Input>,
        held: Held,
        keys: &KeyRing,
    ) -> Result<Self, EngineError> {
        let policy = ChunkPolicy::new(Duration::from_millis(plan.chunk_ms))?;
        check(plan)?;
        let encrypted = settings.encryption().then(|| keys.for_recording(store)).transpose()?;
        let (key, told) = encrypted.unzip();
        let layout = plan.layout.unwrap_or_else(|| settings.layout()).checked();
        let time = SessionTime::begin();
        let mut opened = sources::open(plan, settings.screen_token(), &time, held)?;
        opened.notices.extend(told.flatten());
        let meta = SessionMeta { key, ..describe(plan, policy, layout, &opened) };
        let (queue, queued) = bounded(PIECES_MAX);
        let pieces = Pieces::new(queue.clone());
        let threads = Threads { session: meta.id, policy, time: &time, pieces, inputs };
        let starts = threads.prepare(plan, layout, &opened)?;
        drop(threads);
        // All that can be refused has been tried: only now is there a session.
        let writer = store.begin(meta.clone())?;
        let writer_thread = spawn("writer", {
            let inputs = inputs.clone();
            move || writer::run(writer, &queued, &inputs)
        })?;
        let (mut watch, mut names) = (Watch::default(), HashMap::new());
        for (track, kind, name) in opened.watched {
            watch.add(track.clone(), kind, &name, time.now());
            names.insert(track, name);
        }
        Ok(Self {
            status: Status::new(&meta.tracks, opened.notices, plan.fps),
            stop_at: plan.stop_after_ms.map(|ms| Timestamp::ZERO + Duration::from_millis(ms)),
            meta,
            sources: opened.sources,
            outlet: opened.outlet,
            intake: opened.intake,
            program: opened.program,
            quality: plan.quality,
            watch,
            names,
            workers: starts.into_iter().map(|start| start.run(inputs)).collect::<Result<_, _>>()?,
            writer: Some(queue),
            writer_thread,
            time,
            policy,
            layout,
            unwritten: None,
            pressed: Vec::new(),
            lags: false,
            picture: None,
            paused: None,
            skipped: Duration::ZERO,
            reason: None,
            lost: HashMap::new(),
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.time.now()
    }

    /// A session has another title; it may be this one.
    pub(crate) fn set_title(&mut self, session: SessionId, title: String) {
        if self.meta.id == session {
            self.meta.title = title;
        }
    }

    /// Which session it is and how far: no farther than a pause that lasts.
    pub(crate) fn instant(&self) -> (SessionId, Timestamp) {
        (self.meta.id, self.paused.unwrap_or_else(|| self.now()))
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

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// How sources are seen now.
    pub(crate) fn shown_layout(&self) -> Layout {
        sources::shown_layout(self.layout, |track| self.lost.contains_key(track))
    }

    /// What there is to look at.
    pub(crate) fn stage(&self) -> Stage {
        Stage {
            outlet: self.outlet.clone(),
            show: self.program.clone(),
            quality: self.quality,
            time: self.time.clone(),
        }
    }

    /// Whether a track gives way to a machine that is too slow.
    pub(crate) fn is_pressed(&self) -> bool {
        !self.pressed.is_empty()
    }

    /// Whether this device is recorded.
    pub(crate) fn uses(&self, id: &str) -> bool {
        self.sources.iter().any(|source| source.id.as_str() == id)
    }

    /// Arranges the sources anew.
    pub(crate) fn arrange(&mut self, layout: Layout) {
        self.layout = layout.checked();
        self.rearrange();
    }

    /// Tells how sources are arranged now.
    fn rearrange(&mut self) {
        let layout = self.shown_layout();
        let change = LayoutChange { at: self.now(), layout };
        self.tell(Control::Layout(layout));
        self.unwritten = Some(change);
        self.write_layout(LAYOUT_PAUSE);
    }

    /// Writes the newest layout down, unless another one was less than `pause` ago.
    fn write_layout(&mut self, pause: Duration) {
        let Some(change) = self.unwritten else { return };
        let last = self.meta.layouts.last().map(|change| change.at).filter(|last| *last > Timestamp::ZERO);
        if last.is_some_and(|last| change.at.saturating_since(last) < pause) {
            return;
        }
        self.unwritten = None;
        self.meta.layouts.push(change);
        self.write(Write::Layout(change));
    }

    /// Draws on the picture.
    pub(crate) fn annotate(&mut self, annotation: Annotation) -> Result<(), EngineError> {
        if let Annotation::Draw(drawing) = &annotation
            && let Some(fault) = drawing.fault()
        {
            return Err(EngineError::Invalid(fault.to_owned()));
        }
        if self.intake.viewers.is_empty() {
            return Err(EngineError::Invalid("there is no picture to draw on".into()));
        }
        self.outlet.tell(self.now(), &InputEvent::Annotation(annotation));
        Ok(())
    }

    /// The main picture has another size: what points at it is told.
    pub(crate) fn sized(&mut self, track: &TrackId, size: Size, at: Timestamp) {
        let first = self.meta.tracks.first().map(|track| &track.id);
        if first == Some(track) {
            self.picture = Some(size);
            self.outlet.tell(at, &InputEvent::Resized(size));
        }
    }

    /// How a track's thread gives way, or no longer does. Says whether chunks change for all.
    pub(crate) fn relieved(&mut self, track: &TrackId, longer_chunks: bool) {
        self.pressed.retain(|pressed| pressed != track);
        self.pressed.extend(longer_chunks.then(|| track.clone()));
        self.set_policy();
    }

    /// Uploads are behind, or no longer. Says which, if chunks are of another length for that.
    pub(crate) fn lag(&mut self, lags: bool) -> Option<bool> {
        let is_news = lags != self.lags && !self.is_stopping();
        self.lags = lags;
        (is_news && self.set_policy()).then_some(lags)
    }

    /// Chunks are as long as they should be now. Says whether that is another length than before.
    fn set_policy(&mut self) -> bool {
        let usual = ChunkPolicy::new(self.meta.chunk).unwrap_or_default();
        let longer = !self.pressed.is_empty() || self.lags;
        let policy = if longer { usual.longer().unwrap_or(usual) } else { usual };
        let is_news = policy != self.policy;
        if is_news {
            self.policy = policy;
            self.tell(Control::Policy(policy));
        }
        is_news
    }

    /// Whether there are several tracks of pictures, so that people must hear which one is meant.
    pub(crate) fn has_several_pictures(&self) -> bool {
        self.meta.tracks.iter().filter(|track| track.kind.is_picture()).count() > 1
    }

    /// How loud each source was lately.
    pub(crate) fn heard(&mut self, heard: &HashMap<TrackId, Heard>) {
        let now = self.now();
        self.status.set_peaks(heard);
        heard.iter().for_each(|(track, heard)| self.watch.heard(track, *heard, now));
    }

    /// Now and then: looks at the sources, and tells which alarms began or ended.
    pub(crate) fn tick(&mut self) -> Vec<Change> {
        let now = self.now();
        self.write_layout(Duration::ZERO);
        if self.paused.is_some() || self.is_stopping() {
            self.watch.begin_anew(now);
            return Vec::new();
        }
        for track in [sources::name("screen"), sources::name("camera")] {
            let counts = self.intake.viewers.iter().map(|viewer| viewer.pictures.counts(&track));
            let counts = counts.max_by_key(|counts| counts.captured + counts.unchanged).unwrap_or_default();
            let looks = Looks { new: counts.captured, same: counts.unchanged };
            self.watch.looked(&track, looks, now);
        }
        self.watch.changes(now)
    }

    pub(crate) fn alarms(&self) -> Vec<Alarm> {
        self.watch.alarms()
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
        self.watch.begin_anew(at);
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
        self.watch.begin_anew(to);
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
        self.write(Write::Gap(gap));
    }

    fn write(&self, write: Write) {
        if let Some(writer) = &self.writer
            && writer.send_timeout(write, Duration::from_secs(1)).is_err()
        {
            tracing::warn!(
                "the disk is behind: what is not media may be missing from the session's document"
            );
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
        for (track, Lost { since, reason, .. }) in std::mem::take(&mut self.lost) {
            self.gap(Gap { track: Some(track), span: Span::new(since, at), reason });
        }
        self.write_layout(Duration::ZERO);
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

    /// What befell a source, in words.
    pub(crate) fn source_event(&mut self, track: &TrackId, event: SourceEvent) -> Option<Notice> {
        let subject = self.name(track);
        match event {
            SourceEvent::Lost { reason, message } => Some(self.lose(track, reason, message, false)),
            SourceEvent::Ended { reason, message } => Some(self.lose(track, reason, message, true)),
            SourceEvent::Returned => {
                let now = self.now();
                if let Some(Lost { since, reason, .. }) = self.lost.remove(track) {
                    self.gap(Gap { track: Some(track.clone()), span: Span::new(since, now), reason });
                }
                self.status.set_trouble(track, None);
                self.watch.set_lost(track, false, now);
                self.rearrange_for(track);
                Some(("source_returned", format!("{subject} is back")))
            }
            SourceEvent::Changed { name } => {
                let now = name.as_deref().unwrap_or("another device");
                Some(("source_changed", format!("{subject} is now {now}")))
            }
            SourceEvent::Allowed { .. } => None,
        }
    }

    fn name(&self, source: &TrackId) -> String {
        self.names.get(source).cloned().unwrap_or_else(|| source.to_string())
    }

    fn lose(&mut self, track: &TrackId, reason: LostReason, message: String, ended: bool) -> Notice {
        let now = self.now();
        let subject = self.name(track);
        let reason = match reason {
            LostReason::Denied => GapReason::PermissionRevoked,
            LostReason::Closed => GapReason::Closed,
            LostReason::Unplugged | LostReason::Silent | LostReason::ServerGone | LostReason::Failed => {
                GapReason::DeviceLost
            }
        };
        let lost = self.lost.entry(track.clone()).or_insert(Lost { since: now, reason, ended });
        lost.ended |= ended;
        self.status.set_trouble(track, Some(message.clone()));
        self.watch.set_lost(track, true, now);
        self.rearrange_for(track);
        ("source_lost", format!("{subject}: {message}"))
    }

    /// A camera went or came.
    fn rearrange_for(&mut self, track: &TrackId) {
        if *track == sources::name("camera") && !self.is_stopping() {
            self.rearrange();
        }
    }

    /// Whether no source will give anything any more.
    pub(crate) fn is_over(&self) -> bool {
        self.lost.values().filter(|lost| lost.ended).count() == self.sources.len()
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
        let report = self.status.report();
        Snapshot {
            activity: match (self.is_stopping(), self.paused) {
                (true, _) => Activity::Stopping,
                (false, Some(_)) => Activity::Paused,
                (false, None) => Activity::Recording,
            },
            session: Some(self.meta.id),
            recording: Some(self.meta.recording),
            title: self.meta.title.clone(),
            picture: self.picture.map(|size| [size.width, size.height]),
            elapsed_ms: millis(now.saturating_since(Timestamp::ZERO).saturating_sub(self.skipped)),
            fps: report.fps,
            fps_ceiling: report.ceiling,
            frames: report.frames,
            bytes: self.status.bytes,
            bitrate: self.status.bits_per_second(now),
            tracks: self.status.tracks.clone(),
            alarms: self.alarms(),
            disk_free,
            notices: self.status.notices.clone(),
            ..Snapshot::default()
        }
    }

    /// What there is to say of a session whose rows cannot be read.
    pub(crate) fn nothing_written(&self) -> SessionSummary {
        SessionSummary { meta: self.meta.clone(), span: Span::default(), bytes: 0, chunks: 0 }
    }

    /// Waits for the threads, which have ended or are about to, and says how it went.
    pub(crate) fn finish(self, stored: &SessionSummary) -> Summary {
        drop(self.sources);
        for thread in self.workers.into_iter().map(|worker| worker.thread).chain([self.writer_thread]) {
            if thread.join().is_err() {
                tracing::error!(session = %self.meta.id, "a thread of the session panicked");
            }
        }
        let lost: Duration = (stored.meta.gaps.iter())
            .filter(|gap| gap.reason != GapReason::Paused)
            .map(|gap| gap.span.duration())
            .sum();
        Summary {
            session: self.meta.id,
            recording: self.meta.recording,
            duration_ms: millis(stored.played()),
            bytes: stored.bytes,
            frames: self.status.report().frames,
            tracks: stored.meta.tracks.iter().map(|track| track.id.to_string()).collect(),
            lost_ms: millis(lost),
            reason: self.reason,
        }
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Whether the plan makes sense, whatever devices there are.
pub(crate) fn check(plan: &SessionPlan) -> Result<(), EngineError> {
    for (what, text, limit) in [("title", &plan.title, 200), ("description", &plan.description, 2000)] {
        if text.chars().count() > limit {
            return Err(EngineError::Invalid(format!("the {what} is longer than {limit} characters")));
        }
    }
    if plan.fps == 0 || plan.fps > 240 {
        return Err(EngineError::Invalid(format!("{} pictures a second make no sense", plan.fps)));
    }
    let choices = [&plan.screen, &plan.camera, &plan.microphone, &plan.system_audio];
    if choices.iter().all(|choice| **choice == Choice::Off) {
        return Err(EngineError::NoSource);
    }
    Ok(())
}

fn describe(plan: &SessionPlan, policy: ChunkPolicy, layout: Layout, opened: &Opened) -> SessionMeta {
    SessionMeta {
        version: SessionMeta::VERSION,
        id: SessionId(Uuid::now_v7()),
        recording: RecordingId(Uuid::now_v7()),
        title: plan.title.clone(),
        description: plan.description.clone(),
        metadata: plan.metadata.clone(),
        mode: plan.mode,
        retention: Retention::KeepAll,
        started_at: utc_now(),
        chunk: policy.chunk(),
        state: SessionState::Recording,
        tracks: opened.tracks.clone(),
        gaps: Vec::new(),
        lost: None,
        layouts: vec![LayoutChange { at: Timestamp::ZERO, layout }],
        check: None,
        marks: Vec::new(),
        trashed_at: None,
        key: None,
    }
}
