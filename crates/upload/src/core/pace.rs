//! How often and how much at once: pauses between tries, gates that a failure closes, and the number of uploads that
//! run side by side.

use super::Trouble;
use std::time::{Duration, Instant};

/// The first pause.
const PAUSE: Duration = Duration::from_millis(500);
/// Breaks in a row after which a gate closes. One broken connection says little about the others.
const STRIKES: u32 = 3;

/// Pauses that double, and are spread by chance, so that many recorders do not come back in step.
#[derive(Debug)]
pub(super) struct Pauses {
    random: fastrand::Rng,
    pub(super) max: Duration,
}

impl Pauses {
    pub(super) fn new(seed: u64, max: Duration) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), max }
    }

    /// The pause after this many failures in a row: between half of it and all of it.
    pub(super) fn after(&mut self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let full = PAUSE.saturating_mul(1 << doublings).min(self.max);
        full.mul_f64(0.5 + self.random.f64() / 2.0)
    }

    /// A pause that somebody asked for: never shorter, at most a tenth longer.
    pub(super) fn asked(&mut self, pause: Duration) -> Duration {
        pause.mul_f64(1.0 + self.random.f64() / 10.0)
    }
}

/// What failures of one kind close for a while. Behind a gate that was closed, one request tries first, and the others
/// follow when it came through.
#[derive(Debug, Default)]
pub(super) struct Gate {
    failures: u32,
    strikes: u32,
    /// Requests behind it that are under way.
    under_way: usize,
    /// When the last failure was counted. Requests that were under way by then say nothing new.
    last: Option<Instant>,
    until: Option<Instant>,
    /// Until when somebody asked not to be asked; success of others does not undo that.
    asked: Option<Instant>,
    trouble: Option<Trouble>,
    /// Only people can mend it.
    people: bool,
}

impl Gate {
    pub(super) fn admits(&self, now: Instant) -> bool {
        self.opens_at().is_none_or(|until| until <= now) && (self.failures == 0 || self.under_way == 0)
    }

