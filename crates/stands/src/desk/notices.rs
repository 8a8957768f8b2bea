//! Where notifications go (Desktop Notifications 1.2).

use super::{Heard, serve};
use std::collections::HashMap;
use zbus::{blocking::Connection, interface, zvariant::OwnedValue};

/// A notification, as a program sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Who sent it.
    pub app: String,
    /// Its first line.
    pub title: String,
    /// The rest.
    pub body: String,
}

/// Hears every notification.
#[derive(Debug)]
pub struct Notices {
    heard: Heard<Notice>,
    _connection: Connection,
}

impl Notices {
    /// Listens on this bus.
    pub fn start(bus: &str) -> Self {
        let heard = Heard::default();
        let server = Server(heard.clone());
        let connection =
            serve(bus, "/org/freedesktop/Notifications", "org.freedesktop.Notifications", server);
        Self { heard, _connection: connection }
    }

    /// All so far, the oldest first.
    pub fn all(&self) -> Vec<Notice> {
        self.heard.all()
    }
}

struct Server(Heard<Notice>);

#[interface(name = "org.freedesktop.Notifications")]
impl Server {
    #[expect(clippy::too_many_arguments, reason = "the protocol has them")]
    fn notify(
        &self,
        app_name: String,
        replaces_id: u32,
        _app_icon: String,
        summary: String,
        body: String,
        _actions: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        _expire_timeout: i32,
    ) -> u32 {
        let mut heard = self.0.lock();
        heard.push(Notice { app: app_name, title: summary, body });
        if replaces_id == 0 { u32::try_from(heard.len()).unwrap_or(u32::MAX) } else { replaces_id }
    }

    fn close_notification(&self, _id: u32) {}

    fn get_capabilities(&self) -> Vec<String> {
        vec!["body".to_owned()]
    }

    fn get_server_information(&self) -> (String, String, String, String) {
        ("stand".to_owned(), "spool-stands".to_owned(), "1".to_owned(), "1.2".to_owned())
    }
}
