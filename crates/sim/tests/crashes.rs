//! The store under crashes and failing disks: at every single operation.
//!
//! `SPOOL_SIM_SEED=n` runs one seed, `SPOOL_SIM_SEEDS=n` the first `n`. A failure prints what to type.

use spool_sim::{Account, Crash, Fault, KeyBox, Play, Script, SimFs, key, session_id};
use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use store::{ChunkStore, Recovered, StoreError};

/// A killed process always leaves the same; a power cut is thrown twice.
const CRASHES: [Crash; 3] = [Crash::Kill, Crash::PowerCut, Crash::PowerCut];

fn seeds(usual: u64) -> impl Iterator<Item = u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match (number("SPOOL_SIM_SEED"), number("SPOOL_SIM_SEEDS")) {
        (Some(seed), _) => seed..=seed,
        (None, count) => 1..=count.unwrap_or(usual),
    }
}

/// The scripts of as many seeds, plain and encrypted.
fn scripts(usual: u64) -> impl Iterator<Item = (u64, Script)> {
    seeds(usual).flat_map(|seed| [(seed, Script::new(seed)), (seed, Script::new(seed).encrypted())])
}

fn open(disk: &SimFs) -> Result<(ChunkStore, Recovered), StoreError> {
    ChunkStore::open_with(Arc::new(disk.clone()), Arc::new(KeyBox::with(key())), disk.dir())
}

/// Plays a script to its end on a sound disk.
fn played<'a>(script: &'a Script, disk: &SimFs) -> Play<'a> {
    let (store, _) = open(disk).expect("an empty folder opens");
    let mut play = Play::new(script);
    play.run(&store, disk).expect("nothing fails");
    play
}

/// Opens a disk after a crash and compares what is there with what must be.
fn check(disk: &SimFs, play: &Play<'_>, ops: usize, crash: Crash) -> Result<(), String> {
    check_account(disk, &play.account(ops), ops, crash)
}

fn check_account(disk: &SimFs, account: &Account, ops: usize, crash: Crash) -> Result<(), String> {
    let (store, recovered) = open(disk).map_err(|error| format!("it does not open: {error}"))?;
    if recovered.moved_aside.is_some() {
        return Err("a sound index was put aside".to_owned());
    }
    account.check(&store, &recovered, crash)?;
    drop(store);
    let (store, again) = open(disk).map_err(|error| format!("it does not open again: {error}"))?;
    if again != Recovered::default() {
        return Err(format!("opening again recovers {again:?}"));
    }
    if ops.is_multiple_of(40) { record_more(&store, disk) } else { Ok(()) }
}

/// What was found after a crash is a store like any other.
fn record_more(store: &ChunkStore, disk: &SimFs) -> Result<(), String> {
    let script = Script::session(session_id(100), 1, Duration::from_millis(2_500));
    Play::new(&script).run(store, disk).map_err(|error| format!("it records no more: {error}"))?;
    store.verify_invariants()
}

/// Says how to see it again.
fn or_fail<T>(result: Result<T, String>, seed: u64, disk: &SimFs, place: &str, ops: usize) -> T {
    result.unwrap_or_else(|problem| {
        panic!(
            "seed {seed}, {place} {ops} ({}): {problem}\n\
             again: SPOOL_SIM_SEED={seed} cargo test -p spool-sim --test crashes",
            disk.describe(ops)
        )
    })
}

#[test]
fn a_crash_at_any_operation_costs_at_most_what_was_open() {
    for (seed, script) in scripts(1) {
        let disk = SimFs::new().unwrap();
        let play = played(&script, &disk);
        for ops in 0..=disk.now() {
            for (chance, crash) in CRASHES.into_iter().enumerate() {
                let crashed = disk.crash(ops, crash, seed << 8 | chance as u64).unwrap();
                or_fail(check(&crashed, &play, ops, crash), seed, &disk, &format!("{crash:?} after"), ops);
            }
        }
    }
}

/// The files alone must say all that was acknowledged.
#[test]
fn a_crash_that_takes_the_index_with_it_costs_nothing_more() {
    for (seed, script) in scripts(1) {
        let disk = SimFs::new().unwrap();
        let play = played(&script, &disk);
        for ops in (seed as usize % 5..=disk.now()).step_by(5) {
            for crash in [Crash::Kill, Crash::PowerCut] {
                let crashed = disk.crash(ops, crash, seed).unwrap();
                crashed.lose_index().unwrap();
                let place = format!("no index and {crash:?} after");
                or_fail(check(&crashed, &play, ops, crash), seed, &disk, &place, ops);
            }
        }
    }
}

/// What a crash has left of encrypted sessions stays as it is until their key is here, and is put in order then.
#[test]
fn without_its_key_nothing_of_a_session_changes() {
    for seed in seeds(1) {
        let (script, disk) = (Script::new(seed).encrypted(), SimFs::new().unwrap());
        let play = played(&script, &disk);
        for ops in 0..=disk.now() {
            for crash in [Crash::Kill, Crash::PowerCut] {
                let crashed = disk.crash(ops, crash, seed).unwrap();
                let mut account = play.account(ops);
                if ops.is_multiple_of(3) {
                    crashed.lose_index().unwrap();
                    account = account.unconfirmed();
                }
                let place = format!("no key and {crash:?} after");
                let checked = stays(&crashed).and_then(|()| check_account(&crashed, &account, ops, crash));
                or_fail(checked, seed, &disk, &place, ops);
            }
        }
    }
}

