//! To the engine of a data folder, starting one where none runs.

use crate::args::Common;
use anyhow::{Context, Result, bail};
use engine::{
    Client,
    command::{Activity, Command, Event, Reply, environment},
};
use std::{
    env, fs,
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Recovering a large library after a crash takes a while.
const START_MAX: Duration = Duration::from_secs(60);
/// An engine without a session has little to finish.
const END_MAX: Duration = Duration::from_secs(10);
const LOG: &str = "engine.log";
/// What the log becomes when an engine starts and finds it longer than this.
const LOG_OLDER: &str = "engine.log.1";
const LOG_BYTES_MAX: u64 = 4 << 20;

/// The data folder: as said, else as environment or system have it.
pub(crate) fn data_folder(common: &Common) -> Result<PathBuf> {
    check_environment()?;
    let chosen = common.data.clone().or_else(|| env::var_os("RECORDING_OUTPUT_DIR").map(PathBuf::from));
    let data = match chosen {
        Some(data) => data,
        None => {
            dirs::data_local_dir().context("there is no home folder; name one with --data DIR")?.join("spool")
        }
    };
    fs::create_dir_all(&data).with_context(|| format!("cannot make the data folder {}", data.display()))?;
    // One folder has one engine, however it is spelled.
    data.canonicalize().with_context(|| format!("cannot find the data folder {}", data.display()))
}

/// Wishes that would otherwise be ignored in silence.
fn check_environment() -> Result<()> {
    let known =
        [("RECORDING_FORMAT", "mp4"), ("RECORDING_VIDEO_CODEC", "h264"), ("RECORDING_AUDIO_CODEC", "aac")];
    for (name, can) in known {
        if let Ok(wanted) = env::var(name)
            && !wanted.is_empty()
            && !wanted.eq_ignore_ascii_case(can)
        {
            bail!("{name}={wanted}: recordings are made as {can}; unset it");
        }
    }
    Ok(())
}

/// A connection, to an engine that was started if need be.
pub(crate) fn engine(common: &Common) -> Result<Client> {
    let data = data_folder(common)?;
    match Client::connect(&data)? {
        Some(client) => Ok(client),
        None => start(&data),
    }
}

/// The same, to an engine that sees the devices that this process would see. One that was started elsewhere, for
/// instance without a display, gives way if it has nothing to do.
pub(crate) fn recorder(common: &Common) -> Result<Client> {
    let mut client = engine(common)?;
    let reply = ask(&mut client, Command::Environment, drop)?;
    let Reply::Environment(theirs) = reply else { return surprised(&reply) };
    let reply = ask(&mut client, Command::Status, drop)?;
    let Reply::Status(status) = reply else { return surprised(&reply) };
    if theirs == environment() || status.activity != Activity::Idle {
        return Ok(client);
    }
    ask(&mut client, Command::Shutdown, drop)?;
    let data = data_folder(common)?;
    let patience = Instant::now() + END_MAX;
    while Client::connect(&data)?.is_some() {
        if Instant::now() > patience {
            bail!("the engine does not end; see {}", data.join(LOG).display());
        }
        thread::sleep(Duration::from_millis(5));
    }
    start(&data)
}

/// Starts an engine and waits until it answers.
fn start(data: &Path) -> Result<Client> {
    let mut child = spawn(data)?;
    let patience = Instant::now() + START_MAX;
    loop {
        if let Some(client) = Client::connect(data)? {
            return Ok(client);
        }
        if let Some(status) = child.try_wait().context("cannot watch the engine start")? {
            // Somebody else's engine may have been quicker.
            if let Some(client) = Client::connect(data)? {
                return Ok(client);
            }
            bail!("the engine did not start ({status}): {}", last_words(data));
        }
        if Instant::now() > patience {
            bail!("the engine does not answer; see {}", data.join(LOG).display());
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn spawn(data: &Path) -> Result<Child> {
    let path = data.join(LOG);
    if fs::metadata(&path).is_ok_and(|log| log.len() > LOG_BYTES_MAX) {
        let older = data.join(LOG_OLDER);
        fs::rename(&path, &older).with_context(|| format!("cannot write {}", older.display()))?;
    }
    let log = OpenOptions::new().create(true).append(true).open(&path);
    let log = log.with_context(|| format!("cannot write {}", path.display()))?;
    let program = env::current_exe().context("cannot find this program's own file")?;
    std::process::Command::new(program)
        .arg("engine")
        .arg("--data")
        .arg(data)
        // Not where the caller happens to be: that may be a disk that somebody wants to unmount.
        .current_dir(data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context("cannot start the engine")
}

fn last_words(data: &Path) -> String {
    let log = fs::read_to_string(data.join(LOG)).unwrap_or_default();
    log.lines().last().map_or_else(|| "it said nothing".to_owned(), ToOwned::to_owned)
}

/// Asks and waits; events that come meanwhile go to `hear`.
pub(crate) fn ask(client: &mut Client, command: Command, hear: impl FnMut(Event)) -> Result<Reply> {
    Ok(client.ask(command, hear)??)
}

/// Asks and waits, for commands without events.
pub(crate) fn tell(common: &Common, command: Command) -> Result<Reply> {
    ask(&mut engine(common)?, command, drop)
}

/// The engine answered something that does not belong to the question.
pub(crate) fn surprised<T>(reply: &Reply) -> Result<T> {
    bail!("the engine gave an unexpected answer: {reply:?}")
}
