//! `cargo xtask package`: what people install, the app's program and the command line in one.
//!
//! Tauri's bundler makes it, as `tauri.conf.json` says. Merged into that is what only the build knows: where the command
//! line lies, and which libraries both programs need. `tests/tests/package.rs` installs the outcome.

use crate::{
    front, run, setup,
    sh::{Failure, Result, cargo, read, root, say, succeed, target},
};
use std::{
    env,
    env::consts::{EXE_SUFFIX, OS},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The two programs of each package.
const PROGRAMS: [&str; 2] = ["spool", "spool-app"];
/// What the system's packages are called to Tauri's bundler.
const SYSTEMS_OWN: &[&str] = &["deb", "rpm"];
/// Packages that nobody but the app itself can update.
const SELF_UPDATING: &[&str] = &["appimage", "app", "dmg", "msi", "nsis"];

/// What is opened while the programs run, which no linker knows: GStreamer's plugins to play with, and the tray.
const OPENED_DEB: &[&str] = &[
    "gstreamer1.0-plugins-good",
    "gstreamer1.0-plugins-bad | gstreamer1.0-libav",
    "libayatana-appindicator3-1",
];
/// The same, as Fedora and openSUSE call it.
const OPENED_RPM: &[&str] = &[
    "(gstreamer1-plugins-good or gstreamer-plugins-good)",
    "(gstreamer1-plugin-openh264 or gstreamer1-plugin-libav or gstreamer1-libav or gstreamer-plugins-libav)",
    "libayatana-appindicator3.so.1()(64bit)",
];

/// What is packed.
struct Wish<'a> {
    profile: Profile,
    kinds: &'a [&'a str],
    /// Programs differ by who updates them, so one run makes packages of only one sort.
    updates_itself: bool,
}

/// Which programs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Profile {
    /// Those that people get, built now.
    Release,
    /// Those that `cargo build` and the tests have made already.
    Debug,
}

/// `words` are `debug`, if wanted, and the kinds of packages, else those that are usual on this system.
pub(crate) fn run(words: &[&str]) -> Result {
    let wish = Wish::parse(words)?;
    setup::for_packages()?;
    if wish.profile == Profile::Release {
        build(wish.updates_itself)?;
    }
    front::install()?;
    let kinds = wish.kinds.join(",");
    say(format!("packing {kinds}"));
    let folder = stage(wish.profile)?;
    let known = folder.join("package.json");
    fs::write(&known, known_by_the_build(&wish, &folder)?)
        .map_err(|error| Failure(format!("{}: {error}", known.display())))?;
    let mut bundle = Command::new(root().join("ui/node_modules/.bin").join(script("tauri")));
    bundle.args(["bundle", "--ci", "--bundles", &kinds, "--config"]).arg(&known);
    if wish.profile == Profile::Debug {
        bundle.arg("--debug");
    }
    succeed(bundle.current_dir(root()).env("CARGO_TARGET_DIR", target().join("package")))
}

impl<'a> Wish<'a> {
    fn parse(words: &'a [&'a str]) -> Result<Self> {
        let (profile, kinds) = match words {
            ["debug", kinds @ ..] => (Profile::Debug, kinds),
            kinds => (Profile::Release, kinds),
        };
        let kinds = match OS {
            _ if !kinds.is_empty() => kinds,
            "macos" => &["app", "dmg"],
            "windows" => &["nsis", "msi"],
            _ => SYSTEMS_OWN,
        };
        let all_of = |sort: &[&str]| kinds.iter().all(|kind| sort.contains(kind));
        match (all_of(SYSTEMS_OWN), all_of(SELF_UPDATING)) {
            (true, _) => Ok(Self { profile, kinds, updates_itself: false }),
            (_, true) => Ok(Self { profile, kinds, updates_itself: true }),
            _ => Err(Failure(format!(
                "kinds of packages are {}, which the system updates, or {}, which update themselves, not both at once",
                SYSTEMS_OWN.join(", "),
                SELF_UPDATING.join(", ")
            ))),
        }
    }
}

impl Profile {
    fn folder(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Debug => "debug",
        }
    }
}

fn build(updates_itself: bool) -> Result {
    front::build()?;
    say("building spool and its app");
    run::build()?;
    let mut app = cargo(&["build", "--release", "--package", "spool-app"]);
    if updates_itself {
        app.args(["--features", "updater"]);
    }
    succeed(&mut app)
}

/// Copies the programs to where the bundler looks for them, without what only debuggers read.
fn stage(profile: Profile) -> Result<PathBuf> {
    let folder = target().join("package").join(profile.folder());
    // Packages of other versions would lie beside the new ones; that there are none is as good.
    let _nothing = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|error| Failure(format!("{}: {error}", folder.display())))?;
    for name in PROGRAMS {
        let name = format!("{name}{EXE_SUFFIX}");
        let (built, staged) = (target().join(profile.folder()).join(&name), folder.join(&name));
        if !built.is_file() {
            return Err(Failure(format!("{} is not built", built.display())));
        }
        copy(&built, &staged)?;
        if OS == "linux" {
            succeed(Command::new("strip").arg(&staged))?;
        }
    }
    Ok(folder)
}

