//! How each codec is described to players: the sample entries of inits and flattened files.
//!
//! What an encoder said about itself is written as it was, or refused: nothing of it is lost on the way. Knows no
//! other box. Tested by writing and reading back, by golden bytes, and against libavformat in `codec` and `export`.

use crate::{MediaError, boxes, boxes::BoxRef};
use bytes::Bytes;
use model::{CodecConfig, Size, TrackId};
use mp4_atom::{
    Atom, Audio, Av01, Av1c, Avc1, Avcc, Btrt, Codec, Colr, Decode, Dops, Esds, MetaData, Mett, Mp4a, Opus,
    Visual, Vp09, VpcC, esds,
};

/// AAC's `esds` has some 40 bytes. Its descriptors nest, so this also bounds how deep.
const ESDS_MAX: usize = 256;
/// What is before the boxes in an entry of pictures, of sound and of text (ISO/IEC 14496-12, 12).
const VISUAL: usize = 78;
const AUDIO: usize = 28;
const METADATA: usize = 8;
/// The only rate that Opus counts in.
const OPUS_RATE: u32 = 48_000;
/// What a JSON track says that it carries.
const JSON: &str = "application/json";
/// Version and flags of a full box.
const FULL: usize = 4;

/// The entry of this codec, if it can be written.
pub(crate) fn write(track: &TrackId, codec: &CodecConfig) -> Result<Codec, MediaError> {
    let entry = match codec {
        CodecConfig::H264 { size, avcc } => avc1(*size, avcc),
        CodecConfig::Vp9 { size, vpcc } => vp09(*size, vpcc),
        CodecConfig::Av1 { size, av1c } => av01(*size, av1c),
        CodecConfig::Aac { rate, channels, asc, bitrate, .. } => mp4a(*rate, *channels, asc, *bitrate),
        CodecConfig::Opus { rate, channels, priming, bitrate } => opus(*rate, *channels, *priming, *bitrate),
        CodecConfig::Json => Ok(Codec::Mett(Mett {
            metadata: MetaData { data_reference_index: 1 },
            content_encoding: String::new(),
            mime_format: JSON.to_owned(),
            btrt: None,
            txtc: None,
        })),
    };
    entry.map_err(|what| MediaError::Codec { track: track.clone(), what })
}

/// The codec that an entry describes; what `write` says of it is another question. `priming` stands in the edit list.
pub(crate) fn read(entry: BoxRef<'_>, priming: u32) -> Result<CodecConfig, &'static str> {
    let (body, read) = (entry.body, |codec: Option<CodecConfig>, what| codec.ok_or(what));
    match &entry.kind {
        b"avc1" => read(read_avc1(body), "unreadable H.264 configuration"),
        b"vp09" => read(read_vp09(body), "unreadable VP9 configuration"),
        b"av01" => read(read_av01(body), "unreadable AV1 configuration"),
        b"mp4a" => read(read_mp4a(body, priming), "unreadable AAC configuration"),
        b"Opus" => read(read_opus(body, priming), "unreadable Opus configuration"),
        b"mett" => read(read_mett(body), "another kind of metadata"),
        _ => Err("another codec"),
    }
}

fn avc1(size: Size, avcc: &Bytes) -> Result<Codec, &'static str> {
    let avcc =
        exact(avcc, Avcc::decode_body, Avcc::encode_body).ok_or("not an H.264 configuration record")?;
    Ok(Codec::Avc1(Avc1 { visual: visual(size)?, avcc, colr: Some(bt709()), ..Default::default() }))
}

fn vp09(size: Size, vpcc: &Bytes) -> Result<Codec, &'static str> {
    // Version 1, no flags.
    let full = [&[1, 0, 0, 0], &vpcc[..]].concat();
    let vpcc = exact(&full, VpcC::decode_body, VpcC::encode_body).ok_or("not a VP9 configuration record")?;
    Ok(Codec::Vp09(Vp09 { visual: visual(size)?, vpcc, colr: Some(bt709()), ..Default::default() }))
}

fn av01(size: Size, av1c: &Bytes) -> Result<Codec, &'static str> {
    let av1c = exact(av1c, Av1c::decode_body, Av1c::encode_body).ok_or("not an AV1 configuration record")?;
    Ok(Codec::Av01(Av01 { visual: visual(size)?, av1c, colr: Some(bt709()), ..Default::default() }))
}

fn mp4a(rate: u32, channels: u16, asc: &Bytes, bitrate: u32) -> Result<Codec, &'static str> {
    if asc.len() < 2 || asc.len() > ESDS_MAX / 2 {
        return Err("not an AAC configuration");
    }
    let audio = audio(rate, channels)?;
    Ok(Codec::Mp4a(Mp4a { audio, esds: elementary_stream(asc, bitrate), btrt: None, taic: None }))
}

