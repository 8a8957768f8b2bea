//! What each encoder of pictures is called, told, and gives: the one place that knows x264 from libvpx and libaom.

use super::{Speed, VideoCodec, VideoConfig};
use crate::{av1, ffmpeg, h264, vp9};
use bytes::Bytes;
use ffmpeg_next::{Dictionary, format::Pixel};
use model::CodecConfig;

/// What x264 is told times in, and what MP4 tracks of pictures have.
const TICKS_PER_SECOND: u32 = 90_000;
/// Of x264 for 8 bits, and of what callers may ask for.
pub(super) const CRF_MAX: f32 = 51.0;
/// Of libvpx and libaom.
const QUANTIZER_MAX: f32 = 63.0;

/// FFmpeg's name of the encoder, and what brings it.
///
/// AV1 is libaom's: SVT-AV1 is faster, but before version 1.5 it makes no keyframe on request, and it writes to the
/// terminal whatever it is told.
pub(super) fn library(codec: VideoCodec) -> (&'static str, &'static str) {
    match codec {
        VideoCodec::H264 => {
            ("libx264", "an FFmpeg with libx264 (Debian: libavcodec59, Fedora: ffmpeg-libs from RPM Fusion)")
        }
        VideoCodec::Vp9 => ("libvpx-vp9", "an FFmpeg with libvpx (Debian: libavcodec59)"),
        VideoCodec::Av1 => ("libaom-av1", "an FFmpeg with libaom (Debian: libavcodec59)"),
    }
}

/// What it takes pictures as.
pub(super) fn pixels(codec: VideoCodec) -> Pixel {
    match codec {
        VideoCodec::H264 => Pixel::NV12,
        VideoCodec::Vp9 | VideoCodec::Av1 => Pixel::YUV420P,
    }
}

/// Ticks of its times. libvpx and libaom take each picture to last one tick, and plan their bits by it.
pub(super) fn ticks_per_second(config: &VideoConfig) -> u32 {
    match config.codec {
        VideoCodec::H264 => TICKS_PER_SECOND,
        VideoCodec::Vp9 | VideoCodec::Av1 => config.fps,
    }
}

/// What a decoder must know, from what the encoder says of itself once it is open.
pub(super) fn codec_config(config: &VideoConfig, extradata: &[u8]) -> Option<CodecConfig> {
    let size = config.size;
    Some(match config.codec {
        VideoCodec::H264 => CodecConfig::H264 { size, avcc: h264::decoder_configuration(extradata)? },
        VideoCodec::Vp9 => CodecConfig::Vp9 { size, vpcc: vp9::decoder_configuration(size, config.fps) },
        VideoCodec::Av1 => CodecConfig::Av1 { size, av1c: av1::decoder_configuration(extradata)? },
    })
}

/// One picture, as containers want it.
pub(super) fn packet_bytes(codec: VideoCodec, encoded: &[u8]) -> Bytes {
    match codec {
        VideoCodec::H264 => h264::length_prefixed(encoded),
        VideoCodec::Vp9 => Bytes::copy_from_slice(encoded),
        VideoCodec::Av1 => av1::sample(encoded),
    }
}

/// As in FFmpeg's manual.
pub(super) fn options(config: &VideoConfig) -> Dictionary<'static> {
    let mut options = ffmpeg::options(&[
        // Keyframes begin chunks, and the engine knows where: none but those it asks for.
        ("g", "1000000"),
        ("color_primaries", "bt709"),
        ("color_trc", "bt709"),
        ("colorspace", "bt709"),
        ("color_range", "tv"),
        // Chroma is the mean of two by two pixels, so it lies between them.
        ("chroma_sample_location", "center"),
    ]);
    let own = match config.codec {
        VideoCodec::H264 => x264(config),
        VideoCodec::Vp9 => libvpx(config),
        VideoCodec::Av1 => libaom(config),
    };
    for (name, value) in own {
        options.set(name, &value);
    }
    options
}

type Options = Vec<(&'static str, String)>;

fn x264(config: &VideoConfig) -> Options {
    let preset = match config.speed {
        Speed::Veryfast => "veryfast",
        Speed::Superfast => "superfast",
        Speed::Ultrafast => "ultrafast",
    };
    let rate = config.max_bitrate.to_string();
    vec![
        ("preset", preset.into()),
        ("tune", "zerolatency".into()),
        ("profile", "high".into()),
        ("crf", config.crf.to_string()),
        ("maxrate", rate.clone()),
        ("bufsize", rate),
        ("bf", "0".into()),
        ("threads", threads(config).to_string()),
        ("forced-idr", "1".into()),
        ("sc_threshold", "0".into()),
        // Screens do not fade, and looking for it takes 3 % of the time.
        ("x264-params", "weightp=0".into()),
    ]
}

fn libvpx(config: &VideoConfig) -> Options {
    let speed = match config.speed {
        Speed::Veryfast => "6",
        Speed::Superfast => "7",
        Speed::Ultrafast => "8",
    };
    let mut options = without_delay(config);
    options.extend([
        ("deadline", "realtime".into()),
        ("cpu-used", speed.into()),
        // A picture that is only there to be referred to would be a packet that shows nothing.
        ("auto-alt-ref", "0".into()),
        // Text that scrolls takes a third less.
        ("tune-content", "screen".into()),
    ]);
    options
}

fn libaom(config: &VideoConfig) -> Options {
    let speed = match config.speed {
        Speed::Veryfast => "7",
        Speed::Superfast | Speed::Ultrafast => "8",
    };
    let mut options = without_delay(config);
    options.extend([
        ("usage", "realtime".into()),
        ("cpu-used", speed.into()),
        // Text that scrolls takes a seventh.
        ("aom-params", "tune-content=screen".into()),
    ]);
    options
}

/// What libvpx and libaom share.
fn without_delay(config: &VideoConfig) -> Options {
    // Their quantizers go up to 63 where x264's go up to 51; at the same share of it pictures look about the same.
    let quantizer = config.crf / CRF_MAX * QUANTIZER_MAX;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    vec![
        ("lag-in-frames", "0".into()),
        ("row-mt", "1".into()),
        ("tile-columns", tile_columns(config.size.width).into()),
        ("threads", processors.min(4).to_string()),
        ("crf", quantizer.round().to_string()),
        ("b", config.max_bitrate.to_string()),
        ("bufsize", config.max_bitrate.to_string()),
        // As far apart as they can be: no keyframe but on request.
        ("keyint_min", "1000000".into()),
    ]
}

/// The logarithm of how many columns of tiles there are. Threads share them; each has 256 to 4096 pixels.
fn tile_columns(width: u32) -> &'static str {
    match width {
        0..512 => "0",
        512..=8192 => "1",
        _ => "2",
    }
}

/// As few as keep up: each slice of a picture takes some work of its own, 5 to 8 % for the second one. One keeps up
/// with 1080p at 30 fps twice over on a slow machine.
fn threads(config: &VideoConfig) -> u64 {
    const PIXELS_PER_THREAD: u64 = 1920 * 1080 * 30;
    let pixels = u64::from(config.size.width) * u64::from(config.size.height) * u64::from(config.fps);
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    pixels.div_ceil(PIXELS_PER_THREAD).clamp(1, processors.min(8))
}
