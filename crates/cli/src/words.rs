//! How numbers are said to people, and where answers go.

use anyhow::{Context, Result};
use engine::command::{Activity, ReceiptLine, Snapshot, Summary, UploadState, UploadStatus};
use std::io::{Write, stdout};

/// One JSON document on one line.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print(&serde_json::to_string(value).context("cannot write JSON")?)
}

/// One line. Whoever reads may be gone, which is no panic.
pub(crate) fn print(line: &str) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("cannot write the answer")
}

/// The end of a recording.
pub(crate) fn print_finished(json: bool, summary: &Summary) -> Result<()> {
    if json {
        let mut line = serde_json::to_value(summary).context("cannot write JSON")?;
        line["event"] = "finished".into();
        return print(&line.to_string());
    }
    if let Some(reason) = &summary.reason {
        print(&format!("Ended early: {reason}"))?;
    }
    let missing = match summary.lost_ms {
        0 => "nothing missing".to_owned(),
        lost => format!("{} missing, see `spool show`", duration(lost)),
    };
    print(&format!(
        "Recorded {}, {} ({}); {} pictures, {} dropped; {missing}\n{}",
        clock(summary.duration_ms),
        bytes(summary.bytes),
        summary.tracks.join(", "),
        summary.frames.encoded,
        summary.frames.dropped,
        summary.recording,
    ))
}

/// All that matters while recording, in one line.
pub(crate) fn status_line(snapshot: &Snapshot) -> String {
    let state = match snapshot.activity {
        Activity::Idle => "idle",
        Activity::Rehearsing => "showing a preview",
        Activity::Recording => "recording",
        Activity::Paused => "paused",
        Activity::Stopping => "stopping",
    };
    let frames = &snapshot.frames;
    let looks = (frames.captured + frames.unchanged).max(1);
    let levels: Vec<String> = (snapshot.tracks.iter())
        .filter_map(|track| track.peak_db.map(|peak| format!("{} {peak:.0} dB", track.track)))
        .collect();
    let mut parts = vec![
        format!("{state} {}", clock(snapshot.elapsed_ms)),
        format!("{:.0} fps", snapshot.fps),
        format!("{} % unchanged", frames.unchanged * 100 / looks),
        format!("{} dropped", frames.dropped),
        format!("{:.1} Mbit/s", snapshot.bitrate as f64 / 1e6),
    ];
    parts.extend(levels);
    parts.push(format!("{} free", bytes(snapshot.disk_free)));
    parts.join("  ")
}

/// What uploads do, in one line.
pub(crate) fn upload_line(status: &UploadStatus) -> String {
    let server = status.server.as_deref().unwrap_or("no server");
    let left = || format!("{} chunks left, {}", status.chunks_left, bytes(status.bytes_left));
    let why = || status.problem.as_ref().map_or("", |problem| &problem.message).to_owned();
    match status.state {
        UploadState::Off => format!("Uploads to {server} are off."),
        UploadState::Idle => format!("All is at {server}."),
        UploadState::Uploading => {
            format!("Uploading to {server}: {}, {}/s", left(), bytes(status.bytes_per_s))
        }
        UploadState::Paused => format!("Uploads to {server} are paused: {}", left()),
        UploadState::Problem => format!("Uploads to {server} do not go on: {} ({})", why(), left()),
        UploadState::Waiting => {
            let when = status.retry_in_ms.map(|ms| format!("; next try in {}", duration(ms)));
            format!("Uploads to {server} wait: {}{} ({})", why(), when.unwrap_or_default(), left())
        }
    }
}

/// `412 of 412 chunks verified`, and what is not as it should be.
pub(crate) fn verified(receipt: &ReceiptLine) -> String {
    let mut words = format!("{} of {} chunks verified", receipt.verified, receipt.expected);
    if receipt.lost > 0 {
        words += &format!(", {} lost here", receipt.lost);
    }
    if !receipt.complete {
        words += ", NOT complete";
    }
    words
}

/// `1:02:03` or `2:03`.
pub(crate) fn clock(millis: u64) -> String {
    let seconds = millis / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// `340 ms` or `1.2 s`.
pub(crate) fn duration(millis: u64) -> String {
    if millis < 1000 { format!("{millis} ms") } else { format!("{:.1} s", millis as f64 / 1000.0) }
}

/// A session that was cut off, found again.
pub(crate) fn recovered(title: &str, lost_ms: u64) -> String {
    let title = if title.is_empty() { "a recording" } else { title };
    match lost_ms {
        0 => format!("{title} was cut off and has been recovered"),
        lost => format!("{title} was cut off and has been recovered; at most {} is missing", duration(lost)),
    }
}

/// In powers of ten, as disks are sold.
pub(crate) fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// `2026-11-21 14:03 UTC`, by the proleptic Gregorian calendar.
pub(crate) fn date(millis: i64) -> String {
    let minutes = millis.div_euclid(60_000);
    let (days, minute) = (minutes.div_euclid(1440), minutes.rem_euclid(1440));
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", minute / 60, minute % 60)
}

/// Year, month and day of a count of days since 1970-01-01. Years are counted from March, so that a leap day ends
/// one; 400 of them have 146,097 days.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_795_269_780, "2026-11-21 14:03 UTC"),
            (-1, "1969-12-31 23:59 UTC"),
        ] {
            assert_eq!(date(seconds * 1000), text);
        }
    }

    #[test]
    fn lengths_read_like_a_clock() {
        assert_eq!(clock(3_723_999), "1:02:03");
        assert_eq!(clock(59_999), "0:59");
        assert_eq!(duration(1_240), "1.2 s");
        assert_eq!(bytes(1_500_000), "1.5 MB");
    }
}
