//! The list: searched, ordered, and always what the sessions themselves say.

use model::{Gap, GapReason, Mark, SessionMeta, SessionState, Span, Timestamp, UtcTime};
use sim::{Script, Step, meta, session_id};
use spool_store::{ChunkStore, Details, ListOrder, OsFs, Search, StoreError};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;

fn open(folder: &Path) -> ChunkStore {
    ChunkStore::open(Arc::new(OsFs), folder).expect("it opens").0
}

/// Sessions 1, 2 and so on of these seconds and titles.
fn library(sessions: &[(u64, &str)]) -> (TempDir, ChunkStore) {
    let folder = TempDir::new().expect("there is room for a temporary folder");
    let store = open(folder.path());
    for ((seconds, title), number) in sessions.iter().zip(1..) {
        let script = Script::session(session_id(number), 1, Duration::from_secs(*seconds));
        let mut writer = None;
        for step in script.steps {
            match (step, &mut writer) {
                (Step::Begin(meta), _) => {
                    let meta = SessionMeta { title: (*title).to_owned(), metadata: BTreeMap::new(), ..meta };
                    writer = Some(store.begin(meta).expect("it begins"));
                }
                (Step::AddTrack(_, info), Some(writer)) => writer.add_track(info).expect("it is added"),
                (Step::Write(_, piece), Some(writer)) => writer.write(piece).expect("it is written"),
                (Step::Finalize(_), Some(writer)) => {
                    drop(writer.finalize(SessionState::Finalized).expect("it ends"))
                }
                _ => {}
            }
        }
    }
    (folder, store)
}

/// What a search gives: the titles, how many there are in all, and their bytes.
fn titles(store: &ChunkStore, search: &Search) -> (Vec<String>, u64, u64) {
    let found = store.search(search).expect("it can be searched");
    (found.sessions.into_iter().map(|session| session.meta.title).collect(), found.total, found.bytes)
}

#[track_caller]
fn check(store: &ChunkStore, search: Search, expected: &[&str]) {
    let (titles, total, _) = titles(store, &Search { limit: 100, ..search });
    assert_eq!(
        (titles.iter().map(String::as_str).collect::<Vec<_>>(), total),
        (expected.to_vec(), expected.len() as u64)
    );
}

fn text(words: &str) -> Search {
    Search { text: words.to_owned(), ..Search::default() }
}

#[test]
fn recordings_are_found_by_their_words() {
    let (_folder, store) = library(&[(1, "Müller & Söhne"), (1, "Standup"), (1, "ÜBERSICHT 100%")]);
    store
        .update(session_id(2), |details| {
            details.description = "With Anna,\nabout the Übersicht".to_owned();
            details.metadata = BTreeMap::from([("Room".to_owned(), "Blue_Whale".to_owned())]);
        })
        .unwrap();
    check(&store, text(""), &["ÜBERSICHT 100%", "Standup", "Müller & Söhne"]);
    check(&store, text("  übersicht "), &["ÜBERSICHT 100%", "Standup"]);
    check(&store, text("SÖHNE müll"), &["Müller & Söhne"]);
    check(&store, text("anna ÜBER room"), &["Standup"]);
    check(&store, text("blue_whale"), &["Standup"]);
    // Nothing is a pattern, and no word reaches from one text into the next.
    for nothing in ["blue%", "b_ue", "anna,about", "standupwith", "'", "\\"] {
        check(&store, text(nothing), &[]);
    }
    check(&store, text("100%"), &["ÜBERSICHT 100%"]);
    let long = store.search(&text(&"x".repeat(201)));
    assert!(matches!(long, Err(StoreError::TooLong { what: "search", limit: 200 })), "{long:?}");
}

