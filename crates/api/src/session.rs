//! Sessions at the coordinator: joining, signed uploads, confirmation, heartbeats, the manifest and the receipt.
//!
//! Answers about several objects are in the order of the request, one for each.

use model::{Hash, RecordingId, SessionId, SessionMeta, Span, TrackId, UtcTime};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// `POST /v1/recordings/{id}/sessions`. Joining again gives a new token and changes nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// A UUID of version 7, chosen by the recorder.
    #[cfg_attr(feature = "schema", schema(value_type = uuid::Uuid))]
    pub id: SessionId,
    /// The recorder's wall clock at time zero, in milliseconds since 1970.
    #[cfg_attr(feature = "schema", schema(value_type = i64))]
    pub started_at: UtcTime,
    /// What records.
    #[serde(default)]
    pub client: ClientInfo,
}

/// What records, for people who look into a fault. Each at most 200 characters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ClientInfo {
    /// Such as `spool 0.1.0`.
    pub agent: String,
    /// Such as `linux x86_64`.
    pub os: String,
}

/// A session was joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Joined {
    /// Bearer token for this session's routes alone.
    pub token: String,
    /// Seconds for which it is valid.
    pub expires_in: u64,
    /// The server's wall clock, in milliseconds since 1970.
    #[cfg_attr(feature = "schema", schema(value_type = i64))]
    pub server_time: UtcTime,
    /// How far the session has come.
    pub status: SessionStatus,
}

/// How far a session has come at the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// More may come.
    Active,
    /// Its manifest is here, or nobody has been heard of for long; chunks are missing.
    Finalizing,
    /// Every chunk of its manifest is verified. Nothing of it changes any more.
    Done,
}

/// How far a session has come, and who said that it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SessionStatus {
    /// How far.
    pub phase: Phase,
    /// The server closed it after silence; the recorder may come back and go on.
    pub provisional: bool,
}

/// An object of a session: an init segment, or a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ObjectSpec {
    /// The track that it belongs to.
    #[cfg_attr(feature = "schema", schema(value_type = String, pattern = "^[a-z0-9-]{1,32}$"))]
    pub track: TrackId,
    /// A chunk's number within the track, from 1; none for an init segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(minimum = 1))]
    pub index: Option<u32>,
    /// Bytes, 1 to [`crate::OBJECT_BYTES_MAX`].
    #[cfg_attr(feature = "schema", schema(minimum = 1))]
    pub size: u64,
    /// Of all bytes, 64 hexadecimal digits.
    #[cfg_attr(feature = "schema", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub sha256: Hash,
    /// What a chunk covers, in nanoseconds of session time. Every chunk has one, and no init segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<Object>))]
    pub span: Option<Span>,
    /// The init segment that a chunk needs. Every chunk has one, and no init segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, pattern = "^[0-9a-f]{64}$"))]
    pub init: Option<Hash>,
}

impl ObjectSpec {
    /// The name within the session's folder, by which people and stores know it: `mix/000003-1a2b3c4d.m4s`.
    pub fn name(&self) -> String {
        match self.index {
            Some(index) => format!("{}/{index:06}-{}.m4s", self.track, self.sha256.short()),
            None => format!("{}/init-{}.mp4", self.track, self.sha256.short()),
        }
    }
}

impl fmt::Display for ObjectSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// `POST /v1/sessions/{id}/upload-urls`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UploadUrls {
    /// 1 to [`crate::BATCH_MAX`].
    #[cfg_attr(feature = "schema", schema(min_items = 1, max_items = 64))]
    pub objects: Vec<ObjectSpec>,
}

/// A request that whoever has it may send, once or often, until it expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SignedRequest {
    /// `PUT` or `GET`.
    pub method: String,
    /// Where to.
    pub url: String,
    /// Headers that are signed too, and must be sent as they are.
    pub headers: BTreeMap<String, String>,
    /// Seconds for which it is valid from now on, whatever anybody's clock says.
    pub expires_in: u64,
}

/// What to do with an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum UploadAnswer {
    /// Send it there, then confirm it.
    Put(SignedRequest),
    /// It is here and verified.
    Verified,
    /// Its index has other bytes, which are confirmed.
    IndexTaken,
    /// The session is done, and its manifest does not have it.
    SessionDone,
}

/// The answer to [`UploadUrls`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Urls {
    /// One for each object.
    pub objects: Vec<UploadAnswer>,
}

/// `POST /v1/sessions/{id}/confirm`: these were sent; are they there?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    /// 1 to [`crate::BATCH_MAX`].
    #[cfg_attr(feature = "schema", schema(min_items = 1, max_items = 64))]
    pub objects: Vec<ObjectSpec>,
}

/// How it is known that an object's bytes are those that were recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Vouched {
    /// The server read all bytes back and hashed them.
    ReadBack,
    /// The object store hashed them as they came, refused others, and gives size and hash when asked.
    Store,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum ConfirmAnswer {
    /// It is here, durable, and its bytes are right.
    Verified {
        /// How that is known.
        by: Vouched,
    },
    /// It is not here: send it.
    Missing,
    /// What is here has other bytes: send it again.
    Damaged,
    /// Its index has other bytes, which were confirmed before.
    IndexTaken,
    /// The session is done, and its manifest does not have it.
    SessionDone,
}

