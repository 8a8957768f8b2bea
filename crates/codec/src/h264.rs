//! H.264 as encoders write it (Annex B of ITU-T H.264: start codes) to H.264 as MP4 wants it (ISO/IEC 14496-15:
//! lengths, parameter sets apart).

use bytes::{BufMut, Bytes, BytesMut};

const SEI: u8 = 6;
const SPS: u8 = 7;
const PPS: u8 = 8;
const ACCESS_UNIT_DELIMITER: u8 = 9;
const FILLER: u8 = 12;

/// The NAL units between start codes, without the zeros that may follow each.
pub(crate) fn nal_units(annex_b: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = start_code(annex_b).map(|(_, after)| &annex_b[after..]);
    std::iter::from_fn(move || {
        let from = rest?;
        let (unit, next) = match start_code(from) {
            Some((before, after)) => (&from[..before], Some(&from[after..])),
            None => (from, None),
        };
        rest = next;
        let end = unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        Some(&unit[..end])
    })
    .filter(|unit| !unit.is_empty())
}

/// Where the first start code begins and ends.
fn start_code(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut from = 0;
    loop {
        // A start code ends in 1, which is rarer than 0.
        let one = from + bytes.get(from..)?.iter().position(|&byte| byte == 1)?;
        if one >= 2 && bytes[one - 1] == 0 && bytes[one - 2] == 0 {
            return Some((one - 2, one + 1));
        }
        from = one + 1;
    }
}

fn kind(unit: &[u8]) -> u8 {
    unit[0] & 0x1F
}

/// One picture: each unit behind its length in four bytes. Parameter sets are in the init segment, and what an
/// encoder says about itself is nobody's business, so neither is kept.
pub(crate) fn length_prefixed(annex_b: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(annex_b.len() + 16);
    for unit in nal_units(annex_b) {
        if matches!(kind(unit), SEI | SPS | PPS | ACCESS_UNIT_DELIMITER | FILLER) {
            continue;
        }
        let Ok(length) = u32::try_from(unit.len()) else { continue };
        out.put_u32(length);
        out.put_slice(unit);
    }
    out.freeze()
}

/// The AVCDecoderConfigurationRecord of these parameter sets; none if either is missing or cut short.
pub(crate) fn decoder_configuration(annex_b: &[u8]) -> Option<Bytes> {
    let sps = nal_units(annex_b).find(|unit| kind(unit) == SPS)?;
    let pps = nal_units(annex_b).find(|unit| kind(unit) == PPS)?;
    let &[_, profile, compatibility, level, ..] = sps else { return None };
    let mut out = BytesMut::with_capacity(sps.len() + pps.len() + 16);
    // Version 1; lengths have 3 + 1 bytes; one SPS. Bits that must be one are one.
    out.put_slice(&[1, profile, compatibility, level, 0xFC | 3, 0xE0 | 1]);
    out.put_u16(u16::try_from(sps.len()).ok()?);
    out.put_slice(sps);
    out.put_u8(1);
    out.put_u16(u16::try_from(pps.len()).ok()?);
    out.put_slice(pps);
    if matches!(profile, 100 | 110 | 122 | 144) {
        // 4:2:0, 8 bits of luma and of chroma, no extension of the SPS: all that is encoded here.
        out.put_slice(&[0xFC | 1, 0xF8, 0xF8, 0]);
    }
    Some(out.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(annex_b: &[u8], units: &[&[u8]]) {
        assert_eq!(nal_units(annex_b).collect::<Vec<_>>(), units);
    }

    #[test]
    fn units_lie_between_start_codes_of_either_length() {
        check(&[0, 0, 0, 1, 0x65, 7, 0, 0, 1, 0x41, 8], &[&[0x65, 7], &[0x41, 8]]);
        check(&[0, 0, 1, 0x65, 0, 1, 1, 0, 0, 0, 0], &[&[0x65, 0, 1, 1]]);
        check(&[0, 0, 1, 0, 0, 1, 0x41], &[&[0x41]]);
        check(&[0x65, 0, 1], &[]);
        check(&[0, 0, 1], &[]);
        check(&[], &[]);
    }

    #[test]
    fn a_packet_holds_slices_alone() {
        let annex_b =
            [0, 0, 0, 1, 9, 16, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 1, 6, 3, 0, 0, 1, 0x65, 4, 5];
        assert_eq!(&length_prefixed(&annex_b)[..], [0, 0, 0, 3, 0x65, 4, 5]);
    }

    #[test]
    fn a_configuration_record_has_what_the_standard_lists() {
        let annex_b = [0, 0, 0, 1, 0x67, 100, 0, 40, 9, 0, 0, 0, 1, 0x68, 0xEE];
        let expected =
            [1, 100, 0, 40, 0xFF, 0xE1, 0, 5, 0x67, 100, 0, 40, 9, 1, 0, 2, 0x68, 0xEE, 0xFD, 0xF8, 0xF8, 0];
        assert_eq!(&decoder_configuration(&annex_b).unwrap()[..], expected);
        assert_eq!(decoder_configuration(&annex_b[..9]), None);
        assert_eq!(decoder_configuration(&[0, 0, 1, 0x67, 100, 0, 0, 1, 0x68, 1]), None);
    }
}
