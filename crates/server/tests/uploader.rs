//! The recorders' uploader against the real server: what the two crates say to each other is what both mean.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;

use api::{
    ClientInfo, CreateRecording, CreateToken, Manifest, ManifestTrack, MintedToken, ObjectSpec, Receipt,
    Scope,
};
use model::{
    Hash, Mode, RecordingId, Retention, SessionId, SessionMeta, SessionState, Span, Timestamp, UtcTime,
};
use reqwest::Method;
use std::{
    collections::BTreeMap,
    io::{self, Cursor, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};
use support::{Place, Server, read};
use upload::{
    core::{Checked, Closing, Input, Limits, Output, SessionPlan, Trouble, Uploader},
    driver::{Driver, Local, Proxy, Setup},
};

/// The recorder's disk and its secret.
#[derive(Default)]
struct Disk {
    objects: BTreeMap<String, Vec<u8>>,
    secret: String,
}

struct Here(Arc<Disk>);

impl Local for Here {
    fn open(&self, _: SessionId, object: &ObjectSpec) -> io::Result<Box<dyn Read + Send>> {
        let bytes = self.0.objects.get(&object.name()).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Cursor::new(bytes.clone())))
    }

    fn secret(&self) -> Result<String, String> {
        Ok(self.0.secret.clone())
    }
}

fn bytes_of(index: u32) -> Vec<u8> {
    let size = if index == 0 { 700 } else { 40_000 + index as usize * 1_000 };
    (0..size).map(|place| (place % 249) as u8 ^ index as u8).collect()
}

/// An init segment and so many chunks.
fn objects(chunks: u32) -> Vec<ObjectSpec> {
    let object = |index: u32| {
        let bytes = bytes_of(index);
        let start = Timestamp::ZERO + Duration::from_secs(4) * index;
        ObjectSpec {
            track: "mix".parse().unwrap(),
            index: (index > 0).then_some(index),
            size: bytes.len() as u64,
            sha256: Hash::of(&bytes),
            span: (index > 0).then(|| Span::new(start, start + Duration::from_secs(4))),
            init: (index > 0).then(|| Hash::of(&bytes_of(0))),
        }
    };
    (0..=chunks).map(object).collect()
}

fn manifest(session: SessionId, recording: RecordingId, objects: &[ObjectSpec]) -> Arc<Manifest> {
    let meta = SessionMeta {
        version: SessionMeta::VERSION,
        id: session,
        recording,
        title: String::new(),
        description: String::new(),
        metadata: BTreeMap::new(),
        mode: Mode::Program,
        retention: Retention::KeepAll,
        started_at: UtcTime(0),
        chunk: Duration::from_secs(4),
        state: SessionState::Finalized,
        tracks: Vec::new(),
        gaps: Vec::new(),
        lost: None,
        layouts: Vec::new(),
        check: None,
        marks: Vec::new(),
        trashed_at: None,
        key: None,
    };
    let track = ManifestTrack { id: "mix".parse().unwrap(), objects: objects.to_vec() };
    Arc::new(Manifest { meta, tracks: vec![track], lost: Vec::new() })
}

fn plan(objects: &[ObjectSpec], closing: Option<fn(Arc<Manifest>) -> Closing>) -> SessionPlan {
    let session = SessionId("01900000-0000-7000-8000-000000000001".parse().unwrap());
    let recording = RecordingId("01900000-0000-7000-8000-000000000002".parse().unwrap());
    SessionPlan {
        session,
        recording: CreateRecording {
            id: recording,
            title: "Tour".to_owned(),
            description: String::new(),
            recorder: "me".to_owned(),
            metadata: BTreeMap::new(),
        },
        started_at: UtcTime(1_700_000_000_000),
        client: ClientInfo { agent: "spool".to_owned(), os: "linux".to_owned() },
        confirmed: 0,
        objects: objects.to_vec(),
        closing: closing.map(|closing| closing(manifest(session, recording, objects))),
    }
}

async fn token(server: &Server) -> MintedToken {
    let body = CreateToken { label: "laptop".to_owned(), scopes: vec![Scope::Record], expires_in: None };
    read(server.admin(Method::POST, "/v1/tokens").json(&body).send().await.unwrap()).await
}

async fn disk(server: &Server, chunks: u32) -> Disk {
    let objects = objects(chunks).iter().map(|it| (it.name(), bytes_of(it.index.unwrap_or(0)))).collect();
    Disk { objects, secret: token(server).await.secret }
}

/// An uploader of this disk, and what it wants done locally.
fn driver(server: &Server, disk: Disk) -> (Driver, Receiver<Output>) {
    let (sender, outputs) = channel();
    let setup = Setup { proxy: Proxy::Direct, ..Setup::new(&server.url) };
    let uploader = Uploader::new(Limits::default(), 1);
    let tell = Box::new(move |output| drop(sender.send(output)));
    (Driver::start(&setup, uploader, Arc::new(Here(Arc::new(disk))), tell).unwrap(), outputs)
}

/// What is said up to a complete receipt, and that receipt. What is to be checked is lost.
fn until_complete(driver: &Driver, outputs: &Receiver<Output>) -> (Vec<Output>, Receipt) {
    let mut said = Vec::new();
    loop {
        match outputs.recv().unwrap() {
            Output::Receipt(_, receipt) if receipt.is_complete() => return (said, receipt),
            Output::Check(session, object) => {
                driver.handle(Input::Checked(session, object.clone(), Checked::Lost));
                said.push(Output::Check(session, object));
            }
            output => said.push(output),
        }
    }
}

fn confirmed(said: &[Output]) -> usize {
    said.iter().filter(|output| matches!(output, Output::Confirmed(..))).count()
}

