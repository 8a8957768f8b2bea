//! A gigabyte of chunks to a server, beside `rclone copy` of the same files to the same object store, in one run; and
//! what a recorded hour costs at object stores, from the calls and bytes that were counted.

use crate::{
    meter::{cpu_of, cpu_of_children, median, memory_of},
    table, ten_minutes,
};
use anyhow::{Context, Result, ensure};
use spool_tests::{Network, S3, Server, Spool, process, tool};
use std::{
    cell::OnceCell,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const RUNS: usize = 3;
/// Recordings of ten minutes.
const RECORDINGS: usize = 2;
/// Connections of the peer: as many as a user of a fast line would give it.
const TRANSFERS: &str = "16";
const DELAY: Duration = Duration::from_millis(50);

/// What moving everything took.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    wall: f64,
    /// Of whoever sends.
    cpu: f64,
    /// Bytes of memory above what it took before.
    memory: u64,
}

/// Where uploads go.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Folder,
    Store,
    DistantStore,
}

/// Prints two tables.
pub(crate) fn run() -> Result<()> {
    let source = Spool::new();
    fs::create_dir_all(source.data())?;
    eprintln!("making {RECORDINGS} recordings of ten minutes of 1080p60");
    for _ in 0..RECORDINGS {
        ten_minutes::fill(source.data())?;
    }
    let files = files(&source.data().join("sessions"))?;
    let bytes: u64 = files.iter().map(|path| fs::metadata(path).map_or(0, |file| file.len())).sum();
    let mut rows = Vec::new();
    for (place, name) in [
        (Place::Folder, "the embedded server's folder"),
        (Place::Store, "SeaweedFS"),
        (Place::DistantStore, "SeaweedFS, each request 50 ms late"),
    ] {
        let (mut ours, mut peers) = (Vec::new(), Vec::new());
        for run in 1..=RUNS {
            eprintln!("{name}, run {run}");
            ours.push(spool(&source, place, files.len())?);
            peers.push(rclone(&source, place)?);
        }
        rows.extend(report(name, bytes, &ours, &peers));
    }
    let title =
        format!("{:.0} MB in {} files over loopback, median of {RUNS}", bytes as f64 / 1e6, files.len());
    let head = ["to", "by", "MB/s", "sender's processor s", "memory above idle MB", "spool ÷ rclone"];
    table::print(&title, &head, &rows);
    cost(bytes, files.len());
    Ok(())
}

fn report(name: &str, bytes: u64, ours: &[Cost], peers: &[Cost]) -> [Vec<String>; 2] {
    let middle = |costs: &[Cost], what: fn(&Cost) -> f64| median(costs.iter().map(what).collect());
    let speed = |costs: &[Cost]| bytes as f64 / 1e6 / middle(costs, |cost| cost.wall);
    let memory = middle(ours, |cost| cost.memory as f64) / 1e6;
    let ratio = speed(ours) / speed(peers);
    let verdict = if ratio >= 0.9 { "reached" } else { "missed" };
    let row = |by: &str, costs: &[Cost], memory: String, verdict: String| {
        let cpu = middle(costs, |cost| cost.cpu);
        vec![
            name.to_owned(),
            by.to_owned(),
            format!("{:.0}", speed(costs)),
            format!("{cpu:.2}"),
            memory,
            verdict,
        ]
    };
    [
        row("spool sync", ours, format!("{memory:.0}"), format!("{ratio:.2} of 0.90, {verdict}")),
        row("rclone copy to SeaweedFS", peers, String::new(), String::new()),
    ]
}

