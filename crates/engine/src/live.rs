//! The newest picture of each source, for the compositor, and what is drawn over them.

use crate::sources;
use capture::Viewer;
use compose::{Effects, Overlay};
use model::{Frame, Frames, Layout, Size, Timestamp, TrackId};
use std::collections::HashMap;

struct Slot {
    frame: Frame,
    drawn: bool,
}

/// What came of taking what is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Refreshed {
    /// When the newest of it was seen.
    pub(crate) newest: Option<Timestamp>,
    /// Pictures that nobody will see, since a newer one of the same source came before they were drawn.
    pub(crate) replaced: u64,
}

/// Holds what is newest. A picture that was replaced before it was drawn leaves its damage to the next.
#[derive(Default)]
pub(crate) struct LiveFrames {
    slots: HashMap<TrackId, Slot>,
    overlay: Overlay,
}

impl LiveFrames {
    /// The layers that people's input makes, back to front.
    pub(crate) fn overlays() -> [TrackId; 2] {
        [sources::name("drawings"), sources::name("pointer")]
    }

    /// Takes what is new of `tracks`, and of what people did.
    pub(crate) fn refresh(&mut self, viewer: &Viewer, tracks: &[TrackId]) -> Refreshed {
        let mut refreshed = Refreshed::default();
        for (at, event) in viewer.inputs.try_iter() {
            self.overlay.apply(&event, at);
            refreshed.newest = refreshed.newest.max(Some(at));
        }
        for track in tracks {
            let Some(frame) = viewer.pictures.take(track) else { continue };
            refreshed.newest = refreshed.newest.max(Some(frame.at));
            refreshed.replaced += u64::from(self.put(track, frame));
        }
        refreshed
    }

    /// Says whether the picture before was never drawn.
    fn put(&mut self, track: &TrackId, mut frame: Frame) -> bool {
        let undrawn = self.slots.remove(track).filter(|slot| !slot.drawn);
        if let Some(Slot { frame: old, .. }) = &undrawn
            && frame.since != 0
        {
            frame.damage = old.damage.clone().union(&frame.damage);
            frame.since = old.since;
        }
        self.slots.insert(track.clone(), Slot { frame, drawn: false });
        undrawn.is_some()
    }

    /// The size of the newest picture of `track`.
    pub(crate) fn size(&self, track: &TrackId) -> Option<Size> {
        self.slots.get(track).map(|slot| slot.frame.picture.size)
    }

    /// What is drawn over the pictures looks like this from now on.
    pub(crate) fn set_style(&mut self, layout: &Layout) {
        self.overlay.set_style(layout.pointer, layout.keys);
    }

    /// How much is drawn over the pictures.
    pub(crate) fn set_effects(&mut self, effects: Effects) {
        self.overlay.set_effects(effects);
    }

    /// The main picture has this size from now on.
    pub(crate) fn resize(&mut self, size: Size) {
        self.overlay.resize(size);
    }

    /// When what is drawn over the pictures changes by itself.
    pub(crate) fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        self.overlay.next_change(after)
    }
}

impl Frames for LiveFrames {
    fn frame(&mut self, track: &TrackId, at: Timestamp) -> Option<Frame> {
        match track.as_str() {
            "pointer" => self.overlay.pointer(at),
            "drawings" => self.overlay.drawings(at),
            _ => {
                let slot = self.slots.get_mut(track)?;
                slot.drawn = true;
                Some(slot.frame.clone())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use model::{Damage, PixelFormat, Planes, Point, Rect, Size};

    #[test]
    fn damage_of_a_picture_that_was_never_drawn_is_kept() {
        let track: TrackId = "screen".parse().unwrap();
        let frame = |serial, x| Frame {
            at: Timestamp(serial),
            picture: Planes {
                format: PixelFormat::Bgrx,
                size: Size::new(1, 1),
                stride: 4,
                bytes: Bytes::from_static(&[0; 4]),
            },
            origin: Point::default(),
            serial: serial as u64,
            since: serial as u64 - 1,
            damage: Damage::Rects(vec![Rect::new(x, 0, 1, 1)]),
        };
        let mut live = LiveFrames::default();
        live.put(&track, frame(5, 0));
        live.put(&track, frame(6, 1));
        let seen = live.frame(&track, Timestamp::ZERO).unwrap();
        assert_eq!((seen.since, seen.serial), (4, 6));
        assert_eq!(seen.damage, Damage::Rects(vec![Rect::new(0, 0, 1, 1), Rect::new(1, 0, 1, 1)]));
        live.put(&track, frame(7, 2));
        assert_eq!(live.frame(&track, Timestamp::ZERO).unwrap().since, 6);
    }
}
