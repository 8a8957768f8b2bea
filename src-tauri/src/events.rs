//! What the engine says by itself: a connection for nothing else, made again when it is lost.

use crate::{deeds, link::Link, notices, tray};
use anyhow::Result;
use engine::{
    Client, EngineError, Messages,
    command::{Activity, Command, Event, Message, UploadState, UploadStatus},
};
use serde::Serialize;
use std::{
    io,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};
use tauri::{AppHandle, Emitter, Manager};

/// After an engine was lost, and after one could not be started. Pages have read the first by then.
const PATIENCE: Duration = Duration::from_millis(300);
const PATIENCE_MAX: Duration = Duration::from_secs(10);

/// How the app stands with the engine, as pages hear it by the event `engine-state`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub(crate) struct EngineState {
    state: Connection,
    /// What went wrong, for people.
    #[cfg_attr(feature = "bindings", ts(optional))]
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
enum Connection {
    /// It listens.
    Connected,
    /// It is looked for, and started where none runs.
    Starting,
    /// It ended, or could not be started. It is tried again.
    Lost,
}

/// What the engine said last.
#[derive(Debug, Default)]
pub(crate) struct Latest(Mutex<Said>);

/// What it is doing, which settings it has, by their number, and whether a server no longer lets it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Said {
    activity: Activity,
    settings: u64,
    shut_out: bool,
}

impl Latest {
    /// What it is doing, as far as is known.
    pub(crate) fn activity(&self) -> Activity {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).activity
    }

    /// What was said before.
    fn replace(&self, said: Said) -> Said {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), said)
    }
}

/// Listens from a thread of its own for as long as the app runs.
pub(crate) fn listen(app: &AppHandle) -> io::Result<()> {
    let app = app.clone();
    thread::Builder::new().name("events".into()).spawn(move || keep_listening(&app)).map(drop)
}

fn keep_listening(app: &AppHandle) {
    let link = app.state::<Link>().inner().clone();
    let mut patience = PATIENCE;
    // Only at first: an engine that others started meanwhile has its reasons to be as it is.
    let mut connect: fn(&Link) -> Result<Client, EngineError> = Link::connect_to_recorder;
    loop {
        tell(app, Connection::Starting, None);
        let why = match subscribe(&link, connect) {
            Ok(messages) => {
                patience = PATIENCE;
                connect = Link::connect;
                tell(app, Connection::Connected, None);
                deeds::apply_settings(app);
                pass_on(app, messages)
            }
            Err(error) => format!("{error:#}"),
        };
        tracing::warn!(why, "the engine is gone");
        link.forget();
        // Whatever it was doing, it no longer does.
        follow(app, Said::default());
        tell(app, Connection::Lost, Some(why));
        thread::sleep(patience);
        patience = (patience * 2).min(PATIENCE_MAX);
    }
}

fn subscribe(link: &Link, connect: fn(&Link) -> Result<Client, EngineError>) -> Result<Messages> {
    let mut client = connect(link)?;
    client.ask(Command::Subscribe, drop)??;
    Ok(client.split().1)
}

/// Until the connection ends, and why it did.
fn pass_on(app: &AppHandle, mut messages: Messages) -> String {
    loop {
        match messages.receive() {
            Ok(Message::Event(event)) => hear(app, &event),
            Ok(Message::Reply { .. } | Message::Error { .. }) => {}
            Err(error) => return error.to_string(),
        }
    }
}

/// Something happened: pages, the tray and people who look elsewhere hear of it.
pub(crate) fn hear(app: &AppHandle, event: &Event) {
    if let Event::Changed(snapshot) = event {
        let shut_out = is_shut_out(&snapshot.upload);
        let before = follow(app, Said { activity: snapshot.activity, settings: snapshot.settings, shut_out });
        if shut_out && !before.shut_out {
            notices::shut_out(app, snapshot.upload.server.as_deref().unwrap_or_default());
        }
    }
    notices::consider(app, event);
    if let Err(error) = app.emit("engine", event) {
        tracing::warn!(%error, "a page did not hear an event");
    }
}

/// Whether uploads have ended until somebody logs in again. All else that may be in their way passes.
fn is_shut_out(upload: &UploadStatus) -> bool {
    let code = upload.problem.as_ref().map(|problem| problem.code.as_str());
    upload.state == UploadState::Problem && matches!(code, Some("login" | "forbidden"))
}

/// Takes over what was said, and gives what was said before.
fn follow(app: &AppHandle, said: Said) -> Said {
    let before = app.state::<Latest>().replace(said);
    if before.activity != said.activity {
        tray::show(app, said.activity);
    }
    // An engine that has just begun counts from nothing, and its settings are read when it is found.
    if before.settings != said.settings && said.settings != 0 {
        deeds::apply_settings(app);
    }
    before
}

/// What the app says of itself is something else now: pages ask again.
pub(crate) fn tell_about(app: &AppHandle) {
    if let Err(error) = app.emit("about", ()) {
        tracing::warn!(%error, "a page did not hear of the app");
    }
}

fn tell(app: &AppHandle, state: Connection, message: Option<String>) {
    if let Err(error) = app.emit("engine-state", EngineState { state, message }) {
        tracing::warn!(%error, "a page did not hear how the engine is");
    }
}
