//! What gives way while the machine is too slow, in which order, and when it comes back. Pure.
//!
//! Sound never gives way. What costs the least to lose goes first: longer chunks need fewer keyframes; then a few
//! pictures a second; then rings and keys that are drawn over the picture; then the encoder tries less hard.

use codec::Speed;
use model::Timestamp;
use std::time::Duration;

/// What a picture track does to save work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Relief {
    /// Chunks are twice as long.
    pub(crate) longer_chunks: bool,
    /// Share of the planned rate of pictures.
    pub(crate) rate: f64,
    /// Rings and keys are not drawn.
    pub(crate) essential_only: bool,
    /// How hard the encoder tries.
    pub(crate) speed: Speed,
    /// Work for a second of moving pictures, as a share of what it is without relief; measured, see BENCHMARKS.md.
    work: f64,
}

impl Relief {
    /// From none to all that can be done.
    const STEPS: [Self; 9] = [
        Self::step(false, 1.0, false, Speed::Veryfast, 1.0),
        Self::step(true, 1.0, false, Speed::Veryfast, 0.97),
        Self::step(true, 2.0 / 3.0, false, Speed::Veryfast, 0.65),
        Self::step(true, 2.0 / 3.0, true, Speed::Veryfast, 0.63),
        Self::step(true, 2.0 / 3.0, true, Speed::Superfast, 0.52),
        Self::step(true, 0.5, true, Speed::Superfast, 0.39),
        Self::step(true, 0.5, true, Speed::Ultrafast, 0.24),
        Self::step(true, 1.0 / 3.0, true, Speed::Ultrafast, 0.16),
        Self::step(true, 1.0 / 6.0, true, Speed::Ultrafast, 0.08),
    ];

    const fn step(longer_chunks: bool, rate: f64, essential_only: bool, speed: Speed, work: f64) -> Self {
        Self { longer_chunks, rate, essential_only, speed, work }
    }

    /// Whether more gives way than before.
    pub(crate) fn is_more_than(&self, before: &Self) -> bool {
        self.work < before.work
    }

    /// What is different from `before`, for people.
    pub(crate) fn describe(&self, before: &Self, fps: u32) -> String {
        let per_second = f64::from(fps) * self.rate;
        if self.rate < before.rate {
            format!("at most {per_second:.0} pictures a second for now: the machine is busy")
        } else if self.rate > before.rate {
            format!("up to {per_second:.0} pictures a second again")
        } else if self.longer_chunks != before.longer_chunks {
            let length = if self.longer_chunks {
                "longer chunks for now: the machine is busy"
            } else {
                "chunks of the usual length again"
            };
            length.to_owned()
        } else if self.essential_only != before.essential_only {
            let shown = if self.essential_only {
                "clicks and keys are not shown for now: the machine is busy"
            } else {
                "clicks and keys are shown again"
            };
            shown.to_owned()
        } else if self.speed == before.speed {
            String::new()
        } else if self.is_more_than(before) {
            "a lighter encoder preset for now: the machine is busy".to_owned()
        } else {
            "the usual encoder preset again".to_owned()
        }
    }
}

/// Watches how busy a track's thread is, and says what is to give way.
#[derive(Debug)]
pub(crate) struct Pressure {
    fps: u32,
    step: usize,
    busy: Duration,
    since: Option<Timestamp>,
    calm: u32,
}

impl Pressure {
    const WINDOW: Duration = Duration::from_secs(1);
    /// Busier than this for a window: more relief. The rest is for what else runs on the thread's core.
    const BUSY: f64 = 0.85;
    /// Windows that would be calm with less relief before it is tried.
    const CALM_WINDOWS: u32 = 5;
    const CALM: f64 = 0.6;

    pub(crate) fn new(fps: u32) -> Self {
        Self { fps, step: 0, busy: Duration::ZERO, since: None, calm: 0 }
    }

