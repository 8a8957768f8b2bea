//! `ChunkStore`: one data folder, opened.
//!
//! Owns: the lock on the folder, the one connection that writes and those that read, and the order in which a
//! session's row and its file change. Readers never wait for a writer. Tested in `tests/`.

use crate::{
    Fs, Keys, NoKeys, Recovered, SessionWriter, StoreError,
    cipher::Cipher,
    document::{Document, write_whole},
    error::At as _,
    index::{self, ChunkOutline, SessionRow, Totals},
    layout::{self, Layout},
    list, recover,
};
use model::{
    Chunk, ChunkId, Hash, Init, Manifest, Mark, SessionId, SessionMeta, SessionState, Span, Timestamp,
    TrackId, TrackManifest, UtcTime,
};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs::{File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use uuid::Uuid;

type Result<T> = std::result::Result<T, StoreError>;

const READERS_MAX: usize = 4;
const TITLE_MAX: usize = 200;
const DESCRIPTION_MAX: usize = 2_000;
const KEY_MAX: usize = 100;
const VALUE_MAX: usize = 2_000;
const PAIRS_MAX: usize = 100;
const LABEL_MAX: usize = 200;
/// Each mark writes all of them again.
const MARKS_MAX: usize = 1_000;

/// A data folder, opened. Clones are handles to the same one; it is closed when the last goes.
#[derive(Clone)]
pub struct ChunkStore {
    pub(crate) inner: Arc<Inner>,
}

/// A session in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionSummary {
    /// What is known about it besides its chunks.
    pub meta: SessionMeta,
    /// From the earliest to the latest instant of any track.
    pub span: Span,
    /// Bytes of all chunks.
    pub bytes: u64,
    /// How many chunks are sealed, of all tracks together.
    pub chunks: u64,
}

impl SessionSummary {
    /// How long it plays: its span without what is left out on all tracks.
    pub fn played(&self) -> Duration {
        list::played(&self.meta, self.span)
    }
}

/// What people may change about a session at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// At most 200 characters.
    pub title: String,
    /// At most 2,000 characters.
    pub description: String,
    /// At most 100 free keys of up to 100 characters, with values of up to 2,000.
    pub metadata: BTreeMap<String, String>,
    /// At most 1,000, with labels of up to 200 characters.
    pub marks: Vec<Mark>,
    /// Since when it lies in the trash.
    pub trashed_at: Option<UtcTime>,
}

impl ChunkStore {
    /// Opens a data folder and makes it where there is none. Opening is recovery: what an engine that was killed left
    /// behind is sealed, and a lost index is rebuilt. One process at a time. Without keys: encrypted sessions are left
    /// as they are.
    pub fn open(fs: Arc<dyn Fs>, dir: &Path) -> Result<(Self, Recovered)> {
        Self::open_with(fs, Arc::new(NoKeys), dir)
    }

    /// The same with keys. Sessions whose key is not here are left as they are, whatever their state; see
    /// [`Self::recover_locked`].
    pub fn open_with(fs: Arc<dyn Fs>, keys: Arc<dyn Keys>, dir: &Path) -> Result<(Self, Recovered)> {
        let layout = Layout::new(dir);
        std::fs::create_dir_all(dir.parent().unwrap_or(dir)).at("create", dir)?;
        for folder in [dir, &layout.sessions()] {
            fs.create_folder(folder).at("create", folder)?;
        }
        let lock = lock(dir)?;
        let opened = recover::open_index(&*fs, &layout)?;
        let inner = Inner {
            boot: fs.boot(),
            fs,
            keys,
            layout,
            index: Mutex::new(opened.connection),
            readers: Mutex::default(),
            live: Mutex::default(),
            unclean: AtomicBool::new(true),
            _lock: lock,
        };
        let recovered = recover::recover(&inner, opened.condition)?;
        inner.unclean.store(false, Ordering::Release);
        Ok((Self { inner: Arc::new(inner) }, recovered))
    }

