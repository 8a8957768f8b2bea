//! Each rule by itself.

use crate::{
    take::{START, Take, bytes_of, other, spec},
    world::{World, code, reach},
};
use api::{
    Change, Code, Confirm, ConfirmAnswer, Finalize, Heartbeat, Phase, RecordingStatus, SessionStatus,
    UploadAnswer, UploadUrls, Vouched,
};
use bytes::Bytes;
use futures_util::TryStreamExt;
use model::{RecordingId, SessionId, UtcTime};
use spool_server::{
    coordinator::{Admission, Reach, Search},
    objects::{Expected, Key, ObjectStore},
};
use std::time::Duration;
use uuid::Uuid;

const VERIFIED: ConfirmAnswer = ConfirmAnswer::Verified { by: Vouched::ReadBack };
const ACTIVE: SessionStatus = SessionStatus { phase: Phase::Active, provisional: false };
const SILENT: SessionStatus = SessionStatus { phase: Phase::Finalizing, provisional: true };
const DONE: SessionStatus = SessionStatus { phase: Phase::Done, provisional: false };

fn later(seconds: i64) -> UtcTime {
    UtcTime(START.0 + seconds * 1_000)
}

#[tokio::test]
async fn creating_and_joining_twice_makes_one() {
    let world = World::new();
    let take = Take::new(1);
    let c = &world.coordinator;
    let (made, new) = c.create("device".to_owned(), take.create(), START).await.unwrap();
    assert!(new);
    let (again, new) = c.create("device".to_owned(), take.create(), later(5)).await.unwrap();
    assert_eq!((again, new), (made, false));
    assert_eq!(code(c.create("another".to_owned(), take.create(), START).await), Code::IdTaken);

    for _ in 0..2 {
        assert_eq!(c.join(reach(), take.recording, take.join(), START).await.unwrap(), ACTIVE);
    }
    assert_eq!(c.recording(reach(), take.recording).await.unwrap().sessions, [take.session]);
    let second = Take::new(1);
    c.create("device".to_owned(), second.create(), START).await.unwrap();
    assert_eq!(code(c.join(reach(), second.recording, take.join(), START).await), Code::IdTaken);
    let nowhere = RecordingId(Uuid::now_v7());
    assert_eq!(code(c.join(reach(), nowhere, take.join(), START).await), Code::NotFound);
    assert_eq!(
        code(c.join(Reach::Own("x".into()), take.recording, take.join(), START).await),
        Code::NotFound
    );
}

#[tokio::test]
async fn an_index_is_what_was_confirmed_first() {
    let world = World::new();
    let take = Take::new(3);
    world.begin(&take).await;
    let chunk = take.objects[1].clone();
    let wrong = other(&chunk);

    assert!(matches!(world.urls(&take, std::slice::from_ref(&chunk)).await[..], [UploadAnswer::Put(_)]));
    assert!(matches!(world.urls(&take, std::slice::from_ref(&wrong)).await[..], [UploadAnswer::Put(_)]));
    assert_eq!(world.confirm(&take, std::slice::from_ref(&chunk)).await, [ConfirmAnswer::Missing]);
    world.store.put_now(take.key(&chunk), Bytes::from_static(b"nonsense"));
    assert_eq!(world.confirm(&take, std::slice::from_ref(&chunk)).await, [ConfirmAnswer::Damaged]);
    take.put(&world.store, &chunk);
    take.put(&world.store, &wrong);
    for _ in 0..2 {
        assert_eq!(world.confirm(&take, std::slice::from_ref(&chunk)).await, [VERIFIED]);
    }
    assert_eq!(world.urls(&take, std::slice::from_ref(&chunk)).await, [UploadAnswer::Verified]);
    assert_eq!(world.urls(&take, std::slice::from_ref(&wrong)).await, [UploadAnswer::IndexTaken]);
    assert_eq!(world.confirm(&take, std::slice::from_ref(&wrong)).await, [ConfirmAnswer::IndexTaken]);

    // In one batch each object has an answer of its own.
    let batch = [take.objects[0].clone(), wrong, take.objects[2].clone()];
    take.put(&world.store, &batch[2]);
    let answers = [ConfirmAnswer::Missing, ConfirmAnswer::IndexTaken, VERIFIED];
    assert_eq!(world.confirm(&take, &batch).await, answers);
    let line = world.coordinator.session(take.session).await.unwrap();
    assert_eq!((line.chunks, line.bytes), (2, chunk.size + batch[2].size));
}

