//! A private object store: SeaweedFS, which speaks S3 and checks every signature, length and hash that it is told.

use crate::process::{Running, find_within, kill, python_tool, server};
use rustix::process::Signal;
use std::{
    collections::HashSet,
    fs,
    hash::{BuildHasher, RandomState},
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};
use tempfile::TempDir;

const START_LIMIT: Duration = Duration::from_secs(60);
const ATTEMPTS: usize = 3;
/// How long one question may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// An S3 server with one empty bucket. It ends with this guard, and its objects with it.
#[derive(Debug)]
pub struct S3 {
    weed: Running,
    ports: Ports,
    folder: TempDir,
}

#[derive(Debug)]
struct Ports {
    s3: u16,
    filer: u16,
    master: u16,
    volume: u16,
    /// Each of these has a second one for its friends.
    grpc: [u16; 4],
}

impl S3 {
    /// The bucket.
    pub const BUCKET: &str = "spool";
    /// The id of the key that may do everything.
    pub const KEY: &str = "SPOOLKEY";
    /// Its secret.
    pub const SECRET: &str = "spool+secret/";
    /// What the server calls its region.
    pub const REGION: &str = "us-east-1";

    /// Starts it, and waits until it takes objects.
    pub fn start() -> Self {
        // Somebody else may take a port that was free a moment ago.
        let started = (0..ATTEMPTS).find_map(|_| Self::try_start().map_err(|why| eprintln!("{why}")).ok());
        started.expect("an S3 server starts")
    }

    fn try_start() -> Result<Self, String> {
        let folder =
            tempfile::Builder::new().prefix("spool-s3").tempdir().expect("there is room for a folder");
        let ports = Ports::free();
        let weed = run(&folder, &ports);
        let mut s3 = Self { weed, ports, folder };
        let ready = find_within(START_LIMIT, || {
            (!s3.weed.is_alive() || (s3.is_filing() && s3.is_serving())).then(|| s3.weed.is_alive())
        });
        match ready {
            Some(true) => {
                let bucket = format!("/buckets/{}/", Self::BUCKET);
                match http(s3.ports.filer, "POST", &bucket, b"") {
                    Ok(201) => Ok(s3),
                    other => Err(format!("no bucket: {other:?}")),
                }
            }
            _ => Err(format!("no S3 server after {START_LIMIT:?}: {}", s3.log())),
        }
    }

    /// Whether a file can be put there: all servers behind it know each other.
    fn is_filing(&self) -> bool {
        http(self.ports.filer, "PUT", "/ready", b"ready").is_ok_and(|status| status == 201)
    }

    fn is_serving(&self) -> bool {
        http(self.ports.s3, "GET", "/", b"").is_ok()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("weed.log")).unwrap_or_default()
    }

    /// Where it listens, for plain HTTP.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.s3).into()
    }

    /// Everything that a client must know, in one line: `s3://KEY:SECRET@HOST:PORT/BUCKET?…`.
    pub fn url(&self) -> String {
        let secret = Self::SECRET.replace('+', "%2B").replace('/', "%2F");
        let (key, address, bucket) = (Self::KEY, self.address(), Self::BUCKET);
        format!("s3://{key}:{secret}@{address}/{bucket}?scheme=http&region={}", Self::REGION)
    }

    /// Puts other bytes in an object's place behind the server's back, as a store does that loses or damages things.
    pub fn damage(&self, key: &str, bytes: &[u8]) {
        let path = format!("/buckets/{}/{key}", Self::BUCKET);
        let answer = http(self.ports.filer, "PUT", &path, bytes);
        assert!(matches!(answer, Ok(200 | 201)), "{key} cannot be damaged: {answer:?}");
    }

    /// Stops answering, as a store does that is overloaded or cut off, until [`Self::wake`].
    pub fn freeze(&self) {
        kill(self.weed.pid(), Signal::STOP);
    }

    /// Answers again.
    pub fn wake(&self) {
        kill(self.weed.pid(), Signal::CONT);
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        // It would take its time to say goodbye to itself.
        kill(self.weed.pid(), Signal::KILL);
    }
}

fn run(folder: &TempDir, ports: &Ports) -> Running {
    let path = |name: &str| folder.path().join(name).display().to_string();
    let identity = format!(
        r#"{{"identities":[{{"name":"spool","credentials":[{{"accessKey":"{}","secretKey":"{}"}}],
           "actions":["Admin","Read","Write","List","Tagging"]}}]}}"#,
        S3::KEY,
        S3::SECRET
    );
    fs::write(path("s3.json"), identity).expect("there is room for a file");
    fs::create_dir(path("data")).expect("there is room for a folder");
    let log = fs::File::create(path("weed.log")).expect("logs can be written");
    let weed = python_tool("weed");
    let mut command = server(weed.to_str().expect("the cache's path is text"));
    // It says on the network how it is used unless it is told not to.
    command.args([
        "server",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-filer",
        "-s3",
    ]);
    command.args(["-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]);
    command.args(["-master.volumeSizeLimitMB=1024", "-volume.max=64", "-volume.minFreeSpace=1"]);
    let Ports { s3, filer, master, volume, grpc } = ports;
    for (name, value) in [
        ("dir", path("data")),
        ("s3.config", path("s3.json")),
        ("s3.localSocket", path("s3.sock")),
        ("filer.localSocket", path("filer.sock")),
        ("s3.port", s3.to_string()),
        ("filer.port", filer.to_string()),
        ("master.port", master.to_string()),
        ("volume.port", volume.to_string()),
        ("s3.port.grpc", grpc[0].to_string()),
        ("filer.port.grpc", grpc[1].to_string()),
        ("master.port.grpc", grpc[2].to_string()),
        ("volume.port.grpc", grpc[3].to_string()),
    ] {
        command.arg(format!("-{name}={value}"));
    }
    let quiet = command.stdout(log.try_clone().expect("a log has two writers")).stderr(log);
    Running::start(quiet.current_dir(folder.path()))
}

impl Ports {
    /// Eight that nobody has now, below those that systems give to whoever asks for any.
    fn free() -> Self {
        let random = RandomState::new();
        let mut taken = HashSet::new();
        let mut draws = (0u32..).map(|draw| 10_000 + (random.hash_one(draw) % 22_000) as u16);
        let mut next = || {
            let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
            draws.find(|port| is_free(port) && taken.insert(*port)).expect("some of many ports is free")
        };
        let [s3, filer, master, volume] = [next(), next(), next(), next()];
        Self { s3, filer, master, volume, grpc: [next(), next(), next(), next()] }
    }
}

/// Asks once and gives the status of the answer.
fn http(port: u16, method: &str, path: &str, body: &[u8]) -> io::Result<u16> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.set_write_timeout(Some(ANSWER_LIMIT))?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    let status = answer.last_chunk::<3>().and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    status.ok_or_else(|| io::Error::other("an answer without a status"))
}
