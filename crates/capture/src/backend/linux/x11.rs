//! Screens of an X server: all of the screen, or one monitor's part of it.
//!
//! Owns: the connection, what can be recorded through it, and what becomes of a capture whose server or monitor goes
//! away. Pixels are fetched in [`screen`], the pointer is followed in [`pointer`]. Tested on an Xvfb that `tests/`
//! starts.

mod pointer;
mod screen;
mod segment;

use super::{Capture, SourceConfig, SourceId, SourceInfo};
use crate::{
    CaptureError, LostReason, SampleContent, SampleSink, SourceEvent, SourceKind, backend::Stop, ticks::Ticks,
};
use model::{Rect, Size};
use screen::Screen;
use std::{sync::Arc, time::Duration};
use x11rb::{
    connection::{Connection as _, RequestConnection as _},
    errors::{ConnectError, ConnectionError, ReplyError, ReplyOrIdError},
    protocol::{
        damage::{self, ConnectionExt as _},
        randr::{self, ConnectionExt as _},
        shm::{self, ConnectionExt as _},
        xfixes::{self, ConnectionExt as _},
        xproto::{self, ConnectionExt as _},
    },
    rust_connection::RustConnection,
};

const SERVER: &str = "the X server";
const SCREEN: &str = "x11:screen";
const MONITOR: &str = "x11:monitor:";
/// How often a server or monitor that went away is looked for.
const LOOK: Duration = Duration::from_millis(500);

/// Whether this is an id of a screen, whatever the server has.
pub(super) fn owns(id: &SourceId) -> bool {
    id.as_str() == SCREEN || id.as_str().starts_with(MONITOR)
}

/// The screen and its monitors.
pub(super) fn sources() -> Result<Vec<SourceInfo>, CaptureError> {
    let id = SourceId::new(SCREEN);
    let display = Display::connect(&id)?;
    let describe = |fault: Fault| fault.into_error(&id);
    let info = |id: SourceId, name: String, area: Rect, is_default| SourceInfo {
        id,
        kind: SourceKind::Screen,
        name: format!("{name} ({}×{})", area.width, area.height),
        is_default,
        size: Some(area.size()),
        formats: Vec::new(),
    };
    let whole = info(id.clone(), "Whole screen".to_owned(), display.whole().map_err(describe)?, true);
    let monitors = display.monitors().map_err(describe)?.into_iter().map(|monitor| {
        let name = format!("Monitor {}", monitor.name);
        info(SourceId::new(format!("{MONITOR}{}", monitor.name)), name, monitor.area, false)
    });
    Ok(std::iter::once(whole).chain(monitors).collect())
}

/// Starts recording a screen.
pub(super) fn open(id: &SourceId, config: &SourceConfig, sink: SampleSink) -> Result<Capture, CaptureError> {
    let (source, ticks) = (id.clone(), Ticks::new(config.fps));
    let screen = Screen::open(&source).map_err(|fault| fault.into_error(&source))?;
    Capture::start(id, sink, move |stop, sink| keep_looking(screen, &source, ticks, stop, sink))
}

/// Until stopped: looks at the screen at each tick, and for the screen while it is away.
fn keep_looking(first: Screen, id: &SourceId, ticks: Ticks, stop: &Stop, sink: &SampleSink) {
    let mut screen = first;
    while let Err(fault) = look_at(&mut screen, ticks, stop, sink) {
        drop(screen);
        sink.report(SourceEvent::Lost { reason: fault.reason(), message: fault.into_error(id).to_string() });
        screen = loop {
            stop.wait(LOOK);
            if stop.is_set() {
                return;
            }
            if let Ok(screen) = Screen::open(id) {
                break screen;
            }
        };
        sink.report(SourceEvent::Returned);
    }
}

fn look_at(screen: &mut Screen, ticks: Ticks, stop: &Stop, sink: &SampleSink) -> Result<(), Fault> {
    let mut tick = ticks.index_at(sink.now());
    let mut missed = 0;
    while !stop.is_set() {
        let is_new = screen.look(sink)?;
        // What changed meanwhile may have done so several times.
        if is_new && missed > 0 {
            sink.push(sink.now(), SampleContent::Missed(missed));
        }
        let next = ticks.after(tick, sink.now());
        stop.wait_until(ticks.time_of(next), sink);
        // On a busy machine that can be much later: what should have been several looks becomes one.
        let now = sink.now();
        missed = ticks.nearest(now).max(next).abs_diff(tick + 1);
        tick = ticks.index_at(now).max(next);
    }
    Ok(())
}

/// Why a screen cannot be looked at, or no longer.
#[derive(Debug)]
enum Fault {
    /// The server went away, or was never there.
    Server(String),
    /// The server has no such monitor.
    NoMonitor,
    /// The server lacks something, and will not get it.
    Lacks(String),
    /// The server refused a request.
    Refused(String),
}

impl Fault {
    fn reason(&self) -> LostReason {
        match self {
            Self::Server(_) => LostReason::ServerGone,
            Self::NoMonitor => LostReason::Unplugged,
            Self::Lacks(_) | Self::Refused(_) => LostReason::Failed,
        }
    }

    fn into_error(self, id: &SourceId) -> CaptureError {
        let id = id.clone();
        match self {
            Self::Server(message) => CaptureError::Unreachable { what: SERVER, message },
            Self::NoMonitor => CaptureError::UnknownSource { id },
            Self::Lacks(message) => CaptureError::Unsupported { id, message },
            Self::Refused(message) => CaptureError::Device { id, operation: "look at", message },
        }
    }
}

