//! What is recorded or rehearsed, for people to look at: all pictures together, small, as JPEG.
//!
//! Owns the thread that draws them, which exists only while somebody looks. It is one more reader of the sources, and
//! gives way to all others: it draws when somebody waits for a picture, at most 15 a second, rests three times as long as
//! it worked, and runs when others leave it time. Never writes anything down. Tested below, and with a real screen in `tests/`.
//!
//! Takes memory for one canvas of at most 1,920 pixels across, one picture of each source, and one JPEG.

use crate::{
    command::{Blob, Quality},
    error::EngineError,
    live::LiveFrames,
    picture::Show,
    platform::give_way,
    threads::{SessionTime, spawn},
};
use capture::{Outlet, Viewer};
use compose::Compositor;
use model::{Layout, Scene, Size, Timestamp, TrackId};
use std::{
    ops::RangeInclusive,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

/// Pixels across of what is drawn.
const WIDTHS: RangeInclusive<u32> = 64..=1_920;
/// Who asks for more means something else.
const WIDTH_MAX: u32 = 16_384;
/// Two pictures are at least this far apart; on a machine that is too slow to record, the other.
const PERIOD: Duration = Duration::from_micros(66_667);
const PERIOD_PRESSED: Duration = Duration::from_millis(333);
/// The share of a core that drawing may take is one in so many.
const CORE_SHARE: u32 = 4;
/// How long somebody waits for a picture.
const PATIENCE: Duration = Duration::from_secs(1);
/// The thread ends when nobody has looked for this long.
const LINGER: Duration = Duration::from_secs(3);
/// Pictures are as wide as the widest of so many looks.
const ROUNDS: u32 = 15;

/// What there is to look at.
pub(crate) struct Stage {
    pub(crate) outlet: Outlet,
    /// None where nothing but sound is recorded.
    pub(crate) show: Option<Show>,
    pub(crate) quality: Quality,
    pub(crate) time: SessionTime,
}

/// How the next picture is to look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Wish {
    width: u32,
    layout: Layout,
    period: Duration,
}

impl Wish {
    /// `is_pressed` where the machine is too slow for what it records.
    pub(crate) fn new(width: u32, layout: Layout, is_pressed: bool) -> Result<Self, EngineError> {
        let width = checked_width(width)?;
        Ok(Self { width, layout, period: if is_pressed { PERIOD_PRESSED } else { PERIOD } })
    }
}

/// The width that pictures get which somebody wants to be this wide.
pub(crate) fn checked_width(width: u32) -> Result<u32, EngineError> {
    if (1..=WIDTH_MAX).contains(&width) {
        return Ok(width.clamp(*WIDTHS.start(), *WIDTHS.end()));
    }
    Err(EngineError::Invalid(format!("a picture cannot be {width} pixels wide, only 1 to {WIDTH_MAX}")))
}

/// The engine's end: starts a thread where somebody looks, and tells it when there is something else to see.
#[derive(Default)]
pub(crate) struct Preview {
    board: Arc<Board>,
    /// It ends by itself, or when the board says so.
    thread: Option<JoinHandle<()>>,
}

impl Preview {
    /// Somebody looks: the picture will be on the board.
    pub(crate) fn look(&mut self, stage: Stage, wish: Wish) -> Result<Arc<Board>, EngineError> {
        if let Some(show) = &stage.show
            && let Some(generation) = self.board.look(wish)
        {
            let painter = Painter::new(&stage, show.clone(), Arc::clone(&self.board), generation);
            self.thread = Some(spawn("preview", move || painter.run())?);
        }
        Ok(self.board())
    }

    /// Where pictures will be.
    pub(crate) fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board)
    }

    /// What was to be seen so far is not any more.
    pub(crate) fn change(&mut self) {
        self.board.change();
        self.thread = None;
    }

    /// Sources lie elsewhere from now on.
    pub(crate) fn arrange(&self, layout: Layout) {
        if let Some(wish) = &mut self.board.lock().wish {
            wish.layout = layout;
        }
    }
}

impl Drop for Preview {
    fn drop(&mut self) {
        self.board.change();
    }
}

