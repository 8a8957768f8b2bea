//! Cameras through Video4Linux2: one at a time, for as long as it is there, and again when it is back.
//!
//! Owns: what becomes of a camera that is unplugged, forbidden, busy or silent. We call the kernel ourselves, since
//! nokhwa stamps pictures by the wall clock and does not know 29.97, and the crate v4l panics when a camera that vanished
//! is switched off. Tested on a camera that `tests/` makes up for programs that are told so, since no machine for tests
//! has a real one.

mod choice;
mod convert;
mod device;
mod jpeg;
mod names;
mod pace;
mod sys;

use super::{Capture, Permission, PermissionState, SourceConfig, SourceId, SourceInfo, SourceKind};
use crate::{
    CaptureError, LostReason, SampleContent, SampleSink, SourceEvent,
    backend::Stop,
    pool::{Blank, Pool},
};
use choice::Mode;
use convert::{Converter, Layout};
use device::{Device, Stream, Taken};
use model::{Damage, HostTime, PixelFormat, Planes, Rect};
use pace::{Pace, Stamps};
use std::{convert::Infallible, io, path::PathBuf, time::Duration};

const PREFIX: &str = "v4l2:";
/// How often a camera that went away is looked for.
const LOOK: Duration = Duration::from_millis(500);
/// How soon a stop is noticed while no picture comes.
const WAIT: Duration = Duration::from_millis(100);
/// Nanoseconds without a picture after which a camera delivers nothing.
const SILENT: i64 = 2_000_000_000;
/// A silent camera is switched off and on after this long, in case that helps.
const REOPEN: i64 = 5_000_000_000;
/// How often it is checked whether the camera is still allowed.
const CHECK: i64 = 1_000_000_000;

/// Whether this is an id of a camera, whatever there is.
pub(super) fn owns(id: &SourceId) -> bool {
    id.as_str().starts_with(PREFIX) || id.as_str().starts_with("/dev/video")
}

/// The cameras that may be opened. The first is the one to take where nobody chose.
pub(super) fn sources() -> Vec<SourceInfo> {
    let (found, _) = names::cameras();
    let mut sources = Vec::new();
    for camera in found {
        let mut modes = camera.device.modes();
        choice::sort_usual(&mut modes);
        let Some(best) = modes.first() else { continue };
        sources.push(SourceInfo {
            id: SourceId::new(format!("{PREFIX}{}", camera.name)),
            kind: SourceKind::Camera,
            name: named(&camera.label.card),
            is_default: sources.is_empty(),
            size: Some(best.format.size),
            formats: modes.into_iter().map(|mode| mode.format).collect(),
        });
    }
    sources
}

/// Whether there is a camera that may be opened.
pub(super) fn permission() -> Permission {
    match names::cameras() {
        (found, _) if !found.is_empty() => Permission::granted(),
        (_, Some(path)) => {
            Permission { state: PermissionState::Denied, advice: sentence(&names::advice(&path)) }
        }
        _ => {
            let advice = "There is no camera: plug one in, or switch it on.".to_owned();
            Permission { state: PermissionState::Restricted, advice }
        }
    }
}

/// Starts recording a camera.
pub(super) fn open(id: &SourceId, config: &SourceConfig, sink: SampleSink) -> Result<Capture, CaptureError> {
    let (source, config) = (id.clone(), config.clone());
    let camera = Camera::open(id, &config, &sink).map_err(|fault| fault.into_error(id))?;
    Capture::start(id, sink, move |stop, sink| look_after(camera, &source, &config, stop, sink))
}

/// Cameras with two functions are called `Webcam: Webcam`, with the end cut off.
fn named(card: &str) -> String {
    let name =
        card.split_once(": ").filter(|(name, again)| name.starts_with(again)).map_or(card, |(name, _)| name);
    if name.is_empty() { "Camera".to_owned() } else { name.to_owned() }
}

fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| format!("{}{}.", first.to_uppercase(), letters.as_str())).unwrap_or_default()
}

/// Until stopped: takes its pictures, notices that it is lost, and looks for it.
fn look_after(first: Camera, id: &SourceId, config: &SourceConfig, stop: &Stop, sink: &SampleSink) {
    let (mut camera, mut lost) = (Some(first), false);
    while !stop.is_set() {
        let Some(open) = &mut camera else {
            stop.wait(LOOK);
            camera = Camera::open(id, config, sink).ok();
            continue;
        };
        match open.look(sink) {
            Ok(Health::Well) => {
                if std::mem::take(&mut lost) {
                    sink.report(SourceEvent::Returned);
                }
            }
            Ok(Health::Waiting) => {}
            Ok(Health::Silent { reopen }) => {
                if reopen {
                    camera = None;
                }
                report_lost(&mut lost, LostReason::Silent, "it delivers no pictures".to_owned(), sink);
            }
            Err(fault) => {
                // Off before anybody hears of it.
                camera = None;
                let (reason, message) = (fault.reason(), fault.into_error(id).to_string());
                report_lost(&mut lost, reason, message, sink);
            }
        }
    }
}

