//! An object's bytes on their way out: read by a blocking thread, a few pieces ahead of the network, and no faster
//! than the cap allows.

use super::{Local, Meters, lock};
use api::ObjectSpec;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use model::SessionId;
use std::{
    io::{self, Read},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};

/// Bytes of a piece.
const PIECE: usize = 64 << 10;
/// Pieces that are read ahead.
const AHEAD: usize = 2;
/// A changed cap is noticed after this long.
const LOOK: Duration = Duration::from_millis(250);

/// How an upload fares.
#[derive(Debug)]
pub(super) struct Pulse {
    /// When the last piece went out.
    pub(super) moved: Instant,
    /// It is our own cap that holds it up.
    pub(super) held: bool,
    /// All pieces went out.
    pub(super) ended: bool,
    /// Why the local bytes could not be read.
    pub(super) fault: Option<String>,
}

impl Pulse {
    pub(super) fn new() -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self { moved: Instant::now(), held: false, ended: false, fault: None }))
    }
}

/// The bytes of an object as a stream, exactly as many as it has. Must be called within the runtime.
pub(super) fn stream(
    local: Arc<dyn Local>,
    session: SessionId,
    object: ObjectSpec,
    meters: Arc<Mutex<Meters>>,
    pulse: Arc<Mutex<Pulse>>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let left = object.size;
    // The thread ends when the stream is dropped: there is nobody to give the next piece to.
    tokio::task::spawn_blocking(move || read(local.as_ref(), session, &object, &sender));
    let out = Out { receiver, left, meters, pulse };
    stream::unfold(out, |mut out| async move {
        let piece = out.next().await?;
        Some((piece, out))
    })
}

fn read(
    local: &dyn Local,
    session: SessionId,
    object: &ObjectSpec,
    sender: &mpsc::Sender<io::Result<Bytes>>,
) {
    let mut reader = match local.open(session, object) {
        Ok(reader) => reader.take(object.size),
        Err(error) => return drop(sender.blocking_send(Err(error))),
    };
    loop {
        let mut piece = BytesMut::zeroed(PIECE);
        let read = match fill(&mut reader, &mut piece) {
            Ok(0) => return,
            read => read.map(|count| piece.split_to(count).freeze()),
        };
        let failed = read.is_err();
        if sender.blocking_send(read).is_err() || failed {
            return;
        }
    }
}

/// Reads until `piece` is full or there is no more.
fn fill(reader: &mut impl Read, piece: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < piece.len() {
        match reader.read(&mut piece[count..]) {
            Ok(0) => break,
            Ok(read) => count += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

struct Out {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    left: u64,
    meters: Arc<Mutex<Meters>>,
    pulse: Arc<Mutex<Pulse>>,
}

impl Out {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.left == 0 {
            return None;
        }
        let piece = match self.receiver.recv().await {
            Some(Ok(piece)) => piece,
            Some(Err(error)) => return Some(Err(self.fault(error.to_string()))),
            None => return Some(Err(self.fault(format!("{} bytes are missing", self.left)))),
        };
        let bytes = piece.len() as u64;
        while let Err(pause) = self.take(bytes) {
            tokio::time::sleep(pause.min(LOOK)).await;
        }
        self.left -= bytes;
        let now = Instant::now();
        lock(&self.meters).count.add(bytes, now.into_std());
        let mut pulse = lock(&self.pulse);
        (pulse.moved, pulse.held, pulse.ended) = (now, false, self.left == 0);
        Some(Ok(piece))
    }

    /// Takes room under the cap.
    fn take(&self, bytes: u64) -> Result<(), Duration> {
        let taken = lock(&self.meters).bucket.take(bytes, Instant::now().into_std());
        lock(&self.pulse).held = taken.is_err();
        taken
    }

    fn fault(&self, words: String) -> io::Error {
        lock(&self.pulse).fault = Some(words.clone());
        io::Error::other(words)
    }
}
