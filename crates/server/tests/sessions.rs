//! Recordings and sessions over HTTP, as a recorder sees them.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

#[path = "coordinator/take.rs"]
mod take;

mod support;

use api::{
    Access, Code, Confirm, ConfirmAnswer, Confirmed, CreateToken, Finalize, Heartbeat, HeartbeatAnswer,
    Joined, MintedToken, ObjectSpec, Objects, Phase, Receipt, Recording, Recordings, Refresh, Scope,
    SessionLine, SignedRequest, UploadAnswer, UploadUrls, Urls,
};
use model::SessionId;
use reqwest::{Method, Response, StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use std::{path::Path, time::Duration};
use support::{Place, Server, check_no_content, check_problem, read};
use take::{Take, bytes_of, other, spec};
use uuid::Uuid;

/// A recorder that was let in.
struct Recorder<'a> {
    server: &'a Server,
    access: String,
    session: String,
    take: Take,
}

async fn log_in(server: &Server, scopes: Vec<Scope>) -> String {
    let wish = CreateToken { label: "a test".to_owned(), scopes, expires_in: None };
    let minted: MintedToken =
        read(server.admin(Method::POST, "/v1/tokens").json(&wish).send().await.unwrap()).await;
    let wish = Refresh { secret: minted.secret };
    let answer = server.bare(Method::POST, "/v1/tokens/refresh").json(&wish).send().await.unwrap();
    read::<Access>(answer).await.token
}

async fn post(server: &Server, token: &str, path: &str, body: &impl Serialize) -> Response {
    server.request(Method::POST, path, token).json(body).send().await.unwrap()
}

async fn get<T: DeserializeOwned>(server: &Server, token: &str, path: &str) -> T {
    read(server.request(Method::GET, path, token).send().await.unwrap()).await
}

async fn put(server: &Server, signed: &SignedRequest, bytes: Vec<u8>) -> Response {
    let mut request = server.client.request(signed.method.parse().unwrap(), &signed.url).body(bytes);
    for (name, value) in &signed.headers {
        request = request.header(name, value);
    }
    request.send().await.unwrap()
}

impl<'a> Recorder<'a> {
    async fn begin(server: &'a Server, chunks: u32) -> Self {
        let access = log_in(server, vec![Scope::Record]).await;
        let take = Take::new(chunks);
        for status in [StatusCode::CREATED, StatusCode::OK] {
            let answer = post(server, &access, "/v1/recordings", &take.create()).await;
            assert_eq!(answer.status(), status);
            assert_eq!(read::<Recording>(answer).await.id, take.recording);
        }
        let mut recorder = Self { server, access, session: String::new(), take };
        recorder.session = recorder.join().await.token;
        recorder
    }

    async fn join(&self) -> Joined {
        let path = format!("/v1/recordings/{}/sessions", self.take.recording);
        read(post(self.server, &self.access, &path, &self.take.join()).await).await
    }

    fn path(&self, name: &str) -> String {
        format!("/v1/sessions/{}{name}", self.take.session)
    }

    async fn post(&self, name: &str, body: &impl Serialize) -> Response {
        post(self.server, &self.session, &self.path(name), body).await
    }

    async fn urls(&self, objects: &[ObjectSpec]) -> Vec<UploadAnswer> {
        let wish = UploadUrls { objects: objects.to_vec() };
        read::<Urls>(self.post("/upload-urls", &wish).await).await.objects
    }

    async fn confirm(&self, objects: &[ObjectSpec]) -> Vec<ConfirmAnswer> {
        let wish = Confirm { objects: objects.to_vec() };
        read::<Confirmed>(self.post("/confirm", &wish).await).await.objects
    }

    async fn upload(&self, objects: &[ObjectSpec]) {
        for batch in objects.chunks(api::BATCH_MAX) {
            for (spec, answer) in batch.iter().zip(self.urls(batch).await) {
                let UploadAnswer::Put(signed) = answer else { panic!("{spec}: {answer:?}") };
                assert_eq!(put(self.server, &signed, bytes_of(spec)).await.status(), StatusCode::OK);
            }
            let answers = self.confirm(batch).await;
            assert!(
                answers.iter().all(|answer| matches!(answer, ConfirmAnswer::Verified { .. })),
                "{answers:?}"
            );
        }
    }

