//! The pixels of a screen or a window: only those that changed, straight into shared memory.
//!
//! XDamage says which rectangles changed. Pictures lie in a few segments that are used again and again; for each the
//! pool knows which rows it lacks, and those alone are fetched, as full-width bands, so that they land where they
//! belong without another copy; of a region, nothing beyond it. Something still costs one question about the pointer.
//!
//! What is drawn between the answer about damage and the fetching may already be seen, and is named with the next
//! picture: nothing is ever left out, and nobody else's drawing is held up for it.

use super::{
    display::Display,
    fault::Fault,
    input::Inputs,
    link::Patience,
    pointer::{Place, Pointer},
    segment::Segment,
    target::{Target, View},
};
use crate::{
    SampleContent, SampleSink,
    backend::Stop,
    damage::simplified,
    pool::{Blank, Pool},
};
use model::{Damage, HostTime, PixelFormat, Planes, Rect};
use std::time::Duration;
use x11rb::{
    connection::Connection as _,
    protocol::{
        Event,
        damage::{self, ConnectionExt as _},
        randr::{self, ConnectionExt as _},
        shm::ConnectionExt as _,
        xfixes::{self, ConnectionExt as _},
        xproto::{self, ChangeWindowAttributesAux, ConnectionExt as _, ImageFormat},
    },
};

/// Not every server tells of every change of its monitors, so they are asked for this often, in nanoseconds.
const AREA_LOOK: i64 = 1_000_000_000;

/// What is looked at, and how.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub target: Target,
    /// Whether keys are told.
    pub keys: bool,
}

/// A screen, a part of it or a window that is being looked at.
pub(super) struct Screen {
    display: Display,
    wish: Wish,
    view: View,
    view_checked: Option<HostTime>,
    damage: damage::Damage,
    region: xfixes::Region,
    pool: Pool<Segment>,
    /// What changed since the picture pushed last. All: nothing was pushed yet.
    pending: Damage,
    changed: bool,
    pointer: Pointer,
    inputs: Inputs,
    /// What the server told of its windows and screens, and was not looked into yet.
    news: News,
}

/// What may have become of the pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum News {
    #[default]
    None,
    /// They may lie elsewhere, or be more or fewer.
    Moved,
    /// They do lie elsewhere.
    Replaced,
    /// There are none any more.
    Gone,
}

impl Screen {
    /// Connects and asks to be told of changes.
    pub fn open(wish: &Wish, patience: &Patience) -> Result<Self, Fault> {
        let display = Display::connect(patience)?;
        wish.target.prepare(&display)?;
        let view = wish.target.locate(&display)?;
        let (server, root) = (&display.server, display.root);
        let damage = server.generate_id()?;
        server.damage_create(damage, view.window, damage::ReportLevel::NON_EMPTY)?.check()?;
        let region = server.generate_id()?;
        server.xfixes_create_region(region, &[])?.check()?;
        server.xfixes_select_cursor_input(root, xfixes::CursorNotifyMask::DISPLAY_CURSOR)?.check()?;
        if view.top.is_none() {
            let resized = ChangeWindowAttributesAux::new().event_mask(xproto::EventMask::STRUCTURE_NOTIFY);
            server.change_window_attributes(root, &resized)?.check()?;
        }
        if display.has_monitors {
            let mask = randr::NotifyMask::SCREEN_CHANGE | randr::NotifyMask::CRTC_CHANGE;
            server.randr_select_input(root, mask)?.check()?;
        }
        Inputs::select(&display, wish.keys)?;
        Ok(Self {
            wish: wish.clone(),
            pool: Pool::new(view.area.height),
            view,
            view_checked: None,
            damage,
            region,
            pending: Damage::All,
            changed: true,
            pointer: Pointer::default(),
            inputs: Inputs::default(),
            news: News::None,
            display,
        })
    }

    /// Who waits for the server from now on.
    pub fn set_patience(&self, patience: Patience) {
        self.display.server.stream().set_patience(patience);
    }

    /// Looks once, and pushes what is new. Says whether the picture is.
    pub fn look(&mut self, sink: &SampleSink) -> Result<bool, Fault> {
        let looked = self.try_look(sink);
        match looked {
            // What changed since it was looked for cannot be fetched as it was, and that is no fault of its.
            Err(Fault::Refused(message)) => match self.follow(sink.now())? {
                true => Ok(false),
                false => Err(Fault::Refused(message)),
            },
            other => other,
        }
    }

    fn try_look(&mut self, sink: &SampleSink) -> Result<bool, Fault> {
        let now = sink.now();
        // Its reply comes after all events that were there before it, so it is asked first.
        let mut place = Place::ask(&self.display, &self.view)?;
        self.heed_events(sink)?;
        if self.view_checked.is_none_or(|last| now.0.saturating_sub(last.0) >= AREA_LOOK) {
            self.news = self.news.max(News::Moved);
        }
        if self.news != News::None && self.follow(now)? {
            place = Place::ask(&self.display, &self.view)?;
        }
        self.pointer.look(&self.display, &self.view, &place, now, sink)?;
        if self.changed {
            return self.grab(sink);
        }
        sink.push(now, SampleContent::Unchanged);
        Ok(false)
    }

    /// Sleeps until then or until stopped. Clicks and keys are told when they come.
    pub fn wait_until(&mut self, at: HostTime, stop: &Stop, sink: &SampleSink) -> Result<(), Fault> {
        loop {
            self.heed_events(sink)?;
            let left = u64::try_from(at.0.saturating_sub(sink.now().0)).unwrap_or(0);
            if left == 0 || stop.is_set() {
                return Ok(());
            }
            self.display.server.stream().wait(Duration::from_nanos(left))?;
        }
    }

