//! What `open` does with whatever it finds.
//!
//! Owns: the way from any state of the disk to one in which files and rows agree. The same code runs after a clean
//! exit, a killed process, a power cut and a lost index; each step may be cut short by the next crash, and is then
//! done again. Nothing that was recorded is removed: what cannot be read is set aside under another name, and a session whose
//! key is not here is left alone until it is. Tested by simulation in `sim`, and on damaged files in `tests/`.

use crate::{
    Fs, StoreError,
    document::Document,
    error::At as _,
    index::{self, Opened, SessionRow},
    layout::{self, Layout, SessionFolder},
    recover_session::{Outcome, Recovery},
    store::Inner,
};
use model::{ChunkId, RecordingId, SessionId, TrackId};
use rusqlite::Connection;
use std::{
    collections::BTreeSet,
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

type Result<T> = std::result::Result<T, StoreError>;

/// What opening a data folder came upon.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Sessions that had to be put in order, oldest first.
    pub sessions: Vec<RecoveredSession>,
    /// Sessions that still have to be put in order, and whose key is not here. Nothing of them was changed.
    pub locked: Vec<SessionId>,
    /// The index was lost or damaged, and was made anew from the files.
    pub rebuilt_index: bool,
    /// Where the damaged index was put.
    pub moved_aside: Option<PathBuf>,
}

/// A session that had to be put in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredSession {
    /// Which one.
    pub session: SessionId,
    /// What it belongs to.
    pub recording: RecordingId,
    /// Chunks that were still open and are sealed now.
    pub sealed: u32,
    /// Sealed chunks that had no row and have one now.
    pub restored: u32,
    /// At most this much is missing at the end. Zero for a session that had ended in order.
    pub lost: Duration,
    /// What is not as it was recorded.
    pub damaged: Vec<Damage>,
}

/// Something that is not as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Damage {
    /// A chunk's bytes are others.
    Chunk(ChunkId),
    /// A chunk's file is gone.
    Missing(ChunkId),
    /// An open chunk without a readable init segment. Its file was set aside.
    Unreadable(ChunkId),
    /// An init segment's bytes are others, or gone.
    Init {
        /// The track it belongs to.
        track: TrackId,
        /// Its file.
        file: String,
    },
    /// `session.json` was unreadable and is written anew.
    Document,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chunk(id) => write!(f, "chunk {id} is damaged"),
            Self::Missing(id) => write!(f, "the file of chunk {id} is missing"),
            Self::Unreadable(id) => write!(f, "the open chunk {id} cannot be read and was set aside"),
            Self::Init { track, file } => write!(f, "{track}/{file} is damaged"),
            Self::Document => write!(f, "{} was damaged and is written anew", layout::SESSION),
        }
    }
}

/// Whether the last engine ended in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Rows and files agree, except for sessions that are open.
    Clean,
    /// Any row may be behind its file or ahead of it.
    Unclean,
    /// There are no rows.
    New { moved_aside: Option<PathBuf> },
}

/// An index that can be used.
pub struct OpenIndex {
    pub connection: Connection,
    pub condition: Condition,
}

/// Opens the index; one that is damaged is put aside for a new one.
pub fn open_index(fs: &dyn Fs, layout: &Layout) -> Result<OpenIndex> {
    let path = layout.database();
    // What is left of a deleted database must not be taken for a part of the next.
    let mut moved_aside = if path.exists() { None } else { move_aside(fs, layout)? };
    let mut opened = index::open(&path)?;
    if let Opened::Damaged = opened {
        moved_aside = move_aside(fs, layout)?;
        opened = index::open(&path)?;
    }
    let (connection, condition) = match opened {
        Opened::Clean(connection) => (connection, Condition::Clean),
        Opened::Unclean(connection) => (connection, Condition::Unclean),
        Opened::New(connection) => (connection, Condition::New { moved_aside }),
        // Not even a new one can be read back.
        Opened::Damaged => return Err(StoreError::IndexDamaged),
    };
    Ok(OpenIndex { connection, condition })
}

fn move_aside(fs: &dyn Fs, layout: &Layout) -> Result<Option<PathBuf>> {
    let root = layout.root();
    let names = fs.list(root).at("list", root)?;
    let of_index = |name: &&String| {
        ["", "-wal", "-shm"].iter().any(|end| **name == format!("{}{end}", layout::DATABASE))
    };
    let mut aside = None;
    // The number is the first that no file has yet, so that nothing is overwritten.
    let taken = |number: u32| {
        names.iter().any(|name| name.starts_with(&format!("{}.damaged-{number}", layout::DATABASE)))
    };
    let number = (1..).find(|number| !taken(*number)).unwrap_or(u32::MAX);
    for name in names.iter().filter(of_index) {
        let end = name.trim_start_matches(layout::DATABASE);
        let (from, to) = (root.join(name), root.join(format!("{}.damaged-{number}{end}", layout::DATABASE)));
        fs.rename(&from, &to).at("rename", &from)?;
        aside = Some(root.join(format!("{}.damaged-{number}", layout::DATABASE)));
    }
    Ok(aside)
}

