//! The tray: what the engine does, and what can be done about it without a window.

use crate::{
    deeds::{self, Deed},
    windows::{self, View},
    words::{self, Words},
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
    open: MenuItem<Wry>,
    quit: MenuItem<Wry>,
}

/// What the tray shows while the engine does this.
struct Face<'a> {
    tooltip: &'a str,
    record: &'a str,
    can_record: bool,
    pause: &'a str,
    can_pause: bool,
    quit: &'a str,
    icon: Image<'static>,
}

impl<'a> Face<'a> {
    fn of(activity: Activity, words: &'a Words) -> Self {
        let say = &words.tray;
        let idle = Self {
            tooltip: &say.idle,
            record: &say.start,
            can_record: true,
            pause: &say.pause,
            can_pause: false,
            quit: &say.quit,
            icon: IDLE_ICON,
        };
        let running = Self {
            tooltip: &say.recording,
            record: &say.stop,
            can_record: true,
            pause: &say.pause,
            can_pause: true,
            quit: &say.stop_and_quit,
            icon: RECORDING_ICON,
        };
        match activity {
            Activity::Idle | Activity::Rehearsing => idle,
            Activity::Recording => running,
            Activity::Paused => {
                Self { tooltip: &say.paused, pause: &say.resume, icon: PAUSED_ICON, ..running }
            }
            Activity::Stopping => {
                Self { tooltip: &say.saving, can_record: false, can_pause: false, ..running }
            }
        }
    }
}

pub(crate) fn create(app: &AppHandle) -> tauri::Result<()> {
    let words = words::words(app);
    let face = Face::of(Activity::Idle, words);
    let item = |id: &str, text: &str, enabled| MenuItem::with_id(app, id, text, enabled, None::<&str>);
    let record = item("record", face.record, face.can_record)?;
    let pause = item("pause", face.pause, face.can_pause)?;
    let open = item("open", &words.tray.open, true)?;
    let quit = item("quit", face.quit, true)?;
    let (upper, lower) = (PredefinedMenuItem::separator(app)?, PredefinedMenuItem::separator(app)?);
    let icon = TrayIconBuilder::with_id("spool")
        .icon(face.icon)
        .tooltip(face.tooltip)
        .menu(&Menu::with_items(app, &[&record, &pause, &upper, &open, &lower, &quit])?)
        .on_menu_event(|app, event| match event.id.as_ref() {
            "record" => deeds::perform(app, Deed::Record),
            "pause" => deeds::perform(app, Deed::Pause),
            "open" => windows::open(app, View::Last),
            "quit" => deeds::quit(app),
            other => tracing::error!(other, "the tray has no such item"),
        })
        .build(app)?;
    app.manage(Tray { icon, record, pause, open, quit });
    Ok(())
}

/// Says what the engine does now, in the language that is spoken now.
pub(crate) fn show(app: &AppHandle, activity: Activity) {
    let words = words::words(app);
    let face = Face::of(activity, words);
    let tray = app.state::<Tray>();
    let shown = || -> tauri::Result<()> {
        tray.record.set_text(face.record)?;
        tray.record.set_enabled(face.can_record)?;
        tray.pause.set_text(face.pause)?;
        tray.pause.set_enabled(face.can_pause)?;
        tray.open.set_text(&words.tray.open)?;
        tray.quit.set_text(face.quit)?;
        tray.icon.set_tooltip(Some(face.tooltip))?;
        tray.icon.set_icon(Some(face.icon.clone()))
    };
    if let Err(error) = shown() {
        tracing::warn!(%error, "the tray says what was");
    }
}
