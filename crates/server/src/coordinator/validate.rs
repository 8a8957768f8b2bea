//! What requests may say. Whatever passes here fits the rows.

use super::{CoordinatorError, Result};
use api::{
    BATCH_MAX, Change, CreateRecording, DESCRIPTION_MAX, Heartbeat, Join, METADATA_KEY_MAX,
    METADATA_PAIRS_MAX, METADATA_VALUE_MAX, Manifest, OBJECT_BYTES_MAX, ObjectSpec, RECORDER_MAX, TITLE_MAX,
    is_plain,
};
use model::{Hash, UtcTime};
use std::collections::{BTreeMap, HashSet};

/// Most characters of each text of [`api::ClientInfo`].
const CLIENT_MAX: usize = 200;
/// Most tracks of a session.
const TRACKS_MAX: usize = 64;
/// Most sessions of a recording.
pub const SESSIONS_MAX: i64 = 1_000;
/// The years 1970 to 9999.
const TIMES: std::ops::RangeInclusive<i64> = 0..=253_402_300_799_999;
/// Counts that every reader of JSON knows exactly.
const COUNT_MAX: u64 = 1 << 53;

fn text(what: &str, text: &str, max: usize) -> Result<()> {
    if is_plain(text, max) {
        return Ok(());
    }
    Err(CoordinatorError::invalid(format!("{what}: at most {max} characters, and no control characters")))
}

fn metadata(pairs: &BTreeMap<String, String>) -> Result<()> {
    if pairs.len() > METADATA_PAIRS_MAX {
        return Err(CoordinatorError::invalid(format!("metadata: at most {METADATA_PAIRS_MAX} keys")));
    }
    for (key, value) in pairs {
        text("a key of metadata", key, METADATA_KEY_MAX)?;
        text("a value of metadata", value, METADATA_VALUE_MAX)?;
    }
    Ok(())
}

fn time(at: UtcTime) -> Result<()> {
    if TIMES.contains(&at.0) {
        return Ok(());
    }
    Err(CoordinatorError::invalid("a time lies between the years 1970 and 9999"))
}

pub fn create(request: &CreateRecording) -> Result<()> {
    text("title", &request.title, TITLE_MAX)?;
    text("description", &request.description, DESCRIPTION_MAX)?;
    text("recorder", &request.recorder, RECORDER_MAX)?;
    metadata(&request.metadata)
}

pub fn change(request: &Change) -> Result<()> {
    text("title", request.title.as_deref().unwrap_or_default(), TITLE_MAX)?;
    text("description", request.description.as_deref().unwrap_or_default(), DESCRIPTION_MAX)?;
    request.metadata.as_ref().map_or(Ok(()), metadata)
}

pub fn join(request: &Join) -> Result<()> {
    text("client.agent", &request.client.agent, CLIENT_MAX)?;
    text("client.os", &request.client.os, CLIENT_MAX)?;
    time(request.started_at)
}

pub fn heartbeat(heartbeat: &Heartbeat) -> Result<()> {
    let Heartbeat { sealed, confirmed, gaps, lag_ms } = *heartbeat;
    if [sealed, confirmed, gaps, lag_ms].into_iter().all(|count| count <= COUNT_MAX) {
        return Ok(());
    }
    Err(CoordinatorError::invalid(format!("a count is at most {COUNT_MAX}")))
}

/// Objects of one request: not too many, each of them sane, and none twice.
pub fn batch(objects: &[ObjectSpec]) -> Result<()> {
    if !(1..=BATCH_MAX).contains(&objects.len()) {
        return Err(CoordinatorError::invalid(format!("1 to {BATCH_MAX} objects at once")));
    }
    let mut seen = HashSet::new();
    objects.iter().try_for_each(|spec| object(spec, &mut seen))
}

/// Checks an object, and that none of `seen` has its place.
fn object(spec: &ObjectSpec, seen: &mut HashSet<(String, u32, String)>) -> Result<()> {
    let wrong = |what: &str| Err(CoordinatorError::invalid(format!("{spec}: {what}")));
    if !(1..=OBJECT_BYTES_MAX).contains(&spec.size) {
        return wrong(&format!("1 to {OBJECT_BYTES_MAX} bytes"));
    }
    match (spec.index, spec.span, spec.init) {
        (Some(0), ..) => return wrong("an index is at least 1"),
        (Some(_), Some(span), Some(_)) if span.start <= span.end => {}
        (Some(_), Some(_), Some(_)) => return wrong("its span ends before it starts"),
        (Some(_), ..) => return wrong("a chunk has a span and an init segment"),
        (None, None, None) => {}
        (None, ..) => return wrong("an init segment has neither index nor span nor init segment"),
    }
    // The objects of an init's name are one in the store.
    let short = spec.index.map_or_else(|| spec.sha256.short(), |_| String::new());
    if !seen.insert((spec.track.to_string(), spec.index.unwrap_or(0), short)) {
        return wrong("is there twice");
    }
    Ok(())
}

