//! The index: what SQLite keeps of sessions, inits and chunks.
//!
//! Owns: the schema, the rows and the sums that prove them whole. Never touches a chunk file. A row that does not
//! fit its sum is [`StoreError::IndexDamaged`], never a wrong answer. Tested through `ChunkStore`, by flipping the
//! bytes of the database.

use crate::{StoreError, document::Document, list, marks, uploads};
use bytes::Bytes;
use model::{Chunk, ChunkId, Hash, SessionId, SessionState, Span, Timestamp, TrackId};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, ffi, params};
use std::{path::Path, time::Duration};
use uuid::Uuid;

type Result<T> = std::result::Result<T, StoreError>;

const SCHEMA: &str = include_str!("schema.sql");
/// Of the tables, their rows and the files beside them. The first had no list, the second no uploads.
const VERSION: u32 = 3;
const BUSY: Duration = Duration::from_secs(10);
/// An index that was closed in order and is larger than this is not read through at the start: damage to it is
/// found when the row is read. 32 MB are some ten hours, and take a tenth of a second.
const TRUSTED_SIZE: u64 = 32 << 20;

/// A session as its row has it.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRow {
    pub document: Document,
    pub totals: Totals,
    /// It is still to be put in order: its key was not here when that was tried.
    pub waits: bool,
}

/// What a session's chunks add up to, so that listing need not look at them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    pub chunks: u64,
    pub bytes: u64,
    pub span: Span,
}

impl Totals {
    pub fn add(&mut self, chunk: &Chunk) {
        let start = chunk.span.start.max(Timestamp::ZERO);
        self.span = match self.chunks {
            0 => Span::new(start, chunk.span.end),
            _ => Span::new(self.span.start.min(start), self.span.end.max(chunk.span.end)),
        };
        self.chunks += 1;
        self.bytes += chunk.size;
    }

    pub fn of<'a>(chunks: impl IntoIterator<Item = &'a Chunk>) -> Self {
        let mut totals = Self::default();
        chunks.into_iter().for_each(|chunk| totals.add(chunk));
        totals
    }
}

/// A chunk without its marks: of ten hours there are megabytes of them, and most questions need none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkOutline {
    /// Which chunk.
    pub id: ChunkId,
    /// The init segment that it needs.
    pub init: Hash,
    /// From its first sample to the end of its last.
    pub span: Span,
    /// Bytes.
    pub size: u64,
    /// Of its bytes.
    pub hash: Hash,
}

impl From<Chunk> for ChunkOutline {
    fn from(chunk: Chunk) -> Self {
        let Chunk { id, init, span, size, hash, .. } = chunk;
        Self { id, init, span, size, hash }
    }
}

/// What was found where the index should be.
pub enum Opened {
    /// Nothing, so an empty one was made.
    New(Connection),
    /// One that was closed in order.
    Clean(Connection),
    /// One whose engine did not end in order.
    Unclean(Connection),
    /// One that cannot be used any more.
    Damaged,
}

/// Opens the index, and makes it where there is none.
pub fn open(path: &Path) -> Result<Opened> {
    match open_checked(path) {
        Err(StoreError::IndexDamaged) => Ok(Opened::Damaged),
        Err(StoreError::Index(error)) if is_damage(&error) => Ok(Opened::Damaged),
        result => result,
    }
}

fn open_checked(path: &Path) -> Result<Opened> {
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let connection = connect(path)?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    if tables == 0 {
        create(&connection)?;
        return Ok(Opened::New(connection));
    }
    let version: u32 = read(&connection, "version")?
        .and_then(|version| version.parse().ok())
        .ok_or(StoreError::IndexDamaged)?;
    if version > VERSION {
        return Err(StoreError::Newer { found: version, supported: VERSION });
    }
    // One damaged byte makes SQLite take a database for one that can only be read.
    connection.execute_batch("BEGIN IMMEDIATE; UPDATE store SET value = value; ROLLBACK")?;
    if version < VERSION {
        upgrade(&connection, version)?;
    }
    let clean = read(&connection, "state")?.as_deref() == Some("closed");
    if !clean || size <= TRUSTED_SIZE {
        check(&connection)?;
    }
    Ok(if clean { Opened::Clean(connection) } else { Opened::Unclean(connection) })
}

