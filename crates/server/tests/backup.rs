//! The worst day, rehearsed: a backup while it serves, everything lost, everything back.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;

use api::{Confirm, ConfirmAnswer, Confirmed, Joined, ObjectSpec, Recording, UploadAnswer, UploadUrls, Urls};
use model::Hash;
use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use std::{fs, path::Path, process::Output};
use support::{Place, Server, program, read};
use uuid::Uuid;

/// A session that is being uploaded.
struct Upload<'a> {
    server: &'a Server,
    recording: Uuid,
    session: Uuid,
}

impl<'a> Upload<'a> {
    async fn begin(server: &'a Server) -> Self {
        let upload = Self { server, recording: Uuid::now_v7(), session: Uuid::now_v7() };
        let _made: Recording =
            upload.post("/v1/recordings", &json!({"id": upload.recording, "title": "Kept"})).await;
        let path = format!("/v1/recordings/{}/sessions", upload.recording);
        let _joined: Joined = upload.post(&path, &json!({"id": upload.session, "started_at": 0})).await;
        upload
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> T {
        read(self.server.admin(Method::POST, path).json(body).send().await.unwrap()).await
    }

    /// Sends a chunk and has it confirmed.
    async fn chunk(&self, index: u32) {
        let bytes = format!("chunk {index} of {}", self.session).into_bytes();
        let spec = ObjectSpec {
            track: "mix".parse().unwrap(),
            index: Some(index),
            size: bytes.len() as u64,
            sha256: Hash::of(&bytes),
            span: Some(model::Span::new(
                model::Timestamp(i64::from(index)),
                model::Timestamp(i64::from(index) + 1),
            )),
            init: Some(Hash::of(b"init")),
        };
        let wish = UploadUrls { objects: vec![spec.clone()] };
        let urls: Urls = self.post(&format!("/v1/sessions/{}/upload-urls", self.session), &wish).await;
        let [UploadAnswer::Put(put)] = &urls.objects[..] else { panic!("{urls:?}") };
        let mut request = self.server.client.put(&put.url).body(bytes);
        for (name, value) in &put.headers {
            request = request.header(name, value);
        }
        assert!(request.send().await.unwrap().status().is_success());
        let wish = Confirm { objects: vec![spec] };
        let done: Confirmed = self.post(&format!("/v1/sessions/{}/confirm", self.session), &wish).await;
        assert!(matches!(done.objects[..], [ConfirmAnswer::Verified { .. }]), "{done:?}");
    }
}

fn admin(data: &Path, words: &[&str]) -> Output {
    program().arg("admin").args(words).arg("--data").arg(data).output().unwrap()
}

fn check_admin(data: &Path, words: &[&str]) -> String {
    let output = admin(data, words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_confirmed_before_a_backup_is_there_after_everything_else_is_lost() {
    let place = Place::new();
    let (data, copy) = (place.data(), place.path("backup"));
    let server = place.serve(&[]);
    let secret = check_admin(&data, &["token", "create", "--label", "laptop", "--scope", "read"]);
    let upload = Upload::begin(&server).await;
    for index in 1..=10 {
        upload.chunk(index).await;
    }

    // Chunks go on coming while the backup is taken.
    let taking = tokio::task::spawn_blocking({
        let (data, copy) = (data.clone(), copy.clone());
        move || check_admin(&data, &["backup", copy.to_str().unwrap()])
    });
    let mut index = 10;
    while !taking.is_finished() {
        index += 1;
        upload.chunk(index).await;
    }
    let said = taking.await.unwrap();
    assert!(said.contains("objects verified"), "{said}");
    assert!(!admin(&data, &["backup", copy.to_str().unwrap()]).status.success(), "it has a name of its own");
    let recording = upload.recording;
    let token = server.admin.clone();
    server.kill();
    fs::remove_dir_all(&data).unwrap();

    check_admin(&data, &["restore", copy.to_str().unwrap()]);
    assert!(!admin(&data, &["restore", copy.to_str().unwrap()]).status.success(), "nothing is overwritten");
    let server = place.serve(&[]);
    assert_eq!(server.admin, token);
    let path = format!("/v1/recordings/{recording}");
    let kept: Recording = read(server.admin(Method::GET, &path).send().await.unwrap()).await;
    assert_eq!(kept.title, "Kept");
    assert!((10..=u64::from(index)).contains(&kept.chunks), "{kept:?}");
    assert_eq!(check_admin(&data, &["verify"]), format!("{} objects verified, 0 missing", kept.chunks));
    let refresh = server.bare(Method::POST, "/v1/tokens/refresh").json(&json!({"secret": secret}));
    assert!(refresh.send().await.unwrap().status().is_success());
    assert!(check_admin(&data, &["token", "list"]).contains("read  laptop"));
}

#[tokio::test]
async fn damage_is_named_by_backups_and_by_verification() {
    let place = Place::new();
    let (data, copy) = (place.data(), place.path("backup"));
    let server = place.serve(&[]);
    let upload = Upload::begin(&server).await;
    upload.chunk(1).await;
    upload.chunk(2).await;
    let folder =
        data.join(format!("objects/recordings/{}/sessions/{}/mix", upload.recording, upload.session));
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let first = files.into_iter().find(|path| path.to_string_lossy().contains("000001-")).unwrap();
    fs::write(first, "chunk 1 of something else").unwrap();
    for words in [&["backup", copy.to_str().unwrap()][..], &["verify"]] {
        let output = admin(&data, words);
        assert!(!output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("000001-") && !said.contains("000002-"), "{words:?}: {said}");
    }
}

#[test]
fn without_a_server_tokens_are_not_made() {
    let place = Place::new();
    let output = admin(&place.data(), &["token", "list"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("a server that runs"));
}
