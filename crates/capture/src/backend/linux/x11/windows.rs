//! The windows that people know: those that a window manager lists, with title and class.
//!
//! Owns: what is a window of a program's and what is only a part of one. Tested with the back end.

use super::{
    display::{Display, check_pixels},
    fault::Fault,
};
use model::Size;
use x11rb::{
    connection::Connection as _,
    properties::WmClass,
    protocol::xproto::{self, AtomEnum, ConnectionExt as _, GetPropertyReply, MapState, WindowClass},
};

/// Longer titles are cut, and more windows are not listed: so many 32-bit units.
const TITLE_UNITS: u32 = 256;
const WINDOWS_MAX: u32 = 4096;
/// A window manager puts few windows around one.
const FRAMES_MAX: usize = 3;

/// A window, and what people call it.
pub(super) struct Listed {
    pub window: xproto::Window,
    pub name: String,
    pub size: Size,
}

/// All that can be recorded, oldest first.
pub(super) fn list(display: &Display) -> Result<Vec<Listed>, Fault> {
    let atoms = Atoms::of(display)?;
    let windows = match managed(display, &atoms)? {
        Some(windows) => windows,
        None => found(display, &atoms)?,
    };
    // Windows come and go while they are asked: one that cannot be described is no window any more.
    let described = windows.into_iter().map(|window| match describe(display, &atoms, window) {
        Err(Fault::NoWindow | Fault::Refused(_) | Fault::Lacks(_)) => Ok(None),
        other => other,
    });
    described.filter_map(Result::transpose).collect()
}

struct Atoms {
    client_list: xproto::Atom,
    wm_check: xproto::Atom,
    wm_state: xproto::Atom,
    title: xproto::Atom,
    utf8: xproto::Atom,
}

impl Atoms {
    fn of(display: &Display) -> Result<Self, Fault> {
        let atom = |name: &str| -> Result<xproto::Atom, Fault> {
            Ok(display.server.intern_atom(false, name.as_bytes())?.reply()?.atom)
        };
        Ok(Self {
            client_list: atom("_NET_CLIENT_LIST")?,
            wm_check: atom("_NET_SUPPORTING_WM_CHECK")?,
            wm_state: atom("WM_STATE")?,
            title: atom("_NET_WM_NAME")?,
            utf8: atom("UTF8_STRING")?,
        })
    }
}

/// Those that the window manager lists, where there is one that does.
fn managed(display: &Display, atoms: &Atoms) -> Result<Option<Vec<xproto::Window>>, Fault> {
    let windows = |of: xproto::Window, name: xproto::Atom| -> Result<Vec<xproto::Window>, Fault> {
        let reply = display.server.get_property(false, of, name, AtomEnum::WINDOW, 0, WINDOWS_MAX)?.reply();
        match reply.map_err(Fault::from) {
            Ok(reply) => Ok(reply.value32().map(Iterator::collect).unwrap_or_default()),
            Err(Fault::NoWindow) => Ok(Vec::new()),
            Err(fault) => Err(fault),
        }
    };
    // A window manager that went away leaves its list, but not the window that names itself.
    let Some(&check) = windows(display.root, atoms.wm_check)?.first() else { return Ok(None) };
    if windows(check, atoms.wm_check)?.first() != Some(&check) {
        return Ok(None);
    }
    Ok(Some(windows(display.root, atoms.client_list)?).filter(|windows| !windows.is_empty()))
}

/// Where nobody keeps a list: what lies on the root window and is shown, without what is put around it.
fn found(display: &Display, atoms: &Atoms) -> Result<Vec<xproto::Window>, Fault> {
    let mut windows = Vec::new();
    for top in display.server.query_tree(display.root)?.reply()?.children {
        match client_of(display, atoms, top) {
            Ok(client) => windows.extend(client),
            Err(Fault::NoWindow) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(windows)
}

fn client_of(display: &Display, atoms: &Atoms, top: xproto::Window) -> Result<Option<xproto::Window>, Fault> {
    let mut level = vec![top];
    for _ in 0..FRAMES_MAX {
        let mut below = Vec::new();
        for window in level {
            let state = display.server.get_property(false, window, atoms.wm_state, AtomEnum::ANY, 0, 1)?;
            let children = display.server.query_tree(window)?;
            if state.reply()?.type_ != x11rb::NONE {
                return Ok(Some(window));
            }
            below.extend(children.reply()?.children);
        }
        level = below;
    }
    // Menus and tips ask window managers to leave them alone.
    let attributes = display.server.get_window_attributes(top)?.reply()?;
    let is_shown = attributes.map_state == MapState::VIEWABLE && !attributes.override_redirect;
    Ok(is_shown.then_some(top))
}

fn describe(display: &Display, atoms: &Atoms, window: xproto::Window) -> Result<Option<Listed>, Fault> {
    let server = &display.server;
    let attributes = server.get_window_attributes(window)?;
    let geometry = server.get_geometry(window)?;
    let title = server.get_property(false, window, atoms.title, atoms.utf8, 0, TITLE_UNITS)?;
    let old_title = server.get_property(false, window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, TITLE_UNITS)?;
    let class = WmClass::get(&**server, window)?;
    let attributes = attributes.reply()?;
    if attributes.class == WindowClass::INPUT_ONLY {
        return Ok(None);
    }
    check_pixels(server.setup(), attributes.visual)?;
    let geometry = geometry.reply()?;
    let title = Some(text(&title.reply()?, atoms)).filter(|title| !title.is_empty());
    let title = title.unwrap_or(text(&old_title.reply()?, atoms));
    let class =
        class.reply()?.map(|class| clean(&String::from_utf8_lossy(class.class()))).unwrap_or_default();
    let name = match (title.as_str(), class.as_str()) {
        ("", "") => format!("Window {window:#x}"),
        (only, "") | ("", only) => only.to_owned(),
        (title, class) => format!("{title} ({class})"),
    };
    Ok(Some(Listed { window, name, size: Size::new(geometry.width.into(), geometry.height.into()) }))
}

/// Old titles are Latin-1, unless they say otherwise.
fn text(property: &GetPropertyReply, atoms: &Atoms) -> String {
    if property.type_ == u32::from(AtomEnum::STRING) {
        clean(&property.value.iter().map(|&byte| char::from(byte)).collect::<String>())
    } else if property.type_ == atoms.utf8 {
        clean(&String::from_utf8_lossy(&property.value))
    } else {
        String::new()
    }
}

/// On one line, and nothing that a terminal would obey.
fn clean(text: &str) -> String {
    let visible = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    visible.collect::<String>().trim().to_owned()
}
