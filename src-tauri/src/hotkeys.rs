//! Keys that work while other programs have the keyboard: taken from the system where programs may do that, else asked
//! of the desktop.

use crate::{
    deeds::{self, Deed},
    events,
    platform::{self, Binding, Session},
    words::{self, Words, fill},
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

/// Why a key does not work, if it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trouble {
    None,
    Taken,
    /// In the system's words.
    Refused(String),
    /// This desktop gives none, or has not said yet.
    Ungiven,
}

/// A key as it is now.
#[derive(Debug)]
struct Key {
    known: &'static Known,
    keys: String,
    trouble: Trouble,
}

impl Key {
    fn shown(&self, words: &Words) -> Hotkey {
        let say = &words.hotkeys;
        let [first, second] = self.known.by_hand;
        let command = match second {
            "" => first.to_owned(),
            second => fill(&say.and, &[("first", first), ("second", second)]),
        };
        let advise = |text: &str, why: &str| fill(text, &[("command", &command), ("why", why)]);
        let (state, advice) = match &self.trouble {
            Trouble::None => (HotkeyState::Active, String::new()),
            Trouble::Taken => (HotkeyState::Taken, advise(&say.taken, "")),
            Trouble::Refused(why) => (HotkeyState::Unavailable, advise(&say.refused, why)),
            Trouble::Ungiven => (HotkeyState::Unavailable, advise(&say.none, "")),
        };
        Hotkey { action: self.known.deed, keys: self.keys.clone(), state, advice }
    }
}

/// A deed that a key can be bound to.
#[derive(Debug)]
struct Known {
    deed: Deed,
    id: &'static str,
    setting: &'static str,
    default: &'static str,
    /// What do the same and can be bound by hand, one or two.
    by_hand: [&'static str; 2],
}

impl Known {
    fn description(&self, words: &'static Words) -> &'static str {
        let actions = &words.hotkeys.actions;
        match self.deed {
            Deed::Record => &actions.record,
            Deed::Pause => &actions.pause,
            Deed::Annotate => &actions.annotate,
            Deed::Mark => &actions.mark,
        }
    }
}

static KNOWN: [Known; 4] = [
    Known {
        deed: Deed::Record,
        id: "record",
        setting: "hotkey-record",
        default: "Ctrl+Shift+R",
        by_hand: ["spool record", "spool stop"],
    },
    Known {
        deed: Deed::Pause,
        id: "pause",
        setting: "hotkey-pause",
        default: "Ctrl+Shift+P",
        by_hand: ["spool pause", "spool resume"],
    },
    Known {
        deed: Deed::Annotate,
        id: "annotate",
        setting: "hotkey-annotate",
        default: "Ctrl+Shift+A",
        by_hand: ["spool annotate", ""],
    },
    Known {
        deed: Deed::Mark,
        id: "mark",
        setting: "hotkey-mark",
        default: "Ctrl+Shift+M",
        by_hand: ["spool mark", ""],
    },
];

/// All keys, as they are now.
#[derive(Debug, Default)]
pub(crate) struct Hotkeys {
    keys: Mutex<Vec<Key>>,
    /// What was last asked for; applying the same again would let go of keys for nothing.
    wanted: tokio::sync::Mutex<Vec<String>>,
    /// Desktops are asked once, while they listen: they remember, and have settings of their own.
    is_asked: AtomicBool,
}

impl Hotkeys {
    /// As pages show them.
    pub(crate) fn all(&self, words: &Words) -> Vec<Hotkey> {
        self.lock().iter().map(|key| key.shown(words)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Key>> {
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
            *hotkeys.lock() = ungiven(&wishes);
            tauri::async_runtime::spawn(ask_desktop(app.clone(), wishes));
        }
    }
}

type Wishes = Vec<(&'static Known, String)>;

fn take(app: &AppHandle, wishes: Wishes) -> Vec<Key> {
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
        let trouble = taken.err().map_or(Trouble::None, |error| refused(&error));
        Key { known, keys, trouble }
    };
    wishes.into_iter().map(take).collect()
}

fn refused(error: &tauri_plugin_global_shortcut::Error) -> Trouble {
    let why = error.to_string();
    tracing::warn!(why, "a key cannot be had");
    // The plugin gives errors of the library below it as text alone.
    if why.starts_with("HotKey already registered") { Trouble::Taken } else { Trouble::Refused(why) }
}

fn ungiven(wishes: &Wishes) -> Vec<Key> {
    let key = |(known, keys): &(&'static Known, String)| Key {
        known,
        keys: keys.clone(),
        trouble: Trouble::Ungiven,
    };
    wishes.iter().map(key).collect()
}

/// Asks, and listens for as long as the desktop gives keys. After that it may be asked again.
async fn ask_desktop(app: AppHandle, wishes: Wishes) {
    let words = words::words(&app);
    let wish = |(known, keys): &(&'static Known, String)| Binding {
        id: known.id,
        description: known.description(words),
        keys: keys.clone(),
    };
    let wanted: Vec<Binding> = wishes.iter().map(wish).collect();
    let hotkeys = app.state::<Hotkeys>();
    let bound = |bindings: Vec<Binding>| {
        for key in hotkeys.lock().iter_mut() {
            if let Some(binding) = bindings.iter().find(|binding| binding.id == key.known.id) {
                key.keys.clone_from(&binding.keys);
                key.trouble = Trouble::None;
            }
        }
        events::tell_about(&app);
    };
    let pressed = |id: &str| {
        if let Some(known) = KNOWN.iter().find(|known| known.id == id) {
            deeds::perform(&app, known.deed);
        }
    };
    match platform::bind_keys(&wanted, bound, pressed).await {
        Ok(()) => tracing::info!("the desktop gives no keys any more"),
        Err(error) => tracing::info!(error = format!("{error:#}"), "the desktop gives no keys"),
    }
    *hotkeys.lock() = ungiven(&wishes);
    hotkeys.is_asked.store(false, Ordering::Relaxed);
    events::tell_about(&app);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Language;

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
        let language = Language::default();
        for (key, command) in ungiven(&vec![(&KNOWN[0], "Ctrl+Shift+R".into()), (&KNOWN[3], "F9".into())])
            .iter()
            .zip(["spool record", "spool mark"])
        {
            let hotkey = key.shown(language.words());
            assert!(hotkey.advice.contains(command), "{hotkey:?}");
        }
    }
}
