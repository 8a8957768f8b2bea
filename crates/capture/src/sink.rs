//! Where a source's samples become session time.
//!
//! Owns: the way from host and device time to session time, which track a sample belongs to, and where it goes, which
//! may change while the source runs. Never blocks the device that pushes. Tested below.

use crate::Outlet;
use clock::{HostClock, SessionClock, SourceClock};
use model::{
    AudioBlock, Damage, DeviceTime, HostTime, InputEvent, Planes, Point, PointerShape, Timestamp, TrackId,
};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// What a source has to say at one instant.
#[derive(Debug, Clone)]
pub enum SampleContent {
    /// A picture, and what changed in it since the one pushed before.
    Picture {
        /// The pixels.
        picture: Planes,
        /// What changed. Something drawn while the picture was taken may be seen in it and be named in the next one's.
        damage: Damage,
    },
    /// What somebody did on the screen: moved the pointer, pressed a button or a key. Comes before the screen's own
    /// `Picture` or `Unchanged` of the same instant, so that both are drawn at once.
    Input(InputEvent),
    /// The source was looked at and nothing had changed.
    Unchanged,
    /// There were this many pictures more, without memory or time to capture them.
    Missed(u64),
    /// A run of sound. Its instant is that of its first sample.
    Sound {
        /// Samples a second, per channel.
        rate: u32,
        /// Channels, interleaved.
        channels: u16,
        /// Full scale is ±1.
        samples: Vec<f32>,
    },
}

/// What befell a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceEvent {
    /// It gives nothing any more; its capture keeps looking for it.
    Lost {
        /// What happened.
        reason: LostReason,
        /// The same for people.
        message: String,
    },
    /// It is there again, and its samples come.
    Returned,
    /// A source that follows the system's choice went on with another device.
    Changed {
        /// The device's name for people, where the system says.
        name: Option<String>,
    },
    /// The user allowed it: with this token the system need not ask again ([`crate::SourceConfig::token`]).
    Allowed {
        /// Means something to the system alone.
        token: String,
    },
    /// Its capture gave up: nothing more will come.
    Ended {
        /// What happened.
        reason: LostReason,
        /// Why, for people.
        message: String,
    },
}

/// Why a source gives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LostReason {
    /// The device is gone.
    Unplugged,
    /// The device is there and delivers nothing.
    Silent,
    /// The display or sound server is gone.
    ServerGone,
    /// The permission was taken back.
    Denied,
    /// The window was closed.
    Closed,
    /// The device failed.
    Failed,
}

impl fmt::Display for LostReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unplugged => "unplugged",
            Self::Silent => "delivers nothing",
            Self::ServerGone => "server gone",
            Self::Denied => "not allowed any more",
            Self::Closed => "closed",
            Self::Failed => "failed",
        })
    }
}

/// Takes the samples of one source. Cheap to clone.
#[derive(Clone)]
pub struct SampleSink {
    shared: Arc<Shared>,
}

struct Shared {
    track: TrackId,
    host: Arc<dyn HostClock>,
    // Locked by the one thread on which the device delivers, and for an instant when it is lost, changed or redirected.
    target: Mutex<Target>,
}

/// Where samples go now.
struct Target {
    outlet: Outlet,
    clock: Arc<SessionClock>,
    crystal: Crystal,
    /// The pointer as this source told it last.
    shape: Option<PointerShape>,
    pointer: Option<Point>,
}

/// A sound device's own clock, and how far it has counted. Whole samples are counted, so no rounding adds up.
struct Crystal {
    clock: SourceClock,
    rate: u32,
    /// Samples at `rate`, and what had gone by when the rate became that.
    frames: i64,
    before: DeviceTime,
}

impl Crystal {
    fn new() -> Self {
        Self { clock: SourceClock::new(), rate: 0, frames: 0, before: DeviceTime(0) }
    }

    /// How far it has counted, if it counts `rate` samples a second from here on.
    fn elapsed(&mut self, rate: u32) -> DeviceTime {
        let elapsed = DeviceTime(self.before.0 + Timestamp::from_ticks(self.frames, self.rate.max(1)).0);
        if rate != self.rate {
            (self.rate, self.frames, self.before) = (rate, 0, elapsed);
        }
        elapsed
    }
}

impl SampleSink {
    /// A sink for the source that feeds `track`.
    pub fn new(track: TrackId, outlet: Outlet, clock: Arc<SessionClock>, host: Arc<dyn HostClock>) -> Self {
        let target = Target { outlet, clock, crystal: Crystal::new(), shape: None, pointer: None };
        Self { shared: Arc::new(Shared { track, host, target: Mutex::new(target) }) }
    }

    /// Now, on the host's clock.
    pub fn now(&self) -> HostTime {
        self.shared.host.now()
    }

