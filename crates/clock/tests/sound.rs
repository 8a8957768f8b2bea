//! Real samples through `SourceClock` and `AudioAligner`: what was heard at an instant is at that instant's sample.

use model::{AudioBlock, DeviceTime, Span, Timestamp};
use spool_clock::{AudioAligner, SourceClock};
use std::{f64::consts::TAU, time::Duration};

const GRID: u32 = 48_000;

/// A device with a crystal of its own, which hears `sound` of session time.
struct Device<F> {
    sound: F,
    rate: u32,
    channels: u16,
    /// By how many parts in a million its seconds are too long.
    ppm: f64,
    /// When it hears its first sample.
    start: f64,
    delivered: u64,
    seed: u64,
}

impl<F: Fn(f64) -> f64> Device<F> {
    fn new(rate: u32, ppm: f64, sound: F) -> Self {
        Self { sound, rate, channels: 2, ppm, start: 0.0, delivered: 0, seed: 1 }
    }

    /// When it hears its next sample, in session seconds.
    fn now(&self) -> f64 {
        self.start + self.delivered as f64 / f64::from(self.rate) * (1.0 + self.ppm * 1e-6)
    }

    /// The next 10 ms by its own count, stamped with the truth.
    fn block(&mut self) -> AudioBlock {
        let at = Timestamp((self.now() * 1e9).round() as i64);
        let mut samples = Vec::with_capacity((self.rate / 100) as usize * usize::from(self.channels));
        for _ in 0..self.rate / 100 {
            let heard = (self.sound)(self.now()) as f32;
            samples.extend(std::iter::repeat_n(heard, usize::from(self.channels)));
            self.delivered += 1;
        }
        AudioBlock { at, rate: self.rate, channels: self.channels, samples }
    }

    /// The same, stamped by a clock that sees it arrive up to 5 ms early or late, and one time in a hundred 40 ms
    /// late.
    fn block_through(&mut self, clock: &mut SourceClock) -> AudioBlock {
        let device = DeviceTime((u128::from(self.delivered) * 1_000_000_000 / u128::from(self.rate)) as i64);
        let jitter = (self.random() - 0.5) * 0.010 + if self.random() < 0.01 { 0.040 } else { 0.0 };
        let mut block = self.block();
        clock.observe(device, Timestamp(block.at.0 + (jitter * 1e9) as i64));
        block.at = clock.session_from_device(device);
        block
    }

