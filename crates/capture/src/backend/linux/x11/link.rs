//! The line to an X server, on which nobody waits for ever.
//!
//! Owns: how long a server may take to answer, and who hears of it when it takes too long. A server that was stopped
//! accepts connections and requests, and never answers: so every wait is cut into slices, between which it is looked
//! whether anybody still wants the answer. Tested on a server that the tests stop.

use crate::{LostReason, SampleSink, SourceEvent, backend::Stop};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use x11rb::{
    errors::{ConnectError, DisplayParsingError},
    reexports::x11rb_protocol::{parse_display::parse_display, xauth::get_auth},
    rust_connection::{DefaultStream, PollMode, RustConnection, Stream},
    utils::RawFdContainer,
};

/// A connection to an X server.
pub(super) type Server = RustConnection<Link>;

/// How long anybody waits before it looks whether it should go on waiting.
const SLICE: Duration = Duration::from_millis(100);
/// A server that takes longer to answer hangs.
const HUNG: Duration = Duration::from_secs(2);

/// How long a server's answer is waited for.
#[derive(Clone)]
pub(super) enum Patience {
    /// Somebody waits for what comes of it: until [`HUNG`].
    Caller,
    /// Until stopped.
    Thread(Stop),
    /// Until stopped, and if it takes too long that is a loss, until it answers.
    Watched(Stop, SampleSink),
}

/// The stream that a connection goes over.
pub(super) struct Link {
    stream: DefaultStream,
    patience: Mutex<Patience>,
}

/// Connects to the server that the environment names. Gives the number of its screen too.
pub(super) fn connect(patience: &Patience) -> Result<(Server, usize), ConnectError> {
    let display = parse_display(None)?;
    let screen = usize::from(display.screen);
    let mut failed = None;
    for address in display.connect_instruction() {
        match DefaultStream::connect(&address) {
            Ok((stream, (family, host))) => {
                // A server may let in whoever comes, so that the key cannot be read is no fault yet.
                let key = get_auth(family, &host, display.display).ok().flatten().unwrap_or_default();
                let link = Link { stream, patience: Mutex::new(patience.clone()) };
                let server = Server::connect_to_stream_with_auth_info(link, screen, key.0, key.1)?;
                return Ok((server, screen));
            }
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.map_or_else(|| DisplayParsingError::Unknown.into(), ConnectError::IoError))
}

impl Link {
    /// Who waits from now on.
    pub fn set_patience(&self, patience: Patience) {
        *self.patience() = patience;
    }

    /// Sleeps until the server says something, at most `timeout` or a slice of it.
    pub fn wait(&self, timeout: Duration) -> io::Result<()> {
        self.ready(PollFlags::IN, timeout.min(SLICE)).map(drop)
    }

    /// What the stream is ready for; nothing where `timeout` went by.
    fn ready(&self, flags: PollFlags, timeout: Duration) -> io::Result<PollFlags> {
        let mut asked = [PollFd::new(&self.stream, flags)];
        let timeout =
            Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
        match poll(&mut asked, Some(&timeout)) {
            Ok(_) => Ok(asked[0].revents()),
            Err(Errno::INTR) => Ok(PollFlags::empty()),
            Err(error) => Err(error.into()),
        }
    }

    /// Nothing came for so long: says so, or gives up.
    fn lose_patience(&self, waited: Duration) -> io::Result<()> {
        let patience = self.patience();
        let gives_up = match &*patience {
            Patience::Caller => waited >= HUNG,
            Patience::Thread(stop) | Patience::Watched(stop, _) => stop.is_set(),
        };
        if gives_up {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it does not answer"));
        }
        if let Patience::Watched(_, sink) = &*patience
            && waited == HUNG
        {
            let message = "the X server does not answer".to_owned();
            sink.report(SourceEvent::Lost { reason: LostReason::Silent, message });
        }
        Ok(())
    }

    /// Something came, after so long.
    fn recover(&self, waited: Duration, ready: PollFlags) {
        if let Patience::Watched(_, sink) = &*self.patience()
            && waited >= HUNG
            && !ready.intersects(PollFlags::HUP | PollFlags::ERR)
        {
            sink.report(SourceEvent::Returned);
        }
    }

    fn patience(&self) -> MutexGuard<'_, Patience> {
        self.patience.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream for Link {
    fn poll(&self, mode: PollMode) -> io::Result<()> {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, mode.readable());
        flags.set(PollFlags::OUT, mode.writable());
        let mut waited = Duration::ZERO;
        loop {
            let ready = self.ready(flags, SLICE)?;
            if !ready.is_empty() {
                if !waited.is_zero() {
                    self.recover(waited, ready);
                }
                return Ok(());
            }
            waited += SLICE;
            self.lose_patience(waited)?;
        }
    }

    fn read(&self, buffer: &mut [u8], files: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        self.stream.read(buffer, files)
    }

    fn write(&self, buffer: &[u8], files: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        self.stream.write(buffer, files)
    }

    fn write_vectored(
        &self,
        buffers: &[io::IoSlice<'_>],
        files: &mut Vec<RawFdContainer>,
    ) -> io::Result<usize> {
        self.stream.write_vectored(buffers, files)
    }
}
