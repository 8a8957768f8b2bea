//! What a desktop has for its programs besides screens and sound: a tray, a place for notifications, a file manager,
//! and keys that it gives out. They are stand-ins, since no real one runs without somebody in front of it; each speaks
//! the real protocol on the private bus of [`crate::Sound`] and shows what it hears to the test instead of to people.

mod files;
pub(crate) mod keys;
mod notices;
mod tray;

pub use files::Files;
pub use keys::Keys;
pub use notices::{Notice, Notices};
pub use tray::{Entry, Tray};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zbus::{
    blocking::{Connection, connection::Builder},
    object_server::Interface,
};

/// Things that are heard on one thread and read on another.
#[derive(Debug)]
struct Heard<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Heard<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Heard<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> Heard<T> {
    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> Vec<T> {
        self.lock().clone()
    }
}

/// Serves one thing on a bus, at its place and under its name. It is there before the name is taken.
fn serve(bus: &str, place: &str, name: &str, served: impl Interface) -> Connection {
    let builder = Builder::address(bus).expect("it is an address");
    let builder = builder.serve_at(place, served).expect("the place is free");
    let builder = builder.name(name).expect("it is a name");
    builder.build().expect("the bus takes connections, and the name is free")
}
