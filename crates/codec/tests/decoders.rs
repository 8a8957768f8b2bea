//! What was encoded is decoded: every picture and every sample as it was, when it was, and nothing that is broken does
//! more than give an error.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use common::*;
use model::{CodecConfig, Packet, Planes, Size, Timestamp};
use spool_codec::{
    AudioCodec, AudioConfig, AudioDecoder, CodecError, Speed, VideoCodec, VideoConfig, VideoDecoder,
};
use std::time::Duration;

const SOUNDS: [(AudioCodec, u16); 4] =
    [(AudioCodec::Aac, 1), (AudioCodec::Aac, 2), (AudioCodec::Opus, 1), (AudioCodec::Opus, 2)];

fn every_30th(count: i64) -> Vec<i64> {
    (0..count).map(|i| i * 33_333_333).collect()
}

/// Decodes packets, each of which must be whole and give its picture at once.
fn decode(config: &CodecConfig, packets: &[Packet]) -> Vec<(Timestamp, Planes)> {
    let mut decoder = VideoDecoder::open(config).unwrap();
    let mut all = Vec::new();
    for packet in packets {
        decoder.push(packet).unwrap();
        all.extend(pictures(&mut decoder));
    }
    decoder.finish().unwrap();
    all.extend(pictures(&mut decoder));
    all
}

#[test]
fn pictures_come_back_as_they_were_when_they_were() {
    for codec in CODECS {
        for speed in [Speed::Veryfast, Speed::Superfast, Speed::Ultrafast] {
            let times = every_30th(12);
            let (config, packets) = encode(&VideoConfig { speed, ..video(codec) }, &times, &[5]);
            let decoded = decode(&config, &packets);
            assert_eq!(decoded.iter().map(|(at, _)| at.0).collect::<Vec<_>>(), times, "{codec:?}");
            for (step, (_, picture)) in decoded.iter().enumerate() {
                let [luma, chroma] = Pattern::new(SIZE, step).error(picture);
                // 35 dB.
                assert!(luma < 20.0 && chroma < 20.0, "{codec:?} {speed:?} {step}: {luma} {chroma}");
            }
        }
    }
}

#[test]
fn times_are_exact_however_they_come() {
    let times = [-1_234_567_891, -1_234_567_890, -7, 0, 1, 33_333_333, 33_366_667, 3_600_000_000_011];
    for codec in CODECS {
        let (config, packets) = encode(&video(codec), &times, &[]);
        assert_eq!(packets.iter().map(|packet| packet.at.0).collect::<Vec<_>>(), times, "{codec:?}");
        let decoded = decode(&config, &packets);
        assert_eq!(decoded.iter().map(|(at, _)| at.0).collect::<Vec<_>>(), times, "{codec:?}");
    }
}

#[test]
fn keyframes_come_first_and_when_asked_for_and_decoding_can_begin_at_each() {
    for codec in CODECS {
        let times = every_30th(200);
        let config = VideoConfig { speed: Speed::Ultrafast, ..video(codec) };
        let (config, packets) = encode(&config, &times, &[7, 8, 190]);
        let keyframes: Vec<usize> = (0..200).filter(|&i| packets[i].keyframe).collect();
        assert_eq!(keyframes, [0, 7, 8, 190], "{codec:?}");
        for from in [8, 185] {
            // What comes before the first keyframe gives nothing.
            let first = if from == 8 { 8 } else { 190 };
            let decoded = decode(&config, &packets[from..]);
            assert_eq!(decoded.len(), 200 - first, "{codec:?}");
            let [luma, chroma] = Pattern::new(SIZE, first).error(&decoded[0].1);
            assert!(luma < 20.0 && chroma < 20.0, "{codec:?}: {luma} {chroma}");
        }
    }
}

#[test]
fn what_is_said_of_av1_is_what_its_packets_say() {
    let (config, packets) = encode(&video(VideoCodec::Av1), &[0], &[]);
    let CodecConfig::Av1 { av1c, .. } = config else { panic!("{config:?}") };
    assert_eq!(av1c[4..], packets[0].bytes[..av1c.len() - 4]);
}

