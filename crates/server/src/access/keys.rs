//! The two secrets that a data folder has: the key from which all signing keys are made, and the admin token.
//!
//! Owns: their files, which only the server's user can read. A backup has both.

use crate::platform;
use anyhow::{Context, bail};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::{
    fmt, fs,
    io::{self, Write},
    path::Path,
};
use subtle::ConstantTimeEq;

/// The file of the key from which all others are made.
pub const KEY_FILE: &str = "server.key";
/// The file of the admin token.
pub const ADMIN_FILE: &str = "admin.token";
/// What an admin token begins with.
const ADMIN_PREFIX: &str = "spool_admin_";

/// Makes keys for signing, each for one purpose.
pub struct Keys([u8; 32]);

impl Keys {
    /// Reads the folder's key, or makes one.
    pub fn open(data: &Path) -> anyhow::Result<Self> {
        let (text, _) = read_or_make(&data.join(KEY_FILE), || random().map(hex::encode))?;
        let mut key = [0; 32];
        if hex::decode_to_slice(&text, &mut key).is_err() {
            bail!("{} is damaged: put it back from a backup", data.join(KEY_FILE).display());
        }
        Ok(Self(key))
    }

    /// The key for one purpose. No other purpose has it, and it says nothing of this one.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(purpose.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// Who has it may do everything. Delete its file and start again, and there is another.
pub struct AdminToken {
    secret: String,
    is_new: bool,
}

impl AdminToken {
    /// Reads the folder's admin token, or makes one.
    pub fn open(data: &Path) -> anyhow::Result<Self> {
        let make = || Ok(format!("{ADMIN_PREFIX}{}", hex::encode(random()?)));
        let (secret, is_new) = read_or_make(&data.join(ADMIN_FILE), make)?;
        // Short ones could be guessed.
        if secret.len() < 32 || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            bail!("{} has no admin token: delete it for a new one", data.join(ADMIN_FILE).display());
        }
        Ok(Self { secret, is_new })
    }

    /// Whether this start made it.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The token itself.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Whether this is it, in a time that does not tell how much of it is right.
    pub fn is(&self, candidate: &str) -> bool {
        is_same(&Sha256::digest(candidate).into(), &Sha256::digest(&self.secret).into())
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken")
    }
}

/// Compares hashes in a time that does not tell where they differ.
pub(super) fn is_same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.ct_eq(b).into()
}

/// 256 random bits.
pub(super) fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A file's only line, and whether it was made just now.
fn read_or_make(path: &Path, make: impl FnOnce() -> io::Result<String>) -> anyhow::Result<(String, bool)> {
    match fs::read_to_string(path) {
        Ok(text) => Ok((text.trim().to_owned(), false)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = make().context("asking the system for randomness")?;
            keep(path, &text).with_context(|| format!("writing {}", path.display()))?;
            Ok((text, true))
        }
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

/// The file is whole or not there, whatever happens meanwhile.
fn keep(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension("draft");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = platform::create_private(&draft)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    platform::sync_folder(path.parent().unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_made_once_and_for_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let (first, keys) = (AdminToken::open(folder.path()).unwrap(), Keys::open(folder.path()).unwrap());
        let (again, same) = (AdminToken::open(folder.path()).unwrap(), Keys::open(folder.path()).unwrap());
        assert!(first.is_new() && !again.is_new());
        assert!(first.is(again.secret()) && !first.is("") && !first.is(&first.secret()[1..]));
        assert_eq!(keys.derive("a"), same.derive("a"));
        assert_ne!(keys.derive("a"), keys.derive("b"));
        for file in [KEY_FILE, ADMIN_FILE] {
            assert!(platform::is_private(&folder.path().join(file)).unwrap(), "{file}");
        }
    }

    #[test]
    fn a_damaged_key_is_not_replaced_in_silence() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(KEY_FILE), "short").unwrap();
        assert!(Keys::open(folder.path()).is_err());
        fs::write(folder.path().join(ADMIN_FILE), "short").unwrap();
        assert!(AdminToken::open(folder.path()).is_err());
    }
}
