//! The store as a library: finding, listing, changing, and being refused.

use model::{ChunkId, Piece, SessionMeta, SessionState};
use sim::{Script, SimFs, Step, meta, session_id};
use spool_store::{ChunkStore, OsFs, Search, SessionWriter, StoreError};
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;
use uuid::Uuid;

fn empty() -> (TempDir, ChunkStore) {
    let folder = TempDir::new().expect("there is room for a temporary folder");
    let (store, _) = ChunkStore::open(Arc::new(OsFs), folder.path()).expect("an empty folder opens");
    (folder, store)
}

/// Takes the steps of a short session until `stop` says so.
fn write_until(store: &ChunkStore, number: u32, stop: impl Fn(&Step) -> bool) -> SessionWriter {
    let script = Script::session(session_id(number), 1, Duration::from_secs(3));
    let mut writer = None;
    for step in script.steps.into_iter().take_while(|step| !stop(step)) {
        match (step, &mut writer) {
            (Step::Begin(meta), _) => writer = Some(store.begin(meta).expect("it begins")),
            (Step::AddTrack(_, info), Some(writer)) => writer.add_track(info).expect("the track is added"),
            (Step::Write(_, piece), Some(writer)) => writer.write(piece).expect("the piece is written"),
            _ => {}
        }
    }
    writer.expect("scripts begin with a session")
}

