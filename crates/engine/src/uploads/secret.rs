//! Where the secret lies that lets this machine in at a server: in the keychain, or in a file of its user alone where
//! there is none. Short-lived tokens are in memory only.

use crate::{
    command::Account,
    error::EngineError,
    keys::keychain::{self, Asked},
    platform,
};
use model::Hash;
use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};
use zeroize::Zeroizing;

/// How long a keychain may ask its user.
const PATIENCE: Duration = Duration::from_secs(60);
/// More than any secret.
const SIZE_MAX: u64 = 4 << 10;

/// The secrets of one data folder's logins.
#[derive(Clone)]
pub(crate) struct Secrets {
    /// Of files; none on a system without such a folder.
    folder: Option<PathBuf>,
    /// Two data folders may be logged in at one server.
    data: String,
}

impl Secrets {
    /// With files where this user's settings are, like those of keys.
    pub(crate) fn new(data: &Path) -> Self {
        let folder = dirs::config_local_dir().map(|config| config.join("spool").join("logins"));
        Self { folder, data: Hash::of(data.as_os_str().as_encoded_bytes()).short().to_string() }
    }

    /// Keeps the secret for a server, instead of the one before, and says where.
    pub(crate) fn keep(&self, server: &str, secret: &str) -> Result<Account, EngineError> {
        let refused = match wait(&keychain::keep_secret(self.name(server), Zeroizing::new(secret.to_owned())))
        {
            Ok(()) => {
                self.remove_file(server);
                return Ok(self.account(server, "keychain", None));
            }
            Err(why) => why,
        };
        let path = self.file(server).ok_or_else(|| {
            EngineError::Invalid(format!(
                "there is no place for the secret: {refused}, and no folder for settings"
            ))
        })?;
        let written = (|| {
            if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
                platform::create_private_folder(folder)?;
            }
            self.remove_file(server);
            let mut file = platform::create_private(&path)?;
            file.write_all(secret.as_bytes())?;
            file.sync_all()
        })();
        written.map_err(|cause: io::Error| {
            EngineError::Invalid(format!("cannot write {}: {cause}", path.display()))
        })?;
        Ok(self.account(server, "file", Some(refused)))
    }

    /// The secret for a server; why there is none, in words.
    pub(crate) fn find(&self, server: &str) -> Result<Zeroizing<String>, String> {
        if let Some(path) = self.file(server).filter(|path| path.exists()) {
            let read = fs::metadata(&path).and_then(|found| match found.len() {
                0..=SIZE_MAX => fs::read_to_string(&path),
                _ => Err(io::ErrorKind::InvalidData.into()),
            });
            return read
                .map(Zeroizing::new)
                .map_err(|cause| format!("cannot read {}: {cause}", path.display()));
        }
        wait(&keychain::find_secret(self.name(server)))?
            .ok_or_else(|| "there is no login for it; `spool login` makes one".to_owned())
    }

    /// Forgets the secret for a server.
    pub(crate) fn forget(&self, server: &str) {
        self.remove_file(server);
        if let Err(why) = wait(&keychain::forget_secret(self.name(server))) {
            tracing::warn!(why, "the keychain may still have the secret of a server that is logged out from");
        }
    }

    fn account(&self, server: &str, kept: &str, why: Option<String>) -> Account {
        let path = self.file(server).filter(|_| kept == "file");
        Account { server: server.to_owned(), kept: kept.to_owned(), path, why }
    }

    fn name(&self, server: &str) -> String {
        format!("login {} {server}", self.data)
    }

    fn file(&self, server: &str) -> Option<PathBuf> {
        let name = Hash::of(self.name(server).as_bytes()).short().to_string();
        Some(self.folder.as_ref()?.join(format!("{name}.secret")))
    }

    fn remove_file(&self, server: &str) {
        // There may be none.
        let _none = self.file(server).map(fs::remove_file);
    }
}

fn wait<T: Send + 'static>(asked: &Asked<T>) -> Result<T, String> {
    asked.wait(PATIENCE).unwrap_or_else(|| Err("the keychain does not answer".to_owned()))
}
