//! Objects of a session: where they may be sent, whether they are here, and where they can be read.

use super::{
    CheckResult, Coordinator, CoordinatorError, Result, rows,
    rows::{Object, Part, Place, Session, Sums},
    validate,
};
use crate::objects::{Expected, Found};
use api::{
    Confirm, ConfirmAnswer, Confirmed, ObjectLine, ObjectSpec, Objects, Phase, UploadAnswer, UploadUrls,
    Urls, Vouched,
};
use model::{Hash, SessionId, TrackId, UtcTime};
use rusqlite::{Connection, params};

/// Most objects of a page.
const PAGE_MAX: u32 = 1_000;

/// Whether bytes that somebody has a signed `PUT` for are still wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// They are.
    Wanted,
    /// They are confirmed.
    Confirmed,
    /// Their place has others.
    IndexTaken,
    /// The session has a manifest without them.
    SessionDone,
}

/// What the rules say of an object before anybody looks into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Verified(Vouched),
    IndexTaken,
    SessionDone,
    Wanted(Part),
}

/// The one place that decides whether a session still takes an object.
fn verdict(connection: &Connection, session: &Session, spec: &ObjectSpec) -> Result<Verdict> {
    Ok(match rows::place(connection, session.number, spec)? {
        Place::Own { vouched: Some(by), .. } => Verdict::Verified(by),
        Place::Own { .. } if session.status.phase == Phase::Done => Verdict::SessionDone,
        Place::Own { part, .. } => Verdict::Wanted(part),
        Place::Taken => Verdict::IndexTaken,
        Place::Free if session.manifest.is_some() => Verdict::SessionDone,
        Place::Free => Verdict::Wanted(Part::None),
    })
}

fn verdicts(connection: &Connection, id: SessionId, specs: &[ObjectSpec]) -> Result<(Session, Vec<Verdict>)> {
    let session = rows::session(connection, id)?;
    let verdicts = specs.iter().map(|spec| verdict(connection, &session, spec)).collect::<Result<_>>()?;
    Ok((session, verdicts))
}

impl Coordinator {
    /// Says for each object where to send it, or why it need not be sent.
    pub async fn upload_urls(&self, id: SessionId, request: UploadUrls, now: UtcTime) -> Result<Urls> {
        validate::batch(&request.objects)?;
        let specs = request.objects.clone();
        let (session, verdicts) = self.db.read(move |c| verdicts(c, id, &specs)).await?;
        self.hear(&session, None, now).await?;
        let answer = |(spec, verdict): (&ObjectSpec, Verdict)| -> Result<UploadAnswer> {
            Ok(match verdict {
                Verdict::Verified(_) => UploadAnswer::Verified,
                Verdict::IndexTaken => UploadAnswer::IndexTaken,
                Verdict::SessionDone => UploadAnswer::SessionDone,
                Verdict::Wanted(_) => {
                    let expected = session.key().expected(spec)?;
                    let put = self.store.sign_put(&expected, &id.to_string(), self.rules.put_lasts);
                    UploadAnswer::Put(put)
                }
            })
        };
        let objects = request.objects.iter().zip(verdicts).map(answer).collect::<Result<_>>()?;
        Ok(Urls { objects })
    }

    /// Whether bytes for which somebody has a signed `PUT` are still wanted: for the store that this server is itself.
    /// The session is the one on whose behalf it was signed.
    pub async fn admission(&self, id: SessionId, expected: &Expected) -> Result<Admission> {
        let expected = expected.clone();
        let verdict = move |c: &Connection| {
            let session = rows::session(c, id)?;
            let spec = read_name(&session, &expected)?;
            verdict(c, &session, &spec)
        };
        Ok(match self.db.read(verdict).await? {
            Verdict::Wanted(_) => Admission::Wanted,
            Verdict::Verified(_) => Admission::Confirmed,
            Verdict::IndexTaken => Admission::IndexTaken,
            Verdict::SessionDone => Admission::SessionDone,
        })
    }

    /// Looks for objects that were sent, and takes those that are here. What is proven is kept, also where the store
    /// fails at another of them.
    pub async fn confirm(&self, id: SessionId, request: Confirm, now: UtcTime) -> Result<Confirmed> {
        validate::batch(&request.objects)?;
        let specs = request.objects;
        let asked = specs.clone();
        let (session, verdicts) = self.db.read(move |c| verdicts(c, id, &asked)).await?;
        let is_wanted = |verdict: &Verdict| matches!(verdict, Verdict::Wanted(_));
        let wanted = specs.iter().zip(&verdicts).filter(|(_, verdict)| is_wanted(verdict));
        let wanted: Vec<ObjectSpec> = wanted.map(|(spec, _)| spec.clone()).collect();
        if wanted.is_empty() {
            self.hear(&session, None, now).await?;
            return Ok(Confirmed {
                objects: verdicts.into_iter().map(|verdict| told(verdict, None)).collect(),
            });
        }
        let mut found = self.check(&session.key(), wanted).await?.into_iter();
        let mut failure = None;
        let found: Vec<Option<Found>> = verdicts
            .iter()
            .map(|verdict| {
                let looked: Option<CheckResult> = is_wanted(verdict).then(|| found.next()).flatten();
                looked.and_then(|looked| looked.map_err(|error| failure = Some(error)).ok())
            })
            .collect();
        let objects = self.db.write(move |c| confirm(c, id, &specs, &found, now)).await?;
        match failure {
            Some(error) => Err(error.into()),
            None => Ok(Confirmed { objects }),
        }
    }

