//! Simulated disks, crashes and recordings. For tests only.
//!
//! Owns: [`SimFs`], a disk that forgets what was not synced and fails where it is told to; [`Script`], a recording
//! from a seed, made by the real chunker; [`Day`], a recording as long as one likes, on an [`EmptiedFs`]; [`Account`], what a store must still have after a crash. Never sleeps,
//! reads no clock: a seed and the number of an operation are all it takes to see a failure again.

mod account;
mod day;
mod disk;
mod emptied;
mod keys;
mod model_disk;
mod random;
mod script;

pub use account::{Account, Play};
pub use day::Day;
pub use disk::{Crash, Fault, SimFs};
pub use emptied::EmptiedFs;
pub use keys::{KeyBox, key};
pub use random::Random;
pub use script::{Script, Step, meta, session_id};