fn report_lost(lost: &mut bool, reason: LostReason, message: String, sink: &SampleSink) {
    if !std::mem::replace(lost, true) {
        sink.report(SourceEvent::Lost { reason, message });
    }
}

/// How an open camera is.
enum Health {
    /// A picture came that can be seen.
    Well,
    /// None did, and that is not for long yet.
    Waiting,
    Silent {
        reopen: bool,
    },
}

/// A camera that is switched on.
struct Camera {
    path: PathBuf,
    stream: Stream,
    layout: Layout,
    converter: Converter,
    pool: Pool<Vec<u8>>,
    stamps: Stamps,
    pace: Pace,
    /// The picture pushed last. Its buffer is kept, so that the next one can be compared with it.
    shown: Option<Taken>,
    /// Of the picture taken last.
    sequence: Option<u32>,
    /// Whether it gives more than is wanted, so that some are missed on purpose.
    is_fast: bool,
    /// When it was well last, or opened.
    well: HostTime,
    checked: HostTime,
}

impl Camera {
    fn open(id: &SourceId, config: &SourceConfig, sink: &SampleSink) -> Result<Self, Fault> {
        let path = names::find(id.as_str().strip_prefix(PREFIX).unwrap_or(id.as_str()))?;
        let device = Device::open(&path)?;
        device.label().ok_or(Fault::Gone)?;
        let mode = choose(device.modes(), config)?;
        let layout = device.agree(&mode)?;
        let stream = Stream::begin(device)?;
        tracing::info!(source = %id, path = %path.display(), format = ?mode.format, "camera");
        Ok(Self {
            path,
            stream,
            layout,
            converter: Converter::new(layout),
            pool: Pool::new(layout.even().height),
            stamps: Stamps::default(),
            pace: Pace::new(config.fps),
            shown: None,
            sequence: None,
            is_fast: choice::pictures(mode.format.rate) > f64::from(config.fps) * 1.05,
            well: sink.now(),
            checked: sink.now(),
        })
    }

    /// Waits for a picture and pushes it.
    fn look(&mut self, sink: &SampleSink) -> Result<Health, Fault> {
        let now = sink.now();
        if now.0.saturating_sub(self.checked.0) >= CHECK {
            self.checked = now;
            // Who has a camera open keeps it, whatever its file says by now. We do not.
            if names::is_denied(&self.path) {
                return Err(Fault::Denied);
            }
        }
        if let Some(taken) = self.stream.next(WAIT)?
            && self.take(taken, sink)?
        {
            self.well = sink.now();
            return Ok(Health::Well);
        }
        let quiet = sink.now().0.saturating_sub(self.well.0);
        Ok(if quiet < SILENT { Health::Waiting } else { Health::Silent { reopen: quiet >= REOPEN } })
    }

    /// Pushes what a buffer has, and gives back those that are not needed. Says whether it was a picture.
    fn take(&mut self, taken: Taken, sink: &SampleSink) -> Result<bool, Fault> {
        let at = self.stamps.host_from_monotonic(taken.stamp, sink);
        let since = self.sequence.replace(taken.sequence).map_or(1, |last| taken.sequence.wrapping_sub(last));
        // Counters begin again with some drivers.
        if !self.is_fast && (2..1000).contains(&since) {
            sink.push(at, SampleContent::Missed(u64::from(since) - 1));
        }
        if !self.pace.wants(at) {
            self.stream.give_back(taken)?;
            return Ok(true);
        }
        let is_same = |shown| self.stream.bytes(&shown) == self.stream.bytes(&taken);
        if !taken.is_broken && self.shown.is_some_and(is_same) {
            sink.push(at, SampleContent::Unchanged);
            self.stream.give_back(taken)?;
            return Ok(true);
        }
        let Some(mut blank) = self.blank() else {
            return self.miss(at, taken, sink).map(|()| true);
        };
        let bytes = self.stream.bytes(&taken);
        let is_whole = !taken.is_broken && self.converter.convert(bytes, &mut blank.buffer).is_ok();
        let bytes = self.pool.lend(blank);
        if !is_whole {
            // Its buffer comes home at once.
            drop(bytes);
            return self.miss(at, taken, sink).map(|()| false);
        }
        let size = self.layout.even();
        let format = PixelFormat::Nv12(self.layout.matrix);
        let picture = Planes { format, size, stride: size.width as usize, bytes };
        sink.push(at, SampleContent::Picture { picture, damage: Damage::All });
        match self.shown.replace(taken) {
            Some(before) => self.stream.give_back(before).map(|()| true),
            None => Ok(true),
        }
    }

