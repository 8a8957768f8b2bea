//! Recordings: made, listed, changed and deleted.

use super::{Coordinator, CoordinatorError, Result, rows, validate};
use api::{Change, Code, CreateRecording, Recording, RecordingStatus, Recordings};
use model::{RecordingId, SessionId, UtcTime};
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter, types::Value};
use std::collections::BTreeMap;

/// Most recordings of a page.
const PAGE_MAX: u32 = 100;
/// Most words, and most characters of all of them, that are searched for.
const WORDS_MAX: usize = 16;
const SEARCH_MAX: usize = 200;

/// Which recordings somebody may see or change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// All.
    All,
    /// Those that were made with this token.
    Own(String),
}

impl Reach {
    fn owner(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Own(owner) => Some(owner),
        }
    }
}

/// Which recordings to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// Words that title, description, recorder or metadata contain, all of them, whatever their case.
    pub text: String,
    /// How far they have come.
    pub status: Option<RecordingStatus>,
    /// Where the page begins, as the page before it said.
    pub cursor: Option<String>,
    /// At most so many, 1 to 100; 50 if not given.
    pub limit: Option<u32>,
}

/// A recording's row.
struct Found {
    number: i64,
    recording: Recording,
}

impl Coordinator {
    /// Makes a recording. Asking again gives it as it is by now; says whether it is new.
    pub async fn create(
        &self,
        owner: String,
        request: CreateRecording,
        now: UtcTime,
    ) -> Result<(Recording, bool)> {
        validate::create(&request)?;
        let made = self.db.write(move |c| create(c, &owner, &request, now)).await?;
        self.work.notify_one();
        Ok(made)
    }

    /// Lists recordings, newest first.
    pub async fn recordings(&self, reach: Reach, search: Search) -> Result<Recordings> {
        let limit = search.limit.unwrap_or(50);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(CoordinatorError::invalid(format!("limit: 1 to {PAGE_MAX}")));
        }
        if !api::is_plain(&search.text, SEARCH_MAX) {
            return Err(CoordinatorError::invalid(format!("q: at most {SEARCH_MAX} characters")));
        }
        let after = search.cursor.as_deref().map(read_cursor).transpose()?;
        self.db.read(move |c| list(c, &reach, &search, after, limit as usize)).await
    }

    /// A recording.
    pub async fn recording(&self, reach: Reach, id: RecordingId) -> Result<Recording> {
        self.db.read(move |c| recording(c, &reach, id)).await
    }

    /// Changes texts of a recording.
    pub async fn change(&self, reach: Reach, id: RecordingId, change: Change) -> Result<Recording> {
        validate::change(&change)?;
        let changed = self.db.write(move |c| apply(c, &reach, id, change)).await?;
        self.work.notify_one();
        Ok(changed)
    }

    /// Deletes a recording: it is gone at once, and its objects are deleted from the store later.
    pub async fn delete(&self, reach: Reach, id: RecordingId, now: UtcTime) -> Result<()> {
        self.db.write(move |c| delete(c, &reach, id, now)).await?;
        self.work.notify_one();
        Ok(())
    }
}

fn create(
    connection: &Connection,
    owner: &str,
    request: &CreateRecording,
    now: UtcTime,
) -> Result<(Recording, bool)> {
    match find(connection, &Reach::Own(owner.to_owned()), request.id) {
        Ok(found) => return Ok((found.recording, false)),
        Err(CoordinatorError::Refused { code: Code::NotFound, .. }) => {}
        Err(error) => return Err(error),
    }
    let sql = "INSERT INTO recording (id, owner, title, description, recorder, metadata, words, created_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO NOTHING";
    let CreateRecording { id, title, description, recorder, metadata } = request;
    let words = words(title, description, recorder, metadata);
    let pairs = write_pairs(metadata)?;
    let row = params![id.0.as_bytes(), owner, title, description, recorder, pairs, words, now.0];
    if connection.prepare_cached(sql)?.execute(row)? == 0 {
        return Err(CoordinatorError::refused(Code::IdTaken, "another recording has this id"));
    }
    Ok((find(connection, &Reach::All, *id)?.recording, true))
}

const COLUMNS: &str =
    "r.number, r.id, r.title, r.description, r.recorder, r.metadata, r.status, r.created_at,
    (SELECT coalesce(sum(chunks), 0) FROM session s WHERE s.recording = r.number),
    (SELECT coalesce(sum(bytes), 0) FROM session s WHERE s.recording = r.number), r.deleted_at IS NOT NULL";

/// Finds a recording within reach that was not deleted, with its number.
fn find(connection: &Connection, reach: &Reach, id: RecordingId) -> Result<Found> {
    let sql = format!("SELECT {COLUMNS} FROM recording r WHERE r.id = ?1 AND (?2 IS NULL OR r.owner = ?2)");
    let read = |row: &Row<'_>| Ok((read(row)?, row.get::<_, bool>(10)?));
    let found = connection.prepare_cached(&sql)?.query_row(params![id.0.as_bytes(), reach.owner()], read);
    match found.optional()? {
        Some((found, false)) => with_sessions(connection, found),
        Some((_, true)) => Err(CoordinatorError::refused(Code::Gone, "the recording was deleted")),
        None => Err(CoordinatorError::refused(Code::NotFound, "there is no such recording")),
    }
}

/// A recording within reach that was not deleted.
pub fn recording(connection: &Connection, reach: &Reach, id: RecordingId) -> Result<Recording> {
    find(connection, reach, id).map(|found| found.recording)
}

/// The number of a recording within reach that was not deleted.
pub fn number(connection: &Connection, reach: &Reach, id: RecordingId) -> Result<i64> {
    find(connection, reach, id).map(|found| found.number)
}

