//! The settings of uploads, and how people write them.

use super::{Settings, parse_bytes, parse_duration, unless_off};
use crate::layout;
use std::{num::NonZeroU64, path::PathBuf, time::Duration};
use upload::driver::Proxy;

/// What is uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The whole library, as it grows.
    All,
    /// What people name.
    Named,
    /// Nothing.
    Nothing,
}

/// How uploads go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UploadSettings {
    /// The server's address; none where there is none.
    pub(crate) server: Option<String>,
    pub(crate) wanted: Wanted,
    /// Bytes a second, at most.
    pub(crate) cap: Option<NonZeroU64>,
    /// From minute to minute of the day; the whole of it if none.
    pub(crate) hours: Option<(u16, u16)>,
    /// Whether they go on over a network that is paid by volume.
    pub(crate) metered: bool,
    pub(crate) proxy: Proxy,
    pub(crate) parallel: usize,
    /// Certificates that are trusted besides the system's.
    pub(crate) ca: Option<PathBuf>,
}

impl Settings {
    /// The setting that names the server.
    pub(crate) const SERVER: &str = "server";
    /// The setting that says that somebody paused uploads.
    pub(crate) const UPLOAD_PAUSED: &str = "upload-paused";

    /// How uploads go.
    pub(crate) fn uploads(&self) -> UploadSettings {
        UploadSettings {
            server: self.parsed(Self::SERVER, parse_server),
            wanted: self.parsed("upload", parse_wanted),
            cap: self.parsed("upload-limit", parse_rate),
            hours: self.parsed("upload-hours", parse_hours),
            metered: self.parsed("upload-metered", layout::parse_switch),
            proxy: self.parsed("upload-proxy", parse_proxy),
            parallel: self.parsed("upload-parallel", parse_parallel),
            ca: self.parsed("upload-ca", parse_file),
        }
    }

    /// Whether somebody paused uploads.
    pub(crate) fn upload_paused(&self) -> bool {
        self.parsed(Self::UPLOAD_PAUSED, layout::parse_switch)
    }

    /// Local recordings that a server has verified are deleted when they are so old; kept like all others if none.
    pub(crate) fn keep_uploaded(&self) -> Option<Duration> {
        self.parsed("keep-uploaded", parse_kept)
    }
}

/// A server's address, as it is kept.
pub fn parse_address(text: &str) -> Result<String, String> {
    upload::login::address(text).map_err(|error| error.to_string())
}

/// An address, or nothing.
pub(super) fn parse_server(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    parse_address(text).map(Some)
}

pub(super) fn parse_wanted(text: &str) -> Result<Wanted, String> {
    match text {
        "on" => Ok(Wanted::All),
        "manual" => Ok(Wanted::Named),
        "off" => Ok(Wanted::Nothing),
        _ => Err(format!("{text:?} is not one of on, manual, off")),
    }
}

/// `5MB/s`, or `off`.
pub(super) fn parse_rate(text: &str) -> Result<Option<NonZeroU64>, String> {
    let wrong = || format!("{text:?} is neither a rate such as 5MB/s nor off");
    unless_off(text, |text| {
        let bytes = parse_bytes(text.strip_suffix("/s").unwrap_or(text)).map_err(|_| wrong())?;
        NonZeroU64::new(bytes).ok_or_else(wrong)
    })
}

/// `22:00-06:00`, or `always`.
pub(super) fn parse_hours(text: &str) -> Result<Option<(u16, u16)>, String> {
    if text == "always" {
        return Ok(None);
    }
    let minute = |text: &str| -> Option<u16> {
        let (hour, minute) = text.trim().split_once(':')?;
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60).then_some(hour * 60 + minute)
    };
    let hours = text.split_once('-').and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
    hours
        .filter(|(from, to)| from != to)
        .map(Some)
        .ok_or_else(|| format!("{text:?} is neither always nor a time of day such as 22:00-06:00"))
}

/// `system`, `direct`, or a proxy's address.
pub(super) fn parse_proxy(text: &str) -> Result<Proxy, String> {
    match text {
        "system" => Ok(Proxy::System),
        "direct" => Ok(Proxy::Direct),
        other
            if ["http://", "https://", "socks5://", "socks5h://"]
                .iter()
                .any(|kind| other.starts_with(kind)) =>
        {
            Ok(Proxy::At(other.to_owned()))
        }
        _ => Err(format!(
            "{text:?} is neither system, direct nor an address such as http://proxy.example:3128"
        )),
    }
}

pub(super) fn parse_parallel(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=64).contains(number));
    number.ok_or_else(|| format!("{text:?} is not a number from 1 to 64"))
}

/// An absolute path, or nothing.
pub(super) fn parse_file(text: &str) -> Result<Option<PathBuf>, String> {
    let path = (!text.is_empty()).then(|| PathBuf::from(text));
    match path {
        Some(path) if !path.is_absolute() => Err(format!("{text:?} is not an absolute path")),
        path => Ok(path),
    }
}

/// `on`, or a time.
pub(super) fn parse_kept(text: &str) -> Result<Option<Duration>, String> {
    if text == "on" { Ok(None) } else { parse_duration(text).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_are_described_as_people_write_it() {
        let (mut settings, _) = Settings::new([]);
        let usual = settings.uploads();
        assert_eq!((usual.server.as_deref(), usual.wanted, usual.cap), (None, Wanted::All, None));
        assert_eq!((usual.hours, usual.metered, usual.parallel), (None, false, 16));
        assert_eq!(settings.keep_uploaded(), None);
        for (key, value) in [
            ("server", "spool.example.org/"),
            ("upload", "manual"),
            ("upload-limit", "5MB/s"),
            ("upload-hours", "22:00-06:30"),
            ("upload-proxy", "socks5://127.0.0.1:1080"),
            ("upload-parallel", "4"),
            ("keep-uploaded", "30d"),
        ] {
            settings.set(key, Some(value)).unwrap();
        }
        let uploads = settings.uploads();
        assert_eq!(uploads.server.as_deref(), Some("https://spool.example.org"));
        assert_eq!((uploads.wanted, uploads.cap), (Wanted::Named, NonZeroU64::new(5_000_000)));
        assert_eq!(uploads.hours, Some((22 * 60, 6 * 60 + 30)));
        assert_eq!(settings.keep_uploaded(), Some(Duration::from_secs(30 * 86_400)));
        for (key, value) in [
            ("server", "ftp://a"),
            ("upload", "sometimes"),
            ("upload-limit", "0"),
            ("upload-limit", "fast"),
            ("upload-hours", "22-6"),
            ("upload-hours", "24:00-06:00"),
            ("upload-hours", "06:00-06:00"),
            ("upload-proxy", "proxy.example"),
            ("upload-parallel", "0"),
            ("upload-ca", "roots.pem"),
        ] {
            assert!(settings.set(key, Some(value)).is_err(), "{key}={value}");
        }
    }
}
