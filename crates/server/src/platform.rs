//! What differs between systems: how files are kept from others, and how a process is told to stop.

#[cfg(unix)]
#[path = "platform/unix.rs"]
mod system;
#[cfg(not(unix))]
#[path = "platform/other.rs"]
mod system;

#[cfg(test)]
pub(crate) use system::is_private;
pub(crate) use system::{create_private, create_private_folder, sync_folder, told_to_stop};
