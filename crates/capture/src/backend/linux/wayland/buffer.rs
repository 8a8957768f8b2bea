//! Buffers that PipeWire lends: what is told beside a picture, and its bytes.
//!
//! Owns: the only unsafe code of the Wayland back end. Whatever another process wrote there is checked before it is
//! used: no length, offset or stride is believed. Tested with the back end, and below what needs no buffer.

use model::{Point, Rect};
use pipewire::{spa::sys, stream::Stream, sys::pw_buffer};
use rustix::{
    fd::BorrowedFd,
    fs::{SeekFrom, seek},
    io::Errno,
    ioctl::{Setter, ioctl, opcode},
    mm::{MapFlags, ProtFlags, mmap, munmap},
};
use std::{
    collections::{HashMap, hash_map::Entry},
    ffi::c_void,
    ptr::{self, NonNull},
    slice,
};

/// Pictures of the largest size fit into this.
const MEMORY_MAX: usize = 2 << 30;

/// A buffer that the stream has lent and that has not been given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Lent(NonNull<pw_buffer>);

/// What is told beside a picture.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Told {
    /// When it was taken, on CLOCK_MONOTONIC, if that was told.
    pub taken: Option<i64>,
    /// There is a picture: a buffer without one tells of the pointer alone.
    pub has_picture: bool,
    /// The part of the picture that is shown.
    pub crop: Option<Rect>,
    /// What changed since the buffer before, if that was told.
    pub damage: Option<Vec<Rect>>,
}

impl Lent {
    /// Takes the next one that holds something.
    pub fn take(stream: &Stream) -> Option<Self> {
        #[expect(unsafe_code, reason = "the safe way hides what is told beside pictures")]
        // SAFETY: it is called on the thread of the stream's loop, as PipeWire asks.
        let raw = unsafe { stream.dequeue_raw_buffer() };
        NonNull::new(raw).map(Self)
    }

    /// One that PipeWire names.
    pub fn of(raw: *mut pw_buffer) -> Option<Self> {
        NonNull::new(raw).map(Self)
    }

    /// Gives it back: nothing of it may be read after this.
    pub fn give_back(self, stream: &Stream) {
        #[expect(unsafe_code, reason = "what was taken in this way goes back in this way")]
        // SAFETY: it came from this stream and is given back once, since whoever holds it lets go of it here.
        unsafe {
            stream.queue_raw_buffer(self.0.as_ptr());
        }
    }

    /// What is told beside the picture.
    pub fn told(&self) -> Told {
        let header = self.meta(sys::SPA_META_Header).unwrap_or_default();
        let is_broken = word(header, 0).is_some_and(|flags| flags & sys::SPA_META_HEADER_FLAG_CORRUPTED != 0);
        let chunk = self.first().map(|(_, chunk)| chunk);
        let has_picture = chunk.is_some_and(|chunk| {
            chunk.size > 0 && chunk.flags.cast_unsigned() & sys::SPA_CHUNK_FLAG_CORRUPTED == 0
        });
        let damage = self.meta(sys::SPA_META_VideoDamage);
        let damage: Option<Vec<Rect>> =
            damage.map(|bytes| bytes.chunks_exact(16).map_while(region).collect());
        Told {
            taken: long(header, 8).filter(|taken| *taken > 0),
            has_picture: has_picture && !is_broken,
            crop: self.meta(sys::SPA_META_VideoCrop).and_then(region),
            // Some that have the place for it never write there.
            damage: damage.filter(|rects| !rects.is_empty()),
        }
    }

    /// What is told of the pointer, as PipeWire lays it out.
    pub fn pointer(&self) -> Option<&[u8]> {
        self.meta(sys::SPA_META_Cursor)
    }

    fn meta(&self, kind: u32) -> Option<&[u8]> {
        #[expect(unsafe_code, reason = "PipeWire gives addresses")]
        // SAFETY: a lent buffer, its list of metadata and their memory stay as they are until it is given back, and
        // the sizes are PipeWire's own, not another process's.
        unsafe {
            let buffer = self.0.as_ref().buffer.as_ref()?;
            let metas = (!buffer.metas.is_null()).then_some(buffer.metas)?;
            let metas = slice::from_raw_parts(metas, buffer.n_metas as usize);
            let meta = metas.iter().find(|meta| meta.type_ == kind && !meta.data.is_null())?;
            Some(slice::from_raw_parts(meta.data.cast(), meta.size as usize))
        }
    }

