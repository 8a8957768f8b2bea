//! Alarms while recording: what people must hear now and not afterwards. Pure: numbers and times in, alarms out.

use model::{Timestamp, TrackId};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, time::Duration};

/// What is wrong with a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// A microphone gives sound in which there is nothing to be heard.
    Silent,
    /// A camera gives the same picture again and again.
    Frozen,
    /// A device is there and gives nothing.
    Stalled,
    /// Sound is too loud to be recorded as it is.
    Clipped,
    /// A device's clock runs too fast or too slow to be put right.
    Drifting,
}

/// Something that is wrong now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Alarm {
    /// What is wrong.
    pub kind: AlarmKind,
    /// With which source.
    pub track: TrackId,
    /// What to do about it, for people.
    pub message: String,
}

/// An alarm began or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) alarm: Alarm,
    pub(crate) raised: bool,
}

/// What kind of source is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watched {
    Screen,
    Camera,
    Microphone,
    /// Plays nothing for hours, and that is right.
    Speaker,
}

/// How often a source of pictures was looked at, so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Looks {
    pub(crate) new: u64,
    pub(crate) same: u64,
}

/// How a source of sound was since it was asked the last time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Heard {
    /// Loudest sample in dB of full scale.
    pub(crate) peak: f32,
    /// Samples at full scale that stand beside another one: where a wave was cut off.
    pub(crate) clipped: u64,
    /// Whether any sound came.
    pub(crate) any: bool,
    /// How fast its crystal runs, in millionths.
    pub(crate) drift_ppm: f64,
}

/// Nothing to be heard: a muted microphone is at −120, a quiet room of a poor one above −65.
const SILENT_DB: f32 = -75.0;
/// People hear of trouble within 5 s, and not of what passes by itself.
const PATIENCE: Duration = Duration::from_secs(3);
/// Silence needs a little more: people draw breath.
const SILENCE: Duration = Duration::from_secs(4);
/// So many cut-off samples within [`CLIP_WINDOW`] are heard.
const CLIPPED_MIN: u64 = 10;
const CLIP_WINDOW: Duration = Duration::from_secs(3);
/// A crystal is off by 100 at worst; more is a broken device, and 1,000 is what can be made up for.
const DRIFT_PPM_MAX: f64 = 800.0;

#[derive(Debug)]
struct Source {
    kind: Watched,
    name: String,
    looks: Looks,
    /// When it gave something new, gave anything, was heard, and when its sound was last cut off.
    new_at: Timestamp,
    any_at: Timestamp,
    heard_at: Timestamp,
    clipped: Option<(Timestamp, u64)>,
    drift_ppm: f64,
    /// It is known to be lost, which is told another way.
    lost: bool,
    alarms: Vec<AlarmKind>,
}

/// Watches the sources of a session.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    sources: HashMap<TrackId, Source>,
}

impl Watch {
    pub(crate) fn add(&mut self, track: TrackId, kind: Watched, name: &str, now: Timestamp) {
        let source = Source {
            kind,
            name: name.to_owned(),
            looks: Looks::default(),
            new_at: now,
            any_at: now,
            heard_at: now,
            clipped: None,
            drift_ppm: 0.0,
            lost: false,
            alarms: Vec::new(),
        };
        self.sources.insert(track, source);
    }

    /// Whether a source is gone, which needs no alarm besides.
    pub(crate) fn set_lost(&mut self, track: &TrackId, lost: bool, now: Timestamp) {
        if let Some(source) = self.sources.get_mut(track) {
            source.lost = lost;
            source.begin_anew(now);
        }
    }

    /// The session stood still until `now`.
    pub(crate) fn begin_anew(&mut self, now: Timestamp) {
        self.sources.values_mut().for_each(|source| source.begin_anew(now));
    }

