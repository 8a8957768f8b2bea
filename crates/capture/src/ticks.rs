//! The instants at which a screen is looked at: multiples of the frame period on the host clock, so that several
//! screens are looked at together and no error adds up. Pure; tested below.

use model::HostTime;

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// A grid of `fps` instants a second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticks {
    fps: i128,
}

impl Ticks {
    /// At least one a second, at most a thousand.
    pub fn new(fps: u32) -> Self {
        Self { fps: i128::from(fps.clamp(1, 1000)) }
    }

    /// The newest tick that is not after `now`.
    pub fn index_at(self, now: HostTime) -> i64 {
        saturated((i128::from(now.0) * self.fps).div_euclid(NANOS_PER_SECOND))
    }

    /// When tick `index` is.
    pub fn time_of(self, index: i64) -> HostTime {
        // Rounded up, so that `index_at` of it is the same tick again.
        HostTime(saturated(-(-i128::from(index) * NANOS_PER_SECOND).div_euclid(self.fps)))
    }

    /// The tick to wait for after `done`: the next one, or the newest if some have gone by.
    pub fn after(self, done: i64, now: HostTime) -> i64 {
        self.index_at(now).max(done + 1)
    }
}

fn saturated(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tick_is_found_again_at_its_own_time() {
        for fps in [1, 24, 30, 60, 144] {
            let ticks = Ticks::new(fps);
            for index in [-7, 0, 1, 29, 30, 1_000_003, 86_400 * 60] {
                let at = ticks.time_of(index);
                assert_eq!(ticks.index_at(at), index, "{fps} fps");
                assert_eq!(ticks.index_at(HostTime(at.0 - 1)), index - 1, "{fps} fps");
            }
        }
    }

    #[test]
    fn whole_seconds_are_ticks() {
        assert_eq!(Ticks::new(30).time_of(90), HostTime(3_000_000_000));
    }

    #[test]
    fn a_late_thread_goes_on_with_the_newest_tick() {
        let ticks = Ticks::new(10);
        assert_eq!(ticks.after(5, HostTime(510_000_000)), 6);
        assert_eq!(ticks.after(5, HostTime(1_230_000_000)), 12);
    }
}
