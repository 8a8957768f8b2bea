//! The nouns of Spool, as plain values that every other crate speaks in.
//!
//! Owns: ids, session time, samples, chunks, sessions, scenes. Never does IO, starts no thread, reads no clock.
//! Tested beside the code, data in and data out.

mod chunk;
mod geometry;
mod id;
mod project;
mod sample;
mod session;
mod time;

pub use chunk::{Chunk, ChunkId, CodecConfig, Hash, Init, Packet, Part, PartMark, Piece, SampleMark};
pub use geometry::{Point, Rect, Size};
pub use id::{IdError, RecordingId, SessionId, TrackId};
pub use project::{Color, Content, Frames, Layer, Scene};
pub use sample::{AudioBlock, Damage, Frame, Nv12, PixelFormat, Planes};
pub use session::{
    Gap, GapReason, InitUse, Manifest, Mode, Retention, SessionMeta, SessionState, TrackInfo, TrackKind,
    TrackManifest,
};
pub use time::{DeviceTime, HostTime, Span, Timestamp, UtcTime};
