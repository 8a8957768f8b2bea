//! What every object store must do, asked over real connections: one suite, run against each of them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use axum::Router;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, future::join_all, stream};
use model::{Hash, UtcTime};
use reqwest::{Client, Method, Response, StatusCode};
use spool_server::{
    objects::{Expected, Folder, Found, Key, Memory, Now, ObjectStore, S3, S3Config, Served, Signer},
    problem::Refusal,
    routes::objects::{Admit, routes},
};
use std::{
    collections::HashSet,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};
use tokio::task::{JoinHandle, spawn_blocking};

const MINUTE: Duration = Duration::from_secs(60);
/// More than any buffer on the way.
const LARGE: usize = 40 << 20;

/// A store under test.
struct Stand {
    store: Arc<dyn ObjectStore>,
    /// The same store, whose clock is an hour behind, or whose key is another.
    late: Arc<dyn ObjectStore>,
    stranger: Arc<dyn ObjectStore>,
    /// Whether it has its bytes checked by a signed header, as S3 does, or by what is in the URL.
    signs_headers: bool,
    http: Client,
}

fn clock(off_by: Arc<AtomicI64>) -> Now {
    Arc::new(move || {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        UtcTime(i64::try_from(since.as_millis()).unwrap() + off_by.load(Ordering::Relaxed))
    })
}

fn on_time() -> Now {
    clock(Arc::default())
}

fn an_hour_late() -> Now {
    clock(Arc::new(AtomicI64::new(-3_600_000)))
}

fn bytes(length: usize, seed: u8) -> Bytes {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 7) as u8 ^ seed).collect()
}

fn expected(name: &str, bytes: &[u8]) -> Expected {
    let key = Key::new(format!("recordings/r/sessions/s/{name}")).unwrap();
    Expected { key, size: bytes.len() as u64, sha256: Hash::of(bytes) }
}

async fn put(http: &Client, request: &api::SignedRequest, bytes: Bytes) -> Response {
    let method: Method = request.method.parse().unwrap();
    let mut sent = http.request(method, &request.url);
    for (name, value) in &request.headers {
        // It is the client's affair to know how much it sends.
        if name != "content-length" {
            sent = sent.header(name, value);
        }
    }
    sent.body(bytes).send().await.unwrap()
}

async fn get(http: &Client, url: &str) -> (StatusCode, Bytes) {
    let answer = http.get(url).send().await.unwrap();
    (answer.status(), answer.bytes().await.unwrap())
}

impl Stand {
    fn sign(&self, expected: &Expected) -> api::SignedRequest {
        self.store.sign_put(expected, "session", MINUTE)
    }

    async fn put(&self, expected: &Expected, bytes: &Bytes) {
        let answer = put(&self.http, &self.sign(expected), bytes.clone()).await;
        assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
    }

    async fn expect(&self, expected: &Expected, found: Found) {
        assert_eq!(self.store.check(expected).await.unwrap(), found, "{}", expected.key);
    }

    async fn is_whole(&self, expected: &Expected) {
        let found = self.store.check(expected).await.unwrap();
        assert!(matches!(found, Found::Whole(_)), "{}: {found:?}", expected.key);
    }

    async fn read(&self, key: &Key) -> Vec<u8> {
        let stream = self.store.read(key).await.unwrap();
        stream
            .try_fold(Vec::new(), async |mut all, bytes| {
                all.extend(bytes);
                Ok(all)
            })
            .await
            .unwrap()
    }

    /// That an answer is a refusal, and that nothing was kept.
    async fn is_refused(&self, why: &str, answer: Response, expected: &Expected) {
        let status = answer.status();
        assert!(status.is_client_error(), "{why}: {status} {:?}", answer.text().await);
        self.expect(expected, Found::Missing).await;
    }