/// Where the newest picture hangs, and who wants another one.
#[derive(Debug, Default)]
pub(crate) struct Board {
    shown: Mutex<Shown>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Shown {
    /// Counts what there was to see. A painter of something else ends.
    generation: u64,
    is_painted: bool,
    newest: Option<Arc<Vec<u8>>>,
    /// Of the newest, or of the last one that there was.
    number: u64,
    /// It looks like this now, as far as anybody has checked.
    is_fresh: bool,
    /// Somebody waits.
    is_wanted: bool,
    wish: Option<Wish>,
    /// How many pictures more are as wide as the widest that was asked for.
    rounds: u32,
    looks: u64,
}

impl Shown {
    fn is_ready(&self, after: u64) -> bool {
        self.newest.is_some() && self.is_fresh && self.number > after
    }
}

impl Board {
    /// Waits for a picture newer than `after`.
    pub(crate) fn picture(&self, after: u64) -> Option<Blob> {
        let mut shown = self.lock();
        // Whoever counts further has seen pictures of another engine.
        let after = if after > shown.number { 0 } else { after };
        // Whoever has not looked yet wants to see what is there now, not what was when somebody else looked last.
        shown.is_fresh &= after > 0;
        let generation = shown.generation;
        if !shown.is_ready(after) {
            shown.is_wanted = true;
            self.changed.notify_all();
        }
        let is_waiting = |shown: &mut Shown| shown.generation == generation && !shown.is_ready(after);
        let (shown, _) = self
            .changed
            .wait_timeout_while(shown, PATIENCE, is_waiting)
            .unwrap_or_else(PoisonError::into_inner);
        let newest = shown.newest.clone().filter(|_| shown.is_ready(after))?;
        let number = shown.number;
        drop(shown);
        Some(Blob { number, ..Blob::jpeg(newest.to_vec()) })
    }

    /// Somebody will wait. Gives the generation of the painter that is missing, if one is.
    fn look(&self, wish: Wish) -> Option<u64> {
        let mut shown = self.lock();
        shown.looks += 1;
        let widest = shown.wish.map_or(0, |wish| wish.width).max(wish.width);
        if shown.rounds == 0 || wish.width == widest {
            (shown.rounds, shown.wish) = (ROUNDS, Some(wish));
        } else {
            shown.wish = Some(Wish { width: widest, ..wish });
        }
        let is_missing = !std::mem::replace(&mut shown.is_painted, true);
        is_missing.then_some(shown.generation)
    }

    fn change(&self) {
        let mut shown = self.lock();
        *shown = Shown { generation: shown.generation + 1, number: shown.number, ..Shown::default() };
        self.changed.notify_all();
    }

