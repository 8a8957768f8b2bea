//! What `open` does with one session: files and rows are made to agree.

use crate::{
    Damage, RecoveredSession, StoreError,
    cipher::{self, About, Cipher},
    document::{Document, write_whole},
    error::At as _,
    index::{self, SessionRow, Totals},
    layout::{self, TrackFile},
    recover::{read_document, read_if_there},
    store::Inner,
    writer::SUM,
};
use media::ChunkPolicy;
use model::{
    Chunk, ChunkId, CodecConfig, Hash, Init, InitUse, KeyId, Mode, PartMark, RecordingId, Retention,
    SessionId, SessionMeta, SessionState, TrackId, TrackInfo, TrackKind, UtcTime,
};
use rusqlite::Connection;
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    path::Path,
    time::Duration,
};

type Result<T> = std::result::Result<T, StoreError>;

/// What a killed process may have had in its hands: the part being built, the encoder and the queues.
const IN_FLIGHT: Duration = Duration::from_millis(500);

/// One session being put in order.
pub struct Recovery<'a> {
    inner: &'a Inner,
    session: SessionId,
    /// None where nothing is encrypted.
    cipher: Option<Cipher>,
    /// Chunks that have a row.
    known: BTreeMap<(TrackId, u32), Chunk>,
    /// Chunks that get one.
    found: Vec<Chunk>,
    inits: Vec<Init>,
    report: RecoveredSession,
    /// What was sealed of each track's open chunk.
    tails: BTreeMap<TrackId, Duration>,
}

/// How that went.
pub enum Outcome {
    /// Nothing was ever written, and the folder is gone.
    Nothing,
    /// It is in order.
    InOrder(RecoveredSession),
    /// Its key is not here. Nothing in its folder was changed; its row says that it waits.
    Locked,
}

/// The files of one track, by what they are.
#[derive(Default)]
struct TrackFiles {
    inits: Vec<String>,
    chunks: BTreeMap<u32, Vec<String>>,
    open: Vec<u32>,
    sums: Vec<u32>,
    temporary: Vec<String>,
}

impl<'a> Recovery<'a> {
    pub fn new(inner: &'a Inner, session: SessionId) -> Self {
        let report = RecoveredSession {
            session,
            recording: RecordingId(session.0),
            sealed: 0,
            restored: 0,
            lost: Duration::ZERO,
            damaged: Vec::new(),
        };
        let (known, found, inits, tails) = (BTreeMap::new(), Vec::new(), Vec::new(), BTreeMap::new());
        Self { inner, session, cipher: None, known, found, inits, report, tails }
    }

    /// Until files and rows agree, or not at all.
    pub fn run(mut self, index: &mut Connection, row: Option<SessionRow>) -> Result<Outcome> {
        let folder = self.inner.layout.session(self.session);
        self.inner.create_folder(&folder)?;
        let chunks = index::all_chunks(index, self.session)?;
        self.known.extend(chunks.into_iter().map(|chunk| ((chunk.id.track.clone(), chunk.id.index), chunk)));
        let written = read_document(self.inner, self.session)?;
        let had_document = written.is_some();
        let newest = [row.clone().map(|row| row.document), written.clone()]
            .into_iter()
            .flatten()
            .max_by_key(|doc| doc.revision);
        let mut document = newest.unwrap_or_else(|| unknown_session(self.session));
        let mut tracks = self.track_folders(&folder)?;
        if tracks.is_empty() && !had_document && document.revision == 0 {
            self.inner.fs.remove_folder(&folder).at("remove", &folder)?;
            return Ok(Outcome::Nothing);
        }
        // Before anything is changed.
        if document.revision == 0 && document.meta.key.is_none() {
            document.meta.key = self.key_in(&folder, &tracks)?;
        }
        match document.meta.key.map(|key| self.inner.cipher(key)).transpose() {
            Ok(cipher) => self.cipher = cipher,
            Err(StoreError::Locked { .. }) => return self.leave(index, row, document),
            Err(error) => return Err(error),
        }
        if !had_document {
            self.report.damaged.push(Damage::Document);
        }
        for info in &document.meta.tracks {
            tracks.entry(info.id.clone()).or_default();
        }
        for (track, files) in tracks {
            self.recover_track(index, &mut document.meta, &track, files)?;
        }
        self.close(&mut document);
        if written.as_ref() != Some(&document) {
            document.revision = document.revision.saturating_add(1);
        }
        self.commit(index, &document)?;
        if written.as_ref() != Some(&document) {
            self.inner.write_document(&document)?;
        }
        self.report.damaged.sort();
        Ok(Outcome::InOrder(self.report))
    }

