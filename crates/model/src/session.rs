//! Sessions and their tracks, as `session.json` and the manifest have them.

use crate::{Hash, KeyId, LayoutChange, RecordingId, SessionId, Span, Timestamp, TrackId, UtcTime};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// How much of a session is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retention {
    /// All of it.
    KeepAll,
    /// What lies within this long before its newest instant: the replay buffer.
    Window(Duration),
}

/// Which tracks a session writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// One composited picture, and the sound.
    Program,
    /// Every source as it is, to be composed later.
    Tracks,
    /// One composited picture, and every source as it is.
    Both,
}

impl Mode {
    /// Whether there is a composited picture.
    pub fn has_program(self) -> bool {
        matches!(self, Self::Program | Self::Both)
    }

    /// Whether sources have tracks of their own.
    pub fn has_tracks(self) -> bool {
        matches!(self, Self::Tracks | Self::Both)
    }
}

/// What a track carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum TrackKind {
    /// The composited picture.
    Program,
    /// A screen, window or region as it is, without its pointer.
    Screen,
    /// A camera as it is.
    Camera,
    /// A microphone alone.
    Microphone,
    /// What the speakers play, alone.
    SystemAudio,
    /// All sound together.
    Mix,
    /// What people did: pointer, clicks, keys, drawings ([`crate::InputSample`]).
    Input,
}

impl TrackKind {
    /// Whether it is sound.
    pub fn is_audio(self) -> bool {
        match self {
            Self::Program | Self::Screen | Self::Camera | Self::Input => false,
            Self::Microphone | Self::SystemAudio | Self::Mix => true,
        }
    }

    /// Whether it is pictures.
    pub fn is_picture(self) -> bool {
        match self {
            Self::Program | Self::Screen | Self::Camera => true,
            Self::Microphone | Self::SystemAudio | Self::Mix | Self::Input => false,
        }
    }
}

/// A track, as people and players need to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackInfo {
    /// Its name within the session.
    pub id: TrackId,
    /// What it carries.
    pub kind: TrackKind,
    /// The source's name for people, such as a microphone's.
    pub label: String,
    /// Its init segments in the order of use. Chunks do not name theirs, so this is how a rebuilt index knows.
    pub inits: Vec<InitUse>,
}

/// From which chunk on a track uses an init segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitUse {
    /// The init segment.
    pub hash: Hash,
    /// Index of the first chunk that needs it.
    pub first_index: u32,
}

/// Why there is nothing, or nothing real, in a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// Somebody pressed pause.
    Paused,
    /// The machine slept.
    Slept,
    /// The engine was held up: stopped, starved, or its disk stalled.
    Stalled,
    /// The device went away.
    DeviceLost,
    /// The permission to record it was taken back.
    PermissionRevoked,
    /// The window that was recorded was closed.
    Closed,
    /// The device delivered nothing for a while, or samples were lost on the way.
    SamplesLost,
    /// The encoder failed.
    EncoderFailed,
}

/// A span without samples. A session-wide gap is skipped when the session is flattened; a track's gap stays, as
/// silence or as the last picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Gap {
    /// The track, or none for the whole session.
    pub track: Option<TrackId>,
    /// When.
    pub span: Span,
    /// Why.
    pub reason: GapReason,
}

/// How far a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Being written.
    Recording,
    /// Ended in order: no more will come.
    Finalized,
    /// Ended by a crash, found and closed by the next start.
    Recovered,
}