    async fn finalize(&self) -> Receipt {
        read(self.post("/finalize", &self.take.finalize()).await).await
    }

    async fn verify(&self) -> Receipt {
        read(self.server.request(Method::POST, &self.path("/verify"), &self.session).send().await.unwrap())
            .await
    }
}

#[tokio::test]
async fn what_was_recorded_gets_there_and_back_and_survives_a_kill() {
    let place = Place::new();
    let server = place.serve(&[]);
    let mut recorder = Recorder::begin(&server, 20).await;
    let heartbeat = Heartbeat { sealed: 7, ..Heartbeat::default() };
    let heard: HeartbeatAnswer = read(recorder.post("/heartbeat", &heartbeat).await).await;
    assert_eq!((heard.status.phase, heard.confirmed), (Phase::Active, 0));
    let line: SessionLine = get(&server, &recorder.session, &recorder.path("")).await;
    assert_eq!(line.heartbeat.sealed, 7);

    let objects = recorder.take.objects.clone();
    recorder.upload(&objects[..25]).await;
    let receipt = recorder.finalize().await;
    assert_eq!((receipt.verified, receipt.expected, receipt.missing.as_slice()), (23, 40, &objects[25..]));
    recorder.upload(&objects[25..]).await;
    assert!(recorder.finalize().await.is_complete());
    let Recorder { access, session, take, .. } = recorder;
    server.kill();

    let server = place.serve(&[]);
    recorder = Recorder { server: &server, access, session, take };
    let receipt: Receipt = get(&server, &recorder.session, &recorder.path("/receipt")).await;
    assert!(receipt.is_complete() && receipt.vouched.read_back == 42, "{receipt:?}");
    let page: Objects = get(&server, &recorder.session, &recorder.path("/objects?limit=1000")).await;
    assert_eq!(
        page.objects.iter().map(|line| &line.object).collect::<Vec<_>>(),
        objects.iter().collect::<Vec<_>>()
    );
    for line in &page.objects {
        let answer = server.client.get(&line.read.url).send().await.unwrap();
        assert_eq!(answer.bytes().await.unwrap(), bytes_of(&line.object));
    }
    let path = format!("/v1/recordings/{}", recorder.take.recording);
    let recording: Recording = get(&server, &recorder.access, &path).await;
    assert_eq!((recording.chunks, recording.bytes), (recorder.take.chunks(), recorder.take.bytes()));
}

#[tokio::test]
async fn a_disk_that_rots_is_found_out() {
    let place = Place::new();
    let server = place.serve(&[]);
    let recorder = Recorder::begin(&server, 5).await;
    let objects = recorder.take.objects.clone();
    recorder.upload(&objects).await;
    assert!(recorder.finalize().await.is_complete());
    assert!(recorder.verify().await.is_complete());
    let file = |spec: &ObjectSpec| place.data().join("objects").join(recorder.take.key(spec).as_str());
    std::fs::write(file(&objects[3]), "rot").unwrap();
    std::fs::remove_file(file(&objects[7])).unwrap();
    let receipt = recorder.verify().await;
    assert_eq!(receipt.missing, [objects[3].clone(), objects[7].clone()]);
    recorder.upload(&[objects[3].clone(), objects[7].clone()]).await;
    assert!(recorder.verify().await.is_complete());
}

