//! What the fuzz targets share: how an input is cut up, what must hold of what was read, and the real writers that
//! make seeds.
//!
//! Owns no parser: everything is reached as the product reaches it. Each target panics on the first thing that is
//! not as it must be; `cargo xtask fuzz` runs them.

pub mod input;
pub mod keys;
pub mod library;
pub mod memory;
pub mod tracks;
