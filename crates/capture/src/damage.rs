//! What changed, as few rectangles or as runs of rows. Pure; tested below.

use model::{Damage, Rect};
use std::ops::Range;

/// More rectangles than this cost more to look at than the pixels that they save.
const RECTS_MAX: usize = 32;

/// Runs closer than this are fetched as one: asking once more costs about as much as this many rows.
const NEAR_ROWS: u32 = 16;

/// The same damage in at most [`RECTS_MAX`] rectangles, near ones made one.
pub(crate) fn simplified(damage: Damage) -> Damage {
    let Damage::Rects(rects) = damage else { return Damage::All };
    let mut few: Vec<Rect> = Vec::with_capacity(RECTS_MAX);
    for rect in rects.into_iter().filter(|rect| !rect.is_empty()) {
        add(&mut few, rect);
    }
    Damage::Rects(few)
}

/// Adds `rect`, to one that is there already if little else is covered by it then.
fn add(few: &mut Vec<Rect>, rect: Rect) {
    let waste =
        |other: &Rect| other.union(rect).area().saturating_sub(other.area()).saturating_sub(rect.area());
    let Some((index, least)) =
        few.iter().enumerate().map(|(index, other)| (index, waste(other))).min_by_key(|(_, waste)| *waste)
    else {
        few.push(rect);
        return;
    };
    if least <= rect.area() / 4 || few.len() >= RECTS_MAX {
        few[index] = few[index].union(rect);
    } else {
        few.push(rect);
    }
}

/// A set of rows, as sorted runs that do not touch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rows(Vec<Range<u32>>);

impl Rows {
    /// The first `height` rows.
    pub fn all(height: u32) -> Self {
        let mut rows = Self::default();
        rows.insert(0..height);
        rows
    }

    /// Adds a run, and the few rows between it and its neighbours.
    pub fn insert(&mut self, run: Range<u32>) {
        if run.is_empty() {
            return;
        }
        let near = |other: &Range<u32>| {
            other.start <= run.end.saturating_add(NEAR_ROWS)
                && run.start <= other.end.saturating_add(NEAR_ROWS)
        };
        let first = self.0.partition_point(|other| other.end.saturating_add(NEAR_ROWS) < run.start);
        let count = self.0[first..].iter().take_while(|other| near(other)).count();
        let merged = self.0[first..first + count]
            .iter()
            .fold(run, |all, other| all.start.min(other.start)..all.end.max(other.end));
        self.0.splice(first..first + count, [merged]);
    }

    /// Adds the rows that `rects` cover, within `height`.
    pub fn insert_rects(&mut self, rects: &[Rect], height: u32) {
        let row = |y: i32| u32::try_from(y).unwrap_or(0).min(height);
        for rect in rects.iter().filter(|rect| !rect.is_empty()) {
            self.insert(row(rect.y)..row(rect.bottom()));
        }
    }

    /// The runs, from the top.
    pub fn runs(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        self.0.iter().cloned()
    }

    /// How many rows it holds.
    pub fn count(&self) -> u32 {
        self.0.iter().map(|run| run.end - run.start).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_rects(rects: &[Rect], want: &[Rect]) {
        assert_eq!(simplified(Damage::Rects(rects.to_vec())), Damage::Rects(want.to_vec()));
    }

    #[test]
    fn near_rectangles_become_one_and_far_ones_stay() {
        let (a, b, far) = (Rect::new(0, 0, 10, 10), Rect::new(10, 0, 10, 10), Rect::new(500, 500, 10, 10));
        check_rects(&[a, b, far], &[Rect::new(0, 0, 20, 10), far]);
        check_rects(&[a, a, Rect::new(5, 5, 0, 3)], &[a]);
        check_rects(&[], &[]);
    }

    #[test]
    fn many_rectangles_become_few_that_cover_them_all() {
        let many: Vec<Rect> = (0..400).map(|i| Rect::new(i * 37 % 1900, i * 91 % 1000, 3, 3)).collect();
        let Damage::Rects(few) = simplified(Damage::Rects(many.clone())) else { panic!("became everything") };
        assert!(few.len() <= RECTS_MAX);
        for rect in many {
            assert!(few.iter().any(|one| one.union(rect) == *one), "{rect:?} is not covered");
        }
    }

    #[test]
    fn runs_stay_sorted_and_apart() {
        let mut rows = Rows::default();
        for run in [100..120, 0..10, 300..310, 130..140, 5..7, 60..60] {
            rows.insert(run);
        }
        assert_eq!(rows, Rows(vec![0..10, 100..140, 300..310]));
        assert_eq!(rows.count(), 60);
        rows.insert(20..295);
        assert_eq!(rows, Rows::all(310));
    }

    #[test]
    fn rows_of_rectangles_end_with_the_picture() {
        let mut rows = Rows::default();
        rows.insert_rects(&[Rect::new(0, -5, 4, 10), Rect::new(0, 90, 4, 40), Rect::new(0, 200, 4, 4)], 100);
        assert_eq!(rows, Rows(vec![0..5, 90..100]));
        assert_eq!(Rows::all(0).count(), 0);
    }
}