    /// From now on samples go to `outlet`, in the time of `clock`. It begins with the newest picture and the pointer, as
    /// if the source had just been opened.
    pub fn redirect(&self, outlet: Outlet, clock: Arc<SessionClock>) {
        let (track, mut target) = (&self.shared.track, self.target());
        let at = clock.session_from_host(self.now());
        let shape = target.shape.clone().map(InputEvent::PointerShape);
        for event in shape.into_iter().chain(target.pointer.map(InputEvent::Pointer)) {
            outlet.input(at, &event);
        }
        if let Some(picture) = target.outlet.newest(track) {
            outlet.picture(track, at, picture, &Damage::All);
        }
        (target.outlet, target.clock, target.crystal) = (outlet, clock, Crystal::new());
    }

    /// Hands over what the source had at `at`. Never blocks: what does not fit is dropped and counted.
    pub fn push(&self, at: HostTime, content: SampleContent) {
        let (track, mut target) = (&self.shared.track, self.target());
        let session = target.clock.session_from_host(at);
        match content {
            SampleContent::Picture { picture, damage } => {
                target.outlet.picture(track, session, picture, &damage);
            }
            SampleContent::Input(event) => {
                target.remember(&event);
                target.outlet.input(session, &event);
            }
            SampleContent::Unchanged => target.outlet.count(track, |counts| counts.unchanged += 1),
            SampleContent::Missed(pictures) => {
                target.outlet.count(track, |counts| counts.dropped += pictures);
            }
            SampleContent::Sound { rate, channels, samples } => {
                let mut block = AudioBlock { at: session, rate, channels, samples };
                block.at = target.stamped(session, &block);
                target.outlet.sound.push((track.clone(), block));
            }
        }
    }

    /// Says what befell the source.
    pub fn report(&self, event: SourceEvent) {
        let mut target = self.target();
        if matches!(event, SourceEvent::Lost { .. } | SourceEvent::Changed { .. }) {
            // What comes next is counted by another crystal.
            target.crystal = Crystal::new();
        }
        target.outlet.events.push((self.shared.track.clone(), event));
    }

    fn target(&self) -> std::sync::MutexGuard<'_, Target> {
        self.shared.target.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Target {
    fn remember(&mut self, event: &InputEvent) {
        match event {
            InputEvent::PointerShape(shape) => self.shape = Some(shape.clone()),
            InputEvent::Pointer(place) => self.pointer = Some(*place),
            InputEvent::PointerGone => self.pointer = None,
            _ => {}
        }
    }

    /// When the first sample of `block` was heard, by the device's own count of samples: arrivals jitter, a
    /// crystal does not.
    fn stamped(&mut self, arrival: Timestamp, block: &AudioBlock) -> Timestamp {
        let crystal = &mut self.crystal;
        let device = crystal.elapsed(block.rate);
        crystal.clock.observe(device, arrival);
        crystal.frames = crystal.frames.saturating_add_unsigned(block.frames() as u64);
        crystal.clock.session_from_device(device)
    }
}

impl fmt::Debug for SampleSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SampleSink").field("track", &self.shared.track).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Counts, Intake};
    use bytes::Bytes;
    use model::{PixelFormat, Point, Rect, Size};
    use std::sync::atomic::{AtomicI64, Ordering};

    #[derive(Default)]
    struct Still(AtomicI64);

    impl HostClock for Still {
        fn now(&self) -> HostTime {
            HostTime(self.0.load(Ordering::Relaxed))
        }
    }

    fn sink() -> (SampleSink, Intake, Outlet) {
        let (outlet, intake) = Outlet::new(&[&["mic".parse().unwrap()]]);
        let clock = Arc::new(SessionClock::new(HostTime(1_000)));
        let sink = SampleSink::new("mic".parse().unwrap(), outlet.clone(), clock, Arc::new(Still::default()));
        (sink, intake, outlet)
    }

    fn sound(rate: u32, frames: usize) -> SampleContent {
        SampleContent::Sound { rate, channels: 2, samples: vec![0.0; 2 * frames] }
    }

    #[test]
    fn pictures_and_input_go_to_their_viewer_in_session_time() {
        let (sink, intake, _) = sink();
        let picture = Planes {
            format: PixelFormat::Bgrx,
            size: Size::new(1, 1),
            stride: 4,
            bytes: Bytes::from_static(&[0; 4]),
        };
        let damage = Damage::Rects(vec![Rect::new(0, 0, 1, 1)]);
        let moved = InputEvent::Pointer(Point { x: -3, y: 7 });
        sink.push(HostTime(1_500), SampleContent::Picture { picture, damage });
        sink.push(HostTime(1_600), SampleContent::Input(moved.clone()));
        sink.push(HostTime(1_700), SampleContent::Unchanged);
        sink.push(HostTime(1_700), SampleContent::Missed(2));
        let viewer = &intake.viewers[0];
        let frame = viewer.pictures.take(&"mic".parse().unwrap()).unwrap();
        assert_eq!((frame.at, frame.serial, frame.origin), (Timestamp(500), 1, Point::default()));
        assert_eq!(viewer.inputs.try_iter().collect::<Vec<_>>(), [(Timestamp(600), moved)]);
        let counts = viewer.pictures.counts(&"mic".parse().unwrap());
        assert_eq!(counts, Counts { captured: 1, unchanged: 1, dropped: 2 });
    }

