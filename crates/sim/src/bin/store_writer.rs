//! Writes a recording into a real folder, or looks at one, for a rig that cuts the power of a real disk.
//!
//! `store-writer write DIR [SEED]` prints `ACK <track> <index> <sha256>` once a sealed chunk was announced, until it
//! is killed. `store-writer verify DIR` opens the folder again, which is recovery, and prints
//! `HAVE <track> <index> <sha256>` for each chunk that is there, and whether every byte is as recorded.

use model::{Piece, SessionId};
use spool_sim::{Script, Step, session_id};
use std::{
    error::Error,
    io::{self, Write as _},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use store::{ChunkStore, OsFs, SessionWriter};

/// Times as fast as a camera and a microphone.
const SPEED: u32 = 10;
const LENGTH: Duration = Duration::from_secs(1200);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["write", dir] => write(Path::new(dir), 1),
        ["write", dir, seed] => write(Path::new(dir), seed.parse()?),
        ["verify", dir] => verify(Path::new(dir)),
        _ => Err("store-writer write DIR [SEED] | verify DIR".into()),
    }
}

fn write(dir: &Path, seed: u64) -> Result<(), Box<dyn Error>> {
    let (store, _) = ChunkStore::open(Arc::new(OsFs), dir)?;
    let newest = store.sessions(None, 1)?.first().map_or(0, |found| found.meta.id.0.as_u128() as u32);
    let script = Script::session(session_id(newest + 1), seed, LENGTH);
    let (mut writer, begun) = (None, Instant::now());
    for step in script.steps {
        match (step, &mut writer) {
            (Step::Begin(meta), _) => writer = Some(store.begin(meta)?),
            (Step::AddTrack(_, info), Some(writer)) => writer.add_track(info)?,
            (Step::Write(_, piece), Some(writer)) => write_piece(writer, piece, begun)?,
            _ => {}
        }
    }
    Ok(())
}

fn write_piece(writer: &mut SessionWriter, piece: Piece, begun: Instant) -> Result<(), Box<dyn Error>> {
    let sealed = match &piece {
        Piece::Part(part) => {
            let due = Duration::from_nanos(part.mark.span.end.0.unsigned_abs()) / SPEED;
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
            None
        }
        Piece::Seal(chunk) => Some(format!("ACK {} {} {}\n", chunk.id.track, chunk.id.index, chunk.hash)),
        Piece::Init(_) => None,
    };
    writer.write(piece)?;
    if let Some(line) = sealed {
        // In one write, so that no line is ever half there.
        io::stdout().write_all(line.as_bytes())?;
        io::stdout().flush()?;
    }
    Ok(())
}

fn verify(dir: &Path) -> Result<(), Box<dyn Error>> {
    let (store, recovered) = ChunkStore::open(Arc::new(OsFs), dir)?;
    println!("{recovered:?}");
    for session in store.sessions(None, usize::MAX)? {
        list(&store, session.meta.id)?;
    }
    Ok(store.verify_invariants()?)
}

fn list(store: &ChunkStore, session: SessionId) -> Result<(), Box<dyn Error>> {
    for chunk in store.manifest(session)?.tracks.iter().flat_map(|track| &track.chunks) {
        println!("HAVE {} {} {}", chunk.id.track, chunk.id.index, chunk.hash);
    }
    let found = store.verify(session, |_| {})?;
    println!("{} of {} chunks verified {:?}", found.verified, found.chunks, found.damaged);
    if found.is_whole() { Ok(()) } else { Err("not as recorded".into()) }
}
