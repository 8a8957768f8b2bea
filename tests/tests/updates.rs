//! Newer versions: asked for by choice alone, believed by their makers' signature alone, never installed into a recording.

use serde_json::{Value, json};
use spool_tests::{
    Display,
    app::{App, Desktop},
    makers::Makers,
    my_turn,
    program::{self_updating_app, spool_binary},
    wait_for,
};
use std::{fs, time::Duration};

const LIMIT: Duration = Duration::from_secs(30);
/// What these makers offer.
const NEWER: &str = "9.9.9";

#[test]
fn newer_versions_are_installed_by_choice_alone() {
    let _turn = my_turn();
    let (makers, others) = (Makers::open(), Makers::open());
    // Where AppImages are mounted, by its name.
    let mount = tempfile::Builder::new().prefix(".mount_spool").tempdir().unwrap();
    let program = self_updating_app(mount.path());
    let installed = mount.path().join("Spool.AppImage");
    fs::write(&installed, "the version of today").unwrap();
    let package = fs::read("/bin/true").unwrap();

    let display = Display::start(1280, 800);
    let mut desktop = Desktop::start_with(&display, &program, spool_binary());
    desktop.spool = desktop
        .spool
        .with("APPIMAGE", &installed)
        .with("SPOOL_UPDATES_FROM", format!("{} {}/latest.json", makers.public_key(), makers.address()));
    let app = desktop.open(&[]);
    app.window.click("[data-testid=welcome-start]");
    assert_eq!(app.invoke("about")["updates_itself"], true);

    assert_eq!(outcome(&app, "look_for_update"), json!("updates_off"));
    assert_eq!(outcome(&app, "install_update"), json!("updates_off"));
    assert_eq!(makers.questions(), 0, "nobody may be asked");

    app.ask(&json!({ "set": { "key": "updates", "value": "ask" } }));
    for version in [env!("CARGO_PKG_VERSION"), "0.0.1"] {
        makers.offer(version, &package, &makers.sign(&package, version));
        assert_eq!(outcome(&app, "look_for_update"), json!(null), "{version} is not newer");
        assert_eq!(outcome(&app, "install_update"), json!("newest"));
    }
    let signature = makers.sign(&package, NEWER);
    makers.offer(NEWER, &package, &signature);
    assert_eq!(outcome(&app, "look_for_update"), json!({ "version": NEWER, "notes": "Sharper letters." }));

    for (what, package, signature) in [
        ("signed by somebody else", &package[..], &others.sign(&package, NEWER)),
        ("an older one that was signed", &package[..], &makers.sign(&package, "0.0.1")),
        ("another file", b"\x7fELF, but not what was signed", &signature),
    ] {
        makers.offer(NEWER, package, signature);
        assert_eq!(outcome(&app, "install_update"), json!("update"), "{what}");
    }
    makers.offer(NEWER, &package, &signature);
    let mut recorder = desktop.spool.record(["--no-mic"]);
    recorder.elapsed(Duration::from_secs(1));
    assert_eq!(outcome(&app, "install_update"), json!("recording"));
    recorder.goes_on(&desktop.spool, Duration::from_secs(1));
    desktop.spool.run(["stop"]).ok();
    recorder.finished();
    assert_eq!(fs::read(&installed).unwrap(), b"the version of today");

    app.window.evaluate("void window.__TAURI_INTERNALS__.invoke('install_update') ?? true");
    wait_for("the newer version", LIMIT, || {
        (fs::read(&installed).unwrap_or_default() == package).then_some(())
    });
    wait_for("the older one's end", LIMIT, || desktop.app_processes().0.is_empty().then_some(()));
}

/// What a command of the app gives, or the code of its problem.
#[track_caller]
fn outcome(app: &App, command: &str) -> Value {
    app.window
        .evaluate(&format!("window.__TAURI_INTERNALS__.invoke('{command}').catch(({{ code }}) => code)"))
}
