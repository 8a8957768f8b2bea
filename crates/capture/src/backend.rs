//! The one trait behind which operating systems differ, and the only lines that choose between them.
//!
//! Owns: how a source is named, opened and stopped. Tested by the conformance suite in `tests/`, which knows nothing
//! but this trait.

mod sound;
mod synthetic;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod portable;

#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(not(target_os = "linux"))]
use portable as platform;

use crate::{CaptureError, LostReason, SampleSink, SourceEvent};
use model::{HostTime, Size};
use std::{
    convert::Infallible,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Gives sources: an operating system, or something that stands in for one.
pub trait CaptureBackend: Send + Sync {
    /// What can be opened now. Those that cannot even be listed are left out, unless there are none at all.
    fn sources(&self) -> Result<Vec<SourceInfo>, CaptureError>;

    /// Starts a source: from now on its samples go to `sink`.
    fn open(&self, id: &SourceId, config: &SourceConfig, sink: SampleSink) -> Result<Capture, CaptureError>;

    /// Whether sources of this kind may be recorded, without asking anybody.
    fn permission(&self, kind: SourceKind) -> Permission;
}

/// What this operating system has.
pub fn native() -> Arc<dyn CaptureBackend> {
    Arc::new(platform::Native)
}

/// Sources that need no device: see [`pattern`](crate::pattern) for what they show and play.
pub fn synthetic() -> Arc<dyn CaptureBackend> {
    Arc::new(synthetic::Synthetic)
}

/// A source's name for programs, such as `x11:monitor:DP-1`: the same at each start, as far as the system allows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(Arc<str>);

impl SourceId {
    /// Of this name.
    pub fn new(id: impl AsRef<str>) -> Self {
        Self(id.as_ref().into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SourceId {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::new(text))
    }
}

/// What a source gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// Pictures of a screen, a monitor or a region, and the pointer.
    Screen,
    /// Pictures of one window, covered or not, and the pointer over it.
    Window,
    /// Pictures of a camera.
    Camera,
    /// Sound from a microphone.
    Microphone,
    /// What the speakers play.
    SystemAudio,
}

impl SourceKind {
    /// Whether it is sound.
    pub fn is_audio(self) -> bool {
        match self {
            Self::Screen | Self::Window | Self::Camera => false,
            Self::Microphone | Self::SystemAudio => true,
        }
    }
}

/// A source that can be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceInfo {
    /// Its name for programs.
    pub id: SourceId,
    /// What it gives.
    pub kind: SourceKind,
    /// Its name for people.
    pub name: String,
    /// Whether it is the one to take where nobody chose.
    pub is_default: bool,
    /// Pixels of its pictures, where they are known before it is opened.
    pub size: Option<Size>,
    /// What a camera can be asked for, best first.
    pub formats: Vec<Format>,
}

/// Pictures a second, exactly: 30000/1001 is what television calls 29.97.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// So many pictures.
    pub pictures: u32,
    /// In so many seconds; not zero.
    pub seconds: u32,
}

impl fmt::Display for Rate {
    /// `30` or `29.97`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = f64::from(self.pictures) / f64::from(self.seconds.max(1));
        if rate.fract() == 0.0 { write!(f, "{rate}") } else { write!(f, "{rate:.2}") }
    }
}

/// One way in which a camera gives its pictures.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Format {
    /// Pixels.
    pub size: Size,
    /// Pictures a second.
    pub rate: Rate,
    /// How they come, as the system names it: `MJPG`, `YUYV`, `NV12`.
    pub encoding: String,
}

/// How a source is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceConfig {
    /// At most this many pictures a second. Sound does not heed it.
    pub fps: u32,
    /// What a camera is asked for; the best that fits `fps` where nobody chose.
    pub format: Option<Format>,
    /// Whether keys are told, where the system tells them.
    pub keys: bool,
    /// What the system gave when it was asked the last time ([`crate::SourceEvent::Allowed`]), so that it need not
    /// ask the user again.
    pub token: Option<String>,
}

impl SourceConfig {
    /// At most `fps` pictures a second, and nothing else asked for.
    pub fn new(fps: u32) -> Self {
        Self { fps, format: None, keys: false, token: None }
    }
}

/// Whether sources of a kind may be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// As far as the system tells without asking the user.
    pub state: PermissionState,
    /// What the user can do about it, as a sentence; empty where there is nothing to do.
    pub advice: String,
}

impl Permission {
    /// Allowed, with nothing to be done.
    pub fn granted() -> Self {
        Self { state: PermissionState::Granted, advice: String::new() }
    }
}

/// What the system says of a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PermissionState {
    /// It may be recorded.
    Granted,
    /// The user said no.
    Denied,
    /// The system will ask the user when it is opened.
    NotAsked,
    /// Something that the user cannot change by saying yes forbids it, or it is not there at all.
    Restricted,
}

/// A running source. Dropping it stops it and waits for its thread.
#[derive(Debug)]
pub struct Capture {
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Capture {
    /// Runs `body` on a thread of its own until it returns, which it does soon after [`Stop::is_set`].
    pub(crate) fn start(
        id: &SourceId,
        sink: SampleSink,
        body: impl FnOnce(&Stop, &SampleSink) + Send + 'static,
    ) -> Result<Self, CaptureError> {
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Stop(Arc::clone(&stopped));
        let run = move || {
            // A panic is a bug, and a bug in one device must not end the recording of the others.
            if catch_unwind(AssertUnwindSafe(|| body(&stop, &sink))).is_err() {
                let message = "its thread failed".to_owned();
                sink.report(SourceEvent::Ended { reason: LostReason::Failed, message });
            }
        };
        let thread = thread::Builder::new().name("capture".to_owned()).spawn(run).map_err(|error| {
            CaptureError::Device { id: id.clone(), operation: "start", message: error.to_string() }
        })?;
        Ok(Self { stopped, thread: Some(thread) })
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It ends without panicking: `start` caught that.
            let _ = thread.join();
        }
    }
}

/// Tells a capture's thread when to end.
#[derive(Clone)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Sleeps until then or until stopped, whichever comes first.
    pub fn wait_until(&self, at: HostTime, sink: &SampleSink) {
        while !self.is_set() {
            let left = at.0.saturating_sub(sink.now().0);
            let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) else { return };
            thread::park_timeout(Duration::from_nanos(left));
        }
    }

    /// Sleeps for this long, until stopped or until somebody unparks the thread.
    pub fn wait(&self, timeout: Duration) {
        if !self.is_set() {
            thread::park_timeout(timeout);
        }
    }
}
