//! Sound for containers that do not hold what was recorded: decoded and encoded as Opus, a chunk at a time.
//!
//! What is left out of the session closes up to the very sample; what is missing is silence. Cheap enough to be made
//! whole at each attempt.

use crate::{ExportError, source::Track};
use codec::{AudioCodec, AudioConfig, AudioDecoder, AudioEncoder, CodecError, ReadChunk};
use media::{Kept, Timeline};
use model::{AudioBlock, ChunkId, CodecConfig, Packet, Timestamp};
use std::{collections::VecDeque, time::Duration};

/// The rate that Opus counts in.
const RATE: u32 = 48_000;
const BITRATE_PER_CHANNEL: u32 = 64_000;
/// Decoders need what comes before the first sample that is heard: as much of Opus, less of AAC.
const PREROLL: Duration = Duration::from_millis(100);
/// Times of packets are rounded to samples.
const ROUNDING: i64 = 2;

/// A track of sound as Opus, in the time of the file.
pub(crate) struct Sound<'a> {
    track: Track,
    read: ReadChunk<'a>,
    kept: Vec<Kept>,
    encoder: AudioEncoder,
    channels: usize,
    packets: VecDeque<Packet>,
    /// The next chunk to be decoded, in the first of `kept`.
    place: usize,
    decoder: Option<(model::Hash, AudioDecoder)>,
    /// Samples of each channel so far.
    written: i64,
    finished: bool,
    /// Chunks that could not be read.
    pub lost: Vec<ChunkId>,
}

impl<'a> Sound<'a> {
    /// None if the track has nothing in what is kept.
    pub fn open(track: Track, read: ReadChunk<'a>, timeline: &Timeline) -> Result<Option<Self>, ExportError> {
        let kept = timeline.in_ticks(RATE);
        let heard = |kept: &Kept| {
            let (start, end) =
                (Timestamp::from_ticks(kept.start, RATE), Timestamp::from_ticks(kept.end, RATE));
            track.chunks.iter().any(|chunk| chunk.span.start < end && start < chunk.span.end)
        };
        let channels = track.inits.iter().find_map(|init| init.codec.sound_channels());
        let Some(channels) = channels.filter(|_| kept.iter().any(heard)) else { return Ok(None) };
        if track.inits.iter().any(|init| init.codec.timescale() != RATE) {
            return Err(ExportError::Invalid { why: "only sound of 48,000 Hz can become Opus" });
        }
        let bitrate = BITRATE_PER_CHANNEL * u32::from(channels);
        let encoder =
            AudioEncoder::open(&AudioConfig { codec: AudioCodec::Opus, rate: RATE, channels, bitrate })?;
        Ok(Some(Self {
            place: first_place(&track, kept.first()),
            track,
            read,
            kept,
            encoder,
            channels: channels.into(),
            packets: VecDeque::new(),
            decoder: None,
            written: 0,
            finished: false,
            lost: Vec::new(),
        }))
    }

    /// What a decoder must know.
    pub fn config(&self) -> &CodecConfig {
        self.encoder.config()
    }

    /// The next packet; none at the end.
    pub fn next(&mut self) -> Result<Option<Packet>, ExportError> {
        while self.packets.is_empty() && !self.finished {
            self.work()?;
            while let Some(packet) = self.encoder.poll()? {
                self.packets.push_back(packet);
            }
        }
        Ok(self.packets.pop_front())
    }

    /// Decodes one more chunk, or ends a kept span.
    fn work(&mut self) -> Result<(), ExportError> {
        let Some(kept) = self.kept.first().copied() else {
            self.encoder.finish()?;
            self.finished = true;
            return Ok(());
        };
        let end = Timestamp::from_ticks(kept.end, RATE);
        if self.track.chunks.get(self.place).is_none_or(|chunk| chunk.span.start >= end) {
            self.kept.remove(0);
            self.place = first_place(&self.track, self.kept.first());
            self.decoder = None;
            return Ok(());
        }
        self.place += 1;
        self.decode(self.place - 1, kept)
    }