    pub(crate) fn looked(&mut self, track: &TrackId, looks: Looks, now: Timestamp) {
        let Some(source) = self.sources.get_mut(track) else { return };
        if looks.new != source.looks.new {
            (source.new_at, source.any_at) = (now, now);
        } else if looks.same != source.looks.same {
            source.any_at = now;
        }
        source.looks = looks;
    }

    pub(crate) fn heard(&mut self, track: &TrackId, heard: Heard, now: Timestamp) {
        let Some(source) = self.sources.get_mut(track) else { return };
        source.drift_ppm = heard.drift_ppm;
        if heard.any {
            source.any_at = now;
        }
        if heard.peak > SILENT_DB {
            source.heard_at = now;
        }
        if heard.clipped > 0 {
            let before = source.clipped.filter(|(at, _)| now.saturating_since(*at) < CLIP_WINDOW);
            let (since, count) = before.unwrap_or((now, 0));
            // While it goes on the count stays fresh, so the alarm ends only after a quiet window.
            let since = if count >= CLIPPED_MIN { now } else { since };
            source.clipped = Some((since, count + heard.clipped));
        }
    }

    /// Alarms that began or ended by now.
    pub(crate) fn changes(&mut self, now: Timestamp) -> Vec<Change> {
        let mut changes = Vec::new();
        for (track, source) in &mut self.sources {
            let wrong = source.wrong(now);
            for &kind in &wrong {
                if !source.alarms.contains(&kind) {
                    changes.push(Change { alarm: source.alarm(track, kind), raised: true });
                }
            }
            for &kind in source.alarms.iter().filter(|kind| !wrong.contains(kind)) {
                changes.push(Change { alarm: source.alarm(track, kind), raised: false });
            }
            source.alarms = wrong;
        }
        changes
    }

    /// What is wrong now.
    pub(crate) fn alarms(&self) -> Vec<Alarm> {
        let of = |(track, source): (&TrackId, &Source)| {
            source.alarms.iter().map(|&kind| source.alarm(track, kind)).collect::<Vec<_>>()
        };
        let mut alarms: Vec<Alarm> = self.sources.iter().flat_map(of).collect();
        alarms.sort_by(|a, b| (&a.track, a.kind).cmp(&(&b.track, b.kind)));
        alarms
    }
}

impl Source {
    fn begin_anew(&mut self, now: Timestamp) {
        (self.new_at, self.any_at, self.heard_at, self.clipped) = (now, now, now, None);
    }

    fn wrong(&self, now: Timestamp) -> Vec<AlarmKind> {
        if self.lost {
            return Vec::new();
        }
        let since = |at: Timestamp| now.saturating_since(at);
        let stalled = since(self.any_at) >= PATIENCE && self.kind != Watched::Speaker;
        let frozen = !stalled && self.kind == Watched::Camera && since(self.new_at) >= PATIENCE;
        let silent = !stalled && self.kind == Watched::Microphone && since(self.heard_at) >= SILENCE;
        let clipped = self.clipped.is_some_and(|(at, count)| count >= CLIPPED_MIN && since(at) < CLIP_WINDOW);
        let drifting = self.drift_ppm.abs() > DRIFT_PPM_MAX;
        [
            (stalled, AlarmKind::Stalled),
            (frozen, AlarmKind::Frozen),
            (silent, AlarmKind::Silent),
            (clipped, AlarmKind::Clipped),
            (drifting, AlarmKind::Drifting),
        ]
        .into_iter()
        .filter_map(|(is_so, kind)| is_so.then_some(kind))
        .collect()
    }

