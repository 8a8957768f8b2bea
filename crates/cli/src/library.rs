//! `spool list`, `verify`, `delete`

use crate::{args, args::Common, connect, words};
use anyhow::{Context, Result, bail};
use engine::{
    Client,
    command::{Command, Page, Query, Reply},
    model::SessionState,
};

pub(crate) fn list(common: &Common, flags: &args::List) -> Result<()> {
    let query = Query { offset: flags.offset, limit: flags.limit, ..Query::default() };
    let reply = connect::tell(common, Command::List(query))?;
    let Reply::Recordings(Page { recordings, .. }) = reply else { return connect::surprised(&reply) };
    if common.json {
        return words::print_json(&recordings);
    }
    if recordings.is_empty() {
        println!("No recordings yet: `spool record` makes one.");
    }
    for line in recordings {
        let state = match (line.state, line.lost_ms) {
            (SessionState::Recording, _) => "recording now".to_owned(),
            (SessionState::Finalized, _) => String::new(),
            (SessionState::Recovered, None) => "recovered".to_owned(),
            (SessionState::Recovered, Some(lost)) => {
                format!("recovered; up to {} missing at the end", words::duration(lost))
            }
        };
        println!(
            "{}  {}  {:>8}  {:>9}  {}  {state}",
            line.recording,
            words::date(line.started_at),
            words::clock(line.duration_ms),
            words::bytes(line.bytes),
            line.title
        );
    }
    Ok(())
}

/// `last` stands for the newest recording.
pub(crate) fn resolve(client: &mut Client, id: &str) -> Result<String> {
    if id != "last" {
        return Ok(id.to_owned());
    }
    let newest = Query { limit: 1, ..Query::default() };
    let reply = connect::ask(client, Command::List(newest), drop)?;
    let Reply::Recordings(page) = reply else { return connect::surprised(&reply) };
    Ok(page.recordings.first().context("there are no recordings yet")?.session.to_string())
}

pub(crate) fn verify(common: &Common, flags: &args::Id) -> Result<()> {
    let mut client = connect::engine(common)?;
    let id = resolve(&mut client, &flags.id)?;
    let reply = connect::ask(&mut client, Command::Verify { id }, drop)?;
    let Reply::Verified(found) = reply else { return connect::surprised(&reply) };
    if common.json {
        words::print_json(&found)?;
    } else {
        println!("{} of {} chunks verified", found.verified, found.chunks);
        for name in &found.damaged {
            println!("damaged: {name}");
        }
        for name in &found.missing {
            println!("missing: {name}");
        }
    }
    let lost = found.damaged.len() + found.missing.len();
    if lost > 0 {
        bail!("{lost} chunks are damaged or missing; `spool export` makes a file of the rest");
    }
    Ok(())
}

pub(crate) fn delete(common: &Common, flags: &args::Id) -> Result<()> {
    let mut client = connect::engine(common)?;
    let id = resolve(&mut client, &flags.id)?;
    let reply = connect::ask(&mut client, Command::Delete { id }, drop)?;
    let Reply::Deleted { bytes } = reply else { return connect::surprised(&reply) };
    if common.json {
        return words::print_json(&serde_json::json!({ "deleted_bytes": bytes }));
    }
    words::print(&format!("Deleted; {} are free again.", words::bytes(bytes)))
}
