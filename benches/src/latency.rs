//! From the command to the first picture.

use crate::{content::desktop, meter::median, rig::Peer, table};
use anyhow::{Context, Result};
use spool_tests::{CodeShow, Film, Spool, codes::host_time};
use std::path::Path;

const RUNS: usize = 5;

/// Prints one table.
pub(crate) fn run() -> Result<()> {
    let display = desktop()?;
    let show = CodeShow::fill(&display, 60);
    let spool = Spool::new().on(&display);
    let ours = |name: &str| -> Result<f64> {
        let began = host_time();
        let finished = spool.record(["--for", "1s", "--no-mic"]).finished();
        waited(began, &spool.export(&finished.recording, name), &show)
    };
    let (mut cold, mut warm, mut peers) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..RUNS {
        spool.end_engine();
        cold.push(ours(&format!("cold{run}.mp4"))?);
        warm.push(ours(&format!("warm{run}.mp4"))?);
        let file = spool.file(&format!("peer{run}.mp4"));
        let began = host_time();
        Peer { display: &display, sound: None }.record(1, &file)?;
        peers.push(waited(began, &file, &show)?);
    }
    let row = |what: &str, waited: Vec<f64>, limit: Option<f64>| {
        let worst = waited.iter().copied().fold(0.0, f64::max);
        let middle = median(waited);
        let limit = limit.map_or("–".to_owned(), |limit| table::against(middle / limit, 1.0));
        vec![what.to_owned(), format!("{middle:.0}"), format!("{worst:.0}"), limit]
    };
    let rows = [
        row("spool, engine running", warm, Some(300.0)),
        row("spool, from cold", cold, Some(600.0)),
        row("ffmpeg -f x11grab", peers, None),
    ];
    let title = format!("Command to first recorded picture, ms, of {RUNS} runs");
    table::print(&title, &["recorder", "median", "worst", "share of 300 and 600 ms"], &rows);
    Ok(())
}

/// Milliseconds until the first picture in the file was taken, at most: it was on the screen before the next one.
pub(crate) fn waited(began: i64, file: &Path, show: &CodeShow) -> Result<f64> {
    let codes = Film::decode(file).codes();
    let (_, first) = *codes.first().context("no code can be read")?;
    let next = show.find(first + 1).context("the film has gone on")?;
    Ok((next.before - began) as f64 / 1e6)
}
