//! Linux: X11, or Wayland with its portals.

use super::{Binding, Session};
use crate::start::HIDDEN;
use anyhow::{Context, Result};
use ashpd::{
    AppID,
    desktop::global_shortcuts::{GlobalShortcuts, NewShortcut},
};
use futures_lite::StreamExt;
use rustix::process::{Pid, Signal, kill_process};
use std::{env, fs, io, path::Path};
use tauri::{AppHandle, Manager, Wry};

/// Neither X servers nor portals leave a window out of what is recorded.
pub(crate) const HIDES_WINDOWS: bool = false;
/// As desktops know the app.
const APP: &str = "io.spool.desktop";
/// Among the programs that a desktop starts (Desktop Application Autostart Specification).
const AUTOSTART: &str = "autostart/spool-app.desktop";

pub(crate) fn equip(builder: tauri::Builder<Wry>) -> tauri::Builder<Wry> {
    builder
}

pub(crate) fn session() -> Session {
    match env::var_os("WAYLAND_DISPLAY") {
        Some(display) if !display.is_empty() => Session::Wayland,
        _ => Session::X11,
    }
}

/// Whether the app starts, hidden, when its user logs in.
pub(crate) fn start_with_desktop(app: &AppHandle, wanted: bool) -> Result<()> {
    let entry = app.path().config_dir()?.join(AUTOSTART);
    if !wanted {
        return match fs::remove_file(&entry) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        };
    }
    let program = match app.env().appimage {
        Some(image) => image.into(),
        None => env::current_exe()?,
    };
    let starts = exec(&program);
    // One that starts this program may have been changed by its user, or by the desktop's own settings.
    let is_there = fs::read_to_string(&entry).is_ok_and(|entry| entry.lines().any(|line| line == starts));
    if is_there {
        return Ok(());
    }
    if let Some(folder) = entry.parent() {
        fs::create_dir_all(folder)?;
    }
    let words = format!("[Desktop Entry]\nType=Application\nName=Spool\nIcon=spool-app\n{starts}\n");
    fs::write(&entry, words).with_context(|| format!("cannot write {}", entry.display()))
}

/// The line of a desktop entry that starts this program: quoted, and then escaped like every value.
fn exec(program: &Path) -> String {
    let mut quoted = String::new();
    for letter in program.to_string_lossy().chars() {
        match letter {
            '\\' => quoted.push_str(r"\\\\"),
            '"' | '`' | '$' => quoted.extend([r"\\", letter.encode_utf8(&mut [0; 4])]),
            '%' => quoted.push_str("%%"),
            _ => quoted.push(letter),
        }
    }
    format!("Exec=\"{quoted}\" {HIDDEN}")
}

/// Asks the desktop for keys (XDG GlobalShortcuts portal). It says which the user agreed to by `bound`; then each that
/// is pressed goes to `pressed`, for as long as the desktop lives.
pub(crate) async fn bind_keys(
    wanted: &[Binding],
    bound: impl FnOnce(Vec<Binding>),
    pressed: impl Fn(&str),
) -> Result<()> {
    // Newer portals want to know who asks, and learn it so from a program that no sandbox names. Older ones know no such
    // question.
    if let Ok(app) = AppID::try_from(APP)
        && let Err(error) = ashpd::register_host_app(app).await
    {
        tracing::debug!(%error, "the portal does not learn who asks");
    }
    let portal = GlobalShortcuts::new().await.context("the desktop has no portal for keys")?;
    let session = portal.create_session(Default::default()).await?;
    let shortcuts: Vec<NewShortcut> = wanted
        .iter()
        .map(|key| {
            let trigger = trigger(&key.keys);
            NewShortcut::new(key.id, key.description).preferred_trigger(trigger.as_str())
        })
        .collect();
    // Before they are bound, so that none that is pressed at once is missed.
    let mut activated = portal.receive_activated().await?;
    let answer = portal.bind_shortcuts(&session, &shortcuts, None, Default::default()).await?.response()?;
    bound(given(wanted, answer.shortcuts().iter().map(|key| (key.id(), key.trigger_description()))));
    while let Some(key) = activated.next().await {
        pressed(key.shortcut_id());
    }
    Ok(())
}

/// What was given of what was wanted.
fn given<'a>(wanted: &[Binding], answers: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Binding> {
    answers
        .filter_map(|(id, keys)| {
            let wish = wanted.iter().find(|wish| wish.id == id)?;
            let keys = if keys.is_empty() { wish.keys.clone() } else { keys.to_owned() };
            Some(Binding { keys, ..wish.clone() })
        })
        .collect()
}

/// `Ctrl+Shift+R` as portals write it: `CTRL+SHIFT+r`.
fn trigger(keys: &str) -> String {
    let (modifiers, key) = keys.rsplit_once('+').unwrap_or(("", keys));
    let modifiers =
        modifiers.split('+').filter(|modifier| !modifier.is_empty()).map(|modifier| {
            match modifier.to_ascii_lowercase().as_str() {
                "super" | "meta" | "cmd" | "command" => "LOGO+".to_owned(),
                "cmdorctrl" | "commandorcontrol" | "control" => "CTRL+".to_owned(),
                other => format!("{}+", other.to_ascii_uppercase()),
            }
        });
    let key = if key.len() == 1 { key.to_ascii_lowercase() } else { key.to_owned() };
    modifiers.chain([key]).collect()
}

/// WebKit keeps a process of 60 MB for the next page's network, although no page is left, and starts another where it
/// has none. Page processes end by themselves.
pub(crate) fn end_page_helpers() -> Result<()> {
    for child in children()? {
        let name = fs::read_to_string(format!("/proc/{}/comm", child.as_raw_pid())).unwrap_or_default();
        // The system keeps fifteen letters.
        if name.trim_end() == "WebKitNetworkPr" {
            kill_process(child, Signal::TERM)?;
        }
    }
    Ok(())
}

/// The processes that this one has started and that run.
fn children() -> Result<Vec<Pid>> {
    let mut children = Vec::new();
    for task in fs::read_dir("/proc/self/task")? {
        // A thread that has ended meanwhile has none.
        let listed = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        children.extend(listed.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)));
    }
    Ok(children)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_as_portals_do() {
        assert_eq!(trigger("Ctrl+Shift+R"), "CTRL+SHIFT+r");
        assert_eq!(trigger("Super+F9"), "LOGO+F9");
        assert_eq!(trigger("F9"), "F9");
    }

    #[test]
    fn programs_with_strange_names_are_started_too() {
        assert_eq!(exec(Path::new("/opt/my spool/app")), r#"Exec="/opt/my spool/app" --hidden"#);
        assert_eq!(exec(Path::new(r#"/a$b"c%d\e"#)), r#"Exec="/a\\$b\\"c%%d\\\\e" --hidden"#);
    }

    #[test]
    fn desktops_may_give_other_keys_or_none() {
        let wish = |id, keys: &str| Binding { id, description: "", keys: keys.to_owned() };
        let wanted = [wish("record", "Ctrl+Shift+R"), wish("pause", "Ctrl+Shift+P")];
        let answers = [("record", "Meta+R"), ("unknown", "F1")];
        assert_eq!(given(&wanted, answers.into_iter()), [wish("record", "Meta+R")]);
        assert_eq!(given(&wanted, [("pause", "")].into_iter()), [wish("pause", "Ctrl+Shift+P")]);
    }
}
