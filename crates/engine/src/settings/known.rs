//! Every setting that there is, by name, apart from those that make a layout.

use super::{
    Settings, parse_age, parse_bytes, parse_chunk, parse_days, parse_duration, parse_key, parse_keys,
    parse_limit,
    upload::{parse_file, parse_hours, parse_kept, parse_parallel, parse_proxy, parse_rate, parse_server},
};

/// Values of a switch.
pub(crate) const SWITCH: Values = Values::OneOf(&["on", "off"]);

/// Which values a setting takes.
#[derive(Clone, Copy)]
pub(crate) enum Values {
    /// Those that this takes.
    Taken(fn(&str) -> Result<(), String>),
    /// Those that this takes; people are offered these.
    Offered(&'static [&'static str], fn(&str) -> Result<(), String>),
    /// These alone.
    OneOf(&'static [&'static str]),
}

impl Values {
    pub(crate) fn check(self, value: &str) -> Result<(), String> {
        match self {
            Self::Taken(check) | Self::Offered(_, check) => check(value),
            Self::OneOf(values) if values.contains(&value) => Ok(()),
            Self::OneOf(values) => Err(format!("{value:?} is not one of {}", values.join(", "))),
        }
    }

    /// What people are offered.
    pub(crate) fn choices(self) -> &'static [&'static str] {
        match self {
            Self::Taken(_) => &[],
            Self::Offered(values, _) | Self::OneOf(values) => values,
        }
    }
}

/// A setting that exists.
#[derive(Clone, Copy)]
pub(crate) struct Known {
    pub(crate) key: &'static str,
    pub(crate) default: &'static str,
    pub(crate) help: &'static str,
    pub(crate) values: Values,
}

const fn known(key: &'static str, default: &'static str, values: Values, help: &'static str) -> Known {
    Known { key, default, help, values }
}

