//! A store with ten minutes of 1080p60 in it, made by the code that makes real ones.

use anyhow::{Context, Result};
use codec::{AudioCodec, AudioConfig, AudioEncoder, Speed, VideoCodec, VideoConfig, VideoEncoder};
use media::{ChunkPolicy, Chunker};
use model::{
    CodecConfig, Mode, Nv12, Packet, RecordingId, Retention, SessionId, SessionMeta, SessionState, Size,
    Timestamp, TrackId, TrackInfo, TrackKind, UtcTime,
};
use std::{path::Path, sync::Arc, time::Duration};
use store::{ChunkStore, OsFs, SessionWriter};
use uuid::Uuid;

const FPS: u32 = 60;
const CHUNK: Duration = Duration::from_secs(4);
/// Seconds that are encoded; they are repeated until all is full.
const LOOP_SECONDS: u32 = 8;
/// Seconds in all.
pub(crate) const SECONDS: u32 = 600;
const SIZE: Size = Size { width: 1920, height: 1080 };

/// Fills the data folder with one recording and gives its id.
pub(crate) fn fill(folder: &Path) -> Result<RecordingId> {
    let (store, _) = ChunkStore::open(Arc::new(OsFs), folder)?;
    let recording = RecordingId(Uuid::now_v7());
    let session = SessionId(Uuid::now_v7());
    let mut writer = store.begin(meta(session, recording))?;
    let (picture_codec, pictures) = pictures()?;
    let (sound_codec, sound) = sound()?;
    let mut program = track(&mut writer, session, "program", TrackKind::Program, &picture_codec)?;
    let mut mix = track(&mut writer, session, "mix", TrackKind::Mix, &sound_codec)?;
    for round in 0..SECONDS / LOOP_SECONDS {
        let later = Duration::from_secs(u64::from(round * LOOP_SECONDS));
        for packet in &pictures {
            program.push(Packet { at: packet.at + later, ..packet.clone() })?;
            drain(&mut program, &mut writer)?;
        }
        // The priming comes once.
        for packet in sound.iter().filter(|packet| round == 0 || packet.at >= Timestamp::ZERO) {
            mix.push(Packet { at: packet.at + later, ..packet.clone() })?;
            drain(&mut mix, &mut writer)?;
        }
    }
    let end = Timestamp::ZERO + Duration::from_secs(u64::from(SECONDS));
    for chunker in [&mut program, &mut mix] {
        chunker.seal(end);
        drain(chunker, &mut writer)?;
    }
    writer.finalize(SessionState::Finalized)?;
    Ok(recording)
}

fn drain(chunker: &mut Chunker, writer: &mut SessionWriter) -> Result<()> {
    while let Some(piece) = chunker.poll() {
        writer.write(piece)?;
    }
    Ok(())
}

fn track(
    writer: &mut SessionWriter,
    session: SessionId,
    name: &str,
    kind: TrackKind,
    codec: &CodecConfig,
) -> Result<Chunker> {
    let id: TrackId = name.parse()?;
    writer.add_track(TrackInfo { id: id.clone(), kind, label: name.to_owned(), inits: Vec::new() })?;
    Ok(Chunker::new(session, id, codec, ChunkPolicy::new(CHUNK)?, 1)?)
}

fn meta(id: SessionId, recording: RecordingId) -> SessionMeta {
    SessionMeta {
        version: SessionMeta::VERSION,
        id,
        recording,
        title: "Ten minutes".to_owned(),
        description: String::new(),
        metadata: [].into(),
        mode: Mode::Program,
        retention: Retention::KeepAll,
        started_at: UtcTime(0),
        chunk: CHUNK,
        state: SessionState::Recording,
        tracks: Vec::new(),
        gaps: Vec::new(),
        lost: None,
        layouts: Vec::new(),
        check: None,
        marks: Vec::new(),
        trashed_at: None,
        key: None,
    }
}

/// Noise that drifts over a gradient: as many bits a second as a lively screen.
fn pictures() -> Result<(CodecConfig, Vec<Packet>)> {
    let config = VideoConfig {
        codec: VideoCodec::H264,
        size: SIZE,
        fps: FPS,
        crf: 23.0,
        max_bitrate: 6_000_000,
        speed: Speed::Ultrafast,
    };
    let mut encoder = VideoEncoder::open(&config)?;
    let (width, height) = (SIZE.width as usize, SIZE.height as usize);
    let texture = texture(width * height);
    let chroma = vec![128; width * height / 2];
    let mut luma = vec![0; width * height];
    let mut packets = Vec::new();
    let keyframes = CHUNK.as_secs() as u32 * FPS;
    for picture in 0..LOOP_SECONDS * FPS {
        let shift = picture as usize * 2;
        for (row, pixels) in luma.chunks_exact_mut(width).enumerate() {
            for (column, pixel) in pixels.iter_mut().enumerate() {
                // Noise in one corner; the rest moves as a whole.
                let is_noise = row < height / 6 && column < width / 6;
                let seed = if is_noise { picture as usize * 7919 } else { 0 };
                let place = ((row / 4) * 480 + (column + shift) / 4 + seed) % texture.len();
                *pixel = 40 + texture[place] % 160;
            }
        }
        if picture % keyframes == 0 {
            encoder.request_keyframe();
        }
        let nv12 = Nv12 { size: SIZE, stride: width, luma: &luma, chroma: &chroma };
        encoder.push(nv12, Timestamp::from_ticks(i64::from(picture), FPS))?;
        while let Some(packet) = encoder.poll()? {
            packets.push(packet);
        }
    }
    let config = encoder.config().clone();
    encoder.finish()?;
    while let Some(packet) = encoder.poll()? {
        packets.push(packet);
    }
    Ok((config, packets))
}

fn texture(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// A tone of a whole number of packets, so that it can be repeated.
fn sound() -> Result<(CodecConfig, Vec<Packet>)> {
    const RATE: u32 = 48_000;
    let mut encoder = AudioEncoder::open(&AudioConfig {
        codec: AudioCodec::Aac,
        rate: RATE,
        channels: 2,
        bitrate: 128_000,
    })?;
    let samples = LOOP_SECONDS * RATE;
    let wave = |n: u32| (f64::from(n) * 440.0 / f64::from(RATE) * std::f64::consts::TAU).sin() as f32 * 0.5;
    let tone: Vec<f32> = (0..samples).flat_map(|n| [wave(n); 2]).collect();
    encoder.push(&tone, Timestamp::ZERO)?;
    let config = encoder.config().clone();
    encoder.finish()?;
    let mut packets = Vec::new();
    while let Some(packet) = encoder.poll()? {
        packets.push(packet);
    }
    let last = packets.last().context("the encoder gave nothing")?;
    anyhow::ensure!(
        last.at + last.duration <= Timestamp::from_ticks(i64::from(samples), RATE),
        "it overlaps"
    );
    Ok((config, packets))
}
