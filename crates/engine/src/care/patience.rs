//! Whether something is due for certain. A wall clock may be years off for a while, after a flat battery or by a slip of
//! its owner's; so what is due by it is let lie until look after look has found it due for [`GRACE`]. Pure.

use model::{SessionId, UtcTime};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

/// For so long something has been due before it is deleted, where its owner said no shorter time.
const GRACE: Duration = Duration::from_hours(24);
/// More time than this is not taken to have passed between two looks: so it takes three looks at least, however wildly
/// the clock jumps.
const STEP_MAX: Duration = Duration::from_hours(12);

/// What was due at the last look, and since when it has been, as far as looks have seen it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Patience {
    looked: Option<UtcTime>,
    /// Milliseconds.
    due: BTreeMap<SessionId, u64>,
}

impl Patience {
    /// What to do without the clock's word alone: the time that something is kept, as far as it is shorter than the
    /// grace.
    pub(super) fn grace(kept: Duration) -> Duration {
        kept.min(GRACE)
    }

    /// At this instant these are due, each with its grace. Gives those of which it is certain. What is not due any more
    /// begins anew when it is due again.
    pub(super) fn look(
        &mut self,
        now: UtcTime,
        due: impl Iterator<Item = (SessionId, Duration)>,
    ) -> HashSet<SessionId> {
        let passed = self.looked.map_or(0, |looked| now.0.saturating_sub(looked.0));
        let passed = Duration::from_millis(u64::try_from(passed).unwrap_or(0)).min(STEP_MAX);
        let passed = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        let before = std::mem::take(&mut self.due);
        self.looked = Some(now);
        let mut certain = HashSet::new();
        for (session, grace) in due {
            let waited = before.get(&session).map_or(0, |waited| waited.saturating_add(passed));
            if u128::from(waited) >= grace.as_millis() {
                certain.insert(session);
            }
            self.due.insert(session, waited);
        }
        certain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;
    const ONE: SessionId = SessionId(Uuid::from_u128(1));

    /// Whether it is certain at each of these hours, at which it is due or not.
    fn check(hours: impl IntoIterator<Item = (i64, bool)>) -> Vec<bool> {
        let mut patience = Patience::default();
        let look = |(hour, is_due): (i64, bool)| {
            let due = is_due.then_some((ONE, Patience::grace(Duration::from_hours(7 * 24))));
            !patience.look(UtcTime(hour * HOUR), due.into_iter()).is_empty()
        };
        hours.into_iter().map(look).collect()
    }

    #[test]
    fn what_stays_due_for_a_day_of_looks_is_certain() {
        let hourly = check((0..=24).map(|hour| (hour, true)));
        assert!(hourly[..24].iter().all(|certain| !certain) && hourly[24]);
        assert_eq!(check([(0, true), (24 * 7, true), (24 * 14, true)]), [false, false, true]);
    }

    #[test]
    fn a_clock_that_was_wrong_for_a_while_makes_nothing_certain() {
        const YEARS: i64 = 24 * 365 * 20;
        let ahead = [(0, false), (YEARS, true), (YEARS + 1, true), (2, false), (3, false)];
        assert!(check(ahead).iter().all(|certain| !certain));
        // Made while the clock was at its beginning, and seen by the right one: it has its day like all else.
        assert_eq!(check([(0, false), (YEARS, true), (YEARS + 5, true)]), [false; 3]);
        // A clock that goes back and forth counts for nothing.
        let wild = [(YEARS, true), (0, true), (YEARS, true), (0, true)];
        assert_eq!(check(wild), [false; 4]);
        assert_eq!(check([(0, true), (24, true), (5, false), (48, true)]), [false; 4]);
    }

    #[test]
    fn who_keeps_for_no_time_waits_for_none() {
        let due = |grace| [(ONE, Patience::grace(grace))].into_iter();
        let now = UtcTime(DAY);
        assert_eq!(Patience::default().look(now, due(Duration::ZERO)).len(), 1);
        assert_eq!(Patience::default().look(now, due(Duration::from_hours(1))).len(), 0);
    }
}
