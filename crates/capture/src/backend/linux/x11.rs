//! What an X server shows: all of the screen, one monitor of it, a region, or a window.
//!
//! Owns: what can be recorded, and what becomes of a capture whose server, monitor or window goes away. Connections are
//! made in [`display`] and waited on in [`link`], sources are found in [`target`], pixels are fetched in [`screen`],
//! pointer, clicks and keys are followed in [`pointer`] and [`input`]. Tested on an Xvfb that `tests/` starts.
//!
//! All sizes and places are pixels as the screen has them. A desktop that scales tells programs to draw larger
//! (`Xft.dpi`, `GDK_SCALE`), or the server to show a larger screen smaller (RandR's transforms); neither changes which
//! pixels the server has, and those are what is recorded: a 4K screen at 200 % is recorded in 3840×2160, and its
//! pointer in the size that it is drawn in.
//!
//! A window that is not shown gives no pictures: its last one stands, and it says that it is lost until it is shown
//! again. One that was closed ends its capture. So does a server that goes away, for a window, since on the next server
//! another window may have its id; screens wait for the next server.

mod display;
mod fault;
mod input;
mod keys;
mod link;
mod pointer;
mod screen;
mod segment;
mod target;
mod windows;

use super::{Capture, Permission, SourceConfig, SourceId, SourceInfo, SourceKind};
use crate::{CaptureError, SampleContent, SampleSink, SourceEvent, backend::Stop, ticks::Ticks};
use display::Display;
use fault::Fault;
use link::Patience;
use model::{HostTime, Size};
use screen::{Screen, Wish};
use std::time::Duration;
use target::Target;

const SERVER: &str = "the X server";
/// How often something that went away is looked for.
const LOOK: Duration = Duration::from_millis(500);

/// Whether this is an id of something that an X server shows, whatever it has.
pub(super) fn owns(id: &SourceId) -> bool {
    id.as_str().starts_with("x11:")
}

/// The screen, its monitors and the windows on it. Regions are not listed, there are too many.
pub(super) fn sources() -> Result<Vec<SourceInfo>, CaptureError> {
    list().map_err(|fault| fault.into_error(&Target::Whole.id()))
}

fn list() -> Result<Vec<SourceInfo>, Fault> {
    let display = Display::connect(&Patience::Caller)?;
    let info = |target: Target, name: String, size: Size| SourceInfo {
        id: target.id(),
        kind: target.kind(),
        name: format!("{name} ({}×{})", size.width, size.height),
        is_default: target == Target::Whole,
        size: Some(size),
        formats: Vec::new(),
    };
    let whole = info(Target::Whole, "Whole screen".to_owned(), display.whole()?.size());
    let monitors = display.monitors()?.into_iter().map(|monitor| {
        let name = format!("Monitor {}", monitor.name);
        info(Target::Monitor(monitor.name), name, monitor.area.size())
    });
    let windows = match display.need_composite() {
        Ok(()) => windows::list(&display)?,
        // Without it none can be recorded.
        Err(Fault::Extension(_)) => Vec::new(),
        Err(fault) => return Err(fault),
    };
    let windows =
        windows.into_iter().map(|window| info(Target::Window(window.window), window.name, window.size));
    Ok(std::iter::once(whole).chain(monitors).chain(windows).collect())
}

/// Whether screens or windows can be recorded here. An X server asks nobody: who may connect may look.
pub(super) fn permission(kind: SourceKind) -> Permission {
    let reached = Display::connect(&Patience::Caller).and_then(|display| match kind {
        SourceKind::Window => display.need_composite(),
        _ => Ok(()),
    });
    reached.map_or_else(Fault::into_permission, |()| Permission::granted())
}

/// Starts recording.
pub(super) fn open(id: &SourceId, config: &SourceConfig, sink: SampleSink) -> Result<Capture, CaptureError> {
    let target = Target::of(id).ok_or_else(|| CaptureError::UnknownSource { id: id.clone() })?;
    let wish = Wish { target, keys: config.keys };
    let screen = Screen::open(&wish, &Patience::Caller).map_err(|fault| fault.into_error(id))?;
    let (id, ticks) = (id.clone(), Ticks::new(config.fps));
    let source = Source { id: id.clone(), wish, ticks };
    Capture::start(&id, sink, move |stop, sink| source.keep_looking(screen, stop, sink))
}

