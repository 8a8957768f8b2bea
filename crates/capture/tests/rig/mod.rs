//! What the tests of this crate need: servers of their own, a place to listen, and ways to look at what came.
//!
//! A display or sound server is found through the environment, which a test cannot change for itself. So each such
//! test starts its servers and then itself once more, with their addresses in the environment ([`in_session`]).

#![allow(dead_code, reason = "each test binary uses its own part of the rig")]

pub mod conformance;
#[cfg(target_os = "linux")]
pub mod display;
pub mod process;
pub mod sound;
#[cfg(target_os = "linux")]
pub mod wayland;
#[cfg(target_os = "linux")]
pub mod window;

use clock::{HostClock, SessionClock};
use model::{AudioBlock, Frame, HostTime, InputEvent, Timestamp, TrackId};
use spool_capture::{
    Capture, CaptureBackend, Intake, NewestPictures, Outlet, SampleSink, SourceConfig, SourceEvent, SourceId,
};
use std::{
    env,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

/// Nothing that a test waits for takes longer.
pub const LIMIT: Duration = Duration::from_secs(15);

const INSIDE: &str = "SPOOL_TEST_INSIDE";

/// Runs `body` in a process in whose environment there is what `start` answers, while what it started lives.
pub fn in_session<G>(name: &str, start: impl FnOnce() -> (G, Vec<(String, String)>), body: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        return body();
    }
    let (guard, variables) = start();
    let program = env::current_exe().unwrap();
    let status = process::tethered(program.to_str().unwrap())
        .args([name, "--exact", "--nocapture"])
        // Whoever runs the tests may sit at such a desktop.
        .env_remove("WAYLAND_DISPLAY")
        .envs(variables)
        .env(INSIDE, "1")
        .status()
        .unwrap();
    drop(guard);
    assert!(status.success(), "{name} failed inside its session: see above");
}

/// A steady clock with a beginning of its own: no back end may take it for granted that it is CLOCK_MONOTONIC.
pub struct Host;

impl HostClock for Host {
    fn now(&self) -> HostTime {
        static BEGUN: OnceLock<Instant> = OnceLock::new();
        HostTime(BEGUN.get_or_init(Instant::now).elapsed().as_nanos() as i64)
    }
}

/// A place where samples arrive, and the session whose time they are in.
pub struct Listener {
    outlet: Outlet,
    pub intake: Intake,
    begun: HostTime,
    clock: Arc<SessionClock>,
}

impl Listener {
    pub fn new() -> Self {
        let (outlet, intake) = Outlet::new(&[&[track("source")]]);
        let begun = Host.now();
        Self { outlet, intake, begun, clock: Arc::new(SessionClock::new(begun)) }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.session_from_host(Host.now())
    }

    /// When a moment of the session was, on the host's clock.
    pub fn host(&self, at: Timestamp) -> HostTime {
        HostTime(self.begun.0 + at.0)
    }

    pub fn sink(&self, name: &str) -> SampleSink {
        SampleSink::new(track(name), self.outlet.clone(), Arc::clone(&self.clock), Arc::new(Host))
    }

    /// Opens a source whose samples go to the track `source`.
    pub fn open(&self, backend: &dyn CaptureBackend, id: &str, fps: u32) -> Capture {
        backend
            .open(&SourceId::new(id), &SourceConfig::new(fps), self.sink("source"))
            .unwrap_or_else(|error| panic!("{id} cannot be opened: {error}"))
    }

    /// The next picture of a track that fits.
    pub fn picture(&self, name: &str, mut fits: impl FnMut(&Frame) -> bool) -> Frame {
        wait_for(&format!("a picture of {name}"), || {
            self.pictures().wait(Duration::from_millis(50));
            self.pictures().take(&track(name)).filter(&mut fits)
        })
    }

    /// The pictures of the track `source`.
    pub fn pictures(&self) -> &NewestPictures {
        &self.intake.viewers[0].pictures
    }

    /// The next input event that fits.
    pub fn input(&self, fits: impl Fn(&InputEvent) -> bool) -> InputEvent {
        wait_for("an input event", || {
            let event = self.intake.viewers[0].inputs.recv_timeout(Duration::from_millis(50)).ok()?.1;
            Some(event).filter(&fits)
        })
    }

    /// Sound that lasts as long as this, from now on.
    pub fn sound(&self, length: Duration) -> Vec<AudioBlock> {
        while self.intake.sound.try_recv().is_ok() {}
        let mut blocks: Vec<AudioBlock> = Vec::new();
        while blocks.iter().map(AudioBlock::duration).sum::<Duration>() < length {
            let (_, block) = self.intake.sound.recv_timeout(LIMIT).expect("sound came");
            blocks.push(block);
        }
        blocks
    }

    /// The next thing that befalls a source.
    pub fn event(&self) -> SourceEvent {
        self.intake.events.recv_timeout(LIMIT).expect("something befell the source").1
    }
}

pub fn track(name: &str) -> TrackId {
    name.parse().unwrap()
}

/// What `found` finds, once it does.
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(begun.elapsed() < LIMIT, "{what} did not come within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
