//! Packets in, pieces out: the only code that makes chunks.
//!
//! A picture lasts until the next one, so the newest sample of a part waits for its duration: the next packet gives
//! it, or [`Chunker::advance`], or [`Chunker::seal`]. Where a picture stands still beyond its part, the part is closed
//! at its boundary, and the next picture is *decoded* there and *shown* later, by a composition offset: decode times
//! have no hole, and presentation times stay exact.

use crate::{ChunkPolicy, MediaError, fmp4, fmp4::TrackClock};
use bytes::Bytes;
use model::{Chunk, ChunkId, CodecConfig, Hash, Init, Packet, Part, PartMark, Piece, SampleMark, SessionId};
use model::{Span, Timestamp, TrackId};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;

/// A chunk that has had no keyframe for so many parts (17 minutes) is sealed without one.
const PARTS_MAX: u32 = 4096;
/// Bytes of the largest packet: as much as a part can hold.
const PACKET_MAX: usize = fmp4::PAYLOAD_MAX;

/// Makes the chunks of one track from its packets.
///
/// Pieces come out in the order in which they must become durable: an init before the first part that needs it, a
/// chunk's parts, then its seal. Whatever goes in, decode times never go back and no sample lasts zero ticks.
pub struct Chunker {
    session: SessionId,
    policy: ChunkPolicy,
    init: Init,
    clock: TrackClock,
    /// The init that the newest chunk needed.
    announced: Option<Hash>,
    next_index: u32,
    open: Option<OpenChunk>,
    /// Earliest tick at which the next sample can be decoded or shown.
    floor: i64,
    /// Whether decode times go on from `floor` without a hole. Not at the beginning, nor after a seal.
    continuous: bool,
    pieces: VecDeque<Piece>,
}

struct OpenChunk {
    id: ChunkId,
    /// The boundary that it is to end on.
    end: Timestamp,
    parts: Vec<PartMark>,
    size: u64,
    hash: Sha256,
    part: Option<OpenPart>,
}

struct OpenPart {
    /// Start of its cell in the grid of parts.
    cell: Timestamp,
    decode_time: i64,
    samples: Vec<SampleMark>,
    payload: Vec<u8>,
    held: Held,
}

/// The newest sample of a part. Its bytes are in the payload; its duration is not known yet.
struct Held {
    decoded: i64,
    shown: i64,
    /// Ticks of sound in it; zero for a picture.
    length: i64,
    size: u32,
    keyframe: bool,
}

impl Chunker {
    /// Begins a track. `first_index` is 1, unless some of the track's indices have been used.
    pub fn new(
        session: SessionId,
        track: TrackId,
        codec: &CodecConfig,
        policy: ChunkPolicy,
        first_index: u32,
    ) -> Result<Self, MediaError> {
        let init = fmp4::init(&track, codec)?;
        Ok(Self {
            session,
            policy,
            clock: TrackClock::of(&init.codec),
            init,
            announced: None,
            next_index: first_index,
            open: None,
            floor: 0,
            continuous: false,
            pieces: VecDeque::new(),
        })
    }

    /// Other lengths, from the next chunk on; the open one keeps its boundary. Boundaries are multiples of the new
    /// length in session time, so the first chunk of it may be shorter.
    pub fn set_policy(&mut self, policy: ChunkPolicy) {
        self.policy = policy;
    }

    /// The init segment that the next chunk needs.
    pub fn init(&self) -> &Init {
        &self.init
    }

    /// The encoder begins anew, perhaps with another configuration: seals at `at`. The next packet must be a
    /// keyframe. The same configuration as before gives no new init.
    pub fn reconfigure(&mut self, codec: &CodecConfig, at: Timestamp) -> Result<(), MediaError> {
        let init = fmp4::init(&self.init.track, codec)?;
        self.seal(at);
        let ended = self.clock.session_from_ticks(self.floor);
        self.clock = TrackClock::of(codec);
        self.floor = self.clock.ticks_from_session(ended).max(0);
        self.init = init;
        Ok(())
    }

