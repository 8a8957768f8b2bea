//! What the engine answers, and the values that answers are made of.

use super::upload::{Account, Pairing, ReceiptLine, UploadStatus, Uploaded};
use crate::watch::Alarm;
use model::{Gap, Hash, KeyId, Layout, Mode, RecordingId, SelfCheck, SessionId, SessionState, TrackKind};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// Everything that is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It was done, and there is no more to say.
    Done,
    /// A session runs.
    Begun {
        /// Its id.
        session: SessionId,
        /// The recording that it belongs to.
        recording: RecordingId,
        /// What was not as wished, for people.
        notices: Vec<String>,
    },
    /// A session ended in order.
    Finished(Summary),
    /// What the engine does now.
    Status(Box<Snapshot>),
    /// The variables by which the engine finds displays and sound servers, as it was started with.
    Environment(BTreeMap<String, String>),
    /// How sources are arranged.
    Layout(Layout),
    /// What could be recorded.
    Devices(Vec<Device>),
    /// What may be recorded.
    Permissions(Vec<Permission>),
    /// A page of the library.
    Recordings(Page),
    /// One recording.
    Details(Box<Details>),
    /// What reading everything again found.
    Verified(Verified),
    /// How many bytes became free.
    Deleted {
        /// Bytes.
        bytes: u64,
    },
    /// Keys and values in force.
    Settings(Vec<Setting>),
    /// The file is there.
    Exported(Exported),
    /// Bytes, which follow this line.
    Blob(Blob),
    /// What a player needs.
    Film(Box<Film>),
    /// The loudest sample of each of as many equal spans as were asked for, 255 being full scale.
    Waveform(Vec<u8>),
    /// What the library takes.
    Usage(Usage),
    /// The keys that the library needs.
    Keys(Vec<KeyLine>),
    /// This machine was let in at a server.
    LoggedIn(Account),
    /// Somebody is to let it in, in a browser.
    Pairing(Pairing),
    /// What the server has of a recording.
    Receipt(ReceiptLine),
}

/// Bytes behind an answer. On the socket they follow the line that announces them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Blob {
    /// What they are, such as `image/jpeg`.
    pub media_type: String,
    /// How many follow.
    pub length: u64,
    /// Of a live picture: what the next look names as the last one seen.
    #[serde(default)]
    pub number: u64,
    /// They themselves.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

impl Blob {
    /// A picture.
    pub(crate) fn jpeg(bytes: Vec<u8>) -> Self {
        Self { media_type: "image/jpeg".to_owned(), length: bytes.len() as u64, number: 0, bytes }
    }
}

/// A part of the library's list.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Page {
    /// How many recordings the query finds.
    pub total: u32,
    /// Bytes of all that it finds.
    pub bytes: u64,
    /// Those of this page.
    pub recordings: Vec<RecordingLine>,
}

/// An instant that somebody wants to find again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Mark {
    /// Milliseconds of the recording as it plays.
    pub at_ms: u64,
    /// At most 200 characters; may be empty.
    pub label: String,
}

/// A recording as a player needs it: what to fetch, and where it lies in playing time. Pauses are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Film {
    /// The session that init segments and chunks are asked of.
    pub session: SessionId,
    /// Seconds.
    pub duration: f64,
    /// The picture that players show, then the sound that they play, where there are such.
    pub tracks: Vec<FilmTrack>,
}

/// A track that can be played.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct FilmTrack {
    /// Its name.
    pub track: String,
    /// What it carries.
    pub kind: TrackKind,
    /// With parameters, as `MediaSource.addSourceBuffer` wants it (RFC 6381): `video/mp4; codecs="avc1.64001f"`.
    pub media_type: String,
    /// Its chunks in order.
    pub segments: Vec<Segment>,
}

/// A chunk in playing time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Segment {
    /// The init segment that it needs.
    pub init: Hash,
    /// Its index within the track.
    pub index: u32,
    /// Where it begins, in seconds.
    pub from: f64,
    /// Where it ends, in seconds.
    pub to: f64,
    /// Seconds to be added to the times within it (`SourceBuffer.timestampOffset`).
    pub offset: f64,
    /// Its size.
    pub bytes: u64,
}

