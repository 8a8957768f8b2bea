//! The engine's one loop over one closed set of inputs. It owns the running session; nothing else changes it.

mod rehearse;
mod settings;
mod uploads;

use crate::{
    care::Untold,
    clock::SleepWatch,
    command::{Activity, Command, Event, Reply, SessionPlan, Snapshot, Summary, UploadStatus},
    error::EngineError,
    keys::KeyRing,
    picture::PictureReport,
    preview::{Board, Preview},
    rehearsal::{Rehearsal, Rehearsing},
    session::Session,
    settings::Settings,
    subscription::{Listeners, Subscription},
    threads::spawn,
    uploads::Uploads,
    watch::{Change, Heard},
};
use capture::SourceEvent;
use crossbeam_channel::{Receiver, Sender, never, select};
use model::{Annotation, Gap, Layout, SessionId, Size, Timestamp, TrackId};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use store::{ChunkStore, SessionSummary, StoreError};

/// How often disk and sleep are looked at, and listeners hear a snapshot.
const TICK: Duration = Duration::from_millis(500);
/// Levels of a rehearsal move as people speak.
const REHEARSAL_TICK: Duration = Duration::from_millis(200);
/// Without a session there is little to look at.
const IDLE_TICK: Duration = Duration::from_secs(2);

/// Sources that take longer to open ask their user something.
const ASKING: Duration = Duration::from_secs(1);

/// Everything that can happen to the engine.
pub(crate) enum Input {
    Command(Command, Sender<Result<Reply, EngineError>>),
    Subscribe(Sender<Subscription>),
    /// A session's sources are open, or could not be opened.
    Begun(Box<Result<Session, EngineError>>),
    /// The same for a rehearsal.
    Rehearsed(Box<Result<Rehearsal, EngineError>>),
    /// Somebody looks, and wants to know where the picture will be.
    Look {
        width: u32,
        answer: Sender<Result<Arc<Board>, EngineError>>,
    },
    Report(TrackId, PictureReport),
    Heard(HashMap<TrackId, Heard>),
    Gap(Gap),
    /// The pictures of a track's main source have this size now.
    Sized {
        track: TrackId,
        size: Size,
        at: Timestamp,
    },
    /// The machine is too slow for a track, or no longer: something gives way or comes back.
    Relieved {
        track: TrackId,
        more: bool,
        longer_chunks: bool,
        message: String,
    },
    Written {
        track: TrackId,
        bytes: u64,
        sealed: bool,
    },
    WriteFailed(String),
    TrackFailed {
        track: TrackId,
        message: String,
    },
    Finalized(Box<Result<SessionSummary, StoreError>>),
    /// Somebody asks which session runs, and how far it is.
    Now(Sender<Option<(SessionId, Timestamp)>>),
    /// A session has this title now.
    Titled(SessionId, String),
    /// Something that people should hear, though perhaps nobody listens yet.
    Tell(Box<Event>),
    /// The library's list is another one.
    LibraryChanged,
    /// How far uploads are.
    Uploads(Box<UploadStatus>),
}

/// Somebody who waits for an answer.
pub(crate) type Waiting = Sender<Result<Reply, EngineError>>;

/// A session whose sources are being opened.
struct Beginning {
    waiting: Waiting,
    since: Instant,
    /// People were told that it takes so long.
    told: bool,
    /// It is to end as soon as it has begun.
    abandoned: bool,
    /// What is to begin once a rehearsal is open whose sources it may go on with.
    queued: Option<Box<SessionPlan>>,
}

pub(crate) struct Loop {
    store: ChunkStore,
    keys: Arc<KeyRing>,
    uploads: Uploads,
    /// What they said last.
    upload: UploadStatus,
    settings: Settings,
    inputs: Sender<Input>,
    received: Receiver<Input>,
    listeners: Listeners,
    session: Option<Session>,
    /// Whoever asked for a session whose sources are being opened.
    beginning: Option<Beginning>,
    rehearsing: Rehearsing,
    preview: Preview,
    stoppers: Vec<Waiting>,
    ending: Vec<Waiting>,
    is_ending: bool,
    sleep: SleepWatch,
    connections: Arc<AtomicUsize>,
    active_at: Instant,
    next_tick: Instant,
    disk_free: u64,
    is_disk_low: bool,
    untold: Untold,
    /// As in [`Snapshot::library`].
    library_changes: u64,
    /// As in [`Snapshot::settings`].
    settings_changes: u64,
}

