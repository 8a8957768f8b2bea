//! The local socket: one JSON document a line, both ways, for processes of the same user only. The bytes of a
//! [`Reply::Blob`] follow its line.

use crate::{
    Engine, Subscription,
    command::{Command, Event, Message, PROTOCOL_VERSION, Reply, Request},
    error::{EngineError, Problem},
    platform,
};
use interprocess::local_socket::{Listener, ListenerOptions, Stream, prelude::*};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// A line longer than this is no request of ours.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Shells connected at once; more are turned away.
const CONNECTIONS_MAX: usize = 64;

/// Listens for shells of the engine of one data folder.
pub struct Server {
    listener: Listener,
}

impl Server {
    /// Begins to listen. The store's lock already tells that no other engine has this folder, so a socket that
    /// lies there is a dead one's.
    pub fn bind(data: &Path) -> Result<Self, EngineError> {
        let listener = ListenerOptions::new()
            .name(platform::endpoint(data)?)
            .try_overwrite(true)
            .create_sync()
            .map_err(|cause| EngineError::System { operation: "listening on the engine's socket", cause })?;
        Ok(Self { listener })
    }

    /// Serves shells from a thread of its own for as long as the process lives.
    pub fn serve(self, engine: Engine) -> Result<(), EngineError> {
        thread::Builder::new()
            .name("socket".into())
            .spawn(move || self.accept(&engine))
            .map(drop)
            .map_err(|cause| EngineError::System { operation: "starting the socket's thread", cause })
    }

    fn accept(&self, engine: &Engine) {
        for stream in self.listener.incoming() {
            match stream {
                Ok(stream) => self.welcome(stream, engine.clone()),
                Err(error) => {
                    tracing::warn!(%error, "a shell could not connect");
                    // Out of file descriptors, most likely: give others time to close some.
                    thread::sleep(Duration::from_millis(50));
                }
            }
        }
    }

    fn welcome(&self, stream: Stream, engine: Engine) {
        let same_user = stream.peer_creds().is_ok_and(|peer| platform::is_same_user(&peer));
        if !same_user {
            tracing::warn!("refused a process of another user");
            return;
        }
        let seat = Seat::take(engine.connections());
        if engine.connections().load(Ordering::Acquire) > CONNECTIONS_MAX {
            tracing::warn!("refused a shell: too many are connected");
            return;
        }
        let connection = Connection { stream: Arc::new(stream), writing: Arc::default() };
        let spawned = thread::Builder::new().name("shell".into()).spawn(move || {
            let _seat = seat;
            connection.serve(&engine);
        });
        if let Err(error) = spawned {
            tracing::warn!(%error, "refused a shell: no thread for it");
        }
    }
}

/// Counts something for as long as it lives.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(counter))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[derive(Clone)]
struct Connection {
    stream: Arc<Stream>,
    writing: Arc<Mutex<()>>,
}

impl Connection {
    fn serve(&self, engine: &Engine) {
        let mut lines = BufReader::new(&*self.stream);
        let mut subscribed = false;
        loop {
            let mut line = Vec::new();
            match (&mut lines).take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let _answering = Seat::take(engine.answering());
            let sent = match read_request(&line) {
                Ok(Request { id, command: Command::Subscribe, .. }) if !subscribed => {
                    subscribed = true;
                    self.subscribe(id, engine)
                }
                Ok(request) => self.answer(request, engine),
                Err((id, error)) => self.send(&Message::Error { id, problem: Problem::from(&error) }),
            };
            // A line without an end is longer than any request: what follows is its rest.
            if sent.is_err() || !line.ends_with(b"\n") {
                return;
            }
        }
    }

    fn answer(&self, request: Request, engine: &Engine) -> io::Result<()> {
        let id = request.id;
        let mut hear = |event| match self.send(&Message::Event(event)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        match engine.handle(request.command, &mut hear) {
            Ok(reply) => self.send(&Message::Reply { id, reply }),
            Err(error) => self.send(&Message::Error { id, problem: Problem::from(&error) }),
        }
    }

    fn subscribe(&self, id: u64, engine: &Engine) -> io::Result<()> {
        match engine.subscribe() {
            Ok(subscription) => {
                self.send(&Message::Reply { id, reply: Reply::Done })?;
                self.forward(subscription, engine)
            }
            Err(error) => self.send(&Message::Error { id, problem: Problem::from(&error) }),
        }
    }

    fn forward(&self, subscription: Subscription, engine: &Engine) -> io::Result<()> {
        let connection = self.clone();
        // The process stays until its last word, that a session has ended, is said.
        let delivering = Seat::take(engine.answering());
        // Ends by itself: writing fails, nobody reads requests from this connection any more, or the engine has ended.
        thread::Builder::new().name("events".into()).spawn(move || {
            let _delivering = delivering;
            while Arc::strong_count(&connection.stream) > 1 && !subscription.is_over() {
                if let Some(event) = subscription.next(Duration::from_secs(1))
                    && connection.send(&Message::Event(event)).is_err()
                {
                    return;
                }
            }
        })?;
        Ok(())
    }

    fn send(&self, message: &Message) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        let _whole_messages = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        (&*self.stream).write_all(&line)?;
        match message {
            Message::Reply { reply: Reply::Blob(blob), .. } => (&*self.stream).write_all(&blob.bytes),
            _ => Ok(()),
        }
    }
}

