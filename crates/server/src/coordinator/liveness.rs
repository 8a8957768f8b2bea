//! When recorders were last heard of: kept in memory, and written for many sessions at once.

use api::Heartbeat;
use model::UtcTime;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What was heard of a session since it was last written.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    pub at: UtcTime,
    /// The newest heartbeat, if one came.
    pub said: Option<Heartbeat>,
}

/// By sessions' numbers. Bounded by the sessions that there are, and emptied every few seconds.
#[derive(Debug, Default)]
pub struct Liveness(Mutex<HashMap<i64, Heard>>);

impl Liveness {
    /// A recorder was heard of.
    pub fn hear(&self, session: i64, at: UtcTime, said: Option<Heartbeat>) {
        let mut heard = self.lock();
        let entry = heard.entry(session).or_insert(Heard { at, said });
        *entry = Heard { at: entry.at.max(at), said: said.or(entry.said) };
    }

    /// What is not written yet.
    pub fn of(&self, session: i64) -> Option<Heard> {
        self.lock().get(&session).copied()
    }

    /// Everything that is not written yet, to be written now.
    pub fn take(&self) -> Vec<(i64, Heard)> {
        std::mem::take(&mut *self.lock()).into_iter().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
