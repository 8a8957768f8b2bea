//! A track of pictures: newest pictures in, composited, encoded and cut into pieces, on a thread of its own. The
//! program is one; a screen or a camera as it is, is another whose scene has a single layer.

use crate::{
    cadence::Cadence,
    command::{FrameCounts, Quality},
    error::EngineError,
    live::{LiveFrames, Refreshed},
    pressure::Pressure,
    run::Input,
    sources,
    threads::{Control, Flow, Link},
};
use capture::Viewer;
use codec::{Speed, VideoCodec, VideoConfig, VideoEncoder};
use compose::{Compositor, Effects};
use crossbeam_channel::TryRecvError;
use media::{ChunkPolicy, Chunker};
use model::{Gap, GapReason, Layout, Pictured, Rect, Scene, Size, Span, Timestamp, TrackId};
use std::time::Duration;

/// A loop later than this was held up from outside, which is told.
const STALL: Duration = Duration::from_millis(700);
/// Two pictures are at least this far apart, so that each has a tick of its own.
const CLOSEST: Duration = Duration::from_micros(100);
/// How often the engine's loop hears how pictures fare.
const REPORT: Duration = Duration::from_millis(500);
const CRF: f32 = 23.0;

/// What a track of pictures shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Show {
    /// Everything, as the layout says.
    Program {
        /// Whether there is a screen.
        screen: bool,
        /// Whether there is a camera.
        camera: bool,
    },
    /// One source as it is.
    Source(TrackId),
}

impl Show {
    /// The track that it makes.
    pub(crate) fn track(&self) -> TrackId {
        match self {
            Self::Program { .. } => sources::name("program"),
            Self::Source(track) => track.clone(),
        }
    }

    /// The sources whose pictures it needs, the main one first.
    pub(crate) fn sources(&self) -> Vec<TrackId> {
        let named = |is_there: bool, text| is_there.then(|| sources::name(text));
        match self {
            Self::Program { screen, camera } => {
                named(*screen, "screen").into_iter().chain(named(*camera, "camera")).collect()
            }
            Self::Source(track) => vec![track.clone()],
        }
    }

    /// The scene on this canvas, where the pictures of its sources, in their order, have these sizes.
    pub(crate) fn scene(&self, canvas: Size, sizes: &[Option<Size>], layout: &Layout) -> Scene {
        let sources = self.sources();
        let pictured = |text: &'static str| {
            let track = sources::name(text);
            let index = sources.iter().position(|source| *source == track)?;
            sizes.get(index).copied().flatten().map(|size| Pictured { track, size })
        };
        match self {
            Self::Program { .. } => {
                let (screen, camera) = (pictured("screen"), pictured("camera"));
                let main = screen.as_ref().or(camera.as_ref()).map_or(canvas, |main| main.size);
                let overlays = LiveFrames::overlays().map(|track| Pictured { track, size: main });
                layout.scene(canvas, screen.as_ref(), camera.as_ref(), &overlays)
            }
            Self::Source(track) => {
                let size = sizes.first().copied().flatten().unwrap_or(canvas);
                Scene::of(track.clone(), Rect::whole(size), canvas)
            }
        }
    }
}

/// What a track of pictures is made of.
pub(crate) struct PicturePlan {
    pub(crate) show: Show,
    pub(crate) layout: Layout,
    pub(crate) quality: Quality,
    pub(crate) fps: u32,
}

/// How the pictures of a track fared, said now and then.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PictureReport {
    pub(crate) frames: FrameCounts,
    pub(crate) fps: f32,
    pub(crate) ceiling: f32,
}

/// What exists once the size of the picture is known.
struct Line {
    canvas: Size,
    speed: Speed,
    compositor: Compositor,
    encoder: VideoEncoder,
}

pub(crate) struct PictureTrack {
    plan: PicturePlan,
    link: Link,
    viewer: Viewer,
    sources: Vec<TrackId>,
    live: LiveFrames,
    /// The size of the main source's pictures.
    main: Option<Size>,
    /// The scene, and the sizes of the sources' pictures that it is made for.
    scene: Option<(Vec<Option<Size>>, Scene)>,
    line: Option<Line>,
    chunker: Option<Chunker>,
    cadence: Cadence,
    pressure: Pressure,
    /// When the newest picture that is not encoded yet was seen.
    pending: Option<Timestamp>,
    last: Option<Timestamp>,
    /// When the newest one was encoded, which is a little after it was seen.
    encoded_at: Option<Timestamp>,
    /// The instant that was drawn last, whether or not anything was different then.
    drawn: Option<Timestamp>,
    /// Nothing is shown before this: where the recording went on after a pause.
    floor: Timestamp,
    paused: bool,
    /// How pictures fared while nothing was paused.
    frames: FrameCounts,
    /// What the sources counted when they were looked at last.
    counted: FrameCounts,
    reported: (Timestamp, u64),
}

