//! What a recorded tone is: its frequency by its phase, its loudness by correlation.

use std::f64::consts::TAU;

/// Samples in one measurement of the phase.
const WINDOW: usize = 2048;

/// The frequency in hertz of a tone that should be near `expected`, from how its phase moves against it. Good to a
/// few parts in a million over some seconds; `samples` must hold at least two windows of the tone.
pub fn frequency(samples: &[f32], rate: u32, expected: f64) -> f64 {
    let phases: Vec<f64> = samples
        .chunks_exact(WINDOW)
        .enumerate()
        .map(|(index, window)| {
            let (re, im) = correlate(window, rate, expected, index * WINDOW);
            im.atan2(re)
        })
        .collect();
    assert!(phases.len() >= 2, "{} samples are too few to measure a frequency", samples.len());
    let mut turned = phases[0];
    let unwrapped: Vec<f64> = phases
        .iter()
        .map(|phase| {
            turned += (phase - turned + TAU / 2.0).rem_euclid(TAU) - TAU / 2.0;
            turned
        })
        .collect();
    // The phase moves against the expected tone by this much in each window.
    expected + slope(&unwrapped) / TAU * f64::from(rate) / WINDOW as f64
}

/// How loud a tone of `hertz` is in `samples`, as its amplitude.
pub fn amplitude(samples: &[f32], rate: u32, hertz: f64) -> f64 {
    let (re, im) = correlate(samples, rate, hertz, 0);
    re.hypot(im) * 2.0 / samples.len().max(1) as f64
}

/// The loudest sample.
pub fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |peak, sample| sample.abs().max(peak))
}

fn correlate(samples: &[f32], rate: u32, hertz: f64, offset: usize) -> (f64, f64) {
    let step = TAU * hertz / f64::from(rate);
    samples.iter().enumerate().fold((0.0, 0.0), |(re, im), (index, sample)| {
        let angle = step * (offset + index) as f64;
        (re + f64::from(*sample) * angle.cos(), im - f64::from(*sample) * angle.sin())
    })
}

/// Of the line through `values` at 0, 1, 2 and so on that lies closest to them.
fn slope(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let middle = (count - 1.0) / 2.0;
    let mean = values.iter().sum::<f64>() / count;
    let deviations = values.iter().enumerate().map(|(index, value)| (index as f64 - middle, value - mean));
    let (mut product, mut square) = (0.0, 0.0);
    for (x, y) in deviations {
        product += x * y;
        square += x * x;
    }
    product / square
}
