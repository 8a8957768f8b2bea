//! Which samples of a track go into a flattened file, and when they are shown there.

use super::{FlatTrack, timeline::Kept, timeline::Timeline};
use crate::{MediaError, fmp4::TrackClock};
use model::{Chunk, ChunkId, CodecConfig, Init, PartMark, TrackId};
use std::ops::Range;

/// What of a track goes into the file. There is at least one sample.
pub(super) struct Picked<'a> {
    pub id: &'a TrackId,
    /// Ticks a second of all that follows.
    pub timescale: u32,
    /// The inits in use, in the order of their first use.
    pub inits: Vec<&'a Init>,
    pub samples: Vec<FlatSample>,
    pub copied: Vec<CopiedChunk<'a>>,
    /// When the last sample ends.
    pub end: i64,
}

impl Picked<'_> {
    /// The codec that the track begins with.
    pub fn codec(&self) -> &CodecConfig {
        &self.inits[0].codec
    }
}

/// A sample in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct FlatSample {
    /// When it is shown, in the file's time; before zero if it is only there to be decoded.
    pub shown: i64,
    pub size: u32,
    pub keyframe: bool,
    /// Which of the inits it needs.
    pub init: usize,
    /// Which of the track's chunks it lies in, and where.
    pub chunk: usize,
    pub offset: u64,
    /// Where its part begins, if it is the first in it.
    part: Option<u64>,
    /// Ticks that it says it lasts.
    length: i64,
}

/// What of a chunk is copied.
pub(super) struct CopiedChunk<'a> {
    pub chunk: usize,
    pub id: &'a ChunkId,
    pub bytes: Range<u64>,
    /// When its first sample is shown.
    pub shown: i64,
}

/// Picks a track's samples; none if it has nothing in what is kept.
pub(super) fn pick<'a>(track: &FlatTrack<'a>, timeline: &Timeline) -> Result<Option<Picked<'a>>, MediaError> {
    // The chunk that the first kept instant lies in, and the one before it: a decoder of sound needs one packet
    // more, and that may be its last.
    let first = track.chunks.partition_point(|chunk| chunk.span.start <= timeline.start()).saturating_sub(2);
    let Some(chunk) = track.chunks.get(first) else { return Ok(None) };
    let codec = &track.inits[position_of_init(track, chunk)?].codec;
    let timescale = codec.timescale().max(1);
    let kept = timeline.in_ticks(timescale);
    let Some(last) = kept.last() else { return Ok(None) };
    let mut picker = Picker {
        is_sound: codec.is_sound(),
        flat_end: last.flat + last.end - last.start,
        kept,
        segment: 0,
        before: Vec::new(),
        samples: Vec::new(),
    };

    for (number, chunk) in track.chunks.iter().enumerate().skip(first) {
        let init = position_of_init(track, chunk)?;
        let codec = &track.inits[init].codec;
        let clock = FlatClock { clock: TrackClock::of(codec), own: codec.timescale().max(1), timescale };
        let mut samples = chunk.parts.iter().flat_map(|part| samples_of(part, clock, init, number));
        if samples.any(|(sample, at)| picker.offer(sample, at).is_break()) {
            break;
        }
    }
    Ok(picker.finish().map(|(mut samples, end)| {
        let inits = inits_in_use(track.inits, &mut samples);
        let copied = copied_chunks(track.chunks, &samples);
        Picked { id: track.id, timescale, inits, samples, copied, end }
    }))
}

fn position_of_init(track: &FlatTrack<'_>, chunk: &Chunk) -> Result<usize, MediaError> {
    let missing = || MediaError::Init { track: track.id.clone(), what: "it is missing" };
    track.inits.iter().position(|init| init.hash == chunk.init).ok_or_else(missing)
}

/// The inits that the samples need, in the order of their first use; from now on the samples count in these.
fn inits_in_use<'a>(all: &'a [Init], samples: &mut [FlatSample]) -> Vec<&'a Init> {
    let mut used: Vec<usize> = Vec::new();
    for sample in samples {
        let known = used.iter().position(|used| *used == sample.init);
        let position = known.unwrap_or(used.len());
        if known.is_none() {
            used.push(sample.init);
        }
        sample.init = position;
    }
    used.into_iter().map(|position| &all[position]).collect()
}

/// From the ticks of one init to session time in the ticks of the file's track.
#[derive(Clone, Copy)]
struct FlatClock {
    clock: TrackClock,
    own: u32,
    timescale: u32,
}

impl FlatClock {
    fn session_ticks(self, ticks: i64) -> i64 {
        self.clock.session_from_ticks(ticks).to_ticks(self.timescale)
    }

    fn length(self, ticks: u32) -> i64 {
        i64::from(ticks) * i64::from(self.timescale) / i64::from(self.own)
    }
}

