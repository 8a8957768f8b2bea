//! PipeWire where there is one, else PulseAudio: which devices there are, and what they are called.
//!
//! The two differ in how the speakers are heard (PipeWire: the sink opened for input; PulseAudio: a source that ends
//! in `.monitor`), in whether a stream of the default device follows it (PipeWire's does), and in whether they say
//! that a device is gone (PulseAudio moves the stream to another one without a word).

use super::sound::{DEFAULT_MICROPHONE, DEFAULT_SYSTEM, Input, SoundSystem, cannot};
use crate::{CaptureError, SourceId, SourceInfo, SourceKind};
use cpal::{
    BufferSize, DeviceDirection, HostId, SampleFormat,
    traits::{DeviceTrait as _, HostTrait as _},
};
use std::{
    env, fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

const SERVER: &str = "the sound server";
/// What PulseAudio calls the source on which a sink is heard.
const MONITOR: &str = ".monitor";
/// PulseAudio's own choice is two seconds. A fiftieth of a second is what PipeWire does by itself.
const PULSE_FRAMES: u32 = 1024;

/// A connection to one of them.
pub(super) struct SoundServer {
    kind: ServerKind,
    host: Arc<cpal::Host>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ServerKind {
    PipeWire,
    PulseAudio,
}

/// A device of the server.
struct Found {
    id: SourceId,
    kind: SourceKind,
    name: String,
    device: cpal::Device,
}

impl SoundSystem for SoundServer {
    fn connect() -> Result<Self, CaptureError> {
        let pipewire = match cpal::host_from_id(HostId::PipeWire) {
            Ok(host) => return Ok(Self { kind: ServerKind::PipeWire, host: Arc::new(host) }),
            Err(error) => error,
        };
        match connect_pulse() {
            Ok(host) => Ok(Self { kind: ServerKind::PulseAudio, host }),
            Err(pulse) => {
                let message = format!("PipeWire: {pipewire}; PulseAudio: {pulse}");
                Err(CaptureError::Unreachable { what: SERVER, message })
            }
        }
    }

    fn sources(&self) -> Result<Vec<SourceInfo>, CaptureError> {
        let found = self.devices()?;
        let defaults = [
            (DEFAULT_MICROPHONE, SourceKind::Microphone, "Default microphone"),
            (DEFAULT_SYSTEM, SourceKind::SystemAudio, "What the speakers play"),
        ];
        let info = |id, kind, name, is_default| SourceInfo {
            id,
            kind,
            name,
            is_default,
            size: None,
            formats: Vec::new(),
        };
        let defaults = defaults
            .into_iter()
            .filter(|(_, kind, _)| found.iter().any(|device| device.kind == *kind))
            .map(|(id, kind, name)| info(SourceId::new(id), kind, name.to_owned(), true));
        let named = found.iter().map(|found| info(found.id.clone(), found.kind, found.name.clone(), false));
        Ok(defaults.chain(named).collect())
    }

    fn find(&self, id: &SourceId) -> Result<Input, CaptureError> {
        let mut devices = self.devices()?;
        let found = match (id.as_str(), self.kind) {
            (DEFAULT_MICROPHONE, ServerKind::PipeWire) => {
                self.following(id, SourceKind::Microphone, &devices)
            }
            (DEFAULT_SYSTEM, ServerKind::PipeWire) => self.following(id, SourceKind::SystemAudio, &devices),
            (DEFAULT_MICROPHONE, ServerKind::PulseAudio) => {
                let default = self.host.default_input_device();
                take_named(&mut devices, SourceKind::Microphone, &pulse_name(default, ""))
            }
            (DEFAULT_SYSTEM, ServerKind::PulseAudio) => {
                let default = self.host.default_output_device();
                take_named(&mut devices, SourceKind::SystemAudio, &pulse_name(default, MONITOR))
            }
            _ => devices.into_iter().find(|device| device.id == *id),
        };
        self.input(id, found.ok_or_else(|| CaptureError::UnknownSource { id: id.clone() })?)
    }

    fn moved(&self, id: &SourceId, open: &Input) -> Result<Option<Input>, CaptureError> {
        match self.kind {
            ServerKind::PipeWire => Ok(None),
            ServerKind::PulseAudio => {
                let found = self.find(id)?;
                Ok((found.device != open.device).then_some(found))
            }
        }
    }
}

impl SoundServer {
    fn devices(&self) -> Result<Vec<Found>, CaptureError> {
        let unreachable =
            |error: cpal::Error| CaptureError::Unreachable { what: SERVER, message: error.to_string() };
        let found = |device: cpal::Device| {
            let (name, direction) =
                device.description().map(|about| (about.name().to_owned(), about.direction())).ok()?;
            let node = device.id().ok()?.id().to_owned();
            let (prefix, kind) = match self.kind {
                ServerKind::PipeWire => ("pipewire", pipewire_kind(&node, &name, direction)?),
                ServerKind::PulseAudio => ("pulse", pulse_kind(&node, direction)?),
            };
            Some(Found { id: SourceId::new(format!("{prefix}:{node}")), kind, name, device })
        };
        Ok(self.host.devices().map_err(unreachable)?.filter_map(found).collect())
    }

    /// The device that follows PipeWire's choice, if it can choose any.
    fn following(&self, id: &SourceId, kind: SourceKind, devices: &[Found]) -> Option<Found> {
        let name = &devices.iter().find(|device| device.kind == kind)?.name;
        let device = match kind {
            SourceKind::Microphone => self.host.default_input_device()?,
            SourceKind::SystemAudio => self.host.default_output_device()?,
            SourceKind::Screen | SourceKind::Window | SourceKind::Camera => return None,
        };
        Some(Found { id: id.clone(), kind, name: name.clone(), device })
    }

    fn input(&self, id: &SourceId, found: Found) -> Result<Input, CaptureError> {
        let Found { device, name, .. } = found;
        // A sink has no input format of its own: what it plays is what is heard.
        let supported = device.default_input_config().or_else(|_| device.default_output_config());
        let mut config = supported.map_err(|error| cannot(id, "open", &error))?.config();
        // Both servers convert: eight channels become two here rather than in every mixer behind.
        config.channels = config.channels.min(2);
        config.buffer_size = match self.kind {
            // A smaller one loses samples under load without a word.
            ServerKind::PipeWire => BufferSize::Default,
            ServerKind::PulseAudio => BufferSize::Fixed(PULSE_FRAMES),
        };
        Ok(Input { device, name, config, format: SampleFormat::F32 })
    }
}

/// What a node of PipeWire is, by what cpal tells of it; none for programs' own streams and cpal's stand-ins.
fn pipewire_kind(node: &str, name: &str, direction: DeviceDirection) -> Option<SourceKind> {
    // Nodes have no description where they are some program's stream.
    let is_device = name != "unknown" && !matches!(node, "sink_default" | "input_default" | "output_default");
    match direction {
        DeviceDirection::Input if is_device => Some(SourceKind::Microphone),
        DeviceDirection::Duplex if is_device => Some(SourceKind::SystemAudio),
        _ => None,
    }
}

/// What a device of PulseAudio is; none for sinks, which are heard through their monitors.
fn pulse_kind(node: &str, direction: DeviceDirection) -> Option<SourceKind> {
    match direction {
        DeviceDirection::Input if node.ends_with(MONITOR) => Some(SourceKind::SystemAudio),
        DeviceDirection::Input => Some(SourceKind::Microphone),
        _ => None,
    }
}

fn pulse_name(device: Option<cpal::Device>, suffix: &str) -> String {
    let node = device.and_then(|device| device.id().ok()).map(|id| id.id().to_owned());
    format!("pulse:{}{suffix}", node.unwrap_or_default())
}

/// The device of this name, if it is of this kind: PulseAudio's default source may be a monitor.
fn take_named(devices: &mut Vec<Found>, kind: SourceKind, id: &str) -> Option<Found> {
    let at = devices.iter().position(|device| device.kind == kind && device.id.as_str() == id)?;
    Some(devices.swap_remove(at))
}

/// The one connection to PulseAudio, which all share: its thread and socket stay behind when a client is dropped, so
/// there must not be one for each look at the devices.
fn connect_pulse() -> Result<Arc<cpal::Host>, cpal::Error> {
    static SHARED: Mutex<Option<Arc<cpal::Host>>> = Mutex::new(None);
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(host) = shared.as_ref().filter(|host| host.devices().is_ok()) {
        return Ok(Arc::clone(host));
    }
    ensure_cookie();
    let host = Arc::new(cpal::host_from_id(HostId::PulseAudio)?);
    *shared = Some(Arc::clone(&host));
    Ok(host)
}

/// PulseAudio's clients share a secret, which the first of them writes. Without one the server refuses to talk.
fn ensure_cookie() {
    let Some(home) = env::var_os("HOME").map(PathBuf::from) else { return };
    let path = home.join(".config/pulse/cookie");
    if env::var_os("PULSE_COOKIE").is_some() || path.exists() || home.join(".pulse-cookie").exists() {
        return;
    }
    if let Err(error) = write_cookie(&path) {
        tracing::debug!(path = %path.display(), %error, "no cookie for PulseAudio");
    }
}

fn write_cookie(path: &Path) -> io::Result<()> {
    let mut cookie = [0; 256];
    fs::File::open("/dev/urandom")?.read_exact(&mut cookie)?;
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    // Another client may write it at the same time: the first one wins, the other reads it.
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(&cookie)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_programs_are_no_sources() {
        let check =
            |node, name, direction, want| assert_eq!(pipewire_kind(node, name, direction), want, "{node}");
        check("alsa_input.usb", "Microphone", DeviceDirection::Input, Some(SourceKind::Microphone));
        check("spk", "Speakers", DeviceDirection::Duplex, Some(SourceKind::SystemAudio));
        check("sink_default", "default_sink", DeviceDirection::Duplex, None);
        check("cpal-capture-7", "unknown", DeviceDirection::Input, None);
        check("paplay", "unknown", DeviceDirection::Output, None);
    }

    #[test]
    fn pulse_hears_sinks_through_their_monitors() {
        assert_eq!(pulse_kind("spk.monitor", DeviceDirection::Input), Some(SourceKind::SystemAudio));
        assert_eq!(pulse_kind("mic", DeviceDirection::Input), Some(SourceKind::Microphone));
        assert_eq!(pulse_kind("spk", DeviceDirection::Output), None);
    }

    #[test]
    fn a_cookie_is_written_once_and_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b/cookie");
        write_cookie(&path).unwrap();
        let cookie = fs::read(&path).unwrap();
        assert!(write_cookie(&path).is_err());
        assert_eq!((cookie.len(), fs::read(&path).unwrap()), (256, cookie));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
