//! An X server without a screen, and a client that draws on it.

use super::process::{Running, require, tethered};
use model::{Rect, Size};
use std::{
    io::{BufRead as _, BufReader},
    process::{self, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};
use x11rb::{
    connection::Connection as _,
    protocol::{
        randr::{ConnectionExt as _, MonitorInfo, Rotation, SetConfig},
        xproto::{
            self, AtomEnum, ChangeGCAux, ConnectionExt as _, CreateGCAux, ImageFormat, PropMode, Rectangle,
        },
        xtest::ConnectionExt as _,
    },
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};

/// A running Xvfb.
pub struct Xvfb {
    _server: Running,
    pub display: String,
}

impl Xvfb {
    /// On a display number of its own choice.
    pub fn start(size: Size) -> Self {
        Self::start_with(size, &[])
    }

    /// The same, with these arguments besides.
    pub fn start_with(size: Size, more: &[&str]) -> Self {
        require("Xvfb", "xvfb");
        let mut command = tethered("Xvfb");
        command.args(["-displayfd", "1"]).args(arguments(size)).args(more);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut number = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut number).unwrap();
        Self { _server: Running::of(child), display: format!(":{}", number.trim()) }
    }

    /// A display that no server has, and that none of those that choose for themselves will take: they take the first
    /// free number.
    pub fn free_display() -> String {
        static TAKEN: AtomicU32 = AtomicU32::new(0);
        format!(":{}", 1000 + process::id() % 5000 * 10 + TAKEN.fetch_add(1, Ordering::Relaxed) % 10)
    }

    /// On this display.
    pub fn start_on(display: &str, size: Size) -> Running {
        let mut command = tethered("Xvfb");
        command.arg(display).args(arguments(size)).stdout(Stdio::null()).stderr(Stdio::null());
        Running::start(&mut command, "xvfb")
    }

    pub fn variables(&self) -> Vec<(String, String)> {
        vec![("DISPLAY".to_owned(), self.display.clone())]
    }
}

fn arguments(size: Size) -> Vec<String> {
    let screen = format!("{}x24", size);
    ["-screen", "0", &screen, "-nolisten", "tcp", "-noreset"].map(str::to_owned).to_vec()
}

/// A client of the display in the environment.
pub struct Painter {
    pub server: RustConnection,
    pub root: xproto::Window,
    context: xproto::Gcontext,
}

impl Painter {
    pub fn connect() -> Self {
        Self::try_connect().unwrap()
    }

    pub fn try_connect() -> Option<Self> {
        let (server, screen) = RustConnection::connect(None).ok()?;
        let root = server.setup().roots[screen].root;
        let context = server.generate_id().ok()?;
        server.create_gc(context, root, &CreateGCAux::new()).ok()?.check().ok()?;
        Some(Self { server, root, context })
    }

    /// Fills a rectangle of the root window; done when this returns.
    pub fn fill(&self, area: Rect, color: u32) {
        self.server.change_gc(self.context, &ChangeGCAux::new().foreground(color)).unwrap();
        let area = Rectangle {
            x: area.x.try_into().unwrap(),
            y: area.y.try_into().unwrap(),
            width: area.width.try_into().unwrap(),
            height: area.height.try_into().unwrap(),
        };
        self.server.poly_fill_rectangle(self.root, self.context, &[area]).unwrap().check().unwrap();
    }

    /// What the server itself says is in an area, as BGRX.
    pub fn read(&self, area: Rect) -> Vec<u8> {
        let narrow = |value: u32| u16::try_from(value).unwrap();
        let (x, y) = (area.x.try_into().unwrap(), area.y.try_into().unwrap());
        let (width, height) = (narrow(area.width), narrow(area.height));
        let format = ImageFormat::Z_PIXMAP;
        self.server.get_image(format, self.root, x, y, width, height, u32::MAX).unwrap().reply().unwrap().data
    }

    /// Presses or lets go a button, as a mouse would.
    pub fn button(&self, button: u8, is_down: bool) {
        let kind = if is_down { xproto::BUTTON_PRESS_EVENT } else { xproto::BUTTON_RELEASE_EVENT };
        self.fake(kind, button);
    }

