//! How far sessions have come on their way to a server: what it has confirmed, and its receipts.
//!
//! Owns: those rows. What a server says is kept as it said it and not understood here. An object is settled only if it is
//! one of the session's, so these rows never say more than those of chunks and init segments do. Tested in
//! `tests/uploads.rs`, and in `sim` under crashes.

use crate::{
    StoreError,
    index::{self, SessionRow, Sum},
    store::{ChunkStore, SessionSummary},
};
use model::{Chunk, ChunkId, Hash, Retention, SessionId, SessionMeta, SessionState, TrackId};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::BTreeMap;
use uuid::Uuid;

type Result<T> = std::result::Result<T, StoreError>;

/// The tables.
pub(crate) const SCHEMA: &str = include_str!("uploads.sql");

/// How far a session has come on its way to a server.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Upload {
    /// Somebody asked for this session by name.
    pub wanted: bool,
    /// The address of the server that the rest holds for; empty before there was one.
    pub server: String,
    /// Chunks that it has confirmed.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Chunks whose bytes are lost here, whatever the server.
    pub lost: u64,
    /// What the session's manifest says besides its chunks, once it may have been sent.
    pub manifest: Option<SessionMeta>,
    /// What the server said of it last, as it said it.
    pub receipt: Option<String>,
    /// The receipt says that all of it is there.
    pub complete: bool,
}

/// An init segment or a chunk of a session.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// The track that it belongs to.
    pub track: TrackId,
    /// A chunk's number; none for an init segment.
    pub index: Option<u32>,
    /// Of its bytes.
    pub hash: Hash,
}

/// Why an object need not be sent any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The server has said that it is there, durable and right.
    Confirmed,
    /// Its bytes are lost here.
    Lost,
}

impl Settled {
    fn number(self) -> i64 {
        match self {
            Self::Confirmed => 1,
            Self::Lost => 2,
        }
    }

    fn of(number: i64) -> Result<Self> {
        match number {
            1 => Ok(Self::Confirmed),
            2 => Ok(Self::Lost),
            _ => Err(StoreError::IndexDamaged),
        }
    }
}

impl ChunkStore {
    /// How far a session has come; nothing at all where nobody has begun with it.
    pub fn upload(&self, session: SessionId) -> Result<Upload> {
        self.inner.read(|index| Ok(find(index, session)?.unwrap_or_default()))
    }

    /// Says whether somebody asks for a session by name.
    pub fn want_upload(&self, session: SessionId, wanted: bool) -> Result<()> {
        self.change_upload(session, None, |_, upload| {
            upload.wanted = wanted;
            Ok(())
        })
    }

    /// Settles objects of a session, or, with none, takes that back: what they were before does not matter. Objects that
    /// are none of the session's are left out. What is known of another server is forgotten.
    pub fn settle(
        &self,
        session: SessionId,
        server: &str,
        objects: &[(ObjectId, Option<Settled>)],
    ) -> Result<()> {
        self.change_upload(session, Some(server), |index, upload| {
            for (object, how) in objects {
                unsettle(index, session, object, upload)?;
                if let Some(how) = how {
                    put_settled(index, session, object, *how, upload)?;
                }
            }
            Ok(())
        })
    }

    /// The objects of a session that need not be sent to this server.
    pub fn settled(&self, session: SessionId, server: &str) -> Result<BTreeMap<ObjectId, Settled>> {
        self.inner.read(|index| {
            let known = find(index, session)?.is_some_and(|upload| upload.server == server);
            let mut settled = all_settled(index, session)?;
            settled.retain(|_, how| known || *how == Settled::Lost);
            Ok(settled)
        })
    }

    /// What the manifest of a session that has ended says besides its chunks: as the session is at the first time, and
    /// the same ever after, whatever people change.
    pub fn fix_manifest(&self, session: SessionId, server: &str) -> Result<SessionMeta> {
        let mut fixed = None;
        self.change_upload(session, Some(server), |index, upload| {
            if upload.manifest.is_none() {
                let meta = index::session(index, session)?.document.meta;
                if meta.state == SessionState::Recording {
                    return Err(StoreError::Live { session });
                }
                upload.manifest = Some(meta);
            }
            fixed.clone_from(&upload.manifest);
            Ok(())
        })?;
        fixed.ok_or(StoreError::IndexDamaged)
    }

