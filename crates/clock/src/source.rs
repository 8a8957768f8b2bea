//! One source's clock: a line through what was observed of it.
//!
//! A device counts its samples by its own crystal; the computer sees each run of them some milliseconds later, now
//! and then much later, never earlier. The line through these observations says how fast the crystal is and when a
//! sample really was. Nobody who asks sees the line jump while it is being learned: the answer is steered to it.

use model::{DeviceTime, Timestamp};

const NANOS: f64 = 1e9;
/// No crystal is further from its nominal rate.
const DRIFT_MAX: f64 = 1e-3;
/// Seconds after which an observation has lost two thirds of its weight.
const MEMORY: f64 = 60.0;
/// How firmly a clock is believed to be right before it was observed, in observations times seconds squared: with
/// 3 ms of jitter, as if it were known to 100 ppm.
const PRIOR: f64 = 900.0;
/// Seconds in which the answer approaches the line.
const APPROACH: f64 = 5.0;
/// The answer never runs faster or slower than the line by more: a change of pitch that nobody hears.
const SLEW_MAX: f64 = 5e-4;
/// While a clock is this young, in seconds, the answer may still step to the line: the first callback of a device is
/// often its latest.
const YOUNG: f64 = 0.5;
/// By how many seconds the answer of a young clock must be wrong to be worth a step.
const STEP_MIN: f64 = 0.010;
/// An observation further from the line, in seconds, is not jitter.
const JITTER_MAX: f64 = 0.050;
/// How many seconds such observations must go on to be believed: a process that was held up catches up sooner.
const DOUBT: f64 = 0.25;
/// An observation this far from the line, in seconds, is believed sooner: samples were lost, or the machine slept.
const JUMP: f64 = 0.5;
/// How much sooner, in seconds.
const JUMP_DOUBT: f64 = 0.05;

/// Maps one source's device time to session time. Offset and drift are learned from observations.
#[derive(Debug, Clone, Default)]
pub struct SourceClock {
    fit: Option<Fit>,
}

/// Everything is in seconds from the origin; `y` is how much later session time is than device time there.
#[derive(Debug, Clone)]
struct Fit {
    origin: DeviceTime,
    offset: i128,
    line: Line,
    answer: Answer,
    /// Mean distance of the observations from the line.
    spread: f64,
    doubt: Option<Doubt>,
}

/// Exponentially weighted least squares.
#[derive(Debug, Clone)]
struct Line {
    newest: f64,
    weight: f64,
    mean_x: f64,
    mean_y: f64,
    sum_xx: f64,
    sum_xy: f64,
}

/// What is told: at `x` it is `y`, from there it follows `slope` and makes up for `error`.
#[derive(Debug, Clone)]
struct Answer {
    x: f64,
    y: f64,
    slope: f64,
    error: f64,
}

/// Observations that may be the beginning of another line.
#[derive(Debug, Clone)]
struct Doubt {
    since: Timestamp,
    late: bool,
    count: f64,
    sum: f64,
}

impl SourceClock {
    /// A clock of which nothing is known: as long as that is so, device time is taken for session time.
    pub fn new() -> Self {
        Self::default()
    }

    /// The sample at `device` was there at `arrival`, or earlier.
    pub fn observe(&mut self, device: DeviceTime, arrival: Timestamp) {
        match &mut self.fit {
            Some(fit) => fit.observe(device, arrival),
            None => self.fit = Some(Fit::begin(device, arrival, 0.0)),
        }
    }

    /// When the sample at `device` was. Grows steadily but where the clock itself jumped.
    pub fn session_from_device(&self, device: DeviceTime) -> Timestamp {
        self.fit.as_ref().map_or(Timestamp(device.0), |fit| fit.session_from_device(device))
    }

    /// By how many parts in a million a second of this clock is too long: positive for a slow crystal.
    pub fn drift_ppm(&self) -> f64 {
        self.fit.as_ref().map_or(0.0, |fit| fit.line.slope() * 1e6)
    }
}

impl Fit {
    fn begin(device: DeviceTime, arrival: Timestamp, slope: f64) -> Self {
        Self {
            origin: device,
            offset: i128::from(arrival.0) - i128::from(device.0),
            line: Line::begin(slope),
            answer: Answer { x: 0.0, y: 0.0, slope, error: 0.0 },
            spread: 0.001,
            doubt: None,
        }
    }

