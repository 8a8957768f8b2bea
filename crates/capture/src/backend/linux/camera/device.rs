//! One camera's file in `/dev`: what it is, what it can give, and its stream of pictures.
//!
//! Every list that a driver gives is read to an end of ours, and never waits. Tested with its users.

use super::{
    Fault,
    choice::{Mode, encoding_of},
    convert::Layout,
    sys::{self, Interval, Mapping, ask, call},
};
use model::Size;
use rustix::{
    event::{PollFd, PollFlags, poll},
    time::Timespec,
};
use std::{
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::OpenOptionsExt as _,
    },
    path::Path,
    time::Duration,
};

/// No driver lists more of anything.
const LIST_MAX: u32 = 256;
/// One is compared with, one is read, and the driver fills the others while this machine is busy.
const BUFFERS: u32 = 5;
/// What is looked for in a range of sizes and of rates.
const USUAL_SIZES: [Size; 6] = [
    Size { width: 1920, height: 1080 },
    Size { width: 1280, height: 720 },
    Size { width: 960, height: 540 },
    Size { width: 640, height: 480 },
    Size { width: 640, height: 360 },
    Size { width: 320, height: 240 },
];
const USUAL_RATES: [u32; 5] = [60, 30, 25, 20, 15];

/// An open file of a camera. Closed when dropped.
#[derive(Debug)]
pub(super) struct Device {
    file: File,
}

/// What it calls itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    pub card: String,
    pub bus: String,
}

impl Device {
    /// Opening a camera's file does not switch it on.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path);
        file.map(|file| Self { file }).map_err(|error| Fault::of(error, "open"))
    }

    /// What it is called, if it gives pictures: cameras have other files for their metadata.
    pub fn label(&self) -> Option<Label> {
        let mut about = sys::Capability::default();
        ask(self.file.as_fd(), &call::QUERYCAP, &mut about).ok()?;
        let own = about.capabilities & sys::CAP_DEVICE_CAPS != 0;
        let can = if own { about.device_caps } else { about.capabilities };
        let needed = sys::CAP_VIDEO_CAPTURE | sys::CAP_STREAMING;
        (can & needed == needed).then(|| Label { card: text(&about.card), bus: text(&about.bus_info) })
    }

    /// All that it can be asked for and we can read, in its own order.
    pub fn modes(&self) -> Vec<Mode> {
        let formats = (0..LIST_MAX).map_while(|index| {
            let mut about = sys::FormatDescription { index, kind: sys::VIDEO_CAPTURE, ..Default::default() };
            ask(self.file.as_fd(), &call::ENUM_FMT, &mut about).ok()?;
            Some(about.pixel_format)
        });
        let known = formats.filter(|format| encoding_of(*format).is_some());
        let mut modes: Vec<Mode> = Vec::new();
        for format in known {
            for size in self.sizes(format) {
                let rates = self.intervals(format, size);
                modes.extend(rates.into_iter().filter_map(|interval| Mode::new(format, size, interval)));
            }
        }
        modes
    }

    fn sizes(&self, pixel_format: u32) -> Vec<Size> {
        let listed = (0..LIST_MAX).map_while(|index| {
            let mut about = sys::FrameSize { index, pixel_format, ..Default::default() };
            ask(self.file.as_fd(), &call::ENUM_FRAMESIZES, &mut about).ok()?;
            Some(about)
        });
        let mut sizes = Vec::new();
        for about in listed {
            let [a, b, c, d, e, f] = about.sides;
            if about.kind != sys::TYPE_DISCRETE {
                let fits = |size: &Size| is_within(size.width, a, b, c) && is_within(size.height, d, e, f);
                sizes.extend(USUAL_SIZES.into_iter().filter(fits));
                break;
            }
            sizes.push(Size::new(a, b));
        }
        // Some give the size that they have and no other.
        if sizes.is_empty() {
            sizes.extend(self.format().map(|pix| Size::new(pix.width, pix.height)));
        }
        sizes
    }

    fn intervals(&self, pixel_format: u32, size: Size) -> Vec<Interval> {
        let listed = (0..LIST_MAX).map_while(|index| {
            let (width, height) = (size.width, size.height);
            let mut about = sys::FrameInterval { index, pixel_format, width, height, ..Default::default() };
            ask(self.file.as_fd(), &call::ENUM_FRAMEINTERVALS, &mut about).ok()?;
            Some(about)
        });
        let seconds =
            |interval: Interval| f64::from(interval.numerator) / f64::from(interval.denominator.max(1));
        let mut intervals = Vec::new();
        for about in listed {
            let [shortest, longest, _] = about.intervals;
            intervals.push(shortest);
            if about.kind != sys::TYPE_DISCRETE {
                let usual = USUAL_RATES.map(|fps| Interval { numerator: 1, denominator: fps });
                let fits = |interval: &Interval| {
                    (seconds(shortest)..=seconds(longest)).contains(&seconds(*interval))
                };
                intervals.extend(usual.into_iter().filter(|interval| *interval != shortest).filter(fits));
                break;
            }
        }
        if intervals.is_empty() {
            intervals.push(self.interval().unwrap_or(Interval { numerator: 1, denominator: 30 }));
        }
        intervals
    }

    fn format(&self) -> Option<sys::PixFormat> {
        let mut about = sys::VideoFormat { kind: sys::VIDEO_CAPTURE, ..Default::default() };
        ask(self.file.as_fd(), &call::G_FMT, &mut about).ok().map(|()| about.pix)
    }

    fn interval(&self) -> Option<Interval> {
        let mut about = sys::StreamParameters { kind: sys::VIDEO_CAPTURE, ..Default::default() };
        ask(self.file.as_fd(), &call::G_PARM, &mut about).ok()?;
        Some(about.time_per_frame).filter(|interval| interval.numerator > 0 && interval.denominator > 0)
    }

    /// Asks for a mode, and says what the driver made of it.
    pub fn agree(&self, mode: &Mode) -> Result<Layout, Fault> {
        let Size { width, height } = mode.format.size;
        let pix = sys::PixFormat { width, height, pixel_format: mode.pixel_format, ..Default::default() };
        let mut about = sys::VideoFormat { kind: sys::VIDEO_CAPTURE, pix, ..Default::default() };
        ask(self.file.as_fd(), &call::S_FMT, &mut about)
            .map_err(|error| Fault::of(error, "set the format of"))?;
        let encoding = encoding_of(about.pix.pixel_format)
            .ok_or_else(|| Fault::Unsupported("it gives no format that can be read".to_owned()))?;
        let time_per_frame = mode.interval;
        let mut rate =
            sys::StreamParameters { kind: sys::VIDEO_CAPTURE, time_per_frame, ..Default::default() };
        // A camera that knows one rate alone need not know how to be asked for it.
        if let Err(error) = ask(self.file.as_fd(), &call::S_PARM, &mut rate) {
            tracing::debug!(%error, "a camera keeps its own rate");
        }
        Ok(Layout::new(encoding, &about.pix))
    }
}