/// What the library takes, and what is left.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Usage {
    /// Recordings that are not in the trash.
    pub recordings: u32,
    /// Their bytes.
    pub bytes: u64,
    /// Recordings in the trash.
    pub trashed: u32,
    /// Their bytes.
    pub trashed_bytes: u64,
    /// Bytes free for data.
    pub free: u64,
    /// Bytes of these that recordings leave alone.
    pub reserve: u64,
}

/// A key of encrypted recordings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct KeyLine {
    /// Its id, which says nothing of the key itself.
    pub id: KeyId,
    /// Whether new recordings are encrypted with it.
    pub current: bool,
    /// Where it is kept: `keychain`, `file`, or `away` where it is not here.
    pub kept: String,
    /// The file.
    pub path: Option<PathBuf>,
    /// Recordings that cannot be read without it.
    pub recordings: u32,
}

/// Something that can be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Device {
    /// Stays the same from run to run.
    pub id: String,
    /// `screen`, `window`, `camera`, `microphone` or `system_audio`.
    pub kind: String,
    /// For people.
    pub name: String,
    /// Whether it is what is taken without a choice.
    pub is_default: bool,
    /// Pixels across and down, of what has pictures.
    pub size: Option<[u32; 2]>,
    /// What a camera can be asked for, best first: `1280x720@30 MJPG`.
    #[serde(default)]
    pub formats: Vec<String>,
}

/// Whether a kind of source may be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Permission {
    /// As in [`Device::kind`].
    pub kind: String,
    /// `granted`, `denied`, `not_asked` or `restricted`.
    pub state: String,
    /// What to do about it, as a sentence; empty where there is nothing to do.
    pub advice: String,
}

/// How pictures fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct FrameCounts {
    /// Pictures that differed from the one before.
    pub captured: u64,
    /// Pictures encoded, repeats of a still one included.
    pub encoded: u64,
    /// Looks at the source that found nothing new.
    pub unchanged: u64,
    /// Pictures that came too fast to be encoded.
    pub dropped: u64,
}

/// A track of the running session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct TrackStatus {
    /// Its name.
    pub track: String,
    /// What it carries.
    pub kind: TrackKind,
    /// Its source, for people.
    pub label: String,
    /// Sealed chunks.
    pub chunks: u32,
    /// Loudest sample of the last moments in dB of full scale, where it is sound.
    pub peak_db: Option<f32>,
    /// Pictures encoded in the last second, where it is pictures.
    #[serde(default)]
    pub fps: Option<f32>,
    /// Why nothing comes from its source now.
    pub trouble: Option<String>,
}

/// What the engine is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// Nothing.
    #[default]
    Idle,
    /// Showing what a session would record, and writing nothing.
    Rehearsing,
    /// Recording.
    Recording,
    /// In a pause.
    Paused,
    /// Writing the last pieces.
    Stopping,
}

/// The engine at one instant.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Snapshot {
    /// What it is doing.
    pub activity: Activity,
    /// The running session.
    pub session: Option<SessionId>,
    /// The recording that it belongs to.
    pub recording: Option<RecordingId>,
    /// Its title.
    pub title: String,
    /// Pixels across and down of the main picture, in which drawings are placed, once there is one.
    #[serde(default)]
    pub picture: Option<[u32; 2]>,
    /// Recorded time, pauses not counted.
    pub elapsed_ms: u64,
    /// Pictures encoded in the last second.
    pub fps: f32,
    /// Most pictures a second that are tried for now: lower than planned while the machine is too slow.
    pub fps_ceiling: f32,
    /// How pictures fared so far.
    pub frames: FrameCounts,
    /// Bytes written so far.
    pub bytes: u64,
    /// Bits a second, lately.
    pub bitrate: u64,
    /// Each track.
    pub tracks: Vec<TrackStatus>,
    /// What is wrong with sources now.
    #[serde(default)]
    pub alarms: Vec<Alarm>,
    /// Bytes free for data.
    pub disk_free: u64,
    /// What people should know now.
    pub notices: Vec<String>,
    /// Another number than before: the library's list has changed, by whomever.
    #[serde(default)]
    pub library: u64,
    /// Another number than before: settings have changed, by whomever.
    #[serde(default)]
    pub settings: u64,
    /// How far uploads have come.
    #[serde(default)]
    pub upload: UploadStatus,
}

