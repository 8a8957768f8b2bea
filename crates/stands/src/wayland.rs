//! A private Wayland desktop with sound and with the portal through which applications may see it: sway without a
//! screen, drawn by the processor.
//!
//! Nobody sits in front of it, so the portal asks a file instead, which the test writes ([`Answer`]).

mod sheet;

pub use sheet::Sheet;

use crate::{
    desk::{Keys, keys},
    process::{Running, compile, is_root, output, server, text, tool, wait_for},
    sound::Sound,
};
use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

const START_LIMIT: Duration = Duration::from_secs(15);
/// Where it is said what answers for the portal, where that is not as it was installed.
const PORTALS: &str = "portals";
/// Whom sway runs as where the test runs as root, which sway refuses.
const NOBODY: u32 = 65_534;

/// What the user does when the portal asks which output to share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// Shares this output.
    Share(&'a str),
    /// Closes the question.
    Refuse,
    /// Leaves the question open until there is another answer.
    Wait,
}

/// A desktop whose outputs are called HEADLESS-1, HEADLESS-2 and so on, from left to right.
#[derive(Debug)]
pub struct Wayland {
    // In the order in which they must end.
    portal: Vec<Running>,
    _sway: Running,
    sound: Sound,
}

impl Wayland {
    /// With outputs of these sizes. The user shares the first one whenever asked.
    pub fn start(outputs: &[(u16, u16)]) -> Self {
        let sound = Sound::start();
        let sway = start_sway(sound.runtime(), outputs);
        let mut desktop = Self { portal: Vec::new(), _sway: sway, sound };
        wait_for("sway", START_LIMIT, || desktop.socket().exists().then_some(()));
        wait_for("its outputs", START_LIMIT, || {
            let found = output(desktop.command("swaymsg").args(["-t", "get_outputs", "-r"]));
            let found = String::from_utf8_lossy(&found.stdout).matches("\"name\": \"HEADLESS-").count();
            (found == outputs.len()).then_some(())
        });
        desktop.answer(Answer::Share("HEADLESS-1"));
        desktop.start_portal();
        desktop
    }

    /// Its sound.
    pub fn sound(&self) -> &Sound {
        &self.sound
    }

    /// Where the compositor listens.
    pub fn socket(&self) -> PathBuf {
        self.sound.runtime().join("sway/wayland-1")
    }

    /// Gives a program the surroundings in which it finds this desktop, its sound and its portal.
    pub fn dress(&self, command: &mut Command) {
        self.sound.dress(command);
        command
            .env("WAYLAND_DISPLAY", self.socket())
            .env("SWAYSOCK", self.sound.runtime().join("sway/ipc"))
            .env("XDG_SESSION_TYPE", "wayland")
            .env("XDG_CURRENT_DESKTOP", "sway");
    }

    /// A program on this desktop.
    pub fn command(&self, name: &str) -> Command {
        let mut command = tool(name);
        self.dress(&mut command);
        command
    }

    /// Tells sway something, in the words of its configuration.
    pub fn tell(&self, words: &str) {
        text(self.command("swaymsg").arg("--").arg(words));
    }

    /// What the user will answer from now on.
    pub fn answer(&self, answer: Answer<'_>) {
        let words = match answer {
            Answer::Share(output) => output,
            Answer::Refuse => "refuse",
            Answer::Wait => "wait",
        };
        // In one step, so that nobody reads half of it.
        let (draft, file) = (self.file("answer.new"), self.file("answer"));
        fs::write(&draft, words).expect("there is room for a file");
        fs::rename(draft, file).expect("files can be renamed");
    }

    /// How often the user was asked.
    pub fn questions(&self) -> usize {
        fs::read_to_string(self.file("questions")).map_or(0, |lines| lines.lines().count())
    }

    /// Lets the user stop the sharing that began last.
    pub fn stop_sharing(&self) {
        let file = self.file("stop");
        fs::write(&file, "").expect("there is room for a file");
        wait_for("the end of sharing", START_LIMIT, || (!file.exists()).then_some(()));
    }

    /// Ends the portal, and with it all sharing; [`Self::start_portal`] brings it back.
    pub fn end_portal(&mut self) {
        while self.portal.pop().is_some() {}
    }

    /// Starts the portal, where [`Self::end_portal`] ended it.
    pub fn start_portal(&mut self) {
        self.write_chooser();
        let preload = compile(include_str!("wayland/portal.c"), "portal", self.sound.runtime());
        self.serve("/usr/libexec/xdg-permission-store", |_| {});
        let stop = self.file("stop");
        self.serve("/usr/libexec/xdg-desktop-portal-wlr", |command| {
            command.env("LD_PRELOAD", preload).env("STOP_SHARING", stop);
        });
        self.wait_for_name("org.freedesktop.impl.portal.desktop.wlr");
        self.wait_for_name("org.freedesktop.impl.portal.PermissionStore");
        let portals = Some(self.file(PORTALS)).filter(|folder| folder.is_dir());
        self.serve("/usr/libexec/xdg-desktop-portal", |command| {
            command.envs(portals.map(|folder| ("XDG_DESKTOP_PORTAL_DIR", folder)));
        });
        self.wait_for_name("org.freedesktop.portal.Desktop");
        let question = ["org.freedesktop.DBus.Properties.Get", "string:org.freedesktop.portal.ScreenCast"];
        wait_for("the portal", START_LIMIT, || {
            let mut ask = self.command("dbus-send");
            ask.args(["--session", "--print-reply", "--dest=org.freedesktop.portal.Desktop"]);
            ask.arg("/org/freedesktop/portal/desktop").args(question).arg("string:version");
            output(&mut ask).status.success().then_some(())
        });
    }

