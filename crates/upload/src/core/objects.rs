//! The objects of a session that are not confirmed yet, and what is being done about each.

use api::{ObjectSpec, SignedRequest};
use model::{Hash, Timestamp, TrackId};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

/// After so many tries in vain, an object lets others go first.
const FAILURES_MAX: u32 = 3;

/// An object's place among those of its session: init segments first, then by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// None for init segments.
    start: Option<Timestamp>,
    index: u32,
    track: TrackId,
    sha256: Hash,
}

impl Rank {
    pub(super) fn of(spec: &ObjectSpec) -> Self {
        let start = spec.index.map(|_| spec.span.unwrap_or_default().start);
        Self { start, index: spec.index.unwrap_or(0), track: spec.track.clone(), sha256: spec.sha256 }
    }
}

/// A signed request and the instant until which it is used.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Signed {
    pub(super) put: Arc<SignedRequest>,
    pub(super) until: Instant,
}

/// What is being done about an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum State {
    /// It needs a URL.
    Waiting,
    /// It will need one at this instant.
    Later(Instant),
    /// A URL was asked for.
    Asked,
    /// It can be sent.
    Ready(Signed),
    /// It is being sent.
    Sending,
    /// It was sent, or may have been, at this instant.
    Sent(Instant),
    /// The server is being asked whether it is there.
    Confirming,
    /// The engine looks at the local bytes.
    Checking,
}

#[derive(Debug)]
pub(super) struct Object {
    pub(super) spec: ObjectSpec,
    /// When it was first told of.
    pub(super) since: Instant,
    /// Tries in vain.
    pub(super) failures: u32,
    state: State,
}

/// In which order objects go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Oldest,
    /// What somebody may be watching comes first; what a player needs to begin with, before everything.
    Newest,
}

/// All objects, with an index for each question that is asked often.
#[derive(Debug, Default)]
pub(super) struct Objects {
    all: BTreeMap<Rank, Object>,
    waiting: BTreeSet<Rank>,
    later: BTreeSet<(Instant, Rank)>,
    ready: BTreeSet<Rank>,
    sent: BTreeSet<(Instant, Rank)>,
    /// Asked for or being sent.
    moving: usize,
    chunks: u64,
    bytes: u64,
}

impl Objects {
    /// Adds an object that needs to be sent. One that is known stays as it is, and the answer is no.
    pub(super) fn add(&mut self, spec: ObjectSpec, now: Instant) -> bool {
        let rank = Rank::of(&spec);
        if self.all.contains_key(&rank) {
            return false;
        }
        self.chunks += u64::from(spec.index.is_some());
        self.bytes = self.bytes.saturating_add(spec.size);
        self.waiting.insert(rank.clone());
        self.all.insert(rank, Object { spec, since: now, failures: 0, state: State::Waiting });
        true
    }

