//! Part and sample marks as a few bytes: what a chunk's row keeps so that nobody has to read the chunk to cut it.
//!
//! Numbers are LEB128, seven bits a byte. Most samples are as long as the one before them, so they cost their size
//! alone: two or three bytes. Tested on marks at the limits of their types and on every damaged prefix.

use model::{PartMark, SampleMark, Span, Timestamp};

const KEYFRAME: u64 = 1;
const SAME_TIMING: u64 = 2;

/// Offsets are left out: parts lie end to end.
pub fn encode(parts: &[PartMark]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut timing = (0, 0);
    put(&mut out, parts.len() as u64);
    for part in parts {
        put(&mut out, u64::from(part.size));
        put(&mut out, u64::from(part.payload));
        put(&mut out, part.decode_time);
        put(&mut out, zigzag(part.span.start.0));
        put(&mut out, zigzag(part.span.end.0.wrapping_sub(part.span.start.0)));
        put(&mut out, (part.samples.len() as u64) << 1 | u64::from(part.independent));
        for sample in &part.samples {
            let same = timing == (sample.duration, sample.offset);
            timing = (sample.duration, sample.offset);
            let flags = u64::from(sample.keyframe) * KEYFRAME + u64::from(same) * SAME_TIMING;
            put(&mut out, u64::from(sample.size) << 2 | flags);
            if !same {
                put(&mut out, u64::from(sample.duration));
                put(&mut out, zigzag(sample.offset.into()));
            }
        }
    }
    out
}

/// None where the bytes are not what [`encode`] gives.
pub fn decode(mut bytes: &[u8]) -> Option<Vec<PartMark>> {
    let input = &mut bytes;
    let mut parts = Vec::new();
    let (mut timing, mut offset) = ((0, 0), 0u64);
    for _ in 0..take(input)? {
        let size = u32::try_from(take(input)?).ok()?;
        let payload = u32::try_from(take(input)?).ok()?;
        let decode_time = take(input)?;
        let start = unzigzag(take(input)?);
        let end = start.wrapping_add(unzigzag(take(input)?));
        let head = take(input)?;
        let mut samples = Vec::new();
        for _ in 0..head >> 1 {
            samples.push(take_sample(input, &mut timing)?);
        }
        let span = Span::new(Timestamp(start), Timestamp(end));
        parts.push(PartMark {
            offset,
            size,
            payload,
            decode_time,
            span,
            independent: head & 1 == 1,
            samples,
        });
        offset = offset.checked_add(size.into())?;
    }
    input.is_empty().then_some(parts)
}

fn take_sample(input: &mut &[u8], timing: &mut (u32, i32)) -> Option<SampleMark> {
    let head = take(input)?;
    if head & SAME_TIMING == 0 {
        *timing = (u32::try_from(take(input)?).ok()?, i32::try_from(unzigzag(take(input)?)).ok()?);
    }
    let size = u32::try_from(head >> 2).ok()?;
    Some(SampleMark { size, duration: timing.0, offset: timing.1, keyframe: head & KEYFRAME != 0 })
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return None;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(offset: u64, size: u32, start: i64, end: i64, samples: Vec<SampleMark>) -> PartMark {
        let span = Span::new(Timestamp(start), Timestamp(end));
        PartMark { offset, size, payload: 100, decode_time: 90_000, span, independent: true, samples }
    }

    fn sample(size: u32, duration: u32, offset: i32, keyframe: bool) -> SampleMark {
        SampleMark { size, duration, offset, keyframe }
    }

    fn check(parts: &[PartMark]) -> usize {
        let bytes = encode(parts);
        assert_eq!(decode(&bytes).as_deref(), Some(parts));
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]), None, "cut at {cut}");
        }
        bytes.len()
    }

    #[test]
    fn marks_come_back_as_they_were() {
        check(&[]);
        let edge = vec![sample(u32::MAX, u32::MAX, i32::MIN, false), sample(0, 0, i32::MAX, true)];
        let mut last = part(u64::from(u32::MAX), 1, i64::MIN, i64::MAX, vec![]);
        (last.decode_time, last.independent) = (u64::MAX, false);
        check(&[part(0, u32::MAX, -1, 250_000_000, edge), last]);
    }

    #[test]
    fn steady_samples_cost_their_size() {
        let samples = vec![sample(300, 1024, 0, true); 187];
        assert!(check(&[part(0, 60_000, 0, 4_000_000_000, samples)]) < 187 * 2 + 40);
    }

    #[test]
    fn garbage_is_refused_without_harm() {
        assert_eq!(decode(&[0xff; 64]), None);
        // A count that no memory could hold ends at the last byte that is really there.
        assert_eq!(decode(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 1, 2, 3]), None);
    }
}
