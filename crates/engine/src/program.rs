//! The program track: newest pictures in, composited, encoded and cut into pieces, on a thread of its own.

use crate::{
    cadence::{Cadence, Throttle},
    command::{FrameCounts, Quality},
    error::EngineError,
    live::LiveFrames,
    run::Input,
    session::{Control, Flow, Pieces, SessionTime},
};
use capture::Viewer;
use codec::{Speed, VideoConfig, VideoEncoder};
use compose::Compositor;
use crossbeam_channel::{Receiver, Sender, TryRecvError};
use media::{ChunkPolicy, Chunker};
use model::{Gap, GapReason, Layout, Pictured, Scene, SessionId, Size, Span, Timestamp, TrackId};
use std::time::Duration;

/// A loop later than this was held up from outside, which is told.
const STALL: Duration = Duration::from_millis(700);
/// Two pictures are at least this far apart, so that each has a tick of its own.
const CLOSEST: Duration = Duration::from_micros(100);
/// How often the engine's loop hears how pictures fare.
const REPORT: Duration = Duration::from_millis(500);

/// What the program track is made of.
pub(crate) struct ProgramPlan {
    pub(crate) session: SessionId,
    pub(crate) track: TrackId,
    pub(crate) screen: TrackId,
    pub(crate) pointer: TrackId,
    pub(crate) quality: Quality,
    pub(crate) fps: u32,
    pub(crate) policy: ChunkPolicy,
}

/// How the pictures fared, said now and then.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ProgramReport {
    pub(crate) frames: FrameCounts,
    pub(crate) fps: f32,
    pub(crate) ceiling: f32,
}

/// What exists once the size of the picture is known.
struct Line {
    source: Size,
    scene: Scene,
    compositor: Compositor,
    encoder: VideoEncoder,
}

pub(crate) struct Program {
    plan: ProgramPlan,
    time: SessionTime,
    viewer: Viewer,
    controls: Receiver<Control>,
    pieces: Pieces,
    inputs: Sender<Input>,
    live: LiveFrames,
    line: Option<Line>,
    chunker: Option<Chunker>,
    cadence: Cadence,
    throttle: Throttle,
    /// When the newest picture that is not encoded yet was seen.
    pending: Option<Timestamp>,
    last: Option<Timestamp>,
    /// Nothing is shown before this: where the recording went on after a pause.
    floor: Timestamp,
    paused: bool,
    /// How pictures fared while nothing was paused.
    frames: FrameCounts,
    /// What the source counted when it was looked at last.
    source: capture::Counts,
    reported: (Timestamp, u64),
}

impl Program {
    pub(crate) fn new(
        plan: ProgramPlan,
        time: SessionTime,
        viewer: Viewer,
        controls: Receiver<Control>,
        pieces: Pieces,
        inputs: Sender<Input>,
    ) -> Self {
        let (cadence, throttle) = (Cadence::new(plan.policy), Throttle::new(plan.fps));
        let live = LiveFrames::new(plan.pointer.clone());
        Self {
            plan,
            time,
            viewer,
            controls,
            pieces,
            inputs,
            live,
            line: None,
            chunker: None,
            cadence,
            throttle,
            pending: None,
            last: None,
            floor: Timestamp::ZERO,
            paused: false,
            frames: FrameCounts::default(),
            source: capture::Counts::default(),
            reported: (Timestamp::ZERO, 0),
        }
    }

    /// Until told to stop, or until it fails; then what came so far is sealed all the same.
    pub(crate) fn run(mut self) -> Result<(), EngineError> {
        let outcome = self.work();
        if let (Err(_), Some(chunker)) = (&outcome, &mut self.chunker) {
            chunker.seal(self.time.now());
            self.send()?;
        }
        self.report(self.time.now(), true);
        outcome
    }

