//! The coverage of all drawings, made once for each, within a bound of memory.

use super::{
    ink::Ink,
    seen::{Key, Seen},
    shapes,
    text::Fonts,
};
use model::{Color, Drawing, Rect, Size};
use std::{collections::HashMap, sync::Arc};
use tiny_skia::{Path, PathBuilder};

/// Coverage that is kept, in bytes. What is beyond is made again whenever it is drawn.
const KEPT_MAX: usize = 64 << 20;
/// Longer names of keys are cut, and more of them left out.
const NAME_MAX: usize = 24;
const NAMES_MAX: usize = 8;

/// Coverage that was made, and of what it is a change.
#[derive(Debug)]
struct Made {
    version: u64,
    bounds: Rect,
    ink: Option<Arc<Ink>>,
    /// The version before it, and where the two differ.
    change: Option<(u64, Rect)>,
    /// Whether it was drawn again since.
    is_old: bool,
}

#[derive(Debug)]
struct Pill {
    names: String,
    picture: Size,
    seen: [Seen; 2],
}

/// Makes coverage and keeps it.
#[derive(Debug, Default)]
pub(super) struct Inks {
    fonts: Fonts,
    drawings: HashMap<u64, Made>,
    kept: usize,
    versions: u64,
    pill: Option<Pill>,
}

impl Inks {
    /// The drawing with this id is not what it was.
    pub(super) fn outdate(&mut self, id: u64) {
        if let Some(made) = self.drawings.get_mut(&id) {
            made.is_old = true;
        }
    }

    /// How many drawings it knows.
    pub(super) fn len(&self) -> usize {
        self.drawings.len()
    }

    /// Forgets all that is not among these.
    pub(super) fn keep(&mut self, is_there: impl Fn(u64) -> bool) {
        self.drawings.retain(|&id, _| is_there(id));
        self.kept = self.drawings.values().filter_map(|made| made.ink.as_ref()).map(|ink| ink.bytes()).sum();
    }

    /// What `drawing` covers; none if it cannot be drawn.
    pub(super) fn drawing(&mut self, drawing: &Drawing, picture: Size) -> Option<Seen> {
        if drawing.fault().is_some() {
            return None;
        }
        if self.drawings.get(&drawing.id).is_none_or(|made| made.is_old) {
            self.make(drawing, picture);
        }
        let made = self.drawings.get(&drawing.id)?;
        Some(Seen {
            key: Key::Drawing(drawing.id),
            version: made.version,
            bounds: made.bounds,
            color: drawing.color,
            alpha: 255,
            ink: made.ink.clone(),
        })
    }

    /// The coverage of a drawing that was not kept.
    pub(super) fn again(&mut self, drawing: &Drawing, picture: Size) -> Arc<Ink> {
        Arc::new(Ink::within(&shapes::outlines(drawing, &mut self.fonts), picture))
    }

    /// Where version `new` of a drawing differs from its version `old`, if that is known.
    pub(super) fn difference(&self, id: u64, old: u64, new: u64) -> Option<Rect> {
        let made = self.drawings.get(&id).filter(|made| made.version == new)?;
        made.change.filter(|(before, _)| *before == old).map(|(_, rect)| rect)
    }

    fn make(&mut self, drawing: &Drawing, picture: Size) {
        let ink = self.again(drawing, picture);
        let before = self.drawings.remove(&drawing.id);
        let mut change = None;
        if let Some(Made { version, ink: Some(old), .. }) = before {
            self.kept -= old.bytes();
            let nothing = Rect::new(ink.bounds.x, ink.bounds.y, 0, 0);
            change = Some((version, old.difference(&ink).unwrap_or(nothing)));
        }
        self.versions += 1;
        let is_kept = self.kept + ink.bytes() <= KEPT_MAX;
        self.kept += if is_kept { ink.bytes() } else { 0 };
        let bounds = ink.bounds;
        let made =
            Made { version: self.versions, bounds, ink: is_kept.then_some(ink), change, is_old: false };
        self.drawings.insert(drawing.id, made);
    }

    /// The names of keys, and what is beneath them, at the bottom centre.
    pub(super) fn keys(&mut self, keys: &[String], picture: Size) -> [Seen; 2] {
        let name = |key: &String| key.chars().take(NAME_MAX).collect::<String>();
        let names = keys.iter().rev().take(NAMES_MAX).rev().map(name).collect::<Vec<_>>().join(" + ");
        if let Some(pill) = self.pill.as_ref().filter(|pill| pill.names == names && pill.picture == picture) {
            return pill.seen.clone();
        }
        self.versions += 1;
        let [pill, letters] = self.pill(&names, picture);
        let seen = |key, ink: Ink| Seen {
            key,
            version: self.versions,
            bounds: ink.bounds,
            color: Color::WHITE,
            alpha: 255,
            ink: Some(Arc::new(ink)),
        };
        let seen = [seen(Key::Pill, pill), seen(Key::Names, letters)];
        self.pill = Some(Pill { names, picture, seen: seen.clone() });
        seen
    }

    fn pill(&mut self, names: &str, picture: Size) -> [Ink; 2] {
        let (across, down) = (picture.width as f32, picture.height as f32);
        let mut size = (down / 34.0).clamp(12.0, 120.0);
        let mut words = self.fonts.lay_out(names, size);
        let room = across * 0.9 - 2.0 * size;
        if words.width > room && room > 0.0 {
            size *= room / words.width;
            words = self.fonts.lay_out(names, size);
        }
        let (height, width) = (words.height + size * 0.9, words.width.max(size * 0.6) + size * 1.9);
        let (x, y) = ((across - width) / 2.0, down * 0.94 - height);
        let inside = ((across - words.width) / 2.0, y + (height - words.height) / 2.0);
        let pill: Vec<Path> = rounded(x, y, width, height).into_iter().collect();
        [Ink::within(&pill, picture), Ink::within(&words.at(inside), picture)]
    }
}

/// A rectangle whose short sides are half circles.
fn rounded(x: f32, y: f32, width: f32, height: f32) -> Option<Path> {
    /// What makes a curve of four points a quarter of a circle.
    const QUARTER: f32 = 0.552_285;
    let radius = width.min(height) / 2.0;
    let pull = radius * (1.0 - QUARTER);
    let (right, bottom) = (x + width, y + height);
    let mut path = PathBuilder::new();
    path.move_to(x + radius, y);
    path.line_to(right - radius, y);
    path.cubic_to(right - pull, y, right, y + pull, right, y + radius);
    path.line_to(right, bottom - radius);
    path.cubic_to(right, bottom - pull, right - pull, bottom, right - radius, bottom);
    path.line_to(x + radius, bottom);
    path.cubic_to(x + pull, bottom, x, bottom - pull, x, bottom - radius);
    path.line_to(x, y + radius);
    path.cubic_to(x, y + pull, x + pull, y, x + radius, y);
    path.close();
    path.finish()
}
