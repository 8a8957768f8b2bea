//! The `spool` program as people and scripts use it, with a data folder and an engine of its own.

use crate::{program::spool_binary, shell::Shell};
use rustix::process::Signal;
use serde_json::Value;
use stands::{
    Camera, Display, Sound, Wayland, camera,
    codes::host_time,
    process::{self, kill, wait_for, wait_for_exit},
};
use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// In the environment of everything that is started here, so that engines can be found.
const MARK: &str = "SPOOL_TEST_MARK";

/// One user's installation: program, data folder, runtime folder, engine. All of it ends with this guard.
#[derive(Debug)]
pub struct Spool {
    // Also the mark of its processes, since it is unique.
    folder: TempDir,
    data: PathBuf,
    // None: the one that is built where it is first needed.
    program: Option<PathBuf>,
    environment: Vec<(OsString, Option<OsString>)>,
}

impl Default for Spool {
    fn default() -> Self {
        Self::new()
    }
}

impl Spool {
    /// With an empty data folder, no display and no sound.
    pub fn new() -> Self {
        let folder =
            tempfile::Builder::new().prefix("spool-test").tempdir().expect("there is room for a folder");
        let inside = |name: &str| Some(folder.path().join(name).into_os_string());
        let environment = vec![
            (MARK.into(), Some(folder.path().into())),
            ("XDG_RUNTIME_DIR".into(), inside("run")),
            ("HOME".into(), inside("home")),
            ("DISPLAY".into(), None),
            ("WAYLAND_DISPLAY".into(), None),
            ("DBUS_SESSION_BUS_ADDRESS".into(), None),
            ("PULSE_SERVER".into(), None),
            ("PIPEWIRE_REMOTE".into(), None),
            ("SPOOL_DATA".into(), None),
        ];
        for name in ["run", "home"] {
            fs::create_dir(folder.path().join(name)).expect("there is room for a folder");
        }
        Self { data: folder.path().join("data"), folder, program: None, environment }
    }

    /// The same, of this program.
    pub fn of(program: &Path) -> Self {
        let mut spool = Self::new();
        spool.program = Some(program.to_owned());
        spool
    }

    /// Sees this display.
    #[must_use]
    pub fn on(self, display: &Display) -> Self {
        self.with("DISPLAY", display.name())
    }

    /// Is on this desktop, and hears its sound.
    #[must_use]
    pub fn on_wayland(mut self, desktop: &Wayland) -> Self {
        self.borrow_environment(|command| desktop.dress(command));
        self
    }

    /// Sees these cameras, and no others.
    #[must_use]
    pub fn seeing(mut self, cameras: &[&Camera]) -> Self {
        self.borrow_environment(|command| camera::dress(command, cameras));
        self
    }

    fn borrow_environment(&mut self, dress: impl FnOnce(&mut Command)) {
        let mut lender = Command::new("true");
        dress(&mut lender);
        let theirs = lender.get_envs().map(|(name, value)| (name.to_owned(), value.map(OsStr::to_owned)));
        self.environment.extend(theirs);
    }

    /// Hears and is heard by these devices.
    #[must_use]
    pub fn hearing(mut self, sound: &Sound) -> Self {
        let mut borrowed = Command::new("true");
        sound.dress(&mut borrowed);
        let theirs = borrowed.get_envs().filter(|(name, _)| *name != "DISPLAY");
        self.environment.extend(theirs.map(|(name, value)| (name.to_owned(), value.map(OsStr::to_owned))));
        self
    }

