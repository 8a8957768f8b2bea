//! What the uploader reads here: bytes as they were recorded, and the secret of the login.

use super::secret::Secrets;
use api::ObjectSpec;
use model::{ChunkId, SessionId};
use std::io::{self, Cursor, Read};
use store::{ChunkStore, StoreError};
use upload::{core::Checked, driver::Local};

/// See the module.
pub(super) struct Here {
    pub(super) store: ChunkStore,
    pub(super) secrets: Secrets,
    pub(super) server: String,
}

impl Local for Here {
    fn open(&self, session: SessionId, object: &ObjectSpec) -> io::Result<Box<dyn Read + Send>> {
        let Some(index) = object.index else {
            let init = self.store.init(session, &object.track, &object.sha256).map_err(failed)?;
            return Ok(Box::new(Cursor::new(init.bytes)));
        };
        let id = ChunkId { session, track: object.track.clone(), index };
        let chunk = self.store.chunk(&id).map_err(failed)?;
        Ok(Box::new(self.store.open_chunk(&chunk).map_err(failed)?))
    }

    fn secret(&self) -> Result<String, String> {
        self.secrets.find(&self.server).map(|secret| secret.to_string())
    }
}

fn failed(error: StoreError) -> io::Error {
    match error {
        StoreError::Io { source, .. } => source,
        other => io::Error::other(other),
    }
}

/// Reads an object's bytes and compares them with what was recorded; none where that cannot be told now.
pub(super) fn check(store: &ChunkStore, session: SessionId, object: &ObjectSpec) -> Option<Checked> {
    let Some(index) = object.index else {
        let found = store.init(session, &object.track, &object.sha256);
        return Some(if found.is_ok() { Checked::Whole } else { Checked::Lost });
    };
    match store.read(&ChunkId { session, track: object.track.clone(), index }) {
        Ok(_) => Some(Checked::Whole),
        Err(StoreError::Damaged { .. } | StoreError::Missing { .. } | StoreError::NotFound { .. }) => {
            Some(Checked::Lost)
        }
        Err(error) => {
            tracing::warn!(%session, %object, %error, "cannot read what is to be uploaded");
            None
        }
    }
}