#[tokio::test]
async fn nothing_is_sent_twice_and_no_index_used_twice() {
    let place = Place::new();
    let server = place.serve(&[]);
    let recorder = Recorder::begin(&server, 3).await;
    let chunk = recorder.take.objects[1].clone();
    let wrong = other(&chunk);
    let signed = async |spec: &ObjectSpec| match &recorder.urls(std::slice::from_ref(spec)).await[..] {
        [UploadAnswer::Put(signed)] => signed.clone(),
        answers => panic!("{answers:?}"),
    };
    let (first, second) = (signed(&chunk).await, signed(&wrong).await);
    check_problem(put(&server, &first, bytes_of(&wrong)).await, Code::HashMismatch).await;
    assert_eq!(recorder.confirm(std::slice::from_ref(&chunk)).await, [ConfirmAnswer::Missing]);
    assert_eq!(put(&server, &first, bytes_of(&chunk)).await.status(), StatusCode::OK);
    assert!(matches!(
        recorder.confirm(std::slice::from_ref(&chunk)).await[..],
        [ConfirmAnswer::Verified { .. }]
    ));
    check_problem(put(&server, &first, bytes_of(&chunk)).await, Code::AlreadyConfirmed).await;
    check_problem(put(&server, &second, bytes_of(&wrong)).await, Code::IndexTaken).await;
    assert_eq!(recorder.urls(&[chunk]).await, [UploadAnswer::Verified]);
    assert_eq!(recorder.confirm(&[wrong]).await, [ConfirmAnswer::IndexTaken]);
    // With the manifest it is said what there is.
    let late = signed(&spec("mix", Some(9), 0, Some(recorder.take.objects[0].sha256))).await;
    recorder.finalize().await;
    let bytes = bytes_of(&spec("mix", Some(9), 0, None));
    check_problem(put(&server, &late, bytes).await, Code::SessionDone).await;
}

#[tokio::test]
async fn a_token_opens_what_it_is_for() {
    let place = Place::new();
    let server = place.serve(&[]);
    let recorder = Recorder::begin(&server, 2).await;
    let stranger = Recorder::begin(&server, 2).await;
    let viewer = log_in(&server, vec![Scope::Read]).await;
    let ask = |path: String, token: &str| server.request(Method::GET, &path, token).send();
    let recording = format!("/v1/recordings/{}", recorder.take.recording);

    check_problem(ask(recorder.path(""), &stranger.session).await.unwrap(), Code::Forbidden).await;
    check_problem(ask(recorder.path(""), &recorder.access).await.unwrap(), Code::Forbidden).await;
    check_problem(ask(recording.clone(), &recorder.session).await.unwrap(), Code::Forbidden).await;
    check_problem(ask(recording.clone(), &stranger.access).await.unwrap(), Code::NotFound).await;
    check_problem(server.bare(Method::GET, &recording).send().await.unwrap(), Code::Unauthorized).await;
    let delete = |token: &str| server.request(Method::DELETE, &recording, token).send();
    check_problem(delete(&stranger.access).await.unwrap(), Code::NotFound).await;
    check_problem(delete(&viewer).await.unwrap(), Code::Forbidden).await;
    let sessions = format!("{recording}/sessions");
    check_problem(post(&server, &stranger.access, &sessions, &recorder.take.join()).await, Code::NotFound)
        .await;
    check_problem(post(&server, &viewer, "/v1/recordings", &Take::new(1).create()).await, Code::Forbidden)
        .await;
    check_problem(
        post(&server, &stranger.access, "/v1/recordings", &recorder.take.create()).await,
        Code::IdTaken,
    )
    .await;

    let seen =
        async |token: &str| get::<Recordings>(&server, token, "/v1/recordings?limit=10").await.recordings;
    assert_eq!(seen(&recorder.access).await.len(), 1);
    assert_eq!(seen(&viewer).await.len(), 2);
    assert_eq!(seen(&server.admin).await.len(), 2);
    let found: Recordings = get(&server, &viewer, "/v1/recordings?q=ada+demo&status=recording").await;
    assert_eq!(found.recordings.len(), 2);
    let change = json!({ "title": "Other" });
    let answer =
        server.request(Method::PATCH, &recording, &recorder.access).json(&change).send().await.unwrap();
    assert_eq!(read::<Recording>(answer).await.title, "Other");
}

