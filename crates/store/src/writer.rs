//! `SessionWriter`: writes one session, pieces in, chunks durable.
//!
//! Owns: the open chunk of each track and the order bytes, sync, row, announcement. Parts are appended without a
//! sync, since a killed process loses nothing that it has written; a seal syncs the file, gives it its final name,
//! syncs the folder and commits the row. After an error the same piece can be written again, or the chunk closed
//! with what it has. Tested by simulation, in `sim`.

use crate::{
    Append, ChunkStore, SessionSummary, StoreError,
    cipher::{self, About, Cipher, Encrypter},
    document::write_whole,
    error::At as _,
    index,
    layout::{self, TrackFile},
    store::Inner,
};
use model::{
    Chunk, ChunkId, Gap, Hash, Init, InitUse, LayoutChange, Part, PartMark, Piece, SelfCheck, SessionId,
    SessionMeta, SessionState, Span, TrackId, TrackInfo,
};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

type Result<T> = std::result::Result<T, StoreError>;

/// Bytes of a part's hash that are kept until its chunk is sealed.
pub(crate) const SUM: usize = 8;

/// Writes one session. Dropping it without [`Self::finalize`] leaves the session to the next opening, as a crash
/// would.
pub struct SessionWriter {
    store: ChunkStore,
    session: SessionId,
    /// None where nothing is encrypted.
    cipher: Option<Cipher>,
    tracks: BTreeMap<TrackId, Track>,
    finalized: bool,
}

/// What is being written of one track.
struct Track {
    folder: PathBuf,
    cipher: Option<Cipher>,
    /// Index of the next chunk.
    next: u32,
    /// The init segment that was written last.
    init: Option<Hash>,
    open: Option<OpenChunk>,
}

struct OpenChunk {
    id: ChunkId,
    cipher: Option<Cipher>,
    init: Hash,
    parts: Vec<PartMark>,
    size: u64,
    /// None once it has been given its final name.
    files: Option<OpenFiles>,
    /// A sync failed. What the system has in memory may have been dropped or not, and a second sync would not say.
    suspect: bool,
}

struct OpenFiles {
    bytes: Box<dyn Append>,
    proof: Proof,
    /// A failed append could not be taken back yet.
    torn: bool,
}

/// What tells after a power cut which parts have reached the disk whole.
enum Proof {
    /// A file of sums.
    Sums(Box<dyn Append>),
    /// The tags that encryption puts behind each part.
    Tags(Encrypter),
}

impl SessionWriter {
    pub(crate) fn new(store: ChunkStore, meta: &SessionMeta, cipher: Option<Cipher>) -> Self {
        let mut writer = Self { store, session: meta.id, cipher, tracks: BTreeMap::new(), finalized: false };
        meta.tracks.iter().for_each(|track| writer.insert(&track.id));
        writer
    }

    /// The session being written.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Index of the next chunk of a track, for a chunker that begins anew once [`Self::seal_open`] was called.
    pub fn next_index(&self, track: &TrackId) -> u32 {
        self.tracks
            .get(track)
            .map_or(1, |track| track.open.as_ref().map_or(track.next, |open| open.id.index + 1))
    }

    /// Adds a track. Its init segments are noted as they come.
    pub fn add_track(&mut self, info: TrackInfo) -> Result<()> {
        self.refuse_if_finalized()?;
        let id = info.id.clone();
        self.inner().change(self.session, |_, row| {
            let tracks = &mut row.document.meta.tracks;
            if tracks.iter().all(|track| track.id != info.id) {
                tracks.push(TrackInfo { inits: Vec::new(), ..info });
            }
            Ok(())
        })?;
        if !self.tracks.contains_key(&id) {
            self.insert(&id);
        }
        Ok(())
    }

