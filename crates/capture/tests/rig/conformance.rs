//! What every back end must do, whatever is behind it.

use super::{LIMIT, Listener, track};
use model::{AudioBlock, Damage, Frame, PixelFormat, Rect, Timestamp};
use spool_capture::{CaptureBackend, CaptureError, SourceConfig, SourceEvent, SourceId, SourceKind};
use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

/// A stamp is at most this far from the moment at which its sample is read, on a busy machine.
const NEAR: Duration = Duration::from_millis(700);
const FPS: u32 = 30;

/// What a back end has to be tried on.
#[derive(Default)]
pub struct Subject<'a> {
    /// Screens on which something moves, and cameras.
    pub moving: &'a [&'a str],
    /// Screens on which nothing does.
    pub still: &'a [&'a str],
    /// Sources of sound.
    pub sound: &'a [&'a str],
    /// Ids that mean nothing.
    pub unknown: &'a [&'a str],
    /// Whether a moving screen may change while its picture is taken, so that the picture shows some of what the next
    /// one's damage names.
    pub is_torn: bool,
}

/// Checks all of it.
pub fn check(backend: &dyn CaptureBackend, subject: &Subject<'_>) {
    check_sources(backend);
    subject.unknown.iter().for_each(|id| check_unknown(backend, id));
    subject.still.iter().for_each(|id| check_still(backend, id));
    subject.moving.iter().for_each(|id| check_moving(backend, id, subject.is_torn));
    subject.sound.iter().for_each(|id| check_sound(backend, id));
}

fn check_sources(backend: &dyn CaptureBackend) {
    let sources = backend.sources().unwrap();
    assert_eq!(sources, backend.sources().unwrap(), "the same sources are there when asked again");
    assert!(!sources.is_empty());
    let ids: BTreeSet<&SourceId> = sources.iter().map(|source| &source.id).collect();
    assert_eq!(ids.len(), sources.len(), "no two sources share an id: {sources:?}");
    for source in &sources {
        assert!(!source.name.trim().is_empty(), "{} has a name for people", source.id);
        assert!(source.size.is_none() || !source.kind.is_audio(), "sound has no size: {source:?}");
        assert_eq!(
            source.formats.is_empty(),
            source.kind != SourceKind::Camera,
            "cameras have formats: {source:?}"
        );
        assert_eq!(
            source.formats.first().map(|best| best.size),
            source.size.filter(|_| !source.formats.is_empty())
        );
    }
}

fn check_unknown(backend: &dyn CaptureBackend, id: &str) {
    let listener = Listener::new();
    let opened = backend.open(&SourceId::new(id), &SourceConfig::new(FPS), listener.sink("source"));
    let error = opened.err().unwrap_or_else(|| panic!("{id:?} could be opened"));
    assert_eq!(error, CaptureError::UnknownSource { id: SourceId::new(id) });
    assert!(!error.is_retryable());
}

/// One picture, and then nothing but the news that it is the same.
fn check_still(backend: &dyn CaptureBackend, id: &str) {
    let (listener, threads) = (Listener::new(), captures());
    let capture = listener.open(backend, id, FPS);
    let first = listener.picture("source", |_| true);
    assert_eq!((first.serial, first.since, &first.damage), (1, 0, &Damage::All), "{id}");
    let unchanged = || listener.pictures().counts(&track("source")).unchanged;
    super::wait_for("thirty looks", || (unchanged() >= 30).then_some(()));
    let counts = listener.pictures().counts(&track("source"));
    assert_eq!((counts.captured, counts.dropped), (1, 0), "{id} changed though it stands still");
    check_stops(&listener, id, threads, || drop(capture));
}

/// Each picture is near now, later than the one before, and no different where its damage does not say so.
fn check_moving(backend: &dyn CaptureBackend, id: &str, is_torn: bool) {
    let (listener, threads) = (Listener::new(), captures());
    let begun = Instant::now();
    let capture = listener.open(backend, id, FPS);
    let (mut canvas, mut early) = (Canvas::default(), Vec::new());
    let mut last: Option<(Timestamp, u64)> = None;
    while last.is_none_or(|(_, serial)| serial < 60) {
        let frame = listener.picture("source", |_| true);
        check_near(&listener, frame.at, id);
        if let Some((at, serial)) = last {
            assert!(at < frame.at && serial < frame.serial, "{id}: {at} then {}", frame.at);
            assert!(frame.since <= serial, "{id}: damage since {} misses some after {serial}", frame.since);
        }
        let covered = early.iter().all(|pixel| covers(&frame.damage, *pixel));
        assert!(covered, "{id}: damage of picture {} lacks what the one before showed early", frame.serial);
        early = canvas.apply(&frame);
        assert!(is_torn || early.is_empty(), "{id}: picture {} changed outside its damage", frame.serial);
        last = Some((frame.at, frame.serial));
    }
    let fewest = Duration::from_secs(60) / FPS;
    assert!(begun.elapsed() > fewest * 9 / 10, "{id} goes faster than its ceiling");
    check_stops(&listener, id, threads, || drop(capture));
}

