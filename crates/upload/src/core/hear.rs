//! What the uploader learns: from the engine, from answers and from failures.

use super::{
    Allowed, Answer, Checked, Errand, Failure, Flight, Input, Output, RequestId, Session, SessionPlan, Step,
    Trouble, Uploader,
    objects::{Rank, Signed, State},
    react::{self, Call, CallVerdict, PutVerdict},
    session::Received,
};
use api::{ConfirmAnswer, Confirmed, ObjectSpec, Receipt, UploadAnswer, Urls};
use model::SessionId;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Tries in vain after which the local bytes are looked at.
const DAMAGED_MAX: u32 = 2;

/// Until when what was asked for at `started` is used: not to the last second, since a request takes its time.
fn used_until(started: Instant, expires_in: u64) -> Instant {
    let lasts = Duration::from_secs(expires_in.min(30 * 86_400));
    started + lasts - (lasts / 4).min(Duration::from_secs(30))
}

impl Uploader {
    pub(super) fn hear(&mut self, input: Input, now: Instant) {
        match input {
            Input::Session(plan) => self.hear_session(plan, now),
            Input::Object(id, spec) => self.with(id, |session| {
                session.objects.add(spec, now);
            }),
            Input::Gaps(id, gaps) => self.with(id, |session| session.gaps = gaps),
            Input::Ended(id, closing) => self.with(id, |session| session.ended(closing)),
            Input::Forget(id) => self.forget(id),
            Input::Checked(id, spec, checked) => self.hear_checked(id, &spec, checked, now),
            Input::Allow(allowed) => self.hear_allowed(allowed, now),
            Input::Limits(limits) => {
                self.pauses.max = limits.backoff_max;
                self.parallel.limit(limits.parallel_min, limits.parallel_max);
                self.limits = limits;
            }
            Input::Retry => self.retry(now),
            Input::Answer(id, answer) => self.hear_answer(id, answer, now),
            Input::Failed(id, failure) => {
                if let Some(flight) = self.land(id) {
                    self.failed(flight, &failure, now);
                }
            }
            Input::Timeout => {}
        }
    }

    fn with(&mut self, id: SessionId, change: impl FnOnce(&mut Session)) {
        if let Some(session) = self.sessions.get_mut(&id) {
            change(session);
        }
    }

    fn hear_session(&mut self, plan: SessionPlan, now: Instant) {
        match self.sessions.get_mut(&plan.session) {
            Some(session) => session.take_over(plan, now),
            None => drop(self.sessions.insert(plan.session, Session::new(plan, now))),
        }
    }

    fn hear_checked(&mut self, id: SessionId, spec: &ObjectSpec, checked: Checked, now: Instant) {
        let rank = Rank::of(spec);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match checked {
            Checked::Lost => session.lost(&rank),
            Checked::Whole if session.objects.is_checking(&rank) => {
                let failures = session.objects.failed(&rank);
                session.objects.set(&rank, State::Later(now + self.pauses.after(failures)));
            }
            Checked::Whole => {}
        }
    }

    fn hear_allowed(&mut self, allowed: Allowed, now: Instant) {
        let before = std::mem::replace(&mut self.allowed, allowed);
        match (before, allowed) {
            (Allowed::Yes, Allowed::No) => {
                let ids: Vec<_> = self.flights.keys().copied().collect();
                for id in ids {
                    self.outputs.push_back(Output::Cancel(id));
                    if let Some(flight) = self.land(id) {
                        self.put_back(&flight, now);
                    }
                }
            }
            (Allowed::No, Allowed::Yes) => self.retry(now),
            _ => {}
        }
    }

    /// Waits for nothing any longer.
    fn retry(&mut self, now: Instant) {
        for gate in [&mut self.server, &mut self.store, &mut self.account] {
            gate.reset(now);
        }
        self.sessions.values_mut().for_each(|session| session.hurry(now));
    }

