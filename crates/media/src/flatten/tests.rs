use super::*;
use crate::{fixtures::*, init};
use model::Piece;
use mp4_atom::{Decode, StszSamples, Trak};

/// A track as pieces, and what of it is to be flattened.
struct Recorded {
    id: TrackId,
    inits: Vec<Init>,
    chunks: Vec<Chunk>,
    pieces: Vec<Piece>,
}

impl Recorded {
    fn new(pieces: Vec<Piece>) -> Self {
        let inits = pieces.iter().filter_map(|piece| match piece {
            Piece::Init(init) => Some(init.clone()),
            _ => None,
        });
        let chunks = chunks(&pieces).into_iter().cloned().collect();
        Self { id: pieces[0].track().clone(), inits: inits.collect(), chunks, pieces }
    }

    fn track(&self) -> FlatTrack<'_> {
        FlatTrack { id: &self.id, inits: &self.inits, chunks: &self.chunks }
    }

    /// All samples with the session time at which they are shown.
    fn samples(&self) -> Vec<(Timestamp, Vec<u8>)> {
        let mut all = Vec::new();
        for part in parts(&self.pieces) {
            let clock = crate::fmp4::TrackClock::of(&self.inits[0].codec);
            let (mut decoded, mut offset) = (part.mark.decode_time as i64, part.mark.payload as usize);
            for sample in &part.mark.samples {
                let bytes = part.bytes[offset..offset + sample.size as usize].to_vec();
                all.push((clock.session_from_ticks(decoded + i64::from(sample.offset)), bytes));
                decoded += i64::from(sample.duration);
                offset += sample.size as usize;
            }
        }
        all
    }
}

fn film(pictures: impl IntoIterator<Item = (i64, bool)>, end: i64) -> Recorded {
    let mut chunker = chunker(&h264());
    for (number, (at, keyframe)) in pictures.into_iter().enumerate() {
        let bytes = vec![1, (number >> 8) as u8, number as u8].into();
        chunker.push(model::Packet { bytes, ..picture(at, keyframe) }).unwrap();
    }
    chunker.seal(millis(end));
    Recorded::new(drain(&mut chunker))
}

fn sounds(range: std::ops::Range<i64>) -> Recorded {
    let mut chunker = chunker(&aac());
    for index in range.clone() {
        let bytes = vec![2, (index >> 8) as u8, index as u8].into();
        chunker.push(model::Packet { bytes, ..sound(index) }).unwrap();
    }
    chunker.seal(sound(range.end).at);
    Recorded::new(drain(&mut chunker))
}

/// The file that a plan makes.
fn assemble(plan: &FlatPlan, tracks: &[&Recorded]) -> Vec<u8> {
    let mut file = plan.head.clone();
    for copy in &plan.copies {
        let track = tracks.iter().find(|track| track.id == copy.chunk.track).unwrap();
        let bytes = bytes_of(&track.pieces, copy.chunk.index);
        file.extend(&bytes[copy.bytes.start as usize..copy.bytes.end as usize]);
    }
    assert_eq!(file.len() as u64, plan.size);
    file
}

/// A track as a player sees it: when each sample is shown in the file's time, by its edits.
#[derive(Debug)]
struct Played {
    name: String,
    samples: Vec<(Timestamp, Vec<u8>)>,
    keyframes: Vec<u32>,
    end: Timestamp,
}

/// Reads a file by its tables alone, as a player would.
fn play(file: &[u8]) -> Vec<Played> {
    let moov = crate::boxes::find(file, b"moov").unwrap();
    let moov = Moov::decode(&mut &*moov.whole).unwrap();
    moov.trak.iter().map(|trak| play_track(file, trak, moov.mvhd.timescale)).collect()
}

