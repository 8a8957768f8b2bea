//! What must lie in the store, for backups: asked of any copy of the database.

use super::{Result, SessionKey};
use crate::objects::Expected;
use api::ObjectSpec;
use model::{Hash, RecordingId, SessionId};
use rusqlite::Connection;
use uuid::Uuid;

/// Calls `each` for every object that is confirmed.
pub fn confirmed(connection: &Connection, mut each: impl FnMut(Expected)) -> Result<()> {
    let mut rows = connection.prepare(
        r#"SELECT recording.id, session.id, track, "index", size, sha256 FROM object
           JOIN session ON session.number = object.session
           JOIN recording ON recording.number = session.recording
           WHERE vouched IS NOT NULL ORDER BY object.session, track, "index""#,
    )?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let key = SessionKey {
            recording: RecordingId(Uuid::from_bytes(row.get(0)?)),
            session: SessionId(Uuid::from_bytes(row.get(1)?)),
        };
        let track: String = row.get(2)?;
        let track = track.parse().map_err(|_| super::CoordinatorError::invalid("a track's name in a row"))?;
        let index: u32 = row.get(3)?;
        let size: i64 = row.get(4)?;
        each(key.expected(&ObjectSpec {
            track,
            index: (index > 0).then_some(index),
            size: u64::try_from(size).unwrap_or(0),
            sha256: Hash(row.get(5)?),
            span: None,
            init: None,
        })?);
    }
    Ok(())
}