    fn observe(&mut self, device: DeviceTime, arrival: Timestamp) {
        let x = self.x(device);
        let y = (i128::from(arrival.0) - i128::from(device.0) - self.offset) as f64 / NANOS;
        let residual = y - self.line.at(x);
        // A young line is no line yet: sound that is far too early shows that its first observation was late.
        let young = x < YOUNG && residual < 0.0 && residual > -JUMP;
        if residual.abs() > JITTER_MAX && !young {
            self.consider(device, arrival, residual);
            return;
        }
        self.doubt = None;
        // Lateness has no bound and being early has: what is later than usual says little about the clock.
        let believed = residual.min(3.0 * self.spread);
        self.spread += (residual.abs().min(JITTER_MAX) - self.spread) / 100.0;
        self.line.push(x, y - residual + believed);
        self.steer(x);
    }

    /// Continues the answer from where it is towards the line.
    fn steer(&mut self, x: f64) {
        let target = self.line.at(x);
        let mut y = self.answer.at(x);
        if x < YOUNG && (target - y).abs() > STEP_MIN {
            y = target;
        }
        self.answer = Answer { x, y, slope: self.line.slope(), error: target - y };
    }

    /// Begins a new line once such residuals have gone on for long enough. What is known of the drift stays.
    fn consider(&mut self, device: DeviceTime, arrival: Timestamp, residual: f64) {
        let late = residual > 0.0;
        let doubt = match &mut self.doubt {
            Some(doubt) if doubt.late == late => doubt,
            other => other.insert(Doubt { since: arrival, late, count: 0.0, sum: 0.0 }),
        };
        doubt.count += 1.0;
        doubt.sum += residual;
        let elapsed = arrival.saturating_since(doubt.since).as_secs_f64();
        // Nothing arrives before it was there, so that needs no second look.
        let enough = match (residual.abs() > JUMP, late) {
            (true, false) => 0.0,
            (true, true) => JUMP_DOUBT,
            (false, _) => DOUBT,
        };
        if elapsed >= enough {
            let mean = doubt.sum / doubt.count;
            let believed = Timestamp(arrival.0.saturating_sub(((residual - mean) * NANOS) as i64));
            let spread = self.spread;
            *self = Self::begin(device, believed, self.line.slope());
            self.spread = spread;
        }
    }

    fn session_from_device(&self, device: DeviceTime) -> Timestamp {
        let nanos =
            i128::from(device.0) + self.offset + (self.answer.at(self.x(device)) * NANOS).round() as i128;
        Timestamp(i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX }))
    }

    fn x(&self, device: DeviceTime) -> f64 {
        (i128::from(device.0) - i128::from(self.origin.0)) as f64 / NANOS
    }
}

impl Line {
    fn begin(slope: f64) -> Self {
        Self { newest: 0.0, weight: 1.0, mean_x: 0.0, mean_y: 0.0, sum_xx: PRIOR, sum_xy: PRIOR * slope }
    }

    fn push(&mut self, x: f64, y: f64) {
        // However long nothing was observed, something must stay to put the new observation in relation to.
        let keep = (-(x - self.newest).clamp(0.0, MEMORY) / MEMORY).exp();
        self.newest = self.newest.max(x);
        self.weight = self.weight * keep + 1.0;
        let (from_x, from_y) = (x - self.mean_x, y - self.mean_y);
        self.mean_x += from_x / self.weight;
        self.mean_y += from_y / self.weight;
        self.sum_xx = self.sum_xx * keep + from_x * (x - self.mean_x);
        self.sum_xy = self.sum_xy * keep + from_x * (y - self.mean_y);
    }

    fn slope(&self) -> f64 {
        (self.sum_xy / self.sum_xx).clamp(-DRIFT_MAX, DRIFT_MAX)
    }

    fn at(&self, x: f64) -> f64 {
        self.mean_y + self.slope() * (x - self.mean_x)
    }
}

