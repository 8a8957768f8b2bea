//! The tray: what the engine does, and what can be done about it without a window.

use crate::{
    deeds::{self, Deed},
    windows::{self, View},
};
use engine::command::Activity;
use tauri::{
    AppHandle, Manager, Wry,
    image::Image,
    menu::{Menu, MenuItem, PredefinedMenuItem},
    tray::{TrayIcon, TrayIconBuilder},
};

const IDLE_ICON: Image<'_> = tauri::include_image!("icons/tray.png");
const RECORDING_ICON: Image<'_> = tauri::include_image!("icons/tray-recording.png");
const PAUSED_ICON: Image<'_> = tauri::include_image!("icons/tray-paused.png");

struct Tray {
    icon: TrayIcon<Wry>,
    record: MenuItem<Wry>,
    pause: MenuItem<Wry>,
    quit: MenuItem<Wry>,
}

/// What the tray says while the engine does this.
struct Words {
    tooltip: &'static str,
    record: &'static str,
    can_record: bool,
    pause: &'static str,
    can_pause: bool,
    quit: &'static str,
    icon: Image<'static>,
}

impl Words {
    fn of(activity: Activity) -> Self {
        let idle = Self {
            tooltip: "Spool",
            record: "Start recording",
            can_record: true,
            pause: "Pause",
            can_pause: false,
            quit: "Quit",
            icon: IDLE_ICON,
        };
        let running = Self {
            tooltip: "Spool is recording",
            record: "Stop recording",
            can_record: true,
            pause: "Pause",
            can_pause: true,
            quit: "Stop recording and quit",
            icon: RECORDING_ICON,
        };
        match activity {
            Activity::Idle | Activity::Rehearsing => idle,
            Activity::Recording => running,
            Activity::Paused => {
                Self { tooltip: "Spool is paused", pause: "Resume", icon: PAUSED_ICON, ..running }
            }
            Activity::Stopping => {
                Self { tooltip: "Spool is saving", can_record: false, can_pause: false, ..running }
            }
        }
    }
}

pub(crate) fn create(app: &AppHandle) -> tauri::Result<()> {
    let words = Words::of(Activity::Idle);
    let item = |id: &str, text: &str, enabled| MenuItem::with_id(app, id, text, enabled, None::<&str>);
    let record = item("record", words.record, words.can_record)?;
    let pause = item("pause", words.pause, words.can_pause)?;
    let show = item("show", "Open Spool", true)?;
    let quit = item("quit", words.quit, true)?;
    let (upper, lower) = (PredefinedMenuItem::separator(app)?, PredefinedMenuItem::separator(app)?);
    let icon = TrayIconBuilder::with_id("spool")
        .icon(words.icon)
        .tooltip(words.tooltip)
        .menu(&Menu::with_items(app, &[&record, &pause, &upper, &show, &lower, &quit])?)
        .on_menu_event(|app, event| match event.id.as_ref() {
            "record" => deeds::perform(app, Deed::Record),
            "pause" => deeds::perform(app, Deed::Pause),
            "show" => windows::open(app, View::Last),
            "quit" => deeds::quit(app),
            other => tracing::error!(other, "the tray has no such item"),
        })
        .build(app)?;
    app.manage(Tray { icon, record, pause, quit });
    Ok(())
}

/// Says what the engine does now.
pub(crate) fn show(app: &AppHandle, activity: Activity) {
    let words = Words::of(activity);
    let tray = app.state::<Tray>();
    let shown = || -> tauri::Result<()> {
        tray.record.set_text(words.record)?;
        tray.record.set_enabled(words.can_record)?;
        tray.pause.set_text(words.pause)?;
        tray.pause.set_enabled(words.can_pause)?;
        tray.quit.set_text(words.quit)?;
        tray.icon.set_tooltip(Some(words.tooltip))?;
        tray.icon.set_icon(Some(words.icon.clone()))
    };
    if let Err(error) = shown() {
        tracing::warn!(%error, "the tray says what was");
    }
}
