//! When uploads may run: hours of the day, and networks that cost money.
//!
//! Owns: what people write about hours, and what follows from it. The hour and the kind of network are arguments;
//! whoever asks knows the clock, the time zone and the network.

use std::{fmt, str::FromStr};

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// Hours in which uploads may run, in local time: `22:00-06:00`, or several, with commas between. None is always.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schedule {
    /// From the first minute to before the second; over midnight where the second is not later.
    hours: Vec<(u16, u16)>,
}

/// A text that says no hours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} are no hours; write them as 22:00-06:00")]
pub struct ScheduleError(String);

impl Schedule {
    /// Whether uploads may run in this minute of the day, 0 to 1,439 in local time.
    pub fn allows(&self, minute: u16) -> bool {
        self.hours.is_empty() || self.hours.iter().any(|&hours| is_within(hours, minute % DAY))
    }

    /// Minutes from this minute of the day until uploads may run, or may not any more; none if that never changes.
    pub fn changes_in(&self, minute: u16) -> Option<u16> {
        let now = self.allows(minute);
        (1..=DAY).find(|later| self.allows((minute % DAY + later) % DAY) != now)
    }
}

fn is_within((from, to): (u16, u16), minute: u16) -> bool {
    if from < to { (from..to).contains(&minute) } else { minute >= from || minute < to }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let hours = text.split(',').map(|part| {
            let (from, to) = part.split_once('-')?;
            Some((minute_of_day(from)?, minute_of_day(to)?))
        });
        let hours: Option<Vec<_>> = hours.collect();
        // The same hour twice says nothing: it might be meant as never or as always.
        let hours = hours.filter(|hours| hours.iter().all(|(from, to)| from != to && *from < DAY));
        hours.map(|hours| Self { hours }).ok_or_else(|| ScheduleError(text.to_owned()))
    }
}

/// `06:30`, up to `24:00`.
fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |text: &str, digits: usize| {
        let plain = (1..=digits).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hour, minutes) = (number(hour, 2)?, number(minute, 2).filter(|_| minute.len() == 2)?);
    let all = hour * 60 + minutes;
    (minutes < 60 && all <= DAY).then_some(all)
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (from, to)) in self.hours.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma}{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)?;
        }
        Ok(())
    }
}

/// Whether uploads may run at all, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// They may.
    Granted,
    /// Somebody paused them.
    Paused,
    /// It is not the hour.
    NotTheHour,
    /// The network costs money, and people said not to use such.
    Metered,
}

/// What is asked before uploads run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// Somebody paused them.
    pub paused: bool,
    /// The hours.
    pub schedule: Schedule,
    /// Whether networks that cost money are used.
    pub on_metered: bool,
}

impl Rules {
    /// Whether uploads may run in this minute of the day on such a network. Pause goes before the hour, and the hour
    /// before the network, since that is the order in which people can do something about it.
    pub fn permission(&self, minute: u16, network_is_metered: bool) -> Permission {
        if self.paused {
            Permission::Paused
        } else if !self.schedule.allows(minute) {
            Permission::NotTheHour
        } else if network_is_metered && !self.on_metered {
            Permission::Metered
        } else {
            Permission::Granted
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(text: &str) -> Schedule {
        text.parse().expect(text)
    }

    #[test]
    fn hours_may_go_over_midnight() {
        let night = schedule("22:00-06:00");
        for (minute, allowed) in [(22 * 60, true), (22 * 60 - 1, false), (0, true), (359, true), (360, false)]
        {
            assert_eq!(night.allows(minute), allowed, "{minute}");
        }
        let lunch = schedule("12:00-13:30, 20:00-24:00");
        for (minute, allowed) in
            [(719, false), (720, true), (809, true), (810, false), (1_439, true), (0, false)]
        {
            assert_eq!(lunch.allows(minute), allowed, "{minute}");
        }
        assert!((0..DAY).all(|minute| Schedule::default().allows(minute)));
        assert!((0..DAY).all(|minute| schedule("00:00-24:00").allows(minute)));
    }

    #[test]
    fn it_says_when_it_changes() {
        let night = schedule("22:00-06:00");
        assert_eq!(night.changes_in(21 * 60), Some(60));
        assert_eq!(night.changes_in(23 * 60), Some(7 * 60));
        assert_eq!(Schedule::default().changes_in(0), None);
    }

    #[test]
    fn what_is_read_is_written_the_same_way() {
        for (text, written) in
            [("22:00-06:00", "22:00-06:00"), (" 6:05-7:00 ,8:00-9:00", "06:05-07:00,08:00-09:00"), ("", "")]
        {
            assert_eq!(schedule(text).to_string(), written);
            assert_eq!(schedule(written), schedule(text));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "22-6",
            "22:00",
            "25:00-06:00",
            "22:60-06:00",
            "22:00-22:00",
            "24:00-06:00",
            "-",
            ",",
            "22:0-23:00",
            "+1:00-02:00",
            "22:00-06:00,",
            "٢٢:00-06:00",
            "222:00-06:00",
        ] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_people_can_undo_first_is_said_first() {
        let mut rules = Rules { paused: true, schedule: schedule("22:00-06:00"), on_metered: false };
        assert_eq!(rules.permission(720, true), Permission::Paused);
        rules.paused = false;
        assert_eq!(rules.permission(720, true), Permission::NotTheHour);
        assert_eq!(rules.permission(0, true), Permission::Metered);
        assert_eq!(rules.permission(0, false), Permission::Granted);
        rules.on_metered = true;
        assert_eq!(rules.permission(0, true), Permission::Granted);
    }
}
