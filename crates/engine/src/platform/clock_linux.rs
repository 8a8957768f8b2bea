//! Linux: one clock that counts sleep, one that does not.

use rustix::time::{ClockId, clock_gettime};

fn nanos(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// The steady clock, in nanoseconds: the one that devices stamp with.
pub(crate) fn host_nanos() -> i64 {
    nanos(ClockId::Monotonic)
}

/// How far the clock that counts sleep is ahead of the steady one.
pub(crate) fn sleep_nanos() -> i64 {
    nanos(ClockId::Boottime) - nanos(ClockId::Monotonic)
}