    fn forget(&mut self, id: SessionId) {
        let of_it = |flight: &Flight| flight.session == id;
        let ids: Vec<_> =
            self.flights.iter().filter(|(_, flight)| of_it(flight)).map(|(id, _)| *id).collect();
        for id in ids {
            self.outputs.push_back(Output::Cancel(id));
            self.land(id);
        }
        self.sessions.remove(&id);
        self.told.sessions.remove(&id);
    }

    /// A request is not under way any more.
    fn land(&mut self, id: RequestId) -> Option<Flight> {
        let flight = self.flights.remove(&id)?;
        self.gates(&flight).for_each(super::Gate::leave);
        self.puts -= usize::from(matches!(flight.errand, Errand::Put(..)));
        Some(flight)
    }

    /// Its objects are where they were before it. What was being uploaded may have arrived.
    fn put_back(&mut self, flight: &Flight, now: Instant) {
        let Some(session) = self.sessions.get_mut(&flight.session) else { return };
        match &flight.errand {
            Errand::Urls(ranks) => ranks.iter().for_each(|rank| session.objects.set(rank, State::Waiting)),
            Errand::Confirm(ranks) => {
                ranks.iter().for_each(|rank| session.objects.set(rank, State::Sent(now)))
            }
            Errand::Put(rank, _) => session.objects.set(rank, State::Sent(now)),
            Errand::Create | Errand::Join | Errand::Heartbeat | Errand::Close => {}
        }
    }

    fn hear_answer(&mut self, id: RequestId, answer: Answer, now: Instant) {
        let Some(flight) = self.land(id) else { return };
        let is_put = matches!(flight.errand, Errand::Put(..));
        let fits = match (&flight.errand, &answer) {
            (Errand::Create, Answer::Created)
            | (Errand::Join, Answer::Joined(_))
            | (Errand::Put(..), Answer::Put)
            | (Errand::Heartbeat, Answer::Heartbeat(_))
            | (Errand::Close, Answer::Receipt(_)) => true,
            (Errand::Urls(ranks), Answer::Urls(urls)) => ranks.len() == urls.objects.len(),
            (Errand::Confirm(ranks), Answer::Confirmed(confirmed)) => ranks.len() == confirmed.objects.len(),
            _ => false,
        };
        if !fits {
            let words = "an answer does not fit its request".to_owned();
            return self.failed(flight, &Failure::Nonsense(words), now);
        }
        if is_put {
            self.parallel.sent(self.bytes_of(&flight), self.puts + 1, now);
        }
        // That a recording is known says nothing of the session: a pause before the next try to join it must last.
        let known = matches!(flight.errand, Errand::Create);
        let was_away = !is_put && self.server.failures() > 0;
        let gates = self.gates(&flight).take(if known { 2 } else { 3 });
        gates.for_each(super::Gate::succeeded);
        if was_away {
            self.sessions.values_mut().flat_map(Session::gates_mut).for_each(super::Gate::way_is_free);
        }
        self.answered(flight, answer, now);
    }

    fn bytes_of(&self, flight: &Flight) -> u64 {
        let Errand::Put(rank, _) = &flight.errand else { return 0 };
        let session = self.sessions.get(&flight.session);
        session.and_then(|session| session.objects.get(rank)).map_or(0, |object| object.spec.size)
    }

    fn answered(&mut self, flight: Flight, answer: Answer, now: Instant) {
        let id = flight.session;
        match (flight.errand, answer) {
            (Errand::Create, Answer::Created) => self.with(id, |session| session.step = Step::Join),
            (Errand::Join, Answer::Joined(joined)) => {
                let until = used_until(flight.started, joined.expires_in);
                let token: Arc<str> = joined.token.into();
                self.with(id, |session| session.step = Step::Open { token, until });
            }
            (Errand::Urls(ranks), Answer::Urls(urls)) => {
                self.hear_urls(id, &ranks, urls, flight.started, now)
            }
            (Errand::Put(rank, _), Answer::Put) => {
                self.with(id, |session| session.objects.set(&rank, State::Sent(now)));
            }
            (Errand::Confirm(ranks), Answer::Confirmed(confirmed)) => {
                self.hear_confirmed(id, &ranks, confirmed, now);
            }
            (Errand::Heartbeat, Answer::Heartbeat(answer)) if answer.slow_down > 0 => {
                let pause = Duration::from_secs(answer.slow_down.min(600));
                self.parallel.slow_down(pause, now);
            }
            (Errand::Close, Answer::Receipt(receipt)) => self.hear_receipt(id, receipt, now),
            _ => {}
        }
    }

