//! The boxes of inits and parts (ISO/IEC 14496-12 and 23000-19), written with mp4-atom and read back from anything.
//!
//! An encoder's delay is taken out by one constant edit list in the init, so that presentation time is session time
//! in every chunk: decode times are unsigned and could not say it at time zero.

use crate::{MediaError, boxes};
use bytes::Bytes;
use model::{CodecConfig, Hash, Init, PartMark, SampleMark, Size, Span, Timestamp, TrackId};
use mp4_atom::{
    Atom, Audio, Avc1, Avcc, Codec, Colr, Decode, Dinf, Dref, DrefEntry, Edts, Elst, ElstEntry, Encode, Esds,
    FourCC, Ftyp, Hdlr, Mdhd, Mdia, Mfhd, Minf, Moof, Moov, Mp4a, Mvex, Mvhd, Smhd, Stbl, Stco, Stsd, Tfdt,
    Tfhd, Tkhd, Traf, Trak, Trex, Trun, TrunEntry, TrunSamples, Url, Visual, Vmhd, esds,
};

/// The one track of an init and its parts.
const TRACK_ID: u32 = 1;
/// Sample flags of ISO/IEC 14496-12, 8.8.3.1: depends on no other sample.
const KEYFRAME: u32 = 0x0200_0000;
/// Depends on others, and decoding cannot begin at it.
const NOT_KEYFRAME: u32 = 0x0101_0000;
const NON_SYNC: u32 = 0x0001_0000;
/// AAC's `esds` has some 40 bytes. Its descriptors nest, so this also bounds how deep.
const ESDS_MAX: usize = 256;

