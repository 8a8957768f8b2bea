//! Which sources a plan means, opened, and which tracks they make.

use crate::{
    command::{Choice, Device, Permission, SessionPlan},
    error::EngineError,
    picture::Show,
    sound::Silence,
    threads::SessionTime,
    watch::Watched,
};
use capture::{
    Capture, CaptureBackend, Format, Intake, Outlet, PermissionState, SampleSink, SourceConfig, SourceEvent,
    SourceId, SourceInfo, SourceKind,
};
use crossbeam_channel::Receiver;
use model::{Layout, Mode, Timestamp, TrackId, TrackInfo, TrackKind};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A source that took longer to open asked the user something: recording begins after the answer.
const ASKED: Duration = Duration::from_secs(1);

/// A camera has one user, in this process too: whoever opens one waits until a glance at it is over.
static CAMERA: Mutex<()> = Mutex::new(());

/// A source that runs. Dropping it closes its device.
pub(crate) struct Source {
    pub(crate) id: SourceId,
    pub(crate) track: TrackId,
    config: SourceConfig,
    synthetic: bool,
    sink: SampleSink,
    _capture: Capture,
}

/// What a rehearsal leaves to whoever goes on with its sources.
#[derive(Default)]
pub(crate) struct Held {
    pub(crate) sources: Vec<Source>,
    /// What befell them and is not heard yet.
    pub(crate) events: Option<Receiver<(TrackId, SourceEvent)>>,
}

/// What a plan became.
pub(crate) struct Opened {
    pub(crate) sources: Vec<Source>,
    pub(crate) tracks: Vec<TrackInfo>,
    pub(crate) outlet: Outlet,
    pub(crate) intake: Intake,
    /// What each of the intake's viewers is for: a track of pictures, or else the data track.
    pub(crate) shows: Vec<Option<Show>>,
    /// All pictures together, where there are any, whether or not they are a track.
    pub(crate) program: Option<Show>,
    pub(crate) sound: Vec<(TrackId, Silence)>,
    /// Every source with its name for people.
    pub(crate) watched: Vec<(TrackId, Watched, String)>,
    /// What was not as wished.
    pub(crate) notices: Vec<String>,
}

/// A track name that is written in the code.
pub(crate) fn name(text: &'static str) -> TrackId {
    text.parse().expect("track names in the code are valid")
}

/// As people want it, but without a camera that is gone, since its last picture would look like one that is there.
pub(crate) fn shown_layout(mut layout: Layout, is_lost: impl Fn(&TrackId) -> bool) -> Layout {
    layout.camera.shown &= !is_lost(&name("camera"));
    layout
}

pub(crate) fn backend(synthetic: bool) -> Arc<dyn CaptureBackend> {
    if synthetic { capture::synthetic() } else { capture::native() }
}

/// Nobody else in this process opens a camera while this lives.
pub(crate) fn only_user_of_cameras() -> MutexGuard<'static, ()> {
    // Nothing lies behind the lock that a panic could spoil.
    CAMERA.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What could be recorded.
pub(crate) fn devices(synthetic: bool) -> Result<Vec<Device>, EngineError> {
    Ok(backend(synthetic).sources()?.into_iter().map(device).collect())
}

fn device(source: SourceInfo) -> Device {
    Device {
        id: source.id.to_string(),
        kind: kind_name(source.kind).to_owned(),
        name: source.name,
        is_default: source.is_default,
        size: source.size.map(|size| [size.width, size.height]),
        formats: source.formats.iter().map(describe_format).collect(),
    }
}

fn kind_name(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Screen => "screen",
        SourceKind::Window => "window",
        SourceKind::Camera => "camera",
        SourceKind::Microphone => "microphone",
        SourceKind::SystemAudio => "system_audio",
    }
}

/// `1280x720@29.97 MJPG`, as people choose it.
fn describe_format(format: &Format) -> String {
    format!("{}@{} {}", format.size, format.rate, format.encoding)
}