/// Every setting. Flags and SPOOL_* variables of the command line go before them.
pub(crate) const KNOWN: &[Known] = &[
    known("autostart", "off", SWITCH, "whether the app starts, hidden, when its user logs in: on or off"),
    known(
        "camera",
        "off",
        Values::Taken(check_choice),
        "the camera: default, off, or an id of `spool devices`",
    ),
    known(
        "camera-format",
        "best",
        Values::Taken(check_choice),
        "what the camera is asked for: best, or a format of `spool devices` such as 1280x720@30",
    ),
    known(
        "chunk",
        "4s",
        Values::Offered(&["2s", "3s", "4s", "5s", "6s", "8s", "10s"], |value| parse_chunk(value).map(drop)),
        "length of a chunk, 2s to 10s",
    ),
    known(
        "close-to-tray",
        "on",
        SWITCH,
        "whether the app goes on in the tray when its window is closed: on or off",
    ),
    known(
        "countdown",
        "0",
        Values::OneOf(&["0", "3", "5", "10"]),
        "seconds that the app counts down before it records: 0, 3, 5 or 10",
    ),
    known(
        "disk-reserve",
        "500MB",
        Values::Taken(|value| parse_bytes(value).map(drop)),
        "a recording is finalized before less than this is free",
    ),
    known(
        "disk-warning",
        "5GB",
        Values::Taken(|value| parse_bytes(value).map(drop)),
        "below this much free space people are warned",
    ),
    known(
        "encryption",
        "off",
        SWITCH,
        "whether new recordings are encrypted on disk: on or off; titles, marks, times and sizes stay readable, and \
         exported files are not encrypted; `spool key` shows and saves the key",
    ),
    known(
        Settings::ENCRYPTION_KEY,
        "",
        Values::Taken(parse_key),
        "which key new recordings are encrypted with; made for the first, and never replaced while it is away",
    ),
    known("first-run", "on", SWITCH, "whether the guide for the first start is still to be shown: on or off"),
    known("fps", "30", Values::OneOf(&["24", "30", "60"]), "most pictures a second: 24, 30 or 60"),
    known("hotkey-annotate", "Ctrl+Shift+A", HOTKEY, "shows and hides the drawing tools: such keys, or off"),
    known("hotkey-mark", "Ctrl+Shift+M", HOTKEY, "marks an instant while recording: such keys, or off"),
    known("hotkey-pause", "Ctrl+Shift+P", HOTKEY, "pauses a recording and goes on: such keys, or off"),
    known("hotkey-record", "Ctrl+Shift+R", HOTKEY, "begins a recording and ends it: such keys, or off"),
    known(
        "idle-exit",
        "60s",
        Values::Taken(|value| parse_duration(value).map(drop)),
        "an engine with nothing to do ends after this",
    ),
    known(
        "keep-days",
        "off",
        Values::Offered(&["off", "30", "90", "180", "365"], |value| parse_days(value).map(drop)),
        "recordings older than so many days are deleted, or off; see keep-unverified",
    ),
    known(
        "keep-size",
        "off",
        Values::Offered(&["off", "20GB", "50GB", "100GB", "500GB"], |value| parse_limit(value).map(drop)),
        "where all recordings take more than this, such as 100GB, the trash and then the oldest are deleted, or off; \
         see keep-unverified",
    ),
    known(
        "keep-unverified",
        "on",
        SWITCH,
        "whether age and size delete only what a server has verified, and has looked at again just before: on or off; \
         without a server they delete nothing while it is on",
    ),
    known(
        "keep-uploaded",
        "on",
        Values::Offered(&["on", "1d", "7d", "30d", "90d"], |value| parse_kept(value).map(drop)),
        "whether what a server has verified is kept here like all else: on, or a time such as 30d after which it is \
         deleted here once the server has looked at all of it again",
    ),
    known("keys", "off", SWITCH, "whether keys are recorded, passwords too: on or off"),
    known(
        "language",
        "system",
        Values::OneOf(&["system", "en", "de"]),
        "the app's language: system, en or de",
    ),
    known(
        "library-view",
        "grid",
        Values::OneOf(&["grid", "list"]),
        "how the app shows the library: grid or list",
    ),
    known(
        "mic",
        "default",
        Values::Taken(check_choice),
        "the microphone: default, off, or an id of `spool devices`",
    ),
    known(
        "mode",
        "program",
        Values::OneOf(&["program", "tracks", "both"]),
        "program (one composited picture), tracks (every source as it is) or both",
    ),
    known("notifications", "on", SWITCH, "whether the app shows notifications: on or off"),
    known(
        "preset",
        "720p",
        Values::OneOf(&["480p", "720p", "1080p", "1440p", "2160p"]),
        "largest picture: 480p (1 Mbit/s), 720p (2.5), 1080p (5), 1440p (9), 2160p (18)",
    ),
    known(
        "screen",
        "default",
        Values::Taken(check_choice),
        "the screen, window or region: default, off, or an id of `spool devices`",
    ),
    known(
        Settings::SCREEN_TOKEN,
        "",
        Values::Taken(|_| Ok(())),
        "what the desktop gave when it allowed the screen; without it it asks again",
    ),
    known(
        Settings::SERVER,
        "",
        Values::Taken(|value| parse_server(value).map(drop)),
        "the address of the server that recordings go to; `spool login` sets it",
    ),
    known(
        "system-audio",
        "off",
        Values::Taken(check_choice),
        "what the speakers play: default, off, or an id of `spool devices`",
    ),
    known(
        "theme",
        "system",
        Values::OneOf(&["system", "light", "dark"]),
        "the app's colours: system, light or dark",
    ),
    known(
        "trash-keep",
        "7d",
        Values::Offered(&["1d", "7d", "30d", "off"], |value| parse_age(value).map(drop)),
        "what lies in the trash for longer is deleted for good: a time such as 7d or 12h, or off for never",
    ),
    known(
        "updates",
        "off",
        Values::OneOf(&["off", "ask"]),
        "whether the app asks its makers' server for newer versions, where the system does not update it: off or ask",
    ),
    known(
        "upload",
        "on",
        Values::OneOf(&["on", "manual", "off"]),
        "what goes to the server, once there is a login: on (everything), manual (what `spool sync ID` names) or off",
    ),
    known(
        "upload-ca",
        "",
        Values::Taken(|value| parse_file(value).map(drop)),
        "a PEM file with certificates that are trusted besides the system's, for a server of one's own",
    ),
    known(
        "upload-hours",
        "always",
        Values::Offered(&["always", "22:00-06:00", "18:00-08:00"], |value| parse_hours(value).map(drop)),
        "when uploads go: always, or a time of day such as 22:00-06:00",
    ),
    known(
        "upload-limit",
        "off",
        Values::Offered(&["off", "1MB/s", "5MB/s", "20MB/s"], |value| parse_rate(value).map(drop)),
        "how fast uploads go at most: a rate such as 5MB/s, or off",
    ),
    known(
        "upload-metered",
        "off",
        SWITCH,
        "whether uploads go on over a network that is paid by volume, where the system knows: on or off",
    ),
    known(
        "upload-parallel",
        "16",
        Values::Offered(&["1", "4", "16", "64"], |value| parse_parallel(value).map(drop)),
        "uploads at once, at most: 1 to 64; as many as are of use go, up to that",
    ),
    known(Settings::UPLOAD_PAUSED, "off", SWITCH, "whether somebody paused uploads: on or off"),
    known(
        "upload-proxy",
        "system",
        Values::Offered(&["system", "direct"], |value| parse_proxy(value).map(drop)),
        "how the server is reached: system, direct, or a proxy such as http://proxy.example:3128 or socks5://…",
    ),
];

const HOTKEY: Values = Values::Taken(parse_keys);

/// Any word: which devices there are is known when one is opened.
fn check_choice(text: &str) -> Result<(), String> {
    if text.is_empty() { Err("is empty".to_owned()) } else { Ok(()) }
}
