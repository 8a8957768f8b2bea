//! `ffprobe` and `ffmpeg` as judges of WebM files: every packet bit for bit and at its time, every sample of sound, and
//! not a word of complaint.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use common::*;
use model::{CodecConfig, Packet, Timestamp};
use spool_codec::{AudioCodec, CodecError, VideoCodec, WebmWriter};
use std::{path::Path, process::Command};

fn millis(millis: i64) -> Timestamp {
    Timestamp(millis * 1_000_000)
}

/// What `ffprobe` says, a line for each packet, stream or format.
fn probe(path: &Path, arguments: &str) -> Vec<String> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "warning", "-of", "csv=p=0"]).args(arguments.split(' ')).arg(path);
    let text = String::from_utf8(run(&mut command)).unwrap();
    text.lines().map(|line| line.trim_end_matches(',').to_owned()).filter(|line| !line.is_empty()).collect()
}

/// What the file says that it lasts, in milliseconds. `ffprobe` adds the priming.
fn duration(path: &Path) -> f64 {
    let bytes = std::fs::read(path).unwrap();
    let place = bytes.windows(3).position(|found| found == [0x44, 0x89, 0x88]).unwrap();
    f64::from_be_bytes(bytes[place + 3..place + 11].try_into().unwrap())
}

/// Pictures of a screen that stands still for a while, and a second and a bit of sound.
fn film(codec: VideoCodec) -> [(CodecConfig, Vec<Packet>); 2] {
    let times = [0, 33, 67, 100, 900, 933, 1200].map(|at: i64| at * 1_000_000);
    let sound = audio(AudioCodec::Opus, 2);
    [encode(&video(codec), &times, &[4]), encode_sound(&sound, &tone(&sound, 60_000), 480, 0)]
}

fn write(path: &Path, tracks: &[(CodecConfig, Vec<Packet>)], end: Timestamp) {
    let configs: Vec<_> = tracks.iter().map(|(config, _)| config.clone()).collect();
    let mut writer = WebmWriter::create(path, &configs).unwrap();
    // In any order between the tracks.
    for (number, (_, packets)) in tracks.iter().enumerate() {
        for packet in packets {
            writer.write(number, packet).unwrap();
        }
    }
    writer.finish(end).unwrap();
}

#[test]
fn files_have_every_packet_at_its_time() {
    for (codec, name) in [(VideoCodec::Vp9, "vp9"), (VideoCodec::Av1, "av1")] {
        let dir = tempfile::tempdir().unwrap();
        // A name that libavformat would take for a protocol, and one with what urls cannot hold.
        let path = dir.path().join("out:put %41 ü.webm");
        let film = film(codec);
        write(&path, &film, millis(1300));

        let streams =
            "-show_entries stream=codec_name,width,height,color_space,color_range,sample_rate,channels";
        assert_eq!(probe(&path, streams), [format!("{name},322,178,tv,bt709"), "opus,48000,2".into()]);
        assert_eq!(
            probe(&path, "-show_entries stream_tags=duration"),
            ["00:00:01.300000000", "00:00:01.250000000"]
        );
        assert_eq!(duration(&path), 1300.0);
        let [(_, pictures), (_, sounds)] = &film;
        let seen = probe(&path, "-select_streams v -show_entries packet=pts,size,flags");
        let expected = |packet: &Packet| {
            let key = if packet.keyframe { "K_" } else { "__" };
            format!("{},{},{key}", packet.at.0 / 1_000_000, packet.bytes.len())
        };
        assert_eq!(seen, pictures.iter().map(expected).collect::<Vec<_>>());
        // The priming is 6.5 ms, in whole milliseconds.
        let seen = probe(&path, "-select_streams a -show_entries packet=pts,size");
        let expected = (0..).map(|number| 20 * number - 7).zip(sounds);
        let expected = expected.map(|(at, packet)| format!("{at},{}", packet.bytes.len()));
        assert_eq!(seen, expected.collect::<Vec<_>>());
    }
}

