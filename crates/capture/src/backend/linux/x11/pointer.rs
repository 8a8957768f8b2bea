//! The pointer of a screen: its shape and place, as samples of their own, so that moving it costs no picture.

use super::{Display, Fault};
use crate::{SampleContent, SampleSink};
use bytes::Bytes;
use model::{HostTime, InputEvent, Point, PointerShape, Rect, Size};
use x11rb::protocol::{
    xfixes::{ConnectionExt as _, GetCursorImageReply},
    xproto::QueryPointerReply,
};

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

    /// Pushes the pointer if it moved, changed, came or went since the last time.
    pub fn look(
        &mut self,
        display: &Display,
        area: Rect,
        place: QueryPointerReply,
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
        let seen = self.shape.as_ref().filter(|_| place.same_screen).and_then(|shape| {
            let tip = Point { x: i32::from(place.root_x) - area.x, y: i32::from(place.root_y) - area.y };
            let covered = Rect::new(tip.x, tip.y, shape.size.width, shape.size.height)
                .shifted(-shape.hot.x, -shape.hot.y);
            covered.intersect(Rect::whole(area.size())).map(|_| tip)
        });
        match seen {
            Some(tip) if self.told != Some(tip) => {
                self.told = Some(tip);
                sink.push(at, SampleContent::Input(InputEvent::Pointer(tip)));
            }
            None if self.told.take().is_some() => {
                sink.push(at, SampleContent::Input(InputEvent::PointerGone))
            }
            _ => {}
        }
        Ok(())
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
