//! Encrypted sessions on real files, with their key, without it, and with another.

use model::{Chunk, KeyId, Manifest, Piece, SessionMeta, SessionState};
use sim::{KeyBox, Play, Random, Script, SimFs, Step, key, meta, session_id};
use spool_store::{ChunkStore, Damage, Details, Key, OsFs, Recovered, StoreError};
use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;

const SECOND: Duration = Duration::from_secs(1);

/// A plain session, an encrypted one, and an encrypted one that was cut off.
struct Library {
    folder: TempDir,
    keys: KeyBox,
    manifests: [Manifest; 2],
}

impl Library {
    fn new() -> Self {
        let (folder, keys) = (TempDir::new().expect("there is room for a folder"), KeyBox::with(key()));
        let (store, _) = open(folder.path(), &keys);
        let clock = SimFs::new().expect("there is room for a folder");
        let plain = Script::session(session_id(1), 1, 5 * SECOND);
        Play::new(&plain).run(&store, &clock).expect("real files take it");
        let whole = Script::session(session_id(2), 2, 5 * SECOND).encrypted();
        Play::new(&whole).run(&store, &clock).expect("real files take it");
        let mut cut = Script::session(session_id(3), 3, 5 * SECOND).encrypted();
        cut.steps.truncate(cut.steps.len() - 5);
        Play::new(&cut).run(&store, &clock).expect("real files take it");
        let manifests = [1, 2].map(|number| store.manifest(session_id(number)).expect("it was written"));
        drop(store);
        Self { folder, keys, manifests }
    }

    fn open(&self) -> (ChunkStore, Recovered) {
        open(self.folder.path(), &self.keys)
    }

    fn session(&self, number: u32) -> PathBuf {
        self.folder.path().join("sessions").join(session_id(number).to_string())
    }

    /// The `at`-th chunk file of a track of the second session.
    fn chunk(&self, track: &str, at: usize) -> PathBuf {
        let mut files: Vec<_> = files(&self.session(2).join(track)).into_keys().collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "m4s"));
        files.swap_remove(at)
    }

    /// What is there with the key is all that there ever was.
    #[track_caller]
    fn check_whole(&self) {
        self.keys.empty();
        self.keys.put(key());
        let (store, recovered) = self.open();
        assert_eq!(recovered.locked, []);
        for manifest in &self.manifests {
            let id = manifest.meta.id;
            assert_eq!(store.manifest(id).expect("the library is sound").tracks, manifest.tracks);
            assert!(store.verify(id, |_| {}).expect("the library is sound").is_whole());
        }
        assert_eq!(
            store.session(session_id(3)).expect("the library is sound").meta.state,
            SessionState::Recovered
        );
        assert!(store.verify(session_id(3), |_| {}).expect("the library is sound").is_whole());
        store.verify_invariants().expect("the library is sound");
    }
}

fn open(folder: &Path, keys: &KeyBox) -> (ChunkStore, Recovered) {
    ChunkStore::open_with(Arc::new(OsFs), Arc::new(keys.clone()), folder).expect("it opens")
}

/// All files within a folder, by path.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("it is there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = fs::read(&path).expect("it can be read");
            found.insert(path, bytes);
        }
    }
    found
}

fn first(store: &ChunkStore, number: u32, track: &str) -> Chunk {
    let manifest = store.manifest(session_id(number)).expect("the library is sound");
    let track = manifest
        .tracks
        .into_iter()
        .find(|found| found.track.id.as_str() == track)
        .expect("the library is sound");
    track.chunks.into_iter().next().expect("the library is sound")
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("the library is sound");
    bytes[at] ^= 0x10;
    fs::write(path, bytes).expect("the library is sound");
}

