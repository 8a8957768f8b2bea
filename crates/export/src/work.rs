//! A folder of finished work, so that an export that was cut off goes on where it was.
//!
//! Owns: files that are there whole and durable or not at all (bytes, sync, name, folder), and which export works in
//! which folder. A file's name carries the hash of its bytes, so nothing else says what is finished: where an index
//! would be one more thing to recover, a listing is enough for the few files of one export. Of an encrypted session they are encrypted, and
//! hashes are of what is in them. Knows nothing of pictures.
//! Tested below and in `tests/resume.rs`.

use crate::ExportError;
use bytes::Bytes;
use model::Hash;
use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};
use store::{ChunkBytes, Cover, Fs, OsFs};

/// Held while folders come and go, so that nobody takes one that is being removed.
const DOOR: &str = "door.lock";
/// Held by the export that works in a folder.
const LOCK: &str = "lock";
/// So many exports of the same thing at the same time.
const FOLDERS_MAX: u32 = 16;

/// The folder of one export. Stays when it is dropped, as after a crash; see [`Self::remove`].
pub(crate) struct Work {
    root: PathBuf,
    folder: PathBuf,
    cover: Cover,
    files: BTreeMap<String, Hash>,
    /// Closed, and with it given back, when dropped.
    _lock: File,
}

impl Work {
    /// Takes up what an export with this key has left, or begins anew.
    pub fn open(root: &Path, key: &Hash, cover: Cover) -> Result<Self, ExportError> {
        OsFs.create_folder(root).map_err(failed("create", root))?;
        let _door = Door::open(root)?;
        for number in 1..=FOLDERS_MAX {
            let folder = root.join(format!("{key}-{number}"));
            OsFs.create_folder(&folder).map_err(failed("create", &folder))?;
            let Some(lock) = lock(&folder.join(LOCK)).map_err(failed("lock", &folder))? else { continue };
            let files = OsFs.list(&folder).map_err(failed("list", &folder))?;
            let files = files.iter().filter_map(|name| parse(name)).collect();
            return Ok(Self { root: root.to_owned(), folder, cover, files, _lock: lock });
        }
        Err(failed("lock", root)(io::ErrorKind::ResourceBusy.into()))
    }

    /// The bytes of a finished file; none if there is none, or if they are not those that were written.
    pub fn load(&self, name: &str) -> Option<Bytes> {
        let hash = self.files.get(name)?;
        let bytes = self.cover.reveal(name, fs::read(self.path(name)?).ok()?)?;
        (Hash::of(&bytes) == *hash).then(|| bytes.into())
    }

    /// The bytes of a finished file, for copying them. Nobody has compared their hash where they are not encrypted.
    pub fn read(&self, name: &str) -> io::Result<ChunkBytes> {
        if self.cover.is_open() {
            return File::open(self.path(name).ok_or(io::ErrorKind::NotFound)?).map(ChunkBytes::File);
        }
        let bytes = self.load(name).ok_or(io::ErrorKind::InvalidData)?;
        Ok(ChunkBytes::Memory(io::Cursor::new(bytes)))
    }

    /// About how many bytes a finished file has; none if there is none.
    pub fn size(&self, name: &str) -> Option<u64> {
        Some(fs::metadata(self.path(name)?).ok()?.len())
    }

    /// Where a finished file lies.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.join(file_name(name, self.files.get(name)?)))
    }

    /// Adds a file. Once this returns it is there, whatever happens.
    pub fn save(&mut self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        let hash = Hash::of(bytes);
        let path = self.folder.join(file_name(name, &hash));
        let unfinished = self.folder.join("unfinished");
        let written = self.cover.conceal(name, bytes).and_then(|bytes| {
            let mut file = File::create(&unfinished)?;
            io::Write::write_all(&mut file, &bytes)?;
            file.sync_all()
        });
        let size = bytes.len() as u64;
        written.map_err(|source| ExportError::io("write", &unfinished, size, source))?;
        OsFs.rename(&unfinished, &path).map_err(failed("rename", &path))?;
        OsFs.sync_folder(&self.folder).map_err(failed("sync", &self.folder))?;
        if self.files.get(name) != Some(&hash) {
            self.forget(name);
        }
        self.files.insert(name.to_owned(), hash);
        Ok(())
    }

    /// Removes a file that is of no more use.
    pub fn forget(&mut self, name: &str) {
        if let Some(hash) = self.files.remove(name) {
            // It is only in the way. The whole folder goes at the end.
            let _ = fs::remove_file(self.folder.join(file_name(name, &hash)));
        }
    }

    /// Removes all files: they belong to something else than what is made now.
    pub fn clear(&mut self) {
        let names: Vec<_> = self.files.keys().cloned().collect();
        names.iter().for_each(|name| self.forget(name));
    }

    /// Removes the folder: nobody needs it any more.
    pub fn remove(self) {
        let Self { root, folder, _lock, .. } = self;
        if let Ok(_door) = Door::open(&root) {
            // What cannot be removed now, `clean` finds.
            let _ = fs::remove_dir_all(&folder);
            drop(_lock);
        }
    }
}

