//! The desktop app on a display, with sound and a desktop bus of its own.

use crate::{
    program::{app_binary, spool_binary},
    spool::Spool,
    webdriver::Driven,
};
use rustix::process::Signal;
use serde_json::Value;
use stands::{
    Display, Sound,
    process::{Running, find_within, kill, output, text, tool, wait_for},
    window,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A desktop as the app finds one: a window manager, a bus, sound, and places for settings.
#[derive(Debug)]
pub struct Desktop {
    /// The command line in the same surroundings.
    pub spool: Spool,
    /// What is heard and played.
    pub sound: Sound,
    app: PathBuf,
    display: String,
    _manager: Running,
}

impl Desktop {
    /// On this display. Its sound brings the bus.
    pub fn start(display: &Display) -> Self {
        Self::start_with(display, app_binary(), spool_binary())
    }

    /// The same, for these programs. The app finds the command line beside itself.
    pub fn start_with(display: &Display, app: &Path, spool: &Path) -> Self {
        let sound = Sound::start();
        let spool = for_app(Spool::of(spool).on(display).hearing(&sound), "x11");
        let (app, name) = (app.to_owned(), display.name().to_owned());
        Self { spool, sound, app, display: name, _manager: window::manage(display) }
    }

    /// Opens the app, with a window that can be looked into.
    pub fn open(&self, arguments: &[&str]) -> App<'_> {
        App::open(&self.spool, &self.app, arguments)
    }

    /// Starts the app without anybody who looks into it.
    pub fn start_app(&self, arguments: &[&str]) -> Running {
        start(&self.spool, &self.app, arguments)
    }

    /// Presses keys as a keyboard does, such as `ctrl+shift+r`.
    pub fn press(&self, keys: &str) {
        text(tool("xdotool").env("DISPLAY", &self.display).args(["key", "--clearmodifiers", keys]));
    }

    /// Types words where the keyboard is.
    pub fn type_words(&self, words: &str) {
        text(tool("xdotool").env("DISPLAY", &self.display).args(["type", "--delay", "20", words]));
    }

    /// Waits until a window with this title can be seen.
    #[track_caller]
    pub fn wait_for_window(&self, title: &str) {
        wait_for(title, PATIENCE, || {
            let mut search = tool("xdotool");
            search.env("DISPLAY", &self.display).args(["search", "--onlyvisible", "--name", title]);
            output(&mut search).status.success().then_some(())
        });
    }

    /// Presses the key that records until something is recorded: an app without a window has it a moment after it
    /// was started.
    #[track_caller]
    pub fn record_by_key(&self) {
        wait_for("a recording", PATIENCE, || {
            self.press("ctrl+shift+r");
            find_within(Duration::from_secs(5), || {
                (self.spool.json(&["status"])["activity"] == "recording").then_some(())
            })
        });
    }

    /// The same where it can be asked whether it listens: one press is enough.
    #[track_caller]
    pub fn record_in(&self, app: &App<'_>) {
        app.keys();
        self.press("ctrl+shift+r");
        self.wait_until("recording");
    }

    /// Waits until the engine says that it does this.
    #[track_caller]
    pub fn wait_until(&self, activity: &str) -> Value {
        wait_for(&format!("{activity}\n{}", self.app_log()), PATIENCE, || {
            let status = self.spool.json(&["status"]);
            (status["activity"] == activity).then_some(status)
        })
    }

    /// The processes of the app itself, and those that show its pages.
    pub fn app_processes(&self) -> (Vec<u32>, Vec<u32>) {
        processes(&self.spool)
    }

    /// What the app wrote.
    pub fn app_log(&self) -> String {
        log(&self.spool)
    }

    /// The number of the window with this title, and its place (x, y, width, height), if it can be seen.
    pub fn window(&self, title: &str) -> Option<(u32, [i32; 4])> {
        let tell = |arguments: &[&str]| {
            let told = output(tool("xdotool").env("DISPLAY", &self.display).args(arguments));
            told.status.success().then(|| String::from_utf8_lossy(&told.stdout).into_owned())
        };
        let id = tell(&["search", "--onlyvisible", "--name", title])?.lines().next()?.to_owned();
        let place = tell(&["getwindowgeometry", "--shell", &id])?;
        let number = |name: &str| place.lines().find_map(|line| line.strip_prefix(name))?.parse().ok();
        Some((id.parse().ok()?, [number("X=")?, number("Y=")?, number("WIDTH=")?, number("HEIGHT=")?]))
    }

    /// Tells xdotool to do something.
    pub fn xdotool(&self, arguments: &[&str]) {
        text(tool("xdotool").env("DISPLAY", &self.display).args(arguments));
    }
}