fn play_track(file: &[u8], trak: &Trak, movie_timescale: u32) -> Played {
    let stbl = &trak.mdia.minf.stbl;
    let timescale = trak.mdia.mdhd.timescale;
    let StszSamples::Different { sizes } = &stbl.stsz.samples else { panic!("sizes differ") };
    let deltas = stbl.stts.entries.iter();
    let deltas =
        deltas.flat_map(|entry| std::iter::repeat_n(entry.sample_delta, entry.sample_count as usize));
    let deltas: Vec<_> = deltas.collect();
    assert_eq!(deltas.len(), sizes.len());

    let offsets: Vec<u64> = match (&stbl.stco, &stbl.co64) {
        (Some(stco), None) => stco.entries.iter().map(|offset| u64::from(*offset)).collect(),
        (None, Some(co64)) => co64.entries.clone(),
        _ => panic!("one of both"),
    };
    let mut edits = trak.edts.as_ref().unwrap().elst.as_ref().unwrap().entries.iter();
    let mut edit = edits.next().unwrap();
    let mut empty = 0;
    if edit.media_time.is_none() {
        empty = edit.segment_duration;
        edit = edits.next().unwrap();
    }
    let movie = |ticks: u64| Timestamp::from_ticks(ticks as i64, movie_timescale);

    let mut samples = Vec::new();
    let (mut number, mut time) = (0, -(edit.media_time.unwrap() as i64));
    for (chunk, mut offset) in (1u32..).zip(offsets) {
        let entry = stbl.stsc.entries.iter().rfind(|entry| entry.first_chunk <= chunk).unwrap();
        assert!(entry.sample_description_index as usize <= stbl.stsd.codecs.len());
        for _ in 0..entry.samples_per_chunk {
            let size = u64::from(sizes[number]);
            let bytes = file[offset as usize..(offset + size) as usize].to_vec();
            let at = Timestamp::from_ticks(time, timescale);
            samples.push((Timestamp(at.0 + movie(empty).0), bytes));
            time += i64::from(deltas[number]);
            offset += size;
            number += 1;
        }
    }
    assert_eq!(number, sizes.len());
    assert_eq!(trak.tkhd.duration, empty + edit.segment_duration);
    let keyframes = stbl.stss.as_ref().map(|stss| stss.entries.clone()).unwrap_or_default();
    Played { name: trak.mdia.hdlr.name.clone(), samples, keyframes, end: movie(trak.tkhd.duration) }
}

fn times(played: &Played) -> Vec<i64> {
    played.samples.iter().map(|(at, _)| (at.0 + 500_000).div_euclid(1_000_000)).collect()
}

#[test]
fn pictures_and_sound_keep_their_times() {
    let film = film((0..240).map(|n| (n * 40, n % 50 == 0)), 9600);
    let sound = sounds(0..464);
    let plan = flatten(&[film.track(), sound.track()], None, &[]).unwrap();
    let played = play(&assemble(&plan, &[&film, &sound]));
    assert_eq!(played[0].samples, film.samples());
    assert_eq!(played[1].samples, sound.samples());
    assert_eq!(played[1].samples[0].0, Timestamp::from_ticks(-1024, 48_000));
    assert_eq!(played[0].keyframes, [1, 51, 101, 151, 201]);
    // The last picture holds on for as long as there is sound.
    let end = sound.chunks[2].span.end;
    assert_eq!([played[0].end, played[1].end, Timestamp::ZERO + plan.duration], [end; 3]);
    // Chunks interleave by time, sound with its priming first.
    let order: Vec<_> =
        plan.copies.iter().map(|copy| (copy.chunk.track.as_str(), copy.chunk.index)).collect();
    assert_eq!(order, [("mix", 1), ("program", 1), ("program", 2), ("mix", 2), ("program", 3), ("mix", 3)]);
}

