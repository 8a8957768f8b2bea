//! One file and its playlists from several chunks of two tracks, however they overlap. Input: a cut, spans to skip,
//! chunks.

#![no_main]

use media::FlatTrack;
use model::{Chunk, Init, Span, Timestamp, UtcTime};
use spool_fuzz::{input::Input, tracks};
use std::time::Duration;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let flags = input.byte();
    let mut span = || {
        let start = Timestamp(input.number());
        Span::new(start, Timestamp(input.number()))
    };
    let cut = (flags & 1 == 1).then(&mut span);
    let skip: Vec<Span> = (0..flags >> 1 & 3).map(|_| span()).collect();
    let mut inits: [Vec<Init>; 2] = Default::default();
    let mut chunks: [Vec<Chunk>; 2] = Default::default();
    while let Some((kind, bytes)) = input.block() {
        let track = usize::from(kind & 1);
        let init = tracks::init(kind);
        let index = u32::try_from(chunks[track].len() + 1).unwrap_or(u32::MAX);
        chunks[track].extend(tracks::chunk(bytes, &init, index));
        if !inits[track].contains(&init) {
            inits[track].push(init);
        }
    }
    let names = [tracks::name(0), tracks::name(1)];
    let flat = |track: usize| FlatTrack { id: &names[track], inits: &inits[track], chunks: &chunks[track] };
    tracks::flatten(&[flat(0), flat(1)], cut, &skip);
    for kind in [0u8, 1] {
        let chunks = chunks[usize::from(kind)].clone();
        let manifest = tracks::manifest(kind, chunks);
        tracks::playlists(&manifest, &tracks::codec(kind), &skip, Duration::from_secs(2), UtcTime(0));
    }
});
