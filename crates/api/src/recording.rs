//! Recordings: what people see and share.

use model::{RecordingId, SessionId, UtcTime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most characters of a title.
pub const TITLE_MAX: usize = 200;
/// Most characters of a description.
pub const DESCRIPTION_MAX: usize = 2_000;
/// Most characters of a recorder's name.
pub const RECORDER_MAX: usize = 200;
/// Most free keys.
pub const METADATA_PAIRS_MAX: usize = 100;
/// Most characters of a free key.
pub const METADATA_KEY_MAX: usize = 100;
/// Most characters of a free value.
pub const METADATA_VALUE_MAX: usize = 2_000;

/// `POST /v1/recordings`. Whoever records chooses the id, so asking twice makes one recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateRecording {
    /// A UUID of version 7.
    #[cfg_attr(feature = "schema", schema(value_type = uuid::Uuid))]
    pub id: RecordingId,
    /// At most [`TITLE_MAX`] characters.
    #[serde(default)]
    pub title: String,
    /// At most [`DESCRIPTION_MAX`] characters.
    #[serde(default)]
    pub description: String,
    /// Who recorded, at most [`RECORDER_MAX`] characters.
    #[serde(default)]
    pub recorder: String,
    /// Free keys and values.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// `PATCH /v1/recordings/{id}`: what is given changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// At most [`TITLE_MAX`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// At most [`DESCRIPTION_MAX`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// All free keys and values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
}

/// How far a recording has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RecordingStatus {
    /// A session of it is still being recorded.
    Recording,
    /// All sessions have ended, and chunks are missing.
    Uploading,
    /// All that was recorded is here.
    Ready,
}

/// A recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Recording {
    /// Its id.
    #[cfg_attr(feature = "schema", schema(value_type = uuid::Uuid))]
    pub id: RecordingId,
    /// Its title.
    pub title: String,
    /// Its description.
    pub description: String,
    /// Who recorded it.
    pub recorder: String,
    /// Free keys and values.
    pub metadata: BTreeMap<String, String>,
    /// How far it has come.
    pub status: RecordingStatus,
    /// When the server first heard of it, in milliseconds since 1970.
    #[cfg_attr(feature = "schema", schema(value_type = i64))]
    pub created_at: UtcTime,
    /// Its sessions, in order of creation.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<uuid::Uuid>))]
    pub sessions: Vec<SessionId>,
    /// Confirmed chunks of all sessions.
    pub chunks: u64,
    /// Bytes of all that is confirmed.
    pub bytes: u64,
}

/// `GET /v1/recordings`: a page, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Recordings {
    /// Those of this page.
    pub recordings: Vec<Recording>,
    /// Where the next page begins, if there is one.
    pub cursor: Option<String>,
}
