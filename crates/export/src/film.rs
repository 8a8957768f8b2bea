//! Cells as chunks: pictures encoded anew, one encoder a chunk, so that each is the same however often it is made.

use crate::{
    ExportError,
    pace::{Cell, TICKS},
    render::Maker,
    source::Track,
    work::Work,
};
use bytes::Bytes;
use codec::{VideoConfig, VideoEncoder};
use media::{ChunkPolicy, Chunker};
use model::{ChunkId, Init, Nv12, Piece, SessionId, Timestamp, TrackId};

const INIT: &str = "init.mp4";

/// Makes the chunks of the encoded picture.
pub(crate) struct Film {
    session: SessionId,
    track: TrackId,
    config: VideoConfig,
    init: Init,
    open: Option<Reel>,
}

/// A chunk that is being made.
struct Reel {
    encoder: VideoEncoder,
    chunker: Chunker,
    bytes: Vec<u8>,
}

impl Film {
    /// Encodes as `config` says. What `work` has of another encoder's is removed.
    pub fn new(session: SessionId, config: VideoConfig, work: &mut Work) -> Result<Self, ExportError> {
        let track: TrackId = "program".parse().expect("a track's name may have small letters");
        let reel = Reel::open(session, &track, &config, 1)?;
        let init = reel.chunker.init().clone();
        if work.load(INIT).as_ref() != Some(&init.bytes) {
            work.clear();
            work.save(INIT, &init.bytes)?;
        }
        Ok(Self { session, track, config, init, open: None })
    }

    /// The finished track, and the names of its chunks in `work`.
    pub fn track(&self, work: &Work, cells: &[Cell]) -> (Track, Vec<String>) {
        let found = cells.iter().filter_map(|cell| {
            let name = self.name(cell);
            let scan = media::scan(&work.load(&name)?, &self.init);
            Some((scan.into_chunk(self.id(cell), &self.init)?, name))
        });
        let (chunks, names) = found.unzip();
        (Track { id: self.track.clone(), inits: vec![self.init.clone()], chunks }, names)
    }

    /// What a decoder must know.
    pub fn init(&self) -> &Init {
        &self.init
    }

    fn id(&self, cell: &Cell) -> ChunkId {
        ChunkId { session: self.session, track: self.track.clone(), index: cell.index }
    }
}

impl Maker for Film {
    fn name(&self, cell: &Cell) -> String {
        format!("{:06}.m4s", cell.index)
    }

    fn begin(&mut self, cell: &Cell, _work: &Work) -> Result<(), ExportError> {
        self.open = Some(Reel::open(self.session, &self.track, &self.config, cell.index)?);
        Ok(())
    }

    fn push(&mut self, picture: Nv12<'_>, at: i64) -> Result<(), ExportError> {
        let Some(reel) = &mut self.open else { return Ok(()) };
        reel.encoder.push(picture, Timestamp::from_ticks(at, TICKS))?;
        reel.drain()
    }

    fn end(&mut self, cell: &Cell, at: i64, work: &mut Work) -> Result<(), ExportError> {
        let Some(mut reel) = self.open.take() else { return Ok(()) };
        reel.encoder.finish()?;
        reel.drain()?;
        reel.chunker.seal(Timestamp::from_ticks(at, TICKS));
        reel.collect();
        work.save(&self.name(cell), &reel.bytes)
    }
}

impl Reel {
    fn open(
        session: SessionId,
        track: &TrackId,
        config: &VideoConfig,
        index: u32,
    ) -> Result<Self, ExportError> {
        let encoder = VideoEncoder::open(config)?;
        let policy = ChunkPolicy::default();
        let chunker = Chunker::new(session, track.clone(), encoder.config(), policy, index)?;
        Ok(Self { encoder, chunker, bytes: Vec::new() })
    }

    fn drain(&mut self) -> Result<(), ExportError> {
        while let Some(packet) = self.encoder.poll()? {
            self.chunker.push(packet)?;
        }
        self.collect();
        Ok(())
    }

    fn collect(&mut self) {
        while let Some(piece) = self.chunker.poll() {
            // Nobody needs the seal: reading the bytes back gives the same.
            if let Piece::Part(part) = piece {
                self.bytes.extend_from_slice(&part.bytes);
            }
        }
    }
}

/// The packets of a finished track, in the time of the file, chunk by chunk.
pub(crate) fn packets(track: &Track, place: usize, cell: &Cell, bytes: &Bytes) -> Vec<model::Packet> {
    let (Some(chunk), Some(init)) = (track.chunks.get(place), track.inits.first()) else { return Vec::new() };
    let shown = |sample: media::StoredSample| {
        let flat = Timestamp::from_ticks(cell.flat(sample.at.to_ticks(TICKS)), TICKS);
        Some(model::Packet { at: flat, ..sample.packet(bytes)? })
    };
    media::samples(chunk, &init.codec).filter_map(shown).collect()
}
