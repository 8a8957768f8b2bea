//! Settings: what there is, what is taken without a choice, and what values make sense.

use crate::{
    command::{Quality, Setting},
    error::EngineError,
    layout::{self, parse_switch},
};
use model::{Layout, Mode};
use std::{collections::BTreeMap, time::Duration};

/// A setting that exists.
#[derive(Clone, Copy)]
struct Known {
    key: &'static str,
    default: &'static str,
    help: &'static str,
    check: fn(&str) -> Result<(), String>,
}

/// Every setting. Flags and SPOOL_* variables of the command line go before them.
const KNOWN: &[Known] = &[
    Known {
        key: "camera",
        default: "off",
        help: "the camera: default, off, or an id of `spool devices`",
        check: check_choice,
    },
    Known {
        key: "camera-format",
        default: "best",
        help: "what the camera is asked for: best, or a format of `spool devices` such as 1280x720@30",
        check: check_choice,
    },
    Known {
        key: "chunk",
        default: "4s",
        help: "length of a chunk, 2s to 10s",
        check: |value| parse_chunk(value).map(drop),
    },
    Known {
        key: "disk-reserve",
        default: "500MB",
        help: "a recording is finalized before less than this is free",
        check: |value| parse_bytes(value).map(drop),
    },
    Known {
        key: "disk-warning",
        default: "5GB",
        help: "below this much free space people are warned",
        check: |value| parse_bytes(value).map(drop),
    },
    Known {
        key: "fps",
        default: "30",
        help: "most pictures a second: 24, 30 or 60",
        check: |value| parse_fps(value).map(drop),
    },
    Known {
        key: "idle-exit",
        default: "60s",
        help: "an engine with nothing to do ends after this",
        check: |value| parse_duration(value).map(drop),
    },
    Known {
        key: "keys",
        default: "off",
        help: "whether keys are recorded, passwords too: on or off",
        check: |value| parse_switch(value).map(drop),
    },
    Known {
        key: "mic",
        default: "default",
        help: "the microphone: default, off, or an id of `spool devices`",
        check: check_choice,
    },
    Known {
        key: "mode",
        default: "program",
        help: "program (one composited picture), tracks (every source as it is) or both",
        check: |value| parse_mode(value).map(drop),
    },
    Known {
        key: "preset",
        default: "720p",
        help: "largest picture: 480p (1 Mbit/s), 720p (2.5), 1080p (5), 1440p (9), 2160p (18)",
        check: |value| parse_preset(value).map(drop),
    },
    Known {
        key: Settings::SCREEN_TOKEN,
        default: "",
        help: "what the desktop gave when it allowed the screen; without it it asks again",
        check: |_| Ok(()),
    },
    Known {
        key: "system-audio",
        default: "off",
        help: "what the speakers play: default, off, or an id of `spool devices`",
        check: check_choice,
    },
];

/// Any word: which devices there are is known when one is opened.
fn check_choice(text: &str) -> Result<(), String> {
    if text.is_empty() { Err("is empty".to_owned()) } else { Ok(()) }
}

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

/// `10s`, `250ms`, `1.5m`, `2h`, or plain seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration such as 10s, 250ms, 1.5m or 2h");
    let digits = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    // A year is more than any recording, and far from where durations overflow.
    if !(0.0..=31_536_000.0).contains(&(number * scale)) {
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

/// The settings in force: what was chosen, else what is taken without a choice.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    chosen: BTreeMap<String, String>,
}

impl Settings {
    /// The setting that remembers what the desktop allowed.
    pub(crate) const SCREEN_TOKEN: &str = "screen-token";

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
            choices: Vec::new(),
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
            check: |_| Ok(()),
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
    (Known::named(key)?.check)(value).map_err(|why| EngineError::Invalid(format!("{key}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_as_people_write_them() {
        for (text, millis) in
            [("10s", 10_000), ("250ms", 250), ("1.5m", 90_000), ("2h", 7_200_000), ("3", 3_000)]
        {
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