#[test]
fn a_cut_is_exact_and_carries_what_its_start_needs() {
    let film = film((0..300).map(|n| (n * 33, n % 60 == 0)), 9900);
    let sound = sounds(0..464);
    let cut = Span::new(millis(5000), millis(7000));
    let plan = flatten(&[film.track(), sound.track()], Some(cut), &[]).unwrap();
    assert_eq!(plan.duration, Duration::from_secs(2));
    let played = play(&assemble(&plan, &[&film, &sound]));
    // From the keyframe at 3.96 s on.
    assert_eq!(times(&played[0])[0], 3960 - 5000);
    assert_eq!(played[0].keyframes[0], 1);
    assert_eq!(*times(&played[0]).last().unwrap(), 6996 - 5000);
    // The packet that sounds at 5 s, and one more.
    assert_eq!(times(&played[1]).iter().filter(|at| **at < 0).count(), 2);
    assert_eq!([played[0].end, played[1].end], [millis(2000); 2]);
    let shown = |samples: Vec<(Timestamp, Vec<u8>)>, start: i64| {
        let from_start = samples.into_iter().map(|(at, bytes)| (at.0 - start, bytes));
        from_start.filter(|(at, _)| (0..2_000_000_000).contains(at)).collect::<Vec<_>>()
    };
    let recorded = |track: &Recorded| shown(track.samples(), 5_000_000_000);
    // The picture on show at 5 s is that of 4.983 s: it begins with the file.
    let on_show = (0, film.samples()[151].1.clone());
    let pictures: Vec<_> = [on_show].into_iter().chain(recorded(&film)).collect();
    assert_eq!(shown(played[0].samples.clone(), 0), pictures);
    assert_eq!(shown(played[1].samples.clone(), 0), recorded(&sound));
    // No byte that the cut does not need.
    assert_eq!(plan.copies.iter().filter(|copy| copy.chunk.track == film.id).count(), 2);
}

#[test]
fn a_cut_at_a_keyframe_hides_no_picture() {
    let film = film((0..200).map(|n| (n * 40, n % 50 == 0)), 8000);
    let plan = flatten(&[film.track()], Some(Span::new(millis(4000), millis(4400))), &[]).unwrap();
    let played = play(&assemble(&plan, &[&film]));
    assert_eq!(times(&played[0]), (0..400).step_by(40).collect::<Vec<_>>());
}

#[test]
fn a_cut_within_a_still_picture_shows_it() {
    let film = film([(0, true), (5000, true), (9000, true)], 10_000);
    let plan = flatten(&[film.track()], Some(Span::new(millis(1000), millis(2000))), &[]).unwrap();
    let played = play(&assemble(&plan, &[&film]));
    assert_eq!((times(&played[0]), played[0].end), (vec![0], millis(1000)));
}

#[test]
fn session_gaps_close_up_on_all_tracks() {
    let mut recorder = chunker(&h264());
    for at in (0..3000).step_by(100) {
        recorder.push(picture(at, at == 0)).unwrap();
    }
    recorder.seal(millis(3000));
    for at in (7010..9000).step_by(100) {
        recorder.push(picture(at, at == 7010)).unwrap();
    }
    recorder.seal(millis(9000));
    let film = Recorded::new(drain(&mut recorder));
    let mut recorder = chunker(&aac());
    for index in (0..141).chain(329..423) {
        if index == 329 {
            recorder.seal(millis(3000));
        }
        recorder.push(sound(index)).unwrap();
    }
    recorder.seal(millis(9000));
    let sound_track = Recorded::new(drain(&mut recorder));

    let gap = Span::new(millis(3000), millis(7000));
    let plan = flatten(&[film.track(), sound_track.track()], None, &[gap]).unwrap();
    assert_eq!(plan.duration, Duration::from_secs(5));
    let played = play(&assemble(&plan, &[&film, &sound_track]));
    let pictures: Vec<_> = (0..3000).step_by(100).chain((3010..5000).step_by(100)).collect();
    assert_eq!(times(&played[0]), pictures);
    // Packet 329 begins at 6.997 s, within the gap; 330 sounds at 7.019 s.
    assert_eq!(played[1].samples.len(), 141 + 93);
    let first_after = Timestamp(sound(330).at.0 - 4_000_000_000).to_ticks(48_000);
    assert_eq!(played[1].samples[141].0.to_ticks(48_000), first_after);
    assert_eq!(played[1].end, millis(5000));
}

