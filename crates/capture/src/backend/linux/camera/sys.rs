//! The part of Linux's `videodev2.h` that cameras need: its structures, its calls, and memory shared with a driver.
//!
//! Owns: the only unsafe code of cameras. Everything goes through the C library, so that what stands in for a camera
//! there (`pw-v4l2`, `v4l1compat` and their like) is reached too. Tested with its users.

use rustix::ioctl::{Opcode, opcode};
use std::{
    ffi::c_void,
    io,
    marker::PhantomData,
    os::fd::{AsRawFd as _, BorrowedFd},
    ptr, slice,
};

/// Pictures in one plane of memory: what nearly every camera gives.
pub const VIDEO_CAPTURE: u32 = 1;
/// Buffers are the driver's, and mapped.
pub const MEMORY_MMAP: u32 = 1;

pub const CAP_VIDEO_CAPTURE: u32 = 0x1;
pub const CAP_STREAMING: u32 = 0x0400_0000;
/// `device_caps` says what this node can do, as against all of the device's.
pub const CAP_DEVICE_CAPS: u32 = 0x8000_0000;

pub const BUF_FLAG_ERROR: u32 = 0x40;
pub const BUF_FLAG_TIMESTAMP_MASK: u32 = 0xe000;
pub const BUF_FLAG_TIMESTAMP_MONOTONIC: u32 = 0x2000;

/// Sizes and intervals are listed one by one, and not as ranges.
pub const TYPE_DISCRETE: u32 = 1;

