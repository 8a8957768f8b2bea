//! A connection to an X server that can be recorded from, and what it says of its screen.
//!
//! Owns: what recording needs of a server. Tested with the back end.

use super::{
    fault::Fault,
    link::{Patience, Server, connect},
};
use model::{Rect, Size};
use std::sync::Arc;
use x11rb::{
    connection::{Connection as _, RequestConnection as _},
    protocol::{
        composite::{self, ConnectionExt as _},
        damage::{self, ConnectionExt as _},
        randr::{self, ConnectionExt as _},
        shm::{self, ConnectionExt as _},
        xfixes::{self, ConnectionExt as _},
        xinput::{self, ConnectionExt as _},
        xproto::{self, ConnectionExt as _},
    },
};

/// A connection to a server that can be recorded from.
pub(super) struct Display {
    pub server: Arc<Server>,
    pub root: xproto::Window,
    pub has_monitors: bool,
    /// Whether it tells of clicks and keys.
    pub has_inputs: bool,
}

pub(super) struct Monitor {
    pub name: String,
    pub area: Rect,
}

impl Display {
    /// Connects, and checks all that recording needs.
    pub fn connect(patience: &Patience) -> Result<Self, Fault> {
        let (server, screen) = connect(patience)?;
        let setup = server.setup();
        let screen = setup.roots.get(screen).ok_or_else(|| Fault::Server("it has no screen".to_owned()))?;
        let root = screen.root;
        check_pixels(setup, screen.root_visual)?;
        let needed = [shm::X11_EXTENSION_NAME, damage::X11_EXTENSION_NAME, xfixes::X11_EXTENSION_NAME];
        for name in needed {
            server.extension_information(name)?.ok_or(Fault::Extension(name))?;
        }
        // An extension may only be used once its version was agreed upon.
        let version = server.shm_query_version()?.reply()?;
        if (version.major_version, version.minor_version) < (1, 2) {
            return Err(Fault::Extension("MIT-SHM 1.2"));
        }
        server.xfixes_query_version(5, 0)?.reply()?;
        server.damage_query_version(1, 1)?.reply()?;
        let has_monitors = server.extension_information(randr::X11_EXTENSION_NAME)?.is_some() && {
            let version = server.randr_query_version(1, 5)?.reply()?;
            (version.major_version, version.minor_version) >= (1, 5)
        };
        let has_inputs = server.extension_information(xinput::X11_EXTENSION_NAME)?.is_some() && {
            // From 2.1 on they are told also while a menu or a drag has the pointer to itself.
            let version = server.xinput_xi_query_version(2, 2)?.reply()?;
            (version.major_version, version.minor_version) >= (2, 1)
        };
        let display = Self { server: Arc::new(server), root, has_monitors, has_inputs };
        display.refuse_wayland()?;
        Ok(display)
    }

    /// A Wayland compositor's X server shows X programs alone, and its root window shows nothing.
    fn refuse_wayland(&self) -> Result<(), Fault> {
        let named = self.server.query_extension(b"XWAYLAND")?.reply()?.present;
        if named || self.monitors()?.iter().any(|monitor| monitor.name.starts_with("XWAYLAND")) {
            return Err(Fault::Wayland);
        }
        Ok(())
    }

    /// Checks what windows need besides.
    pub fn need_composite(&self) -> Result<(), Fault> {
        let name = composite::X11_EXTENSION_NAME;
        self.server.extension_information(name)?.ok_or(Fault::Extension(name))?;
        let version = self.server.composite_query_version(0, 4)?.reply()?;
        let can_name = (version.major_version, version.minor_version) >= (0, 2);
        can_name.then_some(()).ok_or(Fault::Extension("Composite 0.2"))
    }

    /// All of the screen.
    pub fn whole(&self) -> Result<Rect, Fault> {
        let root = self.server.get_geometry(self.root)?.reply()?;
        Ok(Rect::whole(Size::new(root.width.into(), root.height.into())))
    }

    pub fn monitors(&self) -> Result<Vec<Monitor>, Fault> {
        if !self.has_monitors {
            return Ok(Vec::new());
        }
        let monitors = self.server.randr_get_monitors(self.root, true)?.reply()?.monitors;
        let named = monitors.into_iter().map(|monitor| {
            let name = self.server.get_atom_name(monitor.name)?.reply()?.name;
            Ok(Monitor {
                name: String::from_utf8_lossy(&name).into_owned(),
                area: Rect::new(
                    monitor.x.into(),
                    monitor.y.into(),
                    monitor.width.into(),
                    monitor.height.into(),
                ),
            })
        });
        named.collect()
    }
}

/// Pixels of this visual must lie in memory as [`model::PixelFormat::Bgrx`] says. Those of 32 bits have alpha where
/// others have nothing, and it is not looked at: what is recorded is opaque.
pub(super) fn check_pixels(setup: &xproto::Setup, visual: xproto::Visualid) -> Result<(), Fault> {
    let depths = setup.roots.iter().flat_map(|screen| &screen.allowed_depths);
    let found = depths
        .flat_map(|depth| depth.visuals.iter().map(|visual| (depth.depth, visual)))
        .find(|(_, known)| known.visual_id == visual);
    let Some((depth, visual)) = found else {
        return Err(Fault::Lacks("the X server does not say what its colours mean".to_owned()));
    };
    let format = setup.pixmap_formats.iter().find(|format| format.depth == depth);
    let is_bgrx = matches!(depth, 24 | 32)
        && format.is_some_and(|format| format.bits_per_pixel == 32)
        && setup.image_byte_order == xproto::ImageOrder::LSB_FIRST
        && (visual.red_mask, visual.green_mask, visual.blue_mask) == (0xff_0000, 0xff00, 0xff);
    let lacks = || {
        Fault::Lacks(format!(
            "the X server shows {depth}-bit colour, and only 24-bit true colour is recorded"
        ))
    };
    is_bgrx.then_some(()).ok_or_else(lacks)
}
