//! A recording that goes on for a day needs no more of anything than a day needs.
//!
//! `SPOOL_SIM_HOURS` says how long it is.

use model::SessionState;
use spool_sim::{Day, EmptiedFs, session_id};
use std::{fs, sync::Arc, time::Duration};
use store::{ChunkStore, Recovered};

const HOUR: Duration = Duration::from_secs(3_600);
const CHUNKS_PER_HOUR: u64 = 900;
/// By so much may memory grow from the end of the first hour to the last, and until the recording is finished.
const GROWTH_MAX: u64 = 48 << 20;
/// The index keeps a few bytes for each packet, and some for each chunk.
const ROW_BYTES_PER_PACKET: u64 = 16;
const ROW_BYTES_PER_CHUNK: u64 = 1_024;

fn hours() -> u32 {
    std::env::var("SPOOL_SIM_HOURS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Bytes of memory that this process has resident now (`VmRSS`) or had at most (`VmHWM`); none where the system does
/// not say.
fn memory(field: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[test]
fn a_day_leaves_bounded_memory_files_and_rows() {
    let disk = EmptiedFs::new().unwrap();
    let (store, _) = ChunkStore::open(Arc::new(disk.clone()), disk.dir()).unwrap();
    let mut day = Day::begin(&store, session_id(1)).unwrap();
    let mut first = None;
    for hour in 1..=hours() {
        day.record(HOUR).unwrap();
        let resident = memory("VmRSS").unwrap_or_default();
        let first = *first.get_or_insert(resident);
        println!("hour {hour}: {:.1} MB resident, {} packets", megabytes(resident), day.packets());
        assert!(
            resident <= first + GROWTH_MAX,
            "memory grew from {first} to {resident} bytes in hour {hour}"
        );
    }
    let peak = memory("VmHWM").unwrap_or_default();
    let most = first.unwrap_or_default() + GROWTH_MAX;
    let (packets, tracks) = (day.packets(), day.tracks().count() as u64);
    let finished = day.end().unwrap().finalize(SessionState::Finalized).unwrap();
    let in_all = memory("VmHWM").unwrap_or_default();

    let chunks = finished.chunks;
    assert_eq!(chunks, u64::from(hours()) * CHUNKS_PER_HOUR * tracks);
    let files = disk.files().unwrap();
    let index = fs::metadata(disk.dir().join("spool.db")).unwrap().len();
    println!(
        "{} hours: {packets} packets, {:.1} MB written, {files} files, {chunks} rows in {:.1} MB of index; at most \
         {:.1} MB resident while recording, {:.1} MB when it was finished",
        hours(),
        megabytes(disk.written()),
        megabytes(index),
        megabytes(peak),
        megabytes(in_all)
    );
    // A chunk is a file; beside them there are inits, the session's document, and the index with its journal and lock.
    assert!(files <= chunks + 2 * tracks + 8, "{files} files for {chunks} chunks");
    assert!(index <= packets * ROW_BYTES_PER_PACKET + chunks * ROW_BYTES_PER_CHUNK, "{index} bytes of index");
    assert!(in_all <= most.max(peak), "{in_all} bytes were resident in the end");
    drop(store);
    let (store, recovered) = ChunkStore::open(Arc::new(disk.clone()), disk.dir()).unwrap();
    assert_eq!(recovered, Recovered::default(), "a finished session needs no recovery");
    assert_eq!(store.sessions(None, 10).unwrap().len(), 1);
}