    /// What gives way now.
    pub(crate) fn relief(&self) -> Relief {
        Relief::STEPS[self.step]
    }

    /// Most pictures a second for now.
    pub(crate) fn ceiling(&self) -> f64 {
        f64::from(self.fps) * self.relief().rate
    }

    /// Time between pictures for now.
    pub(crate) fn period(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.ceiling())
    }

    /// Drawing and encoding took `busy`, and it is `now`. Says whether what gives way has changed.
    pub(crate) fn worked(&mut self, busy: Duration, now: Timestamp) -> bool {
        self.busy += busy;
        let since = *self.since.get_or_insert(now);
        let elapsed = now.saturating_since(since);
        if elapsed < Self::WINDOW {
            return false;
        }
        let load = self.busy.as_secs_f64() / elapsed.as_secs_f64();
        self.busy = Duration::ZERO;
        self.since = Some(now);
        self.judge(load)
    }

    fn judge(&mut self, load: f64) -> bool {
        if load > Self::BUSY && self.step + 1 < Relief::STEPS.len() {
            self.step += 1;
            self.calm = 0;
            return true;
        }
        let with_less = |step: usize| load * Relief::STEPS[step].work / self.relief().work;
        let Some(less) = self.step.checked_sub(1).filter(|&less| with_less(less) < Self::CALM) else {
            self.calm = 0;
            return false;
        };
        self.calm += 1;
        if self.calm < Self::CALM_WINDOWS {
            return false;
        }
        self.calm = 0;
        self.step = less;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Machine {
        pressure: Pressure,
        now: Timestamp,
    }

    impl Machine {
        fn new() -> Self {
            Self { pressure: Pressure::new(30), now: Timestamp::ZERO }
        }

        /// A second in which the thread is busy for this many milliseconds.
        fn second(&mut self, busy_ms: f64) -> bool {
            self.pressure.worked(Duration::ZERO, self.now);
            self.now = self.now + Duration::from_secs(1);
            self.pressure.worked(Duration::from_secs_f64(busy_ms / 1e3), self.now)
        }
    }

    #[test]
    fn what_costs_least_to_lose_gives_way_first() {
        let mut machine = Machine::new();
        assert!(!machine.second(500.0));
        let mut told = Vec::new();
        for _ in 0..8 {
            let before = machine.pressure.relief();
            assert!(machine.second(950.0));
            told.push(machine.pressure.relief().describe(&before, 30));
        }
        let busy = "for now: the machine is busy";
        let expected = [
            "longer chunks",
            "at most 20 pictures a second",
            "clicks and keys are not shown",
            "a lighter encoder preset",
            "at most 15 pictures a second",
            "a lighter encoder preset",
            "at most 10 pictures a second",
            "at most 5 pictures a second",
        ];
        assert_eq!(told, expected.map(|what| format!("{what} {busy}")));
        assert!(!machine.second(990.0), "there is nothing left to give");
    }

    #[test]
    fn all_comes_back_when_there_is_time_for_it_and_no_more() {
        let mut machine = Machine::new();
        (0..8).for_each(|_| assert!(machine.second(950.0)));
        // A machine that needs 900 ms for everything: below 0.6 of a core is where it may settle.
        for _ in 0..200 {
            let busy = 900.0 * machine.pressure.relief().work;
            machine.second(busy);
        }
        let relief = machine.pressure.relief();
        assert!(relief.work * 0.9 < 0.6 && relief.work * 0.9 > 0.3, "{relief:?}");
        let mut told = Vec::new();
        for _ in 0..200 {
            let before = machine.pressure.relief();
            if machine.second(100.0 * before.work) {
                told.push(machine.pressure.relief().describe(&before, 30));
            }
        }
        assert_eq!(told.last().map(String::as_str), Some("chunks of the usual length again"));
        assert!(told.iter().any(|told| told == "up to 30 pictures a second again"), "{told:?}");
    }
}
