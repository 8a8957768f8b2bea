//! Encryption at rest: how the files of encrypted sessions look.
//!
//! A file begins with 32 bytes: `spoolch1`, the key's id (8), and a random start (16). An envelope for each part follows:
//! the part's length (4, little endian), as many bytes of ciphertext, and their tag (16). The cipher is
//! XChaCha20-Poly1305; an envelope's nonce is the file's random start and the envelope's number (8, little endian), and
//! each is bound to what the file is: which chunk of which track of which session. So an envelope that is changed, moved,
//! repeated or left out in the middle is not whole, nor is all that follows it. What is left out at the end is found by
//! the chunk's hash, or, while a chunk is open, is what a crash costs.
//!
//! Envelopes are appended as parts are, so a killed process loses no more than it does without encryption; their tags
//! tell which of them a power cut has left whole. Sizes, offsets, hashes and names are those of the bytes within. Init
//! segments stay plain: they say how pictures and sound are encoded, and hold none.
//!
//! Pure, but for the random start. Takes any bytes. Tested below, by simulation in `sim`, and with nonsense in `fuzz`.

use crate::Key;
use chacha20poly1305::{AeadInOut as _, KeyInit as _, Tag, XChaCha20Poly1305, XNonce};
use model::{ChunkId, KeyId, SessionId};
use std::io;

/// What an encrypted file begins with, and no chunk does.
pub const MAGIC: &[u8; 8] = b"spoolch1";
const KEY: usize = 8;
const START: usize = 16;
const HEADER: usize = MAGIC.len() + KEY + START;
const LENGTH: usize = 4;
const TAG: usize = 16;

/// Bytes of the file of a chunk that has so many parts of so many bytes together.
pub fn file_size(size: u64, parts: usize) -> u64 {
    let envelopes = parts as u64 * (LENGTH + TAG) as u64;
    if parts == 0 { 0 } else { (size + envelopes).saturating_add(HEADER as u64) }
}

/// The id of the key that a file says it is encrypted with; none if it is not.
pub fn key_of(file: &[u8]) -> Option<KeyId> {
    let id = file.strip_prefix(MAGIC)?.first_chunk::<KEY>()?;
    (file.len() >= HEADER).then_some(KeyId(*id))
}

/// What a file is, so that it cannot stand for another.
pub struct About(Vec<u8>);

impl About {
    /// A chunk.
    pub fn chunk(id: &ChunkId) -> Self {
        let place = [id.session.0.as_bytes().as_slice(), &id.index.to_le_bytes()].concat();
        Self([b"c", place.as_slice(), id.track.as_str().as_bytes()].concat())
    }

    /// Something that was made of a session.
    pub fn made(session: SessionId, name: &str) -> Self {
        Self([b"m", session.0.as_bytes().as_slice(), name.as_bytes()].concat())
    }
}

/// What encrypts and decrypts with one key.
#[derive(Clone)]
pub struct Cipher {
    aead: XChaCha20Poly1305,
    key: KeyId,
}

/// Makes the envelopes of one file.
pub struct Encrypter {
    cipher: Cipher,
    about: About,
    start: [u8; START],
}

/// What is whole at the beginning of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Decrypted {
    /// The parts, end to end.
    pub bytes: Vec<u8>,
    /// The size of each.
    pub sizes: Vec<u32>,
    /// Whether the file ends with the last of them.
    pub is_whole: bool,
}

impl Cipher {
    pub fn new(key: &Key) -> Self {
        Self { aead: XChaCha20Poly1305::new(key.bytes().into()), key: key.id() }
    }

    /// Which key that is.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// For a new file.
    pub fn encrypter(&self, about: About) -> Encrypter {
        Encrypter { cipher: self.clone(), about, start: [0; START] }
    }