impl Loop {
    pub(crate) fn new(
        store: ChunkStore,
        keys: Arc<KeyRing>,
        uploads: Uploads,
        inputs: Sender<Input>,
        received: Receiver<Input>,
        connections: Arc<AtomicUsize>,
        sleep: SleepWatch,
    ) -> Self {
        Self {
            store,
            keys,
            uploads,
            upload: UploadStatus::default(),
            settings: Settings::default(),
            inputs,
            received,
            listeners: Listeners::default(),
            session: None,
            beginning: None,
            rehearsing: Rehearsing::default(),
            preview: Preview::default(),
            stoppers: Vec::new(),
            ending: Vec::new(),
            is_ending: false,
            sleep,
            connections,
            active_at: Instant::now(),
            next_tick: Instant::now(),
            disk_free: 0,
            is_disk_low: false,
            untold: Untold::default(),
            library_changes: 0,
            settings_changes: 0,
        }
    }

    /// Until told to end, or until there has been nothing to do for a while.
    pub(crate) fn run(mut self) {
        let received = self.received.clone();
        if let Err(error) = self.reload() {
            tracing::warn!(%error, "starting with default settings");
        }
        loop {
            let events = self.source_events();
            let ends_in = self.session.as_ref().and_then(Session::ends_in);
            let tick_in = self.next_tick.saturating_duration_since(Instant::now());
            let wait = ends_in.map_or(tick_in, |ends_in| ends_in.min(tick_in));
            select! {
                recv(received) -> input => if let Ok(input) = input { self.handle(input) },
                recv(events) -> event => if let Ok((track, event)) = event { self.source_event(&track, event) },
                default(wait) => {}
            }
            if ends_in.is_some_and(|ends_in| ends_in.is_zero()) {
                self.stop(None);
            }
            if Instant::now() >= self.next_tick {
                self.tick();
                self.next_tick = Instant::now() + self.pause();
            }
            let is_free = self.session.is_none() && self.beginning.is_none() && self.rehearsing.is_idle();
            if is_free && (self.is_ending || self.is_idle()) {
                tracing::info!("ending");
                for waiting in self.ending {
                    answer(&waiting, Ok(Reply::Done));
                }
                return;
            }
        }
    }

    fn source_events(&self) -> Receiver<(TrackId, SourceEvent)> {
        let rehearsed = self.rehearsing.running.as_ref().map(Rehearsal::events);
        self.session.as_ref().map(Session::events).or(rehearsed).cloned().unwrap_or_else(never)
    }

    /// Until the next tick.
    fn pause(&self) -> Duration {
        match (&self.session, &self.beginning) {
            (None, None) if self.rehearsing.running.is_some() => REHEARSAL_TICK,
            (None, None) if self.rehearsing.is_idle() => IDLE_TICK,
            _ => TICK,
        }
    }

    fn handle(&mut self, input: Input) {
        self.active_at = Instant::now();
        match input {
            Input::Now(answer) => drop(answer.send(self.session.as_ref().map(Session::instant))),
            Input::Titled(session, title) => {
                self.with_session(|running| running.set_title(session, title));
                self.publish_snapshot();
            }
            Input::Tell(event) => self.tell_sometime(*event),
            Input::LibraryChanged => self.library_changed(),
            Input::Uploads(status) => self.uploads(*status),
            Input::Command(command, waiting) => self.command(command, waiting),
            Input::Subscribe(waiting) => self.subscribe(&waiting),
            Input::Begun(outcome) => self.begun(*outcome),
            Input::Rehearsed(outcome) => self.rehearsed(*outcome),
            Input::Look { width, answer } => drop(answer.send(self.look(width))),
            Input::Relieved { track, more, longer_chunks, message } => {
                let Some(session) = &mut self.session else { return };
                session.relieved(&track, longer_chunks);
                let message =
                    if session.has_several_pictures() { format!("{track}: {message}") } else { message };
                self.notice(if more { "slower" } else { "faster" }, Some(&track), message);
            }
            Input::Sized { track, size, at } => self.with_session(|session| session.sized(&track, size, at)),
            Input::Finalized(outcome) => self.finalized(*outcome),
            Input::WriteFailed(message) => self.stop(Some(message)),
            Input::TrackFailed { track, message } => self.track_failed(&track, message),
            Input::Report(track, report) => {
                self.with_session(|session| session.status.set_report(&track, report));
            }
            Input::Heard(heard) => self.with_session(|session| session.heard(&heard)),
            Input::Gap(gap) => self.with_session(|session| session.gap(gap)),
            Input::Written { track, bytes, sealed } => {
                self.with_session(|session| session.written(&track, bytes, sealed));
                if sealed {
                    self.uploads.sealed();
                }
            }
        }
    }

