//! Deleting what belongs to a deleted recording.
//!
//! The row that says so is made with the deletion and goes when nothing is left, so a crash forgets nothing. Everything
//! below the recording's folder goes, whether it was ever confirmed or not. A second look comes when every `PUT` that
//! was signed before has expired.

use super::{CHECKS_PER_REQUEST, Coordinator, CoordinatorError, Result, key, millis, rows};
use crate::objects::Key;
use futures_util::{StreamExt, TryStreamExt, stream};
use model::{RecordingId, UtcTime};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::time::Duration;

/// Rows that are deleted in one go.
const SLICE: usize = 2_000;
/// A `PUT` that began in time may take this much longer.
const MARGIN: Duration = Duration::from_secs(60 * 60);

/// A recording whose objects are to be deleted.
#[derive(Debug, Clone, Copy)]
struct Deletion {
    recording: i64,
    id: RecordingId,
    last: bool,
}

impl Coordinator {
    /// Deletes objects of deleted recordings as far as that is due.
    pub(super) async fn sweep(&self, now: UtcTime) -> Result<()> {
        while let Some(deletion) = self.db.read(move |c| due(c, now).map_err(CoordinatorError::from)).await? {
            self.delete_objects(deletion.id).await?;
            while self.db.write(move |c| delete_rows(c, deletion.recording)).await? == SLICE {}
            let again = now.0.saturating_add(millis(self.rules.put_lasts + MARGIN));
            self.db.write(move |c| finish(c, deletion, again)).await?;
        }
        Ok(())
    }

    async fn delete_objects(&self, id: RecordingId) -> Result<()> {
        let folder = key(format!("recordings/{id}"))?;
        loop {
            let keys: Vec<Key> = self.store.list(&folder).await?;
            if keys.is_empty() {
                return Ok(());
            }
            let deletes = keys.into_iter().map(|key| async move { self.store.delete(&key).await });
            stream::iter(deletes).buffer_unordered(CHECKS_PER_REQUEST).try_collect::<()>().await?;
        }
    }
}

fn due(connection: &Connection, now: UtcTime) -> rusqlite::Result<Option<Deletion>> {
    let sql = "SELECT d.recording, r.id, d.last FROM deletion d JOIN recording r ON r.number = d.recording
               WHERE d.due_at <= ?1 ORDER BY d.due_at LIMIT 1";
    let read = |row: &Row<'_>| {
        Ok(Deletion { recording: row.get(0)?, id: RecordingId(rows::uuid(row, 1)?), last: row.get(2)? })
    };
    connection.prepare_cached(sql)?.query_row([now.0], read).optional()
}

fn delete_rows(connection: &Connection, recording: i64) -> Result<usize> {
    let sql = format!(
        r#"DELETE FROM object WHERE (session, track, "index", sha256) IN
               (SELECT o.session, o.track, o."index", o.sha256 FROM session s JOIN object o ON o.session = s.number
                WHERE s.recording = ?1 LIMIT {SLICE})"#
    );
    Ok(connection.prepare_cached(&sql)?.execute([recording])?)
}

/// The rows of sessions stay as a shadow: whoever asks learns that they are gone.
fn finish(connection: &Connection, deletion: Deletion, again: i64) -> Result<()> {
    let sql = "UPDATE session SET phase = 1, manifest = NULL, manifest_hash = NULL, agent = '', os = '', objects = 0,
                                  chunks = 0, bytes = 0, written = revision WHERE recording = ?1";
    connection.prepare_cached(sql)?.execute([deletion.recording])?;
    if deletion.last {
        connection.execute("DELETE FROM deletion WHERE recording = ?1", [deletion.recording])?;
    } else {
        let sql = "UPDATE deletion SET due_at = ?2, last = 1 WHERE recording = ?1";
        connection.execute(sql, params![deletion.recording, again])?;
    }
    Ok(())
}
