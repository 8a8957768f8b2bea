//! Where things lie in the data folder, and how they are called. The only place that knows.
//!
//! Every path is built from ids that can hold nothing but letters, digits and hyphens, so none leaves the folder.

use model::{Hash, SessionId, TrackId};
use std::path::{Path, PathBuf};

/// The index.
pub const DATABASE: &str = "spool.db";
/// Held by the engine that works here.
pub const LOCK: &str = "spool.lock";
/// Settings, which people may write too.
pub const SETTINGS: &str = "settings.json";
/// What is known about a session, in its folder.
pub const SESSION: &str = "session.json";
const DELETED: &str = ".deleted";
const TEMPORARY: &str = ".tmp";

/// The data folder.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn database(&self) -> PathBuf {
        self.root.join(DATABASE)
    }

    pub fn settings(&self) -> PathBuf {
        self.root.join(SETTINGS)
    }

    pub fn sessions(&self) -> PathBuf {
        self.root.join("sessions")
    }

    pub fn session(&self, id: SessionId) -> PathBuf {
        self.sessions().join(id.to_string())
    }

    /// The name that a session's folder has from the instant at which its deletion is decided.
    pub fn deleted(&self, id: SessionId) -> PathBuf {
        self.sessions().join(format!("{id}{DELETED}"))
    }

    pub fn track(&self, session: SessionId, track: &TrackId) -> PathBuf {
        self.session(session).join(track.as_str())
    }
}

/// A folder in the folder of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionFolder {
    Kept(SessionId),
    Deleted(SessionId),
}

impl SessionFolder {
    /// Only the one spelling that we write; anything else is somebody else's.
    pub fn parse(name: &str) -> Option<Self> {
        let (text, deleted) = match name.strip_suffix(DELETED) {
            Some(text) => (text, true),
            None => (name, false),
        };
        let id: SessionId = text.parse().ok()?;
        (id.to_string() == text).then_some(if deleted { Self::Deleted(id) } else { Self::Kept(id) })
    }
}

/// A file in the folder of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackFile {
    /// An init segment, and the beginning of its hash.
    Init(String),
    /// A sealed chunk, and the beginning of its hash.
    Chunk(u32, String),
    /// An open chunk.
    Open(u32),
    /// The first eight bytes of the hash of each part of an open chunk, in order. After a power cut they tell the
    /// parts that reached the disk whole from those that did not.
    Sums(u32),
    /// Being written, to be renamed.
    Temporary,
}

impl TrackFile {
    pub fn parse(name: &str) -> Option<Self> {
        let (stem, extension) = name.rsplit_once('.')?;
        match extension {
            "mp4" => Some(Self::Init(short(stem.strip_prefix("init-")?)?)),
            "m4s" => {
                let (index, hash) = stem.split_once('-')?;
                Some(Self::Chunk(number(index)?, short(hash)?))
            }
            "open" => Some(Self::Open(number(stem)?)),
            "sums" => Some(Self::Sums(number(stem)?)),
            "tmp" => Some(Self::Temporary),
            _ => None,
        }
    }
}

pub fn init_name(hash: &Hash) -> String {
    format!("init-{}.mp4", hash.short())
}

pub fn chunk_name(index: u32, hash: &Hash) -> String {
    format!("{index:06}-{}.m4s", hash.short())
}

pub fn open_name(index: u32) -> String {
    format!("{index:06}.open")
}

pub fn sums_name(index: u32) -> String {
    format!("{index:06}.sums")
}

/// An open chunk that cannot be read without an init segment that is gone: kept, but out of the way.
pub fn unreadable_name(index: u32) -> String {
    format!("{index:06}.unreadable")
}

pub fn temporary_name(name: &str) -> String {
    format!("{name}{TEMPORARY}")
}

fn short(text: &str) -> Option<String> {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == 8 && text.bytes().all(hex)).then(|| text.to_owned())
}

fn number(text: &str) -> Option<u32> {
    let index: u32 = text.parse().ok()?;
    (index > 0 && format!("{index:06}") == text).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let hash = Hash::of(b"x");
        let check = |name: String, file| assert_eq!(TrackFile::parse(&name), Some(file), "{name}");
        check(init_name(&hash), TrackFile::Init(hash.short()));
        check(chunk_name(7, &hash), TrackFile::Chunk(7, hash.short()));
        check(chunk_name(1_234_567, &hash), TrackFile::Chunk(1_234_567, hash.short()));
        check(open_name(2), TrackFile::Open(2));
        check(sums_name(2), TrackFile::Sums(2));
        check(temporary_name(&init_name(&hash)), TrackFile::Temporary);
    }

    #[test]
    fn strangers_are_not_ours() {
        for name in
            ["", "x", "2.open", "000000.open", "+00002.open", "init-XYZ.mp4", "000001-12345678.mp4", "a.m4s"]
        {
            assert_eq!(TrackFile::parse(name), None, "{name}");
        }
    }

    #[test]
    fn session_folders_have_one_spelling() {
        let id = "0199a3c4-0000-7000-8000-000000000001";
        assert_eq!(SessionFolder::parse(id), Some(SessionFolder::Kept(id.parse().unwrap())));
        let deleted = format!("{id}.deleted");
        assert_eq!(SessionFolder::parse(&deleted), Some(SessionFolder::Deleted(id.parse().unwrap())));
        assert_eq!(SessionFolder::parse(&id.replace('-', "")), None);
        assert_eq!(SessionFolder::parse("notes"), None);
    }
}