fn covers(damage: &Damage, (x, y): (i32, i32)) -> bool {
    match damage {
        Damage::All => true,
        Damage::Rects(rects) => rects.iter().any(|rect| rect.intersect(Rect::new(x, y, 1, 1)).is_some()),
    }
}

/// A picture that is only ever updated where damage says so.
#[derive(Default)]
pub struct Canvas {
    pub bytes: Vec<u8>,
}

impl Canvas {
    /// Updates it, and says which pixels of the frame it lacks: those that changed without being named.
    pub fn apply(&mut self, frame: &Frame) -> Vec<(i32, i32)> {
        let (picture, stride) = (&frame.picture, frame.picture.stride);
        let luma = stride * picture.size.height as usize;
        match picture.format {
            PixelFormat::Bgrx => assert_eq!(picture.bytes.len(), luma),
            PixelFormat::Nv12(_) => {
                assert_eq!((picture.bytes.len(), &frame.damage), (luma / 2 * 3, &Damage::All));
                assert_eq!((picture.size.width % 2, picture.size.height % 2), (0, 0), "both sides are even");
            }
            PixelFormat::BgraPremultiplied => panic!("a screen is not transparent"),
        }
        match &frame.damage {
            Damage::All => self.bytes = picture.bytes.to_vec(),
            Damage::Rects(rects) => {
                for rect in rects {
                    for y in rect.y..rect.bottom() {
                        let start = y as usize * stride + 4 * rect.x as usize;
                        let row = start..start + 4 * rect.width as usize;
                        self.bytes[row.clone()].copy_from_slice(&picture.bytes[row]);
                    }
                }
            }
        }
        if self.bytes == picture.bytes {
            return Vec::new();
        }
        let pixels = self.bytes.chunks(4).zip(picture.bytes.chunks(4)).enumerate();
        let place = |pixel: usize| ((4 * pixel % stride / 4) as i32, (4 * pixel / stride) as i32);
        pixels.filter(|(_, (mine, its))| mine != its).map(|(pixel, _)| place(pixel)).collect()
    }
}

/// Blocks are near now and follow each other, almost all without a gap: a sound server that a busy machine held up
/// loses samples, and their stamps are what says so.
fn check_sound(backend: &dyn CaptureBackend, id: &str) {
    let (listener, threads) = (Listener::new(), captures());
    let capture = listener.open(backend, id, FPS);
    let mut blocks: Vec<AudioBlock> = Vec::new();
    while blocks.iter().map(AudioBlock::duration).sum::<Duration>() < Duration::from_secs(3) {
        let (_, block) = listener.intake.sound.recv_timeout(LIMIT).expect("sound came");
        check_near(&listener, block.at, id);
        assert!((1..=2).contains(&block.channels) && block.rate >= 8_000, "{id}");
        assert!(!block.samples.is_empty() && block.samples.len() % usize::from(block.channels) == 0, "{id}");
        blocks.push(block);
    }
    // The first second may still step while the device's clock is learned.
    let steps = || blocks.windows(2).skip(blocks.len() / 3).map(|pair| (&pair[0], &pair[1]));
    assert!(steps().all(|(block, next)| block.at < next.at), "{id}: sound goes back in time");
    let off = |block: &AudioBlock, next: &AudioBlock| next.at.0 - (block.at + block.duration()).0;
    let gaps: Vec<i64> = steps().map(|(a, b)| off(a, b)).filter(|off| off.abs() > 1_000_000).collect();
    assert!(gaps.len() < steps().count() / 10, "{id}: these many ns between blocks: {gaps:?}");
    check_stops(&listener, id, threads, || drop(capture));
}

fn check_near(listener: &Listener, at: Timestamp, id: &str) {
    let now = listener.now();
    assert!(at <= now + Duration::from_millis(100), "{id}: {at} is in the future of {now}");
    assert!(at + NEAR > now, "{id}: {at} is long before {now}");
}

/// When a capture is dropped its thread is gone, and nothing comes after that.
fn check_stops(listener: &Listener, id: &str, threads: Option<usize>, stop: impl FnOnce()) {
    assert!(threads.is_none() || captures() > threads, "{id} runs on a thread of its own");
    let begun = Instant::now();
    stop();
    assert!(begun.elapsed() < Duration::from_secs(1), "{id} took {:?} to stop", begun.elapsed());
    assert_eq!(captures(), threads, "{id} left a thread behind");
    while listener.intake.sound.try_recv().is_ok() {}
    let counts = listener.pictures().counts(&track("source"));
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(listener.pictures().counts(&track("source")), counts, "{id} goes on after its end");
    assert!(listener.intake.sound.is_empty(), "{id} goes on after its end");
    let mut events = listener.intake.events.try_iter().map(|(_, event)| event);
    let told = events.find(|event| !matches!(event, SourceEvent::Allowed { .. }));
    assert_eq!(told, None, "{id} reports its own end");
}

/// Threads of this process that belong to a capture, and those that they started; none where nobody can count them.
fn captures() -> Option<usize> {
    let tasks = fs::read_dir("/proc/self/task").ok()?.filter_map(Result::ok);
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    Some(names.filter(|name| name.trim() == "capture").count())
}
