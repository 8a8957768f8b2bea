//! A recorder with its rows, a network and a clock around the real [`Uploader`].

use crate::server::{Rows, Server, Stored, name, refused};
use api::{ClientInfo, Code, CreateRecording, Manifest, ManifestTrack, ObjectSpec, Receipt};
use fastrand::Rng;
use model::{
    Hash, Mode, RecordingId, Retention, SessionId, SessionMeta, SessionState, Span, Timestamp, TrackId,
    UtcTime,
};
use spool_upload::core::{
    Answer, Checked, Closing, Failure, Input, Limits, Output, Refusal, Request, RequestId, SessionPlan,
    Trouble, Uploader,
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    sync::Arc,
    time::{Duration, Instant},
};

/// How bad it is, in thousandths of all requests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    pub refused: u32,
    pub reset: u32,
    pub answer_lost: u32,
    pub duplicated: u32,
    pub problem: u32,
    pub flipped: u32,
    pub unreadable: u32,
    /// Instants at which server and uploader are killed, or something worse happens to the server.
    pub kills: u32,
    pub lost_locally: u32,
}

/// A session at the recorder: what its disk and its rows have.
#[derive(Debug, Clone)]
pub struct Local {
    pub plan: SessionPlan,
    /// What is sealed, in order, and how much of it so far.
    pub objects: Vec<ObjectSpec>,
    pub sealed: usize,
    pub ended: bool,
    pub confirmed: BTreeSet<String>,
    pub lost: Vec<ObjectSpec>,
    /// Whose local bytes are damaged, though nobody knows.
    pub rotten: BTreeSet<String>,
    pub receipt: Option<Receipt>,
    pub verify: bool,
    fed: bool,
}

impl Local {
    pub fn manifest(&self) -> Arc<Manifest> {
        let mut tracks: BTreeMap<TrackId, Vec<ObjectSpec>> = BTreeMap::new();
        for spec in self.objects.iter().filter(|spec| !self.lost.contains(spec)) {
            tracks.entry(spec.track.clone()).or_default().push(spec.clone());
        }
        let track = |(id, objects)| ManifestTrack { id, objects };
        let meta = meta(self.plan.session, self.plan.recording.id);
        Arc::new(Manifest { meta, tracks: tracks.into_iter().map(track).collect(), lost: self.lost.clone() })
    }

    fn closing(&self) -> Option<Closing> {
        let manifest = self.manifest();
        let closing = if self.verify { Closing::Verify(manifest) } else { Closing::Finalize(manifest) };
        self.ended.then_some(closing)
    }

    fn plan(&self) -> SessionPlan {
        let open = |spec: &&ObjectSpec| !self.confirmed.contains(&spec.name()) && !self.lost.contains(spec);
        SessionPlan {
            confirmed: self
                .objects
                .iter()
                .filter(|it| it.index.is_some() && self.confirmed.contains(&it.name()))
                .count() as u64,
            objects: self.objects[..self.sealed].iter().filter(open).cloned().collect(),
            closing: self.closing(),
            ..self.plan.clone()
        }
    }

    pub fn is_over(&self) -> bool {
        self.receipt.as_ref().is_some_and(Receipt::is_complete)
    }
}

