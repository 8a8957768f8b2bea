//! The file system, as far as the store needs one.
//!
//! Owns: how bytes and names become durable on each operating system. Never knows what a file means. SQLite reaches
//! its own file by itself and the lock file is the system's; everything else goes through [`Fs`], so that `sim` can
//! put a disk in its place that forgets, tears and fails. Has more methods than a trait should, since a disk has
//! that many ways to fail; each does one thing.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// A file system. [`OsFs`] is the real one.
pub trait Fs: Send + Sync + 'static {
    /// Makes a folder that only its owner can enter, unless it is there.
    fn create_folder(&self, path: &Path) -> io::Result<()>;
    /// The names in a folder, in no order. Names that are not Unicode are none of ours and left out.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Opens a file for writing at its end, and makes it where there is none.
    fn append(&self, path: &Path) -> io::Result<Box<dyn Append>>;
    /// All bytes of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Gives a file or folder another name in the same folder, replacing a file that has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder with all that is in it.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// Bytes that can still be written to the disk that has this folder.
    fn free_space(&self, folder: &Path) -> io::Result<u64> {
        fs4::available_space(folder)
    }

    /// Changes with each start of the operating system: tells a killed process from a power cut. None where the
    /// system does not say.
    fn boot(&self) -> Option<String> {
        platform::boot()
    }

    /// Runs before the index commits a transaction; an error refuses it.
    fn before_commit(&self) -> io::Result<()> {
        Ok(())
    }

    /// Runs after the index, a SQLite database in this file, has committed a transaction.
    fn after_commit(&self, _database: &Path) {}
}

/// A file that grows at its end.
pub trait Append: Send {
    /// Adds bytes. After an error any number of them may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Cuts the file to this many bytes.
    fn truncate(&mut self, size: u64) -> io::Result<()>;
    /// Returns once all bytes are on the medium, past every cache that forgets.
    fn sync(&mut self) -> io::Result<()>;
}

/// The operating system's own files.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsFs;

impl Fs for OsFs {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        match platform::create_folder(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            result => result,
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(Result::transpose).collect()
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn Append>> {
        Ok(Box::new(OsFile(OpenOptions::new().append(true).create(true).open(path)?)))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        platform::sync_folder(path)
    }
}

struct OsFile(File);

impl Append for OsFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn truncate(&mut self, size: u64) -> io::Result<()> {
        self.0.set_len(size)
    }

    fn sync(&mut self) -> io::Result<()> {
        // The length is needed to read the bytes back, so fdatasync writes it too. On macOS the standard library
        // asks for F_FULLFSYNC here, which fsync alone is not.
        self.0.sync_data()
    }
}

#[cfg(unix)]
mod platform {
    use std::{
        fs::{DirBuilder, File},
        io,
        os::unix::fs::DirBuilderExt as _,
        path::Path,
    };

    pub use super::boot::boot;

    pub fn create_folder(path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)
    }

    pub fn sync_folder(path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

#[cfg(not(unix))]
mod platform {
    use std::{fs, io, path::Path};

    pub use super::boot::boot;

    // A profile's folders are closed to other users already.
    pub fn create_folder(path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    // NTFS writes names to its journal in order, and a folder cannot be synced.
    pub fn sync_folder(_path: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod boot {
    pub fn boot() -> Option<String> {
        Some(std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
    }
}

#[cfg(target_os = "macos")]
mod boot {
    pub fn boot() -> Option<String> {
        let output = std::process::Command::new("/usr/sbin/sysctl")
            .args(["-n", "kern.bootsessionuuid"])
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        (!text.trim().is_empty()).then(|| text.trim().to_owned())
    }
}

// Nothing cheap says it here: every crash is then taken for a power cut, and `lost` promises less than it could.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
mod boot {
    pub fn boot() -> Option<String> {
        None
    }
}
