//! From a key that is pressed somewhere else to the first picture that is recorded, by the app.

use crate::{content::desktop, latency::waited, meter::median, table};
use anyhow::Result;
use rustix::process::Signal;
use spool_tests::{CodeShow, Hands, app::Desktop, codes::host_time, wait_for};
use std::{thread, time::Duration};

const RUNS: usize = 10;
const PATIENCE: Duration = Duration::from_secs(30);
/// Ctrl, Shift and R, as X servers call them.
const KEYS: [u32; 3] = [0xFFE3, 0xFFE1, 0x72];
const LIMIT: f64 = 300.0;

/// Prints one table.
pub(crate) fn run() -> Result<()> {
    let display = desktop()?;
    let desktop = Desktop::start(&display);
    let show = CodeShow::fill(&display, 60);
    let hands = Hands::at(&display);
    let _app = desktop.start_app(&["--hidden"]);
    desktop.record_by_key();
    let is = |activity: &str| desktop.spool.json(&["status"])["activity"] == activity;
    let mut rows = Vec::new();
    for (what, begin_anew) in [("engine at rest", false), ("engine killed just before", true)] {
        let mut all = Vec::new();
        for run in 0..RUNS {
            if is("recording") {
                hands.chord(&KEYS);
                wait_for("the end", PATIENCE, || is("idle").then_some(()));
            }
            // Until what it leaves behind is done too.
            thread::sleep(Duration::from_secs(2));
            if begin_anew {
                desktop.spool.signal_engine(Signal::KILL);
            }
            let began = host_time();
            hands.chord(&KEYS);
            wait_for("a recording", PATIENCE, || is("recording").then_some(()));
            thread::sleep(Duration::from_secs(1));
            hands.chord(&KEYS);
            wait_for("the end", PATIENCE, || is("idle").then_some(()));
            all.push(waited(began, &desktop.spool.export("last", &format!("{run}.mp4")), &show)?);
        }
        let worst = all.iter().copied().fold(0.0, f64::max);
        let middle = median(all);
        let share = table::against(middle / LIMIT, 1.0);
        rows.push(vec![what.to_owned(), format!("{middle:.0}"), format!("{worst:.0}"), share]);
    }
    let title = format!("Hotkey to first recorded picture, ms, of {RUNS} runs");
    table::print(&title, &["the app, without a window", "median", "worst", "share of 300 ms"], &rows);
    Ok(())
}