/// Opens a disk without keys, twice, and compares what it holds of sessions with what it held before.
fn stays(disk: &SimFs) -> Result<(), String> {
    let before = contents(disk.dir());
    for _ in 0..2 {
        let opened = ChunkStore::open(Arc::new(disk.clone()), disk.dir());
        let (store, recovered) = opened.map_err(|error| format!("it does not open: {error}"))?;
        if !recovered.sessions.is_empty() {
            return Err(format!("put in order without a key: {recovered:?}"));
        }
        store.verify_invariants()?;
    }
    let after = contents(disk.dir());
    match before.keys().chain(after.keys()).find(|path| before.get(*path) != after.get(*path)) {
        Some(path) => Err(format!("{} is not as it was", path.display())),
        None => Ok(()),
    }
}

/// The files of tracks that nobody has decided to delete.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let list = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let sessions = list(&dir.join("sessions")).filter(|path| path.extension().is_none());
    let files = sessions.flat_map(|session| list(&session)).flat_map(|track| list(&track));
    files.map(|path| (path.clone(), fs::read(path).expect("it can be read"))).collect()
}

/// Every eleventh crash is followed by more of them, each in the middle of putting the one before it in order.
#[test]
fn a_crash_while_recovering_costs_nothing_more() {
    for (seed, script) in scripts(1) {
        let disk = SimFs::new().unwrap();
        let play = played(&script, &disk);
        for ops in (seed as usize % 11..=disk.now()).step_by(11) {
            // After a power cut that follows a kill, what the kill left is no longer sure to be there.
            for (first, then) in [
                (Crash::Kill, Crash::Kill),
                (Crash::PowerCut, Crash::Kill),
                (Crash::PowerCut, Crash::PowerCut),
            ] {
                let crashed = disk.crash(ops, first, seed).unwrap();
                drop(open(&crashed).unwrap());
                for inner in (0..=crashed.now()).step_by(3) {
                    let again = crashed.crash(inner, then, seed).unwrap();
                    let place = format!("{then:?} after operation {inner} of opening after {first:?} after");
                    or_fail(check(&again, &play, ops, first), seed, &disk, &place, ops);
                }
            }
        }
    }
}

/// Does a step again and again, as long as the disk fails; says whether every error was the one it should be.
fn persist(play: &mut Play<'_>, store: &ChunkStore, disk: &SimFs, kind: ErrorKind) -> Result<(), String> {
    let mut tries = 0;
    while !play.is_over() {
        match play.step(store, disk) {
            Ok(()) => tries = 0,
            Err(error) if is_expected(&error, kind) && tries < 10 => tries += 1,
            Err(error) => return Err(format!("{error:?}")),
        }
    }
    Ok(())
}

fn is_expected(error: &StoreError, kind: ErrorKind) -> bool {
    let same = match error {
        StoreError::DiskFull { .. } => kind == ErrorKind::StorageFull,
        StoreError::Io { source, .. } => source.kind() == kind,
        _ => false,
    };
    same && error.is_retryable()
}

/// A full disk and a failing one, for up to three operations, beginning with any of them: the same steps again bring
/// everything onto the disk, so that even a power cut takes nothing of it.
#[test]
fn what_failed_can_be_done_again() {
    for (seed, script) in scripts(1) {
        let operations = {
            let disk = SimFs::without_images().unwrap();
            played(&script, &disk);
            disk.tried()
        };
        for at in 1..=operations {
            let kind =
                if (at as u64 + seed).is_multiple_of(2) { ErrorKind::StorageFull } else { ErrorKind::Other };
            let disk = SimFs::without_images().unwrap();
            disk.fail(Fault { at, count: 1 + at % 3, kind });
            let store = (0..10).find_map(|_| match open(&disk) {
                Ok((store, _)) => Some(store),
                Err(error) => {
                    assert!(is_expected(&error, kind), "seed {seed}, operation {at}: {error:?}");
                    None
                }
            });
            let store = store.expect("the fault is over");
            let mut play = Play::new(&script);
            let place = format!("{kind} at operation {at}, found at");
            or_fail(persist(&mut play, &store, &disk, kind), seed, &disk, &place, disk.now());
            disk.heal();
            disk.take_image();
            play.die();
            drop(store);
            let cut = disk.crash(disk.now(), Crash::PowerCut, seed).unwrap();
            or_fail(check(&cut, &play, disk.now(), Crash::PowerCut), seed, &disk, &place, disk.now());
        }
    }
}

/// A disk that stays full: nothing more is taken, and once there is space again the sessions end in order with all
/// that was.
#[test]
fn a_recording_ends_in_order_once_there_is_space_again() {
    for (seed, script) in scripts(1) {
        for at in (10 + seed as usize % 5..600).step_by(5) {
            let disk = SimFs::without_images().unwrap();
            let (store, _) = open(&disk).unwrap();
            disk.fail(Fault { at, count: usize::MAX, kind: ErrorKind::StorageFull });
            let mut play = Play::new(&script);
            let full = play.run(&store, &disk);
            if let Err(error) = &full {
                assert!(
                    matches!(error, StoreError::DiskFull { .. }),
                    "seed {seed}, operation {at}: {error:?}"
                );
            }
            disk.heal();
            let ended = play.finalize_all().map_err(|error| format!("it does not end: {error}"));
            let place = format!("full at operation {at}, found at");
            or_fail(ended, seed, &disk, &place, disk.now());
            drop(store);
            let (store, recovered) = open(&disk).unwrap();
            let found = play.account(disk.now()).ended().check(&store, &recovered, Crash::Kill);
            or_fail(found, seed, &disk, &place, disk.now());
        }
    }
}
