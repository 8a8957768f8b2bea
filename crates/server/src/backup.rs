//! Taking the whole of an embedded server elsewhere, while it serves, and bringing it back.
//!
//! Owns: what a backup consists of: the database, the signing key, the admin token, and the folder of objects. The
//! database comes first: what it confirms is in the store by then, since rows come after bytes. A copy has its name only
//! once it is whole and durable. Every confirmed object of a copy is read back and hashed.

use crate::{
    access::{ADMIN_FILE, KEY_FILE},
    coordinator,
    db::FILE as DATABASE_FILE,
    objects::{Expected, FOLDER as OBJECTS},
    platform,
};
use anyhow::{Context, bail};
use rusqlite::{Connection, OpenFlags, backup::Backup};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// What a copy has.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// Confirmed objects that are there, with the bytes that were confirmed.
    pub verified: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Names of the others.
    pub missing: Vec<String>,
}

/// Copies the data folder `data`, whose objects lie in `objects` (none: in a store that is backed up by its own
/// means), to `to`, which must not be there. What an interrupted backup to the same place has copied is kept.
pub fn back_up(data: &Path, objects: Option<&Path>, to: &Path) -> anyhow::Result<Option<Inventory>> {
    if fs::exists(to).with_context(|| format!("looking at {}", to.display()))? {
        bail!("{} is there already: a backup needs a name of its own", to.display());
    }
    let draft = draft_of(to)?;
    platform::create_private_folder(&draft).with_context(|| format!("making {}", draft.display()))?;
    copy_database(&data.join(DATABASE_FILE), &draft.join(DATABASE_FILE))?;
    copy_secrets(data, &draft)?;
    finish(objects, &draft, to)
}

/// Brings a backup back as the data folder `data`, which must not be there.
pub fn restore(from: &Path, data: &Path) -> anyhow::Result<Option<Inventory>> {
    let is_taken = fs::read_dir(data).is_ok_and(|mut files| files.next().is_some());
    if is_taken {
        bail!("{} has files: restore into a folder that is not there", data.display());
    }
    let draft = draft_of(data)?;
    platform::create_private_folder(&draft).with_context(|| format!("making {}", draft.display()))?;
    copy_database(&from.join(DATABASE_FILE), &draft.join(DATABASE_FILE))?;
    copy_secrets(from, &draft)?;
    // Only an empty folder goes.
    match fs::remove_dir(data) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).context("replacing the empty folder")?
        }
        _ => {}
    }
    let objects = from.join(OBJECTS);
    finish(objects.is_dir().then_some(objects.as_path()), &draft, data)
}

/// Copies objects, reads them back, and gives the draft its name.
fn finish(objects: Option<&Path>, draft: &Path, to: &Path) -> anyhow::Result<Option<Inventory>> {
    let inventory = match objects {
        Some(objects) => {
            copy_objects(objects, &draft.join(OBJECTS))?;
            Some(inventory(draft)?)
        }
        None => None,
    };
    platform::sync_folder(draft)?;
    fs::rename(draft, to).with_context(|| format!("naming {}", to.display()))?;
    platform::sync_folder(parent(to))?;
    Ok(inventory)
}

/// All of one state, whatever is written meanwhile; readers do not keep a writer waiting.
fn copy_database(from: &Path, to: &Path) -> anyhow::Result<()> {
    let failed = || format!("copying {}", from.display());
    for old in [to.to_owned(), to.with_extension("db-wal"), to.with_extension("db-shm")] {
        match fs::remove_file(&old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).with_context(failed)?,
            _ => {}
        }
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from, flags).with_context(failed)?;
    let mut copy = Connection::open(to).with_context(failed)?;
    let backup = Backup::new(&source, &mut copy).with_context(failed)?;
    backup.step(-1).with_context(failed)?;
    drop(backup);
    let verdict: String =
        copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).with_context(failed)?;
    if verdict != "ok" {
        bail!("{} is damaged: {verdict}", from.display());
    }
    copy.close().map_err(|(_, error)| error).with_context(failed)?;
    File::open(to).and_then(|file| file.sync_all()).with_context(failed)
}

fn copy_secrets(from: &Path, to: &Path) -> anyhow::Result<()> {
    for name in [KEY_FILE, ADMIN_FILE] {
        let text = fs::read(from.join(name)).with_context(|| format!("reading {name}"))?;
        let to = to.join(name);
        match fs::remove_file(&to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).context("replacing a draft")?
            }
            _ => {}
        }
        let mut file = platform::create_private(&to).with_context(|| format!("writing {name}"))?;
        io::Write::write_all(&mut file, &text)
            .and_then(|()| file.sync_all())
            .with_context(|| format!("writing {name}"))?;
    }
    Ok(())
}

/// Objects never change, so those that are there with all their bytes are not copied again.
fn copy_objects(from: &Path, to: &Path) -> anyhow::Result<()> {
    platform::create_private_folder(to).with_context(|| format!("making {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry.with_context(|| format!("reading {}", from.display()))?;
        // What begins with a dot is unfinished, or the store's own.
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let (old, new) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().with_context(|| format!("looking at {}", old.display()))?.is_dir() {
            copy_objects(&old, &new)?;
        } else {
            copy_object(&old, &new).with_context(|| format!("copying {}", old.display()))?;
        }
    }
    platform::sync_folder(to).with_context(|| format!("syncing {}", to.display()))
}

fn copy_object(from: &Path, to: &Path) -> io::Result<()> {
    let size = match fs::metadata(from) {
        Ok(found) => found.len(),
        // It was deleted meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    // Documents of the server's own do change, and are small.
    let is_object = from.extension().is_some_and(|extension| extension != "json");
    if is_object && fs::metadata(to).is_ok_and(|copied| copied.len() == size) {
        return Ok(());
    }
    fs::copy(from, to)?;
    File::open(to)?.sync_all()
}

/// Reads back every object that the folder's database confirms.
pub fn inventory(folder: &Path) -> anyhow::Result<Inventory> {
    let path = folder.join(DATABASE_FILE);
    let rows = Connection::open(&path).with_context(|| format!("opening {}", path.display()))?;
    let mut found = Inventory::default();
    let objects = folder.join(OBJECTS);
    coordinator::confirmed(&rows, |expected| match is_whole(&objects, &expected) {
        true => {
            found.verified += 1;
            found.bytes += expected.size;
        }
        false => found.missing.push(expected.key.to_string()),
    })
    .with_context(|| format!("reading {}", path.display()))?;
    rows.close().map_err(|(_, error)| error).with_context(|| format!("closing {}", path.display()))?;
    Ok(found)
}

fn is_whole(objects: &Path, expected: &Expected) -> bool {
    let hashed = || -> io::Result<bool> {
        let mut file = File::open(objects.join(expected.key.as_str()))?;
        let mut hash = Sha256::new();
        let size = io::copy(&mut file, &mut HashWriter(&mut hash))?;
        Ok(size == expected.size && <[u8; 32]>::from(hash.finalize()) == expected.sha256.0)
    };
    hashed().unwrap_or(false)
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Beside its place, so that it gets its name by a rename.
fn draft_of(path: &Path) -> anyhow::Result<PathBuf> {
    let name = path.file_name().with_context(|| format!("{} names no folder", path.display()))?;
    let mut name = name.to_owned();
    name.push(".partial");
    Ok(parent(path).join(name))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