/// What is known about a session besides its chunks. `session.json` is this, so that a lost index can be rebuilt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionMeta {
    /// Version of this document: up to 2. The first knew no keys.
    pub version: u32,
    /// The session.
    pub id: SessionId,
    /// The recording that it belongs to.
    pub recording: RecordingId,
    /// At most 200 characters.
    pub title: String,
    /// At most 2,000 characters.
    pub description: String,
    /// Free keys and values.
    pub metadata: BTreeMap<String, String>,
    /// Which tracks it writes.
    pub mode: Mode,
    /// How much of it is kept.
    pub retention: Retention,
    /// Wall clock at time zero.
    pub started_at: UtcTime,
    /// Length of a chunk.
    pub chunk: Duration,
    /// How far it has come.
    pub state: SessionState,
    /// Its tracks.
    pub tracks: Vec<TrackInfo>,
    /// What is missing, and why.
    pub gaps: Vec<Gap>,
    /// After a crash: at most this much is missing at the end.
    pub lost: Option<Duration>,
    /// How its sources were arranged, and from when on; in order.
    #[serde(default)]
    pub layouts: Vec<LayoutChange>,
    /// What the recorder found when it compared sound and pictures at the end.
    #[serde(default)]
    pub check: Option<SelfCheck>,
    /// What somebody wants to find again, in order of time; no two at the same instant.
    #[serde(default)]
    pub marks: Vec<Mark>,
    /// Since when it lies in the trash.
    #[serde(default)]
    pub trashed_at: Option<UtcTime>,
    /// What its chunks are encrypted with, if they are. Never changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
}

/// An instant that somebody wants to find again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// When.
    pub at: Timestamp,
    /// At most 200 characters; may be empty.
    pub label: String,
}

/// Sound against pictures, and devices' clocks against the session's, at the end of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct SelfCheck {
    /// How much later sound ended than pictures, in microseconds, where there are both.
    pub end_offset_us: Option<i64>,
    /// Each source of sound.
    pub sound: Vec<SoundCheck>,
}

/// How a source of sound kept time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct SoundCheck {
    /// The source's track.
    pub track: TrackId,
    /// How much faster its crystal was than the session's clock, in millionths. Corrected.
    pub drift_ppm: i32,
    /// The farthest that its sound lay from where it belongs, in microseconds, before it was put right.
    pub offset_us: i64,
    /// Silence that stands for sound that never came, in milliseconds.
    pub filled_ms: u64,
}

impl SelfCheck {
    /// Sound and pictures that end farther apart than this are out of step: ITU-R BT.1359 finds 45 ms the least that
    /// viewers detect.
    pub const OFFSET_US_MAX: i64 = 45_000;

    /// Whether sound and pictures are together.
    pub fn is_together(&self) -> bool {
        let near = |offset: i64| offset.unsigned_abs() <= Self::OFFSET_US_MAX.unsigned_abs();
        self.end_offset_us.is_none_or(near) && self.sound.iter().all(|sound| near(sound.offset_us))
    }
}

impl SessionMeta {
    /// The version that this code writes, and the newest that it reads.
    pub const VERSION: u32 = 2;

    /// The session-wide gaps in order, which flattening skips.
    pub fn session_gaps(&self) -> impl Iterator<Item = Span> + '_ {
        self.gaps.iter().filter(|gap| gap.track.is_none()).map(|gap| gap.span)
    }
}

/// The chunks of one track, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackManifest {
    /// The track.
    pub track: TrackInfo,
    /// Its sealed chunks, by index.
    pub chunks: Vec<crate::Chunk>,
}

/// The ordered list of a session's inits and chunks.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// What is known besides.
    pub meta: SessionMeta,
    /// One for each track.
    pub tracks: Vec<TrackManifest>,
}

impl Manifest {
    /// From the earliest to the latest instant of any track; empty where there are no chunks.
    pub fn span(&self) -> Span {
        let spans = || self.tracks.iter().flat_map(|track| &track.chunks).map(|chunk| chunk.span);
        let start = spans().map(|span| span.start).min().unwrap_or_default().max(Timestamp::ZERO);
        Span::new(start, spans().map(|span| span.end).max().unwrap_or(start))
    }

    /// Bytes of all chunks.
    pub fn bytes(&self) -> u64 {
        self.tracks.iter().flat_map(|track| &track.chunks).map(|chunk| chunk.size).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_is_together_with_pictures_up_to_what_viewers_detect() {
        let check = |offset| SelfCheck { end_offset_us: Some(offset), sound: vec![] }.is_together();
        let most = SelfCheck::OFFSET_US_MAX;
        assert!(check(0) && check(most) && check(-most));
        assert!(!check(most + 1) && !check(-most - 1) && !check(i64::MIN));
    }
}