    /// Has this in its environment.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), Some(value.as_ref().to_owned())));
        self
    }

    /// Keeps its data in this folder.
    #[must_use]
    pub fn in_folder(mut self, data: impl Into<PathBuf>) -> Self {
        self.data = data.into();
        self
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// A path for something that this test makes.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `spool` with these arguments, in these surroundings.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(self.program.as_deref().unwrap_or_else(|| spool_binary()));
        command.args(arguments);
        self.dress(&mut command);
        command
    }

    /// Gives any program these surroundings.
    pub fn dress(&self, command: &mut Command) {
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        // As the last word: the environment may name another one.
        command.env("SPOOL_DATA", &self.data);
    }

    /// Runs `spool` to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Done {
        let mut command = self.command(arguments);
        let output = process::output(&mut command);
        Done {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            command: format!("{command:?}"),
        }
    }

    /// Runs a command that must succeed with `--json` and gives the document that it prints.
    pub fn json(&self, arguments: &[&str]) -> Value {
        self.run(arguments.iter().chain(&["--json"])).ok().json()
    }

    /// Begins `spool record --json` with these arguments more.
    pub fn record<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Recorder {
        let mut command = self.command(["record", "--json"]);
        Recorder::start(command.args(arguments))
    }

    /// Records made-up sources in chunks of two seconds for six, with a pause after three.
    pub fn record_with_pause(&self) -> Finished {
        const SECOND: Duration = Duration::from_secs(1);
        let mut recorder = self.record(["--synthetic", "--chunk", "2s"]);
        recorder.elapsed(3 * SECOND);
        self.run(["pause"]).ok();
        let begun = host_time();
        wait_for("a pause", 5 * SECOND, || (host_time() - begun > 1_200_000_000).then_some(()));
        self.run(["resume"]).ok();
        recorder.elapsed(6 * SECOND);
        Finished::read(self.json(&["stop"]))
    }

    /// Exports all of a recording and gives the file.
    pub fn export(&self, id: &str, name: &str) -> PathBuf {
        self.export_part(id, name, &[])
    }

    /// Exports with these arguments more.
    pub fn export_part(&self, id: &str, name: &str, arguments: &[&str]) -> PathBuf {
        let file = self.file(name);
        let mut all = vec!["export".as_ref(), id.as_ref(), "-o".as_ref(), file.as_os_str()];
        all.extend(arguments.iter().map(OsStr::new));
        self.run(all).ok();
        file
    }

    /// How much of the running recording there is, in seconds.
    pub fn elapsed(&self) -> f64 {
        let status = self.json(&["status"]);
        status["elapsed_ms"].as_f64().unwrap_or_else(|| panic!("nothing is being recorded: {status}")) / 1e3
    }

    /// The id of the first device of this kind whose name holds these words.
    pub fn device(&self, kind: &str, name: &str) -> String {
        let devices = self.json(&["devices"]);
        let fits = |device: &&Value| {
            device["kind"] == kind && device["name"].as_str().is_some_and(|found| found.contains(name))
        };
        let device = rows(&devices).iter().find(fits);
        let id = device.unwrap_or_else(|| panic!("no {kind} is called {name}: {devices}"))["id"].as_str();
        id.expect("devices have ids").to_owned()
    }

    /// The engine's process, if one runs.
    pub fn engine(&self) -> Option<u32> {
        self.processes().into_iter().find(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).nth(1) == Some(b"engine")
        })
    }

    /// A connection to the engine, which is started where none runs.
    pub fn shell(&self) -> Shell {
        self.json(&["list"]);
        let runtime = self.environment.iter().rfind(|(name, _)| name == "XDG_RUNTIME_DIR");
        let folder =
            Path::new(runtime.and_then(|(_, folder)| folder.as_deref()).expect("there is one")).join("spool");
        let entries = fs::read_dir(&folder).expect("an engine listens").flatten().map(|entry| entry.path());
        let sockets: Vec<PathBuf> = entries.collect();
        assert_eq!(sockets.len(), 1, "more than one engine listens in {}", folder.display());
        Shell::connect(&sockets[0])
    }

    /// The processes of this name, of which the system keeps fifteen letters.
    pub fn processes_named(&self, name: &str) -> Vec<u32> {
        let is_named = |pid: &u32| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|found| found.trim_end() == name)
        };
        self.processes().into_iter().filter(is_named).collect()
    }

    /// Sends the engine a signal, and for one that ends it, waits until it has ended. Gives the instant of the
    /// signal, in nanoseconds of [`host_time`].
    pub fn signal_engine(&self, signal: Signal) -> i64 {
        let engine = self.engine().expect("an engine runs");
        let at = host_time();
        kill(engine, signal);
        if matches!(signal, Signal::KILL | Signal::TERM) {
            wait_for("the engine's end", Duration::from_secs(20), || (!is_running(engine)).then_some(()));
        }
        at
    }

    /// Ends the engine in order, if one runs.
    pub fn end_engine(&self) {
        if self.engine().is_some() {
            self.signal_engine(Signal::TERM);
        }
    }

    /// What engines wrote into their log.
    pub fn engine_log(&self) -> String {
        fs::read_to_string(self.data.join("engine.log")).unwrap_or_default()
    }

    /// Everything that runs in these surroundings.
    pub fn processes(&self) -> Vec<u32> {
        let mark = format!("{MARK}={}", self.folder.path().display());
        let all = fs::read_dir("/proc").expect("/proc can be read").flatten();
        let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        ids.filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|one| one == mark.as_bytes())
        })
        .collect()
    }
}

