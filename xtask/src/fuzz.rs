//! `cargo xtask fuzz`: bytes that nobody would write, for everything that reads bytes from disk or from the socket.
//!
//! Owns how `fuzz/` is built and run: libFuzzer with the coverage that a stable compiler gives. Never what is tried
//! there. `cargo fuzz run TARGET` works as well, with a nightly compiler's sanitizers. Tested by CI, which runs each
//! target for some seconds.

use crate::sh::{Failure, Folder, Result, cargo, find, read, root, say, succeed, target};
use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
    thread,
};

/// Each target, and how often it runs in `cargo xtask test`: some five seconds' worth. Those that are slow open a
/// library or ask an engine each time.
const TARGETS: &[(&str, u32)] = &[
    ("envelopes", 1_000),
    ("flatten", 20_000),
    ("index", 2_000),
    ("init", 300_000),
    ("input", 200_000),
    ("layout", 300_000),
    ("recover", 1_500),
    ("request", 150_000),
    ("scan", 80_000),
    ("settings", 200_000),
    ("socket", 2_000),
    ("text", 200_000),
];
/// Seconds for each where nobody says how many.
const SECONDS: u32 = 60;
/// The same inputs in each short run, so that it fails for whoever broke something and not for the next one.
const SHORT: &[&str] = &["-seed=1", "-max_total_time=60"];
/// Of every run. Seconds for one input, and MiB for all.
const LIMITS: &[&str] = &["-timeout=20", "-rss_limit_mb=2048"];
/// How libFuzzer learns which code an input reached.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// What `cargo xtask test` runs: formatting, lints and some seconds of each target.
pub(crate) fn short() -> Result {
    say("fuzzing");
    succeed(&mut cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))?;
    let built = Built::new()?;
    succeed(instrumented("clippy")?.args(["--all-targets", "--", "-D", "warnings"]))?;
    let corpora = Folder::new("fuzz")?;
    let waiting = Mutex::new(TARGETS.iter());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || -> Result {
        while let Some((name, runs)) = next() {
            built.run_short(name, *runs, &corpora.path().join(name))?;
        }
        Ok(())
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let working: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let panicked = |_| Err(Failure("a thread that ran targets panicked".into()));
        working.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(panicked))
    })
}

/// `cargo xtask fuzz [target] [seconds]`: one target or all, on and on from what earlier runs found.
pub(crate) fn long(words: &[&str]) -> Result {
    let (names, seconds) = match *words {
        [] => (all(), SECONDS),
        [word] => match word.parse() {
            Ok(seconds) => (all(), seconds),
            Err(_) => (vec![word], SECONDS),
        },
        [name, seconds] => {
            let seconds =
                seconds.parse().map_err(|_| Failure(format!("{seconds:?} is no number of seconds")))?;
            (vec![name], seconds)
        }
        _ => return Err(Failure("cargo xtask fuzz [target] [seconds]".into())),
    };
    if let Some(unknown) = names.iter().find(|name| !all().contains(name)) {
        return Err(Failure(format!("there is no target {unknown}; there are {}", all().join(", "))));
    }
    let built = Built::new()?;
    for name in names {
        say(format!("{name} for {seconds} s"));
        let corpus = root().join("fuzz/corpus").join(name);
        succeed(built.target(name, &corpus)?.arg(format!("-max_total_time={seconds}")))?;
    }
    Ok(())
}

/// `cargo xtask fuzz seeds`: writes `fuzz/seeds` anew with the code that makes the real thing.
pub(crate) fn seeds() -> Result {
    let built = Built::new()?;
    succeed(&mut Command::new(built.folder.join("examples/seeds")))
}

fn all() -> Vec<&'static str> {
    TARGETS.iter().map(|(name, _)| *name).collect()
}