    /// Decrypts what is whole. None where the file does not begin as one of this key does.
    pub fn decrypt(&self, about: &About, mut file: Vec<u8>) -> Option<Decrypted> {
        if key_of(&file) != Some(self.key) {
            return None;
        }
        let start: [u8; START] = *file[..HEADER].last_chunk()?;
        let mut sizes = Vec::new();
        // Within the file itself: parts move to the front as they come out of their envelopes.
        let (mut read, mut written) = (HEADER, 0);
        while let Some(size) = self.open(about, &start, sizes.len(), &mut file[read..]) {
            file.copy_within(read + LENGTH..read + LENGTH + size as usize, written);
            written += size as usize;
            read += LENGTH + size as usize + TAG;
            sizes.push(size);
        }
        let is_whole = read == file.len();
        file.truncate(written);
        Some(Decrypted { bytes: file, sizes, is_whole })
    }

    /// Decrypts the envelope that `rest` begins with, in its place, and gives its size within.
    fn open(&self, about: &About, start: &[u8; START], number: usize, rest: &mut [u8]) -> Option<u32> {
        let (length, rest) = rest.split_first_chunk_mut::<LENGTH>()?;
        let size = u32::from_le_bytes(*length);
        let (part, rest) = rest.split_at_mut_checked(usize::try_from(size).ok()?)?;
        let tag = Tag::from(*rest.first_chunk::<TAG>()?);
        let nonce = nonce(start, number);
        self.aead.decrypt_inout_detached(&nonce, &about.0, part.into(), &tag).ok()?;
        Some(size)
    }
}

