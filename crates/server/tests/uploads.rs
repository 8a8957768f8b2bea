//! Large files over HTTP, on a folder and on a real S3 server.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;

use api::{
    Access, BeginUpload, Code, CompleteUpload, CreateToken, MintedToken, PartAnswer, PartDone, PartSpec,
    PartUrls, Refresh, Scope, SignedPart, UploadLine, UploadStatus,
};
use futures_util::future::join_all;
use model::{Hash, RecordingId};
use reqwest::{Method, Response};
use serde_json::json;
use std::time::Duration;
use support::{Place, Server, check_no_content, check_problem, read};
use uuid::Uuid;

const PART: usize = 8 << 20;
/// Two whole parts, and some of a third.
const SIZE: usize = 2 * PART + 1_000_003;

/// Between two looks at what happens by itself.
const LOOK: Duration = Duration::from_millis(20);

fn bytes() -> Vec<u8> {
    (0..SIZE).map(|at| (at.wrapping_mul(2_654_435_761) >> 9) as u8 ^ (at >> 20) as u8).collect()
}

fn part(bytes: &[u8], number: u32) -> Vec<u8> {
    bytes.chunks(PART).nth(number as usize - 1).unwrap().to_vec()
}

async fn log_in(server: &Server) -> String {
    let wish = CreateToken { label: "a test".to_owned(), scopes: vec![Scope::Record], expires_in: None };
    let minted: MintedToken =
        read(server.admin(Method::POST, "/v1/tokens").json(&wish).send().await.unwrap()).await;
    let wish = Refresh { secret: minted.secret };
    let answer = server.bare(Method::POST, "/v1/tokens/refresh").json(&wish).send().await.unwrap();
    read::<Access>(answer).await.token
}

/// Somebody who sends a file.
struct Sender {
    token: String,
    recording: RecordingId,
    id: Uuid,
    bytes: Vec<u8>,
}

impl Sender {
    async fn new(server: &Server) -> Self {
        let token = log_in(server).await;
        let recording = RecordingId(Uuid::now_v7());
        let wish = json!({"id": recording.0});
        let made = server.request(Method::POST, "/v1/recordings", &token).json(&wish).send().await.unwrap();
        assert_eq!(made.status(), 201);
        Self { token, recording, id: Uuid::now_v7(), bytes: bytes() }
    }

    /// Another file of the same recording.
    fn again(&self) -> Self {
        Self { token: self.token.clone(), id: Uuid::now_v7(), bytes: self.bytes.clone(), ..*self }
    }

    fn wish(&self) -> BeginUpload {
        BeginUpload {
            id: self.id,
            recording: self.recording,
            name: "talk.mp4".to_owned(),
            media_type: "video/mp4".to_owned(),
            size: self.bytes.len() as u64,
        }
    }

    async fn begin(&self, server: &Server, wish: &BeginUpload) -> Response {
        server.request(Method::POST, "/v1/uploads", &self.token).json(wish).send().await.unwrap()
    }

    async fn post(&self, server: &Server, what: &str, body: &impl serde::Serialize) -> Response {
        let path = format!("/v1/uploads/{}/{what}", self.id);
        server.request(Method::POST, &path, &self.token).json(body).send().await.unwrap()
    }

    async fn ask(&self, server: &Server, method: Method) -> Response {
        let path = format!("/v1/uploads/{}", self.id);
        server.request(method, &path, &self.token).send().await.unwrap()
    }

    async fn status(&self, server: &Server) -> UploadLine {
        read(self.ask(server, Method::GET).await).await
    }

    async fn urls(&self, server: &Server, numbers: &[u32]) -> Vec<SignedPart> {
        let spec = |number: &u32| PartSpec { number: *number, sha256: Hash::of(&part(&self.bytes, *number)) };
        let wish = PartUrls { parts: numbers.iter().map(spec).collect() };
        read::<PartAnswer>(self.post(server, "part-urls", &wish).await).await.parts
    }

    /// Sends parts at the same time, and gives what the store calls them.
    async fn send(&self, server: &Server, numbers: &[u32]) -> Vec<PartDone> {
        let urls = self.urls(server, numbers).await;
        join_all(urls.iter().map(async |url| {
            let answer = put(server, url, part(&self.bytes, url.number)).await;
            assert_eq!(answer.status(), 200);
            let etag = answer.headers()["etag"].to_str().unwrap().to_owned();
            PartDone { number: url.number, etag }
        }))
        .await
    }

