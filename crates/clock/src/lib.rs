//! Device time to session time.
//!
//! Owns: the session's time zero, each source's offset and drift, and the sample grid that sound is put on. Never
//! reads a clock itself: a shell implements [`HostClock`]. Tested on timestamps and on real sample data.

mod align;
mod channels;
mod mix;
mod resample;
mod session;
mod source;

pub use align::AudioAligner;
pub use mix::{Level, clipped, mix};
pub use session::{HostClock, SessionClock};
pub use source::SourceClock;
