//! Servers that do everything wrong, on real sockets.

use super::{Bucket, Count, Driver, Local, Meters, Progress, Proxy, Setup, http::Http, lock};
use crate::core::{
    Allowed, Answer, Failure, Input, Limits, Output, Refusal, Request, SessionCall, SessionPlan, Uploader,
};
use api::{Code, CreateRecording, Heartbeat, ObjectSpec, SignedRequest};
use model::{Hash, RecordingId, SessionId};
use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Cursor, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    num::NonZeroU64,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// A server that does with each connection what it was told to.
struct Raw {
    url: String,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    connections: Arc<AtomicUsize>,
}

impl Raw {
    fn new(behave: impl Fn(&mut BufReader<TcpStream>) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stopped = Arc::new(AtomicBool::new(false));
        let connections = Arc::new(AtomicUsize::new(0));
        let (stop, count, behave) = (stopped.clone(), connections.clone(), Arc::new(behave));
        let thread = thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                count.fetch_add(1, Ordering::SeqCst);
                let behave = behave.clone();
                // It ends when the client, which every test drops, closes its end.
                thread::spawn(move || behave(&mut BufReader::new(stream)));
            }
        });
        Self { url, stopped, thread: Some(thread), connections }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.url.trim_start_matches("http://")));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// The lines of a request before its body; none at the end of the connection.
fn head(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            return Some(head.to_lowercase());
        }
        head += &line;
    }
}

fn length(head: &str) -> usize {
    let line = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    line.expect("a length").parse().expect("a number")
}

fn body(stream: &mut BufReader<TcpStream>, head: &str) -> Vec<u8> {
    let mut body = vec![0; length(head)];
    stream.read_exact(&mut body).unwrap();
    body
}

fn say(stream: &mut BufReader<TcpStream>, text: &str) {
    stream.get_mut().write_all(text.as_bytes()).unwrap();
}

fn answer(status: &str, media_type: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Waits until the client closes the connection, and takes nothing from it but what `drop` needs.
fn hold(stream: &mut BufReader<TcpStream>) {
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest));
}

const BEAT: &str =
    r#"{"server_time":0,"status":{"phase":"active","provisional":false},"confirmed":0,"slow_down":0}"#;

/// This machine: an object of some bytes, and a secret.
struct Here {
    bytes: Vec<u8>,
    secret: Result<String, String>,
    opened: io::Result<()>,
}

impl Local for Here {
    fn open(&self, _: SessionId, _: &ObjectSpec) -> io::Result<Box<dyn Read + Send>> {
        match &self.opened {
            Ok(()) => Ok(Box::new(Cursor::new(self.bytes.clone()))),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        }
    }

    fn secret(&self) -> Result<String, String> {
        self.secret.clone()
    }
}

fn here(size: usize) -> Here {
    let bytes = (0..size).map(|place| (place % 251) as u8).collect();
    Here { bytes, secret: Ok("secret".to_owned()), opened: Ok(()) }
}

fn setup(url: &str) -> Setup {
    Setup { proxy: Proxy::Direct, ..Setup::new(url) }
}

/// Short enough to wait for.
fn impatient(url: &str) -> Setup {
    Setup { idle_timeout: Duration::from_millis(200), ..setup(url) }
}

fn meters(setup: &Setup) -> Arc<Mutex<Meters>> {
    let bucket = Bucket::new(setup.cap, Instant::now());
    Arc::new(Mutex::new(Meters { bucket, count: Count::default() }))
}

/// What these requests are answered, one after the other.
fn send(setup: &Setup, here: Here, requests: Vec<Request>) -> Vec<Result<Answer, Failure>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let http = Http::new(setup, Arc::new(here), meters(setup)).unwrap();
    runtime.block_on(async {
        let mut answers = Vec::new();
        for request in requests {
            answers.push(http.send(request).await);
        }
        answers
    })
}

fn session() -> SessionId {
    SessionId(uuid::Uuid::from_u128(1))
}

