//! The store on real files that somebody deleted, cut, flipped or renamed.

use model::{Manifest, SessionId, TrackId};
use sim::{Play, Random, Script, SimFs, session_id};
use spool_store::{ChunkStore, Damage, OsFs, Recovered, StoreError};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;

const SECOND: std::time::Duration = std::time::Duration::from_secs(1);

/// A library of two finalized sessions, closed, and what it should say of itself.
struct Library {
    folder: TempDir,
    manifests: Vec<Manifest>,
}

impl Library {
    fn new() -> Self {
        let folder = TempDir::new().expect("there is room for a temporary folder");
        let (store, recovered) = open(folder.path()).expect("an empty folder opens");
        assert_eq!(recovered, Recovered::default());
        store.set_setting("preset", Some("1080p")).expect("settings are taken");
        // The clock of operations is not needed on real files.
        let clock = SimFs::new().expect("there is room for a temporary folder");
        for (number, seconds) in [(1, 5), (2, 3)] {
            let script = Script::session(session_id(number), number.into(), seconds * SECOND);
            Play::new(&script).run(&store, &clock).expect("real files take it");
        }
        let manifests = [1, 2].map(|number| store.manifest(session_id(number)).expect("it was just written"));
        Self { folder, manifests: manifests.into() }
    }

    fn dir(&self) -> &Path {
        self.folder.path()
    }

    fn database(&self) -> PathBuf {
        self.dir().join("spool.db")
    }

    fn track(&self, name: &str) -> PathBuf {
        self.dir().join("sessions").join(session_id(1).to_string()).join(name)
    }

    /// The file of the first session's `at`-th chunk of a track.
    fn chunk(&self, track: &str, at: usize) -> PathBuf {
        let mut names: Vec<_> =
            names(&self.track(track)).into_iter().filter(|name| name.ends_with(".m4s")).collect();
        names.sort();
        self.track(track).join(&names[at])
    }

    /// Opens it again, and expects everything to be there.
    fn check_whole(&self, context: &str) -> Recovered {
        let (store, recovered) = open(self.dir()).unwrap_or_else(|error| panic!("{context}: {error:?}"));
        for manifest in &self.manifests {
            let id = manifest.meta.id;
            let found = store.manifest(id).unwrap_or_else(|error| panic!("{context}: {error:?}"));
            assert_eq!(found, *manifest, "{context}");
            let verification =
                store.verify(id, |_| {}).unwrap_or_else(|error| panic!("{context}: {error:?}"));
            assert!(verification.is_whole(), "{context}: {verification:?}");
        }
        assert_eq!(
            store.settings().ok().and_then(|mut all| all.remove("preset")).as_deref(),
            Some("1080p"),
            "{context}"
        );
        store.verify_invariants().unwrap_or_else(|problem| panic!("{context}: {problem}"));
        recovered
    }
}

fn open(dir: &Path) -> Result<(ChunkStore, Recovered), StoreError> {
    ChunkStore::open(Arc::new(OsFs), dir)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    entries
        .map(|entry| entry.expect("it can be listed").file_name().into_string().expect("names are text"))
        .collect()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("the file is there");
    let at = at % bytes.len();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).expect("the file can be written");
}

#[test]
fn a_deleted_index_is_rebuilt_from_the_files() {
    let library = Library::new();
    fs::remove_file(library.database()).unwrap();
    let recovered = library.check_whole("deleted");
    assert!(recovered.rebuilt_index);
    assert_eq!(recovered.sessions.len(), 2);
    assert!(recovered.sessions.iter().all(|session| session.restored > 0 && session.lost.is_zero()));
    assert_eq!(library.check_whole("opened again"), Recovered::default());
}

#[test]
fn an_index_with_any_byte_flipped_is_used_or_rebuilt_but_never_believed() {
    let library = Library::new();
    let sound = fs::read(library.database()).unwrap();
    let mut random = Random::new(7);
    // Every byte of the header, and some anywhere.
    let anywhere = (0..150).map(|_| random.up_to(sound.len() - 1));
    let mut rebuilt = 0;
    for at in (0..100).chain(anywhere) {
        fs::write(library.database(), &sound).unwrap();
        flip(&library.database(), at);
        let recovered = library.check_whole(&format!("byte {at} flipped"));
        rebuilt += usize::from(recovered.rebuilt_index);
    }
    assert!(rebuilt > 50, "only {rebuilt} of them mattered");
    assert!(names(library.dir()).iter().any(|name| name == "spool.db.damaged-1"), "the damaged one is kept");
}

/// What a large index, which is not read through at the start, may hold.
#[test]
fn a_damaged_row_is_never_believed_and_mended_by_the_next_opening() {
    let library = Library::new();
    let (store, _) = open(library.dir()).unwrap();
    let stranger = rusqlite::Connection::open(library.database()).unwrap();
    assert!(stranger.execute("UPDATE chunks SET span_end = span_end + 1 WHERE number = 2", []).unwrap() > 0);
    drop(stranger);
    assert!(matches!(store.manifest(session_id(1)), Err(StoreError::IndexDamaged)));
    drop(store);
    assert!(library.check_whole("after a damaged row").rebuilt_index);
}

