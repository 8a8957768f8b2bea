//! How many bytes go out: a cap, and a count.

use std::{
    collections::VecDeque,
    num::NonZeroU64,
    time::{Duration, Instant},
};

/// Sends no more than so many bytes a second, evenly: a bucket that fills with time and may be overdrawn by one piece.
#[derive(Debug)]
pub(super) struct Bucket {
    cap: Option<NonZeroU64>,
    /// Bytes that may be sent now; less than none where a piece was larger.
    room: f64,
    filled_at: Instant,
}

impl Bucket {
    /// What may be sent at once after a pause, in seconds of the cap.
    const BURST: f64 = 0.25;

    pub(super) fn new(cap: Option<NonZeroU64>, now: Instant) -> Self {
        Self { cap, room: 0.0, filled_at: now }
    }

    pub(super) fn set(&mut self, cap: Option<NonZeroU64>, now: Instant) {
        *self = Self::new(cap, now);
    }

    /// Takes room for `bytes`; the error is how long it takes until there is some.
    pub(super) fn take(&mut self, bytes: u64, now: Instant) -> Result<(), Duration> {
        let Some(cap) = self.cap else { return Ok(()) };
        let cap = cap.get() as f64;
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.room = (self.room + passed * cap).min(cap * Self::BURST);
        self.filled_at = now;
        if self.room < 0.0 {
            return Err(Duration::from_secs_f64(-self.room / cap));
        }
        self.room -= bytes as f64;
        Ok(())
    }
}

/// Bytes that went out, and how many a second lately.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub(super) sent: u64,
    /// Bytes by the time of the first of them.
    lately: VecDeque<(Instant, u64)>,
}

impl Count {
    /// The speed is that of so long.
    const WINDOW: Duration = Duration::from_secs(3);
    const STEP: Duration = Duration::from_millis(250);

    pub(super) fn add(&mut self, bytes: u64, now: Instant) {
        self.sent += bytes;
        match self.lately.back_mut() {
            Some((since, sum)) if now.saturating_duration_since(*since) < Self::STEP => *sum += bytes,
            _ => self.lately.push_back((now, bytes)),
        }
        self.forget(now);
    }

    /// Bytes a second.
    pub(super) fn speed(&mut self, now: Instant) -> u64 {
        self.forget(now);
        let sum: u64 = self.lately.iter().map(|(_, bytes)| bytes).sum();
        (sum as f64 / Self::WINDOW.as_secs_f64()) as u64
    }

    fn forget(&mut self, now: Instant) {
        while self.lately.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) >= Self::WINDOW) {
            self.lately.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that pass within `seconds`, where pieces always wait.
    fn passes(bucket: &mut Bucket, start: Instant, seconds: u64) -> u64 {
        let (mut now, mut bytes) = (start, 0);
        while now < start + Duration::from_secs(seconds) {
            match bucket.take(65_536, now) {
                Ok(()) => bytes += 65_536,
                Err(pause) => now += pause + Duration::from_micros(1),
            }
        }
        bytes
    }

    #[test]
    fn a_cap_is_held_and_can_change() {
        let start = Instant::now();
        let mut bucket = Bucket::new(NonZeroU64::new(1_000_000), start);
        let bytes = passes(&mut bucket, start, 10);
        assert!((9_800_000..10_200_000).contains(&bytes), "{bytes}");
        let start = start + Duration::from_secs(10);
        bucket.set(NonZeroU64::new(100_000), start);
        let bytes = passes(&mut bucket, start, 60);
        assert!((5_900_000..6_200_000).contains(&bytes), "{bytes}");
        bucket.set(None, start);
        assert!((0..1_000).all(|_| bucket.take(1 << 30, start).is_ok()));
    }

    #[test]
    fn a_pause_does_not_save_up_for_a_flood() {
        let start = Instant::now();
        let mut bucket = Bucket::new(NonZeroU64::new(1_000_000), start);
        let later = start + Duration::from_secs(3_600);
        let bytes = passes(&mut bucket, later, 1);
        assert!(bytes < 1_400_000, "{bytes}");
    }

    #[test]
    fn speed_is_that_of_the_last_seconds() {
        let start = Instant::now();
        let mut count = Count::default();
        for tick in 0..600 {
            count.add(10_000, start + Duration::from_millis(tick * 10));
        }
        let now = start + Duration::from_secs(6);
        let speed = count.speed(now);
        assert!((900_000..1_100_000).contains(&speed), "{speed}");
        assert_eq!(count.speed(now + Count::WINDOW), 0);
        assert_eq!(count.sent, 6_000_000);
    }
}
