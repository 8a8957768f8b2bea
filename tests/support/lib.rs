//! What the end-to-end tests add to the stands: the real `spool` binary, the real app, disks and browsers, and ways to read back what
//! was recorded.
//!
//! Never knows how Spool works inside: it starts the program, reads its JSON, and judges its files with FFmpeg and
//! a browser. Everything that is started is ended by a guard, every wait has an end, and what is missing on the
//! machine fails the test with the command that installs it. It is tested by its users.

pub mod app;
pub mod browser;
pub mod disk;
pub mod film;
pub mod keychain;
pub mod library;
pub mod makers;
pub mod package;
pub mod program;
pub mod server;
pub mod shell;
pub mod spool;
pub mod tone;
pub mod turn;
pub mod webdriver;

pub use crate::{
    disk::Disk,
    film::{Film, Pcm, Picture},
    keychain::Keychain,
    server::Server,
    shell::Shell,
    spool::{Done, Finished, Recorder, Spool, gaps, rows},
    turn::my_turn,
};
pub use stands::{
    Answer, Camera, CameraState, CodeShow, Cursor, Display, Fault, Hands, Network, Random, Running, S3,
    Sheet, Shown, Sound, Wayland, Weather, Window, camera, codes, desk, process, tool, wait_for, window,
};
