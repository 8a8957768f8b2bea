//! Notifications, for what people must hear while they look at something else.

use crate::windows;
use engine::{Problem, command::Event};
use tauri::AppHandle;
use tauri_plugin_notification::NotificationExt;

/// What the engine says of the disk and of devices, and people want to know at once.
const URGENT: [&str; 3] = ["disk_low", "source_lost", "track_failed"];

/// Tells of it where it matters and nobody sees it in a window.
pub(crate) fn consider(app: &AppHandle, event: &Event) {
    if let Some((title, body)) = words(event)
        && windows::wants_notices(app)
    {
        tell(app, title, &body);
    }
}

/// Something that was asked for by key or tray did not happen.
pub(crate) fn problem(app: &AppHandle, problem: &Problem) {
    tracing::warn!(%problem, code = problem.code, "refused");
    tell(app, "That did not work", &problem.message);
}

fn words(event: &Event) -> Option<(&'static str, String)> {
    match event {
        Event::Finished(summary) => match &summary.reason {
            Some(reason) => Some(("The recording ended", reason.clone())),
            None => Some(("The recording is saved", length(summary.duration_ms))),
        },
        Event::Alarm { alarm, raised: true } => Some(("Something is wrong", alarm.message.clone())),
        Event::Notice { code, message, .. } if URGENT.contains(&code.as_str()) => {
            Some(("While recording", message.clone()))
        }
        Event::Changed(_) | Event::Alarm { .. } | Event::Notice { .. } | Event::Progress { .. } => None,
    }
}

/// `1:02:03` or `2:03`.
fn length(duration_ms: u64) -> String {
    let seconds = duration_ms / 1_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

fn tell(app: &AppHandle, title: &str, body: &str) {
    if let Err(error) = app.notification().builder().title(title).body(body).show() {
        tracing::warn!(%error, "a notification was not shown");
    }
}

#[cfg(test)]
mod tests {
    use super::length;

    #[test]
    fn lengths_are_written_as_clocks_do() {
        assert_eq!([0, 61_999, 3_723_000].map(length), ["0:00", "1:01", "1:02:03"]);
    }
}
