//! Sending what the core wants sent.

mod setup;

pub use setup::{Local, Progress, Proxy, Setup, Tell, UploadError};
