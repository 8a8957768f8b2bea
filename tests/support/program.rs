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
        None => build("spool-cli", "spool", &[]),
    })
}

/// The `spool-server` program: SPOOL_SERVER_BIN, or built now with this build's profile.
pub fn server_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match env::var_os("SPOOL_SERVER_BIN") {
        Some(path) => PathBuf::from(path),
        None => build("spool-server", "spool-server", &[]),
    })
}

/// The app's program: SPOOL_APP_BIN, or built now with this build's profile. It finds `spool` beside itself.
pub fn app_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match env::var_os("SPOOL_APP_BIN") {
        Some(path) => PathBuf::from(path),
        None => build_app(&[]),
    })
}

/// The app as it is in an AppImage, in a folder that looks like one, with `spool` beside it. It takes itself for the file
/// that APPIMAGE names.
pub fn self_updating_app(folder: &Path) -> PathBuf {
    let built = build_app(&["updater"]);
    let mut program = fs::read(&built).expect("what was built can be read");
    // The bundler writes into it which kind of package it made.
    const UNKNOWN: &[u8] = b"__TAURI_BUNDLE_TYPE_VAR_UNK";
    let at = program.windows(UNKNOWN.len()).position(|bytes| bytes == UNKNOWN);
    let at = at.expect("Tauri's programs know what they came in") + UNKNOWN.len();
    program[at - 3..at].copy_from_slice(b"APP");
    let app = folder.join("spool-app");
    fs::copy(&built, &app).and_then(|_| fs::write(&app, program)).expect("there is room for a program");
    fs::copy(spool_binary(), folder.join("spool")).expect("there is room for a program");
    app
}

fn build_app(features: &[&str]) -> PathBuf {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../ui/dist/index.html");
    let built = fs::read_to_string(page).is_ok_and(|page| page.contains("<script"));
    assert!(built, "the front end is not built: run npm ci and npm run build in ui");
    build("spool-app", "spool-app", features)
}

fn build(package: &str, program: &str, features: &[&str]) -> PathBuf {
    let folder = target_folder();
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let target = folder.parent().expect("a profile's folder lies in the target folder");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", package, "--profile", profile, "--target-dir"])
        .arg(target)
        .args(["--features", &features.join(",")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo can be started");
    assert!(built.success(), "{program} could not be built");
    folder.join(program)
}