#[test]
fn both_kinds_live_side_by_side_and_only_one_can_be_read_by_others() {
    let library = Library::new();
    library.check_whole();
    let holds = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).any(|found| found == what);
    for (path, bytes) in files(&library.session(1)).into_iter().chain(files(&library.session(2))) {
        let is_chunk = path.extension().is_some_and(|extension| extension == "m4s");
        let is_plain = path.starts_with(library.session(1));
        assert_eq!(is_chunk && holds(&bytes, b"moof"), is_chunk && is_plain, "{}", path.display());
    }
    let (store, _) = library.open();
    for number in [1, 2, 3] {
        let chunk = first(&store, number, "program");
        store.look_for(&chunk).unwrap();
        let mut bytes = Vec::new();
        store.open_chunk(&chunk).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(store.read(&chunk.id).unwrap(), bytes);
    }
}

#[test]
fn without_its_key_a_session_is_locked_and_nothing_of_it_changes() {
    let library = Library::new();
    let before = [2, 3].map(|number| files(&library.session(number)));
    library.keys.empty();
    for others in [None, Some(Key::random().unwrap())] {
        others.into_iter().for_each(|other| library.keys.put(other));
        for _ in 0..2 {
            let (store, recovered) = library.open();
            assert_eq!((recovered.sessions, recovered.locked), (vec![], vec![session_id(3)]));
            assert_eq!(store.recover_locked().unwrap().locked, [session_id(3)]);
            let chunk = first(&store, 2, "program");
            let is_locked = |error: StoreError| matches!(error, StoreError::Locked { key: wanted } if wanted == key().id());
            assert!(is_locked(store.read(&chunk.id).unwrap_err()));
            assert!(is_locked(store.open_chunk(&chunk).unwrap_err()));
            assert!(is_locked(store.verify(session_id(2), |_| {}).unwrap_err()));
            assert!(is_locked(store.verify(session_id(3), |_| {}).unwrap_err()));
            assert!(is_locked(store.require_key(session_id(3)).unwrap_err()));
            let wanted = SessionMeta { key: Some(key().id()), ..meta(session_id(9)) };
            assert!(is_locked(store.begin(wanted).err().unwrap()));
            store.look_for(&chunk).unwrap();
            assert_eq!(store.manifest(session_id(2)).unwrap(), library.manifests[1]);
            assert_eq!(store.sessions(None, 9).unwrap().len(), 3);
            assert!(store.verify(session_id(1), |_| {}).unwrap().is_whole());
        }
    }
    assert_eq!([2, 3].map(|number| files(&library.session(number))), before);
    library.check_whole();
}

#[test]
fn a_key_that_comes_later_puts_in_order_what_waited_for_it() {
    let library = Library::new();
    library.keys.empty();
    let (store, _) = library.open();
    library.keys.put(key());
    let recovered = store.recover_locked().unwrap();
    assert_eq!((recovered.sessions.len(), recovered.locked.len()), (1, 0));
    assert_eq!(recovered.sessions[0].session, session_id(3));
    assert_eq!((recovered.sessions[0].damaged.len(), recovered.sessions[0].sealed), (0, 2));
    assert_eq!(store.recover_locked().unwrap(), Recovered::default());
    store.verify_invariants().unwrap();
    // What is being recorded does not wait for anything.
    let live = store.begin(SessionMeta { key: Some(key().id()), ..meta(session_id(4)) }).unwrap();
    assert_eq!(store.recover_locked().unwrap(), Recovered::default());
    drop((live, store));
    library.check_whole();
}

