//! A small disk of its own, so that it can be full without harm.

use stands::process::{output, text, tool};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// An ext4 file system in a file, mounted until the guard is dropped.
#[derive(Debug)]
pub struct Disk {
    folder: TempDir,
}

impl Disk {
    /// Of this many megabytes.
    pub fn mount(megabytes: u32) -> Self {
        let folder =
            tempfile::Builder::new().prefix("spool-disk").tempdir().expect("there is room for a folder");
        let disk = Self { folder };
        text(tool("truncate").args(["-s", &format!("{megabytes}M")]).arg(disk.image()));
        text(tool("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(disk.image()));
        std::fs::create_dir(disk.path()).expect("there is room for a folder");
        text(tool("mount").args(["-o", "loop"]).arg(disk.image()).arg(disk.path()));
        disk
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    /// Bytes that can still be written.
    pub fn free(&self) -> u64 {
        free(&self.path())
    }
}

/// Bytes that can still be written to the file system of `path`.
pub fn free(path: &Path) -> u64 {
    let found = rustix::fs::statvfs(path).expect("a mounted file system can be asked for its space");
    found.f_bavail * found.f_frsize
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process of a failed test may still be in there.
        output(tool("umount").arg("--lazy").arg(self.path()));
    }
}
