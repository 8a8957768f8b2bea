//! What tests need of Python: a real S3 server (SeaweedFS, whose binary is in a wheel) and schemathesis, in an
//! environment of their own in the user's cache, so that every checkout shares them and nothing else changes.

use crate::sh::{Failure, Result, say, succeed};
use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

/// Every package, also those that others need, each with its version: all machines have the same.
const PACKAGES: &str = include_str!("python.txt");

/// Makes the environment, unless it is there and is this one. Where it lies, `stands::process::python_tool` knows too.
pub(crate) fn ensure() -> Result {
    let cache = cache()?;
    let failed = |error: std::io::Error| Failure(format!("{}: {error}", cache.display()));
    fs::create_dir_all(&cache).map_err(failed)?;
    // Somebody else may be setting up another checkout.
    let lock = File::create(cache.join("python.lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let (folder, list) = (cache.join("python"), cache.join("python/packages.txt"));
    if fs::read_to_string(&list).is_ok_and(|there| there == PACKAGES) {
        return Ok(());
    }
    say(format!("installing SeaweedFS and schemathesis into {}", folder.display()));
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(failed)?;
    }
    succeed(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let wanted = folder.join("wanted.txt");
    fs::write(&wanted, PACKAGES).map_err(failed)?;
    install(&folder, &wanted)?;
    // The list is there only once all that it names is.
    fs::rename(&wanted, &list).map_err(failed)
}

fn install(folder: &Path, wanted: &Path) -> Result {
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "-r"])
        .arg(wanted);
    succeed(&mut pip)
}

fn cache() -> Result<PathBuf> {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    let cache =
        cache.ok_or_else(|| Failure("neither XDG_CACHE_HOME nor HOME says where caches lie".into()))?;
    Ok(cache.join("spool"))
}
