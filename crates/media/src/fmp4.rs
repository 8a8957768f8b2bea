//! The boxes of inits and parts (ISO/IEC 14496-12 and 23000-19), written with mp4-atom and read back from anything.
//!
//! An encoder's delay is taken out by one constant edit list in the init, so that presentation time is session time
//! in every chunk: decode times are unsigned and could not say it at time zero.

use crate::{MediaError, boxes, sample_entry};
use bytes::Bytes;
use model::{CodecConfig, Hash, Init, PartMark, SampleMark, Span, Timestamp, TrackId};
use mp4_atom::{
    Decode, Dinf, Dref, DrefEntry, Edts, Elst, ElstEntry, Encode, FourCC, Ftyp, Hdlr, Mdhd, Mdia, Mfhd, Minf,
    Moof, Moov, Mvex, Mvhd, Nmhd, Smhd, Stbl, Stco, Stsd, Tfdt, Tfhd, Tkhd, Traf, Trak, Trex, Trun,
    TrunEntry, TrunSamples, Url, Vmhd,
};

/// The one track of an init and its parts.
const TRACK_ID: u32 = 1;
/// Sample flags of ISO/IEC 14496-12, 8.8.3.1: depends on no other sample.
const KEYFRAME: u32 = 0x0200_0000;
/// Depends on others, and decoding cannot begin at it.
const NOT_KEYFRAME: u32 = 0x0101_0000;
const NON_SYNC: u32 = 0x0001_0000;

/// Makes the init segment of a track.
pub fn init(track: &TrackId, codec: &CodecConfig) -> Result<Init, MediaError> {
    let edits = match codec.priming() {
        0 => vec![],
        // In a fragmented file a duration of zero means: to the end.
        samples => vec![edit(0, Some(samples.into()))],
    };
    let stbl = Stbl {
        stsd: Stsd { codecs: vec![sample_entry::write(track, codec)?] },
        stco: Some(Stco::default()),
        ..Default::default()
    };
    let moov = Moov {
        mvhd: movie_header(1000, TRACK_ID),
        trak: vec![track_box(TRACK_ID, track, codec, edits, stbl)],
        mvex: Some(Mvex {
            mehd: None,
            trex: vec![Trex {
                track_id: TRACK_ID,
                default_sample_description_index: 1,
                ..Default::default()
            }],
        }),
        ..Default::default()
    };
    let mut bytes = Vec::new();
    let unwritable =
        |_| MediaError::Codec { track: track.clone(), what: "its init segment cannot be written" };
    file_type(b"iso6", &[b"iso6", b"cmfc", b"mp41"]).encode(&mut bytes).map_err(unwritable)?;
    moov.encode(&mut bytes).map_err(unwritable)?;
    Ok(Init { track: track.clone(), hash: Hash::of(&bytes), codec: codec.clone(), bytes: bytes.into() })
}

/// Reads an init segment back. Whatever `bytes` are, this ends with a codec that [`init`] accepts, or an error.
pub fn read_init(track: &TrackId, bytes: Bytes) -> Result<Init, MediaError> {
    let bad = |what| MediaError::Init { track: track.clone(), what };
    let trak = boxes::find_path(&bytes, &[b"moov", b"trak"]).ok_or_else(|| bad("no track"))?;
    let stsd = boxes::find_path(trak.body, &[b"mdia", b"minf", b"stbl", b"stsd"]);
    // Version, flags and the count of entries come first.
    let entry = stsd.and_then(|stsd| boxes::first(stsd.body.get(8..)?)).ok_or_else(|| bad("no codec"))?;
    let priming = read_priming(trak.body).ok_or_else(|| bad("unreadable edit list"))?;
    let codec = sample_entry::read(entry, priming).map_err(bad)?;
    sample_entry::write(track, &codec)?;
    Ok(Init { track: track.clone(), hash: Hash::of(&bytes), codec, bytes })
}

fn read_priming(trak: &[u8]) -> Option<u32> {
    let Some(elst) = boxes::find_path(trak, &[b"edts", b"elst"]) else { return Some(0) };
    let elst = Elst::decode(&mut &*elst.whole).ok()?;
    match elst.entries.as_slice() {
        [only] => u32::try_from(only.media_time?).ok(),
        _ => None,
    }
}

