//! What people do, drawn over the main picture: the pointer, drawings, rings around clicks and the names of keys.
//!
//! Owns how these look. Never decides when a picture is drawn, and reads no clock: events and times in, frames out.
//! What is seen depends on nothing but the state, the style and the time; what is kept from one time to the next only
//! saves work. Tested by golden pictures, by drawing live and at once, and by drawing what changed and everything.
//!
//! Takes memory for its last picture, which is never larger than the main picture, for 64 MB of coverage, for that of
//! one drawing more, and for the state.

mod ink;
mod inks;
mod pointer;
mod seen;
mod shapes;
mod sheet;
mod text;

use ink::Ink;
use inks::Inks;
use model::{Annotation, Damage, Frame, InputEvent, InputState, Point, PointerStyle, Rect, Size, Timestamp};
use pointer::Pointer;
use seen::{Key, Seen, Shown};
use sheet::Sheet;
use std::{sync::Arc, time::Duration};

/// As large as a picture can be that is drawn on.
const SIDE_MAX: u32 = 1 << 14;

/// How much is drawn of what nobody would miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Effects {
    /// All of it.
    #[default]
    All,
    /// No rings and no keys: on a machine that is too slow. Drawings and the pointer stay.
    Essential,
}

/// Draws what people do. Its pictures are in pixels of the main picture, and cover only part of it.
#[derive(Debug, Default)]
pub struct Overlay {
    style: PointerStyle,
    keys: bool,
    effects: Effects,
    state: InputState,
    inks: Inks,
    sheet: Sheet,
    /// The pointer in its size, once it was asked for; none within if it cannot be drawn.
    pointer: Option<Option<Pointer>>,
    pointer_serial: u64,
}

impl Overlay {
    /// How the pointer is drawn from now on, and whether keys are.
    pub fn set_style(&mut self, pointer: PointerStyle, keys: bool) {
        if self.style.size != pointer.size {
            self.pointer = None;
        }
        (self.style, self.keys) = (pointer, keys);
    }

    /// How much is drawn from now on.
    pub fn set_effects(&mut self, effects: Effects) {
        self.effects = effects;
    }

    /// The main picture has this size from now on.
    pub fn resize(&mut self, size: Size) {
        if self.state.picture != Some(size) {
            self.state.picture = Some(size);
            self.inks.keep(|_| false);
        }
    }

    /// Something happened at `at`.
    pub fn apply(&mut self, event: &InputEvent, at: Timestamp) {
        match event {
            InputEvent::Resized(size) => self.resize(*size),
            InputEvent::Annotation(Annotation::Draw(drawing)) => self.inks.outdate(drawing.id),
            InputEvent::PointerShape(shape) if self.state.shape.as_ref() != Some(shape) => {
                self.pointer = None
            }
            _ => {}
        }
        self.state.apply(event, at);
    }

    /// Begins where `state` holds, and forgets what was applied before.
    pub fn restore(&mut self, state: &InputState) {
        self.inks.keep(|_| false);
        self.pointer = None;
        self.state = InputState { picture: state.picture.or(self.state.picture), ..state.clone() };
    }

    /// What was applied so far.
    pub fn state(&self) -> &InputState {
        &self.state
    }

    /// The pointer as it is seen at `at`; none while it is not.
    pub fn pointer(&mut self, at: Timestamp) -> Option<Frame> {
        let tip = self.state.pointer.filter(|_| self.style.shown)?;
        if self.hides_at().is_some_and(|hides| hides <= at) {
            return None;
        }
        if self.pointer.is_none() {
            let shape = self.state.shape.as_ref();
            self.pointer = Some(shape.and_then(|shape| Pointer::new(shape, self.style.size)));
            self.pointer_serial += 1;
        }
        let Pointer { picture, hot } = self.pointer.clone()??;
        let origin = Point { x: tip.x.saturating_sub(hot.x), y: tip.y.saturating_sub(hot.y) };
        // Farther than the compositor takes, and than anybody sees.
        let is_near = origin.x.unsigned_abs().max(origin.y.unsigned_abs()) <= 1 << 20;
        is_near.then(|| Frame {
            at,
            picture,
            origin,
            serial: self.pointer_serial,
            since: 0,
            damage: Damage::All,
        })
    }

    /// Drawings, rings and keys as they are seen at `at`; none where there are none, or before it is known how large
    /// the main picture is.
    pub fn drawings(&mut self, at: Timestamp) -> Option<Frame> {
        let picture = self.picture()?;
        let seen = seen::seen(&self.state, self.shown(), picture, at, &mut self.inks);
        let Self { inks, state, sheet, .. } = self;
        if inks.len() > state.drawings.len() {
            inks.keep(|id| state.drawings.iter().any(|drawn| drawn.drawing.id == id));
        }
        sheet.draw(seen, picture, at, &mut Kept { inks, state, picture })
    }

    /// The first instant after `after` at which [`Self::pointer`] or [`Self::drawings`] gives something else though
    /// nothing happens, at most thirty times a second.
    pub fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        let hides = self.hides_at().filter(|&hides| self.state.pointer.is_some() && hides > after);
        hides.into_iter().chain(seen::next_change(&self.state, self.shown(), after)).min()
    }

    fn hides_at(&self) -> Option<Timestamp> {
        let ms = self.style.hide_after_ms.filter(|_| self.style.shown)?;
        Some(self.state.moved + Duration::from_millis(ms.into()))
    }

    fn shown(&self) -> Shown {
        let all = self.effects == Effects::All;
        Shown { ripple: all && self.style.ripple, keys: all && self.keys }
    }

    fn picture(&self) -> Option<Size> {
        let sides = 1..=SIDE_MAX;
        self.state.picture.filter(|size| sides.contains(&size.width) && sides.contains(&size.height))
    }
}

/// What the sheet asks for.
struct Kept<'a> {
    inks: &'a mut Inks,
    state: &'a InputState,
    picture: Size,
}

impl sheet::Source for Kept<'_> {
    fn ink(&mut self, seen: &Seen) -> Arc<Ink> {
        let id = |drawing: u64| Key::Drawing(drawing) == seen.key;
        let drawn = self.state.drawings.iter().find(|drawn| id(drawn.drawing.id));
        drawn.map_or(Arc::new(Ink::NONE), |drawn| self.inks.again(&drawn.drawing, self.picture))
    }

    fn difference(&self, key: Key, old: u64, new: u64) -> Option<Rect> {
        match key {
            Key::Drawing(id) => self.inks.difference(id, old, new),
            Key::Ring(..) | Key::Spot(..) | Key::Pill | Key::Names => None,
        }
    }
}