    /// Whether nothing behind it is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way == 0
    }

    pub(super) fn enter(&mut self) {
        self.under_way += 1;
    }

    pub(super) fn leave(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    pub(super) fn opens_at(&self) -> Option<Instant> {
        self.until.max(self.asked)
    }

    /// What is in the way, once it is worth telling.
    pub(super) fn trouble(&self) -> Option<&Trouble> {
        let trouble = self.trouble.as_ref()?;
        let worth = self.failures > 1 || self.people || matches!(trouble, Trouble::Full(_));
        worth.then_some(trouble)
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self { under_way: self.under_way, asked: self.asked, last: self.last, ..Self::default() };
    }

    /// A connection broke, or nothing came.
    pub(super) fn broke(&mut self, trouble: Trouble, started: Instant, now: Instant, pauses: &mut Pauses) {
        self.strikes += 1;
        if self.strikes >= STRIKES || self.failures > 0 {
            self.closed(trouble, started, now, pauses);
        }
    }

    /// Nothing gets through.
    pub(super) fn closed(&mut self, trouble: Trouble, started: Instant, now: Instant, pauses: &mut Pauses) {
        self.trouble = Some(trouble);
        self.people = false;
        if self.is_news(started) {
            self.last = Some(now);
            self.failures = self.failures.saturating_add(1);
            self.until = Some(now + pauses.after(self.failures));
        }
    }

    /// Only people can mend it: comes back after `pause`.
    pub(super) fn given_to_people(
        &mut self,
        trouble: Trouble,
        pause: Duration,
        started: Instant,
        now: Instant,
    ) {
        if !self.is_news(started) {
            return;
        }
        self.trouble = Some(trouble);
        self.people = true;
        self.failures = self.failures.saturating_add(1);
        self.last = Some(now);
        self.until = Some(now + pause);
    }

    /// Somebody said when to come again.
    pub(super) fn asked_to_wait(&mut self, pause: Duration, now: Instant, pauses: &mut Pauses) {
        self.asked = self.asked.max(Some(now + pauses.asked(pause)));
    }

    /// Whether a failure of what began at `started` says more than the last one did.
    fn is_news(&self, started: Instant) -> bool {
        self.last.is_none_or(|last| started > last)
    }

    /// Forgets what was waited for, and what comes of requests from before.
    pub(super) fn reset(&mut self, now: Instant) {
        *self = Self { under_way: self.under_way, last: Some(now), ..Self::default() };
    }

    /// The way to the server is free again: whoever waited only for that waits no longer.
    pub(super) fn way_is_free(&mut self) {
        if matches!(self.trouble, Some(Trouble::Away(_))) {
            self.until = None;
        }
    }

    /// Failures in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

/// How many uploads run side by side. Doubled while that pays, then one more at a time, kept while it pays; halved when
/// something on the way is overtaxed.
#[derive(Debug)]
pub(super) struct Parallel {
    size: f64,
    min: f64,
    max: f64,
    doubling: bool,
    /// Bytes a second before it was last raised, if it was in the last round.
    before: Option<f64>,
    /// Rounds in which it is not raised.
    rest: u32,
    last_cut: Option<Instant>,
    slow_until: Option<Instant>,
    round: Option<Round>,
}

#[derive(Debug)]
struct Round {
    since: Instant,
    bytes: u64,
    count: usize,
    full: bool,
}

impl Parallel {
    const FIRST: f64 = 4.0;
    /// A round is as many uploads as run at once, and no shorter than this, or it says nothing.
    const ROUND_MIN: Duration = Duration::from_millis(100);
    /// What one more must bring.
    const GAIN: f64 = 1.03;
    const REST: u32 = 8;

    pub(super) fn new(min: usize, max: usize) -> Self {
        let (min, max) = (min.max(1) as f64, max.max(min).max(1) as f64);
        Self {
            size: Self::FIRST.clamp(min, max),
            min,
            max,
            doubling: true,
            before: None,
            rest: 0,
            last_cut: None,
            slow_until: None,
            round: None,
        }
    }

    pub(super) fn limit(&mut self, min: usize, max: usize) {
        (self.min, self.max) = (min.max(1) as f64, max.max(min).max(1) as f64);
        self.size = self.size.clamp(self.min, self.max);
    }

    pub(super) fn size(&self) -> usize {
        self.size as usize
    }

    /// An upload came through while `under_way` ran, itself included.
    pub(super) fn sent(&mut self, bytes: u64, under_way: usize, now: Instant) {
        let full = under_way >= self.size();
        let round = self.round.get_or_insert(Round { since: now, bytes: 0, count: 0, full: true });
        // The first of a round only says when it begins: its bytes went out before.
        if round.since < now {
            round.bytes += bytes;
            round.count += 1;
        }
        round.full &= full;
        let lasted = now.saturating_duration_since(round.since);
        if round.count >= self.size as usize && lasted >= Self::ROUND_MIN {
            let rate = round.bytes as f64 / lasted.as_secs_f64();
            let full = round.full;
            self.round = Some(Round { since: now, bytes: 0, count: 0, full: true });
            if full && self.slow_until.is_none_or(|until| until <= now) {
                self.learn(rate);
            } else {
                self.before = None;
            }
        }
    }

    fn learn(&mut self, rate: f64) {
        match self.before.take() {
            Some(before) if rate < before * Self::GAIN => {
                self.size = if self.doubling { self.size / 2.0 } else { self.size - 1.0 };
                self.doubling = false;
                self.rest = Self::REST;
            }
            None if self.rest > 0 => self.rest -= 1,
            _ if self.size < self.max => {
                self.before = Some(rate);
                self.size = if self.doubling { self.size * 2.0 } else { self.size + 1.0 };
            }
            _ => {}
        }
        self.size = self.size.clamp(self.min, self.max);
    }

    /// Something is overtaxed; `started` is when the request that says so began.
    pub(super) fn cut(&mut self, started: Instant, now: Instant) {
        if self.last_cut.is_none_or(|last| started > last) {
            self.last_cut = Some(now);
            self.size = (self.size / 2.0).floor().clamp(self.min, self.max);
            self.doubling = false;
            self.before = None;
            self.rest = Self::REST;
            self.round = None;
        }
    }

    /// The server asks for less for a while.
    pub(super) fn slow_down(&mut self, pause: Duration, now: Instant) {
        if self.slow_until.is_none_or(|until| until <= now) {
            self.cut(now, now);
        }
        self.slow_until = Some(now + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away() -> Trouble {
        Trouble::Away("refused".to_owned())
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_are_spread() {
        let mut pauses = Pauses::new(1, Duration::from_secs(60));
        for failures in 1..40 {
            let full = PAUSE.saturating_mul(1 << (failures - 1).min(20)).min(Duration::from_secs(60));
            let pause = pauses.after(failures);
            assert!(pause >= full / 2 && pause <= full, "{failures}: {pause:?} of {full:?}");
        }
        let asked = pauses.asked(Duration::from_secs(10));
        assert!(asked >= Duration::from_secs(10) && asked <= Duration::from_secs(11));
    }

    #[test]
    fn many_failures_at_once_count_once_and_one_request_tries_first() {
        let (mut gate, mut pauses) = (Gate::default(), Pauses::new(1, Duration::from_secs(60)));
        let start = Instant::now();
        let now = start + Duration::from_secs(1);
        for _ in 0..16 {
            gate.enter();
        }
        for _ in 0..16 {
            gate.leave();
            gate.closed(away(), start, now, &mut pauses);
        }
        assert_eq!(gate.failures, 1);
        assert!(gate.trouble().is_none(), "the first failure is not worth telling");
        assert!(!gate.admits(now));
        let later = now + PAUSE;
        assert!(gate.admits(later));
        gate.enter();
        assert!(!gate.admits(later));
        gate.leave();
        gate.closed(away(), later, later, &mut pauses);
        assert_eq!(gate.trouble(), Some(&away()));
        gate.succeeded();
        assert!(gate.admits(later) && gate.trouble().is_none());
    }

    #[test]
    fn success_of_others_does_not_undo_what_was_asked() {
        let (mut gate, mut pauses) = (Gate::default(), Pauses::new(1, Duration::from_secs(60)));
        let now = Instant::now();
        gate.asked_to_wait(Duration::from_secs(30), now, &mut pauses);
        gate.succeeded();
        assert!(!gate.admits(now + Duration::from_secs(30)));
        assert!(gate.admits(now + Duration::from_secs(33)));
        gate.reset(now);
        assert!(gate.admits(now));
    }

    /// Uploads of 1 MB over a link that gives each at most `each` and all together at most `all` bytes a second.
    fn settled(each: f64, all: f64, max: usize) -> usize {
        let mut parallel = Parallel::new(1, max);
        let mut now = Instant::now();
        for _ in 0..2_000 {
            let running = parallel.size();
            let rate = (each * running as f64).min(all);
            now += Duration::from_secs_f64(1e6 / rate);
            parallel.sent(1_000_000, running, now);
        }
        parallel.size()
    }

    #[test]
    fn it_grows_while_that_pays() {
        assert_eq!(settled(1e6, 1e9, 16), 16, "a long way: each is slow, the link is not full");
        let enough = settled(1e7, 8e7, 16);
        assert!((7..=9).contains(&enough), "{enough} where 8 fill the link");
        assert!(settled(1e8, 1e8, 16) <= 5, "one fills the link");
        assert_eq!(settled(1e6, 1e9, 2), 2);
    }

    #[test]
    fn it_is_halved_once_for_each_round_of_trouble() {
        let mut parallel = Parallel::new(1, 16);
        parallel.size = 16.0;
        let start = Instant::now();
        let now = start + Duration::from_secs(1);
        for _ in 0..16 {
            parallel.cut(start, now);
        }
        assert_eq!(parallel.size(), 8);
        parallel.cut(now + Duration::from_secs(1), now + Duration::from_secs(2));
        assert_eq!(parallel.size(), 4);
        parallel.limit(6, 10);
        assert_eq!(parallel.size(), 6);
    }
}
