//! The app's front end: what npm installs, builds and checks.

use crate::sh::{Result, root, say, succeed};
use std::{fs, process::Command};

/// Builds what the app takes in.
pub(crate) fn build() -> Result {
    say("front end");
    install()?;
    npm(&["run", "build"])
}

/// Types, words and parts of the front end by themselves, and every view in a browser with axe. It must be installed.
pub(crate) fn check() -> Result {
    say("front end: types and tests");
    npm(&["run", "check"])?;
    npm(&["test"])?;
    npm(&["run", "test:browser"])
}

/// What the lock file says, where that is not there yet.
pub(crate) fn install() -> Result {
    let read = |file: &str| fs::read(root().join("ui").join(file)).ok();
    let wanted = read("package-lock.json");
    // Ours, since npm's own copy in there leaves out what other systems need.
    const MARK: &str = "node_modules/.installed";
    if wanted.is_some() && read(MARK) == wanted {
        return Ok(());
    }
    npm(&["ci", "--no-audit", "--no-fund"])?;
    // Without it everything is installed again the next time.
    let _unmarked = fs::copy(root().join("ui/package-lock.json"), root().join("ui").join(MARK));
    Ok(())
}

fn npm(arguments: &[&str]) -> Result {
    succeed(Command::new("npm").args(arguments).current_dir(root().join("ui")))
}
