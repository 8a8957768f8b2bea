//! One ordinary MP4 from inits and chunks, without encoding: `moov` first, then the chunk files as they are.
//!
//! The `mdat` swallows chunks whole, so that each is one range to copy; the `moof` boxes within become bytes that
//! nothing points to. All tables come from the index ([`model::PartMark`]), no chunk is read. Sample durations are
//! counted anew from presentation times, so no composition offsets remain, session-wide gaps close up on all tracks
//! alike, and a lost chunk leaves its time standing. Cuts are exact by edit list.

mod pick;
mod tables;
mod timeline;

use crate::{MediaError, fmp4};
use model::{Chunk, ChunkId, CodecConfig, Init, Span, Timestamp, TrackId};
use mp4_atom::{Atom, Encode, Ftyp, Moov};
use pick::Picked;
use std::{ops::Range, time::Duration};
pub use timeline::{Kept, Timeline};

/// A track to be flattened.
#[derive(Debug, Clone, Copy)]
pub struct FlatTrack<'a> {
    /// Its name; players may show it.
    pub id: &'a TrackId,
    /// The inits that its chunks need, in any order.
    pub inits: &'a [Init],
    /// Its chunks by index. Those that are lost are left out: the picture before holds on, sound is silent.
    pub chunks: &'a [Chunk],
}

/// How to write the file: `head`, then each of `copies`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlatPlan {
    /// `ftyp`, `moov` and the header of `mdat`.
    pub head: Vec<u8>,
    /// What follows, in order.
    pub copies: Vec<ChunkRange>,
    /// Bytes of the whole file.
    pub size: u64,
    /// What of the session it has, skipped spans included.
    pub span: Span,
    /// How long it plays.
    pub duration: Duration,
}

/// Some bytes of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkRange {
    /// The chunk.
    pub chunk: ChunkId,
    /// Which of its bytes.
    pub bytes: Range<u64>,
}

/// Plans one file of these tracks: all they have or what lies within `cut`, without the spans to `skip`. The first
/// track of sound is the one that players choose. Tracks that nobody plays are left out.
pub fn flatten(tracks: &[FlatTrack<'_>], cut: Option<Span>, skip: &[Span]) -> Result<FlatPlan, MediaError> {
    let tracks: Vec<_> = tracks.iter().copied().filter(FlatTrack::is_played).collect();
    let whole = whole_span(&tracks).ok_or(MediaError::Nothing)?;
    let wanted = cut.map_or(whole, |cut| Span::new(cut.start.max(whole.start), cut.end.min(whole.end)));
    let timeline = Timeline::new(wanted, skip);
    let mut picked = Vec::new();
    for track in &tracks {
        picked.extend(pick::pick(track, &timeline)?);
    }
    if picked.is_empty() {
        return Err(MediaError::Nothing);
    }

    let copies = copies_in_order(&picked);
    let payload = copies.iter().map(|copy| copy.bytes.end - copy.bytes.start).sum();
    let head = head(&picked, &copies, payload, timeline.duration())?;
    let size = head.len() as u64 + payload;
    let ranges = copies.into_iter().map(|copy| ChunkRange { chunk: copy.id.clone(), bytes: copy.bytes });
    Ok(FlatPlan { copies: ranges.collect(), head, size, span: wanted, duration: timeline.duration() })
}

impl FlatTrack<'_> {
    fn is_played(&self) -> bool {
        !self.inits.iter().any(|init| init.codec == CodecConfig::Json)
    }
}

fn whole_span(tracks: &[FlatTrack<'_>]) -> Option<Span> {
    let spans = || tracks.iter().flat_map(|track| track.chunks).map(|chunk| chunk.span);
    let start = spans().map(|span| span.start).min()?;
    // What comes before time zero is an encoder's priming.
    Some(Span::new(start.max(Timestamp::ZERO), spans().map(|span| span.end).max()?))
}

/// A range of one chunk on its way into the file.
struct Copy<'a> {
    track: usize,
    chunk: usize,
    id: &'a ChunkId,
    bytes: Range<u64>,
    /// When the first sample in it is shown, to interleave the tracks.
    at: Timestamp,
}

fn copies_in_order<'a>(picked: &[Picked<'a>]) -> Vec<Copy<'a>> {
    let of_track = |(track, picked): (usize, &Picked<'a>)| {
        let copy = |copied: &pick::CopiedChunk<'a>| Copy {
            track,
            chunk: copied.chunk,
            id: copied.id,
            bytes: copied.bytes.clone(),
            at: Timestamp::from_ticks(copied.shown, picked.timescale),
        };
        picked.copied.iter().map(copy).collect::<Vec<_>>()
    };
    let mut copies: Vec<_> = picked.iter().enumerate().flat_map(of_track).collect();
    copies.sort_by_key(|copy| (copy.at, copy.track, copy.chunk));
    copies
}

