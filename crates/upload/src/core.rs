//! Which request comes next, and when: all sessions that wait for upload, as a pure state machine.
//!
//! Owns: the order of things, what a failure means, pauses, and how much is done at once. Never does IO, reads no
//! clock and has no randomness but that of the seed it was made with. Held by simulations in `tests/simulation.rs`,
//! against a model of the server and a network that does the worst.
//!
//! A session goes through create, join, then for each object URL, upload and confirmation, and last its manifest, to
//! which the server gives the receipt. Nothing here is kept over a restart but what the engine keeps: what was
//! confirmed, and receipts. Everything else is asked for again, since every step may happen twice.

mod hear;
mod objects;
mod pace;
mod react;
mod session;
mod talk;

pub use talk::{
    Allowed, Answer, Checked, Closing, Failure, Input, Limits, Output, Refusal, Request, RequestId,
    SessionCall, SessionPlan, SessionView, Trouble, View,
};

use model::SessionId;
use objects::{Rank, Signed};
use pace::{Gate, Parallel, Pauses};
use session::{BEAT, Session, Step};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

/// Sessions that are known at once, those in trouble included.
const SESSIONS_MAX: usize = 256;

/// A request that is under way.
#[derive(Debug)]
struct Flight {
    session: SessionId,
    started: Instant,
    errand: Errand,
}

#[derive(Debug)]
enum Errand {
    Create,
    Join,
    Urls(Vec<Rank>),
    Put(Rank, Signed),
    Confirm(Vec<Rank>),
    Heartbeat,
    Close,
}

/// What was told of troubles and room, so that only changes are.
#[derive(Debug, Default)]
struct Told {
    everything: Option<Trouble>,
    sessions: BTreeMap<SessionId, Trouble>,
    room: usize,
    done: bool,
}

/// All sessions on their way to the server.
#[derive(Debug)]
pub struct Uploader {
    limits: Limits,
    allowed: Allowed,
    pauses: Pauses,
    parallel: Parallel,
    /// What is in the way of all calls, of all uploads, and of all that takes an access token.
    server: Gate,
    store: Gate,
    account: Gate,
    sessions: BTreeMap<SessionId, Session>,
    flights: BTreeMap<RequestId, Flight>,
    puts: usize,
    next_id: u64,
    outputs: VecDeque<Output>,
    told: Told,
}

impl Uploader {
    /// One that knows of no session yet. `seed` spreads its pauses.
    pub fn new(limits: Limits, seed: u64) -> Self {
        Self {
            allowed: Allowed::Yes,
            pauses: Pauses::new(seed, limits.backoff_max),
            parallel: Parallel::new(limits.parallel_min, limits.parallel_max),
            limits,
            server: Gate::default(),
            store: Gate::default(),
            account: Gate::default(),
            sessions: BTreeMap::new(),
            flights: BTreeMap::new(),
            puts: 0,
            next_id: 0,
            outputs: VecDeque::new(),
            told: Told::default(),
        }
    }

    /// Takes note of something. Afterwards [`Self::poll`] is called until it has no more to say.
    pub fn handle(&mut self, input: Input, now: Instant) {
        let fed = matches!(input, Input::Session(_));
        self.hear(input, now);
        if self.allowed == Allowed::Yes {
            self.pump(now);
        }
        self.tell_troubles();
        self.tell_room(fed);
        if let Some(at) = self.wakes_at(now) {
            self.outputs.push_back(Output::Wait(at));
        }
    }

    /// What is to be done next.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// How far everything has come.
    pub fn view(&self, now: Instant) -> View {
        let gate =
            [&self.account, &self.server, &self.store].into_iter().find(|gate| gate.trouble().is_some());
        View {
            sessions: self.order().iter().filter_map(|id| Some(self.sessions.get(id)?.view(now))).collect(),
            sending: self.puts,
            parallel: self.parallel.size(),
            trouble: gate.and_then(Gate::trouble).cloned(),
            retry_at: gate.and_then(Gate::opens_at),
            paused: self.allowed == Allowed::No,
        }
    }

