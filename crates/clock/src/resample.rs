//! Sound at one rate from sound at another, the ratio free to move: a windowed sinc, evaluated where each output
//! sample lies.
//!
//! The position of an output sample in the input is known exactly at all times, which is what puts sound on the
//! session's grid; libraries that work block by block hide it.

use std::f64::consts::PI;

/// Input samples on each side that an output sample is made of, where the rate does not fall.
const HALF: usize = 32;
/// Positions between two input samples for which the filter is stored; between them it is interpolated.
const PHASES: usize = 256;
/// Lanes that are summed side by side.
const LANES: usize = 8;
/// What passes, relative to the lower of the two Nyquist frequencies: 22 of 24 kHz, where the filter is half open.
const CUTOFF: f64 = 0.917;
/// Of the Kaiser window: 90 dB beside the pass band.
const BETA: f64 = 9.0;

/// The filter, for one pair of rates.
#[derive(Debug)]
struct Kernel {
    half: usize,
    /// One row of `2 * half` for each phase, and one more to interpolate to.
    rows: Vec<f32>,
}

impl Kernel {
    fn new(input_rate: u32, output_rate: u32) -> Self {
        let ratio = (f64::from(output_rate) / f64::from(input_rate)).min(1.0);
        let half = ((HALF as f64 / ratio).ceil() as usize).next_multiple_of(LANES / 2);
        let cutoff = CUTOFF * ratio;
        let mut rows = Vec::with_capacity((PHASES + 1) * 2 * half);
        for phase in 0..=PHASES {
            let fraction = phase as f64 / PHASES as f64;
            let taps = (0..2 * half).map(|tap| {
                let distance = tap as f64 - (half as f64 - 1.0) - fraction;
                sinc(cutoff * distance) * kaiser(distance / half as f64)
            });
            let row: Vec<f64> = taps.collect();
            let sum: f64 = row.iter().sum();
            rows.extend(row.iter().map(|tap| (tap / sum) as f32));
        }
        Self { half, rows }
    }

    /// The sound at `fraction` of a sample after the middle of two equally long windows.
    fn at(&self, fraction: f64, left: &[f32], right: &[f32]) -> [f32; 2] {
        let place = fraction * PHASES as f64;
        let phase = (place as usize).min(PHASES - 1);
        let blend = (place - phase as f64) as f32;
        let width = 2 * self.half;
        let (near, far) = self.rows[phase * width..(phase + 2) * width].split_at(width);
        let (mut sum_left, mut sum_right) = ([0.0f32; LANES], [0.0f32; LANES]);
        // Both sides of every window are whole numbers of lanes: nothing is left over.
        let taps = near.as_chunks::<LANES>().0.iter().zip(far.as_chunks::<LANES>().0);
        let sound = left.as_chunks::<LANES>().0.iter().zip(right.as_chunks::<LANES>().0);
        for ((near, far), (left, right)) in taps.zip(sound) {
            for lane in 0..LANES {
                let tap = near[lane] + blend * (far[lane] - near[lane]);
                sum_left[lane] += tap * left[lane];
                sum_right[lane] += tap * right[lane];
            }
        }
        [sum_left.iter().sum(), sum_right.iter().sum()]
    }
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The Kaiser window over −1 to 1.
fn kaiser(x: f64) -> f64 {
    if x.abs() >= 1.0 { 0.0 } else { bessel(BETA * (1.0 - x * x).sqrt()) / bessel(BETA) }
}

/// The modified Bessel function of the first kind, of order zero.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..60 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

/// Resamples one run of stereo sound. Silence is before it and after it.
#[derive(Debug)]
pub(crate) struct Resampler {
    kernel: Kernel,
    input_rate: u32,
    output_rate: u32,
    left: Vec<f32>,
    right: Vec<f32>,
    /// Where in the input the next output sample lies.
    at: f64,
    /// Input samples from one output sample to the next.
    step: f64,
}

impl Resampler {
    /// Between these rates, beginning `phase` input samples after the first one.
    pub(crate) fn new(input_rate: u32, output_rate: u32) -> Self {
        let kernel = Kernel::new(input_rate, output_rate);
        let mut new =
            Self { kernel, input_rate, output_rate, left: vec![], right: vec![], at: 0.0, step: 0.0 };
        new.begin(0.0, 0.0);
        new
    }

    pub(crate) fn input_rate(&self) -> u32 {
        self.input_rate
    }

    /// Begins a new run; its first output sample lies `phase` input samples after its first input sample.
    pub(crate) fn begin(&mut self, phase: f64, drift: f64) {
        for side in [&mut self.left, &mut self.right] {
            side.clear();
            side.resize(self.kernel.half, 0.0);
        }
        self.at = self.kernel.half as f64 + phase;
        self.set_drift(drift);
    }

    /// From now on each input sample lasts longer than it says by this share.
    pub(crate) fn set_drift(&mut self, drift: f64) {
        self.step = f64::from(self.input_rate) / f64::from(self.output_rate) / (1.0 + drift);
    }

    /// Output samples, and fractions of one, from the next one to the end of the input.
    pub(crate) fn pending(&self) -> f64 {
        (self.left.len() as f64 - self.at) / self.step
    }

    /// Takes sound and gives what can be made of it, as far as the filter sees.
    pub(crate) fn push(&mut self, sound: impl Iterator<Item = [f32; 2]>, mut give: impl FnMut([f32; 2])) {
        for [left, right] in sound {
            self.left.push(left);
            self.right.push(right);
        }
        self.make(self.left.len(), &mut give);
        // Positions are relative to the buffer, so they stay small and exact however long the run is.
        let done = (self.at as usize).saturating_sub(self.kernel.half).min(self.left.len());
        self.left.drain(..done);
        self.right.drain(..done);
        self.at -= done as f64;
    }

    /// Gives what is left up to the end of the input.
    pub(crate) fn finish(&mut self, mut give: impl FnMut([f32; 2])) {
        let end = self.left.len();
        for side in [&mut self.left, &mut self.right] {
            side.resize(end + self.kernel.half + 1, 0.0);
        }
        self.make(end + self.kernel.half, &mut give);
    }

    fn make(&mut self, end: usize, give: &mut impl FnMut([f32; 2])) {
        let half = self.kernel.half;
        while (self.at as usize) + half < end {
            let middle = self.at as usize;
            let window = middle + 1 - half..middle + 1 + half;
            let fraction = self.at - middle as f64;
            give(self.kernel.at(fraction, &self.left[window.clone()], &self.right[window]));
            self.at += self.step;
        }
    }
}
