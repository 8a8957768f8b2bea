//! One end-to-end test at a time, whatever runs them: they measure what a busy machine would spoil.

use stands::process::target_folder;
use std::fs::File;

/// Held by the test whose turn it is.
#[derive(Debug)]
pub struct Turn {
    _lock: File,
}

/// Waits until no other end-to-end test runs, in this process or another.
pub fn my_turn() -> Turn {
    let path = target_folder().join("spool-tests.lock");
    let lock = File::create(&path).expect("the target folder can be written to");
    lock.lock().expect("files in the target folder can be locked");
    Turn { _lock: lock }
}