    fn with_session(&mut self, act: impl FnOnce(&mut Session)) {
        if let Some(session) = &mut self.session {
            act(session);
        }
    }

    fn command(&mut self, command: Command, waiting: Waiting) {
        let reply = match command {
            Command::Begin(plan) => return self.begin(plan, waiting),
            Command::Rehearse(plan) => return self.rehearse(*plan, waiting),
            Command::Glance { device, .. } => self.may_glance(device),
            Command::Arrange(layout) => self.arrange(layout),
            Command::Layout => Ok(Reply::Layout(self.layout())),
            Command::Annotate(annotation) => self.annotate(annotation),
            Command::Pause => self.running().and_then(Session::pause).map(|()| Reply::Done),
            Command::Resume => self.running().and_then(Session::resume).map(|()| Reply::Done),
            Command::Stop if self.session.is_some() => {
                self.stoppers.push(waiting);
                return self.stop(None);
            }
            Command::Stop => self.call_off(),
            Command::Status => Ok(Reply::Status(Box::new(self.snapshot()))),
            Command::Settings { key: Some(key) } => {
                self.reload().and_then(|()| self.settings.setting(&key)).map(|one| Reply::Settings(vec![one]))
            }
            Command::Settings { key: None } => self.reload().map(|()| Reply::Settings(self.settings.all())),
            Command::Set { key, value } => self.set(&key, value.as_deref()),
            Command::Shutdown => {
                self.is_ending = true;
                self.ending.push(waiting);
                self.rehearsing.end();
                return self.stop(None);
            }
            other => Err(EngineError::Invalid(format!("{other:?} is not for the engine's loop"))),
        };
        answer(&waiting, reply);
        self.publish_snapshot();
    }

    fn running(&mut self) -> Result<&mut Session, EngineError> {
        self.session.as_mut().ok_or(EngineError::NotRecording)
    }

    fn begin(&mut self, plan: Box<SessionPlan>, waiting: Waiting) {
        if let Err(error) = self.may_begin() {
            return answer(&waiting, Err(error));
        }
        let since = Instant::now();
        self.beginning =
            Some(Beginning { waiting, since, told: false, abandoned: false, queued: Some(plan) });
        if !self.rehearsing.is_opening() {
            self.begin_queued();
        }
    }

    /// Opens the sources on a thread of its own, since a desktop may ask its user first. The answer comes then.
    fn begin_queued(&mut self) {
        let Some(plan) = self.beginning.as_mut().and_then(|beginning| beginning.queued.take()) else {
            return;
        };
        let (settings, store) = (self.settings.clone(), self.store.clone());
        let (inputs, held, keys) = (self.inputs.clone(), self.rehearsing.take(), Arc::clone(&self.keys));
        let opening = spawn("begin", move || {
            let session = Session::begin(&plan, &settings, &store, &inputs, held, &keys);
            // The loop waits for this before it ends.
            let _ending = inputs.send(Input::Begun(Box::new(session)));
        });
        if let Err(error) = opening
            && let Some(beginning) = self.beginning.take()
        {
            answer(&beginning.waiting, Err(error));
        }
    }

    /// Ends what has not begun yet.
    fn call_off(&mut self) -> Result<Reply, EngineError> {
        if let Some(beginning) = &mut self.beginning {
            beginning.abandoned = true;
        } else if self.rehearsing.end() {
            self.preview.change();
        } else {
            return Err(EngineError::NotRecording);
        }
        Ok(Reply::Done)
    }

    fn may_begin(&mut self) -> Result<(), EngineError> {
        if self.is_ending {
            return Err(EngineError::Ending);
        }
        if self.session.is_some() || self.beginning.is_some() {
            return Err(EngineError::Busy);
        }
        self.reload()?;
        let (free, needed) = (self.store.free_space()?, self.settings.disk_reserve());
        if free < needed {
            return Err(StoreError::DiskFull { needed, free }.into());
        }
        Ok(())
    }

