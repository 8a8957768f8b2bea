//! When a picture must be encoded though nothing changed, and how many are too many. Pure.

use media::ChunkPolicy;
use model::Timestamp;
use std::time::Duration;

/// A picture that stands still is encoded this often, so that a player can always go on.
const REPEAT: Duration = Duration::from_secs(1);

/// Decides when the picture of one track is due, changed or not.
#[derive(Debug)]
pub(crate) struct Cadence {
    policy: ChunkPolicy,
    /// The newest picture, and the boundary that ends the chunk it is in.
    last: Option<(Timestamp, Timestamp)>,
}

/// What is due next if nothing changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    /// The time that the repeated picture gets.
    pub(crate) at: Timestamp,
    /// How long a changed picture may still come in its place.
    pub(crate) patience: Duration,
}

impl Cadence {
    pub(crate) fn new(policy: ChunkPolicy) -> Self {
        Self { policy, last: None }
    }

    /// Whether a picture at `at` must be a keyframe: it is the first, or the first past a boundary.
    pub(crate) fn needs_keyframe(&self, at: Timestamp) -> bool {
        self.last.is_none_or(|(_, boundary)| at >= boundary)
    }

    /// A picture was encoded.
    pub(crate) fn encoded(&mut self, at: Timestamp) {
        let boundary = match self.last {
            Some((_, boundary)) if at < boundary => boundary,
            _ => at.next_multiple(self.policy.chunk()),
        };
        self.last = Some((at, boundary));
    }

    /// The run of pictures ended (pause, sleep): the next one begins a chunk.
    pub(crate) fn interrupt(&mut self) {
        self.last = None;
    }

    /// The next repeat, if there is a picture to repeat. `period` is the time between pictures at full rate.
    pub(crate) fn due(&self, period: Duration) -> Option<Due> {
        let (last, boundary) = self.last?;
        let part = ChunkPolicy::PART;
        let second = last + REPEAT;
        // A repeat within the last part covers the chunk to its very end, since a part that closes on a still
        // picture cuts it there.
        let tail = boundary - part / 2;
        let tail = if last < boundary - part { tail } else { boundary };
        let at = second.min(tail).min(boundary);
        // While pictures keep coming, the first of them past the boundary becomes the keyframe.
        let patience = if at == boundary { period + period / 2 } else { Duration::ZERO };
        Some(Due { at, patience })
    }
}

/// Lowers the rate of pictures while the machine is too slow for it, and raises it again. Sound never gives way.
#[derive(Debug)]
pub(crate) struct Throttle {
    fps: u32,
    step: usize,
    busy: Duration,
    since: Option<Timestamp>,
    calm: u32,
}

impl Throttle {
    /// Shares of the planned rate.
    const STEPS: [f64; 5] = [1.0, 2.0 / 3.0, 0.5, 1.0 / 3.0, 1.0 / 6.0];
    const WINDOW: Duration = Duration::from_secs(1);
    /// Busier than this for a window: slower. The rest is for what else runs on the thread's core.
    const BUSY: f64 = 0.85;
    /// Windows that would be calm at the next faster step before it is tried.
    const CALM_WINDOWS: u32 = 5;
    const CALM: f64 = 0.6;

    pub(crate) fn new(fps: u32) -> Self {
        Self { fps, step: 0, busy: Duration::ZERO, since: None, calm: 0 }
    }

    /// Most pictures a second for now.
    pub(crate) fn ceiling(&self) -> f64 {
        f64::from(self.fps) * Self::STEPS[self.step]
    }

    /// Time between pictures for now.
    pub(crate) fn period(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.ceiling())
    }

    /// Drawing and encoding took `busy`, and it is `now`. Says whether the ceiling changed.
    pub(crate) fn worked(&mut self, busy: Duration, now: Timestamp) -> bool {
        self.busy += busy;
        let since = *self.since.get_or_insert(now);
        let elapsed = now.saturating_since(since);
        if elapsed < Self::WINDOW {
            return false;
        }
        let load = self.busy.as_secs_f64() / elapsed.as_secs_f64();
        self.busy = Duration::ZERO;
        self.since = Some(now);
        self.judge(load)
    }

    fn judge(&mut self, load: f64) -> bool {
        if load > Self::BUSY && self.step + 1 < Self::STEPS.len() {
            self.step += 1;
            self.calm = 0;
            return true;
        }
        let faster = self.step.checked_sub(1);
        let Some(faster) = faster.filter(|&f| load * Self::STEPS[f] / Self::STEPS[self.step] < Self::CALM)
        else {
            self.calm = 0;
            return false;
        };
        self.calm += 1;
        if self.calm < Self::CALM_WINDOWS {
            return false;
        }
        self.calm = 0;
        self.step = faster;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(33);

    fn ms(ms: i64) -> Timestamp {
        Timestamp(ms * 1_000_000)
    }

    #[test]
    fn a_still_picture_is_repeated_each_second_before_the_boundary_and_on_it() {
        let mut cadence = Cadence::new(ChunkPolicy::default());
        assert_eq!(cadence.due(PERIOD), None);
        assert!(cadence.needs_keyframe(ms(20)));
        cadence.encoded(ms(20));
        let mut times = Vec::new();
        for _ in 0..6 {
            let due = cadence.due(PERIOD).unwrap();
            times.push((due.at.0 / 1_000_000, cadence.needs_keyframe(due.at), due.patience > Duration::ZERO));
            cadence.encoded(due.at);
        }
        assert_eq!(
            times,
            [
                (1020, false, false),
                (2020, false, false),
                (3020, false, false),
                (3875, false, false),
                (4000, true, true),
                (5000, false, false)
            ]
        );
    }

    #[test]
    fn moving_pictures_need_no_repeat_and_the_first_past_the_boundary_is_the_keyframe() {
        let mut cadence = Cadence::new(ChunkPolicy::default());
        cadence.encoded(ms(3_990));
        let due = cadence.due(PERIOD).unwrap();
        assert_eq!((due.at, due.patience), (ms(4_000), PERIOD + PERIOD / 2));
        assert!(!cadence.needs_keyframe(ms(3_999)));
        assert!(cadence.needs_keyframe(ms(4_023)));
        cadence.encoded(ms(4_023));
        assert!(!cadence.needs_keyframe(ms(7_999)));
        cadence.interrupt();
        assert!(cadence.needs_keyframe(ms(5_000)));
    }

    #[test]
    fn an_overloaded_machine_gets_fewer_pictures_and_more_again_later() {
        let mut throttle = Throttle::new(30);
        let mut now = Timestamp::ZERO;
        let mut second = |throttle: &mut Throttle, busy_ms: u64| {
            throttle.worked(Duration::ZERO, now);
            now = now + Duration::from_secs(1);
            throttle.worked(Duration::from_millis(busy_ms), now)
        };
        assert!(!second(&mut throttle, 500));
        for (busy, fps) in [(900, 20.0), (990, 15.0), (900, 10.0), (900, 5.0)] {
            assert!(second(&mut throttle, busy));
            assert!((throttle.ceiling() - fps).abs() < 0.01);
        }
        assert!(!second(&mut throttle, 990), "there is nothing below the last step");
        // 150 ms for 5 a second are 300 ms for 10, 450 for 15, 600 for 20: up to 15 and no further.
        let mut ups = 0;
        for _ in 0..60 {
            let busy = (throttle.ceiling() * 30.0) as u64;
            ups += u32::from(second(&mut throttle, busy));
        }
        assert_eq!(ups, 2);
        assert!((throttle.ceiling() - 15.0).abs() < 0.01);
    }
}
