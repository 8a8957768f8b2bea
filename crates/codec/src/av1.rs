//! AV1 as encoders write it (a stream of OBUs, AV1 Bitstream & Decoding Process Specification, 5) to AV1 as MP4 wants
//! it (AV1 Codec ISO Media File Format Binding 1.2: no temporal delimiters, the sequence header apart).

use bytes::{BufMut, Bytes, BytesMut};

const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;

/// One unit of the stream.
struct Obu<'a> {
    kind: u8,
    /// All of it.
    whole: &'a [u8],
    /// What follows header and size.
    payload: &'a [u8],
}

/// The OBUs of `bytes`, up to the first that is not whole.
fn obus(mut bytes: &[u8]) -> impl Iterator<Item = Obu<'_>> {
    std::iter::from_fn(move || {
        let header = *bytes.first()?;
        let (has_extension, has_size) = (header & 4 != 0, header & 2 != 0);
        let start = 1 + usize::from(has_extension);
        let (payload, end) = if has_size {
            let (size, length) = leb128(bytes.get(start..)?)?;
            (start + length, (start + length).checked_add(size)?)
        } else {
            (start, bytes.len())
        };
        let obu = Obu { kind: header >> 3 & 15, whole: bytes.get(..end)?, payload: bytes.get(payload..end)? };
        bytes = &bytes[end..];
        Some(obu)
    })
}

/// A number in seven bits a byte, lowest first, and how many bytes it has.
fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, index + 1));
        }
    }
    None
}

/// One picture: its temporal unit without the delimiter.
pub(crate) fn sample(unit: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(unit.len());
    for obu in obus(unit).filter(|obu| obu.kind != TEMPORAL_DELIMITER) {
        out.put_slice(obu.whole);
    }
    out.freeze()
}

/// The AV1CodecConfigurationRecord of a sequence header for 8-bit 4:2:0; none if there is no such header.
pub(crate) fn decoder_configuration(header: &[u8]) -> Option<Bytes> {
    let sequence = obus(header).find(|obu| obu.kind == SEQUENCE_HEADER)?;
    let mut bits = Bits { bytes: sequence.payload, at: 0 };
    let profile = bits.take(3)?;
    let (_still_picture, reduced) = (bits.take(1)?, bits.take(1)?);
    let (level, tier) = if reduced == 1 {
        (bits.take(5)?, 0)
    } else {
        // Neither timing nor a decoder model: no encoder here writes them.
        if bits.take(1)? == 1 {
            return None;
        }
        let (_initial_display_delay, _operating_points, _operating_point) =
            (bits.take(1)?, bits.take(5)?, bits.take(12)?);
        let level = bits.take(5)?;
        (level, if level > 7 { bits.take(1)? } else { 0 })
    };
    let mut out = BytesMut::with_capacity(sequence.whole.len() + 4);
    // Marker and version; then 8 bits, colour, 4:2:0 of unknown place; no presentation delay.
    out.put_slice(&[0x81, profile << 5 | level, tier << 7 | 0b1100, 0]);
    out.put_slice(sequence.whole);
    Some(out.freeze())
}

/// Bits of a sequence header, highest first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// The next `count` bits; of more than eight only the last eight.
    fn take(&mut self, count: usize) -> Option<u8> {
        let mut value = 0u8;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value = value << 1 | byte >> (7 - self.at % 8) & 1;
            self.at += 1;
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sequence header of libaom for 320×180.
    const HEADER: [u8; 16] =
        [0x0a, 0x0e, 0x00, 0x00, 0x00, 0x04, 0x3c, 0xfe, 0xcc, 0xda, 0xf9, 0x10, 0x10, 0x10, 0x10, 0x40];

    #[test]
    fn a_sample_has_no_delimiter() {
        let unit = [&[0x12, 0x00], &HEADER[..], &[0x32, 0x01, 0x55]].concat();
        assert_eq!(sample(&unit)[..], unit[2..]);
        // The last unit may do without its size.
        assert_eq!(sample(&[0x12, 0x00, 0x30, 1, 2, 3])[..], [0x30, 1, 2, 3]);
    }

    #[test]
    fn what_is_cut_short_is_left_out() {
        for bad in [&[0x32, 0x05, 0x55][..], &[0x32, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], &[0x32], &[0x36, 0]]
        {
            assert!(sample(bad).is_empty());
            assert_eq!(decoder_configuration(bad), None);
        }
    }

    #[test]
    fn a_configuration_record_has_what_the_binding_lists() {
        let expected = [&[0x81, 0x00, 0x0c, 0x00], &HEADER[..]].concat();
        assert_eq!(decoder_configuration(&HEADER).unwrap()[..], expected);
        // Main profile, level 4.0 (index 8), high tier.
        let high = [0x0a, 0x04, 0x00, 0x00, 0x00, 0x46];
        assert_eq!(decoder_configuration(&high).unwrap()[..4], [0x81, 0x08, 0x8c, 0x00]);
        for length in 0..6 {
            assert_eq!(decoder_configuration(&high[..length]), None);
        }
    }
}