    fn random(&mut self) -> f64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Everything that is ready, left channel; both must be equal.
fn read_all(aligner: &mut AudioAligner) -> Vec<f32> {
    let mut all = Vec::new();
    loop {
        let position = aligner.position();
        let block = aligner.read(Timestamp(i64::MAX));
        if block.samples.is_empty() {
            return all;
        }
        assert_eq!((block.at, block.rate, block.channels), (position, GRID, 2));
        assert!(block.samples.len() <= 2 * GRID as usize, "a second at most");
        for pair in block.samples.chunks_exact(2) {
            assert_eq!(pair[0], pair[1]);
            all.push(pair[0]);
        }
    }
}

fn at(seconds: f64) -> Timestamp {
    Timestamp((seconds * 1e9).round() as i64)
}

fn index(seconds: f64) -> usize {
    (seconds * f64::from(GRID)).round() as usize
}

fn sine(frequency: f64) -> impl Fn(f64) -> f64 {
    move |time| 0.5 * (TAU * frequency * time).sin()
}

/// Sine and cosine parts of `frequency` in samples that begin at sample `first` of the grid.
fn correlate(samples: &[f32], first: usize, frequency: f64) -> (f64, f64) {
    let mut sums = (0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let (sin, cos) = (TAU * frequency * (first + n) as f64 / f64::from(GRID)).sin_cos();
        sums.0 += f64::from(*sample) * sin;
        sums.1 += f64::from(*sample) * cos;
    }
    (2.0 * sums.0 / samples.len() as f64, 2.0 * sums.1 / samples.len() as f64)
}

/// By how many seconds the tone in the samples is too late.
fn lateness(samples: &[f32], first: usize, frequency: f64) -> f64 {
    let (sin, cos) = correlate(samples, first, frequency);
    -cos.atan2(sin) / (TAU * frequency)
}

/// Power of the tone over the power of all else, in dB.
fn purity(samples: &[f32], first: usize, frequency: f64) -> f64 {
    let (sin, cos) = correlate(samples, first, frequency);
    let mut rest = 0.0;
    for (n, sample) in samples.iter().enumerate() {
        let (s, c) = (TAU * frequency * (first + n) as f64 / f64::from(GRID)).sin_cos();
        rest += (f64::from(*sample) - sin * s - cos * c).powi(2);
    }
    10.0 * ((sin * sin + cos * cos) / 2.0 / (rest / samples.len() as f64)).log10()
}

/// An hour of a device whose crystal is `ppm` off, seen with jitter: a click each minute, a tone in the last one.
fn hour(ppm: f64) {
    const HOUR: f64 = 3600.0;
    const TONE: f64 = 100.0;
    let heard = |time: f64| {
        let click = (-((time - (time / 60.0).round() * 60.0) / 0.000_5).powi(2)).exp();
        if time > HOUR - 50.0 && time < HOUR - 1.0 { 0.5 * (TAU * TONE * time).sin() } else { click }
    };
    let mut device = Device::new(GRID, ppm, heard);
    let (mut clock, mut aligner) = (SourceClock::new(), AudioAligner::new(GRID));
    let mut tail = Vec::new();
    let mut read = 0;
    while device.now() < HOUR + 0.1 {
        let block = device.block_through(&mut clock);
        aligner.push(&block);
        let sound = read_all(&mut aligner);
        for (n, sample) in sound.iter().enumerate() {
            let time = (read + n) as f64 / f64::from(GRID);
            let minute = (time / 60.0).round() * 60.0;
            // A click is nowhere but at its minute, to the millisecond, once the clock has had half a minute.
            if time > 30.0 && time < HOUR - 55.0 && (time - minute).abs() > 0.003 {
                assert!(sample.abs() < 0.01, "{ppm} ppm: {sample} at {time} s");
            }
        }
        read += sound.len();
        if read > index(HOUR - 55.0) {
            tail.extend(sound);
        }
    }
    assert_eq!(aligner.poll_gap(), None);
    let first = read - tail.len();

    let around = index(HOUR - 0.5) - first..index(HOUR + 0.05) - first;
    let loudness = |n: &usize| tail[*n].abs();
    let loudest = around.max_by(|a, b| loudness(a).total_cmp(&loudness(b))).expect("the range is not empty");
    let click = (first + loudest) as f64 / f64::from(GRID);
    assert!((click - HOUR).abs() < 0.001, "{ppm} ppm: the last click is at {click} s");

    let early = index(HOUR - 45.0);
    let late = index(HOUR - 5.0);
    let second = |from: usize| &tail[from - first..from - first + GRID as usize];
    let (was, is) = (lateness(second(early), early, TONE), lateness(second(late), late, TONE));
    assert!(was.abs() < 0.001 && is.abs() < 0.001, "{ppm} ppm: the tone is {was} s, then {is} s late");
    let error_ppm = (is - was) / 40.0 * 1e6;
    assert!(error_ppm.abs() < 5.0, "{ppm} ppm: the tone's frequency is off by {error_ppm} ppm");
}

#[test]
fn an_hour_with_a_slow_crystal_stays_in_time() {
    hour(200.0);
}

#[test]
fn an_hour_with_a_fast_crystal_stays_in_time() {
    hour(-200.0);
}

#[test]
fn tones_stay_pure_at_every_rate_and_drift() {
    for (rate, channels, ppm) in [
        (48_000, 2, 0.0),
        (48_000, 2, 200.0),
        (44_100, 1, -200.0),
        (8_000, 1, 100.0),
        (16_000, 6, 0.0),
        (96_000, 2, 150.0),
        (192_000, 2, -150.0),
    ] {
        for tone in [440.0, 2_900.0, f64::from(rate.min(GRID)) * 0.41] {
            let mut device = Device { channels, ..Device::new(rate, ppm, sine(tone)) };
            let mut aligner = AudioAligner::new(GRID);
            // As long as the drift needs to be learned to the last digit.
            let settled = if ppm == 0.0 { 5.0 } else { 120.0 };
            while device.now() < settled + 2.0 {
                aligner.push(&device.block());
            }
            let sound = read_all(&mut aligner);
            let first = index(settled);
            let second = &sound[first..first + GRID as usize];
            let (purity, late) = (purity(second, first, tone), lateness(second, first, tone));
            let what = format!("{rate} Hz, {channels} channels, {ppm} ppm, tone of {tone} Hz");
            assert!(purity > 80.0, "{what}: {purity:.1} dB above the rest");
            assert!(late.abs() < 0.5e-6, "{what}: {late} s late");
            let (sin, cos) = correlate(second, first, tone);
            assert!((sin.hypot(cos) - 0.5).abs() < 0.001, "{what}: as loud as it was");
        }
    }
}

#[test]
fn wrong_first_stamps_do_not_bend_the_pitch() {
    for wrong in [-0.018_f64, -0.004, 0.0025, 0.012, 0.019] {
        let mut device = Device::new(48_000, 0.0, sine(100.0));
        device.start = 1.0;
        let mut aligner = AudioAligner::new(GRID);
        for number in 0..600 {
            let mut block = device.block();
            if number < 20 {
                block.at = Timestamp(block.at.0 + (wrong * 1e9) as i64);
            }
            aligner.push(&block);
        }
        let heard = read_all(&mut aligner);
        // A second in, all is as it should be; and what is left of an error is made up for unnoticed.
        for second in [2.0, 3.0, 5.0] {
            let (first, last) = (index(second), index(second + 1.0));
            let early = lateness(&heard[first..first + 4_800], first, 100.0);
            let late = lateness(&heard[last - 4_800..last], last - 4_800, 100.0);
            assert!((late - early).abs() < 4e-4, "{wrong}: {early} to {late} in the second from {second}");
        }
        let end = heard.len() - 4_800;
        let late = lateness(&heard[end - 4_800..end], end - 4_800, 100.0);
        assert!(late.abs() < 0.0005 || wrong.abs() < 0.003, "{wrong}: still {late} s late");
        assert!(aligner.poll_gap().is_none());
    }
}

#[test]
fn a_tone_above_the_grid_is_not_heard_lower() {
    let mut device = Device::new(96_000, 0.0, sine(30_000.0));
    let mut aligner = AudioAligner::new(GRID);
    while device.now() < 2.0 {
        aligner.push(&device.block());
    }
    let loudest =
        read_all(&mut aligner)[4800..].iter().fold(0.0f32, |loudest, sample| loudest.max(sample.abs()));
    assert!(loudest < 1e-4, "{loudest}");
}

#[test]
fn a_lost_stretch_is_exactly_that_much_silence() {
    let mut device = Device::new(GRID, 0.0, |time| 0.5 + 0.1 * (TAU * 440.0 * time).sin());
    let mut aligner = AudioAligner::new(GRID);
    while device.now() < 2.999 {
        aligner.push(&device.block());
    }
    for _ in 0..50 {
        device.block();
    }
    while device.now() < 5.0 {
        aligner.push(&device.block());
    }
    assert_eq!(aligner.poll_gap(), Some(Span::new(at(3.0), at(3.5))));
    assert_eq!(aligner.poll_gap(), None);
    let sound = read_all(&mut aligner);
    let silent: Vec<usize> = (index(1.0)..index(4.9)).filter(|n| sound[*n] == 0.0).collect();
    assert_eq!(silent.len(), GRID as usize / 2);
    assert_eq!((silent[0], *silent.last().unwrap()), (index(3.0), index(3.5) - 1));
    // Falls and rises over 3 ms, with what the filter adds: no step anywhere.
    let steepest =
        sound[index(0.9)..index(4.9)].windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
    assert!(steepest < 0.015, "{steepest}");
}

#[test]
fn time_passes_without_sound_and_late_sound_is_cut() {
    let mut device = Device::new(GRID, 0.0, |_| 0.5);
    let mut aligner = AudioAligner::new(GRID);
    aligner.push(&device.block());
    aligner.advance(at(1.0));
    assert_eq!((aligner.ready(), aligner.poll_gap()), (at(1.0), None));
    assert_eq!(aligner.open_gap(), Some(Span::new(at(0.010), at(1.0))));
    let sound = read_all(&mut aligner);
    assert_eq!(sound.len(), index(1.0));
    assert!(sound[index(0.010)..].iter().all(|sample| *sample == 0.0));

    // What belongs before has no place any more; what reaches beyond counts from there on.
    device.start = 0.985;
    device.delivered = 0;
    aligner.push(&device.block());
    assert_eq!(aligner.ready(), at(1.0));
    aligner.push(&device.block());
    aligner.push(&device.block());
    let sound = read_all(&mut aligner);
    assert!(aligner.position() > at(1.010) && sound[480] > 0.49, "{}", sound[480]);
    assert_eq!(aligner.poll_gap(), Some(Span::new(at(0.010), at(1.0))));
    assert_eq!(aligner.open_gap(), None);
}

#[test]
fn advancing_does_not_disturb_sound_that_is_there() {
    let mut device = Device::new(GRID, 0.0, sine(440.0));
    let mut aligner = AudioAligner::new(GRID);
    let mut sound = Vec::new();
    while device.now() < 3.0 {
        aligner.push(&device.block());
        aligner.advance(at(device.now() - 0.001));
        sound.extend(read_all(&mut aligner));
        assert!(aligner.ready() > at(device.now() - 0.005), "held back no more than the fade and the filter");
    }
    assert!(purity(&sound[index(1.0)..index(2.0)], index(1.0), 440.0) > 80.0);
}

#[test]
fn sound_that_comes_twice_is_cut() {
    let mut device = Device::new(GRID, 0.0, |_| 0.5);
    let mut aligner = AudioAligner::new(GRID);
    for step in 0..300 {
        // From 1 s on the device believes it is 100 ms earlier.
        let mut block = device.block();
        if step >= 100 {
            block.at = block.at - Duration::from_millis(100);
        }
        aligner.push(&block);
    }
    let ready = aligner.ready();
    assert!(ready > at(2.89) && ready <= at(2.9), "{ready}");
    assert_eq!(aligner.poll_gap(), None);
}

#[test]
fn pre_roll_is_cut() {
    let mut device = Device { start: -0.507_3, ..Device::new(44_100, 0.0, sine(440.0)) };
    let mut aligner = AudioAligner::new(GRID);
    while device.now() < 1.1 {
        aligner.push(&device.block());
    }
    let sound = read_all(&mut aligner);
    let second = &sound[index(0.02)..index(1.0)];
    assert!(lateness(second, index(0.02), 440.0).abs() < 1e-6);
    assert_eq!(aligner.poll_gap(), None);
}

#[test]
fn restarts_where_the_session_goes_on() {
    let mut device = Device::new(GRID, 0.0, |_| 0.5);
    let mut aligner = AudioAligner::new(GRID);
    while device.now() < 1.0 {
        aligner.push(&device.block());
    }
    aligner.restart(at(10.000_01));
    assert_eq!(aligner.position(), Timestamp::from_ticks(480_001, GRID));
    device.start = 8.9;
    while device.now() < 10.1 {
        aligner.push(&device.block());
    }
    let sound = read_all(&mut aligner);
    assert!(sound.len() > index(0.09) && sound[200] > 0.49);
    assert_eq!(aligner.poll_gap(), None);
}

#[test]
fn hostile_stamps_take_no_memory() {
    let mut aligner = AudioAligner::new(GRID);
    let block =
        |at, rate, channels| AudioBlock { at: Timestamp(at), rate, channels, samples: vec![0.5; 960] };
    for stamp in [0, 86_400_000_000_000, i64::MAX, i64::MIN, 29_000_000_000, -1, i64::MAX - 1, 20_000_000] {
        for (rate, channels) in [(48_000, 2), (0, 2), (48_000, 0), (u32::MAX, 1), (8_000, u16::MAX)] {
            aligner.push(&block(stamp, rate, channels));
        }
    }
    assert!(aligner.ready() < at(31.0), "{}", aligner.ready());
    aligner.advance(Timestamp(i64::MAX));
    aligner.push(&block(0, 48_000, 2));
    let read = aligner.read(Timestamp(i64::MAX));
    assert_eq!(read.samples.len(), 2 * GRID as usize, "three hundred years of silence, a second at a time");
}