fn opus(rate: u32, channels: u16, priming: u32, bitrate: u32) -> Result<Codec, &'static str> {
    if rate != OPUS_RATE {
        return Err("Opus has no such sample rate");
    }
    let dops = Dops {
        output_channel_count: u8::try_from(channels).map_err(|_| "no such number of channels")?,
        pre_skip: u16::try_from(priming).map_err(|_| "its priming is too long")?,
        input_sample_rate: rate,
        output_gain: 0,
        channel_mapping: None,
    };
    let btrt = Btrt { buffer_size_db: 0, max_bitrate: bitrate, avg_bitrate: bitrate };
    Ok(Codec::Opus(Opus { audio: audio(rate, channels)?, dops, btrt: Some(btrt) }))
}

fn visual(size: Size) -> Result<Visual, &'static str> {
    let side = |pixels| u16::try_from(pixels).ok().filter(|side| *side > 0);
    let (width, height) = side(size.width).zip(side(size.height)).ok_or("no such picture size")?;
    Ok(Visual { data_reference_index: 1, width, height, ..Default::default() })
}

/// Limited range: what the compositor draws.
fn bt709() -> Colr {
    Colr::Nclx {
        colour_primaries: 1,
        transfer_characteristics: 1,
        matrix_coefficients: 1,
        full_range_flag: false,
    }
}

fn audio(rate: u32, channels: u16) -> Result<Audio, &'static str> {
    let rate = u16::try_from(rate).ok().filter(|rate| *rate > 0).ok_or("no such sample rate")?;
    if !(1..=2).contains(&channels) {
        return Err("no such number of channels");
    }
    Ok(Audio { data_reference_index: 1, channel_count: channels, sample_size: 16, sample_rate: rate.into() })
}

/// A record as mp4-atom knows it, if writing it gives the same bytes again: nothing of what the encoder said is lost.
fn exact<'a, T>(
    bytes: &'a [u8],
    decode: impl Fn(&mut &'a [u8]) -> mp4_atom::Result<T>,
    encode: impl Fn(&T, &mut Vec<u8>) -> mp4_atom::Result<()>,
) -> Option<T> {
    let record = decode(&mut &*bytes).ok()?;
    let mut again = Vec::with_capacity(bytes.len());
    encode(&record, &mut again).ok()?;
    (again == bytes).then_some(record)
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

fn read_avc1(body: &[u8]) -> Option<CodecConfig> {
    let avcc = boxes::find(body.get(VISUAL..)?, b"avcC")?.body;
    Some(CodecConfig::H264 { size: read_size(body)?, avcc: Bytes::copy_from_slice(avcc) })
}

fn read_vp09(body: &[u8]) -> Option<CodecConfig> {
    let vpcc = boxes::find(body.get(VISUAL..)?, b"vpcC")?.body.get(FULL..)?;
    Some(CodecConfig::Vp9 { size: read_size(body)?, vpcc: Bytes::copy_from_slice(vpcc) })
}

fn read_av01(body: &[u8]) -> Option<CodecConfig> {
    let av1c = boxes::find(body.get(VISUAL..)?, b"av1C")?.body;
    Some(CodecConfig::Av1 { size: read_size(body)?, av1c: Bytes::copy_from_slice(av1c) })
}

fn read_size(body: &[u8]) -> Option<Size> {
    Some(Size::new(boxes::u16_at(body, 24)?.into(), boxes::u16_at(body, 26)?.into()))
}

fn read_mp4a(body: &[u8], priming: u32) -> Option<CodecConfig> {
    let (channels, rate) = (boxes::u16_at(body, 16)?, boxes::u16_at(body, 24)?);
    let esds = boxes::find(body.get(AUDIO..)?, b"esds").filter(|esds| esds.whole.len() <= ESDS_MAX)?;
    let config = Esds::decode(&mut &*esds.whole).ok()?.es_desc.dec_config;
    let asc = config.dec_specific?.raw.into();
    Some(CodecConfig::Aac { rate: rate.into(), channels, asc, priming, bitrate: config.avg_bitrate })
}

/// The edit list and the configuration must agree on the priming.
fn read_opus(body: &[u8], priming: u32) -> Option<CodecConfig> {
    let boxes = body.get(AUDIO..)?;
    let dops = Dops::decode_body(&mut boxes::find(boxes, b"dOps")?.body).ok()?;
    let bitrate = match boxes::find(boxes, b"btrt") {
        Some(btrt) => Btrt::decode_body(&mut &*btrt.body).ok()?.avg_bitrate,
        None => 0,
    };
    let same = u32::from(dops.pre_skip) == priming && dops.channel_mapping.is_none();
    same.then_some(CodecConfig::Opus {
        rate: boxes::u16_at(body, 24)?.into(),
        channels: dops.output_channel_count.into(),
        priming,
        bitrate,
    })
}

fn read_mett(body: &[u8]) -> Option<CodecConfig> {
    // Two texts, each ending in a zero: how it is encoded, which is not at all, and what it is.
    let text = body.get(METADATA..)?.strip_prefix(&[0])?;
    text.strip_prefix(JSON.as_bytes())?.strip_prefix(&[0])?;
    Some(CodecConfig::Json)
}