/// A session that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Summary {
    /// Its id.
    pub session: SessionId,
    /// The recording that it belongs to.
    pub recording: RecordingId,
    /// As it plays, pauses left out.
    pub duration_ms: u64,
    /// Of all tracks.
    pub bytes: u64,
    /// How pictures fared.
    pub frames: FrameCounts,
    /// Its tracks' names.
    pub tracks: Vec<String>,
    /// What is missing, in milliseconds over all gaps that nobody asked for.
    pub lost_ms: u64,
    /// Why it ended, where nobody asked for it.
    pub reason: Option<String>,
}

/// A recording as the library's list shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct RecordingLine {
    /// Its id.
    pub recording: RecordingId,
    /// Its session here.
    pub session: SessionId,
    /// For people.
    pub title: String,
    /// Milliseconds since 1970.
    pub started_at: i64,
    /// As it plays.
    pub duration_ms: u64,
    /// Of all tracks.
    pub bytes: u64,
    /// How far it came.
    pub state: SessionState,
    /// After a crash: at most this much is missing at the end.
    pub lost_ms: Option<u64>,
    /// Whether there is something to see.
    pub has_pictures: bool,
    /// Since when it lies in the trash, in milliseconds since 1970.
    #[serde(default)]
    pub trashed_at: Option<i64>,
    /// Whether it is encrypted, and its key here.
    #[serde(default)]
    pub encryption: Encryption,
    /// Whether it is at a server.
    #[serde(default)]
    pub uploaded: Uploaded,
}

/// Whether a recording is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// It is not.
    #[default]
    Plain,
    /// It is, and can be read.
    Encrypted,
    /// It is, and its key is not here.
    Locked,
}

/// A track as the library shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct TrackDetails {
    /// Its name.
    pub track: String,
    /// What it carries.
    pub kind: TrackKind,
    /// Its source, for people.
    pub label: String,
    /// The codec, for people.
    pub codec: String,
    /// Sealed chunks.
    pub chunks: usize,
    /// Init segments: more than one where the picture changed its size.
    pub inits: usize,
    /// Bytes.
    pub bytes: u64,
}

/// One recording, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Details {
    /// As in the list.
    #[serde(flatten)]
    pub line: RecordingLine,
    /// For people.
    pub description: String,
    /// Free keys and values.
    pub metadata: BTreeMap<String, String>,
    /// Length of a chunk.
    pub chunk_ms: u64,
    /// Its tracks.
    pub tracks: Vec<TrackDetails>,
    /// What is missing, and why.
    pub gaps: Vec<Gap>,
    /// Which tracks of pictures it has.
    pub mode: Mode,
    /// How sound and pictures compared at the end.
    pub check: Option<SelfCheck>,
    /// What somebody wants to find again, in order.
    #[serde(default)]
    pub marks: Vec<Mark>,
    /// What a server has said of it last.
    #[serde(default)]
    pub receipt: Option<ReceiptLine>,
}

/// What reading everything again found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Verified {
    /// The session.
    pub session: SessionId,
    /// Chunks that there should be.
    pub chunks: u64,
    /// Chunks whose bytes are what they were when they were sealed.
    pub verified: u64,
    /// Ids of chunks whose bytes are not, and files that were damaged and have been put back.
    pub damaged: Vec<String>,
    /// Ids of chunks that are not there.
    pub missing: Vec<String>,
}

/// A file was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Exported {
    /// Where.
    pub output: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// How long it plays.
    pub duration_ms: u64,
    /// Chunks left out because their bytes are gone or wrong.
    pub skipped: Vec<String>,
}

/// A setting in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Setting {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Whether somebody chose it.
    pub chosen: bool,
    /// What it does, for people.
    pub help: String,
    /// Its values, where there are only these, or those to be offered where others are taken too.
    #[serde(default)]
    pub choices: Vec<String>,
}
