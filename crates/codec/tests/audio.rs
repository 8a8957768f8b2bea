//! A tone goes through the encoder and FFmpeg's decoder, and comes back as it was, when it was.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use common::*;
use ffmpeg_next::{Packet as Encoded, codec as ff, decoder, frame};
use model::{CodecConfig, Packet, Timestamp};
use spool_codec::{AudioCodec, AudioConfig, AudioEncoder, CodecError};
use std::time::Duration;

const STEREO: AudioConfig =
    AudioConfig { codec: AudioCodec::Aac, rate: 48_000, channels: 2, bitrate: 128_000 };

/// The left channel, with ADTS headers made from the AudioSpecificConfig.
fn decode(config: &CodecConfig, packets: &[Packet]) -> Vec<f32> {
    let CodecConfig::Aac { asc, channels, .. } = config else { panic!("not AAC: {config:?}") };
    let (kind, rate) = (asc[0] >> 3, (asc[0] & 7) << 1 | asc[1] >> 7);
    assert_eq!((kind, u16::from(asc[1] >> 3 & 15)), (2, *channels), "AAC-LC");
    let mut decoder =
        ff::Context::new_with_codec(decoder::find(ff::Id::AAC).unwrap()).decoder().audio().unwrap();
    let mut samples = Vec::new();
    for packet in packets {
        let length = packet.bytes.len() + 7;
        let header = [
            0xFF,
            0xF1,
            (kind - 1) << 6 | rate << 2,
            (*channels as u8) << 6 | (length >> 11) as u8,
            (length >> 3) as u8,
            (length << 5) as u8 | 0x1F,
            0xFC,
        ];
        decoder.send_packet(&Encoded::copy(&[&header, &packet.bytes[..]].concat())).unwrap();
        let mut frame = frame::Audio::empty();
        while decoder.receive_frame(&mut frame).is_ok() {
            assert_eq!(frame.channel_layout().channels(), i32::from(*channels));
            samples.extend_from_slice(frame.plane::<f32>(0));
        }
    }
    samples
}

fn error_of(heard: &[f32], said: &[f32]) -> f32 {
    heard.iter().zip(said).map(|(a, b)| (a - b).powi(2)).sum::<f32>() / said.len() as f32
}

#[test]
fn a_tone_comes_back_as_it_was_after_the_priming() {
    for channels in [1, 2] {
        let config = AudioConfig { channels, ..STEREO };
        let said = tone(&config, 48_000);
        let (codec, packets) = encode_sound(&config, &said, 480, 0);
        let CodecConfig::Aac { priming, rate: 48_000, bitrate: 128_000, .. } = codec else {
            panic!("{codec:?}")
        };
        let heard = decode(&codec, &packets);
        let left: Vec<f32> = said.iter().step_by(channels.into()).copied().collect();
        let heard = &heard[priming as usize..][..48_000];
        // The tone begins and ends abruptly, so leave out both ends.
        let error = |from: usize| error_of(&heard[from..][..38_400], &left[4800..][..38_400]);
        assert!(error(4800) < 3e-4, "{}", error(4800));
        // A single sample of difference would show.
        assert!(error(4800) < error(4799).min(error(4801)) / 2.0);
    }
}

#[test]
fn packets_follow_each_other_exactly_from_the_priming_to_the_end() {
    for (at, frames, block) in
        [(0, 10_000, 480), (123_456_789, 1024, 1024), (-5_000_000_000, 1025, 7), (1, 1, 1)]
    {
        let (codec, packets) = encode_sound(&STEREO, &tone(&STEREO, frames), block, at);
        let CodecConfig::Aac { priming, .. } = codec else { panic!("{codec:?}") };
        let start = Timestamp(at).to_ticks(48_000);
        let tick = |samples: i64| Timestamp::from_ticks(start + samples, 48_000);
        assert_eq!(packets[0].at, tick(-i64::from(priming)));
        for pair in packets.windows(2) {
            assert_eq!(pair[0].at + pair[0].duration, pair[1].at);
        }
        let last = packets.last().unwrap();
        assert_eq!(last.at + last.duration, tick(frames as i64));
        assert!(
            packets.iter().all(|packet| packet.keyframe && packet.duration <= Duration::from_micros(21_334))
        );
    }
}

#[test]
fn every_rate_of_the_standard_opens() {
    for rate in [8_000, 16_000, 22_050, 44_100, 48_000, 96_000] {
        let config = AudioConfig { rate, ..STEREO };
        let (codec, packets) = encode_sound(&config, &tone(&config, 5000), 441, 0);
        assert!(packets.len() >= 5);
        decode(&codec, &packets);
    }
}

#[test]
fn impossible_configurations_are_refused() {
    for bad in [
        AudioConfig { rate: 0, ..STEREO },
        AudioConfig { rate: 47_999, ..STEREO },
        AudioConfig { channels: 0, ..STEREO },
        AudioConfig { channels: 3, ..STEREO },
        AudioConfig { bitrate: 0, ..STEREO },
        AudioConfig { bitrate: u32::MAX, ..STEREO },
    ] {
        assert!(matches!(AudioEncoder::open(&bad), Err(CodecError::InvalidConfig { .. })), "{bad:?}");
    }
}

#[test]
fn sound_that_does_not_follow_is_refused_and_noise_in_clocks_is_not() {
    let mut encoder = AudioEncoder::open(&STEREO).unwrap();
    let second = vec![0.0; 96_000];
    encoder.push(&second, Timestamp(0)).unwrap();
    encoder.push(&second, Timestamp(1_001_000_000)).unwrap();
    for at in [1_900_000_000, 2_100_000_000, i64::MIN, i64::MAX] {
        assert!(
            matches!(encoder.push(&second, Timestamp(at)), Err(CodecError::InvalidSample { .. })),
            "{at}"
        );
    }
    assert!(encoder.push(&second[1..], Timestamp(2_000_000_000)).is_err());
    encoder.push(&second, Timestamp(2_000_000_000)).unwrap();
}

#[test]
fn samples_that_are_not_numbers_do_not_end_the_track() {
    let mut said = tone(&STEREO, 4096);
    said[100] = f32::NAN;
    said[3000] = f32::INFINITY;
    said[3001] = f32::MAX;
    let (codec, packets) = encode_sound(&STEREO, &said, 1024, 0);
    assert!(decode(&codec, &packets).iter().all(|sample| sample.is_finite()));
}

#[test]
fn silence_without_a_sample_gives_no_packet() {
    let mut encoder = AudioEncoder::open(&STEREO).unwrap();
    encoder.finish().unwrap();
    assert!(encoder.poll().unwrap().is_none());
    assert!(matches!(encoder.push(&[0.0, 0.0], Timestamp::ZERO), Err(CodecError::Failed { .. })));
}
