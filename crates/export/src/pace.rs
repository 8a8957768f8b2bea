//! When pictures are shown: session time in cells that are rendered one by one, and the instants within. Pure.

use crate::plan::Pace;
use media::{ChunkPolicy, Kept};
use model::Timestamp;

/// Ticks a second of every track of pictures, and of everything here.
pub(crate) const TICKS: u32 = 90_000;

/// A piece of a kept span within one cell of the grid of chunks. What is shown in it depends on nothing that was
/// rendered before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    /// From 1.
    pub index: u32,
    pub start: i64,
    pub end: i64,
    /// The span that it lies in.
    pub kept: Kept,
}

impl Cell {
    /// A session tick in the time of the file.
    pub fn flat(&self, tick: i64) -> i64 {
        tick - self.kept.start + self.kept.flat
    }
}

/// All cells of what is kept, in order.
pub(crate) fn cells(kept: &[Kept], policy: ChunkPolicy) -> Vec<Cell> {
    let mut cells = Vec::new();
    for &kept in kept {
        let mut start = kept.start;
        while start < kept.end {
            let end = policy.chunk_end(Timestamp::from_ticks(start, TICKS)).to_ticks(TICKS).min(kept.end);
            let index = u32::try_from(cells.len() + 1).unwrap_or(u32::MAX);
            cells.push(Cell { index, start, end, kept });
            start = end;
        }
    }
    cells
}

/// The first tick at or after an instant.
pub(crate) fn tick_of(at: Timestamp) -> i64 {
    let tick = at.to_ticks(TICKS);
    if Timestamp::from_ticks(tick, TICKS) < at { tick + 1 } else { tick }
}

/// Instants that are multiples of a share of a second in the time of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    fps: i64,
    /// Whether there is a picture on each, also where nothing changed.
    pub keeps_still: bool,
}

impl Grid {
    /// None where pictures are shown as they were recorded.
    pub fn of(pace: Pace) -> Option<Self> {
        match pace {
            Pace::AsRecorded => None,
            Pace::AtMost(fps) => Some(Self { fps: fps.into(), keeps_still: false }),
            Pace::Constant(fps) => Some(Self { fps: fps.into(), keeps_still: true }),
        }
    }

    /// The first instant after a session tick of a cell.
    pub fn after(&self, tick: i64, cell: &Cell) -> i64 {
        let flat = cell.flat(tick);
        let mut number = flat * self.fps / i64::from(TICKS);
        while self.tick(number) <= flat {
            number += 1;
        }
        self.tick(number) - cell.kept.flat + cell.kept.start
    }

    /// What is seen at this tick is shown at an instant: the nearest, so that pictures are neither late nor early on
    /// average, and none of a source as fast as this is dropped for a tick.
    pub fn seen(&self, tick: i64, cell: &Cell) -> i64 {
        (tick + i64::from(TICKS) / self.fps / 2).min(cell.kept.end - 1)
    }

    fn tick(&self, number: i64) -> i64 {
        (number * i64::from(TICKS) + self.fps / 2).div_euclid(self.fps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = TICKS as i64;

    fn kept(start: i64, end: i64, flat: i64) -> Kept {
        Kept { start, end, flat }
    }

    #[test]
    fn cells_end_on_boundaries_and_where_something_is_left_out() {
        let kept = [kept(3 * SECOND, 9 * SECOND, 0), kept(10 * SECOND, 11 * SECOND, 6 * SECOND)];
        let cells = cells(&kept, ChunkPolicy::default());
        let spans: Vec<_> = cells
            .iter()
            .map(|cell| (cell.start / SECOND, cell.end / SECOND, cell.flat(cell.start) / SECOND))
            .collect();
        assert_eq!(spans, [(3, 4, 0), (4, 8, 1), (8, 9, 5), (10, 11, 6)]);
        assert_eq!(cells.iter().map(|cell| cell.index).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }

    #[test]
    fn constant_instants_lie_at_their_number_whatever_is_left_out() {
        for fps in [1, 7, 24, 30, 50, 60, 144] {
            let kept = [kept(1234, 3 * SECOND + 17, 0), kept(5 * SECOND, 8 * SECOND, 3 * SECOND + 17 - 1234)];
            let grid = Grid::of(Pace::Constant(fps)).unwrap();
            let mut shown = Vec::new();
            for cell in cells(&kept, ChunkPolicy::default()) {
                let mut at = grid.after(cell.start - 1, &cell);
                while at < cell.end {
                    shown.push(cell.flat(at));
                    assert!(grid.seen(at, &cell) < cell.kept.end);
                    at = grid.after(at, &cell);
                }
            }
            let end = 6 * SECOND + 17 - 1234;
            let all = (0..).map(|n: i64| (2 * n * SECOND + i64::from(fps)) / (2 * i64::from(fps)));
            assert_eq!(shown, all.take_while(|at| *at < end).collect::<Vec<_>>(), "{fps}");
        }
    }

    #[test]
    fn a_tick_is_never_before_its_instant() {
        for nanos in [0, 1, 5_555, 5_556, 11_111, 33_333_333, 33_333_334, i64::MAX / 200_000] {
            let at = Timestamp(nanos);
            assert!(Timestamp::from_ticks(tick_of(at), TICKS) >= at);
            assert_eq!(tick_of(Timestamp::from_ticks(tick_of(at), TICKS)), tick_of(at));
        }
    }
}
