//! Windows: the main one, and the small one that floats while something is recorded. A window that is closed is gone,
//! with its processes: a recording that nobody looks at should cost nothing.

use crate::{deeds, events::Latest, notices, platform, words};
use engine::command::{Activity, Setting};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};
use tauri::{
    AppHandle, Manager, Url, WebviewUrl, WebviewWindowBuilder, Window, WindowEvent, Wry, plugin::TauriPlugin,
};
use tauri_plugin_window_state::{AppHandleExt, StateFlags};

const MAIN: &str = "main";
const CONTROLLER: &str = "controller";
/// Logical pixels.
const SIZE: (f64, f64) = (1180.0, 760.0);
const SIZE_MIN: (f64, f64) = (720.0, 520.0);
const CONTROLLER_SIZE: (f64, f64) = (320.0, 56.0);
/// Beside and below it; panels lie there.
const CONTROLLER_MARGIN: (f64, f64) = (24.0, 72.0);

/// Between a window's end and that of its helpers.
const CALM: Duration = Duration::from_secs(3);

/// For one who sees the page already.
const TOGGLE_DRAWING: &str =
    "location.hash = location.hash === '#/record/draw' ? '#/record' : '#/record/draw'";

/// What the main window shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum View {
    /// What it showed before.
    Last,
    /// Sources and the way to record them.
    Record,
    /// The recorded picture, with the tools for drawing on it.
    Draw,
    /// All recordings.
    Library,
    /// One recording.
    Recording(String),
    /// What is on its way to a server.
    Uploads,
    /// The settings.
    Settings,
}

impl View {
    /// From `spool://record` and so on; none for what is not known. Links come from anywhere, so none does more than
    /// show.
    fn from_link(link: &str) -> Option<Self> {
        let path = link.strip_prefix("spool:")?.trim_matches('/');
        match path.split_once('/') {
            None if path.is_empty() => Some(Self::Last),
            None if path == "record" => Some(Self::Record),
            None if path == "library" => Some(Self::Library),
            None if path == "uploads" => Some(Self::Uploads),
            None if path == "settings" => Some(Self::Settings),
            Some(("recording", id)) if is_id(id) => Some(Self::Recording(id.to_owned())),
            _ => None,
        }
    }

    /// What the page knows it by, behind its address.
    fn place(&self) -> Option<String> {
        match self {
            Self::Last => None,
            Self::Record => Some("#/record".to_owned()),
            Self::Draw => Some("#/record/draw".to_owned()),
            Self::Library => Some("#/library".to_owned()),
            Self::Recording(id) => Some(format!("#/player/{id}")),
            Self::Uploads => Some("#/uploads".to_owned()),
            Self::Settings => Some("#/settings".to_owned()),
        }
    }
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// How windows behave, as the settings have it.
#[derive(Debug)]
pub(crate) struct Manners {
    closes_to_tray: AtomicBool,
    notifies: AtomicBool,
    /// Held while a window is looked for or made, so that two wishes never make two.
    making: Mutex<()>,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            closes_to_tray: AtomicBool::new(true),
            notifies: AtomicBool::new(true),
            making: Mutex::default(),
        }
    }
}

impl Manners {
    pub(crate) fn learn(&self, settings: &[Setting]) {
        let is_on = |key| deeds::switch(settings, key).unwrap_or(true);
        self.closes_to_tray.store(is_on("close-to-tray"), Ordering::Relaxed);
        self.notifies.store(is_on("notifications"), Ordering::Relaxed);
    }
}

/// Remembers where windows were. Not whether they were seen: the app decides that.
pub(crate) fn memory() -> TauriPlugin<Wry> {
    tauri_plugin_window_state::Builder::new().with_state_flags(remembered()).build()
}

fn remembered() -> StateFlags {
    StateFlags::all() - StateFlags::VISIBLE - StateFlags::DECORATIONS
}

/// Shows what a link names. One that names nothing is refused in words, and the window shown as it is, since people
/// who follow a link wait for something to happen.
pub(crate) fn open_link(app: &AppHandle, link: &str) {
    let view = View::from_link(link);
    if view.is_none() {
        notices::refused_link(app);
    }
    open(app, view.unwrap_or(View::Last));
}

/// Shows the main window, a new one if need be. Windows are made by the main thread, which must not wait for itself:
/// so whoever waits for them is another.
pub(crate) fn open(app: &AppHandle, view: View) {
    let app = app.clone();
    tauri::async_runtime::spawn_blocking(move || {
        if let Err(error) = try_open(&app, &view) {
            tracing::error!(%error, "the window cannot be shown");
        }
    });
}

fn try_open(app: &AppHandle, view: &View) -> tauri::Result<()> {
    let manners = app.state::<Manners>();
    let _making = manners.making.lock().unwrap_or_else(PoisonError::into_inner);
    let place = view.place();
    if let Some(window) = app.get_webview_window(MAIN) {
        // Whether it has the keyboard cannot be asked: while a hotkey is held, nobody has it.
        let is_seen = window.is_visible()? && !window.is_minimized()?;
        window.show()?;
        window.unminimize()?;
        window.set_focus()?;
        if *view == View::Draw && is_seen {
            return window.eval(TOGGLE_DRAWING);
        }
        // Words of ours and ids, which hold nothing that could end the text.
        return place.map_or(Ok(()), |place| window.eval(format!("location.hash = '{place}'")));
    }
    let page = format!("index.html{}", place.unwrap_or_default());
    let window = WebviewWindowBuilder::new(app, MAIN, WebviewUrl::App(page.into()))
        .title("Spool")
        .inner_size(SIZE.0, SIZE.1)
        .min_inner_size(SIZE_MIN.0, SIZE_MIN.1)
        // Where it was is known only once it is there.
        .visible(false)
        .on_navigation(is_ours)
        .build()?;
    window.show()?;
    window.set_focus()
}