    async fn suite(&self) {
        self.what_is_sent_is_there().await;
        self.other_bytes_are_refused().await;
        self.nothing_of_a_request_can_be_changed().await;
        self.old_and_foreign_urls_are_refused().await;
        self.repeated_and_simultaneous_uploads_agree().await;
        self.what_is_there_is_not_overwritten_by_other_bytes().await;
        self.ranges_are_read().await;
        self.damage_is_found().await;
        self.documents_are_replaced_and_deleted().await;
        self.an_interrupted_upload_leaves_nothing().await;
    }

    async fn what_is_sent_is_there(&self) {
        for length in [1, 1000, 5 << 20] {
            let bytes = bytes(length, 1);
            let expected = expected(&format!("mix/{length}.m4s"), &bytes);
            self.expect(&expected, Found::Missing).await;
            self.put(&expected, &bytes).await;
            self.is_whole(&expected).await;
            assert!(self.read(&expected.key).await == bytes);
            let url = self.store.sign_get(&expected.key, MINUTE).url;
            let (status, read) = get(&self.http, &url).await;
            assert!(status == 200 && read == bytes, "{status}");
        }
        let missing = Key::new("recordings/r/none.m4s").unwrap();
        assert!(self.store.read(&missing).await.is_err());
        assert_eq!(get(&self.http, &self.store.sign_get(&missing, MINUTE).url).await.0, 404);
    }

