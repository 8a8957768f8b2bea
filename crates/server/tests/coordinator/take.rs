//! A session whose bytes are made up.

#![allow(dead_code, reason = "each test program uses a part of it")]

use api::{CreateRecording, Finalize, Join, Manifest, ManifestTrack, ObjectSpec};
use model::{
    Hash, Mode, RecordingId, Retention, SessionId, SessionMeta, SessionState, Span, Timestamp, UtcTime,
};
use spool_server::objects::{Key, Memory};
use std::{collections::BTreeMap, time::Duration};
use uuid::Uuid;

/// Far enough from zero to go back some.
pub const START: UtcTime = UtcTime(1_000_000_000);

/// A session that was recorded: its objects, whose bytes are made of their names.
pub struct Take {
    pub recording: RecordingId,
    pub session: SessionId,
    pub objects: Vec<ObjectSpec>,
}

impl Take {
    pub fn new(chunks: u32) -> Self {
        let (recording, session) = (RecordingId(Uuid::now_v7()), SessionId(Uuid::now_v7()));
        let mut objects = Vec::new();
        for track in ["mix", "program"] {
            let init = spec(track, None, 0, None);
            objects.push(init.clone());
            objects.extend((1..=chunks).map(|index| spec(track, Some(index), 0, Some(init.sha256))));
        }
        Self { recording, session, objects }
    }

    pub fn create(&self) -> CreateRecording {
        CreateRecording {
            id: self.recording,
            title: "Demo".to_owned(),
            description: String::new(),
            recorder: "Ada".to_owned(),
            metadata: BTreeMap::new(),
        }
    }

    pub fn join(&self) -> Join {
        Join { id: self.session, started_at: START, client: api::ClientInfo::default() }
    }

    pub fn finalize(&self) -> Finalize {
        let track = |name: &str| ManifestTrack {
            id: name.parse().unwrap(),
            objects: self.objects.iter().filter(|spec| spec.track.as_str() == name).cloned().collect(),
        };
        let tracks = vec![track("mix"), track("program")];
        Finalize { manifest: Manifest { meta: self.meta(), tracks, lost: Vec::new() } }
    }

    fn meta(&self) -> SessionMeta {
        SessionMeta {
            version: SessionMeta::VERSION,
            id: self.session,
            recording: self.recording,
            title: "Demo".to_owned(),
            description: String::new(),
            metadata: BTreeMap::new(),
            mode: Mode::Program,
            retention: Retention::KeepAll,
            started_at: START,
            chunk: Duration::from_secs(4),
            state: SessionState::Finalized,
            tracks: Vec::new(),
            gaps: Vec::new(),
            lost: None,
            layouts: Vec::new(),
            check: None,
            marks: Vec::new(),
            trashed_at: None,
            key: None,
        }
    }

    pub fn key(&self, spec: &ObjectSpec) -> Key {
        let path = format!("recordings/{}/sessions/{}/{}", self.recording, self.session, spec.name());
        Key::new(path).unwrap()
    }

    pub fn put(&self, store: &Memory, spec: &ObjectSpec) {
        store.put_now(self.key(spec), bytes_of(spec).into());
    }

    pub fn chunks(&self) -> u64 {
        self.objects.iter().filter(|spec| spec.index.is_some()).count() as u64
    }

    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|spec| spec.size).sum()
    }
}

/// An object whose bytes are made of its name and of `variant`: 0 is what was recorded.
pub fn spec(track: &str, index: Option<u32>, variant: u32, init: Option<Hash>) -> ObjectSpec {
    let text = text_of(track, index, variant);
    let start = Timestamp(i64::from(index.unwrap_or(0)) * 4_000_000_000);
    ObjectSpec {
        track: track.parse().unwrap(),
        index,
        size: text.len() as u64,
        sha256: Hash::of(text.as_bytes()),
        span: index.map(|_| Span::new(start, start + Duration::from_secs(4))),
        init,
    }
}

/// The same place with other bytes.
pub fn other(spec: &ObjectSpec) -> ObjectSpec {
    self::spec(spec.track.as_str(), spec.index, 1, spec.init)
}

fn text_of(track: &str, index: Option<u32>, variant: u32) -> String {
    format!("{track} {index:?} {variant}")
}

pub fn bytes_of(spec: &ObjectSpec) -> Vec<u8> {
    let text = |variant| text_of(spec.track.as_str(), spec.index, variant).into_bytes();
    [0, 1].map(text).into_iter().find(|text| Hash::of(text) == spec.sha256).unwrap()
}