pub const COLORSPACE_REC709: u32 = 3;
pub const COLORSPACE_JPEG: u32 = 7;
pub const YCBCR_ENC_DEFAULT: u32 = 0;
pub const YCBCR_ENC_709: u32 = 2;
pub const QUANTIZATION_DEFAULT: u32 = 0;
pub const QUANTIZATION_FULL: u32 = 1;

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Capability {
    pub driver: [u8; 16],
    pub card: [u8; 32],
    pub bus_info: [u8; 32],
    pub version: u32,
    pub capabilities: u32,
    pub device_caps: u32,
    pub reserved: [u32; 3],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct FormatDescription {
    pub index: u32,
    pub kind: u32,
    pub flags: u32,
    pub description: [u8; 32],
    pub pixel_format: u32,
    pub mbus_code: u32,
    pub reserved: [u32; 3],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct FrameSize {
    pub index: u32,
    pub pixel_format: u32,
    pub kind: u32,
    /// Width and height where they are discrete; else least, greatest and step of the width, then of the height.
    pub sides: [u32; 6],
    pub reserved: [u32; 2],
}

/// Seconds for each picture, as a fraction.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interval {
    pub numerator: u32,
    pub denominator: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct FrameInterval {
    pub index: u32,
    pub pixel_format: u32,
    pub width: u32,
    pub height: u32,
    pub kind: u32,
    /// The first where they are discrete; else least, greatest and step.
    pub intervals: [Interval; 3],
    pub reserved: [u32; 2],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct PixFormat {
    pub width: u32,
    pub height: u32,
    pub pixel_format: u32,
    pub field: u32,
    pub bytes_per_line: u32,
    pub size_image: u32,
    pub colorspace: u32,
    pub priv_: u32,
    pub flags: u32,
    pub ycbcr_enc: u32,
    pub quantization: u32,
    pub xfer_func: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct VideoFormat {
    pub kind: u32,
    /// Other kinds have pointers here.
    pub align: [usize; 0],
    pub pix: PixFormat,
    pub rest: [[u32; 19]; 2],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct StreamParameters {
    pub kind: u32,
    pub capability: u32,
    pub capture_mode: u32,
    pub time_per_frame: Interval,
    pub rest: [[u32; 23]; 2],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestBuffers {
    pub count: u32,
    pub kind: u32,
    pub memory: u32,
    pub capabilities: u32,
    pub flags: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Buffer {
    pub index: u32,
    pub kind: u32,
    pub bytes_used: u32,
    pub flags: u32,
    pub field: u32,
    pub timestamp: Time,
    pub timecode: [u32; 4],
    pub sequence: u32,
    pub memory: u32,
    pub place: Place,
    pub length: u32,
    pub reserved: u32,
    pub request_fd: u32,
}

/// A `timeval`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Time {
    pub seconds: libc::time_t,
    pub micros: libc::suseconds_t,
}

/// Where a buffer is, by its offset in the device's file; other kinds of memory have a pointer here.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Place {
    pub align: [usize; 0],
    pub offset: u32,
}

/// What can be asked of a camera. `T` is what the kernel reads and writes.
pub struct Call<T> {
    code: Opcode,
    argument: PhantomData<T>,
}

impl<T> Call<T> {
    const fn read_write(number: u8) -> Self {
        Self { code: opcode::read_write::<T>(b'V', number), argument: PhantomData }
    }
}

/// Each of the kernel's own kind: see `videodev2.h`.
pub mod call {
    use super::{
        Buffer, Call, Capability, FormatDescription, FrameInterval, FrameSize, PhantomData, RequestBuffers,
        StreamParameters, VideoFormat, opcode,
    };
    pub const QUERYCAP: Call<Capability> =
        Call { code: opcode::read::<Capability>(b'V', 0), argument: PhantomData };
    pub const ENUM_FMT: Call<FormatDescription> = Call::read_write(2);
    pub const G_FMT: Call<VideoFormat> = Call::read_write(4);
    pub const S_FMT: Call<VideoFormat> = Call::read_write(5);
    pub const REQBUFS: Call<RequestBuffers> = Call::read_write(8);
    pub const QUERYBUF: Call<Buffer> = Call::read_write(9);
    pub const QBUF: Call<Buffer> = Call::read_write(15);
    pub const DQBUF: Call<Buffer> = Call::read_write(17);
    pub const STREAMON: Call<u32> = Call { code: opcode::write::<u32>(b'V', 18), argument: PhantomData };
    pub const STREAMOFF: Call<u32> = Call { code: opcode::write::<u32>(b'V', 19), argument: PhantomData };
    pub const G_PARM: Call<StreamParameters> = Call::read_write(21);
    pub const S_PARM: Call<StreamParameters> = Call::read_write(22);
    pub const ENUM_FRAMESIZES: Call<FrameSize> = Call::read_write(74);
    pub const ENUM_FRAMEINTERVALS: Call<FrameInterval> = Call::read_write(75);
}

/// Asks a camera, however often a signal comes between.
pub fn ask<T>(file: BorrowedFd<'_>, call: &Call<T>, argument: &mut T) -> io::Result<()> {
    loop {
        #[expect(unsafe_code, reason = "this is how drivers are called")]
        // SAFETY: the kernel reads and writes as many bytes as the code says, which was made from the size of `T`, and
        // every `Call` stands above with the kernel's own structure. Those are of integers alone, so any bytes that
        // the driver writes are a value, and what it writes to is borrowed for this long.
        let result = unsafe {
            libc::ioctl(file.as_raw_fd(), call.code as libc::Ioctl, ptr::from_mut(argument).cast::<c_void>())
        };
        if result >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Whether this process may read and write a file, by the rules of this moment.
pub fn may_use(path: &std::ffi::CStr) -> io::Result<()> {
    #[expect(unsafe_code, reason = "the standard library does not ask this")]
    // SAFETY: the path is a string that ends with a zero, and is only read.
    let result =
        unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), libc::R_OK | libc::W_OK, libc::AT_EACCESS) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A buffer of a driver's. It writes into it only while the buffer is queued.
#[derive(Debug)]
pub struct Mapping {
    at: *mut c_void,
    length: usize,
}

#[expect(unsafe_code, reason = "the memory is this value's own and is not tied to a thread")]
// SAFETY: `at` is a mapping that only this value unmaps; nothing here depends on the thread that looks at it.
unsafe impl Send for Mapping {}

impl Mapping {
    /// The buffer that `about` describes.
    pub fn new(file: BorrowedFd<'_>, about: &Buffer) -> io::Result<Self> {
        let length = about.length as usize;
        let offset = about.place.offset as libc::off_t;
        #[expect(unsafe_code, reason = "a driver's buffers have to be mapped")]
        // SAFETY: the address is the kernel's choice, so nothing that is mapped already is touched.
        let at = unsafe {
            libc::mmap(ptr::null_mut(), length, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), offset)
        };
        if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Self { at, length }) }
    }

    /// Its first bytes, as many as there are of `length`. To be asked only while the buffer is not queued.
    pub fn bytes(&self, length: usize) -> &[u8] {
        #[expect(unsafe_code, reason = "a driver's memory is known by its address alone")]
        // SAFETY: `at` is a mapping of `self.length` bytes that lives as long as `self`. The driver writes into it
        // only while the buffer is queued, and `Stream` queues none of which a slice is still held.
        unsafe {
            slice::from_raw_parts(self.at.cast(), length.min(self.length))
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "what was mapped has to be unmapped")]
        // SAFETY: it was mapped with this address and length, and slices of it cannot outlive `self`.
        let result = unsafe { libc::munmap(self.at, self.length) };
        if result < 0 {
            tracing::debug!(error = %io::Error::last_os_error(), "cannot unmap a camera's buffer");
        }
    }
}

const _: () = {
    assert!(size_of::<Capability>() == 104);
    assert!(size_of::<FormatDescription>() == 64);
    assert!(size_of::<FrameSize>() == 44);
    assert!(size_of::<FrameInterval>() == 52);
    assert!(size_of::<VideoFormat>() == 200 + size_of::<usize>());
    assert!(size_of::<StreamParameters>() == 204);
    assert!(size_of::<RequestBuffers>() == 20);
    assert!(size_of::<Buffer>() == if size_of::<usize>() == 8 { 88 } else { 60 + size_of::<Time>() });
};
