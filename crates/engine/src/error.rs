//! What can go wrong in the engine, one variant a reaction, and how shells hear of it.

use capture::CaptureError;
use codec::CodecError;
use compose::RenderError;
use export::ExportError;
use media::MediaError;
use model::KeyId;
use serde::{Deserialize, Serialize};
use store::StoreError;
use upload::login::LoginError;

/// Why a command was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Only one session runs at a time.
    #[error("already recording; `spool stop` ends that recording")]
    Busy,
    /// Nothing runs that could be stopped, paused or resumed.
    #[error("nothing is being recorded")]
    NotRecording,
    /// The command does not make sense; says why and what would.
    #[error("{0}")]
    Invalid(String),
    /// A plan without any source.
    #[error("nothing to record: every source is switched off or missing")]
    NoSource,
    /// A still of a recording without pictures.
    #[error("there are no pictures in this recording")]
    NoPictures,
    /// A waveform of a recording without sound.
    #[error("there is no sound in this recording")]
    NoSound,
    /// A device that has one user has one.
    #[error("{device} is in use: it is being recorded or previewed")]
    DeviceInUse {
        /// Its id.
        device: String,
    },
    /// A recording was to be encrypted with a key that is not here. Another is not made for that.
    #[error(
        "recordings are to be encrypted, and the key {key} of this library is not here: unlock the keychain, load the \
         key with `spool key load FILE`, make another with `spool key new`, or record with `spool config encryption=off`"
    )]
    NoKey {
        /// Which key.
        key: KeyId,
    },
    /// There is no server that anything could go to.
    #[error("not logged in at a server; `spool login URL` does that")]
    NotLoggedIn,
    /// What is in the way of uploads.
    #[error("{0}")]
    Upload(Problem),
    /// A server did not let this machine in.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The engine is ending.
    #[error("the engine is ending; try again")]
    Ending,
    /// Somebody else speaks another version of the protocol.
    #[error(
        "this is engine protocol {ours}, the request is of {theirs}: use the programs of one installation"
    )]
    Protocol {
        /// What this engine speaks.
        ours: u32,
        /// What the request said.
        theirs: u32,
    },
    /// A device.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// An encoder.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The compositor.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The chunk format.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An export.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// No engine runs and none could be started; says why and where to look.
    #[error("{0}")]
    NotStarted(String),
    /// The local socket or a thread could not be had.
    #[error("{operation}: {cause}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// What the system said.
        cause: std::io::Error,
    },
}

impl EngineError {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::NotRecording => "not_recording",
            Self::Invalid(_) => "invalid",
            Self::NoSource => "no_source",
            Self::NoPictures => "no_pictures",
            Self::NoSound => "no_sound",
            Self::DeviceInUse { .. } => "device_in_use",
            Self::NotLoggedIn => "not_logged_in",
            Self::Upload(_) => "upload",
            Self::Login(LoginError::Away { .. }) => "away",
            Self::Login(LoginError::Setup(_)) => "invalid",
            Self::Login(_) => "login",
            Self::Ending => "ending",
            Self::Protocol { .. } => "protocol",
            Self::Capture(_) => "capture",
            Self::Codec(_) | Self::Render(_) | Self::Media(_) => "media",
            Self::Store(StoreError::NotFound { .. }) => "not_found",
            Self::Store(StoreError::DiskFull { .. }) => "disk_full",
            Self::Store(StoreError::InUse { .. }) => "in_use",
            Self::Store(StoreError::Ambiguous { .. }) => "ambiguous",
            Self::Store(StoreError::Damaged { .. }) => "damaged",
            Self::Store(StoreError::Missing { .. }) => "missing",
            Self::NoKey { .. }
            | Self::Store(StoreError::Locked { .. })
            | Self::Export(ExportError::Store(StoreError::Locked { .. })) => "locked",
            Self::Store(StoreError::Live { .. }) => "live",
            Self::Store(StoreError::TooLong { .. } | StoreError::TooMany { .. }) => "invalid",
            Self::Store(_) => "store",
            Self::Export(ExportError::NeedsEncoding) => "needs_encoding",
            Self::Export(_) => "export",
            Self::NotStarted(_) => "not_started",
            Self::System { .. } => "system",
        }
    }
}

/// An error as it goes over the socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[error("{message}")]
pub struct Problem {
    /// Stable, for programs.
    pub code: String,
    /// For people.
    pub message: String,
}

impl From<&EngineError> for Problem {
    fn from(error: &EngineError) -> Self {
        Self { code: error.code().to_owned(), message: error.to_string() }
    }
}