#[test]
fn a_gap_without_a_keyframe_after_it_loses_no_picture() {
    let film = film((0..100).map(|n| (n * 40, n == 0)), 4000);
    let gap = Span::new(millis(1000), millis(3000));
    let plan = flatten(&[film.track()], None, &[gap]).unwrap();
    let played = play(&assemble(&plan, &[&film]));
    assert_eq!(played[0].samples.len(), 100);
    let shown: Vec<_> = times(&played[0]).into_iter().filter(|at| at % 40 == 0).collect();
    assert!((0..2000).step_by(40).all(|at| shown.contains(&at)), "{shown:?}");
}

#[test]
fn a_lost_chunk_leaves_its_time_standing() {
    let mut film = film((0..300).map(|n| (n * 40, n % 100 == 0)), 12_000);
    film.chunks.remove(1);
    let plan = flatten(&[film.track()], None, &[]).unwrap();
    let played = play(&assemble(&plan, &[&film]));
    let expected: Vec<_> = (0..4000).step_by(40).chain((8000..12_000).step_by(40)).collect();
    assert_eq!((times(&played[0]), played[0].end), (expected, millis(12_000)));
}

#[test]
fn a_track_that_begins_late_begins_late() {
    let film = film((0..50).map(|n| (1000 + n * 40, n == 0)), 3000);
    let sound = sounds(0..142);
    let plan = flatten(&[film.track(), sound.track()], None, &[]).unwrap();
    let played = play(&assemble(&plan, &[&film, &sound]));
    assert_eq!(times(&played[0]), (1000..3000).step_by(40).collect::<Vec<_>>());
}

#[test]
fn a_picture_that_changed_its_size_has_a_second_description() {
    let CodecConfig::H264 { avcc, .. } = h264() else { panic!("H.264") };
    let mut recorder = chunker(&h264());
    recorder.push(picture(0, true)).unwrap();
    let bigger = CodecConfig::H264 { size: model::Size::new(640, 360), avcc };
    recorder.reconfigure(&bigger, millis(100)).unwrap();
    recorder.push(picture(100, true)).unwrap();
    recorder.reconfigure(&h264(), millis(200)).unwrap();
    recorder.push(picture(200, true)).unwrap();
    recorder.seal(millis(300));
    let film = Recorded::new(drain(&mut recorder));
    let plan = flatten(&[film.track()], None, &[]).unwrap();
    let moov = crate::boxes::find(&plan.head, b"moov").unwrap();
    let moov = Moov::decode(&mut &*moov.whole).unwrap();
    let stbl = &moov.trak[0].mdia.minf.stbl;
    let described: Vec<_> = stbl.stsc.entries.iter().map(|entry| entry.sample_description_index).collect();
    assert_eq!((stbl.stsd.codecs.len(), described), (2, vec![1, 2, 1]));
}

#[test]
fn sound_that_changes_its_rate_keeps_its_time() {
    let mut recorder = chunker(&aac());
    for index in 0..48 {
        recorder.push(sound(index)).unwrap();
    }
    let CodecConfig::Aac { channels, asc, priming, bitrate, .. } = aac() else { panic!("AAC") };
    let slower = CodecConfig::Aac { rate: 44_100, channels, asc, priming, bitrate };
    recorder.reconfigure(&slower, millis(1000)).unwrap();
    for index in 0..40 {
        let at = |packets: i64| Timestamp(millis(1000).0 + Timestamp::from_ticks(packets * 1024, 44_100).0);
        let duration = at(index + 1).saturating_since(at(index));
        recorder.push(model::Packet { at: at(index), duration, ..sound(0) }).unwrap();
    }
    recorder.seal(millis(1900));
    let sound_track = Recorded::new(drain(&mut recorder));
    let starts: Vec<_> = sound_track.chunks.iter().map(|chunk| chunk.span.start).collect();
    assert_eq!(starts, [Timestamp::from_ticks(-1024, 48_000), millis(1000)]);
    let plan = flatten(&[sound_track.track()], None, &[]).unwrap();
    let played = play(&assemble(&plan, &[&sound_track]));
    // Counted in the first rate's ticks: never a tick off, however many packets.
    let expected = (0..40).map(|index| 48_000 + Timestamp::from_ticks(index * 1024, 44_100).to_ticks(48_000));
    let second: Vec<_> = played[0].samples[48..].iter().map(|(at, _)| at.to_ticks(48_000)).collect();
    assert_eq!(second, expected.collect::<Vec<_>>());
}

