//! Large single files: sent in parts, several at once, and made whole by the store.

use crate::SignedRequest;
use model::{Hash, RecordingId, UtcTime};
use serde::{Deserialize, Serialize};

/// `POST /v1/uploads`: a file of a recording is to be sent. Asking twice with one id makes one upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BeginUpload {
    /// A UUID, chosen by whoever sends.
    #[cfg_attr(feature = "schema", schema(value_type = uuid::Uuid))]
    pub id: uuid::Uuid,
    /// The recording that it belongs to.
    #[cfg_attr(feature = "schema", schema(value_type = uuid::Uuid))]
    pub recording: RecordingId,
    /// The file's name: 1 to 100 of `A-Z`, `a-z`, `0-9`, `.`, `-` and `_`, not beginning with a dot.
    #[cfg_attr(feature = "schema", schema(pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$"))]
    pub name: String,
    /// Such as `video/mp4`: `video/*`, `audio/*` or `image/*`.
    pub media_type: String,
    /// Bytes.
    #[cfg_attr(feature = "schema", schema(minimum = 1))]
    pub size: u64,
}

/// How far an upload has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum UploadStatus {
    /// Parts are missing.
    Open,
    /// It is whole.
    Complete,
    /// It was given up, by whoever sent it or after days without a part.
    Aborted,
}

/// `GET /v1/uploads/{id}`, and the answer to [`BeginUpload`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct UploadLine {
    /// The upload.
    #[cfg_attr(feature = "schema", schema(value_type = uuid::Uuid))]
    pub id: uuid::Uuid,
    /// How far it has come.
    pub status: UploadStatus,
    /// Bytes of every part but the last.
    pub part_size: u64,
    /// Bytes of the file.
    pub size: u64,
    /// Parts that are there, by number.
    pub parts: Vec<FilePart>,
    /// When it is given up if no part comes, in milliseconds since 1970.
    #[cfg_attr(feature = "schema", schema(value_type = i64))]
    pub expires_at: UtcTime,
}

/// A part that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FilePart {
    /// From 1.
    pub number: u32,
    /// Bytes.
    pub size: u64,
    /// The store's name for its bytes (the `ETag` of RFC 9110).
    pub etag: String,
}

/// `POST /v1/uploads/{id}/part-urls`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PartUrls {
    /// 1 to [`crate::BATCH_MAX`].
    #[cfg_attr(feature = "schema", schema(min_items = 1, max_items = 64))]
    pub parts: Vec<PartSpec>,
}

/// A part that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PartSpec {
    /// From 1.
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 10_000))]
    pub number: u32,
    /// Of the part's bytes.
    #[cfg_attr(feature = "schema", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub sha256: Hash,
}

/// Where a part goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SignedPart {
    /// From 1.
    pub number: u32,
    /// A signed `PUT`, whose answer has an `ETag`.
    pub put: SignedRequest,
}

/// The answer to [`PartUrls`], in its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PartAnswer {
    /// One for each part.
    pub parts: Vec<SignedPart>,
}

/// A part that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PartDone {
    /// From 1.
    pub number: u32,
    /// As the store answered.
    pub etag: String,
}

/// `POST /v1/uploads/{id}/complete`: may be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CompleteUpload {
    /// Every part, by number.
    pub parts: Vec<PartDone>,
    /// Of the whole file.
    #[cfg_attr(feature = "schema", schema(value_type = String, pattern = "^[0-9a-f]{64}$"))]
    pub sha256: Hash,
}
