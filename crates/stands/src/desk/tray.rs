//! A tray: where programs put an icon (StatusNotifierItem), whose menu (com.canonical.dbusmenu) it reads and clicks on.

use super::{Heard, serve};
use crate::process::wait_for;
use std::{collections::HashMap, time::Duration};
use zbus::{
    blocking::{Connection, Proxy},
    interface,
    message::Header,
    object_server::SignalEmitter,
    zvariant::{OwnedObjectPath, OwnedValue, Structure, Value},
};

const START_LIMIT: Duration = Duration::from_secs(20);

/// A line of an icon's menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    id: i32,
    /// Its words.
    pub label: String,
    /// Whether it can be clicked on.
    pub is_enabled: bool,
}

/// A tray with room for the icon of one program.
#[derive(Debug)]
pub struct Tray {
    items: Heard<(String, String)>,
    connection: Connection,
}

impl Tray {
    /// Serves this bus.
    pub fn start(bus: &str) -> Self {
        let items = Heard::default();
        let watcher = Watcher(items.clone());
        let connection = serve(bus, "/StatusNotifierWatcher", "org.kde.StatusNotifierWatcher", watcher);
        Self { items, connection }
    }

    /// The icon's name, which is a file where a program brings its own.
    pub fn icon(&self) -> String {
        self.item().get_property("IconName").expect("icons have names")
    }

    /// The lines of its menu, those that only divide it left out.
    pub fn menu(&self) -> Vec<Entry> {
        type Node = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);
        let wanted = (0_i32, -1_i32, Vec::<&str>::new());
        let (_, (_, _, lines)): (u32, Node) =
            self.menu_proxy().call("GetLayout", &wanted).expect("the menu says what it has");
        lines.iter().filter_map(entry).collect()
    }

    /// Clicks on the line with these words, once there is one.
    #[track_caller]
    pub fn click(&self, label: &str) {
        let is_it = |entry: &Entry| entry.label == label && entry.is_enabled;
        let entry = wait_for(label, START_LIMIT, || self.menu().into_iter().find(is_it));
        let click = (entry.id, "clicked", Value::from(0_i32), 0_u32);
        self.menu_proxy().call::<_, _, ()>("Event", &click).expect("the menu takes clicks");
    }

    fn menu_proxy(&self) -> Proxy<'_> {
        let item = self.item();
        let place: OwnedObjectPath = item.get_property("Menu").expect("the icon has a menu");
        let owner = item.destination().to_owned();
        Proxy::new(&self.connection, owner, place, "com.canonical.dbusmenu").expect("those are names")
    }

    fn item(&self) -> Proxy<'_> {
        let (owner, place) = wait_for("an icon in the tray", START_LIMIT, || self.items.all().pop());
        Proxy::new(&self.connection, owner, place, "org.kde.StatusNotifierItem").expect("those are names")
    }
}

/// A line of a menu: (id, properties, children).
fn entry(line: &OwnedValue) -> Option<Entry> {
    let line: &Structure<'_> = line.downcast_ref().ok()?;
    let [Value::I32(id), Value::Dict(properties), _] = line.fields() else { return None };
    let label: String = properties.get(&"label").ok()??;
    let is_enabled = properties.get(&"enabled").ok()?.unwrap_or(true);
    // Underscores stand before the letter that is its key.
    Some(Entry { id: *id, label: label.replace('_', ""), is_enabled })
}

struct Watcher(Heard<(String, String)>);

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    /// Programs say either where on the bus the icon is, or under which name.
    fn register_status_notifier_item(&self, service: String, #[zbus(header)] header: Header<'_>) {
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        let item = match service.starts_with('/') {
            true => (sender, service),
            false => (service, "/StatusNotifierItem".to_owned()),
        };
        self.0.lock().push(item);
    }

    fn register_status_notifier_host(&self, _service: String) {}

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        self.0.all().into_iter().map(|(owner, place)| format!("{owner}{place}")).collect()
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }

    #[zbus(signal)]
    async fn status_notifier_host_registered(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}
