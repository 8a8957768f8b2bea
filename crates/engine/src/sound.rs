//! All sound of a session: blocks in, put on one grid, mixed, encoded and cut into pieces, on a thread of its own.

use crate::{
    error::EngineError,
    run::Input,
    threads::{Control, Flow, Link, Pieces},
    watch::Heard,
    writer::Write,
};
use clock::{AudioAligner, Level, clipped, mix};
use codec::{AudioCodec, AudioConfig, AudioEncoder};
use crossbeam_channel::{Receiver, RecvTimeoutError, never, select};
use media::Chunker;
use model::{AudioBlock, Gap, GapReason, SoundCheck, Timestamp, TrackId};
use std::time::Duration;

/// Samples a second of everything that is written.
const RATE: u32 = 48_000;
const CHANNELS: u16 = 2;
const BITRATE: u32 = 128_000;
/// Sound that is later than this becomes silence. Part, encoder and this together stay below half a second.
const LATENESS: Duration = Duration::from_millis(150);
/// Sound goes to the encoders in runs of at least this length.
const RUN: Duration = Duration::from_millis(20);
const REPORT: Duration = Duration::from_millis(250);

/// What is written of a session's sound.
pub(crate) struct SoundPlan {
    /// Each source, and whether missing samples are a loss: a speaker that plays nothing may send nothing.
    pub(crate) sources: Vec<(TrackId, Silence)>,
    /// Whether each has a track of its own, besides the mix.
    pub(crate) apart: bool,
}

/// What it means when a source sends nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Nothing was to be heard.
    Natural,
    /// Samples are missing.
    Loss,
}

/// Encoder and chunker of one track.
struct Output {
    encoder: AudioEncoder,
    chunker: Chunker,
}

struct Lane {
    track: TrackId,
    silence: Silence,
    aligner: AudioAligner,
    /// Since the last report.
    heard: Heard,
    /// For the session's end: the farthest that sound lay from its place, and how much of it is missing.
    offset: f64,
    filled: Duration,
    /// Its own track, where there is more than one source.
    output: Option<Output>,
}

pub(crate) struct Sound {
    link: Link,
    blocks: Receiver<(TrackId, AudioBlock)>,
    lanes: Vec<Lane>,
    mix: Output,
    /// Everything before this went to the encoders.
    written: Timestamp,
    reported: Timestamp,
}

impl Lane {
    const UNHEARD: Heard = Heard { peak: Level::SILENCE.peak, clipped: 0, any: false, drift_ppm: 0.0 };

    fn take(&mut self, block: &AudioBlock) {
        self.heard.peak = self.heard.peak.max(Level::of(&block.samples).peak);
        self.heard.clipped += clipped(&block.samples, block.channels);
        self.heard.any = true;
        self.aligner.push(block);
        let deviation = self.aligner.deviation();
        if deviation.abs() > self.offset.abs() {
            self.offset = deviation;
        }
    }

