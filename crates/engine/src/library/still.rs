//! Stills: small pictures of recordings, cheap enough for a page full of them.
//!
//! Owns: which packets are decoded for one, and what is kept of what was made. One still is made at a time, so that a
//! page of the library leaves the other cores to the recorder.

use super::{film, find, playing::Playing};
use crate::{command::Reply, error::EngineError};
use codec::{CodecError, VideoDecoder, jpeg};
use compose::Compositor;
use media::{StoredSample, samples};
use model::{
    Chunk, CodecConfig, Damage, Frame, Frames, Point, Rect, Scene, SessionId, Size, Timestamp, TrackId,
};
use std::{
    collections::HashMap,
    io::{Read, Seek, SeekFrom},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use store::{ChunkStore, StoreError};

/// Media type of stills.
const JPEG: &str = "image/jpeg";
/// Pixels across.
const WIDTH_MIN: u32 = 16;
const WIDTH_MAX: u32 = 1920;
/// Higher than any picture.
const HEIGHT_MAX: u32 = 16_384;
/// Of pictures that move, no more packets are decoded than this many: the picture that they lead to will do. A screen
/// that stands still has fewer in a chunk.
const PACKETS_MAX: usize = 16;
/// Some thousand stills of a grid.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// What makes a still the same one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    session: SessionId,
    track: TrackId,
    /// The chunk, and the last packet of it that is decoded.
    index: u32,
    packet: usize,
    width: u32,
}

/// Stills that were made.
#[derive(Default)]
pub(crate) struct Stills {
    kept: Mutex<Kept>,
    /// Held by whoever makes one.
    making: Mutex<()>,
}

#[derive(Default)]
struct Kept {
    /// With when each was asked for last, as a count of questions.
    stills: HashMap<Key, (u64, Vec<u8>)>,
    asked: u64,
    bytes: usize,
}

impl Stills {
    /// A picture of a recording, at or before an instant of its playing time.
    pub(crate) fn still(
        &self,
        store: &ChunkStore,
        id: &str,
        at_ms: u64,
        width: u32,
    ) -> Result<Reply, EngineError> {
        if !(WIDTH_MIN..=WIDTH_MAX).contains(&width) {
            return Err(EngineError::Invalid(format!(
                "a still is {WIDTH_MIN} to {WIDTH_MAX} pixels wide, not {width}"
            )));
        }
        let session = find(store, id)?;
        let summary = store.session(session)?;
        let playing = Playing::stored(store, &summary)?;
        let at = playing.session_from_played(Duration::from_millis(at_ms));
        let (chunk, codec) = chunk_at(store, session, &summary.meta.tracks, at)?;
        let packets = packets(&chunk, &codec, at);
        let (id, packet) = (chunk.id.clone(), packets.len());
        let key = Key { session, track: id.track, index: id.index, packet, width };
        if let Some(bytes) = lock(&self.kept).find(&key) {
            return Ok(film::blob(JPEG, bytes));
        }
        let _one_at_a_time = lock(&self.making);
        // Somebody else may have asked for it meanwhile.
        if let Some(bytes) = lock(&self.kept).find(&key) {
            return Ok(film::blob(JPEG, bytes));
        }
        let bytes = scaled(decode(store, &chunk, &codec, packets)?, width)?;
        lock(&self.kept).keep(key, bytes.clone());
        Ok(film::blob(JPEG, bytes))
    }
}

impl Kept {
    fn find(&mut self, key: &Key) -> Option<Vec<u8>> {
        self.asked += 1;
        let (asked, bytes) = self.stills.get_mut(key)?;
        *asked = self.asked;
        Some(bytes.clone())
    }

