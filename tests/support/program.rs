//! The programs that the tests run.

use stands::process::target_folder;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The `spool` program: SPOOL_BIN, or built now with this build's profile.
pub fn spool_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match env::var_os("SPOOL_BIN") {
        Some(path) => PathBuf::from(path),
        None => build("spool-cli", "spool"),
    })
}

/// The app's program: SPOOL_APP_BIN, or built now with this build's profile. It finds `spool` beside itself.
pub fn app_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match env::var_os("SPOOL_APP_BIN") {
        Some(path) => PathBuf::from(path),
        None => {
            let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../ui/dist/index.html");
            let built = fs::read_to_string(page).is_ok_and(|page| page.contains("<script"));
            assert!(built, "the front end is not built: run npm ci and npm run build in ui");
            build("spool-app", "spool-app")
        }
    })
}

fn build(package: &str, program: &str) -> PathBuf {
    let folder = target_folder();
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let target = folder.parent().expect("a profile's folder lies in the target folder");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", package, "--profile", profile, "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo can be started");
    assert!(built.success(), "{program} could not be built");
    folder.join(program)
}
