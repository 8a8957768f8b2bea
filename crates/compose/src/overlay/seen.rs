//! What is seen at one instant: a list made of nothing but the state, the style and the time, so that a recording and
//! an export of it show the same.

use super::{ink::Ink, inks::Inks};
use model::{Click, Color, InputState, Point, Rect, Size, Timestamp, Tool};
use std::{ops::Range, sync::Arc, time::Duration};

/// From one picture of something that moves to the next: thirty a second.
pub(super) const STEP: Duration = Duration::from_nanos(33_333_333);
/// A ring spreads for this long.
const RIPPLE: Duration = Duration::from_millis(400);
/// Keys are shown for this long after they came up, and fade at the end of it.
const KEYS: Duration = Duration::from_millis(1_500);
const KEYS_FADE: Duration = Duration::from_millis(250);

/// A highlighter lets through what is beneath.
const HIGHLIGHTER: u8 = 102;
const RIPPLE_COLOR: Color = Color::new(255, 176, 32);
const PILL_COLOR: Color = Color::new(22, 24, 29);
const PILL: u8 = 215;

/// What a thing that is seen is; it has one place in the order, back to front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// The drawing with this id.
    Drawing(u64),
    /// The ring of the click at this time and place.
    Ring(Timestamp, Point),
    /// The middle of it.
    Spot(Timestamp, Point),
    /// Beneath the names of keys.
    Pill,
    /// The names of keys.
    Names,
}

/// One thing of one colour.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) key: Key,
    /// The same as long as it covers the same.
    pub(super) version: u64,
    pub(super) bounds: Rect,
    pub(super) color: Color,
    pub(super) alpha: u8,
    /// What it covers, unless that is so much that it is made again when it is needed.
    pub(super) ink: Option<Arc<Ink>>,
}

/// What is drawn besides drawings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    /// Rings from where a button was pressed.
    pub(super) ripple: bool,
    /// Names of keys.
    pub(super) keys: bool,
}

/// All that is seen of `state` at `at`, back to front.
pub(super) fn seen(
    state: &InputState,
    shown: Shown,
    picture: Size,
    at: Timestamp,
    inks: &mut Inks,
) -> Vec<Seen> {
    let at = at.floor_to(STEP);
    let mut seen: Vec<Seen> = Vec::new();
    for drawn in &state.drawings {
        let alpha = drawn.fades().map_or(255, |(begins, ends)| share(255, at, begins..ends));
        let highlights = drawn.drawing.tool == Tool::Highlighter;
        let alpha = if highlights { product(alpha, HIGHLIGHTER) } else { alpha };
        if alpha > 0
            && let Some(ink) = inks.drawing(&drawn.drawing, picture)
        {
            let key = Key::Drawing(drawn.drawing.id);
            seen.push(Seen { key, color: drawn.drawing.color, alpha, ..ink });
        }
    }
    if shown.ripple {
        seen.extend(state.clicks.iter().filter_map(|click| ripple(click, picture, at)).flatten());
    }
    if shown.keys
        && let Some((combination, alpha)) = keys(state, at)
    {
        let [pill, names] = inks.keys(combination, picture);
        seen.push(Seen { color: PILL_COLOR, alpha: product(alpha, PILL), ..pill });
        seen.push(Seen { color: Color::WHITE, alpha, ..names });
    }
    seen.retain(|seen| !seen.bounds.is_empty() && seen.alpha > 0);
    seen
}

/// The first instant after `after` at which what is seen differs though nothing happens.
pub(super) fn next_change(state: &InputState, shown: Shown, after: Timestamp) -> Option<Timestamp> {
    let fades = state.drawings.iter().filter_map(|drawn| drawn.fades());
    let ripples = state.clicks.iter().filter(|_| shown.ripple).map(|click| (click.at, click.at + RIPPLE));
    let keys = keys_end(state).filter(|_| shown.keys).map(|end| (end - KEYS_FADE, end));
    let step = after.floor_to(STEP);
    fades
        .chain(ripples)
        .chain(keys)
        .filter(|&(_, ends)| step < ends)
        .map(|(begins, _)| begins.max(after).next_multiple(STEP))
        .min()
}

/// The keys that are shown and how much they are.
fn keys(state: &InputState, at: Timestamp) -> Option<(&[String], u8)> {
    let combination = state.combination.as_ref()?;
    let alpha = keys_end(state).map_or(255, |end| share(255, at, end - KEYS_FADE..end));
    (alpha > 0).then_some((combination.keys.as_slice(), alpha))
}

/// When the keys are gone; none while one of them is down.
fn keys_end(state: &InputState) -> Option<Timestamp> {
    let combination = state.combination.as_ref()?;
    let is_down = combination.keys.iter().any(|key| state.keys.contains(key));
    (!is_down).then(|| combination.at + KEYS)
}

/// A ring that becomes wider and fainter, and a spot that it leaves.
fn ripple(click: &Click, picture: Size, at: Timestamp) -> Option<[Seen; 2]> {
    let age = at.saturating_since(click.at);
    if age >= RIPPLE {
        return None;
    }
    let gone = age.as_secs_f32() / RIPPLE.as_secs_f32();
    // Fast at first, then slower.
    let spread = 1.0 - (1.0 - gone).powi(3);
    let unit = (picture.height as f32 / 1080.0).clamp(0.6, 4.0);
    let (radius, width) = (unit * (10.0 + 30.0 * spread), unit * (7.0 - 3.0 * spread));
    let reach = (radius + width).ceil() as u32 + 1;
    let (x, y) = (click.place.x, click.place.y);
    let across = |value: i32| value.checked_sub_unsigned(reach);
    let bounds = Rect::new(across(x)?, across(y)?, 2 * reach + 1, 2 * reach + 1);
    let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
    let ring = move |px: f32, py: f32| width / 2.0 + 0.5 - ((px - x).hypot(py - y) - radius).abs();
    let spot = move |px: f32, py: f32| radius + 0.5 - (px - x).hypot(py - y);
    let alpha = (255.0 * (1.0 - gone * gone)).round() as u8;
    let seen = |key, alpha, ink: Ink| Seen {
        key,
        version: age.as_nanos() as u64,
        bounds: ink.bounds,
        color: RIPPLE_COLOR,
        alpha,
        ink: Some(Arc::new(ink)),
    };
    Some([
        seen(Key::Spot(click.at, click.place), alpha / 3, Ink::computed(bounds, picture, spot)),
        seen(Key::Ring(click.at, click.place), alpha, Ink::computed(bounds, picture, ring)),
    ])
}

/// How much is left of `alpha` for what fades during `span`.
fn share(alpha: u8, at: Timestamp, span: Range<Timestamp>) -> u8 {
    let all = span.end.saturating_since(span.start).as_nanos().max(1);
    let left = span.end.saturating_since(at.max(span.start)).as_nanos();
    (u128::from(alpha) * left / all) as u8
}

fn product(a: u8, b: u8) -> u8 {
    ((u32::from(a) * u32::from(b) + 127) / 255) as u8
}
