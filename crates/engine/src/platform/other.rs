//! Windows.

use crate::error::EngineError;
use interprocess::local_socket::{GenericNamespaced, Name, PeerCreds, ToNsName};
use model::Hash;
use std::{fs, io, path::Path};

/// Where the engine of this data folder listens: a named pipe.
pub(crate) fn endpoint(data: &Path) -> Result<Name<'static>, EngineError> {
    let name = format!("spool-{}", Hash::of(data.as_os_str().as_encoded_bytes()));
    name.to_ns_name::<GenericNamespaced>()
        .map_err(|cause| EngineError::System { operation: "naming the engine's pipe", cause })
}

/// The pipe's default access list already admits this user alone to write.
pub(crate) fn is_same_user(_peer: &PeerCreds) -> bool {
    true
}

/// A new file. A profile's folders are closed to other users already.
pub(crate) fn create_private(path: &Path) -> io::Result<fs::File> {
    fs::File::create_new(path)
}

/// A folder, with those that it lies in.
pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// A process without a console has nothing to leave.
pub(crate) fn detach() {}

/// What this machine is called.
pub(crate) fn device_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}
