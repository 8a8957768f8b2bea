//! Keys that a desktop gives out: the desktop's side of the GlobalShortcuts portal. The portal before it is the real one.

use super::{Heard, serve};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use zbus::{
    blocking::Connection,
    interface,
    object_server::SignalEmitter,
    zvariant::{OwnedObjectPath, OwnedValue, Value},
};

/// The name that [`Keys`] has on the bus.
pub(crate) const NAME: &str = "org.freedesktop.impl.portal.desktop.stand";
const PLACE: &str = "/org/freedesktop/portal/desktop";

/// A user who agrees to every key that a program asks for, and presses them when the test says so.
#[derive(Debug)]
pub struct Keys {
    bound: Heard<(String, String)>,
    session: Arc<Mutex<Option<OwnedObjectPath>>>,
    connection: Connection,
}

impl Keys {
    /// Serves this bus.
    pub(crate) fn start(bus: &str) -> Self {
        let (bound, session) = (Heard::default(), Arc::default());
        let backend = Backend { bound: bound.clone(), session: Arc::clone(&session) };
        let connection = serve(bus, PLACE, NAME, backend);
        Self { bound, session, connection }
    }

    /// What was asked for: the id of each key, and the keys that were wished for.
    pub fn bound(&self) -> Vec<(String, String)> {
        self.bound.all()
    }

    /// Presses and releases the key of this id.
    pub fn press(&self, id: &str) {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let session = session.expect("a program has asked for keys");
        for signal in ["Activated", "Deactivated"] {
            let body = (&session, id, 0_u64, HashMap::<String, Value<'_>>::new());
            let interface = "org.freedesktop.impl.portal.GlobalShortcuts";
            let told = self.connection.emit_signal(None::<&str>, PLACE, interface, signal, &body);
            told.expect("the bus lives");
        }
    }
}

type Options = HashMap<String, OwnedValue>;
type Shortcuts = Vec<(String, Options)>;

struct Backend {
    bound: Heard<(String, String)>,
    session: Arc<Mutex<Option<OwnedObjectPath>>>,
}

#[interface(name = "org.freedesktop.impl.portal.GlobalShortcuts")]
impl Backend {
    #[zbus(property, name = "version")]
    fn version(&self) -> u32 {
        1
    }

    fn create_session(
        &self,
        _handle: OwnedObjectPath,
        session: OwnedObjectPath,
        _app: String,
        _options: Options,
    ) -> (u32, Options) {
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
        (0, Options::new())
    }

    fn bind_shortcuts(
        &self,
        _handle: OwnedObjectPath,
        _session: OwnedObjectPath,
        shortcuts: Shortcuts,
        _parent: String,
        _options: Options,
    ) -> (u32, HashMap<String, Value<'static>>) {
        let text = |options: &Options, name: &str| {
            options.get(name).and_then(|value| String::try_from(value.clone()).ok()).unwrap_or_default()
        };
        let mut bound = self.bound.lock();
        bound.extend(shortcuts.iter().map(|(id, options)| (id.clone(), text(options, "preferred_trigger"))));
        let given: Vec<(String, HashMap<String, Value<'static>>)> = shortcuts
            .into_iter()
            .map(|(id, options)| {
                let words = |name| Value::from(text(&options, name));
                let given = [
                    ("description".to_owned(), words("description")),
                    ("trigger_description".to_owned(), words("preferred_trigger")),
                ];
                (id, HashMap::from(given))
            })
            .collect();
        (0, HashMap::from([("shortcuts".to_owned(), Value::from(given))]))
    }

    #[zbus(signal)]
    async fn activated(
        emitter: &SignalEmitter<'_>,
        session: OwnedObjectPath,
        id: &str,
        at: u64,
        options: HashMap<String, Value<'_>>,
    ) -> zbus::Result<()>;
}