    /// Puts in order the sessions whose key was not here when that was tried, and is now.
    pub fn recover_locked(&self) -> Result<Recovered> {
        recover::recover_locked(&self.inner)
    }

    /// Begins a session. It is in the library once this returns. If it is to be encrypted, its key must be here.
    pub fn begin(&self, meta: SessionMeta) -> Result<SessionWriter> {
        let session = meta.id;
        Details::of(&meta).check()?;
        let meta = SessionMeta { version: SessionMeta::VERSION, state: SessionState::Recording, ..meta };
        let inner = &self.inner;
        let cipher: Option<Cipher> = meta.key.map(|key| inner.cipher(key)).transpose()?;
        let row = SessionRow {
            document: Document { revision: 1, boot: inner.boot.clone(), meta },
            totals: Totals::default(),
            waits: false,
        };
        let mut index = inner.index();
        if index::find_session(&index, session)?.is_some() {
            return Err(StoreError::Exists { session });
        }
        // The folder first: a session without a row is found by its folder, after a crash in between.
        let begun = inner
            .create_folder(&inner.layout.session(session))
            .and_then(|()| inner.write_document(&row.document))
            .and_then(|()| inner.sync_folder(&inner.layout.sessions()))
            .and_then(|()| inner.commit(&mut index, |transaction| index::put_session(transaction, &row)));
        if let Err(error) = begun {
            drop(index);
            // What cannot be removed now, the next opening finds.
            let _ = inner.fs.remove_folder(&inner.layout.session(session));
            return Err(error);
        }
        // While nobody else looks for sessions that are open.
        lock_of(&inner.live).insert(session);
        drop(index);
        Ok(SessionWriter::new(self.clone(), &row.document.meta, cipher))
    }

    /// Up to `limit` sessions that were begun before `before`, newest first.
    pub fn sessions(&self, before: Option<SessionId>, limit: usize) -> Result<Vec<SessionSummary>> {
        let rows = self.inner.read(|index| index::sessions(index, before, limit))?;
        Ok(rows.into_iter().map(SessionSummary::from).collect())
    }

    /// One session.
    pub fn session(&self, session: SessionId) -> Result<SessionSummary> {
        Ok(self.inner.read(|index| index::session(index, session))?.into())
    }

    /// The sessions meant by an id or its first characters: all sessions of a recording, or one session. Hyphens
    /// and case do not matter. Oldest first.
    pub fn find(&self, prefix: &str) -> Result<Vec<SessionId>> {
        let nothing = || StoreError::NotFound { what: format!("recording or session {prefix}") };
        let (first, last) = uuid_range(prefix).ok_or_else(nothing)?;
        let between = |column| self.inner.read(|index| index::ids_between(index, column, first, last));
        let ambiguous = |candidates: BTreeSet<Uuid>| StoreError::Ambiguous {
            prefix: prefix.to_owned(),
            candidates: candidates.iter().map(Uuid::to_string).collect(),
        };
        let (by_recording, by_session) = (between("recording")?, between("id")?);
        let recordings: BTreeSet<_> =
            by_recording.iter().chain(&by_session).map(|(_, recording)| *recording).collect();
        if recordings.len() > 1 {
            return Err(ambiguous(recordings));
        }
        match (by_recording.is_empty(), by_session.as_slice()) {
            (false, _) => Ok(by_recording.into_iter().map(|(id, _)| SessionId(id)).collect()),
            (true, [(id, _)]) => Ok(vec![SessionId(*id)]),
            (true, []) => Err(nothing()),
            (true, several) => Err(ambiguous(several.iter().map(|(id, _)| *id).collect())),
        }
    }

