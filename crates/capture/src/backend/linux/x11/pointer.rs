//! The pointer of a screen: its shape and place, as samples of their own, so that moving it costs no picture.

use super::{Display, Fault};
use crate::{SampleContent, SampleSink};
use bytes::Bytes;
use model::{HostTime, PixelFormat, Planes, Point, Rect, Size};
use x11rb::protocol::{
    xfixes::{ConnectionExt as _, GetCursorImageReply},
    xproto::QueryPointerReply,
};

/// What is known of the pointer, and what was last said about it.
#[derive(Default)]
pub(super) struct Pointer {
    shape: Option<Shape>,
    is_current: bool,
    told: Option<Point>,
}

/// How it looks, and which of its pixels points.
struct Shape {
    picture: Planes,
    hot: Point,
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
        let reshaped = !self.is_current;
        if reshaped {
            self.shape = fetch_shape(display)?;
            self.is_current = true;
        }
        let seen = self.shape.as_ref().filter(|_| place.same_screen).and_then(|shape| {
            let origin = Point {
                x: i32::from(place.root_x) - shape.hot.x - area.x,
                y: i32::from(place.root_y) - shape.hot.y - area.y,
            };
            let size = shape.picture.size;
            let covered = Rect::new(origin.x, origin.y, size.width, size.height);
            covered.intersect(Rect::whole(area.size())).map(|_| (shape.picture.clone(), origin))
        });
        match seen {
            Some((picture, origin)) if reshaped || self.told != Some(origin) => {
                self.told = Some(origin);
                sink.push(at, SampleContent::Cursor { picture, origin });
            }
            None if self.told.take().is_some() => sink.push(at, SampleContent::NoCursor),
            _ => {}
        }
        Ok(())
    }
}

/// A server without a pointer refuses to show it.
fn fetch_shape(display: &Display) -> Result<Option<Shape>, Fault> {
    match display.server.xfixes_get_cursor_image()?.reply().map_err(Fault::from) {
        Ok(image) => Ok(shape_of(&image)),
        Err(Fault::Refused(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn shape_of(image: &GetCursorImageReply) -> Option<Shape> {
    let size = Size::new(image.width.into(), image.height.into());
    if Rect::whole(size).area() != image.cursor_image.len() as u64 || image.cursor_image.is_empty() {
        return None;
    }
    // The server gives colours multiplied by alpha, as numbers; their bytes, lowest first, are blue to alpha.
    let bytes: Bytes = image.cursor_image.iter().flat_map(|pixel| pixel.to_le_bytes()).collect();
    let picture =
        Planes { format: PixelFormat::BgraPremultiplied, size, stride: 4 * size.width as usize, bytes };
    Some(Shape { picture, hot: Point { x: image.xhot.into(), y: image.yhot.into() } })
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
        assert_eq!(&shape.picture.bytes[..], &[0x30, 0x20, 0x10, 0x80, 0xff, 0, 0, 0xff]);
        assert_eq!((shape.picture.size, shape.hot), (Size::new(2, 1), Point { x: 1, y: 0 }));
        assert!(shape_of(&image(3, &[0, 0])).is_none());
        assert!(shape_of(&image(0, &[])).is_none());
    }
}
