//! What containers and decoders are told of an Opus stream (RFC 7845), and how long a packet is (RFC 6716, 3.1).

/// The identification header (RFC 7845, 5.1): mono or stereo, no gain.
pub(crate) fn header(rate: u32, channels: u16, priming: u32) -> Vec<u8> {
    let channels = u8::try_from(channels).unwrap_or(u8::MAX);
    let priming = u16::try_from(priming).unwrap_or(u16::MAX).to_le_bytes();
    // The gain, and the family of channel mappings.
    [&b"OpusHead"[..], &[1, channels], &priming, &rate.to_le_bytes(), &[0, 0], &[0]].concat()
}

/// Samples in a packet, at 48 kHz; none if it is not one.
pub(crate) fn samples(packet: &[u8]) -> Option<i64> {
    let toc = *packet.first()?;
    let frame = match toc >> 3 {
        // SILK, the hybrid, CELT: each with its own lengths.
        config @ 0..=11 => [480, 960, 1920, 2880][usize::from(config & 3)],
        config @ 12..=15 => [480, 960][usize::from(config & 1)],
        config => [120, 240, 480, 960][usize::from(config & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => i64::from(packet.get(1)? & 0x3F),
    };
    Some(frame * frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_say_how_long_they_are() {
        // A single frame of 20 ms in each mode, two of them, six of 10 ms.
        for toc in [1 << 3, 13 << 3, 31 << 3] {
            assert_eq!(samples(&[toc]), Some(960));
            assert_eq!(samples(&[toc | 1]), Some(1920));
        }
        assert_eq!(samples(&[30 << 3 | 3, 6]), Some(2880));
        assert_eq!(samples(&[3]), None);
        assert_eq!(samples(&[]), None);
    }

    #[test]
    fn the_header_is_that_of_the_standard() {
        let header = header(48_000, 2, 312);
        assert_eq!(header, b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0");
    }
}
