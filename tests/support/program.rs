//! The `spool` program that the tests run.

use stands::process::target_folder;
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The `spool` program: SPOOL_BIN, or built now with this build's profile.
pub fn spool_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match env::var_os("SPOOL_BIN") {
        Some(path) => PathBuf::from(path),
        None => build_spool(),
    })
}

fn build_spool() -> PathBuf {
    let folder = target_folder();
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let target = folder.parent().expect("a profile's folder lies in the target folder");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "spool-cli", "--profile", profile, "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo can be started");
    assert!(built.success(), "spool could not be built");
    folder.join("spool")
}