/// A manifest: all that holds of a batch but its size, and that it is of this session.
pub fn manifest(manifest: &Manifest) -> Result<()> {
    if manifest.tracks.len() > TRACKS_MAX {
        return Err(CoordinatorError::invalid(format!("at most {TRACKS_MAX} tracks")));
    }
    let mut seen = HashSet::new();
    let mut tracks = HashSet::new();
    for track in &manifest.tracks {
        if !tracks.insert(&track.id) {
            return Err(CoordinatorError::invalid(format!("track {} is there twice", track.id)));
        }
        if let Some(stray) = track.objects.iter().find(|spec| spec.track != track.id) {
            return Err(CoordinatorError::invalid(format!("{stray} is in track {}", track.id)));
        }
    }
    let all = || manifest.objects().chain(&manifest.lost);
    all().try_for_each(|spec| object(spec, &mut seen))?;
    let inits: HashSet<(&str, Hash)> =
        all().filter(|spec| spec.index.is_none()).map(|spec| (spec.track.as_str(), spec.sha256)).collect();
    let is_known =
        |spec: &&ObjectSpec| spec.init.is_none_or(|init| inits.contains(&(spec.track.as_str(), init)));
    match all().find(|spec| !is_known(spec)) {
        Some(spec) => {
            Err(CoordinatorError::invalid(format!("{spec} needs an init segment that is not there")))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Span, Timestamp};

    fn chunk(index: u32) -> ObjectSpec {
        let span = Span::new(Timestamp(0), Timestamp(4_000_000_000));
        let track = "mix".parse().unwrap();
        ObjectSpec {
            track,
            index: Some(index),
            size: 1,
            sha256: Hash([1; 32]),
            span: Some(span),
            init: Some(Hash([2; 32])),
        }
    }

    #[test]
    fn objects_are_sane_and_there_once() {
        let init = || ObjectSpec { index: None, span: None, init: None, ..chunk(1) };
        assert!(batch(&[chunk(1), chunk(2), init()]).is_ok());
        let backwards = Some(Span::new(Timestamp(1), Timestamp(0)));
        let bad = [
            vec![],
            vec![chunk(0)],
            vec![chunk(1), chunk(1)],
            vec![init(), init()],
            vec![chunk(1), ObjectSpec { sha256: Hash([3; 32]), ..chunk(1) }],
            vec![ObjectSpec { size: 0, ..chunk(1) }],
            vec![ObjectSpec { size: OBJECT_BYTES_MAX + 1, ..chunk(1) }],
            vec![ObjectSpec { span: None, ..chunk(1) }],
            vec![ObjectSpec { init: None, ..chunk(1) }],
            vec![ObjectSpec { span: backwards, ..chunk(1) }],
            vec![ObjectSpec { span: chunk(1).span, ..init() }],
            (1..=65).map(chunk).collect(),
        ];
        for objects in bad {
            assert!(batch(&objects).is_err(), "{objects:?}");
        }
    }

    #[test]
    fn texts_and_numbers_have_limits() {
        let recording = |title: &str| CreateRecording {
            id: "01900000-0000-7000-8000-000000000000".parse().unwrap(),
            title: title.to_owned(),
            description: String::new(),
            recorder: String::new(),
            metadata: BTreeMap::new(),
        };
        assert!(create(&recording(&"ä".repeat(TITLE_MAX))).is_ok());
        assert!(create(&recording(&"ä".repeat(TITLE_MAX + 1))).is_err());
        assert!(create(&recording("a\0")).is_err());
        let many = (0..=METADATA_PAIRS_MAX).map(|n| (n.to_string(), String::new())).collect();
        assert!(create(&CreateRecording { metadata: many, ..recording("") }).is_err());
        assert!(heartbeat(&Heartbeat { sealed: u64::MAX, ..Heartbeat::default() }).is_err());
        assert!(time(UtcTime(-1)).is_err() && time(UtcTime(i64::MAX)).is_err() && time(UtcTime(0)).is_ok());
    }
}