    fn first(&self) -> Option<(sys::spa_data, sys::spa_chunk)> {
        #[expect(unsafe_code, reason = "PipeWire gives addresses")]
        // SAFETY: as above. The chunk is written by another process, and so it is copied before it is looked at.
        unsafe {
            let buffer = self.0.as_ref().buffer.as_ref()?;
            let data = *(buffer.n_datas > 0 && !buffer.datas.is_null()).then_some(buffer.datas)?;
            Some((data, data.chunk.as_ref().copied()?))
        }
    }
}

/// The rows of a picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    /// From the first pixel to the last.
    pub bytes: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Reading them is slow.
    pub in_gpu: bool,
}

/// The memory of a stream's buffers, mapped once for as long as the stream keeps them.
#[derive(Default)]
pub(super) struct Memory {
    mapped: HashMap<Lent, Mapping>,
}

impl Memory {
    /// Reads `count` rows of `width` bytes, or says why that cannot be done.
    pub fn read<T>(
        &mut self,
        lent: &Lent,
        (count, width): (usize, usize),
        with: impl FnOnce(Rows<'_>) -> T,
    ) -> Result<T, String> {
        let (data, chunk) = lent.first().ok_or("it has no memory")?;
        let stride = usize::try_from(chunk.stride).ok().filter(|stride| *stride > 0).unwrap_or(width);
        let part = |bytes, base: u32, in_gpu| {
            let start = (base as usize).checked_add(chunk.offset as usize)?;
            let bytes = checked(bytes, start, (count, width, stride))?;
            Some(Rows { bytes, stride, in_gpu })
        };
        let short = "it is larger than its memory";
        match data.type_ {
            sys::SPA_DATA_MemFd | sys::SPA_DATA_DmaBuf => {
                let in_gpu = data.type_ == sys::SPA_DATA_DmaBuf;
                let mapping = self.mapping(lent, &data)?;
                let _reading = if in_gpu { Some(Reading::begin(mapping)?) } else { None };
                Ok(with(part(mapping.bytes(), data.mapoffset, in_gpu).ok_or(short)?))
            }
            _ => Ok(with(part(pointed_to(lent, &data), 0, false).ok_or(short)?)),
        }
    }

    /// The stream takes it back for good.
    pub fn forget(&mut self, lent: Lent) {
        self.mapped.remove(&lent);
    }

    fn mapping(&mut self, lent: &Lent, data: &sys::spa_data) -> Result<&Mapping, String> {
        match self.mapped.entry(*lent) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(Mapping::of(data)?)),
        }
    }
}

/// `count` rows of `width` bytes, each `stride` after the one before; the last may end with its pixels.
fn checked(bytes: &[u8], start: usize, (count, width, stride): (usize, usize, usize)) -> Option<&[u8]> {
    let before = count.checked_sub(1)?.checked_mul(stride)?;
    let end = start.checked_add(before)?.checked_add(width)?;
    bytes.get(start..end).filter(|_| stride >= width)
}

/// What PipeWire itself has mapped.
fn pointed_to<'a>(_: &'a Lent, data: &sys::spa_data) -> &'a [u8] {
    if data.data.is_null() {
        return &[];
    }
    #[expect(unsafe_code, reason = "PipeWire gives addresses")]
    // SAFETY: PipeWire mapped so many bytes there, and keeps them until the buffer is given back. The compositor writes
    // into them only before it hands them over.
    unsafe {
        slice::from_raw_parts(data.data.cast(), data.maxsize as usize)
    }
}

/// A file or a piece of a GPU's memory, to be read.
struct Mapping {
    at: *mut c_void,
    bytes: usize,
    /// Belongs to the stream, and is open for as long as it has the buffer.
    fd: i32,
}

impl Mapping {
    /// All of the file, so that no offset has to be a multiple of a page.
    fn of(data: &sys::spa_data) -> Result<Self, String> {
        let cannot = |error: Errno| format!("its memory cannot be read: {error}");
        let fd = i32::try_from(data.fd).ok().filter(|fd| *fd >= 0).ok_or("it has no memory")?;
        let bytes = seek(borrowed(fd), SeekFrom::End(0)).map_err(cannot)?;
        let bytes = usize::try_from(bytes).ok().filter(|bytes| (1..=MEMORY_MAX).contains(bytes));
        let bytes = bytes.ok_or("it has no memory")?;
        #[expect(unsafe_code, reason = "memory that is shared with another process has to be mapped")]
        // SAFETY: the address is the kernel's choice, so nothing that is mapped already is touched. The file is as
        // long as the mapping; that it stays so is the compositor's word, which owns the screen anyway.
        let at = unsafe {
            mmap(ptr::null_mut(), bytes, ProtFlags::READ, MapFlags::SHARED, borrowed(fd), 0)
                .map_err(cannot)?
        };
        Ok(Self { at, bytes, fd })
    }

