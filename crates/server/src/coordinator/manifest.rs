//! The recorder's last word on a session, and the receipt against it.

use super::{
    Coordinator, CoordinatorError, Result, rows,
    rows::{Object, Part, Place, Session},
    validate,
};
use api::{Code, Finalize, Manifest, ObjectSpec, Receipt, Vouchers};
use model::{Hash, SessionId, UtcTime};
use rusqlite::{Connection, Row, params};
use std::sync::Arc;

/// Objects that a receipt names as missing.
const MISSING_MAX: usize = 1_000;

impl Coordinator {
    /// Takes the recorder's manifest. The first wins; the same again gives the receipt as it is by then.
    pub async fn finalize(&self, id: SessionId, request: Finalize, now: UtcTime) -> Result<Receipt> {
        // It may have a hundred thousand objects: nothing for a thread that others share.
        let checked = tokio::task::spawn_blocking(move || check(request.manifest)).await;
        let (manifest, text) = checked.unwrap_or_else(|_| Err(CoordinatorError::invalid("the manifest")))?;
        let manifest = Arc::new(manifest);
        self.db.write(move |c| finalize(c, id, &manifest, &text, now)).await?;
        self.work.notify_one();
        self.receipt(id, now).await
    }

    /// What the server has of a session.
    pub async fn receipt(&self, id: SessionId, now: UtcTime) -> Result<Receipt> {
        self.db.read(move |c| receipt(c, &rows::session(c, id)?, now)).await
    }
}

fn check(manifest: Manifest) -> Result<(Manifest, Vec<u8>)> {
    validate::manifest(&manifest)?;
    let text = serde_json::to_vec(&manifest);
    let text = text.map_err(|error| CoordinatorError::invalid(format!("the manifest: {error}")))?;
    Ok((manifest, text))
}

fn finalize(
    connection: &Connection,
    id: SessionId,
    manifest: &Manifest,
    text: &[u8],
    now: UtcTime,
) -> Result<()> {
    let session = rows::session(connection, id)?;
    if (manifest.meta.id, manifest.meta.recording) != (session.id, session.recording) {
        return Err(CoordinatorError::invalid("the manifest is that of another session"));
    }
    rows::hear(connection, &session, now)?;
    let hash = Hash::of(text);
    match session.manifest {
        Some(first) if first == hash => return Ok(()),
        Some(_) => return Err(CoordinatorError::refused(Code::ManifestTaken, "another manifest was first")),
        None => {}
    }
    let needed = manifest.objects().map(|spec| (spec, Part::Needed));
    for (spec, part) in needed.chain(manifest.lost.iter().map(|spec| (spec, Part::Lost))) {
        name(connection, &session, spec, part, now)?;
    }
    let sql =
        "UPDATE session SET manifest = ?2, manifest_hash = ?3, revision = revision + 1 WHERE number = ?1";
    connection.prepare_cached(sql)?.execute(params![session.number, text, hash.0])?;
    Ok(rows::settle(connection, &session)?)
}

/// Notes what the manifest says of an object. From here on its place is taken, whether it is here or not.
fn name(
    connection: &Connection,
    session: &Session,
    spec: &ObjectSpec,
    part: Part,
    now: UtcTime,
) -> Result<()> {
    let vouched = match rows::place(connection, session.number, spec)? {
        Place::Free => None,
        Place::Own { vouched, .. } => vouched,
        Place::Taken => {
            let detail = format!("the manifest has {spec}, and other bytes are confirmed in its place");
            return Err(CoordinatorError::refused(Code::IndexTaken, detail));
        }
    };
    let object = Object { spec: spec.clone(), vouched, part, checked_at: now };
    Ok(rows::put_object(connection, session.number, &object)?)
}

/// Counts what is here. Where there is a manifest, of what it needs; else of all that is known.
pub fn receipt(connection: &Connection, session: &Session, now: UtcTime) -> Result<Receipt> {
    let sql = r#"SELECT count(*) FILTER (WHERE "index" > 0 AND part = ?2),
                        count(*) FILTER (WHERE "index" > 0 AND part = ?2 AND vouched IS NOT NULL),
                        coalesce(sum(size) FILTER (WHERE part = ?2 AND vouched IS NOT NULL), 0),
                        count(*) FILTER (WHERE part = ?2 AND vouched = 0),
                        count(*) FILTER (WHERE part = ?2 AND vouched = 1),
                        count(*) FILTER (WHERE part = 2 AND vouched IS NULL)
                 FROM object WHERE session = ?1"#;
    let part = if session.manifest.is_some() { Part::Needed } else { Part::None } as i64;
    let read = |row: &Row<'_>| {
        Ok(Receipt {
            recording: session.recording,
            session: session.id,
            status: session.status,
            expected: rows::count(row, 0)?,
            verified: rows::count(row, 1)?,
            bytes: rows::count(row, 2)?,
            vouched: Vouchers { read_back: rows::count(row, 3)?, store: rows::count(row, 4)? },
            missing: Vec::new(),
            lost: rows::count(row, 5)?,
            manifest: session.manifest,
            at: now,
        })
    };
    let mut receipt = connection.prepare_cached(sql)?.query_row([session.number, part], read)?;
    receipt.missing = missing(connection, session.number, part)?;
    Ok(receipt)
}

fn missing(connection: &Connection, session: i64, part: i64) -> rusqlite::Result<Vec<ObjectSpec>> {
    let sql = format!(
        r#"SELECT {} FROM object WHERE session = ?1 AND vouched IS NULL AND part = ?2
           ORDER BY track, "index" LIMIT {MISSING_MAX}"#,
        rows::OBJECT
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([session, part], |row| Ok(rows::read_object(row)?.spec))?;
    rows.collect()
}