    /// Nobody will see this one.
    fn miss(&mut self, at: HostTime, taken: Taken, sink: &SampleSink) -> Result<(), Fault> {
        sink.push(at, SampleContent::Missed(1));
        self.stream.give_back(taken)
    }

    /// Memory for a picture; none while readers keep all there is.
    fn blank(&mut self) -> Option<Blank<Vec<u8>>> {
        self.pool.damage(&[Rect::whole(self.layout.even())]);
        let make = || Ok::<_, Infallible>(vec![0; self.layout.bytes()]);
        self.pool.take(make).unwrap_or_else(|never| match never {})
    }
}

/// The mode that was asked for, or the best.
fn choose(mut modes: Vec<Mode>, config: &SourceConfig) -> Result<Mode, Fault> {
    choice::sort(&mut modes, config.fps);
    let mut modes = modes.into_iter();
    let Some(asked) = &config.format else {
        let lacks = || Fault::Unsupported("it gives no format that can be read".to_owned());
        return modes.next().ok_or_else(lacks);
    };
    let lacks = || {
        let message =
            format!("it does not give {} pictures at {}/s as {}", asked.size, asked.rate, asked.encoding);
        Fault::Unsupported(message)
    };
    modes.find(|mode| mode.format == *asked).ok_or_else(lacks)
}

/// Why a camera cannot be looked at, or no longer.
#[derive(Debug)]
enum Fault {
    /// It is not there.
    Gone,
    /// Its file may not be opened.
    Denied,
    /// Another program has it.
    Busy,
    /// It is there and gives nothing that we can read.
    Unsupported(String),
    /// Its driver failed.
    Failed { operation: &'static str, error: io::Error },
}

impl Fault {
    fn of(error: io::Error, operation: &'static str) -> Self {
        match error.raw_os_error() {
            Some(libc::ENODEV | libc::ENOENT | libc::ENXIO) => Self::Gone,
            Some(libc::EACCES | libc::EPERM) => Self::Denied,
            Some(libc::EBUSY) => Self::Busy,
            _ => Self::Failed { operation, error },
        }
    }

    fn reason(&self) -> LostReason {
        match self {
            Self::Gone => LostReason::Unplugged,
            Self::Denied => LostReason::Denied,
            Self::Busy | Self::Unsupported(_) | Self::Failed { .. } => LostReason::Failed,
        }
    }

    fn into_error(self, id: &SourceId) -> CaptureError {
        let source = id.clone();
        match self {
            Self::Gone => CaptureError::UnknownSource { id: source },
            Self::Denied => CaptureError::Denied { id: source, message: denied(id) },
            Self::Busy => {
                let message = "another program uses it; close that one, or choose another camera".to_owned();
                CaptureError::Device { id: source, operation: "open", message }
            }
            Self::Unsupported(message) => CaptureError::Unsupported { id: source, message },
            Self::Failed { operation, error } => {
                CaptureError::Device { id: source, operation, message: error.to_string() }
            }
        }
    }
}

/// What to do about a camera that is forbidden.
fn denied(id: &SourceId) -> String {
    let path = names::find(id.as_str().strip_prefix(PREFIX).unwrap_or(id.as_str())).ok();
    let path = path.or_else(|| names::cameras().1);
    path.map_or_else(|| "it is allowed again by now".to_owned(), |path| names::advice(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_do() {
        let id = SourceId::new("v4l2:cam");
        let of = |code| Fault::of(io::Error::from_raw_os_error(code), "read");
        assert_eq!(of(libc::ENODEV).reason(), LostReason::Unplugged);
        assert_eq!(of(libc::EACCES).reason(), LostReason::Denied);
        assert_eq!(of(libc::EIO).reason(), LostReason::Failed);
        let busy = of(libc::EBUSY).into_error(&id);
        assert!(busy.is_retryable() && busy.to_string().contains("another program"), "{busy}");
        assert_eq!(of(libc::ENOENT).into_error(&id), CaptureError::UnknownSource { id });
    }

    #[test]
    fn names_are_for_people() {
        assert_eq!(named("HD Webcam: HD Webcam"), "HD Webcam");
        assert_eq!(named("Integrated Camera: Integrated C"), "Integrated Camera");
        assert_eq!(named("Brand: Model"), "Brand: Model");
        assert_eq!(named(""), "Camera");
        assert_eq!(sentence("do this"), "Do this.");
    }
}