impl PictureTrack {
    pub(crate) fn new(plan: PicturePlan, link: Link, viewer: Viewer) -> Self {
        let (cadence, pressure) = (Cadence::new(link.policy), Pressure::new(plan.fps));
        let mut live = LiveFrames::default();
        live.set_style(&plan.layout);
        Self {
            sources: plan.show.sources(),
            plan,
            link,
            viewer,
            live,
            main: None,
            scene: None,
            line: None,
            chunker: None,
            cadence,
            pressure,
            pending: None,
            last: None,
            encoded_at: None,
            drawn: None,
            floor: Timestamp::ZERO,
            paused: false,
            frames: FrameCounts::default(),
            counted: FrameCounts::default(),
            reported: (Timestamp::ZERO, 0),
        }
    }

    /// Until told to stop, or until it fails; then what came so far is sealed all the same.
    pub(crate) fn run(mut self) -> Result<(), EngineError> {
        let outcome = self.work();
        if let (Err(_), Some(chunker)) = (&outcome, &mut self.chunker) {
            chunker.seal(self.link.time.now());
            self.send()?;
        }
        self.report(self.link.time.now(), true);
        outcome
    }

    fn work(&mut self) -> Result<(), EngineError> {
        loop {
            let deadline = self.deadline();
            self.viewer.pictures.wait(deadline.saturating_since(self.link.time.now()));
            // The time first: what is told before it jumps must be obeyed before it is used.
            let now = self.link.time.now();
            let mut stalled = !self.paused;
            loop {
                match self.link.controls.try_recv() {
                    Ok(control) => {
                        stalled = false;
                        if self.obey(control)? == Flow::End {
                            return Ok(());
                        }
                    }
                    Err(TryRecvError::Empty) => break,
                    // Whoever holds the controls is gone: so is the session.
                    Err(TryRecvError::Disconnected) => return self.seal(now),
                }
            }
            if stalled {
                self.notice_stall(deadline, now);
            }
            self.refresh(now);
            if !self.paused {
                self.picture(now)?;
                self.advance(now)?;
            }
            self.report(now, false);
        }
    }

    /// Takes what is new. What comes during a pause is kept, for it is what the recording goes on with, but nobody
    /// counts it.
    fn refresh(&mut self, now: Timestamp) {
        let Refreshed { newest, replaced } = self.live.refresh(&self.viewer, &self.sources);
        let counted = self.sources.iter().map(|track| self.viewer.pictures.counts(track)).fold(
            FrameCounts::default(),
            |sum, counts| FrameCounts {
                captured: sum.captured + counts.captured,
                unchanged: sum.unchanged + counts.unchanged,
                dropped: sum.dropped + counts.dropped,
                encoded: 0,
            },
        );
        let before = std::mem::replace(&mut self.counted, counted);
        if self.paused {
            return;
        }
        self.frames.captured += counted.captured - before.captured;
        self.frames.unchanged += counted.unchanged - before.unchanged;
        self.frames.dropped += counted.dropped - before.dropped + replaced;
        // Nothing is seen before it happens: a stamp from the future is a device's error.
        self.pending = newest.map(|newest| newest.min(now)).or(self.pending);
    }

    /// When there is something to do even if no picture comes.
    fn deadline(&self) -> Timestamp {
        let now = self.link.time.now();
        if self.paused {
            return now + REPORT;
        }
        let mut deadline = now.next_multiple(ChunkPolicy::PART);
        if let Some(due) = self.cadence.due(self.pressure.period()) {
            deadline = deadline.min(due.at + due.patience);
        }
        if self.pending.is_some() {
            deadline = deadline.min(self.earliest());
        } else if let Some(change) = self.changes_by_itself() {
            deadline = deadline.min(change.max(self.earliest()));
        }
        deadline
    }

