//! Rows of sessions and objects, and the few statements that several questions need.

use super::{CoordinatorError, Result, SessionKey};
use api::{ClientInfo, Code, Heartbeat, ObjectSpec, Phase, SessionStatus, Vouched};
use model::{Hash, RecordingId, SessionId, Span, Timestamp, UtcTime};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

/// A session.
#[derive(Debug, Clone)]
pub struct Session {
    pub number: i64,
    pub id: SessionId,
    pub recording: RecordingId,
    /// The recording's number.
    pub recording_number: i64,
    pub started_at: UtcTime,
    pub client: ClientInfo,
    pub status: SessionStatus,
    pub seen_at: UtcTime,
    pub heartbeat: Heartbeat,
    /// Objects that are here.
    pub objects: u64,
    /// Chunks of these.
    pub chunks: u64,
    /// Bytes of these objects.
    pub bytes: u64,
    pub manifest: Option<Hash>,
    pub verifying: Option<UtcTime>,
}

impl Session {
    pub fn key(&self) -> SessionKey {
        SessionKey { recording: self.recording, session: self.id }
    }
}

/// Finds a session whose recording was not deleted.
pub fn session(connection: &Connection, id: SessionId) -> Result<Session> {
    let sql = "SELECT s.number, s.id, r.id, s.recording, s.started_at, s.agent, s.os, s.phase, s.provisional,
                      s.seen_at, s.sealed, s.confirmed, s.gaps, s.lag_ms, s.objects, s.chunks, s.bytes,
                      s.manifest_hash, s.verifying, r.deleted_at IS NOT NULL
               FROM session s JOIN recording r ON r.number = s.recording WHERE s.id = ?1";
    let read = |row: &Row<'_>| Ok((read_session(row)?, row.get::<_, bool>(19)?));
    match connection.prepare_cached(sql)?.query_row([id.0.as_bytes()], read).optional()? {
        Some((session, false)) => Ok(session),
        Some((_, true)) => Err(CoordinatorError::refused(Code::Gone, "the recording was deleted")),
        None => Err(CoordinatorError::refused(Code::NotFound, "there is no such session")),
    }
}

fn read_session(row: &Row<'_>) -> rusqlite::Result<Session> {
    let heartbeat = Heartbeat {
        sealed: count(row, 10)?,
        confirmed: count(row, 11)?,
        gaps: count(row, 12)?,
        lag_ms: count(row, 13)?,
    };
    Ok(Session {
        number: row.get(0)?,
        id: SessionId(uuid(row, 1)?),
        recording: RecordingId(uuid(row, 2)?),
        recording_number: row.get(3)?,
        started_at: UtcTime(row.get(4)?),
        client: ClientInfo { agent: row.get(5)?, os: row.get(6)? },
        status: SessionStatus { phase: phase(row.get(7)?), provisional: row.get(8)? },
        seen_at: UtcTime(row.get(9)?),
        heartbeat,
        objects: count(row, 14)?,
        chunks: count(row, 15)?,
        bytes: count(row, 16)?,
        manifest: row.get::<_, Option<[u8; 32]>>(17)?.map(Hash),
        verifying: row.get::<_, Option<i64>>(18)?.map(UtcTime),
    })
}

pub fn uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get(column).map(Uuid::from_bytes)
}

/// A number that is never negative.
pub fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get(column).map(i64::unsigned_abs)
}

fn phase(number: i64) -> Phase {
    match number {
        0 => Phase::Active,
        1 => Phase::Finalizing,
        _ => Phase::Done,
    }
}

/// An object's row.
#[derive(Debug, Clone)]
pub struct Object {
    pub spec: ObjectSpec,
    /// None: it is not here.
    pub vouched: Option<Vouched>,
    pub part: Part,
    /// When it was last looked at; grows with every change of the row.
    pub checked_at: UtcTime,
}

/// What the manifest says of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Nothing, or there is no manifest yet.
    None = 0,
    /// It must be here.
    Needed = 1,
    /// The recorder has lost it.
    Lost = 2,
}

/// The columns that [`read_object`] expects, in order.
pub const OBJECT: &str =
    r#"track, "index", sha256, size, span_start, span_end, init, vouched, part, checked_at"#;

pub fn read_object(row: &Row<'_>) -> rusqlite::Result<Object> {
    let track: String = row.get(0)?;
    let track = track.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })?;
    let index: u32 = row.get(1)?;
    let span = match (row.get(4)?, row.get(5)?) {
        (Some(start), Some(end)) => Some(Span::new(Timestamp(start), Timestamp(end))),
        _ => None,
    };
    let spec = ObjectSpec {
        track,
        index: (index > 0).then_some(index),
        size: count(row, 3)?,
        sha256: Hash(row.get(2)?),
        span,
        init: row.get::<_, Option<[u8; 32]>>(6)?.map(Hash),
    };
    let part = match row.get(8)? {
        0 => Part::None,
        1 => Part::Needed,
        _ => Part::Lost,
    };
    let vouched = row.get::<_, Option<i64>>(7)?.map(read_vouched);
    Ok(Object { spec, vouched, part, checked_at: UtcTime(row.get(9)?) })
}