/// The part before the first zero.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}

fn is_within(value: u32, least: u32, greatest: u32, step: u32) -> bool {
    (least..=greatest).contains(&value) && (value - least).is_multiple_of(step.max(1))
}

/// A camera that is switched on. Off when dropped.
pub(super) struct Stream {
    device: Device,
    buffers: Vec<Mapping>,
}

/// A picture that the driver handed over. Its buffer is ours until it is given back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    index: u32,
    length: usize,
    /// Grows by one with each picture, also with those that found no buffer.
    pub sequence: u32,
    /// In nanoseconds of `CLOCK_MONOTONIC`, where the driver stamps by that.
    pub stamp: Option<i64>,
    /// The driver says that some of it is missing.
    pub is_broken: bool,
}

impl Stream {
    /// Switches it on, as it was agreed.
    pub fn begin(device: Device) -> Result<Self, Fault> {
        let cannot = |error| Fault::of(error, "switch on");
        let mut wish = sys::RequestBuffers {
            count: BUFFERS,
            kind: sys::VIDEO_CAPTURE,
            memory: sys::MEMORY_MMAP,
            ..Default::default()
        };
        ask(device.file.as_fd(), &call::REQBUFS, &mut wish).map_err(cannot)?;
        if wish.count < 2 {
            return Err(Fault::Unsupported("its driver has no memory for pictures".to_owned()));
        }
        let mut buffers = Vec::new();
        for index in 0..wish.count.min(LIST_MAX) {
            let mut about = buffer(index);
            ask(device.file.as_fd(), &call::QUERYBUF, &mut about).map_err(cannot)?;
            buffers.push(Mapping::new(device.file.as_fd(), &about).map_err(cannot)?);
        }
        let stream = Self { device, buffers };
        for index in 0..stream.buffers.len() as u32 {
            ask(stream.file(), &call::QBUF, &mut buffer(index)).map_err(cannot)?;
        }
        ask(stream.file(), &call::STREAMON, &mut sys::VIDEO_CAPTURE.clone()).map_err(cannot)?;
        Ok(stream)
    }

