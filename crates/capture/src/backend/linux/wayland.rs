//! Screens and windows of a Wayland session: the desktop's portal asks the user, PipeWire brings the pictures.
//!
//! Ids: `wayland:monitor` and `wayland:window`. Which monitor or window it is, the user says when the portal asks. A
//! token spares the question the next time ([`SourceEvent::Allowed`], [`SourceConfig::token`]); one that the portal
//! does not know any more leads to the question again.
//!
//! Owns: what can be recorded, and what becomes of a capture whose portal, PipeWire or permission goes away. Opening
//! waits for the user's answer and for the first agreement about pictures, two minutes at most; a question that is
//! still open then is taken back. The portal is talked to in [`portal`], pictures are received in [`stream`].
//!
//! A screen on which nothing happens sends nothing. While its stream runs, each tick without a picture is pushed as
//! `Unchanged`; a stream that is paused or gone pushes nothing, which is how the two can be told apart. Tested on a
//! compositor, a portal and a PipeWire that `tests/` starts.

mod buffer;
mod canvas;
mod offer;
mod pointer;
mod portal;
mod stream;

use super::{Capture, Permission, PermissionState, SourceConfig, SourceId, SourceInfo};
use crate::{CaptureError, LostReason, SampleSink, SourceEvent, SourceKind, backend::Stop};
use crossbeam_channel::{RecvTimeoutError, Sender};
use std::{env, time::Duration};

const PREFIX: &str = "wayland:";
const MONITOR: &str = "wayland:monitor";
const WINDOW: &str = "wayland:window";
/// How long the user may think.
const ANSWER: Duration = Duration::from_secs(120);
/// How often a portal or server that went away is looked for.
const LOOK: Duration = Duration::from_millis(500);

/// What the user is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Monitor,
    Window,
}

impl Wanted {
    fn of(id: &SourceId) -> Option<Self> {
        match id.as_str() {
            MONITOR => Some(Self::Monitor),
            WINDOW => Some(Self::Window),
            _ => None,
        }
    }

    fn info(self) -> SourceInfo {
        let (id, kind, name, is_default) = match self {
            Self::Monitor => (MONITOR, SourceKind::Screen, "A screen, as the desktop asks", true),
            Self::Window => (WINDOW, SourceKind::Window, "A window, as the desktop asks", false),
        };
        let name = name.to_owned();
        SourceInfo { id: SourceId::new(id), kind, name, is_default, size: None, formats: Vec::new() }
    }
}

/// Whether this is an id of a source of the portal, whatever it has.
pub(super) fn owns(id: &SourceId) -> bool {
    id.as_str().starts_with(PREFIX)
}

/// Whether this is a session in which only the portal shows pictures.
pub(super) fn is_session() -> bool {
    env::var_os("WAYLAND_DISPLAY").is_some_and(|name| !name.is_empty())
}

/// What the portal can ask for.
pub(super) fn sources() -> Result<Vec<SourceInfo>, CaptureError> {
    let offered = portal::offered().map_err(|fault| fault.into_error(&SourceId::new(MONITOR)))?;
    Ok(offered.into_iter().map(Wanted::info).collect())
}

/// Whether pictures of this kind may be recorded: the portal says so only when it is asked.
pub(super) fn permission(kind: SourceKind) -> Permission {
    let advice = match portal::offered() {
        Ok(offered) if offered.iter().any(|wanted| wanted.info().kind == kind) => {
            let advice = "the desktop asks what to share when a recording begins".to_owned();
            return Permission { state: PermissionState::NotAsked, advice };
        }
        Ok(_) => "this desktop's portal does not share that".to_owned(),
        Err(fault) => fault.into_error(&SourceId::new(MONITOR)).to_string(),
    };
    Permission { state: PermissionState::Restricted, advice }
}

/// Asks the user, and starts recording what was chosen.
pub(super) fn open(id: &SourceId, config: &SourceConfig, sink: SampleSink) -> Result<Capture, CaptureError> {
    let wanted = Wanted::of(id).ok_or_else(|| CaptureError::UnknownSource { id: id.clone() })?;
    let (answer, answered) = crossbeam_channel::bounded(1);
    let (source, config) = (id.clone(), config.clone());
    let keeper = move |stop: &Stop, sink: &SampleSink| {
        let token = config.token.clone();
        let mut keeper = Keeper { id: source, wanted, config, token, answer: Some(answer), lost: false };
        keeper.keep(stop, sink);
    };
    let capture = Capture::start(id, sink, keeper)?;
    match answered.recv_timeout(ANSWER) {
        Ok(result) => result.map(|()| capture),
        Err(RecvTimeoutError::Timeout) => {
            let message = "the desktop's question was not answered within two minutes".to_owned();
            Err(CaptureError::Denied { id: id.clone(), message })
        }
        Err(RecvTimeoutError::Disconnected) => {
            let message = "its thread failed".to_owned();
            Err(CaptureError::Device { id: id.clone(), operation: "open", message })
        }
    }
}

