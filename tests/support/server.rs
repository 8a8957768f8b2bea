//! The `spool-server` program as operators run it, with a data folder and a port of its own.

use crate::program::server_binary;
use rustix::process::Signal;
use serde_json::{Value, json};
use stands::{
    Running,
    process::{self, kill, lines, server, wait_for_exit},
    tool,
};
use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs::{self, OpenOptions},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// A server may have much to do for its first start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs, or does not for a while. It ends with this guard, and its folder with it.
#[derive(Debug)]
pub struct Server {
    // Before the folder, so that it has ended when that goes.
    running: Option<Running>,
    folder: TempDir,
    data: PathBuf,
    address: SocketAddr,
    flags: Vec<OsString>,
    environment: BTreeMap<String, String>,
}

impl Server {
    /// On a free port, with an empty data folder.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// The same, with these flags.
    pub fn with(flags: &[&str]) -> Self {
        Self::in_folder(None, flags, &[])
    }

    /// With this data folder, or one of its own, these flags and these variables.
    pub fn in_folder(data: Option<&Path>, flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let folder =
            tempfile::Builder::new().prefix("spool-server").tempdir().expect("there is room for a folder");
        let mut server = Self {
            running: None,
            data: data.map_or_else(|| folder.path().join("data"), Path::to_owned),
            folder,
            address: ([127, 0, 0, 1], 0).into(),
            flags: flags.iter().map(OsString::from).collect(),
            environment: environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        };
        server.run();
        server
    }

    /// Starts it again, where it was, with what it kept.
    pub fn run(&mut self) {
        let mut command = self.command(&["serve"]);
        command.arg("--listen").arg(self.address.to_string()).args(&self.flags);
        let log = OpenOptions::new().create(true).append(true).open(self.log_file());
        command.stdout(Stdio::piped()).stderr(log.expect("there is room for a log"));
        let mut running = Running::start(&mut command);
        let (said, _reader) = lines(running.child().stdout.take().expect("its output is a pipe"));
        let line = said.recv_timeout(PATIENCE).expect("it says where it listens");
        let url = line.strip_prefix("listening on http://").unwrap_or_else(|| panic!("it said {line}"));
        self.address = url.parse().unwrap_or_else(|error| panic!("{url}: {error}"));
        self.running = Some(running);
    }

    /// `spool-server` with these arguments, for this data folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        // It also ends when the test dies without its guards.
        let mut command = server(&server_binary().display().to_string());
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SPOOL_")) {
            command.env_remove(name);
        }
        command.args(arguments).arg("--data").arg(&self.data).envs(&self.environment);
        command.env("HOME", self.folder.path());
        command
    }

    /// What it said so far, of all starts.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// From its next start on, this variable is set.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        let mut running = self.running.take().expect("it runs");
        kill(running.pid(), Signal::KILL);
        let _killed = wait_for_exit(running.child(), PATIENCE).expect("what is killed ends");
    }

    /// Ends it in order.
    pub fn stop(&mut self) {
        let mut running = self.running.take().expect("it runs");
        kill(running.pid(), Signal::TERM);
        let status = wait_for_exit(running.child(), PATIENCE).expect("it ends when told to");
        assert!(status.success(), "{status}");
    }

    /// Where it listens, also after another start.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address, as people give it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.running.as_ref().expect("it runs").pid()
    }

    /// Its data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What its first start wrote down.
    pub fn admin_token(&self) -> String {
        let token = fs::read_to_string(self.data.join("admin.token")).expect("the admin's token was written");
        token.trim().to_owned()
    }

    /// A token for a recorder, as the server's owner gives it out.
    pub fn token(&self) -> String {
        let wish = json!({ "label": "test", "scopes": ["record"] });
        let (status, minted) = self.ask("POST", "/v1/tokens", &self.admin_token(), Some(&wish));
        assert_eq!(status, 201, "{minted}");
        minted["secret"].as_str().expect("it is said once").to_owned()
    }

    /// Sends a request and gives status and answer.
    pub fn ask(&self, method: &str, path: &str, token: &str, body: Option<&Value>) -> (u16, Value) {
        let mut curl = tool("curl");
        curl.args(["-s", "--noproxy", "*", "-X", method, "-w", "\n%{http_code}", "-H"]);
        curl.arg(format!("Authorization: Bearer {token}"));
        if let Some(body) = body {
            curl.args(["-H", "Content-Type: application/json", "-d", &body.to_string()]);
        }
        let said = process::text(curl.arg(format!("{}{path}", self.url())));
        let (answer, status) = said.rsplit_once('\n').expect("curl ends with the status");
        let answer =
            if answer.is_empty() { Value::Null } else { serde_json::from_str(answer).unwrap_or_default() };
        (status.parse().expect("a status is a number"), answer)
    }

    /// Every object of a folder store but the server's own documents, by its path below the store.
    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        let root = self.data.join("objects");
        let mut found = BTreeMap::new();
        collect(&root.join("recordings"), &root, &mut found);
        found.retain(|name, _| !name.ends_with("metadata.json"));
        found
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !thread::panicking() {
            let log = self.log();
            assert!(!log.contains("panicked"), "the server panicked: {log}");
        }
    }
}

fn collect(folder: &Path, root: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).into_iter().flatten().map_while(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, root, found);
        } else {
            let name = path.strip_prefix(root).expect("it lies below").display().to_string();
            found.insert(name, fs::read(&path).expect("it can be read"));
        }
    }
}
