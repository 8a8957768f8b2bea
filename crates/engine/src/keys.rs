//! The keys of encrypted recordings: made, kept in the system's keychain or in files where there is none, and found again.
//!
//! Owns: which key new recordings are encrypted with (the setting `encryption-key`), and where each is kept. A key that
//! is only away is never replaced by another, and no key ever leaves this process but into the keychain and into files
//! that only their owner can read. Tested end to end in `tests/encryption.rs`, with a keychain and without.

mod file;
pub(crate) mod keychain;

use crate::{
    command::{KeyLine, Reply},
    error::EngineError,
    settings::Settings,
};
use crossbeam_channel::{Receiver, Sender, bounded};
use keychain::Asked;
use model::{KeyId, SessionId};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use store::{ChunkStore, Key, Keys, Recovered};

/// How long somebody who reads waits for the keychain; it may ask its user meanwhile.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long somebody waits who has asked for a new key.
const PATIENCE_OF_OWNER: Duration = Duration::from_secs(60);
/// The keychain is left alone for so long after it had no such key, since a list asks for each of its recordings, and
/// for so long after it refused: it may have asked its user, who is not to be asked with each look at the list.
const REST: Duration = Duration::from_secs(2);
const REST_AFTER_REFUSAL: Duration = Duration::from_secs(60);
/// As many sessions are looked through at once.
const PAGE: usize = 100;

/// The keys that are here, and where to look for others.
pub(crate) struct KeyRing {
    /// Of key files; none on a system without such a folder.
    folder: Option<PathBuf>,
    /// Told when one is found: something may wait for it.
    found: Sender<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    here: HashMap<KeyId, (Arc<Key>, Kept)>,
    asked: HashMap<KeyId, Question>,
}

/// Where a key is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Keychain,
    File,
}

/// What the keychain was asked for.
enum Question {
    Open(Asked<Option<Key>>),
    Rests { since: Instant, lasts: Duration },
}

impl Keys for KeyRing {
    fn find(&self, id: KeyId) -> Option<Arc<Key>> {
        let mut state = self.state();
        if let Some((key, _)) = state.here.get(&id) {
            return Some(Arc::clone(key));
        }
        let in_file = |path: PathBuf| file::read(&path).ok()?.into_iter().find(|key| key.id() == id);
        let found = match self.file(id).and_then(in_file) {
            Some(key) => Some((key, Kept::File)),
            None => state.ask(id).map(|key| (key, Kept::Keychain)),
        };
        let (key, kept) = found?;
        let key = Arc::new(key);
        state.here.insert(id, (Arc::clone(&key), kept));
        // One message is enough, and whoever listened may be gone.
        let _told = self.found.try_send(());
        Some(key)
    }
}

impl State {
    /// Asks the keychain, or waits on for an answer that has not come yet.
    fn ask(&mut self, id: KeyId) -> Option<Key> {
        let (asked, patience) = match self.asked.remove(&id) {
            Some(Question::Rests { since, lasts }) if since.elapsed() < lasts => {
                self.asked.insert(id, Question::Rests { since, lasts });
                return None;
            }
            // Whoever asks again does not wait again.
            Some(Question::Open(asked)) => (asked, Duration::ZERO),
            _ => (keychain::find(id), PATIENCE),
        };
        let rests = |lasts| Question::Rests { since: Instant::now(), lasts };
        let question = match asked.wait(patience) {
            Some(Ok(Some(key))) => return Some(key),
            Some(Ok(None)) => rests(REST),
            Some(Err(why)) => {
                tracing::warn!(key = %id, why, "the keychain does not give a key");
                rests(REST_AFTER_REFUSAL)
            }
            None => Question::Open(asked),
        };
        self.asked.insert(id, question);
        None
    }

    /// Somebody asks who wants to know: the keychain is asked again.
    fn ask_again(&mut self) {
        self.asked.retain(|_, question| matches!(question, Question::Open(_)));
    }
}

impl KeyRing {
    /// With key files where this user's settings are: another place than recordings, which may lie on a disk that is
    /// lent or lost.
    /// Whoever receives hears when a key is found.
    pub(crate) fn new() -> (Self, Receiver<()>) {
        let folder = dirs::config_local_dir().map(|config| config.join("spool").join("keys"));
        let (found, received) = bounded(1);
        (Self { folder, found, state: Mutex::default() }, received)
    }

    /// The key for a new recording, and what people should know of it. Made where the library has never had one.
    pub(crate) fn for_recording(&self, store: &ChunkStore) -> Result<(KeyId, Option<String>), EngineError> {
        self.state().ask_again();
        match current(store)? {
            Some(key) if self.find(key).is_some() => Ok((key, None)),
            Some(key) => Err(EngineError::NoKey { key }),
            None => self.make(store).map(|(id, told)| (id, Some(told))),
        }
    }

    /// Makes the key for all recordings from now on, and says where it is kept.
    fn make(&self, store: &ChunkStore) -> Result<(KeyId, String), EngineError> {
        let key = Key::random().map_err(|cause| EngineError::System { operation: "making a key", cause })?;
        let id = key.id();
        let (kept, why) = self.keep(key)?;
        store.set_setting(Settings::ENCRYPTION_KEY, Some(&id.to_string()))?;
        let place = match (kept, self.file(id)) {
            (Kept::File, Some(path)) => format!("in the file {}, since {why}", path.display()),
            _ => "in the keychain".to_owned(),
        };
        tracing::info!(key = %id, "made a key");
        let told = format!(
            "recordings are encrypted from now on; their key {id} is kept {place}; without it they are lost, so keep a \
             copy: spool key save FILE"
        );
        Ok((id, told))
    }

