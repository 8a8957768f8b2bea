//! Linux: each thread has a niceness of its own.

use rustix::process::setpriority_process;

/// About a tenth of what others get, where there is not enough for all.
const NICENESS: i32 = 10;

/// From now on this thread runs when others leave it time.
pub(crate) fn give_way() {
    // POSIX has it mean the process. Linux means the thread that calls.
    if let Err(error) = setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "a thread does not give way");
    }
}