    /// Keeps what a server said of a session, and whether that means that all of it is there.
    pub fn keep_receipt(
        &self,
        session: SessionId,
        server: &str,
        receipt: &str,
        complete: bool,
    ) -> Result<()> {
        self.change_upload(session, Some(server), |_, upload| {
            upload.receipt = Some(receipt.to_owned());
            upload.complete = complete;
            Ok(())
        })
    }

    /// Forgets what a server has of a session: it is sent anew, to whichever server. What is lost here stays lost.
    pub fn forget_upload(&self, session: SessionId) -> Result<()> {
        self.change_upload(session, Some(""), |_, _| Ok(()))
    }

    /// Up to `limit` sessions after `after` of which no receipt says that they are at a server, oldest first: neither
    /// those in the trash, nor replay buffers, nor those that wait to be put in order.
    pub fn waiting(&self, after: Option<SessionId>, limit: usize) -> Result<Vec<(SessionSummary, Upload)>> {
        let mut page = Vec::new();
        let mut last = after;
        while page.len() < limit {
            let ids = self.inner.read(|index| incomplete(index, last, limit))?;
            let Some(newest) = ids.last() else { break };
            last = Some(*newest);
            for id in ids {
                let found = self.inner.read(|index| {
                    Ok(index::find_session(index, id)?.zip(Some(find(index, id)?.unwrap_or_default())))
                })?;
                // Deleted a moment ago, perhaps.
                page.extend(found.filter(|(row, _)| self.may_leave(row)).map(|(row, up)| (row.into(), up)));
            }
        }
        page.truncate(limit);
        Ok(page)
    }

    /// The sessions that are being recorded.
    pub fn live(&self) -> Vec<SessionId> {
        self.inner.live()
    }

    fn may_leave(&self, row: &SessionRow) -> bool {
        let meta = &row.document.meta;
        let is_ended = meta.state != SessionState::Recording && !row.waits;
        meta.retention == Retention::KeepAll
            && meta.trashed_at.is_none()
            && (is_ended || self.inner.is_live(meta.id))
    }

    /// Changes a session's row, for another server from its beginning.
    fn change_upload(
        &self,
        session: SessionId,
        server: Option<&str>,
        change: impl FnOnce(&Connection, &mut Upload) -> Result<()>,
    ) -> Result<()> {
        let inner = &self.inner;
        let mut index = inner.index();
        inner.commit(&mut index, |transaction| {
            index::session(transaction, session)?;
            let mut upload = find(transaction, session)?.unwrap_or_default();
            if let Some(server) = server.filter(|server| *server != upload.server) {
                transaction
                    .prepare_cached("DELETE FROM settled WHERE session = ?1 AND how = 1")?
                    .execute([session.0.as_bytes()])?;
                let Upload { wanted, lost, .. } = upload;
                upload = Upload { wanted, lost, server: server.to_owned(), ..Upload::default() };
            }
            change(transaction, &mut upload)?;
            put(transaction, session, &upload)
        })
    }
}

/// Sessions after `after` without a receipt that says that they are there, and not in the trash.
fn incomplete(index: &Connection, after: Option<SessionId>, limit: usize) -> Result<Vec<SessionId>> {
    let mut statement = index.prepare_cached(
        "SELECT id FROM list LEFT JOIN uploads ON session = id
         WHERE id > ?1 AND NOT trashed AND ifnull(complete, 0) = 0 ORDER BY id LIMIT ?2",
    )?;
    let after = after.map_or(Vec::new(), |id| id.0.as_bytes().to_vec());
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let ids =
        statement.query_map(params![after, limit], |row| Ok(SessionId(Uuid::from_bytes(row.get(0)?))))?;
    ids.map(|id| Ok(id?)).collect()
}

/// Forgets a session.
pub(crate) fn remove(index: &Connection, session: SessionId) -> Result<()> {
    for table in ["uploads", "settled"] {
        index.execute(&format!("DELETE FROM {table} WHERE session = ?1"), [session.0.as_bytes()])?;
    }
    Ok(())
}

