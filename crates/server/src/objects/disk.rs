//! Objects in a folder, as blocking calls: how they are written so that they are whole or not there, and durable before
//! anybody hears of them.
//!
//! Owns: the layout of the folder. An object is written to `.incoming/` in the same file system, hashed on its way,
//! synced, renamed, and its folder synced. No key begins with a dot, so what does is ours. Never trusts that a name it
//! finds is durable: folders are synced once after each start, names at each rename. Tested by the suite of all stores
//! and by tests beside [`super::Folder`].

use super::{Expected, Found, Key, LIST_MAX, ObjectError};
use crate::platform;
use api::Vouched;
use bytes::Bytes;
use model::Hash;
use sha2::{Digest, Sha256};
use std::{
    collections::HashSet,
    fs::{self, File, TryLockError},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::runtime::Handle;

/// Bytes that are left free: the database may lie on the same disk, and it must be able to say what is here.
const RESERVE: u64 = 16 << 20;
/// Bytes that are read at a time.
const BLOCK: usize = 256 << 10;
/// Folders that are remembered as durable.
const SETTLED_MAX: usize = 100_000;
/// A folder can vanish, since the last object in it was deleted, between its making and the rename.
const ATTEMPTS: u32 = 100;

/// A folder of objects, which this process alone may use.
pub(super) struct Disk {
    root: PathBuf,
    /// Folders whose names, and theirs in turn, are durable.
    settled: Mutex<HashSet<PathBuf>>,
    /// Objects that have their name and whose folder is not synced yet.
    settling: Mutex<HashSet<PathBuf>>,
    numbers: AtomicU64,
    _lock: File,
}

impl Disk {
    /// Opens or makes the folder, and removes what a crash has left half written.
    pub(super) fn open(root: &Path) -> Result<Self, ObjectError> {
        let failed = |error: io::Error| ObjectError::unavailable("open its folder", error);
        platform::create_private_folder(root).map_err(failed)?;
        let root = root.canonicalize().map_err(failed)?;
        let lock = File::create(root.join(".lock")).map_err(failed)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => ObjectError::unavailable("open its folder", "another server uses it"),
            TryLockError::Error(error) => failed(error),
        })?;
        let incoming = root.join(".incoming");
        match fs::remove_dir_all(&incoming) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => fs::create_dir(&incoming).map_err(failed)?,
        }
        if let Some(parent) = root.parent() {
            platform::sync_folder(parent).map_err(failed)?;
        }
        Ok(Self {
            root,
            settled: Mutex::default(),
            settling: Mutex::default(),
            numbers: AtomicU64::new(0),
            _lock: lock,
        })
    }

    /// Where an object lies. A [`Key`] leads nowhere but down.
    pub(super) fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }

    /// Begins an object of so many bytes.
    pub(super) fn begin(&self, size: u64) -> Result<Incoming, ObjectError> {
        // A disk that cannot say how much is free may have room.
        let free = fs4::available_space(&self.root).unwrap_or(u64::MAX);
        if free < size.saturating_add(RESERVE) {
            return Err(ObjectError::Full);
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join(".incoming").join(number.to_string());
        let file = File::create_new(&path).map_err(|error| write_error("write an object", error))?;
        Ok(Incoming { file, path: Some(path), hash: Sha256::new(), received: 0, size })
    }

    /// Gives an object its name, if its bytes are those that were expected.
    pub(super) fn finish(&self, mut incoming: Incoming, expected: &Expected) -> Result<(), ObjectError> {
        if incoming.received != expected.size {
            let received = incoming.received;
            return Err(ObjectError::SizeMismatch { expected: expected.size, received });
        }
        if Hash(incoming.hash.finalize_reset().into()) != expected.sha256 {
            return Err(ObjectError::HashMismatch);
        }
        incoming.file.sync_data().map_err(|error| write_error("sync an object", error))?;
        let path = self.path(&expected.key);
        lock(&self.settling).insert(path.clone());
        self.name(&mut incoming, &path).map_err(|error| write_error("name an object", error))?;
        // Where the sync has failed it stays, and whoever checks it syncs again.
        lock(&self.settling).remove(&path);
        Ok(())
    }

    fn name(&self, incoming: &mut Incoming, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(&self.root);
        let Some(from) = incoming.path.take() else { return Ok(()) };
        let mut attempts = 1..ATTEMPTS;
        while let Err(error) = self.settle(folder).and_then(|()| fs::rename(&from, path)) {
            if error.kind() != ErrorKind::NotFound || attempts.next().is_none() {
                incoming.path = Some(from);
                return Err(error);
            }
            // What was remembered is gone.
            let mut settled = lock(&self.settled);
            for folder in path.ancestors() {
                settled.remove(folder);
            }
        }
        platform::sync_folder(folder)
    }

    /// Makes a folder where it is missing, and what it holds by now durable.
    fn settle(&self, folder: &Path) -> io::Result<()> {
        if folder == self.root || lock(&self.settled).contains(folder) {
            return Ok(());
        }
        let parent = folder.parent().unwrap_or(&self.root);
        self.settle(parent)?;
        match fs::create_dir(folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => platform::sync_folder(parent)?,
        }
        platform::sync_folder(folder)?;
        let mut settled = lock(&self.settled);
        if settled.len() >= SETTLED_MAX {
            settled.clear();
        }
        settled.insert(folder.to_owned());
        Ok(())
    }

    /// Reads an object back.
    pub(super) fn check(&self, expected: &Expected) -> Result<Found, ObjectError> {
        let path = self.path(&expected.key);
        let failed = |error: io::Error| ObjectError::unavailable("read an object", error);
        let (mut file, size) = match open(&path) {
            Err(error) if is_absence(&error) => return Ok(Found::Missing),
            opened => opened.map_err(failed)?,
        };
        if size != expected.size {
            return Ok(Found::Damaged);
        }
        // Bytes that cannot be read are no better than other bytes.
        match hash(&mut file, size) {
            Ok(sha256) if sha256 == expected.sha256 => {}
            _ => return Ok(Found::Damaged),
        }
        let folder = path.parent().unwrap_or(&self.root);
        self.settle(folder).map_err(failed)?;
        if lock(&self.settling).contains(&path) {
            platform::sync_folder(folder).map_err(failed)?;
        }
        Ok(Found::Whole(Vouched::ReadBack))
    }

    /// Opens an object for reading.
    pub(super) fn open_object(&self, key: &Key) -> Result<(File, u64), ObjectError> {
        open(&self.path(key)).map_err(|error| {
            if is_absence(&error) {
                ObjectError::Missing(key.clone())
            } else {
                ObjectError::unavailable("read an object", error)
            }
        })
    }

    /// Deletes an object, and the folders that are empty then.
    pub(super) fn remove(&self, key: &Key) -> Result<(), ObjectError> {
        let path = self.path(key);
        match fs::remove_file(&path) {
            Err(error) if is_absence(&error) => return Ok(()),
            removed => removed.map_err(|error| ObjectError::unavailable("delete an object", error))?,
        }
        for folder in path.ancestors().skip(1).take_while(|folder| *folder != self.root) {
            match fs::remove_dir(folder) {
                Ok(()) => {
                    lock(&self.settled).remove(folder);
                }
                // Somebody else has deleted the last object in it.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                // It has something in it.
                Err(_) => return sync_if_there(folder),
            }
        }
        sync_if_there(&self.root)
    }

    /// Makes one object of several.
    pub(super) fn join(&self, parts: &[Key], expected: &Expected) -> Result<(), ObjectError> {
        let mut incoming = self.begin(expected.size)?;
        let mut block = vec![0; BLOCK];
        for part in parts {
            let (mut file, _) = self.open_object(part)?;
            loop {
                match file.read(&mut block) {
                    Ok(0) => break,
                    Ok(count) => incoming.append(&block[..count])?,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(ObjectError::unavailable("read an object", error)),
                }
            }
        }
        self.finish(incoming, expected)
    }

    /// Every object directly in a folder, with its bytes.
    pub(super) fn sizes(&self, folder: &Key) -> Result<Vec<(Key, u64)>, ObjectError> {
        let failed = |error| ObjectError::unavailable("list objects", error);
        let mut sizes = Vec::new();
        for (name, is_folder) in read_names(&self.path(folder)).map_err(failed)? {
            let Some(key) = Key::new(format!("{folder}/{name}")).filter(|_| !is_folder) else { continue };
            match fs::metadata(self.path(&key)) {
                Err(error) if is_absence(&error) => {}
                metadata => sizes.push((key, metadata.map_err(failed)?.len())),
            }
        }
        Ok(sizes)
    }

    /// Some of the objects below a folder, the first that are found.
    pub(super) fn list(&self, folder: &Key) -> Result<Vec<Key>, ObjectError> {
        let mut keys = Vec::new();
        let mut folders = vec![folder.as_str().to_owned()];
        while let Some(folder) = folders.pop() {
            let listed = read_names(&self.root.join(&folder));
            for (name, is_folder) in
                listed.map_err(|error| ObjectError::unavailable("list objects", error))?
            {
                let path = format!("{folder}/{name}");
                if is_folder {
                    folders.push(path);
                } else {
                    keys.extend(Key::new(path));
                }
                if keys.len() == LIST_MAX {
                    return Ok(keys);
                }
            }
        }
        Ok(keys)
    }
}

