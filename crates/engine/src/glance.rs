//! One picture of a source that could be recorded, as it looks now: for people who choose.
//!
//! Owns how a device is opened for a moment. Never opens what asks its user, and ends within seconds whatever the device
//! does. Tested in `tests.rs` and with devices in `tests/`.

use crate::{command::Blob, error::EngineError, preview::checked_width, sources, threads::SessionTime};
use capture::{
    CaptureError, Outlet, PermissionState, SampleSink, SourceConfig, SourceEvent, SourceId, SourceInfo,
    SourceKind,
};
use compose::Compositor;
use model::{Frame, Frames, Rect, Scene, Size, Timestamp, TrackId};
use std::{sync::Arc, time::Duration};

/// What gives no picture until then gives none.
const PATIENCE: Duration = Duration::from_secs(4);
/// A camera that was just switched on is too dark or too bright for this long.
const SETTLING: Duration = Duration::from_millis(600);
/// A camera at its usual pace.
const FPS: u32 = 30;
const SYNTHETIC: &str = "synthetic:";

/// A glance that makes sense.
pub(crate) struct Wanted {
    source: SourceInfo,
    is_synthetic: bool,
    width: u32,
}

/// One picture.
struct Still(Frame);

impl Frames for Still {
    fn frame(&mut self, _: &TrackId, _: Timestamp) -> Option<Frame> {
        Some(self.0.clone())
    }
}

impl Wanted {
    /// Of a device that is there and has pictures which can be seen without asking anybody.
    pub(crate) fn new(device: &str, width: u32) -> Result<Self, EngineError> {
        let width = checked_width(width)?;
        let is_synthetic = device.starts_with(SYNTHETIC);
        let backend = sources::backend(is_synthetic);
        let sources = backend.sources()?;
        let unknown = || CaptureError::UnknownSource { id: SourceId::new(device) };
        let source = sources.into_iter().find(|source| source.id.as_str() == device).ok_or_else(unknown)?;
        if source.kind.is_audio() {
            return Err(EngineError::Invalid(format!("{device} has no picture")));
        }
        if backend.permission(source.kind).state == PermissionState::NotAsked {
            return Err(EngineError::Invalid(format!(
                "the desktop asks before it shows {device}; it can be seen once it is rehearsed or recorded"
            )));
        }
        Ok(Self { source, is_synthetic, width })
    }

    /// Whether the device cannot be opened twice.
    pub(crate) fn has_one_user(&self) -> bool {
        self.source.kind == SourceKind::Camera
    }

    /// As it looks now.
    pub(crate) fn picture(&self) -> Result<Blob, EngineError> {
        let track = sources::name("glance");
        let frame = self.frame(&track)?;
        let size = frame.picture.size;
        let canvas = size.fit_even(Size::new(self.width, size.height));
        let mut compositor = Compositor::new(canvas)?;
        let scene = Scene::of(track, Rect::whole(size), canvas);
        compositor.render(&scene, frame.at, &mut Still(frame))?;
        Ok(Blob::jpeg(codec::jpeg(compositor.picture())?))
    }

    fn frame(&self, track: &TrackId) -> Result<Frame, EngineError> {
        let _nobody_else = self.has_one_user().then(sources::only_user_of_cameras);
        let time = SessionTime::begin();
        let (outlet, intake) = Outlet::new(&[]);
        let sink = SampleSink::new(track.clone(), outlet.clone(), Arc::clone(&time.clock), time.host());
        let backend = sources::backend(self.is_synthetic);
        let _open = backend.open(&self.source.id, &SourceConfig::new(FPS), sink)?;
        let viewer = outlet.viewer(std::slice::from_ref(track));
        let settling = if self.has_one_user() { SETTLING } else { Duration::ZERO };
        let (mut first, mut newest) = (None, None);
        loop {
            newest = viewer.pictures.take(track).or(newest);
            let now = time.now();
            if newest.is_some() {
                let since = *first.get_or_insert(now);
                if now >= since + settling {
                    break;
                }
            }
            if let Ok((_, SourceEvent::Lost { message, .. } | SourceEvent::Ended { message, .. })) =
                intake.events.try_recv()
            {
                return Err(self.failed(message));
            }
            let left = (Timestamp::ZERO + PATIENCE).saturating_since(now);
            if left.is_zero() {
                break;
            }
            viewer.pictures.wait(left.min(SETTLING / 4));
        }
        newest.ok_or_else(|| self.failed("it gives no picture".to_owned()))
    }

    fn failed(&self, message: String) -> EngineError {
        CaptureError::Device { id: self.source.id.clone(), operation: "look at", message }.into()
    }
}
