//! A server for tests: the real program on a port of its own, in a folder that goes with it.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use api::{Code, Problem};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};
use tempfile::TempDir;

/// A folder in which servers are started, one after the other.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The server's data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Some other path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a server that logs into a file.
    pub fn serve_logging(&self, flags: &[&str]) -> (Server, PathBuf) {
        let path = self.path("log");
        let log = std::fs::File::create(&path).unwrap();
        (start(&self.data(), flags, log.into()), path)
    }

    /// Starts a server.
    pub fn serve(&self, flags: &[&str]) -> Server {
        serve(&self.data(), flags)
    }
}

/// Starts a server in a folder that is there.
pub fn serve(data: &Path, flags: &[&str]) -> Server {
    start(data, flags, Stdio::inherit())
}

fn start(data: &Path, flags: &[&str], log: Stdio) -> Server {
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(flags);
    let mut child = Running(command.stdout(Stdio::piped()).stderr(log).spawn().unwrap());
    let mut stdout = BufReader::new(child.0.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").expect("the first line says where").to_owned();
    let admin = std::fs::read_to_string(data.join("admin.token")).unwrap().trim().to_owned();
    // A second call in the same process has nothing to do.
    drop(rustls::crypto::ring::default_provider().install_default());
    Server { child, stdout, url, admin, client: reqwest::Client::builder().no_proxy().build().unwrap() }
}

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The server's program, with nothing of this process's settings.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spool-server"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SPOOL_") {
            command.env_remove(name);
        }
    }
    command
}

/// A server that runs; it is killed when this is dropped.
pub struct Server {
    child: Running,
    stdout: BufReader<ChildStdout>,
    pub url: String,
    pub admin: String,
    pub client: reqwest::Client,
}

impl Server {
    /// A request with the admin token.
    pub fn admin(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path, &self.admin)
    }

    /// A request with a token.
    pub fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(token)
    }

    /// A request without a token.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// The next line that it says on stdout.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.0.id()
    }

    /// Asks it to stop, and waits until it has. Panics if it did not end well.
    pub fn stop(mut self) {
        self.ask_to_stop();
        assert!(self.child.0.wait().unwrap().success());
    }

    /// Sends SIGTERM.
    pub fn ask_to_stop(&self) {
        assert!(Command::new("kill").arg(self.child.0.id().to_string()).status().unwrap().success());
    }

    /// Waits until nobody can connect any more: it is about to stop.
    pub fn wait_until_it_listens_no_more(&self) {
        let address = self.url.rsplit('/').next().unwrap();
        while std::net::TcpStream::connect(address).is_ok() {
            std::thread::yield_now();
        }
    }

    /// Kills it, as a power cut would.
    pub fn kill(mut self) {
        self.child.0.kill().unwrap();
        self.child.0.wait().unwrap();
    }
}

/// Checks that an answer is a problem of this code, with its status.
pub async fn check_problem(answer: Response, code: Code) -> Problem {
    let (status, kind) = (answer.status(), answer.headers().get("content-type").cloned());
    let text = answer.text().await.unwrap();
    assert_eq!(status.as_u16(), code.status(), "{text}");
    assert_eq!(kind.unwrap(), api::PROBLEM_TYPE, "{text}");
    let problem: Problem = serde_json::from_str(&text).unwrap();
    assert_eq!((problem.code, problem.status), (code, code.status()), "{text}");
    problem
}

/// Reads an answer that must be fine.
pub async fn read<T: serde::de::DeserializeOwned>(answer: Response) -> T {
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// Checks that an answer is fine and has no body.
pub async fn check_no_content(answer: Response) {
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert_eq!((status, text.as_str()), (StatusCode::NO_CONTENT, ""));
}
