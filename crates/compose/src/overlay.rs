//! The pointer as a picture over the main picture, made of input events. Pure: events and times in, frames out.

use model::{Damage, Frame, InputEvent, InputState, PixelFormat, Planes, Point, PointerStyle, Timestamp};

/// Draws what people do. Its pictures are in pixels of the main picture, and cover only part of it.
#[derive(Debug, Default)]
pub struct Overlay {
    style: PointerStyle,
    state: InputState,
    serial: u64,
}

impl Overlay {
    /// How the pointer is drawn from now on.
    pub fn set_style(&mut self, style: PointerStyle) {
        if self.style != style {
            self.style = style;
            self.serial += 1;
        }
    }

    /// Something happened at `at`.
    pub fn apply(&mut self, event: &InputEvent, _at: Timestamp) {
        self.state.apply(event);
        self.serial += 1;
    }

    /// The pointer as it is seen at `at`; none while it is not.
    pub fn pointer(&self, at: Timestamp) -> Option<Frame> {
        let (tip, shape) = (self.state.pointer?, self.state.shape.as_ref()?);
        if !self.style.shown {
            return None;
        }
        let picture = Planes {
            format: PixelFormat::BgraPremultiplied,
            size: shape.size,
            stride: 4 * shape.size.width as usize,
            bytes: shape.pixels.clone(),
        };
        let origin = Point { x: tip.x.saturating_sub(shape.hot.x), y: tip.y.saturating_sub(shape.hot.y) };
        Some(Frame { at, picture, origin, serial: self.serial, since: 0, damage: Damage::All })
    }
}
