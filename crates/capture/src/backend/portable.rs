//! Systems whose screens and system sound are not recorded yet: microphones alone, and it says so.

use super::{
    Capture, CaptureBackend, Permission, PermissionState, SourceConfig, SourceId, SourceInfo, SourceKind,
    sound::{self, DEFAULT_MICROPHONE, DEFAULT_SYSTEM, Input, SoundSystem, cannot},
};
use crate::{CaptureError, SampleSink};
use cpal::traits::{DeviceTrait as _, HostTrait as _};

const SOUND: &str = "the sound system";
const NOT_YET: &str = "only microphones are recorded on this system so far";

/// What cpal has everywhere.
pub(super) struct Native;

impl CaptureBackend for Native {
    fn sources(&self) -> Result<Vec<SourceInfo>, CaptureError> {
        DefaultHost::connect()?.sources()
    }

    fn open(&self, id: &SourceId, _: &SourceConfig, sink: SampleSink) -> Result<Capture, CaptureError> {
        sound::open::<DefaultHost>(id, sink)
    }

    fn permission(&self, kind: SourceKind) -> Permission {
        match kind {
            SourceKind::Microphone => Permission::granted(),
            _ => Permission { state: PermissionState::Restricted, advice: NOT_YET.to_owned() },
        }
    }
}

struct DefaultHost(cpal::Host);

impl SoundSystem for DefaultHost {
    fn connect() -> Result<Self, CaptureError> {
        Ok(Self(cpal::default_host()))
    }

    fn sources(&self) -> Result<Vec<SourceInfo>, CaptureError> {
        let microphone = |id: SourceId, name: String, is_default| SourceInfo {
            id,
            kind: SourceKind::Microphone,
            name,
            is_default,
            size: None,
            formats: Vec::new(),
        };
        let default = self.0.default_input_device().map(|device| {
            let name = format!("Default microphone ({})", name_of(&device));
            microphone(SourceId::new(DEFAULT_MICROPHONE), name, true)
        });
        let devices = self.0.input_devices().map_err(|error| unreachable(&error))?;
        let named = devices.filter_map(|device| {
            Some(microphone(SourceId::new(device.id().ok()?.to_string()), name_of(&device), false))
        });
        Ok(default.into_iter().chain(named).collect())
    }

    fn find(&self, id: &SourceId) -> Result<Input, CaptureError> {
        let device = match id.as_str() {
            DEFAULT_SYSTEM => {
                return Err(CaptureError::Unsupported { id: id.clone(), message: NOT_YET.to_owned() });
            }
            DEFAULT_MICROPHONE => self.0.default_input_device(),
            name => name.parse().ok().and_then(|id| self.0.device_by_id(&id)),
        };
        let device = device.ok_or_else(|| CaptureError::UnknownSource { id: id.clone() })?;
        let config = device.default_input_config().map_err(|error| cannot(id, "open", &error))?;
        let name = name_of(&device);
        Ok(Input { device, name, config: config.config(), format: config.sample_format() })
    }

    /// These systems say it themselves.
    fn moved(&self, _: &SourceId, _: &Input) -> Result<Option<Input>, CaptureError> {
        Ok(None)
    }
}

fn name_of(device: &cpal::Device) -> String {
    device.description().map_or_else(|_| "unnamed".to_owned(), |description| description.name().to_owned())
}

fn unreachable(error: &cpal::Error) -> CaptureError {
    CaptureError::Unreachable { what: SOUND, message: error.to_string() }
}