/// What may be recorded.
pub(crate) fn permissions() -> Vec<Permission> {
    let backend = backend(false);
    let kinds = [
        SourceKind::Screen,
        SourceKind::Window,
        SourceKind::Camera,
        SourceKind::Microphone,
        SourceKind::SystemAudio,
    ];
    let of = |kind| {
        let capture::Permission { state, advice } = backend.permission(kind);
        let state = match state {
            PermissionState::Granted => "granted",
            PermissionState::Denied => "denied",
            PermissionState::NotAsked => "not_asked",
            PermissionState::Restricted => "restricted",
        };
        Permission { kind: kind_name(kind).to_owned(), state: state.to_owned(), advice }
    };
    kinds.map(of).into()
}

/// What people call a wish for a source in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// A screen, a window or a region.
    Screen,
    Camera,
    Microphone,
    SystemAudio,
}

impl Wish {
    fn track(self) -> TrackId {
        name(match self {
            Self::Screen => "screen",
            Self::Camera => "camera",
            Self::Microphone => "mic",
            Self::SystemAudio => "system",
        })
    }

    fn describe(self) -> &'static str {
        match self {
            Self::Screen => "screen",
            Self::Camera => "camera",
            Self::Microphone => "microphone",
            Self::SystemAudio => "system sound",
        }
    }

    fn kind(self) -> SourceKind {
        match self {
            Self::Screen => SourceKind::Screen,
            Self::Camera => SourceKind::Camera,
            Self::Microphone => SourceKind::Microphone,
            Self::SystemAudio => SourceKind::SystemAudio,
        }
    }

    fn is_met_by(self, kind: SourceKind) -> bool {
        kind == self.kind() || self == Self::Screen && kind == SourceKind::Window
    }

    fn watched(self) -> Watched {
        match self {
            Self::Screen => Watched::Screen,
            Self::Camera => Watched::Camera,
            Self::Microphone => Watched::Microphone,
            Self::SystemAudio => Watched::Speaker,
        }
    }
}

/// A source that is there, and what it is for.
struct Found {
    wish: Wish,
    source: SourceInfo,
}