    /// Puts a key into the keychain, or else into a file, and says why it did not go into the keychain.
    fn keep(&self, key: Key) -> Result<(Kept, String), EngineError> {
        let (id, key) = (key.id(), Arc::new(key));
        let asked = keychain::keep(Arc::clone(&key));
        let (kept, why) = match asked.wait(PATIENCE_OF_OWNER) {
            Some(Ok(())) => (Kept::Keychain, String::new()),
            Some(Err(why)) => (Kept::File, why),
            None => (Kept::File, "the keychain does not answer".to_owned()),
        };
        if kept == Kept::File {
            let path = self.file(id).ok_or_else(|| {
                EngineError::Invalid(format!(
                    "there is no place for a key: {why}, and no folder for settings"
                ))
            })?;
            file::write(&path, [&*key])?;
        }
        let mut state = self.state();
        state.asked.remove(&id);
        state.here.insert(id, (key, kept));
        Ok((kept, why))
    }

    /// Every key that the library needs, and where it is.
    pub(crate) fn show(&self, store: &ChunkStore) -> Result<Reply, EngineError> {
        self.state().ask_again();
        let (current, used) = (current(store)?, in_use(store)?);
        let line = |id: KeyId| {
            self.find(id);
            let kept = self.state().here.get(&id).map(|(_, kept)| *kept);
            KeyLine {
                id,
                current: current == Some(id),
                kept: match kept {
                    Some(Kept::Keychain) => "keychain".to_owned(),
                    Some(Kept::File) => "file".to_owned(),
                    None => "away".to_owned(),
                },
                path: self.file(id).filter(|_| kept == Some(Kept::File)),
                recordings: used.get(&id).copied().unwrap_or(0),
            }
        };
        let needed: BTreeSet<KeyId> = used.keys().copied().chain(current).collect();
        Ok(Reply::Keys(needed.into_iter().map(line).collect()))
    }

    /// Writes the keys that the library needs, and that are here, into a new file; the current one first.
    pub(crate) fn save(&self, store: &ChunkStore, output: &Path) -> Result<Reply, EngineError> {
        check_absolute(output)?;
        let (current, mut others) = (current(store)?, in_use(store)?);
        others.retain(|id, _| Some(*id) != current);
        let needed: Vec<KeyId> = current.into_iter().chain(others.into_keys()).collect();
        let found: Vec<Arc<Key>> = needed.iter().filter_map(|id| self.find(*id)).collect();
        if found.is_empty() {
            return Err(match needed.first() {
                Some(key) => EngineError::NoKey { key: *key },
                None => {
                    EngineError::Invalid("this library has no key: nothing in it is encrypted".to_owned())
                }
            });
        }
        file::write(output, found.iter().map(|key| &**key))?;
        self.show(store)
    }

    /// Takes in the keys of a file that the library needs, and puts in order what waited for them. A library that has
    /// none takes all of them, and encrypts with the first.
    pub(crate) fn load(&self, store: &ChunkStore, input: &Path) -> Result<Reply, EngineError> {
        check_absolute(input)?;
        let mut keys = file::read(input)?;
        let needed: BTreeSet<KeyId> = in_use(store)?.into_keys().chain(current(store)?).collect();
        keys.retain(|key| needed.is_empty() || needed.contains(&key.id()));
        let Some(first) = keys.first().map(Key::id) else {
            let why = format!("{}: no recording of this library needs a key that is in it", input.display());
            return Err(EngineError::Invalid(why));
        };
        for key in keys {
            if self.find(key.id()).is_none() {
                self.keep(key)?;
            }
        }
        if needed.is_empty() {
            store.set_setting(Settings::ENCRYPTION_KEY, Some(&first.to_string()))?;
        }
        recover(store)?;
        self.show(store)
    }

    /// Makes another key for recordings from now on. What is there keeps the one that it has.
    pub(crate) fn renew(&self, store: &ChunkStore) -> Result<Reply, EngineError> {
        self.make(store)?;
        self.show(store)
    }

    fn file(&self, id: KeyId) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{id}.key")))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is behind it is whole between any two statements, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts in order what was cut off while its key was away.
pub(crate) fn recover(store: &ChunkStore) -> Result<Recovered, EngineError> {
    let recovered = store.recover_locked()?;
    for session in &recovered.sessions {
        tracing::warn!(session = %session.session, lost = ?session.lost, "recovered, now that its key is here");
    }
    Ok(recovered)
}

/// The key that new recordings are encrypted with: the chosen one, else that of the newest that is encrypted.
fn current(store: &ChunkStore) -> Result<Option<KeyId>, EngineError> {
    let chosen = Settings::new(store.settings()?).0.encryption_key();
    if chosen.is_some() {
        return Ok(chosen);
    }
    let mut newest = None;
    each_key(store, |key| {
        newest = Some(key);
        false
    })?;
    Ok(newest)
}

/// How many recordings need each key.
fn in_use(store: &ChunkStore) -> Result<BTreeMap<KeyId, u32>, EngineError> {
    let mut used = BTreeMap::new();
    each_key(store, |key| {
        *used.entry(key).or_insert(0) += 1;
        true
    })?;
    Ok(used)
}

/// Gives the key of each encrypted session, the newest first, until it is enough.
fn each_key(store: &ChunkStore, mut goes_on: impl FnMut(KeyId) -> bool) -> Result<(), EngineError> {
    let mut before: Option<SessionId> = None;
    loop {
        let page = store.sessions(before, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        before = Some(last.meta.id);
        if !page.iter().filter_map(|summary| summary.meta.key).all(&mut goes_on) {
            return Ok(());
        }
    }
}

fn check_absolute(path: &Path) -> Result<(), EngineError> {
    match path.is_absolute() {
        true => Ok(()),
        false => Err(EngineError::Invalid(format!("{} is not an absolute path", path.display()))),
    }
}
