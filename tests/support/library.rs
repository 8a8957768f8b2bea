//! The data folder as DESIGN.md describes it, read by hand.

use crate::spool::Spool;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The tracks of a session that have files, by name.
pub fn tracks(spool: &Spool, session: &str) -> Vec<String> {
    let folders = list(&spool.data().join("sessions").join(session)).into_iter().filter(|path| path.is_dir());
    folders.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
}

/// The init segments of a track; in order of use where there is only one.
pub fn inits(spool: &Spool, session: &str, track: &str) -> Vec<PathBuf> {
    files(spool, session, track, |name| name.starts_with("init-") && name.ends_with(".mp4"))
}

/// The sealed chunks of a track, in order.
pub fn chunks(spool: &Spool, session: &str, track: &str) -> Vec<PathBuf> {
    files(spool, session, track, |name| name.ends_with(".m4s"))
}

/// One file of a track's only init segment and some of its chunks, end to end.
pub fn join(spool: &Spool, session: &str, track: &str, from: usize) -> PathBuf {
    let inits = inits(spool, session, track);
    assert_eq!(inits.len(), 1, "the track {track} has one init segment");
    let chunks = chunks(spool, session, track);
    assert!(chunks.len() > from, "the track {track} has only {} chunks", chunks.len());
    let bytes: Vec<u8> = inits.iter().chain(&chunks[from..]).flat_map(|path| read(path)).collect();
    let file = spool.file(&format!("{track}-from-{from}.mp4"));
    fs::write(&file, bytes).expect("there is room for a file");
    file
}

fn files(spool: &Spool, session: &str, track: &str, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let all = list(&spool.data().join("sessions").join(session).join(track)).into_iter();
    all.filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(&wanted)).collect()
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The sessions that have a folder.
pub fn sessions(spool: &Spool) -> Vec<PathBuf> {
    let folder = spool.data().join("sessions");
    if folder.exists() { list(&folder) } else { Vec::new() }
}

/// Every file within a folder, by path, with its bytes.
pub fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let inside = |path: PathBuf| match path.is_dir() {
        true => contents(&path),
        false => vec![(path.clone(), read(&path))],
    };
    // Sockets and what comes and goes are none of it.
    list(folder).into_iter().filter(|path| path.is_dir() || path.is_file()).flat_map(inside).collect()
}