fn copy(from: &Path, to: &Path) -> Result {
    fs::copy(from, to).map(drop).map_err(|error| Failure(format!("{}: {error}", to.display())))
}

/// What is merged into `tauri.conf.json`.
fn known_by_the_build(wish: &Wish, folder: &Path) -> Result<String> {
    let spool = folder.join(format!("spool{EXE_SUFFIX}"));
    let file = format!("{{\"/usr/bin/spool\": {}}}", quoted(&spool.display().to_string()));
    let mut bundle = Vec::new();
    if OS == "linux" {
        let mut systems = vec![format!("\"appimage\": {{\"files\": {file}}}")];
        if wish.kinds.contains(&"deb") {
            let depends = list(OPENED_DEB, &linked_deb(folder)?);
            systems.push(format!("\"deb\": {{\"depends\": {depends}, \"files\": {file}}}"));
        }
        if wish.kinds.contains(&"rpm") {
            let depends = list(OPENED_RPM, &linked_rpm(folder)?);
            systems.push(format!("\"rpm\": {{\"depends\": {depends}, \"files\": {file}}}"));
        }
        bundle.push(format!("\"linux\": {{{}}}", systems.join(", ")));
    } else {
        // The bundler wants the system's name at the end of programs that it puts beside the app's own.
        let host = read(Command::new("rustc").args(["--print", "host-tuple"]))?;
        copy(&spool, &folder.join(format!("spool-{}{EXE_SUFFIX}", host.trim())))?;
        bundle.push(format!("\"externalBin\": [{}]", quoted(&folder.join("spool").display().to_string())));
        // Whose certificate in the system's store signs installers.
        if let Ok(thumbprint) = env::var("SPOOL_WINDOWS_THUMBPRINT") {
            bundle.push(format!("\"windows\": {{\"certificateThumbprint\": {}}}", quoted(&thumbprint)));
        }
    }
    if wish.updates_itself && env::var_os("TAURI_SIGNING_PRIVATE_KEY").is_some() {
        bundle.push("\"createUpdaterArtifacts\": true".to_owned());
    }
    // Nobody should take a package of the tests for one that was released.
    let version = match wish.profile {
        Profile::Release => String::new(),
        Profile::Debug => format!("\"version\": \"{}+debug\", ", env!("CARGO_PKG_VERSION")),
    };
    Ok(format!("{{{version}\"bundle\": {{{}}}}}\n", bundle.join(", ")))
}

/// The packages of the libraries that the programs link, with the versions that they need, as Debian calls them.
fn linked_deb(folder: &Path) -> Result<Vec<String>> {
    // The tool reads what Debian's own packages begin with.
    let control = folder.join("debian/control");
    fs::create_dir_all(folder.join("debian"))
        .and_then(|()| fs::write(&control, "Source: spool\n\nPackage: spool\nArchitecture: any\n"))
        .map_err(|error| Failure(format!("{}: {error}", control.display())))?;
    let mut ask = Command::new("dpkg-shlibdeps");
    ask.current_dir(folder).arg("-O").args(PROGRAMS.map(|name| format!("-e{name}")));
    let said = read(&mut ask)?;
    let packages = said.trim().strip_prefix("shlibs:Depends=").unwrap_or_default();
    Ok(packages.split(", ").map(ToOwned::to_owned).collect())
}

/// The libraries themselves, as rpm's packages name what they provide.
fn linked_rpm(folder: &Path) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for name in PROGRAMS {
        let said = read(Command::new(setup::ELFDEPS).arg("--requires").arg(folder.join(name)))?;
        all.extend(said.lines().map(ToOwned::to_owned));
    }
    all.sort();
    all.dedup();
    Ok(all)
}

/// A list in JSON.
fn list(first: &[&str], then: &[String]) -> String {
    let all: Vec<String> = first.iter().copied().chain(then.iter().map(String::as_str)).map(quoted).collect();
    format!("[{}]", all.join(", "))
}

/// Text in JSON. Names of packages and files hold nothing else that would have to be escaped.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// What npm calls the programs that it installs.
fn script(name: &str) -> String {
    if OS == "windows" { format!("{name}.cmd") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{Wish, list, quoted};

    #[test]
    fn packages_update_themselves_or_do_not() {
        let told = |words: &[&str]| Wish::parse(words).ok().map(|wish| wish.updates_itself);
        assert_eq!(told(&["debug", "deb", "rpm"]), Some(false));
        assert_eq!(told(&["appimage"]), Some(true));
        assert_eq!(told(&["deb", "appimage"]), None);
        assert_eq!(told(&["zip"]), None);
    }

    #[test]
    fn names_become_json() {
        assert_eq!(quoted(r"C:\spool"), r#""C:\\spool""#);
        assert_eq!(list(&["a | b"], &["c (>= 1)".to_owned()]), r#"["a | b", "c (>= 1)"]"#);
    }
}
