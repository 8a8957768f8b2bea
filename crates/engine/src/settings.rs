//! Settings: what there is, what is taken without a choice, and what values make sense.

mod known;
mod upload;

pub(crate) use known::{SWITCH, Values};
pub use upload::parse_address;
pub(crate) use upload::{UploadSettings, Wanted};

use crate::{
    command::{Quality, Setting},
    error::EngineError,
    layout,
};
use known::{KNOWN, Known};
use model::{KeyId, Layout, Mode};
use std::{collections::BTreeMap, time::Duration};

/// Longer than any recording, and far from where durations overflow.
const YEARS_10: f64 = 10.0 * 365.0 * 86_400.0;
/// Modifiers of a hotkey.
const MODIFIERS: [&str; 4] = ["Ctrl", "Shift", "Alt", "Super"];

/// A preset's picture and bitrate.
pub fn parse_preset(text: &str) -> Result<Quality, String> {
    let (width, height, bitrate) = match text {
        "480p" => (854, 480, 1_000_000),
        "720p" => (1280, 720, 2_500_000),
        "1080p" => (1920, 1080, 5_000_000),
        "1440p" => (2560, 1440, 9_000_000),
        "2160p" => (3840, 2160, 18_000_000),
        _ => return Err(format!("{text:?} is not one of 480p, 720p, 1080p, 1440p, 2160p")),
    };
    Ok(Quality { width, height, bitrate })
}

/// Which tracks of pictures there are.
pub fn parse_mode(text: &str) -> Result<Mode, String> {
    match text {
        "program" => Ok(Mode::Program),
        "tracks" => Ok(Mode::Tracks),
        "both" => Ok(Mode::Both),
        _ => Err(format!("{text:?} is not one of program, tracks, both")),
    }
}

/// A ceiling of pictures a second.
pub fn parse_fps(text: &str) -> Result<u32, String> {
    match text {
        "24" => Ok(24),
        "30" => Ok(30),
        "60" => Ok(60),
        _ => Err(format!("{text:?} is not one of 24, 30, 60")),
    }
}

/// A chunk's length, from 2 to 10 seconds.
pub fn parse_chunk(text: &str) -> Result<Duration, String> {
    let chunk = parse_duration(text)?;
    media::ChunkPolicy::new(chunk).map_err(|error| error.to_string())?;
    Ok(chunk)
}

/// `10s`, `250ms`, `1.5m`, `2h`, `7d`, or plain seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration such as 10s, 250ms, 1.5m, 2h or 7d");
    let digits = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    if !(0.0..=YEARS_10).contains(&(number * scale)) {
        return Err(wrong());
    }
    Duration::try_from_secs_f64(number * scale).map_err(|_| wrong())
}

/// `500MB`, `5GB`, or plain bytes; powers of ten.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a size such as 500MB or 5GB");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale: u64 = match unit.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(scale)).ok_or_else(wrong)
}

/// None for `off`, else what it is a limit of.
fn unless_off<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if text == "off" { Ok(None) } else { parse(text).map(Some) }
}

/// A duration, or `off`.
fn parse_age(text: &str) -> Result<Option<Duration>, String> {
    unless_off(text, parse_duration)
}

/// A size, or `off`.
fn parse_limit(text: &str) -> Result<Option<u64>, String> {
    unless_off(text, parse_bytes)
}

/// Whole days, at least one, or `off`.
fn parse_days(text: &str) -> Result<Option<Duration>, String> {
    let wrong = || format!("{text:?} is neither a number of days nor off");
    unless_off(text, |text| {
        let days: u32 = text.parse().map_err(|_| wrong())?;
        let valid = (1..=36_500).contains(&days);
        if valid { Ok(Duration::from_secs(u64::from(days) * 86_400)) } else { Err(wrong()) }
    })
}

/// `Ctrl+Shift+R`, `F9`, or `off`. Whether a system has such a key, and gives it, is known when it is asked for.
fn parse_keys(text: &str) -> Result<(), String> {
    let (before, key) = text.rsplit_once('+').map_or((None, text), |(before, key)| (Some(before), key));
    let modifiers: Vec<_> = before.into_iter().flat_map(|before| before.split('+')).collect();
    let known = modifiers.iter().all(|name| MODIFIERS.contains(name));
    let once = modifiers.iter().enumerate().all(|(place, name)| !modifiers[..place].contains(name));
    let is_key = (1..=20).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
    // A letter alone could no longer be typed.
    let typed = key.len() == 1 && modifiers.iter().all(|name| *name == "Shift");
    if known && once && is_key && !typed && !MODIFIERS.contains(&key) {
        return Ok(());
    }
    Err(format!(
        "{text:?} is neither off nor keys such as Ctrl+Shift+R, of {} and one other",
        MODIFIERS.join(", ")
    ))
}

