//! Exports that are under way, so that they can be cancelled: an export ends when nobody hears any more how far it is.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

/// Whether something is still wanted.
#[derive(Debug, Default)]
pub(crate) struct Wanted(AtomicBool);

impl Wanted {
    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Exports by the file that they make.
#[derive(Debug, Default)]
pub(crate) struct Exports(Mutex<HashMap<PathBuf, Weak<Wanted>>>);

impl Exports {
    /// One begins; it is under way for as long as what it is given lives.
    pub(crate) fn begin(&self, output: &Path) -> Arc<Wanted> {
        let wanted = Arc::<Wanted>::default();
        let mut exports = self.lock();
        exports.retain(|_, other| other.strong_count() > 0);
        exports.insert(output.to_owned(), Arc::downgrade(&wanted));
        wanted
    }

    /// The one to this file is not wanted any more.
    pub(crate) fn cancel(&self, output: &Path) {
        if let Some(wanted) = self.lock().remove(output).and_then(|wanted| wanted.upgrade()) {
            wanted.0.store(true, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Weak<Wanted>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_export_that_is_named_is_cancelled() {
        let exports = Exports::default();
        let (one, two) = (exports.begin(Path::new("/one")), exports.begin(Path::new("/two")));
        exports.cancel(Path::new("/one"));
        exports.cancel(Path::new("/none"));
        assert!(one.is_cancelled() && !two.is_cancelled());
        assert!(!exports.begin(Path::new("/one")).is_cancelled());
    }
}
