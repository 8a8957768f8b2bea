//! `session.json`: what is known about a session besides its chunks, both as a file and in its row.
//!
//! The row is the truth and the file its copy, for the day on which the index is lost. A number that only grows says
//! which of two is the newer. Files like this are written whole or not at all.

use crate::{Fs, StoreError, error::At as _, layout};
use model::SessionMeta;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What `session.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Grows with every change.
    pub revision: u64,
    /// Which start of the operating system wrote it, to tell a killed process from a power cut.
    pub boot: Option<String>,
    /// What people and players know.
    #[serde(flatten)]
    pub meta: SessionMeta,
}

impl Document {
    pub fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain structs with text for keys can be said in JSON")
    }

    /// Anything that is not a document of ours is damage; one from a newer Spool is not.
    pub fn from_text(text: &[u8]) -> Result<Self, StoreError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } = serde_json::from_slice(text).map_err(|_| StoreError::IndexDamaged)?;
        if version > SessionMeta::VERSION {
            return Err(StoreError::Newer { found: version, supported: SessionMeta::VERSION });
        }
        serde_json::from_slice(text).map_err(|_| StoreError::IndexDamaged)
    }
}

/// Writes a file so that there is the old one or the new one at any instant, and the new one once this returns.
pub fn write_whole(fs: &dyn Fs, folder: &Path, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let (path, temporary) = (folder.join(name), folder.join(layout::temporary_name(name)));
    let mut file = fs.append(&temporary).at("create", &temporary)?;
    // Something may be left there from a time that this failed.
    file.truncate(0).at("truncate", &temporary)?;
    file.append(bytes).at_sized("write", &temporary, bytes.len())?;
    file.sync().at("sync", &temporary)?;
    drop(file);
    fs.rename(&temporary, &path).at("rename", &temporary)?;
    fs.sync_folder(folder).at("sync", folder)
}