    /// Takes the next packet. One that comes too early for its decode time is shown as early as can be.
    pub fn push(&mut self, packet: Packet) -> Result<(), MediaError> {
        let size = self.checked_size(&packet)?;
        let shown = self.clock.ticks_from_session(packet.at).max(self.floor);
        let at = self.clock.session_from_ticks(shown);
        let ends_chunk =
            self.open.as_ref().is_none_or(|chunk| chunk.is_full() || (packet.keyframe && at >= chunk.end));
        if ends_chunk {
            self.end_chunk(shown);
        } else if self.ends_part(at, packet.bytes.len()) {
            self.end_part(shown);
        }
        if self.open.is_none() && !packet.keyframe {
            return Err(MediaError::NeedsKeyframe { track: self.init.track.clone(), at: packet.at });
        }

        let ticks = |at| self.clock.ticks_from_session(at);
        let length = if self.is_sound() { ticks(packet.at + packet.duration) - ticks(packet.at) } else { 0 };
        let held = Held { decoded: shown, shown, length, size, keyframe: packet.keyframe };
        self.hold(held, at, &packet.bytes);
        self.floor = shown + 1;
        Ok(())
    }

    /// Time has come to `to`, and nothing that belongs before it will come. Closes the part whose time is over,
    /// although its picture stands still.
    pub fn advance(&mut self, to: Timestamp) {
        let Some(chunk) = &self.open else { return };
        let Some(part) = &chunk.part else { return };
        if to < part.cell + ChunkPolicy::PART {
            return;
        }
        let end = if part.held.length > 0 {
            part.held.decoded + part.held.length
        } else {
            // Never beyond the chunk's boundary: where the picture stands still, chunks meet exactly there. One that
            // found no keyframe there goes on to the next.
            let boundary = if part.cell < chunk.end { chunk.end } else { self.policy.chunk_end(part.cell) };
            self.clock.ticks_from_session(self.policy.part_cell(to).min(boundary))
        };
        self.end_part(end);
    }

    /// Nothing more comes before `at` (pause, sleep, stop): the newest sample lasts until then, the chunk is
    /// sealed. The next packet must be a keyframe, and begins a new chunk.
    pub fn seal(&mut self, at: Timestamp) {
        let at = self.clock.ticks_from_session(at);
        let held = self.open.as_ref().and_then(|chunk| chunk.part.as_ref()).map(|part| &part.held);
        let end = match held {
            // Sound ends where its samples end.
            Some(held) if held.length > 0 => at.min(held.decoded + held.length),
            _ => at,
        };
        self.end_chunk(end);
        self.continuous = false;
    }

    /// The next piece, in order. Drain it after every call.
    pub fn poll(&mut self) -> Option<Piece> {
        self.pieces.pop_front()
    }

    fn is_sound(&self) -> bool {
        self.init.codec.is_sound()
    }

    fn checked_size(&self, packet: &Packet) -> Result<u32, MediaError> {
        let size = packet.bytes.len();
        u32::try_from(size)
            .ok()
            .filter(|_| (1..=PACKET_MAX).contains(&size))
            .ok_or_else(|| MediaError::PacketSize { track: self.init.track.clone(), at: packet.at, size })
    }

    fn ends_part(&self, at: Timestamp, size: usize) -> bool {
        self.open.as_ref().and_then(|chunk| chunk.part.as_ref()).is_some_and(|part| {
            self.policy.part_cell(at) > part.cell || part.payload.len() + size > fmp4::PAYLOAD_MAX
        })
    }