#[tokio::test]
async fn a_session_is_done_when_all_of_its_manifest_is_here_and_never_changes_then() {
    let world = World::new();
    let take = Take::new(20);
    world.begin(&take).await;
    let c = &world.coordinator;
    let (first, rest) = take.objects.split_at(9);
    world.upload(&take, first).await;
    let receipt = c.finalize(take.session, take.finalize(), later(1)).await.unwrap();
    assert_eq!((receipt.verified, receipt.expected, receipt.lost), (8, 40, 0));
    assert_eq!(receipt.missing, rest);
    assert_eq!(receipt.status, SessionStatus { phase: Phase::Finalizing, provisional: false });
    assert_eq!(c.recording(reach(), take.recording).await.unwrap().status, RecordingStatus::Uploading);

    // Another manifest is too late; what this one lacks is refused, and what it has is not another's.
    let mut second = take.finalize();
    second.manifest.tracks[0].objects.pop();
    assert_eq!(code(c.finalize(take.session, second, START).await), Code::ManifestTaken);
    let stray = spec("mix", Some(99), 0, take.objects[0].init.or(Some(take.objects[0].sha256)));
    assert_eq!(world.urls(&take, std::slice::from_ref(&stray)).await, [UploadAnswer::SessionDone]);
    assert_eq!(world.urls(&take, &[other(&rest[0])]).await, [UploadAnswer::IndexTaken]);

    world.upload(&take, rest).await;
    let receipt = c.finalize(take.session, take.finalize(), later(2)).await.unwrap();
    assert!(receipt.is_complete(), "{receipt:?}");
    assert_eq!((receipt.verified, receipt.bytes), (take.chunks(), take.bytes()));
    assert_eq!(receipt.vouched.read_back, take.objects.len() as u64);
    let recording = c.recording(reach(), take.recording).await.unwrap();
    assert_eq!((recording.status, recording.chunks), (RecordingStatus::Ready, take.chunks()));

    take.put(&world.store, &stray);
    assert_eq!(world.confirm(&take, &[stray]).await, [ConfirmAnswer::SessionDone]);
    assert_eq!(c.heartbeat(take.session, Heartbeat::default(), later(3)).await.unwrap().status, DONE);
    assert_eq!(c.finalize_silent(later(100_000)).await.unwrap(), 0);
    assert_eq!(c.session(take.session).await.unwrap().status, DONE);
}

#[tokio::test]
async fn a_manifest_that_contradicts_what_is_confirmed_changes_nothing() {
    let world = World::new();
    let take = Take::new(2);
    world.begin(&take).await;
    let wrong = other(&take.objects[1]);
    world.upload(&take, &[wrong]).await;
    let finalize = world.coordinator.finalize(take.session, take.finalize(), START).await;
    assert_eq!(code(finalize), Code::IndexTaken);
    let receipt = world.coordinator.receipt(take.session, START).await.unwrap();
    assert_eq!((receipt.status, receipt.expected, receipt.manifest), (ACTIVE, 1, None));
    let mut stranger = take.finalize();
    stranger.manifest.meta.id = SessionId(Uuid::now_v7());
    assert_eq!(code(world.coordinator.finalize(take.session, stranger, START).await), Code::Invalid);
}

#[tokio::test]
async fn what_the_recorder_lost_is_counted_unless_it_is_here() {
    let world = World::new();
    let take = Take::new(3);
    world.begin(&take).await;
    let mut finalize = take.finalize();
    let lost = finalize.manifest.tracks[0].objects.split_off(2);
    finalize.manifest.lost = lost.clone();
    world.upload(&take, &lost[..1]).await;
    world.upload(&take, &take.objects[..2]).await;
    world.upload(&take, &take.objects[4..]).await;
    let receipt = world.coordinator.finalize(take.session, finalize, START).await.unwrap();
    assert_eq!((receipt.verified, receipt.expected, receipt.lost), (4, 4, 1));
    assert!(receipt.is_complete(), "{receipt:?}");
    assert_eq!(world.listing(&take).await.len(), 7);
    assert_eq!(world.urls(&take, &lost[1..]).await, [UploadAnswer::SessionDone]);
}