/// The file of an object in the server's folder.
fn file(folder: &Path, name: &str) -> Option<PathBuf> {
    std::fs::read_dir(folder).ok()?.find_map(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() { file(&path, name) } else { path.ends_with(name).then_some(path) }
    })
}

#[tokio::test]
async fn what_is_recorded_goes_as_it_comes_and_gets_its_receipt() {
    let place = Place::new();
    let server = place.serve(&[]);
    let (driver, outputs) = driver(&server, disk(&server, 12).await);
    let all = objects(12);
    let live = plan(&all[..3], None);
    let (session, recording) = (live.session, live.recording.id);
    driver.handle(Input::Session(live));
    for object in &all[3..] {
        driver.handle(Input::Object(session, object.clone()));
    }
    let mut said = Vec::new();
    while confirmed(&said) < all.len() {
        said.push(outputs.recv().unwrap());
    }
    driver.handle(Input::Ended(session, Closing::Finalize(manifest(session, recording, &all))));
    let (more, receipt) = until_complete(&driver, &outputs);
    assert_eq!((receipt.verified, receipt.expected, receipt.lost), (12, 12, 0));
    let trouble = said.iter().chain(&more).find(|output| matches!(output, Output::Trouble(..)));
    assert_eq!(trouble, None);
    for object in &all {
        let path = file(&place.data(), &object.name()).unwrap();
        assert_eq!(std::fs::read(path).unwrap(), bytes_of(object.index.unwrap_or(0)));
    }
    assert!(driver.progress().sent >= receipt.bytes);
}

#[tokio::test]
async fn damaged_local_bytes_are_refused_and_called_lost() {
    let place = Place::new();
    let server = place.serve(&[]);
    let all = objects(8);
    let mut disk = disk(&server, 8).await;
    disk.objects.get_mut(&all[5].name()).unwrap()[100] ^= 1;
    disk.objects.remove(&all[6].name());
    let (driver, outputs) = driver(&server, disk);
    driver.handle(Input::Session(plan(&all, Some(Closing::Finalize))));
    let (said, receipt) = until_complete(&driver, &outputs);
    assert_eq!((receipt.verified, receipt.expected, receipt.lost), (6, 6, 2));
    let checks = said.iter().filter(|output| matches!(output, Output::Check(..))).count();
    assert_eq!((checks, confirmed(&said)), (2, 7));
    assert_eq!(file(&place.data(), &all[5].name()), None);
}

#[tokio::test]
async fn what_the_store_lost_is_found_and_sent_again_before_local_bytes_go() {
    let place = Place::new();
    let server = place.serve(&[]);
    let all = objects(8);
    let mut first = disk(&server, 8).await;
    let second = Disk { objects: first.objects.clone(), secret: first.secret.clone() };
    let (uploading, outputs) = driver(&server, std::mem::take(&mut first));
    uploading.handle(Input::Session(plan(&all, Some(Closing::Finalize))));
    until_complete(&uploading, &outputs);
    drop(uploading);
    std::fs::remove_file(file(&place.data(), &all[2].name()).unwrap()).unwrap();
    let damaged = file(&place.data(), &all[4].name()).unwrap();
    std::fs::write(&damaged, vec![0; bytes_of(4).len()]).unwrap();

    let (verifying, outputs) = driver(&server, second);
    verifying
        .handle(Input::Session(SessionPlan { objects: Vec::new(), ..plan(&all, Some(Closing::Verify)) }));
    let (said, receipt) = until_complete(&verifying, &outputs);
    assert_eq!((receipt.verified, receipt.expected), (8, 8));
    let missing: Vec<_> = said.iter().filter(|output| matches!(output, Output::Missing(..))).collect();
    assert_eq!((missing.len(), confirmed(&said)), (2, 2), "{missing:?}");
    assert_eq!(std::fs::read(damaged).unwrap(), bytes_of(4));
}

#[tokio::test]
async fn a_deleted_recording_and_a_revoked_login_are_told() {
    let place = Place::new();
    let server = place.serve(&[]);
    let all = objects(2);
    let minted = token(&server).await;
    let mut disk = disk(&server, 2).await;
    disk.secret = minted.secret.clone();
    let again = Disk { objects: BTreeMap::new(), secret: minted.secret };
    let (uploading, outputs) = driver(&server, disk);
    let plan = plan(&all, Some(Closing::Finalize));
    uploading.handle(Input::Session(plan.clone()));
    until_complete(&uploading, &outputs);
    drop(uploading);
    let path = format!("/v1/recordings/{}", plan.recording.id);
    support::check_no_content(server.admin(Method::DELETE, &path).send().await.unwrap()).await;

    let (uploading, outputs) = driver(&server, again);
    uploading.handle(Input::Session(plan.clone()));
    let trouble = |outputs: &Receiver<Output>| loop {
        if let Output::Trouble(session, Some(trouble)) = outputs.recv().unwrap() {
            return (session, trouble);
        }
    };
    let (session, told) = trouble(&outputs);
    assert_eq!(session, Some(plan.session));
    assert!(matches!(told, Trouble::Gone(_)), "{told:?}");
    drop(uploading);

    let path = format!("/v1/tokens/{}", minted.id);
    support::check_no_content(server.admin(Method::DELETE, &path).send().await.unwrap()).await;
    let (uploading, outputs) = driver(&server, Disk { objects: BTreeMap::new(), secret: "gone".to_owned() });
    uploading.handle(Input::Session(plan));
    let (session, told) = trouble(&outputs);
    assert_eq!(session, None);
    assert!(matches!(told, Trouble::Login(_)), "{told:?}");
}
