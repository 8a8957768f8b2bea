//! The engine's one loop over one closed set of inputs. It owns the running session; nothing else changes it.

use crate::{
    clock::SleepWatch,
    command::{Activity, Command, Event, Reply, SessionPlan, Snapshot, Summary},
    error::EngineError,
    program::ProgramReport,
    session::Session,
    settings::Settings,
    subscription::{Listeners, Subscription},
};
use capture::SourceEvent;
use crossbeam_channel::{Receiver, Sender, never, select};
use model::{Gap, Manifest, Timestamp, TrackId};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use store::{ChunkStore, StoreError};

/// How often disk and sleep are looked at, and listeners hear a snapshot.
const TICK: Duration = Duration::from_millis(500);
/// Without a session there is little to look at.
const IDLE_TICK: Duration = Duration::from_secs(2);

/// Everything that can happen to the engine.
pub(crate) enum Input {
    Command(Command, Sender<Result<Reply, EngineError>>),
    Subscribe(Sender<Subscription>),
    Report(ProgramReport),
    Peaks(HashMap<TrackId, f32>),
    Gap(Gap),
    Throttled { fps: f64 },
    Written { track: TrackId, bytes: u64, sealed: bool },
    WriteFailed(String),
    TrackFailed { track: TrackId, message: String },
    Finalized(Box<Result<Manifest, StoreError>>),
}

/// Somebody who waits for an answer.
type Waiting = Sender<Result<Reply, EngineError>>;

pub(crate) struct Loop {
    store: ChunkStore,
    settings: Settings,
    inputs: Sender<Input>,
    received: Receiver<Input>,
    listeners: Listeners,
    session: Option<Session>,
    stoppers: Vec<Waiting>,
    ending: Vec<Waiting>,
    is_ending: bool,
    sleep: SleepWatch,
    connections: Arc<AtomicUsize>,
    active_at: Instant,
    next_tick: Instant,
    disk_free: u64,
    is_disk_low: bool,
}

impl Loop {
    pub(crate) fn new(
        store: ChunkStore,
        inputs: Sender<Input>,
        received: Receiver<Input>,
        connections: Arc<AtomicUsize>,
        sleep: SleepWatch,
    ) -> Self {
        Self {
            store,
            settings: Settings::default(),
            inputs,
            received,
            listeners: Listeners::default(),
            session: None,
            stoppers: Vec::new(),
            ending: Vec::new(),
            is_ending: false,
            sleep,
            connections,
            active_at: Instant::now(),
            next_tick: Instant::now(),
            disk_free: 0,
            is_disk_low: false,
        }
    }

