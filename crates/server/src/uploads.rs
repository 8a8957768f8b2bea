//! Large single files: begun, sent in parts to the object store, and joined there.
//!
//! Owns: their rows, their rules, and giving up those that nobody goes on with. Which parts are there only the store
//! knows. Joining and reading a large file takes longer than anybody waits for an answer, so it goes on by itself, and
//! who asks again waits for the same. Tested over HTTP in `tests/uploads.rs`.

use crate::{
    db::{Db, DbError},
    objects::{Expected, Found, Key, LargeFiles, ObjectError, ObjectStore, Part, Parted, Sent},
    problem::{Answer, Refusal},
};
use api::{BeginUpload, Code, CompleteUpload, PartAnswer, PartUrls, SignedPart, UploadLine, UploadStatus};
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use model::{Hash, UtcTime};
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use uuid::Uuid;

/// Most bytes of a file.
pub const FILE_BYTES_MAX: u64 = 1 << 40;
/// Parts of a file, at most; stores allow some more.
const PARTS_MAX: u64 = 9_000;
/// Bytes of a part of a file that is not huge.
const PART_SIZE: u64 = 8 << 20;
/// How long the URL of a part is valid.
const URL_LASTS: Duration = Duration::from_secs(3600);
/// After how many milliseconds without a question for a part an upload is given up.
const ABANDONED_MS: i64 = 7 * 24 * 3600 * 1000;
/// Uploads that are given up at a time.
const SWEEP_MAX: u32 = 100;

type Joining = Shared<BoxFuture<'static, Answer<UploadLine>>>;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Uploads {
    db: Db,
    large: Arc<dyn LargeFiles>,
    store: Arc<dyn ObjectStore>,
    /// Files that are being joined, and what will be answered.
    joining: Arc<Mutex<HashMap<Uuid, Joining>>>,
}

/// A row.
#[derive(Debug, Clone)]
struct Upload {
    id: Uuid,
    recording: Uuid,
    owner: String,
    name: String,
    media_type: String,
    size: u64,
    part_size: u64,
    store_name: String,
    status: UploadStatus,
    sha256: Option<Hash>,
    touched_at: UtcTime,
}

impl Uploads {
    /// Over a database and a store.
    pub fn new(db: Db, large: Arc<dyn LargeFiles>, store: Arc<dyn ObjectStore>) -> Self {
        Self { db, large, store, joining: Arc::default() }
    }

    /// Begins an upload for `owner`, who may change the recording. Says too whether it is new.
    pub async fn begin(&self, owner: &str, wish: BeginUpload, now: UtcTime) -> Answer<(UploadLine, bool)> {
        let wanted = checked(owner, wish, now)?;
        if let Some(there) = self.find(wanted.id).await? {
            return Ok((self.line(same(there, &wanted)?).await?, false));
        }
        let store_name = self.large.begin(&wanted.key()?, wanted.id, &wanted.media_type).await?;
        let wanted = Upload { store_name, ..wanted };
        let row = wanted.clone();
        let there = self.db.write(move |connection| insert(connection, &row)).await?;
        let is_new = there.store_name == wanted.store_name;
        if !is_new {
            // Somebody was faster by a moment.
            self.large.abort(&wanted.parted()?).await?;
        }
        Ok((self.line(same(there, &wanted)?).await?, is_new))
    }

    /// How far an upload has come, and whose it is.
    pub async fn status(&self, id: Uuid) -> Answer<(UploadLine, String)> {
        let upload = self.get(id).await?;
        let owner = upload.owner.clone();
        Ok((self.line(upload).await?, owner))
    }

    /// Whose an upload is.
    pub async fn owner(&self, id: Uuid) -> Answer<String> {
        Ok(self.get(id).await?.owner)
    }

    /// Where parts go.
    pub async fn part_urls(&self, id: Uuid, wish: PartUrls, now: UtcTime) -> Answer<PartAnswer> {
        if wish.parts.is_empty() || wish.parts.len() > api::BATCH_MAX {
            return Err(invalid(format!("ask for 1 to {} parts at a time", api::BATCH_MAX)));
        }
        let upload = self.get(id).await?;
        upload.must_be_open()?;
        let file = upload.parted()?;
        let mut parts = Vec::new();
        let asked: Vec<(u32, Hash)> = wish.parts.iter().map(|part| (part.number, part.sha256)).collect();
        for part in wish.parts {
            let size = upload.size_of(part.number)?;
            let part = Part { number: part.number, size, sha256: part.sha256 };
            let put = self.large.sign_part(&file, &part, URL_LASTS);
            parts.push(SignedPart { number: part.number, put });
        }
        self.db.write(move |connection| touch(connection, id, &asked, now)).await?;
        Ok(PartAnswer { parts })
    }

