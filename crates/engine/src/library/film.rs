//! A recording as players need it: which chunks, in which order, and where each lies in playing time.

use super::{find, playing::Playing};
use crate::{
    command::{Blob, Film, FilmTrack, Reply, Segment},
    error::EngineError,
};
use media::codec_name;
use model::{ChunkId, Hash, SessionId, Timestamp, TrackId, TrackInfo, TrackKind};
use store::{ChunkOutline, ChunkStore};

/// Media type of init segments and chunks.
const MP4: &str = "video/mp4";

/// The track of pictures that players show: the first of these that has any.
pub(crate) fn picture<'a>(tracks: &'a [TrackInfo], has: &dyn Fn(&TrackId) -> bool) -> Option<&'a TrackInfo> {
    let of = |kind| tracks.iter().find(|track| track.kind == kind && has(&track.id));
    [TrackKind::Program, TrackKind::Screen, TrackKind::Camera].into_iter().find_map(of)
}

/// The track of sound that players play: the mix, which is the only one where there is one source.
pub(crate) fn sound<'a>(tracks: &'a [TrackInfo], has: &dyn Fn(&TrackId) -> bool) -> Option<&'a TrackInfo> {
    let heard = |track: &&TrackInfo| track.kind.is_audio() && has(&track.id);
    tracks.iter().filter(heard).min_by_key(|track| track.kind != TrackKind::Mix)
}

pub(crate) fn film(store: &ChunkStore, id: &str) -> Result<Reply, EngineError> {
    let session = find(store, id)?;
    store.require_key(session)?;
    let chunks = store.outlines(session)?;
    // After the chunks, so that it knows of each gap before them.
    let summary = store.session(session)?;
    let playing = Playing::stored(store, &summary)?;
    let has = |track: &TrackId| chunks.iter().any(|chunk| chunk.id.track == *track);
    let tracks = &summary.meta.tracks;
    let played = [picture(tracks, &has), sound(tracks, &has)].into_iter().flatten();
    Ok(Reply::Film(Box::new(Film {
        session,
        duration: playing.length().as_secs_f64(),
        tracks: played
            .map(|track| film_track(store, track, &chunks, &playing))
            .collect::<Result<_, EngineError>>()?,
    })))
}

fn film_track(
    store: &ChunkStore,
    track: &TrackInfo,
    chunks: &[ChunkOutline],
    playing: &Playing,
) -> Result<FilmTrack, EngineError> {
    let chunks = || chunks.iter().filter(|chunk| chunk.id.track == track.id);
    let kind = if track.kind.is_audio() { "audio" } else { "video" };
    let codec = match chunks().next() {
        Some(first) => codec_name(&store.init(first.id.session, &track.id, &first.init)?.codec),
        None => String::new(),
    };
    Ok(FilmTrack {
        track: track.id.to_string(),
        kind: track.kind,
        media_type: format!("{kind}/mp4; codecs=\"{codec}\""),
        segments: chunks().map(|chunk| segment(chunk, playing)).collect(),
    })
}

fn segment(chunk: &ChunkOutline, playing: &Playing) -> Segment {
    let skipped = playing.skipped_before(chunk.span.start);
    // What comes before time zero is an encoder's priming.
    let played = |at: Timestamp| (at - skipped).max(Timestamp::ZERO).as_secs_f64();
    Segment {
        init: chunk.init,
        index: chunk.id.index,
        from: played(chunk.span.start),
        to: played(chunk.span.end),
        offset: 0.0 - skipped.as_secs_f64(),
        bytes: chunk.size,
    }
}

pub(crate) fn init(
    store: &ChunkStore,
    session: SessionId,
    track: &TrackId,
    hash: &Hash,
) -> Result<Reply, EngineError> {
    Ok(blob(MP4, store.init(session, track, hash)?.bytes.into()))
}

pub(crate) fn chunk(
    store: &ChunkStore,
    session: SessionId,
    track: TrackId,
    index: u32,
) -> Result<Reply, EngineError> {
    Ok(blob(MP4, store.read(&ChunkId { session, track, index })?.into()))
}

/// An answer of bytes.
pub(crate) fn blob(media_type: &str, bytes: Vec<u8>) -> Reply {
    let length = bytes.len() as u64;
    Reply::Blob(Blob { media_type: media_type.to_owned(), length, number: 0, bytes })
}
