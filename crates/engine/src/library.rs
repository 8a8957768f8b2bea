//! What can be asked about recordings that are there: plain questions to the store, on the asker's thread.

use crate::{
    clock::wall_clock_before,
    command::{
        Arrangement, Details, Event, ExportPlan, Exported, Page, Query, RecordingLine, Reply, TrackDetails,
        Verified,
    },
    error::EngineError,
    session::millis,
};
use export::{Check, Container, Encode, Pace, Picture, Plan, Progress, VideoCodec};
use model::{CodecConfig, LayoutChange, Manifest, SessionId, Size, Span, Timestamp, TrackManifest};
use std::{ops::ControlFlow, time::Duration};
use store::{ChunkStore, Damage, SessionSummary, StoreError};

/// The folder within the data folder in which exports that take encoding keep their work, and how long.
const EXPORTS: &str = "exports";
const EXPORTS_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// A page of the library, newest first.
pub(crate) fn list(store: &ChunkStore, query: &Query) -> Result<Reply, EngineError> {
    let sessions = store.sessions(None, query.offset.saturating_add(query.limit) as usize)?;
    let recordings: Vec<_> = sessions.iter().skip(query.offset as usize).map(line).collect();
    let bytes = recordings.iter().map(|line| line.bytes).sum();
    Ok(Reply::Recordings(Page { total: sessions.len() as u32, bytes, recordings }))
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
        has_pictures: meta.tracks.iter().any(|track| track.kind.is_picture()),
        trashed_at: None,
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
        marks: Vec::new(),
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

/// Removes the work of exports that nobody came back for.
pub(crate) fn clean_exports(store: &ChunkStore) {
    match export::clean(&store.dir().join(EXPORTS), wall_clock_before(EXPORTS_KEPT)) {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "removed exports that nobody came back for"),
        Err(error) => tracing::warn!(%error, "cannot remove exports that nobody came back for"),
    }
}

/// Makes a file. `hear` gets the progress, and says whether anybody still waits for the file.
pub(crate) fn export(
    store: &ChunkStore,
    wanted: &ExportPlan,
    hear: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Result<Reply, EngineError> {
    let session = find(store, &wanted.id)?;
    let manifest = store.manifest(session)?;
    let plan = plan(wanted, &manifest)?;
    let mut told = None;
    let mut progress = |made: Progress| {
        let share = made.done as f32 / made.total.max(1) as f32;
        // People see a tenth of a percent at best.
        let step = Some((share * 1000.0) as u32);
        if told == step {
            return ControlFlow::Continue(());
        }
        told = step;
        hear(Event::Progress { output: wanted.output.clone(), share })
    };
    let made =
        export::export(store, &manifest, &plan, &store.dir().join(EXPORTS), &wanted.output, &mut progress)?;
    Ok(Reply::Exported(Exported {
        output: wanted.output.clone(),
        bytes: made.bytes,
        duration_ms: millis(made.duration),
        skipped: made.skipped.iter().map(ToString::to_string).collect(),
    }))
}

fn plan(wanted: &ExportPlan, manifest: &Manifest) -> Result<Plan, EngineError> {
    let container = match wanted.output.extension().and_then(|ending| ending.to_str()) {
        Some("mp4") => Container::Mp4,
        Some("m4a") => Container::M4a,
        Some("webm") => Container::Webm,
        Some("gif") => Container::Gif,
        _ => {
            let name = wanted.output.display();
            let why = format!("{name}: the file's name must end in .mp4, .m4a, .webm or .gif");
            return Err(EngineError::Invalid(why));
        }
    };
    let video = match wanted.codec.as_deref() {
        None => None,
        Some("h264") => Some(VideoCodec::H264),
        Some("vp9") => Some(VideoCodec::Vp9),
        Some("av1") => Some(VideoCodec::Av1),
        Some(other) => {
            return Err(EngineError::Invalid(format!("{other:?} is not one of h264, vp9, av1")));
        }
    };
    Ok(Plan {
        cut: cut(wanted, manifest)?,
        picture: picture(wanted, manifest)?,
        video,
        crf: wanted.crf,
        size: wanted.size.map(|[width, height]| Size::new(width, height)),
        pace: match (wanted.fps, wanted.constant_rate) {
            (None, false) => Pace::AsRecorded,
            (Some(fps), false) => Pace::AtMost(fps),
            (fps, true) => Pace::Constant(fps.unwrap_or(30)),
        },
        check: Check::Hash,
        encode: if wanted.no_encode { Encode::Never } else { Encode::AsNeeded },
        ..Plan::new(container)
    })
}

fn picture(wanted: &ExportPlan, manifest: &Manifest) -> Result<Picture, EngineError> {
    match (&wanted.track, &wanted.composition) {
        (None, None) => Ok(Picture::AsRecorded),
        (Some(track), None) => {
            let id = track.parse().map_err(|error| EngineError::Invalid(format!("{error}")))?;
            Ok(Picture::Track(id))
        }
        (None, Some(arranged)) => {
            let change = |arranged: &Arrangement| LayoutChange {
                at: session_from_played(manifest, arranged.t),
                layout: arranged.layout.checked(),
            };
            Ok(Picture::Composition(arranged.iter().map(change).collect()))
        }
        (Some(_), Some(_)) => {
            Err(EngineError::Invalid("one track is no composition: choose one of both".into()))
        }
    }
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
