//! The sample tables of a flattened file (ISO/IEC 14496-12, 8.6 and 8.7).

use super::pick::{FlatSample, Picked};
use crate::{MediaError, fmp4, sample_entry};
use model::Timestamp;
use mp4_atom::{
    Co64, ElstEntry, Stbl, Stco, Stsc, StscEntry, Stsd, Stss, Stsz, StszSamples, Stts, SttsEntry, Trak,
};
use std::time::Duration;

/// Everything about one track. `places` say for its chunks where byte 0 lies in the file.
pub(super) fn track(
    number: usize,
    picked: &Picked<'_>,
    places: &[(usize, i64)],
    movie_timescale: u32,
    wide: bool,
) -> Result<Trak, MediaError> {
    let codecs = picked.inits.iter().map(|init| sample_entry::write(picked.id, &init.codec));
    let runs = runs(&picked.samples, places);
    let offsets = runs.iter().map(|run| run.offset);
    let is_picture = picked.codec().picture_size().is_some();
    let narrow = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
    let stbl = Stbl {
        stsd: Stsd { codecs: codecs.collect::<Result<_, _>>()? },
        stts: durations(picked),
        stss: is_picture.then(|| keyframes(&picked.samples)),
        stsc: samples_to_chunks(&runs),
        stsz: Stsz {
            samples: StszSamples::Different {
                sizes: picked.samples.iter().map(|sample| sample.size).collect(),
            },
        },
        stco: (!wide).then(|| Stco { entries: offsets.clone().map(narrow).collect() }),
        co64: wide.then(|| Co64 { entries: offsets.collect() }),
        ..Default::default()
    };
    let id = u32::try_from(number + 1).unwrap_or(u32::MAX);
    let edits = edits(picked, movie_timescale);
    let mut trak = fmp4::track_box(id, picked.id, picked.codec(), edits, stbl);
    trak.tkhd.duration = movie_ticks(picked.end, picked.timescale, movie_timescale);
    trak.mdia.mdhd.duration = (picked.end - picked.samples[0].shown).unsigned_abs();
    Ok(trak)
}

/// Says when the track begins, and hides what is only there to be decoded. The duration is a real one: of a file
/// that is not fragmented, players show nothing beyond it.
fn edits(picked: &Picked<'_>, movie_timescale: u32) -> Vec<ElstEntry> {
    let first = picked.samples[0].shown;
    let movie = |ticks| movie_ticks(ticks, picked.timescale, movie_timescale);
    if first > 0 {
        vec![fmp4::edit(movie(first), None), fmp4::edit(movie(picked.end) - movie(first), Some(0))]
    } else {
        vec![fmp4::edit(movie(picked.end), Some(first.unsigned_abs()))]
    }
}

fn movie_ticks(ticks: i64, timescale: u32, movie_timescale: u32) -> u64 {
    let scaled = i128::from(ticks.max(0)) * i128::from(movie_timescale) / i128::from(timescale);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// A duration in the ticks of the movie.
pub(super) fn movie_duration(duration: Duration, movie_timescale: u32) -> u64 {
    (Timestamp::ZERO + duration).to_ticks(movie_timescale).unsigned_abs()
}

/// Each sample lasts until the next is shown.
fn durations(picked: &Picked<'_>) -> Stts {
    let nexts = picked.samples.iter().skip(1).map(|next| next.shown).chain([picked.end]);
    let mut entries: Vec<SttsEntry> = Vec::new();
    for (sample, next) in picked.samples.iter().zip(nexts) {
        let delta = u32::try_from(next - sample.shown).unwrap_or(u32::MAX);
        match entries.last_mut() {
            Some(last) if last.sample_delta == delta => last.sample_count += 1,
            _ => entries.push(SttsEntry { sample_count: 1, sample_delta: delta }),
        }
    }
    Stts { entries }
}

fn keyframes(samples: &[FlatSample]) -> Stss {
    let number = |(number, sample): (u32, &FlatSample)| sample.keyframe.then_some(number);
    Stss { entries: (1..).zip(samples).filter_map(number).collect() }
}

/// Samples that lie end to end: a chunk, as MP4 uses the word.
struct Run {
    offset: u64,
    samples: u32,
    init: usize,
}

fn runs(samples: &[FlatSample], places: &[(usize, i64)]) -> Vec<Run> {
    let touching = |a: &FlatSample, b: &FlatSample| {
        (a.chunk, a.init, a.offset + u64::from(a.size)) == (b.chunk, b.init, b.offset)
    };
    let mut places = places.iter().peekable();
    let mut runs = Vec::new();
    for run in samples.chunk_by(touching) {
        let first = run[0];
        while places.next_if(|(chunk, _)| *chunk < first.chunk).is_some() {}
        let place = places.peek().map_or(0, |(_, place)| *place);
        runs.push(Run {
            offset: first.offset.saturating_add_signed(place),
            samples: u32::try_from(run.len()).unwrap_or(u32::MAX),
            init: first.init,
        });
    }
    runs
}

fn samples_to_chunks(runs: &[Run]) -> Stsc {
    let mut entries: Vec<StscEntry> = Vec::new();
    for (number, run) in (1..).zip(runs) {
        let description = u32::try_from(run.init + 1).unwrap_or(u32::MAX);
        let same = |last: &StscEntry| {
            (last.samples_per_chunk, last.sample_description_index) == (run.samples, description)
        };
        if !entries.last().is_some_and(same) {
            entries.push(StscEntry {
                first_chunk: number,
                samples_per_chunk: run.samples,
                sample_description_index: description,
            });
        }
    }
    Stsc { entries }
}