/// Makes the init segment of a track.
pub fn init(track: &TrackId, codec: &CodecConfig) -> Result<Init, MediaError> {
    let edits = match priming(codec) {
        0 => vec![],
        // In a fragmented file a duration of zero means: to the end.
        samples => vec![edit(0, Some(samples.into()))],
    };
    let stbl = Stbl {
        stsd: Stsd { codecs: vec![sample_entry(track, codec)?] },
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
    let codec = match &entry.kind {
        b"avc1" => read_avc1(entry.body).ok_or_else(|| bad("unreadable H.264 configuration"))?,
        b"mp4a" => {
            let priming = read_priming(trak.body).ok_or_else(|| bad("unreadable edit list"))?;
            read_mp4a(entry.body, priming).ok_or_else(|| bad("unreadable AAC configuration"))?
        }
        _ => return Err(bad("another codec")),
    };
    sample_entry(track, &codec)?;
    Ok(Init { track: track.clone(), hash: Hash::of(&bytes), codec, bytes })
}

fn read_avc1(body: &[u8]) -> Option<CodecConfig> {
    let size = Size::new(boxes::u16_at(body, 24)?.into(), boxes::u16_at(body, 26)?.into());
    let avcc = boxes::find(body.get(78..)?, b"avcC")?.body;
    Some(CodecConfig::H264 { size, avcc: Bytes::copy_from_slice(avcc) })
}

fn read_mp4a(body: &[u8], priming: u32) -> Option<CodecConfig> {
    let (channels, rate) = (boxes::u16_at(body, 16)?, boxes::u16_at(body, 24)?);
    let esds = boxes::find(body.get(28..)?, b"esds").filter(|esds| esds.whole.len() <= ESDS_MAX)?;
    let config = Esds::decode(&mut &*esds.whole).ok()?.es_desc.dec_config;
    let asc = config.dec_specific?.raw.into();
    Some(CodecConfig::Aac { rate: rate.into(), channels, asc, priming, bitrate: config.avg_bitrate })
}

fn read_priming(trak: &[u8]) -> Option<u32> {
    let Some(elst) = boxes::find_path(trak, &[b"edts", b"elst"]) else { return Some(0) };
    let elst = Elst::decode(&mut &*elst.whole).ok()?;
    match elst.entries.as_slice() {
        [only] => u32::try_from(only.media_time?).ok(),
        _ => None,
    }
}

/// How a codec is described to players, in inits and flattened files alike.
pub(crate) fn sample_entry(track: &TrackId, codec: &CodecConfig) -> Result<Codec, MediaError> {
    let bad = |what| MediaError::Codec { track: track.clone(), what };
    match codec {
        CodecConfig::H264 { size, avcc } => {
            let side = |pixels| u16::try_from(pixels).ok().filter(|side| *side > 0);
            let (width, height) =
                side(size.width).zip(side(size.height)).ok_or_else(|| bad("no such picture size"))?;
            Ok(Codec::Avc1(Avc1 {
                visual: Visual { data_reference_index: 1, width, height, ..Default::default() },
                avcc: avc_config(avcc).ok_or_else(|| bad("not an H.264 configuration record"))?,
                // BT.709, limited range: what the compositor draws.
                colr: Some(Colr::Nclx {
                    colour_primaries: 1,
                    transfer_characteristics: 1,
                    matrix_coefficients: 1,
                    full_range_flag: false,
                }),
                ..Default::default()
            }))
        }
        CodecConfig::Aac { rate, channels, asc, bitrate, .. } => {
            let rate = u16::try_from(*rate)
                .ok()
                .filter(|rate| *rate > 0)
                .ok_or_else(|| bad("no such sample rate"))?;
            if asc.len() < 2 || asc.len() > ESDS_MAX / 2 || !(1..=2).contains(channels) {
                return Err(bad("not an AAC configuration"));
            }
            let audio = Audio {
                data_reference_index: 1,
                channel_count: *channels,
                sample_size: 16,
                sample_rate: rate.into(),
            };
            Ok(Codec::Mp4a(Mp4a { audio, esds: elementary_stream(asc, *bitrate), btrt: None, taic: None }))
        }
    }
}

/// The record, if writing it gives the same bytes again: nothing of what the encoder said is lost.
fn avc_config(bytes: &[u8]) -> Option<Avcc> {
    let avcc = Avcc::decode_body(&mut &*bytes).ok()?;
    let mut again = Vec::with_capacity(bytes.len());
    avcc.encode_body(&mut again).ok()?;
    (again == bytes).then_some(avcc)
}

fn elementary_stream(asc: &Bytes, bitrate: u32) -> Esds {
    Esds {
        es_desc: esds::EsDescriptor {
            dec_config: esds::DecoderConfig {
                object_type_indication: 0x40, // MPEG-4 audio
                stream_type: 5,               // sound
                max_bitrate: bitrate,
                avg_bitrate: bitrate,
                dec_specific: Some(esds::DecoderSpecific { raw: asc.to_vec(), ..Default::default() }),
                ..Default::default()
            },
            ..Default::default()
        },
    }
}

/// Samples that the decoder gives before the first real one.
fn priming(codec: &CodecConfig) -> u32 {
    match codec {
        CodecConfig::H264 { .. } => 0,
        CodecConfig::Aac { priming, .. } => *priming,
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
    let picture = match codec {
        CodecConfig::H264 { size, .. } => Some(*size),
        CodecConfig::Aac { .. } => None,
    };
    let side = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX).into();
    Trak {
        tkhd: Tkhd {
            track_id: id,
            enabled: true,
            in_movie: true,
            volume: u8::from(picture.is_none()).into(),
            width: side(picture.map_or(0, |size| size.width)),
            height: side(picture.map_or(0, |size| size.height)),
            ..Default::default()
        },
        edts: (!edits.is_empty()).then_some(Edts { elst: Some(Elst { entries: edits }) }),
        mdia: Mdia {
            mdhd: Mdhd { timescale: codec.timescale(), language: "und".into(), ..Default::default() },
            hdlr: Hdlr {
                handler: FourCC::new(if picture.is_some() { b"vide" } else { b"soun" }),
                name: name.to_string(),
            },
            minf: Minf {
                vmhd: picture.map(|_| Vmhd::default()),
                smhd: picture.is_none().then(Smhd::default),
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
        Self { timescale: codec.timescale().max(1), edit: priming(codec).into() }
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

    #[test]
    fn inits_read_back_as_they_were_written() {
        for codec in [h264(), aac()] {
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
    }

    #[test]
    fn hostile_inits_end_in_an_error_or_a_codec() {
        let mut random = Random(1);
        for codec in [h264(), aac()] {
            let good = init(&track("mix"), &codec).unwrap().bytes;
            for length in 0..good.len() {
                read_init(&track("mix"), good.slice(..length)).unwrap_err();
            }
            for _ in 0..20_000 {
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
