//! What can be asked about recordings that are there: plain questions to the store, on the asker's thread.

pub(crate) mod export;
pub(crate) mod film;
mod playing;
mod still;
mod waveform;

pub(crate) use still::Stills;
pub(crate) use waveform::Waveforms;

use crate::{
    clock::utc_now,
    command::{
        Details, Encryption, Event, Mark, Order, Page, Query, RecordingLine, Reply, TrackDetails, Usage,
        Verified,
    },
    error::EngineError,
    session::millis,
    settings::{Settings, UploadSettings},
    uploads,
};
use model::{CodecConfig, SessionId, SessionState, Timestamp, TrackInfo};
use playing::Playing;
use std::{collections::BTreeMap, time::Duration};
use store::{
    ChunkOutline, ChunkStore, Damage, Found, ListOrder, Recovered, RecoveredSession, Search, SessionSummary,
    StoreError,
};

/// Recordings that one page of the list can have.
const PAGE_MAX: u32 = 500;

/// What people say about a recording; nothing where they leave it as it is.
pub(crate) struct Description {
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) metadata: Option<BTreeMap<String, String>>,
}

/// A page of the library.
pub(crate) fn list(store: &ChunkStore, query: &Query) -> Result<Reply, EngineError> {
    if !(1..=PAGE_MAX).contains(&query.limit) {
        let limit = query.limit;
        return Err(EngineError::Invalid(format!("a page has 1 to {PAGE_MAX} recordings, not {limit}")));
    }
    let found = store.search(&Search {
        text: query.text.clone(),
        order: match query.order {
            Order::Newest => ListOrder::Newest,
            Order::Oldest => ListOrder::Oldest,
            Order::Longest => ListOrder::Longest,
            Order::Largest => ListOrder::Largest,
            Order::Title => ListOrder::Title,
        },
        trashed: query.trashed,
        offset: query.offset,
        limit: query.limit,
    })?;
    let settings = upload_settings(store);
    Ok(Reply::Recordings(Page {
        total: count(found.total),
        bytes: found.bytes,
        recordings: found
            .sessions
            .iter()
            .map(|summary| line(store, summary, &settings))
            .collect::<Result<_, _>>()?,
    }))
}

fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// What the library takes, and what is left.
pub(crate) fn usage(store: &ChunkStore) -> Result<Reply, EngineError> {
    let sums = |trashed| store.search(&Search { trashed, ..Search::default() });
    let (kept, trash): (Found, Found) = (sums(false)?, sums(true)?);
    let (settings, _) = Settings::new(store.settings()?);
    Ok(Reply::Usage(Usage {
        recordings: count(kept.total),
        bytes: kept.bytes,
        trashed: count(trash.total),
        trashed_bytes: trash.bytes,
        free: store.free_space()?,
        reserve: settings.disk_reserve(),
    }))
}

/// What was cut off and has been closed as it is, to be told.
pub(crate) fn rescued(store: &ChunkStore, recovered: &Recovered) -> Vec<Event> {
    let event = |found: &RecoveredSession| {
        let meta = store.session(found.session).ok()?.meta;
        let is_cut_off = meta.state == SessionState::Recovered && (found.sealed > 0 || !found.lost.is_zero());
        is_cut_off.then(|| Event::Recovered {
            recording: found.recording,
            title: meta.title,
            lost_ms: millis(found.lost),
        })
    };
    recovered.sessions.iter().filter_map(event).collect()
}

/// The session that an id, or the beginning of one, means. Of a recording's sessions it is the newest.
pub(crate) fn find(store: &ChunkStore, id: &str) -> Result<SessionId, EngineError> {
    let found = store.find(id)?;
    found.into_iter().max().ok_or_else(|| StoreError::NotFound { what: format!("recording {id}") }.into())
}