#[test]
fn an_index_that_is_cut_or_overwritten_is_rebuilt() {
    let library = Library::new();
    let sound = fs::read(library.database()).unwrap();
    for size in [1, 99, 100, 512, 4096, sound.len() / 2, sound.len() - 4096] {
        fs::write(library.database(), &sound[..size]).unwrap();
        assert!(library.check_whole(&format!("cut to {size}")).rebuilt_index);
    }
    // Within a page too, where SQLite speaks of the disk and not of the file.
    for size in (1..sound.len()).step_by(509) {
        fs::write(library.database(), &sound[..size]).unwrap();
        library.check_whole(&format!("cut to {size}"));
    }
    for bytes in [vec![0; sound.len()], Random::new(1).bytes(sound.len()), b"not a database".to_vec()] {
        fs::write(library.database(), bytes).unwrap();
        assert!(library.check_whole("overwritten").rebuilt_index);
    }
    fs::write(library.database(), b"").unwrap();
    assert!(library.check_whole("empty").rebuilt_index);
}

#[test]
fn garbage_beside_the_index_changes_nothing() {
    let library = Library::new();
    for name in ["spool.db-wal", "spool.db-shm"] {
        for bytes in [Random::new(2).bytes(40_000), vec![0; 32_768], b"x".to_vec()] {
            fs::write(library.dir().join(name), bytes).unwrap();
            library.check_whole(name);
        }
    }
    // A log without its database must not be taken for a part of the next one.
    fs::remove_file(library.database()).unwrap();
    fs::write(library.dir().join("spool.db-wal"), Random::new(3).bytes(9_000)).unwrap();
    assert!(library.check_whole("only a log").rebuilt_index);
}

/// An engine is killed, and SQLite's log with everything that it did is damaged before the next one starts.
#[test]
fn a_lost_log_of_the_index_loses_nothing() {
    let library = Library::new();
    let copy = TempDir::new().unwrap();
    let (store, _) = open(library.dir()).unwrap();
    let clock = SimFs::new().unwrap();
    let script = Script::session(session_id(3), 3, 3 * SECOND);
    Play::new(&script).run(&store, &clock).unwrap();
    store.update(session_id(1), |details| details.title = "Another".to_owned()).unwrap();
    let third = store.manifest(session_id(3)).unwrap();
    copy_folder(library.dir(), copy.path());
    for damage in [Vec::new(), Random::new(5).bytes(50_000)] {
        fs::write(copy.path().join("spool.db-wal"), damage).unwrap();
        let (store, _) = open(copy.path()).unwrap();
        assert_eq!(store.manifest(session_id(3)).unwrap().tracks, third.tracks);
        assert_eq!(store.session(session_id(1)).unwrap().meta.title, "Another");
        store.verify_invariants().unwrap();
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the folder can be made");
    for name in names(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            copy_folder(&from, &to);
        } else {
            fs::copy(from, to).expect("the file can be copied");
        }
    }
}

#[test]
fn damaged_chunks_are_named_and_the_rest_reads() {
    let library = Library::new();
    let flipped = library.chunk("program", 0);
    flip(&flipped, 5_000);
    let cut = library.chunk("mix", 1);
    fs::write(&cut, &fs::read(&cut).unwrap()[..100]).unwrap();
    fs::rename(library.chunk("program", 1), library.track("program").join("renamed.m4s")).unwrap();
    let (store, recovered) = open(library.dir()).unwrap();
    assert_eq!(recovered, Recovered::default());
    let id =
        |track: &str, index| model::ChunkId { session: session_id(1), track: track.parse().unwrap(), index };
    let found = store.verify(session_id(1), |_| {}).unwrap();
    assert_eq!(
        found.damaged,
        [Damage::Chunk(id("mix", 2)), Damage::Chunk(id("program", 1)), Damage::Missing(id("program", 2))]
    );
    assert_eq!(found.verified, found.chunks - 3);
    assert!(
        matches!(store.read(&id("program", 1)), Err(StoreError::Damaged { chunk }) if chunk == id("program", 1))
    );
    assert!(matches!(store.read(&id("program", 2)), Err(StoreError::Missing { .. })));
    let chunk = store.chunk(&id("mix", 2)).unwrap();
    assert!(matches!(store.open_chunk(&chunk), Err(StoreError::Damaged { .. })));
    assert!(store.read(&id("program", 3)).is_ok());
}

