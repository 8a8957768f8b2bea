//! Sound servers without a sound card: PipeWire, its session manager and its PulseAudio side, on a bus of their own.

use super::{
    process::{Running, output, require, tethered},
    wait_for,
};
use model::AudioBlock;
use std::{
    env,
    f64::consts::TAU,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

const PACKAGE: &str = "pulseaudio-utils";

/// Names PipeWire's process in the environment.
const PIPEWIRE: &str = "SPOOL_TEST_PIPEWIRE";

/// Sends a signal to PipeWire, such as `STOP`.
pub fn signal_pipewire(signal: &str) {
    let process = env::var(PIPEWIRE).unwrap();
    output(Command::new("kill").args([&format!("-{signal}"), &process]), "procps");
}

/// Running servers in a runtime folder of their own.
pub struct SoundServers {
    _running: Vec<Running>,
    _folder: TempDir,
}

impl SoundServers {
    /// Starts them, with the variables by which clients find them. They have no devices yet.
    pub fn start() -> (Self, Vec<(String, String)>) {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let mut variables: Vec<(String, String)> = [
            ("XDG_RUNTIME_DIR", at("")),
            ("XDG_CONFIG_HOME", at("config")),
            ("XDG_STATE_HOME", at("state")),
            ("HOME", at("home")),
            ("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", at("bus"))),
            ("PULSE_SERVER", format!("unix:{}", at("pulse/native"))),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();
        fs::create_dir(folder.path().join("home")).unwrap();
        let surroundings = variables.clone();
        let start = |name: &str, package: &str, arguments: &[&str]| {
            require(name, package);
            let mut command = tethered(name);
            command.args(arguments).envs(surroundings.clone()).stdout(Stdio::null()).stderr(Stdio::null());
            Running::start(&mut command, package)
        };
        let exists = |name: &str| wait_for(name, || folder.path().join(name).exists().then_some(()));
        let address = format!("--address=unix:path={}", at("bus"));
        let bus = start("dbus-daemon", "dbus", &["--session", "--nofork", "--nopidfile", &address]);
        exists("bus");
        let pipewire = start("pipewire", "pipewire", &[]);
        exists("pipewire-0");
        variables.push((PIPEWIRE.to_owned(), pipewire.id().to_string()));
        let session = start("wireplumber", "wireplumber", &[]);
        let pulse = start("pipewire-pulse", "pipewire-pulse", &[]);
        exists("pulse/native");
        (Self { _running: vec![pulse, session, pipewire, bus], _folder: folder }, variables)
    }

    /// The same, and only the PulseAudio side can be found.
    pub fn start_pulse() -> (Self, Vec<(String, String)>) {
        let (servers, mut variables) = Self::start();
        let hidden = servers._folder.path().join("hidden/runtime");
        fs::create_dir_all(&hidden).unwrap();
        for (name, value) in &mut variables {
            if name == "XDG_RUNTIME_DIR" {
                *value = hidden.display().to_string();
            }
        }
        (servers, variables)
    }
}

/// Loads a module into the server in the environment; its number.
pub fn load(arguments: &str) -> String {
    let mut command = Command::new("pactl");
    output(command.arg("load-module").args(arguments.split(' ')), PACKAGE).trim().to_owned()
}

pub fn unload(module: &str) {
    output(Command::new("pactl").args(["unload-module", module]), PACKAGE);
}

/// Makes a device (`sink` or `source`) the default one. The session manager now and then misses the first wish.
pub fn set_default(kind: &str, name: &str) {
    wait_for(&format!("{name} as the default"), || {
        output(Command::new("pactl").args([&format!("set-default-{kind}"), name]), PACKAGE);
        let chosen = output(Command::new("pactl").arg(format!("get-default-{kind}")), PACKAGE);
        (chosen.trim() == name).then_some(())
    });
}

/// A sink that nobody hears.
pub fn load_sink(name: &str) -> String {
    let module = load(&format!(
        "module-null-sink sink_name={name} rate=48000 sink_properties=device.description={name}"
    ));
    wait_for_device("sinks", name);
    module
}

/// A microphone that hears what is played to `sink`.
pub fn load_microphone(name: &str, sink: &str) -> String {
    let about = format!("source_name={name} source_properties=device.description={name}");
    let module = load(&format!("module-remap-source master={sink}.monitor {about}"));
    wait_for_device("sources", name);
    module
}

/// A speaker `spk` and a microphone `mic`, which hears what is played to `micfeed`; both the default ones.
pub fn load_devices() {
    load_sink("spk");
    load_sink("micfeed");
    load_microphone("mic", "micfeed");
    set_default("sink", "spk");
    set_default("source", "mic");
}

fn wait_for_device(kind: &str, name: &str) {
    wait_for(name, || {
        let list = output(Command::new("pactl").args(["list", "short", kind]), PACKAGE);
        list.lines().any(|line| line.split('\t').nth(1) == Some(name)).then_some(())
    });
}

/// A tone that is played to a sink until it is dropped.
pub struct Tone {
    _player: Running,
    _file: tempfile::TempPath,
}

impl Tone {
    pub fn play(sink: &str, hertz: u32) -> Self {
        require("paplay", PACKAGE);
        let file = tempfile::Builder::new().suffix(".wav").tempfile().unwrap().into_temp_path();
        fs::write(&file, wav(hertz)).unwrap();
        let mut command = tethered("paplay");
        command.args(["--device", sink]).arg(path(&file)).stdout(Stdio::null()).stderr(Stdio::null());
        Self { _player: Running::start(&mut command, PACKAGE), _file: file }
    }
}

fn path(file: &Path) -> PathBuf {
    file.to_owned()
}

/// A minute of a sine at half of full scale: 16 bits, mono, 48 kHz.
fn wav(hertz: u32) -> Vec<u8> {
    let (rate, seconds) = (48_000_u32, 60);
    let samples = (0..rate * seconds).flat_map(|n| {
        let phase = TAU * f64::from(hertz) * f64::from(n) / f64::from(rate);
        ((phase.sin() * 16_384.0) as i16).to_le_bytes()
    });
    let bytes = 2 * rate * seconds;
    let words = |values: &[u32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let mut wav = b"RIFF".to_vec();
    wav.extend(words(&[bytes + 36]));
    wav.extend(b"WAVEfmt ");
    wav.extend(words(&[16, 1 | 1 << 16, rate, 2 * rate, 2 | 16 << 16]));
    wav.extend(b"data");
    wav.extend(words(&[bytes]));
    wav.extend(samples);
    wav
}

/// The frequency of a sine and its loudness, from the first channel: rising zero crossings, found between samples.
pub fn measure(blocks: &[AudioBlock]) -> (f64, f32) {
    let rate = f64::from(blocks[0].rate);
    let samples: Vec<f32> = blocks
        .iter()
        .flat_map(|block| block.samples.iter().step_by(usize::from(block.channels)).copied())
        .collect();
    let crossings: Vec<f64> = samples
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[0] < 0.0 && pair[1] >= 0.0)
        .map(|(at, pair)| at as f64 + f64::from(pair[0] / (pair[0] - pair[1])))
        .collect();
    let loudness = samples.iter().fold(0.0_f32, |loudest, sample| loudest.max(sample.abs()));
    match crossings[..] {
        [first, .., last] => ((crossings.len() - 1) as f64 * rate / (last - first), loudness),
        _ => (0.0, loudness),
    }
}