fn line(
    store: &ChunkStore,
    summary: &SessionSummary,
    settings: &UploadSettings,
) -> Result<RecordingLine, EngineError> {
    let meta = &summary.meta;
    let encryption = encryption(store, summary);
    let state = match (meta.state, encryption) {
        // It was cut off, and is to be recovered once its key is here.
        (SessionState::Recording, Encryption::Locked) => SessionState::Recovered,
        (state, _) => state,
    };
    Ok(RecordingLine {
        recording: meta.recording,
        session: meta.id,
        title: meta.title.clone(),
        started_at: meta.started_at.0,
        duration_ms: millis(summary.played()),
        bytes: summary.bytes,
        state,
        lost_ms: meta.lost.map(millis),
        has_pictures: meta.tracks.iter().any(|track| track.kind.is_picture()),
        trashed_at: meta.trashed_at.map(|at| at.0),
        encryption,
        uploaded: uploads::uploaded(settings, summary, &store.upload(meta.id)?),
    })
}

/// What people chose of uploads. A file of settings that cannot be read keeps nobody from the library.
fn upload_settings(store: &ChunkStore) -> UploadSettings {
    let chosen = store.settings().unwrap_or_else(|error| {
        tracing::warn!(%error, "showing the library as if nothing had been chosen");
        BTreeMap::default()
    });
    Settings::new(chosen).0.uploads()
}

/// Whether a recording is encrypted, and can be read.
pub(crate) fn encryption(store: &ChunkStore, summary: &SessionSummary) -> Encryption {
    match summary.meta.key {
        None => Encryption::Plain,
        Some(key) if store.has_key(key) => Encryption::Encrypted,
        Some(_) => Encryption::Locked,
    }
}

pub(crate) fn show(store: &ChunkStore, id: &str) -> Result<Reply, EngineError> {
    let session = find(store, id)?;
    let chunks = store.outlines(session)?;
    let summary = store.session(session)?;
    let meta = &summary.meta;
    let playing = Playing::stored(store, &summary)?;
    let mark = |mark: &model::Mark| Mark {
        at_ms: millis(playing.played_from_session(mark.at)),
        label: mark.label.clone(),
    };
    let tracks = meta.tracks.iter().map(|track| track_details(store, session, track, &chunks));
    Ok(Reply::Details(Box::new(Details {
        line: line(store, &summary, &upload_settings(store))?,
        description: meta.description.clone(),
        metadata: meta.metadata.clone(),
        chunk_ms: millis(meta.chunk),
        tracks: tracks.collect::<Result<_, _>>()?,
        gaps: meta.gaps.clone(),
        mode: meta.mode,
        check: meta.check.clone(),
        marks: meta.marks.iter().map(mark).collect(),
        receipt: uploads::kept_receipt(&store.upload(session)?),
    })))
}

fn track_details(
    store: &ChunkStore,
    session: SessionId,
    track: &TrackInfo,
    chunks: &[ChunkOutline],
) -> Result<TrackDetails, EngineError> {
    let codec = match track.inits.last() {
        Some(newest) => describe(&store.init(session, &track.id, &newest.hash)?.codec),
        None => "nothing written".to_owned(),
    };
    let chunks = || chunks.iter().filter(|chunk| chunk.id.track == track.id);
    Ok(TrackDetails {
        track: track.id.to_string(),
        kind: track.kind,
        label: track.label.clone(),
        codec,
        chunks: chunks().count(),
        inits: track.inits.len(),
        bytes: chunks().map(|chunk| chunk.size).sum(),
    })
}

fn describe(codec: &CodecConfig) -> String {
    match codec {
        CodecConfig::H264 { size, .. } => format!("H.264 {size}"),
        CodecConfig::Vp9 { size, .. } => format!("VP9 {size}"),
        CodecConfig::Av1 { size, .. } => format!("AV1 {size}"),
        CodecConfig::Aac { rate, channels, bitrate, .. } => {
            format!("AAC {rate} Hz, {channels} channels, {} kbit/s", bitrate / 1000)
        }
        CodecConfig::Opus { channels, bitrate, .. } => {
            format!("Opus, {channels} channels, {} kbit/s", bitrate / 1000)
        }
        CodecConfig::Json => "JSON".to_owned(),
    }
}

pub(crate) fn verify(store: &ChunkStore, id: &str) -> Result<Reply, EngineError> {
    let session = find(store, id)?;
    let found = store.verify(session, |_| {})?;
    let (mut damaged, mut missing) = (Vec::new(), Vec::new());
    for damage in &found.damaged {
        match damage {
            Damage::Chunk(id) | Damage::Unreadable(id) => damaged.push(id.to_string()),
            Damage::Missing(id) => missing.push(id.to_string()),
            Damage::Init { track, file } => damaged.push(format!("{session}/{track}/{file}")),
            Damage::Document => damaged.push(format!("{session}/session.json")),
        }
    }
    Ok(Reply::Verified(Verified {
        session,
        chunks: found.chunks,
        verified: found.verified,
        damaged,
        missing,
    }))
}