    /// Looks for it again, after a fault that left the server as it was.
    pub fn resume(&mut self, sink: &SampleSink) -> Result<(), Fault> {
        self.heed_events(sink)?;
        self.news = self.news.max(News::Replaced);
        self.follow(sink.now()).map(drop)
    }

    /// Says that nothing more will be said of the pointer, buttons and keys.
    pub fn let_go(&mut self, sink: &SampleSink) {
        let now = sink.now();
        self.pointer.leave(now, sink);
        self.inputs.let_go(now, sink);
    }

    fn heed_events(&mut self, sink: &SampleSink) -> Result<(), Fault> {
        while let Some(event) = self.display.server.poll_for_event()? {
            let news = match &event {
                Event::DamageNotify(_) => {
                    self.changed = true;
                    News::None
                }
                Event::XfixesCursorNotify(_) => {
                    self.pointer.reshape();
                    News::None
                }
                Event::ConfigureNotify(event) if event.window != self.view.window => News::None,
                Event::ConfigureNotify(_) | Event::RandrScreenChangeNotify(_) | Event::RandrNotify(_) => {
                    News::Moved
                }
                Event::MapNotify(_) | Event::UnmapNotify(_) | Event::ReparentNotify(_) => News::Replaced,
                Event::DestroyNotify(event) if event.window == self.view.window => News::Gone,
                other => {
                    self.inputs.heed(other, &self.display, &self.view, sink)?;
                    News::None
                }
            };
            self.news = self.news.max(news);
        }
        Ok(())
    }

    /// The screen may have another size, the monitor another place, the window other pixels. Says whether so.
    fn follow(&mut self, now: HostTime) -> Result<bool, Fault> {
        let is_replaced = match self.news {
            News::Gone => return Err(Fault::NoWindow),
            News::Replaced => true,
            News::None | News::Moved => self.view.has_moved(&self.display, &self.wish.target)?,
        };
        if is_replaced {
            let view = self.wish.target.locate(&self.display)?;
            if view.area.size() == self.view.area.size() {
                self.pool.damage(&[Rect::whole(view.area.size())]);
            } else {
                self.pool = Pool::new(view.area.height);
            }
            self.view = view;
            self.pending = Damage::All;
            self.changed = true;
        }
        (self.view_checked, self.news) = (Some(now), News::None);
        Ok(is_replaced)
    }

    /// Fetches what changed, if it did so within the area.
    fn grab(&mut self, sink: &SampleSink) -> Result<bool, Fault> {
        let changes = self.take_damage()?;
        let at = sink.now();
        if self.pending == Damage::Rects(Vec::new()) && changes.is_empty() {
            self.changed = false;
            sink.push(at, SampleContent::Unchanged);
            return Ok(false);
        }
        self.pool.damage(&changes);
        let pending = std::mem::replace(&mut self.pending, Damage::All);
        self.pending = simplified(pending.union(&Damage::Rects(changes)));
        let size = self.view.area.size();
        let bytes = self.stride() * size.height as usize;
        let Some(blank) = self.pool.take(|| Segment::new(&self.display.server, bytes))? else {
            sink.push(at, SampleContent::Missed(1));
            return Ok(false);
        };
        self.fetch(&blank)?;
        let (stride, bytes) = (self.stride(), self.pool.lend(blank));
        let picture = Planes { format: PixelFormat::Bgrx, size, stride, bytes };
        let damage = std::mem::replace(&mut self.pending, Damage::Rects(Vec::new()));
        self.changed = false;
        sink.push(at, SampleContent::Picture { picture, damage });
        Ok(true)
    }

    /// What changed within the area since this was asked last, in pixels of the picture.
    fn take_damage(&self) -> Result<Vec<Rect>, Fault> {
        let (server, area) = (&self.display.server, self.view.area);
        server.damage_subtract(self.damage, x11rb::NONE, self.region)?;
        let region = server.xfixes_fetch_region(self.region)?.reply()?;
        let rects = region.rectangles.iter().filter_map(|rect| {
            let rect = Rect::new(rect.x.into(), rect.y.into(), rect.width.into(), rect.height.into());
            Some(rect.intersect(area)?.shifted(-area.x, -area.y))
        });
        Ok(rects.collect())
    }

    /// Has the server write the rows that `blank` lacks.
    fn fetch(&self, blank: &Blank<Segment>) -> Result<(), Fault> {
        let (server, view) = (&self.display.server, &self.view);
        let narrow = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX);
        let mut asked = Vec::new();
        for run in blank.stale.runs() {
            let offset = u32::try_from(run.start as usize * self.stride())
                .map_err(|_| Fault::Lacks("the screen is too large".to_owned()))?;
            asked.push(server.shm_get_image(
                view.drawable,
                coordinate(view.begins.x),
                coordinate(view.begins.y.saturating_add_unsigned(run.start)),
                narrow(view.area.width),
                narrow(run.end - run.start),
                u32::MAX,
                ImageFormat::Z_PIXMAP.into(),
                blank.buffer.id,
                offset,
            )?);
        }
        for reply in asked {
            reply.reply()?;
        }
        Ok(())
    }

    fn stride(&self) -> usize {
        4 * self.view.area.width as usize
    }
}

/// X coordinates have 16 bits, and so has every area that the server told of.
fn coordinate(value: i32) -> i16 {
    i16::try_from(value).unwrap_or(if value < 0 { i16::MIN } else { i16::MAX })
}