    /// Presses or lets go a key, as a keyboard would.
    pub fn key(&self, code: u8, is_down: bool) {
        let kind = if is_down { xproto::KEY_PRESS_EVENT } else { xproto::KEY_RELEASE_EVENT };
        self.fake(kind, code);
    }

    /// Presses a button and lets it go.
    pub fn click(&self, button: u8) {
        self.button(button, true);
        self.button(button, false);
    }

    /// Presses a key and lets it go.
    pub fn tap(&self, code: u8) {
        self.key(code, true);
        self.key(code, false);
    }

    fn fake(&self, kind: u8, detail: u8) {
        let now = x11rb::CURRENT_TIME;
        self.server.xtest_fake_input(kind, detail, now, self.root, 0, 0, 0).unwrap().check().unwrap();
    }

    pub fn move_pointer(&self, x: i16, y: i16) {
        self.server.warp_pointer(x11rb::NONE, self.root, 0, 0, 0, 0, x, y).unwrap().check().unwrap();
    }

    /// Makes the pointer a square of this side, opaque and of one colour.
    pub fn set_pointer(&self, side: u16) {
        let server = &self.server;
        let (mask, context, cursor) =
            (server.generate_id().unwrap(), server.generate_id().unwrap(), server.generate_id().unwrap());
        server.create_pixmap(1, mask, self.root, side, side).unwrap();
        server.create_gc(context, mask, &CreateGCAux::new().foreground(1)).unwrap();
        let all = Rectangle { x: 0, y: 0, width: side, height: side };
        server.poly_fill_rectangle(mask, context, &[all]).unwrap();
        let (full, none) = (u16::MAX, 0);
        server.create_cursor(cursor, mask, mask, full, none, none, none, none, none, 2, 3).unwrap();
        let change = xproto::ChangeWindowAttributesAux::new().cursor(cursor);
        server.change_window_attributes(self.root, &change).unwrap().check().unwrap();
    }

    /// What desktops write for programs, such as by how much they scale.
    pub fn set_resources(&self, text: &str) {
        let (property, kind) = (AtomEnum::RESOURCE_MANAGER, AtomEnum::STRING);
        let set = self.server.change_property8(PropMode::REPLACE, self.root, property, kind, text.as_bytes());
        set.unwrap().check().unwrap();
    }

    /// Makes a part of the screen a monitor.
    pub fn add_monitor(&self, name: &str, area: Rect) {
        let name = self.server.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom;
        let monitor = MonitorInfo {
            name,
            primary: false,
            automatic: false,
            x: area.x.try_into().unwrap(),
            y: area.y.try_into().unwrap(),
            width: area.width.try_into().unwrap(),
            height: area.height.try_into().unwrap(),
            width_in_millimeters: 100,
            height_in_millimeters: 100,
            outputs: Vec::new(),
        };
        self.server.randr_set_monitor(self.root, monitor).unwrap().check().unwrap();
    }

    pub fn remove_monitor(&self, name: &str) {
        let name = self.server.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom;
        self.server.randr_delete_monitor(self.root, name).unwrap().check().unwrap();
    }

    /// Gives the screen another size, not above the one that it began with.
    pub fn resize(&self, size: Size) {
        // A screen cannot be smaller than what a monitor shows, so the only one is switched off.
        let resources = self.server.randr_get_screen_resources(self.root).unwrap().reply().unwrap();
        for crtc in resources.crtcs {
            let (now, off) = (x11rb::CURRENT_TIME, 0);
            let done = self.server.randr_set_crtc_config(crtc, now, now, 0, 0, off, Rotation::ROTATE0, &[]);
            assert_eq!(done.unwrap().reply().unwrap().status, SetConfig::SUCCESS);
        }
        let narrow = |value: u32| u16::try_from(value).unwrap();
        let (width, height) = (narrow(size.width), narrow(size.height));
        self.server.randr_set_screen_size(self.root, width, height, 300, 200).unwrap().check().unwrap();
    }
}