fn read_request(line: &[u8]) -> Result<Request, (u64, EngineError)> {
    // The version first: another version's command may not even parse.
    let value: serde_json::Value = serde_json::from_slice(line)
        .map_err(|error| (0, EngineError::Invalid(format!("not a request: {error}"))))?;
    let id = value.get("id").and_then(serde_json::Value::as_u64).unwrap_or(0);
    let theirs = value.get("v").and_then(serde_json::Value::as_u64).unwrap_or(0);
    if theirs != u64::from(PROTOCOL_VERSION) {
        let theirs = u32::try_from(theirs).unwrap_or(u32::MAX);
        return Err((id, EngineError::Protocol { ours: PROTOCOL_VERSION, theirs }));
    }
    serde_json::from_value(value)
        .map_err(|error| (id, EngineError::Invalid(format!("not a request: {error}"))))
}

/// A shell's end of the socket.
pub struct Client {
    requests: Requests,
    messages: Messages,
}

/// What a shell says.
pub struct Requests {
    stream: Arc<Stream>,
    next_id: u64,
}

/// What a shell hears.
pub struct Messages {
    lines: BufReader<SharedStream>,
}

struct SharedStream(Arc<Stream>);

impl Read for SharedStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

impl Client {
    /// To the engine of this data folder, if one runs.
    pub fn connect(data: &Path) -> Result<Option<Self>, EngineError> {
        match Stream::connect(platform::endpoint(data)?) {
            Ok(stream) => {
                let stream = Arc::new(stream);
                let lines = BufReader::new(SharedStream(Arc::clone(&stream)));
                Ok(Some(Self { requests: Requests { stream, next_id: 1 }, messages: Messages { lines } }))
            }
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                Ok(None)
            }
            Err(cause) => Err(EngineError::System { operation: "connecting to the engine", cause }),
        }
    }

    /// Sends a command and waits for its answer; events that come first go to `hear`.
    pub fn ask(
        &mut self,
        command: Command,
        mut hear: impl FnMut(Event),
    ) -> Result<Result<Reply, Problem>, EngineError> {
        let forever = |event| {
            hear(event);
            ControlFlow::Continue(())
        };
        // It is asked until it answers.
        self.ask_while(command, forever)?.ok_or(EngineError::Ending)
    }

    /// The same, until `hear` has heard enough: then there is no answer, and what was asked for ends when this end of
    /// the socket is dropped.
    pub fn ask_while(
        &mut self,
        command: Command,
        mut hear: impl FnMut(Event) -> ControlFlow<()>,
    ) -> Result<Option<Result<Reply, Problem>>, EngineError> {
        let asked = self.requests.send(command)?;
        loop {
            match self.messages.receive()? {
                Message::Event(event) => {
                    if hear(event).is_break() {
                        return Ok(None);
                    }
                }
                Message::Reply { id, reply } if id == asked => return Ok(Some(Ok(reply))),
                Message::Error { id, problem } if id == asked || id == 0 => return Ok(Some(Err(problem))),
                // The answer to something that nobody waits for any more.
                Message::Reply { .. } | Message::Error { .. } => {}
            }
        }
    }

    /// Both directions apart, for two threads.
    pub fn split(self) -> (Requests, Messages) {
        (self.requests, self.messages)
    }
}

impl Requests {
    /// Sends a command. Gives the id that the answer will carry.
    pub fn send(&mut self, command: Command) -> Result<u64, EngineError> {
        let id = self.next_id;
        self.next_id += 1;
        let request = Request { v: PROTOCOL_VERSION, id, command };
        let mut line = serde_json::to_vec(&request).map_err(|error| lost(error.into()))?;
        line.push(b'\n');
        (&*self.stream).write_all(&line).map_err(lost)?;
        Ok(id)
    }
}

impl Messages {
    /// What comes next, waiting for it.
    pub fn receive(&mut self) -> Result<Message, EngineError> {
        let mut line = String::new();
        if self.lines.read_line(&mut line).map_err(lost)? == 0 {
            return Err(lost(io::ErrorKind::UnexpectedEof.into()));
        }
        let mut message = serde_json::from_str(&line).map_err(|error| lost(error.into()))?;
        if let Message::Reply { reply: Reply::Blob(blob), .. } = &mut message {
            let read = (&mut self.lines).take(blob.length).read_to_end(&mut blob.bytes).map_err(lost)?;
            if read as u64 != blob.length {
                return Err(lost(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        Ok(message)
    }
}

fn lost(cause: io::Error) -> EngineError {
    EngineError::System { operation: "talking to the engine", cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_other_versions_and_garbage_are_told_apart() {
        let code =
            |line: &[u8]| read_request(line).map_err(|(id, error)| (id, error.code())).map(|r| r.command);
        assert_eq!(code(br#"{"v":1,"id":3,"command":"status"}"#), Ok(Command::Status));
        assert_eq!(code(br#"{"v":2,"id":3,"command":{"begin_again":{}}}"#), Err((3, "protocol")));
        assert_eq!(code(br#"{"v":1,"id":4,"command":"dance"}"#), Err((4, "invalid")));
        assert_eq!(code(b"\xff\xfe{"), Err((0, "invalid")));
        assert_eq!(code(b"[]"), Err((0, "protocol")));
    }
}
