//! Objects in a folder of this machine.
//!
//! Owns: how bytes get from a connection to the disk and back with bounded memory, and without waiting for the disk on
//! a thread that serves others. How files look is [`super::disk`]'s affair. Tested by the suite of all stores; here, how
//! a full disk, a crash and an interrupted sender leave it.

use super::{
    ByteStream, Expected, Found, Key, ObjectError, ObjectStore, Opened, Served, Signer,
    disk::{Disk, Incoming},
};
use api::SignedRequest;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, TryFutureExt, TryStreamExt, future::BoxFuture};
use model::Hash;
use std::{fs::File, io::SeekFrom, ops::Range, path::Path, sync::Arc, thread, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncSeekExt},
    sync::Semaphore,
    task::{JoinHandle, spawn_blocking},
};
use tokio_util::io::ReaderStream;

/// Bytes that are handed to the disk at a time; twice as many are in memory for each object on its way.
const BLOCK: usize = 512 << 10;

/// Objects in a folder. Nobody else may use it at the same time.
pub struct Folder {
    disk: Arc<Disk>,
    signer: Signer,
    /// Objects that are read back at the same time.
    checks: Semaphore,
}

impl Folder {
    /// Opens the folder, makes it where there is none, and removes what a crash has left half written. Waits for the
    /// disk.
    pub fn open(root: &Path, signer: Signer) -> Result<Self, ObjectError> {
        let cores = thread::available_parallelism().map_or(2, usize::from);
        Ok(Self { disk: Arc::new(Disk::open(root)?), signer, checks: Semaphore::new(2 * cores) })
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Disk) -> Result<T, ObjectError> + Send + 'static,
    ) -> Result<T, ObjectError> {
        let disk = Arc::clone(&self.disk);
        finished(spawn_blocking(move || work(&disk))).await
    }

    async fn take(&self, expected: &Expected, mut bytes: ByteStream) -> Result<(), ObjectError> {
        let size = expected.size;
        let disk = Arc::clone(&self.disk);
        // One block is written while the next one comes. Whoever drops this future drops the task's result, and with it
        // the file.
        let mut writing = spawn_blocking(move || disk.begin(size));
        loop {
            let (block, is_last) = next_block(&mut bytes).await?;
            let mut incoming: Incoming = finished(writing).await?;
            writing = spawn_blocking(move || incoming.write(&block).map(|()| incoming));
            if is_last {
                break;
            }
        }
        let incoming = finished(writing).await?;
        let expected = expected.clone();
        self.on_disk(move |disk| disk.finish(incoming, &expected)).await
    }
}

/// Bytes until they are worth a write, and whether they were the last.
async fn next_block(bytes: &mut ByteStream) -> Result<(Vec<Bytes>, bool), ObjectError> {
    let (mut block, mut length) = (Vec::new(), 0);
    while length < BLOCK {
        let Some(piece) = bytes.next().await else { return Ok((block, true)) };
        let piece = piece?;
        length += piece.len();
        block.push(piece);
    }
    Ok((block, false))
}

async fn finished<T>(task: JoinHandle<Result<T, ObjectError>>) -> Result<T, ObjectError> {
    task.await.unwrap_or_else(|error| Err(ObjectError::unavailable("use the disk", error)))
}

impl ObjectStore for Folder {
    fn sign_put(&self, expected: &Expected, session: &str, lasts: Duration) -> SignedRequest {
        self.signer.put(expected, session, lasts)
    }

    fn sign_get(&self, key: &Key, lasts: Duration) -> SignedRequest {
        self.signer.get(key, lasts)
    }

    fn check<'a>(&'a self, expected: &'a Expected) -> BoxFuture<'a, Result<Found, ObjectError>> {
        let expected = expected.clone();
        async move {
            let _turn = self.checks.acquire().await;
            self.on_disk(move |disk| disk.check(&expected)).await
        }
        .boxed()
    }

    fn put<'a>(&'a self, key: &'a Key, bytes: Bytes) -> BoxFuture<'a, Result<(), ObjectError>> {
        let expected = Expected { key: key.clone(), size: bytes.len() as u64, sha256: Hash::of(&bytes) };
        self.on_disk(move |disk| {
            let mut incoming = disk.begin(expected.size)?;
            incoming.write(&[bytes])?;
            disk.finish(incoming, &expected)
        })
        .boxed()
    }

    fn read<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<ByteStream, ObjectError>> {
        self.open(key).map_ok(|opened| (opened.read)(0..opened.size)).boxed()
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), ObjectError>> {
        let key = key.clone();
        self.on_disk(move |disk| disk.remove(&key)).boxed()
    }

    fn list<'a>(&'a self, folder: &'a Key) -> BoxFuture<'a, Result<Vec<Key>, ObjectError>> {
        let folder = folder.clone();
        self.on_disk(move |disk| disk.list(&folder)).boxed()
    }
}

impl Served for Folder {
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
        let folder = folder.clone();
        self.on_disk(move |disk| disk.sizes(&folder)).boxed()
    }

    fn join<'a>(&'a self, parts: Vec<Key>, expected: &'a Expected) -> BoxFuture<'a, Result<(), ObjectError>> {
        let expected = expected.clone();
        self.on_disk(move |disk| disk.join(&parts, &expected)).boxed()
    }

    fn open<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Opened, ObjectError>> {
        let key = key.clone();
        self.on_disk(move |disk| {
            let (file, size) = disk.open_object(&key)?;
            Ok(Opened { size, read: Box::new(move |range| read(file, range)) })
        })
        .boxed()
    }
}

fn read(file: File, range: Range<u64>) -> ByteStream {
    let failed = |error| ObjectError::unavailable("read an object", error);
    let seek = async move {
        let mut file = tokio::fs::File::from_std(file);
        file.seek(SeekFrom::Start(range.start)).await?;
        Ok(ReaderStream::with_capacity(file.take(range.end.saturating_sub(range.start)), BLOCK))
    };
    seek.try_flatten_stream().map_err(failed).boxed()
}
