//! Session time to the time of a flattened file: what is kept, and where it comes to lie.

use model::{Span, Timestamp};
use std::time::Duration;

/// What of a session is kept, in order, and where it lies in the time of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// Each with its start in the file.
    kept: Vec<(Span, Timestamp)>,
}

/// A kept span in the ticks of one track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Where it starts, in session time.
    pub start: i64,
    /// Where it ends, in session time.
    pub end: i64,
    /// Where it starts in the file.
    pub flat: i64,
}

impl Timeline {
    /// All of `wanted` that is not in one of the spans to `skip`.
    pub fn new(wanted: Span, skip: &[Span]) -> Self {
        let mut skip = skip.to_vec();
        skip.sort_by_key(|span| span.start);
        let mut timeline = Self { kept: Vec::new() };
        let mut start = wanted.start;
        for gap in skip.iter().filter(|gap| gap.overlaps(wanted)) {
            timeline.keep(Span::new(start, gap.start));
            start = start.max(gap.end);
        }
        timeline.keep(Span::new(start, wanted.end));
        timeline
    }

    fn keep(&mut self, span: Span) {
        if span.start < span.end {
            self.kept.push((span, Timestamp::ZERO + self.duration()));
        }
    }

    /// How long the file plays.
    pub fn duration(&self) -> Duration {
        self.kept.last().map_or(Duration::ZERO, |(span, flat)| {
            (*flat + span.duration()).saturating_since(Timestamp::ZERO)
        })
    }

    /// When the first kept span starts, in session time.
    pub fn start(&self) -> Timestamp {
        self.kept.first().map_or(Timestamp::ZERO, |(span, _)| span.start)
    }

    /// The same in ticks. Rounded as packets' times are, so that a packet at a span's start lies within.
    pub fn in_ticks(&self, timescale: u32) -> Vec<Kept> {
        let kept = |(span, flat): &(Span, Timestamp)| Kept {
            start: span.start.to_ticks(timescale),
            end: span.end.to_ticks(timescale),
            flat: flat.to_ticks(timescale),
        };
        self.kept.iter().map(kept).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::millis;

    fn check(wanted: (i64, i64), skip: &[(i64, i64)], expected: &[(i64, i64, i64)]) {
        let span = |&(start, end): &(i64, i64)| Span::new(millis(start), millis(end));
        let timeline = Timeline::new(span(&wanted), &skip.iter().map(span).collect::<Vec<_>>());
        let kept: Vec<_> =
            timeline.in_ticks(1000).iter().map(|kept| (kept.start, kept.end, kept.flat)).collect();
        assert_eq!(kept, expected);
    }

    #[test]
    fn gaps_close_up() {
        check((0, 100), &[], &[(0, 100, 0)]);
        check((10, 100), &[(50, 60), (20, 30)], &[(10, 20, 0), (30, 50, 10), (60, 100, 30)]);
        check((10, 100), &[(0, 20), (15, 30), (90, 200)], &[(30, 90, 0)]);
        check((10, 100), &[(0, 200)], &[]);
        check((10, 10), &[], &[]);
    }
}
