//! The newest picture of each source, for the compositor.

use capture::Viewer;
use compose::Overlay;
use model::{Frame, Frames, Timestamp, TrackId};
use std::collections::HashMap;

struct Slot {
    frame: Frame,
    drawn: bool,
}

/// Holds what is newest. A picture that was replaced before it was drawn leaves its damage to the next.
pub(crate) struct LiveFrames {
    slots: HashMap<TrackId, Slot>,
    overlay: Overlay,
    /// The layer that shows the pointer.
    pointer: TrackId,
}

impl LiveFrames {
    pub(crate) fn new(pointer: TrackId) -> Self {
        Self { slots: HashMap::new(), overlay: Overlay::default(), pointer }
    }

    /// Takes what is new of `tracks`; gives when the newest of it was seen.
    pub(crate) fn refresh(&mut self, viewer: &Viewer, tracks: &[TrackId]) -> Option<Timestamp> {
        let mut newest = None;
        for (at, event) in viewer.inputs.try_iter() {
            self.overlay.apply(&event, at);
            newest = newest.max(Some(at));
        }
        let pictures = tracks.iter().filter_map(|track| Some((track, viewer.pictures.take(track)?)));
        for (track, frame) in pictures {
            newest = newest.max(Some(self.put(track, frame)));
        }
        newest
    }

    fn put(&mut self, track: &TrackId, mut frame: Frame) -> Timestamp {
        let at = frame.at;
        let before = self.slots.remove(track);
        if let Some(Slot { frame: old, drawn: false }) = before
            && frame.since != 0
        {
            frame.damage = old.damage.union(&frame.damage);
            frame.since = old.since;
        }
        self.slots.insert(track.clone(), Slot { frame, drawn: false });
        at
    }

    /// The newest picture of `track`, without drawing it.
    pub(crate) fn peek(&self, track: &TrackId) -> Option<&Frame> {
        self.slots.get(track).map(|slot| &slot.frame)
    }
}

impl Frames for LiveFrames {
    fn frame(&mut self, track: &TrackId, at: Timestamp) -> Option<Frame> {
        if *track == self.pointer {
            return self.overlay.pointer(at);
        }
        let slot = self.slots.get_mut(track)?;
        slot.drawn = true;
        Some(slot.frame.clone())
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
        let mut live = LiveFrames::new("pointer".parse().unwrap());
        live.put(&track, frame(5, 0));
        live.put(&track, frame(6, 1));
        let seen = live.frame(&track, Timestamp::ZERO).unwrap();
        assert_eq!((seen.since, seen.serial), (4, 6));
        assert_eq!(seen.damage, Damage::Rects(vec![Rect::new(0, 0, 1, 1), Rect::new(1, 0, 1, 1)]));
        live.put(&track, frame(7, 2));
        assert_eq!(live.frame(&track, Timestamp::ZERO).unwrap().since, 6);
    }
}
