//! The coordinator: what is known of recordings and sessions, and which changes of it are allowed.
//!
//! Owns: the rules. Every change is made in the database, one after the other, and asked for as often as anybody likes:
//! a second time changes nothing. Reads no clock (`now` is an argument), holds no media, and says of nothing that it is
//! here before an object store has vouched for it and the row is durable. Only when recorders were last heard of is kept
//! in memory for some seconds, since losing that does no harm. Tested from seeds against the real database and stores,
//! with crashes (`tests/coordinator.rs`).
//!
//! A session is active until its recorder's manifest is here, then finalizing until every object of it is verified, then
//! done. An index belongs to the first bytes that were confirmed for it, or that the manifest names.

mod documents;
mod inventory;
mod liveness;
mod manifest;
mod objects;
mod recordings;
mod rows;
mod sessions;
mod sweep;
mod validate;
mod verify;

pub use inventory::confirmed;
pub use objects::Admission;
pub use recordings::{Reach, Search};

use crate::{
    db::{Db, DbError},
    objects::{Expected, Found, Key, ObjectError, ObjectStore},
};
use api::{Code, ObjectSpec};
use futures_util::{StreamExt, TryStreamExt, stream};
use liveness::Liveness;
use model::{RecordingId, SessionId, UtcTime};
use std::{sync::Arc, time::Duration};
use tokio::sync::{Notify, Semaphore};

/// Objects that are looked at in the store at once, for all requests together.
const CHECKS: usize = 32;
/// Of these for one request, so that a large one leaves room for others.
const CHECKS_PER_REQUEST: usize = 8;

/// What the operator decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// A session that is silent for so long is finalized provisionally.
    pub silence: Duration,
    /// For how long a signed `PUT` is valid.
    pub put_lasts: Duration,
    /// For how long a signed `GET` is valid.
    pub get_lasts: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(90 + 30),
            put_lasts: Duration::from_secs(15 * 60),
            get_lasts: Duration::from_secs(15 * 60),
        }
    }
}

/// Why the coordinator did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    /// A rule forbids it.
    #[error("{detail}")]
    Refused {
        /// Which rule, for programs.
        code: Code,
        /// What exactly, for people.
        detail: String,
    },
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The object store failed.
    #[error(transparent)]
    Store(#[from] ObjectError),
}

impl CoordinatorError {
    fn refused(code: Code, detail: impl Into<String>) -> Self {
        Self::Refused { code, detail: detail.into() }
    }

    fn invalid(detail: impl Into<String>) -> Self {
        Self::refused(Code::Invalid, detail)
    }

    /// What whoever asked is told.
    pub fn code(&self) -> Code {
        match self {
            Self::Refused { code, .. } => *code,
            Self::Db(DbError::Full) | Self::Store(ObjectError::Full) => Code::InsufficientStorage,
            Self::Db(error) if error.is_retryable() => Code::Unavailable,
            Self::Db(_) => Code::Internal,
            Self::Store(_) => Code::StoreUnavailable,
        }
    }
}

impl From<rusqlite::Error> for CoordinatorError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Db(error.into())
    }
}

type Result<T> = std::result::Result<T, CoordinatorError>;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Coordinator {
    db: Db,
    store: Arc<dyn ObjectStore>,
    rules: Rules,
    /// Nobody is taken for silent because of what was before.
    opened_at: UtcTime,
    liveness: Arc<Liveness>,
    checks: Arc<Semaphore>,
    work: Arc<Notify>,
}

impl Coordinator {
    /// Begins to coordinate.
    pub fn new(db: Db, store: Arc<dyn ObjectStore>, rules: Rules, now: UtcTime) -> Self {
        Self {
            db,
            store,
            rules,
            opened_at: now,
            liveness: Arc::default(),
            checks: Arc::new(Semaphore::new(CHECKS)),
            work: Arc::default(),
        }
    }

    /// Does what nobody waits for, and is called every few seconds: writes documents to the store and deletes what is to
    /// be deleted. What fails is tried the next time.
    pub async fn tend(&self, now: UtcTime) -> Result<()> {
        let written = self.write_documents().await;
        let deleted = self.sweep(now).await;
        written.and(deleted)
    }

    /// Waits until there is something that [`Self::tend`] had better do at once.
    pub async fn work(&self) {
        self.work.notified().await;
    }

    /// Looks for objects in the store, some at once. The answers are in order.
    async fn check(&self, session: &SessionKey, specs: Vec<ObjectSpec>) -> Result<Vec<CheckResult>> {
        let expected = specs.iter().map(|spec| session.expected(spec)).collect::<Result<Vec<_>>>()?;
        let checks = expected.into_iter().map(|expected| self.check_one(expected));
        stream::iter(checks).buffered(CHECKS_PER_REQUEST).map(Ok).try_collect().await
    }

    async fn check_one(&self, expected: Expected) -> CheckResult {
        // The semaphore is never closed.
        let _permit = self.checks.acquire().await;
        self.store.check(&expected).await
    }
}

type CheckResult = std::result::Result<Found, ObjectError>;

/// A session's place in the object store.
#[derive(Debug, Clone, Copy)]
struct SessionKey {
    recording: RecordingId,
    session: SessionId,
}

impl SessionKey {
    fn folder(&self) -> String {
        format!("recordings/{}/sessions/{}/", self.recording, self.session)
    }

    fn key(&self, name: &str) -> Result<Key> {
        key(self.folder() + name)
    }

    fn expected(&self, spec: &ObjectSpec) -> Result<Expected> {
        Ok(Expected { key: self.key(&spec.name())?, size: spec.size, sha256: spec.sha256 })
    }
}

/// All names are made of checked parts, so this does not fail.
fn key(path: String) -> Result<Key> {
    let refused = CoordinatorError::invalid(format!("{path} is no name for an object"));
    Key::new(path).ok_or(refused)
}

/// `duration` in the milliseconds that rows have.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