    fn alarm(&self, track: &TrackId, kind: AlarmKind) -> Alarm {
        let name = &self.name;
        let message = match kind {
            AlarmKind::Silent => format!("nothing is heard from {name}: is it muted?"),
            AlarmKind::Frozen => format!("{name} gives the same picture again and again: plug it in anew"),
            AlarmKind::Stalled => format!("{name} gives nothing"),
            AlarmKind::Clipped => format!("{name} is too loud and is cut off: turn it down"),
            AlarmKind::Drifting => format!("the clock of {name} is off by {:.0} ppm", self.drift_ppm),
        };
        Alarm { kind, track: track.clone(), message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(500);

    fn track() -> TrackId {
        "it".parse().unwrap()
    }

    fn heard(peak: f32) -> Heard {
        Heard { peak, clipped: 0, any: true, drift_ppm: 0.0 }
    }

    /// Watches one source for some seconds; gives when which alarm changed, in milliseconds.
    fn check(
        kind: Watched,
        seconds: u32,
        mut at: impl FnMut(&mut Watch, u32, Timestamp),
    ) -> Vec<(u32, AlarmKind, bool)> {
        let mut watch = Watch::default();
        watch.add(track(), kind, "the thing", Timestamp::ZERO);
        let mut told = Vec::new();
        for tick in 0..seconds * 2 {
            let now = Timestamp::ZERO + TICK * tick;
            at(&mut watch, tick * 500, now);
            told.extend(watch.changes(now).into_iter().map(|c| (tick * 500, c.alarm.kind, c.raised)));
        }
        told
    }

    #[test]
    fn a_muted_microphone_is_told_within_five_seconds_and_when_it_is_heard_again() {
        let told = check(Watched::Microphone, 20, |watch, ms, now| {
            watch.heard(&track(), heard(if (5_000..15_000).contains(&ms) { -120.0 } else { -30.0 }), now);
        });
        assert_eq!(told, [(8_500, AlarmKind::Silent, true), (15_000, AlarmKind::Silent, false)]);
        let speaker = check(Watched::Speaker, 20, |_, _, _| {});
        assert_eq!(speaker, [], "a speaker may be silent and may send nothing");
    }

    #[test]
    fn a_frozen_camera_and_a_stalled_one_are_told_apart_and_a_still_screen_is_neither() {
        let looks = |new, same| Looks { new, same };
        let told = check(Watched::Camera, 20, |watch, ms, now| match ms {
            0..5_000 => watch.looked(&track(), looks(ms.into(), 0), now),
            5_000..10_000 => watch.looked(&track(), looks(5_000, ms.into()), now),
            _ => watch.looked(&track(), looks(5_000, 10_000), now),
        });
        assert_eq!(
            told,
            [
                (8_000, AlarmKind::Frozen, true),
                (13_000, AlarmKind::Stalled, true),
                (13_000, AlarmKind::Frozen, false)
            ]
        );
        let still = check(Watched::Screen, 60, |watch, ms, now| {
            watch.looked(&track(), looks(1, ms.into()), now);
        });
        assert_eq!(still, []);
    }

    #[test]
    fn sound_that_is_cut_off_is_told_while_it_is_and_one_click_is_not() {
        let told = check(Watched::Microphone, 20, |watch, ms, now| {
            let clipped = match ms {
                2_000 => 5,
                8_000..10_000 => 8,
                _ => 0,
            };
            watch.heard(&track(), Heard { clipped, ..heard(0.0) }, now);
        });
        assert_eq!(told, [(8_500, AlarmKind::Clipped, true), (12_500, AlarmKind::Clipped, false)]);
    }

    #[test]
    fn a_lost_source_is_told_another_way_and_a_pause_is_no_alarm() {
        let told = check(Watched::Microphone, 10, |watch, ms, now| {
            if ms == 0 {
                watch.set_lost(&track(), true, now);
            }
        });
        assert_eq!(told, []);
        let paused = check(Watched::Microphone, 10, |watch, _, now| watch.begin_anew(now));
        assert_eq!(paused, []);
    }

    #[test]
    fn a_crystal_out_of_bounds_is_told() {
        let told = check(Watched::Microphone, 2, |watch, _, now| {
            watch.heard(&track(), Heard { drift_ppm: -900.0, ..heard(-20.0) }, now);
        });
        assert_eq!(told, [(0, AlarmKind::Drifting, true)]);
    }
}
