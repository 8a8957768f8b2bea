//! `SimFs`: the store's file system, on which anything can happen.
//!
//! It works in a real temporary folder, since SQLite needs one, and writes down every operation. A crash after any of
//! them is then made from the list, in another folder: nothing has to run twice.

use crate::{
    Random,
    model_disk::{ModelDisk, Op, Tree},
};
use bytes::Bytes;
use rusqlite::{Connection, MAIN_DB, OpenFlags};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use store::{Append, Fs, OsFs};
use tempfile::TempDir;

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// The process died; the system has all that it wrote.
    Kill,
    /// The power went; chance decides about what was not synced.
    PowerCut,
}

/// Operations that fail.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// The first one.
    pub at: usize,
    /// How many in a row.
    pub count: usize,
    /// As what.
    pub kind: io::ErrorKind,
}

/// A simulated disk; clones are handles to the same one.
#[derive(Clone)]
pub struct SimFs {
    shared: Arc<Shared>,
}

struct Shared {
    folder: TempDir,
    start: ModelDisk,
    boot: u64,
    /// Whether to take an image of the index with each commit.
    images: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ops: Vec<Op>,
    /// Operations that were tried: also those that failed.
    tried: usize,
    reads: usize,
    fault: Option<Fault>,
}

impl SimFs {
    /// An empty disk.
    pub fn new() -> io::Result<Self> {
        Self::with(&Tree::new(), None, 1, true)
    }

    /// An empty disk that is faster, since it takes an image of the index only where [`Self::take_image`] says so.
    /// A crash brings back the newest.
    pub fn without_images() -> io::Result<Self> {
        Self::with(&Tree::new(), None, 1, false)
    }