    /// A session's chunks, with all their marks: nothing needs to be read to cut or flatten it.
    pub fn manifest(&self, session: SessionId) -> Result<Manifest> {
        let (row, chunks) = self
            .inner
            .read(|index| Ok((index::session(index, session)?, index::all_chunks(index, session)?)))?;
        let mut by_track: BTreeMap<TrackId, Vec<Chunk>> = BTreeMap::new();
        for chunk in chunks {
            by_track.entry(chunk.id.track.clone()).or_default().push(chunk);
        }
        let meta = row.document.meta;
        let tracks = meta.tracks.iter().map(|track| TrackManifest {
            track: track.clone(),
            chunks: by_track.remove(&track.id).unwrap_or_default(),
        });
        Ok(Manifest { tracks: tracks.collect(), meta })
    }

    /// An init segment of a track.
    pub fn init(&self, session: SessionId, track: &TrackId, hash: &Hash) -> Result<Init> {
        let missing = || StoreError::NotFound { what: format!("init segment {} of {track}", hash.short()) };
        let bytes = self.inner.read(|index| index::init(index, session, track, hash))?.ok_or_else(missing)?;
        media::read_init(track, bytes).map_err(|_| missing())
    }

    /// One chunk's row.
    pub fn chunk(&self, id: &ChunkId) -> Result<Chunk> {
        self.inner.read(|index| index::chunk(index, id))
    }

    /// The chunk of a track that holds an instant, or the last before it, or else its first; none if it has none.
    pub fn chunk_at(&self, session: SessionId, track: &TrackId, at: Timestamp) -> Result<Option<Chunk>> {
        self.inner.read(|index| index::chunk_at(index, session, track, at))
    }

    /// All chunks of a session without their marks, by track and index.
    pub fn outlines(&self, session: SessionId) -> Result<Vec<ChunkOutline>> {
        self.inner.read(|index| index::outlines(index, session))
    }

    /// The chunks of a track after the one of this index, without their marks.
    pub fn outlines_after(
        &self,
        session: SessionId,
        track: &TrackId,
        index: u32,
    ) -> Result<Vec<ChunkOutline>> {
        self.inner.read(|connection| index::outlines_after(connection, session, track, index))
    }

    /// Deletes a session with all its files, and says how many bytes that gave back.
    pub fn delete(&self, session: SessionId) -> Result<u64> {
        let inner = &self.inner;
        let mut index = inner.index();
        if inner.is_live(session) {
            return Err(StoreError::Live { session });
        }
        let row = index::find_session(&index, session)?;
        let deleted = inner.layout.deleted(session);
        if row.is_some() {
            // The new name is the decision: with it, every opening goes on deleting; without it, nothing happened.
            let folder = inner.layout.session(session);
            match inner.fs.rename(&folder, &deleted) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::io("rename", &folder, 0, error));
                }
                _ => inner.sync_folder(&inner.layout.sessions())?,
            }
            inner.commit(&mut index, |transaction| index::remove_session(transaction, session))?;
        }
        drop(index);
        match inner.fs.remove_folder(&deleted) {
            // Gone already: whoever deletes twice is told only if there was nothing to delete at all.
            Err(error) if error.kind() == io::ErrorKind::NotFound => match row {
                Some(row) => Ok(row.totals.bytes),
                None => Err(StoreError::no_session(session)),
            },
            Err(error) => Err(StoreError::io("remove", &deleted, 0, error)),
            Ok(()) => Ok(row.map_or(0, |row| row.totals.bytes)),
        }
    }

    /// Changes what people may change about a session, also while it is being recorded; but then it cannot be put
    /// into the trash.
    pub fn update(&self, session: SessionId, change: impl FnOnce(&mut Details)) -> Result<SessionSummary> {
        let row = self.inner.change(session, |_, row| {
            let meta = &mut row.document.meta;
            let mut details = Details::of(meta);
            change(&mut details);
            details.check()?;
            if details.trashed_at.is_some() && self.inner.is_live(session) {
                return Err(StoreError::Live { session });
            }
            details.marks.sort_by_key(|mark| mark.at);
            Details {
                title: meta.title,
                description: meta.description,
                metadata: meta.metadata,
                marks: meta.marks,
                trashed_at: meta.trashed_at,
            } = details;
            Ok(())
        })?;
        Ok(row.into())
    }

    /// Bytes that can still be written.
    pub fn free_space(&self) -> Result<u64> {
        let root = self.inner.layout.root();
        self.inner.fs.free_space(root).at("measure", root)
    }

    /// The data folder.
    pub fn dir(&self) -> &Path {
        self.inner.layout.root()
    }
}