const UPLOAD: &str = "session, wanted, complete, server, manifest, receipt, chunks, bytes, lost, sum";

fn put(index: &Connection, session: SessionId, upload: &Upload) -> Result<()> {
    let manifest = upload.manifest.as_ref().map(|meta| {
        serde_json::to_string(meta).expect("plain structs with text for keys can be said in JSON")
    });
    let sum = upload_sum(session.0, upload, manifest.as_deref()).finish();
    index
        .prepare_cached("INSERT OR REPLACE INTO uploads VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?
        .execute(params![
            session.0.as_bytes(),
            upload.wanted,
            upload.complete,
            upload.server,
            manifest,
            upload.receipt,
            upload.chunks.cast_signed(),
            upload.bytes.cast_signed(),
            upload.lost.cast_signed(),
            sum
        ])?;
    Ok(())
}

fn upload_sum(session: Uuid, upload: &Upload, manifest: Option<&str>) -> Sum {
    let text = |sum: Sum, text: Option<&str>| {
        sum.number(text.is_some().into()).bytes(text.unwrap_or_default().as_bytes())
    };
    let sum = Sum::new().bytes(session.as_bytes()).number(upload.wanted.into());
    let sum = sum.number(upload.complete.into()).bytes(upload.server.as_bytes());
    let sum = text(text(sum, manifest), upload.receipt.as_deref()).number(upload.chunks.cast_signed());
    sum.number(upload.bytes.cast_signed()).number(upload.lost.cast_signed())
}

fn upload_row(row: &Row<'_>) -> Result<(SessionId, Upload)> {
    let session = Uuid::from_bytes(row.get(0)?);
    let manifest: Option<String> = row.get(4)?;
    let upload = Upload {
        wanted: row.get(1)?,
        complete: row.get(2)?,
        server: row.get(3)?,
        manifest: None,
        receipt: row.get(5)?,
        chunks: row.get::<_, i64>(6)?.cast_unsigned(),
        bytes: row.get::<_, i64>(7)?.cast_unsigned(),
        lost: row.get::<_, i64>(8)?.cast_unsigned(),
    };
    upload_sum(session, &upload, manifest.as_deref()).prove(&row.get::<_, Vec<u8>>(9)?)?;
    let meta = manifest.map(|text| serde_json::from_str(&text).map_err(|_| StoreError::IndexDamaged));
    Ok((SessionId(session), Upload { manifest: meta.transpose()?, ..upload }))
}

fn find(index: &Connection, session: SessionId) -> Result<Option<Upload>> {
    let mut statement = index.prepare_cached(&format!("SELECT {UPLOAD} FROM uploads WHERE session = ?1"))?;
    let found = statement.query_row([session.0.as_bytes()], |row| Ok(upload_row(row))).optional()?;
    Ok(found.transpose()?.map(|(_, upload)| upload))
}

/// The size of a chunk of the session, none for its init segments; an error of its own where it is neither.
fn size(index: &Connection, session: SessionId, object: &ObjectId) -> Result<Option<Option<u64>>> {
    match object.index {
        None => Ok(index::init(index, session, &object.track, &object.hash)?.map(|_| None)),
        Some(number) => {
            let id = ChunkId { session, track: object.track.clone(), index: number };
            match index::chunk(index, &id) {
                Ok(chunk) => Ok((chunk.hash == object.hash).then_some(Some(chunk.size))),
                Err(StoreError::NotFound { .. }) => Ok(None),
                Err(other) => Err(other),
            }
        }
    }
}

impl Upload {
    /// What a settled chunk adds.
    fn add(&mut self, how: Settled, size: u64) {
        match how {
            Settled::Confirmed => {
                self.chunks += 1;
                self.bytes += size;
            }
            Settled::Lost => self.lost += 1,
        }
    }

    fn take(&mut self, how: Settled, size: u64) {
        match how {
            Settled::Confirmed => {
                self.chunks = self.chunks.saturating_sub(1);
                self.bytes = self.bytes.saturating_sub(size);
            }
            Settled::Lost => self.lost = self.lost.saturating_sub(1),
        }
    }
}

fn put_settled(
    index: &Connection,
    session: SessionId,
    object: &ObjectId,
    how: Settled,
    upload: &mut Upload,
) -> Result<()> {
    // Something that is not there was never sent.
    let Some(size) = size(index, session, object)? else { return Ok(()) };
    if let Some(size) = size {
        upload.add(how, size);
    }
    let number = object.index.unwrap_or(0);
    index.prepare_cached("INSERT INTO settled VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(params![
        session.0.as_bytes(),
        object.track.as_str(),
        number,
        object.hash.0,
        how.number(),
        settled_sum(session.0, object, how).finish()
    ])?;
    Ok(())
}

