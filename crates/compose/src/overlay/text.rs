//! Words as outlines. The fonts that come with the program are asked first, so that words look the same on every
//! machine; what they lack, such as Chinese or Arabic letters, is looked for in the system's fonts.

use cosmic_text::{Attrs, Buffer, Family, FontSystem, LayoutGlyph, Metrics, Shaping, Weight, Wrap, fontdb};
use epaint_default_fonts::{NOTO_EMOJI_REGULAR, UBUNTU_LIGHT};
use tiny_skia::{LineJoin, Path, PathBuilder, Stroke, Transform};
use ttf_parser::{Face, GlyphId, OutlineBuilder};

/// From one line of words to the next, in heights of the letters.
const LINE: f32 = 1.25;
/// How much broader than the font's the lines of letters are, in heights of the letters: over moving pictures thin
/// ones are hard to read.
const BOLD: f32 = 0.045;
/// More letters in a line or more lines are not drawn.
const LETTERS_MAX: usize = 1_000;

/// All fonts, loaded when they are first needed.
#[derive(Debug, Default)]
pub(super) struct Fonts {
    loaded: Option<FontSystem>,
    /// Whether the system's are among them.
    has_system: bool,
}

/// Words that were laid out, their top left at zero.
pub(super) struct Words {
    outline: Option<Path>,
    /// From the left to the end of the longest line.
    pub(super) width: f32,
    /// From the top of the first line to the bottom of the last.
    pub(super) height: f32,
    size: f32,
}

impl Words {
    /// Their outlines with the top left there.
    pub(super) fn at(self, (x, y): (f32, f32)) -> Vec<Path> {
        let Some(outline) = self.outline.and_then(|path| path.transform(Transform::from_translate(x, y)))
        else {
            return Vec::new();
        };
        let stroke = Stroke { width: self.size * BOLD, line_join: LineJoin::Round, ..Stroke::default() };
        let bolder = outline.stroke(&stroke, 1.0);
        [Some(outline), bolder].into_iter().flatten().collect()
    }
}

impl Fonts {
    /// The outlines of `text` in letters `size` pixels tall, its top left at `place`.
    pub(super) fn words(&mut self, text: &str, size: f32, place: (f32, f32)) -> Vec<Path> {
        self.lay_out(text, size).at(place)
    }

    /// Lays out `text` in letters `size` pixels tall, with a new line only where it has one.
    pub(super) fn lay_out(&mut self, text: &str, size: f32) -> Words {
        let text = plain(text);
        let mut words = self.try_lay_out(&text, size);
        if words.is_err() && !self.has_system {
            let mut fonts = embedded();
            fonts.load_system_fonts();
            self.loaded = Some(FontSystem::new_with_locale_and_db("en-US".to_owned(), fonts));
            self.has_system = true;
            words = self.try_lay_out(&text, size);
        }
        words.unwrap_or_else(|words| words)
    }

    /// In vain if there are letters that no font has; then boxes are in their place.
    fn try_lay_out(&mut self, text: &str, size: f32) -> Result<Words, Words> {
        let fonts = self
            .loaded
            .get_or_insert_with(|| FontSystem::new_with_locale_and_db("en-US".to_owned(), embedded()));
        let mut buffer = Buffer::new(fonts, Metrics::new(size, size * LINE));
        buffer.set_wrap(Wrap::None);
        buffer.set_size(None, None);
        let attrs = Attrs::new().family(Family::SansSerif).weight(Weight::LIGHT);
        buffer.set_text(text, &attrs, Shaping::Advanced, None);
        buffer.shape_until_scroll(fonts, false);
        let mut outline = Outline { builder: PathBuilder::new(), x: 0.0, y: 0.0, scale: 0.0 };
        let (mut width, mut height, mut is_whole) = (0f32, 0f32, true);
        for run in buffer.layout_runs() {
            (width, height) = (width.max(run.line_w), height.max(run.line_top + run.line_height));
            for glyph in run.glyphs {
                is_whole &= glyph.glyph_id != 0;
                outline.push(fonts, glyph, run.line_y);
            }
        }
        let words = Words { outline: outline.builder.finish(), width, height, size };
        if is_whole { Ok(words) } else { Err(words) }
    }
}

fn embedded() -> fontdb::Database {
    let mut fonts = fontdb::Database::new();
    for font in [UBUNTU_LIGHT, NOTO_EMOJI_REGULAR] {
        fonts.load_font_data(font.to_vec());
    }
    let family = fonts.faces().next().and_then(|face| Some(face.families.first()?.0.clone()));
    fonts.set_sans_serif_family(family.unwrap_or_default());
    fonts
}

/// Without what is not a letter; ends of lines stay.
fn plain(text: &str) -> String {
    let line = |line: &str| -> String {
        let letters = line.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(|c| !c.is_control());
        letters.take(LETTERS_MAX).collect()
    };
    text.lines().take(LETTERS_MAX).map(line).collect::<Vec<_>>().join("\n")
}

/// Takes letters in units of their font, upwards, and makes pixels of them, downwards.
struct Outline {
    builder: PathBuilder,
    x: f32,
    y: f32,
    scale: f32,
}

impl Outline {
    fn push(&mut self, fonts: &mut FontSystem, glyph: &LayoutGlyph, line: f32) {
        let index = fonts.db().face(glyph.font_id).map_or(0, |face| face.index);
        let Some(font) = fonts.get_font(glyph.font_id, glyph.font_weight) else { return };
        let Ok(face) = Face::parse(font.data(), index) else { return };
        self.scale = glyph.font_size / f32::from(face.units_per_em());
        self.x = glyph.x + glyph.font_size * glyph.x_offset;
        self.y = line + glyph.y - glyph.font_size * glyph.y_offset;
        face.outline_glyph(GlyphId(glyph.glyph_id), self);
    }

    fn to(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, self.y - y * self.scale)
    }
}

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.to(x, y);
        self.builder.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.to(x, y);
        self.builder.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.to(x1, y1), self.to(x, y));
        self.builder.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.to(x1, y1), self.to(x2, y2), self.to(x, y));
        self.builder.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.builder.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_laid_out() {
        let mut fonts = Fonts::default();
        let long: String = "wide ".repeat(200);
        for text in [
            "",
            "\n\n",
            "\u{0}\u{7}\t\r\n",
            "مرحبا بالعالم",
            "שלום",
            "👩‍👩‍👧‍👦🇩🇪👍🏽",
            "漢字かな",
            "e\u{301}\u{301}",
            "\u{202e}abc",
            "\u{10FFFF}",
            &long,
        ] {
            for size in [1.0, 24.0, 500.0] {
                let words = fonts.lay_out(text, size);
                assert!(words.width.is_finite() && words.height.is_finite(), "{text:?}");
                words.at((-65_000.0, 65_000.0));
            }
        }
    }

    #[test]
    fn letters_and_signs_are_there_without_any_font_of_the_system() {
        let mut fonts = Fonts::default();
        let words = fonts.lay_out("Ctrl + Größe 👍", 40.0);
        assert!(!fonts.has_system);
        assert!(words.width > 200.0 && words.width < 400.0, "{}", words.width);
        let bounds = words.outline.unwrap().bounds();
        assert!(bounds.top() > 0.0 && bounds.bottom() < 50.0, "{bounds:?}");
    }
}
