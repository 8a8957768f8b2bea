//! `spool layout`

use crate::{args, args::Common, connect, words};
use anyhow::Result;
use engine::{
    command::{Activity, Command, Reply},
    layout::{arrange, describe},
};

pub(crate) fn run(common: &Common, flags: &args::Layout) -> Result<()> {
    let mut client = connect::engine(common)?;
    let reply = connect::ask(&mut client, Command::Layout, drop)?;
    let Reply::Layout(mut layout) = reply else { return connect::surprised(&reply) };
    for (key, value) in &flags.changes {
        arrange(&mut layout, key, value).map_err(anyhow::Error::msg)?;
    }
    if !flags.changes.is_empty() {
        let reply = connect::ask(&mut client, Command::Arrange(layout), drop)?;
        let Reply::Done = reply else { return connect::surprised(&reply) };
    }
    if common.json {
        return words::print_json(&layout);
    }
    let reply = connect::ask(&mut client, Command::Status, drop)?;
    let Reply::Status(status) = reply else { return connect::surprised(&reply) };
    if status.activity == Activity::Idle {
        words::print("Not recording. The next recording will have, by `spool config`:")?;
    }
    for (key, value) in describe(&layout) {
        words::print(&format!("{key:<15} {value}"))?;
    }
    Ok(())
}
