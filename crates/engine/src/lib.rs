//! The recorder itself: one loop over one closed set of inputs, and the local socket that shells drive it by.
//!
//! Owns: running sessions, settings, who may talk to it. Draws nothing, writes no box, knows no device: that is
//! `compose`, `media` and `capture`. Tested beside the code where it is pure, and end to end in `tests/`.

mod cadence;
mod clock;
pub mod command;
mod error;
mod input;
pub mod layout;
mod library;
mod live;
mod picture;
mod platform;
mod pressure;
mod run;
mod session;
pub mod settings;
mod socket;
mod sound;
mod sources;
mod status;
mod subscription;
#[cfg(test)]
mod tests;
mod threads;
mod watch;
mod writer;

pub use error::{EngineError, Problem};
pub use model;
pub use socket::{Client, Messages, Requests, Server};
pub use store::Recovered;
pub use subscription::Subscription;
pub use watch::{Alarm, AlarmKind};

use crate::clock::SleepWatch;
use command::{Command, Event, Reply};
use crossbeam_channel::{Sender, bounded, unbounded};
use run::{Input, Loop};
use std::{
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use store::{ChunkStore, OsFs};

/// Leaves the terminal and process group of whoever started this process, so that it outlives them.
pub fn detach() {
    platform::detach();
}

/// A handle to the engine. Cheap to clone; the engine itself ends by [`Command::Shutdown`] or by having nothing to do.
#[derive(Clone)]
pub struct Engine {
    inputs: Sender<Input>,
    store: ChunkStore,
    connections: Arc<AtomicUsize>,
    answering: Arc<AtomicUsize>,
}

/// The engine's loop, to be waited for.
pub struct Running {
    thread: JoinHandle<()>,
    answering: Arc<AtomicUsize>,
}

impl Engine {
    /// Opens the data folder, which recovers what a crash left there, and starts the loop.
    pub fn start(data: &Path) -> Result<(Self, Running, Recovered), EngineError> {
        Self::start_with(data, SleepWatch::begin())
    }

    fn start_with(data: &Path, sleep: SleepWatch) -> Result<(Self, Running, Recovered), EngineError> {
        let (store, recovered) = ChunkStore::open(Arc::new(OsFs), data)?;
        // Bounded by what its senders are: a few threads that each wait for the loop now and then.
        let (inputs, received) = unbounded();
        let connections = Arc::new(AtomicUsize::new(0));
        let run = Loop::new(store.clone(), inputs.clone(), received, Arc::clone(&connections), sleep);
        let thread = thread::Builder::new()
            .name("engine".into())
            .spawn(move || run.run())
            .map_err(|cause| EngineError::System { operation: "starting the engine's thread", cause })?;
        let answering = Arc::new(AtomicUsize::new(0));
        library::clean_exports(&store);
        let engine = Self { inputs, store, connections, answering: Arc::clone(&answering) };
        Ok((engine, Running { thread, answering }, recovered))
    }

    /// Does what is asked, and says what came of it. Progress goes to `hear`, which says whether to go on.
    pub fn handle(
        &self,
        command: Command,
        hear: &mut dyn FnMut(Event) -> ControlFlow<()>,
    ) -> Result<Reply, EngineError> {
        match command {
            Command::List(query) => library::list(&self.store, &query),
            Command::Show { id } => library::show(&self.store, &id),
            Command::Verify { id } => library::verify(&self.store, &id),
            Command::Delete { id } => library::delete(&self.store, &id),
            Command::Export(plan) => library::export(&self.store, &plan, hear),
            Command::Devices { synthetic } => Ok(Reply::Devices(sources::devices(synthetic)?)),
            Command::Permissions => Ok(Reply::Permissions(sources::permissions())),
            Command::Environment => Ok(Reply::Environment(command::environment())),
            Command::Subscribe => Ok(Reply::Done),
            other => self.ask_loop(other),
        }
    }

    fn ask_loop(&self, command: Command) -> Result<Reply, EngineError> {
        let (answer, answered) = bounded(1);
        self.inputs.send(Input::Command(command, answer)).map_err(|_| EngineError::Ending)?;
        answered.recv().map_err(|_| EngineError::Ending)?
    }

    /// From now on, what happens.
    pub fn subscribe(&self) -> Result<Subscription, EngineError> {
        let (answer, answered) = bounded(1);
        self.inputs.send(Input::Subscribe(answer)).map_err(|_| EngineError::Ending)?;
        answered.recv().map_err(|_| EngineError::Ending)
    }

    pub(crate) fn connections(&self) -> &Arc<AtomicUsize> {
        &self.connections
    }

    /// Answers that are still to be sent keep the process alive a little.
    pub(crate) fn answering(&self) -> &Arc<AtomicUsize> {
        &self.answering
    }
}

impl Running {
    /// Until the engine has ended and its last answers are on their way.
    pub fn wait(self) {
        if self.thread.join().is_err() {
            tracing::error!("the engine's loop panicked; the next start recovers what is there");
        }
        let patience = Instant::now() + Duration::from_secs(1);
        while self.answering.load(Ordering::Acquire) > 0 && Instant::now() < patience {
            thread::sleep(Duration::from_millis(5));
        }
    }
}
