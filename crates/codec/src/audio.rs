//! Sound to AAC-LC, through FFmpeg's own encoder.

use crate::{CodecError, ffmpeg};
use ffmpeg_next::{ChannelLayout, Packet as Encoded, codec, encoder, format::Sample, format::sample, frame};
use model::{CodecConfig, Packet, Timestamp};
use std::{collections::VecDeque, time::Duration};

const AAC: &str = "aac";
const AAC_PACKAGE: &str = "an FFmpeg with its own AAC encoder (Debian: libavcodec59)";
/// The sampling frequencies of ISO/IEC 14496-3.
const RATES: [u32; 12] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000];
/// How far what is pushed may be from where the sound before it ended. Clocks are read with some noise; beyond this
/// lips and words part.
const SLIP_MAX: Duration = Duration::from_millis(20);

/// How sound is to be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioConfig {
    /// Samples a second, per channel; one of the rates of ISO/IEC 14496-3.
    pub rate: u32,
    /// 1 or 2.
    pub channels: u16,
    /// Bits a second, nominal.
    pub bitrate: u32,
}

/// An open AAC encoder. Its first packet is its priming and comes before the first sample pushed; packets follow
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
        let aac = ffmpeg::find(AAC, AAC_PACKAGE)?;
        let mut context = codec::Context::new_with_codec(aac)
            .encoder()
            .audio()
            .map_err(CodecError::failed("opening the audio encoder"))?;
        context.set_rate(audio.rate as i32);
        context.set_format(Sample::F32(sample::Type::Planar));
        context.set_channel_layout(layout(audio));
        context.set_bit_rate(audio.bitrate as usize);
        context.set_time_base((1, audio.rate as i32));
        context.set_flags(codec::Flags::GLOBAL_HEADER);
        let encoder = context
            .open_as_with(aac, ffmpeg::options(&[("aac_coder", coder(audio))]))
            .map_err(|error| invalid(error.to_string()))?;
        let frame_size = encoder.frame_size() as usize;
        let priming = ffmpeg::initial_padding(&encoder);
        let asc = ffmpeg::extradata(&encoder);
        if frame_size == 0 || asc.is_empty() {
            return Err(invalid("the encoder gave no configuration".into()));
        }
        let AudioConfig { rate, channels, bitrate } = *audio;
        Ok(Self {
            encoder: Some(encoder),
            config: CodecConfig::Aac { rate, channels, asc, priming, bitrate },
            audio: *audio,
            frame_size,
            priming: i64::from(priming),
            pending: Vec::with_capacity(frame_size * usize::from(channels)),
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
        let format = Sample::F32(sample::Type::Planar);
        let mut frame = frame::Audio::new(format, self.frame_size, layout(&self.audio));
        if frame.planes() != channels {
            return Err(CodecError::Failed { operation: "encoding sound", why: "no memory".into() });
        }
        for channel in 0..channels {
            let plane = frame.plane_mut::<f32>(channel);
            for (to, from) in plane.iter_mut().zip(self.pending.chunks_exact(channels)) {
                // FFmpeg's encoder fails on what is not a number or far beyond full scale, and neither must end the
                // track.
                *to = if from[channel].is_nan() { 0.0 } else { from[channel].clamp(-1.0, 1.0) };
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
    format!("sound of {} Hz, {} channels, {} b/s", audio.rate, audio.channels, audio.bitrate)
}

/// FFmpeg's manual: `fast` is better and much faster, except below 64 kb/s.
fn coder(audio: &AudioConfig) -> &'static str {
    if audio.bitrate < 64_000 { "twoloop" } else { "fast" }
}

fn layout(audio: &AudioConfig) -> ChannelLayout {
    if audio.channels == 1 { ChannelLayout::MONO } else { ChannelLayout::STEREO }
}

fn check(audio: &AudioConfig) -> Result<(), CodecError> {
    let why = if !RATES.contains(&audio.rate) {
        "AAC has no such rate"
    } else if !(1..=2).contains(&audio.channels) {
        "there must be 1 or 2 channels"
    } else if !(8_000..=512_000).contains(&audio.bitrate) {
        "the bitrate must be from 8 to 512 kb/s"
    } else {
        return Ok(());
    };
    Err(CodecError::InvalidConfig { what: describe(audio), why: why.into() })
}