#[test]
fn a_decoder_can_go_to_another_thread() {
    let (config, packets) = encode(&video(VideoCodec::Av1), &[0], &[]);
    let mut decoder = VideoDecoder::open(&config).unwrap();
    let decoded = std::thread::spawn(move || {
        decoder.push(&packets[0]).unwrap();
        pictures(&mut decoder)
    });
    assert_eq!(decoded.join().unwrap().len(), 1);
}

#[test]
fn after_a_corrupt_packet_decoding_goes_on_at_the_next_keyframe() {
    for codec in CODECS {
        let (config, packets) = encode(&video(codec), &every_30th(12), &[6]);
        let mut decoder = VideoDecoder::open(&config).unwrap();
        decoder.push(&packets[0]).unwrap();
        for bytes in [&[][..], &[0], &[0xFF; 40]] {
            let broken = Packet { bytes: bytes.to_vec().into(), ..packets[1].clone() };
            let error = decoder.push(&broken).and_then(|()| decoder.push(&packets[2])).unwrap_err();
            assert!(matches!(error, CodecError::CorruptPacket { .. }), "{codec:?} {bytes:?}: {error}");
            assert_eq!(pictures(&mut decoder).iter().filter(|(at, _)| *at > packets[0].at).count(), 0);
            decoder.push(&packets[3]).unwrap();
            assert_eq!(pictures(&mut decoder).len(), 0);
            decoder.push(&packets[6]).unwrap();
            decoder.push(&packets[7]).unwrap();
            let decoded = pictures(&mut decoder);
            assert_eq!(decoded.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [packets[6].at, packets[7].at]);
            assert!(Pattern::new(SIZE, 7).error(&decoded[1].1)[0] < 20.0);
        }
    }
}

#[test]
fn hostile_packets_do_no_more_than_give_an_error() {
    let mut random = Random(1);
    for codec in CODECS {
        let (config, packets) = encode(&video(codec), &every_30th(12), &[6]);
        let mut errors = 0;
        for _ in 0..60 {
            let mut decoder = VideoDecoder::open(&config).unwrap();
            for packet in &packets {
                let packet = if random.below(3) == 0 { random.damaged(packet) } else { packet.clone() };
                match decoder.push(&packet) {
                    Ok(()) => {}
                    Err(CodecError::CorruptPacket { .. }) => errors += 1,
                    Err(other) => panic!("{codec:?}: {other}"),
                }
                for (at, picture) in pictures(&mut decoder) {
                    assert!(packets.iter().any(|packet| packet.at == at));
                    assert_eq!(
                        (picture.size, picture.stride, picture.bytes.len()),
                        (SIZE, 322, 322 * 178 * 3 / 2)
                    );
                }
            }
        }
        assert!(errors > 30, "{codec:?}: {errors}");
    }
}

#[test]
fn pictures_of_another_size_are_not_made() {
    for codec in CODECS {
        let (config, _) = encode(&video(codec), &[0], &[]);
        for size in [Size::new(640, 360), Size::new(64, 36), Size::new(1920, 1080)] {
            let (_, others) = encode(&VideoConfig { size, ..video(codec) }, &[0], &[]);
            // Parameter sets of its own, as a hostile stream would bring: only VP9 and AV1 carry them in packets.
            let mut decoder = VideoDecoder::open(&config).unwrap();
            let error = decoder.push(&others[0]);
            assert!(error.is_err() || codec == VideoCodec::H264, "{codec:?} {size}");
            assert!(pictures(&mut decoder).iter().all(|(_, picture)| picture.size == SIZE));
        }
    }
}

