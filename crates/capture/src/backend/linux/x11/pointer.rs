//! The pointer: its shape and place, as samples of their own, so that moving it costs no picture.
//!
//! Its shape is as large as it is on the screen, whatever a desktop scales it by.

use super::{display::Display, fault::Fault, target::View};
use crate::{SampleContent, SampleSink};
use bytes::Bytes;
use model::{HostTime, InputEvent, Point, PointerShape, Rect, Size};
use x11rb::protocol::{
    xfixes::{ConnectionExt as _, GetCursorImageReply},
    xproto::{ConnectionExt as _, KeyButMask},
};

/// Where the pointer is.
pub(super) struct Place {
    /// In pixels of the picture, which it may be beyond.
    pub at: Point,
    /// Whether it is over what is recorded, or beside it; not over something else that covers it.
    pub is_over: bool,
    /// Keys and buttons that change what others mean.
    pub modifiers: KeyButMask,
}

impl Place {
    /// Asks the server. Its answer comes after all events that were there before.
    pub fn ask(display: &Display, view: &View) -> Result<Self, Fault> {
        let server = &display.server;
        let within = server.query_pointer(view.window)?;
        let above = view.top.map(|_| server.query_pointer(display.root)).transpose()?;
        let within = within.reply()?;
        let above = above.map(|above| above.reply()).transpose()?;
        Ok(Self {
            at: Point { x: i32::from(within.win_x) - view.area.x, y: i32::from(within.win_y) - view.area.y },
            is_over: within.same_screen && above.map(|above| above.child) == view.top,
            modifiers: within.mask,
        })
    }

    /// Whether it points at the picture.
    pub fn is_within(&self, size: Size) -> bool {
        self.is_over && Rect::whole(size).intersect(Rect::new(self.at.x, self.at.y, 1, 1)).is_some()
    }
}

/// What is known of the pointer, and what was last said about it.
#[derive(Default)]
pub(super) struct Pointer {
    shape: Option<PointerShape>,
    is_current: bool,
    told: Option<Point>,
}

impl Pointer {
    /// It looks different now.
    pub fn reshape(&mut self) {
        self.is_current = false;
    }

    /// Pushes the pointer if it moved, changed, came or went since the last time. Over a screen it is seen where any
    /// of it is, over a window where it points at it.
    pub fn look(
        &mut self,
        display: &Display,
        view: &View,
        place: &Place,
        at: HostTime,
        sink: &SampleSink,
    ) -> Result<(), Fault> {
        if !self.is_current {
            self.shape = fetch_shape(display)?;
            self.is_current = true;
            if let Some(shape) = &self.shape {
                sink.push(at, SampleContent::Input(InputEvent::PointerShape(shape.clone())));
            }
        }
        let size = view.area.size();
        let is_seen = |shape: &&PointerShape| match view.top {
            Some(_) => place.is_within(size),
            None => {
                let covered = Rect::new(place.at.x, place.at.y, shape.size.width, shape.size.height)
                    .shifted(-shape.hot.x, -shape.hot.y);
                place.is_over && covered.intersect(Rect::whole(size)).is_some()
            }
        };
        match self.shape.as_ref().filter(is_seen) {
            Some(_) if self.told != Some(place.at) => {
                self.told = Some(place.at);
                sink.push(at, SampleContent::Input(InputEvent::Pointer(place.at)));
            }
            None => self.leave(at, sink),
            Some(_) => {}
        }
        Ok(())
    }

    /// It can no longer be seen.
    pub fn leave(&mut self, at: HostTime, sink: &SampleSink) {
        if self.told.take().is_some() {
            sink.push(at, SampleContent::Input(InputEvent::PointerGone));
        }
    }
}

/// A server without a pointer refuses to show it.
fn fetch_shape(display: &Display) -> Result<Option<PointerShape>, Fault> {
    match display.server.xfixes_get_cursor_image()?.reply().map_err(Fault::from) {
        Ok(image) => Ok(shape_of(&image)),
        Err(Fault::Refused(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn shape_of(image: &GetCursorImageReply) -> Option<PointerShape> {
    let size = Size::new(image.width.into(), image.height.into());
    if Rect::whole(size).area() != image.cursor_image.len() as u64 || image.cursor_image.is_empty() {
        return None;
    }
    // The server gives colours multiplied by alpha, as numbers; their bytes, lowest first, are blue to alpha.
    let pixels: Bytes = image.cursor_image.iter().flat_map(|pixel| pixel.to_le_bytes()).collect();
    Some(PointerShape { size, hot: Point { x: image.xhot.into(), y: image.yhot.into() }, pixels })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_bgra_and_never_shorter_than_its_size() {
        let image = |width, pixels: &[u32]| GetCursorImageReply {
            width,
            height: 1,
            xhot: 1,
            cursor_image: pixels.to_vec(),
            ..GetCursorImageReply::default()
        };
        let shape = shape_of(&image(2, &[0x8010_2030, 0xff00_00ff])).unwrap();
        assert_eq!(&shape.pixels[..], &[0x30, 0x20, 0x10, 0x80, 0xff, 0, 0, 0xff]);
        assert_eq!((shape.size, shape.hot), (Size::new(2, 1), Point { x: 1, y: 0 }));
        assert!(shape_of(&image(3, &[0, 0])).is_none());
        assert!(shape_of(&image(0, &[])).is_none());
    }
}
