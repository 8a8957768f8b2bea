//! FFmpeg: pictures to and from H.264, VP9 and AV1, sound to and from AAC and Opus, and both into WebM; single pictures
//! to JPEG.
//!
//! Owns how encoders and decoders are opened and fed, the way from their bytes to [`model::Packet`]s and back, and
//! [`WebmWriter`], the one thing here that touches a file. Never reads a clock, starts no thread of its own (encoders
//! have their own) and prints nothing. Tested by decoding what was encoded and comparing, by exact times, with hostile
//! bytes, and with `ffprobe` and `ffmpeg` as judges of files; what is plain data in, data out also as that.

mod audio;
mod audio_decoder;
mod av1;
mod error;
mod ffmpeg;
mod h264;
mod jpeg;
mod lend;
mod opus;
mod planar;
mod stored;
mod video;
mod video_decoder;
mod vp9;
mod webm;

pub use audio::{AudioCodec, AudioConfig, AudioEncoder};
pub use audio_decoder::AudioDecoder;
pub use error::CodecError;
pub use jpeg::jpeg;
pub use stored::{ReadChunk, StoredFrames, StoredTrack};
pub use video::{Speed, VideoCodec, VideoConfig, VideoEncoder};
pub use video_decoder::VideoDecoder;
pub use webm::WebmWriter;
