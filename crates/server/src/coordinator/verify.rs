//! Looking at every object of a session again.

use super::{
    Coordinator, CoordinatorError, Result, manifest, millis, rows,
    rows::{Object, Session, Sums},
};
use crate::objects::Found;
use api::{Receipt, Vouched};
use model::{SessionId, UtcTime};
use rusqlite::{Connection, params};
use std::time::Duration;

/// Objects between two commits: what was looked at by then is not looked at again after an interruption.
const SLICE: usize = 128;
/// A look that was interrupted longer ago begins from the beginning.
const RESUMABLE: Duration = Duration::from_secs(10 * 60);

impl Coordinator {
    /// Looks at every object of a session in the store, takes back the confirmation of what is missing or damaged, and
    /// answers what is here now. This alone opens a session again that was done, and for the same bytes only.
    ///
    /// Asking again after an interruption goes on where it was.
    pub async fn verify(&self, id: SessionId, now: UtcTime) -> Result<Receipt> {
        let (session, since) = self.db.write(move |c| begin(c, id, now)).await?;
        let number = session.number;
        loop {
            let objects =
                self.db.read(move |c| unseen(c, number, since).map_err(CoordinatorError::from)).await?;
            if objects.is_empty() {
                return self.db.write(move |c| end(c, id, now)).await;
            }
            let specs = objects.iter().map(|object| object.spec.clone()).collect();
            let looked = self.check(&session.key(), specs).await?;
            let mut found = Vec::new();
            let mut failure = None;
            for (object, looked) in objects.into_iter().zip(looked) {
                match looked {
                    Ok(looked) => found.push((object, looked)),
                    Err(error) => failure = Some(error),
                }
            }
            self.db.write(move |c| take(c, id, &found, since)).await?;
            if let Some(error) = failure {
                return Err(error.into());
            }
        }
    }
}

/// Begins a look, or goes on with one. Objects that were looked at since then are left out.
fn begin(connection: &Connection, id: SessionId, now: UtcTime) -> Result<(Session, UtcTime)> {
    let session = rows::session(connection, id)?;
    rows::hear(connection, &session, now)?;
    let is_fresh = |since: &UtcTime| (0..millis(RESUMABLE)).contains(&now.0.saturating_sub(since.0));
    if let Some(since) = session.verifying.filter(is_fresh) {
        return Ok((session, since));
    }
    // Later than any look so far, whatever happened to the clock.
    let sql = "UPDATE session SET verifying = max(?2, 1 + coalesce((SELECT max(checked_at) FROM object
                                                                    WHERE session = ?1), 0))
               WHERE number = ?1 RETURNING verifying";
    let since = connection.prepare_cached(sql)?.query_row([session.number, now.0], |row| row.get(0))?;
    Ok((session, UtcTime(since)))
}

fn unseen(connection: &Connection, session: i64, since: UtcTime) -> rusqlite::Result<Vec<Object>> {
    let sql =
        format!("SELECT {} FROM object WHERE session = ?1 AND checked_at < ?2 LIMIT {SLICE}", rows::OBJECT);
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_map(params![session, since.0], rows::read_object)?.collect()
}

/// Writes what was found of some objects, and of each whether it counts as here.
fn take(connection: &Connection, id: SessionId, found: &[(Object, Found)], since: UtcTime) -> Result<()> {
    let session = rows::session(connection, id)?;
    let mut sums = Sums::default();
    for (object, found) in found {
        let vouched = match found {
            Found::Whole(by) => Some(*by),
            Found::Missing | Found::Damaged => None,
        };
        if !replace(connection, session.number, object, vouched, since)? {
            // Confirmed, or looked at, since it was read: what was found is old.
            continue;
        }
        match (object.vouched, vouched) {
            (None, Some(_)) => sums.add(&object.spec),
            (Some(_), None) => sums.remove(&object.spec),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
    sums.write(connection, session.number)?;
    if session.manifest.is_some() {
        rows::settle(connection, &session)?;
    }
    Ok(())
}

/// Writes what was found of one object, unless its row is no longer as it was read.
fn replace(
    connection: &Connection,
    session: i64,
    object: &Object,
    vouched: Option<Vouched>,
    since: UtcTime,
) -> rusqlite::Result<bool> {
    let sql = r#"UPDATE object SET vouched = ?6, checked_at = max(?7, checked_at + 1)
                 WHERE session = ?1 AND track = ?2 AND "index" = ?3 AND sha256 = ?4 AND checked_at = ?5"#;
    let spec = &object.spec;
    let changed = connection.prepare_cached(sql)?.execute(params![
        session,
        spec.track.as_str(),
        spec.index.unwrap_or(0),
        spec.sha256.0,
        object.checked_at.0,
        vouched.map(rows::write_vouched),
        since.0,
    ])?;
    Ok(changed == 1)
}

fn end(connection: &Connection, id: SessionId, now: UtcTime) -> Result<Receipt> {
    let session = rows::session(connection, id)?;
    connection
        .prepare_cached("UPDATE session SET verifying = NULL WHERE number = ?1")?
        .execute([session.number])?;
    manifest::receipt(connection, &session, now)
}