#[test]
fn nothing_is_an_error() {
    let film = film([(0, true)], 1000);
    let cut = |start, end| flatten(&[film.track()], Some(Span::new(millis(start), millis(end))), &[]);
    assert_eq!(flatten(&[], None, &[]), Err(MediaError::Nothing));
    assert_eq!(cut(1000, 2000), Err(MediaError::Nothing));
    assert_eq!(cut(500, 400), Err(MediaError::Nothing));
    let all = Span::new(Timestamp::ZERO, millis(1000));
    assert_eq!(flatten(&[film.track()], None, &[all]), Err(MediaError::Nothing));
    let strange = [init(&film.id, &aac()).unwrap()];
    let track = FlatTrack { inits: &strange, ..film.track() };
    assert!(matches!(flatten(&[track], None, &[]), Err(MediaError::Init { .. })));
}

#[test]
fn large_files_have_64_bit_places() {
    let mut head = Vec::new();
    write_mdat_header(&mut head, 5 << 30, true);
    assert_eq!(head, [&[0, 0, 0, 1][..], b"mdat", &((5u64 << 30) + 16).to_be_bytes()].concat());

    // Chunks whose index says that they are large; nobody reads them.
    let mut film = film((0..100).map(|n| (n * 100, n % 40 == 0)), 10_000);
    for chunk in &mut film.chunks {
        let mut offset = 0;
        for part in &mut chunk.parts {
            part.offset = offset;
            part.size = 200 << 20;
            part.samples[0].size = (200 << 20) - 1000;
            offset += u64::from(part.size);
        }
        chunk.size = offset;
    }
    let plan = flatten(&[film.track()], None, &[]).unwrap();
    assert!(plan.size > 6 << 30);
    let moov = crate::boxes::find(&plan.head, b"moov").unwrap();
    let moov = Moov::decode(&mut &*moov.whole).unwrap();
    let offsets = &moov.trak[0].mdia.minf.stbl.co64.as_ref().unwrap().entries;
    assert!(offsets.is_sorted() && *offsets.last().unwrap() > 6 << 30);
}

/// Whatever was recorded and wherever it is cut: what is shown is what was recorded then, at its time.
#[test]
fn odd_tracks_flatten_to_what_was_recorded() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let recorded = [h264(), aac()].map(|codec| Recorded::new(odd_track(&codec, seed)));
        let tracks = recorded.each_ref().map(Recorded::track);
        let whole = whole_span(&tracks).unwrap();
        let mut instant = || millis(random.below(whole.end.0 as u64 / 1_000_000) as i64);
        let (a, b) = (instant(), instant());
        let cut = if seed % 3 == 0 { whole } else { Span::new(a.min(b), a.max(b)) };
        let Ok(plan) = flatten(&tracks, Some(cut), &[]) else {
            assert_eq!(cut.start, cut.end, "seed {seed}");
            continue;
        };
        for played in play(&assemble(&plan, &recorded.each_ref())) {
            let recorded = recorded.iter().find(|recorded| recorded.id.as_str() == played.name).unwrap();
            // One tick: the cut's start is rounded to a track's ticks.
            let close = |a: i64, b: i64| (a - b).abs() <= 21_000;
            for (at, bytes) in recorded.samples() {
                let at = at.0 - cut.start.0;
                let inside = at >= 21_000 && at < cut.duration().as_nanos() as i64 - 21_000;
                let found = played.samples.iter().any(|shown| shown.1 == bytes && close(shown.0.0, at));
                assert!(found || !inside, "seed {seed}: {at} is missing");
            }
        }
    }
}
