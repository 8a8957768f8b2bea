//! Encoders, through FFmpeg: pictures to H.264, sound to AAC.
//!
//! Owns how an encoder is opened and fed, and the way from its bytes to [`model::Packet`]s. Never reads a clock,
//! starts no thread of its own (x264 has its own), touches no file and prints nothing. Tested by decoding what was
//! encoded and comparing, and by exact times; `h264` also as plain data in, data out.

mod audio;
mod error;
mod ffmpeg;
mod h264;
mod lend;
mod video;

pub use audio::{AudioConfig, AudioEncoder};
pub use error::CodecError;
pub use video::{Speed, VideoConfig, VideoEncoder};
