//! Whether this is the hour and the network for uploads.

use crate::{clock, platform, settings::UploadSettings};

/// Why uploads wait although nothing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// The setting `upload-hours` names another time of day: minutes until it begins.
    Hours { in_minutes: u16 },
    /// The network is paid by volume.
    Metered,
}

impl Hold {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Hours { .. } => "hours",
            Self::Metered => "metered",
        }
    }

    pub(super) fn words(self) -> String {
        match self {
            Self::Hours { in_minutes } => {
                let (hours, minutes) = (in_minutes / 60, in_minutes % 60);
                format!("uploads go on in {hours} h {minutes:02} min, as upload-hours says")
            }
            Self::Metered => {
                "this network is paid by volume; uploads go on over another, or with upload-metered=on"
                    .to_owned()
            }
        }
    }
}

/// What holds uploads back now.
pub(super) fn hold(settings: &UploadSettings) -> Option<Hold> {
    let outside = settings.hours.and_then(|hours| outside(hours, clock::minute_of_day()));
    let hours = outside.map(|in_minutes| Hold::Hours { in_minutes });
    hours.or_else(|| (!settings.metered && platform::is_metered()).then_some(Hold::Metered))
}

/// Minutes until the hours begin; none within them.
fn outside((from, to): (u16, u16), now: u16) -> Option<u16> {
    let within = if from < to { (from..to).contains(&now) } else { now >= from || now < to };
    (!within).then(|| (from + 24 * 60 - now) % (24 * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_may_go_over_midnight() {
        let at = |hour: u16, minute: u16| hour * 60 + minute;
        let night = (at(22, 0), at(6, 0));
        assert_eq!(outside(night, at(23, 59)), None);
        assert_eq!(outside(night, at(0, 0)), None);
        assert_eq!(outside(night, at(6, 0)), Some(16 * 60));
        assert_eq!(outside(night, at(21, 59)), Some(1));
        let noon = (at(12, 0), at(13, 0));
        assert_eq!(outside(noon, at(12, 0)), None);
        assert_eq!(outside(noon, at(13, 0)), Some(23 * 60));
    }
}
