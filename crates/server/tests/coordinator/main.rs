//! The coordinator against its real database and a store in memory.

#![allow(clippy::unwrap_used, reason = "tests")]

mod crash;
mod rules;
mod seeds;
mod take;
mod world;
