//! What the tests of this crate share: made-up pictures and tones, and both encoded.
#![allow(dead_code, reason = "each test file uses its part of this")]

use model::{AudioBlock, CodecConfig, Nv12, Packet, Planes, Size, Timestamp};
use spool_codec::{
    AudioCodec, AudioConfig, AudioDecoder, AudioEncoder, Speed, VideoCodec, VideoConfig, VideoDecoder,
    VideoEncoder,
};
use std::{f32::consts::TAU, process::Command};

pub const SIZE: Size = Size { width: 322, height: 178 };
pub const CODECS: [VideoCodec; 3] = [VideoCodec::H264, VideoCodec::Vp9, VideoCodec::Av1];

pub fn video(codec: VideoCodec) -> VideoConfig {
    VideoConfig { codec, size: SIZE, fps: 30, crf: 18.0, max_bitrate: 20_000_000, speed: Speed::Veryfast }
}

pub fn audio(codec: AudioCodec, channels: u16) -> AudioConfig {
    AudioConfig { codec, rate: 48_000, channels, bitrate: 128_000 }
}

/// A gradient that moves with `step`, in rows wider than the picture.
pub struct Pattern {
    pub size: Size,
    pub stride: usize,
    pub luma: Vec<u8>,
    pub chroma: Vec<u8>,
}

impl Pattern {
    pub fn new(size: Size, step: usize) -> Self {
        let stride = size.width as usize + 14;
        let rows = size.height as usize;
        let value = |i: usize, slope: usize| 40 + ((i % stride + i / stride * slope + step * 4) % 160) as u8;
        Self {
            size,
            stride,
            luma: (0..stride * rows).map(|i| value(i, 1)).collect(),
            // Blue and red differ, so that one taken for the other would show.
            chroma: (0..stride * rows / 2).map(|i| value(i / 2 * 2, 2) / (1 + i as u8 % 2)).collect(),
        }
    }

    pub fn nv12(&self) -> Nv12<'_> {
        Nv12 { size: self.size, stride: self.stride, luma: &self.luma, chroma: &self.chroma }
    }

    /// Mean squared error of luma and of chroma.
    pub fn error(&self, picture: &Planes) -> [f64; 2] {
        let (luma, chroma) = picture.bytes.split_at(picture.stride * self.size.height as usize);
        let plane = |expected: &[u8], seen: &[u8]| {
            let width = self.size.width as usize;
            let rows = expected.chunks(self.stride).zip(seen.chunks(picture.stride));
            let pairs = rows.flat_map(|(a, b)| a[..width].iter().zip(&b[..width]));
            let (sum, count) = pairs
                .fold((0, 0), |(sum, count), (a, b)| (sum + u64::from(a.abs_diff(*b)).pow(2), count + 1));
            sum as f64 / f64::from(count)
        };
        [plane(&self.luma, luma), plane(&self.chroma, chroma)]
    }
}

/// Encodes one picture at each of `times`, with a keyframe requested before those in `keyframes`.
pub fn encode(config: &VideoConfig, times: &[i64], keyframes: &[usize]) -> (CodecConfig, Vec<Packet>) {
    let mut encoder = VideoEncoder::open(config).unwrap();
    let mut packets = Vec::new();
    for (step, &at) in times.iter().enumerate() {
        if keyframes.contains(&step) {
            encoder.request_keyframe();
        }
        encoder.push(Pattern::new(config.size, step).nv12(), Timestamp(at)).unwrap();
        drain(&mut encoder, &mut packets);
        assert_eq!(packets.len(), step + 1, "no delay");
    }
    encoder.finish().unwrap();
    drain(&mut encoder, &mut packets);
    assert_eq!(packets.len(), times.len());
    (encoder.config().clone(), packets)
}

pub fn drain(encoder: &mut VideoEncoder, packets: &mut Vec<Packet>) {
    while let Some(packet) = encoder.poll().unwrap() {
        packets.push(packet);
    }
}

/// All pictures that are ready.
pub fn pictures(decoder: &mut VideoDecoder) -> Vec<(Timestamp, Planes)> {
    std::iter::from_fn(|| decoder.poll().unwrap()).collect()
}

/// 440 Hz on the left, 1 kHz on the right.
pub fn tone(config: &AudioConfig, frames: usize) -> Vec<f32> {
    let sample = |i: usize, hz: f32| (i as f32 * hz * TAU / config.rate as f32).sin() * 0.5;
    (0..frames)
        .flat_map(|i| [sample(i, 440.0), sample(i, 1000.0)].into_iter().take(config.channels.into()))
        .collect()
}

/// Encodes `samples` in blocks of `block` frames, the first of them heard at `at`.
pub fn encode_sound(
    config: &AudioConfig,
    samples: &[f32],
    block: usize,
    at: i64,
) -> (CodecConfig, Vec<Packet>) {
    let mut encoder = AudioEncoder::open(config).unwrap();
    let mut packets = Vec::new();
    let mut time = at;
    for samples in samples.chunks(block * usize::from(config.channels)) {
        encoder.push(samples, Timestamp(time)).unwrap();
        time += Timestamp::from_ticks((samples.len() / usize::from(config.channels)) as i64, config.rate).0;
        packets.extend(std::iter::from_fn(|| encoder.poll().unwrap()));
    }
    encoder.finish().unwrap();
    packets.extend(std::iter::from_fn(|| encoder.poll().unwrap()));
    (encoder.config().clone(), packets)
}

/// All sound that is ready.
pub fn blocks(decoder: &mut AudioDecoder) -> Vec<AudioBlock> {
    std::iter::from_fn(|| decoder.poll().unwrap()).collect()
}

/// SplitMix64: the same numbers from the same seed, on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    /// The packet with some of its bytes replaced, or cut short.
    pub fn damaged(&mut self, packet: &Packet) -> Packet {
        let mut bytes = packet.bytes.to_vec();
        for _ in 0..self.below(6) + 1 {
            let place = self.below(bytes.len());
            bytes[place] = self.below(256) as u8;
        }
        if self.below(4) == 0 {
            bytes.truncate(self.below(bytes.len()));
        }
        Packet { bytes: bytes.into(), ..packet.clone() }
    }
}

/// Runs a program to its end. It must succeed, and have nothing to complain of.
pub fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{command:?}: {}\n{complaints}", output.status);
    output.stdout
}