    fn check(&self) -> SoundCheck {
        SoundCheck {
            track: self.track.clone(),
            drift_ppm: self.aligner.drift_ppm().round() as i32,
            offset_us: (self.offset * 1e6).round() as i64,
            filled_ms: u64::try_from(self.filled.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl Sound {
    pub(crate) fn new(
        plan: &SoundPlan,
        link: Link,
        blocks: Receiver<(TrackId, AudioBlock)>,
    ) -> Result<Self, EngineError> {
        let lane = |(track, silence): &(TrackId, Silence)| {
            Ok(Lane {
                track: track.clone(),
                silence: *silence,
                aligner: AudioAligner::new(RATE),
                heard: Lane::UNHEARD,
                offset: 0.0,
                filled: Duration::ZERO,
                output: plan.apart.then(|| Output::open(&link, track)).transpose()?,
            })
        };
        Ok(Self {
            blocks,
            lanes: plan.sources.iter().map(lane).collect::<Result<_, EngineError>>()?,
            mix: Output::open(&link, &link.track)?,
            link,
            written: Timestamp::ZERO,
            reported: Timestamp::ZERO,
        })
    }

    /// Until told to stop, or until it fails; then what came so far is sealed all the same.
    pub(crate) fn run(mut self) -> Result<(), EngineError> {
        let outcome = self.work();
        if outcome.is_err() {
            self.seal(self.written)?;
        }
        let check = self.lanes.iter().map(Lane::check).collect();
        outcome.and(self.link.pieces.write(Write::SoundCheck(check)))
    }

    fn work(&mut self) -> Result<(), EngineError> {
        loop {
            select! {
                recv(self.blocks) -> block => match block {
                    Ok(block) => self.take(block),
                    // No source is left: waiting for one would not wait at all.
                    Err(_) => self.blocks = never(),
                },
                recv(self.link.controls) -> control => match control {
                    Ok(control) => if self.obey(control)? == Flow::End { return Ok(()) },
                    // Whoever holds the controls is gone: so is the session.
                    Err(_) => return self.seal(self.written),
                },
                default(RUN * 2) => {}
            }
            // The time first: what is told before it jumps must be obeyed before it is used.
            let now = self.link.time.now();
            while let Ok(control) = self.link.controls.try_recv() {
                if self.obey(control)? == Flow::End {
                    return Ok(());
                }
            }
            self.advance(now - LATENESS);
            let until = self.common();
            if until.saturating_since(self.written) >= RUN {
                self.write(until)?;
            }
            self.report(now);
        }
    }

    fn obey(&mut self, control: Control) -> Result<Flow, EngineError> {
        match control {
            Control::Pause { at } => self.pause(at),
            Control::Resume { at } => self.resume(at).map(|()| Flow::Continue),
            Control::Stop { at } => {
                self.settle(at);
                self.seal(at).map(|()| Flow::End)
            }
            Control::Policy(policy) => {
                let outputs = self.lanes.iter_mut().filter_map(|lane| lane.output.as_mut());
                outputs.chain([&mut self.mix]).for_each(|output| output.chunker.set_policy(policy));
                Ok(Flow::Continue)
            }
            Control::Layout(_) => Ok(Flow::Continue),
        }
    }

    fn take(&mut self, (track, block): (TrackId, AudioBlock)) {
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.track == track) {
            lane.take(&block);
        }
    }

    fn advance(&mut self, to: Timestamp) {
        for lane in &mut self.lanes {
            lane.aligner.advance(to);
        }
    }

    /// Up to where every source has sound.
    fn common(&self) -> Timestamp {
        self.lanes.iter().map(|lane| lane.aligner.ready()).min().unwrap_or(self.written)
    }

    /// Waits for sound up to `at`, as long as it may be on its way.
    fn settle(&mut self, at: Timestamp) {
        while self.common() < at {
            let left = (at + LATENESS).saturating_since(self.link.time.now());
            match self.blocks.recv_timeout(left) {
                Ok(block) => self.take(block),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        self.advance(at);
    }

    /// Hands what every source has before `until` to the encoders.
    fn write(&mut self, until: Timestamp) -> Result<(), EngineError> {
        let until = until.min(self.common());
        while self.written < until {
            let at = self.written;
            let mut runs = Vec::with_capacity(self.lanes.len());
            for lane in &mut self.lanes {
                let run = lane.aligner.read(until);
                self.written = run.at + run.duration();
                if let Some(output) = &mut lane.output {
                    output.push(&run.samples, at, &self.link.pieces)?;
                }
                runs.push(run.samples);
            }
            let views: Vec<&[f32]> = runs.iter().map(Vec::as_slice).collect();
            self.mix.push(&mix(&views), at, &self.link.pieces)?;
            if self.written <= at {
                break;
            }
        }
        self.tell_gaps();
        Ok(())
    }

    fn tell_gaps(&mut self) {
        for lane in &mut self.lanes {
            while let Some(span) = lane.aligner.poll_gap() {
                if lane.silence == Silence::Loss {
                    lane.filled += span.duration();
                    let gap = Gap { track: Some(lane.track.clone()), span, reason: GapReason::SamplesLost };
                    self.link.say(Input::Gap(gap));
                }
            }
        }
    }

    fn seal(&mut self, at: Timestamp) -> Result<(), EngineError> {
        self.write(at)?;
        for output in self.lanes.iter_mut().filter_map(|lane| lane.output.as_mut()) {
            output.seal(at, &self.link.pieces)?;
        }
        self.mix.seal(at, &self.link.pieces)
    }

    /// Seals at `at` and throws sound away until it goes on.
    fn pause(&mut self, at: Timestamp) -> Result<Flow, EngineError> {
        self.settle(at);
        self.seal(at)?;
        loop {
            select! {
                recv(self.blocks) -> unheard => if unheard.is_err() { self.blocks = never() },
                recv(self.link.controls) -> control => match control {
                    Ok(Control::Resume { at }) => {
                        self.resume(at)?;
                        return Ok(Flow::Continue);
                    }
                    Ok(Control::Stop { .. }) | Err(_) => return Ok(Flow::End),
                    Ok(control @ Control::Policy(_)) => _ = self.obey(control)?,
                    Ok(Control::Pause { .. } | Control::Layout(_)) => {}
                },
            }
        }
    }

    fn resume(&mut self, at: Timestamp) -> Result<(), EngineError> {
        for lane in &mut self.lanes {
            lane.aligner.restart(at);
            if let Some(output) = &mut lane.output {
                output.restart(at)?;
            }
        }
        self.mix.restart(at)?;
        self.written = at;
        Ok(())
    }

    fn report(&mut self, now: Timestamp) {
        if now.saturating_since(self.reported) < REPORT {
            return;
        }
        self.reported = now;
        let heard = |lane: &mut Lane| {
            let heard = std::mem::replace(&mut lane.heard, Lane::UNHEARD);
            (lane.track.clone(), Heard { drift_ppm: lane.aligner.drift_ppm(), ..heard })
        };
        let heard = self.lanes.iter_mut().map(heard).collect();
        self.link.say(Input::Heard(heard));
    }
}

impl Output {
    fn open(link: &Link, track: &TrackId) -> Result<Self, EngineError> {
        let encoder = open_encoder()?;
        let chunker = Chunker::new(link.session, track.clone(), encoder.config(), link.policy, 1)?;
        Ok(Self { encoder, chunker })
    }

    fn push(&mut self, samples: &[f32], at: Timestamp, pieces: &Pieces) -> Result<(), EngineError> {
        self.encoder.push(samples, at)?;
        self.drain(pieces)
    }

    fn drain(&mut self, pieces: &Pieces) -> Result<(), EngineError> {
        while let Some(packet) = self.encoder.poll()? {
            self.chunker.push(packet)?;
        }
        while let Some(piece) = self.chunker.poll() {
            pieces.send(piece)?;
        }
        Ok(())
    }

    fn seal(&mut self, at: Timestamp, pieces: &Pieces) -> Result<(), EngineError> {
        self.encoder.finish()?;
        self.drain(pieces)?;
        self.chunker.seal(at);
        self.drain(pieces)
    }

    /// Sound goes on at `at`, with nothing left in the encoder of what was before.
    fn restart(&mut self, at: Timestamp) -> Result<(), EngineError> {
        self.encoder = open_encoder()?;
        Ok(self.chunker.reconfigure(self.encoder.config(), at)?)
    }
}

fn open_encoder() -> Result<AudioEncoder, EngineError> {
    Ok(AudioEncoder::open(&AudioConfig {
        codec: AudioCodec::Aac,
        rate: RATE,
        channels: CHANNELS,
        bitrate: BITRATE,
    })?)
}
