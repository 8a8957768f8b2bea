//! Chunks read back after a crash, and one file made of whatever was found. Input: what kind of track, its bytes.

#![no_main]

use media::FlatTrack;
use model::UtcTime;
use spool_fuzz::{input::Input, tracks};
use std::time::Duration;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let kind = input.byte();
    let init = tracks::init(kind);
    let Some(chunk) = tracks::chunk(input.0, &init, 1) else { return };
    let id = init.track.clone();
    let track =
        FlatTrack { id: &id, inits: std::slice::from_ref(&init), chunks: std::slice::from_ref(&chunk) };
    tracks::flatten(&[track], None, &[]);
    tracks::playlists(
        &tracks::manifest(kind, vec![chunk]),
        &init.codec,
        &[],
        Duration::from_secs(2),
        UtcTime(0),
    );
});