    /// Puts a sample into the open part, or into a new one.
    fn hold(&mut self, mut held: Held, at: Timestamp, bytes: &Bytes) {
        if self.open.is_none() {
            self.begin_chunk(at);
        }
        let is_sound = self.is_sound();
        let Some(chunk) = &mut self.open else { return };
        match &mut chunk.part {
            Some(part) => {
                part.settle(held.decoded);
                part.payload.extend_from_slice(bytes);
                part.held = held;
            }
            None => {
                // After a still picture the decode time stands at the end of its part. Sound has no composition
                // offsets: a hole in it is a hole.
                let early = held.shown - self.floor;
                if self.continuous && !is_sound && i32::try_from(early).is_ok() {
                    held.decoded = self.floor;
                }
                chunk.part = Some(OpenPart {
                    cell: self.policy.part_cell(at),
                    decode_time: held.decoded,
                    samples: Vec::new(),
                    payload: bytes.to_vec(),
                    held,
                });
            }
        }
        self.continuous = true;
    }

    fn begin_chunk(&mut self, at: Timestamp) {
        if self.announced != Some(self.init.hash) {
            self.announced = Some(self.init.hash);
            self.pieces.push_back(Piece::Init(self.init.clone()));
        }
        let id = ChunkId { session: self.session, track: self.init.track.clone(), index: self.next_index };
        self.next_index = self.next_index.saturating_add(1);
        let end = self.policy.chunk_end(at);
        self.open = Some(OpenChunk { id, end, parts: Vec::new(), size: 0, hash: Sha256::new(), part: None });
    }

    fn end_part(&mut self, end: i64) {
        let Some((chunk, part)) = self.open.as_mut().and_then(|chunk| {
            let part = chunk.part.take()?;
            Some((chunk, part))
        }) else {
            return;
        };
        let (part, ended) = chunk.close(part, end, &self.init, self.clock);
        self.floor = self.floor.max(ended);
        self.pieces.push_back(Piece::Part(part));
    }

    fn end_chunk(&mut self, end: i64) {
        self.end_part(end);
        // A chunk is begun only to hold a sample, so it has a part by now.
        let Some(chunk) = self.open.take() else { return };
        let (Some(first), Some(last)) = (chunk.parts.first(), chunk.parts.last()) else { return };
        self.pieces.push_back(Piece::Seal(Chunk {
            id: chunk.id,
            init: self.init.hash,
            span: Span::new(first.span.start, last.span.end),
            size: chunk.size,
            hash: Hash(chunk.hash.finalize().into()),
            parts: chunk.parts,
        }));
    }
}

impl OpenChunk {
    fn is_full(&self) -> bool {
        self.parts.len() >= PARTS_MAX as usize
    }

    /// Closes a part at `end`; also gives the tick at which it really ended.
    fn close(&mut self, mut part: OpenPart, end: i64, init: &Init, clock: TrackClock) -> (Part, i64) {
        let ended = part.settle(end.max(part.held.shown + 1));
        let index = u16::try_from(self.parts.len()).unwrap_or(u16::MAX);
        // Grows from part to part and from chunk to chunk, also when a track is taken up again.
        let sequence = self.id.index.wrapping_mul(PARTS_MAX).wrapping_add(u32::from(index) + 1);
        let decode_time = u64::try_from(part.decode_time).unwrap_or(0);
        let (boxes, bytes) = fmp4::write_part(sequence, decode_time, part.samples, &part.payload);
        let mark = clock.mark(boxes, self.size);
        self.size += u64::from(mark.size);
        self.hash.update(&bytes);
        self.parts.push(mark.clone());
        (Part { chunk: self.id.clone(), init: init.hash, index, mark, bytes }, ended)
    }
}

impl OpenPart {
    /// The held sample lasts until `end`, at least a tick. Gives the tick at which it ended.
    fn settle(&mut self, end: i64) -> i64 {
        let Held { decoded, shown, size, keyframe, .. } = self.held;
        let duration = u32::try_from((end - decoded).max(1)).unwrap_or(u32::MAX);
        let offset = i32::try_from(shown - decoded).unwrap_or(0);
        self.samples.push(SampleMark { size, duration, offset, keyframe });
        decoded + i64::from(duration)
    }
}

#[cfg(test)]
#[path = "chunker_tests.rs"]
mod tests;
