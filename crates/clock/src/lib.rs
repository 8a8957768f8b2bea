//! Device time to session time.
//!
//! Owns: the session's time zero, each source's offset and drift, and the sample grid that sound is put on. Never
//! reads a clock itself: a shell implements [`HostClock`]. Tested on timestamps and on real sample data.

mod session;

pub use session::{HostClock, SessionClock};