    /// Sessions in order of preference: those that are being recorded, newest first; then the oldest.
    fn order(&self) -> Vec<SessionId> {
        let ids = |live| {
            let of_kind = move |session: &&Session| session.is_live() == live;
            self.sessions.values().filter(of_kind).map(|session| session.id)
        };
        ids(true).rev().chain(ids(false)).collect()
    }

    /// Sends what can be sent now.
    fn pump(&mut self, now: Instant) {
        let order = self.order();
        for id in &order {
            if let Some(session) = self.sessions.get_mut(id) {
                session.objects.wake(now);
            }
            self.introduce(*id, now);
            self.beat(*id, now);
            self.confirm(*id, now);
            self.close(*id, now);
        }
        order.iter().for_each(|id| self.put(*id, now));
        // As much again as is under way, so that there is something to send while URLs are asked for.
        let mut stock = self.parallel.size() * 2;
        for id in &order {
            self.ask_urls(*id, &mut stock, now);
        }
    }

    fn send(&mut self, session: SessionId, errand: Errand, request: Request, now: Instant) {
        let id = RequestId(self.next_id);
        self.next_id += 1;
        let flight = Flight { session, started: now, errand };
        self.gates(&flight).for_each(Gate::enter);
        self.puts += usize::from(matches!(flight.errand, Errand::Put(..)));
        self.flights.insert(id, flight);
        self.outputs.push_back(Output::Send(id, request));
    }

    /// What a request passes through.
    fn gates(&mut self, flight: &Flight) -> impl Iterator<Item = &mut Gate> {
        let Self { server, store, account, sessions, .. } = self;
        let session = sessions.get_mut(&flight.session);
        let gates = match flight.errand {
            Errand::Create | Errand::Join => [Some(server), Some(account), session.map(|it| &mut it.open)],
            Errand::Close => [Some(server), None, session.map(|it| &mut it.close)],
            Errand::Urls(_) => [Some(server), None, session.map(|it| &mut it.urls)],
            Errand::Confirm(_) => [Some(server), None, session.map(|it| &mut it.confirm)],
            Errand::Heartbeat => [Some(server), None, session.map(|it| &mut it.beat)],
            Errand::Put(..) => [Some(store), None, session.map(|it| &mut it.put)],
        };
        gates.into_iter().flatten()
    }

    /// Makes the session known to the server.
    fn introduce(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if matches!(session.step, Step::Open { until, .. } if until <= now) {
            session.step = Step::Join;
        }
        let may = session.open.is_idle() && session.open.admits(now) && self.account.admits(now);
        if !may || !self.server.admits(now) {
            return;
        }
        match session.step {
            Step::Create => {
                let request = Request::Create(session.recording.clone());
                self.send(id, Errand::Create, request, now);
            }
            Step::Join => {
                let request = Request::Join(session.recording.id, session.join.clone());
                self.send(id, Errand::Join, request, now);
            }
            Step::Open { .. } => {}
        }
    }

    /// Says that the session is being recorded.
    fn beat(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let due = session.is_live() && session.beat.is_idle() && session.beat_at <= now;
        let Some(call) = session.call(now).filter(|_| due && self.server.admits(now)) else { return };
        session.beat_at = now + BEAT;
        let request = Request::Heartbeat(call, session.heartbeat(now));
        self.send(id, Errand::Heartbeat, request, now);
    }

    /// Asks the server whether what was sent is there.
    fn confirm(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let gate = &session.confirm;
        let may =
            gate.is_idle() && gate.admits(now) && self.server.admits(now) && session.is_confirm_due(now);
        let Some(call) = session.call(now).filter(|_| may) else { return };
        // A store that is slow to answer for many may be quick enough for some.
        let ranks = session.objects.confirm(api::BATCH_MAX >> gate.failures().min(6));
        let objects = ranks.iter().filter_map(|rank| Some(session.objects.get(rank)?.spec.clone())).collect();
        self.send(id, Errand::Confirm(ranks), Request::Confirm(call, objects), now);
    }

