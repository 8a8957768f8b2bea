//! The desktop app: windows, a tray, hotkeys and notifications around the engine, which is a process of its own.
//!
//! Owns: nothing but these. Decides nothing and keeps nothing: what people see is the engine's state, what they choose
//! are its settings. Never blocks its main thread. Tested end to end in `tests/`, and beside the code where it is pure.

#[cfg(all(test, feature = "bindings"))]
mod bindings;
mod commands;
mod deeds;
mod events;
mod exports;
mod hotkeys;
mod lane;
mod link;
mod notices;
mod platform;
mod protocol;
mod start;
mod tray;
mod updates;
mod windows;
mod words;

use crate::{link::Link, start::Start};
use anyhow::{Context, Result};
use engine::connect::{Address, data_folder, engine_program};
use std::env;
use tauri::{App, AppHandle, RunEvent};
use tauri_plugin_deep_link::DeepLinkExt;
use tracing_subscriber::EnvFilter;

/// Runs the app until somebody quits it. `arguments` are those of the program, without its name.
pub fn run(arguments: impl Iterator<Item = String>) -> Result<()> {
    let Some(start) = Start::parse(arguments)? else {
        println!("{}", start::USAGE);
        return Ok(());
    };
    let filter = EnvFilter::try_from_env("SPOOL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(std::io::stderr).init();
    let chosen = start.data.clone().or_else(|| env::var_os("SPOOL_DATA").map(Into::into));
    let link = Link::new(Address { data: data_folder(chosen)?, program: engine_program() });
    let app = builder()
        .manage(link)
        .setup(move |app| Ok(set_up(app, &start)?))
        .build(tauri::generate_context!())
        .context("cannot start")?;
    app.run(|app, event| match event {
        // The last window was closed. Quitting for good is told apart by its code.
        RunEvent::ExitRequested { api, code: None, .. } if windows::stays_without(app) => api.prevent_exit(),
        _ => {}
    });
    Ok(())
}

fn builder() -> tauri::Builder<tauri::Wry> {
    let builder = platform::equip(tauri::Builder::default())
        // The first plugin, since the others should not even begin in a second instance.
        .plugin(tauri_plugin_single_instance::init(|app, arguments, folder| {
            start::again(app, &arguments, &folder);
        }))
        .plugin(tauri_plugin_deep_link::init())
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_notification::init())
        .plugin(tauri_plugin_opener::Builder::new().open_js_links_on_click(false).build())
        .plugin(windows::memory())
        .plugin(tauri_plugin_global_shortcut::Builder::new().build());
    updates::add(builder)
        .register_asynchronous_uri_scheme_protocol("engine", |context, request, responder| {
            protocol::answer(context.app_handle(), &request, responder);
        })
        .invoke_handler(tauri::generate_handler![
            commands::about,
            commands::ask,
            commands::cancel_export,
            commands::choose_file,
            commands::copy_text,
            commands::open_page,
            commands::reveal,
            commands::show_controller,
            updates::install_update,
            updates::look_for_update,
        ])
        .on_window_event(windows::hear)
        .manage(events::Latest::default())
        .manage(exports::Exports::default())
        .manage(hotkeys::Hotkeys::default())
        .manage(windows::Manners::default())
        .manage(commands::Clipboard::default())
        .manage(notices::Told::default())
        .manage(words::Language::default())
}

fn set_up(app: &mut App, start: &Start) -> Result<()> {
    let app: &AppHandle = app.handle();
    tray::create(app).context("cannot make the tray")?;
    // Where systems hand links to the program that runs; elsewhere they start it again.
    let opener = app.clone();
    app.deep_link().on_open_url(move |event| {
        for url in event.urls() {
            windows::open_link(&opener, url.as_str());
        }
    });
    start.show(app);
    events::listen(app).context("cannot start a thread")
}