    /// The key that chunks name whose session nothing else is known of.
    fn key_in(&self, folder: &Path, tracks: &BTreeMap<TrackId, TrackFiles>) -> Result<Option<KeyId>> {
        for (track, files) in tracks {
            let open = files.open.iter().map(|number| layout::open_name(*number));
            for name in files.chunks.values().flatten().cloned().chain(open) {
                let found = cipher::key_of(&self.read(&folder.join(track.as_str()).join(name))?);
                if found.is_some() {
                    return Ok(found);
                }
            }
        }
        Ok(None)
    }

    /// The session waits for its key. Only the index hears of it.
    fn leave(self, index: &mut Connection, row: Option<SessionRow>, document: Document) -> Result<Outcome> {
        let totals = row.as_ref().map_or_else(Totals::default, |row| row.totals);
        let waiting = SessionRow { document, totals, waits: true };
        // A row of one that was being recorded says the same.
        let is_known = row.is_some_and(|row| {
            row.document == waiting.document
                && (row.waits || row.document.meta.state == SessionState::Recording)
        });
        if !is_known {
            self.inner.commit(index, |transaction| index::put_session(transaction, &waiting))?;
        }
        Ok(Outcome::Locked)
    }

    fn track_folders(&self, folder: &Path) -> Result<BTreeMap<TrackId, TrackFiles>> {
        let names = self.inner.fs.list(folder).at("list", folder)?;
        let mut tracks = BTreeMap::new();
        for track in names.iter().filter_map(|name| name.parse::<TrackId>().ok()) {
            // A file of such a name is not ours.
            let Ok(names) = self.inner.fs.list(&folder.join(track.as_str())) else { continue };
            let files = TrackFiles::sort(&names);
            if !files.is_empty() {
                tracks.insert(track, files);
            }
        }
        Ok(tracks)
    }

    fn recover_track(
        &mut self,
        index: &Connection,
        meta: &mut SessionMeta,
        track: &TrackId,
        files: TrackFiles,
    ) -> Result<()> {
        let folder = self.inner.layout.track(self.session, track);
        for name in &files.temporary {
            self.remove(&folder.join(name))?;
        }
        let inits = self.inits_of(index, track, &folder, &files.inits)?;
        if meta.tracks.iter().all(|info| info.id != *track) {
            meta.tracks.push(unknown_track(track, &inits));
        }
        let uses =
            meta.tracks.iter().find(|info| info.id == *track).map_or(vec![], |info| info.inits.clone());
        let init_of =
            |number| init_for(&uses, number).and_then(|hash| inits.iter().find(|init| init.hash == hash));
        let sealed: BTreeMap<u32, Chunk> = files
            .chunks
            .iter()
            .map(|(number, names)| {
                Ok((*number, self.sealed(&folder, track, *number, names, init_of(*number))?))
            })
            .filter_map(|found: Result<_>| found.map(|(number, chunk)| Some((number, chunk?))).transpose())
            .collect::<Result<_>>()?;
        let gone = self.known.range((track.clone(), 0)..=(track.clone(), u32::MAX));
        let gone = gone.filter(|((_, number), _)| !files.chunks.contains_key(number));
        self.report.damaged.extend(gone.map(|(_, chunk)| Damage::Missing(chunk.id.clone())));
        for number in &files.open {
            let id = ChunkId { session: self.session, track: track.clone(), index: *number };
            let path = folder.join(layout::open_name(*number));
            if sealed.contains_key(number) || self.known.contains_key(&(track.clone(), *number)) {
                self.remove(&path)?;
            } else {
                self.recover_tail(&folder, id, init_of(*number))?;
            }
        }
        for number in &files.sums {
            self.remove(&folder.join(layout::sums_name(*number)))?;
        }
        self.inits.extend(inits);
        if files.is_empty() { Ok(()) } else { self.inner.sync_folder(&folder) }
    }

