//! The list: what sessions are searched and ordered by, in a table of its own, so that a page of ten thousand takes
//! milliseconds.
//!
//! Owns: that table. Its rows are made of the sessions' rows, in the same transactions, and never say anything that
//! those do not. A row that does not fit its session's is [`StoreError::IndexDamaged`]. Tested in `tests/list.rs`.

use crate::{
    StoreError,
    index::{self, SessionRow},
    store::{ChunkStore, SessionSummary},
};
use model::{SessionId, SessionMeta, Span};
use rusqlite::{Connection, Row, params, params_from_iter, types::Value};
use std::time::Duration;
use uuid::Uuid;

type Result<T> = std::result::Result<T, StoreError>;

/// The table.
pub(crate) const SCHEMA: &str = include_str!("list.sql");
/// More words than anybody types.
const TEXT_MAX: usize = 200;

/// Which sessions to look for, and in which order to give them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// Words that title, description or metadata contain, all of them, whatever their case. At most 200 characters.
    pub text: String,
    /// In which order.
    pub order: ListOrder,
    /// Those in the trash instead of all others.
    pub trashed: bool,
    /// How many to leave out at the beginning.
    pub offset: u32,
    /// At most this many; with none, only the sums are made.
    pub limit: u32,
}

/// In which order sessions are listed. Where it leaves two alike, what began last comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListOrder {
    /// What began last comes first.
    #[default]
    Newest,
    /// What began first comes first.
    Oldest,
    /// What plays longest comes first.
    Longest,
    /// What takes most bytes comes first.
    Largest,
    /// By title, whatever its case; those without one at the end.
    Title,
}

/// What a search has found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    /// Sessions, whichever of them are asked for.
    pub total: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Those that are asked for, in order.
    pub sessions: Vec<SessionSummary>,
}

impl ChunkStore {
    /// Looks for sessions.
    pub fn search(&self, search: &Search) -> Result<Found> {
        if search.text.chars().count() > TEXT_MAX {
            return Err(StoreError::TooLong { what: "search", limit: TEXT_MAX });
        }
        self.inner.read(|index| find(index, search))
    }
}

/// How long a session plays: its span without what is left out on all tracks.
pub(crate) fn played(meta: &SessionMeta, span: Span) -> Duration {
    let within = |gap: Span| Span::new(gap.start.max(span.start), gap.end.min(span.end));
    let skipped: Duration = meta.session_gaps().map(|gap| within(gap).duration()).sum();
    span.duration().saturating_sub(skipped)
}

/// A row of the list.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    id: Uuid,
    trashed: bool,
    played: i64,
    bytes: i64,
    title: String,
    words: String,
}

impl Entry {
    fn of(row: &SessionRow) -> Self {
        let meta = &row.document.meta;
        let title = meta.title.to_lowercase();
        let pairs = meta.metadata.iter().flat_map(|(key, value)| [key, value]);
        let others = [&meta.description].into_iter().chain(pairs);
        // A line each, so that no word is made of the end of one and the beginning of the next.
        let words = others.fold(title.clone(), |words, text| words + "\n" + &text.to_lowercase());
        let played = played(meta, row.totals.span).as_nanos();
        Self {
            id: meta.id.0,
            trashed: meta.trashed_at.is_some(),
            played: i64::try_from(played).unwrap_or(i64::MAX),
            bytes: row.totals.bytes.cast_signed(),
            title,
            words,
        }
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: Uuid::from_bytes(row.get(0)?),
            trashed: row.get(1)?,
            played: row.get(2)?,
            bytes: row.get(3)?,
            title: row.get(4)?,
            words: row.get(5)?,
        })
    }
}

/// Writes the row of a session, new or instead of the one that is there.
pub(crate) fn put(connection: &Connection, row: &SessionRow) -> Result<()> {
    let Entry { id, trashed, played, bytes, title, words } = Entry::of(row);
    connection
        .prepare_cached("INSERT OR REPLACE INTO list VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![id.as_bytes(), trashed, played, bytes, title, words])?;
    Ok(())
}

/// Proves the row of a session.
pub(crate) fn prove(connection: &Connection, row: &SessionRow) -> Result<()> {
    let mut statement = connection.prepare_cached("SELECT * FROM list WHERE id = ?1")?;
    let found = statement.query_map([row.document.meta.id.0.as_bytes()], Entry::read)?.next().transpose()?;
    if found.as_ref() == Some(&Entry::of(row)) { Ok(()) } else { Err(StoreError::IndexDamaged) }
}

fn find(connection: &Connection, search: &Search) -> Result<Found> {
    let words: Vec<_> = search.text.split_whitespace().map(|word| Value::Text(word.to_lowercase())).collect();
    let mut wanted = String::from("FROM list WHERE trashed = ?1");
    (0..words.len()).for_each(|at| wanted += &format!(" AND instr(words, ?{})", at + 2));
    let parameters = || params_from_iter([Value::from(search.trashed)].into_iter().chain(words.clone()));
    // Both questions see the same instant.
    let snapshot = connection.unchecked_transaction()?;
    let sums = format!("SELECT count(*), coalesce(sum(bytes), 0) {wanted}");
    let (total, bytes): (i64, i64) =
        snapshot.prepare_cached(&sums)?.query_row(parameters(), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut found =
        Found { total: total.cast_unsigned(), bytes: bytes.cast_unsigned(), sessions: Vec::new() };
    let order = match search.order {
        ListOrder::Newest => "id DESC",
        ListOrder::Oldest => "id",
        ListOrder::Longest => "played DESC, id DESC",
        ListOrder::Largest => "bytes DESC, id DESC",
        ListOrder::Title => "title = '', title, id DESC",
    };
    let Search { limit, offset, .. } = search;
    // Nothing but ids, since all that is found goes through a sorter.
    let page = format!("SELECT id {wanted} ORDER BY {order} LIMIT {limit} OFFSET {offset}");
    let mut page = snapshot.prepare_cached(&page)?;
    let ids = page.query_map(parameters(), |row| Ok(SessionId(Uuid::from_bytes(row.get(0)?))))?;
    for id in ids {
        let row = index::find_session(&snapshot, id?)?.ok_or(StoreError::IndexDamaged)?;
        prove(&snapshot, &row)?;
        found.sessions.push(row.into());
    }
    Ok(found)
}
