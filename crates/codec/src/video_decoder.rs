//! H.264, VP9 and AV1 to pictures.

use crate::{CodecError, ffmpeg, planar};
use bytes::Bytes;
use ffmpeg_next::{decoder, frame};
use model::{CodecConfig, Packet, Planes, Size, Timestamp};
use std::collections::VecDeque;

/// How much larger than its visible part a coded picture may be, each way: codecs work in blocks.
const BLOCK: u64 = 128;

/// An open decoder of one track of pictures, from any of its keyframes on. Takes any bytes at all: what is broken
/// gives an error, and larger pictures than were announced are never made.
pub struct VideoDecoder {
    /// None once it has finished.
    decoder: Option<decoder::Video>,
    size: Size,
    /// What comes before the next keyframe refers to pictures that are not there.
    needs_keyframe: bool,
    /// Packets so far: FFmpeg is told these instead of times.
    count: i64,
    /// Times of the packets that went in and whose pictures are not out yet.
    times: VecDeque<(i64, Timestamp)>,
    pictures: VecDeque<(Timestamp, Planes)>,
}

impl VideoDecoder {
    /// Opens a decoder for the packets that `config` describes.
    pub fn open(config: &CodecConfig) -> Result<Self, CodecError> {
        let invalid = |why: String| CodecError::InvalidConfig { what: "decode pictures".into(), why };
        let no_pictures = || invalid("there are none in this track".into());
        let size = config.picture_size().ok_or_else(no_pictures)?;
        let (names, package, extradata) = library(config).ok_or_else(no_pictures)?;
        let side = |side: u32| side > 0 && side.is_multiple_of(2);
        if !side(size.width) || !side(size.height) {
            return Err(invalid(format!("both sides of {size} must be even")));
        }
        let pixels_max = (u64::from(size.width) + BLOCK) * (u64::from(size.height) + BLOCK);
        let options = ffmpeg::options(&[
            // Pictures come in the order of their packets, so each can be had at once.
            ("flags", "low_delay"),
            ("threads", "1"),
            ("err_detect", "explode"),
            ("max_pixels", &pixels_max.to_string()),
        ]);
        let decoder = ffmpeg::open_decoder(names, package, &extradata, options)?;
        let decoder = decoder.video().map_err(CodecError::failed("opening the video decoder"))?;
        Ok(Self {
            decoder: Some(decoder),
            size,
            needs_keyframe: true,
            count: 0,
            times: VecDeque::new(),
            pictures: VecDeque::new(),
        })
    }

    /// Decodes the next packet. What comes before the first keyframe gives nothing, without an error; nor does what
    /// comes after a corrupt packet, up to the next keyframe.
    pub fn push(&mut self, packet: &Packet) -> Result<(), CodecError> {
        if packet.keyframe {
            self.needs_keyframe = false;
        }
        let decoder = self.decoder.as_mut().ok_or_else(closed)?;
        if self.needs_keyframe {
            return Ok(());
        }
        let Some(mut encoded) = ffmpeg::packet(&packet.bytes) else {
            return Err(self.lose(packet.at, "it has no such size".into()));
        };
        encoded.set_pts(Some(self.count));
        self.times.push_back((self.count, packet.at));
        self.count += 1;
        match decoder.send_packet(&encoded) {
            Ok(()) => self.receive(packet.at),
            Err(error) => Err(self.lose(packet.at, error.to_string())),
        }
    }

    /// The next picture, if one is ready, and when it is shown.
    pub fn poll(&mut self) -> Result<Option<(Timestamp, Planes)>, CodecError> {
        Ok(self.pictures.pop_front())
    }

    /// No more packets will come; what is left is ready for `poll` after this.
    pub fn finish(&mut self) -> Result<(), CodecError> {
        let decoder = self.decoder.as_mut().ok_or_else(closed)?;
        let at = self.times.back().map_or(Timestamp::ZERO, |(_, at)| *at);
        let sent = decoder.send_eof().map_err(CodecError::failed("finishing the pictures"));
        let received = sent.and_then(|()| self.receive(at));
        self.decoder = None;
        received
    }

    /// `at` is the time of the newest packet, for errors.
    fn receive(&mut self, at: Timestamp) -> Result<(), CodecError> {
        let mut frame = frame::Video::empty();
        loop {
            let Some(decoder) = self.decoder.as_mut() else { return Ok(()) };
            match ffmpeg::receive_frame(decoder, &mut frame) {
                Ok(true) => self.take(&frame, at)?,
                Ok(false) => return Ok(()),
                Err(error) => return Err(self.lose(at, error.to_string())),
            }
        }
    }

    fn take(&mut self, frame: &frame::Video, newest: Timestamp) -> Result<(), CodecError> {
        let number = frame.pts();
        while self.times.front().is_some_and(|(first, _)| Some(*first) < number) {
            self.times.pop_front();
        }
        let known = self.times.pop_front().filter(|(first, _)| Some(*first) == number);
        let Some((_, at)) = known else {
            return Err(self.lose(newest, "more pictures than packets".into()));
        };
        if frame.is_corrupt() || frame.has_decode_errors() {
            return Err(self.lose(at, "parts of the picture are missing".into()));
        }
        match planar::nv12(frame, self.size) {
            Some(picture) => self.pictures.push_back((at, picture)),
            None => return Err(self.lose(at, format!("it is no picture of {} in 8 bits", self.size))),
        }
        Ok(())
    }

    /// Forgets what came before; the next keyframe needs nothing of it.
    fn lose(&mut self, at: Timestamp, why: String) -> CodecError {
        if let Some(decoder) = self.decoder.as_mut() {
            decoder.flush();
        }
        self.times.clear();
        self.needs_keyframe = true;
        CodecError::CorruptPacket { at, why }
    }
}

fn closed() -> CodecError {
    CodecError::Failed { operation: "decoding a picture", why: "the decoder is closed".into() }
}

/// FFmpeg's names of the decoders that will do, what brings them, and what they must be told.
fn library(config: &CodecConfig) -> Option<(&'static [&'static str], &'static str, Bytes)> {
    match config {
        CodecConfig::H264 { avcc, .. } => {
            Some((&["h264"], "an FFmpeg with its H.264 decoder (Debian: libavcodec59)", avcc.clone()))
        }
        CodecConfig::Vp9 { .. } => {
            Some((&["vp9"], "an FFmpeg with its VP9 decoder (Debian: libavcodec59)", Bytes::new()))
        }
        CodecConfig::Av1 { av1c, .. } => Some((
            &["libdav1d", "libaom-av1"],
            "an FFmpeg with dav1d or libaom (Debian: libavcodec59)",
            av1c.clone(),
        )),
        CodecConfig::Aac { .. } | CodecConfig::Opus { .. } | CodecConfig::Json => None,
    }
}
