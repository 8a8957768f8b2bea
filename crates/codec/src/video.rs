//! Pictures to H.264, VP9 or AV1.

mod options;

use crate::{CodecError, ffmpeg, lend, planar};
use ffmpeg_next::{Packet as Encoded, codec, encoder, format::Pixel, picture};
use model::{CodecConfig, Nv12, Packet, Size, Timestamp};
use options::CRF_MAX;
use std::{collections::VecDeque, time::Duration};

/// As ITU-T H.264 allows at its highest level.
const SIDE_MAX: u32 = 16_384;
/// More than any screen shows.
const FPS_MAX: u32 = 1_000;

/// What pictures are encoded as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// H.264, by x264: for recording.
    H264,
    /// VP9, by libvpx: for WebM. About twice the work of H.264.
    Vp9,
    /// AV1, by libaom: for small files. Several times the work of H.264.
    Av1,
}

/// How hard the encoder tries, by the names of x264's presets; the others have speeds of their own that stand for
/// these. Quality at the same bitrate falls from first to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Speed {
    /// The usual one.
    Veryfast,
    /// About four fifths of its work.
    Superfast,
    /// Less than half of it, for machines that cannot keep up.
    Ultrafast,
}

/// How pictures are to be encoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VideoConfig {
    /// What to encode them as.
    pub codec: VideoCodec,
    /// Of every picture; both sides even.
    pub size: Size,
    /// The most pictures that come in a second; they may come at any time.
    pub fps: u32,
    /// Constant quality: 0 keeps everything, 51 nothing. The same number looks about the same in every codec.
    pub crf: f32,
    /// Bits a second that no second of H.264 may exceed, even if quality suffers. VP9 and AV1 aim at staying below it.
    pub max_bitrate: u64,
    /// How hard to try.
    pub speed: Speed,
}

/// An open encoder. No reordering: packets come in the order of pictures, one for one and without delay, and each
/// shows its picture. A keyframe is made of the first picture, and after that only on request.
pub struct VideoEncoder {
    /// None once it has failed.
    encoder: Option<encoder::video::Encoder>,
    config: CodecConfig,
    codec: VideoCodec,
    size: Size,
    ticks_per_second: u32,
    keyframe_requested: bool,
    /// Times of the pictures that went in and are not out yet, since ticks are coarser than they are.
    times: VecDeque<Timestamp>,
    last: Option<(Timestamp, i64)>,
    packets: VecDeque<Packet>,
}

impl VideoEncoder {
    /// Opens an encoder for pictures as `config` says.
    pub fn open(config: &VideoConfig) -> Result<Self, CodecError> {
        check(config)?;
        let encoder = open_library(config)?;
        let mut header = ffmpeg::extradata(&encoder);
        if header.is_empty() && config.codec == VideoCodec::Av1 {
            // libaom says it with the first picture, which is too late: tracks begin with it. Another one of the same
            // configuration says the same.
            header = planar::encode_grey(open_library(config)?, config.size)?;
        }
        let described = options::codec_config(config, &header).ok_or_else(|| CodecError::InvalidConfig {
            what: describe(config),
            why: "the encoder gave no parameter sets".into(),
        })?;
        Ok(Self {
            encoder: Some(encoder),
            config: described,
            codec: config.codec,
            size: config.size,
            ticks_per_second: options::ticks_per_second(config),
            keyframe_requested: true,
            times: VecDeque::new(),
            last: None,
            packets: VecDeque::new(),
        })
    }

    /// What a decoder must know before the first packet.
    pub fn config(&self) -> &CodecConfig {
        &self.config
    }

    /// Makes a keyframe of the next picture.
    pub fn request_keyframe(&mut self) {
        self.keyframe_requested = true;
    }

    /// Encodes `picture`, seen at `at`, which must be later than the one before. What the caller passes is free
    /// again when this returns.
    pub fn push(&mut self, picture: Nv12<'_>, at: Timestamp) -> Result<(), CodecError> {
        self.check_sample(&picture, at)?;
        let ticks = at.to_ticks(self.ticks_per_second);
        // Encoders want them to grow, and two pictures may fall into one tick. What it makes of them is not used.
        let ticks = self.last.map_or(ticks, |(_, last)| ticks.max(last.saturating_add(1)));
        let kind = if self.keyframe_requested { picture::Type::I } else { picture::Type::None };
        let encoder = self.encoder.take().ok_or_else(failed_before)?;
        self.encoder = Some(match options::pixels(self.codec) {
            Pixel::NV12 => lend::encode(encoder, picture, ticks, kind)?,
            _ => planar::encode(encoder, picture, ticks, kind)?,
        });
        self.keyframe_requested = false;
        self.last = Some((at, ticks));
        self.times.push_back(at);
        self.receive()
    }