    async fn other_bytes_are_refused(&self) {
        let right = bytes(100_000, 2);
        let wrong = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = right.to_vec();
            change(&mut bytes);
            Bytes::from(bytes)
        };
        for (why, bytes) in [
            ("a changed byte", wrong(&|bytes| bytes[50_000] ^= 1)),
            ("a byte more", wrong(&|bytes| bytes.push(0))),
            (
                "a byte less",
                wrong(&|bytes| {
                    bytes.pop();
                }),
            ),
            ("nothing", Bytes::new()),
        ] {
            let expected = expected("wrong.m4s", &right);
            let answer = put(&self.http, &self.sign(&expected), bytes).await;
            self.is_refused(why, answer, &expected).await;
        }
    }

    async fn nothing_of_a_request_can_be_changed(&self) {
        let right = bytes(1000, 3);
        let expected = expected("changed.m4s", &right);
        let signed = self.sign(&expected);
        for (from, to) in [
            ("changed.m4s", "changer.m4s"),
            ("/changed.m4s", "/../x/changed.m4s"),
            ("/changed.m4s", "/..%2fchanged.m4s"),
            ("/changed.m4s", "/%00changed.m4s"),
        ] {
            let request = api::SignedRequest { url: signed.url.replace(from, to), ..signed.clone() };
            let answer = put(&self.http, &request, right.clone()).await;
            self.is_refused(&request.url, answer, &expected).await;
        }
        // Every parameter of the query, one after the other: changed, and left out.
        let (path, query) = signed.url.split_once('?').unwrap();
        let pairs: Vec<&str> = query.split('&').collect();
        for at in 0..pairs.len() {
            let mut changed: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
            let last = changed[at].pop().unwrap();
            changed[at].push(if last == '1' { '2' } else { '1' });
            let mut without = pairs.clone();
            without.remove(at);
            for query in [changed.join("&"), without.join("&")] {
                let request = api::SignedRequest { url: format!("{path}?{query}"), ..signed.clone() };
                let answer = put(&self.http, &request, right.clone()).await;
                self.is_refused(&query, answer, &expected).await;
            }
        }
        let mut bare = signed.clone();
        bare.url = path.to_owned();
        self.is_refused("no query", put(&self.http, &bare, right.clone()).await, &expected).await;
        if self.signs_headers {
            let other = bytes(1000, 4);
            let mut without = signed.clone();
            without.headers.clear();
            self.is_refused("no header", put(&self.http, &without, right.clone()).await, &expected).await;
            let foreign = api::SignedRequest { headers: self.sign(&expected_of(&other)).headers, ..signed };
            self.is_refused("another header", put(&self.http, &foreign, other).await, &expected).await;
        }
    }

    async fn old_and_foreign_urls_are_refused(&self) {
        let right = bytes(1000, 5);
        let expected = expected("old.m4s", &right);
        for (why, store) in [("expired", &self.late), ("another's key", &self.stranger)] {
            let answer = put(&self.http, &store.sign_put(&expected, "s", MINUTE), right.clone()).await;
            self.is_refused(why, answer, &expected).await;
        }
        self.put(&expected, &right).await;
        for (why, store) in [("expired", &self.late), ("another's key", &self.stranger)] {
            let (status, _) = get(&self.http, &store.sign_get(&expected.key, MINUTE).url).await;
            assert!(status.is_client_error(), "{why}: {status}");
        }
        // Whoever may read may not write, and the other way round.
        let (read, write) = (self.store.sign_get(&expected.key, MINUTE), self.sign(&expected));
        assert!(get(&self.http, &write.url).await.0.is_client_error());
        let answer = self.http.put(&read.url).body(right.clone()).send().await.unwrap();
        assert!(answer.status().is_client_error());
        let answer = self.http.delete(&write.url).send().await.unwrap();
        assert!(answer.status().is_client_error());
        self.is_whole(&expected).await;
    }

    async fn repeated_and_simultaneous_uploads_agree(&self) {
        let right = bytes(3 << 20, 6);
        let expected = expected("again/000001.m4s", &right);
        let signed = self.sign(&expected);
        for answer in join_all((0..8).map(|_| put(&self.http, &signed, right.clone()))).await {
            assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
        }
        assert_eq!(put(&self.http, &signed, right.clone()).await.status(), 200);
        self.is_whole(&expected).await;
        assert!(self.read(&expected.key).await == right);
    }

    async fn what_is_there_is_not_overwritten_by_other_bytes(&self) {
        let (right, other) = (bytes(10_000, 7), bytes(10_000, 8));
        let expected = expected("kept.m4s", &right);
        self.put(&expected, &right).await;
        let answer = put(&self.http, &self.sign(&expected), other).await;
        assert!(answer.status().is_client_error());
        self.is_whole(&expected).await;
        assert!(self.read(&expected.key).await == right);
    }

    async fn ranges_are_read(&self) {
        let right = bytes(1_000_000, 9);
        let expected = expected("ranges.m4s", &right);
        self.put(&expected, &right).await;
        let url = self.store.sign_get(&expected.key, MINUTE).url;
        let range = async |range: &str| {
            let answer = self.http.get(&url).header("range", range).send().await.unwrap();
            let place = answer.headers().get("content-range").map(|place| place.to_str().unwrap().to_owned());
            (answer.status().as_u16(), place, answer.bytes().await.unwrap())
        };
        for (asked, from, to) in [
            ("bytes=0-0", 0, 1),
            ("bytes=400000-799999", 400_000, 800_000),
            ("bytes=999990-", 999_990, 1_000_000),
            ("bytes=-10", 999_990, 1_000_000),
        ] {
            let (status, place, read) = range(asked).await;
            assert_eq!((status, place), (206, Some(format!("bytes {from}-{}/1000000", to - 1))), "{asked}");
            assert!(read == right[from..to], "{asked}");
        }
        assert_eq!(range("bytes=1000000-").await.0, 416);
    }

    async fn damage_is_found(&self) {
        let right = bytes(10_000, 10);
        let expected = expected("damaged.m4s", &right);
        for wrong in [bytes(10_000, 11), bytes(9_999, 10), bytes(10_001, 10), Bytes::new()] {
            self.store.put(&expected.key, wrong).await.unwrap();
            self.expect(&expected, Found::Damaged).await;
        }
        // And is healed by who still has the right bytes.
        self.put(&expected, &right).await;
        self.is_whole(&expected).await;
    }

    async fn documents_are_replaced_and_deleted(&self) {
        let key = Key::new("recordings/r/metadata.json").unwrap();
        for text in ["{\"title\":\"a\"}", "{}", "{\"title\":\"something longer\"}"] {
            self.store.put(&key, Bytes::from(text)).await.unwrap();
            assert_eq!(self.read(&key).await, text.as_bytes());
        }
        let document = Expected { key: key.clone(), size: 2, sha256: Hash::of(b"{}") };
        self.store.put(&key, Bytes::from("{}")).await.unwrap();
        self.is_whole(&document).await;
        for _ in 0..2 {
            self.store.delete(&key).await.unwrap();
            self.expect(&document, Found::Missing).await;
        }
    }

    async fn an_interrupted_upload_leaves_nothing(&self) {
        let right = bytes(8 << 20, 12);
        let expected = expected("interrupted.m4s", &right);
        let signed = self.sign(&expected);
        // Half of it, and then the connection is gone.
        let half = stream::iter([Ok(right.slice(..4 << 20))])
            .chain(stream::once(async { Err(std::io::Error::other("pulled out")) }));
        let mut request = self.http.put(&signed.url);
        for (name, value) in &signed.headers {
            request = request.header(name, value);
        }
        assert!(request.body(reqwest::Body::wrap_stream(half)).send().await.is_err());
        self.expect(&expected, Found::Missing).await;
        self.put(&expected, &right).await;
        self.is_whole(&expected).await;
    }
}

