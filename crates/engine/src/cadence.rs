//! When a picture must be encoded though nothing changed. Pure.

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

    /// Chunks are so long from the next one on.
    pub(crate) fn set_policy(&mut self, policy: ChunkPolicy) {
        self.policy = policy;
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
}
