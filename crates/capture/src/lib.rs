//! Screens, cameras and sound as samples in session time.
//!
//! Owns: the [`CaptureBackend`] trait and everything that knows how an operating system gives pictures and sound.
//! A source runs on a thread of its own until its [`Capture`] is dropped; what it has goes through a [`SampleSink`],
//! which turns device time into session time, to an [`Intake`]. No queue here ever makes a device wait.
//!
//! Never encodes, draws, stores or decides: which sources are open, and what a lost one means, is the engine's
//! business. Links no codec and no database, so that it can be checked for every system from any.
//!
//! Tested: arithmetic beside the code; every back end by one conformance suite in `tests/`, on an X server and on
//! sound servers that the tests start themselves.

mod backend;
mod damage;
mod error;
mod outlet;
pub mod pattern;
mod pool;
mod sink;
mod ticks;

pub use backend::{
    Capture, CaptureBackend, Format, Permission, PermissionState, Rate, SourceConfig, SourceId, SourceInfo,
    SourceKind, native, synthetic,
};
pub use error::CaptureError;
pub use outlet::{Counts, DropWhenFull, Intake, NewestPictures, Outlet, Viewer};
pub use sink::{LostReason, SampleContent, SampleSink, SourceEvent};