pub(crate) fn file_type(major: &[u8; 4], compatible: &[&[u8; 4]]) -> Ftyp {
    Ftyp {
        major_brand: FourCC::new(major),
        minor_version: 0,
        compatible_brands: compatible.iter().map(|brand| FourCC::new(brand)).collect(),
    }
}

pub(crate) fn movie_header(timescale: u32, last_track: u32) -> Mvhd {
    Mvhd { timescale, rate: 1.into(), volume: 1.into(), next_track_id: last_track + 1, ..Default::default() }
}

/// Plays `duration` from `media_time` on, or nothing at all for as long.
pub(crate) fn edit(duration: u64, media_time: Option<u64>) -> ElstEntry {
    ElstEntry { segment_duration: duration, media_time, media_rate: 1.into() }
}

/// A track as players see it; durations are left at zero, which is right for fragmented files.
pub(crate) fn track_box(
    id: u32,
    name: &TrackId,
    codec: &CodecConfig,
    edits: Vec<ElstEntry>,
    stbl: Stbl,
) -> Trak {
    let picture = codec.picture_size();
    let is_sound = codec.is_sound();
    let handler = match codec {
        _ if picture.is_some() => b"vide",
        _ if is_sound => b"soun",
        _ => b"meta",
    };
    let side = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX).into();
    Trak {
        tkhd: Tkhd {
            track_id: id,
            enabled: true,
            in_movie: true,
            volume: u8::from(is_sound).into(),
            width: side(picture.map_or(0, |size| size.width)),
            height: side(picture.map_or(0, |size| size.height)),
            ..Default::default()
        },
        edts: (!edits.is_empty()).then_some(Edts { elst: Some(Elst { entries: edits }) }),
        mdia: Mdia {
            mdhd: Mdhd { timescale: codec.timescale(), language: "und".into(), ..Default::default() },
            hdlr: Hdlr { handler: FourCC::new(handler), name: name.to_string() },
            minf: Minf {
                vmhd: picture.map(|_| Vmhd::default()),
                smhd: is_sound.then(Smhd::default),
                nmhd: (picture.is_none() && !is_sound).then(Nmhd::default),
                dinf: Dinf { dref: Dref { entries: vec![DrefEntry::Url(Url::default())] } },
                stbl,
                ..Default::default()
            },
        },
        ..Default::default()
    }
}

/// Between session time and a track's own ticks, its edit list included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrackClock {
    timescale: u32,
    edit: i64,
}

impl TrackClock {
    pub fn of(codec: &CodecConfig) -> Self {
        Self { timescale: codec.timescale().max(1), edit: codec.priming().into() }
    }

    pub fn ticks_from_session(self, at: Timestamp) -> i64 {
        at.to_ticks(self.timescale).saturating_add(self.edit)
    }

    pub fn session_from_ticks(self, ticks: i64) -> Timestamp {
        Timestamp::from_ticks(ticks.saturating_sub(self.edit), self.timescale)
    }

    /// What lies in a part, from what its boxes say. The chunker and [`crate::scan`] both come through here.
    pub fn mark(self, part: PartBoxes, offset: u64) -> PartMark {
        let first = part.samples.first();
        let start = ticks(part.decode_time).saturating_add(first.map_or(0, |sample| sample.offset.into()));
        let end =
            part.samples.iter().fold(ticks(part.decode_time), |end, sample| end + i64::from(sample.duration));
        PartMark {
            offset,
            size: part.size,
            payload: part.payload,
            decode_time: part.decode_time,
            span: Span::new(self.session_from_ticks(start), self.session_from_ticks(end)),
            independent: first.is_some_and(|sample| sample.keyframe),
            samples: part.samples,
        }
    }
}

fn ticks(decode_time: u64) -> i64 {
    i64::try_from(decode_time).unwrap_or(i64::MAX)
}

/// What the boxes of one part say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartBoxes {
    /// Bytes, `moof` and `mdat` together.
    pub size: u32,
    /// Bytes before the first sample.
    pub payload: u32,
    /// `tfdt`.
    pub decode_time: u64,
    /// At least one.
    pub samples: Vec<SampleMark>,
}