/// Opens what the plan wants, and goes on with what is open of it already. The screen first: its first picture is what
/// people wait for, and its system may have a question, after whose answer time begins.
pub(crate) fn open(
    plan: &SessionPlan,
    token: Option<String>,
    time: &SessionTime,
    held: Held,
) -> Result<Opened, EngineError> {
    let backend = backend(plan.synthetic);
    let mut notices = Vec::new();
    let found = find_all(plan, &*backend, &mut notices)?;
    let has = |wish| found.iter().any(|found| found.wish == wish);
    let (screen, camera) = (has(Wish::Screen), has(Wish::Camera));
    let shows = shows(plan.mode, screen, camera);
    let wanted: Vec<Vec<TrackId>> =
        shows.iter().map(|show| show.as_ref().map(Show::sources).unwrap_or_default()).collect();
    let (outlet, intake) = Outlet::new(&wanted.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let mut opener = Opener { plan, backend, token, outlet: &outlet, time, held: held.sources };
    // A device that has one user must be free before it is opened in another way.
    opener.close_unwanted(&found);
    let (mut sources, mut opened) = (Vec::new(), Vec::new());
    for found in found {
        match opener.open(&found) {
            Ok(source) => {
                sources.push(source);
                opened.push(found);
            }
            Err(error) if must_work(found.wish, plan) => return Err(error),
            Err(error) => notices.push(without(found.wish, &error)),
        }
    }
    if sources.is_empty() {
        return Err(EngineError::NoSource);
    }
    for (track, event) in held.events.iter().flat_map(Receiver::try_iter) {
        sources.iter().filter(|source| source.track == track).for_each(|one| one.sink.report(event.clone()));
    }
    let silence = |wish| if wish == Wish::SystemAudio { Silence::Natural } else { Silence::Loss };
    let sound = opened.iter().filter(|found| found.source.kind.is_audio());
    Ok(Opened {
        tracks: tracks(&shows, &opened),
        sound: sound.map(|found| (found.wish.track(), silence(found.wish))).collect(),
        watched: opened
            .iter()
            .map(|found| (found.wish.track(), found.wish.watched(), found.source.name.clone()))
            .collect(),
        sources,
        outlet,
        intake,
        shows,
        program: (screen || camera).then_some(Show::Program { screen, camera }),
        notices,
    })
}

/// Every track of pictures that a session has, and the data track where there is something to point at.
fn shows(mode: Mode, screen: bool, camera: bool) -> Vec<Option<Show>> {
    let any = screen || camera;
    let program = (any && mode.has_program()).then_some(Show::Program { screen, camera });
    let apart = |is_there: bool, text| (is_there && mode.has_tracks()).then(|| Show::Source(name(text)));
    let pictures = [program, apart(screen, "screen"), apart(camera, "camera")];
    pictures.into_iter().flatten().map(Some).chain(any.then_some(None)).collect()
}

fn tracks(shows: &[Option<Show>], opened: &[Found]) -> Vec<TrackInfo> {
    let label = |wish: Wish| {
        opened.iter().find(|found| found.wish == wish).map_or("", |found| found.source.name.as_str())
    };
    let track =
        |id: TrackId, kind, label: &str| TrackInfo { id, kind, label: label.to_owned(), inits: Vec::new() };
    let mut tracks: Vec<TrackInfo> = Vec::new();
    for show in shows {
        tracks.push(match show {
            Some(show @ Show::Program { screen, .. }) => {
                let main = if *screen { Wish::Screen } else { Wish::Camera };
                track(show.track(), TrackKind::Program, label(main))
            }
            Some(Show::Source(id)) if *id == Wish::Screen.track() => {
                track(id.clone(), TrackKind::Screen, label(Wish::Screen))
            }
            Some(Show::Source(id)) => track(id.clone(), TrackKind::Camera, label(Wish::Camera)),
            None => track(name("input"), TrackKind::Input, "Pointer, keys and drawings"),
        });
    }
    let sound: Vec<&Found> = opened.iter().filter(|found| found.source.kind.is_audio()).collect();
    match sound.as_slice() {
        [] => {}
        // A lone source is the mix.
        [lone] => tracks.push(track(name("mix"), TrackKind::Mix, &lone.source.name)),
        several => {
            tracks.push(track(name("mix"), TrackKind::Mix, "All sound"));
            tracks.extend(several.iter().map(|found| {
                let microphone = found.wish == Wish::Microphone;
                let kind = if microphone { TrackKind::Microphone } else { TrackKind::SystemAudio };
                track(found.wish.track(), kind, &found.source.name)
            }));
        }
    }
    tracks
}

/// Somebody who asked for pictures, or for this very device, must not find out afterwards.
fn must_work(wish: Wish, plan: &SessionPlan) -> bool {
    matches!(wish, Wish::Screen | Wish::Camera) || matches!(choice(plan, wish), Choice::Id(_))
}

fn choice(plan: &SessionPlan, wish: Wish) -> &Choice {
    match wish {
        Wish::Screen => &plan.screen,
        Wish::Camera => &plan.camera,
        Wish::Microphone => &plan.microphone,
        Wish::SystemAudio => &plan.system_audio,
    }
}

fn without(wish: Wish, error: &EngineError) -> String {
    format!("recording without {}: {error}", wish.describe())
}

fn find_all(
    plan: &SessionPlan,
    backend: &dyn CaptureBackend,
    notices: &mut Vec<String>,
) -> Result<Vec<Found>, EngineError> {
    let sources = backend.sources()?;
    let mut all = Vec::new();
    for wish in [Wish::Screen, Wish::Camera, Wish::Microphone, Wish::SystemAudio] {
        let wanted = match choice(plan, wish) {
            Choice::Off => continue,
            Choice::Default => None,
            Choice::Id(id) => Some(id.as_str()),
        };
        match find(wish, wanted, &sources, backend) {
            Ok(source) => all.push(Found { wish, source }),
            Err(error) if must_work(wish, plan) => return Err(error),
            Err(error) => notices.push(without(wish, &error)),
        }
    }
    Ok(all)
}

fn find(
    wish: Wish,
    wanted: Option<&str>,
    sources: &[SourceInfo],
    backend: &dyn CaptureBackend,
) -> Result<SourceInfo, EngineError> {
    let Some(id) = wanted else {
        let known = sources.iter().filter(|source| source.kind == wish.kind());
        let default = known.max_by_key(|source| source.is_default).cloned();
        return default.ok_or_else(|| {
            EngineError::Invalid(match backend.permission(wish.kind()).advice {
                // One that may not be opened cannot be listed: what to do about it is known all the same.
                advice if !advice.is_empty() => advice,
                _ => format!("there is no {}", wish.describe()),
            })
        });
    };
    match sources.iter().find(|source| source.id.as_str() == id) {
        Some(source) if wish.is_met_by(source.kind) => Ok(source.clone()),
        Some(_) => Err(EngineError::Invalid(format!("{id} is not a {}", wish.describe()))),
        // Some sources are not listed, such as regions and made-up screens of any size: opening tells.
        None => Ok(SourceInfo {
            id: SourceId::new(id),
            kind: wish.kind(),
            name: id.to_owned(),
            is_default: false,
            size: None,
            formats: Vec::new(),
        }),
    }
}

struct Opener<'a> {
    plan: &'a SessionPlan,
    backend: Arc<dyn CaptureBackend>,
    token: Option<String>,
    outlet: &'a Outlet,
    time: &'a SessionTime,
    held: Vec<Source>,
}