    /// Makes the file of its parts, reads it back, and answers when it is whole. May be repeated.
    pub async fn complete(&self, id: Uuid, wish: CompleteUpload) -> Answer<UploadLine> {
        let upload = self.get(id).await?;
        match (upload.status, upload.sha256) {
            (UploadStatus::Complete, Some(sha256)) if sha256 == wish.sha256 => {
                return self.line(upload).await;
            }
            (UploadStatus::Complete, _) => {
                return Err(Refusal::new(Code::HashMismatch, "the file is complete, and has another hash"));
            }
            _ => upload.must_be_open()?,
        }
        if !wish.parts.iter().map(|part| u64::from(part.number)).eq(1..=upload.part_count()) {
            return Err(invalid(format!("name every part once, from 1 to {}", upload.part_count())));
        }
        let asked = self.db.read(move |connection| asked(connection, id)).await?;
        let sent = wish.parts.into_iter().map(|part| Sent {
            sha256: asked.get(&part.number).copied(),
            number: part.number,
            etag: part.etag,
        });
        let parts: Vec<Sent> = sent.collect();
        self.joining(upload, parts, wish.sha256).await
    }

    /// Begins to join, or finds who has begun already.
    fn joining(&self, upload: Upload, parts: Vec<Sent>, sha256: Hash) -> Joining {
        let mut all = self.joining.lock().unwrap_or_else(PoisonError::into_inner);
        let (uploads, id) = (self.clone(), upload.id);
        let begin = || {
            let joined = async move {
                let joined = uploads.join(&upload, &parts, sha256).await;
                uploads.joining.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                joined
            };
            let task = tokio::spawn(joined);
            async move { task.await.unwrap_or_else(|error| Err(Refusal::internal(error))) }.boxed().shared()
        };
        all.entry(id).or_insert_with(begin).clone()
    }

    async fn join(&self, upload: &Upload, parts: &[Sent], sha256: Hash) -> Answer<UploadLine> {
        let expected = Expected { key: upload.key()?, size: upload.size, sha256 };
        let file = upload.parted()?;
        let found = match self.large.join(&file, parts, &expected).await {
            Err(ObjectError::Missing(_)) => {
                return Err(invalid("some part is not there, or has other bytes: its status says which are"));
            }
            found => found?,
        };
        let id = upload.id;
        match found {
            Found::Whole(_) => {
                self.db.write(move |connection| complete(connection, id, sha256)).await?;
                self.line(self.get(id).await?).await
            }
            Found::Missing => Err(invalid("the parts are not there any more: begin again")),
            Found::Damaged => {
                // Nobody can tell which part is the wrong one.
                self.abort(id).await?;
                self.store.delete(&expected.key).await?;
                Err(Refusal::new(Code::HashMismatch, "the parts make another file: begin again"))
            }
        }
    }

    /// Gives an upload up. May be repeated.
    pub async fn abort(&self, id: Uuid) -> Answer<()> {
        let upload = self.get(id).await?;
        if upload.status == UploadStatus::Complete {
            return Err(invalid("the file is complete: delete its recording"));
        }
        self.db.write(move |connection| abort(connection, id)).await?;
        Ok(self.large.abort(&upload.parted()?).await?)
    }

    /// Gives up what nobody goes on with, and has the store forget parts that came after all: for a background task.
    /// Says how many.
    pub async fn sweep(&self, now: UtcTime) -> Answer<usize> {
        let due = self.db.read(move |connection| due(connection, now)).await?;
        let count = due.len();
        for upload in due {
            let id = upload.id;
            self.db.write(move |connection| abort(connection, id)).await?;
            self.large.abort(&upload.parted()?).await?;
            self.db.write(move |connection| cleaned(connection, id)).await?;
        }
        Ok(count)
    }

    async fn line(&self, upload: Upload) -> Answer<UploadLine> {
        let parts = match upload.status {
            UploadStatus::Open => self.large.parts(&upload.parted()?).await?,
            UploadStatus::Complete | UploadStatus::Aborted => Vec::new(),
        };
        Ok(UploadLine {
            id: upload.id,
            status: upload.status,
            part_size: upload.part_size,
            size: upload.size,
            parts,
            expires_at: UtcTime(upload.touched_at.0.saturating_add(ABANDONED_MS)),
        })
    }

