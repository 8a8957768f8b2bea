//! What shells hear of uploads and of the server that they go to.

use crate::error::Problem;
use model::{RecordingId, SessionId};
use serde::{Deserialize, Serialize};
use std::{fmt, path::PathBuf};

/// What nobody but the server is to see. It is never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(type = "string"))]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret")
    }
}

/// What uploads do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum UploadState {
    /// Nobody is logged in, or the setting `upload` is off.
    #[default]
    Off,
    /// All that is to be at the server is there.
    Idle,
    /// Something is on its way.
    Uploading,
    /// They go on by themselves: after a failed attempt, at a time of day, or on another network.
    Waiting,
    /// Somebody paused them.
    Paused,
    /// They do not go on until somebody does something about it.
    Problem,
}

/// Uploads at one instant.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct UploadStatus {
    /// The server's address; none where nobody is logged in.
    pub server: Option<String>,
    /// What they do.
    pub state: UploadState,
    /// Chunks of all sessions that are not known to be at the server.
    pub chunks_left: u64,
    /// Their bytes.
    pub bytes_left: u64,
    /// Bytes sent in a second, lately.
    pub bytes_per_s: u64,
    /// While recording: for how long the oldest sealed chunk of it has waited, in milliseconds.
    pub lag_ms: u64,
    /// Why they wait, or what is wrong, in words; codes are stable.
    pub problem: Option<Problem>,
    /// When they try again, in milliseconds from now.
    pub retry_in_ms: Option<u64>,
    /// What is on its way or comes next; the first twenty.
    pub sessions: Vec<UploadLine>,
}

/// A session on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct UploadLine {
    /// The session.
    pub session: SessionId,
    /// The recording that it belongs to.
    pub recording: RecordingId,
    /// Its title.
    pub title: String,
    /// Chunks that are known to be at the server.
    pub chunks_done: u64,
    /// Chunks that there are so far.
    pub chunks_total: u64,
    /// Bytes that are known to be at the server.
    pub bytes_done: u64,
    /// Bytes that there are so far.
    pub bytes_total: u64,
    /// Whether it is its turn now.
    pub active: bool,
    /// What is wrong with this one alone, in words.
    pub problem: Option<Problem>,
}

/// Whether a recording is at a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Uploaded {
    /// Nobody wants it there.
    #[default]
    NotWanted,
    /// It is to be, and nothing of it is known to be there.
    Waiting,
    /// Some of it is known to be there.
    Partial,
    /// The server has said that all of it is there, and how it knows.
    Verified,
}

/// How many objects are vouched for, and in which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Vouched {
    /// Read back and hashed by the server.
    pub read_back: u64,
    /// Checked by the object store itself.
    pub store: u64,
}

/// What a server has said of a recording: "412 of 412 chunks verified".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct ReceiptLine {
    /// The server's address.
    pub server: String,
    /// Chunks that are there and verified.
    pub verified: u64,
    /// Chunks that there should be.
    pub expected: u64,
    /// Bytes that are verified, init segments included.
    pub bytes: u64,
    /// Chunks that were lost here before they could be sent.
    pub lost: u64,
    /// Whether all that was recorded, and is not lost, is there.
    pub complete: bool,
    /// When the server found that out, in milliseconds since 1970.
    pub at: i64,
    /// How it knows, init segments included.
    pub vouched: Vouched,
    /// Names of what is not there; the first twenty.
    pub missing: Vec<String>,
}

/// Somebody is logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Account {
    /// The server's address.
    pub server: String,
    /// Where the secret is kept that lets this machine in again: `keychain` or `file`.
    pub kept: String,
    /// The file.
    pub path: Option<PathBuf>,
    /// Why it is in a file, for people.
    pub why: Option<String>,
}

/// Somebody is to let this machine in, in a browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Pairing {
    /// The server's address.
    pub server: String,
    /// What people compare: `WDJB-MJHT`.
    pub user_code: String,
    /// Where they do so; it has the code.
    pub url: String,
    /// For so many seconds.
    pub expires_in_s: u64,
}