fn unsettle(index: &Connection, session: SessionId, object: &ObjectId, upload: &mut Upload) -> Result<()> {
    let key = params![session.0.as_bytes(), object.track.as_str(), object.index.unwrap_or(0), object.hash.0];
    let gone: Option<i64> = index
        .prepare_cached(
            "DELETE FROM settled WHERE session = ?1 AND track = ?2 AND number = ?3 AND hash = ?4 RETURNING how",
        )?
        .query_row(key, |row| row.get(0))
        .optional()?;
    if let (Some(how), Some(Some(size))) = (gone, size(index, session, object)?) {
        upload.take(Settled::of(how)?, size);
    }
    Ok(())
}

fn settled_sum(session: Uuid, object: &ObjectId, how: Settled) -> Sum {
    let sum = Sum::new().bytes(session.as_bytes()).bytes(object.track.as_str().as_bytes());
    sum.number(object.index.unwrap_or(0).into()).bytes(&object.hash.0).number(how.number())
}

fn all_settled(index: &Connection, session: SessionId) -> Result<BTreeMap<ObjectId, Settled>> {
    let mut statement = index.prepare_cached(
        "SELECT track, number, hash, how, sum FROM settled WHERE session = ?1 ORDER BY track, number",
    )?;
    let read = |row: &Row<'_>| -> Result<(ObjectId, Settled)> {
        let (track, number): (String, u32) = (row.get(0)?, row.get(1)?);
        let object = ObjectId {
            track: track.parse().map_err(|_| StoreError::IndexDamaged)?,
            index: (number > 0).then_some(number),
            hash: Hash(row.get(2)?),
        };
        let how = Settled::of(row.get(3)?)?;
        settled_sum(session.0, &object, how).prove(&row.get::<_, Vec<u8>>(4)?)?;
        Ok((object, how))
    };
    statement.query_map([session.0.as_bytes()], |row| Ok(read(row)))?.map(|row| row?).collect()
}

/// Proves the rows of a session whose chunks are these, by track and index: they add up, and each is of an object that is
/// there. Says how many objects are settled.
pub(crate) fn prove(index: &Connection, session: SessionId, chunks: &[Chunk]) -> Result<u64> {
    let settled = all_settled(index, session)?;
    let mut found = Upload::default();
    for (object, how) in &settled {
        let Some(number) = object.index else {
            size(index, session, object)?.ok_or(StoreError::IndexDamaged)?;
            continue;
        };
        let key = (&object.track, number);
        let chunk = chunks.binary_search_by(|chunk| (&chunk.id.track, chunk.id.index).cmp(&key));
        let chunk = chunk.ok().map(|at| &chunks[at]).filter(|chunk| chunk.hash == object.hash);
        found.add(*how, chunk.ok_or(StoreError::IndexDamaged)?.size);
    }
    let upload = find(index, session)?.unwrap_or_default();
    let adds_up = (found.chunks, found.bytes, found.lost) == (upload.chunks, upload.bytes, upload.lost);
    if adds_up { Ok(settled.len() as u64) } else { Err(StoreError::IndexDamaged) }
}

/// Whether there are rows of sessions that are not there, `settled` being how many those that are there have.
pub(crate) fn prove_all(index: &Connection, settled: u64) -> Result<()> {
    let strangers = "SELECT (SELECT count(*) FROM uploads WHERE session NOT IN (SELECT id FROM sessions)),
                            (SELECT count(*) FROM settled)";
    let found: (i64, i64) = index.query_row(strangers, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if found == (0, settled.cast_signed()) { Ok(()) } else { Err(StoreError::IndexDamaged) }
}
