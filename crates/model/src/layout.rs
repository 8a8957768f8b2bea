//! Layouts: how people arrange their sources, whatever the size of the picture. A [`Layout`] becomes a [`Scene`] once
//! sizes are known; it is what is saved beside the tracks, so that they can be composed again.

use crate::{Border, Color, Layer, Outline, Rect, Scene, Size, Timestamp, TrackId};
use serde::{Deserialize, Deserializer, Serialize};

/// As near to what was written as there is a number: JSON knows no infinity, so it could not be written again.
fn finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    Ok(f32::deserialize(deserializer)?.clamp(f32::MIN, f32::MAX))
}

/// The shape of the camera's picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// As the camera gives it.
    Rectangle,
    /// The same with round corners.
    Rounded,
    /// The middle of it, round.
    Circle,
}

/// Where and how the camera is seen over the screen. Lengths are shares of the canvas, so that it looks the same at
/// every size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(default)]
pub struct Inset {
    /// Whether it is seen.
    pub shown: bool,
    /// The place of its middle across the canvas, 0 to 1.
    #[serde(deserialize_with = "finite")]
    pub x: f32,
    /// The place of its middle down the canvas, 0 to 1.
    #[serde(deserialize_with = "finite")]
    pub y: f32,
    /// Its height in heights of the canvas, 0.05 to 1; its width follows from its shape.
    #[serde(deserialize_with = "finite")]
    pub size: f32,
    /// Its outline.
    pub shape: Shape,
    /// Width of its border in heights of the canvas, 0 to 0.05; none at 0.
    #[serde(deserialize_with = "finite")]
    pub border: f32,
    /// Colour of its border.
    pub border_color: Color,
    /// Left and right change places, as people know themselves from a mirror.
    pub mirrored: bool,
    /// From 0, not seen, to 1.
    #[serde(deserialize_with = "finite")]
    pub opacity: f32,
}

impl Default for Inset {
    fn default() -> Self {
        Self {
            shown: true,
            x: 0.0,
            y: 0.0,
            size: 0.25,
            shape: Shape::Circle,
            border: 0.005,
            border_color: Color::WHITE,
            mirrored: true,
            opacity: 1.0,
        }
        .at(Corner::BottomRight)
    }
}

/// A corner of the canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Corner {
    /// Top left.
    TopLeft,
    /// Top right.
    TopRight,
    /// Bottom left.
    BottomLeft,
    /// Bottom right.
    BottomRight,
}

impl Inset {
    /// Moved into a corner: its picture is kept on the canvas by [`Layout::scene`], a margin away from the edges.
    pub fn at(self, corner: Corner) -> Self {
        let (x, y) = match corner {
            Corner::TopLeft => (0.0, 0.0),
            Corner::TopRight => (1.0, 0.0),
            Corner::BottomLeft => (0.0, 1.0),
            Corner::BottomRight => (1.0, 1.0),
        };
        Self { x, y, ..self }
    }

    /// The place on the canvas, and the part of the camera's picture that is shown there.
    fn placed(&self, canvas: Size, picture: Size) -> (Rect, Rect) {
        let crop = match self.shape {
            Shape::Circle => {
                // Even, so that no pixel of the camera's chroma is cut.
                let side = (picture.width.min(picture.height) & !1).max(1);
                let middle = |of: u32| ((of.saturating_sub(side) / 2) & !1) as i32;
                Rect::new(middle(picture.width), middle(picture.height), side, side)
            }
            Shape::Rectangle | Shape::Rounded => Rect::whole(picture),
        };
        let share = |share: f32, of: u32| f64::from(share.clamp(0.0, 1.0)) * f64::from(of);
        let height = share(self.size.max(0.05), canvas.height);
        let width = height * f64::from(crop.width) / f64::from(crop.height.max(1));
        let fits = (f64::from(canvas.width) / width.max(1.0)).min(1.0);
        let even = |length: f64, limit: u32| ((length / 2.0).round() as u32 * 2).clamp(2, limit.max(2) & !1);
        let size = Size::new(even(width * fits, canvas.width), even(height * fits, canvas.height));
        let margin = f64::from(canvas.height) * Layout::MARGIN;
        let start = |share: f64, side: u32, of: u32| {
            let most = f64::from(of.saturating_sub(side));
            let margin = margin.min(most / 2.0);
            let start = (share - f64::from(side) / 2.0).clamp(margin, most - margin);
            (start / 2.0).round() as i32 * 2
        };
        let (x, y) = (share(self.x, canvas.width), share(self.y, canvas.height));
        let place = Rect::new(
            start(x, size.width, canvas.width),
            start(y, size.height, canvas.height),
            size.width,
            size.height,
        );
        (place, crop)
    }