    async fn find(&self, id: Uuid) -> Answer<Option<Upload>> {
        Ok(self.db.read(move |connection| find(connection, id)).await?)
    }

    async fn get(&self, id: Uuid) -> Answer<Upload> {
        let upload = self.find(id).await?;
        upload.ok_or_else(|| Refusal::new(Code::NotFound, "there is no such upload"))
    }
}

impl Upload {
    fn key(&self) -> Answer<Key> {
        let key = Key::new(format!("recordings/{}/files/{}/{}", self.recording, self.id, self.name));
        key.ok_or_else(|| invalid("this cannot be a file's name"))
    }

    fn parted(&self) -> Answer<Parted> {
        Ok(Parted { key: self.key()?, name: self.store_name.clone() })
    }

    fn part_count(&self) -> u64 {
        self.size.div_ceil(self.part_size)
    }

    fn size_of(&self, number: u32) -> Answer<u64> {
        let before = u64::from(number).checked_sub(1).map(|parts| parts * self.part_size);
        match before.filter(|before| *before < self.size) {
            Some(before) => Ok(self.part_size.min(self.size - before)),
            None => Err(invalid(format!("parts have numbers from 1 to {}", self.part_count()))),
        }
    }

    fn must_be_open(&self) -> Answer<()> {
        match self.status {
            UploadStatus::Open => Ok(()),
            UploadStatus::Complete => Err(invalid("the file is complete")),
            UploadStatus::Aborted => Err(Refusal::new(Code::Gone, "the upload was given up: begin again")),
        }
    }
}

fn invalid(words: impl Into<String>) -> Refusal {
    Refusal::new(Code::Invalid, words)
}

/// What is to be begun, if it may be.
fn checked(owner: &str, wish: BeginUpload, now: UtcTime) -> Answer<Upload> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !(1..=100).contains(&wish.name.len()) || wish.name.starts_with('.') || !wish.name.bytes().all(is_plain)
    {
        return Err(invalid("a name has 1 to 100 of A-Z, a-z, 0-9, '.', '-' and '_', and no dot first"));
    }
    let (kind, rest) = wish.media_type.split_once('/').unwrap_or_default();
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte);
    let is_media = ["video", "audio", "image"].contains(&kind);
    if !is_media || !(1..=100).contains(&rest.len()) || !rest.bytes().all(is_token) {
        return Err(Refusal::new(Code::UnsupportedType, "files are video/*, audio/* or image/*"));
    }
    if wish.size == 0 {
        return Err(invalid("a file has a byte at least"));
    }
    if wish.size > FILE_BYTES_MAX {
        return Err(Refusal::new(Code::TooLarge, format!("a file has at most {FILE_BYTES_MAX} bytes")));
    }
    let least = wish.size.div_ceil(PARTS_MAX).next_multiple_of(1 << 20);
    Ok(Upload {
        id: wish.id,
        recording: wish.recording.0,
        owner: owner.to_owned(),
        name: wish.name,
        media_type: wish.media_type,
        size: wish.size,
        part_size: least.max(PART_SIZE),
        store_name: String::new(),
        status: UploadStatus::Open,
        sha256: None,
        touched_at: now,
    })
}

/// The upload that is there, if it is the one that was wanted.
fn same(there: Upload, wanted: &Upload) -> Answer<Upload> {
    let what = |upload: &Upload| (upload.recording, upload.owner.clone(), upload.name.clone(), upload.size);
    if what(&there) == what(wanted) && there.media_type == wanted.media_type {
        Ok(there)
    } else {
        Err(Refusal::new(Code::IdTaken, "the id is that of another upload"))
    }
}

const COLUMNS: &str =
    "id, recording, owner, name, media_type, size, part_size, store_name, status, sha256, touched_at";

