//! Tracks: codecs, chunks read from any bytes, and what must hold of both and of the files made from them.

use crate::memory::bounded;
use bytes::Bytes;
use media::{ChunkPolicy, Chunker, FlatPlan, FlatTrack, MediaPlaylist, Rendition, Scan};
use model::{
    Chunk, ChunkId, CodecConfig, Init, Packet, Piece, SessionId, Size, Span, Timestamp, TrackId, TrackInfo,
    TrackKind, TrackManifest, UtcTime,
};
use mp4_atom::{Decode, Ftyp, Moov, StszSamples, Trak};
use std::time::Duration;

/// Sizes of what is kept of each sample, against the dozen bytes that it has in a file; a list that grows doubles.
const MEMORY_TIMES: usize = 24;

/// A baseline H.264 configuration of 320×180, as x264 wrote it.
const AVCC: &[u8] = &[
    0x01, 0x42, 0xc0, 0x0d, 0xff, 0xe1, 0x00, 0x17, 0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x06, 0x7e, 0x7c,
    0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00, 0x0f, 0x23, 0xc5, 0x0a, 0xa8, 0x01, 0x00, 0x04,
    0x68, 0xce, 0x0f, 0xc8,
];

/// VP9, profile 0, as libvpx wrote it.
const VPCC: &[u8] = &[0, 11, 0x82, 1, 1, 1, 0, 0];

/// AV1, main profile, as libaom wrote it.
const AV1C: &[u8] = &[
    0x81, 0x00, 0x0c, 0x00, 0x0a, 0x0e, 0x00, 0x00, 0x00, 0x04, 0x3c, 0xfe, 0xcc, 0xda, 0xf9, 0x10, 0x10,
    0x10, 0x10, 0x40,
];

/// The session that everything belongs to.
pub fn session() -> SessionId {
    "0199a3c4-0000-7000-8000-000000000001".parse().expect("it is an id")
}

/// A track's name.
pub fn track(name: &str) -> TrackId {
    name.parse().expect("it is a name")
}

/// Even kinds are pictures, odd ones sound, and bit 3 is text instead; the other bits change what else a
/// configuration says.
pub fn codec(kind: u8) -> CodecConfig {
    let size = Size::new(320, 180);
    match kind & 15 {
        0 => CodecConfig::H264 { size, avcc: Bytes::from_static(AVCC) },
        2 => CodecConfig::H264 { size: Size::new(640, 360), avcc: Bytes::from_static(AVCC) },
        4 => CodecConfig::Vp9 { size, vpcc: Bytes::from_static(VPCC) },
        6 => CodecConfig::Av1 { size, av1c: Bytes::from_static(AV1C) },
        1 => aac(48_000, 1024),
        3 => aac(44_100, 2112),
        5 => aac(1, 0),
        7 => CodecConfig::Opus { rate: 48_000, channels: 2, priming: 312, bitrate: 96_000 },
        _ => CodecConfig::Json,
    }
}

fn aac(rate: u32, priming: u32) -> CodecConfig {
    let asc = Bytes::from_static(&[0x11, 0x90]);
    CodecConfig::Aac { rate, channels: 2, asc, priming, bitrate: 128_000 }
}

/// The name of the track that chunks of this kind belong to.
pub fn name(kind: u8) -> TrackId {
    track(if kind & 1 == 0 { "program" } else { "mix" })
}

/// The init segment that chunks of this kind need.
pub fn init(kind: u8) -> Init {
    media::init(&name(kind), &codec(kind)).expect("the configuration is valid")
}

/// Reads chunks back from any bytes, and proves what must hold of what was found.
pub fn scan(bytes: &[u8], init: &Init) -> Scan {
    let scan = bounded(bytes.len(), MEMORY_TIMES, || media::scan(bytes, init));
    let mut at = 0;
    let mut ended = Timestamp(i64::MIN);
    for part in &scan.parts {
        assert_eq!(part.offset, at, "parts lie end to end");
        let samples: u64 = part.samples.iter().map(|sample| u64::from(sample.size)).sum();
        assert_eq!(u64::from(part.payload) + samples, u64::from(part.size), "samples fill their part");
        assert!(!part.samples.is_empty() && part.span.start >= ended);
        ended = part.span.end;
        at += u64::from(part.size);
    }
    assert_eq!(scan.intact, at);
    let intact = bytes.get(..scan.intact as usize).expect("no more is whole than is there");
    assert_eq!(media::scan(intact, init), scan, "what is whole is whole by itself");
    scan
}

/// The chunk in these bytes, if there is one.
pub fn chunk(bytes: &[u8], init: &Init, index: u32) -> Option<Chunk> {
    let id = ChunkId { session: session(), track: init.track.clone(), index };
    scan(bytes, init).into_chunk(id, init)
}

