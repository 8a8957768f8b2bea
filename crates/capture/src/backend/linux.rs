//! Linux: screens and windows of an X server, sound of PipeWire or else of PulseAudio.
//!
//! Ids: `x11:screen` is all of the screen, `x11:monitor:DP-1` one monitor of it, `x11:region:X,Y,WxH` a part of it and
//! `x11:window:0x…` a window; `pipewire:…` and `pulse:…` are sound devices by the name that their server knows them by,
//! `default-mic` and `default-system` those it chooses.

mod sound_server;
mod x11;

use super::{
    Capture, CaptureBackend, Permission, PermissionState, SourceConfig, SourceId, SourceInfo, SourceKind,
    sound::{self, SoundSystem as _},
};
use crate::{CaptureError, SampleSink};
use sound_server::SoundServer;

/// An X server and a sound server, each if it is there.
pub(super) struct Native;

impl CaptureBackend for Native {
    fn sources(&self) -> Result<Vec<SourceInfo>, CaptureError> {
        let sounds = SoundServer::connect().and_then(|server| server.sources());
        match (x11::sources(), sounds) {
            (Ok(screens), Ok(sounds)) => Ok(screens.into_iter().chain(sounds).collect()),
            (Ok(some), Err(error)) | (Err(error), Ok(some)) => {
                tracing::info!(%error, "not all sources can be listed");
                Ok(some)
            }
            (Err(error), Err(_)) => Err(error),
        }
    }

    fn open(&self, id: &SourceId, config: &SourceConfig, sink: SampleSink) -> Result<Capture, CaptureError> {
        if x11::owns(id) { x11::open(id, config, sink) } else { sound::open::<SoundServer>(id, sink) }
    }

    fn permission(&self, kind: SourceKind) -> Permission {
        let reached = match kind {
            SourceKind::Screen | SourceKind::Window => return x11::permission(kind),
            SourceKind::Microphone | SourceKind::SystemAudio => SoundServer::connect().map(drop),
            SourceKind::Camera => x11::sources().map(drop),
        };
        match reached {
            Ok(()) => Permission::granted(),
            Err(error) => Permission { state: PermissionState::Restricted, advice: error.to_string() },
        }
    }
}