/// Another connection for reading.
pub fn reader(path: &Path) -> Result<Connection> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn connect(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    // FULL syncs the log with each commit: less lost whole databases in simulated power cuts. The last two are for
    // macOS, where a sync alone does not reach the medium.
    connection.execute_batch(
        "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;",
    )?;
    Ok(connection)
}

fn create(connection: &Connection) -> Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.execute_batch(list::SCHEMA)?;
    transaction.execute_batch(uploads::SCHEMA)?;
    write_version(&transaction)?;
    transaction.commit()?;
    Ok(())
}

/// Adds the tables that an index of an older version has not. All of it is proved, before and after.
fn upgrade(connection: &Connection, version: u32) -> Result<()> {
    let transaction = connection.unchecked_transaction()?;
    check_structure(&transaction)?;
    if version < 2 {
        transaction.execute_batch(list::SCHEMA)?;
        for id in all_ids(&transaction)? {
            list::put(&transaction, &session(&transaction, id)?)?;
        }
    }
    transaction.execute_batch(uploads::SCHEMA)?;
    write_version(&transaction)?;
    check(&transaction)?;
    transaction.commit()?;
    Ok(())
}

fn write_version(connection: &Connection) -> Result<()> {
    write(connection, "version", &VERSION.to_string())?;
    write(connection, "schema", &schema_hash(connection)?)
}

/// Notes whether the engine ended in order.
pub fn set_closed(connection: &Connection, closed: bool) -> Result<()> {
    write(connection, "state", if closed { "closed" } else { "open" })
}

/// Brings the log into the database itself, so that losing the log would not lose what was said before.
pub fn checkpoint(connection: &Connection) -> Result<()> {
    Ok(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
}

/// Reads everything: SQLite's own structure, the schema and the sum of every row.
fn check(connection: &Connection) -> Result<()> {
    check_structure(connection)?;
    let mut inits = connection.prepare("SELECT session, track, hash, bytes, sum FROM inits")?;
    for row in inits.query_map([], |row| Ok(init_bytes(row)))? {
        row??;
    }
    check_sessions(connection)
}

fn check_structure(connection: &Connection) -> Result<()> {
    let verdict: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    let schema = read(connection, "schema")?;
    let sound = verdict == "ok" && schema == Some(schema_hash(connection)?);
    if sound { Ok(()) } else { Err(StoreError::IndexDamaged) }
}

fn check_sessions(connection: &Connection) -> Result<()> {
    let mut sessions = connection.prepare(&format!("SELECT {SESSION} FROM sessions"))?;
    let (mut count, mut chunks, mut settled) = (0, 0, 0);
    for row in sessions.query_map([], |row| Ok(session_row(row)))? {
        let row = row??;
        let found = all_chunks(connection, row.document.meta.id)?;
        if Totals::of(&found) != row.totals {
            return Err(StoreError::IndexDamaged);
        }
        list::prove(connection, &row)?;
        settled += uploads::prove(connection, row.document.meta.id, &found)?;
        count += 1;
        chunks += found.len() as i64;
    }
    let counts = "SELECT (SELECT count(*) FROM list), (SELECT count(*) FROM chunks)";
    let counted: (i64, i64) = connection.query_row(counts, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if counted != (count, chunks) {
        return Err(StoreError::IndexDamaged);
    }
    uploads::prove_all(connection, settled)
}

fn schema_hash(connection: &Connection) -> Result<String> {
    let mut statement =
        connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name")?;
    let mut text = String::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for column in 0..4 {
            text.push_str(&row.get::<_, Option<String>>(column)?.unwrap_or_default());
            text.push('\n');
        }
    }
    Ok(Hash::of(text.as_bytes()).to_string())
}

/// Whether an error while opening means that the file is not a usable index. Anything that a disk or a person can
/// put right is not.
fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => matches!(
            failure.code,
            ErrorCode::Unknown | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ReadOnly
        ),
        rusqlite::Error::SqlInputError { error, .. } => error.extended_code == ffi::SQLITE_ERROR,
        _ => true,
    }
}

/// The eight bytes that prove a row whole.
pub struct Sum(Vec<u8>);

