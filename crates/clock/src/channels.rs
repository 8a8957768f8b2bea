//! Any number of channels to two.

/// Centre and surround are heard in both ears or from the side: 3 dB less (ITU-R BS.775).
const SIDE: f32 = std::f32::consts::FRAC_1_SQRT_2;
/// Louder than any device means it, and far from where sums become inexact.
const LOUDEST: f32 = 8.0;

/// What each channel gives to left and right, in the order that WAVE files and devices have. The low-frequency
/// channel is left out, as everywhere.
fn gains(channels: usize, channel: usize) -> [f32; 2] {
    const LEFT: [f32; 2] = [1.0, 0.0];
    const RIGHT: [f32; 2] = [0.0, 1.0];
    const CENTRE: [f32; 2] = [SIDE, SIDE];
    const LOW: [f32; 2] = [0.0, 0.0];
    const SIDES: [[f32; 2]; 2] = [[SIDE, 0.0], [0.0, SIDE]];
    match (channels, channel) {
        (1, _) => [1.0, 1.0],
        (_, 0) => LEFT,
        (_, 1) => RIGHT,
        (3 | 5.., 2) => CENTRE,
        (6.., 3) => LOW,
        (7, 4) => CENTRE,
        (5 | 7, _) => SIDES[(channel + 1) % 2],
        _ => SIDES[channel % 2],
    }
}

/// Left and right of interleaved sound, one pair for each sample. Whatever the values, the result is finite.
pub(crate) fn stereo(samples: &[f32], channels: u16) -> impl Iterator<Item = [f32; 2]> + '_ {
    let channels = usize::from(channels.max(1));
    let gains: Vec<[f32; 2]> = (0..channels).map(|channel| gains(channels, channel)).collect();
    // Full scale in all channels at once stays full scale.
    let loudest = gains.iter().fold([0.0f32; 2], |sum, gain| [sum[0] + gain[0], sum[1] + gain[1]]);
    let scale = 1.0 / loudest[0].max(loudest[1]);
    samples.chunks_exact(channels).map(move |frame| {
        let mut pair = [0.0; 2];
        for (sample, gain) in frame.iter().zip(&gains) {
            let sample = if sample.is_finite() { sample.clamp(-LOUDEST, LOUDEST) } else { 0.0 };
            pair[0] += sample * gain[0] * scale;
            pair[1] += sample * gain[1] * scale;
        }
        pair
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(samples: &[f32]) -> [f32; 2] {
        stereo(samples, u16::try_from(samples.len()).unwrap()).next().unwrap()
    }

    #[test]
    fn one_goes_to_both_and_two_stay() {
        assert_eq!(one(&[0.5]), [0.5, 0.5]);
        assert_eq!(one(&[0.5, -0.25]), [0.5, -0.25]);
    }

    #[test]
    fn surround_keeps_its_sides_and_its_scale() {
        for channels in 3..=8 {
            let [left, right] = one(&vec![1.0; channels]);
            assert!((left - 1.0).abs() < 1e-6 && (right - 1.0).abs() < 1e-6, "{channels}: {left} {right}");
        }
        let [left, right] = one(&[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        assert_eq!([left, right], [0.0, 0.0], "low frequencies");
        let [left, right] = one(&[0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        assert!(left > 0.2 && right == 0.0, "5.1, left surround");
        let [left, right] = one(&[0.0, 0.0, 0.0, 1.0, 0.0]);
        assert!(left > 0.2 && right == 0.0, "5.0, left surround");
    }

    #[test]
    fn what_is_no_number_is_silence() {
        assert_eq!(one(&[f32::NAN, f32::INFINITY]), [0.0, 0.0]);
        assert_eq!(stereo(&[1.0; 7], 3).count(), 2);
        assert_eq!(stereo(&[1.0], 0).count(), 1);
    }
}