fn is_running(pid: u32) -> bool {
    // An orphan that nobody reaps stays as a zombie; its last thread to go closes its files.
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut states = tasks.map(|task| fs::read_to_string(task.path().join("stat")).unwrap_or_default());
    states.any(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X'])))
}

impl Drop for Spool {
    fn drop(&mut self) {
        for pid in self.processes() {
            kill(pid, Signal::KILL);
        }
        if !thread::panicking() {
            let log = self.engine_log();
            assert!(!log.contains("panicked"), "the engine panicked: {log}");
        }
    }
}

/// The spans of the gaps that fit, in seconds, from what `spool show` says.
pub fn gaps(details: &Value, fits: impl Fn(&Value) -> bool) -> Vec<(f64, f64)> {
    let seconds = |value: &Value| value.as_f64().unwrap_or(f64::NAN) / 1e9;
    let found = rows(&details["gaps"]).iter().filter(|gap| fits(gap));
    found.map(|gap| (seconds(&gap["span"]["start"]), seconds(&gap["span"]["end"]))).collect()
}

/// The elements of a JSON list. Fails the test where it is none.
#[track_caller]
pub fn rows(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value}"))
}

/// A command that ended.
#[derive(Debug)]
pub struct Done {
    /// Exit code; none after a signal.
    pub code: Option<i32>,
    /// Everything on standard output.
    pub stdout: String,
    /// Everything on standard error.
    pub stderr: String,
    command: String,
}

impl Done {
    /// Fails the test unless the command succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}\n{}", self.command, self.stdout, self.stderr);
        self
    }

    /// Fails the test unless the command was refused with this exit code and a message that holds `words`.
    #[track_caller]
    pub fn refused(self, code: i32, words: &str) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}\n{}", self.command, self.stdout, self.stderr);
        assert!(self.stderr.contains(words), "no {words:?} in what {} said:\n{}", self.command, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}\n{}", self.command, self.stderr);
        self
    }

    /// The document on standard output.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{}: {error} in {}", self.command, self.stdout))
    }
}

/// How a recording ended, as `spool record --json` tells it.
#[derive(Debug)]
pub struct Finished {
    /// The whole event.
    pub event: Value,
    /// Id of the recording.
    pub recording: String,
    /// Id of its session.
    pub session: String,
}

impl Finished {
    /// From the JSON of `spool stop` or of the last event of `spool record`.
    pub fn read(event: Value) -> Self {
        let id =
            |name: &str| event[name].as_str().unwrap_or_else(|| panic!("no {name} in {event}")).to_owned();
        Self { recording: id("recording"), session: id("session"), event }
    }

    /// A count within `frames`, such as `dropped`.
    pub fn frames(&self, name: &str) -> u64 {
        self.event["frames"][name].as_u64().unwrap_or_else(|| panic!("no count of {name} in {}", self.event))
    }

    /// How long it plays, in seconds.
    pub fn seconds(&self) -> f64 {
        self.number("duration_ms") / 1000.0
    }

    /// A number of this name.
    pub fn number(&self, name: &str) -> f64 {
        self.event[name].as_f64().unwrap_or_else(|| panic!("no {name} in {}", self.event))
    }
}

