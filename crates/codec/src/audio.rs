//! Sound to AAC-LC, through FFmpeg's own encoder, or to Opus, through libopus.

use crate::{CodecError, ffmpeg};
use ffmpeg_next::{
    ChannelLayout, Dictionary, Packet as Encoded, codec, encoder, format::Sample, format::sample, frame,
};
use model::{CodecConfig, Packet, Timestamp};
use std::{collections::VecDeque, time::Duration};

/// The rate that Opus counts in, whatever it is given.
const OPUS_RATE: u32 = 48_000;
/// The sampling frequencies of ISO/IEC 14496-3.
const RATES: [u32; 12] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000];
/// How far what is pushed may be from where the sound before it ended. Clocks are read with some noise; beyond this
/// lips and words part.
const SLIP_MAX: Duration = Duration::from_millis(20);

/// What sound is encoded as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AudioCodec {
    /// AAC-LC, by FFmpeg itself: for recording.
    Aac,
    /// Opus, by libopus: for WebM.
    Opus,
}

/// How sound is to be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioConfig {
    /// What to encode it as.
    pub codec: AudioCodec,
    /// Samples a second, per channel; one of the rates of ISO/IEC 14496-3, and 48,000 for Opus.
    pub rate: u32,
    /// 1 or 2.
    pub channels: u16,
    /// Bits a second, nominal.
    pub bitrate: u32,
}

/// An open encoder. Its first packet is its priming and comes before the first sample pushed; packets follow
/// each other without a hole and each is a keyframe.
pub struct AudioEncoder {
    /// None once it has failed or finished.
    encoder: Option<encoder::audio::Encoder>,
    config: CodecConfig,
    audio: AudioConfig,
    frame_size: usize,
    priming: i64,
    /// Not yet a whole frame, interleaved.
    pending: Vec<f32>,
    /// When the first sample was heard, in samples.
    start: Option<i64>,
    /// Samples pushed, sent and covered by packets, per channel.
    pushed: i64,
    sent: i64,
    covered: i64,
    packets: VecDeque<Packet>,
}

impl AudioEncoder {
    /// Opens the encoder for sound as `audio` says.
    pub fn open(audio: &AudioConfig) -> Result<Self, CodecError> {
        check(audio)?;
        let invalid = |why: String| CodecError::InvalidConfig { what: describe(audio), why };
        let (name, package) = library(audio.codec);
        let library = ffmpeg::find_encoder(name, package)?;
        let mut context = codec::Context::new_with_codec(library)
            .encoder()
            .audio()
            .map_err(CodecError::failed("opening the audio encoder"))?;
        context.set_rate(audio.rate as i32);
        context.set_format(layout_in_memory(audio.codec));
        context.set_channel_layout(layout(audio));
        context.set_bit_rate(audio.bitrate as usize);
        context.set_time_base((1, audio.rate as i32));
        context.set_flags(codec::Flags::GLOBAL_HEADER);
        let encoder =
            context.open_as_with(library, options(audio)).map_err(|error| invalid(error.to_string()))?;
        let frame_size = encoder.frame_size() as usize;
        let priming = ffmpeg::initial_padding(&encoder);
        let extradata = ffmpeg::extradata(&encoder);
        if frame_size == 0 || extradata.is_empty() {
            return Err(invalid("the encoder gave no configuration".into()));
        }
        let AudioConfig { rate, channels, bitrate, .. } = *audio;
        let config = match audio.codec {
            AudioCodec::Aac => CodecConfig::Aac { rate, channels, asc: extradata, priming, bitrate },
            AudioCodec::Opus => CodecConfig::Opus { rate, channels, priming, bitrate },
        };
        Ok(Self {
            encoder: Some(encoder),
            config,
            audio: *audio,
            frame_size,
            priming: i64::from(priming),
            pending: Vec::with_capacity(frame_size * usize::from(audio.channels)),
            start: None,
            pushed: 0,
            sent: 0,
            covered: 0,
            packets: VecDeque::new(),
        })
    }

    /// What a decoder must know before the first packet.
    pub fn config(&self) -> &CodecConfig {
        &self.config
    }

    /// Encodes interleaved `samples`, the first of which was heard at `at`: where what was pushed before ended.
    pub fn push(&mut self, samples: &[f32], at: Timestamp) -> Result<(), CodecError> {
        self.check_samples(samples, at)?;
        if self.encoder.is_none() {
            return Err(closed());
        }
        self.start.get_or_insert(at.to_ticks(self.audio.rate));
        let channels = usize::from(self.audio.channels);
        self.pushed += (samples.len() / channels) as i64;
        let mut rest = samples;
        while !rest.is_empty() {
            let room = self.frame_size * channels - self.pending.len();
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.pending.extend_from_slice(now);
            rest = later;
            if self.pending.len() == self.frame_size * channels {
                self.send_pending()?;
            }
        }
        Ok(())
    }

    /// The next packet, if one is ready.
    pub fn poll(&mut self) -> Result<Option<Packet>, CodecError> {
        Ok(self.packets.pop_front())
    }

    /// No more sound will come; what is left is ready for `poll` after this. The last packet lasts until the last
    /// sample pushed, though a decoder gives some more after it.
    pub fn finish(&mut self) -> Result<(), CodecError> {
        if !self.pending.is_empty() {
            self.pending.resize(self.frame_size * usize::from(self.audio.channels), 0.0);
            self.send_pending()?;
        }
        let encoder = self.encoder.as_mut().ok_or_else(closed)?;
        encoder.send_eof().map_err(CodecError::failed("finishing the sound"))?;
        let received = self.receive();
        self.encoder = None;
        received
    }

