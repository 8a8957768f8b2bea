//! Looks at every byte: is what is stored what was recorded?

use crate::{
    ChunkStore, Damage, StoreError,
    error::At as _,
    index::{self, SessionRow, Totals},
    layout::{self, TrackFile},
    list,
    recover::read_document,
    store::Inner,
    uploads,
};
use model::{Chunk, ChunkId, Hash, SessionId, SessionState, TrackInfo};
use std::collections::BTreeSet;

type Result<T> = std::result::Result<T, StoreError>;

/// As many chunks that the index does not know are named.
const UNKNOWN_MAX: usize = 1000;

/// What a look at every byte of a session has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// The session.
    pub session: SessionId,
    /// Chunks that should be there.
    pub chunks: u64,
    /// Chunks that are, every bit as recorded.
    pub verified: u64,
    /// Bytes that were looked at.
    pub bytes: u64,
    /// What is not as it was recorded.
    pub damaged: Vec<Damage>,
}

impl Verification {
    /// Whether all is as it was recorded.
    pub fn is_whole(&self) -> bool {
        self.verified == self.chunks && self.damaged.is_empty()
    }
}

impl ChunkStore {
    /// Reads every byte of a session and compares it with what was recorded. Damaged inits and documents are put
    /// back from the index; damaged chunks are named. `progress` hears of each chunk.
    pub fn verify(&self, session: SessionId, mut progress: impl FnMut(u64)) -> Result<Verification> {
        let inner = &self.inner;
        let (row, chunks) =
            inner.read(|index| Ok((index::session(index, session)?, index::all_chunks(index, session)?)))?;
        self.require_key(session)?;
        let mut found =
            Verification { session, chunks: row.totals.chunks, verified: 0, bytes: 0, damaged: vec![] };
        for chunk in &chunks {
            match self.read(&chunk.id) {
                Ok(bytes) => {
                    found.verified += 1;
                    found.bytes += bytes.len() as u64;
                }
                Err(StoreError::Damaged { chunk }) => found.damaged.push(Damage::Chunk(chunk)),
                Err(StoreError::Missing { chunk }) => found.damaged.push(Damage::Missing(chunk)),
                Err(other) => return Err(other),
            }
            progress(found.verified);
        }
        for track in &row.document.meta.tracks {
            found.damaged.extend(unknown_chunks(inner, session, track, &chunks)?);
            found.damaged.extend(damaged_inits(self, session, track)?);
        }
        if restore_document(inner, &row)? {
            found.damaged.push(Damage::Document);
        }
        found.damaged.sort();
        Ok(found)
    }

    /// For tests: the first thing that is never so in a store that was just opened, in words.
    pub fn verify_invariants(&self) -> std::result::Result<(), String> {
        let inner = &self.inner;
        let ids = inner.read(index::all_ids).map_err(|error| error.to_string())?;
        for id in ids {
            check_session(self, id).map_err(|problem| format!("session {id}: {problem}"))?;
        }
        let names = inner.fs.list(&inner.layout.sessions()).map_err(|error| error.to_string())?;
        let orphan = names.iter().find(|name| name.parse().is_ok_and(|id| self.session(id).is_err()));
        match orphan.or(names.iter().find(|name| name.ends_with("deleted"))) {
            Some(name) => Err(format!("{name}: a folder without a row")),
            None => Ok(()),
        }
    }
}

/// Numbers that the index does not have, and should: their files were damaged, or gone, when it was rebuilt.
fn unknown_chunks(
    inner: &Inner,
    session: SessionId,
    track: &TrackInfo,
    chunks: &[Chunk],
) -> Result<Vec<Damage>> {
    let folder = inner.layout.track(session, &track.id);
    let names = match inner.fs.list(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        listed => listed.at("list", &folder)?,
    };
    let files: BTreeSet<u32> = names
        .iter()
        .filter_map(|name| match TrackFile::parse(name) {
            Some(TrackFile::Chunk(index, _)) => Some(index),
            _ => None,
        })
        .collect();
    let known: BTreeSet<u32> =
        chunks.iter().filter(|chunk| chunk.id.track == track.id).map(|chunk| chunk.id.index).collect();
    let last = known.last().max(files.last()).copied().unwrap_or(0);
    let unknown = (1..=last).filter(|index| !known.contains(index)).map(|index| {
        let id = ChunkId { session, track: track.id.clone(), index };
        if files.contains(&index) { Damage::Chunk(id) } else { Damage::Missing(id) }
    });
    // A stranger's file may have any number: what would be missing before it is not worth a list.
    Ok(unknown.take(UNKNOWN_MAX).collect())
}