/// What one capture looks at, and how often.
struct Source {
    id: SourceId,
    wish: Wish,
    ticks: Ticks,
}

impl Source {
    /// Until stopped: looks at each tick, and for what is looked at while it is away.
    fn keep_looking(&self, mut screen: Screen, stop: &Stop, sink: &SampleSink) {
        loop {
            screen.set_patience(Patience::Watched(stop.clone(), sink.clone()));
            let Err(fault) = self.look_at(&mut screen, stop, sink) else { return };
            if stop.is_set() {
                return;
            }
            screen.let_go(sink);
            let found = if self.is_final(&fault) {
                Err(fault)
            } else {
                let is_connected = !matches!(fault, Fault::Server(_));
                let reason = fault.reason();
                sink.report(SourceEvent::Lost { reason, message: fault.message(&self.id) });
                self.find(screen, is_connected, stop, sink)
            };
            screen = match found {
                Ok(Some(found)) => found,
                Ok(None) => return,
                Err(fault) => {
                    let reason = fault.reason();
                    sink.report(SourceEvent::Ended { reason, message: fault.message(&self.id) });
                    return;
                }
            };
            sink.report(SourceEvent::Returned);
        }
    }

    /// Looks for it until it is there, or until stopped.
    fn find(
        &self,
        screen: Screen,
        is_connected: bool,
        stop: &Stop,
        sink: &SampleSink,
    ) -> Result<Option<Screen>, Fault> {
        let patience = Patience::Thread(stop.clone());
        screen.set_patience(patience.clone());
        let mut kept = Some(screen).filter(|_| is_connected);
        loop {
            stop.wait(LOOK);
            if stop.is_set() {
                return Ok(None);
            }
            let found = match kept.take() {
                Some(mut screen) => match screen.resume(sink) {
                    Ok(()) => Ok(screen),
                    Err(fault) => {
                        kept = Some(screen).filter(|_| !matches!(fault, Fault::Server(_)));
                        Err(fault)
                    }
                },
                None => Screen::open(&self.wish, &patience),
            };
            match found {
                Ok(screen) => return Ok(Some(screen)),
                Err(fault) if self.is_final(&fault) && !stop.is_set() => return Err(fault),
                Err(_) => {}
            }
        }
    }

    /// Whether there is nothing to look for any more.
    fn is_final(&self, fault: &Fault) -> bool {
        self.wish.target.kind() == SourceKind::Window && fault.ends_window()
    }

    fn look_at(&self, screen: &mut Screen, stop: &Stop, sink: &SampleSink) -> Result<(), Fault> {
        let ticks = self.ticks;
        let mut tick = ticks.index_at(sink.now());
        let mut missed = 0;
        while !stop.is_set() {
            let is_new = screen.look(sink)?;
            // What changed meanwhile may have done so several times.
            if is_new && missed > 0 {
                sink.push(sink.now(), SampleContent::Missed(missed));
            }
            let next = ticks.after(tick, sink.now());
            screen.wait_until(ticks.time_of(next), stop, sink)?;
            // On a busy machine that can be much later: what should have been several looks becomes one.
            let now = sink.now();
            missed = closest(ticks, now).max(next).abs_diff(tick + 1);
            tick = ticks.index_at(now).max(next);
        }
        Ok(())
    }
}

/// The tick that a look at `now` belongs to, though it came late.
fn closest(ticks: Ticks, now: HostTime) -> i64 {
    let half = (ticks.time_of(1).0 - ticks.time_of(0).0) / 2;
    ticks.index_at(HostTime(now.0.saturating_add(half)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_look_belongs_to_the_closest_tick() {
        let ticks = Ticks::new(10);
        let closest = |millis: i64| closest(ticks, HostTime(millis * 1_000_000));
        assert_eq!([0, 49, 51, 149, 151, -51].map(closest), [0, 0, 1, 1, 2, -1]);
    }
}