impl From<ConnectError> for Fault {
    fn from(error: ConnectError) -> Self {
        Self::Server(error.to_string())
    }
}

impl From<ConnectionError> for Fault {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::UnsupportedExtension => {
                Self::Lacks("the X server lacks an extension".to_owned())
            }
            other => Self::Server(other.to_string()),
        }
    }
}

impl From<ReplyError> for Fault {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::ConnectionError(error) => error.into(),
            ReplyError::X11Error(error) => {
                let request = error.request_name.unwrap_or("a request");
                Self::Refused(format!("the X server refused {request}: {:?}", error.error_kind))
            }
        }
    }
}

impl From<ReplyOrIdError> for Fault {
    fn from(error: ReplyOrIdError) -> Self {
        match error {
            ReplyOrIdError::ConnectionError(error) => error.into(),
            ReplyOrIdError::X11Error(error) => ReplyError::X11Error(error).into(),
            ReplyOrIdError::IdsExhausted => Self::Refused("the X server has no ids left".to_owned()),
        }
    }
}

/// A connection to a server that can be recorded from.
struct Display {
    server: Arc<RustConnection>,
    root: xproto::Window,
    has_monitors: bool,
}

struct Monitor {
    name: String,
    area: Rect,
}

impl Display {
    /// Connects, and checks all that recording needs.
    fn connect(id: &SourceId) -> Result<Self, CaptureError> {
        Self::try_connect().map_err(|fault| fault.into_error(id))
    }

    fn try_connect() -> Result<Self, Fault> {
        let (server, screen) = RustConnection::connect(None)?;
        let setup = server.setup();
        let screen = setup.roots.get(screen).ok_or_else(|| Fault::Server("it has no screen".to_owned()))?;
        let root = screen.root;
        check_pixels(setup, screen)?;
        let lacks = |name: &str| Fault::Lacks(format!("the X server lacks the extension {name}"));
        let needed = [shm::X11_EXTENSION_NAME, damage::X11_EXTENSION_NAME, xfixes::X11_EXTENSION_NAME];
        for name in needed {
            server.extension_information(name)?.ok_or_else(|| lacks(name))?;
        }
        // An extension may only be used once its version was agreed upon.
        let version = server.shm_query_version()?.reply()?;
        if (version.major_version, version.minor_version) < (1, 2) {
            return Err(lacks("MIT-SHM 1.2"));
        }
        server.xfixes_query_version(5, 0)?.reply()?;
        server.damage_query_version(1, 1)?.reply()?;
        let has_monitors = server.extension_information(randr::X11_EXTENSION_NAME)?.is_some() && {
            let version = server.randr_query_version(1, 5)?.reply()?;
            (version.major_version, version.minor_version) >= (1, 5)
        };
        let display = Self { server: Arc::new(server), root, has_monitors };
        display.refuse_wayland()?;
        Ok(display)
    }

    /// A Wayland compositor's X server shows X programs alone, and its root window shows nothing.
    fn refuse_wayland(&self) -> Result<(), Fault> {
        let named = self.server.query_extension(b"XWAYLAND")?.reply()?.present;
        if named || self.monitors()?.iter().any(|monitor| monitor.name.starts_with("XWAYLAND")) {
            return Err(Fault::Lacks("a Wayland session does not show its screen to X programs".to_owned()));
        }
        Ok(())
    }

    /// The area of the screen that a source is.
    fn area(&self, id: &SourceId) -> Result<Rect, Fault> {
        let whole = self.whole()?;
        let area = match id.as_str().strip_prefix(MONITOR) {
            None if id.as_str() == SCREEN => Some(whole),
            None => None,
            Some(name) => self.monitors()?.into_iter().find(|m| m.name == name).map(|monitor| monitor.area),
        };
        area.and_then(|area| area.intersect(whole)).ok_or(Fault::NoMonitor)
    }

    fn whole(&self) -> Result<Rect, Fault> {
        let root = self.server.get_geometry(self.root)?.reply()?;
        Ok(Rect::whole(Size::new(root.width.into(), root.height.into())))
    }

    fn monitors(&self) -> Result<Vec<Monitor>, Fault> {
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

/// Pixels must lie in memory as [`model::PixelFormat::Bgrx`] says.
fn check_pixels(setup: &xproto::Setup, screen: &xproto::Screen) -> Result<(), Fault> {
    let format = setup.pixmap_formats.iter().find(|format| format.depth == screen.root_depth);
    let visuals = screen.allowed_depths.iter().flat_map(|depth| &depth.visuals);
    let masks = |visual: &xproto::Visualtype| (visual.red_mask, visual.green_mask, visual.blue_mask);
    let is_bgrx = matches!(screen.root_depth, 24 | 32)
        && format.is_some_and(|format| format.bits_per_pixel == 32)
        && setup.image_byte_order == xproto::ImageOrder::LSB_FIRST
        && visuals
            .filter(|visual| visual.visual_id == screen.root_visual)
            .any(|visual| masks(visual) == (0xff_0000, 0xff00, 0xff));
    let lacks = || {
        let depth = screen.root_depth;
        Fault::Lacks(format!(
            "the X server shows {depth}-bit colour, and only 24-bit true colour is recorded"
        ))
    };
    is_bgrx.then_some(()).ok_or_else(lacks)
}
