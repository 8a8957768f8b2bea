//! `ffprobe` and `ffmpeg` as judges of what `media` makes of each codec: fragmented and flattened, every packet is there
//! at its time and plays as it was, without a word of complaint.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use common::*;
use media::{ChunkPolicy, Chunker, FlatTrack, flatten};
use model::{Chunk, CodecConfig, Init, Packet, Piece, SessionId, Timestamp, TrackId};
use spool_codec::{AudioCodec, VideoCodec};
use std::{collections::BTreeMap, path::Path, process::Command};

/// A track as it is stored.
struct Recorded {
    id: TrackId,
    init: Init,
    chunks: Vec<Chunk>,
    /// Of each chunk by its index.
    bytes: BTreeMap<u32, Vec<u8>>,
}

fn record(name: &str, config: &CodecConfig, packets: &[Packet], end: Timestamp) -> Recorded {
    let session: SessionId = "01920000-0000-7000-8000-000000000001".parse().unwrap();
    let id: TrackId = name.parse().unwrap();
    let mut chunker = Chunker::new(session, id.clone(), config, ChunkPolicy::default(), 1).unwrap();
    for packet in packets {
        chunker.push(packet.clone()).unwrap();
    }
    chunker.seal(end);
    let (mut chunks, mut bytes) = (Vec::new(), BTreeMap::<u32, Vec<u8>>::new());
    for piece in std::iter::from_fn(|| chunker.poll()) {
        match piece {
            Piece::Init(_) => {}
            Piece::Part(part) => bytes.entry(part.chunk.index).or_default().extend(&part.bytes),
            Piece::Seal(chunk) => chunks.push(chunk),
        }
    }
    Recorded { id, init: chunker.init().clone(), chunks, bytes }
}

impl Recorded {
    /// Init and chunks end to end, as a player gets them.
    fn stream(&self) -> Vec<u8> {
        [vec![self.init.bytes.to_vec()], self.bytes.values().cloned().collect()].concat().concat()
    }

    fn flat(&self) -> FlatTrack<'_> {
        FlatTrack { id: &self.id, inits: std::slice::from_ref(&self.init), chunks: &self.chunks }
    }
}

/// One ordinary file of these tracks.
fn flat(tracks: &[&Recorded]) -> Vec<u8> {
    let tracks_of: Vec<_> = tracks.iter().map(|track| track.flat()).collect();
    let plan = flatten(&tracks_of, None, &[]).unwrap();
    let mut file = plan.head;
    for copy in plan.copies {
        let track = tracks.iter().find(|track| track.id == copy.chunk.track).unwrap();
        let (start, end) = (copy.bytes.start as usize, copy.bytes.end as usize);
        file.extend(&track.bytes[&copy.chunk.index][start..end]);
    }
    assert_eq!(file.len() as u64, plan.size);
    file
}

/// Times in ticks and sizes of the packets that libavformat sees.
fn packets_of(path: &Path, stream: &str) -> Vec<(i64, usize)> {
    let mut command = Command::new("ffprobe");
    // Of text it warns that it cannot decode it.
    let level = if stream == "d" { "error" } else { "warning" };
    command.args(["-v", level, "-select_streams", stream, "-of", "csv=p=0"]);
    command.args(["-show_entries", "packet=pts,size"]).arg(path);
    let text = String::from_utf8(run(&mut command)).unwrap();
    let lines = text.lines().map(|line| line.trim_end_matches(',')).filter(|line| !line.is_empty());
    let pair =
        |line: &str| line.split_once(',').map(|(at, size)| (at.parse().unwrap(), size.parse().unwrap()));
    lines.map(|line| pair(line).unwrap()).collect()
}

fn expected(config: &CodecConfig, packets: &[Packet]) -> Vec<(i64, usize)> {
    packets.iter().map(|packet| (packet.at.to_ticks(config.timescale()), packet.bytes.len())).collect()
}

/// Raw output of ffmpeg for one stream.
fn play(path: &Path, arguments: &str) -> Vec<u8> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "warning", "-i"]).arg(path).args(arguments.split(' ')).arg("-");
    run(&mut command)
}

fn assert_pictures_play(path: &Path, count: usize) {
    let bytes = play(path, "-map 0:v -fps_mode passthrough -pix_fmt nv12 -f rawvideo");
    let size = 322 * 178 * 3 / 2;
    assert_eq!(bytes.len(), count * size);
    for (step, bytes) in bytes.chunks(size).enumerate() {
        let format = model::PixelFormat::Nv12(model::Matrix::Bt709);
        let picture = model::Planes { format, size: SIZE, stride: 322, bytes: bytes.to_vec().into() };
        let [luma, chroma] = Pattern::new(SIZE, step).error(&picture);
        // 33 dB.
        assert!(luma < 32.0 && chroma < 32.0, "{step}: {luma} {chroma}");
    }
}

