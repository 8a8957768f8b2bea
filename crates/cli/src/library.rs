//! `spool list`, `rename`, `trash`, `restore`, `verify`, `delete`, `usage`

use crate::{args, args::Common, connect, words};
use anyhow::{Context, Result, bail};
use engine::{
    Client,
    command::{Command, Encryption, Page, Query, RecordingLine, Reply, Uploaded},
    model::SessionState,
};

/// As many as the engine gives at once.
const PAGE: u32 = 500;

pub(crate) fn list(common: &Common, flags: &args::List) -> Result<()> {
    let mut client = connect::engine(common)?;
    let mut lines: Vec<RecordingLine> = Vec::new();
    while (lines.len() as u32) < flags.limit {
        let read = lines.len() as u32;
        let query = Query {
            text: flags.search.clone(),
            order: flags.order,
            trashed: flags.trash,
            offset: flags.offset.saturating_add(read),
            limit: (flags.limit - read).min(PAGE),
        };
        let reply = connect::ask(&mut client, Command::List(query), drop)?;
        let Reply::Recordings(Page { recordings, .. }) = reply else { return connect::surprised(&reply) };
        if recordings.is_empty() {
            break;
        }
        lines.extend(recordings);
    }
    if common.json {
        return words::print_json(&lines);
    }
    if lines.is_empty() {
        return words::print(match (flags.search.as_str(), flags.trash) {
            ("", false) => "No recordings yet: `spool record` makes one.",
            ("", true) => "The trash is empty.",
            _ => "No recording has all of these words.",
        });
    }
    lines.iter().try_for_each(print)
}

fn print(line: &RecordingLine) -> Result<()> {
    let state = match (line.encryption, line.state, line.lost_ms) {
        (Encryption::Locked, ..) => "locked: its key is not here".to_owned(),
        (_, SessionState::Recording, _) => "recording now".to_owned(),
        (_, SessionState::Finalized, _) => String::new(),
        (_, SessionState::Recovered, None) => "recovered".to_owned(),
        (_, SessionState::Recovered, Some(lost)) => {
            format!("recovered; up to {} missing at the end", words::duration(lost))
        }
    };
    let upload = match line.uploaded {
        Uploaded::NotWanted => "",
        Uploaded::Waiting => "waits for upload",
        Uploaded::Partial => "partly at the server",
        Uploaded::Verified => "at the server",
    };
    let state = [state.as_str(), upload].into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>();
    let state = state.join("; ");
    words::print(&format!(
        "{}  {}  {:>8}  {:>9}  {}  {state}",
        line.recording,
        words::date(line.started_at),
        words::clock(line.duration_ms),
        words::bytes(line.bytes),
        line.title
    ))
}

pub(crate) fn rename(common: &Common, flags: &args::Rename) -> Result<()> {
    if flags.title.is_none() && flags.description.is_none() && flags.meta.is_empty() {
        bail!("nothing to change: say --title, --description or --meta");
    }
    let mut client = connect::engine(common)?;
    let id = resolve(&mut client, &flags.id)?;
    let metadata = if flags.meta.is_empty() {
        None
    } else {
        let reply = connect::ask(&mut client, Command::Show { id: id.clone() }, drop)?;
        let Reply::Details(details) = reply else { return connect::surprised(&reply) };
        let mut metadata = details.metadata;
        for (key, value) in &flags.meta {
            match value.as_str() {
                "" => drop(metadata.remove(key)),
                value => drop(metadata.insert(key.clone(), value.to_owned())),
            }
        }
        Some(metadata)
    };
    let (title, description) = (flags.title.clone(), flags.description.clone());
    done(common, &mut client, Command::Describe { id, title, description, metadata }, "Changed.")
}

pub(crate) fn trash(common: &Common, flags: &args::Id) -> Result<()> {
    let mut client = connect::engine(common)?;
    let id = resolve(&mut client, &flags.id)?;
    let words = format!("In the trash; `spool restore {id}` takes it out.");
    done(common, &mut client, Command::Trash { id }, &words)
}

pub(crate) fn restore(common: &Common, flags: &args::Id) -> Result<()> {
    let mut client = connect::engine(common)?;
    let id = resolve_among(&mut client, &flags.id, Query { trashed: true, ..Query::default() })?;
    done(common, &mut client, Command::Restore { id }, "Out of the trash.")
}

/// Asks for something that is only done or not.
pub(crate) fn done(common: &Common, client: &mut Client, command: Command, words: &str) -> Result<()> {
    let reply = connect::ask(client, command, drop)?;
    let Reply::Done = reply else { return connect::surprised(&reply) };
    if common.json { words::print_json(&serde_json::json!({ "done": true })) } else { words::print(words) }
}

pub(crate) fn usage(common: &Common) -> Result<()> {
    let reply = connect::tell(common, Command::Usage)?;
    let Reply::Usage(usage) = reply else { return connect::surprised(&reply) };
    if common.json {
        return words::print_json(&usage);
    }
    let line = |what: &str, count: u32, bytes| format!("{what:<12} {count:>6}  {:>9}", words::bytes(bytes));
    words::print(&line("recordings", usage.recordings, usage.bytes))?;
    words::print(&line("in the trash", usage.trashed, usage.trashed_bytes))?;
    let (free, reserve) = (words::bytes(usage.free), words::bytes(usage.reserve));
    words::print(&format!("free                 {free:>9}, of which recordings leave {reserve} alone"))
}

/// `last` stands for the newest recording.
pub(crate) fn resolve(client: &mut Client, id: &str) -> Result<String> {
    resolve_among(client, id, Query::default())
}

/// `last` stands for the first that the query finds.
fn resolve_among(client: &mut Client, id: &str, query: Query) -> Result<String> {
    if id != "last" {
        return Ok(id.to_owned());
    }
    let newest = Query { limit: 1, ..query };
    let reply = connect::ask(client, Command::List(newest), drop)?;
    let Reply::Recordings(page) = reply else { return connect::surprised(&reply) };
    Ok(page.recordings.first().context("there are no recordings yet")?.session.to_string())
}

pub(crate) fn verify(common: &Common, flags: &args::Verify) -> Result<()> {
    let mut client = connect::engine(common)?;
    let id = resolve(&mut client, &flags.id)?;
    if flags.at_server {
        return verify_at_server(common, &mut client, id);
    }
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

fn verify_at_server(common: &Common, client: &mut Client, id: String) -> Result<()> {
    let reply = connect::ask(client, Command::UploadVerify { id }, drop)?;
    let Reply::Receipt(receipt) = reply else { return connect::surprised(&reply) };
    if common.json {
        words::print_json(&receipt)?;
    } else {
        words::print(&format!("{} at {}", words::verified(&receipt), receipt.server))?;
        receipt.missing.iter().try_for_each(|name| words::print(&format!("missing: {name}")))?;
    }
    match receipt.complete {
        true => Ok(()),
        false => bail!("the server does not have all of it; what is still here is sent again"),
    }
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