impl Sum {
    pub fn new() -> Self {
        Self(Vec::new())
    }

    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        // With the length before it, no two rows read the same.
        self.0.extend((bytes.len() as u64).to_le_bytes());
        self.0.extend(bytes);
        self
    }

    pub fn number(mut self, number: i64) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    pub fn finish(self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = Hash::of(&self.0).0;
        [a, b, c, d, e, f, g, h]
    }

    pub fn prove(self, found: &[u8]) -> Result<()> {
        if self.finish() == found { Ok(()) } else { Err(StoreError::IndexDamaged) }
    }
}

// ── keys and values: the table `store`

fn pair_sum(key: &str, value: &str) -> Sum {
    Sum::new().bytes(key.as_bytes()).bytes(value.as_bytes())
}

fn write(connection: &Connection, key: &str, value: &str) -> Result<()> {
    let sum = pair_sum(key, value).finish();
    connection.execute("INSERT OR REPLACE INTO store VALUES (?1, ?2, ?3)", params![key, value, sum])?;
    Ok(())
}

fn read(connection: &Connection, key: &str) -> Result<Option<String>> {
    let query = "SELECT value, sum FROM store WHERE key = ?1";
    let found: Option<(String, Vec<u8>)> =
        connection.query_row(query, [key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    found.map(|(value, sum)| pair_sum(key, &value).prove(&sum).map(|()| value)).transpose()
}

// ── sessions

const SESSION: &str = "id, recording, open, document, chunks, bytes, span_start, span_end, sum";

/// Writes a session's row, new or instead of the one that is there.
pub fn put_session(connection: &Connection, row: &SessionRow) -> Result<()> {
    let SessionRow { document, totals, waits } = row;
    let (id, recording) = (document.meta.id.0, document.meta.recording.0);
    let open = i64::from(document.meta.state == SessionState::Recording || *waits);
    let text = document.to_text();
    let sum = session_sum(&id, &recording, open, &text, totals).finish();
    connection
        .prepare_cached("INSERT OR REPLACE INTO sessions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
        .execute(params![
            id.as_bytes(),
            recording.as_bytes(),
            open,
            text,
            totals.chunks.cast_signed(),
            totals.bytes.cast_signed(),
            totals.span.start.0,
            totals.span.end.0,
            sum
        ])?;
    list::put(connection, row)
}

fn session_sum(id: &Uuid, recording: &Uuid, open: i64, text: &str, totals: &Totals) -> Sum {
    let sum = Sum::new().bytes(id.as_bytes()).bytes(recording.as_bytes()).number(open).bytes(text.as_bytes());
    let sum = sum.number(totals.chunks.cast_signed()).number(totals.bytes.cast_signed());
    sum.number(totals.span.start.0).number(totals.span.end.0)
}

fn session_row(row: &Row<'_>) -> Result<SessionRow> {
    let (id, recording) = (Uuid::from_bytes(row.get(0)?), Uuid::from_bytes(row.get(1)?));
    let text: String = row.get(3)?;
    let totals = Totals {
        chunks: row.get::<_, i64>(4)?.cast_unsigned(),
        bytes: row.get::<_, i64>(5)?.cast_unsigned(),
        span: Span::new(Timestamp(row.get(6)?), Timestamp(row.get(7)?)),
    };
    let open: i64 = row.get(2)?;
    session_sum(&id, &recording, open, &text, &totals).prove(&row.get::<_, Vec<u8>>(8)?)?;
    let document = Document::from_text(text.as_bytes())?;
    let waits = open == 1 && document.meta.state != SessionState::Recording;
    Ok(SessionRow { document, totals, waits })
}

/// One session, if it is there.
pub fn find_session(connection: &Connection, id: SessionId) -> Result<Option<SessionRow>> {
    let query = format!("SELECT {SESSION} FROM sessions WHERE id = ?1");
    let mut statement = connection.prepare_cached(&query)?;
    statement.query_row([id.0.as_bytes()], |row| Ok(session_row(row))).optional()?.transpose()
}

/// One session, which must be there.
pub fn session(connection: &Connection, id: SessionId) -> Result<SessionRow> {
    find_session(connection, id)?.ok_or_else(|| StoreError::no_session(id))
}

/// Up to `limit` sessions that were begun before `before`, newest first.
pub fn sessions(connection: &Connection, before: Option<SessionId>, limit: usize) -> Result<Vec<SessionRow>> {
    let query = format!("SELECT {SESSION} FROM sessions WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
    let mut statement = connection.prepare_cached(&query)?;
    // One byte longer than any id, so that it sorts after all of them.
    let before = before.map_or(vec![0xff; 17], |id| id.0.as_bytes().to_vec());
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    statement.query_map(params![before, limit], |row| Ok(session_row(row)))?.map(|row| row?).collect()
}

/// The ids of all sessions, oldest first.
pub fn all_ids(connection: &Connection) -> Result<Vec<SessionId>> {
    ids(connection, "SELECT id FROM sessions ORDER BY id")
}

/// The sessions that are being recorded, or were when the engine ended, and those that wait for their key.
pub fn open_ids(connection: &Connection) -> Result<Vec<SessionId>> {
    ids(connection, "SELECT id FROM sessions WHERE open = 1 ORDER BY id")
}

fn ids(connection: &Connection, query: &str) -> Result<Vec<SessionId>> {
    let mut statement = connection.prepare_cached(query)?;
    statement.query_map([], |row| Ok(SessionId(Uuid::from_bytes(row.get(0)?))))?.map(|id| Ok(id?)).collect()
}

/// Sessions with their recordings where `column`, one of the two, lies between two ids.
pub fn ids_between(
    connection: &Connection,
    column: &str,
    first: Uuid,
    last: Uuid,
) -> Result<Vec<(Uuid, Uuid)>> {
    let query = format!("SELECT id, recording FROM sessions WHERE {column} BETWEEN ?1 AND ?2 ORDER BY id");
    let mut statement = connection.prepare_cached(&query)?;
    let pair = |row: &Row<'_>| Ok((Uuid::from_bytes(row.get(0)?), Uuid::from_bytes(row.get(1)?)));
    statement.query_map(params![first.as_bytes(), last.as_bytes()], pair)?.map(|pair| Ok(pair?)).collect()
}

/// Forgets a session with all that belongs to it.
pub fn remove_session(connection: &Connection, id: SessionId) -> Result<()> {
    for (table, column) in [("chunks", "session"), ("inits", "session"), ("list", "id"), ("sessions", "id")] {
        connection.execute(&format!("DELETE FROM {table} WHERE {column} = ?1"), [id.0.as_bytes()])?;
    }
    uploads::remove(connection, id)
}

// ── inits

/// Writes an init segment's row.
pub fn put_init(connection: &Connection, session: SessionId, track: &TrackId, bytes: &[u8]) -> Result<()> {
    let hash = Hash::of(bytes);
    let sum = init_sum(session.0, track.as_str(), bytes).finish();
    connection
        .prepare_cached("INSERT OR REPLACE INTO inits VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![session.0.as_bytes(), track.as_str(), hash.0, bytes, sum])?;
    Ok(())
}

fn init_sum(session: Uuid, track: &str, bytes: &[u8]) -> Sum {
    Sum::new().bytes(session.as_bytes()).bytes(track.as_bytes()).bytes(bytes)
}

fn init_bytes(row: &Row<'_>) -> Result<Bytes> {
    let (session, track) = (Uuid::from_bytes(row.get(0)?), row.get::<_, String>(1)?);
    let bytes: Vec<u8> = row.get(3)?;
    init_sum(session, &track, &bytes).prove(&row.get::<_, Vec<u8>>(4)?)?;
    if Hash::of(&bytes).0 != row.get::<_, [u8; 32]>(2)? {
        return Err(StoreError::IndexDamaged);
    }
    Ok(bytes.into())
}

/// The bytes of an init segment, if its row is there.
pub fn init(
    connection: &Connection,
    session: SessionId,
    track: &TrackId,
    hash: &Hash,
) -> Result<Option<Bytes>> {
    let mut statement = connection.prepare_cached(
        "SELECT session, track, hash, bytes, sum FROM inits WHERE session = ?1 AND track = ?2 AND hash = ?3",
    )?;
    let key = params![session.0.as_bytes(), track.as_str(), hash.0];
    statement.query_row(key, |row| Ok(init_bytes(row))).optional()?.transpose()
}

/// The bytes of a track's init segments.
pub fn inits(connection: &Connection, session: SessionId, track: &TrackId) -> Result<Vec<Bytes>> {
    let mut statement = connection.prepare_cached(
        "SELECT session, track, hash, bytes, sum FROM inits WHERE session = ?1 AND track = ?2 ORDER BY hash",
    )?;
    let key = params![session.0.as_bytes(), track.as_str()];
    statement.query_map(key, |row| Ok(init_bytes(row)))?.map(|bytes| bytes?).collect()
}

// ── chunks

const CHUNK: &str = "session, track, number, init, span_start, span_end, size, hash, marks, sum";

/// Writes a chunk's row.
pub fn put_chunk(connection: &Connection, chunk: &Chunk) -> Result<()> {
    let marks = marks::encode(&chunk.parts);
    let sum = chunk_sum(chunk, &marks).finish();
    connection
        .prepare_cached("INSERT OR REPLACE INTO chunks VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?
        .execute(params![
            chunk.id.session.0.as_bytes(),
            chunk.id.track.as_str(),
            chunk.id.index,
            chunk.init.0,
            chunk.span.start.0,
            chunk.span.end.0,
            chunk.size.cast_signed(),
            chunk.hash.0,
            marks,
            sum
        ])?;
    Ok(())
}

fn chunk_sum(chunk: &Chunk, marks: &[u8]) -> Sum {
    let sum = Sum::new().bytes(chunk.id.session.0.as_bytes()).bytes(chunk.id.track.as_str().as_bytes());
    let sum = sum.number(chunk.id.index.into()).bytes(&chunk.init.0).number(chunk.span.start.0);
    sum.number(chunk.span.end.0).number(chunk.size.cast_signed()).bytes(&chunk.hash.0).bytes(marks)
}

fn chunk_row(row: &Row<'_>) -> Result<Chunk> {
    let track: String = row.get(1)?;
    let id = ChunkId {
        session: SessionId(Uuid::from_bytes(row.get(0)?)),
        track: track.parse().map_err(|_| StoreError::IndexDamaged)?,
        index: row.get(2)?,
    };
    let marks: Vec<u8> = row.get(8)?;
    let chunk = Chunk {
        id,
        init: Hash(row.get(3)?),
        span: Span::new(Timestamp(row.get(4)?), Timestamp(row.get(5)?)),
        parts: Vec::new(),
        size: row.get::<_, i64>(6)?.cast_unsigned(),
        hash: Hash(row.get(7)?),
    };
    chunk_sum(&chunk, &marks).prove(&row.get::<_, Vec<u8>>(9)?)?;
    Ok(Chunk { parts: marks::decode(&marks).ok_or(StoreError::IndexDamaged)?, ..chunk })
}

/// One chunk, which must be there.
pub fn chunk(connection: &Connection, id: &ChunkId) -> Result<Chunk> {
    let query = format!("SELECT {CHUNK} FROM chunks WHERE session = ?1 AND track = ?2 AND number = ?3");
    let mut statement = connection.prepare_cached(&query)?;
    let key = params![id.session.0.as_bytes(), id.track.as_str(), id.index];
    let found = statement.query_row(key, |row| Ok(chunk_row(row))).optional()?.transpose()?;
    found.ok_or_else(|| StoreError::NotFound { what: format!("chunk {id}") })
}

/// All chunks of a session, by track and index.
pub fn all_chunks(connection: &Connection, session: SessionId) -> Result<Vec<Chunk>> {
    let query = format!("SELECT {CHUNK} FROM chunks WHERE session = ?1 ORDER BY track, number");
    let mut statement = connection.prepare_cached(&query)?;
    statement.query_map([session.0.as_bytes()], |row| Ok(chunk_row(row)))?.map(|row| row?).collect()
}

/// The chunk of a track that holds an instant, or the last before it, or else its first.
pub fn chunk_at(
    connection: &Connection,
    session: SessionId,
    track: &TrackId,
    at: Timestamp,
) -> Result<Option<Chunk>> {
    for wanted in ["span_start <= ?3 ORDER BY number DESC", "?3 = ?3 ORDER BY number"] {
        let query =
            format!("SELECT {CHUNK} FROM chunks WHERE session = ?1 AND track = ?2 AND {wanted} LIMIT 1");
        let key = params![session.0.as_bytes(), track.as_str(), at.0];
        let mut statement = connection.prepare_cached(&query)?;
        if let Some(chunk) = statement.query_row(key, |row| Ok(chunk_row(row))).optional()? {
            return chunk.map(Some);
        }
    }
    Ok(None)
}

/// All chunks of a session without what is in them, by track and index.
pub fn outlines(connection: &Connection, session: SessionId) -> Result<Vec<ChunkOutline>> {
    let query = format!("SELECT {CHUNK} FROM chunks WHERE session = ?1 ORDER BY track, number");
    let mut statement = connection.prepare_cached(&query)?;
    let outline = |row: &Row<'_>| Ok(chunk_row(row).map(ChunkOutline::from));
    statement.query_map([session.0.as_bytes()], outline)?.map(|row| row?).collect()
}

/// Those of one track after `number`, by index.
pub fn outlines_after(
    connection: &Connection,
    session: SessionId,
    track: &TrackId,
    number: u32,
) -> Result<Vec<ChunkOutline>> {
    let query = format!(
        "SELECT {CHUNK} FROM chunks WHERE session = ?1 AND track = ?2 AND number > ?3 ORDER BY number"
    );
    let mut statement = connection.prepare_cached(&query)?;
    let outline = |row: &Row<'_>| Ok(chunk_row(row).map(ChunkOutline::from));
    let key = params![session.0.as_bytes(), track.as_str(), number];
    statement.query_map(key, outline)?.map(|row| row?).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim::{meta, session_id};

    fn folder_with_an_index_of_version_1() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let Opened::New(index) = open(&folder.path().join("spool.db")).unwrap() else { panic!("not new") };
        for number in 1..=3 {
            let document = Document { revision: 1, boot: None, meta: meta(session_id(number)) };
            put_session(&index, &SessionRow { document, totals: Totals::default(), waits: false }).unwrap();
        }
        index.execute_batch("DROP TABLE list; DROP TABLE uploads; DROP TABLE settled").unwrap();
        write(&index, "version", "1").unwrap();
        write(&index, "schema", &schema_hash(&index).unwrap()).unwrap();
        set_closed(&index, true).unwrap();
        folder
    }

    #[test]
    fn an_index_of_the_first_version_gets_its_list() {
        let folder = folder_with_an_index_of_version_1();
        let path = folder.path().join("spool.db");
        let Opened::Clean(index) = open(&path).unwrap() else { panic!("it is as it was") };
        check(&index).unwrap();
        assert_eq!(read(&index, "version").unwrap().as_deref(), Some("3"));
        drop(index);
        assert!(matches!(open(&path).unwrap(), Opened::Clean(_)));
    }

    #[test]
    fn an_index_of_the_second_version_keeps_its_list() {
        let folder = folder_with_an_index_of_version_1();
        let path = folder.path().join("spool.db");
        drop(open(&path).unwrap());
        let index = connect(&path).unwrap();
        index.execute_batch("DROP TABLE uploads; DROP TABLE settled").unwrap();
        write(&index, "version", "2").unwrap();
        write(&index, "schema", &schema_hash(&index).unwrap()).unwrap();
        drop(index);
        assert!(matches!(open(&path).unwrap(), Opened::Clean(_)));
        assert_eq!(read(&connect(&path).unwrap(), "version").unwrap().as_deref(), Some("3"));
    }

    #[test]
    fn one_that_is_damaged_is_not_brought_up_to_date() {
        let folder = folder_with_an_index_of_version_1();
        let path = folder.path().join("spool.db");
        let change = |sql: &str| connect(&path).unwrap().execute_batch(sql).unwrap();
        change("UPDATE sessions SET document = replace(document, 'Standup', 'Standoff')");
        assert!(matches!(open(&path).unwrap(), Opened::Damaged));
        assert_eq!(read(&connect(&path).unwrap(), "version").unwrap().as_deref(), Some("1"));
    }

    #[test]
    fn a_list_that_says_something_else_is_damage() {
        for sql in [
            "UPDATE list SET words = 'sitdown'",
            "UPDATE list SET trashed = 1",
            "DELETE FROM list WHERE played = 0",
            "INSERT INTO list VALUES (x'00112233445566778899aabbccddeeff', 0, 0, 0, '', '')",
        ] {
            let folder = folder_with_an_index_of_version_1();
            let path = folder.path().join("spool.db");
            drop(open(&path).unwrap());
            connect(&path).unwrap().execute_batch(sql).unwrap();
            assert!(matches!(open(&path).unwrap(), Opened::Damaged), "{sql}");
        }
    }
}
