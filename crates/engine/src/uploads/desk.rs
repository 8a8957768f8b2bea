//! The thread itself: what waits in the store goes to the uploader, and what that says goes into the store.

use super::{
    Ask, Uploads, door,
    feed::{self, Told, object_id},
    local::{self, Here},
    secret::Secrets,
    show,
    when::{self, Hold},
};
use crate::{
    command::{Encryption, Event, ReceiptLine, UploadLine, UploadState, UploadStatus},
    error::{EngineError, Problem},
    library,
    run::Input,
    session::millis,
    settings::{Settings, UploadSettings, Wanted},
};
use api::{ObjectSpec, Receipt};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use model::{RecordingId, SessionId};
use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroU64,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use store::{ObjectId, SessionSummary, Settled, Upload};
use upload::{
    core::{Allowed, Checked, Closing, Input as Say, Limits, Output, Trouble, Uploader, View},
    driver::{Driver, Proxy},
};

/// How often people see how far it is.
const TICK: Duration = Duration::from_millis(500);
/// How often hours, networks and settings are looked at where nothing happens.
const LOOK: Duration = Duration::from_secs(20);
/// As many confirmations become rows at once: each time the disk is synced.
const BATCH: usize = 64;
/// Sessions that people see.
const SHOWN: usize = 20;
/// Sessions that are read at once.
const PAGE: usize = 100;
/// An engine without anything else to do goes on trying for so long after something last went through.
const REASON: Duration = Duration::from_secs(600);

/// A session that waits, or is on its way.
struct Waiting {
    recording: RecordingId,
    title: String,
    live: bool,
    chunks: u64,
    bytes: u64,
    chunks_done: u64,
    bytes_done: u64,
}

/// What a driver was made with.
#[derive(PartialEq)]
struct Made {
    server: String,
    proxy: Proxy,
    ca: Option<PathBuf>,
}

struct Way {
    driver: Driver,
    made: Made,
    cap: Option<NonZeroU64>,
    parallel: usize,
    allowed: Allowed,
}

/// See the module.
pub(super) struct Desk {
    uploads: Uploads,
    secrets: Secrets,
    settings: UploadSettings,
    paused: bool,
    /// Somebody wants everything now, whatever the hour and the network.
    forced: bool,
    hold: Option<Hold>,
    way: Option<Way>,
    waiting: BTreeMap<SessionId, Waiting>,
    told: HashMap<SessionId, Told>,
    /// The uploader takes another session.
    room: bool,
    /// What is to become rows.
    settled: Vec<(SessionId, ObjectId, Option<Settled>)>,
    verifying: HashMap<SessionId, Vec<Sender<Result<ReceiptLine, EngineError>>>>,
    moved_at: Instant,
    sent: u64,
    shown: UploadStatus,
    looked_at: Instant,
}

impl Desk {
    pub(super) fn new(uploads: Uploads) -> Self {
        Self {
            secrets: Secrets::new(uploads.store.dir()),
            uploads,
            settings: Settings::default().uploads(),
            paused: false,
            forced: false,
            hold: None,
            way: None,
            waiting: BTreeMap::new(),
            told: HashMap::new(),
            room: false,
            settled: Vec::new(),
            verifying: HashMap::new(),
            moved_at: Instant::now(),
            sent: 0,
            shown: UploadStatus::default(),
            looked_at: Instant::now(),
        }
    }

    /// Until the engine ends.
    pub(super) fn run(mut self, asks: &Receiver<Ask>) {
        self.look();
        self.show();
        loop {
            let pause = if self.waiting.is_empty() { LOOK } else { TICK };
            match asks.recv_timeout(pause) {
                Ok(Ask::End) | Err(RecvTimeoutError::Disconnected) => return self.flush(),
                Ok(ask) => self.handle(ask),
                Err(RecvTimeoutError::Timeout) => {}
            }
            // What came together becomes rows together.
            while let Ok(ask) = asks.try_recv() {
                if matches!(ask, Ask::End) {
                    return self.flush();
                }
                self.handle(ask);
            }
            self.flush();
            if self.looked_at.elapsed() >= LOOK {
                self.look();
            }
            self.show();
        }
    }