/// The samples of a part, each with the session time at which it is shown.
fn samples_of(
    part: &PartMark,
    clock: FlatClock,
    init: usize,
    chunk: usize,
) -> impl Iterator<Item = (FlatSample, i64)> {
    let mut decoded = i64::try_from(part.decode_time).unwrap_or(i64::MAX);
    let mut offset = part.offset + u64::from(part.payload);
    let mut begins = Some(part.offset);
    part.samples.iter().map(move |mark| {
        let at = clock.session_ticks(decoded.saturating_add(mark.offset.into()));
        let sample = FlatSample {
            shown: 0,
            size: mark.size,
            keyframe: mark.keyframe,
            init,
            chunk,
            offset,
            part: begins.take(),
            length: clock.length(mark.duration),
        };
        decoded = decoded.saturating_add(mark.duration.into());
        offset += u64::from(mark.size);
        (sample, at)
    })
}

/// Takes samples in order and keeps those that the file needs.
struct Picker {
    is_sound: bool,
    kept: Vec<Kept>,
    /// The end of the file.
    flat_end: i64,
    /// The first kept span that has not ended yet.
    segment: usize,
    /// Samples since the last keyframe that lie in no kept span, with their session time: what comes next may need
    /// them.
    before: Vec<(FlatSample, i64)>,
    samples: Vec<FlatSample>,
}

impl Picker {
    /// Breaks when all that is kept has been seen.
    fn offer(&mut self, sample: FlatSample, at: i64) -> std::ops::ControlFlow<()> {
        while self.kept.get(self.segment).is_some_and(|kept| kept.end <= at) {
            self.take_before_first(None);
            self.segment += 1;
        }
        let Some(kept) = self.kept.get(self.segment).copied() else {
            return std::ops::ControlFlow::Break(());
        };
        if at < kept.start {
            if sample.keyframe && !self.is_sound {
                self.before.clear();
            }
            self.before.push((sample, at));
        } else {
            self.take_before_first(Some((&sample, at)));
            self.take_before(&sample, kept);
            self.take(sample, at - kept.start + kept.flat);
        }
        std::ops::ControlFlow::Continue(())
    }

    /// Before the first kept span: what must be decoded for the picture or the sound at its start. Edit lists hide
    /// it. `next` is the first sample within.
    fn take_before_first(&mut self, next: Option<(&FlatSample, i64)>) {
        let Some(first) = self.kept.first().copied().filter(|_| self.segment == 0) else { return };
        if !self.samples.is_empty() {
            return;
        }
        let before = std::mem::take(&mut self.before);
        let not_needed = if self.is_sound {
            // One packet more than the one that sounds at the start.
            before.partition_point(|(sample, at)| at + sample.length <= first.start).saturating_sub(1)
        } else if next.is_some_and(|(next, at)| next.keyframe && at == first.start) {
            before.len()
        } else {
            0
        };
        // Players leave out pictures from before the edit list's start, also the one on show at it: that one begins
        // there. How long it stood before nobody sees.
        let on_show = before
            .len()
            .checked_sub(1)
            .filter(|_| !self.is_sound && next.is_none_or(|(_, at)| at > first.start));
        for (number, (sample, at)) in before.into_iter().enumerate().skip(not_needed) {
            let at = if on_show == Some(number) { first.start } else { at };
            self.take(sample, at - first.start + first.flat);
        }
    }

    /// After a gap: where what comes next is no keyframe, all since the last one is decoded in no time. Sound needs
    /// nothing.
    fn take_before(&mut self, next: &FlatSample, kept: Kept) {
        let before = std::mem::take(&mut self.before);
        if !next.keyframe {
            for (sample, _) in before {
                self.take(sample, kept.flat);
            }
        }
    }

    fn take(&mut self, mut sample: FlatSample, shown: i64) {
        // Times never go back, and nothing lasts zero ticks.
        sample.shown = self.samples.last().map_or(shown, |last| shown.max(last.shown + 1));
        self.samples.push(sample);
    }

    /// The samples and the end of the last one.
    fn finish(mut self) -> Option<(Vec<FlatSample>, i64)> {
        self.take_before_first(None);
        let last = self.samples.last()?;
        // The last picture holds on to the end of the file; sound ends where it ends.
        let end = if self.is_sound { self.flat_end.min(last.shown + last.length) } else { self.flat_end };
        let end = end.max(last.shown + 1);
        (end > 0).then_some((self.samples, end))
    }
}

/// For each chunk in use the range from its first picked sample (with the boxes of its part) to its last.
fn copied_chunks<'a>(chunks: &'a [Chunk], samples: &[FlatSample]) -> Vec<CopiedChunk<'a>> {
    let same_chunk = |a: &FlatSample, b: &FlatSample| a.chunk == b.chunk;
    let copied = |run: &[FlatSample]| {
        let (first, last) = (run.first()?, run.last()?);
        let chunk = chunks.get(first.chunk)?;
        let bytes = first.part.unwrap_or(first.offset)..last.offset + u64::from(last.size);
        Some(CopiedChunk { chunk: first.chunk, id: &chunk.id, bytes, shown: first.shown })
    };
    samples.chunk_by(same_chunk).filter_map(copied).collect()
}
