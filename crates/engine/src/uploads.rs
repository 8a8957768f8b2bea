//! Uploads: the thread between the store, which knows what was recorded, and the uploader, which gets it to a server.
//!
//! Owns: which sessions the uploader hears of and when, and that what it says becomes rows. A chunk is told once its row
//! is committed, and read back from the store: nothing waits in a queue that could overflow, and recording never waits
//! for any of this. Decides nothing about retries, and deletes nothing. Tested beside the code where it is pure, and with
//! a real server in `tests/upload.rs`.

mod desk;
mod door;
mod feed;
mod local;
mod secret;
mod show;
mod when;

pub(crate) use door::{login, logout};
pub(crate) use show::{kept_receipt, uploaded};

use crate::{
    command::{ReceiptLine, Reply},
    error::EngineError,
    run::Input,
    settings::Settings,
    threads::spawn,
};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use desk::Desk;
use model::SessionId;
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};
use store::ChunkStore;
use upload::core::Output;

/// What the thread is told.
enum Ask {
    /// A chunk was sealed, or a session began or ended.
    Sealed,
    /// The library or settings changed.
    Changed,
    /// There is another login.
    LoggedIn,
    /// What the uploader wants done here.
    Output(Output),
    /// Everything now, or one session.
    Sync(Option<SessionId>, Sender<Result<(), EngineError>>),
    /// The server is to look at a session again.
    Verify(SessionId, Sender<Result<ReceiptLine, EngineError>>),
    End,
}

/// A handle to uploads. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Uploads {
    store: ChunkStore,
    inputs: Sender<Input>,
    /// Bounded by what its senders are: one nudge of each kind, a few people, and what the uploader has under way.
    asks: Sender<Ask>,
    sealed: Arc<AtomicBool>,
    changed: Arc<AtomicBool>,
    busy: Arc<AtomicBool>,
    pairing: Arc<Mutex<Option<Sender<()>>>>,
}

/// The thread, to be waited for.
pub(crate) struct Uploading {
    uploads: Uploads,
    thread: JoinHandle<()>,
}

impl Uploads {
    /// `asks` and `received` are two ends of one channel.
    pub(crate) fn begin(store: ChunkStore, inputs: Sender<Input>) -> Result<(Self, Uploading), EngineError> {
        let (asks, received): (Sender<Ask>, Receiver<Ask>) = unbounded();
        let uploads = Self {
            store,
            inputs,
            asks,
            sealed: Arc::default(),
            changed: Arc::default(),
            busy: Arc::default(),
            pairing: Arc::default(),
        };
        let desk = Desk::new(uploads.clone());
        let thread = spawn("uploads", move || desk.run(&received))?;
        Ok((uploads.clone(), Uploading { uploads, thread }))
    }

    /// A chunk was sealed and its row committed, or a session began or ended. Never waits.
    pub(crate) fn sealed(&self) {
        self.nudge(&self.sealed, Ask::Sealed);
    }

    /// The library or settings changed. Never waits.
    pub(crate) fn changed(&self) {
        self.nudge(&self.changed, Ask::Changed);
    }

    fn nudge(&self, flag: &AtomicBool, ask: Ask) {
        // One that waits is enough.
        if !flag.swap(true, Ordering::AcqRel) {
            self.send(ask);
        }
    }

    fn logged_in(&self) {
        self.send(Ask::LoggedIn);
    }

    fn send(&self, ask: Ask) {
        // The engine may be ending.
        let _ending = self.asks.send(ask);
    }

    fn tell(&self, input: Input) {
        let _ending = self.inputs.send(input);
    }

    /// Whether something is on its way, or will be in a moment.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire)
    }

    /// Tries everything now, or one session.
    pub(crate) fn sync(&self, session: Option<SessionId>) -> Result<Reply, EngineError> {
        if let Some(session) = session {
            self.want(session)?;
        }
        self.set_paused(false)?;
        let (answer, answered) = bounded(1);
        self.send(Ask::Sync(session, answer));
        answered.recv().map_err(|_| EngineError::Ending)?.map(|()| Reply::Done)
    }

    /// Somebody asks for a session by name; also where another server has all of it.
    fn want(&self, session: SessionId) -> Result<(), EngineError> {
        let server = door::settings(&self.store)?.server.ok_or(EngineError::NotLoggedIn)?;
        let upload = self.store.upload(session)?;
        if upload.complete && upload.server != server {
            self.store.forget_upload(session)?;
        }
        Ok(self.store.want_upload(session, true)?)
    }

    /// Stops, or goes on.
    pub(crate) fn pause(&self, paused: bool) -> Result<Reply, EngineError> {
        if door::settings(&self.store)?.server.is_none() {
            return Err(EngineError::NotLoggedIn);
        }
        self.set_paused(paused)?;
        self.changed();
        Ok(Reply::Done)
    }

    fn set_paused(&self, paused: bool) -> Result<(), EngineError> {
        Ok(self.store.set_setting(Settings::UPLOAD_PAUSED, paused.then_some("on"))?)
    }

    /// Lets the server look at all that it has of a session, and gives what it says.
    pub(crate) fn verify(&self, session: SessionId) -> Result<ReceiptLine, EngineError> {
        let (answer, answered) = bounded(1);
        self.send(Ask::Verify(session, answer));
        answered.recv().map_err(|_| EngineError::Ending)?
    }

    fn pairing(&self) -> MutexGuard<'_, Option<Sender<()>>> {
        // What is behind it is whole between any two statements.
        self.pairing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Uploading {
    /// Until the thread has let go of the store.
    pub(crate) fn end(self) {
        drop(self.uploads.pairing().take());
        self.uploads.send(Ask::End);
        if self.thread.join().is_err() {
            tracing::error!("the thread of uploads panicked");
        }
    }
}