impl Opener<'_> {
    fn config(&self, found: &Found) -> Result<SourceConfig, EngineError> {
        let format = match (&self.plan.camera_format, found.wish) {
            (Some(wanted), Wish::Camera) => Some(find_format(wanted, &found.source)?),
            _ => None,
        };
        Ok(SourceConfig { format, keys: self.plan.keys, ..SourceConfig::new(self.plan.fps) })
    }

    /// Whether this is what is wanted there.
    fn is(&self, source: &Source, found: &Found) -> bool {
        source.track == found.wish.track()
            && source.id == found.source.id
            && source.synthetic == self.plan.synthetic
            && self.config(found).is_ok_and(|config| config == source.config)
    }

    fn close_unwanted(&mut self, all: &[Found]) {
        let held = std::mem::take(&mut self.held);
        self.held = held.into_iter().filter(|held| all.iter().any(|found| self.is(held, found))).collect();
    }

    fn open(&mut self, found: &Found) -> Result<Source, EngineError> {
        let (track, clock) = (found.wish.track(), Arc::clone(&self.time.clock));
        if let Some(index) = self.held.iter().position(|held| self.is(held, found)) {
            let source = self.held.swap_remove(index);
            source.sink.redirect(self.outlet.clone(), clock);
            return Ok(source);
        }
        let config = self.config(found)?;
        let sink = SampleSink::new(track.clone(), self.outlet.clone(), clock, self.time.host());
        let token = self.token.take_if(|_| found.wish == Wish::Screen);
        let asking = SourceConfig { token, ..config.clone() };
        let _glances_are_over = (found.wish == Wish::Camera).then(only_user_of_cameras);
        let capture = self.backend.open(&found.source.id, &asking, sink.clone())?;
        if found.wish == Wish::Screen && self.time.now() > Timestamp::ZERO + ASKED {
            self.time.restart();
        }
        let (id, synthetic) = (found.source.id.clone(), self.plan.synthetic);
        Ok(Source { id, track, config, synthetic, sink, _capture: capture })
    }
}

/// The camera's format that a text means: all of it, or its beginning.
fn find_format(wanted: &str, camera: &SourceInfo) -> Result<Format, EngineError> {
    let named = |format: &&Format| describe_format(format).starts_with(wanted);
    let exactly = camera.formats.iter().find(|format| {
        let described = describe_format(format);
        described == wanted || described.split(' ').next() == Some(wanted)
    });
    exactly.or_else(|| camera.formats.iter().find(named)).cloned().ok_or_else(|| {
        let known: Vec<_> = camera.formats.iter().map(describe_format).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        EngineError::Invalid(format!("{} has no format {wanted:?}; it has {known}", camera.name))
    })
}
