//! The picture that is kept of a screen: updated where something changed, lent out without another copy.
//!
//! Where the compositor says what changed, those rows alone are copied. Where it does not, the new picture is compared
//! with the one before: that costs less than to convert and encode what stood still. Pure but for memory; tested
//! below.

use super::buffer::Rows;
use crate::{damage::simplified, pool::Pool};
use bytes::Bytes;
use model::{Damage, PixelFormat, Planes, Rect, Size};
use std::{convert::Infallible, iter};

/// Side of the tiles that are compared, in pixels across and rows down.
const TILE: (usize, usize) = (64, 16);

/// The order of the four bytes of a pixel, whose x may also be alpha.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Bgrx,
    Rgbx,
    Xrgb,
    Xbgr,
}

impl Order {
    /// Where blue, green and red are.
    fn places(self) -> [usize; 3] {
        match self {
            Self::Bgrx => [0, 1, 2],
            Self::Rgbx => [2, 1, 0],
            Self::Xrgb => [3, 2, 1],
            Self::Xbgr => [1, 2, 3],
        }
    }

    fn convert(self, from: &[u8], to: &mut [u8]) {
        let [blue, green, red] = self.places();
        for (from, to) in from.chunks_exact(4).zip(to.chunks_exact_mut(4)) {
            to.copy_from_slice(&[from[blue], from[green], from[red], u8::MAX]);
        }
    }
}

/// What was shown, somewhere else.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    pub rows: Rows<'a>,
    pub order: Order,
    /// Which part of the rows it is.
    pub area: Rect,
}

impl Shown<'_> {
    /// A row as it came.
    fn raw(&self, y: usize) -> &[u8] {
        let (x, width) = (self.area.x.unsigned_abs() as usize, self.area.width as usize);
        let start = (self.area.y.unsigned_abs() as usize + y) * self.rows.stride + 4 * x;
        &self.rows.bytes[start..start + 4 * width]
    }

    /// A row as it is kept.
    fn row<'b>(&'b self, y: usize, converted: &'b mut Vec<u8>) -> &'b [u8] {
        if self.order == Order::Bgrx {
            return self.raw(y);
        }
        converted.resize(4 * self.area.width as usize, 0);
        self.order.convert(self.raw(y), converted);
        converted
    }
}

/// Pictures of one size.
pub(super) struct Canvas {
    size: Size,
    pool: Pool<Vec<u8>>,
    /// The newest picture that was lent out.
    last: Option<Bytes>,
    /// What changed since then.
    pending: Damage,
}

/// What became of a picture.
#[derive(Debug)]
pub(super) enum Taken {
    New(Planes, Damage),
    Same,
    /// All memory is with slow readers: to be tried again.
    NoRoom,
}

impl Canvas {
    pub fn new(size: Size) -> Self {
        Self { size, pool: Pool::new(size.height), last: None, pending: Damage::All }
    }

    /// Takes in what is `shown`, whose size is that of the canvas and whose area lies within its rows. `changes` is
    /// what changed since what was shown before, if somebody said so.
    pub fn take_in(&mut self, shown: &Shown<'_>, changes: Option<Vec<Rect>>) -> Taken {
        let changes = match (changes, &self.last) {
            (Some(changes), Some(_)) => changes,
            (None, Some(last)) if !shown.rows.in_gpu => differences(shown, last),
            _ => vec![Rect::whole(self.size)],
        };
        self.pool.damage(&changes);
        let pending = std::mem::replace(&mut self.pending, Damage::All);
        self.pending = simplified(pending.union(&Damage::Rects(changes)));
        if self.pending == Damage::Rects(Vec::new()) {
            return Taken::Same;
        }
        let stride = 4 * self.size.width as usize;
        let bytes = stride * self.size.height as usize;
        let taken = self.pool.take(|| Ok::<_, Infallible>(vec![0; bytes]));
        let Some(mut blank) = taken.unwrap_or_else(|never| match never {}) else { return Taken::NoRoom };
        let rows = blank.stale.runs().flatten();
        for y in rows.map(|y| y as usize) {
            let row = &mut blank.buffer[y * stride..(y + 1) * stride];
            match shown.order {
                Order::Bgrx => row.copy_from_slice(shown.raw(y)),
                order => order.convert(shown.raw(y), row),
            }
        }
        let bytes = self.pool.lend(blank);
        self.last = Some(bytes.clone());
        let damage = std::mem::replace(&mut self.pending, Damage::Rects(Vec::new()));
        Taken::New(Planes { format: PixelFormat::Bgrx, size: self.size, stride, bytes }, damage)
    }
}

/// Where two pictures differ, to the tile.
fn differences(shown: &Shown<'_>, last: &[u8]) -> Vec<Rect> {
    let (width, height) = (shown.area.width as usize, shown.area.height as usize);
    let tiles = width.div_ceil(TILE.0);
    let (mut differs, mut converted, mut rects) = (vec![false; tiles], Vec::new(), Vec::new());
    for top in (0..height).step_by(TILE.1) {
        differs.fill(false);
        let bottom = (top + TILE.1).min(height);
        for y in top..bottom {
            let (new, old) = (shown.row(y, &mut converted), &last[4 * width * y..4 * width * (y + 1)]);
            if new != old {
                let pairs = new.chunks(4 * TILE.0).zip(old.chunks(4 * TILE.0));
                differs.iter_mut().zip(pairs).for_each(|(differs, (new, old))| *differs |= new != old);
            }
        }
        rects.extend(runs(&differs).map(|(from, to)| {
            let (left, right) = (from * TILE.0, (to * TILE.0).min(width));
            Rect::new(left as i32, top as i32, (right - left) as u32, (bottom - top) as u32)
        }));
    }
    rects
}

