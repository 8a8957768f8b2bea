//! Where objects lie: one trait, and a store for each kind of place.
//!
//! Owns: keys, signed requests, and the proof that bytes are there and right. Knows nothing of sessions or rows. One
//! suite of tests (`tests/stores.rs`) holds every store to the same contract.

mod choice;
mod disk;
mod folder;
mod large;
mod memory;
mod s3;
mod signed;

pub use self::{
    choice::{FOLDER, Stores},
    folder::Folder,
    large::{LargeFiles, Part, Parted, Sent},
    memory::Memory,
    s3::{S3, S3Config},
    signed::{ROOT, Signer, UrlFault},
};

use api::{SignedRequest, Vouched};
use bytes::Bytes;
use futures_util::{future::BoxFuture, stream::BoxStream};
use model::{Hash, UtcTime};
use std::{fmt, ops::Range, sync::Arc, time::Duration};

/// The wall clock, as the shell reads it. Signed URLs carry the time at which they expire.
pub type Now = Arc<dyn Fn() -> UtcTime + Send + Sync>;
/// The bytes of an object, in order.
pub type ByteStream = BoxStream<'static, Result<Bytes, ObjectError>>;

/// The name of an object within its store: a relative path of checked segments, such as
/// `recordings/<recording>/sessions/<session>/mix/000001-1a2b3c4d.m4s`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// Bytes that a key may have.
    pub const LENGTH_MAX: usize = 512;

    /// Checks a path: segments of `A-Z`, `a-z`, `0-9`, `.`, `_` and `-`, none empty or beginning with a dot.
    pub fn new(path: impl Into<String>) -> Option<Self> {
        let path = path.into();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_segment =
            |segment: &str| !segment.is_empty() && !segment.starts_with('.') && segment.bytes().all(is_plain);
        (path.len() <= Self::LENGTH_MAX && path.split('/').all(is_segment)).then_some(Self(path))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an object must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Its name.
    pub key: Key,
    /// Bytes.
    pub size: u64,
    /// Of all bytes.
    pub sha256: Hash,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It is durable and its bytes are right.
    Whole(Vouched),
    /// There is nothing of that name.
    Missing,
    /// There is something else: other bytes, or not as many.
    Damaged,
}

/// Why a store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// There is nothing of that name.
    #[error("there is no object {0}")]
    Missing(Key),
    /// There is no room.
    #[error("the object store is full")]
    Full,
    /// More or fewer bytes came than were announced. Nothing was kept.
    #[error("{received} bytes came instead of {expected}")]
    SizeMismatch {
        /// Bytes that were announced.
        expected: u64,
        /// Bytes that came, at least.
        received: u64,
    },
    /// Other bytes came than were announced. Nothing was kept.
    #[error("the bytes that came have another hash")]
    HashMismatch,
    /// Whoever sent bytes stopped before the end. Nothing was kept.
    #[error("the bytes stopped coming: {0}")]
    Interrupted(String),
    /// It does not answer, or not as it should. May be tried again.
    #[error("the object store cannot {operation}: {reason}")]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        reason: String,
    },
}

impl ObjectError {
    fn unavailable(operation: &'static str, reason: impl fmt::Display) -> Self {
        Self::Unavailable { operation, reason: reason.to_string() }
    }

    /// Whether the same may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Full | Self::Unavailable { .. } | Self::Interrupted(_))
    }
}

/// Objects that are listed at once: as many as S3 gives.
pub const LIST_MAX: usize = 1_000;

/// Where objects lie. Futures may be dropped at any point; what they began is then done wholly or not at all.
pub trait ObjectStore: Send + Sync + 'static {
    /// A request by which whoever has it can put these very bytes there and nothing else: method, key, size and hash
    /// are under the signature. `session` says on whose behalf.
    fn sign_put(&self, expected: &Expected, session: &str, lasts: Duration) -> SignedRequest;

    /// A request by which whoever has it can read this object, also parts of it (`Range`, RFC 9110).
    fn sign_get(&self, key: &Key, lasts: Duration) -> SignedRequest;

    /// Looks whether it is there and right. `Found::Whole` is said only of what is durable and was hashed, by the store
    /// as it came or by reading it back.
    fn check<'a>(&'a self, expected: &'a Expected) -> BoxFuture<'a, Result<Found, ObjectError>>;

    /// Puts a small document of the server's own there, in place of what was there before.
    fn put<'a>(&'a self, key: &'a Key, bytes: Bytes) -> BoxFuture<'a, Result<(), ObjectError>>;

    /// Reads an object from beginning to end.
    fn read<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<ByteStream, ObjectError>>;

    /// Deletes it; it is no error if there is none.
    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), ObjectError>>;

    /// Some of the objects below a folder, at most [`LIST_MAX`]: none only if there are none. So whoever deletes what is
    /// listed until nothing is listed leaves nothing, also of what was never confirmed.
    fn list<'a>(&'a self, folder: &'a Key) -> BoxFuture<'a, Result<Vec<Key>, ObjectError>>;
}

/// A store whose objects come and go through this server: what it signs, `routes::objects` serves.
pub trait Served: ObjectStore {
    /// Who signs, and checks what was signed.
    fn signer(&self) -> &Signer;

    /// Takes an object as its bytes come. It is durable when this answers; nothing is left of one that is not whole.
    fn receive<'a>(
        &'a self,
        expected: &'a Expected,
        bytes: ByteStream,
    ) -> BoxFuture<'a, Result<(), ObjectError>>;

    /// Every object directly in a folder, with its bytes.
    fn sizes<'a>(&'a self, folder: &'a Key) -> BoxFuture<'a, Result<Vec<(Key, u64)>, ObjectError>>;

    /// Makes one object of several, in order, if it is what is expected then. They stay.
    fn join<'a>(&'a self, parts: Vec<Key>, expected: &'a Expected) -> BoxFuture<'a, Result<(), ObjectError>>;

    /// Opens an object to read some of it.
    fn open<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Opened, ObjectError>>;
}

/// An object that can be read from anywhere.
pub struct Opened {
    /// Bytes.
    pub size: u64,
    /// Gives the bytes of a range, which lies within the size.
    pub read: Box<dyn FnOnce(Range<u64>) -> ByteStream + Send>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lead_nowhere_but_down() {
        assert!(Key::new("recordings/0190/sessions/x/mix/000001-1a2b3c4d.m4s").is_some());
        for path in
            ["", "/", "/a", "a/", "a//b", "..", "a/../b", ".a", "a/.b", "a\\b", "a\0", "a b", "a%2fb", "ä"]
        {
            assert!(Key::new(path).is_none(), "{path:?}");
        }
        assert!(Key::new("a".repeat(Key::LENGTH_MAX + 1)).is_none());
    }
}
