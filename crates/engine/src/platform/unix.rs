//! Linux and macOS.

use crate::error::EngineError;
use interprocess::local_socket::{GenericFilePath, Name, PeerCreds, ToFsName};
use model::Hash;
use rustix::process;
use std::{
    env, fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Where the engine of this data folder listens: a short path (the system allows about 100 bytes) in a folder
/// that only this user can enter.
pub(crate) fn endpoint(data: &Path) -> Result<Name<'static>, EngineError> {
    let folder = match env::var_os("XDG_RUNTIME_DIR") {
        Some(runtime) if !runtime.is_empty() => PathBuf::from(runtime).join("spool"),
        _ => env::temp_dir().join(format!("spool-{}", process::getuid().as_raw())),
    };
    let failed =
        |cause| EngineError::System { operation: "making the folder for the engine's socket", cause };
    match fs::DirBuilder::new().mode(0o700).recursive(false).create(&folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other.map_err(failed)?,
    }
    // Somebody else could have made it first and would see what is said in it.
    let found = fs::symlink_metadata(&folder).map_err(failed)?;
    if !found.is_dir() || found.uid() != process::getuid().as_raw() || found.mode() & 0o077 != 0 {
        let text = format!("{} is not a folder that only this user can enter", folder.display());
        return Err(failed(io::Error::new(io::ErrorKind::PermissionDenied, text)));
    }
    let name = format!("{}.sock", Hash::of(data.as_os_str().as_encoded_bytes()).short());
    folder.join(name).to_fs_name::<GenericFilePath>().map_err(failed)
}

/// Whether the process at the other end of a socket runs as this user.
pub(crate) fn is_same_user(peer: &PeerCreds) -> bool {
    peer.euid() == Some(process::geteuid().as_raw())
}

/// A new file that only this user can read.
pub(crate) fn create_private(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// A folder that only this user can enter, with those that it lies in.
pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).recursive(true).create(path)
}

/// Leaves the terminal and process group of whoever started this process, so that it outlives them.
pub(crate) fn detach() {
    // Fails where this already leads a process group: then there is nothing to leave.
    if let Err(error) = process::setsid() {
        tracing::debug!(%error, "already detached");
    }
}

/// What this machine is called.
pub(crate) fn device_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
