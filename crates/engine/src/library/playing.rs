//! Playing time: session time from the first picture or sound on, without what is left out on all tracks.

use model::{Manifest, SessionMeta, Span, Timestamp, TrackKind};
use std::time::Duration;
use store::{ChunkStore, SessionSummary, StoreError};

/// How the session time of one session and its playing time belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Playing {
    span: Span,
    /// What is left out, in order.
    gaps: Vec<Span>,
}

impl Playing {
    /// Of a stored session, as far as it is sealed.
    pub(crate) fn stored(store: &ChunkStore, summary: &SessionSummary) -> Result<Self, StoreError> {
        let SessionSummary { meta, span, .. } = summary;
        let mut start = None;
        for track in meta.tracks.iter().filter(|track| track.kind != TrackKind::Input) {
            let first = store.chunk_at(meta.id, &track.id, Timestamp(i64::MIN))?;
            start = [start, first.map(|chunk| chunk.span.start)].into_iter().flatten().min();
        }
        Ok(Self::of(meta, Span::new(start.unwrap_or(span.start).max(Timestamp::ZERO), span.end)))
    }

    /// Of a manifest.
    pub(crate) fn listed(manifest: &Manifest) -> Self {
        let played = manifest.tracks.iter().filter(|track| track.track.kind != TrackKind::Input);
        let start = played.flat_map(|track| &track.chunks).map(|chunk| chunk.span.start).min();
        let span = manifest.span();
        Self::of(&manifest.meta, Span::new(start.unwrap_or(span.start).max(Timestamp::ZERO), span.end))
    }

    /// Of a session whose pictures and sound fill `span`.
    pub(super) fn of(meta: &SessionMeta, span: Span) -> Self {
        let within = |gap: Span| Span::new(gap.start.max(span.start), gap.end);
        let mut gaps: Vec<Span> = meta.session_gaps().map(within).collect();
        gaps.sort_by_key(|gap| gap.start);
        Self { span, gaps }
    }

    /// What it plays, with all that is left out.
    pub(crate) fn span(&self) -> Span {
        self.span
    }

    /// How long it plays.
    pub(crate) fn length(&self) -> Duration {
        self.played_from_session(self.span.end)
    }

    /// The instant that is played after this time.
    pub(crate) fn session_from_played(&self, played: Duration) -> Timestamp {
        self.gaps
            .iter()
            .fold(self.span.start + played, |at, gap| if gap.start <= at { at + gap.duration() } else { at })
    }

    /// After which time an instant is played. What is left out is played at its end.
    pub(crate) fn played_from_session(&self, at: Timestamp) -> Duration {
        let before = self.gaps.iter().map(|gap| Span::new(gap.start, gap.end.min(at)).duration());
        at.saturating_since(self.span.start).saturating_sub(before.sum())
    }

    /// How much is left out before a chunk that starts at `start`, and before the first sample of all. Chunks are
    /// sealed where a gap starts, so one that starts later comes after all of it.
    pub(crate) fn skipped_before(&self, start: Timestamp) -> Duration {
        let gaps: Duration = self.gaps.iter().filter(|gap| gap.start < start).map(|gap| gap.duration()).sum();
        self.span.start.saturating_since(Timestamp::ZERO) + gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Gap, GapReason};

    fn playing() -> Playing {
        let second = |second: i64| Timestamp(second * 1_000_000_000);
        let gap = |track: Option<&str>, from, to| Gap {
            track: track.map(|track| track.parse().unwrap()),
            span: Span::new(second(from), second(to)),
            reason: GapReason::Paused,
        };
        let gaps = vec![gap(None, 20, 25), gap(Some("mic"), 1, 30), gap(None, 11, 12)];
        let meta = SessionMeta { gaps, ..crate::tests::meta() };
        Playing::of(&meta, Span::new(second(1), second(31)))
    }

    #[test]
    fn what_is_left_out_does_not_count() {
        let playing = playing();
        for (played, session) in [(0, 1), (9, 10), (10, 12), (17, 19), (18, 25), (24, 31)] {
            let (played, session) = (Duration::from_secs(played), Timestamp(session * 1_000_000_000));
            assert_eq!(playing.session_from_played(played), session);
            assert_eq!(playing.played_from_session(session), played);
        }
        let within = Timestamp(22_500_000_000);
        assert_eq!(playing.length(), Duration::from_secs(24));
        assert_eq!(playing.played_from_session(within), Duration::from_secs(18));
        assert_eq!(playing.played_from_session(Timestamp(-5)), Duration::ZERO);
        assert_eq!(playing.session_from_played(Duration::MAX), Timestamp(i64::MAX));
    }

    #[test]
    fn chunks_come_after_the_whole_of_a_gap() {
        let skipped = |seconds: i64| playing().skipped_before(Timestamp(seconds * 1_000_000_000)).as_secs();
        assert_eq!([0, 11, 12, 24, 25].map(skipped), [1, 1, 2, 7, 7]);
    }
}