/// Gives the surroundings what the app needs in them besides.
pub fn for_app(spool: Spool, backend: &str) -> Spool {
    // No accessibility bus either, whose absence GTK would wait for.
    spool
        .with("NO_AT_BRIDGE", "1")
        .with("GTK_A11Y", "none")
        .with("GDK_BACKEND", backend)
        .with("LC_ALL", "C.UTF-8")
}

/// Starts the app in these surroundings, without anybody who looks into it.
pub fn start(spool: &Spool, program: &Path, arguments: &[&str]) -> Running {
    let log = fs::File::options().create(true).append(true).open(spool.file("app.log"));
    let log = log.expect("logs can be written");
    let mut command = Command::new(program);
    spool.dress(command.args(arguments));
    Running::start(command.stdout(log.try_clone().expect("files can be shared")).stderr(log))
}

/// The processes of the app itself, and those that show its pages.
pub fn processes(spool: &Spool) -> (Vec<u32>, Vec<u32>) {
    (spool.processes_named("spool-app"), spool.processes_named("WebKitWebProces"))
}

/// What the app wrote.
pub fn log(spool: &Spool) -> String {
    fs::read_to_string(spool.file("app.log")).unwrap_or_default()
}

/// The app, open.
#[derive(Debug)]
pub struct App<'a> {
    spool: &'a Spool,
    /// Its main window.
    pub window: Driven,
}

impl<'a> App<'a> {
    /// Opens it in these surroundings, with a window that can be looked into.
    pub fn open(spool: &'a Spool, program: &Path, arguments: &[&str]) -> Self {
        let window = Driven::start(program, arguments, &spool.file("app.log"), |command| {
            spool.dress(command);
            command.env("TAURI_WEBVIEW_AUTOMATION", "true");
        });
        Self { spool, window }
    }

    /// Asks the engine from within the page; fails the test where the answer is a problem.
    #[track_caller]
    pub fn ask(&self, command: &Value) -> Value {
        self.window.evaluate(&format!("window.__TAURI_INTERNALS__.invoke('ask', {{ command: {command} }})"))
    }

    /// Asks the app itself.
    #[track_caller]
    pub fn invoke(&self, command: &str) -> Value {
        self.invoke_with(command, &Value::Null)
    }

    /// Asks the app itself, with these arguments.
    #[track_caller]
    pub fn invoke_with(&self, command: &str, arguments: &Value) -> Value {
        let arguments = if arguments.is_null() { "{}".to_owned() } else { arguments.to_string() };
        self.window.evaluate(&format!("window.__TAURI_INTERNALS__.invoke('{command}', {arguments})"))
    }

    /// Waits until the app listens for keys; gives them as pages show them.
    #[track_caller]
    pub fn keys(&self) -> Value {
        self.window.until(
            "(async () => { const { hotkeys } = await window.__TAURI_INTERNALS__.invoke('about'); \
             return hotkeys.length > 0 && hotkeys; })()",
        )
    }

    /// Kills it on the spot.
    pub fn kill(self) {
        let (app, _) = processes(self.spool);
        assert_eq!(app.len(), 1, "one app runs");
        kill(app[0], Signal::KILL);
        wait_for("the app's end", PATIENCE, || processes(self.spool).0.is_empty().then_some(()));
    }
}
