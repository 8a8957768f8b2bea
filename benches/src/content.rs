//! What is on the screen while it is recorded.

use crate::clip::{Clip, Show};
use anyhow::{Context, Result};
use rustix::process::Signal;
use spool_tests::{Display, Running, process};
use std::{process::Command, process::Stdio, thread, time::Duration};
use x11rb::protocol::xproto::{ConnectionExt, ImageFormat};

/// Contents from nothing to everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// A desktop on which nothing happens.
    Still,
    /// A terminal that scrolls twenty lines a second, beside `top`.
    Terminal,
    /// A film in a window of 640×360.
    Window,
    /// A film that fills the screen.
    Motion,
}

impl Content {
    pub(crate) const ALL: [Self; 4] = [Self::Still, Self::Terminal, Self::Window, Self::Motion];

    /// What the terminals run: one that stands still, one that scrolls, and the one beside it.
    pub(crate) const STILL: &str = "cal; uname -a; exec sleep 1000";
    pub(crate) const LINES: &str = "n=0; while :; do n=$((n+1)); \
         echo \"line $n: $(head -c 45 /proc/uptime) $n $n $n\"; sleep 0.05; done";
    pub(crate) const TOP: &str = "exec top -d 1";

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Still => "still desktop",
            Self::Terminal => "scrolling terminal + top",
            Self::Window => "film in a window",
            Self::Motion => "full-screen motion",
        }
    }
}

/// The film in both its sizes.
pub(crate) struct Films {
    pub(crate) small: Clip,
    pub(crate) large: Clip,
}

impl Films {
    pub(crate) fn render() -> Result<Self> {
        Ok(Self { small: Clip::render(640, 360)?, large: Clip::render(1920, 1080)? })
    }
}

/// Content that is being shown, until it is dropped.
pub(crate) struct Showing {
    terminals: Vec<Running>,
    show: Option<Show>,
}

impl Showing {
    pub(crate) fn start(content: Content, display: &Display, films: &Films) -> Result<Self> {
        let mut showing = Self { terminals: Vec::new(), show: None };
        match content {
            Content::Still => showing.terminal(display, "+40+40", Content::STILL),
            Content::Terminal => {
                showing.terminal(display, "+40+40", Content::LINES);
                showing.terminal(display, "+960+40", Content::TOP);
            }
            Content::Window => showing.show = Some(Show::start(display, &films.small, (600, 300))?),
            Content::Motion => showing.show = Some(Show::start(display, &films.large, (0, 0))?),
        }
        // Terminals take a moment to draw themselves.
        thread::sleep(Duration::from_millis(1500));
        Ok(showing)
    }

    fn terminal(&mut self, display: &Display, place: &str, script: &str) {
        let mut command = process::server("xterm");
        command.args(["-fa", "DejaVu Sans Mono", "-fs", "11", "-geometry", &format!("100x45{place}")]);
        command.args(["-e", "sh", "-c", script]).env("DISPLAY", display.name()).env("TERM", "xterm");
        self.terminals.push(Running::start(command.stdout(Stdio::null()).stderr(Stdio::null())));
    }

    /// Lets nothing more change.
    pub(crate) fn freeze(&mut self) {
        self.show = None;
        for terminal in &self.terminals {
            process::kill(terminal.pid(), Signal::STOP);
        }
    }
}

impl Drop for Showing {
    fn drop(&mut self) {
        for terminal in &self.terminals {
            process::kill(terminal.pid(), Signal::CONT);
        }
    }
}

/// A screen with a plain background, its pointer out of the way.
pub(crate) fn desktop() -> Result<Display> {
    let display = Display::start(1920, 1080);
    let server = display.connect();
    let root = server_root(&server);
    let painted = Command::new("xsetroot").args(["-display", display.name(), "-solid", "#30506f"]).status();
    painted.context("xsetroot is not installed: run cargo xtask setup")?;
    server.warp_pointer(x11rb::NONE, root, 0, 0, 0, 0, 1919, 1079)?.check()?;
    Ok(display)
}

/// What is on the screen now, four bytes a pixel.
pub(crate) fn screenshot(display: &Display) -> Result<Vec<u8>> {
    let server = display.connect();
    let (width, height) = display.size();
    let image = server.get_image(ImageFormat::Z_PIXMAP, server_root(&server), 0, 0, width, height, !0)?;
    Ok(image.reply()?.data)
}

fn server_root(server: &impl x11rb::connection::Connection) -> u32 {
    server.setup().roots[0].root
}