fn put_of(size: u64, url: &str) -> Request {
    let track = "mix".parse().unwrap();
    let object = ObjectSpec { track, index: Some(1), size, sha256: Hash([1; 32]), span: None, init: None };
    let headers = BTreeMap::from([("x-amz-checksum-sha256".to_owned(), "abc=".to_owned())]);
    let url = format!("{url}/bucket/key?signature=1");
    Request::Put(
        session(),
        object,
        Arc::new(SignedRequest { method: "PUT".to_owned(), url, headers, expires_in: 60 }),
    )
}

/// What the upload of so many bytes is answered by a server that does this.
fn put(
    size: usize,
    behave: impl Fn(&mut BufReader<TcpStream>) + Send + Sync + 'static,
) -> Result<Answer, Failure> {
    let raw = Raw::new(behave);
    send(&impatient(&raw.url), here(size), vec![put_of(size as u64, &raw.url)]).remove(0)
}

fn beat() -> Request {
    Request::Heartbeat(SessionCall { session: session(), token: "token".into() }, Heartbeat::default())
}

/// What a heartbeat is answered by a server that does this.
fn call(behave: impl Fn(&mut BufReader<TcpStream>) + Send + Sync + 'static) -> Result<Answer, Failure> {
    let raw = Raw::new(behave);
    send(&impatient(&raw.url), here(0), vec![beat()]).remove(0)
}

fn says(text: String) -> impl Fn(&mut BufReader<TcpStream>) + Send + Sync {
    move |stream| {
        let Some(head) = head(stream) else { return };
        body(stream, &head);
        say(stream, &text);
        hold(stream);
    }
}

fn refusal(result: Result<Answer, Failure>) -> Refusal {
    match result {
        Err(Failure::Refused(refusal)) => refusal,
        other => panic!("{other:?} is no refusal"),
    }
}

