//! Programs that a test starts, and that end with it.

use std::{
    io,
    process::{Child, Command},
};

/// A running program; ended, and waited for, when dropped.
pub struct Running(Child);

impl Running {
    /// Starts it so that it also ends when the test is killed. Says what to install where it is missing.
    pub fn start(command: &mut Command, package: &str) -> Self {
        match command.spawn() {
            Ok(child) => Self(child),
            Err(error) if error.kind() == io::ErrorKind::NotFound => panic!("{}", missing(command, package)),
            Err(error) => panic!("{command:?}: {error}"),
        }
    }

    /// One that runs already.
    pub fn of(child: Child) -> Self {
        Self(child)
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Holds it still: it neither answers nor ends.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").arg(signal).arg(self.0.id().to_string()).status().unwrap().success());
    }

    pub fn end(mut self) {
        self.kill();
    }

    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What `command` prints; it must succeed.
pub fn output(command: &mut Command, package: &str) -> String {
    let done = match command.output() {
        Ok(done) => done,
        Err(error) if error.kind() == io::ErrorKind::NotFound => panic!("{}", missing(command, package)),
        Err(error) => panic!("{command:?}: {error}"),
    };
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?} failed: {errors}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// A program that the kernel ends when the thread that started it ends.
pub fn tethered(name: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", name]);
    command
}

/// Fails where a program is not installed: `setpriv` would only say so itself, and late.
pub fn require(name: &str, package: &str) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(name).exists());
    assert!(
        found,
        "{name} is missing: install the package {package}, for example with `apt install {package}`"
    );
}

fn missing(command: &Command, package: &str) -> String {
    let name = command.get_program().display();
    format!("{name} is missing: install the package {package}, for example with `apt install {package}`")
}
