//! Linux: NetworkManager knows, where it runs.

use std::sync::Mutex;
use zbus::blocking::{Connection, Proxy};

/// The one connection to the system's bus, once there is one.
static BUS: Mutex<Option<Connection>> = Mutex::new(None);

/// Whether the network is paid by volume, or seems to be (`NMMetered`). It is not where nobody knows.
pub(crate) fn is_metered() -> bool {
    ask().is_ok_and(|metered| matches!(metered, 1 | 3))
}

fn ask() -> zbus::Result<u32> {
    let mut bus = BUS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let connection = match bus.take() {
        Some(connection) => connection,
        None => Connection::system()?,
    };
    let name = "org.freedesktop.NetworkManager";
    let manager = Proxy::new(&connection, name, "/org/freedesktop/NetworkManager", name)?;
    let metered = manager.get_property("Metered");
    drop(manager);
    // A connection that failed may be dead: the next question makes another.
    *bus = metered.is_ok().then_some(connection);
    metered
}
