//! AAC and Opus to sound.

use crate::{CodecError, ffmpeg, opus};
use bytes::Bytes;
use ffmpeg_next::{decoder, format::Sample, format::sample, frame};
use model::{AudioBlock, CodecConfig, Packet, Timestamp};
use std::collections::VecDeque;

/// An open decoder of one track of sound. Takes any bytes at all: what is broken gives an error.
///
/// Wherever decoding begins, at first and after each hole, the encoder's priming is taken out: as many samples give
/// nothing. So whoever begins in the middle of a track begins that much earlier, with Opus 80 ms.
pub struct AudioDecoder {
    /// None once it has finished.
    decoder: Option<decoder::Audio>,
    rate: u32,
    channels: u16,
    priming: usize,
    /// Where the packet before ended, in samples; none where decoding begins anew.
    ended: Option<i64>,
    /// Samples of each channel that are still priming.
    skip: usize,
    blocks: VecDeque<AudioBlock>,
}

impl AudioDecoder {
    /// Opens a decoder for the packets that `config` describes.
    pub fn open(config: &CodecConfig) -> Result<Self, CodecError> {
        let invalid = |why: &str| CodecError::InvalidConfig { what: "decode sound".into(), why: why.into() };
        let Some((rate, channels, name, package, extradata)) = library(config) else {
            return Err(invalid("there is none in this track"));
        };
        if rate == 0 || !(1..=2).contains(&channels) {
            return Err(invalid("it has no such rate or number of channels"));
        }
        let options = ffmpeg::options(&[
            // The priming is taken out here, where it is known when it comes.
            ("flags2", "skip_manual"),
            ("request_sample_fmt", "flt"),
            ("threads", "1"),
            ("err_detect", "explode"),
        ]);
        let decoder = ffmpeg::open_decoder(&[name], package, &extradata, options)?;
        Ok(Self {
            decoder: Some(decoder.audio().map_err(CodecError::failed("opening the audio decoder"))?),
            rate,
            channels,
            priming: config.priming() as usize,
            ended: None,
            skip: 0,
            blocks: VecDeque::new(),
        })
    }

    /// Decodes the next packet. One that does not follow the one before begins anew; after a corrupt one the next
    /// does.
    pub fn push(&mut self, packet: &Packet) -> Result<(), CodecError> {
        let start = packet.at.to_ticks(self.rate);
        let length = (packet.at + packet.duration).to_ticks(self.rate).saturating_sub(start);
        let decoder = self.decoder.as_mut().ok_or_else(closed)?;
        if self.ended.take().is_none_or(|ended| ended.abs_diff(start) > 1) {
            decoder.flush();
            self.skip = self.priming;
        }
        let corrupt = |why: String| CodecError::CorruptPacket { at: packet.at, why };
        let encoded = ffmpeg::packet(&packet.bytes).ok_or_else(|| corrupt("it has no such size".into()))?;
        decoder.send_packet(&encoded).map_err(|error| corrupt(error.to_string()))?;
        let samples = self.receive().map_err(corrupt)?;

        // No longer than it says: the last packet of a run of sound is padded.
        let channels = usize::from(self.channels);
        let frames = (samples.len() / channels).min(usize::try_from(length).unwrap_or(0));
        self.ended = Some(start.saturating_add(frames as i64));
        let skipped = self.skip.min(frames);
        self.skip -= self.skip.min(samples.len() / channels);
        if skipped < frames {
            self.blocks.push_back(AudioBlock {
                at: Timestamp::from_ticks(start.saturating_add(skipped as i64), self.rate),
                rate: self.rate,
                channels: self.channels,
                samples: samples[skipped * channels..frames * channels].to_vec(),
            });
        }
        Ok(())
    }

    /// The next run of sound, if one is ready. Runs follow each other without a hole where packets do.
    pub fn poll(&mut self) -> Result<Option<AudioBlock>, CodecError> {
        Ok(self.blocks.pop_front())
    }

    /// No more packets will come. Each gives its sound at once, so nothing is left.
    pub fn finish(&mut self) -> Result<(), CodecError> {
        self.decoder.take().map(drop).ok_or_else(closed)
    }

    /// All samples that are ready, interleaved.
    fn receive(&mut self) -> Result<Vec<f32>, String> {
        let mut samples = Vec::new();
        let mut frame = frame::Audio::empty();
        let Some(decoder) = self.decoder.as_mut() else { return Ok(samples) };
        while ffmpeg::receive_frame(decoder, &mut frame).map_err(|error| error.to_string())? {
            if (frame.rate(), frame.channels()) != (self.rate, self.channels) {
                return Err(format!("it has {} channels of {} Hz", frame.channels(), frame.rate()));
            }
            if frame.is_corrupt() || frame.has_decode_errors() {
                return Err("parts of it are missing".into());
            }
            interleave(&frame, &mut samples)?;
        }
        Ok(samples)
    }
}

fn interleave(frame: &frame::Audio, samples: &mut Vec<f32>) -> Result<(), String> {
    let channels = usize::from(frame.channels());
    match frame.format() {
        Sample::F32(sample::Type::Packed) => {
            let bytes = frame.data(0).chunks_exact(4).take(frame.samples() * channels);
            samples.extend(bytes.map(|four| f32::from_ne_bytes([four[0], four[1], four[2], four[3]])));
        }
        Sample::F32(sample::Type::Planar) if channels == 1 => samples.extend(frame.plane::<f32>(0)),
        Sample::F32(sample::Type::Planar) => {
            let pairs = frame.plane::<f32>(0).iter().zip(frame.plane::<f32>(1));
            samples.extend(pairs.flat_map(|(left, right)| [*left, *right]));
        }
        other => return Err(format!("the decoder gives {other:?}")),
    }
    Ok(())
}

fn closed() -> CodecError {
    CodecError::Failed { operation: "decoding sound", why: "the decoder is closed".into() }
}

/// Rate and channels, FFmpeg's name of the decoder, what brings it, and what it must be told.
fn library(config: &CodecConfig) -> Option<(u32, u16, &'static str, &'static str, Bytes)> {
    match config {
        CodecConfig::Aac { rate, channels, asc, .. } => {
            let package = "an FFmpeg with its AAC decoder (Debian: libavcodec59)";
            Some((*rate, *channels, "aac", package, asc.clone()))
        }
        CodecConfig::Opus { rate, channels, priming, .. } => {
            let package = "an FFmpeg with libopus (Debian: libavcodec59)";
            let header = opus::header(*rate, *channels, *priming);
            Some((*rate, *channels, "libopus", package, header.into()))
        }
        CodecConfig::H264 { .. } | CodecConfig::Vp9 { .. } | CodecConfig::Av1 { .. } | CodecConfig::Json => {
            None
        }
    }
}
