//! Pictures go through the encoder and FFmpeg's decoder, and come back as they were, when they were.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use common::*;
use ffmpeg_next::{Packet as Encoded, codec as ff, color, decoder, format::Pixel, frame};
use model::{CodecConfig, Nv12, Packet, Size, Timestamp};
use spool_codec::{CodecError, Speed, VideoCodec, VideoConfig, VideoEncoder};

fn config() -> VideoConfig {
    video(VideoCodec::H264)
}

/// The units of a packet, each behind its length.
fn units(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut units = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (unit, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        units.push(unit);
        bytes = rest;
    }
    assert!(bytes.is_empty());
    units
}

/// SPS and PPS out of an AVCDecoderConfigurationRecord.
fn parameter_sets(avcc: &[u8]) -> [&[u8]; 2] {
    let length = |at: usize| usize::from(u16::from_be_bytes([avcc[at], avcc[at + 1]]));
    let pps = 8 + length(6) + 1;
    [&avcc[8..8 + length(6)], &avcc[pps + 2..pps + 2 + length(pps)]]
}

fn decode(config: &CodecConfig, packets: &[Packet]) -> Vec<frame::Video> {
    let CodecConfig::H264 { avcc, .. } = config else { panic!("not H.264: {config:?}") };
    let mut decoder =
        ff::Context::new_with_codec(decoder::find(ff::Id::H264).unwrap()).decoder().video().unwrap();
    let mut frames = Vec::new();
    let mut receive = |decoder: &mut decoder::Video| {
        let mut frame = frame::Video::empty();
        while decoder.receive_frame(&mut frame).is_ok() {
            frames.push(std::mem::replace(&mut frame, frame::Video::empty()));
        }
    };
    for (index, packet) in packets.iter().enumerate() {
        let sets = if index == 0 { parameter_sets(avcc).to_vec() } else { Vec::new() };
        let annex_b: Vec<u8> = sets
            .into_iter()
            .chain(units(&packet.bytes))
            .flat_map(|unit| [&[0, 0, 0, 1], unit].concat())
            .collect();
        decoder.send_packet(&Encoded::copy(&annex_b)).unwrap();
        receive(&mut decoder);
    }
    decoder.send_eof().unwrap();
    receive(&mut decoder);
    frames
}

#[test]
fn pictures_come_back_as_they_were() {
    for speed in [Speed::Veryfast, Speed::Superfast, Speed::Ultrafast] {
        let times: Vec<i64> = (0..12).map(|i| i * 33_333_333).collect();
        let (config, packets) = encode(&VideoConfig { speed, ..config() }, &times, &[]);
        let frames = decode(&config, &packets);
        assert_eq!(frames.len(), times.len());
        for (step, frame) in frames.iter().enumerate() {
            let expected = Pattern::new(SIZE, step);
            assert_eq!((frame.width(), frame.height()), (SIZE.width, SIZE.height));
            let mut error = 0;
            for y in 0..SIZE.height as usize {
                for x in 0..SIZE.width as usize {
                    let decoded = frame.data(0)[y * frame.stride(0) + x];
                    error += u64::from(decoded.abs_diff(expected.luma[y * expected.stride + x])).pow(2);
                }
            }
            let mean = error as f64 / (f64::from(SIZE.width) * f64::from(SIZE.height));
            assert!(mean < 20.0, "{speed:?}, picture {step}: mean squared error {mean}");
        }
    }
}

#[test]
fn times_are_exact_however_they_come() {
    // Two within one tick, one after an hour, before zero, and none of them on a tick.
    let times = [-1_234_567_891, -1_234_567_890, -7, 0, 1, 33_333_333, 33_366_667, 3_600_000_000_011];
    let (_, packets) = encode(&config(), &times, &[]);
    assert_eq!(packets.iter().map(|packet| packet.at.0).collect::<Vec<_>>(), times);
}

#[test]
fn keyframes_come_first_and_when_asked_for() {
    // Longer than any default interval of keyframes.
    let times: Vec<i64> = (0..300).map(|i| i * 20_000_000).collect();
    let (_, packets) = encode(&VideoConfig { speed: Speed::Ultrafast, ..config() }, &times, &[7, 8, 290]);
    let keyframes: Vec<usize> = (0..300).filter(|&i| packets[i].keyframe).collect();
    assert_eq!(keyframes, [0, 7, 8, 290]);
    for packet in packets {
        // IDR slices in keyframes, other slices elsewhere, and nothing besides.
        let kind = if packet.keyframe { 5 } else { 1 };
        assert!(units(&packet.bytes).iter().all(|unit| unit[0] & 0x1F == kind));
    }
}

#[test]
fn decoding_can_begin_at_any_keyframe() {
    let times: Vec<i64> = (0..10).map(|i| i * 33_333_333).collect();
    let (config, packets) = encode(&config(), &times, &[6]);
    assert_eq!(decode(&config, &packets[6..]).len(), 4);
}