/// Index and chunks damaged at once: what can be proved comes back, what cannot is named, then and later.
#[test]
fn a_chunk_that_is_damaged_while_the_index_is_lost_stays_named() {
    let library = Library::new();
    flip(&library.chunk("program", 1), 3_000);
    fs::remove_file(library.chunk("mix", 0)).unwrap();
    fs::remove_file(library.database()).unwrap();
    let (store, recovered) = open(library.dir()).unwrap();
    let id = |name, index| model::ChunkId { session: session_id(1), track: track(name), index };
    assert_eq!(recovered.sessions[0].damaged, [Damage::Chunk(id("program", 2))]);
    let named = store.verify(session_id(1), |_| {}).unwrap().damaged;
    assert_eq!(named, [Damage::Chunk(id("program", 2)), Damage::Missing(id("mix", 1))]);
    let chunks = |manifest: &Manifest| manifest.tracks.iter().map(|track| track.chunks.len()).sum::<usize>();
    assert_eq!(chunks(&store.manifest(session_id(1)).unwrap()), chunks(&library.manifests[0]) - 2);
}

#[test]
fn damaged_inits_and_documents_are_put_back() {
    let library = Library::new();
    let init = names(&library.track("mix")).into_iter().find(|name| name.starts_with("init-")).unwrap();
    flip(&library.track("mix").join(&init), 300);
    let document = library.track("session.json");
    fs::write(&document, b"{").unwrap();
    let (store, _) = open(library.dir()).unwrap();
    let found = store.verify(session_id(1), |_| {}).unwrap();
    assert_eq!(found.damaged, [Damage::Init { track: track("mix"), file: init }, Damage::Document]);
    drop(store);
    library.check_whole("put back");
}

#[test]
fn without_index_and_document_the_files_still_tell_what_they_hold() {
    let library = Library::new();
    fs::remove_file(library.database()).unwrap();
    fs::write(library.track("session.json"), b"\0\0\0").unwrap();
    let (store, recovered) = open(library.dir()).unwrap();
    assert_eq!(recovered.sessions[0].damaged, [Damage::Document]);
    let found = store.manifest(session_id(1)).unwrap();
    for expected in &library.manifests[0].tracks {
        let track = found.tracks.iter().find(|found| found.track.id == expected.track.id).unwrap();
        assert_eq!(track.chunks, expected.chunks);
        assert_eq!(track.track.kind, expected.track.kind);
    }
    store.verify_invariants().unwrap();
}

#[test]
fn a_document_may_say_anything_of_times() {
    let library = Library::new();
    fs::remove_file(library.database()).unwrap();
    let document = library.track("session.json");
    let mut said: serde_json::Value = serde_json::from_slice(&fs::read(&document).unwrap()).unwrap();
    said["state"] = "recording".into();
    said["boot"] = serde_json::Value::Null;
    said["revision"] = u64::MAX.into();
    said["chunk"] = serde_json::json!({ "secs": u64::MAX, "nanos": 999_999_999 });
    fs::write(&document, said.to_string()).unwrap();
    let (_, recovered) = open(library.dir()).unwrap();
    assert_eq!(recovered.sessions[0].lost, std::time::Duration::MAX);
}

#[test]
fn strangers_are_left_alone() {
    let library = Library::new();
    let strangers = [
        library.dir().join("notes.txt"),
        library.dir().join("sessions/holiday.mp4"),
        library.track("thumbnail.png"),
        library.track("notes"),
        library.track("program").join("cover.jpg"),
        library.track("program").join("000001-zzzzzzzz.m4s"),
    ];
    strangers.iter().for_each(|path| fs::write(path, b"mine").unwrap());
    fs::create_dir(library.dir().join("sessions/empty")).unwrap();
    fs::remove_file(library.database()).unwrap();
    library.check_whole("with strangers");
    assert!(strangers.iter().all(|path| fs::read(path).unwrap() == b"mine"));
}

#[test]
fn a_library_of_a_newer_spool_is_refused_untouched() {
    let library = Library::new();
    fs::remove_file(library.database()).unwrap();
    let document = library.track("session.json");
    let newer = fs::read_to_string(&document).unwrap().replace("\"version\": 2", "\"version\": 3");
    fs::write(&document, &newer).unwrap();
    assert!(matches!(open(library.dir()), Err(StoreError::Newer { found: 3, supported: 2 })));
    assert_eq!(fs::read_to_string(&document).unwrap(), newer);
}

fn track(name: &str) -> TrackId {
    name.parse().expect("the names are valid")
}

#[test]
fn sessions_keep_their_folders_apart() {
    let library = Library::new();
    let (store, _) = open(library.dir()).unwrap();
    let freed = store.delete(session_id(1)).unwrap();
    assert_eq!(freed, library.manifests[0].bytes());
    assert!(!library.track("").exists());
    assert_eq!(store.manifest(session_id(2)).unwrap(), library.manifests[1]);
    let gone: SessionId = session_id(1);
    assert!(matches!(store.delete(gone), Err(StoreError::NotFound { .. })));
    assert!(matches!(store.session(gone), Err(StoreError::NotFound { .. })));
}