/// The runs of what is set, each from its first to after its last.
fn runs(set: &[bool]) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    iter::from_fn(move || {
        let from = at + set[at..].iter().position(|set| *set)?;
        let to = from + set[from..].iter().take_while(|set| **set).count();
        at = to;
        Some((from, to))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { width: 200, height: 50 };

    /// A picture within a larger one, in some order.
    struct Screen {
        bytes: Vec<u8>,
        order: Order,
        in_gpu: bool,
    }

    impl Screen {
        const AREA: Rect = Rect { x: 3, y: 2, width: SIZE.width, height: SIZE.height };
        const STRIDE: usize = 4 * 210 + 12;

        fn new(order: Order) -> Self {
            Self { bytes: vec![0; Self::STRIDE * 60], order, in_gpu: false }
        }

        fn set(&mut self, x: usize, y: usize, [blue, green, red]: [u8; 3]) {
            let at = (y + 2) * Self::STRIDE + 4 * (x + 3);
            let [b, g, r] = self.order.places();
            (self.bytes[at + b], self.bytes[at + g], self.bytes[at + r]) = (blue, green, red);
        }

        fn take(&self, canvas: &mut Canvas, changes: Option<Vec<Rect>>) -> Taken {
            let rows = Rows { bytes: &self.bytes, stride: Self::STRIDE, in_gpu: self.in_gpu };
            canvas.take_in(&Shown { rows, order: self.order, area: Self::AREA }, changes)
        }
    }

    fn pixel(picture: &Planes, x: usize, y: usize) -> [u8; 3] {
        picture.bytes[picture.stride * y + 4 * x..][..3].try_into().unwrap()
    }

    #[test]
    fn every_order_becomes_bgrx() {
        for order in [Order::Bgrx, Order::Rgbx, Order::Xrgb, Order::Xbgr] {
            let (mut screen, mut canvas) = (Screen::new(order), Canvas::new(SIZE));
            screen.set(199, 49, [1, 2, 3]);
            let Taken::New(picture, damage) = screen.take(&mut canvas, None) else { panic!("nothing new") };
            assert_eq!((pixel(&picture, 199, 49), damage), ([1, 2, 3], Damage::All), "{order:?}");
            screen.set(70, 20, [9, 8, 7]);
            let Taken::New(picture, damage) = screen.take(&mut canvas, None) else { panic!("nothing new") };
            assert_eq!(pixel(&picture, 70, 20), [9, 8, 7], "{order:?}");
            assert_eq!(damage, Damage::Rects(vec![Rect::new(64, 16, 64, 16)]), "{order:?}");
            assert!(matches!(screen.take(&mut canvas, None), Taken::Same), "{order:?}");
        }
    }

    #[test]
    fn what_is_said_to_change_is_taken_and_nothing_else() {
        let (mut screen, mut canvas) = (Screen::new(Order::Bgrx), Canvas::new(SIZE));
        let first = screen.take(&mut canvas, Some(Vec::new()));
        assert!(matches!(first, Taken::New(_, Damage::All)), "the first is all new whatever is said");
        screen.set(0, 0, [1; 3]);
        screen.set(0, 40, [2; 3]);
        let said = Rect::new(0, 40, 1, 1);
        let Taken::New(second, damage) = screen.take(&mut canvas, Some(vec![said])) else {
            panic!("nothing new")
        };
        assert_eq!((pixel(&second, 0, 40), damage), ([2; 3], Damage::Rects(vec![said])));
        assert!(matches!(screen.take(&mut canvas, Some(Vec::new())), Taken::Same));
    }

    #[test]
    fn without_room_nothing_is_forgotten() {
        let (mut screen, mut canvas) = (Screen::new(Order::Bgrx), Canvas::new(SIZE));
        let mut kept = Vec::new();
        let mut value = 0;
        while let Taken::New(picture, _) = screen.take(&mut canvas, None) {
            kept.push(picture);
            value += 1;
            screen.set(0, 0, [value; 3]);
        }
        screen.set(150, 30, [5; 3]);
        assert!(matches!(screen.take(&mut canvas, Some(vec![Rect::new(150, 30, 1, 1)])), Taken::NoRoom));
        kept.clear();
        let Taken::New(picture, damage) = screen.take(&mut canvas, Some(Vec::new())) else {
            panic!("forgotten")
        };
        assert_eq!((pixel(&picture, 0, 0), pixel(&picture, 150, 30)), ([value; 3], [5; 3]));
        let Damage::Rects(rects) = damage else { panic!("all of it changed") };
        assert!(rects.iter().any(|rect| rect.intersect(Rect::new(0, 0, 1, 1)).is_some()));
        assert!(rects.iter().any(|rect| rect.intersect(Rect::new(150, 30, 1, 1)).is_some()));
    }

    #[test]
    fn what_is_slow_to_read_is_not_read_twice() {
        let (mut screen, mut canvas) = (Screen::new(Order::Bgrx), Canvas::new(SIZE));
        screen.in_gpu = true;
        screen.take(&mut canvas, None);
        let Taken::New(_, damage) = screen.take(&mut canvas, None) else { panic!("compared") };
        assert_eq!(damage, Damage::Rects(vec![Rect::whole(SIZE)]));
    }
}
