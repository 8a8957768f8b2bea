//! Running other programs, and saying what went wrong.

use std::{
    env, fmt, fs,
    io::{BufRead, BufReader, IsTerminal, stdout},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Why a command could not be done, for whoever typed it.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

/// Says what comes next.
pub(crate) fn say(text: impl fmt::Display) {
    if stdout().is_terminal() { println!("\x1b[1m→ {text}\x1b[0m") } else { println!("→ {text}") }
}

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// The folder that builds go to.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// Cargo, in the workspace, linking with mold where it is installed.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    if cfg!(target_os = "linux") && find("mold").is_some() {
        let mut flags = env::var("RUSTFLAGS").unwrap_or_default();
        if !flags.contains("fuse-ld") {
            flags.push_str(" -Clink-arg=-fuse-ld=mold");
        }
        command.env("RUSTFLAGS", flags.trim());
    }
    command
}

/// A program on the path, or where Debian keeps those of administrators.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Runs a program that must succeed; what it says goes to the terminal.
pub(crate) fn succeed(command: &mut Command) -> Result {
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    judge(command, status)
}

/// Runs a program that must succeed and gives what it wrote to standard output.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| cannot_start(command, &error))?;
    judge(command, output.status)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program and gives each of its lines to `hear`, besides the terminal. Whether it succeeded is the answer.
pub(crate) fn listen(command: &mut Command, mut hear: impl FnMut(&str)) -> Result<bool> {
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| cannot_start(command, &error))?;
    if let Some(pipe) = child.stdout.take() {
        for line in BufReader::new(pipe).lines().map_while(std::result::Result::ok) {
            println!("{line}");
            hear(&line);
        }
    }
    let status = child.wait().map_err(|error| cannot_start(command, &error))?;
    Ok(status.success())
}

/// Whether a program runs and says that all is well. What it prints is not of interest.
pub(crate) fn works(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

fn judge(command: &Command, status: ExitStatus) -> Result {
    if status.success() { Ok(()) } else { Err(Failure(format!("{} failed ({status})", shown(command)))) }
}

fn cannot_start(command: &Command, error: &std::io::Error) -> Failure {
    Failure(format!("{} cannot be run: {error}", shown(command)))
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Asks again and again until `look` finds something.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let end = Instant::now() + Duration::from_secs(15);
    while Instant::now() < end {
        if let Some(found) = look() {
            return Ok(found);
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(Failure(format!("waited in vain for {what}")))
}

/// A program that runs beside, and is ended in order with this guard.
pub(crate) struct Running(Child);

impl Running {
    /// What it says goes nowhere.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        quiet.spawn().map(Self).map_err(|error| cannot_start(command, &error))
    }

    /// Starts it and gives the first line that it says.
    pub(crate) fn first_line(command: &mut Command) -> Result<(Self, String)> {
        let speaking = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = speaking.spawn().map_err(|error| cannot_start(command, &error))?;
        let mut line = String::new();
        if let Some(pipe) = child.stdout.take() {
            // An empty line says as much as an error.
            let _failed = BufReader::new(pipe).read_line(&mut line);
        }
        match line.trim() {
            "" => Err(Failure(format!("{} does not come up", shown(command)))),
            said => Ok((Self(child), said.to_owned())),
        }
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        works(Command::new("kill").args(["-TERM", &self.0.id().to_string()]));
        for _ in 0..250 {
            if !self.is_alive() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        // It does not listen; whether it still was there does not matter.
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A folder that is empty now and gone with this guard.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// In the system's folder for such things, for this user alone: sound servers and engines put sockets there.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let path = env::temp_dir().join(format!("spool-{name}-{}", std::process::id()));
        let made = fs::create_dir(&path).and_then(|()| restrict(&path));
        made.map_err(|error| Failure(format!("{} cannot be made: {error}", path.display())))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} is left behind: {error}", self.0.display());
        }
    }
}

#[cfg(unix)]
fn restrict(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn restrict(_path: &Path) -> std::io::Result<()> {
    Ok(())
}