impl From<SessionRow> for SessionSummary {
    fn from(SessionRow { document, totals, .. }: SessionRow) -> Self {
        Self { meta: document.meta, span: totals.span, bytes: totals.bytes, chunks: totals.chunks }
    }
}

/// What all handles share. Fields are dropped in this order: the lock goes last.
pub(crate) struct Inner {
    pub fs: Arc<dyn Fs>,
    pub keys: Arc<dyn Keys>,
    pub layout: Layout,
    pub boot: Option<String>,
    /// The only connection that writes. Who holds it may also write a session's document, so rows and files agree.
    index: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    live: Mutex<HashSet<SessionId>>,
    /// Something on disk may not fit the index any more: the next opening must look at all of it.
    unclean: AtomicBool,
    _lock: File,
}

impl Inner {
    pub fn index(&self) -> MutexGuard<'_, Connection> {
        lock_of(&self.index)
    }

    pub fn is_live(&self, session: SessionId) -> bool {
        lock_of(&self.live).contains(&session)
    }

    pub fn live(&self) -> Vec<SessionId> {
        lock_of(&self.live).iter().copied().collect()
    }

    pub fn ended(&self, session: SessionId) {
        lock_of(&self.live).remove(&session);
    }

    /// Runs a transaction on the index. It has happened, durably, if and only if this returns without error.
    pub fn commit<T>(
        &self,
        index: &mut Connection,
        run: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let failed = |error| StoreError::io("write", &self.layout.database(), 0, error);
        let committed = (|| {
            let transaction = index.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = run(&transaction)?;
            self.fs.before_commit().map_err(failed)?;
            transaction.commit()?;
            Ok(value)
        })();
        if committed.is_ok() {
            self.fs.after_commit(&self.layout.database());
        }
        self.noting(committed).map_err(|error| self.with_free_space(error))
    }

    /// Reads the index without waiting for whoever writes it.
    pub fn read<T>(&self, run: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let idle = lock_of(&self.readers).pop();
        let reader = idle.map_or_else(|| index::reader(&self.layout.database()), Ok)?;
        let value = run(&reader);
        let mut readers = lock_of(&self.readers);
        if readers.len() < READERS_MAX {
            readers.push(reader);
        }
        self.noting(value)
    }

    /// Changes a session's row, then its file. After an error either both are as they were or the row alone is new;
    /// doing the same again puts that right, and so does the next opening.
    pub fn change(
        &self,
        session: SessionId,
        change: impl FnOnce(&Transaction<'_>, &mut SessionRow) -> Result<()>,
    ) -> Result<SessionRow> {
        let mut index = self.index();
        let row = self.commit(&mut index, |transaction| {
            let mut row = index::session(transaction, session)?;
            change(transaction, &mut row)?;
            row.document.revision = row.document.revision.saturating_add(1);
            index::put_session(transaction, &row)?;
            Ok(row)
        })?;
        self.noting(self.write_document(&row.document))?;
        Ok(row)
    }

    pub fn write_document(&self, document: &Document) -> Result<()> {
        let folder = self.layout.session(document.meta.id);
        write_whole(&*self.fs, &folder, layout::SESSION, document.to_text().as_bytes())
    }

    pub fn create_folder(&self, path: &Path) -> Result<()> {
        self.fs.create_folder(path).at("create", path)
    }

    pub fn sync_folder(&self, path: &Path) -> Result<()> {
        self.fs.sync_folder(path).at("sync", path)
    }

    pub fn chunk_path(&self, chunk: &Chunk) -> PathBuf {
        let folder = self.layout.track(chunk.id.session, &chunk.id.track);
        folder.join(layout::chunk_name(chunk.id.index, &chunk.hash))
    }

    /// Remembers that an error may leave files behind the index, or has shown that the index is damaged.
    pub fn noting<T>(&self, result: Result<T>) -> Result<T> {
        let harmless = |error: &StoreError| {
            matches!(
                error,
                StoreError::NotFound { .. }
                    | StoreError::TooLong { .. }
                    | StoreError::TooMany { .. }
                    | StoreError::Live { .. }
                    | StoreError::Locked { .. }
                    | StoreError::Closed { .. }
            )
        };
        if result.as_ref().is_err_and(|error| !harmless(error)) {
            self.unclean.store(true, Ordering::Release);
        }
        result
    }

    fn with_free_space(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::DiskFull { needed, .. } => {
                StoreError::DiskFull { needed, free: self.fs.free_space(self.layout.root()).unwrap_or(0) }
            }
            other => other,
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        lock_of(&self.readers).clear();
        let sessions_open = index::open_ids(&self.index()).map_or(true, |ids| !ids.is_empty());
        if !sessions_open && !self.unclean.load(Ordering::Acquire) {
            // If it fails, the next opening takes the longer way.
            let _ = self.commit(&mut self.index(), |transaction| index::set_closed(transaction, true));
        }
    }
}