#[test]
fn the_smallest_and_the_widest_picture_come_back() {
    for codec in CODECS {
        for size in [Size::new(2, 2), Size::new(16, 16), Size::new(510, 2), Size::new(16_384, 2)] {
            let (config, packets) = encode(&VideoConfig { size, ..video(codec) }, &[0, 33_000_000], &[]);
            let decoded = decode(&config, &packets);
            assert_eq!(decoded.len(), 2, "{codec:?} {size}");
            assert!(decoded.iter().all(|(_, picture)| picture.size == size));
        }
    }
}

#[test]
fn configurations_that_cannot_be_decoded_are_refused() {
    let (_, sound) = (0, encode_sound(&audio(AudioCodec::Opus, 2), &[0.0; 960], 480, 0).0);
    let (picture, _) = encode(&video(VideoCodec::Vp9), &[0], &[]);
    let invalid = |error: Option<CodecError>| matches!(error, Some(CodecError::InvalidConfig { .. }));
    assert!(invalid(VideoDecoder::open(&sound).err()));
    assert!(invalid(VideoDecoder::open(&CodecConfig::Json).err()));
    assert!(invalid(AudioDecoder::open(&picture).err()));
    let odd = CodecConfig::Vp9 { size: Size::new(321, 178), vpcc: vec![].into() };
    assert!(invalid(VideoDecoder::open(&odd).err()));
    let rate = CodecConfig::Opus { rate: 0, channels: 2, priming: 0, bitrate: 0 };
    assert!(invalid(AudioDecoder::open(&rate).err()));
}

#[test]
fn a_finished_decoder_is_closed() {
    let (config, packets) = encode(&video(VideoCodec::H264), &[0], &[]);
    let mut decoder = VideoDecoder::open(&config).unwrap();
    decoder.finish().unwrap();
    assert!(matches!(decoder.push(&packets[0]), Err(CodecError::Failed { .. })));
    assert!(decoder.finish().is_err());
}

/// Decodes packets of sound, each of which must be whole.
fn hear(config: &CodecConfig, packets: &[Packet]) -> Vec<model::AudioBlock> {
    let mut decoder = AudioDecoder::open(config).unwrap();
    let mut all = Vec::new();
    for packet in packets {
        decoder.push(packet).unwrap();
        all.extend(blocks(&mut decoder));
    }
    decoder.finish().unwrap();
    assert!(matches!(decoder.push(&packets[0]), Err(CodecError::Failed { .. })));
    all
}

/// Blocks that follow each other without a hole, as one.
fn joined(blocks: &[model::AudioBlock]) -> (i64, Vec<f32>) {
    let start = blocks[0].at.to_ticks(48_000);
    let mut at = start;
    for block in blocks {
        assert_eq!(block.at.to_ticks(48_000), at);
        at += block.frames() as i64;
    }
    (start, blocks.iter().flat_map(|block| block.samples.clone()).collect())
}

fn error_of(heard: &[f32], said: &[f32]) -> f32 {
    heard.iter().zip(said).map(|(a, b)| (a - b).powi(2)).sum::<f32>() / said.len() as f32
}

/// `heard` is `said` to the sample: a shift by a single one would show.
fn assert_same(heard: &[f32], said: &[f32], channels: usize, about: &str) {
    assert_eq!(heard.len(), said.len(), "{about}");
    // A tone begins and ends abruptly, so leave out both ends.
    let (from, length) = (4800 * channels, said.len() - 9600 * channels);
    let error = |shift: usize| {
        error_of(&heard[from..][..length], &said[from + shift * channels - channels..][..length])
    };
    assert!(error(1) < 5e-4, "{about}: {}", error(1));
    assert!(error(1) < error(0).min(error(2)) / 2.0, "{about}");
}

#[test]
fn sound_comes_back_to_the_sample_without_its_priming() {
    for (codec, channels) in SOUNDS {
        for (at, frames) in [(0, 48_000), (123_456_789, 48_960), (-5_000_000_000, 47_999)] {
            let config = audio(codec, channels);
            let said = tone(&config, frames);
            let (config, packets) = encode_sound(&config, &said, 480, at);
            let (start, heard) = joined(&hear(&config, &packets));
            assert_eq!(start, Timestamp(at).to_ticks(48_000), "{codec:?}");
            assert_same(&heard, &said, channels.into(), &format!("{codec:?} {channels} {frames}"));
        }
    }
}