    /// Lets the portal give out keys, which this desktop by itself does not.
    pub fn give_keys(&mut self) -> Keys {
        self.end_portal();
        let keys = Keys::start(&self.sound.bus());
        let folder = self.file(PORTALS);
        fs::create_dir_all(&folder).expect("there is room for a folder");
        let known = "/usr/share/xdg-desktop-portal/portals/wlr.portal";
        fs::copy(known, folder.join("wlr.portal")).expect("the portal is installed");
        let ours = format!(
            "[portal]\nDBusName={}\nInterfaces=org.freedesktop.impl.portal.GlobalShortcuts;\nUseIn=sway;\n",
            keys::NAME
        );
        fs::write(folder.join("stand.portal"), ours).expect("there is room for a file");
        self.start_portal();
        keys
    }

    /// The portal runs a program that prints the output to share, or nothing.
    fn write_chooser(&self) {
        let folder = self.file("config/xdg-desktop-portal-wlr");
        fs::create_dir_all(&folder).expect("there is room for a folder");
        let place = self.sound.runtime().display();
        let script = format!(
            "echo asked >> {place}/questions\n\
             while test \"$(cat {place}/answer)\" = wait; do sleep 0.05; done\n\
             grep -v refuse {place}/answer\n"
        );
        fs::write(self.file("chooser"), script).expect("there is room for a file");
        let config =
            format!("[screencast]\nmax_fps=60\nchooser_type=simple\nchooser_cmd=sh {place}/chooser\n");
        fs::write(folder.join("config"), config).expect("there is room for a file");
    }

    fn wait_for_name(&self, name: &str) {
        wait_for(name, START_LIMIT, || {
            let mut ask = self.command("dbus-send");
            ask.args(["--session", "--print-reply", "--dest=org.freedesktop.DBus", "/"]);
            ask.args(["org.freedesktop.DBus.NameHasOwner", &format!("string:{name}")]);
            String::from_utf8_lossy(&output(&mut ask).stdout).contains("true").then_some(())
        });
    }

    fn serve(&mut self, program: &str, change: impl FnOnce(&mut Command)) {
        let name = Path::new(program).file_name().unwrap_or_default().display();
        let log = fs::File::create(self.file(&format!("{name}.log"))).expect("logs can be written");
        let mut command = server(program);
        self.dress(&mut command);
        change(&mut command);
        self.portal.push(Running::start(command.stdout(Stdio::null()).stderr(log)));
    }

    fn file(&self, name: &str) -> PathBuf {
        self.sound.runtime().join(name)
    }
}

impl Drop for Wayland {
    fn drop(&mut self) {
        self.end_portal();
    }
}

/// In a runtime folder of its own, which it can own.
fn start_sway(runtime: &Path, outputs: &[(u16, u16)]) -> Running {
    let mut config = "default_border none\nxwayland disable\n".to_owned();
    let mut left = 0;
    for (index, (width, height)) in (1..).zip(outputs) {
        let mode = format!("resolution {width}x{height}@60Hz position {left} 0");
        // Writing to a string cannot fail.
        let _never = writeln!(config, "output HEADLESS-{index} {mode}");
        left += u32::from(*width);
    }
    let folder = runtime.join("sway");
    fs::create_dir(&folder).expect("there is room for a folder");
    fs::write(folder.join("config"), config).expect("there is room for a file");
    let log = fs::File::create(runtime.join("sway.log")).expect("logs can be written");
    let mut command = match is_root() {
        false => server("sway"),
        true => {
            let walk_through = fs::Permissions::from_mode(0o711);
            fs::set_permissions(runtime, walk_through).expect("the folder is ours");
            std::os::unix::fs::chown(&folder, Some(NOBODY), Some(NOBODY))
                .expect("root gives away what it has");
            let mut command = tool("setpriv");
            command.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups"]);
            // Once more: the kernel forgets the tether of whoever becomes somebody else.
            command.args(["setpriv", "--pdeathsig", "KILL", "sway"]);
            command
        }
    };
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("root may, and so may the owner");
    command.arg("--config").arg(folder.join("config"));
    command.env("XDG_RUNTIME_DIR", &folder).env("SWAYSOCK", folder.join("ipc")).env("HOME", &folder);
    command.env("WLR_BACKENDS", "headless").env("WLR_HEADLESS_OUTPUTS", outputs.len().to_string());
    command.env("WLR_RENDERER", "pixman").env("WLR_LIBINPUT_NO_DEVICES", "1");
    command.env_remove("WAYLAND_DISPLAY").env_remove("DISPLAY");
    Running::start(command.stdout(Stdio::null()).stderr(log))
}
