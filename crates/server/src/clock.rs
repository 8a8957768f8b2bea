//! The only place of the server that reads clocks.
//!
//! Owns: the wall clock, for people and for what must hold across a restart, and a steady one for what must not notice
//! that somebody set the time. Everything else takes `now` as an argument.

use model::UtcTime;
use std::time::{Duration, Instant, SystemTime};

/// The server's clocks.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Instant,
    /// Milliseconds by which the wall clock is off; a test's affair.
    offset_ms: i64,
}

impl Clock {
    /// The computer's clocks.
    pub fn system() -> Self {
        Self::off_by(0)
    }

    /// The computer's clocks, the wall clock set forward by so many milliseconds, or back.
    pub fn off_by(offset_ms: i64) -> Self {
        Self { began: Instant::now(), offset_ms }
    }

    /// The wall clock.
    pub fn utc(&self) -> UtcTime {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        UtcTime(millis.saturating_add(self.offset_ms))
    }

    /// Since this server was started, whatever anybody does to the wall clock.
    pub fn steady(&self) -> Duration {
        self.began.elapsed()
    }
}
