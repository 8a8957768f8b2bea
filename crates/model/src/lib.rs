//! The nouns of Spool, as plain values that every other crate speaks in.
//!
//! Owns: ids, session time, samples, input events, chunks, sessions, layouts and scenes. Never does IO, starts no thread, reads no clock.
//! Tested beside the code, data in and data out.

mod chunk;
mod geometry;
mod id;
mod input;
mod layout;
mod project;
mod sample;
mod session;
mod time;

pub use chunk::{Chunk, ChunkId, CodecConfig, Hash, Init, Packet, Part, PartMark, Piece, SampleMark};
pub use geometry::{Point, Rect, Size};
pub use id::{IdError, KeyId, RecordingId, SessionId, TrackId};
pub use input::{
    Annotation, Click, Combination, Drawing, Drawn, InputEvent, InputSample, InputState, PointerShape, Tool,
};
pub use layout::{Corner, Inset, Layout, LayoutChange, Pictured, PointerStyle, Shape};
pub use project::{Border, Color, Content, Frames, Layer, Outline, Scene};
pub use sample::{AudioBlock, Damage, Frame, Matrix, Nv12, PixelFormat, Planes};
pub use session::{
    Gap, GapReason, InitUse, Manifest, Mark, Mode, Retention, SelfCheck, SessionMeta, SessionState,
    SoundCheck, TrackInfo, TrackKind, TrackManifest,
};
pub use time::{DeviceTime, HostTime, Span, Timestamp, UtcTime};
