//! What can be asked about recordings that are there: plain questions to the store, on the asker's thread.

use crate::{
    command::{Details, Event, ExportPlan, Exported, RecordingLine, Reply, TrackDetails, Verified},
    error::EngineError,
    session::millis,
};
use export::{Check, Container, Plan, Progress};
use model::{CodecConfig, Manifest, SessionId, Span, Timestamp, TrackManifest};
use std::{ops::ControlFlow, time::Duration};
use store::{ChunkStore, Damage, SessionSummary, StoreError};

/// Where exports keep what they encode, within the data folder.
const EXPORTS: &str = "exports";

/// A page of the library, newest first.
pub(crate) fn list(store: &ChunkStore, limit: u32, before: Option<SessionId>) -> Result<Reply, EngineError> {
    let sessions = store.sessions(before, limit as usize)?;
    Ok(Reply::Recordings(sessions.iter().map(line).collect()))
}

/// The session that an id, or the beginning of one, means. Of a recording's sessions it is the newest.
fn find(store: &ChunkStore, id: &str) -> Result<SessionId, EngineError> {
    let found = store.find(id)?;
    found.into_iter().max().ok_or_else(|| StoreError::NotFound { what: format!("recording {id}") }.into())
}

fn line(summary: &SessionSummary) -> RecordingLine {
    let meta = &summary.meta;
    let skipped: Duration = meta.session_gaps().map(Span::duration).sum();
    RecordingLine {
        recording: meta.recording,
        session: meta.id,
        title: meta.title.clone(),
        started_at: meta.started_at.0,
        duration_ms: millis(summary.span.duration().saturating_sub(skipped)),
        bytes: summary.bytes,
        state: meta.state,
        lost_ms: meta.lost.map(millis),
    }
}

pub(crate) fn show(store: &ChunkStore, id: &str) -> Result<Reply, EngineError> {
    let session = find(store, id)?;
    let manifest = store.manifest(session)?;
    let meta = &manifest.meta;
    let line = line(&store.session(session)?);
    let tracks =
        manifest.tracks.iter().map(|track| track_details(store, session, track)).collect::<Result<_, _>>()?;
    Ok(Reply::Details(Box::new(Details {
        line,
        description: meta.description.clone(),
        metadata: meta.metadata.clone(),
        chunk_ms: millis(meta.chunk),
        tracks,
        gaps: meta.gaps.clone(),
        mode: meta.mode,
        check: meta.check.clone(),
    })))
}

fn track_details(
    store: &ChunkStore,
    session: SessionId,
    manifest: &TrackManifest,
) -> Result<TrackDetails, EngineError> {
    let track = &manifest.track;
    let codec = match track.inits.last() {
        Some(newest) => describe(&store.init(session, &track.id, &newest.hash)?.codec),
        None => "nothing written".to_owned(),
    };
    Ok(TrackDetails {
        track: track.id.to_string(),
        kind: track.kind,
        label: track.label.clone(),
        codec,
        chunks: manifest.chunks.len(),
        inits: track.inits.len(),
        bytes: manifest.chunks.iter().map(|chunk| chunk.size).sum(),
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

pub(crate) fn delete(store: &ChunkStore, id: &str) -> Result<Reply, EngineError> {
    let session = find(store, id)?;
    Ok(Reply::Deleted { bytes: store.delete(session)? })
}

/// Makes a file. `hear` gets the progress, and says whether anybody still waits for the file.
pub(crate) fn export(
    store: &ChunkStore,
    plan: &ExportPlan,
    hear: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Result<Reply, EngineError> {
    let session = find(store, &plan.id)?;
    let manifest = store.manifest(session)?;
    let cut = cut(plan, &manifest)?;
    let mut progress = |made: Progress| {
        let share = made.done as f32 / made.total.max(1) as f32;
        hear(Event::Progress { output: plan.output.clone(), share })
    };
    let container = match plan.output.extension().and_then(|ending| ending.to_str()) {
        Some("mp4") => Container::Mp4,
        Some("m4a") => Container::M4a,
        Some("webm") => Container::Webm,
        Some("gif") => Container::Gif,
        _ => {
            let name = plan.output.display();
            let why = format!("{name}: the file's name must end in .mp4, .m4a, .webm or .gif");
            return Err(EngineError::Invalid(why));
        }
    };
    let wanted = Plan { cut, check: Check::Hash, ..Plan::new(container) };
    let work = store.dir().join(EXPORTS);
    let made = export::export(store, &manifest, &wanted, &work, &plan.output, &mut progress)?;
    Ok(Reply::Exported(Exported {
        output: plan.output.clone(),
        bytes: made.bytes,
        duration_ms: millis(made.duration),
        skipped: made.skipped.iter().map(ToString::to_string).collect(),
    }))
}

/// The asked range of playing time as a span of session time.
fn cut(plan: &ExportPlan, manifest: &Manifest) -> Result<Option<Span>, EngineError> {
    if plan.from_ms.is_none() && plan.to_ms.is_none() {
        return Ok(None);
    }
    let all = manifest.span();
    let at = |ms: Option<u64>, other: Timestamp| ms.map_or(other, |ms| session_from_played(manifest, ms));
    let span = Span::new(at(plan.from_ms, all.start), at(plan.to_ms, all.end).min(all.end));
    if span.duration().is_zero() {
        return Err(EngineError::Invalid("there is nothing between these two times".into()));
    }
    Ok(Some(span))
}

/// People count in time as it plays: what is left out on all tracks does not count.
fn session_from_played(manifest: &Manifest, played_ms: u64) -> Timestamp {
    let mut at = manifest.span().start + Duration::from_millis(played_ms);
    let mut gaps: Vec<Span> = manifest.meta.session_gaps().collect();
    gaps.sort_by_key(|gap| gap.start);
    for gap in gaps {
        if gap.start <= at {
            at = at + gap.duration();
        }
    }
    at
}