    /// Until told to end, or until there has been nothing to do for a while.
    pub(crate) fn run(mut self) {
        let received = self.received.clone();
        if let Err(error) = self.reload() {
            tracing::warn!(%error, "starting with default settings");
        }
        loop {
            let events = self.session.as_ref().map_or_else(never, |session| session.events().clone());
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
                self.next_tick = Instant::now() + if self.session.is_some() { TICK } else { IDLE_TICK };
            }
            if self.session.is_none() && (self.is_ending || self.is_idle()) {
                tracing::info!("ending");
                for waiting in self.ending {
                    answer(&waiting, Ok(Reply::Done));
                }
                return;
            }
        }
    }

    fn handle(&mut self, input: Input) {
        self.active_at = Instant::now();
        match input {
            Input::Command(command, waiting) => self.command(command, waiting),
            Input::Subscribe(waiting) => drop(waiting.send(self.listeners.subscribe())),
            Input::Throttled { fps } => self.throttled(fps),
            Input::Finalized(outcome) => self.finalized(*outcome),
            Input::WriteFailed(message) => self.stop(Some(message)),
            Input::TrackFailed { track, message } => self.track_failed(&track, message),
            Input::Report(report) => self.with_session(|session| session.status.report = report),
            Input::Peaks(peaks) => self.with_session(|session| session.status.set_peaks(&peaks)),
            Input::Gap(gap) => self.with_session(|session| session.gap(gap)),
            Input::Written { track, bytes, sealed } => {
                self.with_session(|session| session.written(&track, bytes, sealed));
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
            Command::Begin(plan) => self.begin(&plan),
            Command::Pause => self.running().and_then(Session::pause).map(|()| Reply::Done),
            Command::Resume => self.running().and_then(Session::resume).map(|()| Reply::Done),
            Command::Stop if self.session.is_some() => {
                self.stoppers.push(waiting);
                return self.stop(None);
            }
            Command::Stop => Err(EngineError::NotRecording),
            Command::Status => Ok(Reply::Status(Box::new(self.snapshot()))),
            Command::Settings { key: Some(key) } => {
                self.reload().and_then(|()| self.settings.setting(&key)).map(|one| Reply::Settings(vec![one]))
            }
            Command::Settings { key: None } => self.reload().map(|()| Reply::Settings(self.settings.all())),
            Command::Set { key, value } => self.set(&key, value.as_deref()),
            Command::Shutdown => {
                self.is_ending = true;
                self.ending.push(waiting);
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

    fn begin(&mut self, plan: &SessionPlan) -> Result<Reply, EngineError> {
        if self.is_ending {
            return Err(EngineError::Ending);
        }
        if self.session.is_some() {
            return Err(EngineError::Busy);
        }
        self.reload()?;
        let (free, needed) = (self.store.free_space()?, self.settings.disk_reserve());
        if free < needed {
            return Err(StoreError::DiskFull { needed, free }.into());
        }
        let mut session = Session::begin(plan, &self.store, &self.inputs)?;
        session.stop_at = plan.stop_after_ms.map(|ms| Timestamp::ZERO + Duration::from_millis(ms));
        let reply = Reply::Begun {
            session: session.meta.id,
            recording: session.meta.recording,
            notices: session.status.notices.clone(),
        };
        tracing::info!(session = %session.meta.id, "recording");
        self.session = Some(session);
        self.is_disk_low = false;
        self.next_tick = Instant::now();
        Ok(reply)
    }

    fn stop(&mut self, reason: Option<String>) {
        let Some(session) = &mut self.session else { return };
        session.stop(reason);
        self.publish_snapshot();
    }

    fn finalized(&mut self, outcome: Result<Manifest, StoreError>) {
        let Some(session) = self.session.take() else { return };
        let stoppers = std::mem::take(&mut self.stoppers);
        match outcome {
            Ok(manifest) => {
                let summary = session.finish(&manifest);
                tracing::info!(session = %summary.session, bytes = summary.bytes, "finalized");
                self.tell_finished(&summary, &stoppers);
            }
            Err(error) => {
                let reason = format!("could not finalize, the next command recovers what is there: {error}");
                tracing::error!("{reason}");
                // What is known so far. The next engine's opening knows better, so this one makes room for it.
                let manifest =
                    self.store.manifest(session.meta.id).unwrap_or_else(|_| session.nothing_written());
                let summary = Summary { reason: Some(reason), ..session.finish(&manifest) };
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

    /// People may have written to the file.
    fn reload(&mut self) -> Result<(), EngineError> {
        let (settings, ignored) = Settings::new(self.store.settings()?);
        for reason in ignored {
            tracing::warn!(reason, "a setting is ignored");
        }
        self.settings = settings;
        Ok(())
    }

    fn set(&mut self, key: &str, value: Option<&str>) -> Result<Reply, EngineError> {
        self.reload()?;
        self.settings.set(key, value)?;
        self.store.set_setting(key, value)?;
        self.settings.setting(key).map(|one| Reply::Settings(vec![one]))
    }

    fn source_event(&mut self, track: &TrackId, event: SourceEvent) {
        let Some(session) = &mut self.session else { return };
        let (code, message) = session.source_event(track, event);
        self.notice(code, Some(track), message);
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

    fn throttled(&mut self, fps: f64) {
        let Some(session) = &mut self.session else { return };
        let before = std::mem::replace(&mut session.status.report.ceiling, fps as f32);
        if fps < f64::from(before) {
            self.notice(
                "slower",
                None,
                format!("at most {fps:.0} pictures a second for now: the machine is busy"),
            );
        } else {
            self.notice("faster", None, format!("up to {fps:.0} pictures a second again"));
        }
    }

    fn notice(&mut self, code: &str, track: Option<&TrackId>, message: String) {
        tracing::warn!(code, track = track.map(TrackId::as_str), "{message}");
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
        if self.session.is_some() {
            self.watch_disk();
            self.publish_snapshot();
        }
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
        match &self.session {
            Some(session) => session.snapshot(self.disk_free),
            None => Snapshot {
                activity: Activity::Idle,
                disk_free: self.store.free_space().unwrap_or(0),
                ..Snapshot::default()
            },
        }
    }

    fn publish_snapshot(&mut self) {
        if !self.listeners.is_empty() {
            let snapshot = self.snapshot();
            self.listeners.publish(&Event::Changed(Box::new(snapshot)));
        }
    }

    fn is_idle(&mut self) -> bool {
        if self.connections.load(Ordering::Acquire) > 0 {
            self.active_at = Instant::now();
        }
        self.active_at.elapsed() >= self.settings.idle_exit()
    }
}

fn answer(waiting: &Waiting, reply: Result<Reply, EngineError>) {
    // Whoever asked may have gone.
    let _gone = waiting.send(reply);
}
