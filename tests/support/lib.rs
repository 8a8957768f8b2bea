//! What the end-to-end tests stand on: real displays, sound servers, disks and browsers, all private to one test,
//! the real `spool` binary, and ways to read back what was recorded.
//!
//! Never knows how Spool works inside: it starts the program, reads its JSON, and judges its files with FFmpeg and
//! a browser. Everything that is started is ended by a guard, every wait has an end, and what is missing on the
//! machine fails the test with the command that installs it. It is tested by its users.

pub mod browser;
pub mod codes;
pub mod cursor;
pub mod disk;
pub mod display;
pub mod film;
pub mod library;
pub mod process;
pub mod random;
pub mod sound;
pub mod spool;
pub mod tone;
pub mod turn;

pub use crate::{
    codes::{CodeShow, Shown},
    cursor::Cursor,
    disk::Disk,
    display::Display,
    film::{Film, Pcm, Picture},
    process::{Running, tool, wait_for},
    random::Random,
    sound::Sound,
    spool::{Done, Finished, Recorder, Spool, rows},
    turn::my_turn,
};