#[tokio::test]
async fn silence_ends_a_session_for_the_time_being() {
    let world = World::new();
    let take = Take::new(2);
    world.begin(&take).await;
    let c = &world.coordinator;
    // Nobody's silence is counted from before the server listened, and a heartbeat is heard.
    assert_eq!(c.finalize_silent(later(119)).await.unwrap(), 0);
    c.heartbeat(take.session, Heartbeat { sealed: 3, ..Heartbeat::default() }, later(100)).await.unwrap();
    assert_eq!(c.finalize_silent(later(219)).await.unwrap(), 0);
    assert_eq!(c.finalize_silent(later(220)).await.unwrap(), 1);
    let line = c.session(take.session).await.unwrap();
    assert_eq!((line.status, line.heartbeat.sealed, line.seen_at), (SILENT, 3, later(100)));
    assert_eq!(c.recording(reach(), take.recording).await.unwrap().status, RecordingStatus::Uploading);

    // Anything from the recorder wakes it.
    let mut now = 1_000;
    for way in 0..5 {
        assert_eq!(c.session(take.session).await.unwrap().status, SILENT, "before way {way}");
        let objects = take.objects[..2].to_vec();
        match way {
            0 => drop(c.heartbeat(take.session, Heartbeat::default(), later(now)).await.unwrap()),
            1 => drop(c.upload_urls(take.session, UploadUrls { objects }, later(now)).await.unwrap()),
            2 => drop(c.confirm(take.session, Confirm { objects }, later(now)).await.unwrap()),
            3 => drop(c.join(reach(), take.recording, take.join(), later(now)).await.unwrap()),
            _ => drop(c.verify(take.session, later(now)).await.unwrap()),
        }
        assert_eq!(c.session(take.session).await.unwrap().status, ACTIVE, "after way {way}");
        now += 1_000;
        assert_eq!(c.finalize_silent(later(now)).await.unwrap(), 1);
    }
    // What comes late is taken, and the manifest is the last word.
    world.upload(&take, &take.objects).await;
    assert!(c.finalize(take.session, take.finalize(), later(now)).await.unwrap().is_complete());
}

#[tokio::test]
async fn a_store_that_lies_is_found_out_and_the_same_bytes_mend_it() {
    let world = World::new();
    let take = Take::new(150);
    world.begin(&take).await;
    world.upload(&take, &take.objects).await;
    let c = &world.coordinator;
    assert!(c.finalize(take.session, take.finalize(), START).await.unwrap().is_complete());
    assert!(c.verify(take.session, later(1)).await.unwrap().is_complete());

    let (vanished, damaged) = (take.objects[5].clone(), take.objects[200].clone());
    let only_damaged = std::slice::from_ref(&damaged);
    world.store.delete(&take.key(&vanished)).await.unwrap();
    world.store.put_now(take.key(&damaged), Bytes::from_static(b"rot"));
    let receipt = c.verify(take.session, later(2)).await.unwrap();
    assert_eq!(receipt.missing, [vanished.clone(), damaged.clone()]);
    assert_eq!(receipt.status.phase, Phase::Finalizing);
    assert_eq!((receipt.verified, receipt.expected), (298, 300));
    assert_eq!(c.session(take.session).await.unwrap().chunks, 298);

    assert_eq!(world.urls(&take, &[other(&damaged)]).await, [UploadAnswer::IndexTaken]);
    assert!(matches!(world.urls(&take, only_damaged).await[..], [UploadAnswer::Put(_)]));
    // It comes back by itself: a look finds it.
    take.put(&world.store, &vanished);
    assert_eq!(c.verify(take.session, later(3)).await.unwrap().missing, only_damaged);
    world.upload(&take, only_damaged).await;
    assert!(c.receipt(take.session, later(4)).await.unwrap().is_complete());
}

#[tokio::test]
async fn bytes_that_come_again_are_not_wanted() {
    let world = World::new();
    let take = Take::new(2);
    world.begin(&take).await;
    let c = &world.coordinator;
    let admitted = async |spec: &api::ObjectSpec| {
        let expected = Expected { key: take.key(spec), size: spec.size, sha256: spec.sha256 };
        c.admission(take.session, &expected).await
    };
    for spec in &take.objects[..2] {
        assert_eq!(admitted(spec).await.unwrap(), Admission::Wanted);
        world.upload(&take, std::slice::from_ref(spec)).await;
        assert_eq!(admitted(spec).await.unwrap(), Admission::Confirmed);
    }
    assert_eq!(admitted(&other(&take.objects[1])).await.unwrap(), Admission::IndexTaken);
    for path in ["mix/000001-00000000.m4s", "mix/0-1.mp4", "mix", "../x"] {
        let place = format!("recordings/{}/sessions/{}/{path}", take.recording, take.session);
        let Some(key) = Key::new(place) else { continue };
        let expected = Expected { key, size: 1, sha256: take.objects[0].sha256 };
        assert_eq!(code(c.admission(take.session, &expected).await), Code::Invalid, "{path}");
    }
}