    /// Waits until somebody wants a picture. None once nobody has looked for a while, or there is something else to see.
    fn wanted(&self, generation: u64, looked: &mut (u64, Timestamp), time: &SessionTime) -> Option<Wish> {
        let mut shown = self.lock();
        loop {
            if shown.generation != generation {
                return None;
            }
            if shown.looks != looked.0 {
                *looked = (shown.looks, time.now());
            }
            let idle = time.now().saturating_since(looked.1);
            if idle >= LINGER {
                shown.is_painted = false;
                return None;
            }
            if shown.is_wanted {
                return shown.wish;
            }
            let waited = self.changed.wait_timeout(shown, LINGER - idle);
            shown = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Puts up a picture, or says that the one that hangs there is as it should be.
    fn put(&self, generation: u64, jpeg: Option<Vec<u8>>) {
        let mut shown = self.lock();
        if shown.generation != generation {
            return;
        }
        if let Some(jpeg) = jpeg {
            shown.newest = Some(Arc::new(jpeg));
            shown.number += 1;
            shown.is_wanted = false;
            shown.rounds = shown.rounds.saturating_sub(1);
        }
        shown.is_fresh = true;
        self.changed.notify_all();
    }

    /// The painter is gone: what it left is no picture of now.
    fn leave(&self, generation: u64) {
        let mut shown = self.lock();
        if shown.generation == generation {
            (shown.is_painted, shown.newest) = (false, None);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        // What is behind the lock is whole between any two statements, so a panic elsewhere does not spoil it.
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Draws what is wanted, for as long as somebody looks.
struct Painter {
    show: Show,
    quality: Quality,
    time: SessionTime,
    board: Arc<Board>,
    generation: u64,
    viewer: Viewer,
    sources: Vec<TrackId>,
    live: LiveFrames,
    scene: Option<(Composed, Scene)>,
    compositor: Option<(Size, Compositor)>,
}

/// What a scene was made of.
#[derive(PartialEq)]
struct Composed {
    canvas: Size,
    sizes: Vec<Option<Size>>,
    layout: Layout,
}

impl Drop for Painter {
    fn drop(&mut self) {
        self.board.leave(self.generation);
    }
}

impl Painter {
    fn new(stage: &Stage, show: Show, board: Arc<Board>, generation: u64) -> Self {
        let sources = show.sources();
        Self {
            viewer: stage.outlet.viewer(&sources),
            show,
            quality: stage.quality,
            time: stage.time.clone(),
            board,
            generation,
            sources,
            live: LiveFrames::default(),
            scene: None,
            compositor: None,
        }
    }

    fn run(mut self) {
        give_way();
        let mut looked = (0, self.time.now());
        while let Some(wish) = self.board.wanted(self.generation, &mut looked, &self.time) {
            let began = self.time.now();
            let jpeg = match self.paint(&wish, began) {
                Ok(jpeg) => jpeg,
                Err(error) => return tracing::warn!(%error, "no preview"),
            };
            let is_new = jpeg.is_some();
            self.board.put(self.generation, jpeg);
            if is_new {
                let worked = self.time.now().saturating_since(began);
                thread::sleep(wish.period.max(worked * CORE_SHARE).saturating_sub(worked));
            } else {
                // Not longer, since a layout may change too.
                let change = self.live.next_change(began).map(|change| change.saturating_since(began));
                self.viewer.pictures.wait(change.unwrap_or(PERIOD).min(PERIOD));
            }
        }
    }

    /// The picture as it is now, unless it is as it was.
    fn paint(&mut self, wish: &Wish, now: Timestamp) -> Result<Option<Vec<u8>>, EngineError> {
        self.live.refresh(&self.viewer, &self.sources);
        let sizes: Vec<_> = self.sources.iter().map(|track| self.live.size(track)).collect();
        let Some(Some(main)) = sizes.first().copied() else { return Ok(None) };
        let canvas = main.fit_even(Size::new(self.quality.width, self.quality.height));
        let canvas = canvas.fit_even(Size::new(wish.width, canvas.height));
        let composed = Composed { canvas, sizes, layout: wish.layout };
        if self.scene.as_ref().is_none_or(|(known, _)| *known != composed) {
            self.live.set_style(&composed.layout);
            self.live.resize(main);
            let scene = self.show.scene(canvas, &composed.sizes, &composed.layout);
            self.scene = Some((composed, scene));
        }
        let is_new = self.compositor.as_ref().is_none_or(|(size, _)| *size != canvas);
        if is_new {
            self.compositor = Some((canvas, Compositor::new(canvas)?));
        }
        let (Some((_, compositor)), Some((_, scene))) = (&mut self.compositor, &self.scene) else {
            return Ok(None);
        };
        let drawn = compositor.render(scene, now, &mut self.live)?;
        if drawn.damage.is_empty() && !is_new {
            return Ok(None);
        }
        Ok(Some(codec::jpeg(compositor.picture())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(width: u32) -> Wish {
        Wish::new(width, Layout::default(), false).unwrap()
    }

    #[test]
    fn widths_are_bounded_and_nonsense_is_refused() {
        let code = |width| checked_width(width).map_err(|error| error.code());
        assert_eq!([code(1), code(640), code(16_384)], [Ok(64), Ok(640), Ok(1_920)]);
        assert_eq!([code(0), code(16_385), code(u32::MAX)], [Err("invalid"); 3]);
    }

    #[test]
    fn one_painter_serves_all_and_the_widest_wins_for_a_while() {
        let board = Board::default();
        assert_eq!(board.look(wish(1_280)), Some(0));
        assert_eq!(board.look(wish(320)), None);
        let width = || board.lock().wish.unwrap().width;
        assert_eq!(width(), 1_280);
        for _ in 0..ROUNDS {
            board.put(0, Some(vec![1]));
        }
        board.look(wish(320));
        assert_eq!(width(), 320);
        board.leave(0);
        assert_eq!(board.look(wish(320)), Some(0), "a painter that is gone is missed");
    }

    #[test]
    fn numbers_grow_and_a_picture_of_something_else_is_never_shown() {
        let board = Board::default();
        board.look(wish(320));
        board.put(0, Some(vec![1]));
        board.put(0, Some(vec![2]));
        let seen = board.picture(1).unwrap();
        assert_eq!((seen.number, seen.length, seen.bytes.as_slice()), (2, 1, [2].as_slice()));
        board.change();
        board.put(0, Some(vec![3]));
        assert!(board.lock().newest.is_none());
        board.put(1, Some(vec![4]));
        assert_eq!(board.picture(2).unwrap().number, 3);
        assert!(board.picture(3).is_none());
        // Who counts further than this engine has counted, saw pictures of another one.
        assert!(board.picture(900).is_none(), "whoever looks anew waits for what is there now");
        board.put(1, Some(vec![5]));
        thread::scope(|scope| {
            let looking = scope.spawn(|| board.picture(0));
            while !board.lock().is_wanted {
                thread::yield_now();
            }
            board.put(1, None);
            assert_eq!(looking.join().unwrap().unwrap().bytes, [5], "nothing has changed");
        });
    }
}
