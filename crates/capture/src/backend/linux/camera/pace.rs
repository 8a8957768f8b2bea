//! When pictures were taken, in host time, and which of them are more than were asked for. Pure but for a clock;
//! tested below.

use crate::SampleSink;
use model::HostTime;
use rustix::time::{ClockId, clock_gettime};

/// A stamp older than this is no stamp.
const OLDEST: i64 = 2_000_000_000;
/// Two clocks that were read within this time were read at once.
const AT_ONCE: i64 = 20_000;

/// Turns drivers' stamps, which are of `CLOCK_MONOTONIC`, into host time, which may be of another clock.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    /// What host time is ahead by.
    ahead: Option<i64>,
    last: Option<HostTime>,
}

impl Stamps {
    /// When a picture was taken that came just now. Later than the one before, and never in the future.
    pub fn host_from_monotonic(&mut self, stamp: Option<i64>, sink: &SampleSink) -> HostTime {
        let (before, now, after) = (monotonic(), sink.now(), monotonic());
        self.observe(before, now, after);
        self.place(stamp, now)
    }

    /// The two clocks are compared at each picture, since one may count the machine's sleep and the other not. A
    /// thread that was held up in between learns nothing.
    fn observe(&mut self, before: i64, now: HostTime, after: i64) {
        if self.ahead.is_none() || after - before < AT_ONCE {
            self.ahead = Some(now.0.saturating_sub(i64::midpoint(before, after)));
        }
    }

    fn place(&mut self, stamp: Option<i64>, now: HostTime) -> HostTime {
        let taken = stamp.map(|stamp| stamp.saturating_add(self.ahead.unwrap_or(0)));
        let at = taken.filter(|at| (now.0.saturating_sub(OLDEST)..=now.0).contains(at)).unwrap_or(now.0);
        let at = HostTime(self.last.map_or(at, |last| at.max(last.0 + 1)));
        self.last = Some(at);
        at
    }
}

/// Nanoseconds of the clock by which drivers stamp.
fn monotonic() -> i64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

/// Drops evenly what a camera gives beyond a ceiling.
#[derive(Debug)]
pub(super) struct Pace {
    period: i64,
    due: i64,
    last: Option<i64>,
}

impl Pace {
    /// At most so many a second.
    pub fn new(fps: u32) -> Self {
        Self { period: 1_000_000_000 / i64::from(fps.max(1)), due: i64::MIN, last: None }
    }

    /// Whether a picture of this instant is wanted.
    pub fn wants(&mut self, at: HostTime) -> bool {
        let since = self.last.replace(at.0).map_or(i64::MAX, |last| at.0.saturating_sub(last));
        // A camera that is hardly faster than wanted is not made to stumble for it.
        let is_slow = since >= self.period / 20 * 19;
        // Stamps jitter: what comes a little early is on time.
        let is_wanted = is_slow || at.0 >= self.due.saturating_sub(self.period / 6);
        if is_wanted {
            let next = self.due.saturating_add(self.period);
            self.due = if next > at.0 { next } else { at.0.saturating_add(self.period) };
        }
        is_wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_moved_to_the_host_clock() {
        let mut stamps = Stamps::default();
        stamps.observe(5_000_000_000, HostTime(1_000), 5_000_002_000);
        assert_eq!(stamps.place(Some(5_000_000_500), HostTime(1_000)), HostTime(500));
        stamps.observe(6_000_000_000, HostTime(1_000_500_000), 6_001_000_000);
        assert_eq!(stamps.ahead, Some(1_000 - 5_000_001_000), "a look that took a millisecond tells nothing");
        assert_eq!(stamps.place(Some(5_000_000_500), HostTime(2_000)), HostTime(501), "time goes forward");
    }

    #[test]
    fn a_stamp_that_cannot_be_is_the_arrival() {
        for stamp in [None, Some(0), Some(i64::MAX), Some(10_000_000_001), Some(7_999_999_999)] {
            let mut stamps = Stamps::default();
            stamps.observe(10_000_000_000, HostTime(50_000_000_000), 10_000_000_000);
            assert_eq!(stamps.place(stamp, HostTime(50_000_000_000)), HostTime(50_000_000_000), "{stamp:?}");
        }
    }

    /// How many of ten seconds' pictures are wanted, and the longest time between two, in milliseconds.
    fn check(camera: f64, fps: u32, jitter: i64) -> (usize, i64) {
        let mut pace = Pace::new(fps);
        let count = (camera * 10.0) as i64;
        let times = (0..count).map(|n| (n as f64 * 1e9 / camera) as i64 + n * 7919 % (jitter + 1));
        let wanted: Vec<i64> = times.filter(|at| pace.wants(HostTime(*at))).collect();
        let longest = wanted.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000_000).max().unwrap();
        (wanted.len(), longest)
    }

    #[test]
    fn what_is_too_much_is_dropped_evenly() {
        for jitter in [0, 1_000_000] {
            assert_eq!(check(30.0, 30, jitter).0, 300);
            assert_eq!(check(29.97, 30, jitter).0, 299);
            assert_eq!(check(30.2, 30, jitter).0, 302, "that is no faster");
            assert_eq!(check(60.0, 30, jitter).0, 300);
            assert!(check(60.0, 30, jitter).1 <= 35);
            assert_eq!(check(60.0, 15, jitter).0, 150);
            assert!((check(50.0, 30, jitter).0 as i64 - 300).abs() <= 3);
            assert!(check(50.0, 30, jitter).1 <= 41);
            assert!((check(59.94, 30, jitter).0 as i64 - 300).abs() <= 3);
            assert_eq!(check(15.0, 30, jitter).0, 150);
        }
    }
}
