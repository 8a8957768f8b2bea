//! `EmptiedFs`: a disk that counts, and lets go of the bytes of what is sealed, so that days of recording fit.

use std::{
    fs::{self, OpenOptions},
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use store::{Append, Fs, OsFs};
use tempfile::TempDir;

/// A disk in memory on which sealed chunks are empty files. Clones are handles to the same one.
#[derive(Clone)]
pub struct EmptiedFs {
    folder: Arc<TempDir>,
    written: Arc<AtomicU64>,
}

impl EmptiedFs {
    /// An empty disk.
    pub fn new() -> io::Result<Self> {
        Ok(Self { folder: Arc::new(crate::disk::folder()?), written: Arc::default() })
    }

    /// The data folder.
    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// Bytes that were appended to files so far.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Files that there are now, in all folders.
    pub fn files(&self) -> io::Result<u64> {
        count(self.dir())
    }
}

fn count(folder: &Path) -> io::Result<u64> {
    let mut files = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        files += if entry.file_type()?.is_dir() { count(&entry.path())? } else { 1 };
    }
    Ok(files)
}

impl Fs for EmptiedFs {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        OsFs.create_folder(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        OsFs.list(folder)
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn Append>> {
        Ok(Box::new(Counted { written: Arc::clone(&self.written), file: OsFs.append(path)? }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        OsFs.read(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsFs.rename(from, to)?;
        if to.extension().is_some_and(|extension| extension == "m4s") {
            OpenOptions::new().write(true).truncate(true).open(to)?;
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        OsFs.remove(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        OsFs.remove_folder(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        OsFs.sync_folder(path)
    }

    fn free_space(&self, _folder: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn boot(&self) -> Option<String> {
        Some("the only one".to_owned())
    }
}

struct Counted {
    written: Arc<AtomicU64>,
    file: Box<dyn Append>,
}

impl Append for Counted {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.file.append(bytes)
    }

    fn truncate(&mut self, size: u64) -> io::Result<()> {
        self.file.truncate(size)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }
}
