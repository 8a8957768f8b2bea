//! Keys that work while other programs have the keyboard: taken from the system where programs may do that, else asked
//! of the desktop.

use crate::{
    deeds::{self, Deed},
    platform::{self, Binding, Session},
};
use engine::command::Setting;
use serde::Serialize;
use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};
use tauri::{AppHandle, Manager};
use tauri_plugin_global_shortcut::{GlobalShortcutExt, ShortcutState};

/// A key and how it is with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub(crate) struct Hotkey {
    action: Deed,
    /// Such as `Ctrl+Shift+R`.
    keys: String,
    state: HotkeyState,
    /// What to do about it, for people; empty where there is nothing to do.
    advice: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub(crate) enum HotkeyState {
    /// It works.
    Active,
    /// Another program has it.
    Taken,
    /// It cannot be had here, or is no key.
    Unavailable,
}

/// A deed that a key can be bound to.
struct Known {
    deed: Deed,
    id: &'static str,
    setting: &'static str,
    default: &'static str,
    description: &'static str,
    /// What does the same and can be bound by hand.
    by_hand: &'static str,
}

static KNOWN: [Known; 4] = [
    Known {
        deed: Deed::Record,
        id: "record",
        setting: "hotkey-record",
        default: "Ctrl+Shift+R",
        description: "Start or stop recording",
        by_hand: "spool record and spool stop",
    },
    Known {
        deed: Deed::Pause,
        id: "pause",
        setting: "hotkey-pause",
        default: "Ctrl+Shift+P",
        description: "Pause or resume the recording",
        by_hand: "spool pause and spool resume",
    },
    Known {
        deed: Deed::Annotate,
        id: "annotate",
        setting: "hotkey-annotate",
        default: "Ctrl+Shift+A",
        description: "Draw on the recording",
        by_hand: "spool annotate",
    },
    Known {
        deed: Deed::Mark,
        id: "mark",
        setting: "hotkey-mark",
        default: "Ctrl+Shift+M",
        description: "Mark this instant of the recording",
        by_hand: "spool mark",
    },
];

/// All keys, as they are now.
#[derive(Debug, Default)]
pub(crate) struct Hotkeys {
    keys: Mutex<Vec<Hotkey>>,
    /// What was last asked for; applying the same again would let go of keys for nothing.
    wanted: tokio::sync::Mutex<Vec<String>>,
    /// Desktops are asked once: they remember, and have settings of their own.
    is_asked: AtomicBool,
}

impl Hotkeys {
    /// As pages show them.
    pub(crate) fn all(&self) -> Vec<Hotkey> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Hotkey>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the keys that the settings name, and lets go of all others. `off` is none.
pub(crate) async fn apply(app: &AppHandle, settings: &[Setting]) {
    let hotkeys = app.state::<Hotkeys>();
    let keys_of = |known: &Known| {
        let found = settings.iter().find(|setting| setting.key == known.setting);
        found.map_or(known.default, |setting| setting.value.as_str()).to_owned()
    };
    let wanted: Vec<String> = KNOWN.iter().map(keys_of).collect();
    let mut before = hotkeys.wanted.lock().await;
    if *before == wanted {
        return;
    }
    before.clone_from(&wanted);
    let wishes = KNOWN.iter().zip(wanted).filter(|(_, keys)| !keys.is_empty() && keys != "off").collect();
    match platform::session() {
        Session::X11 | Session::Native => {
            let app = app.clone();
            // It waits for the main thread.
            let taken = tauri::async_runtime::spawn_blocking(move || take(&app, wishes)).await;
            *hotkeys.lock() = taken.unwrap_or_default();
        }
        Session::Wayland if hotkeys.is_asked.swap(true, Ordering::Relaxed) => {}
        Session::Wayland => {
            *hotkeys.lock() = wishes.iter().map(|(known, keys)| unavailable(known, keys)).collect();
            tauri::async_runtime::spawn(ask_desktop(app.clone(), wishes));
        }
    }
}

type Wishes = Vec<(&'static Known, String)>;

fn take(app: &AppHandle, wishes: Wishes) -> Vec<Hotkey> {
    let shortcuts = app.global_shortcut();
    if let Err(error) = shortcuts.unregister_all() {
        tracing::warn!(%error, "keys could not be let go of");
    }
    let take = |(known, keys): (&'static Known, String)| {
        let taken = shortcuts.on_shortcut(keys.as_str(), move |app, _keys, event| {
            if event.state() == ShortcutState::Pressed {
                deeds::perform(app, known.deed);
            }
        });
        let (state, advice) = match taken {
            Ok(()) => (HotkeyState::Active, String::new()),
            Err(error) => refused(known, &error),
        };
        Hotkey { action: known.deed, keys, state, advice }
    };
    wishes.into_iter().map(take).collect()
}

fn refused(known: &Known, error: &tauri_plugin_global_shortcut::Error) -> (HotkeyState, String) {
    let why = error.to_string();
    tracing::warn!(why, "a key cannot be had");
    // The plugin gives errors of the library below it as text alone.
    if why.starts_with("HotKey already registered") {
        let advice =
            format!("Another program has these keys: choose others, or bind {} by hand.", known.by_hand);
        (HotkeyState::Taken, advice)
    } else {
        (HotkeyState::Unavailable, format!("{why}. Choose other keys, or bind {} by hand.", known.by_hand))
    }
}

fn unavailable(known: &Known, keys: &str) -> Hotkey {
    let advice =
        format!("This desktop gives no keys to programs: bind {} in its own settings.", known.by_hand);
    Hotkey { action: known.deed, keys: keys.to_owned(), state: HotkeyState::Unavailable, advice }
}

async fn ask_desktop(app: AppHandle, wishes: Wishes) {
    let wanted: Vec<Binding> = wishes
        .into_iter()
        .map(|(known, keys)| Binding { id: known.id, description: known.description, keys })
        .collect();
    let known = |id: &str| KNOWN.iter().find(|known| known.id == id);
    let hotkeys = app.state::<Hotkeys>();
    let bound = |bindings: Vec<Binding>| {
        for binding in bindings {
            let deed = known(binding.id).map(|known| known.deed);
            if let Some(hotkey) = hotkeys.lock().iter_mut().find(|hotkey| Some(hotkey.action) == deed) {
                hotkey.keys = binding.keys;
                hotkey.state = HotkeyState::Active;
                hotkey.advice = String::new();
            }
        }
    };
    let pressed = |id: &str| {
        if let Some(known) = known(id) {
            deeds::perform(&app, known.deed);
        }
    };
    if let Err(error) = platform::bind_keys(&wanted, bound, pressed).await {
        tracing::info!(error = format!("{error:#}"), "the desktop gives no keys");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_one_and_no_two_are_the_same() {
        let mut seen = Vec::new();
        for known in &KNOWN {
            let parsed: tauri_plugin_global_shortcut::Shortcut = known.default.parse().unwrap();
            assert!(!seen.contains(&parsed), "{}", known.default);
            seen.push(parsed);
        }
    }

    #[test]
    fn what_cannot_be_had_says_what_to_do() {
        let hotkey = unavailable(&KNOWN[0], "Ctrl+Shift+R");
        assert!(hotkey.advice.contains("spool record"), "{hotkey:?}");
    }
}
