//! One scene, drawn.
//!
//! Owns how layers become a picture: damage, scaling, blending, and the colours of BT.709. Never decides what is in a
//! scene or when it is drawn, reads no clock and touches no device. Tested against golden pictures, against the
//! equations of the standard, and by drawing what changed and everything, which must come to the same bytes.
//!
//! There is one renderer, `cpu`: straight to NV12, and only what was damaged. What people do while they record
//! becomes pictures of a layer in `overlay`.

mod cpu;
mod error;
mod overlay;

pub use cpu::{Compositor, Drawn};
pub use error::RenderError;
pub use overlay::{Effects, Overlay};
