//! Session time: the only time that is stored or sent.

use serde::{Deserialize, Serialize};
use std::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// Nanoseconds since the session began. Negative is pre-roll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The instant at which the session began.
    pub const ZERO: Self = Self(0);

    /// From a count of ticks of `timescale` a second, rounded to the nearest nanosecond.
    pub fn from_ticks(ticks: i64, timescale: u32) -> Self {
        Self(rounded_div(i128::from(ticks) * NANOS_PER_SECOND, i128::from(timescale)))
    }

    /// In ticks of `timescale` a second, rounded to the nearest tick. Inverse of [`Self::from_ticks`] for
    /// timescales below 500 MHz.
    pub fn to_ticks(self, timescale: u32) -> i64 {
        rounded_div(i128::from(self.0) * i128::from(timescale), NANOS_PER_SECOND)
    }

    /// The largest multiple of `step` that is not after this. `step` must not be zero.
    pub fn floor_to(self, step: Duration) -> Self {
        let step = nanos(step);
        Self(self.0.div_euclid(step).saturating_mul(step))
    }

    /// The smallest multiple of `step` that is after this. `step` must not be zero.
    pub fn next_multiple(self, step: Duration) -> Self {
        self.floor_to(step) + step
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// In seconds, for people.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(duration)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}s", self.as_secs_f64())
    }
}

/// A range of session time, its end not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Span {
    /// First instant within.
    pub start: Timestamp,
    /// First instant no longer within.
    pub end: Timestamp,
}

impl Span {
    /// From `start` up to `end`.
    pub fn new(start: Timestamp, end: Timestamp) -> Self {
        Self { start, end }
    }

    /// How long it lasts; zero if it ends before it starts.
    pub fn duration(self) -> Duration {
        self.end.saturating_since(self.start)
    }

    /// Whether `at` lies within.
    pub fn contains(self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }

    /// Whether the two share an instant.
    pub fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

/// Nanoseconds on the computer's own steady clock (CLOCK_MONOTONIC, or what a system has in its place), which
/// stands still while the machine sleeps. All devices are stamped in it or related to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostTime(pub i64);

/// Nanoseconds on the clock of one device, counted from wherever that clock began. For sound it is the samples
/// delivered so far at their nominal rate, so it runs as fast or slow as the device's crystal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceTime(pub i64);

/// Milliseconds since 1970-01-01T00:00:00Z. For people and file names; nothing is ordered or measured by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UtcTime(pub i64);

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn rounded_div(value: i128, by: i128) -> i64 {
    let rounded = (2 * value + by).div_euclid(2 * by);
    i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_survive_the_way_to_nanoseconds_and_back() {
        for timescale in [1, 24_000, 30_001, 44_100, 48_000, 90_000, 1_000_000] {
            for ticks in [-90_001, -1024, -1, 0, 1, 1023, 1024, 47_999, 6_000_000_000] {
                assert_eq!(Timestamp::from_ticks(ticks, timescale).to_ticks(timescale), ticks);
            }
        }
    }

    #[test]
    fn multiples_go_down_for_pre_roll_too() {
        let step = Duration::from_secs(4);
        assert_eq!(Timestamp(-1).floor_to(step), Timestamp(-4_000_000_000));
        assert_eq!(Timestamp(4_000_000_000).floor_to(step), Timestamp(4_000_000_000));
        assert_eq!(Timestamp(4_000_000_000).next_multiple(step), Timestamp(8_000_000_000));
    }

    #[test]
    fn spans_touch_without_overlapping() {
        let span = |a, b| Span::new(Timestamp(a), Timestamp(b));
        assert!(!span(0, 4).overlaps(span(4, 8)));
        assert!(span(0, 5).overlaps(span(4, 8)));
        assert_eq!(span(8, 4).duration(), Duration::ZERO);
    }
}
