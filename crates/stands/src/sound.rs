//! A private sound system: PipeWire with a speaker and a microphone that are only buffers.

use crate::process::{Running, find_within, output, server, text, tool, wait_for};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

const START_LIMIT: Duration = Duration::from_secs(20);
const ATTEMPTS: usize = 3;

/// Speakers (`speakers`) and a microphone (`mic`) that no other process hears.
#[derive(Debug)]
pub struct Sound {
    servers: Vec<(&'static str, Running)>,
    folder: TempDir,
}

impl Sound {
    /// Starts the servers and makes both devices the defaults.
    pub fn start() -> Self {
        // On a busy machine the servers now and then miss each other at their start.
        let sound = (0..ATTEMPTS).find_map(|_| Self::try_start().map_err(|why| eprintln!("{why}")).ok());
        let sound = sound.expect("a sound server starts");
        sound.add_speakers();
        sound.add_microphone();
        sound
    }

    /// Servers that answer; or what they had to say.
    fn try_start() -> Result<Self, String> {
        let folder =
            tempfile::Builder::new().prefix("spool-sound").tempdir().expect("there is room for a folder");
        let mut sound = Self { servers: Vec::new(), folder };
        sound.write_bus_rules();
        // Its clients and its server both make this folder where it is missing, and the server gives up if it is second.
        fs::create_dir(sound.folder.path().join("pulse")).expect("there is room for a folder");
        let rules = format!("--config-file={}", sound.folder.path().join("bus.conf").display());
        sound.serve("dbus-daemon", &["--nofork", "--nopidfile", &rules]);
        sound.expect("D-Bus", |sound| sound.folder.path().join("bus").exists())?;
        sound.serve("pipewire", &[]);
        sound.expect("PipeWire", |sound| sound.folder.path().join("pipewire-0").exists())?;
        sound.serve("wireplumber", &[]);
        sound.serve("pipewire-pulse", &[]);
        sound.expect("the sound server", |sound| {
            output(sound.command("pactl").arg("info")).status.success()
        })?;
        Ok(sound)
    }

    fn expect(&mut self, what: &str, is_there: impl Fn(&Self) -> bool) -> Result<(), String> {
        let found = find_within(START_LIMIT, || is_there(self).then_some(()));
        found.ok_or_else(|| format!("waited {START_LIMIT:?} in vain for {what}\n{}", self.logs()))
    }

    /// Whether each server runs, and what it said.
    fn logs(&mut self) -> String {
        let folder = self.folder.path();
        let log = |(name, server): &mut (&str, Running)| {
            let state = if server.is_alive() { "runs" } else { "has ended" };
            let said = fs::read_to_string(folder.join(format!("{name}.log"))).unwrap_or_default();
            format!("{name} {state}\n{said}")
        };
        self.servers.iter_mut().map(log).collect()
    }

    /// A session's bus, except that it starts no services: what runs is what a test has started.
    fn write_bus_rules(&self) {
        let rules = format!(
            "<busconfig><type>session</type><listen>{}</listen><auth>EXTERNAL</auth><policy context='default'>\
             <allow send_destination='*' eavesdrop='true'/><allow eavesdrop='true'/><allow own='*'/>\
             </policy></busconfig>",
            self.bus()
        );
        fs::write(self.folder.path().join("bus.conf"), rules).expect("there is room for a file");
    }

    fn serve(&mut self, name: &'static str, arguments: &[&str]) {
        let log =
            fs::File::create(self.folder.path().join(format!("{name}.log"))).expect("logs can be written");
        let mut command = server(name);
        self.dress(&mut command);
        let server = Running::start(command.args(arguments).stdout(Stdio::null()).stderr(log));
        self.servers.push((name, server));
    }

    /// Plugs in the speakers and makes them the default.
    pub fn add_speakers(&self) {
        self.load("module-null-sink", "sink_name=speakers sink_properties=device.description=Speakers");
        self.wait_for_device("sinks", "speakers");
        self.set_default("sink", "speakers");
    }