    fn hear_urls(&mut self, id: SessionId, ranks: &[Rank], urls: Urls, started: Instant, now: Instant) {
        for (rank, answer) in ranks.iter().zip(urls.objects) {
            match answer {
                UploadAnswer::Put(put) => {
                    let until = used_until(started, put.expires_in);
                    let signed = Signed { put: Arc::new(put), until };
                    self.with(id, |session| session.objects.set(rank, State::Ready(signed)));
                }
                UploadAnswer::Verified => self.confirmed(id, rank),
                UploadAnswer::IndexTaken => self.refused(id, rank, INDEX_TAKEN, now),
                UploadAnswer::SessionDone => self.refused(id, rank, SESSION_DONE, now),
            }
        }
    }

    fn hear_confirmed(&mut self, id: SessionId, ranks: &[Rank], confirmed: Confirmed, now: Instant) {
        for (rank, answer) in ranks.iter().zip(confirmed.objects) {
            match answer {
                ConfirmAnswer::Verified { .. } => self.confirmed(id, rank),
                ConfirmAnswer::Missing => self.send_again(id, rank, now),
                ConfirmAnswer::Damaged => self.is_damaged(id, rank, now),
                ConfirmAnswer::IndexTaken => self.refused(id, rank, INDEX_TAKEN, now),
                ConfirmAnswer::SessionDone => self.refused(id, rank, SESSION_DONE, now),
            }
        }
    }

