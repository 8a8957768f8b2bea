//! The session's own clock: one time zero for all sources.

use model::{HostTime, Timestamp};
use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

/// Reads the computer's steady clock. The engine implements it; tests bring their own.
pub trait HostClock: Send + Sync {
    /// Now.
    fn now(&self) -> HostTime;
}

/// Maps host time to session time: time zero, and what it was moved by since: sleep that the host clock did not count.
#[derive(Debug)]
pub struct SessionClock {
    zero: HostTime,
    shift_nanos: AtomicI64,
}

impl SessionClock {
    /// A session that begins at `zero`.
    pub fn new(zero: HostTime) -> Self {
        Self { zero, shift_nanos: AtomicI64::new(0) }
    }

    /// The session time at which `at` is.
    pub fn session_from_host(&self, at: HostTime) -> Timestamp {
        Timestamp(at.0 - self.zero.0 + self.shift_nanos.load(Ordering::Acquire))
    }

    /// The machine slept for this long, which the host clock did not see: from now on session time is later by it.
    pub fn skip(&self, slept: Duration) {
        let nanos = i64::try_from(slept.as_nanos()).unwrap_or(i64::MAX);
        self.shift_nanos.fetch_add(nanos, Ordering::AcqRel);
    }

    /// Time zero is at `at` after all: a question to the user took this long. For before anything is recorded.
    pub fn restart(&self, at: HostTime) {
        self.shift_nanos.store(self.zero.0 - at.0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_moves_session_time_on() {
        let clock = SessionClock::new(HostTime(1_000));
        assert_eq!(clock.session_from_host(HostTime(1_500)), Timestamp(500));
        clock.skip(Duration::from_nanos(10));
        assert_eq!(clock.session_from_host(HostTime(1_600)), Timestamp(610));
    }

    #[test]
    fn a_session_may_begin_later_than_it_was_made() {
        let clock = SessionClock::new(HostTime(1_000));
        clock.restart(HostTime(61_000));
        assert_eq!(clock.session_from_host(HostTime(61_500)), Timestamp(500));
    }
}