/// Whether a closed session's file had to be written anew. One that is ahead of its row is left alone.
fn restore_document(inner: &Inner, row: &SessionRow) -> Result<bool> {
    let session = row.document.meta.id;
    let written = read_document(inner, session)?;
    let sound = written.is_some_and(|written| written.revision >= row.document.revision);
    if sound || row.document.meta.state == SessionState::Recording {
        return Ok(false);
    }
    // Under the lock that every change holds, so that an older text cannot replace a newer one.
    let index = inner.index();
    inner.write_document(&index::session(&index, session)?.document)?;
    Ok(true)
}

fn damaged_inits(store: &ChunkStore, session: SessionId, track: &TrackInfo) -> Result<Vec<Damage>> {
    let inner = &store.inner;
    let folder = inner.layout.track(session, &track.id);
    let mut damaged = Vec::new();
    for used in &track.inits {
        let name = layout::init_name(&used.hash);
        let whole = inner.fs.read(&folder.join(&name)).is_ok_and(|bytes| Hash::of(&bytes) == used.hash);
        if whole {
            continue;
        }
        damaged.push(Damage::Init { track: track.id.clone(), file: name.clone() });
        if let Ok(init) = store.init(session, &track.id, &used.hash) {
            inner.create_folder(&folder)?;
            crate::document::write_whole(&*inner.fs, &folder, &name, &init.bytes)?;
        }
    }
    Ok(damaged)
}

fn check_session(store: &ChunkStore, id: SessionId) -> std::result::Result<(), String> {
    let inner = &store.inner;
    let say = |error: StoreError| error.to_string();
    let (row, chunks) =
        inner.read(|index| Ok((index::session(index, id)?, index::all_chunks(index, id)?))).map_err(say)?;
    if row.totals != Totals::of(&chunks) {
        return Err(format!("its totals are {:?}", row.totals));
    }
    inner.read(|index| list::prove(index, &row)).map_err(|_| "the list says something else".to_owned())?;
    let uploads = inner.read(|index| uploads::prove(index, id, &chunks).map(drop));
    uploads.map_err(|_| "its uploads do not fit its chunks".to_owned())?;
    if row.document.meta.key.is_some_and(|key| !store.has_key(key)) {
        // What is in it will be known once its key is here.
        return Ok(());
    }
    let written = read_document(inner, id).map_err(say)?;
    if written.as_ref() != Some(&row.document) {
        return Err(format!("its file says {written:?} and its row {:?}", row.document));
    }
    for chunk in &chunks {
        check_chunk(store, &row, chunk).map_err(|problem| format!("{}: {problem}", chunk.id))?;
    }
    for pair in chunks.windows(2).filter(|pair| pair[0].id.track == pair[1].id.track) {
        if pair[1].span.start < pair[0].span.end {
            return Err(format!("{} begins before the one before it ends", pair[1].id));
        }
    }
    row.document.meta.tracks.iter().try_for_each(|track| check_files(inner, &row, track, &chunks))
}

fn check_chunk(store: &ChunkStore, row: &SessionRow, chunk: &Chunk) -> std::result::Result<(), String> {
    let bytes = store.read(&chunk.id).map_err(|error| error.to_string())?;
    let track = row.document.meta.tracks.iter().find(|track| track.id == chunk.id.track);
    let track = track.ok_or("its track is unknown")?;
    let used = track.inits.iter().rfind(|used| used.first_index <= chunk.id.index);
    if used.map(|used| used.hash) != Some(chunk.init) {
        return Err("its session says that it needs another init segment".to_owned());
    }
    let init =
        store.init(chunk.id.session, &chunk.id.track, &chunk.init).map_err(|error| error.to_string())?;
    let scanned = media::scan(&bytes, &init).into_chunk(chunk.id.clone(), &init);
    if scanned.as_ref() != Some(chunk) { Err("its row is not what is in it".to_owned()) } else { Ok(()) }
}

fn check_files(
    inner: &Inner,
    row: &SessionRow,
    track: &TrackInfo,
    chunks: &[Chunk],
) -> std::result::Result<(), String> {
    let session = row.document.meta.id;
    let closed = row.document.meta.state != SessionState::Recording;
    for used in &track.inits {
        let path = inner.layout.track(session, &track.id).join(layout::init_name(&used.hash));
        let bytes = inner.fs.read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        if Hash::of(&bytes) != used.hash {
            return Err(format!("{} is damaged", path.display()));
        }
    }
    let names = inner.fs.list(&inner.layout.track(session, &track.id)).unwrap_or_default();
    for name in names {
        let allowed = match TrackFile::parse(&name) {
            Some(TrackFile::Chunk(index, _)) => chunks
                .iter()
                .any(|chunk| chunk.id.track == track.id && layout::chunk_name(index, &chunk.hash) == name),
            Some(TrackFile::Init(_)) | None => true,
            Some(TrackFile::Open(_) | TrackFile::Sums(_) | TrackFile::Temporary) => !closed,
        };
        if !allowed {
            return Err(format!("{}/{name} should not be there", track.id));
        }
    }
    Ok(())
}