    fn keep(&mut self, key: Key, bytes: Vec<u8>) {
        self.bytes += bytes.len();
        self.stills.insert(key, (self.asked, bytes));
        if self.bytes <= KEPT_BYTES_MAX {
            return;
        }
        // All at once down to half, so that this is rare.
        let mut ages: Vec<u64> = self.stills.values().map(|(asked, _)| *asked).collect();
        ages.sort_unstable();
        let median = ages[ages.len() / 2];
        self.stills.retain(|_, (asked, _)| *asked >= median);
        self.bytes = self.stills.values().map(|(_, bytes)| bytes.len()).sum();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is whole between any two statements, so a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The chunk whose pictures are shown at `at`, and what they are encoded as.
fn chunk_at(
    store: &ChunkStore,
    session: SessionId,
    tracks: &[model::TrackInfo],
    at: Timestamp,
) -> Result<(Chunk, CodecConfig), EngineError> {
    let mut found = HashMap::new();
    for track in tracks.iter().filter(|track| track.kind.is_picture()) {
        found.extend(store.chunk_at(session, &track.id, at)?.map(|chunk| (track.id.clone(), chunk)));
    }
    let track = film::picture(tracks, &|track| found.contains_key(track));
    let chunk = track.and_then(|track| found.remove(&track.id)).ok_or(EngineError::NoPictures)?;
    let codec = store.init(session, &chunk.id.track, &chunk.init)?.codec;
    Ok((chunk, codec))
}

/// What must be decoded for the picture at `at`, or for one not long before it.
fn packets(chunk: &Chunk, codec: &CodecConfig, at: Timestamp) -> Vec<StoredSample> {
    let shown: Vec<_> = samples(chunk, codec)
        .enumerate()
        .take_while(|(place, sample)| *place == 0 || sample.at <= at)
        .map(|(_, sample)| sample)
        .collect();
    let keyframe = shown.iter().rposition(|sample| sample.keyframe).unwrap_or(0);
    shown.into_iter().skip(keyframe).take(PACKETS_MAX).collect()
}

/// The last picture of some packets. Only their bytes are read, and nobody compares their hash: a decoder takes
/// anything, and a picture that is not quite what was recorded costs nobody anything.
fn decode(
    store: &ChunkStore,
    chunk: &Chunk,
    codec: &CodecConfig,
    packets: Vec<StoredSample>,
) -> Result<Frame, EngineError> {
    let damaged = || StoreError::Damaged { chunk: chunk.id.clone() };
    let (Some(first), Some(last)) = (packets.first(), packets.last()) else { return Err(damaged().into()) };
    let (start, end) = (first.bytes.start, last.bytes.end);
    let mut file = store.open_chunk(chunk)?;
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start))
        .and_then(|_| file.take(end.saturating_sub(start)).read_to_end(&mut bytes))
        .map_err(|cause| EngineError::System { operation: "reading a chunk", cause })?;
    let bytes = bytes.into();
    let mut decoder = VideoDecoder::open(codec)?;
    let mut newest = None;
    for sample in packets {
        let place = sample.bytes.start - start..sample.bytes.end - start;
        let packet = StoredSample { bytes: place, ..sample }.packet(&bytes).ok_or_else(damaged)?;
        let pushed = decoder.push(&packet);
        if let Err(CodecError::CorruptPacket { .. }) = pushed {
            break;
        }
        pushed?;
        newest = decoder.poll()?.or(newest);
    }
    let (at, picture) = newest.ok_or_else(damaged)?;
    Ok(Frame { at, picture, origin: Point::default(), serial: 1, since: 0, damage: Damage::All })
}

/// A picture of this width as JPEG; never enlarged.
fn scaled(frame: Frame, width: u32) -> Result<Vec<u8>, EngineError> {
    struct Alone(Frame);
    impl Frames for Alone {
        fn frame(&mut self, _: &TrackId, _: Timestamp) -> Option<Frame> {
            Some(self.0.clone())
        }
    }
    let (at, size) = (frame.at, frame.picture.size);
    let canvas = size.fit_even(Size::new(width, HEIGHT_MAX));
    let scene = Scene::of(crate::sources::name("screen"), Rect::whole(size), canvas);
    let mut compositor = Compositor::new(canvas)?;
    compositor.render(&scene, at, &mut Alone(frame))?;
    Ok(jpeg(compositor.picture())?)
}
