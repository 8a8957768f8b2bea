//! A session on its way: how far it is known at the server, its objects, and how it is closed.

use super::{
    Closing, Request, SessionCall, SessionPlan, SessionView, Trouble,
    objects::{Objects, Order, Rank},
    pace::Gate,
};
use api::{CreateRecording, Heartbeat, Join, ObjectSpec, Receipt};
use model::SessionId;
use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

/// A session that is being recorded says so this often.
pub(super) const BEAT: Duration = Duration::from_secs(10);
/// What was sent is asked about in batches of this many, or when it was sent this long ago.
pub(super) const CONFIRM_BATCH: usize = 32;
pub(super) const CONFIRM_AFTER: Duration = Duration::from_secs(1);

/// How far the server knows a session.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Create,
    Join,
    Open { token: Arc<str>, until: Instant },
}

/// Which way a session is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CloseBy {
    Finalize,
    Verify,
    /// The server has another manifest, of which only it can say how far it is.
    Receipt,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) recording: CreateRecording,
    pub(super) join: Join,
    pub(super) step: Step,
    pub(super) objects: Objects,
    pub(super) confirmed: u64,
    pub(super) gaps: u64,
    closing: Option<Closing>,
    close_by: CloseBy,
    /// Receipts in a row that said no more than the one before.
    rounds: u32,
    verified: u64,
    pub(super) close_at: Option<Instant>,
    pub(super) beat_at: Instant,
    /// Create and join; URLs; confirm; heartbeat; finalize and verify: one request of each at a time. And uploads.
    pub(super) open: Gate,
    pub(super) urls: Gate,
    pub(super) confirm: Gate,
    pub(super) beat: Gate,
    pub(super) close: Gate,
    pub(super) put: Gate,
    /// An object that the server will not take.
    pub(super) refused: Option<(Rank, Trouble)>,
}

impl Session {
    pub(super) fn new(plan: SessionPlan, now: Instant) -> Self {
        let mut session = Self {
            id: plan.session,
            join: Join { id: plan.session, started_at: plan.started_at, client: plan.client },
            recording: plan.recording,
            step: Step::Create,
            objects: Objects::default(),
            confirmed: plan.confirmed,
            gaps: 0,
            closing: None,
            close_by: CloseBy::Finalize,
            rounds: 0,
            verified: 0,
            close_at: None,
            beat_at: now,
            open: Gate::default(),
            urls: Gate::default(),
            confirm: Gate::default(),
            beat: Gate::default(),
            close: Gate::default(),
            put: Gate::default(),
            refused: None,
        };
        for object in plan.objects {
            session.objects.add(object, now);
        }
        if let Some(closing) = plan.closing {
            session.ended(closing);
        }
        session
    }

    /// Takes over what a plan says anew.
    pub(super) fn take_over(&mut self, plan: SessionPlan, now: Instant) {
        for object in plan.objects {
            self.objects.add(object, now);
        }
        self.confirmed = self.confirmed.max(plan.confirmed);
        if let Some(closing) = plan.closing {
            self.ended(closing);
        }
    }

    pub(super) fn ended(&mut self, closing: Closing) {
        self.close_by = match closing {
            Closing::Finalize(_) => CloseBy::Finalize,
            Closing::Verify(_) => CloseBy::Verify,
        };
        self.closing = Some(closing);
    }

