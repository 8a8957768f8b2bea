//! Memory that the X server writes pictures into.
//!
//! Owns: the only unsafe code of the X11 back end. Tested with it.

use super::{fault::Fault, link::Server};
use rustix::{
    fs::{MemfdFlags, ftruncate, memfd_create},
    mm::{MapFlags, ProtFlags, mmap, munmap},
};
use std::{ffi::c_void, ptr, slice, sync::Arc};
use x11rb::{
    connection::Connection as _,
    protocol::shm::{self, ConnectionExt as _},
};

/// A piece of memory that this process and the X server both have. The server writes into it only while it answers a
/// request that names it, and [`Pool`](crate::pool::Pool) hands out for that only what nobody reads.
pub(super) struct Segment {
    server: Arc<Server>,
    pub id: shm::Seg,
    at: *mut c_void,
    bytes: usize,
}

#[expect(unsafe_code, reason = "the memory is this value's own and is not tied to a thread")]
// SAFETY: `at` is a mapping that only this value unmaps; nothing here depends on the thread that looks at it.
unsafe impl Send for Segment {}

impl Segment {
    /// Of this size, black.
    pub fn new(server: &Arc<Server>, bytes: usize) -> Result<Self, Fault> {
        let memory = |error: rustix::io::Errno| Fault::Refused(format!("no memory for pictures: {error}"));
        let bytes = bytes.max(1);
        let file = memfd_create("spool-screen", MemfdFlags::CLOEXEC).map_err(memory)?;
        ftruncate(&file, bytes as u64).map_err(memory)?;
        #[expect(unsafe_code, reason = "memory that is shared with another process has to be mapped")]
        // SAFETY: the address is the kernel's choice, so nothing that is mapped already is touched; the file is as
        // long as the mapping and this process keeps no way to shorten it.
        let at = unsafe {
            mmap(ptr::null_mut(), bytes, ProtFlags::READ, MapFlags::SHARED, &file, 0).map_err(memory)?
        };
        let id = server.generate_id()?;
        let segment = Self { server: Arc::clone(server), id, at, bytes };
        // Where descriptors cannot be passed the server is on another machine, and shares no memory with this one.
        let attached =
            server.shm_attach_fd(id, file, false).map_err(Fault::from).and_then(|sent| Ok(sent.check()?));
        attached.map_err(|fault| match fault {
            Fault::Server(message) | Fault::Refused(message) => {
                Fault::Lacks(format!("the X server shares no memory with this machine ({message})"))
            }
            other => other,
        })?;
        Ok(segment)
    }
}

impl AsRef<[u8]> for Segment {
    fn as_ref(&self) -> &[u8] {
        #[expect(
            unsafe_code,
            reason = "memory that is shared with another process is known by its address alone"
        )]
        // SAFETY: `at` is a mapping of `bytes` bytes that lives as long as `self`. The server writes into it only
        // between a request and its reply, during which the pool has lent it to nobody.
        unsafe {
            slice::from_raw_parts(self.at.cast(), self.bytes)
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // A server that is gone has detached it already.
        let _ = self.server.shm_detach(self.id);
        let _ = self.server.flush();
        #[expect(unsafe_code, reason = "what was mapped has to be unmapped")]
        // SAFETY: it was mapped with this address and length, and slices of it cannot outlive `self`.
        let unmapped = unsafe { munmap(self.at, self.bytes) };
        if let Err(error) = unmapped {
            tracing::debug!(%error, "cannot unmap a picture");
        }
    }
}
