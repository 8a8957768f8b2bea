//! The way of a picture through the recorder, each stage measured by itself: the recorder's own capture, compositor
//! and encoder, put together as it puts them together. In a process of its own, which finds the display, the portal
//! and the camera that it is told of.

use crate::meter::{Tasks, thread_cpu};
use anyhow::{Context, Result};
use capture::{
    Capture, CaptureBackend, Intake, Outlet, SampleSink, SourceConfig, SourceKind, Viewer, native,
};
use clock::{HostClock, SessionClock};
use codec::{Speed, VideoCodec, VideoConfig, VideoEncoder};
use compose::{Compositor, Overlay};
use model::{Frame, Frames, HostTime, Layout, Pictured, Scene, Size, Timestamp, TrackId};
use spool_tests::codes::host_time;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const FPS: u32 = 30;
const PERIOD: Duration = Duration::from_nanos(1_000_000_000 / FPS as u64);
/// A picture that stands still is encoded again after this, as the recorder does.
const REFRESH: Duration = Duration::from_secs(1);
const CHUNK: Duration = Duration::from_secs(4);
const CANVAS: Size = Size { width: 1920, height: 1080 };
/// Before this a source has given its first picture, even where a portal is asked.
const PATIENCE: Duration = Duration::from_secs(20);

struct Host;

impl HostClock for Host {
    fn now(&self) -> HostTime {
        HostTime(host_time())
    }
}

/// Records for some seconds without keeping anything, and prints as JSON what each stage took, in milliseconds of
/// processor time.
pub(crate) fn run(seconds: u64, with_camera: bool) -> Result<()> {
    let (screen, camera) = (name("screen")?, name("camera")?);
    let tracks: Vec<_> =
        [Some(screen.clone()), with_camera.then(|| camera.clone())].into_iter().flatten().collect();
    let (outlet, intake) = Outlet::new(&[&tracks]);
    let (host, clock) = (Arc::new(Host), Arc::new(SessionClock::new(Host.now())));
    let sink = |track: &TrackId| {
        SampleSink::new(track.clone(), outlet.clone(), Arc::clone(&clock), Arc::clone(&host) as Arc<_>)
    };
    let mut line = Line::new(&intake, tracks, Arc::clone(&clock));
    let backend = native();
    let _screen = open(&*backend, SourceKind::Screen, sink(&screen))?;
    line.first(&screen)?;
    let of_screen = Tasks::now()?;
    let _camera = if with_camera {
        let capture = open(&*backend, SourceKind::Camera, sink(&camera))?;
        line.first(&camera)?;
        Some(capture)
    } else {
        None
    };
    let of_cameras = Tasks::now()?.without(&of_screen);
    line.arrange()?;

    // The first second is that of caches and first pictures.
    line.record(Duration::from_secs(1))?;
    line.spent = Spent::default();
    let (begun, counted) = (Tasks::now()?, line.captured());
    line.record(Duration::from_secs(seconds))?;
    let all = Tasks::now()?.since(&begun);
    let of_camera = all.of(&of_cameras);
    let own = all.of_this_thread();
    let Spent { compose, encode, encoded, drawn } = line.spent;
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "{}",
        serde_json::json!({
            "capture": millis(all.total().saturating_sub(of_camera).saturating_sub(own)),
            "camera": millis(of_camera),
            "compose": millis(compose),
            "encode": millis(encode),
            "rest": millis(own.saturating_sub(compose).saturating_sub(encode)),
            "captured": line.captured() - counted,
            "drawn": drawn,
            "encoded": encoded,
        })
    );
    Ok(())
}

fn name(text: &str) -> Result<TrackId> {
    Ok(text.parse()?)
}

fn open(backend: &dyn CaptureBackend, kind: SourceKind, sink: SampleSink) -> Result<Capture> {
    let sources = backend.sources()?;
    let mut of_kind = sources.iter().filter(|source| source.kind == kind);
    let source = of_kind.clone().find(|source| source.is_default).or_else(|| of_kind.next());
    let source = source.with_context(|| format!("there is no {kind:?}"))?;
    Ok(backend.open(&source.id, &SourceConfig::new(FPS), sink)?)
}

/// What the stages on this thread took, and how often they ran.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    compose: Duration,
    encode: Duration,
    drawn: u64,
    encoded: u64,
}

struct Line {
    viewer: Viewer,
    tracks: Vec<TrackId>,
    clock: Arc<SessionClock>,
    newest: Newest,
    scene: Scene,
    works: Option<(Compositor, VideoEncoder)>,
    pending: Option<Timestamp>,
    last: Timestamp,
    /// When the newest picture was encoded.
    encoded_at: Timestamp,
    keyframe_due: Timestamp,
    spent: Spent,
}

