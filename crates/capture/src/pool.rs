//! The few buffers that a screen's pictures lie in: lent out as [`Bytes`], and back when nobody looks at them.
//!
//! A buffer that comes back holds an old picture. The pool remembers for each which rows have changed since it was
//! filled, so that only those are fetched again. Pure but for memory; tested below.

use crate::damage::Rows;
use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};
use model::Rect;

/// Three readers, one of whom only looks, may each draw one picture while the newest waits for all of them, one is filled,
/// and one is for a reader that is slow to let go. So a screen takes at most six pictures of memory (200 MB at
/// 3840×2160), and as a rule three: a buffer is made only when all that there are have readers.
const BUFFERS_MAX: usize = 6;

/// Buffers of type `B`, all of `height` rows.
pub(crate) struct Pool<B> {
    height: u32,
    stale: Vec<Rows>,
    free: Vec<(usize, B)>,
    back: Receiver<(usize, B)>,
    home: Sender<(usize, B)>,
}

/// A buffer that nobody else sees, and the rows that must be filled before it shows the newest picture.
pub(crate) struct Blank<B> {
    index: usize,
    pub buffer: B,
    pub stale: Rows,
}

impl<B: AsRef<[u8]> + Send + 'static> Pool<B> {
    pub fn new(height: u32) -> Self {
        let (home, back) = crossbeam_channel::bounded(BUFFERS_MAX);
        Self { height, stale: Vec::new(), free: Vec::new(), back, home }
    }

    /// The source changed within `rects`: no buffer shows that yet.
    pub fn damage(&mut self, rects: &[Rect]) {
        for stale in &mut self.stale {
            stale.insert_rects(rects, self.height);
        }
    }

    /// The buffer that lacks least, or a new one while there are few; none while all are being looked at.
    pub fn take<E>(&mut self, make: impl FnOnce() -> Result<B, E>) -> Result<Option<Blank<B>>, E> {
        self.free.extend(self.back.try_iter());
        let least = (0..self.free.len()).min_by_key(|&at| self.stale[self.free[at].0].count());
        if let Some(at) = least {
            let (index, buffer) = self.free.swap_remove(at);
            let stale = self.stale[index].clone();
            return Ok(Some(Blank { index, buffer, stale }));
        }
        if self.stale.len() == BUFFERS_MAX {
            return Ok(None);
        }
        let (index, stale) = (self.stale.len(), Rows::all(self.height));
        let buffer = make()?;
        self.stale.push(stale.clone());
        Ok(Some(Blank { index, buffer, stale }))
    }

    /// Lends out a buffer whose stale rows have been filled.
    pub fn lend(&mut self, filled: Blank<B>) -> Bytes {
        self.stale[filled.index] = Rows::default();
        Bytes::from_owner(Loan { lent: Some((filled.index, filled.buffer)), home: self.home.clone() })
    }
}

/// Brings its buffer home when the last [`Bytes`] of it goes.
struct Loan<B> {
    lent: Option<(usize, B)>,
    home: Sender<(usize, B)>,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Loan<B> {
    fn as_ref(&self) -> &[u8] {
        self.lent.as_ref().map_or(&[], |(_, buffer)| buffer.as_ref())
    }
}

impl<B> Drop for Loan<B> {
    fn drop(&mut self) {
        if let Some(lent) = self.lent.take() {
            // The queue has room for every buffer there is; where the pool is gone, so is the need for them.
            let _ = self.home.try_send(lent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn take(pool: &mut Pool<Vec<u8>>) -> Option<Blank<Vec<u8>>> {
        pool.take(|| Ok::<_, Infallible>(vec![0; 100])).unwrap()
    }

    #[test]
    fn a_buffer_comes_back_knowing_what_it_lacks() {
        let mut pool = Pool::new(100);
        let blank = take(&mut pool).unwrap();
        assert_eq!(blank.stale, Rows::all(100));
        let first = pool.lend(blank);
        pool.damage(&[Rect::new(0, 40, 5, 2)]);
        let blank = take(&mut pool).unwrap();
        assert_eq!(blank.stale, Rows::all(100), "a new buffer lacks everything");
        let second = pool.lend(blank);
        drop(first);
        let again = take(&mut pool).unwrap();
        assert!(again.stale.runs().eq(std::iter::once(40..42)));
        drop((second, again));
    }

    #[test]
    fn what_lacks_least_goes_first() {
        let mut pool = Pool::new(100);
        let (a, b) = (take(&mut pool).unwrap(), take(&mut pool).unwrap());
        let a = pool.lend(a);
        pool.damage(&[Rect::new(0, 0, 5, 90)]);
        let b = pool.lend(b);
        drop((a, b));
        assert_eq!(take(&mut pool).unwrap().stale.count(), 0);
        assert_eq!(take(&mut pool).unwrap().stale.count(), 90);
    }

    #[test]
    fn two_readers_may_each_draw_one_picture_and_hold_the_next() {
        let mut pool = Pool::new(100);
        let next = |pool: &mut Pool<_>| take(pool).map(|blank| pool.lend(blank)).expect("there is memory");
        let mut readers = [[next(&mut pool), next(&mut pool)], [next(&mut pool), next(&mut pool)]];
        for step in 0..100 {
            // Each goes on when it likes: one at every picture, the other at each third.
            let picture = next(&mut pool);
            readers[0] = [readers[0][1].clone(), picture.clone()];
            if step % 3 == 0 {
                readers[1] = [readers[1][1].clone(), picture];
            }
        }
    }

    #[test]
    fn quick_readers_take_little_memory() {
        let mut pool = Pool::new(100);
        for _ in 0..100 {
            let (drawn, waiting) = (take(&mut pool), take(&mut pool));
            drop(drawn.map(|blank| pool.lend(blank)));
            drop(waiting.map(|blank| pool.lend(blank)));
        }
        assert_eq!(pool.stale.len(), 2);
    }

    #[test]
    fn readers_that_keep_all_get_no_more() {
        let mut pool = Pool::new(100);
        let mut kept = Vec::new();
        while let Some(blank) = take(&mut pool) {
            kept.push(pool.lend(blank));
        }
        assert_eq!(kept.len(), BUFFERS_MAX);
        kept.pop();
        assert!(take(&mut pool).is_some());
        drop(pool);
        assert_eq!(kept[0].len(), 100, "what is lent outlives the pool");
    }
}
