//! What tests stand on where a machine has no devices: real displays, desktops and sound servers and a camera that is
//! not there, all private to one test.
//!
//! Never knows Spool: it starts programs, shows pictures that carry their own number, and plays tones. Everything that
//! is started is ended by a guard, also when the test dies; every wait has an end; and what is missing on the machine
//! fails the test with the command that installs it. It is tested by its users, and by a few tests of its own with
//! other programs than Spool.

pub mod camera;
pub mod codes;
pub mod cursor;
pub mod desk;
pub mod display;
pub mod network;
pub mod process;
pub mod random;
pub mod s3;
pub mod sound;
pub mod wayland;
pub mod window;

pub use crate::{
    camera::{Camera, CameraState},
    codes::{CodeShow, Shown},
    cursor::Cursor,
    display::Display,
    network::{Fault, Network, Weather},
    process::{Running, tool, wait_for},
    random::Random,
    s3::S3,
    sound::Sound,
    wayland::{Answer, Sheet, Wayland},
    window::{Hands, Window},
};
