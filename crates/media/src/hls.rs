//! Playlists (RFC 8216) made from manifests. Chunks are the segments, byte for byte.
//!
//! Only session-wide gaps are discontinuities: they lie at the same place in all tracks, and players line renditions
//! up by counting them. A new init alone (the picture changed its size) is not one, since time goes on through it.

use model::{Chunk, CodecConfig, Hash, Span, Timestamp, TrackManifest, UtcTime};
use std::{fmt::Write, time::Duration};

/// What a playlist names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource<'a> {
    /// An init segment.
    Init(&'a Hash),
    /// A chunk.
    Chunk(&'a Chunk),
}

/// A track's playlist, before it is text.
#[derive(Debug, Clone, Copy)]
pub struct MediaPlaylist<'a> {
    /// Its chunks: all of them, or those that are still there.
    pub track: &'a TrackManifest,
    /// The session-wide gaps, in order.
    pub gaps: &'a [Span],
    /// Wall clock at time zero, if players may know it.
    pub started_at: Option<UtcTime>,
    /// Length of the session's chunks. While more come, a playlist's target may not change, so it is made from this.
    pub chunk: Duration,
    /// Whether no more will come.
    pub ended: bool,
}

/// One way to play a session's picture or its sound.
#[derive(Debug, Clone, Copy)]
pub struct Rendition<'a> {
    /// The track.
    pub track: &'a TrackManifest,
    /// What it carries.
    pub codec: &'a CodecConfig,
    /// Where its playlist is.
    pub uri: &'a str,
}

/// The playlist of one track. `uri` says where inits and chunks are; what it gives must not hold quotes or line ends.
pub fn media_playlist(playlist: &MediaPlaylist<'_>, uri: impl Fn(Resource<'_>) -> String) -> String {
    let segments = segments(playlist);
    let longest = segments.iter().map(|segment| segment.duration).max().unwrap_or_default();
    // A chunk goes on until a keyframe comes, which is at most a second after its boundary.
    let target = if playlist.ended {
        longest
    } else {
        longest.max(playlist.chunk.saturating_add(Duration::from_secs(1)))
    };
    let first = segments.first().map_or(1, |segment| segment.chunk.id.index);
    let gone = segments.first().map_or(0, |first| first.gaps);

    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    line(&mut text, format_args!("#EXT-X-TARGETDURATION:{}", target.as_secs_f64().round().max(1.0)));
    line(&mut text, format_args!("#EXT-X-MEDIA-SEQUENCE:{first}"));
    if gone > 0 {
        line(&mut text, format_args!("#EXT-X-DISCONTINUITY-SEQUENCE:{gone}"));
    }
    if playlist.ended {
        text.push_str("#EXT-X-PLAYLIST-TYPE:VOD\n");
    }
    let (mut init, mut gaps) = (None, gone);
    for (number, segment) in segments.iter().enumerate() {
        let after_gap = segment.gaps > gaps;
        for _ in gaps..segment.gaps {
            text.push_str("#EXT-X-DISCONTINUITY\n");
        }
        gaps = segment.gaps;
        if init != Some(segment.chunk.init) {
            init = Some(segment.chunk.init);
            line(&mut text, format_args!("#EXT-X-MAP:URI=\"{}\"", uri(Resource::Init(&segment.chunk.init))));
        }
        if let Some(zero) = playlist.started_at.filter(|_| after_gap || number == 0) {
            let at = UtcTime(zero.0.saturating_add(segment.start.0 / 1_000_000));
            line(&mut text, format_args!("#EXT-X-PROGRAM-DATE-TIME:{}", Rfc3339(at)));
        }
        line(&mut text, format_args!("#EXTINF:{:.6},", segment.duration.as_secs_f64()));
        line(&mut text, format_args!("{}", uri(Resource::Chunk(segment.chunk))));
    }
    if playlist.ended {
        text.push_str("#EXT-X-ENDLIST\n");
    }
    text
}

