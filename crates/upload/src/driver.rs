//! Sending what the core wants sent: HTTP, on a thread of its own.
//!
//! Owns: connections, timeouts, the access token, the cap on bandwidth, and the clock that the core is told. Never
//! decides what comes next. Bodies are streams of small pieces, so memory is bounded by uploads at once, whatever
//! their size. Tested with real sockets, against servers that do everything wrong (`tests`).

mod answer;
mod body;
mod http;
mod login;
mod meter;
mod setup;
#[cfg(test)]
mod tests;

pub(crate) use answer::failure;
pub(crate) use http::client;
pub use setup::{Local, Progress, Proxy, Setup, Tell, UploadError};

use crate::core::{Answer, Failure, Input, Output, RequestId, Uploader, View};
use http::Http;
use meter::{Bucket, Count};
use std::{
    collections::HashMap,
    num::NonZeroU64,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};
use tokio::{
    runtime,
    sync::mpsc,
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::Instant,
};

/// What all uploads share.
struct Meters {
    bucket: Bucket,
    count: Count,
}

/// The state behind a lock is whole between any two statements, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running uploader. Dropping it gives up what is under way and stops it.
pub struct Driver {
    inputs: Option<mpsc::UnboundedSender<Input>>,
    meters: Arc<Mutex<Meters>>,
    view: Arc<Mutex<View>>,
    thread: Option<JoinHandle<()>>,
}

impl Driver {
    /// Starts one. `tell` hears everything that is to be done locally.
    pub fn start(
        setup: &Setup,
        uploader: Uploader,
        local: Arc<dyn Local>,
        tell: Tell,
    ) -> Result<Self, UploadError> {
        let now = Instant::now().into_std();
        let meters = Meters { bucket: Bucket::new(setup.cap, now), count: Count::default() };
        let meters = Arc::new(Mutex::new(meters));
        let http = Http::new(setup, local, meters.clone())?;
        let view = Arc::new(Mutex::new(uploader.view(now)));
        let (inputs, inbox) = mpsc::unbounded_channel();
        let runtime =
            runtime::Builder::new_current_thread().enable_all().thread_name("upload-read").build()?;
        let running = Running {
            uploader,
            http: Arc::new(http),
            tell,
            view: view.clone(),
            tasks: Tasks::default(),
            wake: None,
        };
        let thread = std::thread::Builder::new().name("upload".to_owned()).spawn(move || {
            runtime.block_on(running.run(inbox));
            // A thread that reads a file is not waited for: it ends at its next piece.
            runtime.shutdown_background();
        })?;
        Ok(Self { inputs: Some(inputs), meters, view, thread: Some(thread) })
    }

    /// Tells the uploader something. Does not wait.
    pub fn handle(&self, input: Input) {
        if let Some(inputs) = &self.inputs
            && inputs.send(input).is_err()
        {
            tracing::error!("the uploader has stopped");
        }
    }

    /// Sends no more than so many bytes a second from now on; as many as there is room for, if none.
    pub fn set_cap(&self, cap: Option<NonZeroU64>) {
        lock(&self.meters).bucket.set(cap, Instant::now().into_std());
    }

    /// How far everything has come.
    pub fn view(&self) -> View {
        lock(&self.view).clone()
    }

    /// What was sent so far.
    pub fn progress(&self) -> Progress {
        let count = &mut lock(&self.meters).count;
        Progress { sent: count.sent, speed: count.speed(Instant::now().into_std()) }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.inputs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the uploader's thread has panicked");
        }
    }
}

type Outcome = (RequestId, Result<Answer, Failure>);

/// Requests that are under way.
#[derive(Default)]
struct Tasks {
    set: JoinSet<Outcome>,
    handles: HashMap<RequestId, AbortHandle>,
    requests: HashMap<Id, RequestId>,
}

impl Tasks {
    fn add(&mut self, id: RequestId, task: impl Future<Output = Result<Answer, Failure>> + Send + 'static) {
        let handle = self.set.spawn(async move { (id, task.await) });
        self.requests.insert(handle.id(), id);
        self.handles.insert(id, handle);
    }

    fn cancel(&mut self, id: RequestId) {
        if let Some(handle) = self.handles.remove(&id) {
            handle.abort();
        }
    }

    /// What came of a request; none where it was given up.
    fn ended(&mut self, ended: Result<(Id, Outcome), JoinError>) -> Option<Input> {
        let task = match &ended {
            Ok((task, _)) => *task,
            Err(error) => error.id(),
        };
        let id = self.requests.remove(&task)?;
        self.handles.remove(&id);
        match ended {
            Ok((_, (id, Ok(answer)))) => Some(Input::Answer(id, answer)),
            Ok((_, (id, Err(failure)))) => Some(Input::Failed(id, failure)),
            Err(error) if error.is_cancelled() => None,
            Err(error) => Some(Input::Failed(id, Failure::Unknown(error.to_string()))),
        }
    }
}

struct Running {
    uploader: Uploader,
    http: Arc<Http>,
    tell: Tell,
    view: Arc<Mutex<View>>,
    tasks: Tasks,
    wake: Option<Instant>,
}

impl Running {
    /// Runs until nobody is left to tell it anything.
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Input>) {
        // Says at once that there is room.
        self.handle(Input::Timeout);
        loop {
            let wake = self.wake;
            let input = tokio::select! {
                input = inbox.recv() => match input {
                    Some(input) => Some(input),
                    None => return,
                },
                Some(ended) = self.tasks.set.join_next_with_id() => self.tasks.ended(ended),
                () = async { tokio::time::sleep_until(wake.unwrap_or_else(Instant::now)).await }, if wake.is_some() => {
                    self.wake = None;
                    Some(Input::Timeout)
                }
            };
            if let Some(input) = input {
                self.handle(input);
            }
        }
    }

    fn handle(&mut self, input: Input) {
        let now = Instant::now().into_std();
        self.uploader.handle(input, now);
        while let Some(output) = self.uploader.poll() {
            match output {
                Output::Send(id, request) => {
                    let http = self.http.clone();
                    self.tasks.add(id, async move { http.send(request).await });
                }
                Output::Cancel(id) => self.tasks.cancel(id),
                Output::Wait(at) => self.wake = Some(at.into()),
                output => (self.tell)(output),
            }
        }
        *lock(&self.view) = self.uploader.view(now);
    }
}
