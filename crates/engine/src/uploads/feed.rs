//! What the uploader is told of a session: its objects, its manifest, and what was confirmed before.

use crate::error::EngineError;
use api::{ClientInfo, CreateRecording, Manifest, ManifestTrack, ObjectSpec};
use model::{SessionId, SessionMeta, TrackId};
use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    sync::Arc,
};
use store::{ChunkOutline, ChunkStore, ObjectId, SessionSummary, Settled};
use upload::core::{Closing, SessionPlan};

/// How much of a session the uploader was told.
#[derive(Debug, Default)]
pub(super) struct Told {
    tracks: BTreeMap<TrackId, Track>,
    /// How it is closed, too.
    pub(super) ended: bool,
    gaps: usize,
}

#[derive(Debug, Default)]
struct Track {
    inits: BTreeSet<model::Hash>,
    /// Index of the last chunk.
    last: u32,
}

impl Told {
    /// The objects that came since.
    pub(super) fn news(
        &mut self,
        store: &ChunkStore,
        meta: &SessionMeta,
    ) -> Result<Vec<ObjectSpec>, EngineError> {
        let mut objects = Vec::new();
        for info in &meta.tracks {
            let track = self.tracks.entry(info.id.clone()).or_default();
            for used in info.inits.iter().filter(|used| !track.inits.contains(&used.hash)) {
                let size = store.init(meta.id, &info.id, &used.hash)?.bytes.len() as u64;
                let (track, sha256) = (info.id.clone(), used.hash);
                objects.push(ObjectSpec { track, index: None, size, sha256, span: None, init: None });
            }
            track.inits.extend(info.inits.iter().map(|used| used.hash));
            let chunks = store.outlines_after(meta.id, &info.id, track.last)?;
            track.last = chunks.last().map_or(track.last, |chunk| chunk.id.index);
            objects.extend(chunks.into_iter().map(spec));
        }
        Ok(objects)
    }

    /// How many gaps there are, if that is news.
    pub(super) fn gaps(&mut self, meta: &SessionMeta) -> Option<u64> {
        let news = meta.gaps.len() != self.gaps;
        self.gaps = meta.gaps.len();
        news.then_some(self.gaps as u64)
    }
}

fn spec(chunk: ChunkOutline) -> ObjectSpec {
    ObjectSpec {
        track: chunk.id.track,
        index: Some(chunk.id.index),
        size: chunk.size,
        sha256: chunk.hash,
        span: Some(chunk.span),
        init: Some(chunk.init),
    }
}

/// Which object of a session it is.
pub(super) fn object_id(object: &ObjectSpec) -> ObjectId {
    ObjectId { track: object.track.clone(), index: object.index, hash: object.sha256 }
}

/// What the uploader needs to begin with a session; `live` as long as it is being recorded.
pub(super) fn plan(
    store: &ChunkStore,
    summary: &SessionSummary,
    server: &str,
    live: bool,
) -> Result<(SessionPlan, Told), EngineError> {
    let meta = &summary.meta;
    let mut told = Told { ended: !live, ..Told::default() };
    told.gaps(meta);
    let mut objects = told.news(store, meta)?;
    let settled = store.settled(meta.id, server)?;
    objects.retain(|object| !settled.contains_key(&object_id(object)));
    let confirmed =
        |(object, how): &(&ObjectId, &Settled)| object.index.is_some() && **how == Settled::Confirmed;
    let closing = if live { None } else { Some(Closing::Finalize(manifest(store, meta.id, server)?)) };
    let plan = SessionPlan {
        session: meta.id,
        recording: recording(meta),
        started_at: meta.started_at,
        client: client(),
        confirmed: settled.iter().filter(confirmed).count() as u64,
        objects,
        closing,
    };
    Ok((plan, told))
}

/// The same for one that the server has, and is to look at again.
pub(super) fn plan_to_verify(
    store: &ChunkStore,
    summary: &SessionSummary,
    server: &str,
) -> Result<(SessionPlan, Told), EngineError> {
    let (plan, told) = plan(store, summary, server, false)?;
    let closing = plan.closing.map(|closing| Closing::Verify(Arc::clone(closing.manifest())));
    Ok((SessionPlan { closing, ..plan }, told))
}

/// What a session that has ended consists of. It says the same each time, apart from what is lost.
pub(super) fn manifest(
    store: &ChunkStore,
    session: SessionId,
    server: &str,
) -> Result<Arc<Manifest>, EngineError> {
    let fixed = store.fix_manifest(session, server)?;
    let objects = Told::default().news(store, &fixed)?;
    let settled = store.settled(session, server)?;
    let is_lost = |object: &ObjectSpec| settled.get(&object_id(object)) == Some(&Settled::Lost);
    let (lost, there): (Vec<_>, Vec<_>) = objects.into_iter().partition(is_lost);
    let mut tracks: Vec<ManifestTrack> = Vec::new();
    for object in there {
        match tracks.last_mut().filter(|track| track.id == object.track) {
            Some(track) => track.objects.push(object),
            None => tracks.push(ManifestTrack { id: object.track.clone(), objects: vec![object] }),
        }
    }
    // At the server nothing is encrypted with a key of ours.
    let meta = SessionMeta { key: None, trashed_at: None, ..fixed };
    Ok(Arc::new(Manifest { meta, tracks, lost }))
}

fn recording(meta: &SessionMeta) -> CreateRecording {
    let pairs = meta.metadata.iter().take(api::METADATA_PAIRS_MAX);
    let user = ["USER", "USERNAME"].iter().find_map(|name| env::var(name).ok()).unwrap_or_default();
    CreateRecording {
        id: meta.recording,
        title: api::plain(&meta.title, api::TITLE_MAX),
        description: api::plain(&meta.description, api::DESCRIPTION_MAX),
        recorder: api::plain(&user, api::RECORDER_MAX),
        metadata: pairs
            .map(|(key, value)| {
                (api::plain(key, api::METADATA_KEY_MAX), api::plain(value, api::METADATA_VALUE_MAX))
            })
            .collect(),
    }
}

fn client() -> ClientInfo {
    ClientInfo {
        agent: concat!("spool ", env!("CARGO_PKG_VERSION")).to_owned(),
        os: format!("{} {}", env::consts::OS, env::consts::ARCH),
    }
}