/// Cargo in `fuzz/`, for this system by its name: so build scripts are not instrumented.
fn instrumented(verb: &str) -> Result<Command> {
    let version = read(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or_else(|| Failure("rustc does not say what it compiles for".into()))?;
    let mut command = cargo(&[verb, "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", host]);
    let linking =
        |(name, flags): (&OsStr, Option<&OsStr>)| (name == "RUSTFLAGS").then(|| flags.map(OsString::from));
    let flags = command.get_envs().find_map(linking).flatten().or_else(|| env::var_os("RUSTFLAGS"));
    let flags = flags.unwrap_or_default().to_string_lossy().into_owned();
    command.env("RUSTFLAGS", format!("{flags} {COVERAGE}").trim());
    command.env("CARGO_TARGET_DIR", target().join("fuzz"));
    Ok(command)
}

/// The targets, compiled.
struct Built {
    folder: PathBuf,
}

impl Built {
    fn new() -> Result<Self> {
        if find("c++").is_none() {
            return Err(Failure("libFuzzer is written in C++ and there is no c++ (Debian: g++)".into()));
        }
        take_over_lock()?;
        let mut build = instrumented("build")?;
        succeed(build.args(["--bins", "--examples"]))?;
        let host = build.get_args().skip_while(|argument| *argument != "--target").nth(1).unwrap_or_default();
        Ok(Self { folder: target().join("fuzz").join(host).join("release") })
    }

    /// A target with its corpus, its seeds and a folder for what makes it fail.
    fn target(&self, name: &str, corpus: &Path) -> Result<Command> {
        let failures = root().join("fuzz/artifacts").join(name);
        for folder in [corpus, &failures] {
            let made = fs::create_dir_all(folder);
            made.map_err(|error| Failure(format!("{} cannot be made: {error}", folder.display())))?;
        }
        let mut command = Command::new(self.folder.join(name));
        command.args(LIMITS).arg(format!("-artifact_prefix={}/", failures.display()));
        command.arg(corpus).arg(root().join("fuzz/seeds").join(name));
        Ok(command)
    }

    /// Runs a target so many times. Says what it reached, or all that it said before it failed.
    fn run_short(&self, name: &str, runs: u32, corpus: &Path) -> Result {
        let mut command = self.target(name, corpus)?;
        let output = command.args(SHORT).arg(format!("-runs={runs}")).output();
        let output = output.map_err(|error| Failure(format!("{name} cannot be run: {error}")))?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            eprintln!("{said}");
            let binary = self.folder.join(name);
            let advice = format!("{} FILE runs it again with what was found", binary.display());
            return Err(Failure(format!("fuzz target {name} failed ({}); {advice}", output.status)));
        }
        println!("  {name}: {}", reached(&said).unwrap_or("it did not say how it went"));
        Ok(())
    }
}

/// The runs and the coverage in libFuzzer's last line of state.
fn reached(said: &str) -> Option<&str> {
    let line = said.lines().rfind(|line| line.starts_with('#') && line.contains("DONE"))?;
    Some(line.split(" exec/s").next().unwrap_or(line))
}

/// What is fuzzed is built from the versions that ship: those of the workspace, and libFuzzer besides.
fn take_over_lock() -> Result {
    let (ours, theirs) = (root().join("Cargo.lock"), root().join("fuzz/Cargo.lock"));
    let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    if changed(&theirs) >= changed(&ours) {
        return Ok(());
    }
    let copied = fs::copy(&ours, &theirs).map(drop);
    copied.map_err(|error| Failure(format!("{} cannot be written: {error}", theirs.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_run_and_has_seeds() {
        let names = |folder: &str| {
            let entries = fs::read_dir(root().join(folder)).unwrap();
            let mut names: Vec<_> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let files: Vec<_> = all().iter().map(|name| format!("{name}.rs")).collect();
        assert_eq!(names("fuzz/fuzz_targets"), files);
        assert_eq!(names("fuzz/seeds"), all());
        let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
        assert!(all().iter().all(|name| manifest.contains(&format!("name = \"{name}\""))));
    }

    #[test]
    fn the_last_line_of_state_is_found() {
        let said =
            "#3\tINITED cov: 1\n#80\tDONE   cov: 20 ft: 30 corp: 4/1Kb exec/s: 9 rss: 70Mb\nDone 80 runs";
        assert_eq!(reached(said), Some("#80\tDONE   cov: 20 ft: 30 corp: 4/1Kb"));
        assert_eq!(reached("Killed"), None);
    }
}