    fn with(tree: &Tree, image: Option<Bytes>, boot: u64, images: bool) -> io::Result<Self> {
        let folder = folder()?;
        for (path, bytes) in tree {
            let path = folder.path().join(path);
            match bytes {
                Some(bytes) => fs::write(path, bytes)?,
                None => fs::create_dir(path)?,
            }
        }
        if let Some(image) = &image {
            fs::write(folder.path().join("spool.db"), image)?;
        }
        let start = ModelDisk::new(tree, image);
        let shared = Shared { folder, start, boot, images, state: Mutex::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The data folder.
    pub fn dir(&self) -> &Path {
        self.shared.folder.path()
    }

    /// Operations that have been done.
    pub fn now(&self) -> usize {
        self.state().ops.len()
    }

    /// Operations that have been tried.
    pub fn tried(&self) -> usize {
        self.state().tried
    }

    /// From now on these operations fail.
    pub fn fail(&self, fault: Fault) {
        self.state().fault = Some(fault);
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        self.state().fault = None;
    }

    /// Files and folders that were read.
    pub fn reads(&self) -> usize {
        self.state().reads
    }

    /// Takes an image of the index as it is now.
    pub fn take_image(&self) {
        let image = image(&self.dir().join("spool.db")).expect("the index can be read");
        self.done(Op::Commit(image));
    }

    /// Removes the index from a disk that no store has open.
    pub fn lose_index(&self) -> io::Result<()> {
        match fs::remove_file(self.dir().join("spool.db")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// The disk as it is found after a crash that came after the first `after` operations, and perhaps in the middle
    /// of the next.
    pub fn crash(&self, after: usize, crash: Crash, seed: u64) -> io::Result<Self> {
        let mut random = Random::new(seed ^ (after as u64) << 20);
        let state = self.state();
        let mut disk = self.shared.start.clone();
        state.ops.iter().take(after).for_each(|op| disk.apply(op));
        if let Some(Op::Append(path, bytes)) = state.ops.get(after) {
            disk.apply(&Op::Append(path.clone(), bytes.slice(..random.up_to(bytes.len()))));
        }
        let tree = match crash {
            Crash::Kill => disk.after_kill(),
            Crash::PowerCut => disk.after_power_cut(&mut random),
        };
        let boot = self.shared.boot + u64::from(crash == Crash::PowerCut);
        Self::with(&tree, disk.image().cloned(), boot, self.shared.images)
    }

    /// The newest operation among the first `after`, for messages.
    pub fn describe(&self, after: usize) -> String {
        match self.state().ops.get(after.wrapping_sub(1)) {
            Some(Op::Append(path, bytes)) => format!("append {} bytes to {path}", bytes.len()),
            Some(Op::Commit(_)) => "commit".to_owned(),
            Some(op) => format!("{op:?}"),
            None => "nothing".to_owned(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn relative(&self, path: &Path) -> String {
        let path = path.strip_prefix(self.dir()).unwrap_or(path);
        path.to_string_lossy().replace('\\', "/")
    }

    /// Fails if it was told to.
    fn attempt(&self) -> io::Result<()> {
        let mut state = self.state();
        state.tried += 1;
        let tried = state.tried;
        match state.fault {
            Some(fault) if (fault.at..fault.at.saturating_add(fault.count)).contains(&tried) => {
                Err(fault.kind.into())
            }
            _ => Ok(()),
        }
    }

    /// As [`Self::attempt`], for what a full disk lets through.
    fn attempt_to_free(&self) -> io::Result<()> {
        if self.state().fault.is_some_and(|fault| fault.kind == io::ErrorKind::StorageFull) {
            return Ok(());
        }
        self.attempt()
    }

    fn done(&self, op: Op) {
        self.state().ops.push(op);
    }
}

impl Fs for SimFs {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.attempt()?;
        if !path.is_dir() {
            OsFs.create_folder(path)?;
            self.done(Op::CreateFolder(self.relative(path)));
        }
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.state().reads += 1;
        OsFs.list(folder)
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn Append>> {
        self.attempt()?;
        let new = !path.exists();
        let file = OsFs.append(path)?;
        if new {
            self.done(Op::Create(self.relative(path)));
        }
        Ok(Box::new(SimFile { disk: self.clone(), path: path.to_owned(), file }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.state().reads += 1;
        OsFs.read(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.attempt()?;
        OsFs.rename(from, to)?;
        self.done(Op::Rename(self.relative(from), self.relative(to)));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.attempt_to_free()?;
        OsFs.remove(path)?;
        self.done(Op::Remove(self.relative(path)));
        Ok(())
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        // One by one, as the system does, so that a crash can come in between.
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                self.remove_folder(&entry.path())?;
            } else {
                self.remove(&entry.path())?;
            }
        }
        self.attempt_to_free()?;
        fs::remove_dir(path)?;
        self.done(Op::Remove(self.relative(path)));
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.attempt()?;
        self.done(Op::SyncFolder(self.relative(path)));
        Ok(())
    }

    fn free_space(&self, _folder: &Path) -> io::Result<u64> {
        Ok(0)
    }

    fn boot(&self) -> Option<String> {
        Some(self.shared.boot.to_string())
    }

    fn before_commit(&self) -> io::Result<()> {
        self.attempt()
    }

    fn after_commit(&self, _database: &Path) {
        if self.shared.images {
            self.take_image();
        }
    }
}

/// In memory where there is such a folder: these disks need not outlast the test.
pub(crate) fn folder() -> io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("spool-sim-").tempdir_in(base)
}

fn image(database: &Path) -> rusqlite::Result<Bytes> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let data = connection.serialize(MAIN_DB)?;
    Ok(Bytes::copy_from_slice(&data))
}

struct SimFile {
    disk: SimFs,
    path: PathBuf,
    file: Box<dyn Append>,
}

impl Append for SimFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (written, result) = match self.disk.attempt() {
            Ok(()) => (bytes, Ok(())),
            Err(error) => {
                let seed = self.disk.tried() as u64;
                (&bytes[..Random::new(seed).up_to(bytes.len())], Err(error))
            }
        };
        self.file.append(written)?;
        let path = self.disk.relative(&self.path);
        self.disk.done(Op::Append(path, Bytes::copy_from_slice(written)));
        result
    }

    fn truncate(&mut self, size: u64) -> io::Result<()> {
        self.disk.attempt_to_free()?;
        self.file.truncate(size)?;
        self.disk.done(Op::Truncate(self.disk.relative(&self.path), size));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let (path, result) = (self.disk.relative(&self.path), self.disk.attempt());
        self.disk.done(if result.is_ok() { Op::Sync(path) } else { Op::SyncFailed(path) });
        result
    }
}