#[tokio::test]
async fn a_deleted_recording_leaves_nothing_and_stays_gone() {
    let world = World::new();
    let (take, neighbour) = (Take::new(30), Take::new(1));
    for take in [&take, &neighbour] {
        world.begin(take).await;
        world.upload(take, &take.objects).await;
    }
    let c = &world.coordinator;
    c.tend(later(1)).await.unwrap();
    let never_confirmed = spec("mix", Some(77), 0, None);
    take.put(&world.store, &never_confirmed);
    assert_eq!(code(c.delete(Reach::Own("x".into()), take.recording, later(1)).await), Code::NotFound);
    for _ in 0..2 {
        c.delete(reach(), take.recording, later(2)).await.unwrap();
    }
    assert_eq!(code(c.recording(reach(), take.recording).await), Code::Gone);
    assert_eq!(code(c.session(take.session).await), Code::Gone);
    assert_eq!(code(c.finalize(take.session, take.finalize(), START).await), Code::Gone);
    assert_eq!(code(c.create("device".into(), take.create(), START).await), Code::Gone);

    // Not even a crash forgets it; and what was on its way is found by the second look.
    let world = world.reopen();
    let c = &world.coordinator;
    let folder = Key::new(format!("recordings/{}", take.recording)).unwrap();
    c.tend(later(3)).await.unwrap();
    assert_eq!(world.store.list(&folder).await.unwrap(), []);
    take.put(&world.store, &never_confirmed);
    c.tend(later(24 * 3_600)).await.unwrap();
    assert_eq!(world.store.list(&folder).await.unwrap(), []);
    assert_eq!(world.listing(&neighbour).await.len(), 4);
    assert!(c.verify(neighbour.session, later(4)).await.unwrap().missing.is_empty());
    assert_eq!(code(c.session(take.session).await), Code::Gone);
}

#[tokio::test]
async fn recordings_are_listed_by_pages_words_and_status() {
    let world = World::new();
    let c = &world.coordinator;
    let mut takes: Vec<Take> = (0..7).map(|_| Take::new(1)).collect();
    for (n, take) in takes.iter().enumerate() {
        let mut create = take.create();
        create.title = format!("Größe {n}");
        create.metadata.insert("Team".to_owned(), if n < 3 { "Red Fox" } else { "Blue" }.to_owned());
        let owner = if n == 6 { "another" } else { "device" };
        // Two at each instant.
        c.create(owner.to_owned(), create, later(n as i64 / 2)).await.unwrap();
    }
    takes.reverse();
    let ids = |takes: &[Take]| takes.iter().map(|take| take.recording).collect::<Vec<_>>();
    let all = async |reach: Reach, search: Search| {
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let page = Search { cursor, limit: Some(2), ..search.clone() };
            let page = c.recordings(reach.clone(), page).await.unwrap();
            found.extend(page.recordings.iter().map(|recording| recording.id));
            cursor = page.cursor;
            if cursor.is_none() {
                return found;
            }
        }
    };
    let search = |text: &str| Search { text: text.to_owned(), ..Search::default() };
    assert_eq!(all(Reach::All, search("")).await, ids(&takes));
    assert_eq!(all(reach(), search("")).await, ids(&takes[1..]));
    assert_eq!(all(Reach::All, search(" fox  GRÖSSE größe ")).await, []);
    assert_eq!(all(Reach::All, search(" fox  GRÖßE red")).await, ids(&takes[4..]));
    assert_eq!(all(Reach::All, search("a%' OR 1=1 --")).await, []);

    let ready = &takes[2];
    c.join(reach(), ready.recording, ready.join(), START).await.unwrap();
    world.upload(ready, &ready.objects).await;
    c.finalize(ready.session, ready.finalize(), START).await.unwrap();
    let status = |status| Search { status: Some(status), ..Search::default() };
    assert_eq!(all(Reach::All, status(RecordingStatus::Ready)).await, [ready.recording]);
    assert_eq!(all(Reach::All, status(RecordingStatus::Recording)).await.len(), 6);
    for (cursor, limit) in [(Some("x"), None), (Some("1-"), None), (None, Some(0)), (None, Some(101))] {
        let search = Search { cursor: cursor.map(str::to_owned), limit, ..Search::default() };
        assert_eq!(code(c.recordings(Reach::All, search).await), Code::Invalid);
    }
}

