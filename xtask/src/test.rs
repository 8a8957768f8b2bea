//! `cargo xtask test`: what must hold before a change is merged. CI runs exactly this.

use crate::{
    front, fuzz, setup,
    sh::{Failure, Result, cargo, listen, read, say, succeed, works},
};
use std::{path::Path, process::Command};

/// Systems that we do not test on yet, and which the crates that are not tied to one must compile for.
const OTHER_SYSTEMS: &[&str] = &["x86_64-pc-windows-gnu", "aarch64-apple-darwin"];
/// Crates that link no C library, so that they can be checked without the other system's.
const NEUTRAL: &[&str] =
    &["spool-model", "spool-clock", "spool-media", "spool-api", "spool-compose", "spool-capture"];

/// All checks, the quick ones first.
pub(crate) fn run() -> Result {
    setup::for_tests()?;
    say("formatting");
    succeed(&mut cargo(&["fmt", "--all", "--check"]))?;
    front::build()?;
    front::check()?;
    say("lints");
    let everything = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
    succeed(&mut cargo(&everything))?;
    other_systems()?;
    fuzz::short()?;
    tests()
}

/// `cargo xtask bindings`: the test that compares them writes them.
pub(crate) fn write_bindings() -> Result {
    setup::for_tests()?;
    let mut write =
        cargo(&["test", "--quiet", "--package", "spool-app", "--features", "bindings", "--lib", "bindings"]);
    succeed(write.env("SPOOL_WRITE_BINDINGS", "1"))
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
        // Device tests run themselves again on private devices, one at a time; those runs are in their own result.
        if line.starts_with("test result:") && line.contains(" 0 filtered out") {
            closing.push(line.to_owned());
        }
    })?;
    say("the runners' closing lines");
    for line in &closing {
        println!("  {line}");
    }
    let sum = |what: &str| closing.iter().filter_map(|line| count(line, what)).sum::<u64>();
    say(format!("{} tests passed, {} failed, {} ignored", sum("passed"), sum("failed"), sum("ignored")));
    match passed {
        true if sum("passed") > 0 => Ok(()),
        true => Err(Failure("no test was run".into())),
        false => Err(Failure("tests failed, see above".into())),
    }
}

/// The number before a word in a closing line.
fn count(line: &str, what: &str) -> Option<u64> {
    let words: Vec<&str> = line.split([' ', ';']).collect();
    let at = words.iter().position(|word| *word == what)?;
    words.get(at.checked_sub(1)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn closing_lines_are_counted() {
        let line =
            "test result: ok. 13 passed; 2 failed; 0 ignored; 0 measured; 4 filtered out; finished in 0.01s";
        let counts = ["passed", "failed", "ignored", "filtered", "sung"].map(|what| count(line, what));
        assert_eq!(counts, [Some(13), Some(2), Some(0), Some(4), None]);
    }
}
