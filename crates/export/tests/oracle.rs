//! libavformat as the judge of what `media` writes: every packet must come out of it bit for bit, at its exact time,
//! without a word of complaint.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use common::*;
use model::{CodecConfig, Packet, PartMark, Piece, Span, Timestamp, TrackKind};
use spool_export::{Check, Container, Exported};
use std::{path::Path, path::PathBuf};

/// A packet's time in ticks, and its MD5.
type Seen = (i64, String);

/// Packets as libavformat sees them.
fn packets_of(path: &Path, stream: &str) -> Vec<Seen> {
    let packet = |fields: Vec<String>| (fields[0].parse().unwrap(), fields[1].clone());
    probe(path, stream, &["pts", "data_hash"]).into_iter().map(packet).collect()
}

/// Packets as they were recorded: with the MD5s that libavformat gives for the film they are from.
fn as_recorded(packets: &[Packet], stream: &str) -> Vec<Seen> {
    let film = film();
    let (all, timescale) = if stream == "v" { (&film.pictures, 90_000) } else { (&film.sounds, RATE) };
    let hashes: Vec<_> = packets_of(&film.path(), stream).into_iter().map(|(_, hash)| hash).collect();
    let hash =
        |packet: &Packet| hashes[all.iter().position(|one| one.bytes == packet.bytes).unwrap()].clone();
    packets.iter().map(|packet| (packet.at.to_ticks(timescale), hash(packet))).collect()
}

/// A track recorded from these packets, with the end of each run of them.
fn record(
    kind: TrackKind,
    codec: &CodecConfig,
    runs: &[(&[Packet], Timestamp)],
) -> (TrackKind, &'static str, Vec<Piece>) {
    let name = if kind == TrackKind::Program { "program" } else { "mix" };
    let mut chunker = chunker(name, codec);
    for (packets, end) in runs {
        for packet in *packets {
            chunker.push(packet.clone()).unwrap();
        }
        chunker.seal(*end);
    }
    (kind, name, drain(&mut chunker))
}

fn export(recorded: &Recorded, cut: Option<Span>) -> (PathBuf, Exported) {
    let out = recorded.out("out.mp4");
    let exported = recorded.export(&copy(Container::Mp4, cut, Check::Size), &out, &mut go_on).unwrap();
    assert_eq!(exported.bytes, std::fs::metadata(&out).unwrap().len());
    assert_eq!(exported.skipped, []);
    (out, exported)
}

/// The sound of a file begins and ends with the very sample that it should. FFmpeg 5.1 plays the last packet to its
/// end although the edit list and the packet's duration end before; so the end is taken from what the file says.
fn assert_sound_is(path: &Path, expected: &[i16]) {
    let sound = sound_of(path);
    // Decoders round to 16 bits with a little noise. One sample of offset would be seen: the tone moves by hundreds.
    let same = sound.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= 2);
    assert!(same && sound.len() >= expected.len());
    let last = probe(path, "a", &["pts", "duration"]).pop().unwrap();
    let end: i64 = last.iter().map(|field| field.parse::<i64>().unwrap()).sum();
    assert!(end.abs_diff(expected.len() as i64) <= 1, "{end} samples of {}", expected.len());
}

#[test]
fn chunks_demux_to_what_was_recorded_from_any_chunk_on() {
    let (film, recorded) = (film(), recorded());
    for (track, stream, timescale, packets) in
        [(0, "v", 90_000, &film.pictures), (1, "a", RATE, &film.sounds)]
    {
        let all = as_recorded(packets, stream);
        let chunks = &recorded.manifest.tracks[track].chunks;
        assert_eq!(chunks.len(), 3);
        for (first, chunk) in chunks.iter().enumerate() {
            let path = recorded.out(&format!("{stream}{first}.mp4"));
            std::fs::write(&path, recorded.stream(track, first)).unwrap();
            let start = chunk.span.start.to_ticks(timescale);
            let from_there: Vec<_> = all.iter().filter(|(at, _)| *at >= start).cloned().collect();
            assert_eq!(packets_of(&path, stream), from_there, "{stream} from chunk {first}");
        }
    }
}

#[test]
fn a_flattened_film_is_the_film() {
    let (film, recorded) = (film(), recorded());
    let (out, exported) = export(&recorded, None);
    assert_eq!(exported.duration.as_millis(), 12_000);
    assert_eq!(packets_of(&out, "v"), as_recorded(&film.pictures, "v"));
    assert_eq!(packets_of(&out, "a"), as_recorded(&film.sounds, "a"));
    assert_eq!(pictures_of(&out), pictures_of(&film.path()));
    assert_eq!(sound_of(&out), sound_of(&film.path()));
}

#[test]
fn a_cut_is_exact_to_the_picture_and_the_sample() {
    let (film, recorded) = (film(), recorded());
    let (all_pictures, all_sound) = (pictures_of(&film.path()), sound_of(&film.path()));
    // Within a group of pictures, at a keyframe, across chunks, at the beginning, to the end.
    for (start, end) in [(31, 74), (60, 65), (39, 121), (0, 10), (110, 130)] {
        let cut = Span::new(millis(start * 100), millis(end * 100));
        let (out, exported) = export(&recorded, Some(cut));
        let end = end.min(120);
        assert_eq!(exported.duration.as_millis() as i64, (end - start) * 100);
        assert_eq!(exported.span, Span::new(cut.start, millis(end * 100)));
        let pictures = start as usize * 3..end as usize * 3;
        assert_eq!(pictures_of(&out), all_pictures[pictures], "{cut}");
        assert_sound_is(&out, &all_sound[start as usize * 4800..all_sound.len().min(end as usize * 4800)]);
    }
}

