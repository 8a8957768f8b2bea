//! `spool record`: begins a session, shows how it goes, and ends it.

use crate::{args, args::Common, connect, words};
use anyhow::{Context, Result, bail};
use crossbeam_channel::{Receiver, Sender, select, unbounded};
use engine::{
    Alarm, Client, Messages,
    command::{Choice, Command, Event, Message, Quality, Reply, SessionPlan, Snapshot, Summary},
    settings::{parse_chunk, parse_fps, parse_mode, parse_preset},
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write, stderr},
    thread,
    time::Duration,
};

pub(crate) fn run(common: &Common, flags: &args::Record) -> Result<()> {
    let mut client = connect::recorder(common)?;
    let plan = plan(flags, &settings(&mut client)?)?;
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
                    Message::Event(Event::Alarm { alarm, raised }) => screen.alarm(&alarm, raised)?,
                    Message::Error { problem, .. } => return Err(problem.into()),
                    Message::Event(Event::Progress { .. } | Event::Changed(_)) | Message::Reply { .. } => {}
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

/// Settings in force, by name.
fn settings(client: &mut Client) -> Result<BTreeMap<String, String>> {
    let reply = connect::ask(client, Command::Settings { key: None }, drop)?;
    let Reply::Settings(settings) = reply else { return connect::surprised(&reply) };
    Ok(settings.into_iter().map(|setting| (setting.key, setting.value)).collect())
}

fn plan(flags: &args::Record, settings: &BTreeMap<String, String>) -> Result<SessionPlan> {
    let setting = |key: &str| settings.get(key).map(String::as_str).context("the engine lacks a setting");
    let quality: Quality = match flags.preset {
        Some(quality) => quality,
        None => parse_preset(setting("preset")?).map_err(anyhow::Error::msg)?,
    };
    let fps = match flags.fps {
        Some(fps) => fps,
        None => parse_fps(setting("fps")?).map_err(anyhow::Error::msg)?,
    };
    let chunk = match flags.chunk {
        Some(chunk) => chunk,
        None => parse_chunk(setting("chunk")?).map_err(anyhow::Error::msg)?,
    };
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Ok(SessionPlan {
        title: flags.title.clone(),
        description: flags.description.clone(),
        metadata: flags.meta.iter().cloned().collect(),
        screen: choice(flags.no_screen, screen_id(flags).as_deref().unwrap_or("default")),
        camera: choice(false, flags.camera.as_deref().unwrap_or(setting("camera")?)),
        camera_format: match flags.camera_format.as_deref().unwrap_or(setting("camera-format")?) {
            "best" => None,
            format => Some(format.to_owned()),
        },
        mode: match flags.mode {
            Some(mode) => mode,
            None => parse_mode(setting("mode")?).map_err(anyhow::Error::msg)?,
        },
        layout: None,
        keys: flags.keys || setting("keys")? == "on",
        microphone: choice(flags.no_mic, flags.mic.as_deref().unwrap_or(setting("mic")?)),
        system_audio: choice(false, flags.system_audio.as_deref().unwrap_or(setting("system-audio")?)),
        quality,
        fps,
        chunk_ms: millis(chunk),
        synthetic: flags.synthetic,
        stop_after_ms: flags.duration.map(millis),
    })
}

fn screen_id(flags: &args::Record) -> Option<String> {
    let region = flags.region.as_ref().map(|region| format!("x11:region:{region}"));
    flags.screen.clone().or_else(|| flags.window.clone()).or(region)
}

fn choice(is_off: bool, text: &str) -> Choice {
    match text {
        _ if is_off => Choice::Off,
        "off" => Choice::Off,
        "default" | "" => Choice::Default,
        id => Choice::Id(id.to_owned()),
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
