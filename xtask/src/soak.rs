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

/// What the product is put through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ordeal {
    /// A long recording with everything in it. SPOOL_SOAK_MINUTES says how long.
    Hour,
    /// A day of recording, simulated. SPOOL_SIM_HOURS says how much of it.
    Day,
    /// Hours of bad luck. SPOOL_SIM_SEEDS, SPOOL_CUTS and SPOOL_KILLS say how much of each, SPOOL_SEED when.
    Crashes,
}

/// Everything, the quickest first.
pub(crate) const ALL: [Ordeal; 3] = [Ordeal::Day, Ordeal::Crashes, Ordeal::Hour];

/// Goes through these.
pub(crate) fn run(ordeals: &[Ordeal]) -> Result {
    setup::for_lab()?;
    run::build()?;
    for ordeal in ordeals {
        match ordeal {
            Ordeal::Hour => hour()?,
            Ordeal::Day => day()?,
            Ordeal::Crashes => crashes()?,
        }
    }
    Ok(())
}

fn hour() -> Result {
    let minutes = setting("SPOOL_SOAK_MINUTES", "60");
    say(format!("{minutes} minutes with a screen, a camera and two tracks of sound"));
    let mut long = cargo(&["test", "--release", "--package", "spool-tests", "--all-features"]);
    long.args(["--test", "long", "--", "--nocapture"]);
    long.env("SPOOL_BIN", run::spool_binary()).env("SPOOL_DEVICE_TESTS", "1");
    succeed(long.env("SPOOL_SOAK_MINUTES", &minutes))?;
    say("sound and pictures stayed together and memory stayed flat");
    Ok(())
}

fn day() -> Result {
    let hours = setting("SPOOL_SIM_HOURS", "24");
    say(format!("{hours} simulated hours"));
    let mut long = cargo(&["test", "--release", "--package", "spool-sim"]);
    long.args(["--test", "day", "--", "--nocapture"]);
    succeed(long.env("SPOOL_SIM_HOURS", &hours))
}

fn crashes() -> Result {
    let seeds = setting("SPOOL_SIM_SEEDS", "200");
    let cuts = setting("SPOOL_CUTS", "50");
    let kills = setting("SPOOL_KILLS", "500");
    let seed = setting("SPOOL_SEED", &seconds_now());
    say(format!("SPOOL_SEED={seed} cargo xtask soak does the same again"));

    say(format!("{seeds} simulated recordings, crashed at every operation on files"));
    let mut simulate =
        cargo(&["test", "--release", "--package", "spool-sim", "--test", "crashes", "--", "--nocapture"]);
    succeed(simulate.env("SPOOL_SIM_SEEDS", &seeds))?;

    say(format!("{cuts} power cuts on ext4"));
    succeed(&mut cargo(&["build", "--release", "--package", "spool-sim", "--bins"]))?;
    let mut cut = Command::new(root().join("tests/power/run"));
    succeed(cut.args([&cuts, &seed]).env("SPOOL_BINARIES", target().join("release")))?;

    say(format!("{kills} kills of the engine at random instants"));
    let mut kill = cargo(&["test", "--release", "--package", "spool-tests", "--all-features"]);
    kill.args(["--test", "kill", "--", "--nocapture", "--test-threads", "1"]);
    kill.env("SPOOL_BIN", run::spool_binary()).env("SPOOL_DEVICE_TESTS", "1");
    succeed(kill.env("SPOOL_KILLS", &kills).env("SPOOL_SEED", &seed))?;
    say("nothing was lost that had to be there");
    Ok(())
}

fn setting(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}

fn seconds_now() -> String {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).to_string()
}
