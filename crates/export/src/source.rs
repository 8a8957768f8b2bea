//! The chunks that are copied into a file: found, checked, copied, and left out where they cannot be read.

use crate::{ExportError, Progress, part_file::PartFile, work::Work};
use media::{ChunkRange, FlatPlan, FlatTrack};
use model::{Chunk, ChunkId, Hash, Init, Span, TrackId, TrackManifest};
use std::{
    collections::{HashMap, HashSet},
    io::{self, Read, Seek, SeekFrom},
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
};
use store::{ChunkBytes, ChunkStore, StoreError};

/// How a copy ended.
pub(crate) enum Copied {
    All,
    /// A chunk could not be read to its end; it is among the skipped now.
    Unreadable,
}

/// Tracks with the chunks that can be read.
pub(crate) struct Source<'a> {
    store: &'a ChunkStore,
    tracks: Vec<Track>,
    chunks: HashMap<ChunkId, Chunk>,
    /// Chunks that were made for this file and are in no store, by their names in `work`.
    made: HashMap<ChunkId, String>,
    work: Option<&'a Work>,
    /// Those whose bytes were compared.
    checked: HashSet<ChunkId>,
    /// Those that were left out.
    pub skipped: Vec<ChunkId>,
}

/// A track with what is needed to read it.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    pub id: TrackId,
    pub inits: Vec<Init>,
    pub chunks: Vec<Chunk>,
}

impl Track {
    /// Reads a track's inits. Chunks whose init is gone are left out; these come back too.
    pub fn load(
        store: &ChunkStore,
        manifest: &TrackManifest,
        lost: &mut Vec<ChunkId>,
    ) -> Result<Self, ExportError> {
        let mut inits = HashMap::new();
        let mut looked_for = HashSet::new();
        for chunk in &manifest.chunks {
            if !looked_for.insert(chunk.init) {
                continue;
            }
            match store.init(chunk.id.session, &chunk.id.track, &chunk.init) {
                Ok(init) => _ = inits.insert(chunk.init, init),
                Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let (chunks, without): (Vec<&Chunk>, _) =
            manifest.chunks.iter().partition(|chunk| inits.contains_key(&chunk.init));
        lost.extend(without.into_iter().map(|chunk| chunk.id.clone()));
        // In the order of their use, so that the same recording is always read the same way.
        let mut used: Vec<Hash> = Vec::new();
        chunks.iter().for_each(|chunk| {
            if !used.contains(&chunk.init) {
                used.push(chunk.init);
            }
        });
        let inits = used.iter().filter_map(|hash| inits.remove(hash)).collect();
        Ok(Self { id: manifest.track.id.clone(), inits, chunks: chunks.into_iter().cloned().collect() })
    }

    fn flat(&self) -> FlatTrack<'_> {
        FlatTrack { id: &self.id, inits: &self.inits, chunks: &self.chunks }
    }
}

/// Compares chunks with what was recorded, until told to stop.
pub(crate) struct Checker<'a> {
    store: &'a ChunkStore,
    chunks: Vec<ChunkId>,
    stopped: AtomicBool,
}

impl<'a> Checker<'a> {
    pub fn new(store: &'a ChunkStore, chunks: Vec<ChunkId>) -> Self {
        Self { store, chunks, stopped: AtomicBool::new(false) }
    }

    /// Nobody needs to know any more.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Those that are not what was recorded.
    pub fn damaged(&self) -> HashSet<ChunkId> {
        let wanted = self.chunks.iter().take_while(|_| !self.stopped.load(Ordering::Relaxed));
        wanted.filter(|id| self.store.read(id).is_err()).cloned().collect()
    }
}

impl<'a> Source<'a> {
    /// Of tracks in a store.
    pub fn new(store: &'a ChunkStore, tracks: &[&TrackManifest]) -> Result<Self, ExportError> {
        let mut source = Self {
            store,
            tracks: Vec::new(),
            chunks: HashMap::new(),
            made: HashMap::new(),
            work: None,
            checked: HashSet::new(),
            skipped: Vec::new(),
        };
        for manifest in tracks {
            let track = Track::load(store, manifest, &mut source.skipped)?;
            source.add(track);
        }
        Ok(source)
    }