    /// An object's bytes are gone here: the manifest says so too.
    pub(super) fn lost(&mut self, rank: &Rank) {
        let Some(spec) = self.objects.remove(rank) else { return };
        if let Some(Closing::Finalize(manifest)) = &mut self.closing {
            let manifest = Arc::make_mut(manifest);
            for track in &mut manifest.tracks {
                track.objects.retain(|object| Rank::of(object) != *rank);
            }
            if !manifest.lost.contains(&spec) {
                manifest.lost.push(spec);
            }
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.closing.is_none()
    }

    pub(super) fn order(&self) -> Order {
        if self.is_live() { Order::Newest } else { Order::Oldest }
    }

    /// What session routes are called with, while there is a token that will do.
    pub(super) fn call(&self, now: Instant) -> Option<SessionCall> {
        match &self.step {
            Step::Open { token, until } if *until > now => {
                Some(SessionCall { session: self.id, token: token.clone() })
            }
            _ => None,
        }
    }

    pub(super) fn heartbeat(&self, now: Instant) -> Heartbeat {
        let lag = self.lag(now).as_millis();
        Heartbeat {
            sealed: self.confirmed + self.objects.chunks(),
            confirmed: self.confirmed,
            gaps: self.gaps,
            lag_ms: u64::try_from(lag).unwrap_or(u64::MAX),
        }
    }

    fn lag(&self, now: Instant) -> Duration {
        let since = self.objects.oldest_since();
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Whether there is something to ask the server about.
    pub(super) fn is_confirm_due(&self, now: Instant) -> bool {
        let Some(since) = self.objects.sent_since() else { return false };
        self.objects.sent() >= CONFIRM_BATCH || self.objects.is_settled() || since + CONFIRM_AFTER <= now
    }

    /// What closes it now, if it is time: everything of it is confirmed or lost.
    pub(super) fn close_request(&self, call: SessionCall, now: Instant) -> Option<Request> {
        let due = self.objects.is_empty() && self.close_at.is_none_or(|at| at <= now);
        let closing = self.closing.as_ref().filter(|_| due)?;
        Some(match self.close_by {
            CloseBy::Finalize => Request::Finalize(call, closing.manifest().clone()),
            CloseBy::Verify => Request::Verify(call),
            CloseBy::Receipt => Request::Receipt(call),
        })
    }

    pub(super) fn manifest_is_taken(&mut self) {
        self.close_by = CloseBy::Receipt;
    }

    /// Nothing is waited for any longer.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.gates_mut().for_each(|gate| gate.reset(now));
        self.objects.wake_all();
        self.close_at = None;
        self.beat_at = self.beat_at.min(now);
    }

    pub(super) fn gates_mut(&mut self) -> impl Iterator<Item = &mut Gate> {
        let Self { open, urls, confirm, close, put, .. } = self;
        [open, urls, confirm, close, put].into_iter()
    }

    /// What is in its way.
    pub(super) fn trouble(&self) -> Option<&Trouble> {
        let refused = self.refused.as_ref().map(|(_, trouble)| trouble);
        self.open.trouble().or(refused).or_else(|| {
            [&self.close, &self.urls, &self.confirm, &self.put].into_iter().find_map(Gate::trouble)
        })
    }

    pub(super) fn view(&self, now: Instant) -> SessionView {
        SessionView {
            session: self.id,
            live: self.is_live(),
            objects: self.objects.len(),
            bytes: self.objects.bytes(),
            confirmed: self.confirmed,
            lag: self.lag(now),
            trouble: self.trouble().cloned(),
        }
    }

    /// When something of it comes due that nobody will tell of.
    pub(super) fn wakes_at(&self, now: Instant) -> impl Iterator<Item = Instant> {
        let beat = self.is_live().then_some(self.beat_at);
        let confirm = self.objects.sent_since().map(|since| since + CONFIRM_AFTER);
        let gates = [&self.open, &self.urls, &self.confirm, &self.close, &self.put].map(Gate::opens_at);
        let rest = [beat, confirm, self.close_at, self.objects.wakes_at()];
        gates.into_iter().chain(rest).flatten().filter(move |at| *at > now)
    }
}

/// What a receipt means.
#[derive(Debug, PartialEq)]
pub(super) enum Received {
    /// The session is at the server, whole.
    Complete,
    /// It is as whole as the server's own manifest has it, which lacks some of ours.
    Lacking,
    /// The server has to be asked again, after a pause for so many receipts in a row that said no more; none if this
    /// one said more.
    Again(Option<u32>),
}

impl Session {
    /// Those objects of ours that a receipt misses wait again.
    pub(super) fn add_missing(&mut self, receipt: &Receipt, now: Instant) -> Vec<ObjectSpec> {
        if receipt.missing.is_empty() {
            return Vec::new();
        }
        let Some(closing) = &self.closing else { return Vec::new() };
        let ours: HashSet<&ObjectSpec> = closing.manifest().objects().collect();
        let missing = receipt.missing.iter().filter(|spec| ours.contains(spec));
        let added: Vec<_> = missing.filter(|spec| self.objects.add((*spec).clone(), now)).cloned().collect();
        let chunks = added.iter().filter(|spec| spec.index.is_some()).count() as u64;
        self.confirmed = self.confirmed.saturating_sub(chunks);
        added
    }

    /// Learns from a receipt. What it misses is the caller's to add.
    pub(super) fn received(&mut self, receipt: &Receipt) -> Received {
        let Some(closing) = &self.closing else { return Received::Again(None) };
        let chunks = closing.manifest().objects().filter(|object| object.index.is_some()).count() as u64;
        if receipt.is_complete() {
            return if receipt.expected < chunks { Received::Lacking } else { Received::Complete };
        }
        if self.close_by == CloseBy::Verify && receipt.manifest.is_none() {
            self.close_by = CloseBy::Finalize;
        }
        let more = receipt.verified > self.verified;
        self.rounds = if more { 0 } else { self.rounds.saturating_add(1) };
        self.verified = receipt.verified;
        Received::Again((!more).then_some(self.rounds))
    }
}
