//! What a machine needs, found by looking for the thing itself, so that it does not matter who installed it.

use crate::{
    python,
    sh::{Failure, Result, cargo, find, read, say, succeed, works},
};
use std::{fmt::Write as _, process::Command};

/// Something that must be there.
struct Need {
    /// What Debian and Ubuntu call it.
    package: &'static str,
    thing: Thing,
}

enum Thing {
    Program(&'static str),
    /// A library with its headers, as pkg-config knows it.
    Library(&'static str),
    /// Whatever makes this shell script succeed; the name is for people.
    Script {
        name: &'static str,
        script: &'static str,
    },
}

const fn program(package: &'static str, name: &'static str) -> Need {
    Need { package, thing: Thing::Program(name) }
}

const fn library(package: &'static str, name: &'static str) -> Need {
    Need { package, thing: Thing::Library(name) }
}

const fn script(package: &'static str, name: &'static str, script: &'static str) -> Need {
    Need { package, thing: Thing::Script { name, script } }
}

/// To build. SQLite is compiled with the rest, FFmpeg and WebKit are the system's.
const BUILD: &[Need] = &[
    program("gcc", "cc"),
    program("pkg-config", "pkg-config"),
    program("mold", "mold"),
    // It tells bindgen what is in a header.
    script("libclang-dev", "libclang", HAS_CLANG),
    library("libavcodec-dev", "libavcodec"),
    library("libavformat-dev", "libavformat"),
    library("libavutil-dev", "libavutil"),
    library("libswresample-dev", "libswresample"),
    library("libswscale-dev", "libswscale"),
    library("libasound2-dev", "alsa"),
    library("libpipewire-0.3-dev", "libpipewire-0.3"),
    library("libspa-0.2-dev", "libspa-0.2"),
    library("libwebkit2gtk-4.1-dev", "webkit2gtk-4.1"),
    library("libayatana-appindicator3-dev", "ayatana-appindicator3-0.1"),
    program("npm", "npm"),
];

/// To record where there is neither a display nor a sound card, and to look at what was recorded.
const STAGE: &[Need] = &[
    program("ffmpeg", "ffmpeg"),
    program("xvfb", "Xvfb"),
    program("x11-xserver-utils", "xrandr"),
    program("dbus", "dbus-daemon"),
    program("pipewire", "pipewire"),
    program("pipewire-pulse", "pipewire-pulse"),
    program("wireplumber", "wireplumber"),
    program("pulseaudio-utils", "pactl"),
];

/// To test.
const TEST: &[Need] = &[
    program("g++", "c++"),
    program("chromium", "chromium"),
    program("sox", "sox"),
    program("curl", "curl"),
    program("faketime", "faketime"),
    program("fiu-utils", "fiu-run"),
    script("python3-venv", "Python's venv", "python3 -c 'import ensurepip, venv'"),
    program("e2fsprogs", "mkfs.ext4"),
    program("mount", "mount"),
    program("procps", "sysctl"),
    program("util-linux", "setpriv"),
    program("dbus-bin", "dbus-send"),
    program("gnome-keyring", "gnome-keyring-daemon"),
    program("openbox", "openbox"),
    program("sway", "sway"),
    program("xdg-desktop-portal", "/usr/libexec/xdg-desktop-portal"),
    program("xdg-desktop-portal-wlr", "/usr/libexec/xdg-desktop-portal-wlr"),
    program("xdotool", "xdotool"),
    program("xclip", "xclip"),
    program("libglib2.0-bin", "gio"),
    program("x11-xkb-utils", "setxkbmap"),
    program("webkit2gtk-driver", "WebKitWebDriver"),
    // With these WebKit plays what is recorded.
    script("gstreamer1.0-plugins-good", "GStreamer's reader of MP4", HAS_MP4),
    script("gstreamer1.0-plugins-bad", "GStreamer's H.264", HAS_H264),
];

/// To make packages, and to look into them.
const PACKAGE: &[Need] =
    &[program("binutils", "strip"), program("dpkg-dev", "dpkg-shlibdeps"), program("rpm", ELFDEPS)];

/// To try packages.
const INSTALL: &[Need] = &[
    program("rpm", "rpm"),
    program("appstream", "appstreamcli"),
    program("desktop-file-utils", "desktop-file-validate"),
    program("libglib2.0-bin", "gio"),
    program("jq", "jq"),
];

/// Says what a program needs, in rpm's words.
pub(crate) const ELFDEPS: &str = "/usr/lib/rpm/elfdeps";

/// To measure, and to cut the power.
const LAB: &[Need] = &[
    program("xterm", "xterm"),
    program("foot", "foot"),
    program("mpv", "mpv"),
    program("procps", "top"),
    program("rclone", "rclone"),
    program("nbdkit", "nbdkit"),
    script("nbdkit-plugin-python", "nbdkit's python plugin", "nbdkit --dump-plugin python"),
    program("nbdfuse", "nbdfuse"),
    program("libnbd-bin", "nbdinfo"),
];

const HAS_MP4: &str =
    "ls /usr/lib*/gstreamer-1.0/libgstisomp4.so /usr/lib/*/gstreamer-1.0/libgstisomp4.so | grep -q .";
const HAS_H264: &str = "\
    ls /usr/lib*/gstreamer-1.0/libgstopenh264.so /usr/lib/*/gstreamer-1.0/libgstopenh264.so | grep -q .";
const HAS_CLANG: &str = "\
    test -n \"$LIBCLANG_PATH\" && exit
    for file in /usr/lib/llvm*/lib/libclang*.so* /usr/lib*/libclang*.so* /usr/lib/*/libclang*.so*; do
        test -e \"$file\" && exit
    done
    false";

/// `cargo xtask setup`.
pub(crate) fn all() -> Result {
    ensure(&[BUILD, STAGE, TEST, PACKAGE, INSTALL, LAB])?;
    python::ensure()?;
    toolchain()?;
    say("everything is there: cargo xtask run");
    Ok(())
}

/// What `cargo xtask run` needs.
pub(crate) fn for_run() -> Result {
    ensure(&[BUILD, STAGE])
}

/// What `cargo xtask test` needs.
pub(crate) fn for_tests() -> Result {
    ensure(&[BUILD, STAGE, TEST, PACKAGE, INSTALL])?;
    python::ensure()?;
    toolchain()
}

/// What `cargo xtask package` needs, where setup knows it.
pub(crate) fn for_packages() -> Result {
    if cfg!(target_os = "linux") { ensure(&[BUILD, PACKAGE]) } else { Ok(()) }
}

/// What `cargo xtask bench` and `soak` need.
pub(crate) fn for_lab() -> Result {
    ensure(&[BUILD, STAGE, TEST, LAB])?;
    python::ensure()
}

fn ensure(groups: &[&[Need]]) -> Result {
    if !cfg!(target_os = "linux") {
        return Err(Failure("this part of Spool records on Linux only".into()));
    }
    let missing = || groups.iter().copied().flatten().filter(|need| !is_there(need));
    let mut packages: Vec<&str> = missing().map(|need| need.package).collect();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    let Some(apt) = apt() else {
        return Err(Failure(format!(
            "these are missing (named as Debian does): {}\ninstall them, or run this again as root",
            packages.join(" ")
        )));
    };
    say(format!("installing {}", packages.join(" ")));
    succeed(apt(&["update", "-qq"]).env("DEBIAN_FRONTEND", "noninteractive"))?;
    let mut install = apt(&["install", "-y", "-qq", "--no-install-recommends"]);
    succeed(install.args(&packages).env("DEBIAN_FRONTEND", "noninteractive"))?;
    let mut left = String::new();
    for need in missing() {
        // Writing to a string cannot fail.
        let _never = write!(left, "\n  {} of package {}", need.thing.name(), need.package);
    }
    if left.is_empty() { Ok(()) } else { Err(Failure(format!("installed, but still not found:{left}"))) }
}

impl Thing {
    fn name(&self) -> &'static str {
        match self {
            Self::Program(name) | Self::Library(name) | Self::Script { name, .. } => name,
        }
    }
}

fn is_there(need: &Need) -> bool {
    match need.thing {
        Thing::Program(name) => find(name).is_some(),
        Thing::Library(name) => works(Command::new("pkg-config").args(["--exists", name])),
        Thing::Script { script, .. } => works(Command::new("sh").args(["-c", script])),
    }
}

/// How to call apt-get here, if it can be called at all.
fn apt() -> Option<impl Fn(&[&str]) -> Command> {
    let apt = find("apt-get")?;
    let is_root = read(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let sudo = find("sudo");
    if !is_root && sudo.is_none() {
        return None;
    }
    Some(move |arguments: &[&str]| {
        let mut command = match &sudo {
            Some(sudo) if !is_root => {
                let mut command = Command::new(sudo);
                command.arg("DEBIAN_FRONTEND=noninteractive").arg(&apt);
                command
            }
            _ => Command::new(&apt),
        };
        command.args(arguments);
        command
    })
}

/// Formatter and linter, which minimal installations of Rust lack.
fn toolchain() -> Result {
    for (component, command) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if works(&mut cargo(&[command, "--version"])) {
            continue;
        }
        say(format!("adding {component}"));
        succeed(Command::new("rustup").args(["component", "add", component]))?;
    }
    Ok(())
}