impl Encrypter {
    /// What is to be appended for the part of this number, counted from zero. If it could not be appended, the same part
    /// may be asked for again, and no other of its number.
    pub fn encrypt(&mut self, number: usize, part: &[u8]) -> io::Result<Vec<u8>> {
        let size = u32::try_from(part.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut out = Vec::with_capacity(HEADER + LENGTH + part.len() + TAG);
        if number == 0 {
            // Anew with each attempt, so that no two files ever share it.
            getrandom::fill(&mut self.start)?;
            out.extend_from_slice(MAGIC);
            out.extend_from_slice(&self.cipher.key.0);
            out.extend_from_slice(&self.start);
        }
        out.extend_from_slice(&size.to_le_bytes());
        let begin = out.len();
        out.extend_from_slice(part);
        let nonce = nonce(&self.start, number);
        let tag = self.cipher.aead.encrypt_inout_detached(&nonce, &self.about.0, (&mut out[begin..]).into());
        // It refuses no part that a file can have: the limit is at 256 GB.
        out.extend_from_slice(&tag.map_err(|_| io::ErrorKind::FileTooLarge)?);
        Ok(out)
    }
}

fn nonce(start: &[u8; START], number: usize) -> XNonce {
    let mut nonce = [0; START + 8];
    nonce[..START].copy_from_slice(start);
    nonce[START..].copy_from_slice(&(number as u64).to_le_bytes());
    nonce.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVERHEAD: usize = LENGTH + TAG;

    fn about(index: u32) -> About {
        let id = |text: &str| text.parse().unwrap();
        let track = "program".parse().unwrap();
        About::chunk(&ChunkId { session: id("0199a3c4-0000-7000-8000-000000000001"), track, index })
    }

    fn parts() -> Vec<Vec<u8>> {
        [1usize, 300, 0, 70, 1000].iter().zip(1u8..).map(|(size, byte)| vec![byte; *size]).collect()
    }

    fn key() -> Cipher {
        Cipher::new(&Key::new(&[7; Key::SIZE]).unwrap())
    }

    /// The envelopes of a file, the header with the first.
    fn envelopes(cipher: &Cipher, parts: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut encrypter = cipher.encrypter(about(1));
        parts.iter().enumerate().map(|(number, part)| encrypter.encrypt(number, part).unwrap()).collect()
    }

    /// Whatever is done to a file, what is given is a beginning of what was put in.
    #[track_caller]
    fn check(file: &[u8], whole: usize, is_whole: bool) {
        let sizes: Vec<u32> = parts()[..whole].iter().map(|part| part.len() as u32).collect();
        let found = key().decrypt(&about(1), file.to_vec()).unwrap();
        assert_eq!(found, Decrypted { bytes: parts()[..whole].concat(), sizes, is_whole });
    }

    #[test]
    fn parts_come_back_as_they_were() {
        let file = envelopes(&key(), &parts()).concat();
        check(&file, 5, true);
        assert_eq!(file.len() as u64, file_size(parts().concat().len() as u64, 5));
        assert_eq!(file_size(0, 0), 0);
        assert_eq!(key_of(&file), Some(key().key()));
        assert_ne!(file, envelopes(&key(), &parts()).concat(), "each file is another");
        let holds = |part: &Vec<u8>| part.len() > 60 && file.windows(part.len()).any(|found| found == part);
        assert!(!parts().iter().any(holds));
    }

    #[test]
    fn a_torn_file_gives_its_whole_parts() {
        let envelopes = envelopes(&key(), &parts());
        let file = envelopes.concat();
        let ends: Vec<usize> = envelopes
            .iter()
            .scan(0, |end, envelope| {
                *end += envelope.len();
                Some(*end)
            })
            .collect();
        for length in HEADER..=file.len() {
            let whole = ends.iter().take_while(|end| **end <= length).count();
            check(&file[..length], whole, length == HEADER || ends.contains(&length));
        }
        for length in 0..HEADER {
            assert_eq!(key().decrypt(&about(1), file[..length].to_vec()), None);
        }
    }

    #[test]
    fn no_bit_can_change_unnoticed() {
        let envelopes = envelopes(&key(), &parts());
        let file = envelopes.concat();
        let (mut at, mut whole) = (HEADER, 0);
        for (number, envelope) in envelopes.iter().enumerate() {
            let end = at + envelope.len() - if number == 0 { HEADER } else { 0 };
            for bit in at * 8..end * 8 {
                let mut changed = file.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                check(&changed, whole, false);
            }
            (at, whole) = (end, whole + 1);
        }
        for bit in 0..HEADER * 8 {
            let mut changed = file.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let found = key().decrypt(&about(1), changed);
            assert!(found.is_none_or(|found| found.sizes.is_empty() && !found.is_whole), "bit {bit}");
        }
    }

    #[test]
    fn envelopes_have_one_place_in_one_file() {
        let mut file = envelopes(&key(), &parts());
        let other = envelopes(&key(), &parts());
        let changed = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
            let mut changed = file.clone();
            change(&mut changed);
            changed.concat()
        };
        check(&changed(&|file| file.swap(1, 2)), 1, false);
        check(&changed(&|file| drop(file.remove(3))), 3, false);
        check(&changed(&|file| file.insert(3, file[2].clone())), 3, false);
        check(&changed(&|file| file[2] = other[2].clone()), 2, false);
        check(&changed(&|file| file.push(file[4].clone())), 5, false);
        // The first of all has the header before it.
        file[0].drain(HEADER..HEADER + OVERHEAD + 1);
        check(&file.concat(), 0, false);
    }

    #[test]
    fn a_file_is_of_one_chunk_and_one_key() {
        let file = envelopes(&key(), &parts()).concat();
        let moved = key().decrypt(&about(2), file.clone()).unwrap();
        assert_eq!((moved.sizes, moved.is_whole), (vec![], false));
        let session = "0199a3c4-0000-7000-8000-000000000001".parse().unwrap();
        assert!(key().decrypt(&About::made(session, "program"), file.clone()).unwrap().bytes.is_empty());
        let other = Cipher::new(&Key::random().unwrap());
        assert_eq!(other.decrypt(&about(1), file), None);
    }

    #[test]
    fn lengths_are_taken_for_no_more_than_there_is() {
        for length in [u32::MAX, 1 << 31, 17, 0] {
            let mut file = envelopes(&key(), &parts()[..1]).concat();
            file.truncate(HEADER);
            file.extend(length.to_le_bytes());
            file.extend([0; 16]);
            check(&file, 0, false);
        }
    }
}
