//! Connections to the engine, for everything that is asked. What the engine says by itself comes through `events`.

use crate::lane::Lane;
use engine::{
    Client, EngineError, Problem,
    command::{Command, Event, Reply},
    connect::Address,
};
use std::{
    ops::ControlFlow,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Semaphore;

/// Connections that are kept for the next question.
const SPARE_MAX: usize = 6;

/// To the engine of one data folder. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Link(Arc<Inner>);

struct Inner {
    address: Address,
    spare: Mutex<Vec<Client>>,
    /// Held while an engine is looked for, so that two questions never start two.
    looking: Mutex<()>,
    lanes: [Arc<Semaphore>; 3],
}

impl Link {
    /// Nothing is connected, or started, before the first question.
    pub(crate) fn new(address: Address) -> Self {
        let lanes = Lane::ALL.map(|lane| Arc::new(Semaphore::new(lane.width())));
        Self(Arc::new(Inner { address, spare: Mutex::default(), looking: Mutex::default(), lanes }))
    }

    /// The data folder.
    pub(crate) fn data(&self) -> &Path {
        &self.0.address.data
    }

    /// Asks and waits, without holding up a thread that others need. Events that come first go to `hear`, which says
    /// whether to go on.
    pub(crate) async fn ask(
        &self,
        command: Command,
        hear: impl FnMut(Event) -> ControlFlow<()> + Send + 'static,
    ) -> Result<Reply, Problem> {
        let lane = Arc::clone(&self.0.lanes[Lane::of(&command) as usize]);
        let _place = lane.acquire_owned().await.map_err(|_| lost("the app is ending"))?;
        let inner = Arc::clone(&self.0);
        let asked = tauri::async_runtime::spawn_blocking(move || inner.ask(command, hear));
        asked.await.unwrap_or_else(|error| Err(lost(&error.to_string())))
    }

    /// A connection of its own, to an engine that was started if need be. Blocks.
    pub(crate) fn connect(&self) -> Result<Client, EngineError> {
        self.0.connect(Address::connect)
    }

    /// The same, to an engine that sees the devices that the app would see.
    pub(crate) fn connect_to_recorder(&self) -> Result<Client, EngineError> {
        self.0.connect(Address::connect_to_recorder)
    }

    /// The engine is gone: nobody should ask through what is left of it.
    pub(crate) fn forget(&self) {
        self.0.spare().clear();
    }
}

impl Inner {
    fn ask(&self, command: Command, hear: impl FnMut(Event) -> ControlFlow<()>) -> Result<Reply, Problem> {
        // An engine that was started elsewhere, without a display for instance, would see other devices.
        let needs_devices = matches!(
            command,
            Command::Begin(_) | Command::Rehearse(_) | Command::Devices { .. } | Command::Permissions
        );
        let spare = if needs_devices { None } else { self.spare().pop() };
        let client = match spare {
            Some(client) => Ok(client),
            None if needs_devices => self.connect(Address::connect_to_recorder),
            None => self.connect(Address::connect),
        };
        let mut client = client.map_err(|error| Problem::from(&error))?;
        let answer = client.ask_while(command, hear).map_err(|error| lost(&error.to_string()))?;
        let Some(answer) = answer else {
            let message = "it was cancelled".to_owned();
            return Err(Problem { code: "cancelled".to_owned(), message });
        };
        let mut spare = self.spare();
        if spare.len() < SPARE_MAX {
            spare.push(client);
        }
        answer
    }

    fn connect(&self, way: fn(&Address) -> Result<Client, EngineError>) -> Result<Client, EngineError> {
        let _looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        way(&self.address)
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Client>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lost(why: &str) -> Problem {
    Problem { code: "lost".to_owned(), message: format!("the engine did not answer: {why}") }
}
