//! `spool mark`, `unmark`

use crate::{args, args::Common, connect, library};
use anyhow::Result;
use engine::command::Command;
use std::time::Duration;

pub(crate) fn add(common: &Common, flags: &args::Mark) -> Result<()> {
    let mut client = connect::engine(common)?;
    let id = flags.id.as_deref().map(|id| library::resolve(&mut client, id)).transpose()?;
    let command = Command::Mark { id, at_ms: flags.at.map(millis), label: flags.label.clone() };
    library::done(common, &mut client, command, "Marked.")
}

pub(crate) fn remove(common: &Common, flags: &args::Unmark) -> Result<()> {
    let mut client = connect::engine(common)?;
    let id = library::resolve(&mut client, &flags.id)?;
    let command = Command::Unmark { id, at_ms: millis(flags.at) };
    library::done(common, &mut client, command, "The mark is gone.")
}

fn millis(at: Duration) -> u64 {
    u64::try_from(at.as_millis()).unwrap_or(u64::MAX)
}