#[test]
fn pictures_and_sound_play_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.webm");
    let film = film(VideoCodec::Vp9);
    write(&path, &film, millis(1300));

    let mut command = Command::new("ffmpeg");
    command.args(["-v", "warning", "-i"]).arg(&path);
    command.args(["-map", "0:v", "-fps_mode", "passthrough", "-pix_fmt", "nv12", "-f", "rawvideo", "-"]);
    let bytes = run(&mut command);
    let picture_size = 322 * 178 * 3 / 2;
    assert_eq!(bytes.len(), 7 * picture_size);
    for (step, bytes) in bytes.chunks(picture_size).enumerate() {
        let format = model::PixelFormat::Nv12(model::Matrix::Bt709);
        let picture =
            model::Planes { format, size: SIZE, stride: 322, bytes: bytes::Bytes::copy_from_slice(bytes) };
        assert!(Pattern::new(SIZE, step).error(&picture).iter().all(|error| *error < 20.0));
    }

    let mut command = Command::new("ffmpeg");
    command.args(["-v", "warning", "-i"]).arg(&path).args(["-map", "0:a", "-f", "f32le", "-"]);
    let heard: Vec<f32> =
        run(&mut command).chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    let said = tone(&audio(AudioCodec::Opus, 2), 60_000);
    // Neither priming nor padding, to the sample.
    assert_eq!(heard.len(), said.len());
    let error = |shift: usize| {
        let pairs = heard[9600..100_000].iter().zip(&said[9598 + shift * 2..]);
        pairs.map(|(a, b)| (a - b).powi(2)).sum::<f32>()
    };
    assert!(error(1) < error(0).min(error(2)) / 2.0, "{} {} {}", error(0), error(1), error(2));
}

#[test]
fn pictures_within_a_millisecond_come_one_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("close.webm");
    let times = [0, 100_000, 33_000_000, 33_400_000, 33_900_000, 35_000_000];
    write(&path, &[encode(&video(VideoCodec::Vp9), &times, &[])], millis(100));
    assert_eq!(probe(&path, "-show_entries packet=pts"), ["0", "1", "33", "34", "35", "36"]);
}

#[test]
fn the_index_stands_before_the_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.webm");
    write(&path, &film(VideoCodec::Vp9), millis(1300));
    let bytes = std::fs::read(&path).unwrap();
    let place = |id: &[u8]| bytes.windows(4).position(|found| found == id).unwrap();
    let (cues, cluster) = (place(&[0x1C, 0x53, 0xBB, 0x6B]), place(&[0x1F, 0x43, 0xB6, 0x75]));
    assert!(cues < cluster, "{cues} {cluster}");
}

#[test]
fn sound_alone_and_a_picture_that_stands_still_for_a_minute() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.webm");
    let sound = audio(AudioCodec::Opus, 1);
    let sound = encode_sound(&sound, &tone(&sound, 48_000 * 61), 48_000, 0);
    write(&path, std::slice::from_ref(&sound), millis(61_000));
    assert_eq!(duration(&path), 61_000.0);

    let pictures = encode(&video(VideoCodec::Vp9), &[0, 60_000_000_000], &[1]);
    write(&path, &[pictures, sound], millis(61_000));
    assert_eq!(duration(&path), 61_000.0);
    // Nothing comes later in the file than what it belongs to.
    let times = probe(&path, "-show_entries packet=pts");
    let times: Vec<i64> = times.iter().map(|line| line.parse().unwrap()).collect();
    assert!(times.windows(2).all(|pair| pair[0] <= pair[1] + 20), "{times:?}");
}

#[test]
fn what_webm_cannot_hold_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.webm");
    let (h264, _) = encode(&video(VideoCodec::H264), &[0], &[]);
    for tracks in [vec![h264], vec![CodecConfig::Json], vec![]] {
        let error = WebmWriter::create(&path, &tracks).err().unwrap();
        assert!(matches!(error, CodecError::InvalidConfig { .. }), "{error}");
        assert!(!path.exists());
    }
    let (vp9, packets) = encode(&video(VideoCodec::Vp9), &[0, 1_000_000_000], &[]);
    let mut writer = WebmWriter::create(&path, &[vp9]).unwrap();
    let refused = |result: Result<(), CodecError>| matches!(result, Err(CodecError::InvalidSample { .. }));
    assert!(refused(writer.write(1, &packets[0])));
    assert!(refused(writer.write(0, &Packet { at: Timestamp(-1), ..packets[0].clone() })));
    writer.write(0, &packets[1]).unwrap();
    assert!(refused(writer.write(0, &packets[0])));
    writer.finish(millis(2000)).unwrap();
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let (vp9, packets) = encode(&video(VideoCodec::Vp9), &[0, 33_000_000], &[]);
    let error = WebmWriter::create(Path::new("/nowhere/out.webm"), std::slice::from_ref(&vp9)).err().unwrap();
    assert!(error.to_string().contains("/nowhere/out.webm"), "{error}");
    // A disk that is full.
    let full = Path::new("/dev/full");
    let result = WebmWriter::create(full, &[vp9]).and_then(|mut writer| {
        for packet in packets.iter().cycle().take(1000).enumerate() {
            let at = Timestamp(packet.0 as i64 * 33_000_000);
            writer.write(0, &Packet { at, ..packet.1.clone() })?;
        }
        writer.finish(millis(40_000))
    });
    let error = result.unwrap_err();
    assert!(matches!(error, CodecError::File { .. }) && error.to_string().contains("/dev/full"), "{error}");
}
