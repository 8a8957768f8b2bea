//! VP9, AV1 and Opus into a WebM file, through libavformat.
//!
//! WebM counts in milliseconds, so that is how exact its times are. Its index stands before its pictures, so that
//! players that get it over a network can seek at once.

use crate::{CodecError, ffmpeg, opus};
use ffmpeg_next::{
    ChannelLayout, Packet as Encoded, Rational, codec, color, ffi, format, format::context::Output,
    format::context::StreamIo, packet::Flags, packet::Mut,
};
use model::{CodecConfig, Packet, Size, Timestamp};
use std::{fs::File, path::Path, path::PathBuf, time::Duration};

const MILLIS: u32 = 1000;

/// A WebM file that is being written. Dropped before [`Self::finish`], it leaves one of no use.
pub struct WebmWriter {
    output: Output,
    path: PathBuf,
    tracks: Vec<Track>,
}

struct Track {
    /// Samples of priming and their rate, if it is sound.
    sound: Option<(u32, u32)>,
    /// When the newest packet is shown or heard.
    last: Option<Timestamp>,
    /// The newest picture, which lasts until the next.
    held: Option<Packet>,
}

impl WebmWriter {
    /// Begins a file of these tracks, in this order. What was at `path` is gone.
    pub fn create(path: &Path, tracks: &[CodecConfig]) -> Result<Self, CodecError> {
        ffmpeg::be_quiet();
        let contexts: Vec<_> = tracks.iter().map(describe).collect::<Result<_, _>>()?;
        if contexts.is_empty() {
            return Err(invalid("there is nothing to write"));
        }
        let file = File::create(path).map_err(|error| failed(path, "creating")(error.to_string()))?;
        let creating = |error: ffmpeg_next::Error| failed(path, "creating")(error.to_string());
        // By this name libavformat reads back what it moves to make room for the index.
        let name = path.to_str().map(|path| format!("file:{path}"));
        let stream = StreamIo::from_write_seek(file).map_err(creating)?;
        let mut output = format::output_to_stream(stream, name.as_deref(), Some("webm")).map_err(creating)?;
        for context in &contexts {
            output.add_stream_with(context).map_err(creating)?;
        }
        let index_place = if name.is_some() { "1" } else { "0" };
        let options = [
            ("cues_to_front", index_place),
            // Packets wait for those of the other tracks however long a picture stands still.
            ("max_interleave_delta", "0"),
            // Else all tracks would come later by the priming, and sound alone would be put right.
            ("avoid_negative_ts", "disabled"),
        ];
        output.write_header_with(ffmpeg::options(&options)).map_err(creating)?;
        let track = |codec: &CodecConfig| {
            let sound = codec.is_sound().then(|| (codec.priming(), codec.timescale()));
            Track { sound, last: None, held: None }
        };
        Ok(Self { output, path: path.to_owned(), tracks: tracks.iter().map(track).collect() })
    }

    /// Writes the next packet of a track. The file's time zero is that of the packets: nothing comes before it but an
    /// encoder's priming.
    pub fn write(&mut self, track: usize, packet: &Packet) -> Result<(), CodecError> {
        let refused = |why: String| CodecError::InvalidSample { at: packet.at, why };
        let found =
            self.tracks.get_mut(track).ok_or_else(|| refused(format!("there is no track {track}")))?;
        let (priming, rate) = found.sound.unwrap_or((0, MILLIS));
        let first = Timestamp::from_ticks(-i64::from(priming), rate);
        if packet.at < found.last.unwrap_or(first) {
            return Err(refused(format!("it cannot come before {}", found.last.unwrap_or(first))));
        }
        found.last = Some(packet.at);
        if found.sound.is_some() {
            return self.mux(track, packet, packet.at + packet.duration);
        }
        let mut packet = packet.clone();
        // Two pictures within a millisecond, the file's unit, come one after the other all the same.
        let before = found.held.as_ref().map(|before| before.at.to_ticks(MILLIS));
        if let Some(before) = before.filter(|before| packet.at.to_ticks(MILLIS) <= *before) {
            packet.at = Timestamp::from_ticks(before + 1, MILLIS);
        }
        let at = packet.at;
        match found.held.replace(packet) {
            Some(before) => self.mux(track, &before, at),
            None => Ok(()),
        }
    }

    /// No more packets will come; pictures last until `end`. The file is complete after this, but not yet safe from a
    /// power cut.
    pub fn finish(mut self, end: Timestamp) -> Result<(), CodecError> {
        for track in 0..self.tracks.len() {
            if let Some(last) = self.tracks[track].held.take() {
                self.mux(track, &last, end)?;
            }
        }
        self.output.write_trailer().map_err(|error| failed(&self.path, "finishing")(error.to_string()))
    }

