//! Newer versions of the app: looked for where people chose that, installed when they say so.
//!
//! Owns the only connection to another machine that this part of Spool opens. It is opened where the setting `updates` is
//! `ask` and somebody asks, and only in packages that nobody else updates. Never ends a recording: while there is one,
//! nothing is installed. Tested in `tests/` with a server and a key of the test's own.

#[cfg(feature = "updater")]
#[path = "updates/own.rs"]
mod way;
#[cfg(not(feature = "updater"))]
#[path = "updates/system.rs"]
mod way;

pub(crate) use way::{add, updates_itself};

use crate::{deeds, link::Link};
use engine::{Problem, command::Activity};
use serde::Serialize;
use tauri::{AppHandle, Manager};

/// A version that is newer than this one.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub(crate) struct Newer {
    version: String,
    /// What is new in it, in its makers' words.
    notes: Option<String>,
}

/// Asks the makers' server; none where this version is the newest.
#[tauri::command]
pub(crate) async fn look_for_update(app: AppHandle) -> Result<Option<Newer>, Problem> {
    check_choice(&app).await?;
    way::look(&app).await
}

/// Installs what [`look_for_update`] finds, and starts the app anew.
#[tauri::command]
pub(crate) async fn install_update(app: AppHandle) -> Result<(), Problem> {
    check_choice(&app).await?;
    check_idle(&app).await?;
    let fetched = way::fetch(&app).await?;
    // Fetching takes a while.
    check_idle(&app).await?;
    fetched.install()?;
    app.request_restart();
    Ok(())
}

/// No connection without people's choice.
async fn check_choice(app: &AppHandle) -> Result<(), Problem> {
    let settings = deeds::settings(app, &app.state::<Link>()).await?;
    if settings.iter().any(|setting| setting.key == "updates" && setting.value == "ask") {
        return Ok(());
    }
    let message = "nobody is asked for newer versions, since the setting `updates` is off".to_owned();
    Err(Problem { code: "updates_off".to_owned(), message })
}

async fn check_idle(app: &AppHandle) -> Result<(), Problem> {
    match deeds::activity(app, &app.state::<Link>()).await? {
        Activity::Idle | Activity::Rehearsing => Ok(()),
        Activity::Recording | Activity::Paused | Activity::Stopping => {
            let message = "nothing is installed while a recording runs".to_owned();
            Err(Problem { code: "recording".to_owned(), message })
        }
    }
}
