//! A file manager (org.freedesktop.FileManager1).

use super::{Heard, serve};
use zbus::{blocking::Connection, interface};

/// Hears which files it is to show.
#[derive(Debug)]
pub struct Files {
    shown: Heard<String>,
    _connection: Connection,
}

impl Files {
    /// Serves this bus.
    pub fn start(bus: &str) -> Self {
        let shown = Heard::default();
        let manager = Manager(shown.clone());
        let connection = serve(bus, "/org/freedesktop/FileManager1", "org.freedesktop.FileManager1", manager);
        Self { shown, _connection: connection }
    }

    /// The addresses of all that was to be shown, as `file:///…`.
    pub fn shown(&self) -> Vec<String> {
        self.shown.all()
    }
}

struct Manager(Heard<String>);

#[interface(name = "org.freedesktop.FileManager1")]
impl Manager {
    fn show_items(&self, addresses: Vec<String>, _startup_id: String) {
        self.0.lock().extend(addresses);
    }
}
