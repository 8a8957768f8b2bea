//! What servers have of sessions: kept, forgotten, proved.

use model::{Retention, SessionId, SessionMeta, SessionState, UtcTime};
use sim::{Script, Step, meta, session_id};
use spool_store::{ChunkStore, ObjectId, OsFs, Settled, StoreError, Upload};
use std::{path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;

const SERVER: &str = "https://spool.example";
const OTHER: &str = "https://other.example";

fn open(folder: &Path) -> ChunkStore {
    ChunkStore::open(Arc::new(OsFs), folder).expect("it opens").0
}

fn empty() -> (TempDir, ChunkStore) {
    let folder = TempDir::new().expect("there is room");
    let store = open(folder.path());
    (folder, store)
}

/// A finalized session of some chunks.
fn record(store: &ChunkStore, number: u32) -> SessionId {
    let script = Script::session(session_id(number), number.into(), Duration::from_secs(5));
    let mut writer = None;
    for step in script.steps {
        match (step, &mut writer) {
            (Step::Begin(meta), _) => writer = Some(store.begin(meta).expect("it begins")),
            (Step::AddTrack(_, info), Some(writer)) => writer.add_track(info).expect("it is added"),
            (Step::Write(_, piece), Some(writer)) => writer.write(piece).expect("it is written"),
            (Step::Finalize(_), Some(writer)) => {
                drop(writer.finalize(SessionState::Finalized).expect("it ends"));
            }
            _ => {}
        }
    }
    session_id(number)
}

/// Its init segments, then its chunks.
fn objects(store: &ChunkStore, session: SessionId) -> Vec<ObjectId> {
    let tracks = store.manifest(session).expect("it is there").tracks;
    let inits = tracks.iter().flat_map(|found| {
        let inits = found.track.inits.iter();
        inits.map(|used| ObjectId { track: found.track.id.clone(), index: None, hash: used.hash })
    });
    let chunks = tracks.iter().flat_map(|track| &track.chunks).map(|chunk| ObjectId {
        track: chunk.id.track.clone(),
        index: Some(chunk.id.index),
        hash: chunk.hash,
    });
    inits.chain(chunks).collect()
}

fn all(objects: &[ObjectId], how: Option<Settled>) -> Vec<(ObjectId, Option<Settled>)> {
    objects.iter().map(|object| (object.clone(), how)).collect()
}

fn confirm(store: &ChunkStore, session: SessionId, objects: &[ObjectId]) {
    store.settle(session, SERVER, &all(objects, Some(Settled::Confirmed))).expect("it is settled");
}

fn waiting(store: &ChunkStore) -> Vec<SessionId> {
    let page = store.waiting(None, 100).expect("it can be asked");
    page.into_iter().map(|(summary, _)| summary.meta.id).collect()
}

#[test]
fn what_was_confirmed_is_known_after_the_next_start() {
    let (folder, store) = empty();
    let session = record(&store, 1);
    assert_eq!(store.upload(session).unwrap(), Upload::default());
    let objects = objects(&store, session);
    let summary = store.session(session).unwrap();
    confirm(&store, session, &objects);
    // Twice is once.
    confirm(&store, session, &objects[1..]);
    let upload = store.upload(session).unwrap();
    assert_eq!((upload.chunks, upload.bytes, upload.lost), (summary.chunks, summary.bytes, 0));
    assert_eq!((upload.server.as_str(), upload.complete), (SERVER, false));
    store.keep_receipt(session, SERVER, "412 of 412", true).unwrap();
    store.verify_invariants().unwrap();
    drop(store);
    let store = open(folder.path());
    let known = store.upload(session).unwrap();
    assert_eq!(known, Upload { receipt: Some("412 of 412".into()), complete: true, ..upload });
    assert_eq!(store.settled(session, SERVER).unwrap().len(), objects.len());
    store.delete(session).unwrap();
    store.verify_invariants().unwrap();
    assert!(matches!(store.upload(session), Ok(upload) if upload == Upload::default()));
    assert!(matches!(store.want_upload(session, true), Err(StoreError::NotFound { .. })));
}

#[test]
fn what_is_gone_is_to_be_sent_again_and_what_is_lost_never() {
    let (_folder, store) = empty();
    let session = record(&store, 1);
    let objects = objects(&store, session);
    confirm(&store, session, &objects);
    let before = store.upload(session).unwrap();
    let last = objects.last().unwrap().clone();
    store.settle(session, SERVER, &[(last.clone(), None)]).unwrap();
    assert_eq!(store.upload(session).unwrap().chunks, before.chunks - 1);
    assert!(store.upload(session).unwrap().bytes < before.bytes);
    store.settle(session, SERVER, &[(last.clone(), Some(Settled::Lost))]).unwrap();
    let upload = store.upload(session).unwrap();
    assert_eq!((upload.chunks, upload.lost), (before.chunks - 1, 1));
    store.verify_invariants().unwrap();
    // Other bytes than those of the session are none of its objects.
    let stranger = ObjectId { hash: model::Hash([7; 32]), ..last.clone() };
    confirm(&store, session, &[stranger]);
    assert_eq!(store.upload(session).unwrap(), upload);
    let settled = store.settled(session, SERVER).unwrap();
    assert_eq!((settled.len(), settled[&last]), (objects.len(), Settled::Lost));
}

#[test]
fn another_server_has_nothing_yet() {
    let (_folder, store) = empty();
    let session = record(&store, 1);
    let objects = objects(&store, session);
    confirm(&store, session, &objects[1..]);
    store.settle(session, SERVER, &[(objects.last().unwrap().clone(), Some(Settled::Lost))]).unwrap();
    store.want_upload(session, true).unwrap();
    store.keep_receipt(session, SERVER, "all", true).unwrap();
    let others = store.settled(session, OTHER).unwrap();
    assert_eq!(others.into_values().collect::<Vec<_>>(), [Settled::Lost]);
    store.settle(session, OTHER, &all(&objects[..1], Some(Settled::Confirmed))).unwrap();
    let upload = store.upload(session).unwrap();
    let expected = Upload { wanted: true, server: OTHER.into(), lost: 1, ..Upload::default() };
    assert_eq!(upload, expected, "its first object is an init segment, which is not counted");
    store.verify_invariants().unwrap();
}

#[test]
fn a_manifest_says_the_same_whatever_people_change() {
    let (_folder, store) = empty();
    let session = record(&store, 1);
    let first = store.fix_manifest(session, SERVER).unwrap();
    store.update(session, |details| details.title = "Another".into()).unwrap();
    assert_eq!(store.fix_manifest(session, SERVER).unwrap(), first);
    assert_eq!(store.fix_manifest(session, OTHER).unwrap().title, "Another");
    let live = store.begin(meta(session_id(2))).unwrap();
    let refused = store.fix_manifest(session_id(2), SERVER);
    assert!(matches!(refused, Err(StoreError::Live { .. })), "it may get more chunks");
    drop(live);
}

#[test]
fn what_waits_is_what_people_keep_and_no_server_has() {
    let (_folder, store) = empty();
    let [first, second, third] = [1, 2, 3].map(|number| record(&store, number));
    let window = Retention::Window(Duration::from_secs(60));
    let replay = SessionMeta { retention: window, ..meta(session_id(4)) };
    store.begin(replay).unwrap().finalize(SessionState::Finalized).unwrap();
    let live = store.begin(meta(session_id(5))).unwrap();
    let (fourth, fifth) = (record(&store, 6), session_id(5));
    assert_eq!(waiting(&store), [first, second, third, fifth, fourth]);
    assert_eq!(store.live(), [fifth]);
    store.update(second, |details| details.trashed_at = Some(UtcTime(1))).unwrap();
    store.keep_receipt(first, SERVER, "all", true).unwrap();
    store.keep_receipt(third, SERVER, "some", false).unwrap();
    assert_eq!(waiting(&store), [third, fifth, fourth]);
    drop(live);
    assert_eq!(waiting(&store), [third, fourth], "it was cut off, and is not in order yet");
    let page = store.waiting(Some(third), 1).unwrap();
    assert_eq!(page.len(), 1);
    assert_eq!(page[0].0.meta.id, fourth);
}

#[test]
fn damaged_rows_are_found() {
    for sql in [
        "UPDATE uploads SET complete = 1",
        "UPDATE uploads SET chunks = chunks + 1",
        "UPDATE settled SET how = 2",
        "DELETE FROM settled WHERE number = 1",
        "DELETE FROM uploads",
        "UPDATE uploads SET session = x'00112233445566778899aabbccddeeff'",
    ] {
        let (folder, store) = empty();
        let session = record(&store, 1);
        confirm(&store, session, &objects(&store, session));
        drop(store);
        let index = rusqlite::Connection::open(folder.path().join("spool.db")).unwrap();
        index.execute_batch(sql).unwrap();
        drop(index);
        let (store, recovered) = ChunkStore::open(Arc::new(OsFs), folder.path()).unwrap();
        assert!(recovered.rebuilt_index, "{sql}");
        assert_eq!(store.upload(session).unwrap(), Upload::default(), "the server is asked again");
        assert_eq!(waiting(&store), [session]);
    }
}