    /// A page of what is confirmed, by track and index, each with a signed `GET`.
    pub async fn objects(
        &self,
        id: SessionId,
        cursor: Option<String>,
        limit: Option<u32>,
    ) -> Result<Objects> {
        let limit = limit.unwrap_or(100);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(CoordinatorError::invalid(format!("limit: 1 to {PAGE_MAX}")));
        }
        let after = cursor.as_deref().map(read_cursor).transpose()?;
        let page = move |c: &Connection| {
            let session = rows::session(c, id)?;
            Ok::<_, CoordinatorError>((page(c, session.number, after, limit as usize + 1)?, session.key()))
        };
        let (mut rows, place) = self.db.read(page).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let cursor = rows.last().filter(|_| more).map(|last| write_cursor(&last.spec));
        let line = |Object { spec, vouched, .. }: Object| -> Option<Result<ObjectLine>> {
            let by = vouched?;
            let read = place.key(&spec.name()).map(|key| self.store.sign_get(&key, self.rules.get_lasts));
            Some(read.map(|read| ObjectLine { object: spec, by, read }))
        };
        Ok(Objects { objects: rows.into_iter().filter_map(line).collect::<Result<_>>()?, cursor })
    }
}

/// Which object of a session has this key: the inverse of [`ObjectSpec::name`], as far as places are concerned.
fn read_name(session: &Session, expected: &Expected) -> Result<ObjectSpec> {
    let read = || {
        let (track, file) = expected.key.as_str().strip_prefix(&session.key().folder())?.split_once('/')?;
        let (number, _) = file.split_once('-')?;
        let index = if number == "init" { None } else { Some(number.parse().ok()?) };
        let (size, sha256) = (expected.size, expected.sha256);
        let spec = ObjectSpec { track: track.parse().ok()?, index, size, sha256, span: None, init: None };
        (session.key().expected(&spec).ok()? == *expected).then_some(spec)
    };
    read().ok_or_else(|| CoordinatorError::invalid(format!("{} is no object of this session", expected.key)))
}

/// What is answered of an object, from what the rules and the store said.
fn told(verdict: Verdict, found: Option<Found>) -> ConfirmAnswer {
    match (verdict, found) {
        (Verdict::Verified(by), _) => ConfirmAnswer::Verified { by },
        (Verdict::IndexTaken, _) => ConfirmAnswer::IndexTaken,
        (Verdict::SessionDone, _) => ConfirmAnswer::SessionDone,
        (Verdict::Wanted(_), Some(Found::Whole(by))) => ConfirmAnswer::Verified { by },
        (Verdict::Wanted(_), Some(Found::Damaged)) => ConfirmAnswer::Damaged,
        (Verdict::Wanted(_), Some(Found::Missing) | None) => ConfirmAnswer::Missing,
    }
}

/// Takes what was found. The rules are asked again, since others may have been faster.
fn confirm(
    connection: &Connection,
    id: SessionId,
    specs: &[ObjectSpec],
    found: &[Option<Found>],
    now: UtcTime,
) -> Result<Vec<ConfirmAnswer>> {
    let (session, verdicts) = verdicts(connection, id, specs)?;
    let mut sums = Sums::default();
    for ((spec, verdict), found) in specs.iter().zip(&verdicts).zip(found) {
        if let (Verdict::Wanted(part), Some(Found::Whole(by))) = (verdict, found) {
            let object = Object { spec: spec.clone(), vouched: Some(*by), part: *part, checked_at: now };
            rows::put_object(connection, session.number, &object)?;
            sums.add(spec);
        }
    }
    rows::hear(connection, &session, now)?;
    if !sums.is_zero() {
        sums.write(connection, session.number)?;
        // Without a manifest nothing can have ended.
        if session.manifest.is_some() {
            rows::settle(connection, &session)?;
        }
    }
    Ok(verdicts.into_iter().zip(found).map(|(verdict, found)| told(verdict, *found)).collect())
}

type Cursor = (String, u32, Hash);

fn page(
    connection: &Connection,
    session: i64,
    after: Option<Cursor>,
    limit: usize,
) -> rusqlite::Result<Vec<Object>> {
    let (track, index, sha256) = after.unwrap_or((String::new(), 0, Hash([0; 32])));
    let sql = format!(
        r#"SELECT {} FROM object
           WHERE session = ?1 AND (track, "index", sha256) > (?2, ?3, ?4) AND vouched IS NOT NULL
           ORDER BY track, "index", sha256 LIMIT ?5"#,
        rows::OBJECT
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let values = params![session, track, index, sha256.0, limit as i64];
    statement.query_map(values, rows::read_object)?.collect()
}

fn write_cursor(last: &ObjectSpec) -> String {
    format!("{}.{}.{}", last.track, last.index.unwrap_or(0), last.sha256)
}

fn read_cursor(text: &str) -> Result<Cursor> {
    let mut parts = text.splitn(3, '.');
    let mut read = || {
        let track: TrackId = parts.next()?.parse().ok()?;
        Some((track.to_string(), parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    read().ok_or_else(|| CoordinatorError::invalid("this cursor is none of ours"))
}
