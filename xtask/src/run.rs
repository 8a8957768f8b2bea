//! `cargo xtask run`: the product at work, in a window or in ten seconds.

use crate::{
    front, setup,
    sh::{Failure, Folder, Result, Running, cargo, read, root, say, succeed, target, wait_for, works},
    stage::{Stage, server},
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

const SECONDS: f64 = 10.0;

/// Starts the app. Where there is no display to show it on, the recorder shows that it works without one.
pub(crate) fn app() -> Result {
    setup::for_run()?;
    if env::var_os("DISPLAY").is_none() && env::var_os("WAYLAND_DISPLAY").is_none() {
        say("no display to show a window on; recording a virtual one instead");
        return record();
    }
    front::build()?;
    say("building spool and its app");
    build()?;
    build_app()?;
    say("the app runs; its data is where yours would be");
    succeed(&mut Command::new(app_binary()))
}

/// Records the display and leaves a file that plays.
pub(crate) fn record() -> Result {
    setup::for_run()?;
    say("building spool");
    build()?;
    let spool = spool_binary();
    let stage = Stage::open()?;
    let data = Folder::new("run")?;
    let spool = |arguments: &[&str]| {
        let mut command = Command::new(&spool);
        command.args(arguments).env("SPOOL_DATA", data.path());
        stage.dress(&mut command);
        command
    };
    // An engine of our own, which ends with us: one that was started on demand would stay and be idle.
    let mut engine = server(&spool_binary().display().to_string());
    engine.arg("engine").env("SPOOL_DATA", data.path());
    let mut engine = Running::start(stage.dress(&mut engine))?;
    wait_for("the engine", || (works(&mut spool(&["status"])) || !engine.is_alive()).then_some(()))?;
    let what = if stage.is_real { "this display and what it plays" } else { "a virtual display and a tone" };
    say(format!("recording {what} for {SECONDS} seconds"));
    succeed(&mut spool(&[
        "record",
        "--for",
        "10s",
        "--preset",
        "1080p",
        "--no-mic",
        "--system-audio",
        "--title",
        "First recording",
    ]))?;
    let file = destination()?;
    succeed(&mut spool(&["export", "last", "-o", &file]))?;
    let duration = check(Path::new(&file))?;
    let size = fs::metadata(&file).map_or(0, |metadata| metadata.len());
    say(format!("{file}\n  {duration:.2} s, {:.1} MB, plays", size as f64 / 1e6));
    Ok(())
}

/// Builds the program that people get.
pub(crate) fn build() -> Result {
    succeed(&mut cargo(&["build", "--release", "--package", "spool-cli"]))
}

/// Builds the server that people get.
pub(crate) fn build_server() -> Result {
    succeed(&mut cargo(&["build", "--release", "--package", "spool-server"]))
}

/// The program that [`build_server`] makes.
pub(crate) fn server_program() -> PathBuf {
    target().join("release/spool-server")
}

/// The program that [`build`] makes.
pub(crate) fn spool_binary() -> PathBuf {
    target().join("release/spool")
}

/// Builds the app that people get, which shows what [`front::build`] has built.
pub(crate) fn build_app() -> Result {
    succeed(&mut cargo(&["build", "--release", "--package", "spool-app"]))
}

/// The app that [`build_app`] makes.
pub(crate) fn app_binary() -> PathBuf {
    target().join("release/spool-app")
}

/// A file name that was not used before.
fn destination() -> Result<String> {
    let folder = root().join("target/recordings");
    fs::create_dir_all(&folder).map_err(|error| Failure(format!("{}: {error}", folder.display())))?;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Ok(folder.join(format!("first-{seconds}.mp4")).display().to_string())
}

/// Decodes all of the file with somebody else's decoder, and gives its length in seconds.
fn check(file: &Path) -> Result<f64> {
    let fields = "stream=codec_type,nb_read_frames:format=duration";
    let mut probe = Command::new("ffprobe");
    probe.args([
        "-v",
        "error",
        "-count_frames",
        "-show_entries",
        fields,
        "-of",
        "default=noprint_wrappers=1",
    ]);
    let said = read(probe.arg(file))?;
    let wrong = |what: &str| Err(Failure(format!("{}: {what}\n{said}", file.display())));
    let value =
        |key: &'static str| said.lines().filter_map(move |line| line.strip_prefix(key)?.strip_prefix('='));
    for kind in ["video", "audio"] {
        if !value("codec_type").any(|found| found == kind) {
            return wrong(&format!("no {kind} in it"));
        }
    }
    if value("nb_read_frames").any(|count| count.parse().unwrap_or(0) < 2) {
        return wrong("a track does not decode");
    }
    let duration: f64 = value("duration").find_map(|seconds| seconds.parse().ok()).unwrap_or(0.0);
    if (duration - SECONDS).abs() > 1.0 {
        return wrong("it is not ten seconds long");
    }
    Ok(duration)
}