/// Changes what people say about a recording; gives its session and the title that it has now.
pub(crate) fn change(
    store: &ChunkStore,
    id: &str,
    said: Description,
) -> Result<(SessionId, String), EngineError> {
    let session = find(store, id)?;
    let summary = store.update(session, |details| {
        let Description { title, description, metadata } = said;
        details.title = title.unwrap_or_else(|| std::mem::take(&mut details.title));
        details.description = description.unwrap_or_else(|| std::mem::take(&mut details.description));
        details.metadata = metadata.unwrap_or_else(|| std::mem::take(&mut details.metadata));
    })?;
    Ok((session, summary.meta.title))
}

pub(crate) fn trash(store: &ChunkStore, id: &str) -> Result<Reply, EngineError> {
    let now = utc_now();
    // What lies there already has lain there since it came.
    store.update(find(store, id)?, |details| details.trashed_at = details.trashed_at.or(Some(now)))?;
    Ok(Reply::Done)
}

pub(crate) fn restore(store: &ChunkStore, id: &str) -> Result<Reply, EngineError> {
    store.update(find(store, id)?, |details| details.trashed_at = None)?;
    Ok(Reply::Done)
}

/// An instant to be marked.
pub(crate) enum Instant {
    /// In session time.
    Session(Timestamp),
    /// In playing time.
    Played(Duration),
}

/// Marks an instant, or gives the mark that is there another label.
pub(crate) fn mark(
    store: &ChunkStore,
    session: SessionId,
    at: &Instant,
    label: String,
) -> Result<Reply, EngineError> {
    let summary = store.session(session)?;
    let playing = Playing::stored(store, &summary)?;
    let at = match *at {
        Instant::Session(at) => at,
        Instant::Played(at) if at > playing.length() && summary.meta.state != SessionState::Recording => {
            let seconds = playing.length().as_secs_f64();
            return Err(EngineError::Invalid(format!("it plays no longer than {seconds:.3} s")));
        }
        Instant::Played(at) => playing.session_from_played(at),
    };
    store.update(session, |details| {
        details.marks.retain(|mark| !is_same(&playing, mark.at, at));
        details.marks.push(model::Mark { at, label });
    })?;
    Ok(Reply::Done)
}

pub(crate) fn unmark(store: &ChunkStore, id: &str, at_ms: u64) -> Result<Reply, EngineError> {
    let session = find(store, id)?;
    let summary = store.session(session)?;
    let playing = Playing::stored(store, &summary)?;
    let at = playing.session_from_played(Duration::from_millis(at_ms));
    if !summary.meta.marks.iter().any(|mark| is_same(&playing, mark.at, at)) {
        let what = format!("mark at {:.3} s", Duration::from_millis(at_ms).as_secs_f64());
        return Err(StoreError::NotFound { what }.into());
    }
    store.update(session, |details| details.marks.retain(|mark| !is_same(&playing, mark.at, at)))?;
    Ok(Reply::Done)
}

/// Whether two instants are the same to people, who count milliseconds as they play.
fn is_same(playing: &Playing, one: Timestamp, other: Timestamp) -> bool {
    let played = |at| playing.played_from_session(at).as_millis();
    played(one) == played(other)
}

pub(crate) fn delete(store: &ChunkStore, id: &str) -> Result<Reply, EngineError> {
    Ok(Reply::Deleted { bytes: delete_session(store, find(store, id)?)? })
}

/// Deletes a session with all that was made of it.
pub(crate) fn delete_session(store: &ChunkStore, session: SessionId) -> Result<u64, EngineError> {
    let bytes = store.delete(session)?;
    waveform::forget(store, session);
    Ok(bytes)
}

/// Removes what was made of recordings that are gone.
pub(crate) fn tidy(store: &ChunkStore) {
    if let Err(error) = waveform::tidy(store) {
        tracing::warn!(%error, "cannot tidy the cache");
    }
}
