//! Who may do what.
//!
//! Owns: the admin token and the keys that sign. Secrets are random and 256 bit; none is ever logged.

mod keys;

pub use keys::{AdminToken, Keys};
