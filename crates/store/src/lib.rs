//! The write-ahead store: sessions, their chunks and the index of both.
//!
//! Owns: where bytes lie, how they are encrypted, in which order they become durable (bytes, sync, row, announcement),
//! and what is made of them after a crash: opening is recovery. Never encodes, never reads a clock, never looks into a sample. Tested by
//! simulation in `sim`, which crashes and fails at every single operation, and here on real files that are deleted,
//! cut and flipped.

mod cipher;
mod cover;
mod document;
mod error;
mod fs;
mod index;
mod key;
mod layout;
mod list;
mod marks;
mod read;
mod recover;
mod recover_session;
mod settings;
mod store;
mod uploads;
mod verify;
mod writer;

pub use cover::Cover;
pub use error::StoreError;
pub use fs::{Append, Fs, OsFs};
pub use index::ChunkOutline;
pub use key::{Key, Keys, NoKeys};
pub use list::{Found, ListOrder, Search};
pub use read::ChunkBytes;
pub use recover::{Damage, Recovered, RecoveredSession};
pub use store::{ChunkStore, Details, SessionSummary};
pub use uploads::{ObjectId, Settled, Upload};
pub use verify::Verification;
pub use writer::SessionWriter;
