//! Objects in memory: for tests, and to try the server without a trace. Nothing outlives the process.
//!
//! Owns: a map. Tested by the suite of all stores.

use super::{ByteStream, Expected, Found, Key, LIST_MAX, ObjectError, ObjectStore, Opened, Served, Signer};
use api::{SignedRequest, Vouched};
use bytes::{Bytes, BytesMut};
use futures_util::{
    FutureExt, StreamExt,
    future::{self, BoxFuture},
    stream,
};
use model::Hash;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Objects in memory.
pub struct Memory {
    objects: Mutex<HashMap<Key, Bytes>>,
    signer: Signer,
}

impl Memory {
    /// None yet.
    pub fn new(signer: Signer) -> Self {
        Self { objects: Mutex::default(), signer }
    }

    /// Puts any bytes there, as a store does that lies: tests want to see that it is found out.
    pub fn put_now(&self, key: Key, bytes: Bytes) {
        self.objects().insert(key, bytes);
    }

    fn get(&self, key: &Key) -> Result<Bytes, ObjectError> {
        self.objects().get(key).cloned().ok_or_else(|| ObjectError::Missing(key.clone()))
    }

    /// A map is as good as before when a thread that held it has panicked.
    fn objects(&self) -> MutexGuard<'_, HashMap<Key, Bytes>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn take(&self, expected: &Expected, mut bytes: ByteStream) -> Result<(), ObjectError> {
        let mut all = BytesMut::new();
        while let Some(piece) = bytes.next().await {
            all.extend_from_slice(&piece?);
            if all.len() as u64 > expected.size {
                break;
            }
        }
        if all.len() as u64 != expected.size {
            let received = all.len() as u64;
            return Err(ObjectError::SizeMismatch { expected: expected.size, received });
        }
        if Hash::of(&all) != expected.sha256 {
            return Err(ObjectError::HashMismatch);
        }
        self.put_now(expected.key.clone(), all.freeze());
        Ok(())
    }
}

impl ObjectStore for Memory {
    fn sign_put(&self, expected: &Expected, session: &str, lasts: Duration) -> SignedRequest {
        self.signer.put(expected, session, lasts)
    }

    fn sign_get(&self, key: &Key, lasts: Duration) -> SignedRequest {
        self.signer.get(key, lasts)
    }

    fn check<'a>(&'a self, expected: &'a Expected) -> BoxFuture<'a, Result<Found, ObjectError>> {
        let found = match self.get(&expected.key) {
            Err(_) => Found::Missing,
            Ok(bytes) if Hash::of(&bytes) == expected.sha256 => Found::Whole(Vouched::ReadBack),
            Ok(_) => Found::Damaged,
        };
        future::ready(Ok(found)).boxed()
    }

    fn put<'a>(&'a self, key: &'a Key, bytes: Bytes) -> BoxFuture<'a, Result<(), ObjectError>> {
        self.put_now(key.clone(), bytes);
        future::ready(Ok(())).boxed()
    }

    fn read<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<ByteStream, ObjectError>> {
        let stream = self.get(key).map(|bytes| stream::iter([Ok(bytes)]).boxed());
        future::ready(stream).boxed()
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), ObjectError>> {
        self.objects().remove(key);
        future::ready(Ok(())).boxed()
    }

    fn list<'a>(&'a self, folder: &'a Key) -> BoxFuture<'a, Result<Vec<Key>, ObjectError>> {
        let below = format!("{folder}/");
        let is_below = |key: &&Key| key.as_str().starts_with(&below);
        let keys = self.objects().keys().filter(is_below).take(LIST_MAX).cloned().collect();
        future::ready(Ok(keys)).boxed()
    }
}

impl Served for Memory {
    fn signer(&self) -> &Signer {
        &self.signer
    }

    fn receive<'a>(
        &'a self,
        expected: &'a Expected,
        bytes: ByteStream,
    ) -> BoxFuture<'a, Result<(), ObjectError>> {
        self.take(expected, bytes).boxed()
    }

    fn sizes<'a>(&'a self, folder: &'a Key) -> BoxFuture<'a, Result<Vec<(Key, u64)>, ObjectError>> {
        let is_in =
            |key: &Key| key.as_str().rsplit_once('/').is_some_and(|(path, _)| path == folder.as_str());
        let objects = self.objects();
        let found = objects.iter().filter(|(key, _)| is_in(key));
        let sizes = found.map(|(key, bytes)| (key.clone(), bytes.len() as u64)).collect();
        future::ready(Ok(sizes)).boxed()
    }

    fn join<'a>(&'a self, parts: Vec<Key>, expected: &'a Expected) -> BoxFuture<'a, Result<(), ObjectError>> {
        let parts: Result<Vec<Bytes>, ObjectError> = parts.iter().map(|part| self.get(part)).collect();
        match parts {
            Ok(parts) => self.take(expected, stream::iter(parts.into_iter().map(Ok)).boxed()).boxed(),
            Err(error) => future::ready(Err(error)).boxed(),
        }
    }

    fn open<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Opened, ObjectError>> {
        let opened = self.get(key).map(|bytes| Opened {
            size: bytes.len() as u64,
            read: Box::new(move |range| {
                let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                let (start, end) = (place(range.start), place(range.end));
                stream::iter([Ok(bytes.slice(start.min(end)..end))]).boxed()
            }),
        });
        future::ready(opened).boxed()
    }
}