    fn layer(&self, track: TrackId, canvas: Size, picture: Size) -> Layer {
        let (place, crop) = self.placed(canvas, picture);
        let border = (self.border.clamp(0.0, 0.05) * canvas.height as f32).round() as u32;
        Layer {
            opacity: self.opacity,
            outline: match self.shape {
                Shape::Rectangle => Outline::Rectangle,
                Shape::Rounded => Outline::Rounded { radius: place.width.min(place.height) / 8 },
                Shape::Circle => Outline::Ellipse,
            },
            border: (border > 0).then_some(Border { width: border, color: self.border_color }),
            mirrored: self.mirrored,
            ..Layer::plain(track, crop, place)
        }
    }
}

/// How the pointer and what people do with it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(default)]
pub struct PointerStyle {
    /// Whether it is seen at all.
    pub shown: bool,
    /// Its size in sizes of the system's, 0.5 to 4.
    #[serde(deserialize_with = "finite")]
    pub size: f32,
    /// A ring spreads from where a button was pressed.
    pub ripple: bool,
    /// Not seen after this many milliseconds without a move; never hidden at none.
    pub hide_after_ms: Option<u32>,
}

impl Default for PointerStyle {
    fn default() -> Self {
        Self { shown: true, size: 1.0, ripple: false, hide_after_ms: None }
    }
}

/// How sources make one picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(default)]
pub struct Layout {
    /// Seen where nothing is drawn.
    pub background: Color,
    /// The camera over the screen. Without a screen the camera has all of the picture.
    pub camera: Inset,
    /// The pointer.
    pub pointer: PointerStyle,
    /// Keys that were pressed are shown, where they are recorded.
    pub keys: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            background: Color::BLACK,
            camera: Inset::default(),
            pointer: PointerStyle::default(),
            keys: true,
        }
    }
}

/// From when on a layout holds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LayoutChange {
    /// Session time.
    pub at: Timestamp,
    /// The layout.
    pub layout: Layout,
}

/// A source of pictures whose size is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pictured {
    /// Its track.
    pub track: TrackId,
    /// Pixels of its picture.
    pub size: Size,
}

impl Layout {
    /// Between the camera and the edges, in heights of the canvas.
    const MARGIN: f64 = 0.03;

    /// The largest canvas within `limit` for the main picture: the screen's, or the camera's where it is alone.
    pub fn canvas(screen: Option<&Pictured>, camera: Option<&Pictured>, limit: Size) -> Option<Size> {
        screen.or(camera).map(|main| main.size.fit_even(limit))
    }

    /// What is drawn on `canvas`: screen or else camera all over it, above the screen the camera, and above all
    /// `overlays` (drawings, keys, the pointer), whose pictures are as large as their source's main picture was.
    /// Rectangles are even.
    pub fn scene(
        &self,
        canvas: Size,
        screen: Option<&Pictured>,
        camera: Option<&Pictured>,
        overlays: &[Pictured],
    ) -> Scene {
        let (main, inset) = match (screen, camera) {
            (Some(screen), camera) => (Some(screen), camera.filter(|_| self.camera.shown)),
            (None, camera) => (camera, None),
        };
        let mut layers = Vec::new();
        if let Some(main) = main {
            let whole = |source: &Pictured| {
                Layer::plain(source.track.clone(), Rect::whole(source.size), Rect::whole(canvas))
            };
            let mirrored = screen.is_none() && self.camera.mirrored;
            layers.push(Layer { mirrored, ..whole(main) });
            layers.extend(inset.map(|camera| self.camera.layer(camera.track.clone(), canvas, camera.size)));
            layers.extend(overlays.iter().map(whole));
        }
        Scene { background: self.background, layers }
    }