fn expected_of(bytes: &[u8]) -> Expected {
    expected("other.m4s", bytes)
}

/// A server of objects on a port of its own.
struct Server {
    address: SocketAddr,
    confirmed: Arc<Mutex<HashSet<Key>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<T: Served>(make: impl FnOnce(Signer) -> T) -> (Arc<T>, Server) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let store = Arc::new(make(Signer::new(&[[1; 32]], Some(&format!("http://{address}")), on_time())));
    let confirmed: Arc<Mutex<HashSet<Key>>> = Arc::default();
    let admit: Admit = {
        let confirmed = Arc::clone(&confirmed);
        Arc::new(move |session, expected| {
            assert!(!session.is_empty());
            let is_confirmed = confirmed.lock().unwrap().contains(&expected.key);
            let refusal = Refusal::new(api::Code::AlreadyConfirmed, "these bytes are confirmed");
            Box::pin(async move { if is_confirmed { Err(refusal) } else { Ok(()) } })
        })
    };
    let (router, _document) = routes::<()>(store.clone(), admit).split_for_parts();
    let router: Router = router;
    let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (store, Server { address, confirmed, task })
}

impl Server {
    fn stand(&self, store: Arc<dyn ObjectStore>) -> Stand {
        let base = format!("http://{}", self.address);
        let other = |key, now| Arc::new(Memory::new(Signer::new(&[[key; 32]], Some(&base), now)));
        Stand {
            store,
            late: other(1, an_hour_late()),
            stranger: other(2, on_time()),
            signs_headers: false,
            http: client(),
        }
    }
}

