//! Stored chunks to pictures: what was recorded, for whoever draws it.
//!
//! Owns: which packets must be decoded for the picture at an instant. Decodes forward while time goes forward, and
//! begins again at a chunk's keyframe where it goes back or jumps. Holds one chunk's bytes and one picture a track.
//! Where a chunk is missing or damaged the picture before it stands. Tested in `tests/stored.rs`.

use crate::{CodecError, VideoDecoder};
use bytes::Bytes;
use media::{StoredSample, samples};
use model::{Chunk, ChunkId, CodecConfig, Damage, Frame, Frames, Init, Point, Size, Timestamp, TrackId};
use std::collections::HashSet;

/// A track of pictures to be decoded.
#[derive(Debug, Clone)]
pub struct StoredTrack {
    /// Its name.
    pub id: TrackId,
    /// The inits that its chunks need.
    pub inits: Vec<Init>,
    /// Its chunks in order. Those without an init here are as good as lost.
    pub chunks: Vec<Chunk>,
}

/// Gives the bytes of chunks; none where they are missing or damaged.
pub type ReadChunk<'a> = Box<dyn FnMut(&Chunk) -> Option<Bytes> + 'a>;

/// Pictures from stored chunks.
pub struct StoredFrames<'a> {
    read: ReadChunk<'a>,
    tracks: Vec<Decoding>,
    lost: Vec<ChunkId>,
    serial: u64,
}

struct Decoding {
    track: StoredTrack,
    /// Chunks, by their place in the list, that cannot be read, and those that were read and are broken within.
    lost: HashSet<usize>,
    broken: HashSet<usize>,
    open: Option<OpenChunk>,
    frame: Option<Frame>,
}

/// A chunk whose first packets have been decoded.
struct OpenChunk {
    place: usize,
    bytes: Bytes,
    samples: Vec<StoredSample>,
    /// How many of them have been decoded.
    decoded: usize,
    decoder: VideoDecoder,
}

impl<'a> StoredFrames<'a> {
    /// Of these tracks. Fails where one cannot be decoded at all, such as for want of a decoder.
    pub fn new(tracks: Vec<StoredTrack>, read: ReadChunk<'a>) -> Result<Self, CodecError> {
        for init in tracks.iter().flat_map(|track| &track.inits) {
            VideoDecoder::open(&init.codec)?;
        }
        let decoding =
            |track| Decoding { track, lost: HashSet::new(), broken: HashSet::new(), open: None, frame: None };
        Ok(Self { read, tracks: tracks.into_iter().map(decoding).collect(), lost: Vec::new(), serial: 0 })
    }

    /// When the first picture of a track after `at` is shown.
    pub fn next_after(&self, track: &TrackId, at: Timestamp) -> Option<Timestamp> {
        let decoding = self.tracks.iter().find(|decoding| decoding.track.id == *track)?;
        let chunks = &decoding.track.chunks;
        let after = chunks.partition_point(|chunk| chunk.span.start <= at);
        let within = |place: usize| {
            let codec = decoding.codec(place)?;
            samples(&chunks[place], codec).map(|sample| sample.at).find(|shown| *shown > at)
        };
        let current = after.checked_sub(1).filter(|place| !decoding.lost.contains(place));
        current.and_then(within).or_else(|| chunks.get(after).map(|chunk| chunk.span.start))
    }

    /// The chunks that could not be read or decoded since this was asked last. Each is named once.
    pub fn take_lost(&mut self) -> Vec<ChunkId> {
        std::mem::take(&mut self.lost)
    }
}

impl Frames for StoredFrames<'_> {
    fn frame(&mut self, track: &TrackId, at: Timestamp) -> Option<Frame> {
        let Self { read, tracks, lost, serial } = self;
        let decoding = tracks.iter_mut().find(|decoding| decoding.track.id == *track)?;
        decoding.seek(at, read, lost, serial);
        decoding.frame.clone()
    }
}

impl Decoding {
    fn codec(&self, place: usize) -> Option<&CodecConfig> {
        let init = self.track.chunks.get(place)?.init;
        self.track.inits.iter().find(|known| known.hash == init).map(|init| &init.codec)
    }

    /// Makes the newest picture at `at` the current one.
    fn seek(&mut self, at: Timestamp, read: &mut ReadChunk<'_>, lost: &mut Vec<ChunkId>, serial: &mut u64) {
        loop {
            let before = self.track.chunks.partition_point(|chunk| chunk.span.start <= at);
            let Some(place) = (0..before).rev().find(|place| !self.lost.contains(place)) else {
                (self.open, self.frame) = (None, None);
                return;
            };
            if self.is_open(place, at) || self.begin(place, read) {
                return self.decode_to(at, lost, serial);
            }
            self.lose(place, lost);
        }
    }

    /// Whether the open chunk is this one, and the picture at `at` is the current one or still to come.
    fn is_open(&self, place: usize, at: Timestamp) -> bool {
        let goes_on = |open: &OpenChunk| {
            let shown = open.decoded.checked_sub(1).and_then(|last| open.samples.get(last));
            open.place == place && shown.is_none_or(|shown| shown.at <= at)
        };
        self.open.as_ref().is_some_and(goes_on)
    }

    fn begin(&mut self, place: usize, read: &mut ReadChunk<'_>) -> bool {
        let follows = self.open.take().is_some_and(|open| {
            open.place < place && (open.place + 1..place).all(|between| self.lost.contains(&between))
        });
        if !follows {
            self.frame = None;
        }
        let opened = self.codec(place).and_then(|codec| {
            let chunk = &self.track.chunks[place];
            let decoder = VideoDecoder::open(codec).ok()?;
            let samples = samples(chunk, codec).collect();
            Some(OpenChunk { place, bytes: read(chunk)?, samples, decoded: 0, decoder })
        });
        self.open = opened;
        self.open.is_some()
    }

    fn decode_to(&mut self, at: Timestamp, lost: &mut Vec<ChunkId>, serial: &mut u64) {
        let Some(open) = &mut self.open else { return };
        let mut broken = false;
        while let Some(sample) = open.samples.get(open.decoded).filter(|sample| sample.at <= at) {
            open.decoded += 1;
            let decoded = match sample.packet(&open.bytes) {
                Some(packet) => open.decoder.push(&packet).and_then(|()| open.decoder.poll()),
                None => Ok(None),
            };
            match decoded {
                Ok(Some((at, picture))) => {
                    *serial += 1;
                    let (origin, damage) = (Point::default(), Damage::All);
                    self.frame = Some(Frame { at, picture, origin, serial: *serial, since: 0, damage });
                }
                // Nothing comes of what follows a broken packet, up to the next keyframe.
                Ok(None) => {}
                Err(_) => broken = true,
            }
        }
        if broken && self.broken.insert(open.place) {
            lost.push(self.track.chunks[open.place].id.clone());
        }
    }

    fn lose(&mut self, place: usize, lost: &mut Vec<ChunkId>) {
        self.lost.insert(place);
        lost.push(self.track.chunks[place].id.clone());
    }
}

impl StoredTrack {
    /// When its first picture is shown.
    pub fn begins(&self) -> Option<Timestamp> {
        self.chunks.first().map(|chunk| chunk.span.start)
    }

    /// The largest size of its pictures.
    pub fn size(&self) -> Option<Size> {
        self.inits
            .iter()
            .filter_map(|init| init.codec.picture_size())
            .max_by_key(|size| u64::from(size.width) * u64::from(size.height))
    }
}
