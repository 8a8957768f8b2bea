//! What encoding and decoding cost: CPU per 1080p picture, all threads together. `cargo bench -p spool-codec`, with files of raw
//! 1080p NV12 as arguments to encode those instead of made-up pictures.

#![expect(clippy::unwrap_used, reason = "a bench ends where it fails")]

use model::{Nv12, Size, Timestamp};
use spool_codec::{
    AudioCodec, AudioConfig, AudioEncoder, Speed, VideoCodec, VideoConfig, VideoDecoder, VideoEncoder, jpeg,
};
use std::{env, fs, time::Instant};

const HD: Size = Size { width: 1920, height: 1080 };
const LUMA: usize = 1920 * 1080;
const PICTURE: usize = LUMA * 3 / 2;
const PICTURES: usize = 120;

/// Rows of dark and bright strokes like lines of text, `scroll` pixels up.
fn text(scroll: usize) -> Vec<u8> {
    let mut picture = vec![128; PICTURE];
    for (i, luma) in picture[..LUMA].iter_mut().enumerate() {
        let (x, y) = (i % 1920, i / 1920 + scroll);
        let glyph = (x / 9).wrapping_mul(2_654_435_761) ^ (y / 18).wrapping_mul(40_503) >> 3;
        let stroke = glyph >> (x % 9 / 2 * 4 + y % 18 / 5) & 1;
        *luma = if y % 18 < 14 && x % 9 < 7 && stroke == 1 { 200 } else { 30 };
    }
    picture
}

fn noise(seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut picture = text(0);
    for value in &mut picture {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *value = value.saturating_add((state >> 28) as u8);
    }
    picture
}

fn bench(name: &str, codec: VideoCodec, speed: Speed, pictures: &[Vec<u8>]) {
    let config = VideoConfig { codec, size: HD, fps: 30, crf: 23.0, max_bitrate: 16_000_000, speed };
    let mut encoder = VideoEncoder::open(&config).unwrap();
    let (start, mut packets) = (cpu_ms(), Vec::new());
    for step in 0..PICTURES {
        let (luma, chroma) = pictures[step % pictures.len()].split_at(LUMA);
        let picture = Nv12 { size: HD, stride: 1920, luma, chroma };
        encoder.push(picture, Timestamp(step as i64 * 33_333_333)).unwrap();
        packets.extend(std::iter::from_fn(|| encoder.poll().unwrap()));
    }
    let encoding = (cpu_ms() - start) / PICTURES as f64;
    let (start, mut decoder) = (cpu_ms(), VideoDecoder::open(encoder.config()).unwrap());
    for packet in &packets {
        decoder.push(packet).unwrap();
        while decoder.poll().unwrap().is_some() {}
    }
    let decoding = (cpu_ms() - start) / PICTURES as f64;
    let bytes: usize = packets.iter().map(|packet| packet.bytes.len()).sum();
    let kilobits = bytes * 8 * 30 / PICTURES / 1000;
    println!("{name:16} {codec:?} {speed:?}: {encoding:6.2} ms, back {decoding:5.2} ms, {kilobits} kb/s");
}

fn bench_sound() {
    let config = AudioConfig { codec: AudioCodec::Aac, rate: 48_000, channels: 2, bitrate: 160_000 };
    let mut encoder = AudioEncoder::open(&config).unwrap();
    let second: Vec<f32> =
        (0..96_000).map(|i| (i as f32 * 0.05).sin() * 0.3 + (i as f32 * 0.31).sin() * 0.2).collect();
    let start = cpu_ms();
    for at in 0..20 {
        encoder.push(&second, Timestamp(at * 1_000_000_000)).unwrap();
    }
    println!("{:24} AAC: {:6.2} ms a second", "sound", (cpu_ms() - start) / 20.0);
}

/// As large as a preview is, and as large as a still.
fn bench_jpeg() {
    for (width, height) in [(640, 360), (1280, 720)] {
        let size = Size::new(width, height);
        let whole = text(0);
        let (luma, chroma) = (&whole[..(1920 * height) as usize], &whole[LUMA..]);
        let start = cpu_ms();
        let bytes: usize =
            (0..PICTURES).map(|_| jpeg(Nv12 { size, stride: 1920, luma, chroma }).unwrap().len()).sum();
        let each = (cpu_ms() - start) / PICTURES as f64;
        println!("{:24} JPEG: {each:6.2} ms, {} kB", size.to_string(), bytes / PICTURES / 1000);
    }
}

/// Milliseconds that all threads so far spent on processors, where the system tells; else milliseconds.
fn cpu_ms() -> f64 {
    let on_processors = || {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The name in parentheses may hold spaces; user and system time, in hundredths, are the 12th and 13th after.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        Some((fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?) * 10.0)
    };
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    on_processors().unwrap_or_else(|| START.elapsed().as_secs_f64() * 1e3)
}

fn main() {
    let files: Vec<String> = env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let mut contents: Vec<(String, Vec<Vec<u8>>)> = Vec::new();
    for file in files {
        let bytes = fs::read(&file).unwrap();
        contents.push((file, bytes.chunks_exact(PICTURE).map(<[u8]>::to_vec).collect()));
    }
    if contents.is_empty() {
        contents.push(("still text".into(), vec![text(0)]));
        contents.push(("scrolling text".into(), (0..PICTURES).map(|step| text(step / 2 * 18)).collect()));
        contents.push(("noise".into(), (1..20).map(noise).collect()));
    }
    for (name, pictures) in &contents {
        for codec in [VideoCodec::H264, VideoCodec::Vp9, VideoCodec::Av1] {
            for speed in [Speed::Veryfast, Speed::Superfast, Speed::Ultrafast] {
                bench(name, codec, speed, pictures);
            }
        }
    }
    bench_sound();
    bench_jpeg();
}
