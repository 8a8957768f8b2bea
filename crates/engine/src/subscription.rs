//! Who hears of events. A slow listener loses old snapshots, never newer ones, and never holds up the engine.

use crate::command::{Event, Snapshot};
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

/// Events that wait for one listener at most, snapshots not counted; then the oldest goes.
const WAITING_MAX: usize = 256;

#[derive(Default)]
struct Waiting {
    newest: Option<Box<Snapshot>>,
    events: VecDeque<Event>,
    /// Nothing more will come.
    is_last: bool,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.newest.is_none() && self.events.is_empty()
    }
}

#[derive(Default)]
struct Outbox {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // What is behind the lock is whole between any two statements, so a panic elsewhere does not spoil it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One listener's end. Dropping it ends the subscription.
pub struct Subscription {
    outbox: Arc<Outbox>,
}

impl Subscription {
    /// The next event, or none within `timeout`. Events come before the newest snapshot.
    pub fn next(&self, timeout: Duration) -> Option<Event> {
        let (mut waiting, _) = self
            .outbox
            .arrived
            .wait_timeout_while(self.outbox.lock(), timeout, |w| w.is_empty() && !w.is_last)
            .unwrap_or_else(PoisonError::into_inner);
        waiting.events.pop_front().or_else(|| waiting.newest.take().map(Event::Changed))
    }

    /// Whether the engine has ended and all that it said was taken.
    pub(crate) fn is_over(&self) -> bool {
        let waiting = self.outbox.lock();
        waiting.is_last && waiting.is_empty()
    }
}

/// The engine's end of all subscriptions.
#[derive(Default)]
pub(crate) struct Listeners {
    outboxes: Vec<Weak<Outbox>>,
}

impl Drop for Listeners {
    /// Whoever still listens takes what is left, and knows that it was all.
    fn drop(&mut self) {
        for outbox in self.outboxes.iter().filter_map(Weak::upgrade) {
            outbox.lock().is_last = true;
            outbox.arrived.notify_all();
        }
    }
}

impl Listeners {
    pub(crate) fn subscribe(&mut self) -> Subscription {
        let outbox = Arc::new(Outbox::default());
        self.outboxes.push(Arc::downgrade(&outbox));
        Subscription { outbox }
    }

    pub(crate) fn publish(&mut self, event: &Event) {
        self.outboxes.retain(|outbox| {
            let Some(outbox) = outbox.upgrade() else { return false };
            let mut waiting = outbox.lock();
            match event {
                Event::Changed(snapshot) => waiting.newest = Some(snapshot.clone()),
                other => {
                    if waiting.events.len() == WAITING_MAX {
                        waiting.events.pop_front();
                    }
                    waiting.events.push_back(other.clone());
                }
            }
            drop(waiting);
            outbox.arrived.notify_one();
            true
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.outboxes.iter().all(|outbox| outbox.strong_count() == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(share: f32) -> Event {
        Event::Progress { output: "a.mp4".into(), share }
    }

    #[test]
    fn what_was_said_last_is_heard_before_it_is_over() {
        let mut listeners = Listeners::default();
        let subscription = listeners.subscribe();
        listeners.publish(&Event::Notice { code: "last".into(), track: None, message: String::new() });
        drop(listeners);
        assert!(!subscription.is_over());
        assert!(matches!(subscription.next(Duration::MAX), Some(Event::Notice { .. })));
        assert!(subscription.is_over());
        assert!(subscription.next(Duration::MAX).is_none(), "nobody waits for what cannot come");
    }

    #[test]
    fn a_slow_listener_gets_the_newest_snapshot_and_a_bounded_past() {
        let mut listeners = Listeners::default();
        let slow = listeners.subscribe();
        for n in 0..1000_u16 {
            listeners.publish(&Event::Changed(Box::new(Snapshot { bytes: n.into(), ..Snapshot::default() })));
            listeners.publish(&progress(n.into()));
        }
        let mut seen = Vec::new();
        while let Some(event) = slow.next(Duration::ZERO) {
            seen.push(event);
        }
        assert_eq!(seen.len(), WAITING_MAX + 1);
        assert_eq!(seen[0], progress(744.0));
        assert!(matches!(seen.last(), Some(Event::Changed(snapshot)) if snapshot.bytes == 999));
    }

    #[test]
    fn a_dropped_listener_is_forgotten() {
        let mut listeners = Listeners::default();
        drop(listeners.subscribe());
        assert!(listeners.is_empty());
        listeners.publish(&progress(0.5));
        assert_eq!(listeners.outboxes.len(), 0);
    }
}
