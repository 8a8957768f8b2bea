//! The data track: what people did, one JSON document for each instant at which something happened, on a thread of
//! its own. A chunk begins with all that held, so that every chunk can be read alone.

use crate::{
    cadence::Cadence,
    error::EngineError,
    threads::{Control, Flow, Link},
};
use crossbeam_channel::{Receiver, never, select};
use media::{ChunkPolicy, Chunker};
use model::{CodecConfig, InputEvent, InputSample, InputState, Packet, Timestamp};
use std::time::Duration;

/// Two samples are at least this far apart, so that each has a tick of its own.
const CLOSEST: Duration = Duration::from_millis(1);
/// Events may be this late; until then a part may not be closed without them.
const LATENESS: Duration = Duration::from_millis(200);
/// How often parts and chunks are closed where nothing happens.
const TICK: Duration = Duration::from_millis(250);

pub(crate) struct InputTrack {
    link: Link,
    events: Receiver<(Timestamp, InputEvent)>,
    chunker: Chunker,
    state: InputState,
    cadence: Cadence,
    /// Nothing can be written before this.
    floor: Timestamp,
    paused: bool,
}

impl InputTrack {
    pub(crate) fn new(link: Link, events: Receiver<(Timestamp, InputEvent)>) -> Result<Self, EngineError> {
        let chunker = Chunker::new(link.session, link.track.clone(), &CodecConfig::Json, link.policy, 1)?;
        Ok(Self {
            cadence: Cadence::new(link.policy),
            link,
            events,
            chunker,
            state: InputState::default(),
            floor: Timestamp::ZERO,
            paused: false,
        })
    }

    /// Until told to stop, or until it fails; then what came so far is sealed all the same.
    pub(crate) fn run(mut self) -> Result<(), EngineError> {
        let outcome = self.work();
        if outcome.is_err() {
            self.chunker.seal(self.link.time.now());
            self.send()?;
        }
        outcome
    }

    fn work(&mut self) -> Result<(), EngineError> {
        let mut flow = Flow::Continue;
        while flow == Flow::Continue {
            select! {
                recv(self.events) -> event => match event {
                    Ok((at, event)) => self.event(at, event)?,
                    // No source is left: waiting for one would not wait at all.
                    Err(_) => self.events = never(),
                },
                recv(self.link.controls) -> control => match control {
                    Ok(control) => flow = self.obey(control)?,
                    // Whoever holds the controls is gone: so is the session.
                    Err(_) => flow = self.end(self.link.time.now())?,
                },
                default(TICK) => {}
            }
            if !self.paused && flow == Flow::Continue {
                self.advance(self.link.time.now() - LATENESS)?;
            }
        }
        Ok(())
    }

    /// What happened at one instant is one sample, as far as it came together.
    fn event(&mut self, at: Timestamp, first: InputEvent) -> Result<(), EngineError> {
        let mut events = vec![first];
        let mut later = None;
        for (other, event) in self.events.try_iter() {
            if other != at {
                later = Some((other, event));
                break;
            }
            events.push(event);
        }
        self.sample(at, events)?;
        match later {
            Some((at, event)) => self.sample(at, vec![event]),
            None => Ok(()),
        }
    }

    fn sample(&mut self, at: Timestamp, events: Vec<InputEvent>) -> Result<(), EngineError> {
        if !self.paused {
            self.advance(at)?;
            self.write(at, &events)?;
        }
        events.iter().for_each(|event| self.state.apply(event, at));
        Ok(())
    }

    /// Writes a sample at `at` or as soon after it as can be.
    fn write(&mut self, at: Timestamp, events: &[InputEvent]) -> Result<(), EngineError> {
        let at = at.max(self.floor);
        let keyframe = self.cadence.needs_keyframe(at);
        let sample = InputSample { state: keyframe.then(|| self.state.clone()), events: events.to_vec() };
        let bytes = serde_json::to_vec(&sample).map_err(|error| EngineError::System {
            operation: "writing down what was done",
            cause: error.into(),
        })?;
        self.chunker.push(Packet { at, duration: Duration::ZERO, keyframe, bytes: bytes.into() })?;
        self.cadence.encoded(at);
        self.floor = at + CLOSEST;
        self.send()
    }

    /// Nothing happened before `to` that is not here: chunks begin where they should, and parts close.
    fn advance(&mut self, to: Timestamp) -> Result<(), EngineError> {
        if self.cadence.due(Duration::ZERO).is_none() {
            self.write(self.floor, &[])?;
        }
        while let Some(due) = self.cadence.due(Duration::ZERO)
            && due.at <= to
        {
            self.write(due.at, &[])?;
        }
        self.chunker.advance(to);
        self.send()
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
            }
            Control::Stop { at } => return self.end(at),
            Control::Policy(policy) => {
                self.cadence.set_policy(policy);
                self.chunker.set_policy(policy);
            }
            Control::Layout(_) => {}
        }
        Ok(Flow::Continue)
    }

    fn end(&mut self, at: Timestamp) -> Result<Flow, EngineError> {
        if !self.paused {
            self.seal(at)?;
        }
        Ok(Flow::End)
    }

    fn seal(&mut self, at: Timestamp) -> Result<(), EngineError> {
        while let Ok((when, event)) = self.events.try_recv() {
            if when < at {
                self.sample(when, vec![event])?;
            }
        }
        self.advance(at)?;
        // The part that is open may have closed already: what holds goes on to the very end.
        let cell = (at - CLOSEST).floor_to(ChunkPolicy::PART);
        if cell >= self.floor {
            self.write(cell, &[])?;
        }
        self.chunker.seal(at);
        self.cadence.interrupt();
        self.send()
    }

    fn send(&mut self) -> Result<(), EngineError> {
        while let Some(piece) = self.chunker.poll() {
            self.link.pieces.send(piece)?;
        }
        Ok(())
    }
}