    /// The init segments that can be read, from files or else from rows.
    fn inits_of(
        &mut self,
        index: &Connection,
        track: &TrackId,
        folder: &Path,
        names: &[String],
    ) -> Result<Vec<Init>> {
        let mut inits: BTreeMap<Hash, Init> = BTreeMap::new();
        let mut damaged: BTreeSet<String> = BTreeSet::new();
        for name in names {
            let bytes = self.read(&folder.join(name))?;
            match media::read_init(track, bytes.into()) {
                Ok(init) if layout::init_name(&init.hash) == *name => drop(inits.insert(init.hash, init)),
                _ => drop(damaged.insert(name.clone())),
            }
        }
        for bytes in index::inits(index, self.session, track)? {
            let Ok(init) = media::read_init(track, bytes) else { continue };
            let name = layout::init_name(&init.hash);
            if let Entry::Vacant(lost) = inits.entry(init.hash) {
                self.inner.create_folder(folder)?;
                write_whole(&*self.inner.fs, folder, &name, &init.bytes)?;
                damaged.remove(&name);
                lost.insert(init);
            }
        }
        self.report
            .damaged
            .extend(damaged.into_iter().map(|file| Damage::Init { track: track.clone(), file }));
        Ok(inits.into_values().collect())
    }

    /// A sealed file: the chunk that its row has, or the one that its bytes make if their hash is in its name.
    fn sealed(
        &mut self,
        folder: &Path,
        track: &TrackId,
        number: u32,
        names: &[String],
        init: Option<&Init>,
    ) -> Result<Option<Chunk>> {
        let id = ChunkId { session: self.session, track: track.clone(), index: number };
        if let Some(chunk) = self.known.get(&(track.clone(), number)) {
            let chunk = chunk.clone();
            if !names.contains(&layout::chunk_name(number, &chunk.hash)) {
                self.report.damaged.push(Damage::Missing(id));
            }
            return Ok(Some(chunk));
        }
        for name in names {
            let bytes = self.within(&id, self.read(&folder.join(name))?);
            let scan = init.zip(bytes).map(|(init, bytes)| (media::scan(&bytes, init), bytes.len(), init));
            let whole = scan.filter(|(scan, size, _)| scan.intact == *size as u64);
            let chunk = whole.and_then(|(scan, _, init)| scan.into_chunk(id.clone(), init));
            if let Some(chunk) = chunk.filter(|chunk| layout::chunk_name(number, &chunk.hash) == *name) {
                self.report.restored += 1;
                self.found.push(chunk.clone());
                return Ok(Some(chunk));
            }
        }
        self.report.damaged.push(Damage::Chunk(id));
        Ok(None)
    }

    /// The bytes of a sealed chunk in its file; none where they are not whole.
    fn within(&self, id: &ChunkId, file: Vec<u8>) -> Option<Vec<u8>> {
        let Some(cipher) = &self.cipher else { return Some(file) };
        let found = cipher.decrypt(&About::chunk(id), file).filter(|found| found.is_whole);
        found.map(|found| found.bytes)
    }