/// The playlist that ties picture and sound together; none if there is neither. What is not played has no place in it.
pub fn master_playlist(picture: Option<&Rendition<'_>>, sound: Option<&Rendition<'_>>) -> Option<String> {
    let picture = picture.filter(|rendition| rendition.codec.picture_size().is_some());
    let sound = sound.filter(|rendition| rendition.codec.is_sound());
    let main = picture.or(sound)?;
    let grouped = sound.filter(|_| picture.is_some());
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    if let Some(sound) = grouped {
        let name = quotable(&sound.track.track.label);
        let channels = sound.codec.sound_channels().unwrap_or(0);
        line(
            &mut text,
            format_args!(
                "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"{name}\",DEFAULT=YES,AUTOSELECT=YES,\
                 CHANNELS=\"{channels}\",URI=\"{}\"",
                sound.uri
            ),
        );
    }
    let together = [Some(main), grouped];
    let together = || together.iter().flatten();
    let (peak, average) =
        together().map(|rendition| bandwidth(rendition.track)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    let codecs: Vec<_> = together().map(|rendition| codec_name(rendition.codec)).collect();
    let mut stream = format!(
        "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"{}\"",
        codecs.join(",")
    );
    if let Some(size) = main.codec.picture_size() {
        stream += &format!(",RESOLUTION={size}");
    }
    if grouped.is_some() {
        stream += ",AUDIO=\"sound\"";
    }
    line(&mut text, format_args!("{stream}\n{}", main.uri));
    Some(text)
}

/// As RFC 6381 and the bindings of each codec name it: profile, constraints and level of H.264; profile, level and
/// bit depth of VP9 and AV1, and AV1's tier; the object type of AAC.
pub fn codec_name(codec: &CodecConfig) -> String {
    match codec {
        CodecConfig::H264 { avcc, .. } => {
            let profile: String = avcc.iter().skip(1).take(3).map(|byte| format!("{byte:02x}")).collect();
            format!("avc1.{profile}")
        }
        CodecConfig::Vp9 { vpcc, .. } => {
            let byte = |index: usize| vpcc.get(index).copied().unwrap_or(0);
            format!("vp09.{:02}.{:02}.{:02}", byte(0), byte(1), byte(2) >> 4)
        }
        CodecConfig::Av1 { av1c, .. } => {
            let byte = |index: usize| av1c.get(index).copied().unwrap_or(0);
            let tier = if byte(2) & 0x80 == 0 { 'M' } else { 'H' };
            let depth = match byte(2) >> 5 & 3 {
                0 | 1 => 8,
                2 => 10,
                _ => 12,
            };
            format!("av01.{}.{:02}{tier}.{depth:02}", byte(1) >> 5, byte(1) & 0x1F)
        }
        CodecConfig::Aac { asc, .. } => format!("mp4a.40.{}", asc.first().map_or(2, |byte| byte >> 3)),
        CodecConfig::Opus { .. } => "opus".to_owned(),
        CodecConfig::Json => "mett".to_owned(),
    }
}

/// Quoted strings hold neither quotes nor line ends.
fn quotable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || c == '"' { ' ' } else { c }).collect()
}

struct Segment<'a> {
    chunk: &'a Chunk,
    start: Timestamp,
    duration: Duration,
    /// Gaps before it. All tracks count the same ones, whichever of their chunks are there.
    gaps: usize,
}

fn segments<'a>(playlist: &MediaPlaylist<'a>) -> Vec<Segment<'a>> {
    let mut segments: Vec<Segment<'_>> = Vec::new();
    for chunk in &playlist.track.chunks {
        // What comes before time zero is an encoder's priming.
        let start = chunk.span.start.max(Timestamp::ZERO);
        // Chunks are sealed where a gap starts, so one that starts later comes after it.
        let gaps = playlist.gaps.iter().filter(|gap| gap.start < start).count();
        if let Some(last) = segments.last_mut().filter(|last| last.gaps == gaps) {
            // Up to the next one, so that a playlist's times are the session's.
            last.duration = start.saturating_since(last.start);
        }
        segments.push(Segment { chunk, start, duration: chunk.span.end.saturating_since(start), gaps });
    }
    segments
}

/// Bits a second: of the worst chunk, and of all.
fn bandwidth(track: &TrackManifest) -> (u64, u64) {
    let rate = |bytes: u64, duration: Duration| {
        (bytes as f64 * 8.0 / duration.as_secs_f64().max(0.25)).ceil() as u64
    };
    let peak = track.chunks.iter().map(|chunk| rate(chunk.size, chunk.span.duration())).max();
    let (bytes, duration) = track.chunks.iter().fold((0, Duration::ZERO), |(bytes, duration), chunk| {
        (bytes + chunk.size, duration + chunk.span.duration())
    });
    (peak.unwrap_or(0), rate(bytes, duration))
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _infallible = writeln!(text, "{content}");
}

/// 2026-11-21T12:00:00.000Z
struct Rfc3339(UtcTime);

impl std::fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const DAY: i64 = 86_400_000;
        let (days, millis) = (self.0.0.div_euclid(DAY), self.0.0.rem_euclid(DAY));
        let (year, month, day) = civil_from_days(days);
        let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
        let millis = millis % 1000;
        write!(f, "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z")
    }
}

/// The Gregorian date of a day counted from 1970-01-01. Years are counted from March, so that the leap day is the
/// last of its year and 153 days are always five months.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // from 0000-03-01
    let era = days.div_euclid(146_097); // of 400 years
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year + 400 * era + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_may_say_anything_of_the_length_of_chunks() {
        let info = model::TrackInfo {
            id: crate::fixtures::track("mix"),
            kind: model::TrackKind::Mix,
            label: String::new(),
            inits: vec![],
        };
        let track = TrackManifest { track: info, chunks: vec![] };
        let playlist =
            MediaPlaylist { track: &track, gaps: &[], started_at: None, chunk: Duration::MAX, ended: false };
        assert!(media_playlist(&playlist, |_| String::new()).contains("TARGETDURATION:1844674407370955"));
    }

    #[test]
    fn wall_clock_times_are_gregorian() {
        let text = |millis| Rfc3339(UtcTime(millis)).to_string();
        assert_eq!(text(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(text(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(text(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(text(1_795_262_400_123), "2026-11-21T12:00:00.123Z");
        assert_eq!(text(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn codecs_have_their_rfc_6381_names() {
        assert_eq!(codec_name(&crate::fixtures::h264()), "avc1.42c00d");
        assert_eq!(codec_name(&crate::fixtures::aac()), "mp4a.40.2");
        assert_eq!(codec_name(&crate::fixtures::vp9()), "vp09.00.11.08");
        assert_eq!(codec_name(&crate::fixtures::av1()), "av01.0.00M.08");
        assert_eq!(codec_name(&crate::fixtures::opus()), "opus");
    }
}
