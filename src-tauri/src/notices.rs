//! Notifications, for what people must hear while they look at something else.

use crate::{
    windows,
    words::{self, Words, fill},
};
use engine::{AlarmKind, Problem, command::Event};
use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tauri::{AppHandle, Manager};
use tauri_plugin_notification::NotificationExt;

/// What comes again within this time is not told again: a loose cable comes and goes all the time.
const REST: Duration = Duration::from_mins(1);

/// A notification.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Notice<'a> {
    title: &'a str,
    body: String,
    /// What it is about, where the same may come again and again.
    about: Option<String>,
}

/// When what was told last.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<HashMap<String, Instant>>);

impl Told {
    /// Whether this is to be told now, and then not for a while.
    fn is_news(&self, about: &str, now: Instant) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, at| now.saturating_duration_since(*at) < REST);
        let is_news = !told.contains_key(about);
        if is_news {
            told.insert(about.to_owned(), now);
        }
        is_news
    }
}

/// Tells of it where it matters and nobody sees it in a window.
pub(crate) fn consider(app: &AppHandle, event: &Event) {
    let Some(notice) = notice(event, words::words(app)) else { return };
    if windows::wants_notices(app)
        && notice.about.as_ref().is_none_or(|about| app.state::<Told>().is_news(about, Instant::now()))
    {
        tell(app, notice.title, &notice.body);
    }
}

/// Something that was asked for by key or tray did not happen.
pub(crate) fn problem(app: &AppHandle, problem: &Problem) {
    tracing::warn!(%problem, code = problem.code, "refused");
    tell(app, &words::words(app).notices.refused, &problem.message);
}

/// A server no longer lets this computer in. Uploads go on when somebody logs in again, and not before.
pub(crate) fn shut_out(app: &AppHandle, server: &str) {
    let words = &words::words(app).notices;
    if windows::wants_notices(app) && app.state::<Told>().is_news("shut out", Instant::now()) {
        tell(app, &words.shut_out, &fill(&words.shut_out_hint, &[("server", server)]));
    }
}

/// A link came that is none of ours. It is not repeated, since anybody may have written it.
pub(crate) fn refused_link(app: &AppHandle) {
    tracing::warn!("a link was refused");
    let words = &words::words(app).notices;
    if app.state::<Told>().is_news("link", Instant::now()) {
        tell(app, &words.link, &words.link_hint);
    }
}

/// Somebody wanted to start the app with another data folder than the one that this has.
pub(crate) fn other_folder(app: &AppHandle, ours: &Path) {
    let words = &words::words(app).notices;
    tell(app, &words.running, &fill(&words.running_hint, &[("folder", &ours.display().to_string())]));
}

fn notice<'a>(event: &Event, words: &'a Words) -> Option<Notice<'a>> {
    let say = &words.notices;
    let (title, body, about) = match event {
        Event::Finished(summary) => match &summary.reason {
            Some(reason) => (&say.ended, reason.clone(), None),
            None => (&say.saved, length(summary.duration_ms), None),
        },
        Event::Recovered { title, lost_ms, .. } => {
            let title = if title.is_empty() { &say.untitled } else { title };
            let seconds = format!("{:.1}", *lost_ms as f64 / 1e3);
            let missing = fill(&say.recovered_missing, &[("seconds", &seconds), ("title", title)]);
            (&say.recovered, if *lost_ms == 0 { title.clone() } else { missing }, None)
        }
        Event::Alarm { alarm, raised: true } => {
            let title = match alarm.kind {
                AlarmKind::Silent => &words.alarms.silent,
                AlarmKind::Frozen => &words.alarms.frozen,
                AlarmKind::Stalled => &words.alarms.stalled,
                AlarmKind::Clipped => &words.alarms.clipped,
                AlarmKind::Drifting => &words.alarms.drifting,
            };
            (title, alarm.message.clone(), Some(format!("{:?} {}", alarm.kind, alarm.track)))
        }
        Event::Notice { code, message, track } => {
            let title = match code.as_str() {
                "disk_low" => &say.disk_low,
                "source_lost" => &say.source_lost,
                "track_failed" => &say.track_failed,
                _ => return None,
            };
            (title, message.clone(), Some(format!("{code} {}", track.as_deref().unwrap_or_default())))
        }
        Event::Changed(_)
        | Event::Alarm { .. }
        | Event::Progress { .. }
        | Event::LoggedIn(_)
        | Event::LoginFailed { .. }
        | Event::Uploaded { .. } => return None,
    };
    Some(Notice { title, body, about })
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
    use super::*;
    use crate::words::Language;

    #[test]
    fn lengths_are_written_as_clocks_do() {
        assert_eq!([0, 61_999, 3_723_000].map(length), ["0:00", "1:01", "1:02:03"]);
    }

    #[test]
    fn the_same_is_not_told_again_at_once() {
        let (told, now) = (Told::default(), Instant::now());
        assert!(told.is_news("a", now) && !told.is_news("a", now) && told.is_news("b", now));
        assert!(!told.is_news("a", now + REST / 2));
        assert!(told.is_news("a", now + REST));
    }

    #[test]
    fn urgent_things_are_told_and_others_are_not() {
        let language = Language::default();
        let told = |code: &str| {
            let event = Event::Notice { code: code.into(), track: Some("mic".into()), message: "why".into() };
            notice(&event, language.words()).map(|notice| notice.about.unwrap())
        };
        assert_eq!(told("source_lost").as_deref(), Some("source_lost mic"));
        assert_eq!(told("faster"), None);
        assert_eq!(told("deleted"), None);
    }
}
