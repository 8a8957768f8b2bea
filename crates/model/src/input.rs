//! Input events: what people do on the screen while it is recorded. Kept as a data track of their own (ISO/IEC
//! 14496-12 timed metadata, one JSON document a sample), so that pointer, clicks, keys and drawings can be restyled.

use crate::{Color, Point, Size, Timestamp};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::time::Duration;

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
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
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
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
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
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
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
    /// A highlighter's line is as many times as broad as others.
    pub const HIGHLIGHTER_TIMES: u32 = 4;

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

/// A drawing and when it was drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drawn {
    /// When it was drawn last: it may have grown.
    pub at: Timestamp,
    /// What it is.
    pub drawing: Drawing,
}

impl Drawn {
    /// When it begins to fade and when it is gone; none if it stays.
    pub fn fades(&self) -> Option<(Timestamp, Timestamp)> {
        let ms = |ms: u32| Duration::from_millis(ms.into());
        let begins = self.at + ms(self.drawing.fade_after_ms?);
        Some((begins, begins + ms(Drawing::FADE_MS)))
    }
}

/// A button was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Click {
    /// When.
    pub at: Timestamp,
    /// Where.
    pub place: Point,
}

/// Keys that were pressed together: one, and those that were held to change what it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Combination {
    /// Their names, the one that was pressed last at the end.
    pub keys: Vec<String>,
    /// When the last of them went down or up.
    pub at: Timestamp,
}

/// All that holds at one instant, and what may still be seen of the instants before: what a reader must know who
/// begins here. Pure: events in, state out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct InputState {
    /// The size of the main picture.
    pub picture: Option<Size>,
    /// Where the pointer points, if it can be seen.
    pub pointer: Option<Point>,
    /// When it moved or pressed last.
    pub moved: Timestamp,
    /// How it looks.
    pub shape: Option<PointerShape>,
    /// Buttons that are down.
    pub buttons: Vec<u8>,
    /// The newest presses of buttons, oldest first.
    pub clicks: Vec<Click>,
    /// Keys that are down.
    pub keys: Vec<String>,
    /// The keys that were pressed last.
    pub combination: Option<Combination>,
    /// What is drawn, oldest first.
    pub drawings: Vec<Drawn>,
}

