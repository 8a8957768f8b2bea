//! A file that has its name only once it is whole and durable.

use crate::{ExportError, error::folder_of};
use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};
use store::{ChunkBytes, Fs, OsFs};

/// So many exports to one name at the same time.
const PARTS_MAX: u32 = 100;

/// `<out>.part` on its way to being `<out>`. Each attempt has one of its own, so that two to one name do each other no
/// harm: the last to finish has the name. Removed when dropped before it is finished.
pub(crate) struct PartFile {
    /// Locked, so that others can tell it from one that a crash left behind.
    file: File,
    out: PathBuf,
    part: PathBuf,
    /// Bytes that it will have, if that is known.
    size: u64,
    finished: bool,
}

impl PartFile {
    /// Begins a file of this size; zero where it is not known yet.
    pub fn create(out: &Path, size: u64) -> Result<Self, ExportError> {
        let failed = |operation| move |source| ExportError::io(operation, out, size, source);
        if out.is_dir() {
            return Err(failed("write")(io::ErrorKind::IsADirectory.into()));
        }
        let (file, part) = create_part(out).map_err(failed("create"))?;
        let this = Self { file, out: out.to_owned(), part, size, finished: false };
        // Said now, not when most of it has been written. A system that does not know is asked later, by writing.
        match fs4::available_space(folder_of(out)) {
            Ok(free) if free < size => Err(this.failed("write", io::ErrorKind::StorageFull.into())),
            _ => Ok(this),
        }
    }

    /// Where it lies while it has no name, for a writer that wants to open it itself.
    pub fn path(&self) -> &Path {
        &self.part
    }

    /// Adds bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.file.write_all(bytes).map_err(|source| self.failed("write", source))
    }

    /// Adds bytes of a chunk, from where it stands; those of a file, on Linux, within the kernel, without passing them
    /// through memory of ours.
    pub fn copy(&mut self, from: ChunkBytes, length: u64) -> Result<(), ExportError> {
        let copied = match from {
            ChunkBytes::File(file) => io::copy(&mut file.take(length), &mut self.file),
            ChunkBytes::Memory(bytes) => io::copy(&mut bytes.take(length), &mut self.file),
        };
        match copied {
            Ok(copied) if copied == length => Ok(()),
            Ok(_) => Err(self.failed("read a chunk into", io::ErrorKind::UnexpectedEof.into())),
            Err(source) => Err(self.failed("write", source)),
        }
    }

    /// Makes what was written durable, and says how many bytes it is.
    pub fn sync(&self) -> Result<u64, ExportError> {
        let synced = self.file.sync_all().and_then(|()| self.file.metadata());
        synced.map(|file| file.len()).map_err(|source| self.failed("sync", source))
    }

    /// Gives it its name, durably. To be synced before.
    pub fn finish(mut self) -> Result<(), ExportError> {
        fs::rename(&self.part, &self.out).map_err(|source| self.failed("rename", source))?;
        self.finished = true;
        OsFs.sync_folder(folder_of(&self.out)).map_err(|source| self.failed("sync the folder of", source))
    }

    /// The error that calls for the right reaction.
    pub fn failed(&self, operation: &'static str, source: io::Error) -> ExportError {
        ExportError::io(operation, &self.out, self.size, source)
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if !self.finished {
            // If it cannot be removed, the next export to this name does it.
            let _ = fs::remove_file(&self.part);
        }
    }
}

/// A new file beside `out`, which is nobody else's. What a crash left behind is removed on the way.
fn create_part(out: &Path) -> io::Result<(File, PathBuf)> {
    for number in 1..=PARTS_MAX {
        let mut part = out.as_os_str().to_owned();
        part.push(if number == 1 { ".part".to_owned() } else { format!(".{number}.part") });
        let part = PathBuf::from(part);
        if File::open(&part).is_ok_and(|left| left.try_lock().is_ok()) {
            // Never written over: whoever had it may have given it its name since it was opened here.
            let _ = fs::remove_file(&part);
        }
        match File::options().read(true).write(true).create_new(true).open(&part) {
            // Until it is locked, somebody may take it for one that was left behind.
            Ok(file) => match file.try_lock() {
                Err(TryLockError::WouldBlock) => {}
                // Where there are no locks it is ours all the same, and stays if we crash.
                _ if part.exists() => return Ok((file, part)),
                _ => {}
            },
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_fit_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out.mp4");
        let refused = PartFile::create(&out, u64::MAX);
        assert!(matches!(refused.err(), Some(ExportError::DiskFull { needed: u64::MAX, .. })));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_full_disk_has_its_own_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = PartFile::create(&dir.path().join("out.mp4"), 10).unwrap();
        let failed = |kind: io::ErrorKind| file.failed("write", kind.into());
        assert!(matches!(failed(io::ErrorKind::StorageFull), ExportError::DiskFull { needed: 10, .. }));
        assert!(matches!(failed(io::ErrorKind::QuotaExceeded), ExportError::DiskFull { .. }));
        assert!(matches!(
            failed(io::ErrorKind::PermissionDenied),
            ExportError::Io { operation: "write", .. }
        ));
    }

    #[test]
    fn two_to_one_name_do_each_other_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out.mp4");
        let write = |bytes: &[u8]| {
            let mut file = PartFile::create(&out, 0).unwrap();
            file.write(bytes).unwrap();
            file
        };
        let (first, second) = (write(b"first"), write(b"second"));
        assert_ne!(first.path(), second.path());
        first.finish().unwrap();
        assert_eq!(fs::read(&out).unwrap(), b"first");
        let third = write(b"third");
        second.finish().unwrap();
        assert_eq!(fs::read(&out).unwrap(), b"second");
        drop(third);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_crash_left_behind_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out.mp4");
        fs::write(dir.path().join("out.mp4.part"), vec![7; 1 << 20]).unwrap();
        let mut file = PartFile::create(&out, 0).unwrap();
        file.write(b"new").unwrap();
        file.finish().unwrap();
        assert_eq!(
            (fs::read(&out).unwrap(), fs::read_dir(dir.path()).unwrap().count()),
            (b"new".to_vec(), 1)
        );
    }
}
