//! Settings: a small file of texts by texts, which people may write too.
//!
//! Owns: that file. What the settings mean is the engine's affair. Tested below.

use crate::{ChunkStore, StoreError, document::write_whole, layout, recover::read_if_there};
use std::collections::BTreeMap;

impl ChunkStore {
    /// All settings, by key.
    pub fn settings(&self) -> Result<BTreeMap<String, String>, StoreError> {
        let path = self.inner.layout.settings();
        let Some(text) = read_if_there(&*self.inner.fs, &path)? else { return Ok(BTreeMap::new()) };
        serde_json::from_slice(&text)
            .map_err(|error| StoreError::Settings { path, reason: error.to_string() })
    }

    /// Sets a setting, or takes it away. A file that cannot be read is not written over.
    pub fn set_setting(&self, key: &str, value: Option<&str>) -> Result<(), StoreError> {
        // Held while the file is read and written, so that two changes cannot undo each other.
        let _changes = self.inner.index();
        let mut settings = self.settings()?;
        match value {
            Some(value) => drop(settings.insert(key.to_owned(), value.to_owned())),
            None => drop(settings.remove(key)),
        }
        let text = serde_json::to_string_pretty(&settings).expect("texts by texts can be said in JSON");
        write_whole(&*self.inner.fs, self.inner.layout.root(), layout::SETTINGS, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OsFs;
    use std::{fs, sync::Arc};

    #[test]
    fn settings_are_a_file_that_people_may_write() {
        let folder = tempfile::tempdir().unwrap();
        let open = || ChunkStore::open(Arc::new(OsFs), folder.path()).unwrap().0;
        let file = folder.path().join(layout::SETTINGS);
        let store = open();
        assert_eq!(store.settings().unwrap(), BTreeMap::new());
        store.set_setting("fps", Some("60")).unwrap();
        store.set_setting("mic", Some("off")).unwrap();
        store.set_setting("fps", None).unwrap();
        drop(store);
        assert_eq!(open().settings().unwrap(), BTreeMap::from([("mic".into(), "off".into())]));

        fs::write(&file, "{ \"fps\": 60").unwrap();
        assert!(matches!(open().settings(), Err(StoreError::Settings { .. })));
        assert!(matches!(open().set_setting("mic", Some("off")), Err(StoreError::Settings { .. })));
        assert_eq!(fs::read_to_string(&file).unwrap(), "{ \"fps\": 60", "left for its author to mend");
    }
}
