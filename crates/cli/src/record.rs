//! `spool record`: begins a session, shows how it goes, and ends it.

use crate::{args, args::Common, connect, login, words};
use anyhow::{Context, Result, bail};
use crossbeam_channel::{Receiver, Sender, select, unbounded};
use engine::{
    Alarm, Client, Messages,
    command::{Choice, Command, Event, Message, Reply, SessionPlan, Snapshot, Summary},
};
use serde_json::json;
use std::{
    io::{IsTerminal, Write, stderr},
    thread,
    time::Duration,
};

pub(crate) fn run(common: &Common, flags: &args::Record) -> Result<()> {
    let mut client = connect::recorder(common)?;
    login::ensure(&mut client, flags.server.as_deref())?;
    let plan = plan(flags, default_plan(&mut client)?);
    let interrupted = interruptions()?;
    connect::ask(&mut client, Command::Subscribe, drop)?;
    let screen = Screen { json: common.json, live: !common.json && stderr().is_terminal() };
    let summary = follow(client, plan, &interrupted, &screen)?;
    screen.clear();
    words::print_finished(common.json, &summary)?;
    match summary.reason {
        Some(reason) => bail!("{reason}"),
        None => Ok(()),
    }
}

/// Begins the session and shows events until it has ended, by whomever.
fn follow(client: Client, plan: SessionPlan, interrupted: &Receiver<()>, screen: &Screen) -> Result<Summary> {
    let (mut requests, messages) = client.split();
    let (heard, received) = unbounded();
    thread::spawn(move || read(messages, &heard));
    requests.send(Command::Begin(plan.into()))?;
    let mut begun = false;
    loop {
        select! {
            recv(received) -> message => {
                match message?.context("the engine is gone; what it recorded is safe, and `spool list` shows it")? {
                    Message::Event(Event::Finished(summary)) | Message::Reply { reply: Reply::Finished(summary), .. } => {
                        return Ok(summary);
                    }
                    Message::Reply { reply: Reply::Begun { session, recording, notices }, .. } => {
                        begun = true;
                        screen.event(&json!({ "event": "started", "session": session, "recording": recording }))?;
                        for notice in notices {
                            screen.notice("missing", &notice)?;
                        }
                    }
                    Message::Event(Event::Changed(snapshot)) if begun => screen.status(&snapshot)?,
                    Message::Event(Event::Notice { code, message, .. }) => screen.notice(&code, &message)?,
                    Message::Event(Event::Recovered { title, lost_ms, .. }) => {
                        screen.notice("recovered", &words::recovered(&title, lost_ms))?;
                    }
                    Message::Event(Event::Alarm { alarm, raised }) => screen.alarm(&alarm, raised)?,
                    Message::Error { problem, .. } => return Err(problem.into()),
                    Message::Event(_) | Message::Reply { .. } => {}
                }
            }
            recv(interrupted) -> _ => {
                requests.send(Command::Stop)?;
                if !begun {
                    bail!("nothing was recorded yet");
                }
            }
        }
    }
}

fn read(mut messages: Messages, heard: &Sender<Result<Message>>) {
    loop {
        let message = messages.receive().map_err(anyhow::Error::from);
        let is_last = message.is_err();
        if heard.send(message).is_err() || is_last {
            return;
        }
    }
}

/// Ctrl-C, SIGTERM and a closed terminal.
fn interruptions() -> Result<Receiver<()>> {
    let (interrupt, interrupted) = unbounded();
    ctrlc::set_handler(move || {
        // Whoever listened has ended by itself.
        let _ended = interrupt.send(());
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(interrupted)
}

/// What the settings would record.
fn default_plan(client: &mut Client) -> Result<SessionPlan> {
    let reply = connect::ask(client, Command::Settings { key: None }, drop)?;
    let Reply::Settings(settings) = reply else { return connect::surprised(&reply) };
    Ok(SessionPlan::from_settings(&settings)?)
}

/// That, with what the flags say instead.
fn plan(flags: &args::Record, default: SessionPlan) -> SessionPlan {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let region = flags.region.as_ref().map(|region| format!("x11:region:{region}"));
    let screen = flags.screen.as_ref().or(flags.window.as_ref()).or(region.as_ref());
    let choose = |is_off: bool, flag: Option<&String>, default| match flag {
        _ if is_off => Choice::Off,
        Some(text) => Choice::parse(text),
        // A device that the settings name is none of those that are made up.
        None if flags.synthetic && matches!(default, Choice::Id(_)) => Choice::Default,
        None => default,
    };
    SessionPlan {
        title: flags.title.clone(),
        description: flags.description.clone(),
        metadata: flags.meta.iter().cloned().collect(),
        screen: choose(flags.no_screen, screen, default.screen),
        camera: choose(false, flags.camera.as_ref(), default.camera),
        camera_format: match flags.camera_format.as_deref() {
            None => default.camera_format,
            Some("best") => None,
            Some(format) => Some(format.to_owned()),
        },
        microphone: choose(flags.no_mic, flags.mic.as_ref(), default.microphone),
        system_audio: choose(false, flags.system_audio.as_ref(), default.system_audio),
        mode: flags.mode.unwrap_or(default.mode),
        keys: flags.keys || default.keys,
        quality: flags.preset.unwrap_or(default.quality),
        fps: flags.fps.unwrap_or(default.fps),
        chunk_ms: flags.chunk.map_or(default.chunk_ms, millis),
        synthetic: flags.synthetic,
        stop_after_ms: flags.duration.map(millis),
        ..default
    }
}

/// Where people or programs look while it records.
struct Screen {
    json: bool,
    live: bool,
}

impl Screen {
    fn event(&self, event: &serde_json::Value) -> Result<()> {
        if self.json { words::print_json(event) } else { Ok(()) }
    }

    fn status(&self, snapshot: &Snapshot) -> Result<()> {
        if self.json {
            let mut event = serde_json::to_value(snapshot).context("cannot write JSON")?;
            event["event"] = "status".into();
            return words::print_json(&event);
        }
        if self.live {
            // To the line's start, the text, and away with what is left of the longer one before.
            eprint!("\r{}\x1b[K", words::status_line(snapshot));
            let _gone = stderr().flush();
        }
        Ok(())
    }

    fn notice(&self, code: &str, message: &str) -> Result<()> {
        if self.json {
            return words::print_json(&json!({ "event": "notice", "code": code, "message": message }));
        }
        self.clear();
        eprintln!("{message}");
        Ok(())
    }

    fn alarm(&self, alarm: &Alarm, raised: bool) -> Result<()> {
        if self.json {
            let mut event = serde_json::to_value(alarm).context("cannot write JSON")?;
            event["event"] = "alarm".into();
            event["raised"] = raised.into();
            return words::print_json(&event);
        }
        self.clear();
        eprintln!("{}", if raised { alarm.message.clone() } else { format!("No longer: {}", alarm.message) });
        Ok(())
    }

    fn clear(&self) {
        if self.live {
            eprint!("\r\x1b[K");
        }
    }
}
