//! Receives what the user allowed: a PipeWire stream, on the capture's own thread.
//!
//! PipeWire's loop is entered once and left once, and all its calls back come in between, on this thread; they only
//! note what happened, and the work is done here. Pictures are pushed when they come, unless that would be more often
//! than was asked for: then the newest is held until its time has come, so that the last change before a pause is
//! never left out.
//!
//! A stream ends because the user ended it, or because a server went away. The signs of both come in any order, so
//! the first one is followed by a moment in which the others may come.

use super::{
    Fault, Wanted,
    buffer::{Lent, Memory, Told},
    canvas::{Canvas, Shown, Taken},
    offer::{self, Agreed},
    pointer::Pointer,
    portal::{Cast, News},
};
use crate::{SampleContent, SampleSink, backend::Stop};
use model::{HostTime, Rect};
use pipewire::{
    context::ContextRc,
    core::{self, CoreRc, PW_ID_CORE},
    keys,
    loop_::{Loop, Timeout},
    main_loop::MainLoopRc,
    properties::properties,
    registry::{self, RegistryRc},
    spa::{param::ParamType, utils::Direction},
    stream::{Stream, StreamFlags, StreamListener, StreamRc, StreamState},
};
use rustix::{
    io::Errno,
    time::{ClockId, clock_gettime},
};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// Between the first sign of an end and the verdict, in nanoseconds.
const GRACE: i64 = NANOS_PER_SECOND / 2;
/// Within this an agreement about pictures is found, in nanoseconds, or there will be none.
const AGREE: i64 = 10 * NANOS_PER_SECOND;
/// The longest that stopping has to wait.
const TICK_MAX: Duration = Duration::from_millis(100);
/// A still screen is sent once, at the beginning. Where that was missed the stream is begun again, after so many
/// nanoseconds: first it rests for the shorter time.
const ROUSE: i64 = NANOS_PER_SECOND / 2;
const REST: i64 = NANOS_PER_SECOND / 10;
/// So many pictures that cannot be read, one after the other, are no accident.
const BROKEN_MAX: u32 = 30;

/// Why a stream came to its end by itself.
#[derive(Debug)]
pub(super) enum End {
    /// The portal closed the session, and is well.
    Shut,
    /// A server went away.
    Server(String),
    /// It never worked, or not any more.
    Failed(String),
}

impl End {
    pub fn into_fault(self, wanted: Wanted) -> Fault {
        match (self, wanted) {
            (Self::Shut, Wanted::Monitor) => {
                Fault::Denied("sharing was ended in the desktop; record again to be asked again".to_owned())
            }
            // Portals tell the two apart to the user alone.
            (Self::Shut, Wanted::Window) => {
                Fault::Closed("the window was closed, or sharing it was ended in the desktop".to_owned())
            }
            (Self::Server(text), _) => Fault::Server(text),
            (Self::Failed(text), _) => Fault::Failed(text),
        }
    }
}

/// Receives until stopped. `begun` is called when it is certain that pictures will come.
pub(super) fn run(
    cast: &mut Cast,
    fps: u32,
    stop: &Stop,
    sink: &SampleSink,
    begun: impl FnOnce(),
) -> Result<(), End> {
    let fps = fps.clamp(1, 1000);
    let line = Line::connect(cast, fps)?;
    let mut receiver = Receiver::new(&line, sink, fps);
    let mut begun = Some(begun);
    let since = sink.now();
    let inside = Inside::enter(line.main.loop_());
    while !stop.is_set() {
        inside.wait(receiver.patience());
        let now = sink.now();
        line.news.hear(cast.news());
        if let Some(end) = line.news.verdict(now) {
            return Err(end);
        }
        if line.news.agreed.get().is_none() {
            if now.0.saturating_sub(since.0) > AGREE {
                return Err(End::Failed("the desktop gave no pictures".to_owned()));
            }
            continue;
        }
        if let Some(begun) = begun.take() {
            begun();
        }
        receiver.look(now)?;
    }
    Ok(())
}

/// Everything that PipeWire has of this capture. Fields go in the order in which they must.
struct Line {
    _stream_listener: StreamListener<()>,
    stream: StreamRc,
    _registry_listener: registry::Listener,
    _registry: RegistryRc,
    _core_listener: core::Listener,
    main: MainLoopRc,
    news: Rc<NewsDesk>,
}

