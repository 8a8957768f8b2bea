//! The server that recordings are uploaded to: the coordinator, its object stores, access and operations.
//!
//! Owns: what is known of recordings and sessions at the server, in one database whose every change is serialized, and
//! where their objects lie. No media flows through it but where it is its own object store.

pub mod access;
pub mod admin;
pub mod backup;
pub mod clock;
pub mod config;
pub mod coordinator;
pub mod db;
pub mod limits;
pub mod metrics;
pub mod objects;
pub mod problem;
pub mod routes;
pub mod serve;
pub mod state;
pub mod uploads;

mod digest;
mod observe;
mod openapi;
mod platform;
mod tend;