    /// Plugs in the microphone and makes it the default. What is played to `micfeed` is what it hears.
    pub fn add_microphone(&self) {
        self.load("module-null-sink", "sink_name=micfeed sink_properties=device.description=Feed");
        self.wait_for_device("sinks", "micfeed");
        let source = "source_name=mic source_properties=device.description=Microphone";
        self.load("module-remap-source", &format!("master=micfeed.monitor {source}"));
        self.wait_for_device("sources", "mic");
        self.set_default("source", "mic");
    }

    /// Pulls the microphone out.
    pub fn remove_microphone(&self) {
        text(self.command("pactl").args(["unload-module", "module-remap-source"]));
    }

    /// The session manager now and then misses the first wish.
    fn set_default(&self, kind: &str, name: &str) {
        wait_for(&format!("{name} as the default {kind}"), START_LIMIT, || {
            output(self.command("pactl").args([&format!("set-default-{kind}"), name]));
            let chosen = output(self.command("pactl").arg(format!("get-default-{kind}"))).stdout;
            (String::from_utf8_lossy(&chosen).trim() == name).then_some(())
        });
    }

    fn load(&self, module: &str, arguments: &str) {
        text(self.command("pactl").args(["load-module", module, "rate=48000"]).args(arguments.split(' ')));
    }

    fn wait_for_device(&self, kind: &str, name: &str) {
        wait_for(name, START_LIMIT, || {
            let list = text(self.command("pactl").args(["list", "short", kind]));
            list.lines().any(|line| line.split('\t').nth(1) == Some(name)).then_some(())
        });
    }

    /// Plays a sine of `hertz` on a sink for as long as the guard lives, up to a minute and a half. Returns once
    /// it sounds.
    pub fn play(&self, sink: &str, hertz: u32) -> Running {
        self.play_made(sink, &format!("sine-{hertz}"), &["sine", &hertz.to_string(), "gain", "-6"])
    }

    /// The same, so loud that it is cut off.
    pub fn play_too_loud(&self, sink: &str, hertz: u32) -> Running {
        self.play_made(sink, &format!("loud-{hertz}"), &["sine", &hertz.to_string(), "gain", "20"])
    }

    /// Plays what `sox` makes.
    fn play_made(&self, sink: &str, name: &str, making: &[&str]) -> Running {
        let file = self.folder.path().join(format!("{name}.wav"));
        if !file.exists() {
            // It says that it cuts something off, if it does.
            let sox = ["-q", "-V1", "-n", "-r", "48000", "-c", "2"];
            text(tool("sox").args(sox).arg(&file).args(["synth", "90"]).args(making));
        }
        let before = self.players();
        let player = self.paplay(sink, &file);
        wait_for("the tone", START_LIMIT, || (self.players() > before).then_some(()));
        player
    }

    fn paplay(&self, sink: &str, file: &Path) -> Running {
        let mut command = server("paplay");
        self.dress(&mut command);
        Running::start(command.args(["--device", sink]).arg(file).stdout(Stdio::null()).stderr(Stdio::null()))
    }

    fn players(&self) -> usize {
        text(self.command("pactl").args(["list", "sink-inputs"])).matches("Corked: no").count()
    }

    /// A program that hears and plays here.
    pub fn command(&self, name: &str) -> Command {
        let mut command = tool(name);
        self.dress(&mut command);
        command
    }

    /// Where the servers listen; XDG_RUNTIME_DIR of everything that shall hear.
    pub fn runtime(&self) -> &Path {
        self.folder.path()
    }

    /// The address of its bus.
    pub fn bus(&self) -> String {
        format!("unix:path={}", self.folder.path().join("bus").display())
    }

    /// Gives a program the surroundings in which it finds these servers and no others.
    pub fn dress(&self, command: &mut Command) {
        let inside = |name: &str| -> PathBuf { self.folder.path().join(name) };
        command
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env("HOME", self.folder.path())
            .env("XDG_CONFIG_HOME", inside("config"))
            .env("XDG_DATA_HOME", inside("data"))
            .env("XDG_CACHE_HOME", inside("cache"))
            .env("XDG_STATE_HOME", inside("state"))
            .env("DBUS_SESSION_BUS_ADDRESS", self.bus())
            .env_remove("DISPLAY")
            .env_remove("PULSE_SERVER")
            .env_remove("PIPEWIRE_REMOTE");
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        // Clients first, the bus last.
        while self.servers.pop().is_some() {}
    }
}
