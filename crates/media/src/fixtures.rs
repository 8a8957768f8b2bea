//! What the tests of this crate share: codecs, packets, randomness from a seed, boxes as text.

use crate::{ChunkPolicy, Chunker};
use bytes::Bytes;
use model::{Chunk, CodecConfig, Packet, Part, Piece, SessionId, Size, Timestamp, TrackId};
use std::time::Duration;

/// The record of a 320×180 baseline stream that x264 made.
pub const AVCC: &[u8] = &[
    0x01, 0x42, 0xc0, 0x0d, 0xff, 0xe1, 0x00, 0x17, 0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x06, 0x7e, 0x7c,
    0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00, 0x0f, 0x23, 0xc5, 0x0a, 0xa8, 0x01, 0x00, 0x04,
    0x68, 0xce, 0x0f, 0xc8,
];

pub fn track(name: &str) -> TrackId {
    name.parse().unwrap()
}

pub fn session() -> SessionId {
    "01920000-0000-7000-8000-000000000001".parse().unwrap()
}

pub fn h264() -> CodecConfig {
    CodecConfig::H264 { size: Size::new(320, 180), avcc: Bytes::from_static(AVCC) }
}

pub fn aac() -> CodecConfig {
    CodecConfig::Aac {
        rate: 48_000,
        channels: 2,
        asc: Bytes::from_static(&[0x11, 0x90]),
        priming: 1024,
        bitrate: 128_000,
    }
}

/// As libvpx and libavformat describe a 320×180 stream.
pub fn vp9() -> CodecConfig {
    CodecConfig::Vp9 { size: Size::new(320, 180), vpcc: Bytes::from_static(&[0, 11, 0x82, 1, 1, 1, 0, 0]) }
}

/// As libaom and libavformat describe a 320×180 stream.
pub fn av1() -> CodecConfig {
    let av1c: &[u8] = &[
        0x81, 0x00, 0x0c, 0x00, 0x0a, 0x0e, 0x00, 0x00, 0x00, 0x04, 0x3c, 0xfe, 0xcc, 0xda, 0xf9, 0x10, 0x10,
        0x10, 0x10, 0x40,
    ];
    CodecConfig::Av1 { size: Size::new(320, 180), av1c: Bytes::from_static(av1c) }
}

pub fn opus() -> CodecConfig {
    CodecConfig::Opus { rate: 48_000, channels: 2, priming: 312, bitrate: 96_000 }
}

/// One of each.
pub fn codecs() -> [CodecConfig; 6] {
    [h264(), vp9(), av1(), aac(), opus(), CodecConfig::Json]
}

pub fn chunker(codec: &CodecConfig) -> Chunker {
    let name = match codec {
        _ if codec.is_sound() => "mix",
        CodecConfig::Json => "input",
        _ => "program",
    };
    Chunker::new(session(), track(name), codec, ChunkPolicy::default(), 1).unwrap()
}

pub fn millis(millis: i64) -> Timestamp {
    Timestamp(millis * 1_000_000)
}

/// A picture at so many milliseconds.
pub fn picture(at: i64, keyframe: bool) -> Packet {
    let bytes = Bytes::from(vec![if keyframe { 0x65 } else { 0x41 }; 10]);
    Packet { at: millis(at), duration: Duration::ZERO, keyframe, bytes }
}

/// The `index`-th packet of sound; the first is the encoder's priming.
pub fn sound(index: i64) -> Packet {
    let at = |packets: i64| Timestamp::from_ticks((packets - 1) * 1024, 48_000);
    let duration = at(index + 1).saturating_since(at(index));
    Packet { at: at(index), duration, keyframe: true, bytes: Bytes::from_static(&[0x21; 6]) }
}

pub fn drain(chunker: &mut Chunker) -> Vec<Piece> {
    std::iter::from_fn(|| chunker.poll()).collect()
}

pub fn parts(pieces: &[Piece]) -> Vec<&Part> {
    fn as_part(piece: &Piece) -> Option<&Part> {
        if let Piece::Part(part) = piece { Some(part) } else { None }
    }
    pieces.iter().filter_map(as_part).collect()
}

pub fn chunks(pieces: &[Piece]) -> Vec<&Chunk> {
    fn as_chunk(piece: &Piece) -> Option<&Chunk> {
        if let Piece::Seal(chunk) = piece { Some(chunk) } else { None }
    }
    pieces.iter().filter_map(as_chunk).collect()
}

/// The bytes of one chunk, as the store would have them.
pub fn bytes_of(pieces: &[Piece], index: u32) -> Vec<u8> {
    parts(pieces)
        .iter()
        .filter(|part| part.chunk.index == index)
        .flat_map(|part| part.bytes.to_vec())
        .collect()
}

/// SplitMix64: the same numbers from the same seed, on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}

/// A track as a capture might give it, in all its oddity: jitter, still pictures, pauses, keyframes anywhere, times
/// that go back.
pub fn odd_track(codec: &CodecConfig, seed: u64) -> Vec<Piece> {
    let mut random = Random(seed);
    let mut chunker = chunker(codec);
    let is_sound = codec.is_sound();
    let mut at =
        if is_sound { Timestamp::from_ticks(-i64::from(codec.priming()), 48_000) } else { Timestamp::ZERO };
    let mut pieces = Vec::new();
    for number in 0..random.below(400) + 20 {
        let step =
            Duration::from_nanos(if is_sound { 21_333_333 } else { 16_000_000 + random.below(2_000_000) });
        at = at + step;
        match random.below(40) {
            0 => at = at - Duration::from_millis(random.below(60)),
            1 => at = at + Duration::from_millis(random.below(3000)),
            2 | 3 => chunker.advance(at + Duration::from_millis(random.below(1500))),
            4 => {
                chunker.seal(at);
                at = at + Duration::from_millis(random.below(9000));
            }
            5 => chunker.reconfigure(codec, at).unwrap(),
            _ => {}
        }
        let bytes: Vec<u8> = (0..random.below(300) + 1).map(|_| random.next() as u8 | 1).collect();
        let duration = if is_sound { step } else { Duration::ZERO };
        let packet = Packet {
            at,
            duration,
            keyframe: is_sound || number == 0 || random.one_in(20),
            bytes: bytes.into(),
        };
        // A refused packet is part of the test: the track goes on without it.
        let _refused = chunker.push(packet);
        pieces.extend(drain(&mut chunker));
    }
    chunker.seal(at + Duration::from_millis(40));
    pieces.extend(drain(&mut chunker));
    pieces
}