/// The id of a key, or nothing.
fn parse_key(text: &str) -> Result<(), String> {
    let is_key = text.is_empty() || text.parse::<KeyId>().is_ok();
    if is_key { Ok(()) } else { Err(format!("{text:?} is not the id of a key")) }
}

/// The settings in force: what was chosen, else what is taken without a choice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    chosen: BTreeMap<String, String>,
}

impl Settings {
    /// The setting that remembers what the desktop allowed.
    pub(crate) const SCREEN_TOKEN: &str = "screen-token";
    /// The setting that says which key new recordings are encrypted with.
    pub(crate) const ENCRYPTION_KEY: &str = "encryption-key";

    /// With these choices; unknown ones and values that no longer make sense are left out, and named.
    pub fn new(chosen: impl IntoIterator<Item = (String, String)>) -> (Self, Vec<String>) {
        let mut ignored = Vec::new();
        let mut kept = BTreeMap::new();
        for (key, value) in chosen {
            match check(&key, &value) {
                Ok(()) => drop(kept.insert(key, value)),
                Err(error) => ignored.push(error.to_string()),
            }
        }
        (Self { chosen: kept }, ignored)
    }

    /// A choice was made, or taken back.
    pub fn set(&mut self, key: &str, value: Option<&str>) -> Result<(), EngineError> {
        match value {
            Some(value) => {
                check(key, value)?;
                self.chosen.insert(key.to_owned(), value.to_owned());
            }
            None => {
                Known::named(key)?;
                self.chosen.remove(key);
            }
        }
        Ok(())
    }

    /// One setting.
    pub fn setting(&self, key: &str) -> Result<Setting, EngineError> {
        Known::named(key).map(|known| self.describe(&known))
    }

    /// All settings, by name.
    pub fn all(&self) -> Vec<Setting> {
        Known::all().map(|known| self.describe(&known)).collect()
    }

    fn describe(&self, known: &Known) -> Setting {
        Setting {
            key: known.key.to_owned(),
            value: self.value(known).to_owned(),
            chosen: self.chosen.contains_key(known.key),
            help: known.help.to_owned(),
            choices: known.values.choices().iter().map(ToString::to_string).collect(),
        }
    }

    fn value<'a>(&'a self, known: &Known) -> &'a str {
        self.chosen.get(known.key).map_or(known.default, String::as_str)
    }

    fn parsed<T>(&self, key: &str, parse: fn(&str) -> Result<T, String>) -> T {
        let known = Known::named(key).expect("only keys of the table are asked for");
        parse(self.value(&known)).expect("values are checked before they are taken in")
    }

    /// A recording is finalized before less than this many bytes are free.
    pub fn disk_reserve(&self) -> u64 {
        self.parsed("disk-reserve", parse_bytes)
    }

    /// Below this many free bytes people are warned.
    pub fn disk_warning(&self) -> u64 {
        self.parsed("disk-warning", parse_bytes)
    }

    /// How sources are arranged where nobody says.
    pub fn layout(&self) -> Layout {
        let mut arranged = Layout::default();
        for (key, value) in self.chosen.iter().filter(|(key, _)| layout::is_part(key)) {
            layout::arrange(&mut arranged, key, value).expect("values are checked before they are taken in");
        }
        arranged
    }

    /// What the desktop gave when it allowed the screen.
    pub(crate) fn screen_token(&self) -> Option<String> {
        self.chosen.get(Self::SCREEN_TOKEN).cloned()
    }

    /// Whether new recordings are encrypted.
    pub(crate) fn encryption(&self) -> bool {
        self.parsed("encryption", layout::parse_switch)
    }

    /// Which key they are encrypted with, once there is one.
    pub(crate) fn encryption_key(&self) -> Option<KeyId> {
        self.chosen.get(Self::ENCRYPTION_KEY)?.parse().ok()
    }

    /// What is older is deleted, where `keep_unverified` allows it.
    pub fn keep_age(&self) -> Option<Duration> {
        self.parsed("keep-days", parse_days)
    }

    /// Where recordings take more bytes than this, the oldest are deleted, where `keep_unverified` allows it.
    pub fn keep_bytes(&self) -> Option<u64> {
        self.parsed("keep-size", parse_limit)
    }

    /// Neither age nor size deletes what no server has verified.
    pub fn keep_unverified(&self) -> bool {
        self.parsed("keep-unverified", layout::parse_switch)
    }

    /// What has lain in the trash for longer is deleted.
    pub fn trash_age(&self) -> Option<Duration> {
        self.parsed("trash-keep", parse_age)
    }

    /// An engine with nothing to do ends after this.
    pub fn idle_exit(&self) -> Duration {
        self.parsed("idle-exit", parse_duration)
    }
}

