//! The uploader: what recorded chunks need to get to the server, each exactly once, whatever happens on the way.
//!
//! Owns: which request comes next and when (the core), and sending it (the driver). Never decides what is recorded or
//! deleted, and holds no chunk in memory.

pub mod core;
pub mod driver;
pub mod login;
