//! The system's keychain. It is asked by threads of their own, since it may ask its user, for as long as they like.

use crate::{platform::Keychain, threads::spawn};
use crossbeam_channel::{Receiver, bounded};
use keyring_core::{Entry, Error, api::CredentialStoreApi as _};
use model::KeyId;
use std::{sync::Arc, time::Duration};
use store::Key;
use zeroize::Zeroizing;

/// What our entries are called besides the key's id.
const SERVICE: &str = "spool";

/// A question that may not be answered yet.
pub(super) struct Asked<T>(Receiver<Result<T, String>>);

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
    pub(super) fn wait(&self, patience: Duration) -> Option<Result<T, String>> {
        self.0.recv_timeout(patience).ok()
    }
}

/// Asks for a key; none where the keychain has no such key.
pub(super) fn find(id: KeyId) -> Asked<Option<Key>> {
    Asked::begin(move || match entry(id)?.get_secret().map(Zeroizing::new) {
        Ok(secret) => match Key::new(&secret) {
            Some(key) if key.id() == id => Ok(Some(key)),
            _ => Err("the keychain has something else under its name".to_owned()),
        },
        Err(Error::NoEntry) => Ok(None),
        Err(error) => Err(said(&error)),
    })
}

/// Puts a key into the keychain, and looks whether it can be had again.
pub(super) fn keep(key: Arc<Key>) -> Asked<()> {
    Asked::begin(move || {
        let entry = entry(key.id())?;
        entry.set_secret(key.bytes()).map_err(|error| said(&error))?;
        let found = entry.get_secret().map(Zeroizing::new).map_err(|error| said(&error))?;
        if *found == key.bytes() {
            Ok(())
        } else {
            Err("the keychain does not keep what it takes".to_owned())
        }
    })
}

/// By a connection of its own, so that a keychain that was started or unlocked meanwhile is found.
fn entry(id: KeyId) -> Result<Entry, String> {
    let keychain = Keychain::new().map_err(|error| said(&error))?;
    keychain.build(SERVICE, &id.to_string(), None).map_err(|error| said(&error))
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
