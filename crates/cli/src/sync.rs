//! `spool sync`: uploads what waits, and shows how far it is.

use crate::{args, args::Common, connect, library, login, words};
use anyhow::{Context, Result, bail};
use engine::{
    Messages,
    command::{Command, Event, Message, ReceiptLine, Reply, UploadState, UploadStatus, Uploaded},
};
use serde_json::json;
use std::{
    io::{IsTerminal, Write, stderr},
    thread,
    time::{Duration, Instant},
};

/// A server that is there has said no again by then.
const AGAIN: Duration = Duration::from_secs(2);

pub(crate) fn run(common: &Common, flags: &args::Sync) -> Result<()> {
    let mut client = connect::engine(common)?;
    login::ensure(&mut client, flags.server.as_deref())?;
    if flags.pause {
        return library::done(common, &mut client, Command::UploadPause, "Paused; `spool sync` goes on.");
    }
    let id = flags.id.as_deref().map(|id| library::resolve(&mut client, id)).transpose()?;
    let reply = connect::ask(&mut client, Command::Sync { id: id.clone() }, drop)?;
    let Reply::Done = reply else { return connect::surprised(&reply) };
    connect::ask(&mut client, Command::Subscribe, drop)?;
    let (_requests, messages) = client.split();
    let mut follower =
        Follower { common, flags, id, stuck: None, is_live: !common.json && stderr().is_terminal() };
    let ended = follower.follow(messages);
    follower.clear();
    ended
}

struct Follower<'a> {
    common: &'a Common,
    flags: &'a args::Sync,
    id: Option<String>,
    /// Since when nothing moves.
    stuck: Option<Instant>,
    is_live: bool,
}

impl Follower<'_> {
    fn follow(&mut self, mut messages: Messages) -> Result<()> {
        loop {
            match messages.receive().context("the engine is gone; uploads go on when it runs again")? {
                Message::Event(Event::Changed(snapshot)) => {
                    self.show(&snapshot.upload)?;
                    if self.flags.once && self.is_over(&snapshot.upload)? {
                        return self.finish();
                    }
                }
                Message::Event(Event::Uploaded { recording, title, receipt }) => {
                    self.uploaded(&recording.to_string(), &title, &receipt)?;
                }
                Message::Event(_) | Message::Reply { .. } | Message::Error { .. } => {}
            }
        }
    }

    /// Whether all is there that is wanted; an error where it will not be.
    fn is_over(&mut self, status: &UploadStatus) -> Result<bool> {
        let problem = || status.problem.as_ref().map_or("uploads do not go on", |problem| &problem.message);
        match status.state {
            UploadState::Idle => return Ok(true),
            UploadState::Off => bail!("not logged in at a server, or the setting upload is off"),
            UploadState::Paused => bail!("somebody paused uploads"),
            // It may be one from before, that is being tried again.
            UploadState::Problem => {
                thread::sleep(AGAIN);
                let reply = connect::tell(self.common, Command::Status)?;
                let Reply::Status(now) = reply else { return connect::surprised(&reply) };
                if now.upload.state == UploadState::Problem {
                    bail!("{}", problem());
                }
            }
            UploadState::Uploading => self.stuck = None,
            UploadState::Waiting => {
                let since = *self.stuck.get_or_insert_with(Instant::now);
                if since.elapsed() >= self.flags.patience {
                    bail!("{}", problem());
                }
            }
        }
        match &self.id {
            Some(id) => is_verified(self.common, id),
            None => Ok(false),
        }
    }

    fn finish(&self) -> Result<()> {
        if let Some(id) = &self.id
            && !is_verified(self.common, id)?
        {
            bail!("the server does not say that it has all of it; `spool show {id}` says what is missing");
        }
        self.clear();
        match self.common.json {
            true => words::print_json(&json!({ "event": "done" })),
            false => words::print("All that is to be at the server is there."),
        }
    }

    fn uploaded(&self, recording: &str, title: &str, receipt: &ReceiptLine) -> Result<()> {
        if self.common.json {
            let line =
                json!({ "event": "uploaded", "recording": recording, "title": title, "receipt": receipt });
            return words::print_json(&line);
        }
        self.clear();
        let name = if title.is_empty() { recording } else { title };
        words::print(&format!("{name}: {}", words::verified(receipt)))
    }

    fn show(&self, status: &UploadStatus) -> Result<()> {
        if self.common.json {
            let mut line = serde_json::to_value(status)?;
            line["event"] = "status".into();
            return words::print_json(&line);
        }
        if self.is_live {
            eprint!("\r{}\x1b[K", words::upload_line(status));
            let _gone = stderr().flush();
        }
        Ok(())
    }

    fn clear(&self) {
        if self.is_live {
            eprint!("\r\x1b[K");
        }
    }
}

fn is_verified(common: &Common, id: &str) -> Result<bool> {
    let reply = connect::tell(common, Command::Show { id: id.to_owned() })?;
    let Reply::Details(details) = reply else { return connect::surprised(&reply) };
    Ok(details.line.uploaded == Uploaded::Verified)
}
