//! What the driver needs to know, and what it asks of the machine it runs on.

use crate::core::Output;
use api::ObjectSpec;
use model::SessionId;
use std::{
    io::{self, Read},
    num::NonZeroU64,
    path::PathBuf,
    time::Duration,
};

/// Which server, and how it is reached.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where the server is: `https://spool.example.org`, or with a path before `/v1`.
    pub server: String,
    /// Through what.
    pub proxy: Proxy,
    /// A PEM file with certificates that are trusted besides the system's, for servers of one's own.
    pub extra_roots: Option<PathBuf>,
    /// How this program calls itself: `spool/0.1.0`.
    pub agent: String,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long nothing may move on a connection.
    pub idle_timeout: Duration,
    /// Bytes a second that may be sent; as many as there is room for, if none.
    pub cap: Option<NonZeroU64>,
}

impl Setup {
    /// The server, without a proxy of one's own, a cap or certificates, and with usual timeouts.
    pub fn new(server: impl Into<String>) -> Self {
        Self {
            server: server.into(),
            proxy: Proxy::System,
            extra_roots: None,
            agent: concat!("spool/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(30),
            cap: None,
        }
    }
}

/// Through what the server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxy {
    /// What the system or `HTTPS_PROXY` and its kin say.
    System,
    /// Straight.
    Direct,
    /// `http://`, `https://` or `socks5://`, with name and password if it wants them.
    At(String),
}

/// What the driver asks of the machine it runs on. Called on threads that may block.
pub trait Local: Send + Sync + 'static {
    /// Opens an object's bytes as they were recorded, decrypted.
    fn open(&self, session: SessionId, object: &ObjectSpec) -> io::Result<Box<dyn Read + Send>>;

    /// The secret that gives access tokens, from wherever it is kept; the error is in words for people.
    fn secret(&self) -> Result<String, String>;
}

/// Hears what the uploader wants done locally: every [`Output`] but `Send`, `Cancel` and `Wait`, in order. Called on
/// the driver's thread, so it must not block: it hands over to whoever writes rows.
pub type Tell = Box<dyn FnMut(Output) + Send>;

/// Why there is no driver.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// What people set cannot be: an address, a proxy, a certificate file.
    #[error("{0}")]
    Setup(String),
    /// The system gave no thread or no runtime.
    #[error("uploading cannot be started: {0}")]
    System(#[from] io::Error),
}

/// What was sent so far.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Progress {
    /// Bytes of objects that went out since the driver was started, in vain or not.
    pub sent: u64,
    /// Bytes a second, over the last seconds.
    pub speed: u64,
}
