//! What differs between systems outside of devices: clocks that count sleep, where sockets lie, who a peer is.

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

pub(crate) use clock::{host_nanos, sleep_nanos};
pub(crate) use system::{detach, endpoint, is_same_user};
