//! `spool diagnose`

use crate::{args, args::Common, connect, library};
use anyhow::{Context, Result};
use engine::command::Command;
use std::path;

pub(crate) fn run(common: &Common, flags: &args::Diagnose) -> Result<()> {
    let output = path::absolute(&flags.output).context("cannot tell where that file would be")?;
    let words = format!("Wrote {}: read it before you send it.", output.display());
    let mut client = connect::engine(common)?;
    library::done(common, &mut client, Command::Diagnose { output }, &words)
}