    /// Adds a track that was made for this file, before all others. `names` are those of its chunks in `work`.
    pub fn add_made(&mut self, track: Track, names: Vec<String>, work: &'a Work) {
        let ids = track.chunks.iter().map(|chunk| chunk.id.clone());
        self.made.extend(ids.zip(names));
        self.work = Some(work);
        self.add(track);
        self.tracks.rotate_right(1);
    }

    fn add(&mut self, track: Track) {
        self.chunks.extend(track.chunks.iter().map(|chunk| (chunk.id.clone(), chunk.clone())));
        self.tracks.push(track);
    }

    /// Plans a file of what can be read.
    pub fn plan(&self, span: Span, gaps: &[Span]) -> Result<FlatPlan, ExportError> {
        let tracks: Vec<_> = self.tracks.iter().map(Track::flat).collect();
        Ok(media::flatten(&tracks, Some(span), gaps)?)
    }

    /// Leaves out the chunks of a plan that are not there with all their bytes, and says whether there were any.
    /// Whatever keeps a chunk from being read, a failing disk too: the rest is worth having.
    pub fn leave_out_absent(&mut self, plan: &FlatPlan) -> bool {
        let ids = plan.copies.iter().map(|copy| &copy.chunk);
        let stored = ids.filter(|id| !self.made.contains_key(*id));
        let absent: HashSet<_> = stored.filter(|id| !self.is_there(id)).cloned().collect();
        self.leave_out(&absent);
        !absent.is_empty()
    }

    /// The chunks of a plan whose bytes nobody has compared yet.
    pub fn unchecked(&self, plan: &FlatPlan) -> Vec<ChunkId> {
        let ids = plan.copies.iter().map(|copy| &copy.chunk);
        ids.filter(|id| !self.checked.contains(*id) && !self.made.contains_key(*id)).cloned().collect()
    }

    /// Takes over what was found; says whether there was any damage.
    pub fn leave_out_damaged(&mut self, checker: Checker<'_>, damaged: &HashSet<ChunkId>) -> bool {
        self.checked.extend(checker.chunks);
        self.leave_out(damaged);
        !damaged.is_empty()
    }

    fn leave_out(&mut self, bad: &HashSet<ChunkId>) {
        for track in &mut self.tracks {
            let lost = track.chunks.extract_if(.., |chunk| bad.contains(&chunk.id));
            self.skipped.extend(lost.map(|chunk| chunk.id));
        }
    }

    /// Copies all that a plan names.
    pub fn copy_all(
        &mut self,
        plan: &FlatPlan,
        file: &mut PartFile,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Copied, ExportError> {
        let mut done = plan.head.len() as u64;
        let mut tell = |done| match progress(Progress { done, total: plan.size }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ExportError::Cancelled),
        };
        tell(done)?;
        for copy in &plan.copies {
            if let Err(failed) = self.copy(copy, file) {
                // A copy does not say which side failed; reading alone does.
                if self.made.contains_key(&copy.chunk) || self.is_readable(copy) {
                    return Err(failed);
                }
                self.leave_out(&HashSet::from([copy.chunk.clone()]));
                return Ok(Copied::Unreadable);
            }
            done += copy.bytes.end - copy.bytes.start;
            tell(done)?;
        }
        Ok(Copied::All)
    }

    fn copy(&self, copy: &ChunkRange, file: &mut PartFile) -> Result<(), ExportError> {
        let source = self.open(copy).map_err(|source| file.failed("read a chunk into", source))?;
        file.copy(source, copy.bytes.end - copy.bytes.start)
    }

    fn is_readable(&self, copy: &ChunkRange) -> bool {
        let length = copy.bytes.end - copy.bytes.start;
        let read = self.open(copy).and_then(|file| io::copy(&mut file.take(length), &mut io::sink()));
        read.is_ok_and(|read| read == length)
    }

    fn is_there(&self, id: &ChunkId) -> bool {
        self.chunks.get(id).is_some_and(|chunk| self.store.look_for(chunk).is_ok())
    }

    fn open(&self, copy: &ChunkRange) -> io::Result<ChunkBytes> {
        let mut bytes = match (self.made.get(&copy.chunk), self.work) {
            (Some(name), Some(work)) => work.read(name)?,
            _ => {
                let chunk = self.chunks.get(&copy.chunk).ok_or(io::ErrorKind::NotFound)?;
                self.store.open_chunk(chunk).map_err(io::Error::other)?
            }
        };
        bytes.seek(SeekFrom::Start(copy.bytes.start))?;
        Ok(bytes)
    }
}
