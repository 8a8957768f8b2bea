//! Which samples lie in a chunk, and when they are shown or heard: for those who decode what was recorded.
//!
//! Everything comes from the chunk's marks, so times are known before a byte is read.

use crate::fmp4::TrackClock;
use bytes::Bytes;
use model::{Chunk, CodecConfig, Packet, PartMark, Timestamp};
use std::{ops::Range, time::Duration};

/// A sample in a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSample {
    /// When it is shown or heard.
    pub at: Timestamp,
    /// How long a packet of sound lasts. Zero for anything else, as in a [`Packet`].
    pub duration: Duration,
    /// Whether decoding can begin here.
    pub keyframe: bool,
    /// Where it lies in the chunk.
    pub bytes: Range<u64>,
}

impl StoredSample {
    /// The sample as it was encoded, from the bytes of its whole chunk; none if they are too few.
    pub fn packet(&self, chunk: &Bytes) -> Option<Packet> {
        let (start, end) = (usize::try_from(self.bytes.start).ok()?, usize::try_from(self.bytes.end).ok()?);
        let bytes = (start <= end && end <= chunk.len()).then(|| chunk.slice(start..end))?;
        Some(Packet { at: self.at, duration: self.duration, keyframe: self.keyframe, bytes })
    }
}

/// The samples of a chunk in order. `codec` is that of its init.
pub fn samples<'a>(chunk: &'a Chunk, codec: &CodecConfig) -> impl Iterator<Item = StoredSample> + 'a {
    let (clock, is_sound) = (TrackClock::of(codec), codec.is_sound());
    chunk.parts.iter().flat_map(move |part| samples_of(part, clock, is_sound))
}

fn samples_of(part: &PartMark, clock: TrackClock, is_sound: bool) -> impl Iterator<Item = StoredSample> {
    let mut decoded = i64::try_from(part.decode_time).unwrap_or(i64::MAX);
    let mut offset = part.offset.saturating_add(part.payload.into());
    part.samples.iter().map(move |mark| {
        let shown = decoded.saturating_add(mark.offset.into());
        decoded = decoded.saturating_add(mark.duration.into());
        let at = clock.session_from_ticks(shown);
        let lasts =
            || clock.session_from_ticks(shown.saturating_add(mark.duration.into())).saturating_since(at);
        let bytes = offset..offset.saturating_add(mark.size.into());
        offset = bytes.end;
        let duration = if is_sound { lasts() } else { Duration::ZERO };
        StoredSample { at, duration, keyframe: mark.keyframe, bytes }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::*;

    #[test]
    fn packets_come_out_as_they_went_in() {
        // Still beyond its part now and then, so that samples are decoded before they are shown.
        let pictures = (0..40).map(|n| picture(n * 170 + n * n, n % 8 == 0)).collect::<Vec<_>>();
        for (codec, packets) in [(h264(), pictures), (aac(), (0..300).map(sound).collect())] {
            let mut chunker = chunker(&codec);
            for packet in &packets {
                chunker.advance(packet.at);
                chunker.push(packet.clone()).unwrap();
            }
            chunker.seal(millis(60_000));
            let pieces = drain(&mut chunker);
            let mut read = Vec::new();
            for chunk in chunks(&pieces) {
                let bytes = Bytes::from(bytes_of(&pieces, chunk.id.index));
                read.extend(samples(chunk, &codec).map(|sample| sample.packet(&bytes).unwrap()));
                let torn = bytes.slice(..bytes.len() - 1);
                assert!(samples(chunk, &codec).last().unwrap().packet(&torn).is_none());
            }
            let told = |packet: &Packet| (packet.at, packet.duration, packet.keyframe, packet.bytes.clone());
            assert_eq!(
                read.iter().map(told).collect::<Vec<_>>(),
                packets.iter().map(told).collect::<Vec<_>>()
            );
        }
    }
}