impl Line {
    fn connect(cast: &mut Cast, fps: u32) -> Result<Self, End> {
        let failed = |error: pipewire::Error| End::Server(format!("PipeWire: {error}"));
        pipewire::init();
        let remote = cast.remote.take().ok_or_else(|| End::Server("there is no PipeWire".to_owned()))?;
        let main = MainLoopRc::new(None).map_err(failed)?;
        let context = ContextRc::new(&main, None).map_err(failed)?;
        let core = context.connect_fd_rc(remote, None).map_err(failed)?;
        let news = Rc::new(NewsDesk::default());
        let core_listener = watch_core(&core, &news);
        let registry = core.get_registry_rc().map_err(failed)?;
        let (desk, node) = (Rc::clone(&news), cast.node);
        let removed = move |id| {
            if id == node {
                desk.over("the desktop sends no more pictures");
            }
        };
        let registry_listener = registry.add_listener_local().global_remove(removed).register();
        let about = properties! {
            *keys::MEDIA_TYPE => "Video",
            *keys::MEDIA_CATEGORY => "Capture",
            *keys::MEDIA_ROLE => "Screen",
        };
        let stream = StreamRc::new(core, "spool", about).map_err(failed)?;
        let stream_listener = watch_stream(&stream, &news).map_err(failed)?;
        let formats = offer::formats(fps);
        // Without what was allowed nothing else will do, a camera least of all.
        let flags = StreamFlags::AUTOCONNECT | StreamFlags::DONT_RECONNECT;
        stream
            .connect(Direction::Input, Some(cast.node), flags, &mut offer::pods(&formats))
            .map_err(failed)?;
        Ok(Self {
            _stream_listener: stream_listener,
            stream,
            _registry_listener: registry_listener,
            _registry: registry,
            _core_listener: core_listener,
            main,
            news,
        })
    }
}

fn watch_core(core: &CoreRc, news: &Rc<NewsDesk>) -> core::Listener {
    let desk = Rc::clone(news);
    let error = move |id: u32, _, code: i32, message: &str| {
        if id == PW_ID_CORE && code == -Errno::PIPE.raw_os_error() {
            desk.dead.set(true);
        } else {
            tracing::debug!(id, code, message, "PipeWire");
        }
    };
    core.add_listener_local().error(error).register()
}

fn watch_stream(stream: &StreamRc, news: &Rc<NewsDesk>) -> Result<StreamListener<()>, pipewire::Error> {
    let (states, formats, buffers) = (Rc::clone(news), Rc::clone(news), Rc::clone(news));
    stream
        .add_local_listener::<()>()
        .state_changed(move |_, (), _, state| {
            states.flows.set(state == StreamState::Streaming);
            match state {
                StreamState::Error(text) => states.over(&format!("PipeWire: {text}")),
                StreamState::Unconnected => states.over("the desktop sends no more pictures"),
                StreamState::Connecting | StreamState::Paused | StreamState::Streaming => {}
            }
        })
        .param_changed(move |stream, (), id, param| {
            let Some(param) = param.filter(|_| id == ParamType::Format.as_raw()) else { return };
            let Some(agreed) = offer::agreed(param) else {
                return formats.over("the desktop's pictures are in no known format");
            };
            formats.agreed.set(Some(agreed));
            let memory = offer::memory(agreed.is_dma);
            if let Err(error) = stream.update_params(&mut offer::pods(&memory)) {
                formats.over(&format!("PipeWire: {error}"));
            }
        })
        .remove_buffer(move |_, (), raw| {
            if let Some(lent) = Lent::of(raw) {
                buffers.forget(lent);
            }
        })
        // What came is fetched when the loop has been left for a moment.
        .process(|_, ()| {})
        .register()
}

/// What PipeWire and the portal said, gathered from all their calls.
#[derive(Default)]
struct NewsDesk {
    agreed: Cell<Option<Agreed>>,
    /// Pictures come whenever something changes.
    flows: Cell<bool>,
    /// The newest buffer with a picture, until that is pushed.
    held: Cell<Option<Lent>>,
    memory: RefCell<Memory>,
    /// PipeWire is gone.
    dead: Cell<bool>,
    portal_gone: Cell<bool>,
    closed: Cell<bool>,
    over: RefCell<Option<String>>,
    over_since: Cell<Option<HostTime>>,
}

impl NewsDesk {
    fn hear(&self, news: Option<News>) {
        match news {
            Some(News::Gone) => self.portal_gone.set(true),
            Some(News::Closed) => {
                self.closed.set(true);
                self.over("the desktop ended it");
            }
            None => {}
        }
    }

    /// There will be no more pictures. The first reason is the one that counts.
    fn over(&self, why: &str) {
        self.flows.set(false);
        self.over.borrow_mut().get_or_insert_with(|| why.to_owned());
    }