/// Shows or closes the small window. Waits for the main thread.
pub(crate) fn show_controller(app: &AppHandle, visible: bool) -> tauri::Result<()> {
    let manners = app.state::<Manners>();
    let _making = manners.making.lock().unwrap_or_else(PoisonError::into_inner);
    match app.get_webview_window(CONTROLLER) {
        Some(window) if visible => window.show(),
        Some(window) => window.destroy(),
        None if visible => {
            let (x, y) = controller_place(app)?;
            WebviewWindowBuilder::new(app, CONTROLLER, WebviewUrl::App("controller.html".into()))
                .title(&words::words(app).controller)
                .inner_size(CONTROLLER_SIZE.0, CONTROLLER_SIZE.1)
                // Where it was last time goes before this.
                .position(x, y)
                // Not by its own word: GTK gives windows that cannot be resized a size of its own.
                .min_inner_size(CONTROLLER_SIZE.0, CONTROLLER_SIZE.1)
                .max_inner_size(CONTROLLER_SIZE.0, CONTROLLER_SIZE.1)
                .maximizable(false)
                .decorations(false)
                .always_on_top(true)
                .skip_taskbar(true)
                .focused(false)
                // It should not be in the picture, where the system can leave it out.
                .content_protected(true)
                .on_navigation(is_ours)
                .build()
                .map(drop)
        }
        None => Ok(()),
    }
}

/// In the lower right corner of the main screen. Logical pixels.
fn controller_place(app: &AppHandle) -> tauri::Result<(f64, f64)> {
    let Some(screen) = app.primary_monitor()? else { return Ok((0.0, 0.0)) };
    let scale = screen.scale_factor();
    let place = screen.position().to_logical::<f64>(scale);
    let size = screen.size().to_logical::<f64>(scale);
    let x = place.x + size.width - CONTROLLER_SIZE.0 - CONTROLLER_MARGIN.0;
    Ok((x, place.y + size.height - CONTROLLER_SIZE.1 - CONTROLLER_MARGIN.1))
}

/// Pages of our own only, also while they are developed.
fn is_ours(url: &Url) -> bool {
    match url.scheme() {
        "tauri" => true,
        "http" | "https" => matches!(url.host_str(), Some("tauri.localhost" | "127.0.0.1")),
        _ => false,
    }
}

/// What windows themselves tell.
pub(crate) fn hear(window: &Window, event: &WindowEvent) {
    if !matches!(event, WindowEvent::Destroyed) {
        return;
    }
    let app = window.app_handle().clone();
    tauri::async_runtime::spawn_blocking(move || rest(&app));
    // Now, and not only at the end: that may be a kill.
    if let Err(error) = window.app_handle().save_window_state(remembered()) {
        tracing::warn!(%error, "where the window was is not remembered");
    }
}

/// Frees what only pages need, if no window has one after a while.
fn rest(app: &AppHandle) {
    // A web view that is told of a helper's end while it still greets it ends the whole app.
    thread::sleep(CALM);
    let manners = app.state::<Manners>();
    let _making = manners.making.lock().unwrap_or_else(PoisonError::into_inner);
    if app.webview_windows().is_empty()
        && let Err(error) = platform::end_page_helpers()
    {
        tracing::warn!(%error, "processes that showed pages are still there");
    }
}

/// Whether the app lives on without a window: always while something is recorded, since nobody would see that it is.
pub(crate) fn stays_without(app: &AppHandle) -> bool {
    let to_tray = app.state::<Manners>().closes_to_tray.load(Ordering::Relaxed);
    to_tray || app.state::<Latest>().activity() != Activity::Idle
}

/// Whether people want to be told of what they do not see: nobody looks at a window of the app.
pub(crate) fn wants_notices(app: &AppHandle) -> bool {
    let is_seen = || app.webview_windows().values().any(|window| window.is_focused().unwrap_or(false));
    app.state::<Manners>().notifies.load(Ordering::Relaxed) && !is_seen()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_only_show() {
        let view = View::from_link;
        assert_eq!(view("spool://record"), Some(View::Record));
        assert_eq!(view("spool://library/"), Some(View::Library));
        assert_eq!(view("spool://uploads"), Some(View::Uploads));
        assert_eq!(view("spool:settings"), Some(View::Settings));
        assert_eq!(view("spool://"), Some(View::Last));
        assert_eq!(view("spool://recording/0192-abcd"), Some(View::Recording("0192-abcd".into())));
        for hostile in [
            "spool://recording/../..",
            "spool://recording/",
            "spool://recording/a/b",
            "spool://recording/';alert(1);'",
            "spool://stop",
            "spool://record?now=1",
            "spool://record#/settings",
            "spool:spool:record",
            "",
            "x://record",
        ] {
            assert_eq!(view(hostile), None, "{hostile}");
        }
    }

    #[test]
    fn windows_stay_at_home() {
        let ours = |url: &str| is_ours(&Url::parse(url).unwrap());
        assert!(ours("tauri://localhost/index.html#/library"));
        assert!(ours("http://tauri.localhost/") && ours("http://127.0.0.1:1420/"));
        assert!(!ours("https://example.org/") && !ours("file:///etc/passwd") && !ours("engine://localhost/"));
    }
}