/// A `spool record --json` that runs in the foreground of nobody.
#[derive(Debug)]
pub struct Recorder {
    child: Child,
    events: Receiver<String>,
    complaints: Receiver<String>,
    _readers: [JoinHandle<()>; 2],
}

impl Recorder {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (events, first) = process::lines(child.stdout.take().expect("it is a pipe"));
        let (complaints, second) = process::lines(child.stderr.take().expect("it is a pipe"));
        Self { child, events, complaints, _readers: [first, second] }
    }

    /// The next event of this name; others are passed over.
    #[track_caller]
    pub fn event(&mut self, name: &str, limit: Duration) -> Value {
        self.event_where(name, limit, |event| event["event"] == name)
    }

    /// The next event that fits; others are passed over.
    #[track_caller]
    pub fn event_where(&mut self, what: &str, limit: Duration, fits: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + limit;
        let mut passed = Vec::new();
        loop {
            match self.events.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let event: Value = serde_json::from_str(&line)
                        .unwrap_or_else(|error| panic!("not a JSON line: {error} in {line}"));
                    if fits(&event) {
                        return event;
                    }
                    // Many a status, of which the last says enough.
                    if event["event"] == "status"
                        && passed.last().is_some_and(|line: &String| line.contains("\"event\":\"status\""))
                    {
                        passed.pop();
                    }
                    passed.push(line);
                }
                Err(RecvTimeoutError::Timeout) => panic!("no {what} within {limit:?}, only {passed:#?}"),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("spool record ended without {what}: {}\n{passed:#?}", self.complaints())
                }
            }
        }
    }

    /// Waits until it records and gives the recording's id.
    #[track_caller]
    pub fn started(&mut self) -> String {
        let event = self.event("started", Duration::from_secs(15));
        event["recording"].as_str().expect("it names the recording").to_owned()
    }

    /// Waits until this much has been recorded.
    #[track_caller]
    pub fn elapsed(&mut self, time: Duration) -> Value {
        let wanted = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let long_enough =
            |event: &Value| event["elapsed_ms"].as_u64().is_some_and(|elapsed| elapsed >= wanted);
        self.event_where("progress", time + Duration::from_secs(15), long_enough)
    }

    /// Waits until this much more has been recorded.
    #[track_caller]
    pub fn goes_on(&mut self, spool: &Spool, time: Duration) {
        let now = Duration::from_secs_f64(spool.elapsed());
        self.elapsed(now + time);
    }

    /// Waits until an alarm of this kind begins.
    #[track_caller]
    pub fn alarm(&mut self, kind: &str, limit: Duration) -> Value {
        self.event_where(&format!("alarm {kind}"), limit, |event| {
            event["event"] == "alarm" && event["kind"] == kind && event["raised"] == true
        })
    }

    /// Waits until the alarm of this kind ends.
    #[track_caller]
    pub fn alarm_ends(&mut self, kind: &str, limit: Duration) {
        self.event_where(&format!("end of the alarm {kind}"), limit, |event| {
            event["event"] == "alarm" && event["kind"] == kind && event["raised"] == false
        });
    }

    /// Waits for the end, which must be a success.
    #[track_caller]
    pub fn finished(mut self) -> Finished {
        let event = self.event("finished", Duration::from_secs(40));
        let (code, said) = self.exit();
        assert_eq!(code, Some(0), "{said}");
        Finished::read(event)
    }

    /// Waits until the process has ended; gives its exit code, and what it said on standard error.
    #[track_caller]
    pub fn exit(&mut self) -> (Option<i32>, String) {
        let status = wait_for_exit(&mut self.child, Duration::from_secs(40));
        let status = status.unwrap_or_else(|| panic!("spool record does not end: {}", self.complaints()));
        (status.code(), self.complaints())
    }

    /// Sends this process a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.child.id(), signal);
    }

    fn complaints(&self) -> String {
        self.complaints.try_iter().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        kill(self.child.id(), Signal::KILL);
        let _reaped = self.child.wait();
    }
}
