//! The packages that people install, made of the programs that the other tests run.

use crate::program::{app_binary, spool_binary};
use stands::process::{find_within, is_root, output, text, tool};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

/// What the versions of these packages end with, so that nobody takes one for a release.
const MARK: &str = "+debug";
/// Somebody else may be installing something.
const TURN: Duration = Duration::from_secs(120);

/// The package of this kind, such as `deb`, packed now.
pub fn package(kind: &str) -> PathBuf {
    static PACKED: OnceLock<PathBuf> = OnceLock::new();
    let folder = PACKED.get_or_init(|| {
        let (app, _spool) = (app_binary(), spool_binary());
        let target = app.ancestors().nth(2).expect("programs lie in <target>/<profile>");
        let packed = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--package", "xtask", "--", "package", "debug"])
            .env("CARGO_TARGET_DIR", target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .expect("cargo can be started");
        assert!(packed.success(), "the packages could not be made");
        target.join("package/debug/bundle")
    });
    let files = fs::read_dir(folder.join(kind)).expect("packages were made").flatten();
    let is_one = |file: &PathBuf| file.extension().is_some_and(|found| found == kind);
    let files: Vec<PathBuf> = files.map(|entry| entry.path()).filter(is_one).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

/// Spool as Debian's package, installed on this machine until the guard is dropped.
#[derive(Debug)]
pub struct Installed {
    package: PathBuf,
}

impl Installed {
    /// Where somebody uses Spool on this machine, the test fails instead of taking it away.
    pub fn from(package: PathBuf) -> Self {
        assert!(is_root(), "only root can install packages");
        match version() {
            // A test that was killed left it.
            Some(version) if version.ends_with(MARK) => dpkg(&["--purge", "spool"]),
            Some(version) => panic!("Spool {version} is installed here: remove it, and run the test again"),
            None => {}
        }
        for program in ["/usr/bin/spool", "/usr/bin/spool-app"] {
            assert!(!Path::new(program).exists(), "{program} is somebody else's");
        }
        let installed = Self { package };
        installed.again();
        installed
    }

    /// Installs it over itself, as an update does.
    pub fn again(&self) {
        dpkg(&["--install", self.package.to_str().expect("paths are text")]);
    }

    /// The files that it brought.
    pub fn files(&self) -> Vec<PathBuf> {
        let listed = text(tool("dpkg-query").args(["--listfiles", "spool"]));
        listed.lines().map(PathBuf::from).filter(|file| !file.is_dir()).collect()
    }

    /// Takes it away as people do, and asks that nothing is kept.
    pub fn remove(self) {
        dpkg(&["--remove", "spool"]);
        dpkg(&["--purge", "spool"]);
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        if version().is_some() {
            dpkg(&["--purge", "spool"]);
        }
    }
}

/// The version that is installed on this machine, if one is.
fn version() -> Option<String> {
    let asked = output(tool("dpkg-query").args([
        "--show",
        "--showformat",
        "${db:Status-Status} ${Version}",
        "spool",
    ]));
    let said = String::from_utf8_lossy(&asked.stdout).into_owned();
    let (state, version) = said.split_once(' ')?;
    (state != "not-installed" && state != "config-files").then(|| version.to_owned())
}

fn dpkg(arguments: &[&str]) {
    let done = find_within(TURN, || {
        let done = output(tool("dpkg").args(arguments));
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        let is_busy = !done.status.success() && said.contains("lock");
        (!is_busy).then_some((done.status, said))
    });
    let (status, said) = done.expect("others install something without end");
    assert!(status.success(), "dpkg {arguments:?}: {said}");
}