    fn confirmed(&mut self, id: SessionId, rank: &Rank) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(spec) = session.objects.remove(rank) else { return };
        session.confirmed += u64::from(spec.index.is_some());
        session.refused.take_if(|(refused, _)| refused == rank);
        self.outputs.push_back(Output::Confirmed(id, spec));
    }

    /// It needs another URL, after a pause.
    fn send_again(&mut self, id: SessionId, rank: &Rank, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let failures = session.objects.failed(rank);
        session.objects.set(rank, State::Later(now + self.pauses.after(failures)));
    }

    /// The server has other bytes: damaged on the way, at the store or here.
    fn is_damaged(&mut self, id: SessionId, rank: &Rank, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.objects.get(rank).is_some_and(|object| object.failures + 1 >= DAMAGED_MAX) {
            self.check(id, rank);
        } else {
            self.send_again(id, rank, now);
        }
    }

    fn check(&mut self, id: SessionId, rank: &Rank) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(object) = session.objects.get(rank) else { return };
        self.outputs.push_back(Output::Check(id, object.spec.clone()));
        session.objects.set(rank, State::Checking);
    }

    /// The server will not take an object. Nothing of ours goes because of that, and others go on.
    fn refused(&mut self, id: SessionId, rank: &Rank, words: &str, now: Instant) {
        let pause = self.limits.trouble_pause;
        self.with(id, |session| {
            let Some(object) = session.objects.get(rank) else { return };
            session.refused = Some((rank.clone(), Trouble::Taken(format!("{}: {words}", object.spec))));
            session.objects.set(rank, State::Later(now + pause));
        });
    }

    fn hear_receipt(&mut self, id: SessionId, receipt: Receipt, now: Instant) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match session.received(&receipt) {
            Received::Complete => {
                self.outputs.push_back(Output::Receipt(id, receipt));
                self.forget(id);
            }
            Received::Lacking => {
                let words = "it keeps a manifest that lacks some of what is here".to_owned();
                session.close.given_to_people(Trouble::Taken(words), self.limits.trouble_pause, now, now);
            }
            Received::Again(rounds) => {
                session.close_at = rounds.map(|rounds| now + self.pauses.after(rounds));
                let missing = session.add_missing(&receipt, now);
                self.outputs.extend(missing.into_iter().map(|spec| Output::Missing(id, spec)));
                self.outputs.push_back(Output::Receipt(id, receipt));
            }
        }
    }

    fn failed(&mut self, flight: Flight, failure: &Failure, now: Instant) {
        let call = match flight.errand {
            Errand::Put(rank, signed) => {
                return self.put_failed(flight.session, &rank, signed, flight.started, failure, now);
            }
            Errand::Create => Call::Create,
            Errand::Join => Call::Join,
            Errand::Urls(_) => Call::Urls,
            Errand::Confirm(_) => Call::Confirm,
            Errand::Heartbeat => Call::Heartbeat,
            Errand::Close => Call::Close,
        };
        self.put_back(&flight, now);
        let Self { pauses, sessions, limits, .. } = self;
        let Some(session) = sessions.get_mut(&flight.session) else { return };
        let gate = match call {
            Call::Create | Call::Join => &mut session.open,
            Call::Close => &mut session.close,
            Call::Urls => &mut session.urls,
            Call::Confirm => &mut session.confirm,
            Call::Heartbeat => &mut session.beat,
        };
        match react::call(call, failure) {
            CallVerdict::Closed(trouble) => self.server.closed(trouble, flight.started, now, pauses),
            CallVerdict::Broke(trouble) => {
                gate.closed(trouble.clone(), flight.started, now, pauses);
                self.server.broke(trouble, flight.started, now, pauses);
            }
            CallVerdict::Busy(trouble, after) => {
                self.server.closed(trouble, flight.started, now, pauses);
                if let Some(after) = after {
                    self.server.asked_to_wait(after, now, pauses);
                }
            }
            CallVerdict::Account(trouble) => {
                self.account.given_to_people(trouble, limits.trouble_pause, flight.started, now);
            }
            CallVerdict::Rejoin(trouble) => {
                gate.closed(trouble, flight.started, now, pauses);
                session.step = Step::Join;
            }
            CallVerdict::Recreate(trouble) => {
                gate.closed(trouble, flight.started, now, pauses);
                session.step = Step::Create;
            }
            CallVerdict::ManifestTaken => session.manifest_is_taken(),
            CallVerdict::Again(trouble) => gate.closed(trouble, flight.started, now, pauses),
            CallVerdict::People(trouble) => {
                gate.given_to_people(trouble, limits.trouble_pause, flight.started, now);
            }
        }
    }

    fn put_failed(
        &mut self,
        id: SessionId,
        rank: &Rank,
        signed: Signed,
        started: Instant,
        failure: &Failure,
        now: Instant,
    ) {
        let Self { pauses, sessions, store, parallel, .. } = self;
        let Some(session) = sessions.get_mut(&id) else { return };
        match react::put(failure) {
            PutVerdict::Closed(trouble) => {
                store.closed(trouble, started, now, pauses);
                session.objects.stays(rank, signed, now + pauses.max);
            }
            PutVerdict::Busy(trouble, after) => {
                parallel.cut(started, now);
                store.closed(trouble, started, now, pauses);
                if let Some(after) = after {
                    store.asked_to_wait(after, now, pauses);
                }
                session.objects.stays(rank, signed, now + pauses.max);
            }
            PutVerdict::Doubt(trouble) => {
                parallel.cut(started, now);
                store.broke(trouble, started, now, pauses);
                session.objects.failed(rank);
                session.objects.set(rank, State::Sent(now));
            }
            PutVerdict::There => session.objects.set(rank, State::Sent(now)),
            PutVerdict::Check => self.check(id, rank),
            PutVerdict::NewUrl(trouble) => {
                session.put.broke(trouble, started, now, pauses);
                self.send_again(id, rank, now);
            }
        }
    }
}

const INDEX_TAKEN: &str = "its index has other bytes";
const SESSION_DONE: &str = "the session is done without it";