    fn begun(&mut self, outcome: Result<Session, EngineError>) {
        let reply = outcome.map(|session| {
            let reply = Reply::Begun {
                session: session.meta.id,
                recording: session.meta.recording,
                notices: session.status.notices.clone(),
            };
            tracing::info!(session = %session.meta.id, "recording");
            self.session = Some(session);
            self.uploads.sealed();
            self.library_changes += 1;
            self.is_disk_low = false;
            self.next_tick = Instant::now();
            reply
        });
        // With a session there is something else to see, and without one there is nothing any more.
        self.preview.change();
        let beginning = self.beginning.take();
        let is_abandoned = beginning.as_ref().is_some_and(|beginning| beginning.abandoned);
        if let Some(Beginning { waiting, .. }) = beginning {
            answer(&waiting, reply);
        }
        if self.is_ending || is_abandoned {
            self.stop(None);
        }
        self.publish_snapshot();
    }

    fn layout(&self) -> Layout {
        let rehearsed = self.rehearsing.running.as_ref().map(Rehearsal::layout);
        self.session.as_ref().map(Session::layout).or(rehearsed).unwrap_or_else(|| self.settings.layout())
    }

    fn arrange(&mut self, layout: Layout) -> Result<Reply, EngineError> {
        let shown = match (&mut self.session, &mut self.rehearsing.running) {
            (Some(session), _) => {
                session.arrange(layout);
                session.shown_layout()
            }
            (None, Some(rehearsal)) => {
                rehearsal.arrange(layout);
                rehearsal.shown_layout()
            }
            (None, None) => return Err(EngineError::NotRecording),
        };
        self.preview.arrange(shown);
        Ok(Reply::Done)
    }

    fn annotate(&mut self, annotation: Annotation) -> Result<Reply, EngineError> {
        self.running()?.annotate(annotation).map(|()| Reply::Done)
    }

    fn stop(&mut self, reason: Option<String>) {
        let Some(session) = &mut self.session else { return };
        session.stop(reason);
        self.publish_snapshot();
    }

    fn finalized(&mut self, outcome: Result<SessionSummary, StoreError>) {
        let Some(session) = self.session.take() else { return };
        self.uploads.sealed();
        self.library_changes += 1;
        self.preview.change();
        let stoppers = std::mem::take(&mut self.stoppers);
        match outcome {
            Ok(stored) => {
                let summary = session.finish(&stored);
                tracing::info!(session = %summary.session, bytes = summary.bytes, "finalized");
                self.tell_finished(&summary, &stoppers);
            }
            Err(error) => {
                let reason = format!("could not finalize, the next command recovers what is there: {error}");
                tracing::error!("{reason}");
                // What is known so far. The next engine's opening knows better, so this one makes room for it.
                let stored =
                    self.store.session(session.meta.id).unwrap_or_else(|_| session.nothing_written());
                let summary = Summary { reason: Some(reason), ..session.finish(&stored) };
                self.is_ending = true;
                self.tell_finished(&summary, &stoppers);
            }
        }
        self.publish_snapshot();
    }

    fn tell_finished(&mut self, summary: &Summary, stoppers: &[Waiting]) {
        for waiting in stoppers {
            answer(waiting, Ok(Reply::Finished(summary.clone())));
        }
        self.listeners.publish(&Event::Finished(summary.clone()));
    }

    fn source_event(&mut self, track: &TrackId, event: SourceEvent) {
        if let SourceEvent::Allowed { token } = &event {
            self.remember_token(token);
        }
        let Some(session) = &mut self.session else {
            let rehearsal = self.rehearsing.running.as_mut();
            if let Some((code, message)) = rehearsal.and_then(|one| one.source_event(track, event)) {
                self.notice(code, Some(track), message);
            }
            return;
        };
        let told = session.source_event(track, event);
        let is_over = session.is_over();
        if let Some((code, message)) = told {
            self.notice(code, Some(track), message.clone());
            if is_over {
                self.stop(Some(message));
            }
        }
    }

    fn track_failed(&mut self, track: &TrackId, message: String) {
        let Some(session) = &mut self.session else { return };
        session.track_failed(track, &message);
        let is_last = !session.has_workers();
        self.notice("track_failed", Some(track), message.clone());
        if is_last {
            self.stop(Some(message));
        }
    }

