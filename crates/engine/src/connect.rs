//! How shells find the engine of a data folder, starting one where none runs.

use crate::{
    Client,
    command::{Activity, Command, Reply, environment},
    error::EngineError,
};
use std::{
    env, fs,
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Recovering a large library after a crash takes a while.
const START_MAX: Duration = Duration::from_secs(60);
/// An engine without a session has little to finish.
const END_MAX: Duration = Duration::from_secs(10);
/// Between two looks whether it is there, or gone.
const LOOK: Duration = Duration::from_millis(5);
const LOG: &str = "engine.log";
/// What the log becomes when an engine starts and finds it longer than this.
const LOG_OLDER: &str = "engine.log.1";
const LOG_BYTES_MAX: u64 = 4 << 20;

/// The data folder, made if need be: the one that was chosen, else as environment or system have it.
pub fn data_folder(chosen: Option<PathBuf>) -> Result<PathBuf, EngineError> {
    let data = chosen
        .or_else(|| env::var_os("RECORDING_OUTPUT_DIR").map(PathBuf::from))
        .or_else(|| Some(dirs::data_local_dir()?.join("spool")))
        .ok_or_else(|| {
            EngineError::Invalid("there is no home folder; name one with --data DIR".to_owned())
        })?;
    let failed = |what: &str, cause: io::Error| {
        EngineError::Invalid(format!("cannot {what} the data folder {}: {cause}", data.display()))
    };
    fs::create_dir_all(&data).map_err(|cause| failed("make", cause))?;
    // One folder has one engine, however it is spelled.
    data.canonicalize().map_err(|cause| failed("find", cause))
}

/// The program that can be an engine, for a shell that cannot: `spool` beside the shell's own file, else the one that
/// the system finds by its name.
pub fn engine_program() -> PathBuf {
    let name = format!("spool{}", env::consts::EXE_SUFFIX);
    let beside = env::current_exe().ok().and_then(|own| Some(own.parent()?.join(&name)));
    beside.filter(|program| program.is_file()).unwrap_or_else(|| name.into())
}

/// Where an engine is to be found, and what starts it.
#[derive(Debug, Clone)]
pub struct Address {
    /// The data folder, as [`data_folder`] gives it.
    pub data: PathBuf,
    /// The program that becomes an engine when it is started with `engine --data DIR`.
    pub program: PathBuf,
}

impl Address {
    /// A connection, to an engine that was started if need be.
    pub fn connect(&self) -> Result<Client, EngineError> {
        match Client::connect(&self.data)? {
            Some(client) => Ok(client),
            None => self.start(),
        }
    }

    /// The same, to an engine that sees the devices that this process would see. One that was started elsewhere, for
    /// instance without a display, gives way if it has nothing to do.
    pub fn connect_to_recorder(&self) -> Result<Client, EngineError> {
        let mut client = self.connect()?;
        if !is_idle_elsewhere(&mut client)? {
            return Ok(client);
        }
        // Whether it ends is seen below.
        let _its_answer = client.ask(Command::Shutdown, drop)?;
        let patience = Instant::now() + END_MAX;
        while Client::connect(&self.data)?.is_some() {
            if Instant::now() > patience {
                return Err(self.fault("the engine does not end"));
            }
            thread::sleep(LOOK);
        }
        self.start()
    }

    /// Starts an engine and waits until it answers.
    fn start(&self) -> Result<Client, EngineError> {
        let mut child = self.spawn()?;
        let patience = Instant::now() + START_MAX;
        loop {
            if let Some(client) = Client::connect(&self.data)? {
                reap(child)?;
                return Ok(client);
            }
            let ended = child.try_wait();
            let ended = ended
                .map_err(|cause| EngineError::System { operation: "watching the engine start", cause })?;
            if let Some(status) = ended {
                // Somebody else's engine may have been quicker.
                if let Some(client) = Client::connect(&self.data)? {
                    return Ok(client);
                }
                let said = last_words(&self.data);
                return Err(EngineError::NotStarted(format!("the engine did not start ({status}): {said}")));
            }
            if Instant::now() > patience {
                return Err(self.fault("the engine does not answer"));
            }
            thread::sleep(LOOK);
        }
    }

    fn fault(&self, what: &str) -> EngineError {
        EngineError::NotStarted(format!("{what}; see {}", self.data.join(LOG).display()))
    }

    fn spawn(&self) -> Result<Child, EngineError> {
        let path = self.data.join(LOG);
        let unwritten = |path: &Path, cause: io::Error| {
            EngineError::NotStarted(format!("cannot write {}: {cause}", path.display()))
        };
        if fs::metadata(&path).is_ok_and(|log| log.len() > LOG_BYTES_MAX) {
            let older = self.data.join(LOG_OLDER);
            fs::rename(&path, &older).map_err(|cause| unwritten(&older, cause))?;
        }
        let log = OpenOptions::new().create(true).append(true).open(&path);
        let log = log.map_err(|cause| unwritten(&path, cause))?;
        std::process::Command::new(&self.program)
            .arg("engine")
            .arg("--data")
            .arg(&self.data)
            // Not where the caller happens to be: that may be a disk that somebody wants to unmount.
            .current_dir(&self.data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|cause| {
                let program = self.program.display();
                EngineError::NotStarted(format!("cannot start the engine, which is {program}: {cause}"))
            })
    }
}

/// Whether an engine has nothing to do, and would see other devices than this process.
fn is_idle_elsewhere(client: &mut Client) -> Result<bool, EngineError> {
    // An engine that refuses to say lives by other rules: it is left alone.
    let Ok(Reply::Environment(theirs)) = client.ask(Command::Environment, drop)? else { return Ok(false) };
    let Ok(Reply::Status(status)) = client.ask(Command::Status, drop)? else { return Ok(false) };
    Ok(theirs != environment() && status.activity == Activity::Idle)
}

/// An engine that ends before its shell does would be kept by the system until somebody asks how it ended.
fn reap(mut engine: Child) -> Result<(), EngineError> {
    let waiting = thread::Builder::new().name("engine's end".into()).spawn(move || {
        // The shell hears of it by its connections.
        let _status = engine.wait();
    });
    waiting.map(drop).map_err(|cause| EngineError::System { operation: "waiting for the engine", cause })
}

fn last_words(data: &Path) -> String {
    let log = fs::read_to_string(data.join(LOG)).unwrap_or_default();
    log.lines().last().map_or_else(|| "it said nothing".to_owned(), ToOwned::to_owned)
}
