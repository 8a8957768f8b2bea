//! What pages may ask of the app. Each is one question to the engine or to the system.

use crate::{
    deeds::shell_problem,
    events,
    exports::Exports,
    hotkeys::{Hotkey, Hotkeys},
    link::Link,
    platform::{self, Session},
    updates, windows,
    words::Language,
};
use engine::{
    Problem,
    command::{Command, Reply},
};
use serde::Serialize;
use std::{
    ops::ControlFlow,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tauri::{AppHandle, State, async_runtime::spawn_blocking};
use tauri_plugin_dialog::DialogExt;
use tauri_plugin_opener::OpenerExt;

/// What the app says of itself.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub(crate) struct About {
    version: &'static str,
    /// The data folder.
    data: PathBuf,
    /// `linux`, `macos` or `windows`.
    system: &'static str,
    /// What draws windows.
    session: Session,
    /// What works while other programs have the keyboard.
    hotkeys: Vec<Hotkey>,
    /// Whether the small window is left out of what is recorded.
    hides_controller: bool,
    /// Whether the app can replace itself by a newer version; else the system does.
    updates_itself: bool,
}

/// The system's clipboard, kept open: on some systems what was copied is gone with whoever copied it.
#[derive(Clone, Default)]
pub(crate) struct Clipboard(Arc<Mutex<Option<arboard::Clipboard>>>);

#[tauri::command]
pub(crate) async fn ask(
    app: AppHandle,
    link: State<'_, Link>,
    exports: State<'_, Exports>,
    command: Command,
) -> Result<Reply, Problem> {
    if command == Command::Subscribe {
        let message = "pages hear what happens by the event `engine`".to_owned();
        return Err(Problem { code: "invalid".to_owned(), message });
    }
    let wanted = match &command {
        Command::Export(plan) => exports.begin(&plan.output),
        _ => Arc::default(),
    };
    let hearing = app.clone();
    let hear = move |event| {
        events::hear(&hearing, &event);
        if wanted.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    link.ask(command, hear).await
}

#[tauri::command]
pub(crate) async fn about(
    link: State<'_, Link>,
    hotkeys: State<'_, Hotkeys>,
    language: State<'_, Language>,
) -> Result<About, Problem> {
    Ok(About {
        version: env!("CARGO_PKG_VERSION"),
        data: link.data().to_owned(),
        system: std::env::consts::OS,
        session: platform::session(),
        hotkeys: hotkeys.all(language.words()),
        hides_controller: platform::HIDES_WINDOWS,
        updates_itself: updates::updates_itself(),
    })
}

/// Asks people where to save a file; none where they thought better of it.
#[tauri::command]
pub(crate) async fn choose_file(app: AppHandle, suggested_name: String) -> Result<Option<PathBuf>, Problem> {
    let dialog = app.dialog().file().set_file_name(suggested_name);
    let chosen = spawn_blocking(move || dialog.blocking_save_file()).await;
    let chosen = chosen.map_err(|error| shell_problem(&error))?;
    chosen.map(|file| file.into_path().map_err(|error| shell_problem(&error))).transpose()
}

/// Shows a file where it lies, in the system's file manager; where none answers, whatever opens folders opens its.
#[tauri::command]
pub(crate) async fn reveal(app: AppHandle, path: PathBuf) -> Result<(), Problem> {
    let reveal = move || {
        let opener = app.opener();
        let shown = opener.reveal_item_in_dir(&path);
        match path.parent().filter(|_| path.exists()) {
            Some(folder) if shown.is_err() => opener.open_path(folder.to_string_lossy(), None::<&str>),
            _ => shown,
        }
    };
    let revealed = spawn_blocking(reveal).await;
    revealed.map_err(|error| shell_problem(&error))?.map_err(|error| shell_problem(&error))
}

/// Shows a page of a server in the browser. Pages alone: what other addresses open is nobody's to choose.
#[tauri::command]
pub(crate) async fn open_page(app: AppHandle, url: String) -> Result<(), Problem> {
    if !is_page(&url) {
        let message = format!("{url:?} is not the address of a page");
        return Err(Problem { code: "invalid".to_owned(), message });
    }
    let opened = spawn_blocking(move || app.opener().open_url(url, None::<&str>)).await;
    opened.map_err(|error| shell_problem(&error))?.map_err(|error| shell_problem(&error))
}

fn is_page(url: &str) -> bool {
    url.parse::<tauri::Url>().is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Ends the export to this file, which is then answered by a problem. One that has ended is no fault.
#[tauri::command]
pub(crate) async fn cancel_export(exports: State<'_, Exports>, output: PathBuf) -> Result<(), Problem> {
    exports.cancel(&output);
    Ok(())
}

#[tauri::command]
pub(crate) async fn copy_text(clipboard: State<'_, Clipboard>, text: String) -> Result<(), Problem> {
    let clipboard = clipboard.inner().clone();
    let copied = spawn_blocking(move || clipboard.copy(text)).await;
    copied.map_err(|error| shell_problem(&error))?.map_err(|error| shell_problem(&error))
}

#[tauri::command]
pub(crate) async fn show_controller(app: AppHandle, visible: bool) -> Result<(), Problem> {
    let shown = spawn_blocking(move || windows::show_controller(&app, visible)).await;
    shown.map_err(|error| shell_problem(&error))?.map_err(|error| shell_problem(&error))
}

impl Clipboard {
    fn copy(&self, text: String) -> Result<(), arboard::Error> {
        let mut clipboard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *clipboard {
            Some(clipboard) => clipboard.set_text(text),
            none => none.insert(arboard::Clipboard::new()?).set_text(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_page;

    #[test]
    fn pages_are_opened_and_nothing_else() {
        assert!(
            is_page("https://spool.example.org/pair?code=WDJB-MJHT") && is_page("http://127.0.0.1:7070/pair")
        );
        for url in
            ["file:///etc/passwd", "javascript:alert(1)", "spool://record", "/usr/bin/env", "https:", ""]
        {
            assert!(!is_page(url), "{url}");
        }
    }
}
