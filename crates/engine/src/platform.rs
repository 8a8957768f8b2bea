//! What differs between systems outside of devices: clocks that count sleep, where sockets lie, who a peer is, how a
//! thread gives way.

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

pub(crate) use clock::{host_nanos, sleep_nanos};
pub(crate) use priority::give_way;
pub(crate) use system::{detach, endpoint, is_same_user};
