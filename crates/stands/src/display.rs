//! A private X server.

use crate::process::{Running, lines, server, text, tool};
use std::{process::Command, process::Stdio, time::Duration};
use x11rb::rust_connection::RustConnection;

/// A virtual screen that nobody else draws on.
#[derive(Debug)]
pub struct Display {
    name: String,
    size: (u16, u16),
    _server: Running,
}

impl Display {
    /// A screen of this size, on a display number that was free.
    pub fn start(width: u16, height: u16) -> Self {
        let mut command = server("Xvfb");
        // Without `-noreset` the server would forget its modes and monitors with its last client.
        command.args(["-displayfd", "1", "-nolisten", "tcp", "-noreset", "-screen", "0"]);
        command.arg(format!("{width}x{height}x24"));
        let mut server = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::null()));
        let stdout = server.child().stdout.take().expect("its standard output is a pipe");
        let (said, _reader) = lines(stdout);
        let number = said.recv_timeout(Duration::from_secs(10)).expect("Xvfb says its display number");
        Self { name: format!(":{}", number.trim()), size: (width, height), _server: server }
    }

    /// What goes into DISPLAY.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Pixels across and down, as it was started.
    pub fn size(&self) -> (u16, u16) {
        self.size
    }

    /// A new connection to it.
    pub fn connect(&self) -> RustConnection {
        RustConnection::connect(Some(&self.name)).expect("the X server takes connections").0
    }

    /// Divides the screen into two monitors, side by side: LEFT and RIGHT.
    pub fn split(&self) {
        let (width, height) = (self.size.0 / 2, self.size.1);
        for (name, output, x) in [("LEFT", "screen", 0), ("RIGHT", "none", width)] {
            self.set_monitor(name, output, (x, 0, width, height));
        }
    }

    /// Makes a part of the screen (x, y, width, height) a monitor, as if it were plugged in.
    pub fn plug_in(&self, name: &str, part: (u16, u16, u16, u16)) {
        self.set_monitor(name, "none", part);
    }

    /// Unplugs a monitor.
    pub fn unplug(&self, name: &str) {
        text(self.xrandr().args(["--delmonitor", name]));
    }

    fn set_monitor(&self, name: &str, output: &str, (x, y, width, height): (u16, u16, u16, u16)) {
        let place = format!("{width}/300x{height}/200+{x}+{y}");
        text(self.xrandr().args(["--setmonitor", name, &place, output]));
    }

    /// Gives the screen another size, not larger than the one it was started with.
    pub fn resize(&self, width: u16, height: u16) {
        let mode = format!("{width}by{height}");
        let timing = |side: u16| (side..).take(4).map(|at| at.to_string());
        text(self.xrandr().args(["--newmode", &mode, "30"]).args(timing(width)).args(timing(height)));
        text(self.xrandr().args(["--addmode", "screen", &mode]));
        text(self.xrandr().args(["--output", "screen", "--mode", &mode]));
    }

    fn xrandr(&self) -> Command {
        let mut command = tool("xrandr");
        command.args(["-d", &self.name]);
        command
    }
}