/// What is in a folder, and which of it are folders; nothing if there is no such folder.
fn read_names(folder: &Path) -> io::Result<Vec<(String, bool)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if is_absence(&error) => return Ok(Vec::new()),
        entries => entries?,
    };
    let read = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), entry.file_type()?.is_dir()))
    };
    entries.map(read).collect()
}

fn sync_if_there(folder: &Path) -> Result<(), ObjectError> {
    match platform::sync_folder(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(ObjectError::unavailable("delete an object", error))
        }
        _ => Ok(()),
    }
}

/// An object that is being written. Dropping it removes it.
pub(super) struct Incoming {
    file: File,
    /// None once it has its name.
    path: Option<PathBuf>,
    hash: Sha256,
    received: u64,
    size: u64,
}

impl Incoming {
    /// Appends.
    pub(super) fn write(&mut self, bytes: &[Bytes]) -> Result<(), ObjectError> {
        bytes.iter().try_for_each(|bytes| self.append(bytes))
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), ObjectError> {
        self.received += bytes.len() as u64;
        if self.received > self.size {
            return Err(ObjectError::SizeMismatch { expected: self.size, received: self.received });
        }
        self.hash.update(bytes);
        self.file.write_all(bytes).map_err(|error| write_error("write an object", error))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let Some(path) = self.path.take() else { return };
        // What cannot be removed now is removed at the next start.
        let remove = move || drop(fs::remove_file(path));
        match Handle::try_current() {
            Ok(handle) => drop(handle.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata.len())) } else { Err(ErrorKind::IsADirectory.into()) }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory)
}

fn hash(file: &mut File, size: u64) -> io::Result<Hash> {
    // Chunks of sound are small, and there are many of them.
    let block = usize::try_from(size).unwrap_or(BLOCK).clamp(1, BLOCK);
    let (mut hash, mut block) = (Sha256::new(), vec![0; block]);
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(Hash(hash.finalize().into())),
            Ok(count) => hash.update(&block[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn write_error(operation: &'static str, error: io::Error) -> ObjectError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ObjectError::Full,
        _ => ObjectError::unavailable(operation, error),
    }
}

/// A set is as good as before when a thread that held it has panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
