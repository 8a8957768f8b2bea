//! A disk that is full: a real one, mounted for the test.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

#[path = "coordinator/take.rs"]
mod take;

mod support;

use api::{Code, Confirm, Confirmed, Joined, Receipt, Recordings, UploadAnswer, UploadUrls, Urls};
use reqwest::{Method, Response};
use serde::Serialize;
use std::{
    fs::File,
    io::{ErrorKind, Write},
    path::PathBuf,
    process::Command,
};
use support::{Server, check_problem, read, serve};
use take::{Take, bytes_of};

/// A file system of its own, in a file.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount(megabytes: u32) -> Self {
        let disk = Self(tempfile::tempdir().unwrap());
        let image = disk.0.path().join("image");
        File::create(&image).unwrap().set_len(u64::from(megabytes) << 20).unwrap();
        std::fs::create_dir(disk.path()).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&image));
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(disk.path()));
        disk
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("disk")
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Leaves no byte free.
    fn fill(&self) {
        let mut file = File::create(self.ballast()).unwrap();
        for size in [1 << 20, 4 << 10, 1] {
            let block = vec![7; size];
            let error = loop {
                if let Err(error) = file.write_all(&block) {
                    break error;
                }
            };
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        }
    }

    fn empty(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process of a failed test may still be in there.
        drop(Command::new("umount").arg("--lazy").arg(self.path()).status());
    }
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

async fn post(server: &Server, path: &str, body: &impl Serialize) -> Response {
    server.admin(Method::POST, path).json(body).send().await.unwrap()
}

async fn create(server: &Server, take: &Take) -> Response {
    let mut create = take.create();
    create.description = "x".repeat(api::DESCRIPTION_MAX);
    post(server, "/v1/recordings", &create).await
}

async fn urls(server: &Server, take: &Take) -> Vec<UploadAnswer> {
    let wish = UploadUrls { objects: take.objects.clone() };
    let path = format!("/v1/sessions/{}/upload-urls", take.session);
    read::<Urls>(post(server, &path, &wish).await).await.objects
}

async fn put(server: &Server, answer: &UploadAnswer, bytes: Vec<u8>) -> Response {
    let UploadAnswer::Put(signed) = answer else { panic!("{answer:?}") };
    server.client.put(&signed.url).body(bytes).send().await.unwrap()
}

async fn confirm(server: &Server, take: &Take) -> Response {
    let wish = Confirm { objects: take.objects.clone() };
    post(server, &format!("/v1/sessions/{}/confirm", take.session), &wish).await
}

async fn begin(server: &Server, take: &Take) {
    assert!(create(server, take).await.status().is_success());
    let path = format!("/v1/recordings/{}/sessions", take.recording);
    read::<Joined>(post(server, &path, &take.join()).await).await;
}

async fn count(server: &Server) -> usize {
    let (mut total, mut cursor) = (0, String::new());
    loop {
        let path = format!("/v1/recordings?limit=100{cursor}");
        let page: Recordings = read(server.admin(Method::GET, &path).send().await.unwrap()).await;
        total += page.recordings.len();
        match page.cursor {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return total,
        }
    }
}

#[tokio::test]
async fn a_full_disk_refuses_keeps_its_word_and_goes_on_when_there_is_room() {
    let disk = Disk::mount(48);
    let data = disk.path().join("data");
    let server = serve(&data, &[]);
    let (sent, unsent) = (Take::new(3), Take::new(3));
    for take in [&sent, &unsent] {
        begin(&server, take).await;
    }
    for (spec, answer) in sent.objects.iter().zip(urls(&server, &sent).await) {
        assert!(put(&server, &answer, bytes_of(spec)).await.status().is_success());
    }
    let to_send = urls(&server, &unsent).await;
    disk.fill();

    check_problem(put(&server, &to_send[0], bytes_of(&unsent.objects[0])).await, Code::InsufficientStorage)
        .await;
    // The log has some room of its own; then the database says so too.
    let mut made = 2;
    let refused = loop {
        let take = Take::new(1);
        let answer = create(&server, &take).await;
        if !answer.status().is_success() {
            check_problem(answer, Code::InsufficientStorage).await;
            break take;
        }
        made += 1;
    };
    check_problem(confirm(&server, &sent).await, Code::InsufficientStorage).await;
    assert_eq!(count(&server).await, made);
    server.kill();
    disk.empty();

    let server = serve(&data, &[]);
    assert_eq!(count(&server).await, made);
    let path = format!("/v1/sessions/{}/receipt", sent.session);
    let receipt: Receipt = read(server.admin(Method::GET, &path).send().await.unwrap()).await;
    assert_eq!(receipt.verified, 0);
    disk.fill();
    while create(&server, &Take::new(1)).await.status().is_success() {}
    disk.empty();
    // The same server goes on.
    assert_eq!(create(&server, &refused).await.status(), 201);
    read::<Confirmed>(confirm(&server, &sent).await).await;
    for take in [&sent, &unsent] {
        for (spec, answer) in take.objects.iter().zip(urls(&server, take).await) {
            if answer != UploadAnswer::Verified {
                assert!(put(&server, &answer, bytes_of(spec)).await.status().is_success());
            }
        }
        read::<Confirmed>(confirm(&server, take).await).await;
        let path = format!("/v1/sessions/{}/finalize", take.session);
        let receipt: Receipt = read(post(&server, &path, &take.finalize()).await).await;
        assert!(receipt.is_complete(), "{receipt:?}");
    }
}
