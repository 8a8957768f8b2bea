//! Files of an encrypted session, changed by somebody without its key. Input: which file, and what is done to it.
//!
//! Whatever that is, what can be read afterwards is a beginning of what was recorded, and without the key nothing
//! changes at all.

#![no_main]

use model::Chunk;
use spool_fuzz::{
    input::Input,
    keys::{OneKey, key},
    library,
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};
use store::{ChunkStore, OsFs, StoreError};

/// A session that was cut off: its files by their paths within the data folder, and what its tracks hold.
struct Recorded {
    files: Vec<(PathBuf, Vec<u8>)>,
    /// Each track's parts, end to end, and where each ends.
    tracks: Vec<(String, Vec<u8>)>,
}

fn recorded() -> &'static Recorded {
    static RECORDED: OnceLock<Recorded> = OnceLock::new();
    RECORDED.get_or_init(|| {
        let folder = library::folder();
        let (store, _) = open(folder.path());
        let meta = model::SessionMeta { key: Some(key().id()), ..library::meta() };
        let mut writer = store.begin(meta).expect("it begins");
        let pieces = library::pieces(3);
        let mut tracks: Vec<(String, Vec<u8>)> = Vec::new();
        // The last two seal the open chunks.
        for piece in pieces.into_iter().filter(|piece| !is_last_seal(piece)) {
            if let model::Piece::Part(part) = &piece {
                let name = part.chunk.track.to_string();
                match tracks.iter_mut().find(|(track, _)| *track == name) {
                    Some((_, bytes)) => bytes.extend_from_slice(&part.bytes),
                    None => tracks.push((name, part.bytes.to_vec())),
                }
            }
            writer.write(piece).expect("it is written");
        }
        drop((writer, store));
        let mut files = Vec::new();
        collect(folder.path(), folder.path(), &mut files);
        files.sort();
        Recorded { files, tracks }
    })
}

fn is_last_seal(piece: &model::Piece) -> bool {
    matches!(piece, model::Piece::Seal(chunk) if chunk.id.index == 2)
}

fn open(folder: &Path) -> (ChunkStore, store::Recovered) {
    ChunkStore::open_with(Arc::new(OsFs), Arc::new(OneKey), folder).expect("it opens")
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for path in fs::read_dir(folder).expect("it is there").flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(root, &path, files);
        } else if let Ok(within) = path.strip_prefix(root) {
            files.push((within.to_owned(), fs::read(&path).expect("it can be read")));
        }
    }
}

fn is_chunk(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "m4s" || end == "open")
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (recorded, mut input) = (recorded(), Input(data));
    let (which, keeps_index) = (input.byte(), input.byte() & 1 == 1);
    let chunks: Vec<&PathBuf> =
        recorded.files.iter().map(|(path, _)| path).filter(|path| is_chunk(path)).collect();
    let changed = chunks[usize::from(which) % chunks.len()];
    let folder = library::folder();
    let mut bytes = Vec::new();
    for (path, original) in &recorded.files {
        let is_index = path.to_string_lossy().starts_with("spool.db");
        if is_index && !keeps_index {
            continue;
        }
        let file = folder.path().join(path);
        fs::create_dir_all(file.parent().expect("it lies in a folder")).expect("there is room");
        fs::write(&file, original).expect("there is room");
        if path == changed {
            bytes.clone_from(original);
        }
    }
    while let Some((kind, block)) = input.block() {
        change(&mut bytes, kind, Input(block));
    }
    let file = folder.path().join(changed);
    fs::write(&file, &bytes).expect("there is room");
    let (store, found) = ChunkStore::open(Arc::new(OsFs), folder.path()).expect("it opens without the key");
    assert!(found.sessions.is_empty(), "put in order without the key: {found:?}");
    drop(store);
    assert!(fs::read(&file).is_ok_and(|found| found == bytes), "changed without the key");
    let (store, _) = open(folder.path());
    for track in store.manifest(library::id()).expect("it is there").tracks {
        let name = track.track.id.to_string();
        let written = recorded.tracks.iter().find(|(track, _)| *track == name);
        let written = written.map(|(_, bytes)| bytes.as_slice()).unwrap_or_default();
        track.chunks.iter().for_each(|chunk| check(&store, chunk, written));
    }
});

/// A chunk is damaged, gone, or some of the very parts that were written.
fn check(store: &ChunkStore, chunk: &Chunk, written: &[u8]) {
    match store.read(&chunk.id) {
        Ok(bytes) => assert!(
            bytes.is_empty() || written.windows(bytes.len()).any(|found| found == &bytes[..]),
            "{} has what nobody wrote",
            chunk.id
        ),
        Err(StoreError::Damaged { .. } | StoreError::Missing { .. }) => {}
        Err(error) => panic!("{}: {error}", chunk.id),
    }
}

/// Does something to a file; places are taken from where there are some.
fn change(bytes: &mut Vec<u8>, kind: u8, mut how: Input<'_>) {
    let mut place = |end: usize| usize::from(how.small()) % (end + 1);
    let length = bytes.len();
    let (from, size) = (place(length), place(length));
    let range = from..(from + size).min(length);
    match kind % 6 {
        0 => bytes.truncate(from),
        1 => drop(bytes.drain(range)),
        2 => {
            let copied = bytes[range].to_vec();
            let to = place(length);
            bytes.splice(to..to, copied);
        }
        3 => bytes[range].fill(0),
        4 => bytes.splice(from..from, how.0.iter().copied()).for_each(drop),
        _ => {
            if let Some(byte) = bytes.get_mut(from) {
                *byte ^= how.byte().max(1);
            }
        }
    }
}
