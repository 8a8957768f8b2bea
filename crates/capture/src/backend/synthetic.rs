//! Sources that need no device: a moving picture with a counter in it, a still one, a camera, and tones. What they show
//! and play is in [`pattern`](crate::pattern); all of it follows host time, so flash and beep are at the same instant.
//!
//! Ids: `synthetic:screen`, `synthetic:screen:1920x1080`, `synthetic:still`, `synthetic:camera` (and sizes),
//! `synthetic:mic`, `synthetic:mic:200ppm` (a crystal that runs fast by that; negative is slow), `synthetic:system`.

use super::{
    Capture, CaptureBackend, Format, Permission, Rate, SourceConfig, SourceId, SourceInfo, SourceKind, Stop,
};
use crate::{
    CaptureError, SampleContent, SampleSink,
    pattern::{self, CameraPainter, Painter, Scene},
    pool::Pool,
    ticks::Ticks,
};
use model::{Damage, HostTime, Matrix, PixelFormat, Planes, Rect, Size};
use std::convert::Infallible;

const SIZE: Size = Size { width: 1280, height: 720 };
const SIDE_MAX: u32 = 8192;
/// What the camera can be asked for.
const CAMERA_SIZES: [Size; 2] = [SIZE, Size { width: 640, height: 480 }];
/// Pictures a second that the camera gives at most.
const CAMERA_FPS: u32 = 30;
const RATE: u32 = 48_000;
/// Blocks of sound a second.
const BLOCKS: u32 = 50;

/// Always there.
pub(super) struct Synthetic;

impl CaptureBackend for Synthetic {
    fn sources(&self) -> Result<Vec<SourceInfo>, CaptureError> {
        let source = |id: &str, kind, name: &str, size| SourceInfo {
            id: SourceId::new(id),
            kind,
            name: name.to_owned(),
            is_default: id != "synthetic:still",
            size,
            formats: if kind == SourceKind::Camera {
                CAMERA_SIZES.map(camera_format).to_vec()
            } else {
                Vec::new()
            },
        };
        Ok(vec![
            source("synthetic:screen", SourceKind::Screen, "Moving test picture", Some(SIZE)),
            source("synthetic:still", SourceKind::Screen, "Still test picture", Some(SIZE)),
            source("synthetic:camera", SourceKind::Camera, "Test camera", Some(SIZE)),
            source("synthetic:mic", SourceKind::Microphone, "Beep each second", None),
            source("synthetic:system", SourceKind::SystemAudio, "440 Hz tone", None),
        ])
    }

    fn open(&self, id: &SourceId, config: &SourceConfig, sink: SampleSink) -> Result<Capture, CaptureError> {
        let unknown = || CaptureError::UnknownSource { id: id.clone() };
        let ticks = Ticks::new(config.fps);
        match parse(id.as_str()).ok_or_else(unknown)? {
            Source::Screen(size) => Capture::start(id, sink, move |stop, sink| show(size, ticks, stop, sink)),
            Source::Still(size) => Capture::start(id, sink, move |stop, sink| hold(size, ticks, stop, sink)),
            Source::Camera(size) => {
                let size = config.format.as_ref().map_or(Ok(size), |format| asked_size(id, format))?;
                let ticks = Ticks::new(config.fps.min(CAMERA_FPS));
                Capture::start(id, sink, move |stop, sink| film(size, ticks, stop, sink))
            }
            Source::Sound(sound) => Capture::start(id, sink, move |stop, sink| play(sound, stop, sink)),
        }
    }

