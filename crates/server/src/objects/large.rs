//! Large files: sent in parts, several at once, and joined by the store.
//!
//! Owns: the small trait for it, and what it means for stores that this server serves: a part is an object of its own,
//! named by its number and its hash, until all are joined. Tested with `routes::uploads`, on every store.

use super::{Expected, Found, Key, ObjectError, Served};
use api::{FilePart, SignedRequest, Vouched};
use futures_util::{FutureExt, future::BoxFuture};
use model::Hash;
use std::time::Duration;
use uuid::Uuid;

/// A large file on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parted {
    /// Where it will be.
    pub key: Key,
    /// What the store calls it until then.
    pub name: String,
}

/// A part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// From 1.
    pub number: u32,
    /// Bytes.
    pub size: u64,
    /// Of its bytes.
    pub sha256: Hash,
}

/// A part that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// From 1.
    pub number: u32,
    /// As the store answered.
    pub etag: String,
    /// What it was to be, where that is known.
    pub sha256: Option<Hash>,
}

/// A store that takes large files in parts.
pub trait LargeFiles: Send + Sync + 'static {
    /// Begins a file, and gives its name until it is whole. `id` is one that nobody else uses.
    fn begin<'a>(
        &'a self,
        key: &'a Key,
        id: Uuid,
        media_type: &'a str,
    ) -> BoxFuture<'a, Result<String, ObjectError>>;

    /// A request that puts these very bytes in the place of this part. Its answer has an `ETag`.
    fn sign_part(&self, file: &Parted, part: &Part, lasts: Duration) -> SignedRequest;

    /// Parts that are there, by number; more than one of a number where it was sent with different bytes.
    fn parts<'a>(&'a self, file: &'a Parted) -> BoxFuture<'a, Result<Vec<FilePart>, ObjectError>>;

    /// Makes the file of these parts, and reads it. May be repeated, also after the parts
    /// have become the file.
    fn join<'a>(
        &'a self,
        file: &'a Parted,
        parts: &'a [Sent],
        expected: &'a Expected,
    ) -> BoxFuture<'a, Result<Found, ObjectError>>;

    /// Deletes the parts. It is no error if there are none.
    fn abort<'a>(&'a self, file: &'a Parted) -> BoxFuture<'a, Result<(), ObjectError>>;
}

impl<T: Served> LargeFiles for T {
    fn begin<'a>(
        &'a self,
        _key: &'a Key,
        id: Uuid,
        _media_type: &'a str,
    ) -> BoxFuture<'a, Result<String, ObjectError>> {
        async move { Ok(id.to_string()) }.boxed()
    }

    fn sign_part(&self, file: &Parted, part: &Part, lasts: Duration) -> SignedRequest {
        let expected =
            Expected { key: part_key(file, part.number, part.sha256), size: part.size, sha256: part.sha256 };
        self.sign_put(&expected, &format!("upload {}", file.name), lasts)
    }

    fn parts<'a>(&'a self, file: &'a Parted) -> BoxFuture<'a, Result<Vec<FilePart>, ObjectError>> {
        async move {
            let there = self.sizes(&folder(file)).await?;
            let part = |(key, size): (Key, u64)| {
                let (number, sha256) = key.as_str().rsplit_once('/')?.1.split_once('-')?;
                Some(FilePart { number: number.parse().ok()?, size, etag: format!("\"{sha256}\"") })
            };
            let mut parts: Vec<FilePart> = there.into_iter().filter_map(part).collect();
            parts.sort_by_key(|part| part.number);
            Ok(parts)
        }
        .boxed()
    }

    fn join<'a>(
        &'a self,
        file: &'a Parted,
        parts: &'a [Sent],
        expected: &'a Expected,
    ) -> BoxFuture<'a, Result<Found, ObjectError>> {
        async move {
            let keys: Option<Vec<Key>> = parts
                .iter()
                .map(|part| Some(part_key(file, part.number, part.etag.trim_matches('"').parse().ok()?)))
                .collect();
            let keys = keys.ok_or_else(|| ObjectError::Missing(file.key.clone()))?;
            match Served::join(self, keys, expected).await {
                Ok(()) => {
                    self.abort(file).await?;
                    Ok(Found::Whole(Vouched::ReadBack))
                }
                // They may have been joined before.
                Err(ObjectError::Missing(part)) => match self.check(expected).await? {
                    Found::Missing => Err(ObjectError::Missing(part)),
                    found => Ok(found),
                },
                Err(ObjectError::HashMismatch) => Ok(Found::Damaged),
                Err(error) => Err(error),
            }
        }
        .boxed()
    }

    fn abort<'a>(&'a self, file: &'a Parted) -> BoxFuture<'a, Result<(), ObjectError>> {
        async move {
            for (key, _) in self.sizes(&folder(file)).await? {
                self.delete(&key).await?;
            }
            Ok(())
        }
        .boxed()
    }
}

fn folder(file: &Parted) -> Key {
    Key::new(format!("uploads/{}", file.name)).expect("a UUID is a segment of a key")
}

fn part_key(file: &Parted, number: u32, sha256: Hash) -> Key {
    Key::new(format!("{}/{number:05}-{sha256}", folder(file))).expect("numbers and hashes are plain")
}
