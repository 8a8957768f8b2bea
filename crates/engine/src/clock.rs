//! The only place that reads clocks.

use crate::platform;
use clock::HostClock;
use model::{HostTime, UtcTime};
use std::time::{Duration, SystemTime};

/// The computer's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl HostClock for SystemClock {
    fn now(&self) -> HostTime {
        HostTime(platform::host_nanos())
    }
}

/// The wall clock, for people. It may jump, so nothing is ordered or measured by it.
pub fn utc_now() -> UtcTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    UtcTime(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Minutes since midnight, where this machine is.
pub(crate) fn minute_of_day() -> u16 {
    let now = jiff::Zoned::now();
    u16::from(now.hour().unsigned_abs()) * 60 + u16::from(now.minute().unsigned_abs())
}

/// So long ago by the wall clock, for files that nobody has touched since.
pub(crate) fn wall_clock_before(ago: Duration) -> SystemTime {
    SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Notices that the machine slept: a clock that counts sleep ran ahead of the one that does not.
pub(crate) struct SleepWatch {
    /// How far it is ahead now, in nanoseconds.
    ahead: Box<dyn Fn() -> i64 + Send>,
    seen: i64,
}

impl SleepWatch {
    /// Shorter differences are the two readings' own distance.
    const SHORTEST: Duration = Duration::from_millis(200);

    /// By the computer's clocks, from now on.
    pub(crate) fn begin() -> Self {
        Self::by(platform::sleep_nanos)
    }

    /// By another reading of how far the one clock is ahead of the other.
    pub(crate) fn by(ahead: impl Fn() -> i64 + Send + 'static) -> Self {
        Self { seen: ahead(), ahead: Box::new(ahead) }
    }

    /// How long the machine slept since this was asked last, if it did.
    pub(crate) fn slept(&mut self) -> Option<Duration> {
        let ahead = (self.ahead)();
        self.observe(ahead)
    }

    fn observe(&mut self, ahead: i64) -> Option<Duration> {
        let slept = Duration::from_nanos(u64::try_from(ahead - self.seen).unwrap_or(0));
        if slept < Self::SHORTEST {
            return None;
        }
        self.seen = ahead;
        Some(slept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_real_sleep_counts() {
        let mut watch = SleepWatch::by(|| 5);
        assert_eq!(watch.observe(1_000), None);
        assert_eq!(watch.observe(3_000_000_005), Some(Duration::from_secs(3)));
        assert_eq!(watch.observe(3_000_000_900), None);
    }
}
