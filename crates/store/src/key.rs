//! Keys of encrypted sessions, as far as the store needs them: where they are kept is the engine's affair.
//!
//! Owns: what a key is and how it is called. Never writes one anywhere. Its bytes are wiped from memory when it goes, and
//! it says nothing but its id of itself.

use model::{Hash, KeyId};
use std::{fmt, io, sync::Arc};
use zeroize::Zeroizing;

/// Makes the hash that names a key one of nothing else.
const NAME: &[u8; 9] = b"spool key";

/// 256 bits that nobody can guess.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; Self::SIZE]>);

impl Key {
    /// Bytes.
    pub const SIZE: usize = 32;

    /// A new one, from the operating system's own randomness.
    pub fn random() -> io::Result<Self> {
        let mut key = Self(Zeroizing::new([0; Self::SIZE]));
        getrandom::fill(&mut *key.0)?;
        Ok(key)
    }

    /// One that was kept; none where it has another number of bytes.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut key = Self(Zeroizing::new([0; Self::SIZE]));
        (bytes.len() == Self::SIZE).then(|| key.0.copy_from_slice(bytes))?;
        Some(key)
    }

    /// What it is called.
    pub fn id(&self) -> KeyId {
        let named = Zeroizing::new([NAME.as_slice(), &*self.0].concat());
        let [a, b, c, d, e, f, g, h, ..] = Hash::of(&named).0;
        KeyId([a, b, c, d, e, f, g, h])
    }

    /// The secret itself, for whoever keeps it.
    pub fn bytes(&self) -> &[u8; Self::SIZE] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id())
    }
}

/// Whoever keeps the keys.
pub trait Keys: Send + Sync + 'static {
    /// The key of this id; none where it is not here, or nobody gives it out now. Asked again and again.
    fn find(&self, id: KeyId) -> Option<Arc<Key>>;
}

/// No keys: encrypted sessions stay as they are, unread.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoKeys;

impl Keys for NoKeys {
    fn find(&self, _id: KeyId) -> Option<Arc<Key>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_its_name_and_nothing_else() {
        let (one, other) = (Key::random().unwrap(), Key::random().unwrap());
        assert_ne!(one.id(), other.id());
        let again = Key::new(one.bytes()).unwrap();
        assert_eq!((again.bytes(), again.id()), (one.bytes(), one.id()));
        assert_eq!(format!("{one:?}"), format!("Key({})", one.id()));
        assert!(Key::new(&one.bytes()[1..]).is_none());
    }
}