    /// The same with every number where it makes sense, for layouts that come from outside.
    pub fn checked(mut self) -> Self {
        let within = |value: f32, low: f32, high: f32, other: f32| {
            if value.is_finite() { value.clamp(low, high) } else { other }
        };
        let default = Inset::default();
        let camera = &mut self.camera;
        camera.x = within(camera.x, 0.0, 1.0, default.x);
        camera.y = within(camera.y, 0.0, 1.0, default.y);
        camera.size = within(camera.size, 0.05, 1.0, default.size);
        camera.border = within(camera.border, 0.0, 0.05, default.border);
        camera.opacity = within(camera.opacity, 0.0, 1.0, default.opacity);
        self.pointer.size = within(self.pointer.size, 0.5, 4.0, 1.0);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictured(track: &str, width: u32, height: u32) -> Pictured {
        Pictured { track: track.parse().unwrap(), size: Size::new(width, height) }
    }

    fn inset(layout: &Layout, canvas: Size) -> Layer {
        let (screen, camera) = (pictured("screen", 1920, 1080), pictured("camera", 1280, 720));
        let scene = layout.scene(canvas, Some(&screen), Some(&camera), &[pictured("cursor", 1920, 1080)]);
        assert_eq!(scene.layers.len(), 3);
        scene.layers[1].clone()
    }

    #[test]
    fn the_camera_stays_on_the_canvas_in_every_corner_and_at_every_size() {
        let corners = [Corner::TopLeft, Corner::TopRight, Corner::BottomLeft, Corner::BottomRight];
        for (corner, shape) in corners
            .into_iter()
            .flat_map(|c| [Shape::Rectangle, Shape::Rounded, Shape::Circle].map(|s| (c, s)))
        {
            for (width, height) in [(1280, 720), (854, 480), (640, 1136), (2, 2)] {
                for size in [0.05, 0.25, 1.0] {
                    let camera = Inset { shape, size, ..Inset::default() }.at(corner);
                    let canvas = Size::new(width, height);
                    let place = inset(&Layout { camera, ..Layout::default() }, canvas).place;
                    assert_eq!(place.intersect(Rect::whole(canvas)), Some(place), "{corner:?} {size}");
                    let sides = [place.x as u32, place.y as u32, place.width, place.height];
                    assert!(sides.iter().all(|side| side % 2 == 0), "{place:?}");
                }
            }
        }
    }

    #[test]
    fn a_circle_shows_the_middle_of_the_camera() {
        let layer = inset(&Layout::default(), Size::new(1280, 720));
        assert_eq!(layer.crop, Rect::new(280, 0, 720, 720));
        assert_eq!(layer.place, Rect::new(1078, 518, 180, 180));
        assert_eq!((layer.outline, layer.mirrored), (Outline::Ellipse, true));
        assert_eq!(layer.border, Some(Border { width: 4, color: Color::WHITE }));
    }

    #[test]
    fn a_camera_alone_has_the_whole_picture() {
        let camera = pictured("camera", 1280, 720);
        let canvas = Layout::canvas(None, Some(&camera), Size::new(854, 480)).unwrap();
        let scene = Layout::default().scene(canvas, None, Some(&camera), &[]);
        assert_eq!(scene.layers.len(), 1);
        assert_eq!(
            (scene.layers[0].place, scene.layers[0].outline),
            (Rect::whole(canvas), Outline::Rectangle)
        );
    }

    #[test]
    fn nonsense_becomes_sense() {
        let camera = Inset { x: f32::NAN, size: -5.0, opacity: f32::INFINITY, ..Inset::default() };
        let layout = Layout { camera, ..Layout::default() }.checked();
        assert_eq!((layout.camera.x, layout.camera.size, layout.camera.opacity), (1.0, 0.05, 1.0));
    }

    #[test]
    fn numbers_that_are_too_large_can_be_written_again() {
        let text = r#"{"camera":{"x":1e80,"y":-1e80,"size":1e80},"pointer":{"size":1e80}}"#;
        let layout: Layout = serde_json::from_str(text).unwrap();
        let again = serde_json::to_string(&layout).unwrap();
        assert_eq!(serde_json::from_str::<Layout>(&again).unwrap(), layout);
    }

    #[test]
    fn an_old_layout_lacks_what_is_new() {
        let layout: Layout = serde_json::from_str(r#"{"camera":{"x":0.5}}"#).unwrap();
        assert_eq!(layout.camera.x, 0.5);
        assert_eq!(layout.camera.size, Inset::default().size);
    }
}