    fn decode(&mut self, place: usize, kept: Kept) -> Result<(), ExportError> {
        let chunk = self.track.chunks[place].clone();
        let init = self.track.inits.iter().find(|init| init.hash == chunk.init).cloned();
        let (Some(init), Some(bytes)) = (init, (self.read)(&chunk)) else {
            self.lost.push(chunk.id);
            return Ok(());
        };
        if self.decoder.as_ref().is_none_or(|(hash, _)| *hash != init.hash) {
            self.decoder = Some((init.hash, AudioDecoder::open(&init.codec)?));
        }
        let from = Timestamp::from_ticks(kept.start, RATE) - PREROLL;
        let until = Timestamp::from_ticks(kept.end, RATE);
        let (mut broken, mut blocks) = (false, Vec::new());
        for sample in
            media::samples(&chunk, &init.codec).filter(|sample| sample.at >= from && sample.at < until)
        {
            let Some((_, decoder)) = &mut self.decoder else { break };
            let Some(packet) = sample.packet(&bytes) else { break };
            match decoder.push(&packet) {
                Ok(()) => {}
                Err(CodecError::CorruptPacket { .. }) => broken = true,
                Err(error) => return Err(error.into()),
            }
            while let Some(block) = decoder.poll()? {
                blocks.push(block);
            }
        }
        for block in &blocks {
            self.encode(block, kept)?;
        }
        if broken {
            self.lost.push(chunk.id);
        }
        Ok(())
    }

    /// Puts a run of sound where it belongs, with silence where there is none before it.
    fn encode(&mut self, block: &AudioBlock, kept: Kept) -> Result<(), ExportError> {
        let frames = block.frames() as i64;
        let starts = block.at.to_ticks(RATE) - kept.start;
        let length = kept.end - kept.start;
        let wanted = (-starts).clamp(0, frames)..(length - starts).clamp(0, frames);
        let mut at = starts + wanted.start + kept.flat;
        let mut samples = &block.samples[cut(&wanted, block.channels)];
        if (at - self.written).abs() <= ROUNDING {
            at = self.written;
        }
        if at < self.written {
            let early = (self.written - at).min(wanted.end - wanted.start);
            samples = &samples[early as usize * usize::from(block.channels)..];
        }
        if samples.is_empty() {
            return Ok(());
        }
        self.silence(at)?;
        let channels = usize::from(block.channels);
        let mixed = mixed(samples, channels, self.channels);
        self.encoder.push(&mixed, Timestamp::from_ticks(self.written, RATE))?;
        self.written += (samples.len() / channels) as i64;
        Ok(())
    }

    /// Until so many samples are written.
    fn silence(&mut self, until: i64) -> Result<(), ExportError> {
        while self.written < until {
            let frames = (until - self.written).min(RATE.into());
            let silence = vec![0.0; frames as usize * self.channels];
            self.encoder.push(&silence, Timestamp::from_ticks(self.written, RATE))?;
            self.written += frames;
            // Long gaps would pile up otherwise.
            while let Some(packet) = self.encoder.poll()? {
                self.packets.push_back(packet);
            }
        }
        Ok(())
    }
}

/// The first chunk that is needed for a kept span.
fn first_place(track: &Track, kept: Option<&Kept>) -> usize {
    let start = kept.map_or(i64::MAX / i64::from(RATE), |kept| kept.start);
    let from = Timestamp::from_ticks(start, RATE) - PREROLL;
    track.chunks.partition_point(|chunk| chunk.span.end <= from)
}

fn cut(frames: &std::ops::Range<i64>, channels: u16) -> std::ops::Range<usize> {
    let at = |frame: i64| frame as usize * usize::from(channels);
    at(frames.start)..at(frames.end.max(frames.start))
}

/// Interleaved samples with another number of channels.
fn mixed(samples: &[f32], channels: usize, wanted: usize) -> Vec<f32> {
    match (channels, wanted) {
        (1, 2) => samples.iter().flat_map(|sample| [*sample, *sample]).collect(),
        (2, 1) => samples.chunks_exact(2).map(|both| (both[0] + both[1]) / 2.0).collect(),
        _ => samples.to_vec(),
    }
}