    fn handle(&mut self, ask: Ask) {
        match ask {
            Ask::Sealed => {
                self.uploads.sealed.store(false, Ordering::Release);
                self.follow();
            }
            Ask::Changed => {
                self.uploads.changed.store(false, Ordering::Release);
                self.look();
            }
            Ask::LoggedIn => {
                self.leave();
                self.look();
            }
            Ask::Output(output) => self.hear(output),
            Ask::Sync(session, answer) => {
                let _gone = answer.send(self.sync(session));
            }
            Ask::Verify(session, answer) => self.verify(session, answer),
            Ask::End => {}
        }
    }

    /// Looks at settings, the hour, the network and the library.
    fn look(&mut self) {
        self.looked_at = Instant::now();
        match self.uploads.store.settings() {
            Ok(chosen) => {
                let (settings, _) = Settings::new(chosen);
                self.paused = settings.upload_paused();
                self.settings = settings.uploads();
            }
            Err(error) => tracing::warn!(%error, "uploads go on with the settings that they had"),
        }
        self.make_way();
        if self.way.is_none() {
            return;
        }
        if let Err(error) = self.scan() {
            tracing::warn!(%error, "cannot tell what waits for upload");
        }
        self.allow();
        self.follow();
        self.feed();
    }

    /// A driver for the server, with these settings and no others.
    fn make_way(&mut self) {
        let settings = self.settings.clone();
        let wanted = settings.server.clone().filter(|_| settings.wanted != Wanted::Nothing);
        let wanted =
            wanted.map(|server| Made { server, proxy: settings.proxy.clone(), ca: settings.ca.clone() });
        if self.way.as_ref().map(|way| &way.made) == wanted.as_ref() {
            return self.set_limits();
        }
        self.leave();
        let Some(made) = wanted else { return };
        let setup = door::setup(&settings, &made.server);
        let (cap, parallel) = (settings.cap, settings.parallel);
        // It spreads pauses, so that many recorders do not come back at once.
        let seed = uuid::Uuid::now_v7().as_u64_pair().1;
        let here = Here {
            store: self.uploads.store.clone(),
            secrets: self.secrets.clone(),
            server: made.server.clone(),
        };
        let asks = self.uploads.asks.clone();
        let tell = move |output| {
            let _ending = asks.send(Ask::Output(output));
        };
        match Driver::start(&setup, Uploader::new(limits(parallel), seed), Arc::new(here), Box::new(tell)) {
            Ok(driver) => self.way = Some(Way { driver, made, cap, parallel, allowed: Allowed::Yes }),
            Err(error) => {
                tracing::warn!(%error, "there are no uploads");
                self.shown.problem = Some(Problem { code: "setup".to_owned(), message: error.to_string() });
            }
        }
        self.moved_at = Instant::now();
        self.room = true;
    }

    /// How fast and how many at once may change while they go.
    fn set_limits(&mut self) {
        let UploadSettings { cap, parallel, .. } = self.settings;
        let Some(way) = &mut self.way else { return };
        if way.cap != cap {
            way.cap = cap;
            way.driver.set_cap(cap);
        }
        if way.parallel != parallel {
            way.parallel = parallel;
            way.driver.handle(Say::Limits(limits(parallel)));
        }
    }

    /// Lets go of the server; what it has confirmed is kept.
    fn leave(&mut self) {
        self.flush();
        self.way = None;
        self.waiting.clear();
        self.told.clear();
        self.sent = 0;
        for answer in self.verifying.drain().flat_map(|(_, answers)| answers) {
            let _gone = answer.send(Err(EngineError::NotLoggedIn));
        }
    }

