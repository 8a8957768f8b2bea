//! Keys that can be there or not.

use model::KeyId;
use std::sync::{Arc, Mutex, PoisonError};
use store::{Key, Keys};

/// The key of every session that [`crate::Script::encrypted`] makes.
pub fn key() -> Key {
    Key::new(&[0x5a; Key::SIZE]).expect("it has as many bytes")
}

/// Where keys are put and taken away. Clones are handles to the same one.
#[derive(Clone, Default)]
pub struct KeyBox {
    keys: Arc<Mutex<Vec<Arc<Key>>>>,
}

impl KeyBox {
    /// With this key in it.
    pub fn with(key: Key) -> Self {
        let this = Self::default();
        this.put(key);
        this
    }

    /// Adds a key.
    pub fn put(&self, key: Key) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::new(key));
    }

    /// Takes all keys away.
    pub fn empty(&self) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Keys for KeyBox {
    fn find(&self, id: KeyId) -> Option<Arc<Key>> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter().find(|key| key.id() == id).cloned()
    }
}