/// Whatever was said of a recording must be said again to the object store.
pub fn revise(connection: &Connection, number: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE recording SET revision = revision + 1 WHERE number = ?1")?
        .execute([number])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Found> {
    let metadata: String = row.get(5)?;
    let metadata = serde_json::from_str(&metadata).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(5, rusqlite::types::Type::Text, Box::new(error))
    })?;
    let status = match row.get::<_, i64>(6)? {
        0 => RecordingStatus::Recording,
        1 => RecordingStatus::Uploading,
        _ => RecordingStatus::Ready,
    };
    let recording = Recording {
        id: RecordingId(rows::uuid(row, 1)?),
        title: row.get(2)?,
        description: row.get(3)?,
        recorder: row.get(4)?,
        metadata,
        status,
        created_at: UtcTime(row.get(7)?),
        sessions: Vec::new(),
        chunks: rows::count(row, 8)?,
        bytes: rows::count(row, 9)?,
    };
    Ok(Found { number: row.get(0)?, recording })
}

fn with_sessions(connection: &Connection, mut found: Found) -> Result<Found> {
    let sql = "SELECT id FROM session WHERE recording = ?1 ORDER BY number";
    let mut statement = connection.prepare_cached(sql)?;
    let ids = statement.query_map([found.number], |row| rows::uuid(row, 0).map(SessionId))?;
    found.recording.sessions = ids.collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

fn list(
    connection: &Connection,
    reach: &Reach,
    search: &Search,
    after: Option<(i64, i64)>,
    limit: usize,
) -> Result<Recordings> {
    let words: Vec<String> = search.text.split_whitespace().take(WORDS_MAX).map(str::to_lowercase).collect();
    let matches = " AND instr(r.words, ?) > 0".repeat(words.len());
    let sql = format!(
        "SELECT {COLUMNS} FROM recording r
         WHERE r.deleted_at IS NULL AND (r.created_at, r.number) < (?, ?)
               AND r.owner = coalesce(?, r.owner) AND r.status = coalesce(?, r.status) {matches}
         ORDER BY r.created_at DESC, r.number DESC LIMIT ?"
    );
    let (created_at, number) = after.unwrap_or((i64::MAX, i64::MAX));
    let status = search.status.map(|status| match status {
        RecordingStatus::Recording => 0,
        RecordingStatus::Uploading => 1,
        RecordingStatus::Ready => 2,
    });
    let mut values = vec![Value::from(created_at), Value::from(number)];
    values.push(reach.owner().map(str::to_owned).into());
    values.push(status.into());
    values.extend(words.into_iter().map(Value::from));
    values.push(Value::from(limit as i64 + 1));
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_map(params_from_iter(values), read)?;
    let mut found: Vec<Found> = found.collect::<rusqlite::Result<_>>()?;
    let cursor = (found.len() > limit).then(|| {
        found.truncate(limit);
        found.last().map(write_cursor)
    });
    let recordings = found.into_iter().map(|found| Ok(with_sessions(connection, found)?.recording));
    Ok(Recordings { recordings: recordings.collect::<Result<_>>()?, cursor: cursor.flatten() })
}

fn write_cursor(last: &Found) -> String {
    format!("{}-{}", last.recording.created_at.0, last.number)
}

fn read_cursor(text: &str) -> Result<(i64, i64)> {
    let parts = text.rsplit_once('-').and_then(|(at, number)| Some((at.parse().ok()?, number.parse().ok()?)));
    parts.ok_or_else(|| CoordinatorError::invalid("this cursor is none of ours"))
}

fn apply(connection: &Connection, reach: &Reach, id: RecordingId, change: Change) -> Result<Recording> {
    let Found { number, mut recording } = find(connection, reach, id)?;
    let Change { title, description, metadata } = change;
    recording.title = title.unwrap_or(recording.title);
    recording.description = description.unwrap_or(recording.description);
    recording.metadata = metadata.unwrap_or(recording.metadata);
    let Recording { title, description, recorder, metadata, .. } = &recording;
    let words = words(title, description, recorder, metadata);
    let sql =
        "UPDATE recording SET title = ?2, description = ?3, metadata = ?4, words = ?5 WHERE number = ?1";
    let pairs = write_pairs(metadata)?;
    connection.prepare_cached(sql)?.execute(params![number, title, description, pairs, words])?;
    revise(connection, number)?;
    Ok(recording)
}

fn delete(connection: &Connection, reach: &Reach, id: RecordingId, now: UtcTime) -> Result<()> {
    let number = match number(connection, reach, id) {
        Ok(number) => number,
        // Deleted before, so there is nothing left to do.
        Err(CoordinatorError::Refused { code: Code::Gone, .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let sql =
        "UPDATE recording SET deleted_at = ?2, title = '', description = '', recorder = '', metadata = '{}',
                                    words = '' WHERE number = ?1";
    connection.prepare_cached(sql)?.execute([number, now.0])?;
    connection.execute("INSERT INTO deletion (recording, due_at) VALUES (?1, ?2)", [number, now.0])?;
    Ok(())
}

/// What is searched: a line for each text, so that no word is made of the end of one and the beginning of the next.
fn words(title: &str, description: &str, recorder: &str, metadata: &BTreeMap<String, String>) -> String {
    let pairs = metadata.iter().flat_map(|(key, value)| [key.as_str(), value]);
    let all: Vec<&str> = [title, description, recorder].into_iter().chain(pairs).collect();
    all.join("\n").to_lowercase()
}

fn write_pairs(pairs: &BTreeMap<String, String>) -> Result<String> {
    serde_json::to_string(pairs).map_err(|error| CoordinatorError::invalid(format!("metadata: {error}")))
}
