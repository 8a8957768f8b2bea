//! What people do without a window: by hotkey and tray. Each is a few questions to the engine.

use crate::{
    events, events::Latest, hotkeys, link::Link, notices, platform, tray, windows, windows::View,
    words::Language,
};
use engine::{
    Problem,
    command::{Activity, Command, Reply, SessionPlan, Setting},
};
use serde::Serialize;
use std::ops::ControlFlow;
use tauri::{AppHandle, Manager};

/// What a key can be bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Deed {
    /// Begins a recording as the settings have it, or ends the one that runs.
    Record,
    /// Pauses the recording, or goes on with it.
    Pause,
    /// Shows the recorded picture with the tools for drawing on it.
    Annotate,
    /// Marks this instant of the recording.
    Mark,
}

/// Does it without making anybody wait. What goes wrong is told by a notification.
pub(crate) fn perform(app: &AppHandle, deed: Deed) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let link = app.state::<Link>();
        let done = match deed {
            Deed::Record => record(&app, &link).await,
            Deed::Pause => pause(&app, &link).await,
            Deed::Annotate => {
                windows::open(&app, View::Draw);
                Ok(())
            }
            Deed::Mark => {
                let mark = Command::Mark { id: None, at_ms: None, label: String::new() };
                ask(&app, &link, mark).await.map(drop)
            }
        };
        if let Err(problem) = done {
            notices::problem(&app, &problem);
        }
    });
}

async fn ask(app: &AppHandle, link: &Link, command: Command) -> Result<Reply, Problem> {
    let app = app.clone();
    link.ask(command, move |event| {
        events::hear(&app, &event);
        ControlFlow::Continue(())
    })
    .await
}

pub(crate) async fn activity(app: &AppHandle, link: &Link) -> Result<Activity, Problem> {
    match ask(app, link, Command::Status).await? {
        Reply::Status(snapshot) => Ok(snapshot.activity),
        other => Err(surprise(&other)),
    }
}

pub(crate) async fn settings(app: &AppHandle, link: &Link) -> Result<Vec<Setting>, Problem> {
    match ask(app, link, Command::Settings { key: None }).await? {
        Reply::Settings(settings) => Ok(settings),
        other => Err(surprise(&other)),
    }
}

async fn record(app: &AppHandle, link: &Link) -> Result<(), Problem> {
    let command = match activity(app, link).await? {
        Activity::Idle | Activity::Rehearsing => {
            let plan = SessionPlan::from_settings(&settings(app, link).await?);
            Command::Begin(plan.map_err(|error| Problem::from(&error))?.into())
        }
        Activity::Recording | Activity::Paused | Activity::Stopping => Command::Stop,
    };
    ask(app, link, command).await.map(drop)
}

async fn pause(app: &AppHandle, link: &Link) -> Result<(), Problem> {
    let command = match activity(app, link).await? {
        Activity::Paused => Command::Resume,
        _ => Command::Pause,
    };
    ask(app, link, command).await.map(drop)
}

/// Ends the app; what is being recorded is finished first, since nobody would see that it goes on.
pub(crate) fn quit(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if app.state::<Latest>().activity() != Activity::Idle
            && let Err(problem) = ask(&app, &app.state::<Link>(), Command::Stop).await
        {
            tracing::warn!(%problem, "nothing was stopped");
        }
        app.exit(0);
    });
}

/// Takes over the settings that are the app's own: when it is connected, and when one was changed, by whomever.
pub(crate) fn apply_settings(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        match settings(&app, &app.state::<Link>()).await {
            Ok(settings) => {
                app.state::<windows::Manners>().learn(&settings);
                if app.state::<Language>().learn(&settings) {
                    tray::show(&app, app.state::<Latest>().activity());
                }
                if let Some(wanted) = switch(&settings, "autostart")
                    && let Err(error) = platform::start_with_desktop(&app, wanted)
                {
                    let error = format!("{error:#}");
                    tracing::warn!(error, "cannot change whether the app starts with the desktop");
                }
                hotkeys::apply(&app, &settings).await;
                events::tell_about(&app);
            }
            Err(problem) => tracing::warn!(%problem, "settings are as they were"),
        }
    });
}

/// Whether a setting is on, where there is such a setting.
pub(crate) fn switch(settings: &[Setting], key: &str) -> Option<bool> {
    chosen(settings, key).map(|value| value == "on")
}

/// A setting's value, where there is such a setting.
pub(crate) fn chosen<'a>(settings: &'a [Setting], key: &str) -> Option<&'a str> {
    settings.iter().find(|setting| setting.key == key).map(|setting| setting.value.as_str())
}

/// Something that the app itself could not do.
pub(crate) fn shell_problem(error: &impl ToString) -> Problem {
    Problem { code: "shell".to_owned(), message: error.to_string() }
}

fn surprise(reply: &Reply) -> Problem {
    Problem {
        code: "surprised".to_owned(),
        message: format!("the engine gave an unexpected answer: {reply:?}"),
    }
}
