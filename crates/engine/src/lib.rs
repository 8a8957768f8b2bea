//! The recorder itself: one loop over one closed set of inputs, and the local socket that shells drive it by.
//!
//! Owns: running sessions, settings, who may talk to it. Draws nothing, writes no box, knows no device: that is
//! `compose`, `media` and `capture`. Tested beside the code where it is pure, and end to end in `tests/`.

mod cadence;
mod care;
mod clock;
pub mod command;
pub mod connect;
mod diagnose;
mod error;
mod glance;
mod input;
mod keys;
pub mod layout;
mod library;
mod live;
mod picture;
mod plan;
mod platform;
mod pressure;
mod preview;
mod rehearsal;
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
mod uploads;
mod watch;
mod writer;

pub use error::{EngineError, Problem};
pub use model;
pub use socket::{Client, Messages, Requests, Server};
pub use store::Recovered;
pub use subscription::Subscription;
pub use watch::{Alarm, AlarmKind};

use crate::{care::Care, clock::SleepWatch};
use command::{Command, Event, Reply};
use crossbeam_channel::{Sender, bounded, unbounded};
use keys::KeyRing;
use library::{Description, Instant as Marked, Stills, Waveforms};
use model::{SessionId, Timestamp};
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
use uploads::{Uploading, Uploads};

/// Leaves the terminal and process group of whoever started this process, so that it outlives them.
pub fn detach() {
    platform::detach();
}

/// A handle to the engine. Cheap to clone; the engine itself ends by [`Command::Shutdown`] or by having nothing to do.
#[derive(Clone)]
pub struct Engine {
    inputs: Sender<Input>,
    store: ChunkStore,
    keys: Arc<KeyRing>,
    uploads: Uploads,
    stills: Arc<Stills>,
    waveforms: Arc<Waveforms>,
    connections: Arc<AtomicUsize>,
    answering: Arc<AtomicUsize>,
}

/// The engine's loop, to be waited for.
pub struct Running {
    thread: JoinHandle<()>,
    care: Care,
    uploading: Uploading,
    answering: Arc<AtomicUsize>,
}

impl Engine {
    /// Opens the data folder, which recovers what a crash left there, and starts the loop.
    pub fn start(data: &Path) -> Result<(Self, Running, Recovered), EngineError> {
        Self::start_with(data, SleepWatch::begin())
    }

    fn start_with(data: &Path, sleep: SleepWatch) -> Result<(Self, Running, Recovered), EngineError> {
        let (keys, found) = KeyRing::new();
        let keys = Arc::new(keys);
        let (store, recovered) = ChunkStore::open_with(Arc::new(OsFs), Arc::clone(&keys) as _, data)?;
        // Bounded by what its senders are: a few threads that each wait for the loop now and then.
        let (inputs, received) = unbounded();
        let connections = Arc::new(AtomicUsize::new(0));
        let (uploads, uploading) = Uploads::begin(store.clone(), inputs.clone())?;
        let run = Loop::new(
            store.clone(),
            Arc::clone(&keys),
            uploads.clone(),
            inputs.clone(),
            received,
            Arc::clone(&connections),
            sleep,
        );
        let thread = thread::Builder::new()
            .name("engine".into())
            .spawn(move || run.run())
            .map_err(|cause| EngineError::System { operation: "starting the engine's thread", cause })?;
        let answering = Arc::new(AtomicUsize::new(0));
        for event in library::rescued(&store, &recovered) {
            // The loop has only just begun, and ends when somebody says so.
            let _ending = inputs.send(Input::Tell(Box::new(event)));
        }
        library::export::clean(&store);
        let care = Care::begin(store.clone(), inputs.clone(), found, uploads.clone())?;
        let engine = Self {
            inputs,
            store,
            keys,
            uploads,
            stills: Arc::default(),
            waveforms: Arc::default(),
            connections,
            answering: Arc::clone(&answering),
        };
        Ok((engine, Running { thread, care, uploading, answering }, recovered))
    }

    /// Does what is asked, and says what came of it. Progress goes to `hear`, which says whether to go on.
    pub fn handle(
        &self,
        command: Command,
        hear: &mut dyn FnMut(Event) -> ControlFlow<()>,
    ) -> Result<Reply, EngineError> {
        let changes_library = command.changes_library();
        let changes_uploads = changes_library || matches!(command, Command::Set { .. });
        let reply = self.answer(command, hear)?;
        if changes_library {
            // It is done, whoever hears of it.
            let _ending = self.inputs.send(Input::LibraryChanged);
        }
        if changes_uploads {
            self.uploads.changed();
        }
        Ok(reply)
    }

