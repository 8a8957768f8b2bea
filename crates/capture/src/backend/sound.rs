//! Sound devices through cpal: opening, watching, losing and finding them again.
//!
//! Owns: what becomes of a device that vanishes, falls silent, or stops being the default one. Which devices there
//! are, and how they are named, is the [`SoundSystem`]'s to say. Tested on sound servers that `tests/` starts, and
//! below where no server is needed.

use super::{Capture, SourceId, SourceInfo, Stop};
use crate::{CaptureError, LostReason, SampleContent, SampleSink, SourceEvent};
use cpal::{
    ErrorKind, FromSample, SampleFormat,
    traits::{DeviceTrait as _, StreamTrait as _},
};
use crossbeam_channel::Receiver;
use model::HostTime;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    thread,
    time::Duration,
};

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
/// More errors than a stream can have before it is looked after.
const ERRORS_MAX: usize = 16;

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
        let ear = Ear::<S>::open(&source, sink);
        let (result, ear) = ear.map_or_else(|error| (Err(error), None), |ear| (Ok(()), Some(ear)));
        let go_on = result.is_ok();
        if answer.send(result).is_ok() && go_on {
            look_after(&source, ear, stop, sink);
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
fn look_after<S: SoundSystem>(id: &SourceId, mut ear: Option<Ear<S>>, stop: &Stop, sink: &SampleSink) {
    let mut lost = false;
    loop {
        stop.wait(LOOK);
        if stop.is_set() {
            return;
        }
        let Some(open) = ear.take() else {
            ear = Ear::open(id, sink).ok();
            continue;
        };
        // A device that is no longer listened to is dropped first, and with it what its closing stream may report.
        match open.health(id, sink.now()) {
            Health::Starting => ear = Some(open),
            Health::Well => {
                ear = Some(open);
                if std::mem::take(&mut lost) {
                    sink.report(SourceEvent::Returned);
                }
            }
            Health::Followed => {
                ear = Some(open);
                sink.report(SourceEvent::Changed { name: None });
            }
            Health::Moved(input) => {
                let name = Some(input.name.clone());
                let system = open.close();
                sink.report(SourceEvent::Changed { name });
                ear = Ear::listen(id, system, *input, sink).ok();
            }
            Health::Silent { reopen } => {
                ear = (!reopen).then_some(open);
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

/// An open device.
struct Ear<S> {
    system: S,
    input: Input,
    opened: HostTime,
    heard: Arc<AtomicI64>,
    errors: Receiver<cpal::Error>,
    /// Plays as long as it is there.
    _stream: cpal::Stream,
}

/// [`Ear::heard`] before there was anything.
const NEVER: i64 = i64::MIN;

impl<S: SoundSystem> Ear<S> {
    fn open(id: &SourceId, sink: &SampleSink) -> Result<Self, CaptureError> {
        let system = S::connect()?;
        let input = system.find(id)?;
        Self::listen(id, system, input, sink)
    }

    fn listen(id: &SourceId, system: S, input: Input, sink: &SampleSink) -> Result<Self, CaptureError> {
        let (failed, errors) = crossbeam_channel::bounded(ERRORS_MAX);
        let heard = Arc::new(AtomicI64::new(NEVER));
        let anchor = Arc::new(AtomicI64::new(0));
        let keeper = thread::current();
        let on_error = {
            let keeper = keeper.clone();
            move |error| {
                // Full of errors it is broken anyway.
                let _ = failed.try_send(error);
                keeper.unpark();
            }
        };
        let on_data = Listener {
            sink: sink.clone(),
            rate: input.config.sample_rate,
            channels: input.config.channels,
            anchor: Arc::clone(&anchor),
            heard: Arc::clone(&heard),
            keeper,
        };
        let device_error = |operation| move |error: cpal::Error| cannot(id, operation, &error);
        let stream = on_data.build(&input, on_error).map_err(device_error("open"))?;
        // Some systems count from the stream's own beginning. Reading both clocks at once relates them all.
        let opened = sink.now();
        anchor.store(opened.0.saturating_sub(nanos(stream.now())), Ordering::Release);
        stream.play().map_err(device_error("start"))?;
        Ok(Self { system, input, opened, heard, errors, _stream: stream })
    }

    /// Stops listening.
    fn close(self) -> S {
        self.system
    }

    fn health(&self, id: &SourceId, now: HostTime) -> Health {
        let mut followed = false;
        for error in self.errors.try_iter() {
            match verdict(&error) {
                Verdict::Harmless => tracing::debug!(source = %id, %error, "sound device"),
                Verdict::Followed => followed = true,
                Verdict::Broken(reason) => return Health::Broken { reason, message: error.to_string() },
            }
        }
        match self.system.moved(id, &self.input) {
            Err(CaptureError::UnknownSource { .. }) => {
                let message = format!("{} is gone", self.input.name);
                return Health::Broken { reason: LostReason::Unplugged, message };
            }
            Err(error) => {
                return Health::Broken { reason: LostReason::ServerGone, message: error.to_string() };
            }
            Ok(Some(input)) => return Health::Moved(Box::new(input)),
            Ok(None) => {}
        }
        let heard = self.heard.load(Ordering::Acquire);
        let quiet = now.0.saturating_sub(heard.max(self.opened.0));
        match (followed, quiet) {
            (true, _) => Health::Followed,
            (_, quiet) if quiet >= SILENT => Health::Silent { reopen: quiet >= REOPEN },
            _ if heard == NEVER => Health::Starting,
            _ => Health::Well,
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

/// Takes a stream's samples to the sink.
struct Listener {
    sink: SampleSink,
    rate: u32,
    channels: u16,
    /// Host time at the stream clock's zero.
    anchor: Arc<AtomicI64>,
    /// Host time of the newest call.
    heard: Arc<AtomicI64>,
    keeper: thread::Thread,
}

impl Listener {
    fn build(
        self,
        input: &Input,
        on_error: impl FnMut(cpal::Error) + Send + 'static,
    ) -> Result<cpal::Stream, cpal::Error> {
        match input.format {
            SampleFormat::F32 => self.build_as::<f32>(input, on_error),
            SampleFormat::I16 => self.build_as::<i16>(input, on_error),
            SampleFormat::I32 => self.build_as::<i32>(input, on_error),
            SampleFormat::U8 => self.build_as::<u8>(input, on_error),
            other => Err(cpal::Error::with_message(
                ErrorKind::UnsupportedConfig,
                format!("it gives samples as {other}"),
            )),
        }
    }

    fn build_as<T>(
        self,
        input: &Input,
        on_error: impl FnMut(cpal::Error) + Send + 'static,
    ) -> Result<cpal::Stream, cpal::Error>
    where
        T: cpal::SizedSample,
        f32: FromSample<T>,
    {
        let on_data = move |samples: &[T], info: &cpal::InputCallbackInfo| {
            self.hear(samples.iter().map(|sample| f32::from_sample_(*sample)).collect(), info);
        };
        input.device.build_input_stream(input.config, on_data, on_error, None)
    }

    fn hear(&self, samples: Vec<f32>, info: &cpal::InputCallbackInfo) {
        let captured = nanos(info.timestamp().capture);
        let at = self.anchor.load(Ordering::Acquire).saturating_add(captured);
        let (rate, channels) = (self.rate, self.channels);
        self.sink.push(HostTime(at), SampleContent::Sound { rate, channels, samples });
        if self.heard.swap(self.sink.now().0, Ordering::AcqRel) == NEVER {
            // Whoever looks after a device that returned learns at once that it has.
            self.keeper.unpark();
        }
    }
}

fn nanos(instant: cpal::StreamInstant) -> i64 {
    i64::try_from(instant.as_nanos()).unwrap_or(i64::MAX)
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
