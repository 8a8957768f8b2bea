//! Windows and macOS.

use super::{Binding, Session};
use crate::start::HIDDEN;
use anyhow::{Result, bail};
use tauri::{AppHandle, Wry};
use tauri_plugin_autostart::{MacosLauncher, ManagerExt};

/// Windows can be left out of what is recorded.
pub(crate) const HIDES_WINDOWS: bool = true;

pub(crate) fn equip(builder: tauri::Builder<Wry>) -> tauri::Builder<Wry> {
    builder.plugin(tauri_plugin_autostart::init(MacosLauncher::LaunchAgent, Some(vec![HIDDEN])))
}

/// Whether the app starts, hidden, when its user logs in.
pub(crate) fn start_with_desktop(app: &AppHandle, wanted: bool) -> Result<()> {
    let autostart = app.autolaunch();
    match (wanted, autostart.is_enabled()?) {
        (true, false) => autostart.enable()?,
        (false, true) => autostart.disable()?,
        (true, true) | (false, false) => {}
    }
    Ok(())
}

pub(crate) fn session() -> Session {
    Session::Native
}

/// They end by themselves.
pub(crate) fn end_page_helpers() -> Result<()> {
    Ok(())
}

/// Nobody gives out keys here: programs take them.
pub(crate) async fn bind_keys(
    _wanted: &[Binding],
    _bound: impl FnOnce(Vec<Binding>),
    _pressed: impl Fn(&str),
) -> Result<()> {
    bail!("keys are taken here, not given out")
}
