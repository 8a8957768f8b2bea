//! Pictures to H.264, through x264.

use crate::{CodecError, ffmpeg, h264, lend};
use ffmpeg_next::{Packet as Encoded, codec, encoder, format::Pixel, picture};
use model::{CodecConfig, Nv12, Packet, Size, Timestamp};
use std::{collections::VecDeque, time::Duration};

const X264: &str = "libx264";
const X264_PACKAGE: &str =
    "an FFmpeg with libx264 (Debian: libavcodec59, Fedora: ffmpeg-libs from RPM Fusion)";
/// What x264 is told times in, and what MP4 tracks of pictures have.
const TICKS_PER_SECOND: u32 = 90_000;
/// As ITU-T H.264 allows at its highest level.
const SIDE_MAX: u32 = 16_384;
/// More than any screen shows.
const FPS_MAX: u32 = 1_000;
/// x264 takes no higher one for 8 bits.
const CRF_MAX: f32 = 51.0;

/// How hard the encoder tries, by the names of x264's presets. Quality at the same bitrate falls from first to last.
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
    /// Of every picture; both sides even.
    pub size: Size,
    /// The most pictures that come in a second; they may come at any time.
    pub fps: u32,
    /// Constant quality: 0 keeps everything, 51 nothing.
    pub crf: f32,
    /// Bits a second that no second may exceed, even if quality suffers.
    pub max_bitrate: u64,
    /// How hard to try.
    pub speed: Speed,
}

/// An open H.264 encoder. No reordering: packets come in the order of pictures, one for one and without delay. A
/// keyframe is made of the first picture, and after that only on request.
pub struct VideoEncoder {
    /// None once it has failed.
    encoder: Option<encoder::video::Encoder>,
    config: CodecConfig,
    size: Size,
    keyframe_requested: bool,
    /// Times of the pictures that went in and are not out yet, since ticks are coarser than they are.
    times: VecDeque<Timestamp>,
    last: Option<(Timestamp, i64)>,
    packets: VecDeque<Packet>,
}

impl VideoEncoder {
    /// Opens x264 for pictures as `config` says.
    pub fn open(config: &VideoConfig) -> Result<Self, CodecError> {
        check(config)?;
        let invalid = |why: String| CodecError::InvalidConfig { what: describe(config), why };
        let x264 = ffmpeg::find(X264, X264_PACKAGE)?;
        let mut video = codec::Context::new_with_codec(x264)
            .encoder()
            .video()
            .map_err(CodecError::failed("opening the video encoder"))?;
        video.set_width(config.size.width);
        video.set_height(config.size.height);
        video.set_format(Pixel::NV12);
        video.set_time_base((1, TICKS_PER_SECOND as i32));
        video.set_frame_rate(Some((config.fps as i32, 1)));
        video.set_flags(codec::Flags::GLOBAL_HEADER | codec::Flags::CLOSED_GOP);
        let encoder =
            video.open_as_with(x264, options(config)).map_err(|error| invalid(error.to_string()))?;
        let avcc = h264::decoder_configuration(&ffmpeg::extradata(&encoder))
            .ok_or_else(|| invalid("x264 gave no parameter sets".into()))?;
        Ok(Self {
            encoder: Some(encoder),
            config: CodecConfig::H264 { size: config.size, avcc },
            size: config.size,
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
        let ticks = at.to_ticks(TICKS_PER_SECOND);
        // x264 wants them to grow, and two pictures may fall into one tick. What it makes of them is not used.
        let ticks = self.last.map_or(ticks, |(_, last)| ticks.max(last.saturating_add(1)));
        let kind = if self.keyframe_requested { picture::Type::I } else { picture::Type::None };
        let encoder = self.encoder.take().ok_or_else(failed_before)?;
        self.encoder = Some(lend::encode(encoder, picture, ticks, kind)?);
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
        let (width, height) = (picture.size.width as usize, picture.size.height as usize);
        let holds = |plane: &[u8], rows: usize| {
            let needed = picture.stride.checked_mul(rows - 1).and_then(|bytes| bytes.checked_add(width));
            needed.is_some_and(|needed| plane.len() >= needed)
        };
        let stride_fits = picture.stride >= width && i32::try_from(picture.stride).is_ok();
        if !stride_fits || !holds(picture.luma, height) || !holds(picture.chroma, height / 2) {
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
            let bytes = h264::length_prefixed(encoded.data().unwrap_or_default());
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

fn failed_before() -> CodecError {
    CodecError::Failed { operation: "encoding a picture", why: "the encoder is closed".into() }
}

fn describe(config: &VideoConfig) -> String {
    format!("video of {} at {} fps", config.size, config.fps)
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

fn options(config: &VideoConfig) -> ffmpeg_next::Dictionary<'static> {
    let preset = match config.speed {
        Speed::Veryfast => "veryfast",
        Speed::Superfast => "superfast",
        Speed::Ultrafast => "ultrafast",
    };
    let (crf, rate) = (config.crf.to_string(), config.max_bitrate.to_string());
    ffmpeg::options(&[
        ("preset", preset),
        ("tune", "zerolatency"),
        ("profile", "high"),
        ("crf", &crf),
        ("maxrate", &rate),
        ("bufsize", &rate),
        ("bf", "0"),
        ("threads", &threads(config).to_string()),
        // Keyframes begin chunks, and the engine knows where: none but those it asks for.
        ("g", "1000000"),
        ("forced-idr", "1"),
        ("sc_threshold", "0"),
        // Screens do not fade, and looking for it takes 3 % of the time.
        ("x264-params", "weightp=0"),
        ("color_primaries", "bt709"),
        ("color_trc", "bt709"),
        ("colorspace", "bt709"),
        ("color_range", "tv"),
        // Chroma is the mean of two by two pixels, so it lies between them.
        ("chroma_sample_location", "center"),
    ])
}

/// As few as keep up: each slice of a picture takes some work of its own, 5 to 8 % for the second one. One keeps up
/// with 1080p at 30 fps twice over on a slow machine.
fn threads(config: &VideoConfig) -> u64 {
    const PIXELS_PER_THREAD: u64 = 1920 * 1080 * 30;
    let pixels = u64::from(config.size.width) * u64::from(config.size.height) * u64::from(config.fps);
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    pixels.div_ceil(PIXELS_PER_THREAD).clamp(1, processors.min(8))
}