#[test]
fn recordings_are_listed_in_every_order_page_by_page() {
    let (_folder, store) = library(&[(2, "beta"), (3, "Alpha"), (1, ""), (4, "gamma")]);
    // The longest, less a pause, is the shortest.
    let gap = Gap {
        track: None,
        span: Span::new(Timestamp(100_000_000), Timestamp(3_900_000_000)),
        reason: GapReason::Paused,
    };
    let paused = SessionMeta { gaps: vec![gap], title: "paused".to_owned(), ..meta(session_id(5)) };
    store.begin(paused).unwrap().finalize(SessionState::Finalized).unwrap();
    for (order, expected) in [
        (ListOrder::Newest, ["paused", "gamma", "", "Alpha", "beta"]),
        (ListOrder::Oldest, ["beta", "Alpha", "", "gamma", "paused"]),
        (ListOrder::Longest, ["gamma", "Alpha", "beta", "", "paused"]),
        (ListOrder::Largest, ["gamma", "Alpha", "beta", "", "paused"]),
        (ListOrder::Title, ["Alpha", "beta", "gamma", "paused", ""]),
    ] {
        check(&store, Search { order, ..Search::default() }, &expected);
        let page = |offset, limit| titles(&store, &Search { order, offset, limit, ..Search::default() });
        let (first, total, bytes) = page(0, 2);
        let (rest, ..) = page(2, 5);
        assert_eq!([first, rest].concat(), expected);
        assert_eq!((total, page(7, 1).0.len(), page(0, 0).0.len()), (5, 0, 0));
        let all: u64 = store.sessions(None, 10).unwrap().iter().map(|session| session.bytes).sum();
        assert_eq!(bytes, all);
    }
}

#[test]
fn what_lies_in_the_trash_is_a_list_of_its_own() {
    let (folder, store) = library(&[(1, "one"), (1, "two")]);
    let at = UtcTime(1_764_000_000_000);
    store.update(session_id(1), |details| details.trashed_at = Some(at)).unwrap();
    let trash = Search { trashed: true, ..Search::default() };
    check(&store, Search::default(), &["two"]);
    check(&store, trash.clone(), &["one"]);
    // The file alone says so too.
    drop(store);
    std::fs::remove_file(folder.path().join("spool.db")).unwrap();
    let store = open(folder.path());
    check(&store, trash.clone(), &["one"]);
    assert_eq!(store.session(session_id(1)).unwrap().meta.trashed_at, Some(at));
    store.verify_invariants().unwrap();
    store.update(session_id(1), |details| details.trashed_at = None).unwrap();
    check(&store, trash.clone(), &[]);
    store.delete(session_id(1)).unwrap();
    check(&store, Search::default(), &["two"]);

    let mut writer = store.begin(meta(session_id(9))).unwrap();
    let live = store.update(session_id(9), |details| details.trashed_at = Some(at));
    assert!(matches!(live, Err(StoreError::Live { .. })), "{live:?}");
    assert_eq!(store.session(session_id(9)).unwrap().meta.trashed_at, None);
    writer.finalize(SessionState::Finalized).unwrap();
    drop(writer);
    store.update(session_id(9), |details| details.trashed_at = Some(at)).unwrap();
    check(&store, trash, &["Standup"]);
}

#[test]
fn marks_are_kept_in_order_and_bounded() {
    let (folder, store) = library(&[(1, "one")]);
    let mark = |at: i64, label: &str| Mark { at: Timestamp(at), label: label.to_owned() };
    let change = |change: &dyn Fn(&mut Details)| store.update(session_id(1), change);
    change(&|details| details.marks.extend([mark(5, "later"), mark(2, "")])).unwrap();
    let kept = [mark(2, ""), mark(5, "later")];
    assert_eq!(store.session(session_id(1)).unwrap().meta.marks, kept);
    let refused = change(&|details| details.marks.push(mark(1, &"x".repeat(201))));
    assert!(matches!(refused, Err(StoreError::TooLong { limit: 200, .. })), "{refused:?}");
    let refused = change(&|details| details.marks = (0..1_001).map(|at| mark(at, "")).collect());
    assert!(matches!(refused, Err(StoreError::TooMany { what: "marks", limit: 1_000 })), "{refused:?}");
    let refused = change(&|details| {
        details.metadata = (0..101).map(|key| (key.to_string(), String::new())).collect();
    });
    assert!(matches!(refused, Err(StoreError::TooMany { what: "metadata", .. })), "{refused:?}");
    drop(store);
    assert_eq!(open(folder.path()).session(session_id(1)).unwrap().meta.marks, kept);
}

/// Documents of the first release had neither marks nor a trash.
#[test]
fn a_document_without_marks_opens() {
    let (folder, store) = library(&[(1, "old")]);
    drop(store);
    let path = folder.path().join("sessions").join(session_id(1).to_string()).join("session.json");
    let mut document: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for name in ["marks", "trashed_at"] {
        document.as_object_mut().unwrap().remove(name).expect("it is written now");
    }
    std::fs::write(&path, document.to_string()).unwrap();
    std::fs::remove_file(folder.path().join("spool.db")).unwrap();
    let store = open(folder.path());
    let meta = store.session(session_id(1)).unwrap().meta;
    assert_eq!((meta.title.as_str(), meta.marks.len(), meta.trashed_at), ("old", 0, None));
}
