//! Which sources a plan means, opened, and which tracks they make.

use crate::{
    clock::SystemClock,
    command::{Choice, Device, SessionPlan},
    error::EngineError,
    sound::Silence,
};
use capture::{Capture, CaptureBackend, Outlet, SampleSink, SourceConfig, SourceId, SourceInfo, SourceKind};
use clock::SessionClock;
use model::{TrackId, TrackInfo, TrackKind};
use std::sync::Arc;

/// What a plan became.
pub(crate) struct Opened {
    pub(crate) captures: Vec<Capture>,
    pub(crate) tracks: Vec<TrackInfo>,
    /// The source whose picture is recorded.
    pub(crate) screen: Option<TrackId>,
    pub(crate) sound: Vec<(TrackId, Silence)>,
    /// What was not as wished.
    pub(crate) notices: Vec<String>,
}

/// A track name that is written in the code.
pub(crate) fn name(text: &'static str) -> TrackId {
    text.parse().expect("track names in the code are valid")
}

fn backend(synthetic: bool) -> Arc<dyn CaptureBackend> {
    if synthetic { capture::synthetic() } else { capture::native() }
}

/// What could be recorded.
pub(crate) fn devices(synthetic: bool) -> Result<Vec<Device>, EngineError> {
    Ok(backend(synthetic).sources()?.into_iter().map(device).collect())
}

fn device(source: SourceInfo) -> Device {
    Device {
        id: source.id.to_string(),
        kind: match source.kind {
            SourceKind::Screen => "screen",
            SourceKind::Window => "window",
            SourceKind::Camera => "camera",
            SourceKind::Microphone => "microphone",
            SourceKind::SystemAudio => "system_audio",
        }
        .to_owned(),
        name: source.name,
        is_default: source.is_default,
        size: source.size.map(|size| [size.width, size.height]),
    }
}

/// Opens what the plan wants. The screen first: its first picture is what people wait for.
pub(crate) fn open(
    plan: &SessionPlan,
    outlet: &Outlet,
    clock: &Arc<SessionClock>,
) -> Result<Opened, EngineError> {
    let backend = backend(plan.synthetic);
    let mut opener = Opener {
        sources: backend.sources()?,
        backend,
        config: SourceConfig::new(plan.fps),
        outlet,
        clock,
        captures: Vec::new(),
        notices: Vec::new(),
    };
    let screen = opener.open(SourceKind::Screen, &plan.screen)?;
    let microphone = opener.open(SourceKind::Microphone, &plan.microphone)?;
    let system = opener.open(SourceKind::SystemAudio, &plan.system_audio)?;
    if opener.captures.is_empty() {
        return Err(EngineError::NoSource);
    }
    let Opener { captures, notices, .. } = opener;
    let mut tracks = Vec::new();
    if let Some(label) = &screen {
        tracks.push(track("program", TrackKind::Program, label));
    }
    let sound: Vec<_> = [
        microphone.map(|label| ("mic", TrackKind::Microphone, label, Silence::Loss)),
        system.map(|label| ("system", TrackKind::SystemAudio, label, Silence::Natural)),
    ]
    .into_iter()
    .flatten()
    .collect();
    match sound.as_slice() {
        [] => {}
        // A lone source is the mix.
        [(_, _, label, _)] => tracks.push(track("mix", TrackKind::Mix, label)),
        several => {
            tracks.push(track("mix", TrackKind::Mix, "All sound"));
            tracks.extend(several.iter().map(|(id, kind, label, _)| track(id, *kind, label)));
        }
    }
    Ok(Opened {
        captures,
        tracks,
        screen: screen.map(|_| name("screen")),
        sound: sound.iter().map(|(id, _, _, silence)| (name(id), *silence)).collect(),
        notices,
    })
}

fn track(id: &'static str, kind: TrackKind, label: &str) -> TrackInfo {
    TrackInfo { id: name(id), kind, label: label.to_owned(), inits: Vec::new() }
}

struct Opener<'a> {
    backend: Arc<dyn CaptureBackend>,
    sources: Vec<SourceInfo>,
    config: SourceConfig,
    outlet: &'a Outlet,
    clock: &'a Arc<SessionClock>,
    captures: Vec<Capture>,
    notices: Vec<String>,
}

impl Opener<'_> {
    /// Gives the source's name for people, or none where it is off or, being nobody's explicit wish, missing.
    fn open(&mut self, kind: SourceKind, choice: &Choice) -> Result<Option<String>, EngineError> {
        let (wanted, explicit) = match choice {
            Choice::Off => return Ok(None),
            Choice::Default => (None, false),
            Choice::Id(id) => (Some(id.as_str()), true),
        };
        let opened = self.find(kind, wanted).and_then(|source| {
            let track = match kind {
                SourceKind::Screen | SourceKind::Window => name("screen"),
                SourceKind::Camera => name("camera"),
                SourceKind::Microphone => name("mic"),
                SourceKind::SystemAudio => name("system"),
            };
            let sink =
                SampleSink::new(track, self.outlet.clone(), Arc::clone(self.clock), Arc::new(SystemClock));
            let capture = self.backend.open(&source.id, &self.config, sink)?;
            self.captures.push(capture);
            Ok(source.name)
        });
        match opened {
            Ok(label) => Ok(Some(label)),
            // Somebody who asked for the screen, or for this very device, must not find out afterwards.
            Err(error) if explicit || kind == SourceKind::Screen => Err(error),
            Err(error) => {
                self.notices.push(format!("recording without {}: {error}", describe(kind)));
                Ok(None)
            }
        }
    }

    fn find(&self, kind: SourceKind, wanted: Option<&str>) -> Result<SourceInfo, EngineError> {
        let known = self.sources.iter().filter(|source| source.kind == kind);
        let Some(id) = wanted else {
            let default = known.max_by_key(|source| source.is_default).cloned();
            return default.ok_or_else(|| EngineError::Invalid(format!("there is no {}", describe(kind))));
        };
        match self.sources.iter().find(|source| source.id.as_str() == id) {
            Some(source) if source.kind == kind => Ok(source.clone()),
            Some(_) => Err(EngineError::Invalid(format!("{id} is not a {}", describe(kind)))),
            // Some sources are not listed, such as made-up screens of any size: opening tells.
            None => Ok(SourceInfo {
                id: SourceId::new(id),
                kind,
                name: id.to_owned(),
                is_default: false,
                size: None,
                formats: Vec::new(),
            }),
        }
    }
}

fn describe(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Screen => "screen",
        SourceKind::Window => "window",
        SourceKind::Camera => "camera",
        SourceKind::Microphone => "microphone",
        SourceKind::SystemAudio => "system sound",
    }
}
