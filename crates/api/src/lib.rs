//! What recorders and the server say to each other: requests, answers and problems of `/v1`, as JSON.
//!
//! Owns: the shapes of documents, their limits and the stable codes of problems. Never does IO, reads no clock. The
//! server serves the same shapes as OpenAPI, and a test holds both together.

mod access;
mod digest;
mod file;
mod problem;
mod recording;
mod session;
mod text;

pub use access::{
    Access, CreateToken, MintedToken, Pairing, PairingPoll, PairingStart, Refresh, Scope, TokenLine, Tokens,
};
pub use digest::{CONTENT_DIGEST, content_digest, sha256_of};
pub use file::{
    BeginUpload, CompleteUpload, FilePart, PartAnswer, PartDone, PartSpec, PartUrls, SignedPart, UploadLine,
    UploadStatus,
};
pub use problem::{Code, PROBLEM_TYPE, Problem};
pub use recording::{
    Change, CreateRecording, DESCRIPTION_MAX, METADATA_KEY_MAX, METADATA_PAIRS_MAX, METADATA_VALUE_MAX,
    RECORDER_MAX, Recording, RecordingStatus, Recordings, TITLE_MAX,
};
pub use session::{
    ClientInfo, Confirm, ConfirmAnswer, Confirmed, Finalize, Heartbeat, HeartbeatAnswer, Join, Joined,
    Manifest, ManifestTrack, ObjectLine, ObjectSpec, Objects, Phase, Receipt, SessionLine, SessionStatus,
    SignedRequest, UploadAnswer, UploadUrls, Urls, Vouched, Vouchers,
};
pub use text::{is_plain, plain};

/// Where all routes of this version begin.
pub const ROOT: &str = "/v1";

/// Most objects in one request.
pub const BATCH_MAX: usize = 64;

/// Most bytes of a request with a [`Manifest`]: some eighty hours of three tracks in chunks of four seconds.
pub const MANIFEST_BYTES_MAX: usize = 64 << 20;

/// Most bytes of an object of a session: a chunk of ten seconds at 400 Mbit/s.
pub const OBJECT_BYTES_MAX: u64 = 512 << 20;
