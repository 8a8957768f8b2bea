//! Input events: what people do on the screen while it is recorded. Kept as a data track of their own (ISO/IEC
//! 14496-12 timed metadata, one JSON document a sample), so that pointer, clicks, keys and drawings can be restyled.

use crate::{Color, Point, Size};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The picture of a pointer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointerShape {
    /// Pixels of the picture.
    pub size: Size,
    /// Which of its pixels points.
    pub hot: Point,
    /// As [`crate::PixelFormat::BgraPremultiplied`], rows without gaps. Hexadecimal in JSON.
    #[serde(with = "hex_bytes")]
    pub pixels: Bytes,
}

/// What happened at one instant. Points are pixels of the main picture: the screen, window or region that is
/// recorded, or the camera's picture where it is alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputEvent {
    /// From now on points are pixels of a picture of this size.
    Resized(Size),
    /// The pointer points here now.
    Pointer(Point),
    /// The pointer looks like this now.
    PointerShape(PointerShape),
    /// The pointer can no longer be seen.
    PointerGone,
    /// A button went down or up.
    Button {
        /// 1 left, 2 middle, 3 right, as X11 counts.
        button: u8,
        /// Down, or up.
        pressed: bool,
        /// Where.
        at: Point,
    },
    /// A key went down or up.
    Key {
        /// Its name for people, such as `A`, `Enter`, `Ctrl`.
        name: String,
        /// Down, or up.
        pressed: bool,
    },
    /// Somebody drew.
    Annotation(Annotation),
}

/// What somebody does to the drawings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Annotation {
    /// Adds a drawing, or replaces the one with the same id: so a line grows while it is drawn.
    Draw(Drawing),
    /// Removes every drawing that comes within `radius` of one of these points.
    Erase {
        /// Where the eraser was.
        points: Vec<Point>,
        /// Pixels.
        radius: u32,
    },
    /// Removes the newest drawing.
    Undo,
    /// Removes all drawings.
    Clear,
}

/// With what something is drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tool {
    /// A line through all points.
    Pen,
    /// The same, broad and seen through.
    Highlighter,
    /// From the first point to the last.
    Line,
    /// The same with a head at the last.
    Arrow,
    /// With the first point and the last as corners.
    Rectangle,
    /// Within that rectangle.
    Ellipse,
    /// Words, their top left at the first point.
    Text(String),
}

/// One thing that was drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drawing {
    /// Unique within the session.
    pub id: u64,
    /// With what.
    pub tool: Tool,
    /// At most [`Drawing::POINTS_MAX`].
    pub points: Vec<Point>,
    /// Its colour.
    pub color: Color,
    /// Width of the line in pixels, or height of the letters.
    pub width: u32,
    /// Fades out after this many milliseconds; stays where there are none.
    pub fade_after_ms: Option<u32>,
}

impl Drawing {
    /// More points are refused: a line of an hour's drawing has fewer.
    pub const POINTS_MAX: usize = 10_000;
    /// More letters are refused.
    pub const TEXT_MAX: usize = 1_000;
    /// Thicker lines and taller letters are refused.
    pub const WIDTH_MAX: u32 = 500;
    /// How long fading takes, in milliseconds.
    pub const FADE_MS: u32 = 500;

    /// Why it cannot be drawn, if it cannot.
    pub fn fault(&self) -> Option<&'static str> {
        let text = matches!(&self.tool, Tool::Text(text) if text.is_empty() || text.chars().count() > Self::TEXT_MAX);
        let fewest = match self.tool {
            Tool::Pen | Tool::Highlighter | Tool::Text(_) => 1,
            Tool::Line | Tool::Arrow | Tool::Rectangle | Tool::Ellipse => 2,
        };
        if text {
            Some("the text is empty or longer than 1,000 characters")
        } else if self.points.len() < fewest {
            Some("it has too few points")
        } else if self.points.len() > Self::POINTS_MAX {
            Some("it has more than 10,000 points")
        } else if !(1..=Self::WIDTH_MAX).contains(&self.width) {
            Some("its width is not from 1 to 500")
        } else {
            None
        }
    }
}

/// All that holds at one instant: what a reader must know who begins here. Pure: events in, state out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct InputState {
    /// The size of the main picture.
    pub picture: Option<Size>,
    /// Where the pointer points, if it can be seen.
    pub pointer: Option<Point>,
    /// How it looks.
    pub shape: Option<PointerShape>,
    /// Buttons that are down.
    pub buttons: Vec<u8>,
    /// Keys that are down.
    pub keys: Vec<String>,
    /// What is drawn, oldest first.
    pub drawings: Vec<Drawing>,
}