    async fn complete(&self, server: &Server, parts: Vec<PartDone>) -> Response {
        self.post(server, "complete", &CompleteUpload { parts, sha256: Hash::of(&self.bytes) }).await
    }
}

async fn put(server: &Server, part: &SignedPart, bytes: Vec<u8>) -> Response {
    let mut request = server.client.request(part.put.method.parse().unwrap(), &part.put.url);
    for (name, value) in part.put.headers.iter().filter(|(name, _)| *name != "content-length") {
        request = request.header(name, value);
    }
    request.body(bytes).send().await.unwrap()
}

async fn suite(place: &Place, flags: &[&str]) {
    let server = place.serve(flags);
    let sender = Sender::new(&server).await;
    what_is_no_upload_is_refused(&server, &sender).await;
    wrong_parts_are_refused(&server, &sender.again()).await;
    a_wrong_whole_is_found(&server, &sender.again()).await;
    one_that_is_given_up_is_gone(&server, &sender.again()).await;
    others_see_nothing(&server, &sender.again()).await;

    // Half of it is sent, and the server is killed.
    assert_eq!(sender.begin(&server, &sender.wish()).await.status(), 201);
    sender.send(&server, &[2, 1]).await;
    server.kill();
    let server = place.serve(flags);
    let line: UploadLine = read(sender.begin(&server, &sender.wish()).await).await;
    assert_eq!((line.status, line.part_size, line.size), (UploadStatus::Open, PART as u64, SIZE as u64));
    assert_eq!(line, sender.status(&server).await);
    let mut done: Vec<PartDone> =
        line.parts.iter().map(|part| PartDone { number: part.number, etag: part.etag.clone() }).collect();
    assert_eq!(line.parts.iter().map(|part| part.size).collect::<Vec<_>>(), [PART as u64; 2]);
    done.extend(sender.send(&server, &[3]).await);
    // Several who complete it agree, and so does who comes later.
    for answer in join_all((0..3).map(|_| sender.complete(&server, done.clone()))).await {
        assert_eq!(read::<UploadLine>(answer).await.status, UploadStatus::Complete);
    }
    assert_eq!(read::<UploadLine>(sender.complete(&server, done).await).await.status, UploadStatus::Complete);
    assert_eq!(sender.status(&server).await.status, UploadStatus::Complete);
    check_problem(sender.ask(&server, Method::DELETE).await, Code::Invalid).await;
    server.stop();
}

async fn what_is_no_upload_is_refused(server: &Server, sender: &Sender) {
    let wish = sender.wish();
    let refused = async |wish: BeginUpload, code| {
        check_problem(sender.begin(server, &wish).await, code).await;
    };
    for media_type in ["text/html", "video", "video/", "application/octet-stream", "video/mp4; x=y", ""] {
        refused(BeginUpload { media_type: media_type.to_owned(), ..wish.clone() }, Code::UnsupportedType)
            .await;
    }
    for name in ["", ".hidden", "a/b", "..", "a\0", "ä.mp4", "a b", &"a".repeat(101)] {
        refused(BeginUpload { name: name.to_owned(), ..wish.clone() }, Code::Invalid).await;
    }
    refused(BeginUpload { size: 0, ..wish.clone() }, Code::Invalid).await;
    refused(BeginUpload { size: u64::MAX, ..wish.clone() }, Code::TooLarge).await;
    refused(BeginUpload { recording: RecordingId(Uuid::now_v7()), ..wish.clone() }, Code::NotFound).await;
    check_problem(sender.ask(server, Method::GET).await, Code::NotFound).await;
}

