//! All sound of a session: blocks in, put on one grid, mixed, encoded and cut into pieces, on a thread of its own.

use crate::{
    error::EngineError,
    run::Input,
    session::{Control, Flow, Pieces, SessionTime},
};
use clock::{AudioAligner, Level, mix};
use codec::{AudioConfig, AudioEncoder};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, select};
use media::{ChunkPolicy, Chunker};
use model::{AudioBlock, Gap, GapReason, SessionId, Timestamp, TrackId};
use std::{collections::HashMap, time::Duration};

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
    pub(crate) session: SessionId,
    /// Each source, and whether missing samples are a loss: a speaker that plays nothing may send nothing.
    pub(crate) sources: Vec<(TrackId, Silence)>,
    /// All sources together.
    pub(crate) mix: TrackId,
    pub(crate) policy: ChunkPolicy,
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
    peak: f32,
    /// Its own track, where there is more than one source.
    output: Option<Output>,
}

pub(crate) struct Sound {
    time: SessionTime,
    blocks: Receiver<(TrackId, AudioBlock)>,
    controls: Receiver<Control>,
    pieces: Pieces,
    inputs: Sender<Input>,
    lanes: Vec<Lane>,
    mix: Output,
    /// Everything before this went to the encoders.
    written: Timestamp,
    reported: Timestamp,
}

impl Sound {
    pub(crate) fn new(
        plan: &SoundPlan,
        time: SessionTime,
        blocks: Receiver<(TrackId, AudioBlock)>,
        controls: Receiver<Control>,
        pieces: Pieces,
        inputs: Sender<Input>,
    ) -> Result<Self, EngineError> {
        let output = |track: &TrackId| Output::open(plan.session, track, plan.policy);
        let apart = plan.sources.len() > 1;
        let lane = |(track, silence): &(TrackId, Silence)| {
            Ok(Lane {
                track: track.clone(),
                silence: *silence,
                aligner: AudioAligner::new(RATE),
                peak: Level::SILENCE.peak,
                output: apart.then(|| output(track)).transpose()?,
            })
        };
        Ok(Self {
            time,
            blocks,
            controls,
            pieces,
            inputs,
            lanes: plan.sources.iter().map(lane).collect::<Result<_, EngineError>>()?,
            mix: output(&plan.mix)?,
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
        outcome
    }

    fn work(&mut self) -> Result<(), EngineError> {
        loop {
            select! {
                recv(self.blocks) -> block => if let Ok(block) = block { self.take(block) },
                recv(self.controls) -> control => match control {
                    Ok(control) => if self.obey(control)? == Flow::End { return Ok(()) },
                    // Whoever holds the controls is gone: so is the session.
                    Err(_) => return self.seal(self.written),
                },
                default(RUN * 2) => {}
            }
            // The time first: what is told before it jumps must be obeyed before it is used.
            let now = self.time.now();
            while let Ok(control) = self.controls.try_recv() {
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
        }
    }

    fn take(&mut self, (track, block): (TrackId, AudioBlock)) {
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.track == track) {
            lane.peak = lane.peak.max(Level::of(&block.samples).peak);
            lane.aligner.push(&block);
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
            let left = (at + LATENESS).saturating_since(self.time.now());
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
                    output.push(&run.samples, at, &self.pieces)?;
                }
                runs.push(run.samples);
            }
            let views: Vec<&[f32]> = runs.iter().map(Vec::as_slice).collect();
            self.mix.push(&mix(&views), at, &self.pieces)?;
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
                    let gap = Gap { track: Some(lane.track.clone()), span, reason: GapReason::SamplesLost };
                    let _ending = self.inputs.send(Input::Gap(gap));
                }
            }
        }
    }

    fn seal(&mut self, at: Timestamp) -> Result<(), EngineError> {
        self.write(at)?;
        for output in self.lanes.iter_mut().filter_map(|lane| lane.output.as_mut()) {
            output.seal(at, &self.pieces)?;
        }
        self.mix.seal(at, &self.pieces)
    }

    /// Seals at `at` and throws sound away until it goes on.
    fn pause(&mut self, at: Timestamp) -> Result<Flow, EngineError> {
        self.settle(at);
        self.seal(at)?;
        loop {
            select! {
                recv(self.blocks) -> _unheard => {}
                recv(self.controls) -> control => match control {
                    Ok(Control::Resume { at }) => {
                        self.resume(at)?;
                        return Ok(Flow::Continue);
                    }
                    Ok(Control::Stop { .. }) | Err(_) => return Ok(Flow::End),
                    Ok(Control::Pause { .. }) => {}
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
        let peaks: HashMap<_, _> = self
            .lanes
            .iter_mut()
            .map(|lane| (lane.track.clone(), std::mem::replace(&mut lane.peak, Level::SILENCE.peak)))
            .collect();
        let _ending = self.inputs.send(Input::Peaks(peaks));
    }
}

impl Output {
    fn open(session: SessionId, track: &TrackId, policy: ChunkPolicy) -> Result<Self, EngineError> {
        let encoder = open_encoder()?;
        let chunker = Chunker::new(session, track.clone(), encoder.config(), policy, 1)?;
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
    Ok(AudioEncoder::open(&AudioConfig { rate: RATE, channels: CHANNELS, bitrate: BITRATE })?)
}