    /// Asks for the receipt.
    fn close(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let may = session.close.is_idle() && session.close.admits(now) && self.server.admits(now);
        let Some(call) = session.call(now).filter(|_| may) else { return };
        let Some(request) = session.close_request(call, now) else { return };
        self.send(id, Errand::Close, request, now);
    }

    /// Uploads what has URLs, as far as there is room.
    fn put(&mut self, id: SessionId, now: Instant) {
        while self.puts < self.parallel.size() && self.store.admits(now) {
            let Some(session) = self.sessions.get_mut(&id).filter(|it| it.put.admits(now)) else { return };
            let Some((rank, signed)) = session.objects.send(session.order(), now) else { return };
            let Some(object) = session.objects.get(&rank) else { return };
            let request = Request::Put(id, object.spec.clone(), signed.put.clone());
            self.send(id, Errand::Put(rank, signed), request, now);
        }
    }

    /// Asks for URLs before there are none left. `stock` is how many more are wanted of sessions from here on, so that
    /// those of less preference do not age.
    fn ask_urls(&mut self, id: SessionId, stock: &mut usize, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let has = session.objects.stock();
        let wanted = session.objects.is_wanting_urls() && (session.is_live() || has < *stock);
        *stock = stock.saturating_sub(has);
        let may = session.urls.is_idle() && session.urls.admits(now) && self.server.admits(now);
        let Some(call) = session.call(now).filter(|_| may && wanted) else { return };
        let ranks = session.objects.ask(api::BATCH_MAX, session.order());
        *stock = stock.saturating_sub(ranks.len());
        let objects = ranks.iter().filter_map(|rank| Some(session.objects.get(rank)?.spec.clone())).collect();
        self.send(id, Errand::Urls(ranks), Request::Urls(call, objects), now);
    }

    fn tell_troubles(&mut self) {
        let everything = self.account.trouble().or(self.server.trouble()).or(self.store.trouble()).cloned();
        if everything != self.told.everything {
            self.told.everything.clone_from(&everything);
            self.outputs.push_back(Output::Trouble(None, everything));
        }
        for session in self.sessions.values() {
            let (id, trouble) = (session.id, session.trouble());
            if trouble != self.told.sessions.get(&id) {
                match trouble {
                    Some(trouble) => drop(self.told.sessions.insert(id, trouble.clone())),
                    None => drop(self.told.sessions.remove(&id)),
                }
                self.outputs.push_back(Output::Trouble(Some(id), trouble.cloned()));
            }
        }
    }

    fn tell_room(&mut self, fed: bool) {
        let is_stuck = |session: &Session| session.trouble().is_some_and(Trouble::needs_people);
        let working = |session: &&Session| !session.is_live() && !is_stuck(session);
        let working = self.sessions.values().filter(working).count();
        let full = self.sessions.len() >= SESSIONS_MAX || self.allowed == Allowed::No;
        let room = if full { 0 } else { self.limits.sessions.saturating_sub(working) };
        if room > self.told.room || (room > 0 && fed) {
            self.outputs.push_back(Output::More);
        }
        self.told.room = room;
        if self.sessions.is_empty() && !self.told.done {
            self.outputs.push_back(Output::Done);
        }
        self.told.done = self.sessions.is_empty();
    }

    /// When something comes due that nobody will tell of.
    fn wakes_at(&self, now: Instant) -> Option<Instant> {
        if self.allowed == Allowed::No {
            return None;
        }
        let gates = [&self.server, &self.store, &self.account].into_iter().filter_map(Gate::opens_at);
        let sessions = self.sessions.values().flat_map(|session| session.wakes_at(now));
        gates.chain(sessions).filter(|at| *at > now).min()
    }
}
