//! libavformat as the judge of what `media` writes: every packet must come out of it bit for bit, at its exact time,
//! without a word of complaint.

mod common;

use common::*;
use model::{Packet, Span, Timestamp, TrackKind};
use spool_export::{Check, export_m4a, export_mp4};
use std::{path::Path, process::Command};

/// Each packet's time in ticks, and its MD5, as libavformat sees them.
fn packets_of(path: &Path, stream: &str) -> Vec<(i64, String)> {
    let entries =
        ["-select_streams", stream, "-show_data_hash", "MD5", "-show_entries", "packet=pts,data_hash"];
    let packet = |fields: Vec<String>| (fields[0].parse().unwrap(), fields[1].clone());
    probe(path, &entries).into_iter().map(packet).collect()
}

/// The same of packets that were recorded, moved by `shift`.
fn expected(packets: &[Packet], path: &Path, stream: &str, timescale: u32, shift: i64) -> Vec<(i64, String)> {
    let hashes = packets_of(path, stream).into_iter().map(|(_, hash)| hash);
    packets.iter().zip(hashes).map(|(packet, hash)| (packet.at.to_ticks(timescale) - shift, hash)).collect()
}

fn write(recorded: &Recorded, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = recorded.out(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// MD5s of all pictures that are shown.
fn pictures_of(path: &Path) -> Vec<String> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "warning", "-i"]).arg(path).args([
        "-map",
        "0:v",
        "-fps_mode",
        "passthrough",
        "-f",
        "framemd5",
        "-",
    ]);
    let text = String::from_utf8(run(&mut command)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit(',').next().unwrap().trim().to_owned()).collect()
}

/// All samples of the sound, one channel.
fn sound_of(path: &Path) -> Vec<i16> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "warning", "-i"]).arg(path).args([
        "-map",
        "0:a",
        "-af",
        "pan=mono|c0=c0",
        "-f",
        "s16le",
        "-",
    ]);
    let bytes = run(&mut command);
    bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

#[test]
fn chunks_demux_to_what_was_recorded_from_any_chunk_on() {
    let (film, recorded) = (film(), recorded());
    for (track, stream, timescale, packets) in
        [(0, "v", 90_000, &film.pictures), (1, "a", RATE, &film.sounds)]
    {
        let all = expected(packets, &film.path(), stream, timescale, 0);
        let chunks = &recorded.manifest.tracks[track].chunks;
        assert_eq!(chunks.len(), 3);
        for (first, chunk) in chunks.iter().enumerate() {
            let path = write(&recorded, &format!("{stream}{first}.mp4"), &recorded.stream(track, first));
            let start = chunk.span.start.to_ticks(timescale);
            let from_there: Vec<_> = all.iter().filter(|(at, _)| *at >= start).cloned().collect();
            assert_eq!(packets_of(&path, stream), from_there, "{stream} from chunk {first}");
        }
    }
}