fn client() -> Client {
    // Another test may have been first.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().timeout(MINUTE).build().unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path.display().to_string());
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory() {
    let (store, server) = serve(Memory::new).await;
    server.stand(store).suite().await;
}

/// The S3 store of a stand, reached as its URL says, with some of it replaced.
fn s3(url: &str, now: Now) -> Arc<S3> {
    Arc::new(S3::new(S3Config::parse(url, |_| None).unwrap(), now).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seaweed() {
    let server = stands::S3::start();
    let url = server.url();
    let stand = Stand {
        store: s3(&url, on_time()),
        late: s3(&url, an_hour_late()),
        stranger: s3(&url.replace("spool%2Bsecret", "guessed"), on_time()),
        signs_headers: true,
        http: client(),
    };
    stand.suite().await;
    a_lying_store_is_found_out(&stand, &server, &s3(&format!("{url}&check=read"), on_time())).await;
    a_store_in_another_time_is_understood(&stand, &url).await;
    recorders_are_sent_to_the_public_address(&url);
    // It stands still for a moment, and nobody notices.
    server.freeze();
    let key = Key::new("recordings/r/late.json").unwrap();
    let put = stand.store.put(&key, Bytes::from("{}"));
    let wake = async {
        tokio::task::yield_now().await;
        server.wake();
    };
    let (put, ()) = tokio::join!(put, wake);
    put.unwrap();
}

async fn a_lying_store_is_found_out(stand: &Stand, server: &stands::S3, careful: &S3) {
    let right = bytes(10_000, 20);
    let expected = expected("lied.m4s", &right);
    stand.put(&expected, &right).await;
    assert!(matches!(careful.check(&expected).await.unwrap(), Found::Whole(api::Vouched::ReadBack)));
    for wrong in [bytes(10_000, 21), bytes(9_000, 20)] {
        server.damage(expected.key.as_str(), &wrong);
        stand.expect(&expected, Found::Damaged).await;
        assert_eq!(careful.check(&expected).await.unwrap(), Found::Damaged);
    }
    stand.put(&expected, &right).await;
    stand.is_whole(&expected).await;
}

/// A server whose clock is an hour off in either direction learns so from the first answer.
async fn a_store_in_another_time_is_understood(stand: &Stand, url: &str) {
    for off_by in [-3_600_000, 3_600_000] {
        let store = s3(url, clock(Arc::new(AtomicI64::new(off_by))));
        let right = bytes(1000, 22);
        let expected = expected(&format!("time{off_by}.m4s"), &right);
        assert_eq!(store.check(&expected).await.unwrap(), Found::Missing);
        let answer = put(&stand.http, &store.sign_put(&expected, "s", MINUTE), right).await;
        assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
        stand.is_whole(&expected).await;
    }
}

fn recorders_are_sent_to_the_public_address(url: &str) {
    let store = s3(&format!("{url}&public=https%3A%2F%2Fmedia.example.org"), on_time());
    let signed = store.sign_get(&Key::new("a/b").unwrap(), MINUTE);
    assert!(signed.url.starts_with("https://media.example.org/spool/a/b?"), "{}", signed.url);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folder() {
    let folder = tempfile::tempdir().unwrap();
    let (store, server) = serve(|signer| Folder::open(folder.path(), signer).unwrap()).await;
    server.stand(store).suite().await;
}

/// Sends a request as it stands, with more bytes after it than any buffer takes, and gives the answer's head. Does not
/// read before everything is sent, as simple clients do not.
fn send_then_read(address: SocketAddr, head: &str, body: usize) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(MINUTE)).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![0; body]).unwrap();
    let mut answer = [0; 1024];
    let count = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..count]).into_owned()
}

