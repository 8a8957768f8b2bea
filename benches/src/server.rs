//! What the coordinator bears: chunks confirmed a second while thousands of sessions send heartbeats.
//!
//! Objects are laid into the server's folder beforehand, as its own store would have laid them, so that what is
//! measured is the coordinator: signing, reading back, rows made durable. Putting bytes there is measured by `upload`.

use crate::{
    http::Client,
    meter::{cpu_of, memory_of, peak_memory},
    table,
};
use anyhow::{Context, Result};
use model::Hash;
use serde_json::{Value, json};
use spool_tests::Server;
use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Objects in one request.
const BATCH: usize = 8;
/// Bytes of an object: reading back what a real chunk has would measure the disk.
const SIZE: usize = 4096;
/// Chunks that are confirmed in a run.
const CHUNKS: usize = 60_000;
/// Connections that confirm at the same time.
const CONNECTIONS: usize = 16;
/// Sessions that send heartbeats, and how often each does.
const BEATING: usize = 2_000;
const BETWEEN: Duration = Duration::from_secs(10);
/// A recording has at most a thousand.
const SESSIONS_OF_ONE: usize = 100;
const SESSIONS: [usize; 2] = [100, 10_000];

/// A session as its recorder knows it.
struct Joined {
    recording: Uuid,
    id: Uuid,
    token: String,
}

/// A batch that is ready to be sent.
struct Batch {
    session: usize,
    body: String,
}

#[derive(Default)]
struct Times {
    urls: Vec<Duration>,
    confirms: Vec<Duration>,
}

/// Prints one table.
pub(crate) fn run() -> Result<()> {
    let rows = SESSIONS.iter().map(|sessions| measure(*sessions)).collect::<Result<Vec<_>>>()?;
    let head = [
        "sessions",
        "confirmed chunks a second",
        "upload-urls p50 / p99 ms",
        "confirm p50 / p99 ms",
        "heartbeat p99 ms",
        "server's processor, cores",
        "memory at the end / most MB",
    ];
    table::print(
        &format!("The coordinator on its own folder: {CHUNKS} chunks in batches of {BATCH}"),
        &head,
        &rows,
    );
    Ok(())
}

fn measure(sessions: usize) -> Result<Vec<String>> {
    let server = Server::with(&["--rate-limit", "0", "--session-rate-limit", "0"]);
    let address = server.address();
    eprintln!("{sessions} sessions join");
    let joined = join(address, &server.admin_token(), sessions)?;
    eprintln!("{CHUNKS} chunks are laid into the folder");
    let batches = lay(&server.data().join("objects/recordings"), &joined)?;
    let before = cpu_of(server.pid())?;
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let begun = Instant::now();
    let (times, beats) = thread::scope(|scope| -> Result<_> {
        let beats = scope.spawn(|| beat(address, &joined, &is_over));
        let workers: Vec<_> =
            (0..CONNECTIONS).map(|_| scope.spawn(|| work(address, &joined, &batches, &next))).collect();
        let mut times = Times::default();
        for worker in workers {
            let one = worker.join().ok().context("a connection panicked")??;
            times.urls.extend(one.urls);
            times.confirms.extend(one.confirms);
        }
        is_over.store(true, Ordering::Release);
        Ok((times, beats.join().ok().context("the heartbeats panicked")??))
    })?;
    let elapsed = begun.elapsed().as_secs_f64();
    let cpu = cpu_of(server.pid())?.saturating_sub(before).as_secs_f64();
    let megabytes =
        |bytes: Option<u64>| bytes.map_or_else(|| "?".into(), |bytes| format!("{:.0}", bytes as f64 / 1e6));
    let both = |mut times: Vec<Duration>| format!("{} / {}", share(&mut times, 0.5), share(&mut times, 0.99));
    Ok(vec![
        sessions.to_string(),
        format!("{:.0}", CHUNKS as f64 / elapsed),
        both(times.urls),
        both(times.confirms),
        share(&mut { beats }, 0.99),
        format!("{:.2}", cpu / elapsed),
        format!("{} / {}", megabytes(memory_of(server.pid())), megabytes(peak_memory(server.pid()))),
    ])
}