#[tokio::test]
async fn documents_say_what_is_there() {
    let world = World::new();
    let take = Take::new(2);
    world.begin(&take).await;
    let c = &world.coordinator;
    let document = async |path: &str| {
        let key = Key::new(format!("recordings/{}/{path}metadata.json", take.recording)).unwrap();
        let pieces: Vec<Bytes> = world.store.read(&key).await.unwrap().try_collect().await.unwrap();
        serde_json::from_slice::<serde_json::Value>(&pieces.concat()).unwrap()
    };
    c.tend(START).await.unwrap();
    let session = format!("sessions/{}/", take.session);
    assert_eq!(document("").await["sessions"][0], take.session.to_string());
    assert!(document(&session).await["manifest"].is_null());

    let change = Change { title: Some("Other".to_owned()), ..Change::default() };
    let changed = c.change(reach(), take.recording, change.clone()).await.unwrap();
    assert_eq!((changed.title.as_str(), changed.recorder.as_str()), ("Other", "Ada"));
    let stranger = Reach::Own("x".to_owned());
    assert_eq!(code(c.change(stranger, take.recording, change).await), Code::NotFound);
    c.finalize(take.session, take.finalize(), START).await.unwrap();
    c.tend(START).await.unwrap();
    assert_eq!(document("").await["title"], "Other");
    let kept = document(&session).await["manifest"].clone();
    assert_eq!(serde_json::from_value::<api::Manifest>(kept).unwrap(), take.finalize().manifest);
}

#[tokio::test]
async fn pages_of_objects_have_each_once_and_can_be_read() {
    let world = World::new();
    let take = Take::new(10);
    world.begin(&take).await;
    world.upload(&take, &take.objects).await;
    let listed: Vec<_> = world.listing(&take).await.into_iter().map(|line| line.object).collect();
    assert_eq!(listed, take.objects);
    for cursor in ["", "mix", "mix.1", "mix.1.zz", "MIX.1.00"] {
        let page = world.coordinator.objects(take.session, Some(cursor.to_owned()), None).await;
        assert_eq!(code(page), Code::Invalid, "{cursor}");
    }
}

#[tokio::test]
async fn a_look_that_is_interrupted_goes_on_where_it_was() {
    let world = World::new();
    let take = Take::new(300);
    world.begin(&take).await;
    world.upload(&take, &take.objects).await;
    let c = &world.coordinator;
    world.store.delete(&take.key(&take.objects[600])).await.unwrap();
    // Dropped in its middle, again and again: it comes to its end all the same.
    let mut receipt = None;
    for patience in 1.. {
        let look = c.verify(take.session, later(1));
        if let Ok(done) = tokio::time::timeout(Duration::from_millis(patience), look).await {
            receipt = Some(done.unwrap());
            break;
        }
    }
    assert_eq!(receipt.unwrap().missing, [take.objects[600].clone()]);
    assert_eq!(bytes_of(&take.objects[600]).len() as u64, take.objects[600].size);
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    let world = World::new();
    let take = Take::new(2);
    world.begin(&take).await;
    let c = &world.coordinator;
    let twice = vec![take.objects[1].clone(), take.objects[1].clone()];
    assert_eq!(code(c.confirm(take.session, Confirm { objects: twice }, START).await), Code::Invalid);
    assert_eq!(code(c.upload_urls(take.session, UploadUrls { objects: vec![] }, START).await), Code::Invalid);
    let mut finalizes: Vec<Finalize> = (0..4).map(|_| take.finalize()).collect();
    finalizes[0].manifest.tracks[0].objects.push(other(&take.objects[1]));
    finalizes[1].manifest.lost.push(take.objects[1].clone());
    finalizes[2].manifest.tracks[1].id = "mix".parse().unwrap();
    finalizes[3].manifest.tracks[0].objects.remove(0);
    for (n, finalize) in finalizes.into_iter().enumerate() {
        assert_eq!(code(c.finalize(take.session, finalize, START).await), Code::Invalid, "manifest {n}");
    }
    assert_eq!(c.receipt(take.session, START).await.unwrap().expected, 0);
    assert_eq!(code(c.receipt(SessionId(Uuid::now_v7()), START).await), Code::NotFound);
}
