//! Linux: screens and windows of an X server or of a Wayland session, cameras, sound of PipeWire or else of PulseAudio.
//!
//! Ids: `wayland:monitor` and `wayland:window` are what the user chooses when the desktop asks; `x11:screen` is all of
//! an X server's screen, `x11:monitor:DP-1` one monitor of it, `x11:region:X,Y,WxH` a part of it and `x11:window:0x…` a
//! window; `v4l2:…` is a camera by its own name, and its file in `/dev` will do too; `pipewire:…` and `pulse:…` are sound
//! devices by the name that their server knows them by, `default-mic` and `default-system` those it chooses.

mod camera;
mod sound_server;
mod wayland;
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
        let (mut sources, mut missing) = (Vec::new(), None);
        for found in [screens(), Ok(camera::sources()), sounds] {
            match found {
                Ok(some) => sources.extend(some),
                Err(error) => {
                    tracing::info!(%error, "not all sources can be listed");
                    missing = missing.or(Some(error));
                }
            }
        }
        missing.filter(|_| sources.is_empty()).map_or(Ok(sources), Err)
    }

    fn open(&self, id: &SourceId, config: &SourceConfig, sink: SampleSink) -> Result<Capture, CaptureError> {
        if wayland::owns(id) {
            wayland::open(id, config, sink)
        } else if x11::owns(id) {
            x11::open(id, config, sink)
        } else if camera::owns(id) {
            camera::open(id, config, sink)
        } else {
            sound::open::<SoundServer>(id, sink)
        }
    }

    fn permission(&self, kind: SourceKind) -> Permission {
        let reached = match kind {
            SourceKind::Screen | SourceKind::Window => return permission_of(kind),
            SourceKind::Microphone | SourceKind::SystemAudio => SoundServer::connect().map(drop),
            SourceKind::Camera => return camera::permission(),
        };
        match reached {
            Ok(()) => Permission::granted(),
            Err(error) => Permission { state: PermissionState::Restricted, advice: error.to_string() },
        }
    }
}

/// Those of the session: a Wayland session shows none to programs of the X window system. An X server that is no part
/// of it can still be recorded where the portal cannot; else what the portal said is what matters.
fn screens() -> Result<Vec<SourceInfo>, CaptureError> {
    if !wayland::is_session() {
        return x11::sources();
    }
    wayland::sources().or_else(|error| x11::sources().map_err(|_| error))
}

fn permission_of(kind: SourceKind) -> Permission {
    if !wayland::is_session() {
        return x11::permission(kind);
    }
    let asked = wayland::permission(kind);
    let beside = (asked.state == PermissionState::Restricted).then(|| x11::permission(kind));
    beside.filter(|beside| beside.state == PermissionState::Granted).unwrap_or(asked)
}