    fn mux(&mut self, track: usize, packet: &Packet, end: Timestamp) -> Result<(), CodecError> {
        let writing = failed(&self.path, "writing");
        let sound = self.tracks[track].sound;
        let mut encoded = ffmpeg::packet(&packet.bytes).ok_or_else(|| CodecError::InvalidSample {
            at: packet.at,
            why: format!("it has {} bytes", packet.bytes.len()),
        })?;
        // What readers take off the times of a track of sound is its priming. FFmpeg 5 leaves adding it to its callers;
        // should another not, the test of packets' times says so. Rounding after that and not before, packets of whole
        // milliseconds stay exact.
        let priming =
            sound.map_or(Timestamp::ZERO, |(priming, rate)| Timestamp::from_ticks(i64::from(priming), rate));
        let millis = |at: Timestamp| (at + Duration::from_nanos(priming.0.unsigned_abs())).to_ticks(MILLIS);
        // The file's duration comes from these ends, and is that of what is heard.
        let (start, end) = (millis(packet.at), end.to_ticks(MILLIS));
        encoded.set_stream(track);
        encoded.set_pts(Some(start));
        encoded.set_dts(Some(start));
        encoded.set_duration((end - start).max(0));
        encoded.set_flags(if packet.keyframe { Flags::KEY } else { Flags::empty() });
        encoded.rescale_ts(Rational(1, MILLIS as i32), self.time_base(track));
        if let Some((_, rate)) = sound {
            discard_padding(&mut encoded, packet, rate).ok_or_else(|| writing("no memory".into()))?;
        }
        encoded.write_interleaved(&mut self.output).map_err(|error| writing(error.to_string()))
    }

    fn time_base(&self, track: usize) -> Rational {
        self.output.stream(track).map_or(Rational(1, MILLIS as i32), |stream| stream.time_base())
    }
}

fn invalid(why: &str) -> CodecError {
    CodecError::InvalidConfig { what: "write WebM".into(), why: why.into() }
}

fn failed(path: &Path, operation: &'static str) -> impl Fn(String) -> CodecError {
    let path = path.to_owned();
    move |why| CodecError::File { path: path.clone(), operation, why }
}

/// A packet that is heard only in part says so.
fn discard_padding(encoded: &mut Encoded, packet: &Packet, rate: u32) -> Option<()> {
    const SIZE: usize = 10;
    let heard = (Timestamp::ZERO + packet.duration).to_ticks(rate);
    let padding = opus::samples(&packet.bytes).map_or(0, |samples| samples - heard);
    let Some(padding) = u32::try_from(padding).ok().filter(|padding| *padding > 0) else { return Some(()) };
    let mut skip = [0; SIZE];
    skip[4..8].copy_from_slice(&padding.to_le_bytes());
    #[expect(unsafe_code, reason = "the binding has no way to write it")]
    // SAFETY: the packet lives and is ours alone; FFmpeg gives `SIZE` bytes that belong to it, or null.
    unsafe {
        let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_SKIP_SAMPLES;
        let data = ffi::av_packet_new_side_data(encoded.as_mut_ptr(), kind, SIZE as _);
        if data.is_null() {
            return None;
        }
        std::ptr::copy_nonoverlapping(skip.as_ptr(), data, SIZE);
    }
    Some(())
}

/// A track as libavformat knows it.
fn describe(codec: &CodecConfig) -> Result<codec::Context, CodecError> {
    match codec {
        CodecConfig::Vp9 { size, .. } => picture(ffi::AVCodecID::AV_CODEC_ID_VP9, *size, &[]),
        CodecConfig::Av1 { size, av1c } => picture(ffi::AVCodecID::AV_CODEC_ID_AV1, *size, av1c),
        CodecConfig::Opus { rate, channels, priming, .. } => {
            let mut context = sound(ffi::AVCodecID::AV_CODEC_ID_OPUS, *rate, *channels)?;
            ffmpeg::set_extradata(&mut context, &opus::header(*rate, *channels, *priming))?;
            ffmpeg::set_initial_padding(&mut context, *priming);
            Ok(context)
        }
        CodecConfig::H264 { .. } | CodecConfig::Aac { .. } | CodecConfig::Json => {
            Err(invalid("it holds VP9, AV1 and Opus alone"))
        }
    }
}

fn picture(id: ffi::AVCodecID, size: Size, extradata: &[u8]) -> Result<codec::Context, CodecError> {
    let video = ffmpeg::context_of(id).encoder().video();
    let mut video = video.map_err(CodecError::failed("describing pictures"))?;
    video.set_width(size.width);
    video.set_height(size.height);
    video.set_format(format::Pixel::YUV420P);
    video.set_colorspace(color::Space::BT709);
    video.set_color_range(color::Range::MPEG);
    video.set_color_primaries(color::Primaries::BT709);
    video.set_color_transfer_characteristic(color::TransferCharacteristic::BT709);
    let mut context = video.0.0;
    ffmpeg::set_extradata(&mut context, extradata)?;
    Ok(context)
}

fn sound(id: ffi::AVCodecID, rate: u32, channels: u16) -> Result<codec::Context, CodecError> {
    let audio = ffmpeg::context_of(id).encoder().audio();
    let mut audio = audio.map_err(CodecError::failed("describing sound"))?;
    audio.set_rate(i32::try_from(rate).map_err(|_| invalid("its rate is too high"))?);
    audio.set_channel_layout(if channels == 1 { ChannelLayout::MONO } else { ChannelLayout::STEREO });
    Ok(audio.0.0)
}
