//! Documents beside the media, so that a bucket says what is in it without this server.
//!
//! A row counts its changes and which of them its document has; what the store does not have yet is written the next
//! time. So no answer waits for a document, and none is forgotten.

use super::{Coordinator, CoordinatorError, Reach, Result, SessionKey, key, recordings, rows};
use api::{ClientInfo, Manifest};
use bytes::Bytes;
use model::{RecordingId, SessionId, UtcTime};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
use std::collections::BTreeMap;

const NAME: &str = "metadata.json";
/// Of both documents.
const VERSION: u32 = 1;
/// Documents between two commits.
const SLICE: usize = 64;

/// `recordings/<recording>/metadata.json`.
#[derive(Debug, Serialize)]
struct RecordingDocument {
    version: u32,
    id: RecordingId,
    title: String,
    description: String,
    recorder: String,
    metadata: BTreeMap<String, String>,
    created_at: UtcTime,
    sessions: Vec<SessionId>,
}

/// `recordings/<recording>/sessions/<session>/metadata.json`.
#[derive(Debug, Serialize)]
struct SessionDocument {
    version: u32,
    id: SessionId,
    recording: RecordingId,
    started_at: UtcTime,
    client: ClientInfo,
    /// As the recorder sent it at the end; none while more may come.
    manifest: Option<Manifest>,
}

/// What a document is of.
#[derive(Debug, Clone, Copy)]
enum Subject {
    Recording(RecordingId),
    Session(SessionKey),
}

impl Subject {
    fn table(self) -> &'static str {
        match self {
            Self::Recording(_) => "recording",
            Self::Session(_) => "session",
        }
    }
}

/// A document that the store does not have as it is now.
#[derive(Debug, Clone, Copy)]
struct Due {
    number: i64,
    revision: i64,
    subject: Subject,
}

impl Coordinator {
    /// Writes documents that changed since they were last written. Stops where the store fails.
    pub(super) async fn write_documents(&self) -> Result<()> {
        loop {
            let due: Vec<Due> = self.db.read(|c| due(c).map_err(CoordinatorError::from)).await?;
            if due.is_empty() {
                return Ok(());
            }
            let mut written = Vec::new();
            let mut outcome = Ok(());
            for due in due {
                match self.write_document(due).await {
                    Ok(()) => written.push(due),
                    // Deleted by now, so there is nothing to be said of it.
                    Err(CoordinatorError::Refused { .. }) => written.push(due),
                    Err(error) => {
                        outcome = Err(error);
                        break;
                    }
                }
            }
            self.db.write(move |c| written.iter().try_for_each(|due| mark(c, *due))).await?;
            outcome?;
        }
    }

    async fn write_document(&self, due: Due) -> Result<()> {
        let (place, text) = self.db.read(move |c| document(c, due)).await?;
        Ok(self.store.put(&place, text).await?)
    }
}

fn due(connection: &Connection) -> rusqlite::Result<Vec<Due>> {
    let sql = "SELECT number, revision, id, NULL FROM recording WHERE revision > written AND deleted_at IS NULL
               UNION ALL
               SELECT s.number, s.revision, r.id, s.id FROM session s JOIN recording r ON r.number = s.recording
               WHERE s.revision > s.written AND r.deleted_at IS NULL
               LIMIT ?1";
    let read = |row: &Row<'_>| {
        let recording = RecordingId(rows::uuid(row, 2)?);
        let session = row.get::<_, Option<[u8; 16]>>(3)?.map(|id| SessionId(uuid::Uuid::from_bytes(id)));
        let subject = match session {
            None => Subject::Recording(recording),
            Some(session) => Subject::Session(SessionKey { recording, session }),
        };
        Ok(Due { number: row.get(0)?, revision: row.get(1)?, subject })
    };
    connection.prepare_cached(sql)?.query_map([SLICE as i64], read)?.collect()
}

fn mark(connection: &Connection, due: Due) -> Result<()> {
    let sql = format!("UPDATE {} SET written = max(written, ?2) WHERE number = ?1", due.subject.table());
    connection.prepare_cached(&sql)?.execute([due.number, due.revision])?;
    Ok(())
}

/// A document as it is now, and where it belongs. What is newer than `due` is written again, which does no harm.
fn document(connection: &Connection, due: Due) -> Result<(crate::objects::Key, Bytes)> {
    let (place, text) = match due.subject {
        Subject::Recording(id) => {
            let place = key(format!("recordings/{id}/{NAME}"))?;
            (place, serde_json::to_vec_pretty(&recording(connection, id)?))
        }
        Subject::Session(session) => {
            (session.key(NAME)?, serde_json::to_vec_pretty(&self::session(connection, session)?))
        }
    };
    let text = text.map_err(|error| CoordinatorError::invalid(format!("{place}: {error}")))?;
    Ok((place, Bytes::from(text)))
}

fn recording(connection: &Connection, id: RecordingId) -> Result<RecordingDocument> {
    let recording = recordings::recording(connection, &Reach::All, id)?;
    let api::Recording { id, title, description, recorder, metadata, created_at, sessions, .. } = recording;
    Ok(RecordingDocument {
        version: VERSION,
        id,
        title,
        description,
        recorder,
        metadata,
        created_at,
        sessions,
    })
}

fn session(connection: &Connection, key: SessionKey) -> Result<SessionDocument> {
    let session = rows::session(connection, key.session)?;
    let sql = "SELECT manifest FROM session WHERE number = ?1";
    let read = |row: &Row<'_>| row.get::<_, Option<Vec<u8>>>(0);
    let manifest = connection.prepare_cached(sql)?.query_row([session.number], read).optional()?.flatten();
    let manifest = manifest.map(|text| serde_json::from_slice(&text)).transpose();
    let manifest =
        manifest.map_err(|error| CoordinatorError::invalid(format!("a kept manifest: {error}")))?;
    let rows::Session { id, recording, started_at, client, .. } = session;
    Ok(SessionDocument { version: VERSION, id, recording, started_at, client, manifest })
}
