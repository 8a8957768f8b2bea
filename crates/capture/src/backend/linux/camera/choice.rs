//! What a camera can be asked for, which of it is best, and how exactly its rates are known. Pure; tested below.

use super::sys::Interval;
use crate::{Format, Rate};
use model::Size;
use std::cmp::Reverse;

/// Larger pictures are for those who ask: a camera is mostly a small part of what is recorded.
const LARGEST: Size = Size { width: 1280, height: 720 };
/// A rate within this share of a usual one is meant to be it: intervals come rounded to 100 ns.
const SAME_RATE: f64 = 2e-5;
/// Pictures a second at which formats are listed.
const USUAL_FPS: u32 = 30;

/// How a camera's pictures lie in memory.
///
/// Grey is left out: what sends it is the infrared half of a camera, which nobody wants to be recorded with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Encoding {
    /// A plane of luma, then one of chroma: what we pass on.
    Nv12,
    /// Y Cb Y Cr for each two pixels.
    Yuyv,
    /// Cb Y Cr Y for each two pixels.
    Uyvy,
    /// A plane of luma, then one of Cb and one of Cr.
    I420,
    /// A JPEG picture each.
    Mjpeg,
}

/// Best first.
const ENCODINGS: [(Encoding, &[u8; 4]); 6] = [
    (Encoding::Nv12, b"NV12"),
    (Encoding::I420, b"YU12"),
    (Encoding::Yuyv, b"YUYV"),
    (Encoding::Uyvy, b"UYVY"),
    (Encoding::Mjpeg, b"MJPG"),
    (Encoding::Mjpeg, b"JPEG"),
];

/// What this code means, if it is one that we can read.
pub(super) fn encoding_of(pixel_format: u32) -> Option<Encoding> {
    ENCODINGS
        .iter()
        .find(|(_, code)| u32::from_le_bytes(**code) == pixel_format)
        .map(|(encoding, _)| *encoding)
}

/// A format, and what the driver calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mode {
    pub format: Format,
    pub pixel_format: u32,
    pub interval: Interval,
}

impl Mode {
    /// None for what cannot be read or makes no sense.
    pub fn new(pixel_format: u32, size: Size, interval: Interval) -> Option<Self> {
        encoding_of(pixel_format)?;
        let rate = rate_of(interval)?;
        let is_picture = size.width >= 2 && size.height >= 2;
        let encoding = String::from_utf8_lossy(&pixel_format.to_le_bytes()).trim().to_owned();
        is_picture.then_some(Self { format: Format { size, rate, encoding }, pixel_format, interval })
    }

    /// What is smaller goes first. `rate` is what the camera can do of what is wanted.
    fn rank(&self, fps: u32, rate: f64) -> impl Ord + use<> {
        let Size { width, height } = self.format.size;
        let area = u64::from(width) * u64::from(height);
        let is_large = !fits(self.format.size);
        let order = if is_large { (area, Reverse(0)) } else { (0, Reverse(area)) };
        // In pictures a thousand seconds, which tell 29.97 from 30.
        let off = (pictures(self.format.rate) - f64::from(fps)).abs() * 1e3;
        let encoding = ENCODINGS.iter().position(|(_, code)| u32::from_le_bytes(**code) == self.pixel_format);
        (is_large, pictures(self.format.rate) < 0.95 * rate, order, off as u64, encoding)
    }
}

/// Puts the best first: for `fps` pictures a second, the largest up to 1280×720 that comes that often, and of those
/// what costs least to read.
pub(super) fn sort(modes: &mut [Mode], fps: u32) {
    let fastest = modes.iter().filter(|mode| fits(mode.format.size)).map(|mode| pictures(mode.format.rate));
    let rate = fastest.fold(0.0, f64::max).min(f64::from(fps));
    modes.sort_by_key(|mode| mode.rank(fps, rate));
}

/// The best of all.
pub(super) fn sort_usual(modes: &mut [Mode]) {
    sort(modes, USUAL_FPS);
}

fn fits(size: Size) -> bool {
    size.width <= LARGEST.width && size.height <= LARGEST.height
}

/// In a second.
pub(super) fn pictures(rate: Rate) -> f64 {
    f64::from(rate.pictures) / f64::from(rate.seconds.max(1))
}

