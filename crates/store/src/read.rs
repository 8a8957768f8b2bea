//! Reading chunks: the one way to their bytes, however they lie in their files.

use crate::{
    ChunkStore, StoreError,
    cipher::{self, About, Cipher},
    index,
    store::Inner,
};
use bytes::Bytes;
use model::{Chunk, ChunkId, Hash, KeyId, SessionId};
use std::{
    fs::File,
    io::{self, Cursor, Read, Seek, SeekFrom},
    path::Path,
};

type Result<T> = std::result::Result<T, StoreError>;

/// The bytes of a chunk, for copying ranges of them.
#[derive(Debug)]
pub enum ChunkBytes {
    /// They are a file's, all of it, so that systems can copy them by themselves.
    File(File),
    /// They were decrypted.
    Memory(Cursor<Bytes>),
}

impl Read for ChunkBytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Memory(bytes) => bytes.read(buffer),
        }
    }
}

impl Seek for ChunkBytes {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::File(file) => file.seek(to),
            Self::Memory(bytes) => bytes.seek(to),
        }
    }
}

impl ChunkStore {
    /// A chunk's bytes, proved to be the ones that were recorded.
    pub fn read(&self, id: &ChunkId) -> Result<Bytes> {
        let chunk = self.chunk(id)?;
        let bytes = self.inner.read_chunk(&chunk)?;
        if Hash::of(&bytes) != chunk.hash {
            return Err(StoreError::Damaged { chunk: id.clone() });
        }
        Ok(bytes.into())
    }

    /// A chunk's bytes, for copying ranges of them. Those of a plain one are not proved, only how many they are.
    pub fn open_chunk(&self, chunk: &Chunk) -> Result<ChunkBytes> {
        let path = self.inner.chunk_path(chunk);
        let opened = File::open(&path).and_then(|mut file| {
            let mut first = Vec::new();
            Read::by_ref(&mut file).take(cipher::MAGIC.len() as u64).read_to_end(&mut first)?;
            file.rewind()?;
            Ok((file.metadata()?.len(), first, file))
        });
        let (size, first, file) = opened.map_err(|error| unreadable(chunk, &path, error))?;
        let (size, bytes) = if first == cipher::MAGIC {
            let bytes = Bytes::from(self.inner.read_chunk(chunk)?);
            (bytes.len() as u64, ChunkBytes::Memory(Cursor::new(bytes)))
        } else {
            (size, ChunkBytes::File(file))
        };
        if size == chunk.size { Ok(bytes) } else { Err(StoreError::Damaged { chunk: chunk.id.clone() }) }
    }

    /// Looks whether a chunk's file is there with as many bytes as it should have. None of them is read.
    pub fn look_for(&self, chunk: &Chunk) -> Result<()> {
        let path = self.inner.chunk_path(chunk);
        let found = std::fs::metadata(&path).map_err(|error| unreadable(chunk, &path, error))?;
        let sizes = [chunk.size, cipher::file_size(chunk.size, chunk.parts.len())];
        if sizes.contains(&found.len()) {
            Ok(())
        } else {
            Err(StoreError::Damaged { chunk: chunk.id.clone() })
        }
    }

    /// Whether a session can be read: [`StoreError::Locked`] where it is encrypted and its key is not here.
    pub fn require_key(&self, session: SessionId) -> Result<()> {
        self.cover(session).map(drop)
    }

    /// Whether the key of this id is here.
    pub fn has_key(&self, key: KeyId) -> bool {
        self.inner.keys.find(key).is_some()
    }
}

impl Inner {
    /// What encrypts and decrypts with a key.
    pub fn cipher(&self, key: KeyId) -> Result<Cipher> {
        self.keys.find(key).map(|key| Cipher::new(&key)).ok_or(StoreError::Locked { key })
    }

    /// The bytes of a chunk. Nobody has compared their hash.
    pub fn read_chunk(&self, chunk: &Chunk) -> Result<Vec<u8>> {
        let path = self.chunk_path(chunk);
        let file = self.fs.read(&path).map_err(|error| unreadable(chunk, &path, error))?;
        let Some(key) = cipher::key_of(&file) else { return Ok(file) };
        let damaged = || StoreError::Damaged { chunk: chunk.id.clone() };
        let cipher = match self.cipher(key) {
            // A key that nobody has may be one that never was.
            Err(StoreError::Locked { .. }) if self.key_of(chunk.id.session)? != Some(key) => {
                return Err(damaged());
            }
            cipher => cipher?,
        };
        let found = cipher.decrypt(&About::chunk(&chunk.id), file).filter(|found| found.is_whole);
        found.map(|found| found.bytes).ok_or_else(damaged)
    }

    fn key_of(&self, session: SessionId) -> Result<Option<KeyId>> {
        Ok(self.read(|index| index::session(index, session))?.document.meta.key)
    }
}

fn unreadable(chunk: &Chunk, path: &Path, error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::NotFound => StoreError::Missing { chunk: chunk.id.clone() },
        _ => StoreError::io("read", path, 0, error),
    }
}
