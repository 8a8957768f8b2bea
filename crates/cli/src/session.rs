//! `spool stop`, `pause`, `resume`, `status`

use crate::{args::Common, connect, words};
use anyhow::{Result, bail};
use engine::{
    Client,
    command::{Activity, Command, Reply, Snapshot, UploadStatus},
};

pub(crate) fn stop(common: &Common) -> Result<()> {
    match connect::tell(common, Command::Stop)? {
        Reply::Finished(summary) => words::print_finished(common.json, &summary),
        Reply::Done => bail!("nothing was recorded yet; what was about to begin is called off"),
        reply => connect::surprised(&reply),
    }
}

pub(crate) fn pause(common: &Common) -> Result<()> {
    done(common, Command::Pause, "Paused; `spool resume` goes on.")
}

pub(crate) fn resume(common: &Common) -> Result<()> {
    done(common, Command::Resume, "Recording again.")
}

fn done(common: &Common, command: Command, words: &str) -> Result<()> {
    let reply = connect::tell(common, command)?;
    let Reply::Done = reply else { return connect::surprised(&reply) };
    if common.json { words::print_json(&serde_json::json!({ "done": true })) } else { words::print(words) }
}

pub(crate) fn status(common: &Common) -> Result<()> {
    // An engine that does not run is idle: asking need not start one.
    let snapshot = match Client::connect(&connect::data_folder(common)?)? {
        None => Box::new(Snapshot::default()),
        Some(mut client) => match connect::ask(&mut client, Command::Status, drop)? {
            Reply::Status(snapshot) => snapshot,
            reply => return connect::surprised(&reply),
        },
    };
    if common.json {
        return words::print_json(&snapshot);
    }
    if snapshot.activity == Activity::Idle {
        words::print("Not recording.")?;
        return print_uploads(&snapshot.upload);
    }
    words::print(&words::status_line(&snapshot))?;
    for track in &snapshot.tracks {
        let trouble = track.trouble.as_deref().map(|trouble| format!(": {trouble}")).unwrap_or_default();
        println!("  {:<8} {:>5} chunks  {}{trouble}", track.track, track.chunks, track.label);
    }
    for alarm in &snapshot.alarms {
        println!("  {}", alarm.message);
    }
    for notice in &snapshot.notices {
        println!("  {notice}");
    }
    print_uploads(&snapshot.upload)
}

fn print_uploads(status: &UploadStatus) -> Result<()> {
    if status.server.is_none() {
        return Ok(());
    }
    words::print(&words::upload_line(status))?;
    for line in &status.sessions {
        let title = if line.title.is_empty() { "Untitled" } else { &line.title };
        let problem =
            line.problem.as_ref().map(|problem| format!("  {}", problem.message)).unwrap_or_default();
        let (done, total) = (line.chunks_done, line.chunks_total);
        words::print(&format!("  {}  {done} of {total} chunks  {title}{problem}", line.recording))?;
    }
    Ok(())
}
