//! The engine's loop where nothing is written: rehearsals, and pictures to look at.

use super::{Loop, Waiting, answer};
use crate::{
    command::{Reply, SessionPlan},
    error::EngineError,
    preview::{Board, Wish, checked_width},
    rehearsal::Rehearsal,
};
use std::{sync::Arc, time::Instant};

impl Loop {
    pub(super) fn rehearse(&mut self, plan: SessionPlan, waiting: Waiting) {
        let may = match (&self.session, &self.beginning) {
            _ if self.is_ending => Err(EngineError::Ending),
            (None, None) => self.reload(),
            _ => Err(EngineError::Busy),
        };
        match may {
            Ok(()) => self.rehearsing.begin(plan, &self.settings, &self.inputs, vec![waiting]),
            Err(error) => answer(&waiting, Err(error)),
        }
    }

    pub(super) fn rehearsed(&mut self, outcome: Result<Rehearsal, EngineError>) {
        self.rehearsing.opened(outcome, &self.settings, &self.inputs);
        if self.is_ending {
            self.rehearsing.end();
        }
        self.preview.change();
        self.next_tick = Instant::now();
        if !self.rehearsing.is_opening() {
            self.begin_queued();
        }
        self.publish_snapshot();
    }

    pub(super) fn rehearse_on(&mut self) {
        if self.rehearsing.running.is_none() {
            return;
        }
        for change in self.rehearsing.tick() {
            self.alarm(change);
        }
        if self.rehearsing.running.is_none() {
            self.preview.change();
        }
        self.publish_snapshot();
    }

    /// Where the picture will be that somebody wants to look at.
    pub(super) fn look(&mut self, width: u32) -> Result<Arc<Board>, EngineError> {
        if let Some(session) = &self.session {
            let wish = Wish::new(width, session.shown_layout(), session.is_pressed())?;
            return self.preview.look(session.stage(), wish);
        }
        if let Some(rehearsal) = &mut self.rehearsing.running {
            rehearsal.seen();
            let wish = Wish::new(width, rehearsal.shown_layout(), false)?;
            return self.preview.look(rehearsal.stage(), wish);
        }
        checked_width(width)?;
        // There will be something in a moment.
        let is_soon = self.beginning.is_some() || self.rehearsing.is_opening();
        is_soon.then(|| self.preview.board()).ok_or(EngineError::NotRecording)
    }

    /// A camera has one user, and whoever records it wants no other.
    pub(super) fn may_glance(&self, device: String) -> Result<Reply, EngineError> {
        let recorded = self.session.as_ref().is_some_and(|session| session.uses(&device));
        let rehearsed = self.rehearsing.running.as_ref().is_some_and(|rehearsal| rehearsal.uses(&device));
        if recorded || rehearsed { Err(EngineError::DeviceInUse { device }) } else { Ok(Reply::Done) }
    }
}