fn head(request: &api::SignedRequest, rest: &str) -> String {
    let path = request.url.splitn(4, '/').nth(3).unwrap();
    format!("{} /{path} HTTP/1.1\r\nhost: spool\r\n{rest}\r\n", request.method)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_heard_by_who_is_still_sending() {
    let folder = tempfile::tempdir().unwrap();
    let (store, server) = serve(|signer| Folder::open(folder.path(), signer).unwrap()).await;
    let length = 12 << 20;
    let key = Key::new("recordings/r/sessions/s/mix/000001-aa.m4s").unwrap();
    let expected = Expected { key, size: length as u64, sha256: Hash([7; 32]) };
    let signed = store.sign_put(&expected, "s", MINUTE);
    let with_length = format!("content-length: {length}\r\n");
    let ask = async |request: &api::SignedRequest, rest: &str, body: usize| {
        let (address, head) = (server.address, head(request, rest));
        spawn_blocking(move || send_then_read(address, &head, body)).await.unwrap()
    };

    server.confirmed.lock().unwrap().insert(expected.key.clone());
    let answer = ask(&signed, &with_length, length).await;
    assert!(answer.starts_with("HTTP/1.1 409") && answer.contains("already-confirmed"), "{answer}");
    server.confirmed.lock().unwrap().clear();

    let forged = api::SignedRequest { url: signed.url.replace("000001", "000002"), ..signed.clone() };
    let answer = ask(&forged, &with_length, length).await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("signature-invalid"), "{answer}");

    let answer = ask(&signed, "content-length: 7\r\n", 7).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("size-mismatch"), "{answer}");

    let answer = ask(&signed, &with_length, length).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("hash-mismatch"), "{answer}");

    let answer = ask(&signed, "transfer-encoding: chunked\r\n", 0).await;
    assert!(answer.starts_with("HTTP/1.1 411") && answer.contains("length-required"), "{answer}");
    assert_eq!(files(folder.path()), [folder.path().join(".lock").display().to_string()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_keeps_nothing_that_is_not_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (store, server) = serve(|signer| Folder::open(folder.path(), signer).unwrap()).await;
    let stand = server.stand(store);
    let lock = folder.path().join(".lock").display().to_string();
    stand.other_bytes_are_refused().await;
    assert_eq!(files(folder.path()), std::slice::from_ref(&lock));

    let right = bytes(LARGE, 1);
    let expected = expected("half.m4s", &right);
    let mut stream = TcpStream::connect(server.address).unwrap();
    let length = format!("content-length: {LARGE}\r\n");
    stream.write_all(head(&stand.sign(&expected), &length).as_bytes()).unwrap();
    stream.write_all(&right[..LARGE / 2]).unwrap();
    let incoming = folder.path().join(".incoming");
    let until = async |is_empty: bool| {
        while files(&incoming).is_empty() != is_empty {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    until(false).await;
    assert!(spawn_blocking(move || drop(stream)).await.is_ok());
    until(true).await;
    stand.expect(&expected, Found::Missing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_opened_again_has_what_was_whole() {
    let folder = tempfile::tempdir().unwrap();
    let signer = || Signer::new(&[[1; 32]], None, on_time());
    let key = Key::new("recordings/r/sessions/s/mix/000001-aa.m4s").unwrap();
    let kept = Expected { key: key.clone(), size: 4, sha256: Hash::of(b"kept") };
    let store = Folder::open(folder.path(), signer()).unwrap();
    store.put(&key, Bytes::from("kept")).await.unwrap();
    assert!(Folder::open(folder.path(), signer()).is_err(), "two servers must not share a folder");
    drop(store);
    // As a killed process leaves it.
    fs::write(folder.path().join(".incoming/17"), "half").unwrap();
    let store = Folder::open(folder.path(), signer()).unwrap();
    assert!(files(&folder.path().join(".incoming")).is_empty());
    assert!(matches!(store.check(&kept).await.unwrap(), Found::Whole(_)));
    // The last object takes its folders along; others stay.
    let other = Key::new("recordings/r/metadata.json").unwrap();
    store.put(&other, Bytes::from("{}")).await.unwrap();
    store.delete(&key).await.unwrap();
    assert!(!folder.path().join("recordings/r/sessions").exists());
    assert!(folder.path().join("recordings/r/metadata.json").exists());
    store.put(&key, Bytes::from("kept")).await.unwrap();
    assert!(matches!(store.check(&kept).await.unwrap(), Found::Whole(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_come_and_go_under_many_hands() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Folder::open(folder.path(), Signer::new(&[[1; 32]], None, on_time())).unwrap());
    let hands = (0..8).map(|hand| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for _ in 0..20 {
                let key = Key::new(format!("a/b/c/{hand}")).unwrap();
                store.put(&key, Bytes::from("x")).await.unwrap();
                let expected = Expected { key, size: 1, sha256: Hash::of(b"x") };
                assert!(matches!(store.check(&expected).await.unwrap(), Found::Whole(_)));
                store.delete(&expected.key).await.unwrap();
            }
        })
    });
    for done in join_all(hands).await {
        done.unwrap();
    }
    assert!(!folder.path().join("a").exists());
}
