//! The pixels of a screen: only those that changed, straight into shared memory.
//!
//! XDamage says which rectangles changed. Pictures lie in a few segments that are used again and again; for each the
//! pool knows which rows it lacks, and those alone are fetched, as full-width bands, so that they land where they
//! belong without another copy. A still screen costs one question about the pointer.
//!
//! What is drawn between the answer about damage and the fetching may already be seen, and is named with the next
//! picture: nothing is ever left out, and nobody else's drawing is held up for it.

use super::{Display, Fault, pointer::Pointer, segment::Segment};
use crate::{
    SampleContent, SampleSink, SourceId,
    damage::simplified,
    pool::{Blank, Pool},
};
use model::{Damage, HostTime, PixelFormat, Planes, Rect};
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

/// A screen that is being looked at.
pub(super) struct Screen {
    display: Display,
    id: SourceId,
    area: Rect,
    area_checked: Option<HostTime>,
    damage: damage::Damage,
    region: xfixes::Region,
    pool: Pool<Segment>,
    /// What changed since the picture pushed last. All: nothing was pushed yet.
    pending: Damage,
    changed: bool,
    pointer: Pointer,
}

impl Screen {
    /// Connects and asks to be told of changes.
    pub fn open(id: &SourceId) -> Result<Self, Fault> {
        let display = Display::try_connect()?;
        let area = display.area(id)?;
        let (server, root) = (&display.server, display.root);
        let damage = server.generate_id()?;
        server.damage_create(damage, root, damage::ReportLevel::NON_EMPTY)?.check()?;
        let region = server.generate_id()?;
        server.xfixes_create_region(region, &[])?.check()?;
        server.xfixes_select_cursor_input(root, xfixes::CursorNotifyMask::DISPLAY_CURSOR)?.check()?;
        let resized = ChangeWindowAttributesAux::new().event_mask(xproto::EventMask::STRUCTURE_NOTIFY);
        server.change_window_attributes(root, &resized)?.check()?;
        if display.has_monitors {
            let mask = randr::NotifyMask::SCREEN_CHANGE | randr::NotifyMask::CRTC_CHANGE;
            server.randr_select_input(root, mask)?.check()?;
        }
        Ok(Self {
            id: id.clone(),
            area,
            area_checked: None,
            damage,
            region,
            pool: Pool::new(area.height),
            pending: Damage::All,
            changed: true,
            pointer: Pointer::default(),
            display,
        })
    }

    /// Looks once, and pushes what is new. Says whether the picture is.
    pub fn look(&mut self, sink: &SampleSink) -> Result<bool, Fault> {
        let now = sink.now();
        // Its reply comes after all events that were there before it, so it is asked first.
        let place = self.display.server.query_pointer(self.display.root)?.reply()?;
        let mut moved = self.area_checked.is_none_or(|last| now.0.saturating_sub(last.0) >= AREA_LOOK);
        while let Some(event) = self.display.server.poll_for_event()? {
            match event {
                Event::DamageNotify(_) => self.changed = true,
                Event::XfixesCursorNotify(_) => self.pointer.reshape(),
                Event::ConfigureNotify(_) | Event::RandrScreenChangeNotify(_) | Event::RandrNotify(_) => {
                    moved = true;
                }
                _ => {}
            }
        }
        if moved {
            self.follow_area(now)?;
        }
        self.pointer.look(&self.display, self.area, place, now, sink)?;
        if self.changed {
            return self.grab(sink);
        }
        sink.push(now, SampleContent::Unchanged);
        Ok(false)
    }

    /// The screen may have another size, or the monitor another place.
    fn follow_area(&mut self, now: HostTime) -> Result<(), Fault> {
        self.area_checked = Some(now);
        let area = self.display.area(&self.id)?;
        if area != self.area {
            self.area = area;
            self.pool = Pool::new(area.height);
            self.pending = Damage::All;
            self.changed = true;
        }
        Ok(())
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
        let bytes = self.stride() * self.area.height as usize;
        let Some(blank) = self.pool.take(|| Segment::new(&self.display.server, bytes))? else {
            sink.push(at, SampleContent::Missed(1));
            return Ok(false);
        };
        if let Err(fault) = self.fetch(&blank) {
            return self.forgive(fault, sink.now()).map(|()| false);
        }
        let picture = Planes {
            format: PixelFormat::Bgrx,
            size: self.area.size(),
            stride: self.stride(),
            bytes: self.pool.lend(blank),
        };
        let damage = std::mem::replace(&mut self.pending, Damage::Rects(Vec::new()));
        self.changed = false;
        sink.push(at, SampleContent::Picture { picture, damage });
        Ok(true)
    }

    /// What changed within the area since this was asked last, in pixels of the picture.
    fn take_damage(&self) -> Result<Vec<Rect>, Fault> {
        let server = &self.display.server;
        server.damage_subtract(self.damage, x11rb::NONE, self.region)?;
        let region = server.xfixes_fetch_region(self.region)?.reply()?;
        let rects = region.rectangles.iter().filter_map(|rect| {
            let rect = Rect::new(rect.x.into(), rect.y.into(), rect.width.into(), rect.height.into());
            Some(rect.intersect(self.area)?.shifted(-self.area.x, -self.area.y))
        });
        Ok(rects.collect())
    }

    /// Has the server write the rows that `blank` lacks.
    fn fetch(&self, blank: &Blank<Segment>) -> Result<(), Fault> {
        let server = &self.display.server;
        let narrow = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX);
        let (left, top) = (coordinate(self.area.x), self.area.y);
        let mut asked = Vec::new();
        for run in blank.stale.runs() {
            let offset = u32::try_from(run.start as usize * self.stride())
                .map_err(|_| Fault::Lacks("the screen is too large".to_owned()))?;
            asked.push(server.shm_get_image(
                self.display.root,
                left,
                coordinate(top.saturating_add_unsigned(run.start)),
                narrow(self.area.width),
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

    /// A screen that just became smaller cannot be fetched at its old size: that is no fault of its.
    fn forgive(&mut self, fault: Fault, now: HostTime) -> Result<(), Fault> {
        let old = self.area;
        self.follow_area(now)?;
        if self.area == old { Err(fault) } else { Ok(()) }
    }

    fn stride(&self) -> usize {
        4 * self.area.width as usize
    }
}

/// X coordinates have 16 bits, and so has every area that the server told of.
fn coordinate(value: i32) -> i16 {
    i16::try_from(value).unwrap_or(if value < 0 { i16::MIN } else { i16::MAX })
}