    fn check_samples(&self, samples: &[f32], at: Timestamp) -> Result<(), CodecError> {
        let invalid = |why: String| Err(CodecError::InvalidSample { at, why });
        if !samples.len().is_multiple_of(usize::from(self.audio.channels)) {
            return invalid(format!(
                "{} samples do not make {} channels",
                samples.len(),
                self.audio.channels
            ));
        }
        let Some(start) = self.start else { return Ok(()) };
        let expected = Timestamp::from_ticks(start + self.pushed, self.audio.rate);
        let slip = at.saturating_since(expected).max(expected.saturating_since(at));
        if slip > SLIP_MAX {
            return invalid(format!("the sound before it ended at {expected}"));
        }
        Ok(())
    }

    /// Sends one whole frame.
    fn send_pending(&mut self) -> Result<(), CodecError> {
        let encoder = self.encoder.as_mut().ok_or_else(closed)?;
        let channels = usize::from(self.audio.channels);
        let format = layout_in_memory(self.audio.codec);
        let mut frame = frame::Audio::new(format, self.frame_size, layout(&self.audio));
        let planes = if frame.is_planar() { channels } else { 1 };
        if frame.planes() != planes {
            return Err(CodecError::Failed { operation: "encoding sound", why: "no memory".into() });
        }
        // FFmpeg's encoder fails on what is not a number or far beyond full scale, and neither must end the track.
        let sane = |sample: f32| if sample.is_nan() { 0.0 } else { sample.clamp(-1.0, 1.0) };
        if frame.is_planar() {
            for channel in 0..channels {
                let plane = frame.plane_mut::<f32>(channel);
                for (to, from) in plane.iter_mut().zip(self.pending.chunks_exact(channels)) {
                    *to = sane(from[channel]);
                }
            }
        } else {
            for (to, from) in frame.data_mut(0).chunks_exact_mut(4).zip(&self.pending) {
                to.copy_from_slice(&sane(*from).to_ne_bytes());
            }
        }
        self.pending.clear();
        frame.set_pts(Some(self.sent));
        encoder.send_frame(&frame).map_err(CodecError::failed("encoding sound"))?;
        self.sent += self.frame_size as i64;
        self.receive()
    }

    fn receive(&mut self) -> Result<(), CodecError> {
        let Some(encoder) = self.encoder.as_mut() else { return Ok(()) };
        let start = self.start.unwrap_or(0);
        let mut encoded = Encoded::empty();
        while ffmpeg::receive(encoder, &mut encoded, "encoding sound")? {
            let from = self.covered - self.priming;
            let to = (from + self.frame_size as i64).min(self.pushed);
            self.covered += self.frame_size as i64;
            let bytes = encoded.data().unwrap_or_default();
            if to <= from || bytes.is_empty() {
                continue;
            }
            let time = |samples: i64| Timestamp::from_ticks(start + samples, self.audio.rate);
            self.packets.push_back(Packet {
                at: time(from),
                duration: time(to).saturating_since(time(from)),
                keyframe: true,
                bytes: bytes::Bytes::copy_from_slice(bytes),
            });
        }
        Ok(())
    }
}

fn closed() -> CodecError {
    CodecError::Failed { operation: "encoding sound", why: "the encoder is closed".into() }
}

fn describe(audio: &AudioConfig) -> String {
    format!("encode sound of {} Hz, {} channels, {} b/s", audio.rate, audio.channels, audio.bitrate)
}

/// FFmpeg's name of the encoder, and what brings it.
fn library(codec: AudioCodec) -> (&'static str, &'static str) {
    match codec {
        AudioCodec::Aac => ("aac", "an FFmpeg with its own AAC encoder (Debian: libavcodec59)"),
        AudioCodec::Opus => ("libopus", "an FFmpeg with libopus (Debian: libavcodec59)"),
    }
}

/// How the encoder takes samples.
fn layout_in_memory(codec: AudioCodec) -> Sample {
    match codec {
        AudioCodec::Aac => Sample::F32(sample::Type::Planar),
        AudioCodec::Opus => Sample::F32(sample::Type::Packed),
    }
}

fn options(audio: &AudioConfig) -> Dictionary<'static> {
    match audio.codec {
        AudioCodec::Aac => ffmpeg::options(&[("aac_coder", coder(audio))]),
        AudioCodec::Opus => ffmpeg::options(&[("application", "audio"), ("frame_duration", "20")]),
    }
}

/// FFmpeg's manual: `fast` is better and much faster, except below 64 kb/s.
fn coder(audio: &AudioConfig) -> &'static str {
    if audio.bitrate < 64_000 { "twoloop" } else { "fast" }
}

fn layout(audio: &AudioConfig) -> ChannelLayout {
    if audio.channels == 1 { ChannelLayout::MONO } else { ChannelLayout::STEREO }
}

fn check(audio: &AudioConfig) -> Result<(), CodecError> {
    let why = if audio.codec == AudioCodec::Aac && !RATES.contains(&audio.rate) {
        "AAC has no such rate"
    } else if audio.codec == AudioCodec::Opus && audio.rate != OPUS_RATE {
        "Opus has no rate but 48000"
    } else if !(1..=2).contains(&audio.channels) {
        "there must be 1 or 2 channels"
    } else if !(8_000..=512_000).contains(&audio.bitrate) {
        "the bitrate must be from 8 to 512 kb/s"
    } else {
        return Ok(());
    };
    Err(CodecError::InvalidConfig { what: describe(audio), why: why.into() })
}