/// Makes files and rows agree.
pub fn recover(inner: &Inner, condition: Condition) -> Result<Recovered> {
    let mut index = inner.index();
    let clean = condition == Condition::Clean;
    if clean {
        // Said, and brought into the database itself, before anything else changes: if the log is lost, it is known.
        inner.commit(&mut index, |transaction| index::set_closed(transaction, false))?;
        index::checkpoint(&index)?;
    }
    let mut recovered = Recovered::default();
    if let Condition::New { moved_aside } = &condition {
        inner.commit(&mut index, |transaction| index::set_closed(transaction, false))?;
        recovered.moved_aside.clone_from(moved_aside);
    }
    let folders = session_folders(inner, &mut index)?;
    let rows: BTreeSet<SessionId> = index::all_ids(&index)?.into_iter().collect();
    let open: BTreeSet<SessionId> = index::open_ids(&index)?.into_iter().collect();
    for session in folders.union(&rows) {
        // Most sessions ended in order, and an engine that did so too leaves nothing to look for in them.
        if clean && rows.contains(session) && !open.contains(session) {
            continue;
        }
        let row = index::find_session(&index, *session)?;
        let sound = match &row {
            Some(row) if !open.contains(session) => agrees(inner, row)?,
            _ => false,
        };
        if !sound {
            recovered.put_in_order(inner, &mut index, *session, row)?;
        }
    }
    let found_any = !recovered.sessions.is_empty() || !recovered.locked.is_empty();
    recovered.rebuilt_index = matches!(condition, Condition::New { .. }) && found_any;
    Ok(recovered)
}

/// The same for sessions whose key was not here when that was tried, and is now.
pub fn recover_locked(inner: &Inner) -> Result<Recovered> {
    let mut recovered = Recovered::default();
    let mut index = inner.index();
    for session in index::open_ids(&index)? {
        let row = index::session(&index, session)?;
        if row.document.meta.key.is_some() && !inner.is_live(session) {
            recovered.put_in_order(inner, &mut index, session, Some(row))?;
        }
    }
    Ok(recovered)
}

impl Recovered {
    fn put_in_order(
        &mut self,
        inner: &Inner,
        index: &mut Connection,
        session: SessionId,
        row: Option<SessionRow>,
    ) -> Result<()> {
        match Recovery::new(inner, session).run(index, row)? {
            Outcome::Nothing => {}
            Outcome::InOrder(found) => self.sessions.push(found),
            Outcome::Locked => self.locked.push(session),
        }
        Ok(())
    }
}

/// Goes on with deletions that were decided, and gives the folders of sessions that are kept.
fn session_folders(inner: &Inner, index: &mut Connection) -> Result<BTreeSet<SessionId>> {
    let mut kept = BTreeSet::new();
    let sessions = inner.layout.sessions();
    let names = inner.fs.list(&sessions).at("list", &sessions)?;
    for folder in names.iter().filter_map(|name| SessionFolder::parse(name)) {
        match folder {
            SessionFolder::Kept(session) => {
                kept.insert(session);
            }
            SessionFolder::Deleted(session) => {
                inner.sync_folder(&sessions)?;
                inner.commit(index, |transaction| index::remove_session(transaction, session))?;
                let path = inner.layout.deleted(session);
                inner.fs.remove_folder(&path).at("remove", &path)?;
            }
        }
    }
    Ok(kept)
}

/// Whether a closed session's file says what its row says. A file that is behind is written anew here; one that is
/// ahead, of a row that was lost with SQLite's log, calls for recovery.
fn agrees(inner: &Inner, row: &SessionRow) -> Result<bool> {
    match read_document(inner, row.document.meta.id)? {
        Some(document) if document == row.document => Ok(true),
        Some(document) if document.revision > row.document.revision => Ok(false),
        _ => {
            inner.create_folder(&inner.layout.session(row.document.meta.id))?;
            inner.write_document(&row.document)?;
            Ok(true)
        }
    }
}

/// None where there is none that can be read.
pub fn read_document(inner: &Inner, session: SessionId) -> Result<Option<Document>> {
    let path = inner.layout.session(session).join(layout::SESSION);
    let text = match read_if_there(&*inner.fs, &path)? {
        Some(text) => text,
        None => return Ok(None),
    };
    match Document::from_text(&text) {
        Ok(document) => Ok((document.meta.id == session).then_some(document)),
        Err(newer @ StoreError::Newer { .. }) => Err(newer),
        Err(_) => Ok(None),
    }
}

pub fn read_if_there(fs: &dyn Fs, path: &Path) -> Result<Option<Vec<u8>>> {
    match fs.read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io("read", path, 0, error)),
    }
}