/// Keeps a capture going on its thread.
struct Keeper {
    id: SourceId,
    wanted: Wanted,
    config: SourceConfig,
    token: Option<String>,
    /// Who waits for the first pictures; nobody any more once they came.
    answer: Option<Sender<Result<(), CaptureError>>>,
    lost: bool,
}

impl Keeper {
    /// Until stopped: receives pictures, and looks for whatever they come from while it is away.
    fn keep(&mut self, stop: &Stop, sink: &SampleSink) {
        while let Err(fault) = self.receive(stop, sink) {
            if let Some(answer) = self.answer.take() {
                // Nobody waits any more if the capture was dropped, and then it does not matter.
                let _ = answer.send(Err(fault.into_error(&self.id)));
                return;
            }
            if fault.is_final(self.token.is_some()) {
                sink.report(SourceEvent::Ended { reason: fault.reason(), message: fault.into_message() });
                return;
            }
            if !std::mem::replace(&mut self.lost, true) {
                sink.report(SourceEvent::Lost { reason: fault.reason(), message: fault.into_message() });
            }
            stop.wait(LOOK);
            if stop.is_set() {
                return;
            }
        }
    }

    /// Asks, and receives until stopped or until something fails.
    fn receive(&mut self, stop: &Stop, sink: &SampleSink) -> Result<(), Fault> {
        let asked = portal::until(stop, portal::ask(self.wanted, self.token.as_deref()));
        let Some(mut cast) = asked.transpose()? else { return Ok(()) };
        if let Some(token) = cast.token.take() {
            // Each is good for one time only.
            self.token = Some(token.clone());
            sink.report(SourceEvent::Allowed { token });
        }
        let (fps, wanted) = (self.config.fps, self.wanted);
        let ended = stream::run(&mut cast, fps, stop, sink, || self.begun(sink));
        cast.close();
        ended.map_err(|end| end.into_fault(wanted))
    }

    /// Pictures come, for the first time or again.
    fn begun(&mut self, sink: &SampleSink) {
        if let Some(answer) = self.answer.take() {
            let _ = answer.send(Ok(()));
        } else if std::mem::take(&mut self.lost) {
            sink.report(SourceEvent::Returned);
        }
    }
}

/// Why there are no pictures, or no more. The text is a sentence without its full stop.
#[derive(Debug)]
enum Fault {
    /// The portal or PipeWire went away, or does not answer.
    Server(String),
    /// The system lacks something.
    Lacks(String),
    /// The user said no, or takes it back.
    Denied(String),
    /// The window was closed.
    Closed(String),
    /// It was allowed and does not work.
    Failed(String),
}

impl Fault {
    /// Whether it is not looked for any longer. Without a token each look would be a question to the user:
    /// it is asked again only where that cannot be for nothing.
    fn is_final(&self, has_token: bool) -> bool {
        match self {
            Self::Server(_) | Self::Lacks(_) => false,
            Self::Denied(_) | Self::Closed(_) => true,
            Self::Failed(_) => !has_token,
        }
    }

    fn reason(&self) -> LostReason {
        match self {
            Self::Server(_) | Self::Lacks(_) => LostReason::ServerGone,
            Self::Denied(_) => LostReason::Denied,
            Self::Closed(_) => LostReason::Closed,
            Self::Failed(_) => LostReason::Failed,
        }
    }

    fn into_message(self) -> String {
        match self {
            Self::Server(text)
            | Self::Lacks(text)
            | Self::Denied(text)
            | Self::Closed(text)
            | Self::Failed(text) => text,
        }
    }

    fn into_error(self, id: &SourceId) -> CaptureError {
        let id = id.clone();
        match self {
            Self::Server(message) => CaptureError::Unreachable { what: "the desktop's portal", message },
            Self::Lacks(message) => CaptureError::Unsupported { id, message },
            Self::Denied(message) => CaptureError::Denied { id, message },
            Self::Closed(message) | Self::Failed(message) => {
                CaptureError::Device { id, operation: "open", message }
            }
        }
    }
}