/// Milliseconds within which this share of all was answered.
fn share(times: &mut [Duration], share: f64) -> String {
    times.sort_unstable();
    let at = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
    times.get(at).map_or_else(|| "?".to_owned(), |time| format!("{:.1}", time.as_secs_f64() * 1e3))
}

fn join(address: SocketAddr, admin: &str, sessions: usize) -> Result<Vec<Joined>> {
    let (mut client, mut joined, mut recording) = (Client::connect(address)?, Vec::new(), Uuid::nil());
    for number in 0..sessions {
        if number % SESSIONS_OF_ONE == 0 {
            recording = Uuid::now_v7();
            client.post("/v1/recordings", admin, &json!({ "id": recording }).to_string())?;
        }
        let (id, path) = (Uuid::now_v7(), format!("/v1/recordings/{recording}/sessions"));
        let answer = client.post(&path, admin, &json!({ "id": id, "started_at": 0 }).to_string())?;
        let answer: Value = serde_json::from_slice(&answer)?;
        joined.push(Joined {
            recording,
            id,
            token: answer["token"].as_str().context("no token")?.to_owned(),
        });
    }
    Ok(joined)
}

/// Lays all chunks where the folder store has them, and gives the requests that confirm them.
fn lay(recordings: &Path, joined: &[Joined]) -> Result<Vec<Batch>> {
    let (mut batches, init, length) = (Vec::new(), Hash::of(b"init"), 4_000_000_000_u64);
    for number in 0..CHUNKS / BATCH {
        let session = number % joined.len();
        let Joined { recording, id, .. } = &joined[session];
        let folder = recordings.join(format!("{recording}/sessions/{id}/mix"));
        fs::create_dir_all(&folder)?;
        let first = number / joined.len() * BATCH;
        let objects = (first..first + BATCH).map(|index| -> Result<Value> {
            let index = index + 1;
            let mut bytes = vec![0; SIZE];
            bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
            bytes[8..16].copy_from_slice(&(index as u64).to_le_bytes());
            let hash = Hash::of(&bytes);
            fs::write(folder.join(format!("{index:06}-{}.m4s", hash.short())), bytes)?;
            let span = json!({ "start": (index as u64 - 1) * length, "end": index as u64 * length });
            Ok(json!({ "track": "mix", "index": index, "size": SIZE, "sha256": hash, "span": span, "init": init }))
        });
        let objects = objects.collect::<Result<Vec<_>>>()?;
        batches.push(Batch { session, body: json!({ "objects": objects }).to_string() });
    }
    Ok(batches)
}

/// Asks for URLs and confirms, batch by batch.
fn work(address: SocketAddr, joined: &[Joined], batches: &[Batch], next: &AtomicUsize) -> Result<Times> {
    let (mut client, mut times) = (Client::connect(address)?, Times::default());
    while let Some(batch) = batches.get(next.fetch_add(1, Ordering::AcqRel)) {
        let Joined { id, token, .. } = &joined[batch.session];
        let begun = Instant::now();
        client.post(&format!("/v1/sessions/{id}/upload-urls"), token, &batch.body)?;
        let asked = Instant::now();
        let answer = client.post(&format!("/v1/sessions/{id}/confirm"), token, &batch.body)?;
        times.confirms.push(asked.elapsed());
        times.urls.push(asked - begun);
        let verified = String::from_utf8_lossy(&answer).matches("\"verified\"").count();
        anyhow::ensure!(verified == BATCH, "{verified} of {BATCH} are confirmed");
    }
    Ok(times)
}

/// Heartbeats of many sessions, spread evenly.
fn beat(address: SocketAddr, joined: &[Joined], is_over: &AtomicBool) -> Result<Vec<Duration>> {
    let mut client = Client::connect(address)?;
    let (mut times, begun) = (Vec::new(), Instant::now());
    let body = json!({ "sealed": 100, "confirmed": 90 }).to_string();
    for number in 0.. {
        if is_over.load(Ordering::Acquire) {
            break;
        }
        let due = BETWEEN.mul_f64(number as f64 / BEATING as f64);
        thread::sleep(due.saturating_sub(begun.elapsed()));
        let Joined { id, token, .. } = &joined[number % joined.len()];
        let asked = Instant::now();
        client.post(&format!("/v1/sessions/{id}/heartbeat"), token, &body)?;
        times.push(asked.elapsed());
    }
    Ok(times)
}
