//! `spool export`

use crate::{args, args::Common, connect, library, words};
use anyhow::{Context, Result};
use engine::command::{Arrangement, Command, Event, ExportPlan, Reply};
use std::{
    fs::File,
    io::{IsTerminal, Read, Write, stderr},
    path::{Path, absolute},
    time::Duration,
};

/// More is no list of layouts.
const COMPOSITION_BYTES_MAX: u64 = 16 << 20;

pub(crate) fn run(common: &Common, flags: &args::Export) -> Result<()> {
    let mut client = connect::engine(common)?;
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let plan = ExportPlan {
        id: library::resolve(&mut client, &flags.id)?,
        // The engine has a working folder of its own.
        output: absolute(&flags.output).context("cannot tell where the file goes")?,
        from_ms: flags.from.map(millis),
        to_ms: flags.to.map(millis),
        size: flags.size,
        fps: flags.fps,
        constant_rate: flags.constant_rate,
        codec: flags.codec.clone(),
        crf: flags.crf,
        track: flags.track.clone(),
        composition: flags.composition.as_deref().map(read_composition).transpose()?,
        no_encode: flags.no_encode,
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

fn read_composition(path: &Path) -> Result<Vec<Arrangement>> {
    let read = || format!("cannot read the composition {}", path.display());
    let mut text = String::new();
    let file = File::open(path).with_context(read)?;
    file.take(COMPOSITION_BYTES_MAX).read_to_string(&mut text).with_context(read)?;
    serde_json::from_str(&text).with_context(read)
}
