//! `spool export`

use crate::{args, args::Common, connect, library, words};
use anyhow::{Context, Result};
use engine::command::{Command, Event, ExportPlan, Reply};
use std::{
    io::{IsTerminal, Write, stderr},
    path::absolute,
    time::Duration,
};

pub(crate) fn run(common: &Common, flags: &args::Export) -> Result<()> {
    let mut client = connect::engine(common)?;
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let plan = ExportPlan {
        id: library::resolve(&mut client, &flags.id)?,
        // The engine has a working folder of its own.
        output: absolute(&flags.output).context("cannot tell where the file goes")?,
        from_ms: flags.from.map(millis),
        to_ms: flags.to.map(millis),
    };
    let shown = !common.json && stderr().is_terminal();
    let reply = connect::ask(&mut client, Command::Export(plan), |event| {
        if let (true, Event::Progress { share, .. }) = (shown, event) {
            eprint!("\r{:3.0} %", share * 100.0);
            // Where the terminal is gone there is nobody to show it to.
            let _gone = stderr().flush();
        }
    })?;
    if shown {
        eprint!("\r");
    }
    let Reply::Exported(made) = reply else { return connect::surprised(&reply) };
    if common.json {
        return words::print_json(&made);
    }
    for name in &made.skipped {
        println!("left out, its bytes are gone or wrong: {name}");
    }
    let (size, length) = (words::bytes(made.bytes), words::clock(made.duration_ms));
    words::print(&format!("{} ({length}, {size})", made.output.display()))
}
