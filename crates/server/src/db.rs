//! The database: one writer, a few readers, one process.
//!
//! Owns: the file, its schema and its lock, the thread that writes, and the rule that nobody is answered before what
//! they asked for is on disk. Never knows what the rows mean: tables belong to those who ask. Tested on real files, with
//! a full disk and with killed processes.
//!
//! A change is a closure that gets a connection within a savepoint. Changes that wait are committed together, so a disk
//! that syncs three hundred times a second takes thousands of changes.

mod open;
mod writer;

use rusqlite::{Connection, ErrorCode, ffi};
use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};
use tokio::sync::{Semaphore, mpsc, oneshot};
use writer::{Change, Pending};

/// The database's file within the data folder.
pub const FILE: &str = "server.db";
/// Questions that are answered at once.
const READERS: usize = 4;
/// Changes that may wait; whoever comes then waits to be let in.
const QUEUE: usize = 1024;

/// Why the database did not do what it was asked to.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DbError {
    /// There is no room for it on the disk. Nothing of it was done.
    #[error("the disk of the database is full")]
    Full,
    /// It was undone because of what was to be committed with it. May be tried again.
    #[error("the database undid this along with something else; try again")]
    Undone,
    /// The database is being closed.
    #[error("the database is closed")]
    Closed,
    /// Another process serves this data folder.
    #[error("another server uses {0}")]
    InUse(PathBuf),
    /// The file was written by a newer version.
    #[error("{path} has schema {found}, and this version knows schemas up to {known}: use a newer version")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that this version knows.
        known: i64,
    },
    /// The file is damaged.
    #[error("{path} is damaged ({reason}): restore it from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder cannot be used.
    #[error("cannot use {path}: {error}")]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        error: Arc<std::io::Error>,
    },
    /// SQLite failed.
    #[error("the database failed: {0}")]
    Sqlite(Arc<rusqlite::Error>),
}

impl DbError {
    /// Whether the same may work a moment later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Full | Self::Undone | Self::Closed | Self::InUse(_) => true,
            Self::Newer { .. } | Self::Damaged { .. } | Self::Folder { .. } | Self::Sqlite(_) => false,
        }
    }
}

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        // The log's index grows by a mapped file of its own, which has an error of its own.
        let is_full = error.sqlite_error().is_some_and(|error| {
            error.code == ErrorCode::DiskFull || error.extended_code == ffi::SQLITE_IOERR_SHMSIZE
        });
        if is_full { Self::Full } else { Self::Sqlite(Arc::new(error)) }
    }
}

/// A handle on the database; cheap to clone. The last one that is dropped waits until what was asked for is committed.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    queue: Option<mpsc::Sender<Box<dyn Change>>>,
    writer: Option<JoinHandle<()>>,
    readers: Arc<Mutex<Vec<Connection>>>,
    free: Arc<Semaphore>,
    /// Held as long as the database is open.
    _lock: File,
}

impl Db {
    /// Opens the database in `folder`, makes it where there is none, brings its schema up to date and checks it.
    /// Blocks.
    pub fn open(folder: &Path) -> Result<Self, DbError> {
        let lock = open::lock(folder)?;
        let path = folder.join(FILE);
        let connection = open::writer(&path)?;
        let readers = (0..READERS).map(|_| open::reader(&path)).collect::<Result<Vec<_>, _>>()?;
        let (queue, changes) = mpsc::channel(QUEUE);
        let writer = thread::Builder::new()
            .name("database".to_owned())
            .spawn(move || writer::run(connection, changes))
            .map_err(|error| DbError::Folder { path, error: Arc::new(error) })?;
        Ok(Self {
            inner: Arc::new(Inner {
                queue: Some(queue),
                writer: Some(writer),
                readers: Arc::new(Mutex::new(readers)),
                free: Arc::new(Semaphore::new(READERS)),
                _lock: lock,
            }),
        })
    }

    /// Changes something. It is answered once it is durable; if `change` errs, all of it is undone and nothing else.
    /// Dropping the future does not take the change back.
    pub async fn write<T, E, F>(&self, change: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let pending = Box::new(Pending::new(change, answer));
        let queue = self.inner.queue.as_ref().ok_or(DbError::Closed)?;
        queue.send(pending).await.map_err(|_| DbError::Closed)?;
        // The writer lets go of a change without an answer only if the change panicked.
        answered.await.unwrap_or(Err(E::from(DbError::Undone)))
    }

    /// Asks something, all of it of one state of the database.
    pub async fn read<T, E, F>(&self, question: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let permit = Arc::clone(&self.inner.free).acquire_owned().await.map_err(|_| DbError::Closed)?;
        let readers = Arc::clone(&self.inner.readers);
        let answer = tokio::task::spawn_blocking(move || {
            let connection = lock(&readers).pop().ok_or(DbError::Closed)?;
            // A panic must not cost the others a connection.
            let result = catch_unwind(AssertUnwindSafe(|| ask(&connection, question)));
            lock(&readers).push(connection);
            drop(permit);
            result.unwrap_or(Err(E::from(DbError::Undone)))
        });
        answer.await.unwrap_or(Err(E::from(DbError::Closed)))
    }

    /// Changes that wait.
    pub fn waiting(&self) -> usize {
        self.inner.queue.as_ref().map_or(0, |queue| queue.max_capacity() - queue.capacity())
    }

    /// Whether so many changes wait that others had better come less often.
    pub fn is_busy(&self) -> bool {
        self.inner.queue.as_ref().is_some_and(|queue| queue.capacity() < queue.max_capacity() / 2)
    }
}

/// Asks within a transaction, so that several statements see one state.
fn ask<T, E: From<DbError>>(
    connection: &Connection,
    question: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    let transaction = connection.unchecked_transaction().map_err(DbError::from)?;
    question(&transaction)
}

fn lock(readers: &Mutex<Vec<Connection>>) -> std::sync::MutexGuard<'_, Vec<Connection>> {
    readers.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) =
            self.writer.take().filter(|writer| writer.thread().id() != thread::current().id())
        {
            // A writer that panicked has said so on stderr.
            let _ = writer.join();
        }
    }
}

#[cfg(test)]
mod tests;