pub fn read_vouched(number: i64) -> Vouched {
    if number == 0 { Vouched::ReadBack } else { Vouched::Store }
}

pub fn write_vouched(vouched: Vouched) -> i64 {
    match vouched {
        Vouched::ReadBack => 0,
        Vouched::Store => 1,
    }
}

/// Who has an object's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nobody.
    Free,
    /// These bytes.
    Own {
        /// None: they are not here.
        vouched: Option<Vouched>,
        /// What the manifest says of them.
        part: Part,
    },
    /// Others.
    Taken,
}

/// Looks who has the place of an object: its index, or an init's name.
pub fn place(connection: &Connection, session: i64, spec: &ObjectSpec) -> Result<Place> {
    let sql = format!(
        r#"SELECT {OBJECT} FROM object
           WHERE session = ?1 AND track = ?2 AND "index" = ?3
                 AND ("index" > 0 OR substr(sha256, 1, 4) = substr(?4, 1, 4))"#
    );
    let key = params![session, spec.track.as_str(), spec.index.unwrap_or(0), spec.sha256.0];
    let row = connection.prepare_cached(&sql)?.query_row(key, read_object).optional()?;
    Ok(match row {
        None => Place::Free,
        Some(row) if row.spec.sha256 == spec.sha256 && row.spec.size == spec.size => {
            Place::Own { vouched: row.vouched, part: row.part }
        }
        Some(_) => Place::Taken,
    })
}

/// Writes what an object's row says besides its place, which is free or its own.
pub fn put_object(connection: &Connection, session: i64, object: &Object) -> rusqlite::Result<()> {
    let Object { spec, vouched, part, checked_at } = object;
    let sql = r#"INSERT INTO object (session, track, "index", sha256, size, span_start, span_end, init, vouched,
                                     part, checked_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                 ON CONFLICT (session, track, "index", sha256) DO UPDATE SET
                    span_start = excluded.span_start, span_end = excluded.span_end, init = excluded.init,
                    vouched = excluded.vouched, part = excluded.part,
                    checked_at = max(excluded.checked_at, checked_at + 1)"#;
    connection.prepare_cached(sql)?.execute(params![
        session,
        spec.track.as_str(),
        spec.index.unwrap_or(0),
        spec.sha256.0,
        spec.size.cast_signed(),
        spec.span.map(|span| span.start.0),
        spec.span.map(|span| span.end.0),
        spec.init.map(|init| init.0),
        vouched.map(write_vouched),
        *part as i64,
        checked_at.0,
    ])?;
    Ok(())
}

/// How much more, or less, of a session is here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    objects: i64,
    chunks: i64,
    bytes: i64,
}

impl Sums {
    pub fn add(&mut self, spec: &ObjectSpec) {
        self.count(spec, 1);
    }

    pub fn remove(&mut self, spec: &ObjectSpec) {
        self.count(spec, -1);
    }

    fn count(&mut self, spec: &ObjectSpec, sign: i64) {
        self.objects += sign;
        self.chunks += if spec.index.is_some() { sign } else { 0 };
        self.bytes += sign * spec.size.cast_signed();
    }

    pub fn is_zero(self) -> bool {
        self == Self::default()
    }

    /// Adds this to the session's sums.
    pub fn write(self, connection: &Connection, session: i64) -> rusqlite::Result<()> {
        let sql = "UPDATE session SET objects = objects + ?2, chunks = chunks + ?3, bytes = bytes + ?4
                   WHERE number = ?1";
        let Self { objects, chunks, bytes } = self;
        connection.prepare_cached(sql)?.execute([session, objects, chunks, bytes])?;
        Ok(())
    }
}

/// Puts a session, and its recording, into the phase that its objects and its manifest make it be in: called after
/// whatever may have changed that.
pub fn settle(connection: &Connection, session: &Session) -> rusqlite::Result<()> {
    let sql = "UPDATE session SET provisional = 0, phase = CASE
                   WHEN manifest_hash IS NULL THEN 0
                   WHEN EXISTS (SELECT 1 FROM object o
                                WHERE o.session = ?1 AND o.vouched IS NULL AND o.part = 1) THEN 1
                   ELSE 2 END
               WHERE number = ?1";
    connection.prepare_cached(sql)?.execute([session.number])?;
    settle_recording(connection, session.recording_number)
}

/// Makes a recording's status of its sessions' phases.
pub fn settle_recording(connection: &Connection, recording: i64) -> rusqlite::Result<()> {
    let sql =
        "UPDATE recording SET status = coalesce((SELECT min(phase) FROM session WHERE recording = ?1), 0)
               WHERE number = ?1";
    connection.prepare_cached(sql)?.execute([recording])?;
    Ok(())
}

/// Notes that a recorder was heard of, and wakes its session if that was finalized because of silence.
pub fn hear(connection: &Connection, session: &Session, now: UtcTime) -> rusqlite::Result<()> {
    let sql = "UPDATE session SET seen_at = max(seen_at, ?2) WHERE number = ?1";
    connection.prepare_cached(sql)?.execute([session.number, now.0])?;
    if session.status.provisional { settle(connection, session) } else { Ok(()) }
}