/// Bytes of samples that a part can hold, so that its sizes and offsets fit their boxes.
pub(crate) const PAYLOAD_MAX: usize = 256 << 20;
/// Latest decode time that is believed: 3,000 years at 90 kHz.
const DECODE_TIME_MAX: u64 = 1 << 53;

/// Writes one `moof` and `mdat`. The samples' sizes add up to `payload`, which is at most [`PAYLOAD_MAX`].
pub(crate) fn write_part(
    sequence: u32,
    decode_time: u64,
    samples: Vec<SampleMark>,
    payload: &[u8],
) -> (PartBoxes, Bytes) {
    let shifted = samples.iter().any(|sample| sample.offset != 0);
    let entry = |sample: &SampleMark| TrunEntry {
        duration: Some(sample.duration),
        size: Some(sample.size),
        flags: Some(if sample.keyframe { KEYFRAME } else { NOT_KEYFRAME }),
        cts: shifted.then_some(sample.offset.into()),
    };
    let run = TrunSamples::Explicit(samples.iter().map(entry).collect());
    let mut moof = Moof {
        mfhd: Mfhd { sequence_number: sequence },
        traf: vec![Traf {
            tfhd: Tfhd { track_id: TRACK_ID, default_base_is_moof: true, ..Default::default() },
            tfdt: Some(Tfdt { base_media_decode_time: decode_time }),
            trun: vec![Trun { data_offset: Some(0), samples: run }],
            ..Default::default()
        }],
    };
    const FITS: &str =
        "a part's payload is below 256 MiB and its offsets are 32-bit, so its boxes can be written";
    // The offset of the samples stands within the box whose length decides it; its value does not change the length.
    let mut head = Vec::new();
    moof.encode(&mut head).expect(FITS);
    let moof_size = head.len();
    moof.traf[0].trun[0].data_offset = Some(i32::try_from(moof_size + boxes::HEADER).expect(FITS));
    let mut bytes = Vec::with_capacity(moof_size + boxes::HEADER + payload.len());
    moof.encode(&mut bytes).expect(FITS);
    bytes.extend(u32::try_from(boxes::HEADER + payload.len()).expect(FITS).to_be_bytes());
    bytes.extend(b"mdat");
    bytes.extend(payload);
    let boxes = PartBoxes {
        size: u32::try_from(bytes.len()).expect(FITS),
        payload: u32::try_from(moof_size + boxes::HEADER).expect(FITS),
        decode_time,
        samples,
    };
    (boxes, bytes.into())
}

/// Reads the part at the beginning of `bytes`, if one is there, whole, and as [`write_part`] makes them.
pub(crate) fn read_part(bytes: &[u8]) -> Option<PartBoxes> {
    let moof = boxes::first(bytes).filter(|found| found.kind == *b"moof")?;
    let mdat = boxes::first(&bytes[moof.whole.len()..]).filter(|found| found.kind == *b"mdat")?;
    let traf = boxes::find(moof.body, b"traf")?.body;
    let decode_time = Tfdt::decode(&mut boxes::find(traf, b"tfdt")?.whole).ok()?.base_media_decode_time;
    let trun = Trun::decode(&mut boxes::find(traf, b"trun")?.whole).ok()?;
    let TrunSamples::Explicit(entries) = trun.samples else { return None };
    let samples: Vec<_> = entries.iter().map(read_sample).collect::<Option<_>>()?;

    let payload = moof.whole.len() + boxes::HEADER;
    let payload_is_next = usize::try_from(trun.data_offset?).ok()? == payload;
    let sizes_add_up =
        samples.iter().map(|sample| u64::from(sample.size)).sum::<u64>() == mdat.body.len() as u64;
    let believable = payload_is_next && sizes_add_up && !samples.is_empty() && decode_time <= DECODE_TIME_MAX;
    believable.then_some(PartBoxes {
        size: u32::try_from(moof.whole.len() + mdat.whole.len()).ok()?,
        payload: u32::try_from(payload).ok()?,
        decode_time,
        samples,
    })
}