#[test]
fn packets_of_sound_follow_each_other_exactly() {
    for (codec, channels) in SOUNDS {
        for (at, frames) in [(0, 10_000), (7, 960), (7, 961), (-1, 1)] {
            let (config, packets) =
                encode_sound(&audio(codec, channels), &tone(&audio(codec, channels), frames), 480, at);
            let start = Timestamp(at).to_ticks(48_000);
            assert_eq!(packets[0].at, Timestamp::from_ticks(start - i64::from(config.priming()), 48_000));
            assert!(packets.windows(2).all(|pair| pair[0].at + pair[0].duration == pair[1].at));
            let last = packets.last().unwrap();
            assert_eq!(last.at + last.duration, Timestamp::from_ticks(start + frames as i64, 48_000));
        }
    }
}

#[test]
fn after_a_hole_sound_begins_anew_where_it_should() {
    for (codec, channels) in SOUNDS {
        let config = audio(codec, channels);
        let said = tone(&config, 24_000);
        let (described, mut packets) = encode_sound(&config, &said, 480, 0);
        let (_, later) = encode_sound(&config, &said, 480, 3_000_000_000);
        packets.extend(later);
        let heard = hear(&described, &packets);
        let (before, after): (Vec<_>, Vec<_>) =
            heard.into_iter().partition(|block| block.at < Timestamp(3_000_000_000));
        for (blocks, expected) in [(before, 0), (after, 144_000)] {
            let (start, heard) = joined(&blocks);
            assert_eq!(start, expected, "{codec:?}");
            assert_same(&heard, &said, channels.into(), &format!("{codec:?} {channels}"));
        }
    }
}

#[test]
fn whoever_begins_in_the_middle_hears_what_was_there() {
    for (codec, channels) in SOUNDS {
        let config = audio(codec, channels);
        let said = tone(&config, 96_000);
        let (described, packets) = encode_sound(&config, &said, 480, 0);
        let (start, heard) = joined(&hear(&described, &packets[20..]));
        let priming = i64::from(described.priming());
        assert_eq!(start, packets[20].at.to_ticks(48_000) + priming);
        let from = start as usize * usize::from(channels);
        assert_same(&heard, &said[from..], channels.into(), &format!("{codec:?} {channels}"));
    }
}

#[test]
fn hostile_sound_does_no_more_than_give_an_error() {
    let mut random = Random(2);
    for (codec, channels) in SOUNDS {
        let config = audio(codec, channels);
        let (described, packets) = encode_sound(&config, &tone(&config, 20_000), 480, 0);
        for _ in 0..100 {
            let mut decoder = AudioDecoder::open(&described).unwrap();
            for packet in &packets {
                let mut packet = if random.below(3) == 0 { random.damaged(packet) } else { packet.clone() };
                if random.below(20) == 0 {
                    packet.duration = [Duration::ZERO, Duration::MAX][random.below(2)];
                    packet.at = Timestamp([i64::MIN, -1, i64::MAX][random.below(3)]);
                }
                match decoder.push(&packet) {
                    Ok(()) | Err(CodecError::CorruptPacket { .. }) => {}
                    Err(other) => panic!("{codec:?}: {other}"),
                }
                for block in blocks(&mut decoder) {
                    assert_eq!((block.rate, block.channels), (48_000, channels));
                    assert!(block.frames() <= 5760 && block.samples.len() % usize::from(channels) == 0);
                }
            }
        }
    }
}

#[test]
fn opus_knows_one_rate() {
    let config = AudioConfig { rate: 44_100, ..audio(AudioCodec::Opus, 2) };
    let error = spool_codec::AudioEncoder::open(&config).err().unwrap();
    assert!(
        matches!(error, CodecError::InvalidConfig { .. }) && error.to_string().contains("48000"),
        "{error}"
    );
}