#[test]
fn a_pause_closes_up_on_both_tracks() {
    let film = film();
    let pause = Span::new(millis(5000), millis(8000));
    let before = |packets: &[Packet]| packets.iter().take_while(|packet| packet.at < pause.start).count();
    let until = |packets: &[Packet]| packets.iter().take_while(|packet| packet.at < pause.end).count();
    let tracks =
        [(TrackKind::Program, &film.h264, &film.pictures), (TrackKind::Mix, &film.aac, &film.sounds)];
    let tracks = tracks.map(|(kind, codec, packets)| {
        let runs = [(&packets[..before(packets)], pause.start), (&packets[until(packets)..], millis(12_000))];
        record(kind, codec, &runs)
    });
    let recorded = store(tracks.into(), &[pause]);
    let (out, exported) = export(&recorded, None);
    assert_eq!(exported.duration.as_millis(), 9000);
    for (track, stream, timescale, packets) in
        [(0, "v", 90_000, &film.pictures), (1, "a", i64::from(RATE), &film.sounds)]
    {
        let kept = [&packets[..before(packets)], &packets[until(packets)..]].concat();
        let kept = as_recorded(&kept, stream);
        let path = recorded.out("stream.mp4");
        std::fs::write(&path, recorded.stream(track, 0)).unwrap();
        assert_eq!(packets_of(&path, stream), kept, "{stream}");
        let closed_up = |(at, hash): Seen| (if at >= 5 * timescale { at - 3 * timescale } else { at }, hash);
        assert_eq!(packets_of(&out, stream), kept.into_iter().map(closed_up).collect::<Vec<_>>(), "{stream}");
    }
}

#[test]
fn still_pictures_are_shown_on_time() {
    let film = film();
    // The pictures of three groups, at times at which a screen might have changed.
    let times = [0, 33, 70, 1061, 1100, 2133, 2200, 3990];
    let mut shown: Vec<_> = times.iter().zip(&film.pictures).map(|(at, packet)| (*at, packet)).collect();
    shown.extend([(4000, &film.pictures[60]), (5010, &film.pictures[61]), (8017, &film.pictures[120])]);
    let mut chunker = chunker("program", &film.h264);
    let mut recorded_packets = Vec::new();
    let mut now = 0;
    for (at, packet) in shown {
        // Time passes in steps of a tick of the engine.
        while now + 33 <= at {
            now += 33;
            chunker.advance(millis(now));
        }
        let packet = Packet { at: millis(at), ..packet.clone() };
        chunker.push(packet.clone()).unwrap();
        recorded_packets.push(packet);
    }
    chunker.seal(millis(9000));
    let recorded = store(vec![(TrackKind::Program, "Screen", drain(&mut chunker))], &[]);
    assert_eq!(recorded.manifest.tracks[0].chunks.len(), 3);
    let expected = as_recorded(&recorded_packets, "v");
    let stream = recorded.out("stream.mp4");
    std::fs::write(&stream, recorded.stream(0, 0)).unwrap();
    assert_eq!(packets_of(&stream, "v"), expected);
    let (out, exported) = export(&recorded, None);
    assert_eq!((packets_of(&out, "v"), exported.duration.as_millis()), (expected, 9000));
    // Decode times have no hole: each part begins where the one before it ends.
    let parts: Vec<_> = recorded.manifest.tracks[0].chunks.iter().flat_map(|chunk| &chunk.parts).collect();
    let end = |part: &PartMark| {
        part.samples.iter().fold(part.decode_time, |end, one| end + u64::from(one.duration))
    };
    assert!(parts.windows(2).all(|pair| end(pair[0]) == pair[1].decode_time));
}

#[test]
fn sound_alone_makes_an_m4a() {
    let (film, recorded) = (film(), recorded());
    let out = recorded.out("out.m4a");
    let cut = Span::new(millis(2000), millis(9000));
    let exported = recorded.export(&copy(Container::M4a, Some(cut), Check::Hash), &out, &mut go_on).unwrap();
    assert_eq!((exported.duration.as_millis(), exported.span), (7000, cut));
    assert_sound_is(&out, &sound_of(&film.path())[2 * 48_000..9 * 48_000]);
    assert!(probe(&out, "v", &["pts"]).is_empty());
}

#[test]
fn a_picture_that_changes_its_size_stays_in_one_file() {
    let film = film();
    let bigger = make_film("480x270", 2);
    let mut chunker = chunker("program", &film.h264);
    for packet in &film.pictures[..75] {
        chunker.push(packet.clone()).unwrap();
    }
    chunker.reconfigure(&bigger.h264, millis(2500)).unwrap();
    for packet in &bigger.pictures {
        chunker.push(Packet { at: Timestamp(packet.at.0 + 2_500_000_000), ..packet.clone() }).unwrap();
    }
    chunker.seal(millis(4500));
    let recorded = store(vec![(TrackKind::Program, "Screen", drain(&mut chunker))], &[]);
    assert_eq!(recorded.manifest.tracks[0].track.inits.len(), 2);
    let (out, _) = export(&recorded, None);
    let times = packets_of(&out, "v").into_iter().map(|(at, _)| at).collect::<Vec<_>>();
    assert_eq!(times, (0..135).map(|n| n * 3000).collect::<Vec<_>>());
    assert_eq!(pictures_of(&out).len(), 135);
}