impl Answer {
    fn at(&self, x: f64) -> f64 {
        let elapsed = x - self.x;
        let slew = (self.error / APPROACH).clamp(-SLEW_MAX, SLEW_MAX);
        let bound = self.error.abs();
        self.y + self.slope * elapsed + (slew * elapsed).clamp(-bound, bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device 10 ms a callback, `ppm` slow, seen with ±5 ms of jitter and now and then 40 ms late.
    struct Device {
        ppm: f64,
        seed: u64,
        clock: SourceClock,
    }

    impl Device {
        fn new(ppm: f64, seed: u64) -> Self {
            Self { ppm, seed, clock: SourceClock::new() }
        }

        fn random(&mut self) -> f64 {
            self.seed =
                self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.seed >> 11) as f64 / (1u64 << 53) as f64
        }

        fn truth(&self, device: f64) -> f64 {
            3.0 + device * (1.0 + self.ppm * 1e-6)
        }

        fn error(&self, device: f64) -> f64 {
            self.clock.session_from_device(DeviceTime((device * NANOS) as i64)).as_secs_f64()
                - self.truth(device)
        }

        /// Callbacks in a range of device seconds, the true time off by `shift`; calls back after each.
        fn run(&mut self, seconds: std::ops::Range<u32>, shift: f64, mut each: impl FnMut(&Self, f64)) {
            for block in seconds.start * 100..seconds.end * 100 {
                let device = f64::from(block) / 100.0;
                let late = if self.random() < 0.01 { 0.040 } else { 0.0 };
                let seen = self.truth(device) + shift + (self.random() - 0.5) * 0.010 + late;
                self.clock.observe(DeviceTime((device * NANOS) as i64), Timestamp((seen * NANOS) as i64));
                each(self, device);
            }
        }
    }

    #[test]
    fn learns_offset_and_drift_through_jitter() {
        for (seed, ppm) in [(1, 200.0), (2, -200.0), (3, 0.0), (4, 50.0), (5, -37.5)] {
            let mut device = Device::new(ppm, seed);
            device.run(0..30, 0.0, |_, _| {});
            assert!(
                device.error(30.0).abs() < 0.001,
                "{ppm} ppm: off by {} s after 30 s",
                device.error(30.0)
            );
            device.run(30..60, 0.0, |device, at| assert!(device.error(at).abs() < 0.001));
            let drift = device.clock.drift_ppm();
            assert!((drift - ppm).abs() < 10.0, "{ppm} ppm: learned {drift} in a minute");
        }
    }

    #[test]
    fn never_steps_while_learning() {
        let mut device = Device::new(200.0, 7);
        let mut last = None;
        device.run(0..120, 0.0, |device, at| {
            let now = device.clock.session_from_device(DeviceTime((at * NANOS) as i64)).as_secs_f64();
            if let Some(last) = last.filter(|_| at > YOUNG) {
                let step: f64 = now - last - 0.010;
                assert!(step.abs() < 20e-6, "stepped by {step} s at {at} s");
            }
            last = Some(now);
        });
    }

    #[test]
    fn a_late_first_callback_is_soon_forgotten() {
        let mut device = Device::new(0.0, 11);
        device.clock.observe(DeviceTime(0), Timestamp(((3.0 + 0.060) * NANOS) as i64));
        device.run(0..1, 0.0, |_, _| {});
        assert!(device.error(1.0).abs() < 0.011, "{}", device.error(1.0));
    }

    #[test]
    fn lost_samples_begin_a_new_line() {
        for lost in [0.1, 0.45, 3.0, -0.2, -2.0] {
            let mut device = Device::new(100.0, 13);
            device.run(0..60, 0.0, |_, _| {});
            device.run(60..61, lost, |_, _| {});
            assert!((device.error(61.0) - lost).abs() < 0.005, "{lost}: {}", device.error(61.0));
            assert!((device.clock.drift_ppm() - 100.0).abs() < 20.0, "drift is kept");
        }
    }

    #[test]
    fn a_process_that_was_held_up_moves_nothing() {
        for held in [0.2, 0.9] {
            let mut device = Device::new(0.0, 17);
            device.run(0..60, 0.0, |_, _| {});
            // What the device gave in the meantime is there all at once.
            let release = device.truth(60.0) + held;
            for block in 0..(held * 100.0) as i64 {
                let at = DeviceTime(60_000_000_000 + block * 10_000_000);
                device.clock.observe(at, Timestamp((release * NANOS) as i64));
            }
            device.run(61..62, 0.0, |device, at| assert!(device.error(at).abs() < 0.001));
        }
    }

    #[test]
    fn any_stamps_give_an_answer() {
        let mut clock = SourceClock::new();
        assert_eq!(clock.session_from_device(DeviceTime(5)), Timestamp(5));
        for (device, arrival) in
            [(0, 0), (i64::MAX, i64::MIN), (i64::MIN, i64::MAX), (1, 1), (1, 1), (2, i64::MAX)]
        {
            clock.observe(DeviceTime(device), Timestamp(arrival));
            for at in [i64::MIN, 0, i64::MAX] {
                clock.session_from_device(DeviceTime(at));
            }
            assert!(clock.drift_ppm().abs() <= 1000.0);
        }
    }
}