    /// An open chunk: cut to the last part that is whole, and sealed under the index that it had.
    fn recover_tail(&mut self, folder: &Path, id: ChunkId, init: Option<&Init>) -> Result<()> {
        let path = folder.join(layout::open_name(id.index));
        let file = self.read(&path)?;
        if file.is_empty() {
            return self.remove(&path);
        }
        // Of another key, or of none: a file that has no business here.
        let is_foreign =
            cipher::key_of(&file).is_some_and(|key| self.cipher.as_ref().map(Cipher::key) != Some(key));
        let Some(init) = init.filter(|_| !is_foreign) else { return self.set_aside(folder, id) };
        let size = file.len() as u64;
        let bytes = self.whole_parts(folder, &id, file, init)?;
        if bytes.is_empty() {
            return self.remove(&path);
        }
        let Some(chunk) = media::scan(&bytes, init).into_chunk(id.clone(), init) else {
            return self.set_aside(folder, id);
        };
        let kept = match self.cipher {
            None => chunk.size,
            Some(_) => cipher::file_size(chunk.size, chunk.parts.len()),
        };
        let mut file = self.inner.fs.append(&path).at("open", &path)?;
        if kept < size {
            file.truncate(kept).at("truncate", &path)?;
        }
        file.sync().at("sync", &path)?;
        drop(file);
        let name = layout::chunk_name(id.index, &chunk.hash);
        self.inner.fs.rename(&path, &folder.join(name)).at("rename", &path)?;
        self.report.sealed += 1;
        self.tails.insert(id.track, chunk.span.duration());
        self.found.push(chunk);
        Ok(())
    }

    /// The parts at the beginning of an open chunk's file that are whole, end to end: what each is proved by fits it.
    fn whole_parts(&self, folder: &Path, id: &ChunkId, file: Vec<u8>, init: &Init) -> Result<Vec<u8>> {
        let (mut bytes, sizes, sums) = match &self.cipher {
            Some(cipher) => {
                let found = cipher.decrypt(&About::chunk(id), file);
                found.map_or_else(Default::default, |found| (found.bytes, found.sizes, Vec::new()))
            }
            None => {
                let sums = read_if_there(&*self.inner.fs, &folder.join(layout::sums_name(id.index)))?;
                (file, Vec::new(), sums.unwrap_or_default())
            }
        };
        let parts = media::scan(&bytes, init).parts;
        let end = |part: &PartMark| part.offset as usize + part.size as usize;
        let is_proved = |(number, part): &(usize, &PartMark)| match &self.cipher {
            Some(_) => sizes.get(*number) == Some(&part.size),
            None => {
                let within = bytes.get(part.offset as usize..end(part));
                let sum = sums.as_chunks::<SUM>().0.get(*number);
                within.zip(sum).is_some_and(|(within, sum)| Hash::of(within).0[..SUM] == *sum)
            }
        };
        let whole = parts.iter().enumerate().take_while(is_proved).last();
        let whole = whole.map_or(0, |(_, part)| end(part));
        bytes.truncate(whole);
        Ok(bytes)
    }

    fn set_aside(&mut self, folder: &Path, id: ChunkId) -> Result<()> {
        let path = folder.join(layout::open_name(id.index));
        let aside = folder.join(layout::unreadable_name(id.index));
        self.inner.fs.rename(&path, &aside).at("rename", &path)?;
        self.report.damaged.push(Damage::Unreadable(id));
        Ok(())
    }

    /// A session that was being recorded has ended; how much is missing depends on how.
    fn close(&mut self, document: &mut Document) {
        let meta = &mut document.meta;
        self.report.recording = meta.recording;
        if meta.state != SessionState::Recording {
            return;
        }
        meta.state = SessionState::Recovered;
        let killed = document.boot.is_some() && document.boot == self.inner.boot;
        let lost = if killed {
            IN_FLIGHT
        } else {
            // One chunk of each track was open, and all of it but the tail can be missing.
            let tail =
                meta.tracks.iter().map(|track| self.tails.get(&track.id).copied().unwrap_or_default()).min();
            // The file may say anything of how long chunks were.
            meta.chunk.saturating_sub(tail.unwrap_or_default()).saturating_add(IN_FLIGHT)
        };
        meta.lost = Some(lost);
        self.report.lost = lost;
    }

