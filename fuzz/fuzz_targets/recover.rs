//! Opening is recovery: a session's folder as a crash, a damaged disk or somebody else left it. Input: its files.

#![no_main]

use engine::{
    Engine, EngineError,
    command::{Command, Event, ExportPlan, Page, Query, Reply},
};
use media::FlatTrack;
use model::{Init, SessionId, Span};
use spool_fuzz::{input::Input, library, tracks};
use std::{ops::ControlFlow, path::Path, sync::Arc};
use store::{ChunkStore, OsFs, StoreError};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let folder = library::folder();
    library::unpack(folder.path(), Input(data)).expect("files can be written");
    match Engine::start(folder.path()) {
        Ok((engine, running, _)) => {
            ask_everything(&engine, folder.path());
            ask(&engine, Command::Shutdown).expect("an engine ends when it is told to");
            running.wait();
        }
        // Said by a document of a later version, and by nothing else.
        Err(EngineError::Store(StoreError::Newer { .. })) => return,
        Err(error) => panic!("the library cannot be opened: {error}"),
    }
    let (store, recovered) = ChunkStore::open(Arc::new(OsFs), folder.path()).expect("it opens again");
    assert!(recovered.sessions.is_empty(), "all was put in order the first time: {recovered:?}");
    for session in store.sessions(None, 9).expect("they can be listed") {
        check_session(&store, session.meta.id);
    }
});

fn ask(engine: &Engine, command: Command) -> Result<Reply, EngineError> {
    engine.handle(command, &mut |_: Event| ControlFlow::Continue(()))
}

/// What people do with a library that was just opened. Refusals are fine.
fn ask_everything(engine: &Engine, data: &Path) {
    let lines = match ask(engine, Command::List(Query::default())) {
        Ok(Reply::Recordings(Page { recordings: lines, .. })) => lines,
        other => panic!("a library that opens can be listed: {other:?}"),
    };
    for line in lines {
        let id = line.session.to_string();
        let shown = ask(engine, Command::Show { id: id.clone() });
        assert!(matches!(shown, Ok(_) | Err(EngineError::Store(StoreError::NotFound { .. }))), "{shown:?}");
        let output = data.join("out.mp4");
        // What FFmpeg makes of nonsense is its own affair.
        let rest = ExportPlan { no_encode: true, ..ExportPlan::default() };
        let plan = ExportPlan { id, output: output.clone(), from_ms: Some(100), ..rest };
        if let Ok(Reply::Exported(made)) = ask(engine, Command::Export(plan)) {
            assert_eq!(std::fs::metadata(&output).map(|found| found.len()).ok(), Some(made.bytes));
        }
    }
}

/// Whatever is said to be there is there, as it was found, and can be made a file of.
fn check_session(store: &ChunkStore, session: SessionId) {
    let found = store.verify(session, |_| {}).expect("it can be verified");
    assert_eq!(found.verified, found.chunks, "{found:?}");
    let manifest = store.manifest(session).expect("it has a manifest");
    if let Some(check) = &manifest.meta.check {
        let _either = check.is_together();
    }
    let gaps: Vec<Span> = manifest.meta.session_gaps().collect();
    let inits: Vec<Vec<Init>> = manifest
        .tracks
        .iter()
        .map(|track| {
            let hashes: std::collections::BTreeSet<_> = track.chunks.iter().map(|chunk| chunk.init).collect();
            let init =
                |hash| store.init(session, &track.track.id, hash).expect("what a chunk needs is there");
            hashes.iter().map(init).collect()
        })
        .collect();
    let flat: Vec<FlatTrack<'_>> = (manifest.tracks.iter().zip(&inits))
        .map(|(track, inits)| FlatTrack { id: &track.track.id, inits, chunks: &track.chunks })
        .collect();
    tracks::flatten(&flat, None, &gaps);
    for (track, inits) in manifest.tracks.iter().zip(&inits) {
        if let Some(init) = inits.first() {
            tracks::playlists(track, &init.codec, &gaps, manifest.meta.chunk, manifest.meta.started_at);
        }
    }
}