/// Makes one file of these tracks, and proves that each sample lies within it.
pub fn flatten(tracks: &[FlatTrack<'_>], cut: Option<Span>, skip: &[Span]) -> Option<FlatPlan> {
    let chunks = || tracks.iter().flat_map(|track| track.chunks);
    let samples: usize = chunks().flat_map(|chunk| &chunk.parts).map(|part| part.samples.len()).sum();
    let plan =
        bounded(4096 * (tracks.len() + 1) + 64 * samples, MEMORY_TIMES, || media::flatten(tracks, cut, skip))
            .ok()?;
    let copied: u64 = plan.copies.iter().map(|copy| copy.bytes.end - copy.bytes.start).sum();
    assert_eq!(plan.size, plan.head.len() as u64 + copied);
    for copy in &plan.copies {
        let from_there = |chunk: &Chunk| chunk.id == copy.chunk && copy.bytes.end <= chunk.size;
        assert!(chunks().any(from_there), "{copy:?} is not there");
    }
    let mut head = &plan.head[..];
    Ftyp::decode(&mut head).expect("a file begins with its type");
    let moov = Moov::decode(&mut head).expect("tables can be read again");
    assert!(matches!(head.len(), 8 | 16), "the header of the samples ends the head");
    moov.trak.iter().for_each(|trak| check_tables(trak, &plan));
    Some(plan)
}

fn check_tables(trak: &Trak, plan: &FlatPlan) {
    let tables = &trak.mdia.minf.stbl;
    let StszSamples::Different { sizes } = &tables.stsz.samples else { panic!("sizes are listed") };
    let shown: u64 = tables.stts.entries.iter().map(|entry| u64::from(entry.sample_count)).sum();
    assert_eq!(shown, sizes.len() as u64, "every sample has a duration");
    let places: Vec<u64> = match (&tables.stco, &tables.co64) {
        (Some(narrow), None) => narrow.entries.iter().map(|place| u64::from(*place)).collect(),
        (None, Some(wide)) => wide.entries.clone(),
        _ => panic!("places are listed once"),
    };
    let mut sizes = sizes.iter();
    let mut runs = tables.stsc.entries.iter().peekable();
    let mut samples_per_chunk = 0;
    for (number, place) in (1..).zip(&places) {
        if let Some(run) = runs.next_if(|run| run.first_chunk == number) {
            samples_per_chunk = run.samples_per_chunk;
            assert!((run.sample_description_index as usize) <= tables.stsd.codecs.len());
        }
        let run = sizes.by_ref().take(samples_per_chunk as usize);
        let end = place + run.map(|size| u64::from(*size)).sum::<u64>();
        assert!(*place >= plan.head.len() as u64 && end <= plan.size, "samples lie in the file");
    }
    assert!(sizes.next().is_none(), "every sample has a place");
}

/// Makes the playlists of a track, and proves that they name each chunk once.
pub fn playlists(
    track: &TrackManifest,
    codec: &CodecConfig,
    gaps: &[Span],
    chunk: Duration,
    started_at: UtcTime,
) {
    for ended in [true, false] {
        let started_at = Some(started_at);
        let playlist = MediaPlaylist { track, gaps, started_at, chunk, ended };
        let text = media::media_playlist(&playlist, |resource| format!("{resource:?}").replace('\n', ""));
        let named = text.lines().filter(|line| line.starts_with("#EXTINF:")).count();
        assert_eq!(named, track.chunks.len());
    }
    let rendition = Rendition { track, codec, uri: "track.m3u8" };
    let master = media::master_playlist(Some(&rendition), Some(&rendition));
    assert_eq!(master.is_some(), *codec != CodecConfig::Json);
}

/// A track with these chunks, as a manifest has it.
pub fn manifest(kind: u8, chunks: Vec<Chunk>) -> TrackManifest {
    TrackManifest { track: info(kind), chunks }
}

/// What a session knows of a track at its beginning.
pub fn info(kind: u8) -> TrackInfo {
    let what = if kind & 1 == 0 { TrackKind::Program } else { TrackKind::Mix };
    TrackInfo { id: name(kind), kind: what, label: "Seed".to_owned(), inits: Vec::new() }
}

/// Pieces as the chunker makes them, for seeds: `seconds` of a track that begins at `from`.
pub fn pieces(kind: u8, from: Timestamp, seconds: u64, index: u32) -> Vec<Piece> {
    let policy = ChunkPolicy::new(ChunkPolicy::CHUNK_MIN).expect("the shortest chunk is allowed");
    let mut chunker = Chunker::new(session(), name(kind), &codec(kind), policy, index).expect("it is valid");
    let step = Duration::from_millis(if kind & 1 == 0 { 130 } else { 85 });
    let end = from + Duration::from_secs(seconds);
    let mut at = from;
    let mut pieces = Vec::new();
    for number in 0u8.. {
        if at >= end {
            break;
        }
        let is_picture = kind & 1 == 0;
        let keyframe = !is_picture || number % 15 == 0;
        let bytes = vec![number | 1; 5 + usize::from(number % 7)];
        let duration = if is_picture { Duration::ZERO } else { step };
        // A refused packet is left out; the seed is as good without it.
        let _refused = chunker.push(Packet { at, duration, keyframe, bytes: bytes.into() });
        at = at + step;
        if number % 20 == 19 && is_picture {
            // A picture that stands still.
            at = at + Duration::from_millis(400);
            chunker.advance(at);
        }
    }
    chunker.seal(end);
    while let Some(piece) = chunker.poll() {
        pieces.push(piece);
    }
    pieces
}

/// The bytes of one chunk among pieces, if it is there.
pub fn bytes_of(pieces: &[Piece], index: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in pieces {
        if let Piece::Part(part) = piece
            && part.chunk.index == index
        {
            bytes.extend_from_slice(&part.bytes);
        }
    }
    bytes
}