#[test]
fn the_colours_are_named() {
    let (config, packets) = encode(&config(), &[0], &[]);
    let frame = &decode(&config, &packets)[0];
    assert_eq!(frame.format(), Pixel::YUV420P);
    assert_eq!(frame.color_space(), color::Space::BT709);
    assert_eq!(frame.color_range(), color::Range::MPEG);
    assert_eq!(frame.color_primaries(), color::Primaries::BT709);
    assert_eq!(frame.color_transfer_characteristic(), color::TransferCharacteristic::BT709);
    assert_eq!(frame.chroma_location(), ffmpeg_next::chroma::Location::Center);
    let CodecConfig::H264 { size, avcc } = config else { panic!() };
    assert_eq!(size, SIZE);
    assert_eq!(avcc[1], 100, "High profile");
}

#[test]
fn the_bitrate_stays_below_its_limit() {
    let size = Size::new(640, 360);
    let mut encoder =
        VideoEncoder::open(&VideoConfig { size, max_bitrate: 1_000_000, crf: 10.0, ..config() }).unwrap();
    let mut state = 1u32;
    let mut noise = |len: usize| -> Vec<u8> {
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..len).map(|_| next()).collect()
    };
    let mut packets = Vec::new();
    for i in 0..90 {
        let (luma, chroma) = (noise(640 * 360), noise(640 * 180));
        let picture = Nv12 { size, stride: 640, luma: &luma, chroma: &chroma };
        encoder.push(picture, Timestamp(i * 33_333_333)).unwrap();
        drain(&mut encoder, &mut packets);
    }
    // Noise cannot be coded in so few bits, even at the coarsest; a second of slack is the buffer.
    let bits: usize = packets.iter().map(|packet| packet.bytes.len() * 8).sum();
    assert!(bits < 4_500_000, "{bits} bits in 3 s");
}

#[test]
fn impossible_configurations_are_refused() {
    let check = |config: VideoConfig, says: &str| {
        let error = VideoEncoder::open(&config).err().expect("refused");
        assert!(matches!(error, CodecError::InvalidConfig { .. }) && !error.is_retryable());
        assert!(error.to_string().contains(says), "{error}");
    };
    for size in [Size::new(0, 0), Size::new(321, 178), Size::new(320, 177), Size::new(16_386, 16)] {
        check(VideoConfig { size, ..config() }, "both sides must be even");
    }
    check(VideoConfig { fps: 0, ..config() }, "frames a second");
    check(VideoConfig { fps: u32::MAX, ..config() }, "frames a second");
    check(VideoConfig { crf: f32::NAN, ..config() }, "CRF");
    check(VideoConfig { max_bitrate: 0, ..config() }, "bitrate");
}

#[test]
fn the_smallest_and_the_widest_picture_can_be_encoded() {
    for size in [Size::new(2, 2), Size::new(16_384, 2)] {
        let (config, packets) = encode(&VideoConfig { size, ..config() }, &[0, 1_000_000], &[]);
        let frames = decode(&config, &packets);
        assert_eq!(
            frames.iter().map(|frame| (frame.width(), frame.height())).collect::<Vec<_>>(),
            [(size.width, size.height); 2]
        );
    }
}

#[test]
fn an_encoder_can_go_to_another_thread() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let mut encoder = is_send(VideoEncoder::open(&config()).unwrap());
    let pattern = Pattern::new(SIZE, 0);
    let packet = std::thread::spawn(move || {
        encoder.push(pattern.nv12(), Timestamp::ZERO).unwrap();
        encoder.poll().unwrap()
    });
    assert!(packet.join().unwrap().unwrap().keyframe);
}

#[test]
fn broken_samples_are_refused_and_the_encoder_goes_on() {
    let mut encoder = VideoEncoder::open(&config()).unwrap();
    let pattern = Pattern::new(SIZE, 0);
    let good = pattern.nv12();
    encoder.push(good, Timestamp(5)).unwrap();
    let mut refused = |picture: Nv12<'_>, at: i64| {
        let error = encoder.push(picture, Timestamp(at)).expect_err("refused");
        assert!(matches!(error, CodecError::InvalidSample { .. }), "{error}");
    };
    refused(good, 5);
    refused(good, 4);
    refused(Nv12 { size: Size::new(320, 178), ..good }, 6);
    refused(Nv12 { luma: &good.luma[..pattern.stride * 177], ..good }, 6);
    refused(Nv12 { chroma: &[], ..good }, 6);
    refused(Nv12 { stride: 0, ..good }, 6);
    refused(Nv12 { stride: usize::MAX, ..good }, 6);
    encoder.push(good, Timestamp(6)).unwrap();
    encoder.finish().unwrap();
    assert!(matches!(encoder.push(good, Timestamp(7)), Err(CodecError::Failed { .. })));
    assert!(encoder.finish().is_err());
}

#[test]
fn the_last_row_may_end_where_the_picture_does() {
    let (pattern, mut encoder) = (Pattern::new(SIZE, 0), VideoEncoder::open(&config()).unwrap());
    let end = |rows: usize| pattern.stride * (rows - 1) + SIZE.width as usize;
    // Copies of exactly the bytes needed, so that a reader of one more leaves the allocation.
    let (luma, chroma) = (pattern.luma[..end(178)].to_vec(), pattern.chroma[..end(89)].to_vec());
    let picture = Nv12 { size: SIZE, stride: pattern.stride, luma: &luma, chroma: &chroma };
    encoder.push(picture, Timestamp::ZERO).unwrap();
    assert!(encoder.poll().unwrap().is_some());
}