#[test]
fn a_body_goes_out_as_it_is_with_its_length_and_what_was_signed_on_one_connection() {
    const SIZE: usize = 3_000_001;
    let raw = Raw::new(|stream| {
        while let Some(head) = head(stream) {
            assert!(head.starts_with("put /bucket/key?signature=1 http/1.1"), "{head}");
            assert!(
                !head.contains("transfer-encoding") && head.contains("x-amz-checksum-sha256: abc="),
                "{head}"
            );
            assert!(head.contains("user-agent: spool/"), "{head}");
            let good = body(stream, &head) == here(SIZE).bytes;
            say(stream, &answer(if good { "200 OK" } else { "400 Bad" }, "text/plain", "thanks"));
        }
    });
    let put = || put_of(SIZE as u64, &raw.url);
    let answers = send(&setup(&raw.url), here(SIZE), vec![put(), put(), put()]);
    assert_eq!(answers, vec![Ok(Answer::Put); 3]);
    assert_eq!(raw.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn nobody_there_is_unreachable() {
    let url = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    for request in [put_of(10, &url), beat()] {
        let answer = send(&setup(&url), here(10), vec![request]).remove(0);
        assert!(matches!(answer, Err(Failure::Unreachable(_))), "{answer:?}");
    }
}

#[test]
fn what_breaks_or_stalls_may_have_been_done() {
    let unknown = |result: Result<Answer, Failure>| {
        assert!(matches!(result, Err(Failure::Unknown(_))), "{result:?}");
    };
    // Bytes that nobody reads make the connection be reset, not closed.
    unknown(put(8 << 20, |stream| drop(head(stream))));
    unknown(put(8 << 20, |stream| {
        head(stream);
        drop(stream.read_exact(&mut vec![0; 1 << 20]));
        stream.get_mut().shutdown(Shutdown::Both).unwrap();
    }));
    // Nobody reads; nobody answers.
    unknown(put(64 << 20, |stream| {
        head(stream);
        let mut client = stream.get_ref().try_clone().unwrap();
        client.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        thread::sleep(Duration::from_millis(900));
        drop(client.read(&mut [0; 1]));
    }));
    unknown(put(1_000, hold));
    unknown(call(hold));
    for text in ["HTTP/1.1 200 O", "HTTP/1.1 200 OK\r\ncontent-le", "hello\r\n\r\n", "\0\0\0\0\r\n\r\n"] {
        let goes = move |stream: &mut BufReader<TcpStream>| {
            let Some(head) = head(stream) else { return };
            body(stream, &head);
            say(stream, text);
        };
        unknown(put(1_000, goes));
        unknown(call(goes));
    }
    // Half a body is half an answer.
    unknown(call(|stream| {
        let Some(head) = head(stream) else { return };
        body(stream, &head);
        say(stream, &answer("200 OK", "application/json", BEAT)[..120]);
    }));
}

#[test]
fn slow_is_not_stalled() {
    let result = put(6 << 20, |stream| {
        let Some(head) = head(stream) else { return };
        let mut left = length(&head);
        let mut piece = vec![0; 256 << 10];
        // Longer than the timeout altogether, never within it.
        while left > 0 {
            thread::sleep(Duration::from_millis(20));
            let count = left.min(piece.len());
            stream.read_exact(&mut piece[..count]).unwrap();
            left -= count;
        }
        say(stream, &answer("200 OK", "text/plain", ""));
        hold(stream);
    });
    assert_eq!(result, Ok(Answer::Put));
}

#[test]
fn an_early_answer_is_read_though_the_body_is_not() {
    let problem =
        r#"{"type":"about:blank","title":"t","status":409,"detail":"d","code":"already-confirmed"}"#;
    let text = answer("409 Conflict", api::PROBLEM_TYPE, problem);
    let keeps = text.clone();
    let result = put(12 << 20, move |stream| {
        head(stream);
        say(stream, &keeps);
        // Open for as long as the client may still send, but nothing is read.
        thread::sleep(Duration::from_millis(100));
    });
    assert_eq!(refusal(result).code, Some(Code::AlreadyConfirmed));
    let result = put(12 << 20, move |stream| {
        head(stream);
        say(stream, &text);
        stream.get_mut().shutdown(Shutdown::Write).unwrap();
        hold(stream);
    });
    assert_eq!(refusal(result).code, Some(Code::AlreadyConfirmed));
}

#[test]
fn an_early_answer_that_is_torn_away_is_read_or_unknown() {
    for _ in 0..10 {
        let result = put(12 << 20, |stream| {
            head(stream);
            say(stream, &answer("403 Forbidden", "text/plain", ""));
        });
        let read = matches!(&result, Err(Failure::Refused(refusal)) if refusal.status == 403);
        assert!(read || matches!(result, Err(Failure::Unknown(_))), "{result:?}");
    }
}

#[test]
fn refusals_of_stores_are_understood() {
    let xml = |code: &str| {
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>why</Message></Error>")
    };
    let refused = refusal(put(10, says(answer("400 Bad", "application/xml", &xml("BadDigest")))));
    assert_eq!((refused.code, refused.detail.as_str()), (Some(Code::HashMismatch), "why"));
    let refused = refusal(put(10, says(answer("403 No", "application/xml", &xml("AccessDenied")))));
    assert_eq!((refused.status, refused.code), (403, None));
    let result = put(10, says(answer("400 Bad", "application/xml", &xml("RequestTimeout"))));
    assert!(matches!(result, Err(Failure::Unknown(_))), "{result:?}");
    let busy = "HTTP/1.1 503 Slow Down\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n".to_owned();
    assert_eq!(refusal(put(10, says(busy))).retry_after, Some(Duration::from_secs(7)));
    let long = "HTTP/1.1 429 Many\r\nretry-after: 999999999\r\ncontent-length: 0\r\n\r\n".to_owned();
    assert_eq!(refusal(put(10, says(long))).retry_after, Some(Duration::from_secs(3_600)));
    let flood = answer("500 No", "text/html", &"x".repeat(1 << 20));
    assert_eq!(refusal(put(10, says(flood))).status, 500);
}

#[test]
fn answers_that_are_not_of_the_server_are_nonsense() {
    assert!(matches!(call(says(answer("200 OK", "application/json", BEAT))), Ok(Answer::Heartbeat(_))));
    let flood = format!("{{\"x\":\"{}\"", "x".repeat(5 << 20));
    for (media_type, body) in [
        ("text/html", BEAT),
        ("application/json", "<html>"),
        ("application/json", "{}"),
        ("application/json", &flood),
    ] {
        let result = call(says(answer("200 OK", media_type, body)));
        assert!(matches!(result, Err(Failure::Nonsense(_))), "{result:?}");
    }
    let away = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_owned();
    assert_eq!(refusal(call(says(away))).status, 302);
    let problem = r#"{"type":"about:blank","title":"t","status":418,"detail":"tea","code":"teapot"}"#;
    let refused = refusal(call(says(answer("418 No", api::PROBLEM_TYPE, problem))));
    assert_eq!((refused.code, refused.detail.as_str()), (Some(Code::Unknown), "tea"));
}

#[test]
fn local_faults_are_told_apart_from_those_of_the_way() {
    let takes = |stream: &mut BufReader<TcpStream>| hold(stream);
    let raw = Raw::new(takes);
    let local = |here| send(&setup(&raw.url), here, vec![put_of(200_000, &raw.url)]).remove(0);
    let short = local(here(150_000));
    assert!(matches!(short, Err(Failure::Local(_))), "{short:?}");
    let gone = local(Here { opened: Err(io::ErrorKind::NotFound.into()), ..here(0) });
    assert!(matches!(gone, Err(Failure::Local(_))), "{gone:?}");
}

#[test]
fn more_bytes_than_an_object_has_are_not_sent() {
    let raw = Raw::new(|stream| {
        let Some(head) = head(stream) else { return };
        assert_eq!(body(stream, &head).len(), 1_000);
        say(stream, &answer("200 OK", "text/plain", ""));
        assert!(self::head(stream).is_none(), "nothing follows");
    });
    assert_eq!(send(&setup(&raw.url), here(9_999), vec![put_of(1_000, &raw.url)]), [Ok(Answer::Put)]);
}

fn create() -> Request {
    Request::Create(CreateRecording {
        id: RecordingId(uuid::Uuid::from_u128(1)),
        title: String::new(),
        description: String::new(),
        recorder: String::new(),
        metadata: BTreeMap::new(),
    })
}

/// A server whose access tokens are numbered, and which takes the last `valid` of them alone.
fn with_tokens(minted: Arc<AtomicUsize>, valid_from: usize) -> Raw {
    Raw::new(move |stream| {
        while let Some(head) = head(stream) {
            let sent = String::from_utf8(body(stream, &head)).unwrap();
            if head.starts_with("post /v1/tokens/refresh") {
                assert_eq!(sent, r#"{"secret":"secret"}"#);
                let number = minted.fetch_add(1, Ordering::SeqCst) + 1;
                let access = format!(r#"{{"token":"{number}","expires_in":3600,"scopes":["record"]}}"#);
                say(stream, &answer("200 OK", "application/json", &access));
                continue;
            }
            let bearer = head.lines().find_map(|line| line.strip_prefix("authorization: bearer "));
            if bearer.unwrap().parse::<usize>().unwrap() < valid_from {
                let text =
                    r#"{"type":"about:blank","title":"t","status":401,"detail":"d","code":"token-expired"}"#;
                say(stream, &answer("401 No", api::PROBLEM_TYPE, text));
                continue;
            }
            let recording = r#"{"id":"00000000-0000-0000-0000-000000000001","title":"","description":"","recorder":"",
                "metadata":{},"status":"recording","created_at":0,"sessions":[],"chunks":0,"bytes":0}"#;
            say(stream, &answer("201 Created", "application/json", recording));
        }
    })
}

#[test]
fn an_access_token_is_fetched_once_and_again_when_it_is_refused() {
    let minted = Arc::new(AtomicUsize::new(0));
    let raw = with_tokens(minted.clone(), 1);
    let answers = send(&setup(&raw.url), here(0), vec![create(), create(), create()]);
    assert_eq!(answers, vec![Ok(Answer::Created); 3]);
    assert_eq!(minted.load(Ordering::SeqCst), 1);

    let minted = Arc::new(AtomicUsize::new(0));
    let raw = with_tokens(minted.clone(), 2);
    assert_eq!(send(&setup(&raw.url), here(0), vec![create(), create()]), vec![Ok(Answer::Created); 2]);
    assert_eq!(minted.load(Ordering::SeqCst), 2);

    let minted = Arc::new(AtomicUsize::new(0));
    let raw = with_tokens(minted.clone(), 9);
    assert_eq!(refusal(send(&setup(&raw.url), here(0), vec![create()]).remove(0)).status, 401);
    assert_eq!(minted.load(Ordering::SeqCst), 2, "no more than once for a request");
}

#[test]
fn without_a_secret_that_the_server_takes_there_is_no_login() {
    let nobody = Here { secret: Err("the keychain is locked".to_owned()), ..here(0) };
    let result = send(&setup("http://127.0.0.1:1"), nobody, vec![create()]).remove(0);
    assert_eq!(result, Err(Failure::NoLogin("the keychain is locked".to_owned())));
    let problem =
        r#"{"type":"about:blank","title":"t","status":401,"detail":"revoked","code":"unauthorized"}"#;
    let raw = Raw::new(says(answer("401 No", api::PROBLEM_TYPE, problem)));
    let result = send(&setup(&raw.url), here(0), vec![create()]).remove(0);
    assert_eq!(result, Err(Failure::NoLogin("revoked".to_owned())));
}

#[test]
fn a_proxy_is_asked_where_one_is_set() {
    let raw = Raw::new(|stream| {
        let Some(head) = head(stream) else { return };
        assert!(head.starts_with("post http://spool.invalid/v1/sessions/"), "{head}");
        body(stream, &head);
        say(stream, &answer("200 OK", "application/json", BEAT));
        hold(stream);
    });
    let setup = Setup { proxy: Proxy::At(raw.url.clone()), ..Setup::new("http://spool.invalid/") };
    let result = send(&setup, here(0), vec![beat()]).remove(0);
    assert!(matches!(result, Ok(Answer::Heartbeat(_))), "{result:?}");
}

#[test]
fn what_cannot_be_set_is_said() {
    let refused = |setup: Setup| {
        Http::new(&setup, Arc::new(here(0)), meters(&setup)).err().expect("an error").to_string()
    };
    assert_eq!(refused(setup("spool.example.org")), "spool.example.org is not a server's address");
    assert!(refused(setup("ftp://example.org")).contains("is not a server's address"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roots.pem");
    let with_roots = || Setup { extra_roots: Some(path.clone()), ..setup("https://example.org") };
    assert!(refused(with_roots()).contains("roots.pem"));
    std::fs::write(&path, "nothing").unwrap();
    assert!(refused(with_roots()).contains("there is no certificate in it"));
    assert!(!refused(Setup { proxy: Proxy::At("::".to_owned()), ..setup("https://example.org") }).is_empty());
}

#[test]
fn a_cap_holds_an_upload_up_and_is_no_stall() {
    let raw = Raw::new(says(answer("200 OK", "text/plain", "")));
    let cap = NonZeroU64::new(200_000);
    let capped = Setup { cap, ..impatient(&raw.url) };
    let begin = Instant::now();
    assert_eq!(send(&capped, here(300_000), vec![put_of(300_000, &raw.url)]), [Ok(Answer::Put)]);
    // All but the first and the last piece waited.
    assert!(begin.elapsed() > Duration::from_millis(700), "{:?}", begin.elapsed());
}

/// A server's certificate for this machine and its key, and the certificate of the authority that signed it.
fn certified() -> (rustls::ServerConfig, String) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let server = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = server.signed_by(&key, &issuer).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key);
    (config.unwrap(), pem)
}

#[test]
fn a_server_of_ones_own_is_trusted_by_its_authority_alone() {
    let (config, pem) = certified();
    let config = Arc::new(config);
    let raw = Raw::new(move |stream| {
        let mut tls = rustls::ServerConnection::new(config.clone()).unwrap();
        let mut socket = stream.get_ref().try_clone().unwrap();
        let mut stream = rustls::Stream::new(&mut tls, &mut socket);
        let mut request = vec![0; 4_096];
        // A client that does not trust us ends the handshake.
        if stream.read(&mut request).is_ok_and(|count| count > 0) {
            stream.write_all(answer("200 OK", "application/json", BEAT).as_bytes()).unwrap();
            drop(stream.read(&mut request));
        }
    });
    let url = raw.url.replace("http://127.0.0.1", "https://localhost");
    let result = send(&setup(&url), here(0), vec![beat()]).remove(0);
    assert!(matches!(result, Err(Failure::Unreachable(_))), "{result:?}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authority.pem");
    std::fs::write(&path, pem).unwrap();
    let trusting = Setup { extra_roots: Some(path), ..setup(&url) };
    let result = send(&trusting, here(0), vec![beat()]).remove(0);
    assert!(matches!(result, Ok(Answer::Heartbeat(_))), "{result:?}");
}

fn plan(size: u64) -> SessionPlan {
    let Request::Put(session, object, _) = put_of(size, "http://localhost") else { unreachable!() };
    let Request::Create(recording) = create() else { unreachable!() };
    let client = api::ClientInfo::default();
    let started_at = model::UtcTime(0);
    SessionPlan { session, recording, started_at, client, confirmed: 0, objects: vec![object], closing: None }
}

fn driver(url: &str, here: Here) -> (Driver, Receiver<Output>) {
    let (sender, outputs) = channel();
    let tell = Box::new(move |output| drop(sender.send(output)));
    let uploader = Uploader::new(Limits::default(), 1);
    (Driver::start(&setup(url), uploader, Arc::new(here), tell).unwrap(), outputs)
}

#[test]
fn it_says_that_there_is_room_and_stops_while_a_request_hangs() {
    let (told, waits) = channel();
    let told = Mutex::new(told);
    let raw = Raw::new(move |stream| {
        lock(&told).send(head(stream)).unwrap();
        hold(stream);
    });
    let (driver, outputs) = driver(&raw.url, here(10));
    assert_eq!(outputs.recv().unwrap(), Output::More);
    assert_eq!(outputs.recv().unwrap(), Output::Done);
    driver.handle(Input::Session(plan(10)));
    assert!(waits.recv().unwrap().unwrap().starts_with("post /v1/tokens/refresh"));
    assert_eq!(driver.view().sessions.len(), 1);
    assert_eq!(driver.progress(), Progress::default());
    drop(driver);
}

#[test]
fn a_pause_closes_connections_and_an_end_goes_on() {
    let (told, waits) = channel();
    let told = Mutex::new(told);
    let raw = Raw::new(move |stream| {
        let began = head(stream).is_some();
        hold(stream);
        lock(&told).send(began).unwrap();
    });
    let (driver, _outputs) = driver(&raw.url, here(10));
    driver.handle(Input::Session(plan(10)));
    while raw.connections.load(Ordering::SeqCst) == 0 {
        thread::yield_now();
    }
    driver.handle(Input::Allow(Allowed::No));
    // The connection ends though the request had minutes left.
    assert!(waits.recv().unwrap());
    driver.handle(Input::Allow(Allowed::Yes));
    while raw.connections.load(Ordering::SeqCst) == 1 {
        thread::yield_now();
    }
}

/// One whose keychain panics.
struct Broken;

impl Local for Broken {
    fn open(&self, _: SessionId, _: &ObjectSpec) -> io::Result<Box<dyn Read + Send>> {
        panic!("no disk");
    }

    fn secret(&self) -> Result<String, String> {
        panic!("no keychain");
    }
}

#[test]
fn a_panic_of_the_machine_is_a_fault_like_any_other() {
    let raw = Raw::new(hold);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let setup = setup(&raw.url);
    let http = Http::new(&setup, Arc::new(Broken), meters(&setup)).unwrap();
    let result = runtime.block_on(http.send(put_of(10, &raw.url)));
    assert!(matches!(result, Err(Failure::Local(_))), "{result:?}");
    let result = runtime.block_on(http.send(create()));
    assert!(matches!(result, Err(Failure::NoLogin(_))), "{result:?}");
}