/// A recorder with the same recordings, that nobody has uploaded yet, uploads them to a new server.
fn spool(source: &Spool, place: Place, objects: usize) -> Result<Cost> {
    let spool = Spool::new();
    process::text(tool("cp").args(["-r", "--reflink=auto"]).arg(source.data()).arg(spool.data()));
    rustix::fs::sync();
    let (store, network) = (S3::start(), OnceCell::new());
    let server = match place {
        Place::Folder => Server::start(),
        Place::Store | Place::DistantStore => {
            let public = format!("http://{}", endpoint(place, &store, &network));
            Server::with(&["--object-store", &format!("{}&public={public}", store.url())])
        }
    };
    spool.run(["config", "upload=off"]).ok();
    spool.run(["login", &server.url(), "--token", &server.token()]).ok();
    let engine = spool.engine().context("no engine runs")?;
    let (idle, before) = (memory_of(engine).unwrap_or(0), cpu_of(engine)?);
    spool.run(["config", "upload=on"]).ok();
    let begun = Instant::now();
    let mut sync = spool.command(["sync", "--once"]);
    let mut sync = sync.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let mut memory = idle;
    let status = loop {
        if let Some(status) = sync.try_wait()? {
            break status;
        }
        memory = memory.max(memory_of(engine).unwrap_or(0));
        thread::sleep(Duration::from_millis(50));
    };
    let wall = begun.elapsed().as_secs_f64();
    ensure!(status.success(), "spool sync: {status}");
    let cpu = cpu_of(engine)?.saturating_sub(before).as_secs_f64();
    if place == Place::Folder {
        ensure!(server.objects().len() == objects, "not everything arrived");
    }
    Ok(Cost { wall, cpu, memory: memory.saturating_sub(idle) })
}

/// Where clients reach the store.
fn endpoint(place: Place, store: &S3, network: &OnceCell<Network>) -> SocketAddr {
    if place != Place::DistantStore {
        return store.address();
    }
    let network = network.get_or_init(|| Network::to(store.address()));
    network.delay(DELAY);
    network.address()
}

/// The peer copies the same files to such a store.
fn rclone(source: &Spool, place: Place) -> Result<Cost> {
    let (store, network) = (S3::start(), OnceCell::new());
    let before = cpu_of_children()?;
    let begun = Instant::now();
    let mut command = Command::new("rclone");
    command.args(["copy", "--transfers", TRANSFERS, "--checkers", TRANSFERS, "--s3-no-check-bucket"]);
    command.args(["--s3-provider", "Other", "--s3-region", "us-east-1"]);
    command.args(["--s3-access-key-id", S3::KEY, "--s3-secret-access-key", S3::SECRET]);
    command.arg("--s3-endpoint").arg(format!("http://{}", endpoint(place, &store, &network)));
    command.arg(source.data().join("sessions")).arg(format!(":s3:{}/peer", S3::BUCKET));
    let status = command.env("HOME", source.data()).status().context("rclone")?;
    let wall = begun.elapsed().as_secs_f64();
    ensure!(status.success(), "rclone: {status}");
    Ok(Cost { wall, cpu: cpu_of_children()?.saturating_sub(before).as_secs_f64(), memory: 0 })
}

/// Init segments and chunks.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "m4s" || ending == "mp4") {
            found.push(path);
        }
    }
    Ok(found)
}

/// What stores ask for, in US dollars.
struct Prices {
    name: &'static str,
    /// A month of a gigabyte.
    storage: f64,
    /// A thousand writes.
    writes: f64,
    /// A thousand reads.
    reads: f64,
    /// A gigabyte that people watch.
    traffic: f64,
}

/// List prices of November 2026, first tier: R2 and S3 Standard in us-east-1. A disk of 4 TB for 100 dollars that lasts five
/// years, twice, and 20 watts at 0.30 dollars a kilowatt hour.
const PRICES: [Prices; 3] = [
    Prices { name: "Cloudflare R2", storage: 0.015, writes: 0.0045, reads: 0.00036, traffic: 0.0 },
    Prices { name: "AWS S3", storage: 0.023, writes: 0.005, reads: 0.0004, traffic: 0.09 },
    Prices { name: "own disks", storage: 0.0019, writes: 0.0, reads: 0.0, traffic: 0.0 },
];

/// One write and one look for each object; the rest is proportional to bytes.
fn cost(bytes: u64, objects: usize) {
    let hours = RECORDINGS as f64 * f64::from(ten_minutes::SECONDS) / 3600.0;
    let (gigabytes, requests) = (bytes as f64 / 1e9 / hours, objects as f64 / hours);
    let rows: Vec<_> = PRICES
        .iter()
        .map(|prices| {
            let calls = requests / 1e3 * (prices.writes + prices.reads);
            vec![
                prices.name.to_owned(),
                format!("{calls:.4}"),
                format!("{:.4}", gigabytes * prices.storage),
                format!("{:.4}", gigabytes * prices.traffic),
            ]
        })
        .collect();
    let title = format!(
        "A recorded hour of lively 1080p60 ({gigabytes:.2} GB, {requests:.0} objects, each written once and looked at \
         once), US dollars"
    );
    table::print(&title, &["store", "requests, once", "storage, a month", "watched once"], &rows);
}