    /// All that waits, and what does no more.
    fn scan(&mut self) -> Result<(), EngineError> {
        let mut found = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.uploads.store.waiting(after, PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.meta.id);
            let live = self.uploads.store.live();
            for (summary, upload) in page {
                let locked = library::encryption(&self.uploads.store, &summary) == Encryption::Locked;
                if !locked && show::is_wanted(&self.settings, &upload) {
                    let id = summary.meta.id;
                    found.insert(id, self.waiting(summary, &upload, live.contains(&id)));
                }
            }
        }
        let gone: Vec<_> = self.told.keys().filter(|id| !found.contains_key(id)).copied().collect();
        for session in gone.into_iter().filter(|id| !self.verifying.contains_key(id)) {
            self.told.remove(&session);
            self.say(Say::Forget(session));
        }
        self.waiting = found;
        Ok(())
    }

    fn waiting(&self, summary: SessionSummary, upload: &Upload, live: bool) -> Waiting {
        let is_ours = self.way.as_ref().is_some_and(|way| way.made.server == upload.server);
        let (chunks_done, bytes_done) = if is_ours { (upload.chunks, upload.bytes) } else { (0, 0) };
        Waiting {
            recording: summary.meta.recording,
            title: summary.meta.title,
            live,
            chunks: summary.chunks.saturating_sub(upload.lost),
            bytes: summary.bytes,
            chunks_done,
            bytes_done,
        }
    }

    /// Whether anything may go now.
    fn allow(&mut self) {
        self.hold = if self.forced || self.paused { None } else { when::hold(&self.settings) };
        let allowed = match self.paused || self.hold.is_some() {
            true => Allowed::No,
            false => Allowed::Yes,
        };
        let Some(way) = self.way.as_mut().filter(|way| way.allowed != allowed) else { return };
        way.allowed = allowed;
        self.moved_at = Instant::now();
        self.say(Say::Allow(allowed));
    }

    /// Tells what is new of what is being recorded, and that it has ended.
    fn follow(&mut self) {
        if self.way.is_none() || self.settings.wanted == Wanted::Nothing {
            return;
        }
        let live = self.uploads.store.live();
        let ended = self.told.iter().filter(|(id, told)| !told.ended && !live.contains(id));
        let ended: Vec<_> = ended.map(|(id, _)| *id).collect();
        for session in live.iter().copied().chain(ended) {
            if let Err(error) = self.follow_one(session, live.contains(&session)) {
                tracing::warn!(%session, %error, "the uploader does not hear what is new");
            }
        }
    }

    fn follow_one(&mut self, session: SessionId, live: bool) -> Result<(), EngineError> {
        let store = &self.uploads.store;
        let (summary, upload) = (store.session(session)?, store.upload(session)?);
        if !show::is_wanted(&self.settings, &upload) {
            return Ok(());
        }
        let meta = summary.meta.clone();
        let waiting = self.waiting(summary.clone(), &upload, live);
        self.waiting.insert(session, waiting);
        let Some(mut told) = self.told.remove(&session) else { return self.begin(&summary, live) };
        let objects = told.news(&self.uploads.store, &meta)?;
        let gaps = told.gaps(&meta);
        objects.into_iter().for_each(|object| self.say(Say::Object(session, object)));
        if let Some(gaps) = gaps {
            self.say(Say::Gaps(session, gaps));
        }
        if !live {
            let manifest = feed::manifest(&self.uploads.store, session, &self.server())?;
            self.say(Say::Ended(session, Closing::Finalize(manifest)));
            told.ended = true;
        }
        self.told.insert(session, told);
        Ok(())
    }

    /// Gives the oldest that waits, where there is room for it.
    fn feed(&mut self) {
        while self.room {
            let next = self.waiting.keys().find(|id| !self.told.contains_key(id)).copied();
            let Some(session) = next else { return };
            let begun = self.uploads.store.session(session).map_err(EngineError::from);
            if let Err(error) = begun.and_then(|summary| self.begin(&summary, false)) {
                tracing::warn!(%session, %error, "cannot be uploaded now");
                self.waiting.remove(&session);
                continue;
            }
            self.room = false;
        }
    }

    fn begin(&mut self, summary: &SessionSummary, live: bool) -> Result<(), EngineError> {
        let (plan, told) = feed::plan(&self.uploads.store, summary, &self.server(), live)?;
        self.told.insert(summary.meta.id, told);
        self.say(Say::Session(plan));
        Ok(())
    }

    fn server(&self) -> String {
        self.way.as_ref().map(|way| way.made.server.clone()).unwrap_or_default()
    }

    fn say(&self, input: Say) {
        if let Some(way) = &self.way {
            way.driver.handle(input);
        }
    }

    /// Does what the uploader wants done here.
    fn hear(&mut self, output: Output) {
        match output {
            Output::Confirmed(session, object) => {
                self.moved_at = Instant::now();
                if let Some(waiting) = self.waiting.get_mut(&session).filter(|_| object.index.is_some()) {
                    waiting.chunks_done += 1;
                    waiting.bytes_done += object.size;
                }
                self.settle(session, &object, Some(Settled::Confirmed));
            }
            Output::Missing(session, object) => {
                tracing::warn!(%session, %object, "the server has lost it; it is sent again");
                if let Some(waiting) = self.waiting.get_mut(&session).filter(|_| object.index.is_some()) {
                    waiting.chunks_done = waiting.chunks_done.saturating_sub(1);
                    waiting.bytes_done = waiting.bytes_done.saturating_sub(object.size);
                }
                self.settle(session, &object, None);
            }
            Output::Check(session, object) => self.check(session, object),
            Output::Receipt(session, receipt) => self.receipt(session, &receipt),
            Output::Trouble(session, Some(trouble)) => self.trouble(session, &trouble),
            Output::More => {
                self.room = true;
                self.feed();
            }
            Output::Trouble(_, None)
            | Output::Done
            | Output::Send(..)
            | Output::Cancel(_)
            | Output::Wait(_) => {}
        }
    }

    fn settle(&mut self, session: SessionId, object: &ObjectSpec, how: Option<Settled>) {
        self.settled.push((session, object_id(object), how));
        if self.settled.len() >= BATCH {
            self.flush();
        }
    }

    /// What was settled becomes rows.
    fn flush(&mut self) {
        let server = self.server();
        let mut by_session: BTreeMap<SessionId, Vec<_>> = BTreeMap::new();
        for (session, object, how) in std::mem::take(&mut self.settled) {
            by_session.entry(session).or_default().push((object, how));
        }
        for (session, objects) in by_session {
            // What is not written down is asked for again: nothing depends on it.
            if let Err(error) = self.uploads.store.settle(session, &server, &objects) {
                tracing::warn!(%session, %error, "confirmations could not be kept");
            }
        }
    }

    /// The server found other bytes, or none could be read.
    fn check(&mut self, session: SessionId, object: ObjectSpec) {
        let Some(checked) = local::check(&self.uploads.store, session, &object) else {
            self.told.remove(&session);
            self.waiting.remove(&session);
            return self.say(Say::Forget(session));
        };
        if checked == Checked::Lost {
            tracing::error!(%session, %object, "its bytes are lost here");
            self.settle(session, &object, Some(Settled::Lost));
            self.flush();
        }
        self.say(Say::Checked(session, object, checked));
    }

    fn receipt(&mut self, session: SessionId, receipt: &Receipt) {
        self.flush();
        self.moved_at = Instant::now();
        let server = self.server();
        let line = show::receipt(&server, receipt);
        let text = serde_json::to_string(receipt).expect("a receipt can be said in JSON");
        let (before, kept) = match self.uploads.store.upload(session) {
            Ok(before) => {
                (before.complete, self.uploads.store.keep_receipt(session, &server, &text, line.complete))
            }
            Err(error) => (false, Err(error)),
        };
        if let Err(error) = kept {
            tracing::warn!(%session, %error, "a receipt could not be kept");
        }
        let verifiers = self.verifying.remove(&session);
        if line.complete {
            self.told.remove(&session);
            let waited = self.waiting.remove(&session);
            if let Some(Waiting { recording, title, .. }) = waited.filter(|_| !before) {
                tracing::info!(%session, verified = line.verified, "uploaded");
                let event = Event::Uploaded { recording, title, receipt: line.clone() };
                self.uploads.tell(Input::Tell(Box::new(event)));
            }
            self.uploads.tell(Input::LibraryChanged);
        }
        for answer in verifiers.into_iter().flatten() {
            let _gone = answer.send(Ok(line.clone()));
        }
        if self.waiting.is_empty() {
            self.forced = false;
        }
        self.feed();
    }

    /// Who waits for a look at the server hears that it will not be soon.
    fn trouble(&mut self, session: Option<SessionId>, trouble: &Trouble) {
        let hears = |id: &SessionId| session.is_none_or(|session| session == *id);
        let waiting: Vec<_> = self.verifying.keys().filter(|id| hears(id)).copied().collect();
        for id in waiting {
            self.told.remove(&id);
            self.say(Say::Forget(id));
            for answer in self.verifying.remove(&id).into_iter().flatten() {
                let _gone = answer.send(Err(EngineError::Upload(problem(trouble))));
            }
        }
    }

    fn sync(&mut self, session: Option<SessionId>) -> Result<(), EngineError> {
        self.forced = true;
        self.look();
        if self.way.is_none() {
            self.forced = false;
            return Err(match (&self.settings.server, self.shown.problem.take()) {
                (Some(_), Some(problem)) => EngineError::Upload(problem),
                (Some(_), None) => EngineError::Invalid(
                    "the setting upload is off; `spool config upload=on` or `upload=manual` changes that"
                        .into(),
                ),
                (None, _) => EngineError::NotLoggedIn,
            });
        }
        if let Some(session) =
            session.filter(|id| !self.told.contains_key(id) && self.waiting.contains_key(id))
        {
            self.begin(&self.uploads.store.session(session)?, false)?;
        }
        self.moved_at = Instant::now();
        self.say(Say::Retry);
        self.show();
        Ok(())
    }

    fn verify(&mut self, session: SessionId, answer: Sender<Result<ReceiptLine, EngineError>>) {
        match self.ask_to_verify(session) {
            Ok(()) => self.verifying.entry(session).or_default().push(answer),
            Err(error) => {
                let _gone = answer.send(Err(error));
            }
        }
    }

    fn ask_to_verify(&mut self, session: SessionId) -> Result<(), EngineError> {
        let server = self.way.as_ref().map(|way| way.made.server.clone()).ok_or(EngineError::NotLoggedIn)?;
        let upload = self.uploads.store.upload(session)?;
        if upload.server != server || upload.receipt.is_none() {
            return Err(EngineError::Invalid("that server has given no receipt for it yet".into()));
        }
        if self.way.as_ref().is_some_and(|way| way.allowed == Allowed::No) {
            return Err(EngineError::Invalid(
                "uploads are paused or wait for another hour or network".into(),
            ));
        }
        let summary = self.uploads.store.session(session)?;
        let (plan, told) = feed::plan_to_verify(&self.uploads.store, &summary, &server)?;
        self.told.insert(session, told);
        self.say(Say::Session(plan));
        Ok(())
    }

    /// Tells the loop how far it is, if that is news.
    fn show(&mut self) {
        let status = self.status();
        let (sent, moved) = (self.sent, self.moved_at.elapsed() < REASON);
        let busy = matches!(status.state, UploadState::Uploading)
            || status.state == UploadState::Waiting && self.hold.is_none() && moved;
        self.uploads.busy.store(busy, Ordering::Release);
        self.sent = self.way.as_ref().map_or(0, |way| way.driver.progress().sent);
        if self.sent > sent {
            self.moved_at = Instant::now();
        }
        if status != self.shown {
            self.shown = status.clone();
            self.uploads.tell(Input::Uploads(Box::new(status)));
        }
    }

    fn status(&self) -> UploadStatus {
        let server = self.settings.server.clone();
        let Some(way) = &self.way else {
            let problem = self.shown.problem.clone().filter(|problem| problem.code == "setup");
            let state = if problem.is_some() { UploadState::Problem } else { UploadState::Off };
            return UploadStatus { server, state, problem, ..UploadStatus::default() };
        };
        let view = way.driver.view();
        let left = |waiting: &Waiting| waiting.chunks.saturating_sub(waiting.chunks_done);
        let bytes_left = |waiting: &Waiting| waiting.bytes.saturating_sub(waiting.bytes_done);
        let chunks_left: u64 = self.waiting.values().map(left).sum();
        let is_done = chunks_left == 0 && self.waiting.values().all(|waiting| waiting.live);
        let (state, problem) = self.state(&view, is_done);
        let retries = matches!(state, UploadState::Waiting | UploadState::Problem);
        UploadStatus {
            server,
            state,
            chunks_left,
            bytes_left: self.waiting.values().map(bytes_left).sum(),
            bytes_per_s: if is_done { 0 } else { way.driver.progress().speed },
            lag_ms: millis(view.lag()),
            problem,
            retry_in_ms: view
                .retry_at
                .filter(|_| retries)
                .map(|at| millis(at.saturating_duration_since(Instant::now()))),
            sessions: self.lines(&view),
        }
    }

    fn state(&self, view: &View, is_done: bool) -> (UploadState, Option<Problem>) {
        if self.paused {
            return (UploadState::Paused, None);
        }
        if is_done {
            return (UploadState::Idle, None);
        }
        if let Some(hold) = self.hold {
            return (
                UploadState::Waiting,
                Some(Problem { code: hold.code().to_owned(), message: hold.words() }),
            );
        }
        let all = view.sessions.iter().map(|session| session.trouble.as_ref());
        // With something in the way of each, nothing moves.
        let stuck = if view.sessions.is_empty() { None } else { all.collect::<Option<Vec<_>>>() };
        let trouble = view.trouble.as_ref().or_else(|| stuck.and_then(|stuck| stuck.first().copied()));
        match trouble {
            Some(trouble) if trouble.needs_people() => (UploadState::Problem, Some(problem(trouble))),
            Some(trouble) => (UploadState::Waiting, Some(problem(trouble))),
            None => (UploadState::Uploading, None),
        }
    }

    /// What is on its way, then what comes next.
    fn lines(&self, view: &View) -> Vec<UploadLine> {
        let active = view.sessions.iter().map(|shown| (shown.session, true, shown.trouble.as_ref()));
        let known = |id: &SessionId| view.sessions.iter().any(|shown| shown.session == *id);
        let next = self.waiting.keys().filter(|id| !known(id)).map(|id| (*id, false, None));
        let line = |(session, active, trouble): (SessionId, bool, Option<&Trouble>)| {
            let waiting = self.waiting.get(&session)?;
            Some(UploadLine {
                session,
                recording: waiting.recording,
                title: waiting.title.clone(),
                chunks_done: waiting.chunks_done,
                chunks_total: waiting.chunks,
                bytes_done: waiting.bytes_done,
                bytes_total: waiting.bytes,
                active,
                problem: trouble.map(problem),
            })
        };
        active.chain(next).filter_map(line).take(SHOWN).collect()
    }
}

fn limits(parallel: usize) -> Limits {
    Limits { parallel_max: parallel, ..Limits::default() }
}

fn problem(trouble: &Trouble) -> Problem {
    Problem { code: trouble.code().to_owned(), message: trouble.to_string() }
}