    fn bytes(&self) -> &[u8] {
        #[expect(unsafe_code, reason = "mapped memory is known by its address alone")]
        // SAFETY: `at` is a mapping of `bytes` bytes that lives as long as `self`. The compositor writes into it only
        // while the stream has not lent it, and slices of it are kept no longer than that.
        unsafe {
            slice::from_raw_parts(self.at.cast(), self.bytes)
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "what was mapped has to be unmapped")]
        // SAFETY: it was mapped with this address and length, and slices of it cannot outlive `self`.
        let unmapped = unsafe { munmap(self.at, self.bytes) };
        if let Err(error) = unmapped {
            tracing::debug!(%error, "cannot unmap a picture");
        }
    }
}

/// Says that a GPU's memory is being read: until this goes, the GPU has finished with it and what the processor sees
/// is what the GPU wrote.
struct Reading<'a>(&'a Mapping);

impl<'a> Reading<'a> {
    fn begin(mapping: &'a Mapping) -> Result<Self, String> {
        sync(mapping.fd, READ).map_err(|error| format!("the GPU's memory cannot be read: {error}"))?;
        Ok(Self(mapping))
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if let Err(error) = sync(self.0.fd, READ | END) {
            tracing::debug!(%error, "cannot end reading a GPU's memory");
        }
    }
}

/// DMA_BUF_SYNC_READ and DMA_BUF_SYNC_END of the kernel's `dma-buf.h`.
const READ: u64 = 1;
const END: u64 = 4;

fn sync(fd: i32, flags: u64) -> Result<(), Errno> {
    #[expect(unsafe_code, reason = "the kernel's way to say so is an ioctl")]
    // SAFETY: DMA_BUF_IOCTL_SYNC takes a struct of one u64 and writes nothing; on other files it is refused.
    unsafe {
        ioctl(borrowed(fd), Setter::<{ opcode::write::<u64>(b'b', 0) }, u64>::new(flags))
    }
}

fn borrowed<'a>(fd: i32) -> BorrowedFd<'a> {
    #[expect(unsafe_code, reason = "PipeWire gives numbers")]
    // SAFETY: the stream keeps it open for as long as it has the buffer, and every use ends before that.
    unsafe {
        BorrowedFd::borrow_raw(fd)
    }
}

/// The number at `at`, if there are so many bytes.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn long(bytes: &[u8], at: usize) -> Option<i64> {
    Some(i64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The point at `at`.
pub(super) fn point(bytes: &[u8], at: usize) -> Option<Point> {
    Some(Point { x: word(bytes, at)?.cast_signed(), y: word(bytes, at + 4)?.cast_signed() })
}

/// A rectangle that is not empty; an empty one ends a list, or says that there is none.
fn region(bytes: &[u8]) -> Option<Rect> {
    let corner = point(bytes, 0)?;
    let rect = Rect::new(corner.x, corner.y, word(bytes, 8)?, word(bytes, 12)?);
    (!rect.is_empty()).then_some(rect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_length_is_believed() {
        let bytes = [0; 100];
        let length = |start, rows| checked(&bytes, start, rows).map(<[u8]>::len);
        assert_eq!(length(0, (3, 20, 30)), Some(80));
        assert_eq!(length(20, (3, 20, 30)), Some(80));
        assert_eq!(length(21, (3, 20, 30)), None, "it ends beyond");
        assert_eq!(length(0, (2, 30, 20)), None, "its rows overlap");
        assert_eq!(length(0, (0, 1, 1)), None, "it has no rows");
        assert_eq!(length(usize::MAX, (1, 1, 1)), None);
        assert_eq!(length(1, (usize::MAX, 1, usize::MAX)), None);
    }

    #[test]
    fn a_list_of_regions_ends_with_an_empty_one() {
        let bytes: Vec<u8> =
            [1, 2, 3, 4, u32::MAX, 0, 9, 9, 0, 0, 0, 5].into_iter().flat_map(u32::to_ne_bytes).collect();
        let rects: Vec<Rect> = bytes.chunks_exact(16).map_while(region).collect();
        assert_eq!(rects, [Rect::new(1, 2, 3, 4), Rect::new(-1, 0, 9, 9)]);
        assert_eq!(region(&bytes[..15]), None);
    }
}