    /// Whether it is over, and whose doing that is.
    fn verdict(&self, now: HostTime) -> Option<End> {
        if self.dead.get() {
            return Some(End::Server("PipeWire is gone".to_owned()));
        }
        if self.portal_gone.get() && !self.flows.get() {
            self.over("the desktop's portal is gone");
        }
        let why = self.over.borrow().clone()?;
        let since = self.over_since.get().unwrap_or(now);
        self.over_since.set(Some(since));
        if now.0.saturating_sub(since.0) < GRACE {
            return None;
        }
        Some(match (self.portal_gone.get(), self.closed.get(), self.agreed.get()) {
            (true, ..) => End::Server("the desktop's portal is gone".to_owned()),
            (false, true, _) => End::Shut,
            (false, false, Some(_)) => End::Server(why),
            (false, false, None) => End::Failed(why),
        })
    }

    /// The stream takes a buffer back for good.
    fn forget(&self, lent: Lent) {
        if self.held.get() == Some(lent) {
            self.held.set(None);
        }
        self.memory.borrow_mut().forget(lent);
    }
}

/// Within PipeWire's loop: its calls back come on this thread, and not on its own.
struct Inside<'a>(&'a Loop);

impl<'a> Inside<'a> {
    fn enter(of: &'a Loop) -> Self {
        #[expect(
            unsafe_code,
            reason = "entering for each wait lets calls back come on PipeWire's thread in between"
        )]
        // SAFETY: it is left once, when this goes, on this same thread.
        unsafe {
            of.enter();
        }
        Self(of)
    }

    /// Waits until something happens, at most so long.
    fn wait(&self, most: Duration) {
        #[expect(unsafe_code, reason = "it goes with entering")]
        // SAFETY: the loop was entered, and is left later. A tenth of a second is a number of milliseconds.
        unsafe {
            self.0.iterate_unguarded(Timeout::Finite(most.min(TICK_MAX)));
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "what was entered has to be left")]
        // SAFETY: it was entered once, on this thread.
        unsafe {
            self.0.leave();
        }
    }
}

/// Turns buffers into samples.
struct Receiver<'a> {
    line: &'a Line,
    sink: &'a SampleSink,
    /// Nanoseconds from one picture to the next at the highest rate that was asked for.
    period: i64,
    /// What was told with the held picture, and the damage of those that it replaced.
    told: Told,
    canvas: Canvas,
    area: Rect,
    pointer: Pointer,
    /// From when on something may be pushed.
    due: i64,
    /// A period after this, it is news that nothing changed.
    looked: i64,
    /// The time of what was pushed last.
    stamp: i64,
    broken: u32,
    first: First,
}

/// What is done to get the first picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    /// It is waited for since then.
    Awaited(i64),
    /// The stream rests since then, to be begun again.
    Resting(i64),
    Seen,
}

impl<'a> Receiver<'a> {
    fn new(line: &'a Line, sink: &'a SampleSink, fps: u32) -> Self {
        let area = Rect::new(0, 0, 0, 0);
        Self {
            line,
            sink,
            period: NANOS_PER_SECOND / i64::from(fps),
            told: Told::default(),
            canvas: Canvas::new(area.size()),
            area,
            pointer: Pointer::default(),
            due: i64::MIN,
            looked: sink.now().0,
            stamp: i64::MIN,
            broken: 0,
            first: First::Awaited(sink.now().0),
        }
    }

    /// How long nothing needs to be done if nothing comes.
    fn patience(&self) -> Duration {
        let next = if self.line.news.held.get().is_some() { self.due } else { self.looked + self.period };
        let left = next.saturating_sub(self.sink.now().0).clamp(0, self.period);
        // Whole milliseconds are waited for, and none would be a moment too early again and again.
        Duration::from_nanos(left.unsigned_abs()) + Duration::from_millis(1)
    }

    /// Pushes what there is to push by now.
    fn look(&mut self, now: HostTime) -> Result<(), End> {
        self.fetch();
        self.rouse(now);
        let news = &self.line.news;
        let (Some(agreed), held) = (news.agreed.get(), news.held.get()) else { return Ok(()) };
        if now.0 >= self.due {
            let pushed = match held {
                Some(lent) => self.show(lent, agreed, now)?,
                None => self.point(now),
            };
            if pushed {
                // A picture may be early by half a period, and the next one is not early for that.
                self.due = self.due.max(now.0 - self.period / 2).saturating_add(self.period);
                // The next picture may be late by as much before its absence says anything.
                self.looked = now.0 + self.period / 2;
                return Ok(());
            }
        }
        // One that is held is not yet known to be the same.
        if news.flows.get() && held.is_none() && now.0 - self.looked >= self.period {
            self.looked = now.0;
            self.sink.push(now, SampleContent::Unchanged);
        }
        Ok(())
    }