/// Writes everything before the samples. Their places depend on its length, so it is written once to learn it.
fn head(
    picked: &[Picked<'_>],
    copies: &[Copy<'_>],
    payload: u64,
    duration: Duration,
) -> Result<Vec<u8>, MediaError> {
    let wide = payload > u64::from(u32::MAX) - (64 << 20);
    let length = write_head(picked, copies, payload, duration, wide, 0)?.len();
    write_head(picked, copies, payload, duration, wide, length as u64)
}

fn write_head(
    picked: &[Picked<'_>],
    copies: &[Copy<'_>],
    payload: u64,
    duration: Duration,
    wide: bool,
    payload_start: u64,
) -> Result<Vec<u8>, MediaError> {
    let ftyp = file_type(picked);
    let timescale = movie_timescale(picked);
    let mut moov = Moov {
        mvhd: fmp4::movie_header(timescale, u32::try_from(picked.len()).unwrap_or(u32::MAX - 1)),
        ..Default::default()
    };
    moov.mvhd.duration = tables::movie_duration(duration, timescale);
    let mut sounds = 0;
    for (number, track) in picked.iter().enumerate() {
        let places = places(copies, number, payload_start);
        let mut trak = tables::track(number, track, &places, timescale, wide)?;
        if track.codec().is_sound() {
            // Alternatives to each other; the first is played.
            trak.tkhd.alternate_group = 1;
            trak.tkhd.enabled = sounds == 0;
            sounds += 1;
        }
        moov.trak.push(trak);
    }

    let first = &picked[0];
    let unwritable = |_| MediaError::Codec { track: first.id.clone(), what: "its tables cannot be written" };
    let mut head = Vec::new();
    ftyp.encode(&mut head).map_err(unwritable)?;
    moov.encode(&mut head).map_err(unwritable)?;
    write_mdat_header(&mut head, payload, wide);
    Ok(head)
}

fn file_type(picked: &[Picked<'_>]) -> Ftyp {
    let all = |is: fn(&CodecConfig) -> bool| picked.iter().all(|track| is(track.codec()));
    let any = |is: fn(&CodecConfig) -> bool| picked.iter().any(|track| is(track.codec()));
    if all(|codec| matches!(codec, CodecConfig::Aac { .. })) {
        fmp4::file_type(b"M4A ", &[b"M4A ", b"mp42", b"isom"])
    } else if any(|codec| matches!(codec, CodecConfig::H264 { .. })) {
        fmp4::file_type(b"isom", &[b"isom", b"iso2", b"avc1", b"mp41"])
    } else if any(|codec| matches!(codec, CodecConfig::Av1 { .. })) {
        fmp4::file_type(b"isom", &[b"isom", b"iso2", b"av01", b"mp41"])
    } else {
        fmp4::file_type(b"isom", &[b"isom", b"iso2", b"mp41"])
    }
}

fn write_mdat_header(head: &mut Vec<u8>, payload: u64, wide: bool) {
    let kind = mp4_atom::Mdat::KIND;
    match u32::try_from(payload + 8) {
        Ok(size) if !wide => {
            head.extend(size.to_be_bytes());
            head.extend(kind.as_ref());
        }
        _ => {
            head.extend(1u32.to_be_bytes());
            head.extend(kind.as_ref());
            head.extend((payload + 16).to_be_bytes());
        }
    }
}

/// Where in the file byte 0 of each of a track's chunks would lie; it may lie before the file if its beginning is
/// not copied.
fn places(copies: &[Copy<'_>], track: usize, payload_start: u64) -> Vec<(usize, i64)> {
    let mut at = payload_start;
    let mut places = Vec::new();
    for copy in copies {
        if copy.track == track {
            places.push((copy.chunk, at.cast_signed() - copy.bytes.start.cast_signed()));
        }
        at += copy.bytes.end - copy.bytes.start;
    }
    places
}

/// Ticks in which all tracks' durations are whole, so that edits are exact.
fn movie_timescale(picked: &[Picked<'_>]) -> u32 {
    let common = |a: u32, b: u32| a.checked_mul(b / gcd(a, b));
    picked.iter().try_fold(1, |scale, track| common(scale, track.timescale)).unwrap_or(90_000)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
#[path = "flatten/tests.rs"]
mod tests;
