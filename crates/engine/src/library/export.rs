//! Exports: what a shell wants, as the plan of a file.

use super::{find, playing::Playing};
use crate::{
    clock::wall_clock_before,
    command::{Arrangement, Event, ExportPlan, Exported, Reply},
    error::EngineError,
    session::millis,
};
use export::{Check, Container, Encode, Pace, Picture, Plan, Progress, VideoCodec};
use model::{LayoutChange, Manifest, Size, Span, Timestamp};
use std::{ops::ControlFlow, time::Duration};
use store::ChunkStore;

/// The folder within the data folder in which exports that take encoding keep their work, and how long.
const EXPORTS: &str = "exports";
const EXPORTS_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Removes the work of exports that nobody came back for.
pub(crate) fn clean(store: &ChunkStore) {
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
            let playing = Playing::listed(manifest);
            let change = |arranged: &Arrangement| LayoutChange {
                at: playing.session_from_played(Duration::from_millis(arranged.t)),
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
    let playing = Playing::listed(manifest);
    let all = playing.span();
    let played = |ms: u64| playing.session_from_played(Duration::from_millis(ms));
    let at = |ms: Option<u64>, other: Timestamp| ms.map_or(other, played);
    let span = Span::new(at(plan.from_ms, all.start), at(plan.to_ms, all.end).min(all.end));
    if span.duration().is_zero() {
        return Err(EngineError::Invalid("there is nothing between these two times".into()));
    }
    Ok(Some(span))
}
