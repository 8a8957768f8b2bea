//! What the app says without a window: tray, notifications, advice on keys. The words are the front end's
//! (`ui/src/words`), built in; which of them is up to the setting `language`. Tested there and here.

use crate::deeds;
use engine::command::Setting;
use serde::Deserialize;
use std::sync::{
    LazyLock,
    atomic::{AtomicBool, Ordering},
};
use tauri::{AppHandle, Manager};

static ENGLISH: LazyLock<Words> = LazyLock::new(|| read(include_str!("../../ui/src/words/shell.en.json")));
static GERMAN: LazyLock<Words> = LazyLock::new(|| read(include_str!("../../ui/src/words/shell.de.json")));

fn read(catalogue: &str) -> Words {
    serde_json::from_str(catalogue).expect("catalogues that are built in are tested")
}

/// One language's.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Words {
    pub(crate) tray: Tray,
    pub(crate) notices: Notices,
    pub(crate) alarms: Alarms,
    pub(crate) hotkeys: Hotkeys,
    /// The small window's title.
    pub(crate) controller: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Tray {
    pub(crate) idle: String,
    pub(crate) recording: String,
    pub(crate) paused: String,
    pub(crate) saving: String,
    pub(crate) start: String,
    pub(crate) stop: String,
    pub(crate) pause: String,
    pub(crate) resume: String,
    pub(crate) open: String,
    pub(crate) quit: String,
    pub(crate) stop_and_quit: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Notices {
    pub(crate) refused: String,
    pub(crate) saved: String,
    pub(crate) ended: String,
    pub(crate) recovered: String,
    pub(crate) recovered_missing: String,
    pub(crate) untitled: String,
    pub(crate) disk_low: String,
    pub(crate) source_lost: String,
    pub(crate) track_failed: String,
    pub(crate) shut_out: String,
    pub(crate) shut_out_hint: String,
    pub(crate) link: String,
    pub(crate) link_hint: String,
    pub(crate) running: String,
    pub(crate) running_hint: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Alarms {
    pub(crate) silent: String,
    pub(crate) frozen: String,
    pub(crate) stalled: String,
    pub(crate) clipped: String,
    pub(crate) drifting: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Hotkeys {
    pub(crate) actions: Actions,
    pub(crate) taken: String,
    pub(crate) refused: String,
    pub(crate) none: String,
    /// Between two commands.
    pub(crate) and: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Actions {
    pub(crate) record: String,
    pub(crate) pause: String,
    pub(crate) annotate: String,
    pub(crate) mark: String,
}

/// Which language is spoken.
#[derive(Debug)]
pub(crate) struct Language {
    is_german: AtomicBool,
}

impl Default for Language {
    fn default() -> Self {
        Self { is_german: AtomicBool::new(is_german("system")) }
    }
}

impl Language {
    /// As the settings have it. Says whether it was another one before.
    pub(crate) fn learn(&self, settings: &[Setting]) -> bool {
        let is_german = is_german(deeds::chosen(settings, "language").unwrap_or("system"));
        self.is_german.swap(is_german, Ordering::Relaxed) != is_german
    }

    /// Its words.
    pub(crate) fn words(&self) -> &'static Words {
        if self.is_german.load(Ordering::Relaxed) { &GERMAN } else { &ENGLISH }
    }
}

/// The words of the language that is spoken now.
pub(crate) fn words(app: &AppHandle) -> &'static Words {
    app.state::<Language>().words()
}

fn is_german(setting: &str) -> bool {
    match setting {
        "system" => sys_locale::get_locale().is_some_and(|tag| tag.starts_with("de")),
        tag => tag == "de",
    }
}

/// Puts values where `{name}` stands.
pub(crate) fn fill(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalogues_are_whole_and_heed_the_setting() {
        let setting = |value: &str| Setting {
            key: "language".into(),
            value: value.into(),
            chosen: true,
            help: String::new(),
            choices: Vec::new(),
        };
        let language = Language::default();
        language.learn(&[setting("en")]);
        assert_eq!(language.words().tray.open, "Open Spool");
        assert!(language.learn(&[setting("de")]) && !language.learn(&[setting("de")]));
        assert_eq!(language.words().tray.open, "Spool öffnen");
    }

    #[test]
    fn values_go_where_their_names_stand() {
        assert_eq!(fill("{a} and {b}, {a}", &[("a", "x"), ("b", "{c}")]), "x and {c}, x");
    }
}