    fn answer(
        &self,
        command: Command,
        hear: &mut dyn FnMut(Event) -> ControlFlow<()>,
    ) -> Result<Reply, EngineError> {
        match command {
            Command::List(query) => library::list(&self.store, &query),
            Command::Show { id } => library::show(&self.store, &id),
            Command::Verify { id } => library::verify(&self.store, &id),
            Command::Delete { id } => library::delete(&self.store, &id),
            Command::Describe { id, title, description, metadata } => {
                self.describe(&id, Description { title, description, metadata })
            }
            Command::Trash { id } => library::trash(&self.store, &id),
            Command::Restore { id } => library::restore(&self.store, &id),
            Command::Mark { id, at_ms, label } => self.mark(id.as_deref(), at_ms, label),
            Command::Unmark { id, at_ms } => library::unmark(&self.store, &id, at_ms),
            Command::Film { id } => library::film::film(&self.store, &id),
            Command::Init { session, track, hash } => {
                library::film::init(&self.store, session, &track, &hash)
            }
            Command::Chunk { session, track, index } => {
                library::film::chunk(&self.store, session, track, index)
            }
            Command::Still { id, at_ms, width } => self.stills.still(&self.store, &id, at_ms, width),
            Command::Waveform { id, spans } => self.waveforms.waveform(&self.store, &id, spans),
            Command::Keys => self.keys.show(&self.store),
            Command::SaveKeys { output } => self.keys.save(&self.store, &output),
            Command::LoadKeys { input } => self.keys.load(&self.store, &input),
            Command::NewKey => self.keys.renew(&self.store),
            Command::Usage => library::usage(&self.store),
            Command::Diagnose { output } => diagnose::diagnose(&self.store, &output),
            Command::Export(plan) => library::export::export(&self.store, &plan, hear),
            Command::Devices { synthetic } => Ok(Reply::Devices(sources::devices(synthetic)?)),
            Command::Permissions => Ok(Reply::Permissions(sources::permissions())),
            Command::Look { width, after } => self.look(width, after),
            Command::Glance { device, width } => self.glance(device, width),
            Command::Environment => Ok(Reply::Environment(command::environment())),
            Command::Subscribe => Ok(Reply::Done),
            Command::Login { server, token } => uploads::login(&self.uploads, &server, token),
            Command::Logout => uploads::logout(&self.uploads),
            Command::Sync { id } => {
                self.uploads.sync(id.map(|id| library::find(&self.store, &id)).transpose()?)
            }
            Command::UploadPause => self.uploads.pause(true),
            Command::UploadResume => self.uploads.pause(false),
            Command::UploadVerify { id } => {
                self.uploads.verify(library::find(&self.store, &id)?).map(Reply::Receipt)
            }
            other => self.ask_loop(other),
        }
    }

    fn describe(&self, id: &str, said: Description) -> Result<Reply, EngineError> {
        let (session, title) = library::change(&self.store, id, said)?;
        self.inputs.send(Input::Titled(session, title)).map_err(|_| EngineError::Ending)?;
        Ok(Reply::Done)
    }

    fn mark(&self, id: Option<&str>, at_ms: Option<u64>, label: String) -> Result<Reply, EngineError> {
        let running = self.running()?;
        let session = match id {
            Some(id) => library::find(&self.store, id)?,
            None => running.ok_or(EngineError::NotRecording)?.0,
        };
        let at = match (at_ms, running) {
            (Some(at), _) => Marked::Played(Duration::from_millis(at)),
            (None, Some((running, now))) if running == session => Marked::Session(now),
            (None, _) => {
                return Err(EngineError::Invalid("that is not being recorded: say which instant".into()));
            }
        };
        library::mark(&self.store, session, &at, label)
    }

    /// The running session, and how far it is.
    fn running(&self) -> Result<Option<(SessionId, Timestamp)>, EngineError> {
        let (answer, answered) = bounded(1);
        self.inputs.send(Input::Now(answer)).map_err(|_| EngineError::Ending)?;
        answered.recv().map_err(|_| EngineError::Ending)
    }

    fn ask_loop(&self, command: Command) -> Result<Reply, EngineError> {
        let (answer, answered) = bounded(1);
        self.inputs.send(Input::Command(command, answer)).map_err(|_| EngineError::Ending)?;
        answered.recv().map_err(|_| EngineError::Ending)?
    }

    fn look(&self, width: u32, after: u64) -> Result<Reply, EngineError> {
        let (answer, answered) = bounded(1);
        self.inputs.send(Input::Look { width, answer }).map_err(|_| EngineError::Ending)?;
        let board = answered.recv().map_err(|_| EngineError::Ending)??;
        Ok(board.picture(after).map_or(Reply::Done, Reply::Blob))
    }

    fn glance(&self, device: String, width: u32) -> Result<Reply, EngineError> {
        let wanted = glance::Wanted::new(&device, width)?;
        if wanted.has_one_user() {
            self.ask_loop(Command::Glance { device, width })?;
        }
        wanted.picture().map(Reply::Blob)
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
        // First: the care for the library may wait for a server's answer.
        self.uploading.end();
        self.care.end();
        let patience = Instant::now() + Duration::from_secs(1);
        while self.answering.load(Ordering::Acquire) > 0 && Instant::now() < patience {
            thread::sleep(Duration::from_millis(5));
        }
    }
}
