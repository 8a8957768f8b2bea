//! What is recorded, and where its pixels lie.
//!
//! Owns: ids of what an X server shows, and XComposite. A window is recorded by itself, without the frame that a window
//! manager draws around it: what is wanted is the program, frames differ in size and look between desktops, and a
//! window keeps its id when its frame does not. The server is asked to keep the window's pixels apart from the
//! screen's (*redirect*), so they are whole when something covers it or when it lies beyond the screen's edge; that a
//! compositor asked for the same is no hindrance. Tested with the back end, ids below.

use super::{
    display::{Display, check_pixels},
    fault::Fault,
    link::Server,
};
use crate::{SourceId, SourceKind};
use model::{Point, Rect, Size};
use std::sync::Arc;
use x11rb::{
    connection::Connection as _,
    protocol::{
        composite::{self, ConnectionExt as _},
        xproto::{self, ChangeWindowAttributesAux, ConnectionExt as _, EventMask, MapState, WindowClass},
    },
};

const SCREEN: &str = "x11:screen";
const MONITOR: &str = "x11:monitor:";
const REGION: &str = "x11:region:";
const WINDOW: &str = "x11:window:";

/// More windows within each other than any toolkit has.
const DEPTH_MAX: usize = 32;

/// What is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Whole,
    Monitor(String),
    /// In pixels of the screen. What is beyond its edges is left out.
    Region(Rect),
    Window(xproto::Window),
}

impl Target {
    /// What an id names, whatever the server has.
    pub fn of(id: &SourceId) -> Option<Self> {
        let id = id.as_str();
        if id == SCREEN {
            Some(Self::Whole)
        } else if let Some(name) = id.strip_prefix(MONITOR) {
            Some(Self::Monitor(name.to_owned()))
        } else if let Some(area) = id.strip_prefix(REGION) {
            region(area).map(Self::Region)
        } else {
            let digits = id.strip_prefix(WINDOW)?.strip_prefix("0x")?;
            u32::from_str_radix(digits, 16).ok().filter(|window| *window != x11rb::NONE).map(Self::Window)
        }
    }

    pub fn id(&self) -> SourceId {
        match self {
            Self::Whole => SourceId::new(SCREEN),
            Self::Monitor(name) => SourceId::new(format!("{MONITOR}{name}")),
            Self::Region(Rect { x, y, width, height }) => {
                SourceId::new(format!("{REGION}{x},{y},{width}x{height}"))
            }
            Self::Window(window) => SourceId::new(format!("{WINDOW}{window:#x}")),
        }
    }

    pub fn kind(&self) -> SourceKind {
        match self {
            Self::Whole | Self::Monitor(_) | Self::Region(_) => SourceKind::Screen,
            Self::Window(_) => SourceKind::Window,
        }
    }

    /// Prepares a connection for looking at it.
    pub fn prepare(&self, display: &Display) -> Result<(), Fault> {
        let Self::Window(window) = *self else { return Ok(()) };
        display.need_composite()?;
        if window == display.root {
            return Err(Fault::NoWindow);
        }
        display.server.composite_redirect_window(window, composite::Redirect::AUTOMATIC)?.check()?;
        Ok(())
    }

    /// Where it is now, and its pixels.
    pub fn locate(&self, display: &Display) -> Result<View, Fault> {
        let area = match self {
            Self::Whole => display.whole()?,
            Self::Monitor(name) => {
                let whole = display.whole()?;
                let named = display.monitors()?.into_iter().find(|monitor| monitor.name == *name);
                named.and_then(|monitor| monitor.area.intersect(whole)).ok_or(Fault::NoMonitor)?
            }
            Self::Region(area) => {
                let whole = display.whole()?;
                area.intersect(whole).ok_or(Fault::Outside(whole.size()))?
            }
            Self::Window(window) => return View::of_window(display, *window),
        };
        Ok(View::of_screen(display, area))
    }
}

/// `X,Y,WxH`, within what X coordinates can say.
fn region(text: &str) -> Option<Rect> {
    let (x, rest) = text.split_once(',')?;
    let (y, size) = rest.split_once(',')?;
    let (width, height) = size.split_once('x')?;
    let place = |text: &str| text.parse::<i16>().ok().map(i32::from);
    let pixels = |text: &str| text.parse::<u16>().ok().filter(|pixels| *pixels > 0).map(u32::from);
    Some(Rect::new(place(x)?, place(y)?, pixels(width)?, pixels(height)?))
}

/// Where the pixels of a target lie. A window's stay where they are until it is hidden or changes its size.
pub(super) struct View {
    /// The window that tells of damage, and whose coordinates that and the pointer are in.
    pub window: xproto::Window,
    /// The picture within it.
    pub area: Rect,
    /// What has the pixels, and where in it the picture begins.
    pub drawable: xproto::Drawable,
    pub begins: Point,
    /// The child of the root window that holds it, where that matters: the pointer may be over another one.
    pub top: Option<xproto::Window>,
    pixmap: Option<Pixmap>,
}