    /// Notes a span without samples.
    pub fn gap(&mut self, gap: Gap) -> Result<()> {
        self.refuse_if_finalized()?;
        self.inner().change(self.session, |_, row| {
            let gaps = &mut row.document.meta.gaps;
            if !gaps.contains(&gap) {
                gaps.push(gap);
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Notes how sources are arranged from some time on.
    pub fn layout(&mut self, change: LayoutChange) -> Result<()> {
        self.refuse_if_finalized()?;
        self.inner().change(self.session, |_, row| {
            row.document.meta.layouts.push(change);
            Ok(())
        })?;
        Ok(())
    }

    /// Notes how sound and pictures compared at the end.
    pub fn check(&mut self, check: SelfCheck) -> Result<()> {
        self.refuse_if_finalized()?;
        self.inner().change(self.session, |_, row| {
            row.document.meta.check = Some(check);
            Ok(())
        })?;
        Ok(())
    }

    /// Writes the next piece of a track. Once this returns, an init or a sealed chunk is durable, and a part survives
    /// the death of this process.
    pub fn write(&mut self, piece: Piece) -> Result<()> {
        self.refuse_if_finalized()?;
        let inner = &self.store.inner;
        let id = piece.track().clone();
        let unknown = StoreError::OutOfOrder { track: id.clone(), reason: "the track was never added" };
        let track = self.tracks.get_mut(&id).ok_or(unknown)?;
        let written = match piece {
            Piece::Init(init) => track.write_init(inner, self.session, &init),
            Piece::Part(part) => track.append(inner, &part),
            Piece::Seal(chunk) => track.seal(inner, &chunk),
        };
        inner.noting(written)
    }

    /// Seals the open chunk of a track with the parts that it has, if it has any, so that a new encoder can go on
    /// after it.
    pub fn seal_open(&mut self, track: &TrackId) -> Result<()> {
        let inner = &self.store.inner;
        match self.tracks.get_mut(track) {
            Some(track) => inner.noting(track.seal_open(inner)),
            None => Ok(()),
        }
    }

    /// Ends the session: seals what is open, and says that no more will come. Gives what there is of it. May be repeated,
    /// after an error above all.
    pub fn finalize(&mut self, state: SessionState) -> Result<SessionSummary> {
        let inner = &self.store.inner;
        for track in self.tracks.values_mut() {
            inner.noting(track.seal_open(inner))?;
        }
        if !self.finalized {
            for track in self.tracks.values() {
                inner.noting(track.tidy(inner))?;
            }
            inner.change(self.session, |_, row| {
                row.document.meta.state = state;
                Ok(())
            })?;
            self.finalized = true;
        }
        self.store.session(self.session)
    }

    fn inner(&self) -> &Inner {
        &self.store.inner
    }

    fn insert(&mut self, id: &TrackId) {
        let folder = self.inner().layout.track(self.session, id);
        let cipher = self.cipher.clone();
        self.tracks.insert(id.clone(), Track { folder, cipher, next: 1, init: None, open: None });
    }

    fn refuse_if_finalized(&self) -> Result<()> {
        if self.finalized { Err(StoreError::Closed { session: self.session }) } else { Ok(()) }
    }
}

impl Drop for SessionWriter {
    fn drop(&mut self) {
        self.store.inner.ended(self.session);
    }
}

impl Track {
    /// The file, then its row and the session's note from which chunk on it is used; all before the first part.
    fn write_init(&mut self, inner: &Inner, session: SessionId, init: &Init) -> Result<()> {
        if self.open.is_some() {
            return Err(out_of_order(&init.track, "an init segment came before the chunk was sealed"));
        }
        if self.init == Some(init.hash) {
            return Ok(());
        }
        inner.create_folder(&self.folder)?;
        // Before the session's file names an init in it: a power cut could keep that name and lose this folder.
        inner.sync_folder(&inner.layout.session(session))?;
        write_whole(&*inner.fs, &self.folder, &layout::init_name(&init.hash), &init.bytes)?;
        let used = InitUse { hash: init.hash, first_index: self.next };
        inner.change(session, |transaction, row| {
            index::put_init(transaction, session, &init.track, &init.bytes)?;
            let track = row.document.meta.tracks.iter_mut().find(|track| track.id == init.track);
            let track = track.ok_or_else(|| out_of_order(&init.track, "the track was never added"))?;
            // One that no chunk came to use, or this very one from an attempt that failed after the row.
            track.inits.retain(|used| used.first_index < self.next);
            track.inits.push(used);
            Ok(())
        })?;
        self.init = Some(init.hash);
        Ok(())
    }

    fn append(&mut self, inner: &Inner, part: &Part) -> Result<()> {
        let wrong = |reason| Err(out_of_order(&part.chunk.track, reason));
        if self.init != Some(part.init) {
            return wrong("its init segment was not written before it");
        }
        if self.open.is_none() {
            if part.chunk.index < self.next {
                return wrong("its index was used before");
            }
            let files = Some(OpenFiles::create(inner, self, &part.chunk)?);
            let (id, init, cipher) = (part.chunk.clone(), part.init, self.cipher.clone());
            self.open = Some(OpenChunk { id, cipher, init, parts: vec![], size: 0, files, suspect: false });
        }
        let Some(open) = &mut self.open else { return wrong("its chunk is not open") };
        if open.id != part.chunk
            || usize::from(part.index) != open.parts.len()
            || part.mark.offset != open.size
        {
            return wrong("a part before it is missing");
        }
        if part.mark.size as usize != part.bytes.len() {
            return wrong("its size is not its mark's");
        }
        let path = self.folder.join(layout::open_name(open.id.index));
        let size = open.file_size();
        let Some(files) = &mut open.files else { return wrong("its chunk is being sealed") };
        files.append(&path, &part.bytes, open.parts.len(), size)?;
        open.size += part.bytes.len() as u64;
        open.parts.push(part.mark.clone());
        Ok(())
    }

    fn seal(&mut self, inner: &Inner, chunk: &Chunk) -> Result<()> {
        let wrong = |reason| Err(out_of_order(&chunk.id.track, reason));
        let Some(open) = &mut self.open else { return wrong("no chunk is open") };
        if open.id != chunk.id || open.init != chunk.init {
            return wrong("another chunk is open");
        }
        if open.parts != chunk.parts || open.size != chunk.size {
            return wrong("its parts are not the ones that were written");
        }
        open.make_durable(inner, &self.folder, &chunk.hash)?;
        // From here on the folder tells of it: if the row fails, the next attempt or the next opening writes it.
        let mut index = inner.index();
        inner.commit(&mut index, |transaction| {
            let mut row = index::session(transaction, chunk.id.session)?;
            index::put_chunk(transaction, chunk)?;
            row.totals.add(chunk);
            index::put_session(transaction, &row)
        })?;
        drop(index);
        if self.cipher.is_none() {
            // Nobody needs it any more; what is left is removed by the next opening.
            let _ = inner.fs.remove(&self.folder.join(layout::sums_name(chunk.id.index)));
        }
        self.next = chunk.id.index + 1;
        self.open = None;
        Ok(())
    }

    fn seal_open(&mut self, inner: &Inner) -> Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let (Some(first), Some(last)) = (open.parts.first(), open.parts.last()) else {
            // No part of it was ever announced, so its index is still free.
            let (bytes, sums) = (layout::open_name(open.id.index), layout::sums_name(open.id.index));
            self.open = None;
            // An opening finds nothing in them, and removes them, if this fails.
            let _ = inner.fs.remove(&self.folder.join(bytes));
            let _ = inner.fs.remove(&self.folder.join(sums));
            return Ok(());
        };
        let span = Span::new(first.span.start, last.span.end);
        let hash = open.hash(inner, &self.folder)?;
        let chunk = Chunk {
            id: open.id.clone(),
            init: open.init,
            span,
            parts: open.parts.clone(),
            size: open.size,
            hash,
        };
        self.seal(inner, &chunk)
    }

    /// Removes what only an open chunk needs, durably: no opening looks into a finalized session again.
    fn tidy(&self, inner: &Inner) -> Result<()> {
        let names = match inner.fs.list(&self.folder) {
            // No init segment ever came.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            listed => listed.at("list", &self.folder)?,
        };
        for name in names {
            if let Some(TrackFile::Sums(_) | TrackFile::Temporary) = TrackFile::parse(&name) {
                let path = self.folder.join(name);
                inner.fs.remove(&path).at("remove", &path)?;
            }
        }
        inner.sync_folder(&self.folder)
    }
}

impl OpenChunk {
    /// Syncs the file, gives it its final name and syncs the folder. After an error, goes on where it stopped.
    fn make_durable(&mut self, inner: &Inner, folder: &Path, hash: &Hash) -> Result<()> {
        let path = folder.join(layout::open_name(self.id.index));
        let name = layout::chunk_name(self.id.index, hash);
        let size = self.file_size();
        if let Some(files) = &mut self.files {
            files.mend(&path, self.parts.len(), size)?;
            if self.suspect {
                let mut file = inner.fs.read(&path).at("read", &path)?;
                file.truncate(self.file_size() as usize);
                if self.hash_within(file.clone())? != *hash {
                    return Err(StoreError::Damaged { chunk: self.id.clone() });
                }
                write_whole(&*inner.fs, folder, &name, &file)?;
                let _ = inner.fs.remove(&path);
            } else {
                self.suspect = true;
                files.bytes.sync().at_sized("sync", &path, size as usize)?;
                self.suspect = false;
                inner.fs.rename(&path, &folder.join(&name)).at("rename", &path)?;
            }
            self.files = None;
        }
        inner.sync_folder(folder)
    }

    /// Of the parts, read back, where no chunker says it. They may already have their final name, from an attempt
    /// that failed.
    fn hash(&self, inner: &Inner, folder: &Path) -> Result<Hash> {
        let names = inner.fs.list(folder).at("list", folder)?;
        let mine = |name: &String| match TrackFile::parse(name) {
            Some(TrackFile::Open(index)) => self.files.is_some() && index == self.id.index,
            Some(TrackFile::Chunk(index, _)) => self.files.is_none() && index == self.id.index,
            _ => false,
        };
        let missing = || StoreError::Missing { chunk: self.id.clone() };
        let path = folder.join(names.iter().find(|name| mine(name)).ok_or_else(missing)?);
        let mut file = inner.fs.read(&path).at("read", &path)?;
        file.truncate(self.file_size() as usize);
        self.hash_within(file)
    }

    /// Of the parts that a file holds, which must be as many as were written.
    fn hash_within(&self, file: Vec<u8>) -> Result<Hash> {
        let bytes = match &self.cipher {
            None => Some(file),
            Some(cipher) => cipher.decrypt(&About::chunk(&self.id), file).map(|found| found.bytes),
        };
        let bytes = bytes.filter(|bytes| bytes.len() as u64 == self.size);
        bytes.map(|bytes| Hash::of(&bytes)).ok_or_else(|| StoreError::Damaged { chunk: self.id.clone() })
    }

    /// Bytes of the file that holds what was written.
    fn file_size(&self) -> u64 {
        match self.cipher {
            None => self.size,
            Some(_) => cipher::file_size(self.size, self.parts.len()),
        }
    }
}

impl OpenFiles {
    fn create(inner: &Inner, track: &Track, id: &ChunkId) -> Result<Self> {
        let open = |name: String| {
            let path = track.folder.join(name);
            let mut file = inner.fs.append(&path).at("create", &path)?;
            // An attempt that failed may have left something.
            file.truncate(0).at("truncate", &path)?;
            Ok::<_, StoreError>(file)
        };
        let proof = match &track.cipher {
            None => Proof::Sums(open(layout::sums_name(id.index))?),
            Some(cipher) => Proof::Tags(cipher.encrypter(About::chunk(id))),
        };
        Ok(Self { proof, bytes: open(layout::open_name(id.index))?, torn: false })
    }

    /// `size` is what the file has already.
    fn append(&mut self, path: &Path, bytes: &[u8], parts: usize, size: u64) -> Result<()> {
        self.mend(path, parts, size)?;
        let appended = match &mut self.proof {
            // Before the bytes, so that a part that is whole always has one.
            Proof::Sums(sums) => {
                sums.append(&Hash::of(bytes).0[..SUM]).and_then(|()| self.bytes.append(bytes))
            }
            Proof::Tags(encrypter) => {
                encrypter.encrypt(parts, bytes).and_then(|envelope| self.bytes.append(&envelope))
            }
        };
        if let Err(error) = appended {
            self.torn = true;
            // If even this fails, the next attempt begins with it, and a crash leaves it to the next opening.
            let _ = self.mend(path, parts, size);
            return Err(error).at_sized("write", path, bytes.len());
        }
        Ok(())
    }

    /// Cuts off what a failed append left.
    fn mend(&mut self, path: &Path, parts: usize, size: u64) -> Result<()> {
        if self.torn {
            let mended = self.bytes.truncate(size).and_then(|()| match &mut self.proof {
                Proof::Sums(sums) => sums.truncate((parts * SUM) as u64),
                Proof::Tags(_) => Ok(()),
            });
            mended.at("truncate", path)?;
            self.torn = false;
        }
        Ok(())
    }
}

fn out_of_order(track: &TrackId, reason: &'static str) -> StoreError {
    StoreError::OutOfOrder { track: track.clone(), reason }
}
