//! Sound devices through cpal: opening, watching, losing and finding them again.
//!
//! Owns: what becomes of a device that vanishes, falls silent, or stops being the default one. Which devices there
//! are, and how they are named, is the [`SoundSystem`]'s to say. Tested on sound servers that `tests/` starts, and
//! below where no server is needed.

mod listening;

use super::{Capture, SourceId, SourceInfo, Stop};
use crate::{CaptureError, LostReason, SampleSink, SourceEvent};
use cpal::{ErrorKind, SampleFormat};
use listening::Listening;
use model::HostTime;
use std::time::Duration;

/// Follows the system's choice of microphone.
pub(super) const DEFAULT_MICROPHONE: &str = "default-mic";
/// Follows the system's choice of speakers, and records what they play.
pub(super) const DEFAULT_SYSTEM: &str = "default-system";

/// How often a device is looked after, and looked for.
const LOOK: Duration = Duration::from_millis(500);
/// A device delivers fifty times a second; after this long it delivers nothing.
const SILENT: i64 = 1_000_000_000;
/// A silent device is opened anew after this long, in case that helps.
const REOPEN: i64 = 5_000_000_000;

/// A way to sound devices: a sound server, or an operating system.
pub(super) trait SoundSystem: Sized {
    /// Reaches it.
    fn connect() -> Result<Self, CaptureError>;

    /// The devices it has.
    fn sources(&self) -> Result<Vec<SourceInfo>, CaptureError>;

    /// How to open a source.
    fn find(&self, id: &SourceId) -> Result<Input, CaptureError>;

    /// Asked twice a second: what `id` means now, where the system would not say that it is no longer `open`.
    fn moved(&self, id: &SourceId, open: &Input) -> Result<Option<Input>, CaptureError>;
}

/// A device, and how to open it.
pub(super) struct Input {
    pub device: cpal::Device,
    /// For people.
    pub name: String,
    pub config: cpal::StreamConfig,
    pub format: SampleFormat,
}

/// Opens `id` and looks after it on a thread of its own.
pub(super) fn open<S: SoundSystem>(id: &SourceId, sink: SampleSink) -> Result<Capture, CaptureError> {
    let (answer, opened) = crossbeam_channel::bounded(1);
    let source = id.clone();
    let capture = Capture::start(id, sink, move |stop, sink| {
        let open = Open::<S>::new(&source, sink);
        let (result, open) = open.map_or_else(|error| (Err(error), None), |open| (Ok(()), Some(open)));
        let go_on = result.is_ok();
        if answer.send(result).is_ok() && go_on {
            look_after(&source, open, stop, sink);
        }
    })?;
    let failed = |_| CaptureError::Device {
        id: id.clone(),
        operation: "open",
        message: "its thread failed".to_owned(),
    };
    opened.recv().map_err(failed)??;
    Ok(capture)
}