fn assert_sound_plays(path: &Path, said: &[f32]) {
    let bytes = play(path, "-map 0:a -f f32le");
    let heard: Vec<f32> =
        bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    // FFmpeg 5.1 plays the last packet to its end, though the file says that it ends before.
    assert!(heard.len() >= said.len() && heard.len() < said.len() + 2 * 1024, "{}", heard.len());
    let length = said.len() - 20_000;
    let error = |shift: usize| {
        let pairs = heard[9600..][..length].iter().zip(&said[9598 + shift * 2..]);
        pairs.map(|(a, b)| (a - b).powi(2)).sum::<f32>()
    };
    // A single sample of difference would show.
    assert!(error(1) < error(0).min(error(2)) / 2.0, "{} {} {}", error(0), error(1), error(2));
}

#[test]
fn every_codec_plays_fragmented_and_flattened() {
    let dir = tempfile::tempdir().unwrap();
    let times: Vec<i64> = (0..90).map(|i| i * 66_666_667).collect();
    let end = Timestamp(6_000_000_000);
    for (codec, sound) in [
        (VideoCodec::H264, AudioCodec::Aac),
        (VideoCodec::Vp9, AudioCodec::Opus),
        (VideoCodec::Av1, AudioCodec::Opus),
    ] {
        let (config, packets) = encode(&video(codec), &times, &[60]);
        let pictures = record("program", &config, &packets, end);
        let audio = audio(sound, 2);
        let said = tone(&audio, 288_000);
        let (sound_config, sounds) = encode_sound(&audio, &said, 480, 0);
        let mix = record("mix", &sound_config, &sounds, end);
        assert_eq!((pictures.chunks.len(), mix.chunks.len()), (2, 2));

        let path = dir.path().join("stream.mp4");
        std::fs::write(&path, pictures.stream()).unwrap();
        assert_eq!(packets_of(&path, "v"), expected(&config, &packets), "{codec:?}");
        assert_pictures_play(&path, 90);
        std::fs::write(&path, mix.stream()).unwrap();
        // FFmpeg 5.1 gives the times before zero, but plays the priming of a fragmented file.
        assert_eq!(packets_of(&path, "a"), expected(&sound_config, &sounds), "{sound:?}");

        std::fs::write(&path, flat(&[&pictures, &mix])).unwrap();
        assert_eq!(packets_of(&path, "v"), expected(&config, &packets), "{codec:?}");
        assert_eq!(packets_of(&path, "a"), expected(&sound_config, &sounds), "{sound:?}");
        assert_pictures_play(&path, 90);
        assert_sound_plays(&path, &said);
        std::fs::write(&path, flat(&[&mix])).unwrap();
        assert_sound_plays(&path, &said);
    }
}

#[test]
fn what_is_said_of_each_codec_is_what_libavformat_reads() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stream.mp4");
    let probe = |path: &Path| {
        let mut command = Command::new("ffprobe");
        let entries = "stream=codec_name,codec_tag_string,width,height,pix_fmt,color_range,color_space,\
                       sample_rate,channels";
        command.args(["-v", "warning", "-of", "csv=p=0", "-show_entries", entries]).arg(path);
        String::from_utf8(run(&mut command)).unwrap().trim().to_owned()
    };
    let mut seen = Vec::new();
    for codec in [VideoCodec::Vp9, VideoCodec::Av1] {
        let (config, packets) = encode(&video(codec), &[0], &[]);
        let pictures = record("program", &config, &packets, Timestamp(1_000_000_000));
        std::fs::write(&path, pictures.stream()).unwrap();
        seen.push(probe(&path));
    }
    let audio = audio(AudioCodec::Opus, 1);
    let (config, packets) = encode_sound(&audio, &tone(&audio, 48_000), 480, 0);
    std::fs::write(&path, record("mix", &config, &packets, Timestamp(1_000_000_000)).stream()).unwrap();
    seen.push(probe(&path));
    let expected =
        ["vp9,vp09,322,178,yuv420p,tv,bt709", "av1,av01,322,178,yuv420p,tv,bt709", "opus,Opus,48000,1"];
    assert_eq!(seen, expected);
}

#[test]
fn a_track_of_text_disturbs_no_player() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stream.mp4");
    let text = |at: i64, text: &str| Packet {
        at: Timestamp(at * 1_000_000),
        duration: std::time::Duration::ZERO,
        keyframe: at == 0,
        bytes: text.as_bytes().to_vec().into(),
    };
    let packets = [text(0, r#"{"keys":[]}"#), text(40, r#"{"keys":["a"]}"#), text(900, "{}")];
    let input = record("input", &CodecConfig::Json, &packets, Timestamp(1_000_000_000));
    std::fs::write(&path, input.stream()).unwrap();
    assert_eq!(packets_of(&path, "d"), expected(&CodecConfig::Json, &packets));
}