    #[test]
    fn sound_is_stamped_by_its_samples_and_not_by_its_arrivals() {
        let (sink, intake, _) = sink();
        for block in 0..500_i64 {
            let jitter = block * 7919 % 4_000_000;
            sink.push(HostTime(1_000 + block * 10_000_000 + jitter), sound(44_100, 441));
        }
        let stamps: Vec<i64> = intake.sound.try_iter().map(|(_, block)| block.at.0).collect();
        let steps = stamps.windows(2).skip(100).map(|pair| pair[1] - pair[0]);
        assert_eq!(stamps.len(), 500);
        assert!(steps.clone().all(|step| (step - 10_000_000).abs() < 20_000), "{:?}", steps.max());
    }

    #[test]
    fn another_device_has_another_crystal() {
        let (sink, intake, _) = sink();
        sink.push(HostTime(1_000), sound(48_000, 480));
        let lost = SourceEvent::Lost { reason: LostReason::Unplugged, message: String::new() };
        sink.report(lost.clone());
        sink.report(SourceEvent::Returned);
        sink.push(HostTime(7_000_001_000), sound(44_100, 441));
        let stamps: Vec<i64> = intake.sound.try_iter().map(|(_, block)| block.at.0).collect();
        assert_eq!(stamps, [0, 7_000_000_000], "what was lost is not made up for");
        let events: Vec<SourceEvent> = intake.events.try_iter().map(|(_, event)| event).collect();
        assert_eq!(events, [lost, SourceEvent::Returned]);
    }

    #[test]
    fn a_device_may_change_its_rate() {
        let mut crystal = Crystal::new();
        let mut count = |rate, frames| {
            let elapsed = crystal.elapsed(rate);
            crystal.frames += frames;
            elapsed.0
        };
        assert_eq!(
            [count(48_000, 48_000), count(44_100, 44_100), count(44_100, 1), count(48_000, 1)],
            [0, 1_000_000_000, 2_000_000_000, 2_000_022_676,]
        );
    }

    #[test]
    fn a_source_that_is_redirected_begins_anew_in_the_time_of_another_session() {
        let host = Arc::new(Still::default());
        let (before, intake) = Outlet::new(&[&["mic".parse().unwrap()]]);
        let clock = Arc::new(SessionClock::new(HostTime(1_000)));
        let sink = SampleSink::new("mic".parse().unwrap(), before, clock, Arc::clone(&host) as Arc<_>);
        let picture = Planes {
            format: PixelFormat::Bgrx,
            size: Size::new(1, 1),
            stride: 4,
            bytes: Bytes::from_static(&[0; 4]),
        };
        let damage = Damage::Rects(Vec::new());
        sink.push(HostTime(2_000), SampleContent::Picture { picture, damage });
        sink.push(HostTime(3_000), SampleContent::Input(InputEvent::Pointer(Point { x: 1, y: 2 })));
        sink.push(HostTime(1_000), sound(48_000, 480));

        host.0.store(9_000_000_000, Ordering::Relaxed);
        let (after, begun) = Outlet::new(&[&["mic".parse().unwrap()]]);
        sink.redirect(after, Arc::new(SessionClock::new(HostTime(8_999_999_000))));
        let [viewer] = begun.viewers.try_into().unwrap();
        let found = viewer.pictures.take(&"mic".parse().unwrap()).unwrap();
        assert_eq!((found.at, found.damage), (Timestamp(1_000), Damage::All));
        let pointer = InputEvent::Pointer(Point { x: 1, y: 2 });
        assert!(viewer.inputs.try_iter().eq([(Timestamp(1_000), pointer)]));
        sink.push(HostTime(9_000_000_000), sound(48_000, 480));
        assert_eq!(begun.sound.try_recv().unwrap().1.at, Timestamp(1_000));
        assert_eq!(intake.sound.len(), 1);
    }

    #[test]
    fn sound_that_finds_no_room_is_counted() {
        let (sink, intake, outlet) = sink();
        for block in 0..600 {
            sink.push(HostTime(1_000 + block * 10_000_000), sound(48_000, 480));
        }
        assert_eq!(intake.sound.len() as u64 + outlet.sound_dropped(), 600);
        assert!(outlet.sound_dropped() > 0);
    }
}