async fn wrong_parts_are_refused(server: &Server, sender: &Sender) {
    sender.begin(server, &sender.wish()).await;
    let other = BeginUpload { name: "other.mp4".to_owned(), ..sender.wish() };
    check_problem(sender.begin(server, &other).await, Code::IdTaken).await;
    for number in [0, 4, u32::MAX] {
        let wish = PartUrls { parts: vec![PartSpec { number, sha256: Hash::of(b"") }] };
        check_problem(sender.post(server, "part-urls", &wish).await, Code::Invalid).await;
    }
    check_problem(sender.post(server, "part-urls", &PartUrls { parts: Vec::new() }).await, Code::Invalid)
        .await;
    let urls = sender.urls(server, &[1]).await;
    let mut wrong = part(&sender.bytes, 1);
    wrong[77] ^= 1;
    assert!(put(server, &urls[0], wrong.clone()).await.status().is_client_error());
    wrong.pop();
    assert!(put(server, &urls[0], wrong).await.status().is_client_error());
    assert!(sender.status(server).await.parts.is_empty());
    // Nothing is complete without all of its parts, as they are.
    let done = sender.send(server, &[1, 2]).await;
    check_problem(sender.complete(server, done.clone()).await, Code::Invalid).await;
    let invented = PartDone { number: 3, etag: format!("\"{}\"", Hash::of(b"invented")) };
    let all: Vec<PartDone> = done.into_iter().chain([invented]).collect();
    check_problem(sender.complete(server, all).await, Code::Invalid).await;
    assert_eq!(sender.status(server).await.parts.len(), 2);
    check_no_content(sender.ask(server, Method::DELETE).await).await;
}

async fn a_wrong_whole_is_found(server: &Server, sender: &Sender) {
    sender.begin(server, &sender.wish()).await;
    let parts = sender.send(server, &[1, 2, 3]).await;
    let wish = CompleteUpload { parts, sha256: Hash::of(b"something else") };
    check_problem(sender.post(server, "complete", &wish).await, Code::HashMismatch).await;
    assert_eq!(sender.status(server).await.status, UploadStatus::Aborted);
}

async fn one_that_is_given_up_is_gone(server: &Server, sender: &Sender) {
    sender.begin(server, &sender.wish()).await;
    let parts = sender.send(server, &[1, 2, 3]).await;
    for _ in 0..2 {
        check_no_content(sender.ask(server, Method::DELETE).await).await;
    }
    assert_eq!(sender.status(server).await.status, UploadStatus::Aborted);
    check_problem(sender.complete(server, parts).await, Code::Gone).await;
    let wish = PartUrls { parts: vec![PartSpec { number: 1, sha256: Hash::of(b"") }] };
    check_problem(sender.post(server, "part-urls", &wish).await, Code::Gone).await;
}

async fn others_see_nothing(server: &Server, sender: &Sender) {
    sender.begin(server, &sender.wish()).await;
    let stranger = Sender { token: log_in(server).await, ..sender.again() };
    let stranger = Sender { id: sender.id, ..stranger };
    check_problem(stranger.ask(server, Method::GET).await, Code::NotFound).await;
    check_problem(stranger.ask(server, Method::DELETE).await, Code::NotFound).await;
    let wish = PartUrls { parts: vec![PartSpec { number: 1, sha256: Hash::of(b"") }] };
    check_problem(stranger.post(server, "part-urls", &wish).await, Code::NotFound).await;
    check_problem(stranger.begin(server, &sender.wish()).await, Code::NotFound).await;
    check_no_content(sender.ask(server, Method::DELETE).await).await;
}

#[tokio::test]
async fn on_a_folder() {
    let place = Place::new();
    suite(&place, &[]).await;
    // What was given up, or joined, leaves no parts.
    assert!(!place.data().join("objects/uploads").exists());
    let _server = abandoned(&place, &[]).await;
    while place.data().join("objects/uploads").exists() {
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test]
async fn on_an_s3_server() {
    let (place, store) = (Place::new(), stands::S3::start());
    let url = store.url();
    suite(&place, &["--object-store", &url]).await;
    abandoned(&place, &["--object-store", &url]).await;
}

/// After days without a part an upload is given up, and its parts are deleted.
async fn abandoned(place: &Place, flags: &[&str]) -> Server {
    let server = place.serve(flags);
    let sender = Sender::new(&server).await;
    sender.begin(&server, &sender.wish()).await;
    sender.send(&server, &[1]).await;
    assert_eq!(sender.status(&server).await.parts.len(), 1);
    let path = format!("/v1/uploads/{}", sender.id);
    server.stop();
    // Eight days later.
    let mut flags = flags.to_vec();
    flags.extend(["--clock-offset", "691200"]);
    let server = place.serve(&flags);
    loop {
        let answer = server.admin(Method::GET, &path).send().await.unwrap();
        match read::<UploadLine>(answer).await.status {
            UploadStatus::Aborted => break,
            UploadStatus::Open => tokio::time::sleep(LOOK).await,
            UploadStatus::Complete => panic!("nobody has completed it"),
        }
    }
    server
}