impl InputState {
    /// More drawings than this let the oldest go.
    pub const DRAWINGS_MAX: usize = 1_000;
    /// For how long presses of buttons are kept, and how many.
    const CLICKS_FOR: Duration = Duration::from_secs(1);
    const CLICKS_MAX: usize = 32;
    /// No keyboard and no mouse has more down at once; what is beyond came from nonsense.
    const DOWN_MAX: usize = 32;
    /// Keys that change what others mean.
    const MODIFIERS: [&'static str; 9] =
        ["Ctrl", "Control", "Shift", "Alt", "AltGr", "Super", "Meta", "Cmd", "Option"];

    /// What an event at `at` changes.
    pub fn apply(&mut self, event: &InputEvent, at: Timestamp) {
        match event {
            InputEvent::Resized(size) => self.picture = Some(*size),
            InputEvent::Pointer(place) => (self.pointer, self.moved) = (Some(*place), at),
            InputEvent::PointerShape(shape) => self.shape = Some(shape.clone()),
            InputEvent::PointerGone => self.pointer = None,
            InputEvent::Button { button, pressed, at: place } => {
                hold(&mut self.buttons, button, *pressed);
                self.moved = at;
                if *pressed {
                    self.click(Click { at, place: *place });
                }
            }
            InputEvent::Key { name, pressed } => {
                hold(&mut self.keys, name, *pressed);
                self.combine(name, *pressed, at);
            }
            InputEvent::Annotation(annotation) => self.annotate(annotation, at),
        }
    }

    fn click(&mut self, click: Click) {
        self.clicks.retain(|old| old.at + Self::CLICKS_FOR > click.at);
        let surplus = (self.clicks.len() + 1).saturating_sub(Self::CLICKS_MAX);
        self.clicks.drain(..surplus);
        self.clicks.push(click);
    }

    fn combine(&mut self, name: &str, pressed: bool, at: Timestamp) {
        if pressed {
            let is_held = |key: &&String| Self::MODIFIERS.contains(&key.as_str()) && *key != name;
            let mut keys: Vec<String> = self.keys.iter().filter(is_held).cloned().collect();
            keys.push(name.to_owned());
            self.combination = Some(Combination { keys, at });
        } else if let Some(combination) = &mut self.combination
            && combination.keys.iter().any(|key| key == name)
        {
            combination.at = at;
        }
    }

    fn annotate(&mut self, annotation: &Annotation, at: Timestamp) {
        // What has faded is gone for good: nobody sees it undone.
        self.drawings.retain(|drawn| drawn.fades().is_none_or(|(_, gone)| gone > at));
        match annotation {
            Annotation::Draw(drawing) => {
                let drawn = Drawn { at, drawing: drawing.clone() };
                match self.drawings.iter_mut().find(|known| known.drawing.id == drawing.id) {
                    Some(known) => *known = drawn,
                    None => self.drawings.push(drawn),
                }
                let surplus = self.drawings.len().saturating_sub(Self::DRAWINGS_MAX);
                self.drawings.drain(..surplus);
            }
            Annotation::Erase { points, radius } => {
                self.drawings.retain(|drawn| !drawn.drawing.is_touched(points, *radius));
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
        let times = if self.tool == Tool::Highlighter { Self::HIGHLIGHTER_TIMES } else { 1 };
        let reach = f64::from(radius) + f64::from(self.width) * f64::from(times) / 2.0;
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

    const AT: Timestamp = Timestamp::ZERO;

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
        state.apply(&draw(drawing(1, Tool::Pen, &[(0, 0)])), AT);
        state.apply(&draw(drawing(2, Tool::Pen, &[(9, 9)])), AT);
        state.apply(&draw(drawing(1, Tool::Pen, &[(0, 0), (5, 5)])), AT);
        assert_eq!(
            state.drawings.iter().map(|d| (d.drawing.id, d.drawing.points.len())).collect::<Vec<_>>(),
            [(1, 2), (2, 1)]
        );
        state.apply(&InputEvent::Annotation(Annotation::Undo), AT);
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
                state.apply(&draw(drawing(1, tool.clone(), &[(0, 0), (100, 100)])), AT);
                let points = vec![Point { x: place.0, y: place.1 }];
                state.apply(&InputEvent::Annotation(Annotation::Erase { points, radius: 2 }), AT);
                assert_eq!(state.drawings.len(), left, "{tool:?} at {place:?}");
            }
        }
    }

    #[test]
    fn letters_of_any_size_can_be_erased() {
        let mut state = InputState::default();
        let words = drawing(1, Tool::Text("words".into()), &[(0, 0)]);
        state.apply(&draw(Drawing { width: u32::MAX, ..words }), AT);
        let points = vec![Point { x: i32::MAX, y: i32::MIN }];
        state.apply(&InputEvent::Annotation(Annotation::Erase { points, radius: u32::MAX }), AT);
        assert_eq!(state.drawings, []);
    }

    #[test]
    fn what_is_down_comes_up_and_nothing_grows_without_end() {
        let mut state = InputState::default();
        let key = |name: &str, pressed| InputEvent::Key { name: name.to_owned(), pressed };
        for i in 0..10_000 {
            state.apply(&key(&i.to_string(), true), AT);
            state.apply(&draw(drawing(i, Tool::Pen, &[(0, 0)])), AT);
        }
        assert_eq!((state.keys.len(), state.drawings.len()), (32, InputState::DRAWINGS_MAX));
        state.apply(&key("0", false), AT);
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

    #[test]
    fn a_drawing_that_has_faded_is_gone_and_one_that_grows_begins_anew() {
        let mut state = InputState::default();
        let fading = |id| Drawing { fade_after_ms: Some(1000), ..drawing(id, Tool::Pen, &[(0, 0)]) };
        let ms = |ms: i64| Timestamp(ms * 1_000_000);
        state.apply(&draw(fading(1)), ms(0));
        state.apply(&draw(fading(2)), ms(0));
        state.apply(&draw(fading(2)), ms(900));
        assert_eq!(state.drawings[1].fades(), Some((ms(1900), ms(2400))));
        state.apply(&draw(drawing(3, Tool::Pen, &[(0, 0)])), ms(1500));
        assert_eq!(state.drawings.iter().map(|drawn| drawn.drawing.id).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn keys_are_combined_with_those_that_change_their_meaning() {
        let mut state = InputState::default();
        let mut combined = |name: &str, pressed| {
            state.apply(&InputEvent::Key { name: name.to_owned(), pressed }, AT);
            state.combination.clone().unwrap().keys.join(" + ")
        };
        assert_eq!(combined("Ctrl", true), "Ctrl");
        assert_eq!(combined("Shift", true), "Ctrl + Shift");
        assert_eq!(combined("C", true), "Ctrl + Shift + C");
        assert_eq!(combined("Shift", false), "Ctrl + Shift + C");
        // Who types fast presses the next key before the last is up.
        assert_eq!(combined("V", true), "Ctrl + V");
        assert_eq!(combined("Ctrl", false), "Ctrl + V");
        assert_eq!(combined("X", true), "X");
    }

    #[test]
    fn clicks_are_forgotten() {
        let mut state = InputState::default();
        for i in 0..100 {
            let press = InputEvent::Button { button: 1, pressed: true, at: Point::default() };
            state.apply(&press, Timestamp(i * 10_000_000));
            state
                .apply(&InputEvent::Button { button: 1, pressed: false, at: Point::default() }, Timestamp(i));
            assert!(state.clicks.len() <= 32);
        }
        let press = InputEvent::Button { button: 1, pressed: true, at: Point { x: 1, y: 2 } };
        state.apply(&press, Timestamp(9_000_000_000));
        assert_eq!(state.clicks.len(), 1);
    }
}
