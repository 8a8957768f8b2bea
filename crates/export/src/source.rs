//! The chunks that go into a file: found, checked, copied, and left out where they cannot be read.

use crate::{ExportError, Progress, part_file::PartFile};
use media::{ChunkRange, FlatPlan, FlatTrack};
use model::{Chunk, ChunkId, Hash, Init, Span, TrackManifest};
use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
};
use store::{ChunkStore, StoreError};

/// How a copy ended.
pub(crate) enum Copied {
    All,
    /// A chunk could not be read to its end; it is among the skipped now.
    Unreadable,
}

/// Tracks with the chunks that can be read.
pub(crate) struct Source<'a> {
    store: &'a ChunkStore,
    tracks: Vec<Track<'a>>,
    chunks: HashMap<&'a ChunkId, &'a Chunk>,
    /// Those whose bytes were compared.
    checked: HashSet<ChunkId>,
    /// Those that were left out.
    pub skipped: Vec<ChunkId>,
}

struct Track<'a> {
    manifest: &'a TrackManifest,
    inits: Vec<Init>,
    chunks: Vec<Chunk>,
}

impl Track<'_> {
    fn flat(&self) -> FlatTrack<'_> {
        FlatTrack { id: &self.manifest.track.id, inits: &self.inits, chunks: &self.chunks }
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
    /// Reads the tracks' inits. Chunks whose init is gone are skipped.
    pub fn new(store: &'a ChunkStore, tracks: &[&'a TrackManifest]) -> Result<Self, ExportError> {
        let all = tracks.iter().flat_map(|track| &track.chunks).map(|chunk| (&chunk.id, chunk));
        let mut source = Self {
            store,
            tracks: Vec::new(),
            chunks: all.collect(),
            checked: HashSet::new(),
            skipped: Vec::new(),
        };
        for &manifest in tracks {
            let inits = source.inits(manifest)?;
            let (chunks, lost): (Vec<&Chunk>, _) =
                manifest.chunks.iter().partition(|chunk| inits.contains_key(&chunk.init));
            source.skipped.extend(lost.into_iter().map(|chunk| chunk.id.clone()));
            let chunks = chunks.into_iter().cloned().collect();
            source.tracks.push(Track { manifest, inits: inits.into_values().collect(), chunks });
        }
        Ok(source)
    }

    fn inits(&self, manifest: &TrackManifest) -> Result<HashMap<Hash, Init>, ExportError> {
        let mut inits = HashMap::new();
        let mut looked_for = HashSet::new();
        for chunk in &manifest.chunks {
            if !looked_for.insert(chunk.init) {
                continue;
            }
            match self.store.init(chunk.id.session, &chunk.id.track, &chunk.init) {
                Ok(init) => _ = inits.insert(chunk.init, init),
                Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(inits)
    }

    /// Plans a file of what can be read.
    pub fn plan(&self, span: Span, gaps: &[Span]) -> Result<FlatPlan, ExportError> {
        let tracks: Vec<_> = self.tracks.iter().map(Track::flat).collect();
        Ok(media::flatten(&tracks, Some(span), gaps)?)
    }

    /// Leaves out the chunks of a plan that are not there with all their bytes, and says whether there were any.
    /// Whatever keeps a chunk from being read, a failing disk too: the rest is worth having.
    pub fn leave_out_absent(&mut self, plan: &FlatPlan) -> bool {
        let is_there = |id| self.chunks.get(id).is_some_and(|chunk| self.store.open_chunk(chunk).is_ok());
        let ids = plan.copies.iter().map(|copy| &copy.chunk);
        let absent: HashSet<_> = ids.filter(|id| !is_there(*id)).cloned().collect();
        self.leave_out(&absent);
        !absent.is_empty()
    }

    /// The chunks of a plan whose bytes nobody has compared yet.
    pub fn unchecked(&self, plan: &FlatPlan) -> Vec<ChunkId> {
        let ids = plan.copies.iter().map(|copy| &copy.chunk);
        ids.filter(|id| !self.checked.contains(*id)).cloned().collect()
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
        let mut written = plan.head.len() as u64;
        let mut tell = |written| match progress(Progress { written, total: plan.size }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ExportError::Cancelled),
        };
        tell(written)?;
        for copy in &plan.copies {
            if let Err(failed) = self.copy(copy, file) {
                // A copy does not say which side failed; reading alone does.
                if self.is_readable(copy) {
                    return Err(failed);
                }
                self.leave_out(&HashSet::from([copy.chunk.clone()]));
                return Ok(Copied::Unreadable);
            }
            written += copy.bytes.end - copy.bytes.start;
            tell(written)?;
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

    fn open(&self, copy: &ChunkRange) -> io::Result<File> {
        let chunk = self.chunks.get(&copy.chunk).ok_or(io::ErrorKind::NotFound)?;
        let mut file = self.store.open_chunk(chunk).map_err(io::Error::other)?;
        file.seek(SeekFrom::Start(copy.bytes.start))?;
        Ok(file)
    }
}
