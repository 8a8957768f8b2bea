//! What is known of how a session goes, for people.

use crate::{
    command::{FrameCounts, TrackStatus},
    picture::PictureReport,
    watch::Heard,
};
use model::{Timestamp, TrackId, TrackInfo, TrackKind};
use std::{collections::HashMap, time::Duration};

/// The threads of a session report here, through the engine's loop.
pub(crate) struct Status {
    pub(crate) tracks: Vec<TrackStatus>,
    pub(crate) notices: Vec<String>,
    reports: HashMap<TrackId, PictureReport>,
    fps: u32,
    pub(crate) bytes: u64,
    bitrate: Bitrate,
}

impl Status {
    pub(crate) fn new(tracks: &[TrackInfo], notices: Vec<String>, fps: u32) -> Self {
        let status = |track: &TrackInfo| TrackStatus {
            track: track.id.to_string(),
            kind: track.kind,
            label: track.label.clone(),
            chunks: 0,
            peak_db: None,
            fps: None,
            trouble: None,
        };
        Self {
            tracks: tracks.iter().map(status).collect(),
            notices,
            reports: HashMap::new(),
            fps,
            bytes: 0,
            bitrate: Bitrate::default(),
        }
    }

    /// How the pictures of a track fare.
    pub(crate) fn set_report(&mut self, track: &TrackId, report: PictureReport) {
        self.reports.insert(track.clone(), report);
        if let Some(status) = self.tracks.iter_mut().find(|status| status.track == track.as_str()) {
            status.fps = Some(report.fps);
        }
    }

    /// How pictures fare: those of the program, or else of the first track that has any; dropped ones of all.
    pub(crate) fn report(&self) -> PictureReport {
        let of = |status: &TrackStatus| self.reports.iter().find(|(track, _)| track.as_str() == status.track);
        let main = self.tracks.iter().find_map(of).map(|(_, report)| *report);
        let idle = PictureReport { frames: FrameCounts::default(), fps: 0.0, ceiling: self.fps as f32 };
        let mut report = main.unwrap_or(idle);
        report.frames.dropped = self.reports.values().map(|report| report.frames.dropped).sum();
        report
    }

    /// The stored track that a source's samples end in: its own, or else the program for pictures and the mix for
    /// sound.
    fn track_of(&mut self, source: &TrackId) -> Option<&mut TrackStatus> {
        let own = self.tracks.iter().any(|status| status.track == source.as_str());
        let name = match source.as_str() {
            name if own => name,
            "screen" | "camera" => "program",
            _ => "mix",
        };
        self.tracks.iter_mut().find(|status| status.track == name)
    }

    /// Why nothing comes from a source now, or that it does again.
    pub(crate) fn set_trouble(&mut self, source: &TrackId, trouble: Option<String>) {
        if let Some(status) = self.track_of(source) {
            status.trouble = trouble;
        }
    }

    /// A piece is on disk.
    pub(crate) fn written(&mut self, track: &TrackId, bytes: u64, sealed: bool, now: Timestamp) {
        self.bytes += bytes;
        self.bitrate.add(bytes, now);
        if let Some(status) = self.track_of(track) {
            status.chunks += u32::from(sealed);
        }
    }

    /// How loud each source was lately, in dB of full scale.
    pub(crate) fn set_peaks(&mut self, heard: &HashMap<TrackId, Heard>) {
        for (source, heard) in heard {
            if let Some(status) = self.track_of(source) {
                status.peak_db = Some(heard.peak);
            }
        }
        let loudest = heard.values().map(|heard| heard.peak).reduce(f32::max);
        if let Some(mix) = self.tracks.iter_mut().find(|status| status.kind == TrackKind::Mix) {
            mix.peak_db = loudest;
        }
    }

    pub(crate) fn bits_per_second(&self, now: Timestamp) -> u64 {
        self.bitrate.bits_per_second(now)
    }
}

/// Bits a second over the last moments.
#[derive(Default)]
struct Bitrate {
    since: Timestamp,
    bytes: u64,
    last: Option<u64>,
}

impl Bitrate {
    const WINDOW: Duration = Duration::from_secs(2);

    fn add(&mut self, bytes: u64, now: Timestamp) {
        self.bytes += bytes;
        if now.saturating_since(self.since) >= Self::WINDOW {
            self.last = Some(self.rate(now));
            self.bytes = 0;
            self.since = now;
        }
    }

    /// Of the last whole window; of the first one, as far as it has come.
    fn bits_per_second(&self, now: Timestamp) -> u64 {
        self.last.unwrap_or_else(|| self.rate(now))
    }

    fn rate(&self, now: Timestamp) -> u64 {
        let elapsed = now.saturating_since(self.since).as_secs_f64();
        if elapsed > 0.0 { (self.bytes as f64 * 8.0 / elapsed) as u64 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(tracks: &[(&str, TrackKind)]) -> Status {
        let info = |(id, kind): &(&str, TrackKind)| TrackInfo {
            id: id.parse().unwrap(),
            kind: *kind,
            label: format!("the {id}"),
            inits: Vec::new(),
        };
        Status::new(&tracks.iter().map(info).collect::<Vec<_>>(), Vec::new(), 30)
    }

    #[test]
    fn sources_are_told_by_the_track_they_end_in() {
        let id = |name: &str| -> TrackId { name.parse().unwrap() };
        let mut lone = status(&[("program", TrackKind::Program), ("mix", TrackKind::Mix)]);
        let heard = |peak| Heard { peak, clipped: 0, any: true, drift_ppm: 0.0 };
        lone.set_peaks(&HashMap::from([(id("mic"), heard(-12.0))]));
        assert_eq!(lone.tracks[1].peak_db, Some(-12.0));

        let mut two = status(&[
            ("mix", TrackKind::Mix),
            ("mic", TrackKind::Microphone),
            ("system", TrackKind::SystemAudio),
        ]);
        two.set_peaks(&HashMap::from([(id("mic"), heard(-12.0)), (id("system"), heard(-3.0))]));
        let peaks: Vec<_> = two.tracks.iter().map(|track| track.peak_db).collect();
        assert_eq!(peaks, [Some(-3.0), Some(-12.0), Some(-3.0)]);
        two.set_trouble(&id("mic"), Some("unplugged".into()));
        assert_eq!(two.tracks[1].trouble.as_deref(), Some("unplugged"));
    }

    #[test]
    fn bitrate_is_of_the_last_window() {
        let mut bitrate = Bitrate::default();
        let second = |s: i64| Timestamp(s * 1_000_000_000);
        bitrate.add(1_000, second(1));
        assert_eq!(bitrate.bits_per_second(second(1)), 8_000);
        bitrate.add(1_000, second(2));
        assert_eq!(bitrate.bits_per_second(second(3)), 8_000);
        bitrate.add(4_000, second(4));
        assert_eq!(bitrate.bits_per_second(second(5)), 16_000);
    }
}
