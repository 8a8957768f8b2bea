//! The picture of all that is seen, kept from one time to the next: only what changed of it is drawn again, in place
//! where nobody else holds it.

use super::{
    ink::Ink,
    seen::{Key, Seen},
};
use crate::cpu::{Region, by_255};
use bytes::{Bytes, BytesMut};
use model::{Color, Damage, Frame, PixelFormat, Planes, Point, Rect, Size, Timestamp};
use std::{collections::HashMap, sync::Arc};

/// The sides of a picture are multiples of this, so that it seldom changes its size while a line grows.
const BLOCK: u32 = 128;

/// What was drawn last.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    seen: Vec<Seen>,
    /// Over what.
    picture: Option<Size>,
    frame: Option<Frame>,
    serial: u64,
}

/// Knows what the sheet does not keep.
pub(super) trait Source {
    /// What `seen` covers.
    fn ink(&mut self, seen: &Seen) -> Arc<Ink>;
    /// Where version `new` of something differs from its version `old`, if that is known.
    fn difference(&self, key: Key, old: u64, new: u64) -> Option<Rect>;
}

impl Sheet {
    /// Draws `seen`, back to front, over a picture of this size; none where nothing is.
    pub(super) fn draw(
        &mut self,
        seen: Vec<Seen>,
        picture: Size,
        at: Timestamp,
        source: &mut impl Source,
    ) -> Option<Frame> {
        let before = std::mem::replace(&mut self.seen, seen);
        let is_resized = self.picture.replace(picture) != Some(picture);
        let cover = cover(&self.seen, picture);
        let old = self.frame.take();
        let cover = cover?;
        let (mut bytes, damage) = match old {
            Some(old) if !is_resized && area(&old) == cover && is_same_order(&before, &self.seen) => {
                let damage = damage(&before, &self.seen, cover, source);
                if damage.is_empty() {
                    self.frame = Some(old.clone());
                    return Some(old);
                }
                // Who holds the last picture still keeps it.
                let bytes = old.picture.bytes.try_into_mut().unwrap_or_else(|held| BytesMut::from(&held[..]));
                (bytes, Damage::Rects(damage))
            }
            _ => (BytesMut::zeroed(cover.area() as usize * 4), Damage::All),
        };
        let rects = match &damage {
            Damage::Rects(rects) => rects.as_slice(),
            Damage::All => &[Rect::whole(cover.size())],
        };
        self.paint(&mut bytes, cover, rects, source);
        let since = if damage == Damage::All { 0 } else { self.serial };
        self.serial += 1;
        let frame = Frame {
            at,
            picture: Planes {
                format: PixelFormat::BgraPremultiplied,
                size: cover.size(),
                stride: cover.width as usize * 4,
                bytes: Bytes::from(bytes),
            },
            origin: Point { x: cover.x, y: cover.y },
            serial: self.serial,
            since,
            damage,
        };
        self.frame = Some(frame.clone());
        Some(frame)
    }

    /// Draws what of `rects`, counted from the top left of `cover`, is seen.
    fn paint(&self, bytes: &mut BytesMut, cover: Rect, rects: &[Rect], source: &mut impl Source) {
        for rect in rects {
            let stride = cover.width as usize * 4;
            let columns = rect.x as usize * 4..rect.right() as usize * 4;
            for row in bytes.chunks_exact_mut(stride).take(rect.bottom() as usize).skip(rect.y as usize) {
                row[columns.clone()].fill(0);
            }
            let rect = rect.shifted(cover.x, cover.y);
            for seen in &self.seen {
                let Some(part) = seen.bounds.intersect(rect) else { continue };
                let ink = seen.ink.clone().unwrap_or_else(|| source.ink(seen));
                let Some(part) = ink.bounds.intersect(part) else { continue };
                for y in part.y..part.bottom() {
                    let at = y.abs_diff(cover.y) as usize * stride + part.x.abs_diff(cover.x) as usize * 4;
                    let row = &mut bytes[at..][..part.width as usize * 4];
                    tint(ink.row(part.x, y, part.width), seen.color, seen.alpha, row);
                }
            }
        }
    }
}

/// What the picture covers: whole blocks, or as much of them as there is.
fn cover(seen: &[Seen], picture: Size) -> Option<Rect> {
    let bounds = seen.iter().map(|seen| seen.bounds).reduce(Rect::union)?;
    let step = BLOCK as i32;
    let (x, y) = (bounds.x / step * step, bounds.y / step * step);
    let side = |from: i32, to: i32| from.abs_diff(to).next_multiple_of(BLOCK);
    Rect::new(x, y, side(x, bounds.right()), side(y, bounds.bottom())).intersect(Rect::whole(picture))
}

fn area(frame: &Frame) -> Rect {
    Rect::whole(frame.picture.size).shifted(frame.origin.x, frame.origin.y)
}

fn by_key(seen: &[Seen]) -> HashMap<Key, usize> {
    seen.iter().enumerate().map(|(index, seen)| (seen.key, index)).collect()
}

fn is_same_order(before: &[Seen], after: &[Seen]) -> bool {
    let places = by_key(before);
    after.iter().filter_map(|seen| places.get(&seen.key)).is_sorted()
}

/// Where `after` looks different from `before`, counted from the top left of `cover`.
fn damage(before: &[Seen], after: &[Seen], cover: Rect, source: &impl Source) -> Vec<Rect> {
    let mut region = Region::new(cover.size());
    let mut add = |rect: Rect| region.add(rect.shifted(-cover.x, -cover.y));
    let (old_places, new_places) = (by_key(before), by_key(after));
    before.iter().filter(|seen| !new_places.contains_key(&seen.key)).for_each(|seen| add(seen.bounds));
    for new in after {
        let Some(old) = old_places.get(&new.key).map(|&place| &before[place]) else {
            add(new.bounds);
            continue;
        };
        let is_same_paint = (old.color, old.alpha) == (new.color, new.alpha);
        if is_same_paint && old.version == new.version {
            continue;
        }
        let difference = source.difference(new.key, old.version, new.version).filter(|_| is_same_paint);
        add(difference.unwrap_or_else(|| old.bounds.union(new.bounds)));
    }
    let clipped = |rect: Rect| rect.intersect(Rect::whole(cover.size()));
    let rects: Vec<Rect> = region.into_rects().into_iter().filter_map(clipped).collect();
    if after.iter().any(|seen| seen.ink.is_none()) {
        // What is not kept is rather made once than once for each rectangle.
        return rects.into_iter().reduce(Rect::union).into_iter().collect();
    }
    rects
}

/// Lays `color` over `row` where `coverage` has something, seen through by `alpha`.
fn tint(coverage: &[u8], color: Color, alpha: u8, row: &mut [u8]) {
    let color = [color.blue, color.green, color.red, 255].map(u32::from);
    for (&share, pixel) in coverage.iter().zip(row.as_chunks_mut::<4>().0) {
        if share == 0 {
            continue;
        }
        let over = by_255(u32::from(share) * u32::from(alpha));
        for (value, color) in pixel.iter_mut().zip(color) {
            *value = (by_255(color * over) + by_255(u32::from(*value) * (255 - over))).min(255) as u8;
        }
    }
}