impl InputState {
    /// More drawings than this let the oldest go.
    pub const DRAWINGS_MAX: usize = 1_000;
    /// No keyboard and no mouse has more down at once; what is beyond came from nonsense.
    const DOWN_MAX: usize = 32;

    /// What an event changes.
    pub fn apply(&mut self, event: &InputEvent) {
        match event {
            InputEvent::Resized(size) => self.picture = Some(*size),
            InputEvent::Pointer(at) => self.pointer = Some(*at),
            InputEvent::PointerShape(shape) => self.shape = Some(shape.clone()),
            InputEvent::PointerGone => self.pointer = None,
            InputEvent::Button { button, pressed, .. } => hold(&mut self.buttons, button, *pressed),
            InputEvent::Key { name, pressed } => hold(&mut self.keys, name, *pressed),
            InputEvent::Annotation(annotation) => self.annotate(annotation),
        }
    }

    fn annotate(&mut self, annotation: &Annotation) {
        match annotation {
            Annotation::Draw(drawing) => {
                match self.drawings.iter_mut().find(|known| known.id == drawing.id) {
                    Some(known) => *known = drawing.clone(),
                    None => self.drawings.push(drawing.clone()),
                }
                let surplus = self.drawings.len().saturating_sub(Self::DRAWINGS_MAX);
                self.drawings.drain(..surplus);
            }
            Annotation::Erase { points, radius } => {
                self.drawings.retain(|drawing| !drawing.is_touched(points, *radius));
            }
            Annotation::Undo => drop(self.drawings.pop()),
            Annotation::Clear => self.drawings.clear(),
        }
    }
}

fn hold<T: PartialEq + Clone>(down: &mut Vec<T>, what: &T, pressed: bool) {
    down.retain(|held| held != what);
    if pressed && down.len() < InputState::DOWN_MAX {
        down.push(what.clone());
    }
}

/// One sample of the data track.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct InputSample {
    /// In a keyframe: all that held before `events`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<InputState>,
    /// What happened at this instant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<InputEvent>,
}

/// Bytes as a text of hexadecimal digits.
mod hex_bytes {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        hex::decode(String::deserialize(deserializer)?).map(Bytes::from).map_err(D::Error::custom)
    }
}

impl Drawing {
    /// Whether a point of `eraser` comes within `radius` of it: of its lines, or of the box that its letters fill.
    fn is_touched(&self, eraser: &[Point], radius: u32) -> bool {
        let reach = f64::from(radius) + f64::from(self.width) / 2.0;
        let outline = self.outline();
        let near = |at: &Point| match outline.as_slice() {
            [one] => distance(*at, *one, *one) <= reach,
            points => points.windows(2).any(|line| distance(*at, line[0], line[1]) <= reach),
        };
        eraser.iter().any(near)
    }

    /// Points whose connection is what is seen of it, roughly.
    fn outline(&self) -> Vec<Point> {
        let (Some(&first), Some(&last)) = (self.points.first(), self.points.last()) else {
            return Vec::new();
        };
        let (across, down) = (Point { x: last.x, y: first.y }, Point { x: first.x, y: last.y });
        match &self.tool {
            Tool::Pen | Tool::Highlighter => self.points.clone(),
            Tool::Line | Tool::Arrow => vec![first, last],
            Tool::Rectangle => vec![first, across, last, down, first],
            Tool::Ellipse => ellipse(first, last),
            Tool::Text(text) => {
                // Letters are about half as wide as they are tall.
                let letters = text.lines().map(|line| line.chars().count()).max().unwrap_or(0) as u32;
                let middle = first.y.saturating_add_unsigned(self.width / 2);
                let end = first.x.saturating_add_unsigned((self.width / 2).saturating_mul(letters));
                vec![Point { x: first.x, y: middle }, Point { x: end, y: middle }]
            }
        }
    }
}

fn ellipse(first: Point, last: Point) -> Vec<Point> {
    const CORNERS: u32 = 32;
    let middle = |a: i32, b: i32| (f64::from(a) + f64::from(b)) / 2.0;
    let (x, y) = (middle(first.x, last.x), middle(first.y, last.y));
    let (a, b) = (f64::from(last.x) - x, f64::from(last.y) - y);
    let corner = |i| {
        let turn = f64::from(i) / f64::from(CORNERS) * std::f64::consts::TAU;
        Point { x: (x + a * turn.cos()).round() as i32, y: (y + b * turn.sin()).round() as i32 }
    };
    (0..=CORNERS).map(corner).collect()
}