    /// When something drawn over the pictures looks different though nothing came: it fades, spreads or hides.
    fn changes_by_itself(&self) -> Option<Timestamp> {
        let drawn = self.drawn.filter(|_| matches!(self.plan.show, Show::Program { .. }))?;
        self.live.next_change(drawn)
    }

    /// Before this no other picture is encoded, or there would be more than the ceiling allows. One source keeps its
    /// own time, give or take; several come at different instants, so what comes within a period is drawn at once.
    fn earliest(&self) -> Timestamp {
        let period = self.pressure.period();
        match (self.last, self.encoded_at) {
            (Some(_), Some(encoded)) if self.sources.len() > 1 => encoded + period * 31 / 32,
            (Some(last), _) => last + period * 3 / 4,
            (None, _) => Timestamp(i64::MIN),
        }
    }

    /// Encodes what changed, or what is due although nothing changed.
    fn picture(&mut self, now: Timestamp) -> Result<(), EngineError> {
        if self.pending.is_none() {
            self.pending = self.changes_by_itself().filter(|&change| change <= now);
        }
        if let Some(at) = self.pending
            && at.max(now) >= self.earliest()
        {
            self.pending = None;
            return self.encode(at, now, false);
        }
        // A loop that was held up catches up, so every chunk begins where it should.
        while let Some(due) = self.cadence.due(self.pressure.period())
            && due.at + due.patience <= now
        {
            self.encode(due.at, now, true)?;
        }
        Ok(())
    }

    fn encode(&mut self, at: Timestamp, now: Timestamp, repeat: bool) -> Result<(), EngineError> {
        let began = self.link.time.now();
        let after_last = self.last.map_or(self.floor, |last| last + CLOSEST);
        let at = at.max(self.floor).max(after_last);
        self.fit(at)?;
        let (Some(line), Some((_, scene))) = (&mut self.line, &self.scene) else { return Ok(()) };
        let drawn = line.compositor.render(scene, at, &mut self.live)?;
        self.drawn = Some(at);
        let keyframe = self.cadence.needs_keyframe(at);
        if drawn.damage.is_empty() && !repeat && !keyframe {
            self.frames.unchanged += 1;
            return Ok(());
        }
        if keyframe {
            line.encoder.request_keyframe();
        }
        line.encoder.push(line.compositor.picture(), at)?;
        self.cadence.encoded(at);
        self.last = Some(at);
        self.encoded_at = Some(now);
        self.frames.encoded += 1;
        self.drain()?;
        self.judge(began, now);
        Ok(())
    }

    /// Gives way while this is too much work, and tells.
    fn judge(&mut self, began: Timestamp, now: Timestamp) {
        let before = self.pressure.relief();
        if !self.pressure.worked(self.link.time.now().saturating_since(began), now) {
            return;
        }
        let relief = self.pressure.relief();
        self.live.set_effects(if relief.essential_only { Effects::Essential } else { Effects::All });
        let message = relief.describe(&before, self.plan.fps);
        self.link.say(Input::Relieved {
            track: self.link.track.clone(),
            more: relief.is_more_than(&before),
            longer_chunks: relief.longer_chunks,
            message,
        });
    }

    /// Makes scene, compositor and encoder for the pictures' sizes as they are now.
    fn fit(&mut self, at: Timestamp) -> Result<(), EngineError> {
        let sizes: Vec<_> = self.sources.iter().map(|track| self.live.size(track)).collect();
        let Some(Some(main)) = sizes.first().copied() else { return Ok(()) };
        let canvas = main.fit_even(Size::new(self.plan.quality.width, self.plan.quality.height));
        if self.scene.as_ref().is_none_or(|(known, _)| *known != sizes) {
            if self.main.replace(main) != Some(main) {
                self.live.resize(main);
                self.link.say(Input::Sized { track: self.link.track.clone(), size: main, at });
            }
            let scene = self.plan.show.scene(canvas, &sizes, &self.plan.layout);
            self.scene = Some((sizes, scene));
        }
        // A lighter preset waits for the next chunk, which begins anew anyway.
        let speed = self.pressure.relief().speed;
        let may_change = self.cadence.needs_keyframe(at);
        match &self.line {
            Some(line) if line.canvas == canvas && (line.speed == speed || !may_change) => Ok(()),
            _ => self.open(canvas, speed, at),
        }
    }

