//! What differs between systems: what draws windows, who gives out keys where programs may not take them, and how a
//! program starts with its desktop.

#[cfg(target_os = "linux")]
#[path = "platform/linux.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "platform/other.rs"]
mod system;

pub(crate) use system::{HIDES_WINDOWS, bind_keys, end_page_helpers, equip, session, start_with_desktop};

use serde::Serialize;

/// What draws windows, and so decides how keys are had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
#[allow(dead_code, reason = "each system has some of them")]
pub(crate) enum Session {
    /// An X server: whoever comes first has a key.
    X11,
    /// A Wayland compositor: it gives out keys, if it does at all.
    Wayland,
    /// The system itself.
    Native,
}

/// A key that the desktop gives out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binding {
    /// What it is known by.
    pub(crate) id: &'static str,
    /// For people, in the desktop's own settings.
    pub(crate) description: &'static str,
    /// Keys that would do, as `Ctrl+Shift+R`; in the end what the desktop's user chose, in the desktop's words.
    pub(crate) keys: String,
}
