//! The app and its engine, beside the same engine that the command line drives.

use crate::{
    content::{Content, Films, Showing, desktop},
    meter::{cpu_of, memory_of},
    table,
};
use anyhow::{Context, Result, ensure};
use spool_tests::{Spool, app::Desktop, wait_for};
use std::{collections::BTreeMap, fs, thread, time::Duration};

/// Until what was begun has become usual.
const SETTLING: Duration = Duration::from_secs(6);
const MEASURED: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(30);
/// What may be resident while no window is there.
const LIMIT: f64 = 250e6;

/// Prints one table.
pub(crate) fn run() -> Result<()> {
    let display = desktop()?;
    let desktop = Desktop::start(&display);
    let _showing = Showing::start(Content::Terminal, &display, &Films::render()?)?;
    let mut rows = command_line(&desktop.spool)?;
    desktop.spool.end_engine();
    rows.extend(app(&desktop)?);
    let head =
        ["what runs", "engine ms/s", "app ms/s", "pages ms/s", "engine MB", "app MB", "pages MB", "sum MB"];
    table::print("The app and its engine, idle and recording", &head, &rows);
    Ok(())
}

/// What the same costs without the app.
fn command_line(spool: &Spool) -> Result<Vec<Vec<String>>> {
    spool.run(["devices"]).ok();
    let idle = Spent::in_a_while(spool)?.row("spool, idle", false);
    let mut recorder = spool.record::<&str>([]);
    recorder.started();
    let recording = Spent::in_a_while(spool)?.row("spool, recording", false);
    spool.run(["stop"]).ok();
    recorder.finished();
    Ok(vec![idle, recording])
}

fn app(desktop: &Desktop) -> Result<Vec<Vec<String>>> {
    let spool = &desktop.spool;
    spool.run(["config", "first-run=off"]).ok();
    let mut app = desktop.start_app(&["--hidden"]);
    let mut rows = Vec::new();
    desktop.record_by_key();
    rows.push(Spent::in_a_while(spool)?.row("app, recording, no window yet", true));
    desktop.press("ctrl+shift+r");
    desktop.wait_until("idle");
    rows.push(Spent::in_a_while(spool)?.row("app, idle, no window yet", true));
    // It hands its wish to the one that runs.
    let mut second = desktop.start_app(&["spool://record"]);
    wait_for("the second to go", PATIENCE, || (!second.is_alive()).then_some(()));
    desktop.wait_for_window("Spool");
    rows.push(Spent::in_a_while(spool)?.row("app, window shown, live picture", false));
    desktop.record_by_key();
    rows.push(Spent::in_a_while(spool)?.row("app, recording, window shown", false));
    desktop.press("alt+F4");
    wait_for("the pages' end", PATIENCE, || desktop.app_processes().1.is_empty().then_some(()));
    rows.push(Spent::in_a_while(spool)?.row("app, recording, window closed", true));
    desktop.press("ctrl+shift+r");
    desktop.wait_until("idle");
    rows.push(Spent::in_a_while(spool)?.row("app, idle, window closed", true));
    ensure!(app.is_alive(), "the app has ended: {}", desktop.app_log());
    Ok(rows)
}

/// Milliseconds of processor time a second, and bytes of memory, of each kind of process.
struct Spent(BTreeMap<Kind, (f64, f64)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Engine,
    App,
    Pages,
}

impl Kind {
    fn of(pid: u32, engine: Option<u32>) -> Option<Self> {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        match name.trim_end() {
            "spool" if Some(pid) == engine => Some(Self::Engine),
            "spool-app" => Some(Self::App),
            name if name.starts_with("WebKit") => Some(Self::Pages),
            _ => None,
        }
    }
}

impl Spent {
    /// By whatever runs for this library.
    fn in_a_while(spool: &Spool) -> Result<Self> {
        thread::sleep(SETTLING);
        let engine = spool.engine();
        let kinds = || spool.processes().into_iter().filter_map(|pid| Some((pid, Kind::of(pid, engine)?)));
        let before = kinds().map(|(pid, _)| Ok((pid, cpu_of(pid)?))).collect::<Result<BTreeMap<_, _>>>()?;
        thread::sleep(MEASURED);
        let mut spent = BTreeMap::<Kind, (f64, f64)>::new();
        for (pid, kind) in kinds() {
            let cpu = cpu_of(pid)? - before.get(&pid).copied().unwrap_or_default();
            let of_kind = spent.entry(kind).or_default();
            of_kind.0 += cpu.as_secs_f64() * 1e3 / MEASURED.as_secs_f64();
            of_kind.1 += memory_of(pid).context("a process has ended")? as f64;
        }
        Ok(Self(spent))
    }

    fn row(&self, what: &str, is_limited: bool) -> Vec<String> {
        let of = |kind| self.0.get(&kind).copied();
        let shown = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.1}"));
        let kinds = [Kind::Engine, Kind::App, Kind::Pages];
        let sum: f64 = self.0.values().map(|spent| spent.1).sum();
        let sum = if is_limited {
            format!("{:.0}: {}", sum / 1e6, table::against(sum / LIMIT, 1.0))
        } else {
            format!("{:.0}", sum / 1e6)
        };
        [what.to_owned()]
            .into_iter()
            .chain(kinds.map(|kind| shown(of(kind).map(|spent| spent.0))))
            .chain(kinds.map(|kind| shown(of(kind).map(|spent| spent.1 / 1e6))))
            .chain([sum])
            .collect()
    }
}