    /// What happened while nobody listened is told to the first who does.
    fn subscribe(&mut self, waiting: &Sender<Subscription>) {
        let _gone = waiting.send(self.listeners.subscribe());
        self.untold.take().for_each(|event| self.listeners.publish(&event));
        self.publish_snapshot();
    }

    fn tell_sometime(&mut self, event: Event) {
        match self.listeners.is_empty() {
            true => self.untold.keep(event),
            false => self.listeners.publish(&event),
        }
    }

    fn library_changed(&mut self) {
        self.library_changes += 1;
        self.publish_snapshot();
    }

    /// A log is sent to strangers, so no source is named in it: its track is enough.
    fn notice(&mut self, code: &str, track: Option<&TrackId>, message: String) {
        let said = if code.starts_with("source_") { "" } else { &message };
        tracing::warn!(code, track = track.map(TrackId::as_str), "{said}");
        self.tell(code, track, message);
    }

    fn tell(&mut self, code: &str, track: Option<&TrackId>, message: String) {
        self.listeners.publish(&Event::Notice {
            code: code.to_owned(),
            track: track.map(ToString::to_string),
            message,
        });
        self.publish_snapshot();
    }

    fn tick(&mut self) {
        if let Some(slept) = self.sleep.slept() {
            self.with_session(|session| session.slept(slept));
            if self.session.is_some() {
                self.notice("slept", None, format!("the machine slept for {} s", slept.as_secs()));
            }
        }
        if let Some(beginning) = &mut self.beginning
            && !beginning.told
            && beginning.since.elapsed() >= ASKING
        {
            beginning.told = true;
            self.asking();
        }
        if self.rehearsing.is_asking(ASKING) {
            self.asking();
        }
        self.rehearse_on();
        if let Some(session) = &mut self.session {
            for change in session.tick() {
                self.alarm(change);
            }
            self.watch_disk();
            self.publish_snapshot();
        }
    }

    fn asking(&mut self) {
        self.notice("asking", None, "waiting for an answer to the desktop's question".to_owned());
    }

    fn alarm(&mut self, Change { alarm, raised }: Change) {
        tracing::warn!(kind = ?alarm.kind, track = %alarm.track, raised, "alarm");
        self.listeners.publish(&Event::Alarm { alarm, raised });
    }

    /// Warns early, and finalizes while there still is room to do so.
    fn watch_disk(&mut self) {
        match self.store.free_space() {
            Ok(free) => self.disk_free = free,
            Err(error) => return tracing::warn!(%error, "cannot tell how much disk is left"),
        }
        let megabytes = self.disk_free / 1_000_000;
        if self.disk_free < self.settings.disk_reserve() {
            self.stop(Some(format!(
                "the disk is nearly full ({megabytes} MB left), so the recording was finalized"
            )));
        } else if self.disk_free < self.settings.disk_warning() && !self.is_disk_low {
            self.is_disk_low = true;
            let message = format!("only {megabytes} MB of disk left");
            self.with_session(|session| session.status.notices.push(message.clone()));
            self.notice("disk_low", None, message);
        }
    }

    fn snapshot(&self) -> Snapshot {
        let free = || self.store.free_space().unwrap_or(0);
        let now = match (&self.session, &self.rehearsing.running) {
            (Some(session), _) => session.snapshot(self.disk_free),
            (None, Some(rehearsal)) => rehearsal.snapshot(free()),
            (None, None) => Snapshot { activity: Activity::Idle, disk_free: free(), ..Snapshot::default() },
        };
        let (library, settings, upload) = (self.library_changes, self.settings_changes, self.upload.clone());
        Snapshot { library, settings, upload, ..now }
    }

    fn publish_snapshot(&mut self) {
        if !self.listeners.is_empty() {
            let snapshot = self.snapshot();
            self.listeners.publish(&Event::Changed(Box::new(snapshot)));
        }
    }

    fn is_idle(&mut self) -> bool {
        if self.connections.load(Ordering::Acquire) > 0 || self.uploads.is_busy() {
            self.active_at = Instant::now();
        }
        self.active_at.elapsed() >= self.settings.idle_exit()
    }
}

pub(crate) fn answer(waiting: &Waiting, reply: Result<Reply, EngineError>) {
    // Whoever asked may have gone.
    let _gone = waiting.send(reply);
}