    pub(super) fn get(&self, rank: &Rank) -> Option<&Object> {
        self.all.get(rank)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn len(&self) -> u64 {
        self.all.len() as u64
    }

    pub(super) fn chunks(&self) -> u64 {
        self.chunks
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Since when the oldest waits.
    pub(super) fn oldest_since(&self) -> Option<Instant> {
        self.all.first_key_value().map(|(_, object)| object.since)
    }

    pub(super) fn set(&mut self, rank: &Rank, state: State) {
        let Some(object) = self.all.get_mut(rank) else { return };
        let old = std::mem::replace(&mut object.state, state.clone());
        self.leave(rank, &old);
        match state {
            State::Waiting => drop(self.waiting.insert(rank.clone())),
            State::Later(at) => drop(self.later.insert((at, rank.clone()))),
            State::Ready(_) => drop(self.ready.insert(rank.clone())),
            State::Sent(at) => drop(self.sent.insert((at, rank.clone()))),
            State::Asked | State::Sending => self.moving += 1,
            State::Confirming | State::Checking => {}
        }
    }

    fn leave(&mut self, rank: &Rank, old: &State) {
        match old {
            State::Waiting => drop(self.waiting.remove(rank)),
            State::Later(at) => drop(self.later.remove(&(*at, rank.clone()))),
            State::Ready(_) => drop(self.ready.remove(rank)),
            State::Sent(at) => drop(self.sent.remove(&(*at, rank.clone()))),
            State::Asked | State::Sending => self.moving -= 1,
            State::Confirming | State::Checking => {}
        }
    }

    /// Counts a try in vain, and says how many there were.
    pub(super) fn failed(&mut self, rank: &Rank) -> u32 {
        self.all.get_mut(rank).map_or(1, |object| {
            object.failures = object.failures.saturating_add(1);
            object.failures
        })
    }

    /// Its URL is as good as before. If it failed often, others go first until `later`.
    pub(super) fn stays(&mut self, rank: &Rank, signed: Signed, later: Instant) {
        let often = self.failed(rank) >= FAILURES_MAX;
        self.set(rank, if often { State::Later(later) } else { State::Ready(signed) });
    }

    /// Takes an object out: it is confirmed, or lost.
    pub(super) fn remove(&mut self, rank: &Rank) -> Option<ObjectSpec> {
        let object = self.all.remove(rank)?;
        self.leave(rank, &object.state);
        self.chunks -= u64::from(object.spec.index.is_some());
        self.bytes = self.bytes.saturating_sub(object.spec.size);
        Some(object.spec)
    }

    /// Whether the engine was asked to look at it.
    pub(super) fn is_checking(&self, rank: &Rank) -> bool {
        self.all.get(rank).is_some_and(|object| object.state == State::Checking)
    }

    /// Lets those wait no longer whose pause is over.
    pub(super) fn wake(&mut self, now: Instant) {
        while let Some((at, rank)) = self.later.first().cloned()
            && at <= now
        {
            self.set(&rank, State::Waiting);
        }
    }

    /// Lets nobody wait any longer.
    pub(super) fn wake_all(&mut self) {
        let ranks: Vec<_> = self.later.iter().map(|(_, rank)| rank.clone()).collect();
        ranks.iter().for_each(|rank| self.set(rank, State::Waiting));
    }

    /// When the next pause is over.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        self.later.first().map(|(at, _)| *at)
    }

    pub(super) fn is_wanting_urls(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Those that can be sent or soon can.
    pub(super) fn stock(&self) -> usize {
        self.ready.len() + self.moving
    }

    /// Those that URLs are asked for next; they are now [`State::Asked`].
    pub(super) fn ask(&mut self, count: usize, order: Order) -> Vec<Rank> {
        let mut ranks = Vec::new();
        while ranks.len() < count
            && let Some(rank) = pick(&self.waiting, order)
        {
            self.set(&rank, State::Asked);
            ranks.push(rank);
        }
        ranks
    }

    /// The next one that can be sent; it is now [`State::Sending`]. One whose URL is too old by now waits again.
    pub(super) fn send(&mut self, order: Order, now: Instant) -> Option<(Rank, Signed)> {
        while let Some(rank) = pick(&self.ready, order) {
            let Some(Object { state: State::Ready(signed), .. }) = self.all.get(&rank) else { break };
            let signed = signed.clone();
            if signed.until > now {
                self.set(&rank, State::Sending);
                return Some((rank, signed));
            }
            self.set(&rank, State::Waiting);
        }
        None
    }

    pub(super) fn sent(&self) -> usize {
        self.sent.len()
    }

    /// When the first of those that were sent and not asked about was sent.
    pub(super) fn sent_since(&self) -> Option<Instant> {
        self.sent.first().map(|(at, _)| *at)
    }

    /// Whether nothing is under way that will have to be confirmed soon.
    pub(super) fn is_settled(&self) -> bool {
        self.waiting.is_empty() && self.ready.is_empty() && self.moving == 0
    }

    /// Those that the server is asked about next; they are now [`State::Confirming`].
    pub(super) fn confirm(&mut self, count: usize) -> Vec<Rank> {
        let ranks: Vec<_> = self.sent.iter().take(count).map(|(_, rank)| rank.clone()).collect();
        ranks.iter().for_each(|rank| self.set(rank, State::Confirming));
        ranks
    }
}

fn pick(set: &BTreeSet<Rank>, order: Order) -> Option<Rank> {
    let first = set.first()?;
    let rank = if order == Order::Oldest || first.start.is_none() { first } else { set.last()? };
    Some(rank.clone())
}
