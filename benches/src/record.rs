//! What recording costs for each content, with and without sound, and how good it is.

use crate::{
    content::{Content, Films, Showing, desktop, screenshot},
    meter::median,
    quality,
    rig::{Cost, Ours, Peer},
    table,
};
use anyhow::Result;
use spool_tests::{Display, Sound};
use std::{thread, time::Duration};

/// Of each recording.
const SECONDS: u32 = 12;
/// Of the one that is looked at, before all stands still.
const LOOK_SECONDS: u32 = 5;
const TICKS: f64 = SECONDS as f64 * 30.0;

/// Runs of each recorder, of which the median counts.
fn runs() -> u32 {
    std::env::var("SPOOL_BENCH_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

/// Prints one table.
pub(crate) fn run() -> Result<()> {
    let films = Films::render()?;
    let display = desktop()?;
    let mut rows = Vec::new();
    for sounding in [false, true] {
        let sound = sounding.then(Sound::start);
        for content in Content::ALL {
            rows.push(measure(content, &display, sound.as_ref(), &films)?);
        }
    }
    let head = [
        "content",
        "sound",
        "spool ms/tick",
        "ffmpeg ms/tick",
        "changed",
        "spool ÷ ffmpeg, limit",
        "SSIM spool",
        "SSIM ffmpeg",
        "MB spool",
        "MB ffmpeg",
        "dropped",
    ];
    let title = format!(
        "Recording 1920×1080 at up to 30 fps for {SECONDS} s, processor time, median of {} runs",
        runs()
    );
    table::print(&title, &head, &rows);
    println!("ffmpeg: -f x11grab, libx264 -preset veryfast -tune zerolatency -crf 23; {}", processor());
    Ok(())
}

fn measure(content: Content, display: &Display, sound: Option<&Sound>, films: &Films) -> Result<Vec<String>> {
    let ours = Ours::start(display, sound)?;
    let peer = Peer { display, sound };
    let file = ours.spool.file("peer.mp4");
    let (mut our_costs, mut peer_costs) = (Vec::new(), Vec::new());
    for run in 1..=runs() {
        eprintln!(
            "{}, {} sound, run {run}",
            content.name(),
            if sound.is_some() { "with" } else { "without" }
        );
        let _showing = Showing::start(content, display, films)?;
        let _tones = sound.map(|sound| [sound.play("speakers", 440), sound.play("micfeed", 1000)]);
        our_costs.push(ours.record(SECONDS)?.1);
        peer_costs.push(peer.record(SECONDS, &file)?);
    }
    // Sound does not change how pictures look.
    let looks = match sound {
        None => Some(look(content, display, &ours, &peer, films)?),
        Some(_) => None,
    };
    let middle = |costs: &[Cost], what: fn(&Cost) -> f64| median(costs.iter().map(what).collect());
    let (our_cpu, peer_cpu) = (middle(&our_costs, |cost| cost.cpu), middle(&peer_costs, |cost| cost.cpu));
    let changed = middle(&our_costs, |cost| cost.changed);
    let megabytes = |costs: &[Cost]| format!("{:.0}", middle(costs, |cost| cost.memory) / 1e6);
    let similarity = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.4}"));
    Ok(vec![
        content.name().to_owned(),
        if sound.is_some() { "mic, system, mix" } else { "none" }.to_owned(),
        format!("{:.2}", our_cpu / TICKS * 1e3),
        format!("{:.2}", peer_cpu / TICKS * 1e3),
        format!("{:.0} %", changed * 100.0),
        match limit(content, changed, sound.is_some()) {
            Some(limit) => table::against(our_cpu / peer_cpu, limit),
            None => format!("{:.3}", our_cpu / peer_cpu),
        },
        similarity(looks.map(|looks| looks.0)),
        similarity(looks.map(|looks| looks.1)),
        megabytes(&our_costs),
        megabytes(&peer_costs),
        our_costs.iter().map(|cost| cost.dropped).sum::<u64>().to_string(),
    ])
}

/// The share of the peer's cost that is allowed. Sound costs both the same, whatever stands still.
fn limit(content: Content, changed: f64, sounding: bool) -> Option<f64> {
    match content {
        Content::Still if sounding => None,
        Content::Still => Some(0.1),
        Content::Terminal | Content::Window => Some(0.1 + changed),
        Content::Motion => Some(0.9),
    }
}

/// How close each recorder comes to what was shown, ours first.
fn look(content: Content, display: &Display, ours: &Ours, peer: &Peer, films: &Films) -> Result<(f64, f64)> {
    let mut looked = Vec::new();
    for is_ours in [true, false] {
        let mut showing = Showing::start(content, display, films)?;
        let peers_file = ours.spool.file("look.mp4");
        let recording = || -> Result<_> {
            if is_ours {
                let (finished, _) = ours.record(LOOK_SECONDS)?;
                Ok(ours.export(&finished, "ours.mp4"))
            } else {
                peer.record(LOOK_SECONDS, &peers_file)?;
                Ok(peers_file.clone())
            }
        };
        let file = thread::scope(|scope| {
            scope.spawn(|| {
                // A film is compared picture by picture; all else by what is left when it stands still.
                thread::sleep(Duration::from_secs(u64::from(LOOK_SECONDS) - 2));
                if content != Content::Motion {
                    showing.freeze();
                }
            });
            recording()
        })?;
        looked.push(match content {
            Content::Motion => quality::of_film(&file, &films.large)?,
            _ => quality::of_last(&file, &screenshot(display)?, display.size())?,
        });
    }
    Ok((looked[0], looked[1]))
}

fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!("{cores} cores of {}", name.map_or("an unknown processor", |(_, name)| name))
}
