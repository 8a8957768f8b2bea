//! Sessions: joined, heard of, and finalized when nothing is heard of them.

use super::{
    Coordinator, CoordinatorError, Reach, Result, liveness::Heard, millis, recordings, rows, rows::Session,
    validate,
};
use api::{Code, Heartbeat, HeartbeatAnswer, Join, SessionLine, SessionStatus};
use model::{RecordingId, SessionId, UtcTime};
use rusqlite::{Connection, OptionalExtension, params};

/// Rows that are changed in one go, so that others need not wait long.
const SLICE: usize = 512;
/// What a recorder is told to spare the server when too much waits, in seconds.
const SLOW_DOWN: u64 = 5;

impl Coordinator {
    /// Lets a session into a recording. Joining again changes nothing, but that its recorder was heard of.
    pub async fn join(
        &self,
        reach: Reach,
        recording: RecordingId,
        request: Join,
        now: UtcTime,
    ) -> Result<SessionStatus> {
        validate::join(&request)?;
        let status = self.db.write(move |c| join(c, &reach, recording, &request, now)).await?;
        self.work.notify_one();
        Ok(status)
    }

    /// What is known of a session.
    pub async fn session(&self, id: SessionId) -> Result<SessionLine> {
        let session: Session = self.db.read(move |c| rows::session(c, id)).await?;
        let heard = self.liveness.of(session.number);
        Ok(SessionLine {
            id: session.id,
            recording: session.recording,
            status: session.status,
            started_at: session.started_at,
            seen_at: heard.map_or(session.seen_at, |heard| heard.at.max(session.seen_at)),
            heartbeat: heard.and_then(|heard| heard.said).unwrap_or(session.heartbeat),
            chunks: session.chunks,
            bytes: session.bytes,
            client: session.client,
        })
    }

    /// Hears that a recorder lives.
    pub async fn heartbeat(
        &self,
        id: SessionId,
        heartbeat: Heartbeat,
        now: UtcTime,
    ) -> Result<HeartbeatAnswer> {
        validate::heartbeat(&heartbeat)?;
        let session: Session = self.db.read(move |c| rows::session(c, id)).await?;
        let status = self.hear(&session, Some(heartbeat), now).await?;
        let slow_down = if self.db.is_busy() { SLOW_DOWN } else { 0 };
        Ok(HeartbeatAnswer { server_time: now, status, confirmed: session.objects, slow_down })
    }

    /// Notes that a recorder was heard of: later, together with others, but at once where that wakes its session.
    pub(super) async fn hear(
        &self,
        session: &Session,
        said: Option<Heartbeat>,
        now: UtcTime,
    ) -> Result<SessionStatus> {
        self.liveness.hear(session.number, now, said);
        if !session.status.provisional {
            return Ok(session.status);
        }
        let id = session.id;
        let wake = move |c: &Connection| {
            rows::hear(c, &rows::session(c, id)?, now)?;
            Ok(rows::session(c, id)?.status)
        };
        self.db.write(wake).await
    }

    /// Finalizes provisionally what has been silent for too long, and says how many sessions that are. Nobody's silence
    /// is counted from before this server was there to listen.
    pub async fn finalize_silent(&self, now: UtcTime) -> Result<usize> {
        self.keep_liveness().await?;
        let latest = now.0.saturating_sub(millis(self.rules.silence));
        if latest < self.opened_at.0 {
            return Ok(0);
        }
        let mut total = 0;
        loop {
            let count = self.db.write(move |c| finalize_silent(c, latest)).await?;
            total += count;
            if count < SLICE {
                return Ok(total);
            }
        }
    }

    /// Writes what was heard of recorders.
    async fn keep_liveness(&self) -> Result<()> {
        let heard = self.liveness.take();
        for slice in heard.chunks(SLICE) {
            let slice = slice.to_vec();
            // If it fails, these are older than they were: a session may be taken for silent until the next heartbeat.
            self.db
                .write(move |c| slice.iter().try_for_each(|(number, heard)| keep(c, *number, heard)))
                .await?;
        }
        Ok(())
    }
}

fn join(
    connection: &Connection,
    reach: &Reach,
    recording: RecordingId,
    request: &Join,
    now: UtcTime,
) -> Result<SessionStatus> {
    let number = recordings::number(connection, reach, recording)?;
    let sql = "SELECT recording FROM session WHERE id = ?1";
    let id = request.id.0.as_bytes();
    match connection.prepare_cached(sql)?.query_row([id], |row| row.get::<_, i64>(0)).optional()? {
        Some(of) if of == number => {}
        Some(_) => {
            return Err(CoordinatorError::refused(Code::IdTaken, "another recording has this session"));
        }
        None => insert(connection, number, request, now)?,
    }
    rows::hear(connection, &rows::session(connection, request.id)?, now)?;
    Ok(rows::session(connection, request.id)?.status)
}

fn insert(connection: &Connection, recording: i64, request: &Join, now: UtcTime) -> Result<()> {
    let sql = "SELECT count(*) FROM session WHERE recording = ?1";
    let sessions: i64 = connection.prepare_cached(sql)?.query_row([recording], |row| row.get(0))?;
    if sessions >= validate::SESSIONS_MAX {
        let detail = format!("a recording has at most {} sessions", validate::SESSIONS_MAX);
        return Err(CoordinatorError::invalid(detail));
    }
    let sql =
        "INSERT INTO session (id, recording, started_at, agent, os, seen_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let Join { id, started_at, client } = request;
    let row = params![id.0.as_bytes(), recording, started_at.0, client.agent, client.os, now.0];
    connection.prepare_cached(sql)?.execute(row)?;
    recordings::revise(connection, recording)?;
    Ok(rows::settle_recording(connection, recording)?)
}

fn keep(connection: &Connection, number: i64, heard: &Heard) -> Result<()> {
    connection
        .prepare_cached("UPDATE session SET seen_at = max(seen_at, ?2) WHERE number = ?1")?
        .execute([number, heard.at.0])?;
    if let Some(said) = heard.said {
        let Heartbeat { sealed, confirmed, gaps, lag_ms } = said;
        let [sealed, confirmed, gaps, lag_ms] = [sealed, confirmed, gaps, lag_ms].map(u64::cast_signed);
        connection
            .prepare_cached(
                "UPDATE session SET sealed = ?2, confirmed = ?3, gaps = ?4, lag_ms = ?5 WHERE number = ?1",
            )?
            .execute([number, sealed, confirmed, gaps, lag_ms])?;
    }
    Ok(())
}

fn finalize_silent(connection: &Connection, latest: i64) -> Result<usize> {
    let sql = format!(
        "UPDATE session SET phase = 1, provisional = 1
         WHERE number IN (SELECT number FROM session WHERE phase = 0 AND seen_at <= ?1 LIMIT {SLICE})
         RETURNING recording"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let recordings = statement.query_map([latest], |row| row.get(0))?;
    let recordings: Vec<i64> = recordings.collect::<rusqlite::Result<_>>()?;
    recordings.iter().try_for_each(|recording| rows::settle_recording(connection, *recording))?;
    Ok(recordings.len())
}
