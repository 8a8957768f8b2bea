//! Files of keys, which only their owner can read: a line that says so, and a line for each key, its id and its bytes in
//! hexadecimal digits.
//!
//! A key in a file protects from whoever has the recordings alone, not from whoever has this user's files too.

use crate::{error::EngineError, platform};
use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::Path,
};
use store::Key;
use zeroize::Zeroizing;

const TITLE: &str = "spool keys 1";
/// More than thousands of keys.
const SIZE_MAX: u64 = 1 << 20;
/// More than some keys.
const ROOM: usize = 16 << 10;

/// Writes a file that is not there yet, durably, with its folder.
pub(super) fn write<'a>(path: &Path, keys: impl IntoIterator<Item = &'a Key>) -> Result<(), EngineError> {
    let mut lines = vec![Zeroizing::new(TITLE.to_owned())];
    lines.extend(keys.into_iter().map(|key| {
        let digits = Zeroizing::new(hex::encode(key.bytes()));
        Zeroizing::new([key.id().to_string().as_str(), " ", &digits].concat())
    }));
    let lines: Vec<&str> = lines.iter().map(|line| line.as_str()).collect();
    let text = Zeroizing::new(lines.join("\n"));
    let written = make_folder(path).and_then(|()| {
        let mut file = platform::create_private(path)?;
        let written = file.write_all(text.as_bytes());
        let written = written.and_then(|()| file.write_all(b"\n")).and_then(|()| file.sync_all());
        if written.is_err() {
            // Half a key is none, and would be in the way.
            let _gone = fs::remove_file(path);
        }
        written
    });
    written.map_err(|cause| match cause.kind() {
        io::ErrorKind::AlreadyExists => {
            EngineError::Invalid(format!("{} is there already: name another file", path.display()))
        }
        _ => EngineError::Invalid(format!("cannot write {}: {cause}", path.display())),
    })
}

/// Only what is missing, and only for its owner.
fn make_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.exists() => platform::create_private_folder(folder),
        _ => Ok(()),
    }
}

/// The keys in a file, in order. Each must be what its id says.
pub(super) fn read(path: &Path) -> Result<Vec<Key>, EngineError> {
    let unread = |why: &dyn std::fmt::Display| EngineError::Invalid(format!("{}: {why}", path.display()));
    // With room, so that it is not moved while it grows, and left behind.
    let mut text = Zeroizing::new(String::with_capacity(ROOM));
    let file = File::open(path).map_err(|cause| unread(&cause))?;
    file.take(SIZE_MAX).read_to_string(&mut text).map_err(|cause| unread(&cause))?;
    let mut lines = text.lines();
    let is_ours = lines.next() == Some(TITLE);
    let keys: Option<Vec<Key>> = lines.map(parse).collect();
    keys.filter(|keys| is_ours && !keys.is_empty()).ok_or_else(|| unread(&"this is no file of Spool's keys"))
}

fn parse(line: &str) -> Option<Key> {
    let (id, digits) = line.split_once(' ')?;
    let mut bytes = Zeroizing::new([0; Key::SIZE]);
    hex::decode_to_slice(digits, &mut *bytes).ok()?;
    let key = Key::new(&*bytes)?;
    (key.id().to_string() == id).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_and_nothing_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/keys");
        let keys = [Key::random().unwrap(), Key::random().unwrap()];
        write(&path, &keys).unwrap();
        let found = read(&path).unwrap();
        assert_eq!(found.len(), 2);
        assert!(keys.iter().zip(&found).all(|(key, found)| found.bytes() == key.bytes()));
        assert!(matches!(write(&path, &keys[..1]), Err(EngineError::Invalid(_))));
        assert_eq!(read(&path).unwrap().len(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn only_their_owner_can_read_them() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/keys");
        write(&path, [&Key::random().unwrap()]).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        write(&path, [&Key::random().unwrap()]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let changed = text.replace("spool keys 1", "spool keys 2");
        let damaged = text.replacen(['0', '1', '2', '3'], "4", 1);
        for other in ["", "spool keys 1\n", &changed, &damaged, &text[..text.len() - 2], "\u{1f511}"] {
            fs::write(&path, other).unwrap();
            assert!(matches!(read(&path), Err(EngineError::Invalid(_))), "{other:?}");
        }
    }
}
