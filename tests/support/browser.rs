//! A real browser that loads pages from a server in the test and reports back what it saw.

use serde_json::Value;
use stands::process::{Running, server, target_folder, text, tool};
use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::Stdio,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

/// A page that runs in the browser.
#[derive(Debug, Clone, Copy)]
pub enum Page {
    /// Appends tracks to a media source.
    Mse,
    /// Plays a playlist with hls.js.
    Hls,
}

impl Page {
    fn html(self) -> &'static str {
        match self {
            Self::Mse => include_str!("../browser/mse.html"),
            Self::Hls => include_str!("../browser/hls.html"),
        }
    }
}

/// Opens a page in Chromium with a plan, serves it `files`, and gives its
/// report. Fails the test where the page finds a fault, or says nothing.
pub fn browse(
    page: Page,
    plan: &Value,
    files: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> Value {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = listener.local_addr().expect("a bound socket has an address");
    let (send, reports) = mpsc::channel();
    let site = Arc::new(Site { page, plan: plan.to_string(), files: Box::new(files), reports: send });
    // It ends with the test's process: nothing waits for it.
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let site = Arc::clone(&site);
            thread::spawn(move || site.answer(&stream));
        }
    });

    let profile = tempfile::tempdir().expect("there is room for a folder");
    let log = profile.path().join("log");
    let mut command = server("chromium");
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
    command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    command.args(["--autoplay-policy=no-user-gesture-required", "--mute-audio"]);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    command.arg(format!("http://{address}/"));
    command.stdout(Stdio::null()).stderr(fs::File::create(&log).expect("logs can be written"));
    let browser = Running::start(&mut command);
    let report = reports.recv_timeout(Duration::from_secs(45));
    drop(browser);
    let report: Value = report.unwrap_or_else(|_| {
        panic!("the browser says nothing: {}", fs::read_to_string(&log).unwrap_or_default());
    });
    assert!(report["error"].is_null(), "the page failed: {}", report["error"]);
    report["result"].clone()
}

/// Gives the bytes at the path of a URL.
type Files = dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync;

struct Site {
    page: Page,
    plan: String,
    files: Box<Files>,
    reports: mpsc::Sender<Value>,
}

impl Site {
    fn answer(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        // A browser that was ended leaves requests half sent.
        while let Ok(Some((path, body))) = read_request(&mut reader) {
            let found = self.find(&path, &body);
            if respond(stream, &path, found).is_err() {
                return;
            }
        }
    }

    fn find(&self, path: &str, body: &[u8]) -> Option<Vec<u8>> {
        match path {
            "/" => Some(self.page.html().into()),
            "/watch.js" => Some(include_str!("../browser/watch.js").into()),
            "/hls.js" => Some(fs::read(hls_js()).expect("hls.js is installed")),
            "/plan" => Some(self.plan.clone().into_bytes()),
            "/report" => {
                let report = serde_json::from_slice(body)
                    .unwrap_or_else(|error| serde_json::json!({ "error": format!("not a report: {error}") }));
                // The test may have ended already.
                let _unheard = self.reports.send(report);
                Some(Vec::new())
            }
            path => (self.files)(path),
        }
    }
}

fn read_request(reader: &mut impl BufRead) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split_whitespace().nth(1).unwrap_or("/").to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some((path, body)))
}

fn respond(mut stream: &TcpStream, path: &str, found: Option<Vec<u8>>) -> io::Result<()> {
    let (status, body) = match found {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", Vec::new()),
    };
    let kind = match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("js") => "text/javascript",
        Some("m3u8") => "application/vnd.apple.mpegurl",
        Some("mp4" | "m4s") => "video/mp4",
        _ => "text/html; charset=utf-8",
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n")?;
    stream.write_all(&body)
}

/// The player, installed once for all tests from the lock file beside the pages.
fn hls_js() -> PathBuf {
    let folder = target_folder().join("spool-tests-browser");
    let player = folder.join("node_modules/hls.js/dist/hls.min.js");
    if !player.exists() {
        fs::create_dir_all(&folder).expect("the target folder can be written to");
        let files = [
            ("package.json", include_str!("../browser/package.json")),
            ("package-lock.json", include_str!("../browser/package-lock.json")),
        ];
        for (name, content) in files {
            fs::write(folder.join(name), content).expect("the target folder can be written to");
        }
        text(tool("npm").args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&folder));
    }
    player
}
