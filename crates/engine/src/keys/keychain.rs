//! The system's keychain. It is asked by threads of their own, since it may ask its user, for as long as they like.

use crate::{platform::Keychain, threads::spawn};
use crossbeam_channel::{Receiver, bounded};
use keyring_core::{Entry, Error, api::CredentialStoreApi as _};
use model::KeyId;
use std::{sync::Arc, time::Duration};
use store::Key;
use zeroize::Zeroizing;

/// What our entries are called besides a key's id, or the name of another secret.
const SERVICE: &str = "spool";

/// A question that may not be answered yet.
pub(crate) struct Asked<T>(Receiver<Result<T, String>>);

impl<T: Send + 'static> Asked<T> {
    fn begin(question: impl FnOnce() -> Result<T, String> + Send + 'static) -> Self {
        let (answer, answered) = bounded(1);
        let refused = answer.clone();
        let asking = spawn("keychain", move || {
            // Whoever asked may have given up.
            let _gone = answer.send(question());
        });
        // The thread ends with its answer; nobody can call back what a system asks its user.
        if let Err(error) = asking {
            let _gone = refused.send(Err(error.to_string()));
        }
        Self(answered)
    }

    /// The answer, if it comes in time; once.
    pub(crate) fn wait(&self, patience: Duration) -> Option<Result<T, String>> {
        self.0.recv_timeout(patience).ok()
    }
}

/// Asks for a key; none where the keychain has no such key.
pub(super) fn find(id: KeyId) -> Asked<Option<Key>> {
    Asked::begin(move || match get(&id.to_string())?.map(|secret| Key::new(&secret)) {
        None => Ok(None),
        Some(Some(key)) if key.id() == id => Ok(Some(key)),
        Some(_) => Err("the keychain has something else under its name".to_owned()),
    })
}

/// Puts a key into the keychain, and looks whether it can be had again.
pub(super) fn keep(key: Arc<Key>) -> Asked<()> {
    Asked::begin(move || put(&key.id().to_string(), key.bytes()))
}

/// Asks for a secret text; none where the keychain has none of this name.
pub(crate) fn find_secret(name: String) -> Asked<Option<Zeroizing<String>>> {
    Asked::begin(move || {
        let Some(bytes) = get(&name)? else { return Ok(None) };
        let text = std::str::from_utf8(&bytes).map_err(|_| "the keychain cannot be read".to_owned())?;
        Ok(Some(Zeroizing::new(text.to_owned())))
    })
}

/// Puts a secret text into the keychain, and looks whether it can be had again.
pub(crate) fn keep_secret(name: String, secret: Zeroizing<String>) -> Asked<()> {
    Asked::begin(move || put(&name, secret.as_bytes()))
}

/// Takes a secret text out of the keychain, if it is there.
pub(crate) fn forget_secret(name: String) -> Asked<()> {
    Asked::begin(move || match entry(&name)?.delete_credential() {
        Ok(()) | Err(Error::NoEntry) => Ok(()),
        Err(error) => Err(said(&error)),
    })
}

fn get(name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
    match entry(name)?.get_secret() {
        Ok(secret) => Ok(Some(Zeroizing::new(secret))),
        Err(Error::NoEntry) => Ok(None),
        Err(error) => Err(said(&error)),
    }
}

fn put(name: &str, secret: &[u8]) -> Result<(), String> {
    let entry = entry(name)?;
    entry.set_secret(secret).map_err(|error| said(&error))?;
    let found = entry.get_secret().map(Zeroizing::new).map_err(|error| said(&error))?;
    if *found == secret { Ok(()) } else { Err("the keychain does not keep what it takes".to_owned()) }
}

/// By a connection of its own, so that a keychain that was started or unlocked meanwhile is found.
fn entry(name: &str) -> Result<Entry, String> {
    let keychain = Keychain::new().map_err(|error| said(&error))?;
    keychain.build(SERVICE, name, None).map_err(|error| said(&error))
}

/// Without what an error may carry of a secret.
fn said(error: &Error) -> String {
    match error {
        Error::PlatformFailure(cause) => format!("there is no keychain that answers ({cause})"),
        Error::NoStorageAccess(cause) => format!("the keychain is locked ({cause})"),
        Error::BadEncoding(_) | Error::BadDataFormat(..) | Error::BadStoreFormat(_) => {
            "the keychain cannot be read".to_owned()
        }
        Error::Ambiguous(_) => "the keychain has several entries of its name".to_owned(),
        error => error.to_string(),
    }
}