/// Until stopped: notices that the device is lost, looks for it, and resumes.
fn look_after<S: SoundSystem>(id: &SourceId, mut device: Option<Open<S>>, stop: &Stop, sink: &SampleSink) {
    let mut lost = false;
    loop {
        stop.wait(LOOK);
        if stop.is_set() {
            return;
        }
        let Some(open) = device.take() else {
            device = Open::new(id, sink).ok();
            continue;
        };
        // A device that is no longer listened to is dropped first, and with it what its closing stream may report.
        match open.health(id, sink.now()) {
            Health::Starting => device = Some(open),
            Health::Well => {
                device = Some(open);
                if std::mem::take(&mut lost) {
                    sink.report(SourceEvent::Returned);
                }
            }
            Health::Followed => {
                device = Some(open);
                sink.report(SourceEvent::Changed { name: None });
            }
            Health::Moved(input) => {
                let name = Some(input.name.clone());
                let system = open.close();
                sink.report(SourceEvent::Changed { name });
                device = Open::listen(id, system, *input, sink).ok();
            }
            Health::Silent { reopen } => {
                device = (!reopen).then_some(open);
                report_lost(&mut lost, LostReason::Silent, "it delivers nothing".to_owned(), sink);
            }
            Health::Broken { reason, message } => {
                drop(open);
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

/// How an open device is.
enum Health {
    /// No sound yet, and none expected.
    Starting,
    Well,
    /// Its stream went on with another device by itself.
    Followed,
    /// The source is another device now, which must be opened.
    Moved(Box<Input>),
    Silent {
        reopen: bool,
    },
    Broken {
        reason: LostReason,
        message: String,
    },
}

/// A device that is listened to.
struct Open<S> {
    system: S,
    input: Input,
    since: HostTime,
    listening: Listening,
}

impl<S: SoundSystem> Open<S> {
    fn new(id: &SourceId, sink: &SampleSink) -> Result<Self, CaptureError> {
        let system = S::connect()?;
        let input = system.find(id)?;
        Self::listen(id, system, input, sink)
    }

    fn listen(id: &SourceId, system: S, input: Input, sink: &SampleSink) -> Result<Self, CaptureError> {
        let listening = Listening::begin(&input, sink).map_err(|error| cannot(id, "open", &error))?;
        Ok(Self { system, input, since: sink.now(), listening })
    }

    /// Stops listening.
    fn close(self) -> S {
        self.system
    }

    fn health(&self, id: &SourceId, now: HostTime) -> Health {
        let mut followed = false;
        for error in self.listening.errors() {
            match verdict(&error) {
                Verdict::Harmless => tracing::debug!(source = %id, %error, "sound device"),
                Verdict::Followed => followed = true,
                Verdict::Broken(reason) => return Health::Broken { reason, message: error.to_string() },
            }
        }
        match self.system.moved(id, &self.input) {
            Ok(None) => {}
            Ok(Some(input)) => return Health::Moved(Box::new(input)),
            Err(CaptureError::UnknownSource { .. }) => {
                let message = format!("{} is gone", self.input.name);
                return Health::Broken { reason: LostReason::Unplugged, message };
            }
            Err(error) => {
                return Health::Broken { reason: LostReason::ServerGone, message: error.to_string() };
            }
        }
        let heard = self.listening.heard();
        let quiet = now.0.saturating_sub(heard.unwrap_or(self.since).0);
        match (followed, heard) {
            (true, _) => Health::Followed,
            _ if quiet >= SILENT => Health::Silent { reopen: quiet >= REOPEN },
            (false, None) => Health::Starting,
            (false, Some(_)) => Health::Well,
        }
    }
}

/// What an error of a stream means for its source.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Harmless,
    Followed,
    Broken(LostReason),
}

fn verdict(error: &cpal::Error) -> Verdict {
    match error.kind() {
        // Samples that were lost are found by their stamps.
        ErrorKind::Xrun | ErrorKind::RealtimeDenied => Verdict::Harmless,
        ErrorKind::DeviceChanged => Verdict::Followed,
        ErrorKind::DeviceNotAvailable => Verdict::Broken(LostReason::Unplugged),
        ErrorKind::HostUnavailable | ErrorKind::StreamInvalidated => Verdict::Broken(LostReason::ServerGone),
        ErrorKind::PermissionDenied => Verdict::Broken(LostReason::Denied),
        _ => Verdict::Broken(LostReason::Failed),
    }
}

/// The error of a call that names a device.
pub(super) fn cannot(id: &SourceId, operation: &'static str, error: &cpal::Error) -> CaptureError {
    let (id, message) = (id.clone(), error.to_string());
    match error.kind() {
        ErrorKind::PermissionDenied => CaptureError::Denied { id, message },
        ErrorKind::UnsupportedConfig | ErrorKind::UnsupportedOperation => {
            CaptureError::Unsupported { id, message }
        }
        ErrorKind::HostUnavailable => CaptureError::Unreachable { what: "the sound server", message },
        _ => CaptureError::Device { id, operation, message },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_real_losses_are_losses() {
        let check = |kind: ErrorKind, want| assert_eq!(verdict(&cpal::Error::new(kind)), want, "{kind:?}");
        check(ErrorKind::Xrun, Verdict::Harmless);
        check(ErrorKind::RealtimeDenied, Verdict::Harmless);
        check(ErrorKind::DeviceChanged, Verdict::Followed);
        check(ErrorKind::DeviceNotAvailable, Verdict::Broken(LostReason::Unplugged));
        check(ErrorKind::StreamInvalidated, Verdict::Broken(LostReason::ServerGone));
        check(ErrorKind::Other, Verdict::Broken(LostReason::Failed));
    }
}
