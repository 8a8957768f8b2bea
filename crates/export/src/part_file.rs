//! A file that has its name only once it is whole and durable.

use crate::ExportError;
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};
use store::{Fs, OsFs};

/// `<out>.part` on its way to being `<out>`. Removed when dropped before it is finished.
pub(crate) struct PartFile {
    file: File,
    out: PathBuf,
    part: PathBuf,
    /// Bytes that it will have.
    size: u64,
    finished: bool,
}

impl PartFile {
    /// Begins a file of this size. One that a crash left behind is written over.
    pub fn create(out: &Path, size: u64) -> Result<Self, ExportError> {
        let mut part = out.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let failed = |operation| move |source| ExportError::Io { operation, path: out.to_owned(), source };
        if out.is_dir() {
            return Err(failed("write")(io::ErrorKind::IsADirectory.into()));
        }
        let file = File::create(&part).map_err(failed("create"))?;
        let this = Self { file, out: out.to_owned(), part, size, finished: false };
        // Said now, not when most of it has been written. A system that does not know is asked later, by writing.
        match fs4::available_space(folder_of(out)) {
            Ok(free) if free < size => Err(this.full(free)),
            _ => Ok(this),
        }
    }

    /// Adds bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.file.write_all(bytes).map_err(|source| self.failed("write", source))
    }

    /// Adds bytes of another file, from where it stands; on Linux within the kernel, without passing them through
    /// memory of ours.
    pub fn copy(&mut self, from: File, length: u64) -> Result<(), ExportError> {
        match io::copy(&mut from.take(length), &mut self.file) {
            Ok(copied) if copied == length => Ok(()),
            Ok(_) => Err(self.failed("read a chunk into", io::ErrorKind::UnexpectedEof.into())),
            Err(source) => Err(self.failed("write", source)),
        }
    }

    /// Makes what was written durable.
    pub fn sync(&self) -> Result<(), ExportError> {
        self.file.sync_all().map_err(|source| self.failed("sync", source))
    }

    /// Gives it its name, durably. To be synced before.
    pub fn finish(mut self) -> Result<(), ExportError> {
        fs::rename(&self.part, &self.out).map_err(|source| self.failed("rename", source))?;
        self.finished = true;
        OsFs.sync_folder(folder_of(&self.out)).map_err(|source| self.failed("sync the folder of", source))
    }

    /// The error that calls for the right reaction.
    pub fn failed(&self, operation: &'static str, source: io::Error) -> ExportError {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                self.full(fs4::available_space(folder_of(&self.out)).unwrap_or(0))
            }
            _ => ExportError::Io { operation, path: self.out.clone(), source },
        }
    }

    fn full(&self, free: u64) -> ExportError {
        ExportError::DiskFull { path: self.out.clone(), needed: self.size, free }
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if !self.finished {
            // If it cannot be removed, the next export to this name writes over it.
            let _ = fs::remove_file(&self.part);
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
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
}
