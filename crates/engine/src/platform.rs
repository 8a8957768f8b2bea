//! What differs between systems outside of devices: clocks that count sleep, where sockets lie, who a peer is, how a
//! thread gives way, how files are kept from others, who keeps secrets, what this machine is called, and what its network
//! costs.

#[cfg(unix)]
#[path = "platform/unix.rs"]
mod system;
#[cfg(not(unix))]
#[path = "platform/other.rs"]
mod system;

#[cfg(target_os = "linux")]
#[path = "platform/clock_linux.rs"]
mod clock;
#[cfg(not(target_os = "linux"))]
#[path = "platform/clock_other.rs"]
mod clock;

#[cfg(target_os = "linux")]
#[path = "platform/priority_linux.rs"]
mod priority;
#[cfg(not(target_os = "linux"))]
#[path = "platform/priority_other.rs"]
mod priority;

#[cfg(target_os = "linux")]
#[path = "platform/metered_linux.rs"]
mod metered;
#[cfg(not(target_os = "linux"))]
#[path = "platform/metered_other.rs"]
mod metered;

#[cfg(target_os = "macos")]
pub(crate) use apple_native_keyring_store::keychain::Store as Keychain;
#[cfg(windows)]
pub(crate) use windows_native_keyring_store::Store as Keychain;
#[cfg(not(any(target_os = "macos", windows)))]
pub(crate) use zbus_secret_service_keyring_store::Store as Keychain;

pub(crate) use clock::{host_nanos, sleep_nanos};
pub(crate) use metered::is_metered;
pub(crate) use priority::give_way;
pub(crate) use system::{create_private, create_private_folder, detach, device_name, endpoint, is_same_user};
