//! `cargo xtask bench`: what recording and export cost, beside what the peers cost, in one run.

use crate::{
    front, run, setup,
    sh::{Result, cargo, say, succeed},
};

/// Runs these benches one after the other: they measure what the machine spends, so it should do nothing else.
pub(crate) fn run(which: &[&str]) -> Result {
    setup::for_lab()?;
    say("building spool as people get it");
    run::build()?;
    run::build_server()?;
    if which.contains(&"app") {
        front::build()?;
        run::build_app()?;
    }
    for bench in which {
        say(format!("measuring {bench}"));
        let mut command = cargo(&["run", "--release", "--quiet", "--package", "spool-benches", "--", bench]);
        succeed(
            command
                .env("SPOOL_BIN", run::spool_binary())
                .env("SPOOL_APP_BIN", run::app_binary())
                .env("SPOOL_SERVER_BIN", run::server_program()),
        )?;
    }
    Ok(())
}