    fn work(&mut self) -> Result<(), EngineError> {
        loop {
            let deadline = self.deadline();
            self.viewer.pictures.wait(deadline.saturating_since(self.time.now()));
            // The time first: what is told before it jumps must be obeyed before it is used.
            let now = self.time.now();
            let mut stalled = !self.paused;
            loop {
                match self.controls.try_recv() {
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
            self.refresh();
            if !self.paused {
                self.picture(now)?;
                self.advance(now)?;
            }
            self.report(now, false);
        }
    }

    /// Takes what is new. What comes during a pause is kept, for it is what the recording goes on with, but nobody
    /// counts it.
    fn refresh(&mut self) {
        let newest = self.live.refresh(&self.viewer, std::slice::from_ref(&self.plan.screen));
        let (before, now) = (self.source, self.viewer.pictures.counts(&self.plan.screen));
        self.source = now;
        if self.paused {
            return;
        }
        self.frames.captured += now.captured - before.captured;
        self.frames.unchanged += now.unchanged - before.unchanged;
        self.frames.dropped += now.dropped - before.dropped;
        if newest.is_some() && self.pending.is_some() && newest > self.pending {
            self.frames.dropped += 1;
        }
        self.pending = newest.or(self.pending);
    }

    /// When there is something to do even if no picture comes.
    fn deadline(&self) -> Timestamp {
        let now = self.time.now();
        if self.paused {
            return now + REPORT;
        }
        let mut deadline = now.next_multiple(ChunkPolicy::PART);
        if let Some(due) = self.cadence.due(self.throttle.period()) {
            deadline = deadline.min(due.at + due.patience);
        }
        if self.pending.is_some() {
            deadline = deadline.min(self.earliest());
        }
        deadline
    }

    /// Before this no other picture is encoded, or there would be more than the ceiling allows.
    fn earliest(&self) -> Timestamp {
        self.last.map_or(Timestamp(i64::MIN), |last| last + self.throttle.period() * 3 / 4)
    }

    /// Encodes what changed, or what is due although nothing changed.
    fn picture(&mut self, now: Timestamp) -> Result<(), EngineError> {
        if let Some(at) = self.pending
            && at.max(now) >= self.earliest()
        {
            self.pending = None;
            return self.encode(at, now, false);
        }
        // A loop that was held up catches up, so every chunk begins where it should.
        while let Some(due) = self.cadence.due(self.throttle.period())
            && due.at + due.patience <= now
        {
            self.encode(due.at, now, true)?;
        }
        Ok(())
    }

    fn encode(&mut self, at: Timestamp, now: Timestamp, repeat: bool) -> Result<(), EngineError> {
        let began = self.time.now();
        let after_last = self.last.map_or(self.floor, |last| last + CLOSEST);
        let at = at.max(self.floor).max(after_last);
        self.fit(at)?;
        let Some(line) = &mut self.line else { return Ok(()) };
        let drawn = line.compositor.render(&line.scene, at, &mut self.live)?;
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
        self.frames.encoded += 1;
        self.drain()?;
        if self.throttle.worked(self.time.now().saturating_since(began), now) {
            self.say(Input::Throttled { fps: self.throttle.ceiling() });
        }
        Ok(())
    }

    /// Makes compositor and encoder for the picture's size as it is now.
    fn fit(&mut self, at: Timestamp) -> Result<(), EngineError> {
        let Some(frame) = self.live.peek(&self.plan.screen) else { return Ok(()) };
        let source = frame.picture.size;
        if self.line.as_ref().is_some_and(|line| line.source == source) {
            return Ok(());
        }
        let canvas = source.fit_even(Size::new(self.plan.quality.width, self.plan.quality.height));
        if let Some(line) = &mut self.line {
            line.encoder.finish()?;
        }
        self.drain()?;
        let encoder = VideoEncoder::open(&VideoConfig {
            size: canvas,
            fps: self.plan.fps,
            crf: 23.0,
            max_bitrate: self.plan.quality.bitrate * 2,
            speed: Speed::Veryfast,
        })?;
        match &mut self.chunker {
            Some(chunker) => chunker.reconfigure(encoder.config(), at)?,
            None => {
                let (session, track) = (self.plan.session, self.plan.track.clone());
                let chunker = Chunker::new(session, track, encoder.config(), self.plan.policy, 1)?;
                self.chunker = Some(chunker);
            }
        }
        self.cadence.interrupt();
        let screen = Pictured { track: self.plan.screen.clone(), size: source };
        let pointer = Pictured { track: self.plan.pointer.clone(), size: source };
        let scene = Layout::default().scene(canvas, Some(&screen), None, &[pointer]);
        self.line = Some(Line { source, scene, compositor: Compositor::new(canvas)?, encoder });
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
        }
        Ok(Flow::Continue)
    }

    /// Ends the run of pictures at `at`.
    fn seal(&mut self, at: Timestamp) -> Result<(), EngineError> {
        if let Some(pending) = self.pending.take().filter(|&pending| pending < at) {
            self.encode(pending, at, false)?;
        }
        if let Some(chunker) = &mut self.chunker {
            chunker.seal(at);
        }
        self.cadence.interrupt();
        self.send()
    }

    fn advance(&mut self, now: Timestamp) -> Result<(), EngineError> {
        // A picture that was seen just now may still be on its way here.
        let settled = now - self.throttle.period() * 2;
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
            self.pieces.send(piece)?;
        }
        Ok(())
    }

    fn notice_stall(&self, deadline: Timestamp, now: Timestamp) {
        if now.saturating_since(deadline) > STALL {
            let span = Span::new(deadline, now);
            let track = Some(self.plan.track.clone());
            self.say(Input::Gap(Gap { track, span, reason: GapReason::Stalled }));
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
        self.say(Input::Report(ProgramReport { frames, fps, ceiling: self.throttle.ceiling() as f32 }));
    }

    fn say(&self, input: Input) {
        // The loop lives longer than its tracks; where it is ending, nobody wants to hear.
        let _ending = self.inputs.send(input);
    }
}
