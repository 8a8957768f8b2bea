//! A display and sound for a machine that has none.

use crate::sh::{Folder, Result, Running, find, read, succeed, wait_for, works};
use std::{env, path::PathBuf, process::Command};

/// What a program needs in its environment to see and to hear.
pub(crate) struct Stage {
    environment: Vec<(&'static str, String)>,
    /// Whether it is the user's own screen.
    pub(crate) is_real: bool,
    // In the order in which they must end: those who play before those who let them.
    _running: Vec<Running>,
    _folder: Option<Folder>,
}

impl Stage {
    /// The machine's own display and sound where there are any.
    pub(crate) fn open() -> Result<Self> {
        let mut stage = Self { environment: Vec::new(), is_real: true, _running: Vec::new(), _folder: None };
        if !has_sound() {
            stage.start_sound()?;
        }
        if !has_display() {
            stage.start_display()?;
        }
        Ok(stage)
    }

    /// Puts a program onto it.
    pub(crate) fn dress<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.envs(self.environment.iter().cloned())
    }

    /// A virtual screen with a moving picture that fills it.
    fn start_display(&mut self) -> Result {
        let mut screen = server("Xvfb");
        // It would begin anew, and throw everybody out, whenever its last client leaves.
        screen.args(["-displayfd", "1", "-noreset", "-nolisten", "tcp", "-screen", "0", "1920x1080x24"]);
        let (screen, number) = Running::first_line(&mut screen)?;
        self._running.insert(0, screen);
        self.environment.push(("DISPLAY", format!(":{number}")));
        self.is_real = false;
        let mut player = server("ffplay");
        player.args(["-loglevel", "error", "-noborder", "-left", "0", "-top", "0"]);
        player.args(["-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=30"]);
        self.dress(&mut player).env("SDL_AUDIODRIVER", "dummy");
        self._running.insert(0, Running::start(&mut player)?);
        Ok(())
    }

    /// A sound server of our own, with speakers that are only a buffer and a tone on them.
    fn start_sound(&mut self) -> Result {
        let folder = Folder::new("sound")?;
        let inside = |name: &str| -> PathBuf { folder.path().join(name) };
        let bus = format!("unix:path={}", inside("bus").display());
        let text = |name: &str| inside(name).display().to_string();
        self.environment.extend([
            ("XDG_RUNTIME_DIR", folder.path().display().to_string()),
            ("XDG_CONFIG_HOME", text("config")),
            ("XDG_STATE_HOME", text("state")),
            ("DBUS_SESSION_BUS_ADDRESS", bus.clone()),
        ]);
        let address = format!("--address={bus}");
        self.serve("dbus-daemon", &["--session", "--nofork", "--nopidfile", &address])?;
        wait_for("D-Bus", || inside("bus").exists().then_some(()))?;
        self.serve("pipewire", &[])?;
        wait_for("PipeWire", || inside("pipewire-0").exists().then_some(()))?;
        self.serve("wireplumber", &[])?;
        self.serve("pipewire-pulse", &[])?;
        wait_for("the sound server", || works(self.dress(Command::new("pactl").arg("info"))).then_some(()))?;
        let speakers =
            ["module-null-sink", "sink_name=speakers", "sink_properties=device.description=Speakers"];
        read(self.dress(Command::new("pactl").arg("load-module").args(speakers)))?;
        let default = ["set-default-sink", "speakers"];
        wait_for("the speakers", || works(self.dress(Command::new("pactl").args(default))).then_some(()))?;
        let tone = text("tone.wav");
        let sine = ["-loglevel", "error", "-f", "lavfi", "-i", "sine=frequency=440:duration=120", "-ac", "2"];
        succeed(Command::new("ffmpeg").args(sine).arg(&tone))?;
        self.serve("paplay", &["--device", "speakers", &tone])?;
        self._folder = Some(folder);
        Ok(())
    }

    fn serve(&mut self, name: &str, arguments: &[&str]) -> Result {
        let mut command = server(name);
        let running = Running::start(self.dress(command.args(arguments)))?;
        self._running.insert(0, running);
        Ok(())
    }
}

/// A program that does not outlive this one, however this one ends.
pub(crate) fn server(name: &str) -> Command {
    match find("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "TERM", name]);
            command
        }
        None => Command::new(name),
    }
}

/// Whether an X server shows the user's screen. Under Wayland one answers too, but sees only its own windows.
fn has_display() -> bool {
    env::var_os("WAYLAND_DISPLAY").is_none() && works(Command::new("xrandr").arg("--query"))
}

fn has_sound() -> bool {
    works(Command::new("pactl").arg("info"))
}