pub(crate) fn lock_of<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is changed in single steps, so a panic elsewhere leaves it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lock(dir: &Path) -> Result<File> {
    let path = dir.join(layout::LOCK);
    let failed = |operation, error| StoreError::io(operation, &path, 0, error);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(&path).map_err(|error| failed("open", error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            // Where a lock also forbids reading, the process stays unknown.
            let pid = std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
            return Err(StoreError::InUse { dir: dir.to_owned(), pid });
        }
        Err(TryLockError::Error(error)) => return Err(failed("lock", error)),
    }
    // Only for the message above, so a full disk does not matter.
    let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
    Ok(file)
}

impl Details {
    fn of(meta: &SessionMeta) -> Self {
        Self {
            title: meta.title.clone(),
            description: meta.description.clone(),
            metadata: meta.metadata.clone(),
            marks: meta.marks.clone(),
            trashed_at: meta.trashed_at,
        }
    }

    fn check(&self) -> Result<()> {
        check_length("title", &self.title, TITLE_MAX)?;
        check_length("description", &self.description, DESCRIPTION_MAX)?;
        check_count("metadata", self.metadata.len(), PAIRS_MAX)?;
        for (key, value) in &self.metadata {
            check_length("key of metadata", key, KEY_MAX)?;
            check_length("value of metadata", value, VALUE_MAX)?;
        }
        check_count("marks", self.marks.len(), MARKS_MAX)?;
        self.marks.iter().try_for_each(|mark| check_length("label of a mark", &mark.label, LABEL_MAX))
    }
}

fn check_length(what: &'static str, text: &str, limit: usize) -> Result<()> {
    if text.chars().count() > limit { Err(StoreError::TooLong { what, limit }) } else { Ok(()) }
}

fn check_count(what: &'static str, count: usize, limit: usize) -> Result<()> {
    if count > limit { Err(StoreError::TooMany { what, limit }) } else { Ok(()) }
}

/// The first and the last id that begins with these hexadecimal digits.
fn uuid_range(prefix: &str) -> Option<(Uuid, Uuid)> {
    let digits: String = prefix.chars().filter(|c| *c != '-').collect();
    let valid = (1..=32).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let edge = |fill: char| {
        u128::from_str_radix(&format!("{digits}{}", fill.to_string().repeat(32 - digits.len())), 16)
    };
    if !valid {
        return None;
    }
    Some((Uuid::from_u128(edge('0').ok()?), Uuid::from_u128(edge('f').ok()?)))
}
