//! Several sounds to one, and how loud a sound is.

/// Up to here a mix is the plain sum; above, it bends towards full scale.
const KNEE: f32 = 0.8;
/// The quietest that is told, in dBFS.
const FLOOR: f32 = -120.0;

/// The sum of equally long runs of samples, bent where it would be too loud so that it never passes full scale.
/// A shorter run counts as silent after its end.
pub fn mix(runs: &[&[f32]]) -> Vec<f32> {
    let length = runs.iter().map(|run| run.len()).max().unwrap_or(0);
    let mut sum = vec![0.0; length];
    for run in runs {
        for (sum, sample) in sum.iter_mut().zip(*run) {
            *sum += sample;
        }
    }
    for sample in &mut sum {
        *sample = soften(*sample);
    }
    sum
}

/// The identity up to the knee, from there with a continuous slope to full scale.
fn soften(sample: f32) -> f32 {
    let over = sample.abs() - KNEE;
    if over <= 0.0 {
        return sample;
    }
    let room = 1.0 - KNEE;
    (KNEE + room * (over / room).tanh()).copysign(sample)
}

/// How loud a run of samples is, in dB relative to full scale; silence is −120.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Of the largest sample.
    pub peak: f32,
    /// Of the mean power.
    pub rms: f32,
}

impl Level {
    /// Nothing to be heard.
    pub const SILENCE: Self = Self { peak: FLOOR, rms: FLOOR };

    /// Of these samples, all channels together.
    pub fn of(samples: &[f32]) -> Self {
        if samples.is_empty() {
            return Self::SILENCE;
        }
        let peak = samples.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
        let power =
            samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len() as f64;
        Self { peak: decibels(f64::from(peak)), rms: decibels(power.sqrt()) }
    }
}

/// Samples at full scale, of either sign, whose next one in the same channel is there too: a wave that was cut off.
/// One alone may be a peak that just fits.
pub fn clipped(samples: &[f32], channels: u16) -> u64 {
    const FULL: f32 = 0.999;
    let is_full = |sample: &f32| sample.abs() >= FULL;
    let later = samples.iter().skip(usize::from(channels.max(1)));
    samples.iter().zip(later).filter(|(a, b)| is_full(a) && is_full(b)).count() as u64
}

fn decibels(amplitude: f64) -> f32 {
    ((20.0 * amplitude.log10()) as f32).max(FLOOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_sounds_are_summed_exactly() {
        assert_eq!(mix(&[&[0.25, -0.5], &[0.5, 0.25]]), [0.75, -0.25]);
        assert_eq!(mix(&[&[0.25, -0.5]]), [0.25, -0.5]);
        assert_eq!(mix(&[&[0.25], &[0.5, 0.25]]), [0.75, 0.25]);
        assert!(mix(&[]).is_empty());
    }

    #[test]
    fn loud_sounds_bend_and_never_wrap() {
        let ramp: Vec<f32> = (-3000..=3000).map(|step| step as f32 / 1000.0).collect();
        let mixed = mix(&[&ramp]);
        for pair in mixed.windows(2) {
            assert!(pair[0] <= pair[1] && pair[1] - pair[0] <= 0.001_01, "{pair:?}");
        }
        assert!(mixed.iter().all(|sample| sample.abs() <= 1.0));
        let below: Vec<f32> = ramp.iter().copied().filter(|sample| sample.abs() < 0.999).collect();
        let bent = mix(&[&below]);
        assert!(bent.iter().all(|sample| sample.abs() < 0.97), "no clipping below full scale");
    }

    #[test]
    fn levels_are_relative_to_full_scale() {
        let sine: Vec<f32> = (0..48_000).map(|n| (n as f32 * 0.05).sin()).collect();
        let level = Level::of(&sine);
        assert!(level.peak.abs() < 0.01 && (level.rms + 3.01).abs() < 0.02, "{level:?}");
        let half: Vec<f32> = sine.iter().map(|sample| sample / 2.0).collect();
        assert!((Level::of(&half).peak + 6.02).abs() < 0.01);
        assert_eq!(Level::of(&[0.0; 10]), Level::SILENCE);
        assert_eq!(Level::of(&[]), Level::SILENCE);
    }

    #[test]
    fn a_wave_that_is_cut_off_is_counted_and_one_that_fits_is_not() {
        let sine = |gain: f32| (0..48_000).map(move |n| (gain * (n as f32 * 0.05).sin()).clamp(-1.0, 1.0));
        let stereo = |gain| sine(gain).flat_map(|sample| [sample, 0.0]).collect::<Vec<_>>();
        assert_eq!(clipped(&stereo(0.99), 2), 0);
        assert!(clipped(&stereo(2.0), 2) > 20_000);
        assert_eq!(clipped(&[1.0, 0.0, 0.2, 1.0], 2), 0);
        assert_eq!(clipped(&[], 0), 0);
    }
}
