//! The thread that writes: takes what waits, commits it together, then answers.

use super::DbError;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::sync::{mpsc, oneshot};

/// Changes that are committed together at most, so that the first does not wait long for the last.
const BATCH: usize = 256;

/// A change that waits: its closure, then what became of it, and who wants to know.
pub struct Pending<T, E, F> {
    change: Option<F>,
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Pending<T, E, F> {
    pub fn new(change: F, answer: oneshot::Sender<Result<T, E>>) -> Self {
        Self { change: Some(change), result: None, answer }
    }
}

/// A [`Pending`] of any type.
pub trait Change: Send {
    /// Does it, and says whether it is to be kept.
    fn run(&mut self, connection: &Connection) -> bool;
    /// Tells whoever waits. If the transaction failed, that is the answer whatever was found within it: what it was
    /// found from is gone.
    fn answer(self: Box<Self>, committed: Result<(), DbError>);
}

impl<T, E, F> Change for Pending<T, E, F>
where
    F: FnOnce(&Connection) -> Result<T, E> + Send,
    T: Send,
    E: From<DbError> + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        let Some(change) = self.change.take() else { return false };
        // A panic is a fault of this one change: the others, and those to come, must not suffer from it.
        self.result = catch_unwind(AssertUnwindSafe(|| change(connection))).ok();
        matches!(self.result, Some(Ok(_)))
    }

    fn answer(self: Box<Self>, committed: Result<(), DbError>) {
        let result = match committed {
            Ok(()) => self.result,
            Err(error) => Some(Err(E::from(error))),
        };
        if let Some(result) = result {
            // Who asked may have gone away.
            let _ = self.answer.send(result);
        }
    }
}

/// Serves changes until nobody can send any more.
pub fn run(mut connection: Connection, mut changes: mpsc::Receiver<Box<dyn Change>>) {
    while let Some(first) = changes.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(next) = changes.try_recv()
        {
            batch.push(next);
        }
        let mut waiting = batch.into_iter();
        // Once, unless SQLite gives up a transaction in its middle: then those behind begin another.
        while waiting.len() > 0 {
            commit(&mut connection, &mut waiting);
        }
    }
    // So that the file alone is the database while nobody serves it. If that fails, the log is read at the next start.
    let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA optimize");
}

fn commit(connection: &mut Connection, waiting: &mut impl Iterator<Item = Box<dyn Change>>) {
    let mut done = Vec::new();
    let outcome = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
        Ok(transaction) => apply(transaction, waiting, &mut done),
        Err(error) => {
            done.extend(waiting);
            Err(error.into())
        }
    };
    for change in done {
        change.answer(outcome.clone());
    }
}

fn apply(
    mut transaction: Transaction<'_>,
    waiting: &mut impl Iterator<Item = Box<dyn Change>>,
    done: &mut Vec<Box<dyn Change>>,
) -> Result<(), DbError> {
    for mut change in waiting {
        let savepoint = match transaction.savepoint() {
            Ok(savepoint) => savepoint,
            Err(error) => {
                done.push(change);
                return Err(error.into());
            }
        };
        let keep = change.run(&savepoint);
        if savepoint.is_autocommit() {
            // SQLite gave up all of the transaction, as it may when a disk is full. This one knows why.
            change.answer(if keep { Err(DbError::Undone) } else { Ok(()) });
            return Err(DbError::Undone);
        }
        done.push(change);
        if keep { savepoint.commit() } else { savepoint.finish() }?;
    }
    Ok(transaction.commit()?)
}