    /// Waits for the next picture, at most this long.
    pub fn next(&self, timeout: Duration) -> Result<Option<Taken>, Fault> {
        let cannot = |error: io::Error| Fault::of(error, "read");
        let timeout = Timespec::try_from(timeout).unwrap_or_default();
        let mut wanted = [PollFd::from_borrowed_fd(self.file(), PollFlags::IN)];
        match poll(&mut wanted, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(cannot(error.into())),
        }
        let mut about = buffer(0);
        match ask(self.file(), &call::DQBUF, &mut about) {
            Ok(()) => Ok(Some(taken(&about))),
            // It has nothing and would say so again at once.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let is_over = wanted[0].revents().intersects(PollFlags::ERR | PollFlags::HUP);
                if is_over { Err(cannot(error)) } else { Ok(None) }
            }
            Err(error) => Err(cannot(error)),
        }
    }

    /// The bytes of a picture that was not given back.
    pub fn bytes(&self, taken: &Taken) -> &[u8] {
        self.buffers.get(taken.index as usize).map_or(&[], |buffer| buffer.bytes(taken.length))
    }

    /// Lets the driver fill its buffer again.
    pub fn give_back(&mut self, taken: Taken) -> Result<(), Fault> {
        let cannot = |error| Fault::of(error, "read");
        ask(self.file(), &call::QBUF, &mut buffer(taken.index)).map_err(cannot)
    }

    fn file(&self) -> BorrowedFd<'_> {
        self.device.file.as_fd()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // One that was unplugged is off.
        let _ = ask(self.file(), &call::STREAMOFF, &mut sys::VIDEO_CAPTURE.clone());
    }
}

fn buffer(index: u32) -> sys::Buffer {
    sys::Buffer { index, kind: sys::VIDEO_CAPTURE, memory: sys::MEMORY_MMAP, ..Default::default() }
}

fn taken(about: &sys::Buffer) -> Taken {
    let is_monotonic = about.flags & sys::BUF_FLAG_TIMESTAMP_MASK == sys::BUF_FLAG_TIMESTAMP_MONOTONIC;
    #[allow(clippy::useless_conversion, reason = "they are narrower on machines of 32 bits")]
    let nanos = |time: sys::Time| {
        let seconds = i64::from(time.seconds).checked_mul(1_000_000_000)?;
        seconds.checked_add(i64::from(time.micros).checked_mul(1_000)?)
    };
    Taken {
        index: about.index,
        length: about.bytes_used as usize,
        sequence: about.sequence,
        stamp: nanos(about.timestamp).filter(|_| is_monotonic),
        is_broken: about.flags & sys::BUF_FLAG_ERROR != 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_monotonic_stamps_are_stamps() {
        let about = |flags| {
            let timestamp = sys::Time { seconds: 12, micros: 345_678 };
            taken(&sys::Buffer { flags, timestamp, bytes_used: 7, sequence: 9, ..buffer(3) })
        };
        assert_eq!(about(sys::BUF_FLAG_TIMESTAMP_MONOTONIC).stamp, Some(12_345_678_000));
        // The driver did not say, or copied it from somewhere.
        assert_eq!((about(0).stamp, about(0x4000).stamp), (None, None));
        assert!(about(sys::BUF_FLAG_ERROR).is_broken && !about(0x2000).is_broken);
    }

    #[test]
    fn a_name_ends_at_its_zero() {
        assert_eq!(text(b"HD Webcam\0\0junk"), "HD Webcam");
        assert_eq!(text(b"\xff\xfe full"), "\u{fffd}\u{fffd} full");
    }

    #[test]
    fn ranges_have_steps() {
        assert!(is_within(640, 160, 1920, 16) && is_within(640, 640, 640, 0));
        assert!(!is_within(641, 160, 1920, 16) && !is_within(100, 160, 1920, 1));
    }
}
