//! One stream of one sound device: its samples to the sink, its errors to whoever looks after it.

use super::Input;
use crate::{SampleContent, SampleSink};
use cpal::{
    ErrorKind, FromSample, SampleFormat,
    traits::{DeviceTrait as _, StreamTrait as _},
};
use crossbeam_channel::{Receiver, Sender};
use model::HostTime;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    thread::{self, Thread},
};

/// More errors than a stream can have before it is looked after.
const ERRORS_MAX: usize = 16;
/// [`Ear::heard`] before there was anything.
const NEVER: i64 = i64::MIN;

/// A stream that plays until it is dropped. After that nothing more comes from it.
pub(super) struct Listening {
    ear: Arc<Ear>,
    errors: Receiver<cpal::Error>,
    stream: Option<cpal::Stream>,
}

/// What a stream's callbacks share with the thread that looks after it.
struct Ear {
    /// None once nobody listens any more: PulseAudio's client delivers for a while after its stream was dropped.
    /// Only the stream's own thread ever locks it but for then.
    sink: Mutex<Option<SampleSink>>,
    rate: u32,
    channels: u16,
    /// Host time at the stream clock's zero.
    anchor: AtomicI64,
    /// Host time of the newest call.
    heard: AtomicI64,
    keeper: Thread,
}

impl Listening {
    /// Starts; the calling thread is unparked when something happens that it should look at.
    pub fn begin(input: &Input, sink: &SampleSink) -> Result<Self, cpal::Error> {
        let (failed, errors) = crossbeam_channel::bounded(ERRORS_MAX);
        let ear = Arc::new(Ear {
            sink: Mutex::new(Some(sink.clone())),
            rate: input.config.sample_rate,
            channels: input.config.channels,
            anchor: AtomicI64::new(0),
            heard: AtomicI64::new(NEVER),
            keeper: thread::current(),
        });
        let stream = build(&ear, input, failed)?;
        // Some systems count from the stream's own beginning. Reading both clocks at once relates them all.
        ear.anchor.store(sink.now().0.saturating_sub(nanos(stream.now())), Ordering::Release);
        stream.play()?;
        Ok(Self { ear, errors, stream: Some(stream) })
    }

    /// What its stream complained of since this was asked last.
    pub fn errors(&self) -> impl Iterator<Item = cpal::Error> + '_ {
        self.errors.try_iter()
    }

    /// When it gave sound last, if it ever did.
    pub fn heard(&self) -> Option<HostTime> {
        let heard = self.ear.heard.load(Ordering::Acquire);
        (heard != NEVER).then_some(HostTime(heard))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        *self.ear.sink.lock().unwrap_or_else(PoisonError::into_inner) = None;
        drop(self.stream.take());
    }
}

fn build(ear: &Arc<Ear>, input: &Input, failed: Sender<cpal::Error>) -> Result<cpal::Stream, cpal::Error> {
    match input.format {
        SampleFormat::F32 => build_as::<f32>(ear, input, failed),
        SampleFormat::I16 => build_as::<i16>(ear, input, failed),
        SampleFormat::I32 => build_as::<i32>(ear, input, failed),
        SampleFormat::U8 => build_as::<u8>(ear, input, failed),
        other => {
            let message = format!("it gives samples as {other}");
            Err(cpal::Error::with_message(ErrorKind::UnsupportedConfig, message))
        }
    }
}

fn build_as<T>(
    ear: &Arc<Ear>,
    input: &Input,
    failed: Sender<cpal::Error>,
) -> Result<cpal::Stream, cpal::Error>
where
    T: cpal::SizedSample,
    f32: FromSample<T>,
{
    let (hearing, keeper) = (Arc::clone(ear), ear.keeper.clone());
    let on_data = move |samples: &[T], info: &cpal::InputCallbackInfo| {
        hearing.hear(samples.iter().map(|sample| f32::from_sample_(*sample)).collect(), info);
    };
    let on_error = move |error| {
        // Full of errors it is broken anyway.
        let _ = failed.try_send(error);
        keeper.unpark();
    };
    input.device.build_input_stream(input.config, on_data, on_error, None)
}

impl Ear {
    fn hear(&self, samples: Vec<f32>, info: &cpal::InputCallbackInfo) {
        let captured = nanos(info.timestamp().capture);
        let at = HostTime(self.anchor.load(Ordering::Acquire).saturating_add(captured));
        let sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sink) = &*sink else { return };
        sink.push(at, SampleContent::Sound { rate: self.rate, channels: self.channels, samples });
        if self.heard.swap(sink.now().0, Ordering::AcqRel) == NEVER {
            // Whoever looks after a device that returned learns at once that it has.
            self.keeper.unpark();
        }
    }
}

fn nanos(instant: cpal::StreamInstant) -> i64 {
    i64::try_from(instant.as_nanos()).unwrap_or(i64::MAX)
}
