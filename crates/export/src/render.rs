//! Pictures made anew: cell after cell is drawn, made into bytes and put away, so that what is cut off goes on at the
//! cell where it was.
//!
//! Memory does not grow with length: one decoded picture a track, one canvas, one cell's bytes, and for each cell a
//! line in a list. One thread, the caller's, besides the encoder's own.

use crate::{
    ExportError, Progress,
    pace::{Cell, Grid, TICKS, cells, tick_of},
    painter::Painter,
    plan::Plan,
    work::Work,
};
use media::{ChunkPolicy, Timeline};
use model::{ChunkId, Nv12, SessionId, Timestamp};
use std::{fmt::Write as _, ops::ControlFlow, time::Duration};

/// Makes the pictures of cells into files.
pub(crate) trait Maker {
    /// What the file of a cell is called.
    fn name(&self, cell: &Cell) -> String;
    /// Begins a cell.
    fn begin(&mut self, cell: &Cell, work: &Work) -> Result<(), ExportError>;
    /// Takes the picture that is shown from session tick `at` on.
    fn push(&mut self, picture: Nv12<'_>, at: i64) -> Result<(), ExportError>;
    /// The cell's last picture stands until `at`. Puts the cell away.
    fn end(&mut self, cell: &Cell, at: i64, work: &mut Work) -> Result<(), ExportError>;
}

/// Says how far an export is that encodes: the time that was rendered, and then the file that is put together, which
/// counts as a share of it.
pub(crate) struct Teller<'a> {
    progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
    rendered: u64,
    /// Of rendering.
    total: u64,
}

impl<'a> Teller<'a> {
    /// Putting together takes about a sixteenth of the time.
    const SHARE: u64 = 16;

    pub fn new(duration: Duration, progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>) -> Self {
        let total = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 2).max(1);
        Self { progress, rendered: 0, total }
    }

    /// Rendering has come to this tick of the file.
    pub fn rendered(&mut self, flat: i64) -> Result<(), ExportError> {
        let at = Timestamp::from_ticks(flat, TICKS).saturating_since(Timestamp::ZERO);
        self.rendered = self.rendered.max(u64::try_from(at.as_nanos()).unwrap_or(0).min(self.total));
        self.tell(self.rendered)
    }

    /// So much of the file is put together.
    pub fn written(&mut self, done: u64, total: u64) -> Result<(), ExportError> {
        let share =
            u128::from(self.total / Self::SHARE) * u128::from(done.min(total)) / u128::from(total.max(1));
        self.tell(self.total + u64::try_from(share).unwrap_or(0))
    }

    fn tell(&mut self, done: u64) -> Result<(), ExportError> {
        match (self.progress)(Progress { done, total: self.total + self.total / Self::SHARE }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ExportError::Cancelled),
        }
    }
}

/// The pictures of a file.
pub(crate) struct Render<'a> {
    painter: Painter<'a>,
    grid: Option<Grid>,
    pub cells: Vec<Cell>,
}

impl<'a> Render<'a> {
    pub fn new(painter: Painter<'a>, plan: &Plan, timeline: &Timeline) -> Self {
        let cells = cells(&timeline.in_ticks(TICKS), ChunkPolicy::default());
        Self { painter, grid: Grid::of(plan.paced()), cells }
    }

    /// Makes all cells that are not finished yet. Gives the chunks that could not be read.
    pub fn run(
        &mut self,
        session: SessionId,
        work: &mut Work,
        maker: &mut dyn Maker,
        teller: &mut Teller<'_>,
    ) -> Result<Vec<ChunkId>, ExportError> {
        let mut lost = Vec::new();
        for cell in self.cells.clone() {
            let without = format!("{:06}.lost", cell.index);
            if work.load(&maker.name(&cell)).is_some() {
                lost.extend(work.load(&without).iter().flat_map(|text| read_ids(session, text)));
            } else {
                lost.extend(self.make(&cell, &without, work, maker, teller)?);
            }
            teller.rendered(cell.flat(cell.end))?;
        }
        lost.sort();
        lost.dedup();
        Ok(lost)
    }

    /// Makes a cell, and before it the file `without` that names the chunks that could not be read for it.
    fn make(
        &mut self,
        cell: &Cell,
        without: &str,
        work: &mut Work,
        maker: &mut dyn Maker,
        teller: &mut Teller<'_>,
    ) -> Result<Vec<ChunkId>, ExportError> {
        let mut next = self.next(cell.start - 1, cell);
        if next.is_none_or(|first| first >= cell.end) {
            return Ok(Vec::new());
        }
        maker.begin(cell, work)?;
        let mut is_first = true;
        while let Some(at) = next.filter(|at| *at < cell.end) {
            teller.rendered(cell.flat(at))?;
            let seen = self.grid.map_or(at, |grid| grid.seen(at, cell));
            let changed = self.painter.paint(Timestamp::from_ticks(seen, TICKS))?;
            if is_first || changed || self.grid.is_some_and(|grid| grid.keeps_still) {
                maker.push(self.painter.picture(), at)?;
            }
            is_first = false;
            next = self.next(at, cell);
        }
        let lost = self.painter.take_lost();
        if !lost.is_empty() {
            work.save(without, write_ids(&lost).as_bytes())?;
        }
        maker.end(cell, next.unwrap_or(cell.kept.end), work)?;
        Ok(lost)
    }

    /// The first instant after a tick at which there may be a picture, within the kept span.
    fn next(&self, tick: i64, cell: &Cell) -> Option<i64> {
        let begins = tick_of(self.painter.span().start).max(cell.kept.start);
        let next = match &self.grid {
            Some(grid) => {
                // Nothing is shown before there is something to see.
                let first = tick_of(Timestamp::from_ticks(begins, TICKS)).max(tick + 1);
                grid.after(first - 1, cell)
            }
            None if tick < begins => begins,
            None => tick_of(self.painter.next_after(Timestamp::from_ticks(tick, TICKS))?),
        };
        (next < cell.kept.end).then_some(next)
    }
}

/// One name a line.
fn write_ids(ids: &[ChunkId]) -> String {
    ids.iter().fold(String::new(), |mut text, id| {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{} {}", id.track, id.index);
        text
    })
}

fn read_ids(session: SessionId, text: &[u8]) -> Vec<ChunkId> {
    let id = |line: &str| {
        let (track, index) = line.split_once(' ')?;
        Some(ChunkId { session, track: track.parse().ok()?, index: index.parse().ok()? })
    };
    String::from_utf8_lossy(text).lines().filter_map(id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_chunks_read_back() {
        let session = SessionId(uuid::Uuid::from_u128(7));
        let id = |track: &str, index| ChunkId { session, track: track.parse().unwrap(), index };
        let ids = vec![id("screen", 1), id("camera", 999_999)];
        assert_eq!(read_ids(session, write_ids(&ids).as_bytes()), ids);
        assert_eq!(read_ids(session, b"\xff screen\n\nscreen x\nscreen 2"), [id("screen", 2)]);
    }

    #[test]
    fn progress_never_goes_back_and_ends_at_its_total() {
        let mut told = Vec::new();
        let mut progress = |progress: Progress| {
            told.push(progress);
            ControlFlow::Continue(())
        };
        let mut teller = Teller::new(Duration::from_secs(10), &mut progress);
        for flat in [0, 450_000, 90_000, 900_000, 950_000] {
            teller.rendered(flat).unwrap();
        }
        for done in [0, 1, 50, 100] {
            teller.written(done, 100).unwrap();
        }
        assert!(told.is_sorted_by_key(|told| told.done));
        assert_eq!(told.last().map(|told| told.done), Some(told[0].total));
    }
}
