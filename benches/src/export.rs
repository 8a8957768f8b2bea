//! Ten minutes of 1080p60 to one file, beside the floor and the peers' way.

use crate::{
    meter::{cpu_of, median},
    table, ten_minutes,
};
use anyhow::{Context, Result, ensure};
use spool_tests::{Spool, tool};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

const RUNS: usize = 5;

#[derive(Debug, Clone, Copy)]
struct Cost {
    wall: f64,
    cpu: f64,
}

/// Prints one table.
pub(crate) fn run() -> Result<()> {
    let spool = Spool::new();
    fs::create_dir_all(spool.data())?;
    eprintln!("making ten minutes of 1080p60");
    let recording = ten_minutes::fill(spool.data())?.to_string();
    let chunks = chunks(&spool.data().join("sessions"))?;
    let bytes: u64 = chunks.iter().map(|path| fs::metadata(path).map_or(0, |file| file.len())).sum();
    spool.run(["list"]).ok();
    let engine = spool.engine().context("no engine was started")?;
    let ours = spool.file("ours.mp4");
    let export = || -> Result<()> {
        spool.run(["export", &recording, "-o", &ours.display().to_string()]).ok();
        Ok(())
    };
    export()?;
    let segments = segments(&spool, &ours)?;

    let (mut exported, mut copied, mut concatenated) = (Vec::new(), Vec::new(), Vec::new());
    for run in 1..=RUNS {
        eprintln!("run {run}");
        fs::remove_file(&ours)?;
        rustix::fs::sync();
        exported.push(timed(Some(engine), export)?);
        copied.push(timed(None, || cat(&chunks, &spool.file("cat")))?);
        concatenated.push(timed(None, || concatenate(&segments, &spool.file("peer.mp4")))?);
    }
    check(&ours, bytes)?;
    report(bytes, [exported, copied, concatenated]);
    Ok(())
}

fn report(bytes: u64, [exported, copied, concatenated]: [Vec<Cost>; 3]) {
    let middle = |costs: &[Cost]| {
        let of = |what: fn(&Cost) -> f64| median(costs.iter().map(what).collect());
        Cost { wall: of(|cost| cost.wall), cpu: of(|cost| cost.cpu) }
    };
    let [exported, copied, concatenated] = [middle(&exported), middle(&copied), middle(&concatenated)];
    let row = |what: &str, cost: Cost, limit: String| {
        vec![what.to_owned(), format!("{:.2}", cost.wall), format!("{:.2}", cost.cpu), limit]
    };
    let floor = format!("÷ cat: {}", table::against(exported.wall / copied.wall, 1.2));
    let peers = format!("÷ this: {}", table::against(exported.wall / concatenated.wall, 0.1));
    let rows = [
        row("spool export", exported, String::new()),
        row("cat of the chunks, fsync", copied, floor),
        row("ffmpeg -f concat of .ts, faststart, fsync", concatenated, peers),
    ];
    let title = format!(
        "Ten minutes of 1080p60 ({:.0} MB) to one .mp4, median of {RUNS} runs, warm cache",
        bytes as f64 / 1e6
    );
    table::print(&title, &["way", "wall s", "processor s", "spool"], &rows);
}

/// How long `work` takes, with the processor time of this process, of its children that have
/// ended, and of one process that stays.
fn timed(engine: Option<u32>, work: impl FnOnce() -> Result<()>) -> Result<Cost> {
    let cpu = || -> Result<f64> {
        let engine = engine.map(cpu_of).transpose()?.unwrap_or_default();
        Ok((engine + cpu_of(std::process::id())?).as_secs_f64())
    };
    let (before, began) = (cpu()?, Instant::now());
    work()?;
    Ok(Cost { wall: began.elapsed().as_secs_f64(), cpu: cpu()? - before })
}

/// All sealed chunks below a folder, in order of their names.
fn chunks(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(chunks(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "m4s") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The floor: the same bytes, end to end, durable.
fn cat(chunks: &[PathBuf], to: &Path) -> Result<()> {
    let file = File::create(to)?;
    let status = Command::new("cat").args(chunks).stdout(file.try_clone()?).status()?;
    ensure!(status.success(), "cat failed");
    file.sync_all()?;
    Ok(())
}

/// The recording as the peers keep it: a transport stream in pieces, and their list.
fn segments(spool: &Spool, film: &Path) -> Result<PathBuf> {
    let folder = spool.file("segments");
    fs::create_dir(&folder)?;
    let mut command = tool("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-i"]).arg(film).args(["-c", "copy", "-f", "segment"]);
    command.args(["-segment_time", "4", "-segment_format", "mpegts", "-segment_list"]);
    let list = folder.join("list.ffconcat");
    let status = command.arg(&list).arg(folder.join("%04d.ts")).status()?;
    ensure!(status.success(), "ffmpeg cannot make segments");
    Ok(list)
}

fn concatenate(list: &Path, to: &Path) -> Result<()> {
    let mut command = tool("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y", "-f", "concat", "-safe", "0", "-i"]).arg(list);
    let status = command.args(["-c", "copy", "-movflags", "+faststart"]).arg(to).status()?;
    ensure!(status.success(), "ffmpeg cannot join segments");
    File::open(to)?.sync_all()?;
    Ok(())
}

/// The file is as long and as large as it should be, and somebody else can read it.
fn check(file: &Path, bytes: u64) -> Result<()> {
    let size = fs::metadata(file)?.len();
    ensure!(size > bytes * 9 / 10, "the file has {size} bytes, its chunks {bytes}");
    let mut command = tool("ffprobe");
    command.args(["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0"]);
    let output = command.arg(file).output()?;
    let duration: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().map_err(io::Error::other)?;
    ensure!((duration - f64::from(ten_minutes::SECONDS)).abs() < 0.1, "the file is {duration} s long");
    Ok(())
}
