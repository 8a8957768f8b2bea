//! Reads chunks back: what is left of one that was never sealed, or all of one whose index is lost.

use crate::{fmp4, fmp4::TrackClock};
use model::{Chunk, ChunkId, Hash, Init, PartMark, Span, Timestamp};

/// What is whole in the bytes of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The whole parts at its beginning.
    pub parts: Vec<PartMark>,
    /// Bytes up to the end of the last of them.
    pub intact: u64,
    /// Of these bytes.
    pub hash: Hash,
}

/// Finds the whole parts at the beginning of `bytes`. Takes any bytes at all.
pub fn scan(bytes: &[u8], init: &Init) -> Scan {
    let clock = TrackClock::of(&init.codec);
    let mut parts: Vec<PartMark> = Vec::new();
    let mut intact = 0;
    let mut ended = Timestamp(i64::MIN);
    while let Some(part) = fmp4::read_part(&bytes[intact..]) {
        let part_bytes = &bytes[intact..intact + part.size as usize];
        let mark = clock.mark(part, intact as u64);
        if mark.span.start < ended || is_hollow(&mark, part_bytes) {
            break;
        }
        ended = mark.span.end;
        intact += part_bytes.len();
        parts.push(mark);
    }
    Scan { parts, intact: intact as u64, hash: Hash::of(&bytes[..intact]) }
}

impl Scan {
    /// From the first part's start to the last part's end; empty at time zero where there is none.
    pub fn span(&self) -> Span {
        match (self.parts.first(), self.parts.last()) {
            (Some(first), Some(last)) => Span::new(first.span.start, last.span.end),
            _ => Span::default(),
        }
    }

    /// The chunk that the whole parts make, as the chunker would have given it; none where nothing is whole or
    /// decoding could not begin at its first part.
    pub fn into_chunk(self, id: ChunkId, init: &Init) -> Option<Chunk> {
        let span = self.span();
        let begins = self.parts.first().is_some_and(|part| part.independent);
        begins.then_some(Chunk {
            id,
            init: init.hash,
            span,
            parts: self.parts,
            size: self.intact,
            hash: self.hash,
        })
    }
}

/// Whether a sample is nothing but zeros. After a power cut a file can be longer than what reached the disk; neither
/// H.264 (its first length would be zero) nor VP9, AV1, AAC, Opus of 20 ms or text has such samples.
fn is_hollow(mark: &PartMark, part: &[u8]) -> bool {
    let mut rest = part.get(mark.payload as usize..).unwrap_or_default();
    mark.samples.iter().any(|sample| {
        let (bytes, next) = rest.split_at_checked(sample.size as usize).unwrap_or((rest, &[]));
        rest = next;
        bytes.iter().all(|byte| *byte == 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fixtures::*, read_init};
    use model::Piece;

    fn init_of(pieces: &[Piece]) -> Init {
        let init =
            pieces.iter().find_map(|piece| if let Piece::Init(init) = piece { Some(init) } else { None });
        let init = init.unwrap();
        let read = read_init(&init.track, init.bytes.clone()).unwrap();
        assert_eq!(&read, init);
        read
    }

    #[test]
    fn gives_the_very_chunk_that_the_chunker_gave() {
        for seed in 0..100 {
            for codec in codecs() {
                let pieces = odd_track(&codec, seed);
                for chunk in chunks(&pieces) {
                    let scan = scan(&bytes_of(&pieces, chunk.id.index), &init_of(&pieces));
                    assert_eq!(
                        scan.into_chunk(chunk.id.clone(), &init_of(&pieces)).as_ref(),
                        Some(chunk),
                        "{seed}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_torn_chunk_gives_its_whole_parts() {
        let pieces = odd_track(&h264(), 7);
        let chunk = chunks(&pieces)[0];
        let bytes = bytes_of(&pieces, 1);
        for length in 0..bytes.len() {
            let scan = scan(&bytes[..length], &init_of(&pieces));
            let whole = chunk.parts.iter().filter(|part| part.offset + u64::from(part.size) <= length as u64);
            assert_eq!(scan.parts.len(), whole.count());
            assert_eq!(scan.hash, Hash::of(&bytes[..scan.intact as usize]));
        }
    }

    #[test]
    fn zeros_after_a_power_cut_are_not_samples() {
        let pieces = odd_track(&aac(), 3);
        let chunk = chunks(&pieces)[0];
        let mut bytes = bytes_of(&pieces, 1);
        let last = chunk.parts.last().unwrap();
        bytes[(last.offset + u64::from(last.payload)) as usize..].fill(0);
        let scan = scan(&bytes, &init_of(&pieces));
        assert_eq!(scan.intact, last.offset);
    }

    #[test]
    fn takes_any_bytes() {
        let mut random = Random(1);
        for (seed, codec) in (0..60).zip(codecs().into_iter().cycle()) {
            let pieces = odd_track(&codec, seed);
            let init = init_of(&pieces);
            let bytes = bytes_of(&pieces, 1);
            for _ in 0..200 {
                let mut damaged = bytes.clone();
                for _ in 0..random.below(8) {
                    // Half of the damage goes to the first boxes, where it hurts most.
                    let bound = if random.one_in(2) { damaged.len() } else { damaged.len().min(200) };
                    let place = random.below(bound as u64) as usize;
                    damaged[place] = random.next() as u8;
                }
                damaged.truncate(random.below(damaged.len() as u64 + 1) as usize);
                let scan = scan(&damaged, &init);
                assert!(scan.intact <= damaged.len() as u64);
                let sizes: u64 = scan.parts.iter().map(|part| u64::from(part.size)).sum();
                assert_eq!(sizes, scan.intact, "seed {seed}");
            }
        }
    }

    #[test]
    fn what_decoding_cannot_begin_with_is_no_chunk() {
        let pieces = odd_track(&h264(), 7);
        let init = init_of(&pieces);
        let second = parts(&pieces).into_iter().find(|part| !part.mark.independent).unwrap();
        let scan = scan(&second.bytes, &init);
        assert_eq!(scan.parts.len(), 1);
        assert_eq!(scan.into_chunk(second.chunk.clone(), &init), None);
    }
}
