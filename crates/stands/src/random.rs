//! Choices that look random and come back with the seed: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom
//! number generators", 2014).

use std::{env, time::Duration};

/// A row of choices made from a seed.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From SPOOL_SEED, else from `default`. Prints the seed, so that a failure can be repeated.
    pub fn from_environment(default: u64) -> Self {
        let seed = env::var("SPOOL_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(default);
        println!("SPOOL_SEED={seed}");
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 up to `end`, which is not included.
    pub fn below(&mut self, end: u64) -> u64 {
        self.bits() % end.max(1)
    }

    /// Between the two.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let width = u64::try_from(most.saturating_sub(least).as_nanos()).unwrap_or(u64::MAX);
        least + Duration::from_nanos(self.below(width))
    }
}
