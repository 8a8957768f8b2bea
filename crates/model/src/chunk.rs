//! Chunks: what is written, stored, sent and played. `media` is the only code that makes them.

use crate::{SessionId, Size, Span, Timestamp, TrackId};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr, time::Duration};

/// SHA-256 of some bytes (FIPS 180-4). Object stores check the same one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(type = "string"))]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Of all of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The first eight hexadecimal digits, as file names carry them.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl FromStr for Hash {
    type Err = hex::FromHexError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One encoded sample.
#[derive(Debug, Clone)]
pub struct Packet {
    /// When it is shown or heard. An audio encoder's priming comes before the sound it belongs to.
    pub at: Timestamp,
    /// How long a packet of sound lasts. Anything else lasts until the next one, so here it is zero.
    pub duration: Duration,
    /// Whether decoding can begin here.
    pub keyframe: bool,
    /// As the container wants it: H.264 with four-byte lengths instead of start codes, AV1 without temporal
    /// delimiters, AAC without ADTS, JSON as text.
    pub bytes: Bytes,
}

/// What a decoder must know before the first packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodecConfig {
    /// H.264 (ITU-T H.264), no reordering.
    H264 {
        /// Of the pictures.
        size: Size,
        /// The AVCDecoderConfigurationRecord (ISO/IEC 14496-15).
        avcc: Bytes,
    },
    /// AAC-LC (ISO/IEC 14496-3).
    Aac {
        /// Samples a second.
        rate: u32,
        /// 1 or 2.
        channels: u16,
        /// The AudioSpecificConfig.
        asc: Bytes,
        /// Samples that the decoder gives before the first real one.
        priming: u32,
        /// Bits a second, nominal.
        bitrate: u32,
    },
    /// VP9, profile 0; every packet shows one picture.
    Vp9 {
        /// Of the pictures.
        size: Size,
        /// The VPCodecConfigurationRecord (VP Codec ISO Media File Format Binding 1.0), without version and flags.
        vpcc: Bytes,
    },
    /// AV1, main profile; every packet is a temporal unit that shows one picture.
    Av1 {
        /// Of the pictures.
        size: Size,
        /// The AV1CodecConfigurationRecord (AV1 Codec ISO Media File Format Binding 1.2).
        av1c: Bytes,
    },
    /// Opus (RFC 6716).
    Opus {
        /// Samples a second: 48,000, since Opus counts in no other.
        rate: u32,
        /// 1 or 2.
        channels: u16,
        /// Samples that the decoder gives before the first real one; Opus calls it pre-skip.
        priming: u32,
        /// Bits a second, nominal.
        bitrate: u32,
    },
    /// JSON text (RFC 8259) that goes with the pictures, such as pointer and keys. It is never played.
    Json,
}

impl CodecConfig {
    /// Ticks a second of the tracks that carry it.
    pub fn timescale(&self) -> u32 {
        match self {
            Self::H264 { .. } | Self::Vp9 { .. } | Self::Av1 { .. } | Self::Json => 90_000,
            Self::Aac { rate, .. } | Self::Opus { rate, .. } => *rate,
        }
    }

    /// Size of its pictures; none if it carries something else.
    pub fn picture_size(&self) -> Option<Size> {
        match self {
            Self::H264 { size, .. } | Self::Vp9 { size, .. } | Self::Av1 { size, .. } => Some(*size),
            Self::Aac { .. } | Self::Opus { .. } | Self::Json => None,
        }
    }

    /// Channels of its sound; none if it carries something else.
    pub fn sound_channels(&self) -> Option<u16> {
        match self {
            Self::Aac { channels, .. } | Self::Opus { channels, .. } => Some(*channels),
            Self::H264 { .. } | Self::Vp9 { .. } | Self::Av1 { .. } | Self::Json => None,
        }
    }

    /// Whether it carries sound.
    pub fn is_sound(&self) -> bool {
        self.sound_channels().is_some()
    }

    /// Samples that the decoder gives before the first real one.
    pub fn priming(&self) -> u32 {
        match self {
            Self::Aac { priming, .. } | Self::Opus { priming, .. } => *priming,
            Self::H264 { .. } | Self::Vp9 { .. } | Self::Av1 { .. } | Self::Json => 0,
        }
    }
}

/// Which chunk: the `index`-th of a track, counted from 1. An index is used once and never again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChunkId {
    /// The session it belongs to.
    pub session: SessionId,
    /// The track within it.
    pub track: TrackId,
    /// Its number within the track, from 1.
    pub index: u32,
}

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{:06}", self.session, self.track, self.index)
    }
}

/// What a decoder needs before the first part of a track; found by its hash. A new size or codec gives a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Init {
    /// The track it belongs to.
    pub track: TrackId,
    /// Of `bytes`.
    pub hash: Hash,
    /// What it says.
    pub codec: CodecConfig,
    /// `ftyp` and `moov`.
    pub bytes: Bytes,
}

/// One sample within a part, as its `trun` box has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleMark {
    /// Bytes.
    pub size: u32,
    /// Ticks until the next sample is decoded.
    pub duration: u32,
    /// Ticks from decoding to showing: where a still picture outlasted its part, the next one is decoded early.
    pub offset: i32,
    /// Whether decoding can begin here.
    pub keyframe: bool,
}

/// Where a part lies in its chunk, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartMark {
    /// Bytes from the beginning of the chunk.
    pub offset: u64,
    /// Bytes, `moof` and `mdat` together.
    pub size: u32,
    /// Bytes from the beginning of the part to the first sample.
    pub payload: u32,
    /// The `tfdt` of its fragment: when its first sample is decoded, in ticks, edit list included.
    pub decode_time: u64,
    /// When what is in it is shown or heard.
    pub span: Span,
    /// Whether decoding can begin at it.
    pub independent: bool,
    /// Its samples, in order.
    pub samples: Vec<SampleMark>,
}

/// One `moof` and `mdat`: the unit of live latency, and of loss in a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The open chunk it belongs to.
    pub chunk: ChunkId,
    /// The init segment that it needs.
    pub init: Hash,
    /// Its number within the chunk, from 0.
    pub index: u16,
    /// Where it lies and what is in it.
    pub mark: PartMark,
    /// The boxes.
    pub bytes: Bytes,
}

/// Sealed. Its bytes are its parts, end to end, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Which one it is.
    pub id: ChunkId,
    /// The init segment that it needs.
    pub init: Hash,
    /// From its first part's start to its last part's end.
    pub span: Span,
    /// In order, without holes.
    pub parts: Vec<PartMark>,
    /// Bytes.
    pub size: u64,
    /// Of its bytes.
    pub hash: Hash,
}

/// What a chunker gives, in the order in which it must become durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Comes before the first part that needs it.
    Init(Init),
    /// The next part of the open chunk.
    Part(Part),
    /// No more parts come for this chunk.
    Seal(Chunk),
}

impl Piece {
    /// The track that it belongs to.
    pub fn track(&self) -> &TrackId {
        match self {
            Self::Init(init) => &init.track,
            Self::Part(part) => &part.chunk.track,
            Self::Seal(chunk) => &chunk.id.track,
        }
    }
}
