//! THE chunk format: fragmented MP4 (CMAF) in absolute session time.
//!
//! Owns: the boxes of inits and parts, how packets become chunks, how chunks are read back after a crash, the
//! playlists that name them, and how they become one ordinary file. Never does IO, starts no thread, reads no clock.
//! Tested by golden bytes (`golden/media`), by properties over random packets from a seed, and against libavformat
//! in `export`.

mod boxes;
mod chunker;
mod error;
#[cfg(test)]
mod fixtures;
mod flatten;
mod fmp4;
#[cfg(test)]
mod golden;
mod hls;
mod policy;
mod sample_entry;
mod samples;
mod scan;

pub use chunker::Chunker;
pub use error::MediaError;
pub use flatten::{ChunkRange, FlatPlan, FlatTrack, Kept, Timeline, flatten};
pub use fmp4::{init, read_init};
pub use hls::{MediaPlaylist, Rendition, Resource, codec_name, master_playlist, media_playlist};
pub use policy::ChunkPolicy;
pub use samples::{StoredSample, samples};
pub use scan::{Scan, scan};