    /// The next packet, if one is ready.
    pub fn poll(&mut self) -> Result<Option<Packet>, CodecError> {
        Ok(self.packets.pop_front())
    }

    /// No more pictures will come; what is left is ready for `poll` after this.
    pub fn finish(&mut self) -> Result<(), CodecError> {
        let encoder = self.encoder.as_mut().ok_or_else(failed_before)?;
        encoder.send_eof().map_err(CodecError::failed("finishing the video"))?;
        let received = self.receive();
        self.encoder = None;
        received
    }

    fn check_sample(&self, picture: &Nv12<'_>, at: Timestamp) -> Result<(), CodecError> {
        let invalid = |why: String| Err(CodecError::InvalidSample { at, why });
        if picture.size != self.size {
            return invalid(format!("it is {}, not {}", picture.size, self.size));
        }
        if !planar::is_whole(picture) {
            return invalid("its planes are too short".into());
        }
        match self.last {
            Some((last, _)) if at <= last => invalid(format!("the one before was seen at {last}")),
            _ => Ok(()),
        }
    }

    fn receive(&mut self) -> Result<(), CodecError> {
        let Some(encoder) = self.encoder.as_mut() else { return Ok(()) };
        let mut encoded = Encoded::empty();
        while ffmpeg::receive(encoder, &mut encoded, "encoding a picture")? {
            let at = self.times.pop_front().ok_or(CodecError::Failed {
                operation: "encoding a picture",
                why: "more packets than pictures".into(),
            })?;
            let bytes = options::packet_bytes(self.codec, encoded.data().unwrap_or_default());
            self.packets.push_back(Packet {
                at,
                duration: Duration::ZERO,
                keyframe: encoded.is_key(),
                bytes,
            });
        }
        Ok(())
    }
}

fn open_library(config: &VideoConfig) -> Result<encoder::video::Encoder, CodecError> {
    let (name, package) = options::library(config.codec);
    let library = ffmpeg::find_encoder(name, package)?;
    let mut video = codec::Context::new_with_codec(library)
        .encoder()
        .video()
        .map_err(CodecError::failed("opening the video encoder"))?;
    video.set_width(config.size.width);
    video.set_height(config.size.height);
    video.set_format(options::pixels(config.codec));
    video.set_time_base((1, options::ticks_per_second(config) as i32));
    video.set_frame_rate(Some((config.fps as i32, 1)));
    video.set_flags(codec::Flags::GLOBAL_HEADER | codec::Flags::CLOSED_GOP);
    let invalid = |why: String| CodecError::InvalidConfig { what: describe(config), why };
    video.open_as_with(library, options::options(config)).map_err(|error| invalid(error.to_string()))
}

fn failed_before() -> CodecError {
    CodecError::Failed { operation: "encoding a picture", why: "the encoder is closed".into() }
}

fn describe(config: &VideoConfig) -> String {
    format!("encode video of {} at {} fps", config.size, config.fps)
}

fn check(config: &VideoConfig) -> Result<(), CodecError> {
    let Size { width, height } = config.size;
    let side = |side: u32| (2..=SIDE_MAX).contains(&side) && side.is_multiple_of(2);
    let why = if !side(width) || !side(height) {
        format!("both sides must be even, from 2 to {SIDE_MAX}")
    } else if !(1..=FPS_MAX).contains(&config.fps) {
        format!("frames a second must be from 1 to {FPS_MAX}")
    } else if !(0.0..=CRF_MAX).contains(&config.crf) {
        format!("CRF must be from 0 to {CRF_MAX}, not {}", config.crf)
    } else if !(1000..=u64::from(u32::MAX)).contains(&config.max_bitrate) {
        "the highest bitrate must be from 1 kb/s to 4 Gb/s".into()
    } else {
        return Ok(());
    };
    Err(CodecError::InvalidConfig { what: describe(config), why })
}