    /// Fetches what PipeWire has, and keeps the newest picture of it.
    fn fetch(&mut self) {
        let (stream, news): (&Stream, _) = (&self.line.stream, &self.line.news);
        while let Some(lent) = Lent::take(stream) {
            if let Some(told) = lent.pointer() {
                self.pointer.note(told);
            }
            let mut told = lent.told();
            if !told.has_picture {
                lent.give_back(stream);
                continue;
            }
            if let Some(missed) = news.held.replace(Some(lent)) {
                missed.give_back(stream);
                told.damage = self.told.damage.take().zip(told.damage).map(|(mut before, damage)| {
                    before.extend(damage);
                    before
                });
            }
            self.told = told;
        }
    }

    /// Begins the stream again while the first picture is missing.
    fn rouse(&mut self, now: HostTime) {
        let held = self.line.news.held.get().is_some();
        let (next, active) = match self.first {
            First::Seen => return,
            First::Awaited(_) if held => return self.first = First::Seen,
            First::Resting(since) if held || now.0 - since >= REST => (First::Awaited(now.0), true),
            First::Awaited(since) if now.0 - since >= ROUSE => (First::Resting(now.0), false),
            First::Awaited(_) | First::Resting(_) => return,
        };
        self.first = next;
        if let Err(error) = self.line.stream.set_active(active) {
            tracing::debug!(%error, "cannot begin a stream again");
        }
    }

    /// Pushes the held picture, and the pointer before it.
    fn show(&mut self, lent: Lent, agreed: Agreed, now: HostTime) -> Result<bool, End> {
        let news = &self.line.news;
        let whole = Rect::whole(agreed.size);
        let area = self.told.crop.and_then(|crop| crop.intersect(whole)).unwrap_or(whole);
        if area != self.area {
            self.area = area;
            self.canvas = Canvas::new(area.size());
        }
        let within = |rect: Rect| Some(rect.intersect(area)?.shifted(-area.x, -area.y));
        let changes = self.told.damage.take().map(|rects| rects.into_iter().filter_map(within).collect());
        let rows = (agreed.size.height as usize, 4 * agreed.size.width as usize);
        let canvas = &mut self.canvas;
        let taken = news
            .memory
            .borrow_mut()
            .read(&lent, rows, |rows| canvas.take_in(&Shown { rows, order: agreed.order, area }, changes));
        let at = self.stamped(self.told.taken, now);
        let content = match taken {
            Ok(Taken::New(picture, damage)) => SampleContent::Picture { picture, damage },
            Ok(Taken::Same) => SampleContent::Unchanged,
            Ok(Taken::NoRoom) => {
                // What it changes is noted; its pixels are still there the next time.
                self.told.damage = Some(Vec::new());
                self.sink.push(at, SampleContent::Missed(1));
                return Ok(true);
            }
            Err(why) => {
                self.put_back();
                return self.unreadable(&why, at).map(|()| true);
            }
        };
        self.broken = 0;
        self.put_back();
        self.push_pointer(at);
        self.sink.push(at, content);
        Ok(true)
    }

    /// Pushes the pointer alone, if there is something to say about it.
    fn point(&mut self, now: HostTime) -> bool {
        let at = self.stamped(None, now);
        let moved = !self.area.is_empty() && self.push_pointer(at);
        if moved {
            self.sink.push(at, SampleContent::Unchanged);
        }
        moved
    }

    fn push_pointer(&mut self, at: HostTime) -> bool {
        let events = self.pointer.look(self.area);
        let moved = !events.is_empty();
        events.into_iter().for_each(|event| self.sink.push(at, SampleContent::Input(event)));
        moved
    }

    fn put_back(&self) {
        if let Some(lent) = self.line.news.held.take() {
            lent.give_back(&self.line.stream);
        }
    }

    fn unreadable(&mut self, why: &str, at: HostTime) -> Result<(), End> {
        self.broken += 1;
        self.sink.push(at, SampleContent::Missed(1));
        if self.broken < BROKEN_MAX {
            return Ok(());
        }
        Err(End::Failed(format!("a picture cannot be read: {why}")))
    }

    /// When something was on the screen, later than all before it. PipeWire counts on CLOCK_MONOTONIC and this crate
    /// on the host's clock, which may begin elsewhere: so both are read, and the age of the picture is what counts.
    fn stamped(&mut self, taken: Option<i64>, now: HostTime) -> HostTime {
        let clock = clock_gettime(ClockId::Monotonic);
        let monotonic = clock.tv_sec.saturating_mul(NANOS_PER_SECOND).saturating_add(clock.tv_nsec);
        let age = taken.map(|taken| monotonic.saturating_sub(taken));
        // A stamp from the future, or from long ago, is on some other clock.
        let age = age.filter(|age| (0..NANOS_PER_SECOND).contains(age)).unwrap_or(0);
        self.stamp = now.0.saturating_sub(age).max(self.stamp.saturating_add(1));
        HostTime(self.stamp)
    }
}