fn read_sample(entry: &TrunEntry) -> Option<SampleMark> {
    Some(SampleMark {
        size: entry.size.filter(|size| *size > 0)?,
        duration: entry.duration.filter(|duration| *duration > 0)?,
        offset: i32::try_from(entry.cts.unwrap_or(0)).ok()?,
        keyframe: entry.flags? & NON_SYNC == 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::*;
    use model::Size;

    #[test]
    fn inits_read_back_as_they_were_written() {
        for codec in codecs() {
            let written = init(&track("mix"), &codec).unwrap();
            assert_eq!(read_init(&track("mix"), written.bytes.clone()).unwrap(), written);
        }
    }

    #[test]
    fn configurations_that_cannot_be_written_are_refused() {
        let refused = |codec| matches!(init(&track("mix"), &codec), Err(MediaError::Codec { .. }));
        let avcc = Bytes::from_static(AVCC);
        assert!(refused(CodecConfig::H264 { size: Size::new(0, 180), avcc: avcc.clone() }));
        assert!(refused(CodecConfig::H264 { size: Size::new(70_000, 180), avcc: avcc.clone() }));
        // Annex B instead of the record, and bytes that would be lost on the way.
        let size = Size::new(320, 180);
        assert!(refused(CodecConfig::H264 { size, avcc: Bytes::from_static(&[0, 0, 0, 1, 0x67, 0x42]) }));
        assert!(refused(CodecConfig::H264 { size, avcc: [AVCC, &[0xff; 9]].concat().into() }));
        for (rate, channels, asc) in
            [(0, 2, 2), (96_000, 2, 2), (48_000, 0, 2), (48_000, 3, 2), (48_000, 2, 1)]
        {
            let asc = vec![0x11; asc].into();
            assert!(refused(CodecConfig::Aac { rate, channels, asc, priming: 0, bitrate: 0 }));
        }
        for (rate, channels, priming) in
            [(44_100, 2, 312), (48_000, 0, 312), (48_000, 257, 312), (48_000, 2, 1 << 16)]
        {
            assert!(refused(CodecConfig::Opus { rate, channels, priming, bitrate: 0 }));
        }
        for record in [&[][..], &[0, 11, 0x82, 1, 1, 1, 0], &[0, 11, 0x82, 1, 1, 1, 0, 1], &[0x81, 0, 0x0c]] {
            let record = Bytes::from_static(record);
            assert!(refused(CodecConfig::Vp9 { size, vpcc: record.clone() }));
            assert!(refused(CodecConfig::Av1 { size, av1c: record }));
        }
    }

    #[test]
    fn hostile_inits_end_in_an_error_or_a_codec() {
        let mut random = Random(1);
        for codec in codecs() {
            let good = init(&track("mix"), &codec).unwrap().bytes;
            for length in 0..good.len() {
                read_init(&track("mix"), good.slice(..length)).unwrap_err();
            }
            for _ in 0..10_000 {
                let mut damaged = good.to_vec();
                for _ in 0..random.below(6) + 1 {
                    let place = random.below(damaged.len() as u64) as usize;
                    damaged[place] = random.next() as u8;
                }
                if let Ok(read) = read_init(&track("mix"), damaged.into()) {
                    // Whatever it says, it can be worked with.
                    init(&read.track, &read.codec).unwrap();
                    crate::scan(&good, &read);
                }
            }
        }
    }

    #[test]
    fn descriptors_nested_without_end_are_refused() {
        let codec = aac();
        let mut bytes = init(&track("mix"), &codec).unwrap().bytes.to_vec();
        let place = bytes.windows(4).position(|kind| kind == b"esds").unwrap();
        bytes[place - 4..place].copy_from_slice(&100_000u32.to_be_bytes());
        bytes.extend(std::iter::repeat_n([3, 0x7f, 0, 0, 0], 40_000).flatten());
        read_init(&track("mix"), bytes.into()).unwrap_err();
    }

    #[test]
    fn parts_read_back_as_they_were_written() {
        let samples = vec![
            SampleMark { size: 3, duration: 1, offset: 0, keyframe: true },
            SampleMark { size: 2, duration: u32::MAX, offset: i32::MAX, keyframe: false },
        ];
        let (written, bytes) = write_part(9, 1 << 40, samples, b"abcde");
        assert_eq!(read_part(&bytes).as_ref(), Some(&written));
        assert_eq!(&bytes[written.payload as usize..], b"abcde");
    }
}
