//! Programs: finding them, running them, and ending them for certain.

use rustix::process::{Pid, Signal, kill_process};
use std::{
    env,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// No program that a test runs to its end takes longer than this.
const PATIENCE: Duration = Duration::from_secs(50);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(10);

/// A program of the machine. Fails the test where it is not installed.
pub fn tool(name: &str) -> Command {
    assert!(is_installed(name), "{name} is not installed: run cargo xtask setup");
    Command::new(name)
}

/// Like [`tool`], for a program that runs until it is ended: it also ends when the test dies without its guards.
pub fn server(name: &str) -> Command {
    assert!(is_installed(name), "{name} is not installed: run cargo xtask setup");
    let mut command = tool("setpriv");
    command.args(["--pdeathsig", "KILL", name]);
    command
}

/// Where `cargo xtask setup` puts a program that comes as a Python package.
pub fn python_tool(name: &str) -> PathBuf {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = cache.or_else(home).expect("XDG_CACHE_HOME or HOME says where caches lie");
    let path = cache.join("spool/python/bin").join(name);
    assert!(path.is_file(), "{} is not there: run cargo xtask setup", path.display());
    path
}

fn is_installed(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(name).is_file())
}

/// Waits until `look` finds something. Fails the test, saying `what`, after `limit`.
pub fn wait_for<T>(what: &str, limit: Duration, look: impl FnMut() -> Option<T>) -> T {
    find_within(limit, look).unwrap_or_else(|| panic!("waited {limit:?} in vain for {what}"))
}

/// What `look` finds within `limit`, if it does.
pub fn find_within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        let found = look();
        if found.is_some() || Instant::now() >= end {
            return found;
        }
        thread::sleep(LOOK);
    }
}

/// Runs a program to its end and gives what it said. Fails the test where it does not end.
pub fn output(command: &mut Command) -> Output {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stdout = read_all(child.stdout.take());
    let stderr = read_all(child.stderr.take());
    let status = wait_for_exit(&mut child, PATIENCE);
    if status.is_none() {
        // Reading its output must come to an end too.
        kill(child.id(), Signal::KILL);
        let _reaped = child.wait();
    }
    let (stdout, stderr) = (receive(&stdout), receive(&stderr));
    match status {
        Some(status) => Output { status, stdout, stderr },
        None => panic!("{command:?} did not end within {PATIENCE:?}: {}", String::from_utf8_lossy(&stderr)),
    }
}

/// Like [`output`], for a program that must succeed; gives its standard output as text.
pub fn text(command: &mut Command) -> String {
    let output = output(command);
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn read_all(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    if let Some(mut pipe) = pipe {
        thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                if send.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
    }
    receive
}

fn receive(pieces: &mpsc::Receiver<Vec<u8>>) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        match pieces.recv_timeout(Duration::from_secs(10)) {
            Ok(piece) => all.extend(piece),
            Err(RecvTimeoutError::Disconnected) => return all,
            // A shell's `$(…)` would wait for it too.
            Err(RecvTimeoutError::Timeout) => panic!("a process that was left behind holds the output open"),
        }
    }
}

/// Waits for a process to end by itself.
pub fn wait_for_exit(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status);
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(LOOK);
    }
}

/// Sends a signal. A process that is gone is no fault.
pub fn kill(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _gone = kill_process(pid, signal);
    }
}

/// A program that runs beside the test and ends with this guard.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Running {
    /// Starts it, its output unread.
    pub fn start(command: &mut Command) -> Self {
        let child =
            command.stdin(Stdio::null()).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The process, to take its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Dying in order first: a sound server that is shot leaves its clients waiting.
        kill(self.child.id(), Signal::TERM);
        if wait_for_exit(&mut self.child, Duration::from_secs(2)).is_none() {
            kill(self.child.id(), Signal::KILL);
            let _reaped = self.child.wait();
        }
    }
}

/// Reads lines from a pipe on a thread of its own, which ends with the pipe.
pub fn lines(pipe: impl Read + Send + 'static) -> (mpsc::Receiver<String>, JoinHandle<()>) {
    let (send, receive) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    (receive, reader)
}

/// The folder of this build's profile, such as `target/debug`.
pub fn target_folder() -> PathBuf {
    let test = env::current_exe().expect("a test knows its own path");
    let folder = test.parent().and_then(Path::parent).expect("cargo puts tests into <target>/<profile>/deps");
    folder.to_owned()
}

/// Whether the test may do everything.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Makes a library that a program can load before all else (LD_PRELOAD) out of C. It lies in `folder`.
pub fn compile(source: &str, name: &str, folder: &Path) -> PathBuf {
    let (code, library) = (folder.join(format!("{name}.c")), folder.join(format!("{name}.so")));
    std::fs::write(&code, source).expect("there is room for a file");
    text(tool("cc").args(["-shared", "-fPIC", "-O2", "-pthread", "-o"]).arg(&library).arg(&code));
    library
}