#[tokio::test]
async fn nonsense_is_refused_and_changes_nothing() {
    let place = Place::new();
    let server = place.serve(&[]);
    let recorder = Recorder::begin(&server, 2).await;
    let id = Uuid::now_v7();
    for body in [
        json!({ "id": id, "title": "a\0b" }),
        json!({ "id": id, "title": "x".repeat(201) }),
        json!({ "id": id, "titel": "x" }),
        json!({ "id": "nobody" }),
        json!({ "id": id, "metadata": { "a": 1 } }),
        json!([]),
    ] {
        check_problem(post(&server, &recorder.access, "/v1/recordings", &body).await, Code::Invalid).await;
    }
    let nobody = format!("/v1/recordings/{id}");
    let ask = |path: &str| server.request(Method::GET, path, &recorder.access).send();
    check_problem(ask(&nobody).await.unwrap(), Code::NotFound).await;
    for path in ["?limit=0", "?limit=101", "?limit=x", "?cursor=1", "?status=lost", "?q=%00", "?x=1", "/x"] {
        let answer = ask(&format!("/v1/recordings{path}")).await.unwrap();
        check_problem(answer, Code::Invalid).await;
    }
    let chunk = &recorder.take.objects[1];
    let batches = [vec![], vec![chunk.clone(); 2], vec![chunk.clone(); 65]];
    for objects in batches {
        check_problem(recorder.post("/confirm", &Confirm { objects }).await, Code::Invalid).await;
    }
    let path = json!({ "objects": [{ "track": "../..", "size": 1, "sha256": chunk.sha256 }] });
    check_problem(recorder.post("/upload-urls", &path).await, Code::Invalid).await;
    let large = json!({ "objects": [], "x": "x".repeat(2 << 20) });
    check_problem(recorder.post("/confirm", &large).await, Code::TooLarge).await;
    let mut stranger = recorder.take.finalize();
    stranger.manifest.meta.id = SessionId(id);
    check_problem(recorder.post("/finalize", &stranger).await, Code::Invalid).await;
    let line: SessionLine = get(&server, &recorder.session, &recorder.path("")).await;
    assert_eq!((line.chunks, line.status.phase), (0, Phase::Active));
}

#[tokio::test]
async fn a_manifest_of_many_hours_is_taken() {
    let place = Place::new();
    let server = place.serve(&[]);
    let recorder = Recorder::begin(&server, 10_000).await;
    let finalize: Finalize = recorder.take.finalize();
    assert!(serde_json::to_vec(&finalize).unwrap().len() > 4 << 20);
    let receipt = recorder.finalize().await;
    assert_eq!((receipt.expected, receipt.verified, receipt.missing.len()), (20_000, 0, 1_000));
}

#[tokio::test]
async fn a_deleted_recording_leaves_no_bytes() {
    let place = Place::new();
    let server = place.serve(&[]);
    let recorder = Recorder::begin(&server, 5).await;
    recorder.upload(&recorder.take.objects).await;
    let folder = place.data().join("objects/recordings").join(recorder.take.recording.to_string());
    appears(&folder.join("metadata.json")).await;
    let path = format!("/v1/recordings/{}", recorder.take.recording);
    for _ in 0..2 {
        let answer = server.request(Method::DELETE, &path, &recorder.access).send().await.unwrap();
        check_no_content(answer).await;
    }
    let answer = server.request(Method::GET, &path, &recorder.access).send().await.unwrap();
    check_problem(answer, Code::Gone).await;
    check_problem(recorder.post("/heartbeat", &Heartbeat::default()).await, Code::Gone).await;
    until(|| !folder.exists()).await;
}

#[tokio::test]
async fn a_silent_recorder_may_come_back() {
    let place = Place::new();
    let server = place.serve(&["--silence", "1"]);
    let recorder = Recorder::begin(&server, 2).await;
    loop {
        let line: SessionLine = get(&server, &recorder.session, &recorder.path("")).await;
        if line.status.provisional {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let heard: HeartbeatAnswer = read(recorder.post("/heartbeat", &Heartbeat::default()).await).await;
    assert_eq!(heard.status.phase, Phase::Active);
    recorder.upload(&recorder.take.objects).await;
    assert!(recorder.finalize().await.is_complete());
}

/// What the server does by itself, nobody is told of.
async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn appears(path: &Path) {
    until(|| path.exists()).await;
}