    fn permission(&self, _: SourceKind) -> Permission {
        Permission::granted()
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Source {
    Screen(Size),
    Still(Size),
    /// Both sides are even.
    Camera(Size),
    Sound(Sound),
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Sound {
    channels: u16,
    /// What the crystal really counts a second, in millionths of a sample.
    micro_rate: i64,
    wave: Wave,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Wave {
    Microphone,
    System,
}

fn parse(id: &str) -> Option<Source> {
    let rest = id.strip_prefix("synthetic:")?;
    let (name, option) = rest.split_once(':').map_or((rest, None), |(name, option)| (name, Some(option)));
    let size = || option.map_or(Some(SIZE), parse_size);
    let micro_rate = |ppm: i64| i64::from(RATE) * (1_000_000 + ppm);
    match name {
        "screen" => size().map(Source::Screen),
        "still" => size().map(Source::Still),
        "camera" => size().filter(|size| size.width % 2 + size.height % 2 == 0).map(Source::Camera),
        "mic" => {
            let ppm = option.map_or(Some(0), |text| text.strip_suffix("ppm")?.parse::<i64>().ok())?;
            let sound = Sound { channels: 1, micro_rate: micro_rate(ppm), wave: Wave::Microphone };
            (-10_000..=10_000).contains(&ppm).then_some(Source::Sound(sound))
        }
        "system" if option.is_none() => {
            Some(Source::Sound(Sound { channels: 2, micro_rate: micro_rate(0), wave: Wave::System }))
        }
        _ => None,
    }
}

fn parse_size(text: &str) -> Option<Size> {
    let (width, height) = text.split_once('x')?;
    let side = |text: &str| text.parse().ok().filter(|side| (16..=SIDE_MAX).contains(side));
    Some(Size::new(side(width)?, side(height)?))
}

fn camera_format(size: Size) -> Format {
    Format { size, rate: Rate { pictures: CAMERA_FPS, seconds: 1 }, encoding: "NV12".to_owned() }
}

fn asked_size(id: &SourceId, format: &Format) -> Result<Size, CaptureError> {
    let known = CAMERA_SIZES.into_iter().find(|size| camera_format(*size) == *format);
    known.ok_or_else(|| CaptureError::Unsupported {
        id: id.clone(),
        message: format!(
            "it does not give {} pictures at {}/s as {}",
            format.size, format.rate, format.encoding
        ),
    })
}

/// The moving picture, one for each tick.
fn show(size: Size, ticks: Ticks, stop: &Stop, sink: &SampleSink) {
    let painter = Painter::new(size);
    let mut pool = Pool::new(size.height);
    let mut shown: Option<Scene> = None;
    let mut tick = ticks.index_at(sink.now());
    while !stop.is_set() {
        let scene = Scene::at(ticks, tick);
        let changes = shown.map_or_else(|| vec![Rect::whole(size)], |shown| painter.changes(shown, scene));
        pool.damage(&changes);
        let make = || Ok::<_, Infallible>(painter.background().to_vec());
        match pool.take(make).unwrap_or_else(|never| match never {}) {
            Some(mut blank) => {
                painter.paint(&mut blank.buffer, &blank.stale, scene);
                let picture = Planes {
                    format: PixelFormat::Bgrx,
                    size,
                    stride: painter.stride(),
                    bytes: pool.lend(blank),
                };
                let damage = if shown.is_some() { Damage::Rects(changes) } else { Damage::All };
                sink.push(ticks.time_of(tick), SampleContent::Picture { picture, damage });
                shown = Some(scene);
            }
            None => sink.push(ticks.time_of(tick), SampleContent::Missed(1)),
        }
        let next = next_tick(ticks, tick, stop, sink);
        if next > tick + 1 {
            sink.push(ticks.time_of(next), SampleContent::Missed(next.abs_diff(tick + 1)));
        }
        tick = next;
    }
}

/// The moving picture as a camera sends it: all of it, at each tick.
fn film(size: Size, ticks: Ticks, stop: &Stop, sink: &SampleSink) {
    let painter = CameraPainter::new(size);
    let mut pool = Pool::new(size.height);
    let mut tick = ticks.index_at(sink.now());
    while !stop.is_set() {
        pool.damage(&[Rect::whole(size)]);
        let make = || Ok::<_, Infallible>(vec![0; painter.bytes()]);
        let content = match pool.take(make).unwrap_or_else(|never| match never {}) {
            Some(mut blank) => {
                painter.paint(&mut blank.buffer, Scene::at(ticks, tick));
                let format = PixelFormat::Nv12(Matrix::Bt601);
                let picture = Planes { format, size, stride: size.width as usize, bytes: pool.lend(blank) };
                SampleContent::Picture { picture, damage: Damage::All }
            }
            None => SampleContent::Missed(1),
        };
        sink.push(ticks.time_of(tick), content);
        let next = next_tick(ticks, tick, stop, sink);
        if next > tick + 1 {
            sink.push(ticks.time_of(next), SampleContent::Missed(next.abs_diff(tick + 1)));
        }
        tick = next;
    }
}

/// The still picture: pushed once, then found unchanged at each tick.
fn hold(size: Size, ticks: Ticks, stop: &Stop, sink: &SampleSink) {
    let painter = Painter::new(size);
    let bytes = painter.background().to_vec().into();
    let picture = Planes { format: PixelFormat::Bgrx, size, stride: painter.stride(), bytes };
    sink.push(sink.now(), SampleContent::Picture { picture, damage: Damage::All });
    let mut tick = ticks.index_at(sink.now());
    while !stop.is_set() {
        tick = next_tick(ticks, tick, stop, sink);
        sink.push(ticks.time_of(tick), SampleContent::Unchanged);
    }
}

/// Waits for the tick after `done`, or says which is the newest.
fn next_tick(ticks: Ticks, done: i64, stop: &Stop, sink: &SampleSink) -> i64 {
    let next = ticks.after(done, sink.now());
    stop.wait_until(ticks.time_of(next), sink);
    next
}

/// A tone, in blocks of a fiftieth of a second, each when its last sample is over, as a device would.
fn play(sound: Sound, stop: &Stop, sink: &SampleSink) {
    let ticks = Ticks::new(BLOCKS);
    let mut tick = ticks.index_at(sink.now());
    let mut heard = sound.sample_at(ticks.time_of(tick));
    while !stop.is_set() {
        tick = next_tick(ticks, tick, stop, sink);
        let end = sound.sample_at(ticks.time_of(tick));
        if stop.is_set() {
            return;
        }
        sink.push(sound.time_of(heard), sound.block(heard, end));
        heard = end;
    }
}

impl Sound {
    /// The first sample that is not before `at`.
    fn sample_at(self, at: HostTime) -> i64 {
        let samples = -(-i128::from(at.0) * i128::from(self.micro_rate)).div_euclid(1_000_000_000_000_000);
        i64::try_from(samples).unwrap_or(i64::MAX)
    }

    fn time_of(self, sample: i64) -> HostTime {
        let nanos = i128::from(sample) * 1_000_000_000_000_000 / i128::from(self.micro_rate);
        HostTime(i64::try_from(nanos).unwrap_or(i64::MAX))
    }

    fn block(self, from: i64, to: i64) -> SampleContent {
        let channels = usize::from(self.channels);
        let wave = |at| match self.wave {
            Wave::Microphone => pattern::microphone(at),
            Wave::System => pattern::system(at),
        };
        let samples = (from..to).flat_map(|sample| std::iter::repeat_n(wave(self.time_of(sample)), channels));
        SampleContent::Sound { rate: RATE, channels: self.channels, samples: samples.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_size_and_drift() {
        assert_eq!(parse("synthetic:screen"), Some(Source::Screen(SIZE)));
        assert_eq!(parse("synthetic:still:64x48"), Some(Source::Still(Size::new(64, 48))));
        assert_eq!(parse("synthetic:camera:640x480"), Some(Source::Camera(Size::new(640, 480))));
        let Some(Source::Sound(fast)) = parse("synthetic:mic:200ppm") else { panic!("not a sound") };
        assert_eq!(fast.sample_at(HostTime(10_000_000_000)), 480_096);
        for bad in [
            "",
            "synthetic:",
            "synthetic:screen:0x0",
            "synthetic:camera:641x480",
            "synthetic:screen:9999999x4",
            "synthetic:mic:x",
            "x11:screen",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn blocks_join_without_losing_a_sample() {
        let sound = Sound { channels: 1, micro_rate: 47_990_400_000, wave: Wave::Microphone };
        for second in [0, 1, 100_000] {
            let start = HostTime(second * 1_000_000_000);
            let sample = sound.sample_at(start);
            assert!(sound.time_of(sample) >= start && sound.time_of(sample - 1) < start);
            assert_eq!(sound.sample_at(sound.time_of(sample)), sample);
        }
    }
}
