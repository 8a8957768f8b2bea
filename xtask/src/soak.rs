//! `cargo xtask soak`: what tests do a handful of times, until it would have shown.

use crate::{
    run, setup,
    sh::{Result, cargo, root, say, succeed, target},
};
use std::{
    env,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

/// Kills at random instants.
const KILLS: &str = "500";
/// Simulated sessions, each crashed at every write.
const SEEDS: &str = "200";
/// Power cuts on a real file system.
const CUTS: &str = "50";

/// Hours of bad luck.
pub(crate) fn run() -> Result {
    setup::for_lab()?;
    run::build()?;
    let seed = seed();
    say(format!("seed {seed}: SPOOL_SEED={seed} cargo xtask soak does the same again"));

    say(format!("{SEEDS} simulated sessions, crashed at every write"));
    let mut simulate = cargo(&["test", "--release", "--package", "spool-sim", "--", "--nocapture"]);
    succeed(simulate.env("SPOOL_SIM_SEEDS", SEEDS).env("SPOOL_SEED", &seed))?;

    say(format!("{CUTS} power cuts on ext4"));
    succeed(&mut cargo(&["build", "--release", "--package", "spool-sim", "--bins"]))?;
    let mut cuts = Command::new(root().join("tests/power/run"));
    cuts.args([CUTS, &seed]).env("SPOOL_BINARIES", target().join("release"));
    succeed(&mut cuts)?;

    say(format!("{KILLS} kills of the engine at random instants"));
    let mut kill = cargo(&["test", "--release", "--package", "spool-tests", "--features", "device-tests"]);
    kill.args(["--test", "kill", "--", "--nocapture", "--test-threads", "1"]);
    kill.env("SPOOL_BIN", run::spool_binary()).env("SPOOL_DEVICE_TESTS", "1");
    succeed(kill.env("SPOOL_KILLS", KILLS).env("SPOOL_SEED", &seed))
}

/// From the environment, else from the time of day.
fn seed() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    env::var("SPOOL_SEED").unwrap_or_else(|_| now.to_string())
}