impl Line {
    fn new(intake: &Intake, tracks: Vec<TrackId>, clock: Arc<SessionClock>) -> Self {
        Self {
            viewer: intake.viewers[0].clone(),
            tracks,
            clock,
            newest: Newest::default(),
            scene: Scene { background: Layout::default().background, layers: Vec::new() },
            works: None,
            pending: None,
            last: Timestamp::ZERO,
            encoded_at: Timestamp::ZERO,
            keyframe_due: Timestamp::ZERO,
            spent: Spent::default(),
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.session_from_host(Host.now())
    }

    fn captured(&self) -> u64 {
        self.tracks.iter().map(|track| self.viewer.pictures.counts(track).captured).sum()
    }

    /// Waits for the first picture of a source.
    fn first(&mut self, track: &TrackId) -> Result<()> {
        let end = self.now() + PATIENCE;
        while self.newest.size(track).is_none() {
            anyhow::ensure!(self.now() < end, "no picture of the {track} came");
            self.viewer.pictures.wait(PERIOD);
            self.refresh();
        }
        Ok(())
    }

    /// Makes scene, compositor and encoder, now that the sizes of all pictures are known.
    fn arrange(&mut self) -> Result<()> {
        let pictured = |text: &str| -> Result<Option<Pictured>> {
            let track = name(text)?;
            Ok(self.newest.size(&track).map(|size| Pictured { track, size }))
        };
        let (screen, camera) = (pictured("screen")?.context("no screen")?, pictured("camera")?);
        let canvas = screen.size.fit_even(CANVAS);
        let above = |text| -> Result<_> { Ok(Pictured { track: name(text)?, size: screen.size }) };
        let above = [above("drawings")?, above("pointer")?];
        let layout = Layout::default();
        self.newest.overlay.resize(screen.size);
        self.newest.overlay.set_style(layout.pointer, layout.keys);
        self.scene = layout.scene(canvas, Some(&screen), camera.as_ref(), &above);
        let encoder = VideoEncoder::open(&VideoConfig {
            codec: VideoCodec::H264,
            size: canvas,
            fps: FPS,
            crf: 23.0,
            max_bitrate: 12_000_000,
            speed: Speed::Veryfast,
        })?;
        self.works = Some((Compositor::new(canvas)?, encoder));
        self.pending = Some(self.now());
        Ok(())
    }

    fn record(&mut self, length: Duration) -> Result<()> {
        let end = self.now() + length;
        loop {
            let now = self.now();
            if now >= end {
                return Ok(());
            }
            // As the recorder does: one source keeps its own time, several are drawn together once a period.
            let several = self.tracks.len() > 1;
            let earliest =
                if several { self.encoded_at + PERIOD * 31 / 32 } else { self.last + PERIOD * 3 / 4 };
            let due = if self.pending.is_some() { earliest } else { self.last + REFRESH };
            self.viewer.pictures.wait(due.min(end).saturating_since(now));
            self.refresh();
            let now = self.now();
            if let Some(at) = self.pending
                && now >= earliest
            {
                self.pending = None;
                self.picture(at, false)?;
            } else if now >= self.last + REFRESH {
                self.picture(now, true)?;
            }
        }
    }

    fn refresh(&mut self) {
        for (at, event) in self.viewer.inputs.try_iter() {
            self.newest.overlay.apply(&event, at);
            self.pending = self.pending.max(Some(at));
        }
        for track in &self.tracks {
            if let Some(frame) = self.viewer.pictures.take(track) {
                self.pending = self.pending.max(Some(frame.at));
                self.newest.put(track, frame);
            }
        }
    }

    fn picture(&mut self, at: Timestamp, repeat: bool) -> Result<()> {
        let Some((compositor, encoder)) = &mut self.works else { return Ok(()) };
        let at = at.max(self.last + Duration::from_micros(100));
        let begun = thread_cpu();
        let drawn = compositor.render(&self.scene, at, &mut self.newest)?;
        let composed = thread_cpu();
        self.spent.compose += composed - begun;
        self.spent.drawn += 1;
        let keyframe = at >= self.keyframe_due;
        if drawn.damage.is_empty() && !repeat && !keyframe {
            return Ok(());
        }
        if keyframe {
            encoder.request_keyframe();
            self.keyframe_due = at.next_multiple(CHUNK);
        }
        encoder.push(compositor.picture(), at)?;
        while encoder.poll()?.is_some() {}
        self.spent.encode += thread_cpu() - composed;
        self.spent.encoded += 1;
        self.last = at;
        self.encoded_at = self.now();
        Ok(())
    }
}

/// The newest picture of each source, and what people do over them.
#[derive(Default)]
struct Newest {
    frames: BTreeMap<TrackId, (Frame, bool)>,
    overlay: Overlay,
}

impl Newest {
    /// A picture that was replaced before it was drawn leaves its damage to the next.
    fn put(&mut self, track: &TrackId, mut frame: Frame) {
        if let Some((old, false)) = self.frames.remove(track)
            && frame.since != 0
        {
            frame.damage = old.damage.union(&frame.damage);
            frame.since = old.since;
        }
        self.frames.insert(track.clone(), (frame, false));
    }

    fn size(&self, track: &TrackId) -> Option<Size> {
        self.frames.get(track).map(|(frame, _)| frame.picture.size)
    }
}

impl Frames for Newest {
    fn frame(&mut self, track: &TrackId, at: Timestamp) -> Option<Frame> {
        match track.as_str() {
            "pointer" => self.overlay.pointer(at),
            "drawings" => self.overlay.drawings(at),
            _ => {
                let (frame, drawn) = self.frames.get_mut(track)?;
                *drawn = true;
                Some(frame.clone())
            }
        }
    }
}