impl View {
    fn of_screen(display: &Display, area: Rect) -> Self {
        let (window, drawable) = (display.root, display.root);
        Self { window, area, drawable, begins: Point { x: area.x, y: area.y }, top: None, pixmap: None }
    }

    fn of_window(display: &Display, window: xproto::Window) -> Result<Self, Fault> {
        let server = &display.server;
        // Asked to be told of changes first, so that none is missed between.
        let top = follow(display, window)?;
        let attributes = server.get_window_attributes(window)?.reply()?;
        if attributes.class == WindowClass::INPUT_ONLY {
            return Err(Fault::Lacks("the window shows nothing".to_owned()));
        }
        check_pixels(server.setup(), attributes.visual)?;
        if attributes.map_state != MapState::VIEWABLE {
            return Err(Fault::Hidden);
        }
        let pixmap = Pixmap::of(server, window).map_err(|fault| match fault {
            // It was hidden in between.
            Fault::Refused(_) => Fault::Hidden,
            other => other,
        })?;
        // The border is part of what the server keeps, and not of what is recorded.
        let border = server.get_geometry(window)?.reply()?.border_width;
        let kept = server.get_geometry(pixmap.id)?.reply()?;
        let inner = |pixels: u16| u32::from(pixels.saturating_sub(2 * border)).max(1);
        Ok(Self {
            window,
            area: Rect::whole(Size::new(inner(kept.width), inner(kept.height))),
            drawable: pixmap.id,
            begins: Point { x: border.into(), y: border.into() },
            top: Some(top),
            pixmap: Some(pixmap),
        })
    }

    /// Whether its pixels lie elsewhere by now.
    pub fn has_moved(&self, display: &Display, target: &Target) -> Result<bool, Fault> {
        if self.pixmap.is_none() {
            return Ok(target.locate(display)?.area != self.area);
        }
        let (attributes, geometry) =
            (display.server.get_window_attributes(self.window)?, display.server.get_geometry(self.window)?);
        if attributes.reply()?.map_state != MapState::VIEWABLE {
            return Err(Fault::Hidden);
        }
        let geometry = geometry.reply()?;
        let size = Size::new(geometry.width.into(), geometry.height.into());
        Ok(size != self.area.size() || i32::from(geometry.border_width) != self.begins.x)
    }
}

/// Asks to be told of what befalls a window and those that hold it. Gives the outermost one.
fn follow(display: &Display, window: xproto::Window) -> Result<xproto::Window, Fault> {
    let told = ChangeWindowAttributesAux::new().event_mask(EventMask::STRUCTURE_NOTIFY);
    let mut top = window;
    for _ in 0..DEPTH_MAX {
        // If it went away since, the next question says so.
        display.server.change_window_attributes(top, &told)?.ignore_error();
        match display.server.query_tree(top)?.reply().map_err(Fault::from) {
            Ok(tree) if tree.parent == display.root || tree.parent == x11rb::NONE => return Ok(top),
            Ok(tree) => top = tree.parent,
            // A window manager took its frame away, and not the window.
            Err(Fault::NoWindow) if top != window => top = window,
            Err(fault) => return Err(fault),
        }
    }
    Err(Fault::Lacks("the window lies too deep within others".to_owned()))
}

/// A name for the pixels of a window.
struct Pixmap {
    server: Arc<Server>,
    id: xproto::Pixmap,
}

impl Pixmap {
    fn of(server: &Arc<Server>, window: xproto::Window) -> Result<Self, Fault> {
        let id = server.generate_id()?;
        server.composite_name_window_pixmap(window, id)?.check()?;
        Ok(Self { server: Arc::clone(server), id })
    }
}

impl Drop for Pixmap {
    fn drop(&mut self) {
        // A server that is gone has freed it already.
        let _ = self.server.free_pixmap(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_what_it_is_the_name_of() {
        for (id, target) in [
            ("x11:screen", Target::Whole),
            ("x11:monitor:DP-1", Target::Monitor("DP-1".to_owned())),
            ("x11:region:-5,20,640x480", Target::Region(Rect::new(-5, 20, 640, 480))),
            ("x11:window:0x1400003", Target::Window(0x140_0003)),
        ] {
            let id = SourceId::new(id);
            assert_eq!(Target::of(&id), Some(target.clone()));
            assert_eq!(target.id(), id);
        }
        for nonsense in [
            "x11:screens",
            "x11:region:",
            "x11:region:1,2,3",
            "x11:region:1,2,0x5",
            "x11:region:1,2,-3x5",
            "x11:region:1,2,70000x5",
            "x11:window:0x0",
            "x11:window:12",
            "x11:window:0x123456789",
        ] {
            assert_eq!(Target::of(&SourceId::new(nonsense)), None, "{nonsense}");
        }
    }
}