/// From a point to the nearest of the line from `a` to `b`.
fn distance(at: Point, a: Point, b: Point) -> f64 {
    let vector =
        |to: Point, from: Point| (f64::from(to.x) - f64::from(from.x), f64::from(to.y) - f64::from(from.y));
    let ((px, py), (bx, by)) = (vector(at, a), vector(b, a));
    let length = bx * bx + by * by;
    let along = if length > 0.0 { ((px * bx + py * by) / length).clamp(0.0, 1.0) } else { 0.0 };
    (px - along * bx).hypot(py - along * by)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawing(id: u64, tool: Tool, points: &[(i32, i32)]) -> Drawing {
        let points = points.iter().map(|&(x, y)| Point { x, y }).collect();
        Drawing { id, tool, points, color: Color::WHITE, width: 4, fade_after_ms: None }
    }

    fn draw(drawing: Drawing) -> InputEvent {
        InputEvent::Annotation(Annotation::Draw(drawing))
    }

    #[test]
    fn a_line_grows_and_the_newest_is_undone() {
        let mut state = InputState::default();
        state.apply(&draw(drawing(1, Tool::Pen, &[(0, 0)])));
        state.apply(&draw(drawing(2, Tool::Pen, &[(9, 9)])));
        state.apply(&draw(drawing(1, Tool::Pen, &[(0, 0), (5, 5)])));
        assert_eq!(
            state.drawings.iter().map(|d| (d.id, d.points.len())).collect::<Vec<_>>(),
            [(1, 2), (2, 1)]
        );
        state.apply(&InputEvent::Annotation(Annotation::Undo));
        assert_eq!(state.drawings.len(), 1);
    }

    #[test]
    fn the_eraser_takes_what_it_touches_and_nothing_else() {
        for (tool, on, off) in [
            (Tool::Line, (50, 50), (60, 40)),
            (Tool::Rectangle, (100, 50), (50, 50)),
            (Tool::Ellipse, (50, 0), (50, 50)),
            (Tool::Text("wide words".into()), (10, 2), (90, 90)),
        ] {
            for (place, left) in [(on, 0), (off, 1)] {
                let mut state = InputState::default();
                state.apply(&draw(drawing(1, tool.clone(), &[(0, 0), (100, 100)])));
                let points = vec![Point { x: place.0, y: place.1 }];
                state.apply(&InputEvent::Annotation(Annotation::Erase { points, radius: 2 }));
                assert_eq!(state.drawings.len(), left, "{tool:?} at {place:?}");
            }
        }
    }

    #[test]
    fn letters_of_any_size_can_be_erased() {
        let mut state = InputState::default();
        let words = drawing(1, Tool::Text("words".into()), &[(0, 0)]);
        state.apply(&draw(Drawing { width: u32::MAX, ..words }));
        let points = vec![Point { x: i32::MAX, y: i32::MIN }];
        state.apply(&InputEvent::Annotation(Annotation::Erase { points, radius: u32::MAX }));
        assert_eq!(state.drawings, []);
    }

    #[test]
    fn what_is_down_comes_up_and_nothing_grows_without_end() {
        let mut state = InputState::default();
        let key = |name: &str, pressed| InputEvent::Key { name: name.to_owned(), pressed };
        for i in 0..10_000 {
            state.apply(&key(&i.to_string(), true));
            state.apply(&draw(drawing(i, Tool::Pen, &[(0, 0)])));
        }
        assert_eq!((state.keys.len(), state.drawings.len()), (32, InputState::DRAWINGS_MAX));
        state.apply(&key("0", false));
        assert_eq!(state.keys.len(), 31);
    }

    #[test]
    fn a_sample_is_a_document_that_reads_back() {
        let pixels = Bytes::from_static(&[1, 2, 3, 255]);
        let shape = PointerShape { size: Size::new(1, 1), hot: Point::default(), pixels };
        let sample = InputSample {
            state: Some(InputState { shape: Some(shape.clone()), ..InputState::default() }),
            events: vec![InputEvent::PointerShape(shape), InputEvent::Pointer(Point { x: 3, y: -4 })],
        };
        let text = serde_json::to_string(&sample).unwrap();
        assert!(text.contains(r#""pixels":"010203ff""#), "{text}");
        assert_eq!(serde_json::from_str::<InputSample>(&text).unwrap(), sample);
    }
}
