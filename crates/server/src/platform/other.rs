//! Windows: a user's folders are kept from others by where they lie.

use std::{fs, io, path::Path};

/// A new file that only this user can read, in a folder of this user.
pub(crate) fn create_private(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().write(true).create_new(true).open(path)
}

/// A folder, with those that it lies in.
pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Names are durable with the file here.
pub(crate) fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Where it lies decides.
#[cfg(test)]
pub(crate) fn is_private(_path: &Path) -> io::Result<bool> {
    Ok(true)
}

/// From now on, Ctrl-C ends the process no more: it ends what is returned.
pub(crate) fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}