    fn open(&mut self, canvas: Size, speed: Speed, at: Timestamp) -> Result<(), EngineError> {
        if let Some(line) = &mut self.line {
            line.encoder.finish()?;
        }
        self.drain()?;
        let encoder = VideoEncoder::open(&VideoConfig {
            codec: VideoCodec::H264,
            size: canvas,
            fps: self.plan.fps,
            crf: CRF,
            max_bitrate: self.plan.quality.bitrate * 2,
            speed,
        })?;
        match &mut self.chunker {
            Some(chunker) => chunker.reconfigure(encoder.config(), at)?,
            None => {
                let (session, track) = (self.link.session, self.link.track.clone());
                let chunker = Chunker::new(session, track, encoder.config(), self.link.policy, 1)?;
                self.chunker = Some(chunker);
            }
        }
        self.cadence.interrupt();
        let compositor = match self.line.take() {
            Some(line) if line.canvas == canvas => line.compositor,
            _ => Compositor::new(canvas)?,
        };
        self.line = Some(Line { canvas, speed, compositor, encoder });
        Ok(())
    }

    fn obey(&mut self, control: Control) -> Result<Flow, EngineError> {
        match control {
            Control::Pause { at } => {
                self.seal(at)?;
                self.paused = true;
            }
            Control::Resume { at } => {
                self.paused = false;
                self.floor = at;
                // Whatever the screen shows now is where the recording goes on.
                self.pending = Some(at);
            }
            Control::Stop { at } => {
                if !self.paused {
                    self.seal(at)?;
                }
                return Ok(Flow::End);
            }
            Control::Layout(layout) => self.arrange(layout),
            Control::Policy(policy) => {
                self.link.policy = policy;
                self.cadence.set_policy(policy);
                if let Some(chunker) = &mut self.chunker {
                    chunker.set_policy(policy);
                }
            }
        }
        Ok(Flow::Continue)
    }

    /// Sources lie elsewhere from now on.
    fn arrange(&mut self, layout: Layout) {
        self.plan.layout = layout;
        self.live.set_style(&layout);
        self.scene = None;
        if !self.paused {
            self.pending = Some(self.link.time.now());
        }
    }

    /// Ends the run of pictures at `at`.
    fn seal(&mut self, at: Timestamp) -> Result<(), EngineError> {
        if let Some(pending) = self.pending.take().filter(|&pending| pending < at) {
            self.encode(pending, at, false)?;
        }
        // The part that is open may have closed on a still picture already: it goes on to the very end.
        let cell = (at - CLOSEST).floor_to(ChunkPolicy::PART);
        if self.last.is_some_and(|last| last < cell && cell >= self.floor) {
            self.encode(cell, at, true)?;
        }
        if let Some(chunker) = &mut self.chunker {
            chunker.seal(at);
        }
        self.cadence.interrupt();
        self.send()
    }

    fn advance(&mut self, now: Timestamp) -> Result<(), EngineError> {
        // A picture that was seen just now may still be on its way here.
        let settled = now - self.pressure.period() * 2;
        if let Some(chunker) = &mut self.chunker {
            chunker.advance(settled);
        }
        self.send()
    }

    fn drain(&mut self) -> Result<(), EngineError> {
        if let (Some(line), Some(chunker)) = (&mut self.line, &mut self.chunker) {
            while let Some(packet) = line.encoder.poll()? {
                chunker.push(packet)?;
            }
        }
        self.send()
    }

    fn send(&mut self) -> Result<(), EngineError> {
        while let Some(piece) = self.chunker.as_mut().and_then(Chunker::poll) {
            self.link.pieces.send(piece)?;
        }
        Ok(())
    }

    fn notice_stall(&self, deadline: Timestamp, now: Timestamp) {
        if now.saturating_since(deadline) > STALL {
            let span = Span::new(deadline, now);
            let track = Some(self.link.track.clone());
            self.link.say(Input::Gap(Gap { track, span, reason: GapReason::Stalled }));
        }
    }

    fn report(&mut self, now: Timestamp, last: bool) {
        let elapsed = now.saturating_since(self.reported.0);
        if elapsed < REPORT && !last {
            return;
        }
        let fps = (self.frames.encoded - self.reported.1) as f32 / elapsed.as_secs_f32().max(0.001);
        self.reported = (now, self.frames.encoded);
        let frames = self.frames;
        let report = PictureReport { frames, fps, ceiling: self.pressure.ceiling() as f32 };
        self.link.say(Input::Report(self.link.track.clone(), report));
    }
}