/// The rate that an interval means: 333,667 of ten million is 30000/1001.
pub(super) fn rate_of(interval: Interval) -> Option<Rate> {
    let Interval { numerator: seconds, denominator: pictures } = interval;
    if seconds == 0 || pictures == 0 {
        return None;
    }
    let exact = f64::from(pictures) / f64::from(seconds);
    let usual = [5, 10, 15, 20, 24, 25, 30, 48, 50, 60, 90, 120];
    let usual = usual.into_iter().flat_map(|fps| [(fps, 1), (fps * 1000, 1001)]);
    let meant = usual.map(|(pictures, seconds)| Rate { pictures, seconds });
    let close = |rate: &Rate| (self::pictures(*rate) / exact - 1.0).abs() < SAME_RATE;
    let divisor = common_divisor(pictures, seconds);
    let given = Rate { pictures: pictures / divisor, seconds: seconds / divisor };
    Some(meant.into_iter().find(close).unwrap_or(given))
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(encoding: &[u8; 4], width: u32, height: u32, fps: u32) -> Mode {
        let interval = Interval { numerator: 1, denominator: fps };
        Mode::new(u32::from_le_bytes(*encoding), Size::new(width, height), interval).unwrap()
    }

    fn check(modes: &[Mode], fps: u32, want: &Mode) {
        for turn in 0..modes.len() {
            let mut modes = modes.to_vec();
            modes.rotate_left(turn);
            sort(&mut modes, fps);
            assert_eq!(&modes[0], want, "at {fps}");
        }
    }

    #[test]
    fn the_largest_that_is_fast_enough_and_cheap_to_read() {
        let webcam = [
            mode(b"YUYV", 640, 480, 30),
            mode(b"YUYV", 640, 480, 15),
            mode(b"YUYV", 1280, 720, 10),
            mode(b"MJPG", 640, 480, 60),
            mode(b"MJPG", 1280, 720, 30),
            mode(b"MJPG", 1280, 720, 60),
            mode(b"MJPG", 1920, 1080, 30),
        ];
        check(&webcam, 30, &webcam[4]);
        check(&webcam, 60, &webcam[5]);
        check(&webcam, 120, &webcam[5]);
        check(&webcam, 10, &webcam[2]);
        let raw = [mode(b"MJPG", 1280, 720, 30), mode(b"YUYV", 1280, 720, 30), mode(b"NV12", 1280, 720, 30)];
        check(&raw, 30, &raw[2]);
        check(&raw[..2], 30, &raw[1]);
    }

    #[test]
    fn what_there_is_when_nothing_fits() {
        let large = [mode(b"MJPG", 3840, 2160, 30), mode(b"MJPG", 1920, 1080, 30)];
        check(&large, 30, &large[1]);
        let slow = [mode(b"YUYV", 1280, 720, 5), mode(b"YUYV", 320, 240, 20)];
        check(&slow, 30, &slow[1]);
    }

    #[test]
    fn television_is_told_from_its_round_number() {
        let rate = |numerator, denominator| {
            let rate = rate_of(Interval { numerator, denominator }).unwrap();
            (rate.pictures, rate.seconds)
        };
        assert_eq!(rate(1001, 30000), (30000, 1001));
        assert_eq!(rate(333_667, 10_000_000), (30000, 1001));
        assert_eq!(rate(333_333, 10_000_000), (30, 1));
        assert_eq!(rate(166_833, 10_000_000), (60000, 1001));
        assert_eq!(rate(2, 15), (15, 2));
        assert_eq!(rate_of(Interval { numerator: 0, denominator: 30 }), None);
        assert_eq!(Rate { pictures: 30000, seconds: 1001 }.to_string(), "29.97");
        let both = [
            mode(b"YUYV", 640, 480, 30),
            Mode::new(
                u32::from_le_bytes(*b"YUYV"),
                Size::new(640, 480),
                Interval { numerator: 1001, denominator: 30000 },
            )
            .unwrap(),
        ];
        check(&both, 30, &both[0]);
        check(&both[1..], 30, &both[1]);
    }

    #[test]
    fn what_cannot_be_read_is_no_mode() {
        let interval = Interval { numerator: 1, denominator: 30 };
        for (code, size) in [(b"GREY", 640), (b"H264", 640), (b"YUYV", 1), (b"\xff\xfe\0\x01", 640)] {
            assert_eq!(Mode::new(u32::from_le_bytes(*code), Size::new(size, size), interval), None);
        }
    }
}
