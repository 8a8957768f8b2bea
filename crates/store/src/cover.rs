//! What is made of a session and kept for a while, such as its waveform and exports that are not finished, says as much
//! as the session does: of an encrypted one it is encrypted alike.

use crate::{
    ChunkStore, StoreError,
    cipher::{About, Cipher},
    index,
};
use model::SessionId;
use std::{borrow::Cow, io};

/// Covers what is made of one session. Without one there is nothing to cover.
#[derive(Default)]
pub struct Cover {
    /// None where the session is not encrypted, and nothing needs to be covered.
    cipher: Option<(SessionId, Cipher)>,
}

impl ChunkStore {
    /// The cover for what is made of a session; [`StoreError::Locked`] where its key is not here.
    pub fn cover(&self, session: SessionId) -> Result<Cover, StoreError> {
        let row = self.inner.read(|index| index::session(index, session))?;
        let cipher = row.document.meta.key.map(|key| self.inner.cipher(key)).transpose()?;
        Ok(Cover { cipher: cipher.map(|cipher| (session, cipher)) })
    }
}

impl Cover {
    /// The bytes as they may lie on a disk under this name.
    pub fn conceal<'a>(&self, name: &str, bytes: &'a [u8]) -> io::Result<Cow<'a, [u8]>> {
        let Some((session, cipher)) = &self.cipher else { return Ok(bytes.into()) };
        cipher.encrypter(About::made(*session, name)).encrypt(0, bytes).map(Into::into)
    }

    /// What was concealed under this name; none if it is not whole.
    pub fn reveal(&self, name: &str, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let Some((session, cipher)) = &self.cipher else { return Some(bytes) };
        let found = cipher.decrypt(&About::made(*session, name), bytes)?;
        (found.is_whole && found.sizes.len() == 1).then_some(found.bytes)
    }

    /// Whether there is nothing to cover, and files are what they hold.
    pub fn is_open(&self) -> bool {
        self.cipher.is_none()
    }
}