    fn commit(&mut self, index: &mut Connection, document: &Document) -> Result<()> {
        let chunks = self.known.values().chain(&self.found);
        let row = SessionRow { totals: Totals::of(chunks), document: document.clone(), waits: false };
        self.inner.commit(index, |transaction| {
            for init in &self.inits {
                index::put_init(transaction, self.session, &init.track, &init.bytes)?;
            }
            self.found.iter().try_for_each(|chunk| index::put_chunk(transaction, chunk))?;
            index::put_session(transaction, &row)
        })
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        self.inner.fs.read(path).at("read", path)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.inner.fs.remove(path).at("remove", path)
    }
}

impl TrackFiles {
    fn sort(names: &[String]) -> Self {
        let mut files = Self::default();
        for name in names {
            match TrackFile::parse(name) {
                Some(TrackFile::Init(_)) => files.inits.push(name.clone()),
                Some(TrackFile::Chunk(number, _)) => {
                    files.chunks.entry(number).or_default().push(name.clone())
                }
                Some(TrackFile::Open(number)) => files.open.push(number),
                Some(TrackFile::Sums(number)) => files.sums.push(number),
                Some(TrackFile::Temporary) => files.temporary.push(name.clone()),
                None => {}
            }
        }
        files.inits.sort();
        files.open.sort_unstable();
        files
    }

    fn is_empty(&self) -> bool {
        self.inits.is_empty()
            && self.chunks.is_empty()
            && self.open.is_empty()
            && self.sums.is_empty()
            && self.temporary.is_empty()
    }
}

/// The init segment in use when a chunk was written.
fn init_for(uses: &[InitUse], number: u32) -> Option<Hash> {
    let before = uses.iter().rfind(|used| used.first_index <= number);
    before.or(uses.first()).map(|used| used.hash)
}

/// What can be said of a session whose document and row are both gone.
fn unknown_session(session: SessionId) -> Document {
    let (seconds, nanos) = session.0.get_timestamp().map_or((0, 0), |timestamp| timestamp.to_unix());
    let millis = seconds.saturating_mul(1000).saturating_add(u64::from(nanos) / 1_000_000);
    let meta = SessionMeta {
        version: SessionMeta::VERSION,
        id: session,
        recording: RecordingId(session.0),
        title: "Recovered recording".to_owned(),
        description: String::new(),
        metadata: BTreeMap::new(),
        mode: Mode::Program,
        retention: Retention::KeepAll,
        started_at: UtcTime(i64::try_from(millis).unwrap_or(0)),
        chunk: ChunkPolicy::CHUNK,
        state: SessionState::Recording,
        tracks: Vec::new(),
        gaps: Vec::new(),
        lost: None,
        layouts: Vec::new(),
        check: None,
        marks: Vec::new(),
        trashed_at: None,
        key: None,
    };
    Document { revision: 0, boot: None, meta }
}

/// What a folder and its init segments say of a track that no document tells of. With several inits the order of
/// their use is lost too; they differ in size or rate at most, and chunks can be scanned with any of them.
fn unknown_track(track: &TrackId, inits: &[Init]) -> TrackInfo {
    let picture = |init: &Init| init.codec.picture_size().is_some();
    let kind = match track.as_str() {
        "screen" => TrackKind::Screen,
        "camera" => TrackKind::Camera,
        "input" => TrackKind::Input,
        "mic" => TrackKind::Microphone,
        "system" => TrackKind::SystemAudio,
        _ if inits.iter().any(picture) => TrackKind::Program,
        _ if inits.iter().any(|init| init.codec == CodecConfig::Json) => TrackKind::Input,
        _ => TrackKind::Mix,
    };
    let uses = inits.first().map(|init| InitUse { hash: init.hash, first_index: 1 });
    TrackInfo { id: track.clone(), kind, label: String::new(), inits: uses.into_iter().collect() }
}