/// Removes what exports have left behind in `work` and nobody has touched since `before`. Says how many there were.
pub fn clean(work: &Path, before: SystemTime) -> Result<usize, ExportError> {
    if !work.exists() {
        return Ok(0);
    }
    let _door = Door::open(work)?;
    let mut removed = 0;
    for name in OsFs.list(work).map_err(failed("list", work))? {
        let folder = work.join(name);
        let is_old =
            fs::metadata(&folder).and_then(|found| found.modified()).is_ok_and(|touched| touched < before);
        // The lock is made and held by whoever works there.
        if folder.is_dir() && is_old && lock(&folder.join(LOCK)).is_ok_and(|lock| lock.is_some()) {
            fs::remove_dir_all(&folder).map_err(failed("remove", &folder))?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// One at a time comes in here.
struct Door {
    _lock: File,
}

impl Door {
    fn open(root: &Path) -> Result<Self, ExportError> {
        let path = root.join(DOOR);
        let file = open_lock(&path).map_err(failed("open", &path))?;
        match file.lock() {
            Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(failed("lock", &path)(error)),
            // Where there are no locks there is nobody to share a data folder with either.
            _ => Ok(Self { _lock: file }),
        }
    }
}

/// The lock, if nobody has it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = open_lock(path)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => Err(error),
        _ => Ok(Some(file)),
    }
}

fn open_lock(path: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(false).open(path)
}

fn file_name(name: &str, hash: &Hash) -> String {
    format!("{name}-{hash}")
}

fn parse(file: &str) -> Option<(String, Hash)> {
    let (name, hash) = file.rsplit_once('-')?;
    Some((name.to_owned(), hash.parse().ok()?))
}

fn failed(operation: &'static str, path: &Path) -> impl Fn(io::Error) -> ExportError {
    let path = path.to_owned();
    move |source| ExportError::io(operation, &path, 0, source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_saved_is_there_and_what_is_damaged_is_not() {
        let root = tempfile::tempdir().unwrap();
        let open = || Work::open(root.path(), &Hash::of(b"key"), Cover::default()).unwrap();
        let mut work = open();
        work.save("000001.m4s", b"one").unwrap();
        work.save("000002.m4s", b"two").unwrap();
        work.save("000002.m4s", b"three").unwrap();
        let path = work.path("000001.m4s").unwrap();
        drop(work);
        let work = open();
        assert_eq!(
            (work.load("000001.m4s").unwrap(), work.load("000002.m4s").unwrap()),
            ("one".into(), "three".into())
        );
        assert_eq!(work.load("000003.m4s"), None);
        fs::write(&path, "onx").unwrap();
        assert_eq!(work.load("000001.m4s"), None);
        work.remove();
        assert_eq!(OsFs.list(root.path()).unwrap(), [DOOR]);
    }

    #[test]
    fn two_at_once_do_not_meet_and_other_keys_have_other_folders() {
        let root = tempfile::tempdir().unwrap();
        let open = |key: &[u8]| Work::open(root.path(), &Hash::of(key), Cover::default()).unwrap();
        let (mut first, second, other) = (open(b"key"), open(b"key"), open(b"other"));
        first.save("a", b"1").unwrap();
        assert_eq!((second.load("a"), other.load("a")), (None, None));
        second.remove();
        assert_eq!(first.load("a").unwrap(), "1");
        drop(first);
        assert_eq!(open(b"key").load("a").unwrap(), "1");
    }

    #[test]
    fn cleaning_takes_what_is_old_and_left() {
        let root = tempfile::tempdir().unwrap();
        let hour = Duration::from_secs(3600);
        let mut left = Work::open(root.path(), &Hash::of(b"left"), Cover::default()).unwrap();
        left.save("a", b"1").unwrap();
        drop(left);
        let used = Work::open(root.path(), &Hash::of(b"used"), Cover::default()).unwrap();
        assert_eq!(clean(root.path(), SystemTime::now() - hour).unwrap(), 0);
        assert_eq!(clean(root.path(), SystemTime::now() + hour).unwrap(), 1);
        assert_eq!(clean(&root.path().join("nowhere"), SystemTime::now()).unwrap(), 0);
        assert!(used.folder.is_dir());
    }
}