/// The answer to [`Confirm`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Confirmed {
    /// One for each object.
    pub objects: Vec<ConfirmAnswer>,
}

/// `POST /v1/sessions/{id}/heartbeat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// Chunks that the recorder has sealed.
    pub sealed: u64,
    /// Chunks of these that it knows to be confirmed.
    pub confirmed: u64,
    /// Gaps so far.
    #[serde(default)]
    pub gaps: u64,
    /// Milliseconds by which uploads lag behind recording.
    #[serde(default)]
    pub lag_ms: u64,
}

/// The answer to [`Heartbeat`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct HeartbeatAnswer {
    /// The server's wall clock, in milliseconds since 1970.
    #[cfg_attr(feature = "schema", schema(value_type = i64))]
    pub server_time: UtcTime,
    /// How far the session has come.
    pub status: SessionStatus,
    /// Confirmed objects at the server.
    pub confirmed: u64,
    /// The server asks for fewer uploads at once for so many seconds; 0 if not.
    pub slow_down: u64,
}

/// A track in a [`Manifest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ManifestTrack {
    /// Its name.
    #[cfg_attr(feature = "schema", schema(value_type = String, pattern = "^[a-z0-9-]{1,32}$"))]
    pub id: TrackId,
    /// Its init segments, then its chunks by index.
    pub objects: Vec<ObjectSpec>,
}

/// What a session consists of: the recorder's last word on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// All that is known besides, as `session.json` has it.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub meta: SessionMeta,
    /// Its tracks.
    pub tracks: Vec<ManifestTrack>,
    /// Chunks that were recorded and whose bytes are damaged or gone at the recorder, with no hope.
    #[serde(default)]
    pub lost: Vec<ObjectSpec>,
}

impl Manifest {
    /// Every object that must be at the server.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectSpec> {
        self.tracks.iter().flat_map(|track| &track.objects)
    }
}

/// `POST /v1/sessions/{id}/finalize`. The first manifest wins; sending it again gives the receipt as it is by then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Finalize {
    /// What the session consists of.
    pub manifest: Manifest,
}

/// How many objects are vouched for, and in which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Vouchers {
    /// Read back and hashed by the server.
    pub read_back: u64,
    /// Checked by the object store itself.
    pub store: u64,
}

/// What the server has of a session: "412 of 412 chunks verified".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Receipt {
    /// The recording.
    #[cfg_attr(feature = "schema", schema(value_type = uuid::Uuid))]
    pub recording: RecordingId,
    /// The session.
    #[cfg_attr(feature = "schema", schema(value_type = uuid::Uuid))]
    pub session: SessionId,
    /// How far it has come.
    pub status: SessionStatus,
    /// Chunks that the manifest has; those known so far where there is none yet.
    pub expected: u64,
    /// Chunks of these that are here and verified.
    pub verified: u64,
    /// Bytes that are verified, init segments included.
    pub bytes: u64,
    /// How it is known, init segments included.
    pub vouched: Vouchers,
    /// Objects that are not here, init segments included; the first thousand.
    pub missing: Vec<ObjectSpec>,
    /// Chunks that the recorder itself has lost.
    pub lost: u64,
    /// SHA-256 of the manifest, as the server keeps it.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub manifest: Option<Hash>,
    /// When this was found out, in milliseconds since 1970.
    #[cfg_attr(feature = "schema", schema(value_type = i64))]
    pub at: UtcTime,
}

impl Receipt {
    /// Whether all that was recorded is at the server.
    pub fn is_complete(&self) -> bool {
        self.status.phase == Phase::Done && self.verified == self.expected && self.missing.is_empty()
    }
}

/// `GET /v1/sessions/{id}`: what the coordinator knows of a session. No media.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SessionLine {
    /// The session.
    #[cfg_attr(feature = "schema", schema(value_type = uuid::Uuid))]
    pub id: SessionId,
    /// The recording.
    #[cfg_attr(feature = "schema", schema(value_type = uuid::Uuid))]
    pub recording: RecordingId,
    /// How far it has come.
    pub status: SessionStatus,
    /// The recorder's wall clock at time zero, in milliseconds since 1970.
    #[cfg_attr(feature = "schema", schema(value_type = i64))]
    pub started_at: UtcTime,
    /// When the recorder was last heard of, in milliseconds since 1970.
    #[cfg_attr(feature = "schema", schema(value_type = i64))]
    pub seen_at: UtcTime,
    /// What it said then.
    pub heartbeat: Heartbeat,
    /// Confirmed chunks.
    pub chunks: u64,
    /// Bytes of all that is confirmed.
    pub bytes: u64,
    /// What records.
    pub client: ClientInfo,
}

/// A confirmed object, and where it can be read for some minutes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ObjectLine {
    /// The object.
    pub object: ObjectSpec,
    /// How its bytes are known to be right.
    pub by: Vouched,
    /// A signed `GET`.
    pub read: SignedRequest,
}

/// `GET /v1/sessions/{id}/objects`: a page of what is confirmed, by track and index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Objects {
    /// Those of this page.
    pub objects: Vec<ObjectLine>,
    /// Where the next page begins, if there is one.
    pub cursor: Option<String>,
}