#[test]
fn a_lost_index_is_rebuilt_as_far_as_keys_go() {
    let library = Library::new();
    library.keys.empty();
    let before = [2, 3].map(|number| files(&library.session(number)));
    fs::remove_file(library.folder.path().join("spool.db")).unwrap();
    let (store, recovered) = library.open();
    assert!(recovered.rebuilt_index);
    assert_eq!(recovered.locked, [session_id(2), session_id(3)]);
    assert_eq!(store.session(session_id(2)).unwrap().meta, library.manifests[1].meta);
    assert_eq!(store.manifest(session_id(1)).unwrap(), library.manifests[0]);
    // What people say of it is theirs to change.
    store.update(session_id(2), |details: &mut Details| details.title = "Mine".to_owned()).unwrap();
    drop(store);
    library.keys.put(key());
    let (store, recovered) = library.open();
    assert_eq!(recovered.sessions.iter().map(|found| found.damaged.len()).sum::<usize>(), 0);
    assert_eq!(store.session(session_id(2)).unwrap().meta.title, "Mine");
    let after = files(&library.session(2));
    let chunks = |files: &BTreeMap<PathBuf, Vec<u8>>| {
        files
            .iter()
            .filter(|(path, _)| path.extension().is_some_and(|end| end != "json"))
            .map(|(_, bytes)| bytes.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(chunks(&after), chunks(&before[0]));
    drop(store);
    library.check_whole();
}

#[test]
fn chunks_name_their_key_where_nothing_else_does() {
    let library = Library::new();
    library.keys.empty();
    fs::remove_file(library.folder.path().join("spool.db")).unwrap();
    for number in [2, 3] {
        fs::write(library.session(number).join("session.json"), b"\0\0").unwrap();
    }
    let before = [2, 3].map(|number| files(&library.session(number)));
    let (store, recovered) = library.open();
    assert_eq!(recovered.locked, [session_id(2), session_id(3)]);
    let keys: Vec<Option<KeyId>> =
        store.sessions(None, 9).unwrap().iter().map(|found| found.meta.key).collect();
    assert_eq!(keys, [Some(key().id()), Some(key().id()), None]);
    drop(store);
    assert_eq!([2, 3].map(|number| files(&library.session(number))), before);
    library.keys.put(key());
    let (store, recovered) = library.open();
    assert!(recovered.sessions.iter().all(|found| found.damaged == [Damage::Document]), "{recovered:?}");
    for expected in &library.manifests[1].tracks {
        let found = store.manifest(session_id(2)).unwrap();
        let track = found.tracks.iter().find(|found| found.track.id == expected.track.id).unwrap();
        assert_eq!(track.chunks, expected.chunks);
    }
    store.verify_invariants().unwrap();
}

#[test]
fn damage_is_damage_and_never_a_missing_key() {
    for at in [0, 10, 20, 40, 5_000] {
        let library = Library::new();
        flip(&library.chunk("program", 0), at);
        let (store, _) = library.open();
        let chunk = first(&store, 2, "program");
        assert!(matches!(store.read(&chunk.id), Err(StoreError::Damaged { .. })), "at {at}");
        assert!(matches!(store.open_chunk(&chunk), Err(StoreError::Damaged { .. })), "at {at}");
        let found = store.verify(session_id(2), |_| {}).unwrap();
        assert_eq!((found.damaged, found.verified), (vec![Damage::Chunk(chunk.id)], found.chunks - 1));
    }
}

#[test]
fn a_file_cannot_stand_for_another() {
    let library = Library::new();
    let (one, other) = (library.chunk("program", 0), library.chunk("program", 1));
    let bytes = [fs::read(&one).unwrap(), fs::read(&other).unwrap()];
    fs::write(&one, &bytes[1]).unwrap();
    fs::write(&other, &bytes[0]).unwrap();
    let (store, _) = library.open();
    let found = store.verify(session_id(2), |_| {}).unwrap();
    assert_eq!(found.damaged.len(), 2, "{found:?}");
}

#[test]
fn what_nobody_can_read_can_still_be_thrown_away() {
    let library = Library::new();
    library.keys.empty();
    let (store, _) = library.open();
    for number in [2, 3] {
        let at = Some(model::UtcTime(1));
        store.update(session_id(number), |details| details.trashed_at = at).unwrap();
        assert!(store.delete(session_id(number)).unwrap() > 0);
        assert!(!library.session(number).exists());
    }
    drop(store);
    assert_eq!(library.open().1, Recovered::default());
}

#[test]
fn what_is_made_of_a_session_is_covered_as_it_is() {
    let library = Library::new();
    let (store, _) = library.open();
    let cover = |number| store.cover(session_id(number)).unwrap();
    let secret = b"a waveform says when somebody spoke".as_slice();
    assert_eq!(*cover(1).conceal("a", secret).unwrap(), *secret);
    let concealed = cover(2).conceal("a", secret).unwrap().into_owned();
    assert!(!concealed.windows(8).any(|found| found == &secret[..8]));
    assert_eq!(cover(2).reveal("a", concealed.clone()).unwrap(), secret);
    assert_eq!(cover(2).reveal("b", concealed.clone()), None);
    assert_eq!(cover(3).reveal("a", concealed.clone()), None);
    assert_eq!(cover(2).reveal("a", concealed[..concealed.len() - 1].to_vec()), None);
    library.keys.empty();
    assert!(matches!(store.cover(session_id(2)), Err(StoreError::Locked { .. })));
    assert!(store.cover(session_id(1)).is_ok());
}

/// Somebody without the key changes a file: cuts it, repeats, moves and flips what is in it.
#[test]
fn whatever_is_done_to_a_file_only_what_was_recorded_is_read() {
    let library = Library::new();
    let originals = files(library.folder.path());
    let mut script = Script::session(session_id(3), 3, 5 * SECOND);
    script.steps.truncate(script.steps.len() - 5);
    let mut written: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for step in script.steps {
        if let Step::Write(_, Piece::Part(part)) = step {
            written.entry(part.chunk.track.to_string()).or_default().extend_from_slice(&part.bytes);
        }
    }
    let is_chunk = |path: &&PathBuf| {
        path.starts_with(library.session(3))
            && path.extension().is_some_and(|end| end == "m4s" || end == "open")
    };
    let chunks: Vec<&PathBuf> = originals.keys().filter(is_chunk).collect();
    let mut random = Random::new(1);
    for round in 0..60 {
        for (path, bytes) in &originals {
            fs::write(path, bytes).unwrap();
        }
        let chosen = chunks[random.up_to(chunks.len() - 1)];
        let mut changed = originals[chosen].clone();
        for _ in 0..=random.up_to(2) {
            change(&mut changed, &mut random);
        }
        fs::write(chosen, &changed).unwrap();
        if random.chance(25) {
            fs::remove_file(library.folder.path().join("spool.db")).unwrap();
        }
        library.keys.empty();
        let put_in_order = library.open().1.sessions;
        assert!(put_in_order.iter().all(|found| found.session == session_id(1)), "round {round}");
        assert_eq!(fs::read(chosen).unwrap(), changed, "round {round}");
        library.keys.put(key());
        let (store, _) = library.open();
        for chunk in store.manifest(session_id(3)).unwrap().tracks.iter().flat_map(|track| &track.chunks) {
            let written = &written[chunk.id.track.as_str()];
            match store.read(&chunk.id) {
                Ok(bytes) => assert!(
                    written.windows(bytes.len()).any(|found| found == &bytes[..]),
                    "round {round}: {} has what nobody wrote",
                    chunk.id
                ),
                Err(StoreError::Damaged { .. } | StoreError::Missing { .. }) => {}
                Err(error) => panic!("round {round}: {error}"),
            }
        }
        drop(store);
        // What an opening made of it is of no use for the next round.
        for (path, _) in files(library.folder.path()) {
            if !originals.contains_key(&path) {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

fn change(bytes: &mut Vec<u8>, random: &mut Random) {
    let (from, size) = (random.up_to(bytes.len()), random.up_to(2_000));
    let range = from..(from + size).min(bytes.len());
    match random.up_to(4) {
        0 => bytes.truncate(from),
        1 => drop(bytes.drain(range)),
        2 => {
            let (copied, to) = (bytes[range].to_vec(), random.up_to(bytes.len()));
            drop(bytes.splice(to..to, copied));
        }
        3 => bytes[range].fill(0),
        _ => bytes[range].iter_mut().take(1).for_each(|byte| *byte ^= 1 << random.up_to(7)),
    }
}
