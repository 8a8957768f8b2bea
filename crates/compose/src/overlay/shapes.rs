//! What somebody drew as outlines that can be filled.

use super::text::Fonts;
use model::{Drawing, Point, Tool};
use tiny_skia::{LineCap, LineJoin, Path, PathBuilder, Rect, Stroke};

/// Farther than any picture reaches; what is beyond is drawn as if it were there.
const FAR: f32 = 65_536.0;

/// The outlines of `drawing`, in pixels of the main picture.
pub(super) fn outlines(drawing: &Drawing, fonts: &mut Fonts) -> Vec<Path> {
    let points: Vec<(f32, f32)> = drawing.points.iter().map(place).collect();
    let (Some(&first), Some(&last)) = (points.first(), points.last()) else { return Vec::new() };
    let width = drawing.width as f32;
    let path = match &drawing.tool {
        Tool::Pen => return line(&points, width, LineCap::Round),
        Tool::Highlighter => return line(&points, width * Drawing::HIGHLIGHTER_TIMES as f32, LineCap::Butt),
        Tool::Line => return line(&[first, last], width, LineCap::Round),
        Tool::Arrow => return arrow(first, last, width),
        Tool::Text(text) => return fonts.words(text, width, first),
        Tool::Rectangle => polygon(&[first, (last.0, first.1), last, (first.0, last.1)]),
        Tool::Ellipse => corners(first, last).and_then(PathBuilder::from_oval),
    };
    // What has no area is a line.
    path.and_then(|path| stroked(&path, width, LineCap::Round))
        .map_or_else(|| line(&[first, last], width, LineCap::Round), |path| vec![path])
}

fn place(point: &Point) -> (f32, f32) {
    // The middle of the pixel.
    let place = |value: i32| (value as f32 + 0.5).clamp(-FAR, FAR);
    (place(point.x), place(point.y))
}

fn corners((x1, y1): (f32, f32), (x2, y2): (f32, f32)) -> Option<Rect> {
    Rect::from_ltrb(x1.min(x2), y1.min(y2), x1.max(x2), y1.max(y2))
        .filter(|rect| rect.width() > 0.0 && rect.height() > 0.0)
}

fn polygon(points: &[(f32, f32)]) -> Option<Path> {
    let mut builder = PathBuilder::new();
    let (&(x, y), rest) = points.split_first()?;
    builder.move_to(x, y);
    rest.iter().for_each(|&(x, y)| builder.line_to(x, y));
    builder.close();
    builder.finish()
}

fn stroked(path: &Path, width: f32, line_cap: LineCap) -> Option<Path> {
    let stroke = Stroke { width, line_cap, line_join: LineJoin::Round, ..Stroke::default() };
    path.stroke(&stroke, 1.0)
}

/// A smooth line through the middles between points, as a hand would draw it; a dot where all are one.
fn line(points: &[(f32, f32)], width: f32, cap: LineCap) -> Vec<Path> {
    let (first, last) = (points[0], points[points.len() - 1]);
    if points.iter().all(|&point| point == first) {
        return PathBuilder::from_circle(first.0, first.1, width / 2.0).into_iter().collect();
    }
    let mut builder = PathBuilder::new();
    builder.move_to(first.0, first.1);
    for pair in points[1..].windows(2) {
        let [(x1, y1), (x2, y2)] = [pair[0], pair[1]];
        builder.quad_to(x1, y1, (x1 + x2) / 2.0, (y1 + y2) / 2.0);
    }
    builder.line_to(last.0, last.1);
    builder.finish().and_then(|path| stroked(&path, width, cap)).into_iter().collect()
}

/// A line with a head whose corners are a little round; the line ends within the head.
fn arrow(from: (f32, f32), to: (f32, f32), width: f32) -> Vec<Path> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy);
    if length < 1.0 {
        return line(&[from, to], width, LineCap::Round);
    }
    let (along, across) = ((dx / length, dy / length), (-dy / length, dx / length));
    let head = (width * 4.6).max(16.0).min(length);
    let soft = (width * 0.8).min(head * 0.25);
    let half = head * 0.46;
    let at = |back: f32, aside: f32| {
        let (x, y) = (to.0 - along.0 * back, to.1 - along.1 * back);
        (x + across.0 * aside, y + across.1 * aside)
    };
    // Its softened corners reach half their width beyond.
    let tip = at(soft * 0.5, 0.0);
    let notch = at(head * 0.82, 0.0);
    let mut paths = line(&[from, at(head * 0.7, 0.0)], width, LineCap::Round);
    if let Some(head) = polygon(&[tip, at(head, half), notch, at(head, -half)]) {
        paths.extend(stroked(&head, soft, LineCap::Round));
        paths.push(head);
    }
    paths
}