fn find(connection: &Connection, id: Uuid) -> Result<Option<Upload>, DbError> {
    let mut query = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM upload WHERE id = ?1"))?;
    Ok(query.query_row([id.as_bytes()], read).optional()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Upload> {
    Ok(Upload {
        id: Uuid::from_bytes(row.get(0)?),
        recording: Uuid::from_bytes(row.get(1)?),
        owner: row.get(2)?,
        name: row.get(3)?,
        media_type: row.get(4)?,
        size: row.get::<_, i64>(5)?.unsigned_abs(),
        part_size: row.get::<_, i64>(6)?.unsigned_abs(),
        store_name: row.get(7)?,
        status: match row.get::<_, i64>(8)? {
            0 => UploadStatus::Open,
            1 => UploadStatus::Complete,
            _ => UploadStatus::Aborted,
        },
        sha256: row.get::<_, Option<[u8; 32]>>(9)?.map(Hash),
        touched_at: UtcTime(row.get(10)?),
    })
}

/// Keeps it, unless its id is taken, and gives what has the id then.
fn insert(connection: &Connection, upload: &Upload) -> Result<Upload, DbError> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO upload (id, recording, owner, name, media_type, size, part_size, store_name, touched_at)
         VALUES (:id, :recording, :owner, :name, :media_type, :size, :part_size, :store_name, :touched_at)
         ON CONFLICT (id) DO NOTHING",
    )?;
    insert.execute(named_params! {
        ":id": upload.id.as_bytes(), ":recording": upload.recording.as_bytes(), ":owner": upload.owner,
        ":name": upload.name, ":media_type": upload.media_type, ":size": number(upload.size),
        ":part_size": number(upload.part_size), ":store_name": upload.store_name, ":touched_at": upload.touched_at.0,
    })?;
    Ok(find(connection, upload.id)?.unwrap_or_else(|| upload.clone()))
}

/// SQLite's integers have a sign. Sizes are checked to be far below.
fn number(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// Keeps what parts are to be, and that somebody goes on.
fn touch(connection: &Connection, id: Uuid, parts: &[(u32, Hash)], now: UtcTime) -> Result<(), DbError> {
    let mut touch = connection.prepare_cached("UPDATE upload SET touched_at = ?2 WHERE id = ?1")?;
    touch.execute((id.as_bytes(), now.0))?;
    let mut keep = connection.prepare_cached(
        "INSERT INTO upload_part (upload, number, sha256) VALUES (?1, ?2, ?3)
         ON CONFLICT (upload, number) DO UPDATE SET sha256 = excluded.sha256",
    )?;
    for (number, sha256) in parts {
        keep.execute((id.as_bytes(), number, sha256.0))?;
    }
    Ok(())
}

/// What parts were to be.
fn asked(connection: &Connection, id: Uuid) -> Result<HashMap<u32, Hash>, DbError> {
    let mut query = connection.prepare_cached("SELECT number, sha256 FROM upload_part WHERE upload = ?1")?;
    let parts = query.query_map([id.as_bytes()], |row| Ok((row.get(0)?, Hash(row.get(1)?))))?;
    Ok(parts.collect::<rusqlite::Result<_>>()?)
}

fn complete(connection: &Connection, id: Uuid, sha256: Hash) -> Result<(), DbError> {
    let mut complete =
        connection.prepare_cached("UPDATE upload SET status = 1, sha256 = ?2 WHERE id = ?1")?;
    complete.execute((id.as_bytes(), sha256.0))?;
    Ok(())
}

fn abort(connection: &Connection, id: Uuid) -> Result<(), DbError> {
    let mut abort = connection.prepare_cached("UPDATE upload SET status = 2 WHERE id = ?1 AND status = 0")?;
    abort.execute([id.as_bytes()])?;
    Ok(())
}

fn cleaned(connection: &Connection, id: Uuid) -> Result<(), DbError> {
    connection.prepare_cached("DELETE FROM upload_part WHERE upload = ?1")?.execute([id.as_bytes()])?;
    let mut cleaned = connection.prepare_cached("UPDATE upload SET cleaned = 1 WHERE id = ?1")?;
    cleaned.execute([id.as_bytes()])?;
    Ok(())
}

/// Those that were abandoned, and those that have ended and whose last URL has expired.
fn due(connection: &Connection, now: UtcTime) -> Result<Vec<Upload>, DbError> {
    let mut query = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM upload
         WHERE cleaned = 0 AND (touched_at < ?1 OR (touched_at < ?2 AND status <> 0)) LIMIT ?3"
    ))?;
    // Twice as long as they are valid: clocks differ, and a part takes its time.
    let url_ms = 2 * i64::try_from(URL_LASTS.as_millis()).unwrap_or(i64::MAX / 2);
    let due = query.query_map((now.0 - ABANDONED_MS, now.0 - url_ms, SWEEP_MAX), read)?;
    Ok(due.collect::<rusqlite::Result<_>>()?)
}
