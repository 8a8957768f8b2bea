//! A damaged index costs no recording. Input: changes to the bytes of a real one, three bytes of place and one of
//! value each; a first odd byte cuts it there instead.

#![no_main]

use model::{Manifest, SessionState};
use spool_fuzz::{library, tracks};
use std::{
    fs,
    path::Path,
    sync::{Arc, OnceLock},
};
use store::{ChunkStore, OsFs};
use tempfile::TempDir;

/// What a real engine left.
struct Left {
    folder: TempDir,
    index: Vec<u8>,
    manifest: Manifest,
}

fn left() -> &'static Left {
    static LEFT: OnceLock<Left> = OnceLock::new();
    LEFT.get_or_init(|| {
        let folder = library::folder();
        let store = open(folder.path());
        let mut writer = store.begin(library::meta()).expect("a session can begin");
        for piece in library::pieces(5) {
            writer.write(piece).expect("pieces can be written");
        }
        let session = writer.finalize(SessionState::Finalized).expect("a session can end").meta.id;
        let manifest = store.manifest(session).expect("it can be read");
        drop((writer, store));
        // Once more, so that all is in the database itself and nothing in its log.
        drop(open(folder.path()));
        let index = fs::read(folder.path().join("spool.db")).expect("the index is there");
        Left { folder, index, manifest }
    })
}

fn open(folder: &Path) -> ChunkStore {
    ChunkStore::open(Arc::new(OsFs), folder).expect("a library can be opened").0
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let left = left();
    let folder = left.folder.path();
    for name in fs::read_dir(folder).expect("it can be listed").flatten() {
        if name.file_name().to_string_lossy().starts_with("spool.db") {
            fs::remove_file(name.path()).expect("a file can be removed");
        }
    }
    let mut index = left.index.clone();
    for change in data.chunks_exact(4) {
        let [how, high, low, value] = *change else { continue };
        let place = usize::from(how >> 1) << 16 | usize::from(high) << 8 | usize::from(low);
        let place = place % index.len().max(1);
        match index.get_mut(place) {
            Some(_) if how & 1 == 1 => index.truncate(place),
            Some(byte) => *byte = value,
            None => {}
        }
    }
    fs::write(folder.join("spool.db"), index).expect("the index can be written");
    let store = open(folder);
    let mut manifest = store.manifest(tracks::session()).expect("the session is there");
    // Told from the files alone, a track may come in another place.
    manifest.tracks.sort_by(|a, b| b.track.id.cmp(&a.track.id));
    manifest.meta.tracks.sort_by(|a, b| b.id.cmp(&a.id));
    assert_eq!(manifest, left.manifest);
    assert!(store.verify(tracks::session(), |_| {}).is_ok_and(|found| found.is_whole()));
});