fn meta(id: SessionId, recording: RecordingId) -> SessionMeta {
    SessionMeta {
        version: SessionMeta::VERSION,
        id,
        recording,
        title: String::new(),
        description: String::new(),
        metadata: BTreeMap::new(),
        mode: Mode::Program,
        retention: Retention::KeepAll,
        started_at: UtcTime(0),
        chunk: Duration::from_secs(4),
        state: SessionState::Finalized,
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

/// A session of two tracks with `chunks` chunks each, numbered `number` among all.
pub fn local(number: u128, chunks: u32, live: bool) -> Local {
    let session = SessionId(uuid::Uuid::from_u128(number));
    let recording = RecordingId(uuid::Uuid::from_u128(number | 1 << 64));
    let mut objects = Vec::new();
    let tracks: Vec<TrackId> =
        ["mix", "program"].iter().map(|track| track.parse().expect("a name")).collect();
    let hash = |track: &TrackId, index: u32| Hash::of(format!("{number} {track} {index}").as_bytes());
    for index in 0..=chunks {
        for track in &tracks {
            let start = Timestamp::ZERO + Duration::from_secs(4) * index.saturating_sub(1);
            objects.push(ObjectSpec {
                track: track.clone(),
                index: (index > 0).then_some(index),
                size: 1_000 + u64::from(index),
                sha256: hash(track, index),
                span: (index > 0).then(|| Span::new(start, start + Duration::from_secs(4))),
                init: (index > 0).then(|| hash(track, 0)),
            });
        }
    }
    let recording = CreateRecording {
        id: recording,
        title: String::new(),
        description: String::new(),
        recorder: String::new(),
        metadata: BTreeMap::new(),
    };
    Local {
        plan: SessionPlan {
            session,
            recording,
            started_at: UtcTime(0),
            client: ClientInfo::default(),
            confirmed: 0,
            objects: Vec::new(),
            closing: None,
        },
        sealed: if live { 0 } else { objects.len() },
        objects,
        ended: !live,
        confirmed: BTreeSet::new(),
        lost: Vec::new(),
        rotten: BTreeSet::new(),
        receipt: None,
        verify: false,
        fed: false,
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Event {
    Arrive(u32, RequestId, Request, bool),
    Return(u32, RequestId, Result<Answer, Failure>),
    Wake(u32, u64),
    Seal(SessionId),
    Kill,
}

/// Everything, from a seed.
pub struct World {
    pub server: Server,
    pub locals: BTreeMap<SessionId, Local>,
    pub uploader: Uploader,
    pub faults: Faults,
    pub limits: Limits,
    pub now: Instant,
    pub zero: Instant,
    pub counts: BTreeMap<&'static str, u32>,
    pub troubles: BTreeMap<Option<SessionId>, Trouble>,
    pub sending_max: usize,
    pub done: bool,
    pub latency: Duration,
    /// Requests that never get through, whatever the faults.
    pub blocked: fn(&Request) -> Option<Failure>,
    random: Rng,
    events: BTreeMap<u64, Event>,
    queue: BinaryHeap<Reverse<(Instant, u64)>>,
    next: u64,
    /// Which life of the uploader this is.
    life: u32,
    wake: u64,
    under_way: BTreeMap<RequestId, Request>,
    away_until: Instant,
    copy: Rows,
}

impl World {
    pub fn new(seed: u64, locals: Vec<Local>, faults: Faults) -> Self {
        let zero = Instant::now();
        let limits = Limits { trouble_pause: Duration::from_secs(120), ..Limits::default() };
        let locals = locals.into_iter().map(|local| (local.plan.session, local)).collect();
        let random = Rng::with_seed(seed);
        let mut world = Self {
            server: Server { store_verifies: !seed.is_multiple_of(3), ..Server::default() },
            locals,
            uploader: Uploader::new(limits, seed),
            faults,
            limits,
            now: zero,
            zero,
            counts: BTreeMap::new(),
            troubles: BTreeMap::new(),
            sending_max: 0,
            done: false,
            latency: Duration::from_millis(20),
            blocked: |_| None,
            random,
            events: BTreeMap::new(),
            queue: BinaryHeap::new(),
            next: 0,
            life: 0,
            wake: 0,
            under_way: BTreeMap::new(),
            away_until: zero,
            copy: Rows::default(),
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        let live: Vec<_> =
            self.locals.values().filter(|local| !local.ended).map(|local| local.plan.session).collect();
        for id in live {
            self.after(Duration::from_secs(1), Event::Seal(id));
        }
        for _ in 0..self.faults.kills {
            let at = Duration::from_millis(self.random.u64(0..120_000));
            self.after(at, Event::Kill);
        }
    }

    fn chance(&mut self, thousandths: u32) -> bool {
        self.random.u32(0..1_000) < thousandths
    }

    fn after(&mut self, delay: Duration, event: Event) {
        self.next += 1;
        self.events.insert(self.next, event);
        self.queue.push(Reverse((self.now + delay, self.next)));
    }

    /// Tells the uploader of everything, as the engine does when it starts.
    pub fn start(&mut self) {
        let live: Vec<_> =
            self.locals.values().filter(|local| !local.ended).map(|local| local.plan.session).collect();
        self.tell(Input::Timeout);
        for id in live {
            self.feed(id);
        }
    }

    fn feed(&mut self, id: SessionId) {
        let local = self.locals.get_mut(&id).expect("a known session");
        local.fed = true;
        let plan = local.plan();
        self.tell(Input::Session(plan));
    }

    pub fn tell(&mut self, input: Input) {
        self.uploader.handle(input, self.now);
        let mut outputs = Vec::new();
        while let Some(output) = self.uploader.poll() {
            outputs.push(output);
        }
        for output in outputs {
            self.act(output);
        }
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Send(id, request) => self.send(id, request),
            Output::Cancel(id) => drop(self.under_way.remove(&id)),
            Output::Confirmed(id, spec) => drop(self.local(id).confirmed.insert(spec.name())),
            Output::Missing(id, spec) => drop(self.local(id).confirmed.remove(&spec.name())),
            Output::Check(id, spec) => {
                *self.counts.entry("check").or_default() += 1;
                let local = self.local(id);
                let rotten = local.rotten.contains(&spec.name());
                if rotten {
                    local.lost.push(spec.clone());
                }
                self.tell(Input::Checked(id, spec, if rotten { Checked::Lost } else { Checked::Whole }));
            }
            Output::Receipt(id, receipt) => self.local(id).receipt = Some(receipt),
            Output::Trouble(session, Some(trouble)) => drop(self.troubles.insert(session, trouble)),
            Output::Trouble(session, None) => drop(self.troubles.remove(&session)),
            Output::More => {
                let waits = |local: &&Local| local.ended && !local.fed && !local.is_over();
                let next = self.locals.values().find(waits).map(|local| local.plan.session);
                next.into_iter().for_each(|id| self.feed(id));
            }
            Output::Wait(at) => {
                self.wake += 1;
                let event = Event::Wake(self.life, self.wake);
                self.after(at.saturating_duration_since(self.now), event);
            }
            Output::Done => self.done = true,
        }
    }

    fn local(&mut self, id: SessionId) -> &mut Local {
        self.locals.get_mut(&id).expect("the uploader knows only what it was told of")
    }

    fn send(&mut self, id: RequestId, request: Request) {
        let kind = match &request {
            Request::Create(_) => "create",
            Request::Join(..) => "join",
            Request::Urls(_, objects) => {
                assert!((1..=api::BATCH_MAX).contains(&objects.len()));
                "urls"
            }
            Request::Put(..) => "put",
            Request::Confirm(_, objects) => {
                assert!((1..=api::BATCH_MAX).contains(&objects.len()));
                "confirm"
            }
            Request::Heartbeat(..) => "heartbeat",
            Request::Finalize(..) => "finalize",
            Request::Verify(_) => "verify",
            Request::Receipt(_) => "receipt",
        };
        *self.counts.entry(kind).or_default() += 1;
        self.under_way.insert(id, request.clone());
        let puts = self.under_way.values().filter(|request| matches!(request, Request::Put(..))).count();
        self.sending_max = self.sending_max.max(puts);
        assert!(puts <= self.limits.parallel_max, "{puts} uploads at once");
        let latency = self.latency.mul_f64(0.5 + self.random.f64());
        if let Some(failure) = (self.blocked)(&request).or_else(|| self.early_fault(&request)) {
            let after = if matches!(failure, Failure::Unknown(_)) { Duration::from_secs(5) } else { latency };
            return self.after(after, Event::Return(self.life, id, Err(failure)));
        }
        let flipped = matches!(request, Request::Put(..)) && self.is_flipped(&request);
        if self.chance(self.faults.duplicated) {
            self.after(latency * 3, Event::Arrive(self.life, RequestId(u64::MAX), request.clone(), flipped));
        }
        self.after(latency, Event::Arrive(self.life, id, request, flipped));
    }

    fn is_flipped(&mut self, request: &Request) -> bool {
        let Request::Put(session, spec, _) = request else { return false };
        self.local(*session).rotten.contains(&spec.name()) || self.chance(self.faults.flipped)
    }

    /// What goes wrong before a request has any effect.
    fn early_fault(&mut self, request: &Request) -> Option<Failure> {
        let is_put = matches!(request, Request::Put(..));
        if self.chance(self.faults.refused) {
            return Some(Failure::Unreachable("refused".to_owned()));
        }
        if self.chance(self.faults.reset) {
            return Some(Failure::Unknown("reset".to_owned()));
        }
        if is_put && self.chance(self.faults.unreadable) {
            return Some(Failure::Local("unreadable".to_owned()));
        }
        if !self.chance(self.faults.problem) {
            return None;
        }
        let retry_after = self.random.bool().then(|| Duration::from_secs(self.random.u64(1..20)));
        let problems =
            [(500, None), (502, None), (503, retry_after), (429, retry_after), (507, None), (504, None)];
        let of_stores = [(400, None), (403, None), (404, None), (409, None)];
        let pick = |random: &mut Rng, from: &[(u16, Option<Duration>)]| from[random.usize(0..from.len())];
        let (status, retry_after) = if is_put && self.random.bool() {
            pick(&mut self.random, &of_stores)
        } else {
            pick(&mut self.random, &problems)
        };
        Some(Failure::Refused(Refusal { status, code: None, detail: "by chance".to_owned(), retry_after }))
    }

    fn kill(&mut self) {
        match self.random.u32(0..8) {
            0 | 1 => return self.restart(),
            2 => self.copy = self.server.rows.clone(),
            3 => self.server.rows = self.copy.clone(),
            4 => self.server.secret += 1,
            // A store that loses or spoils something. The server believes what it has confirmed until it looks again.
            5 => {
                let names: Vec<_> = self.server.store.keys().cloned().collect();
                if !names.is_empty() {
                    let name = &names[self.random.usize(0..names.len())];
                    if self.random.bool() {
                        self.server.store.remove(name);
                    } else {
                        self.server.store.insert(name.clone(), Stored::Damaged);
                    }
                }
            }
            6 => self.server.rows = Rows::default(),
            _ => {}
        }
        self.away_until = self.now + Duration::from_secs(self.random.u64(0..400));
    }

    /// The uploader is killed; its next life knows what the rows have.
    pub fn restart(&mut self) {
        self.life += 1;
        self.under_way.clear();
        self.troubles.clear();
        self.uploader = Uploader::new(self.limits, self.random.u64(..));
        self.done = false;
        self.locals.values_mut().for_each(|local| local.fed = false);
        self.start();
    }

    fn seal(&mut self, id: SessionId) {
        let local = self.local(id);
        let fed = local.fed;
        let count = 2.min(local.objects.len() - local.sealed);
        let objects = local.objects[local.sealed..local.sealed + count].to_vec();
        local.sealed += count;
        local.ended = local.sealed == local.objects.len();
        let closing = local.closing();
        if fed {
            objects.into_iter().for_each(|object| self.tell(Input::Object(id, object)));
        }
        match closing {
            Some(closing) if fed => self.tell(Input::Ended(id, closing)),
            Some(_) => {}
            None => self.after(Duration::from_secs(4), Event::Seal(id)),
        }
    }

    /// One event. False if there is none left.
    pub fn step(&mut self) -> bool {
        let Some(Reverse((at, key))) = self.queue.pop() else { return false };
        self.now = self.now.max(at);
        match self.events.remove(&key).expect("what is queued is kept") {
            Event::Arrive(life, id, request, flipped) => {
                let answer = if self.now < self.away_until && !matches!(request, Request::Put(..)) {
                    Err(Failure::Unreachable("away".to_owned()))
                } else {
                    self.server.answer(&request, flipped, self.now, self.zero)
                };
                let lost = self.chance(self.faults.answer_lost);
                let answer = if lost { Err(Failure::Unknown("no answer".to_owned())) } else { answer };
                let delay = if lost { Duration::from_secs(30) } else { self.latency };
                self.after(delay, Event::Return(life, id, answer));
            }
            Event::Return(life, id, result) => {
                if life == self.life && self.under_way.remove(&id).is_some() {
                    self.tell(match result {
                        Ok(answer) => Input::Answer(id, answer),
                        Err(failure) => Input::Failed(id, failure),
                    });
                }
            }
            Event::Wake(life, wake) if life == self.life && wake == self.wake => self.tell(Input::Timeout),
            Event::Wake(..) => {}
            Event::Seal(id) => self.seal(id),
            Event::Kill if self.faults.kills > 0 => self.kill(),
            Event::Kill => {}
        }
        true
    }

    /// Goes on until the uploader is done, or `steps` are over.
    pub fn run(&mut self, steps: u32) {
        for _ in 0..steps {
            let over = self.locals.values().all(Local::is_over);
            if self.done && over || !self.step() {
                return;
            }
        }
    }

    pub fn count(&self, kind: &str) -> u32 {
        self.counts.get(kind).copied().unwrap_or(0)
    }

    /// Everything is at the server, once, and the recorder has the receipts.
    pub fn verify(&self) {
        for local in self.locals.values() {
            let id = local.plan.session;
            let receipt = local.receipt.as_ref().unwrap_or_else(|| panic!("{id} has no receipt"));
            let manifest = local.manifest();
            assert!(receipt.is_complete(), "{receipt:?}");
            assert_eq!(receipt.lost, local.lost.len() as u64);
            assert_eq!(receipt.expected as usize, manifest.objects().filter(|it| it.index.is_some()).count());
            let line = &self.server.rows.sessions[&id];
            assert_eq!(line.confirmed.len(), manifest.objects().count(), "each once");
            for spec in manifest.objects() {
                assert!(line.confirmed.values().any(|row| row == spec), "{spec} has no row");
                assert_eq!(self.server.store.get(&name(id, spec)), Some(&Stored::Whole), "{spec}");
            }
        }
    }

    pub fn refuse(code: Code) -> Failure {
        refused(code)
    }
}
