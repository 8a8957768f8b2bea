//! How long chunks and parts are. The numbers stand here and nowhere else.

use crate::MediaError;
use model::Timestamp;
use std::time::Duration;

/// How long chunks and parts are. Both lie on a grid of session time, the same for all tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkPolicy {
    chunk: Duration,
}

impl ChunkPolicy {
    /// A part: the unit of live latency, and of loss in a crash.
    pub const PART: Duration = Duration::from_millis(250);
    /// The usual chunk.
    pub const CHUNK: Duration = Duration::from_secs(4);
    /// The shortest chunk.
    pub const CHUNK_MIN: Duration = Duration::from_secs(2);
    /// The longest chunk.
    pub const CHUNK_MAX: Duration = Duration::from_secs(10);

    /// Chunks of this length: a whole number of parts within the limits.
    pub fn new(chunk: Duration) -> Result<Self, MediaError> {
        let allowed = (Self::CHUNK_MIN..=Self::CHUNK_MAX).contains(&chunk);
        if allowed && chunk.as_nanos().is_multiple_of(Self::PART.as_nanos()) {
            Ok(Self { chunk })
        } else {
            Err(MediaError::ChunkLength { chunk })
        }
    }

    /// Chunks of twice the length, for a machine that cannot keep up; none if they would be too long.
    pub fn longer(&self) -> Option<Self> {
        Self::new(self.chunk.checked_mul(2)?).ok()
    }

    /// Length of a chunk.
    pub fn chunk(self) -> Duration {
        self.chunk
    }

    /// Start of the chunk's cell that `at` lies in. An encoder's priming, before time zero, belongs to the first.
    pub fn chunk_cell(self, at: Timestamp) -> Timestamp {
        at.max(Timestamp::ZERO).floor_to(self.chunk)
    }

    /// The boundary that ends the chunk's cell that `at` lies in.
    pub fn chunk_end(self, at: Timestamp) -> Timestamp {
        self.chunk_cell(at) + self.chunk
    }

    /// Start of the part's cell that `at` lies in.
    pub fn part_cell(self, at: Timestamp) -> Timestamp {
        at.max(Timestamp::ZERO).floor_to(Self::PART)
    }
}

impl Default for ChunkPolicy {
    fn default() -> Self {
        Self { chunk: Self::CHUNK }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_two_to_ten_seconds_of_whole_parts() {
        let allowed = |millis| ChunkPolicy::new(Duration::from_millis(millis)).is_ok();
        assert!(allowed(2000) && allowed(2250) && allowed(4000) && allowed(10_000));
        assert!(!allowed(0) && !allowed(1999) && !allowed(2100) && !allowed(10_250));
    }

    #[test]
    fn chunks_double_up_to_the_longest() {
        let longer = |millis| {
            let policy = ChunkPolicy::new(Duration::from_millis(millis)).unwrap();
            policy.longer().map(|longer| longer.chunk().as_millis())
        };
        assert_eq!(longer(2000), Some(4000));
        assert_eq!(longer(5000), Some(10_000));
        assert_eq!(longer(5250), None);
    }

    #[test]
    fn priming_belongs_to_the_first_cell() {
        let policy = ChunkPolicy::default();
        assert_eq!(policy.chunk_cell(Timestamp(-21_333_333)), Timestamp::ZERO);
        assert_eq!(policy.part_cell(Timestamp(-21_333_333)), Timestamp::ZERO);
        assert_eq!(policy.chunk_cell(Timestamp(8_000_000_000)), Timestamp(8_000_000_000));
        assert_eq!(policy.chunk_end(Timestamp(-1)), Timestamp(4_000_000_000));
        assert_eq!(policy.chunk_end(Timestamp(8_000_000_000)), Timestamp(12_000_000_000));
    }
}
