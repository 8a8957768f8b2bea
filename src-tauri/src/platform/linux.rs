//! Linux: X11, or Wayland with its portals.

use super::{Binding, Session};
use anyhow::{Context, Result};
use ashpd::desktop::global_shortcuts::{GlobalShortcuts, NewShortcut};
use futures_lite::StreamExt;
use rustix::process::{Pid, Signal, kill_process};
use std::{env, fs};

pub(crate) fn session() -> Session {
    match env::var_os("WAYLAND_DISPLAY") {
        Some(display) if !display.is_empty() => Session::Wayland,
        _ => Session::X11,
    }
}

/// Asks the desktop for keys (XDG GlobalShortcuts portal). It says which the user agreed to by `bound`; then each that
/// is pressed goes to `pressed`, for as long as the desktop lives.
pub(crate) async fn bind_keys(
    wanted: &[Binding],
    bound: impl FnOnce(Vec<Binding>),
    pressed: impl Fn(&str),
) -> Result<()> {
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
    fn desktops_may_give_other_keys_or_none() {
        let wish = |id, keys: &str| Binding { id, description: "", keys: keys.to_owned() };
        let wanted = [wish("record", "Ctrl+Shift+R"), wish("pause", "Ctrl+Shift+P")];
        let answers = [("record", "Meta+R"), ("unknown", "F1")];
        assert_eq!(given(&wanted, answers.into_iter()), [wish("record", "Meta+R")]);
        assert_eq!(given(&wanted, [("pause", "")].into_iter()), [wish("pause", "Ctrl+Shift+P")]);
    }
}