#[test]
fn a_second_engine_is_told_who_is_there() {
    let (folder, store) = empty();
    let second = ChunkStore::open(Arc::new(OsFs), folder.path()).err().expect("it is refused");
    assert!(matches!(second, StoreError::InUse { .. }));
    let text = second.to_string();
    assert!(text.contains("another engine") && text.contains(folder.path().to_str().unwrap()), "{text}");
    drop(store);
    assert!(ChunkStore::open(Arc::new(OsFs), folder.path()).is_ok());
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_look_into_the_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    let base = TempDir::new().unwrap();
    let dir = base.path().join("new/data");
    let (_store, _) = ChunkStore::open(Arc::new(OsFs), &dir).unwrap();
    assert_eq!(std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn ids_are_found_by_their_first_characters() {
    let (_folder, store) = empty();
    let id = |text: &str| Uuid::parse_str(text).unwrap();
    let begin = |session: &str, recording: &str| {
        let session = model::SessionId(id(session));
        let meta = SessionMeta { recording: model::RecordingId(id(recording)), ..meta(session) };
        store.begin(meta).unwrap().finalize(SessionState::Finalized).unwrap();
        session
    };
    let first = begin("0199a000-0000-7000-8000-000000000001", "0199a000-0000-7000-8000-00000000000a");
    let second = begin("0199a001-0000-7000-8000-000000000002", "0199a000-0000-7000-8000-00000000000a");
    let third = begin("0199b000-0000-7000-8000-000000000003", "0199b000-0000-7000-8000-00000000000b");
    let found = |prefix: &str| store.find(prefix).unwrap();
    assert_eq!(found("0199a000-0000-7000-8000-00000000000A"), [first, second]);
    assert_eq!(found("0199a0000000700080000000000000"), [first, second]);
    assert_eq!(found("0199a001"), [second]);
    assert_eq!(found(&third.to_string()), [third]);
    assert_eq!(found("0199b"), [third]);
    match store.find("0199") {
        Err(StoreError::Ambiguous { candidates, .. }) => assert_eq!(candidates.len(), 2),
        other => panic!("{other:?}"),
    }
    for nothing in ["", "02", "x", "0199a000-0000-7000-8000-00000000000a0", "../.."] {
        assert!(matches!(store.find(nothing), Err(StoreError::NotFound { .. })), "{nothing:?}");
    }
}

#[test]
fn details_can_be_changed_while_recording() {
    let (folder, store) = empty();
    let mut writer = write_until(&store, 1, |step| matches!(step, Step::Finalize(_)));
    store.update(session_id(1), |details| details.title = "Renamed".to_owned()).unwrap();
    let stored = writer.finalize(SessionState::Finalized).unwrap();
    assert_eq!(stored.meta.title, "Renamed");
    assert_eq!(writer.finalize(SessionState::Finalized).unwrap(), stored, "finalizing may be repeated");
    let long = store.update(session_id(1), |details| details.title = "x".repeat(201));
    assert!(matches!(long, Err(StoreError::TooLong { what: "title", limit: 200 })));
    let manifest = store.manifest(session_id(1)).unwrap();
    drop((writer, store));
    let (store, _) = ChunkStore::open(Arc::new(OsFs), folder.path()).unwrap();
    assert_eq!(store.session(session_id(1)).unwrap(), stored);
    assert_eq!(store.manifest(session_id(1)).unwrap(), manifest);
}

#[test]
fn a_live_session_is_neither_deleted_nor_begun_again() {
    let (_folder, store) = empty();
    let mut writer = write_until(&store, 1, |step| matches!(step, Step::Finalize(_)));
    assert!(matches!(store.delete(session_id(1)), Err(StoreError::Live { .. })));
    assert!(matches!(store.begin(meta(session_id(1))).err(), Some(StoreError::Exists { .. })));
    writer.finalize(SessionState::Finalized).unwrap();
    let info = writer.add_track(model::TrackInfo {
        id: "late".parse().unwrap(),
        kind: model::TrackKind::Mix,
        label: String::new(),
        inits: Vec::new(),
    });
    assert!(matches!(info, Err(StoreError::Closed { .. })));
    drop(writer);
    assert!(store.delete(session_id(1)).unwrap() > 0);
}

#[test]
fn pieces_out_of_order_are_refused_and_change_nothing() {
    let (_folder, store) = empty();
    let mut kept = Vec::new();
    let script = Script::session(session_id(1), 1, Duration::from_secs(3));
    let mut writer = write_until(&store, 1, |step| matches!(step, Step::Write(_, Piece::Seal(_))));
    for step in script.steps {
        if let Step::Write(_, piece) = step {
            kept.push(piece);
        }
    }
    let part = kept.iter().find(|piece| matches!(piece, Piece::Part(_))).unwrap();
    let seal = kept.iter().rfind(|piece| matches!(piece, Piece::Seal(_))).unwrap();
    for piece in [part, seal] {
        assert!(matches!(writer.write(piece.clone()), Err(StoreError::OutOfOrder { .. })), "{piece:?}");
    }
    writer.finalize(SessionState::Finalized).unwrap();
    let manifest = store.manifest(session_id(1)).unwrap();
    assert!(manifest.tracks.iter().all(|track| track.chunks.len() == 1), "both open chunks were sealed");
    store.verify_invariants().unwrap();
}

#[test]
fn a_new_encoder_goes_on_after_the_chunk_that_was_open() {
    let (_folder, store) = empty();
    let mut writer = write_until(&store, 1, |step| matches!(step, Step::Write(_, Piece::Seal(_))));
    let program = "program".parse().unwrap();
    assert_eq!(writer.next_index(&program), 2, "the open chunk has index 1");
    writer.seal_open(&program).unwrap();
    assert_eq!(writer.next_index(&program), 2);
    let first = ChunkId { session: session_id(1), track: program, index: 1 };
    assert!(store.read(&first).is_ok());
}

#[test]
fn readers_do_not_wait_for_a_writer() {
    let (_folder, store) = empty();
    let mut writer = write_until(&store, 1, |step| matches!(step, Step::Finalize(_)));
    let reader = store.clone();
    let reading = std::thread::spawn(move || {
        (0..200)
            .map(|_| reader.manifest(session_id(1)).expect("it can be read at any time").tracks.len())
            .max()
    });
    for number in 0..20 {
        store.update(session_id(1), |details| details.title = number.to_string()).unwrap();
    }
    assert_eq!(reading.join().unwrap(), Some(2));
    writer.finalize(SessionState::Finalized).unwrap();
}

/// A library of ten thousand sessions comes back from its files alone; once it is closed, opening it looks at none of
/// them, and a page of the list costs a page.
#[test]
fn ten_thousand_sessions_open_without_being_read() {
    const COUNT: u32 = 10_000;
    let disk = SimFs::without_images().unwrap();
    for number in 1..=COUNT {
        let folder = disk.dir().join("sessions").join(session_id(number).to_string());
        std::fs::create_dir_all(&folder).unwrap();
        let meta = SessionMeta { state: SessionState::Finalized, ..meta(session_id(number)) };
        let mut document = serde_json::to_value(meta).unwrap();
        document["revision"] = 1.into();
        std::fs::write(folder.join("session.json"), document.to_string()).unwrap();
    }
    let open = || ChunkStore::open(Arc::new(disk.clone()), disk.dir()).unwrap();
    let (store, recovered) = open();
    assert!(recovered.rebuilt_index && recovered.sessions.len() == COUNT as usize);
    drop(store);
    let before = disk.reads();
    let (store, recovered) = open();
    assert_eq!(recovered, spool_store::Recovered::default());
    assert!(disk.reads() - before < 10, "{} files and folders were read", disk.reads() - before);
    let (mut before, mut pages) = (None, Vec::new());
    loop {
        let page = store.sessions(before, 300).unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.meta.id);
        pages.push(page.len());
    }
    assert_eq!((pages.len(), pages.iter().sum()), (34, COUNT as usize));
    let search = Search { text: "stand BLUE".into(), offset: COUNT - 30, limit: 50, ..Search::default() };
    let found = store.search(&search).unwrap();
    assert_eq!((found.total, found.sessions.len()), (COUNT.into(), 30));
}
