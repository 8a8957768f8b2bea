//! Objects in a store that speaks S3: AWS, R2, MinIO, Garage, SeaweedFS.
//!
//! Owns: what is signed, and what a store's word is worth. Length and SHA-256 are signed headers of every `PUT`, which
//! the store checks; where it says afterwards which SHA-256 it has, that is taken, else the object is read back. Nothing
//! rests on conditional writes, which some stores ignore. Tested by the suite of all stores against a real one.

mod config;
mod parts;
mod wire;

pub use config::S3Config;

use super::{ByteStream, Expected, Found, Key, LIST_MAX, Now, ObjectError, ObjectStore};
use api::{SignedRequest, Vouched};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture};
use model::Hash;
use reqwest::Response;
use rusty_s3::{S3Action, actions::ListObjectsV2};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, time::Duration};
use tokio::sync::Semaphore;
use wire::Wire;

/// The header by which a store checks what it gets, and says what it has.
const CHECKSUM: &str = "x-amz-checksum-sha256";
/// Objects that are read back at the same time.
const READ_BACKS: usize = 4;

/// A bucket of an S3-compatible store.
pub struct S3 {
    wire: Wire,
    read_backs: Semaphore,
}

impl S3 {
    /// Knows a store, and has not asked it anything yet.
    pub fn new(config: S3Config, now: Now) -> Result<Self, ObjectError> {
        Ok(Self { wire: Wire::new(config, now)?, read_backs: Semaphore::new(READ_BACKS) })
    }

    fn request<'a, A: S3Action<'a>>(&self, mut action: A, lasts: Duration) -> SignedRequest {
        let url = action.sign_with_time(lasts, &self.wire.time()).into();
        let headers = action.headers_mut().iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let headers: BTreeMap<String, String> = headers.collect();
        SignedRequest { method: A::METHOD.to_str().to_owned(), url, headers, expires_in: lasts.as_secs() }
    }

    async fn look(&self, expected: &Expected) -> Result<Found, ObjectError> {
        let mut head = self.wire.config.own.head_object(self.wire.credentials(), expected.key.as_str());
        head.headers_mut().insert("x-amz-checksum-mode", "ENABLED");
        let Some(answer) = self.wire.ask("look for an object", head, Bytes::new()).await? else {
            return Ok(Found::Missing);
        };
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        if header("content-length").and_then(|length| length.parse().ok()) != Some(expected.size) {
            return Ok(Found::Damaged);
        }
        // Of what was sent in parts it knows the hash of hashes, which does not help.
        match header(CHECKSUM).filter(|checksum| !checksum.contains('-')) {
            Some(checksum) if checksum != checksum_of(expected.sha256) => Ok(Found::Damaged),
            Some(_) if !self.wire.config.reads_back => Ok(Found::Whole(Vouched::Store)),
            _ => self.read_back(expected).await,
        }
    }

    async fn read_back(&self, expected: &Expected) -> Result<Found, ObjectError> {
        let _turn = self.read_backs.acquire().await;
        let mut bytes = match self.get(&expected.key).await {
            Err(ObjectError::Missing(_)) => return Ok(Found::Missing),
            bytes => bytes?,
        };
        let (mut hash, mut size) = (Sha256::new(), 0);
        while let Some(piece) = bytes.next().await {
            let piece = piece?;
            size += piece.len() as u64;
            hash.update(&piece);
        }
        let is_whole = size == expected.size && Hash(hash.finalize().into()) == expected.sha256;
        Ok(if is_whole { Found::Whole(Vouched::ReadBack) } else { Found::Damaged })
    }

    async fn get(&self, key: &Key) -> Result<ByteStream, ObjectError> {
        let get = self.wire.config.own.get_object(self.wire.credentials(), key.as_str());
        match self.wire.ask("read an object", get, Bytes::new()).await? {
            None => Err(ObjectError::Missing(key.clone())),
            Some(answer) => Ok(stream(answer)),
        }
    }

    async fn put_document(&self, key: &Key, bytes: Bytes) -> Result<(), ObjectError> {
        let mut put = self.wire.config.own.put_object(self.wire.credentials(), key.as_str());
        put.headers_mut().insert(CHECKSUM, checksum_of(Hash::of(&bytes)));
        match self.wire.ask("put an object", put, bytes).await? {
            None => Err(ObjectError::unavailable("put an object", "there is no such bucket")),
            Some(_) => Ok(()),
        }
    }

    async fn keys(&self, folder: &Key) -> Result<Vec<Key>, ObjectError> {
        let mut list = self.wire.config.own.list_objects_v2(self.wire.credentials());
        list.with_prefix(format!("{folder}/"));
        list.with_max_keys(LIST_MAX);
        let Some(answer) = self.wire.ask("list objects", list, Bytes::new()).await? else {
            return Err(ObjectError::unavailable("list objects", "there is no such bucket"));
        };
        let list = ListObjectsV2::parse_response(&wire::text(answer).await?)
            .map_err(|error| ObjectError::unavailable("list objects", error))?;
        Ok(list.contents.into_iter().filter_map(|object| Key::new(object.key)).collect())
    }
}

fn checksum_of(hash: Hash) -> String {
    BASE64_STANDARD.encode(hash.0)
}

fn stream(answer: Response) -> ByteStream {
    let failed = |error: reqwest::Error| ObjectError::unavailable("read an object", error.without_url());
    answer.bytes_stream().map_err(failed).boxed()
}

impl ObjectStore for S3 {
    fn sign_put(&self, expected: &Expected, _session: &str, lasts: Duration) -> SignedRequest {
        // The session is in the key.
        let mut put = self.wire.config.public.put_object(self.wire.credentials(), expected.key.as_str());
        put.headers_mut().insert("content-length", expected.size.to_string());
        put.headers_mut().insert(CHECKSUM, checksum_of(expected.sha256));
        self.request(put, lasts)
    }

    fn sign_get(&self, key: &Key, lasts: Duration) -> SignedRequest {
        self.request(self.wire.config.public.get_object(self.wire.credentials(), key.as_str()), lasts)
    }

    fn check<'a>(&'a self, expected: &'a Expected) -> BoxFuture<'a, Result<Found, ObjectError>> {
        self.look(expected).boxed()
    }

    fn put<'a>(&'a self, key: &'a Key, bytes: Bytes) -> BoxFuture<'a, Result<(), ObjectError>> {
        self.put_document(key, bytes).boxed()
    }

    fn read<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<ByteStream, ObjectError>> {
        self.get(key).boxed()
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), ObjectError>> {
        async move {
            let delete = self.wire.config.own.delete_object(self.wire.credentials(), key.as_str());
            self.wire.ask("delete an object", delete, Bytes::new()).await.map(|_| ())
        }
        .boxed()
    }

    fn list<'a>(&'a self, folder: &'a Key) -> BoxFuture<'a, Result<Vec<Key>, ObjectError>> {
        self.keys(folder).boxed()
    }
}
