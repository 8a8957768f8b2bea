//! `cargo xtask test`: what must hold before a change is merged. CI runs exactly this.

use crate::{
    setup,
    sh::{Failure, Result, cargo, listen, read, say, succeed, works},
};
use std::{path::Path, process::Command};

/// Systems that we do not test on yet, and which the crates that are not tied to one must compile for.
const OTHER_SYSTEMS: &[&str] = &["x86_64-pc-windows-gnu", "aarch64-apple-darwin"];
/// Crates that link no C library, so that they can be checked without the other system's.
const NEUTRAL: &[&str] = &["spool-model", "spool-clock", "spool-media", "spool-compose", "spool-capture"];

/// All checks, the quick ones first.
pub(crate) fn run() -> Result {
    setup::for_tests()?;
    say("formatting");
    succeed(&mut cargo(&["fmt", "--all", "--check"]))?;
    say("lints");
    let everything = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
    succeed(&mut cargo(&everything))?;
    other_systems()?;
    tests()
}

fn other_systems() -> Result {
    for system in OTHER_SYSTEMS {
        say(format!("types on {system}"));
        add_target(system)?;
        let mut check = cargo(&["check", "--quiet", "--target", system]);
        // The linker flags are for this system.
        check.env_remove("RUSTFLAGS");
        for package in NEUTRAL {
            check.args(["--package", package]);
        }
        succeed(&mut check)?;
    }
    Ok(())
}

/// The standard library of another system.
fn add_target(system: &str) -> Result {
    let folder = read(Command::new("rustc").args(["--print", "target-libdir", "--target", system]))?;
    if Path::new(folder.trim()).is_dir() {
        return Ok(());
    }
    if works(Command::new("rustup").args(["target", "add", system])) {
        return Ok(());
    }
    Err(Failure(format!(
        "Rust's standard library for {system} is not installed and rustup cannot add it: without it nobody knows \
         whether Spool still compiles there"
    )))
}

/// Every test, on virtual devices too, and what the runners said in the end.
fn tests() -> Result {
    say("tests");
    let mut closing = Vec::new();
    let mut command = cargo(&["test", "--workspace", "--all-features", "--no-fail-fast"]);
    let passed = listen(command.env("SPOOL_DEVICE_TESTS", "1"), |line| {
        if line.starts_with("test result:") {
            closing.push(line.to_owned());
        }
    })?;
    say("the runners' closing lines");
    for line in &closing {
        println!("  {line}");
    }
    match passed {
        true if !closing.is_empty() => Ok(()),
        true => Err(Failure("no test was run".into())),
        false => Err(Failure("tests failed, see above".into())),
    }
}