impl Known {
    /// The settings, and those that make a layout, by name.
    fn all() -> impl Iterator<Item = Self> {
        let parts = layout::PARTS.iter().map(|part| Self {
            key: part.key,
            default: part.default,
            help: part.help,
            values: part.values,
        });
        let mut all: Vec<Self> = KNOWN.iter().copied().chain(parts).collect();
        all.sort_by_key(|known| known.key);
        all.into_iter()
    }

    fn named(key: &str) -> Result<Self, EngineError> {
        Self::all().find(|known| known.key == key).ok_or_else(|| {
            let names: Vec<_> = Self::all().map(|known| known.key).collect();
            EngineError::Invalid(format!("there is no setting {key:?}; there are {}", names.join(", ")))
        })
    }
}

fn check(key: &str, value: &str) -> Result<(), EngineError> {
    if layout::is_part(key) {
        return layout::arrange(&mut Layout::default(), key, value).map_err(EngineError::Invalid);
    }
    Known::named(key)?.values.check(value).map_err(|why| EngineError::Invalid(format!("{key}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_as_people_write_them() {
        for (text, millis) in [
            ("10s", 10_000),
            ("250ms", 250),
            ("1.5m", 90_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
            ("3", 3_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for (text, bytes) in [("500MB", 500_000_000), ("5 GB", 5_000_000_000), ("7", 7)] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "s", "-1s", "1e400s", "nan", "10 parsecs", "inf"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        for text in ["", "GB", "-1", "99999999999TB", "5 monkeys"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_default_makes_sense() {
        for known in Known::all() {
            assert!(check(known.key, known.default).is_ok(), "{}", known.key);
        }
    }

    #[test]
    fn what_people_are_offered_is_taken() {
        for known in Known::all() {
            for choice in known.values.choices() {
                assert!(check(known.key, choice).is_ok(), "{}={choice}", known.key);
            }
        }
        let (settings, _) = Settings::new([]);
        let choices = |key| settings.setting(key).unwrap().choices;
        assert_eq!(choices("theme"), ["system", "light", "dark"]);
        assert_eq!(choices("camera-shown"), ["on", "off"]);
        assert_eq!(choices("mic"), [""; 0]);
    }

    #[test]
    fn hotkeys_are_keys() {
        for good in ["Ctrl+Shift+R", "F9", "Super+Space", "off", "Alt+1"] {
            assert_eq!(parse_keys(good), Ok(()), "{good}");
        }
        for bad in
            ["", "R", "Shift+R", "Ctrl", "Ctrl+", "+R", "Ctrl+Ctrl+R", "Hyper+R", "Ctrl+ä", "Ctrl Shift R"]
        {
            assert!(parse_keys(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn retention_is_read_as_people_write_it() {
        let day = Duration::from_secs(86_400);
        let (mut settings, _) = Settings::new([]);
        assert_eq!((settings.keep_age(), settings.keep_bytes()), (None, None));
        assert_eq!((settings.keep_unverified(), settings.trash_age()), (true, Some(7 * day)));
        for (key, value) in
            [("keep-days", "30"), ("keep-size", "100GB"), ("keep-unverified", "off"), ("trash-keep", "off")]
        {
            settings.set(key, Some(value)).unwrap();
        }
        assert_eq!((settings.keep_age(), settings.keep_bytes()), (Some(30 * day), Some(100_000_000_000)));
        assert_eq!((settings.keep_unverified(), settings.trash_age()), (false, None));
        for (key, value) in
            [("keep-days", "0"), ("keep-days", "1.5"), ("keep-size", "much"), ("trash-keep", "7w")]
        {
            assert!(settings.set(key, Some(value)).is_err(), "{key}={value}");
        }
    }

    #[test]
    fn nonsense_is_refused_by_name_and_old_nonsense_is_left_out() {
        let (mut settings, ignored) = Settings::new([
            ("fps".into(), "31".into()),
            ("colour".into(), "red".into()),
            ("fps".into(), "60".into()),
        ]);
        assert_eq!(ignored.len(), 2);
        assert_eq!(settings.setting("fps").unwrap().value, "60");
        assert!(settings.set("chunk", Some("1s")).is_err());
        settings.set("fps", None).unwrap();
        assert!(!settings.setting("fps").unwrap().chosen);
        settings.set("camera-size", Some("50%")).unwrap();
        assert_eq!(settings.layout().camera.size, 0.5);
        assert!(settings.set("camera-size", Some("half")).is_err());
    }
}
