//! The packages: installed, used and removed as people do.

use serde_json::json;
use spool_tests::{
    Display, Spool,
    app::Desktop,
    my_turn,
    package::{Installed, package},
    process::{find_within, text, tool},
    rows, wait_for,
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(20);
const SPOOL: &str = "/usr/bin/spool";
const APP: &str = "/usr/bin/spool-app";
const LAUNCHER: &str = "/usr/share/applications/Spool.desktop";
/// What portals look for, by the app's id.
const PORTAL_ENTRY: &str = "/usr/share/applications/io.spool.desktop.desktop";
const STORE_PAGE: &str = "/usr/share/metainfo/io.spool.desktop.metainfo.xml";
/// The package's own name for what Tauri writes into the app: which kind of package it came in.
const KIND: &str = "__TAURI_BUNDLE_TYPE_VAR_";

#[test]
fn debian_s_package_is_installed_used_and_removed() {
    let _turn = my_turn();
    let installed = Installed::from(package("deb"));
    let files = installed.files();
    for file in [SPOOL, APP, LAUNCHER, PORTAL_ENTRY, STORE_PAGE, "/usr/share/doc/spool/copyright"] {
        assert!(files.contains(&PathBuf::from(file)), "no {file} in {files:?}");
    }
    assert_eq!(text(tool("dpkg").args(["--verify", "spool"])), "", "files are not as they were packed");
    text(tool("desktop-file-validate").args([LAUNCHER, PORTAL_ENTRY]));
    text(tool("appstreamcli").args(["validate", "--no-net", STORE_PAGE]));

    let display = Display::start(1280, 800);
    let desktop = Desktop::start_with(&display, Path::new(APP), Path::new(SPOOL));
    let app = desktop.open(&[]);
    app.window.click("[data-testid=welcome-start]");
    app.window.until("document.querySelector('[data-testid=record]') !== null");
    let engine = desktop.spool.engine().expect("the app starts an engine");
    assert_eq!(fs::read_link(format!("/proc/{engine}/exe")).unwrap(), Path::new(SPOOL));
    starts_with_the_desktop(&desktop, |value| {
        app.ask(&json!({ "set": { "key": "autostart", "value": value } }));
    });

    // The desktop knows whose links these are, and the app that runs hears of them.
    let gio = |arguments: &[&str]| {
        let mut command = tool("gio");
        desktop.spool.dress(command.args(arguments));
        text(&mut command)
    };
    let handlers = gio(&["mime", "x-scheme-handler/spool"]);
    assert!(handlers.contains("Spool.desktop"), "{handlers}");
    gio(&["open", "spool://settings"]);
    app.window.until("location.hash === '#/settings'");

    // What is being recorded outlives its own program's replacement.
    let mut recorder = desktop.spool.record(["--no-mic"]);
    recorder.elapsed(SECOND);
    installed.again();
    recorder.goes_on(&desktop.spool, SECOND);
    desktop.spool.run(["stop"]).ok();
    let recorded = recorder.finished();
    gio(&["open", "spool://library"]);
    app.window
        .until(&format!("document.querySelector('a[href=\"#/player/{}\"]') !== null", recorded.recording));

    drop(app);
    desktop.spool.end_engine();
    installed.remove();
    for file in files {
        assert!(!file.exists(), "{} is left behind", file.display());
    }
    let own = Spool::new().in_folder(desktop.spool.data());
    let list = own.json(&["list"]);
    assert_eq!((rows(&list).len(), &rows(&list)[0]["recording"]), (1, &json!(recorded.recording)), "{list}");
    own.run(["verify", "last"]).ok();
}

/// The app is started by its installed path where that is wanted, and no longer where it is not.
fn starts_with_the_desktop(desktop: &Desktop, set: impl Fn(&str)) {
    let folder = desktop.sound.runtime().join("config/autostart");
    let entries = || {
        let files = fs::read_dir(&folder).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_to_string(file.path()).ok()).collect::<String>()
    };
    set("on");
    let entry =
        find_within(LIMIT, || entries().contains("Exec=\"/usr/bin/spool-app\" --hidden").then_some(()));
    assert!(entry.is_some(), "no entry, but {:?}; {}", entries(), desktop.app_log());
    set("off");
    wait_for("the entry's end", LIMIT, || entries().is_empty().then_some(()));
}

#[test]
fn rpm_s_package_holds_the_same() {
    let _turn = my_turn();
    let (deb, rpm) = (package("deb"), package("rpm"));
    text(tool("rpm").arg("--checksig").arg("--nosignature").arg(&rpm));
    let needs = text(tool("rpm").args(["--query", "--requires", "--package"]).arg(&rpm));
    for need in
        ["libavcodec.so.", "libwebkit2gtk-4.1.so.0()(64bit)", "libpipewire-0.3.so.0()(64bit)", "gstreamer"]
    {
        assert!(needs.contains(need), "{need} is not in\n{needs}");
    }
    let license = text(tool("rpm").args(["--query", "--queryformat", "%{LICENSE}", "--package"]).arg(&rpm));
    assert_eq!(license, "GPL-2.0-or-later");

    let folder = tempfile::tempdir().unwrap();
    let (system, debian) = (folder.path().join("system"), folder.path().join("debian"));
    fs::create_dir(&system).unwrap();
    let in_system = |arguments: &[&str]| {
        let mut command = tool("rpm");
        command.arg("--root").arg(&system).args(arguments);
        command
    };
    text(&mut in_system(&["--initdb"]));
    text(in_system(&["--install", "--nodeps"]).arg(&rpm));
    text(tool("dpkg-deb").arg("--extract").arg(&deb).arg(&debian));
    let (theirs, ours) = (contents(&system.join("usr")), contents(&debian.join("usr")));
    assert_eq!(theirs.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>());
    for (name, bytes) in &theirs {
        // The app is told which package it came in.
        let same = if name.ends_with("spool-app") {
            without_kind(bytes) == without_kind(&ours[name])
        } else {
            *bytes == ours[name]
        };
        assert!(same, "{} differs", name.display());
    }
    let version = text(tool(system.join("usr/bin/spool").to_str().unwrap()).arg("--version"));
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    text(&mut in_system(&["--erase", "spool"]));
    assert_eq!(contents(&system.join("usr/bin")).len(), 0, "nothing is left");
}

/// All files below a folder by their names within it.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(&next).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("it lies in there").to_owned();
                found.insert(name, fs::read(&path).expect("files can be read"));
            }
        }
    }
    found
}

/// The app's bytes without the three letters that say which kind of package it came in.
fn without_kind(program: &[u8]) -> Vec<u8> {
    let mut plain = program.to_vec();
    let places = program.windows(KIND.len()).enumerate().filter(|(_, bytes)| *bytes == KIND.as_bytes());
    for (place, _) in places {
        plain[place + KIND.len()..][..3].fill(0);
    }
    plain
}
