//! A ring as its creator sees it: make it, say who may read it, hand out its writer and readers,
//! say that there is no picture while nobody writes.
//!
//! Not here: publishing (`writer`) and reading (`reader`).

use std::fs::File;
use std::io::Write as _;

use nix::sys::memfd::{MFdFlags, memfd_create};
use raw_sync::events::{BusyEvent, EventInit, EventState};

use crate::layout::{Geometry, Header, LATCH};
use crate::segment::reopen;
use crate::sync::{Relaxed, Release, fence};
use crate::{Error, Reader, Segment, Signal, Writer, lock, waker};

/// A ring that this process created. Dropping it removes the name.
#[derive(Debug)]
pub struct Ring {
    segment: Segment,
    geometry: Geometry,
    /// What a writer locks: an object without a name, so that no reader can be in its way.
    /// Whoever may read the ring's own file could hold a read lock on that for ever.
    lock: File,
}

impl Ring {
    /// Creates and reserves a ring named `/dev/shm/NAME` with an arena of `arena` bytes, rounded
    /// up to whole pages ([`MIN_ARENA`](crate::MIN_ARENA) to [`MAX_ARENA`](crate::MAX_ARENA)).
    ///
    /// # Errors
    /// [`Error::ArenaSize`], and those of [`Segment::create`].
    pub fn create(name: &str, arena: u64) -> Result<Ring, Error> {
        let geometry = Geometry::new(arena)?;
        let segment = Segment::create(name, geometry.total())?;
        segment
            .reopen()?
            .write_all(&geometry.encode())
            .map_err(|e| Error::os(format!("write the header of {name}"), e))?;
        let lock = memfd_create("shm-ring-writer", MFdFlags::MFD_CLOEXEC)
            .map_err(|e| Error::os("make the writer's lock", e))?;
        let ring = Ring {
            segment,
            geometry,
            lock: lock.into(),
        };
        // Empty is `oldest = head + 1`; Relaxed, because the latch publishes all of this.
        ring.header().indices.oldest.0.store(1, Relaxed);
        // The latch's own store is relaxed: the fence makes all before it visible to whoever
        // sees it set and then fences (in `Mapped::new`).
        // SAFETY: the latch's two bytes lie inside the map and are nobody else's.
        let latch = unsafe { BusyEvent::new(ring.segment.as_ptr().as_ptr().add(LATCH), false) };
        fence(Release);
        let latch = latch.and_then(|(latch, _)| latch.set(EventState::Signaled));
        latch.expect("setting a BusyEvent is one atomic store and returns Ok");
        Ok(ring)
    }

    /// As [`Ring::create`], in place of what stands under the name if nobody writes it: a creator
    /// that is killed leaves its ring behind. Readers of that one keep it, and learn that it was
    /// removed ([`Reader::is_removed`]). One process at a time may do so under a name.
    ///
    /// # Errors
    /// [`Error::WriterLives`], and those of [`Ring::create`].
    pub fn replace(name: &str, arena: u64) -> Result<Ring, Error> {
        match Segment::open_read_only(name) {
            Ok(left) => {
                let written = lock::is_locked(&left);
                if written.map_err(|e| Error::os(format!("look who writes {name}"), e))? {
                    return Err(Error::WriterLives);
                }
                Segment::remove(name)?;
            }
            Err(Error::NotFound { .. }) => {}
            Err(e) => return Err(e),
        }
        Ring::create(name, arena)
    }

    /// Lets the members of a group read the ring: mode 0640 in place of 0600. `gid` is the
    /// group's number.
    ///
    /// # Errors
    /// [`Error::Os`], for instance `EPERM` for a group that the caller is not in.
    pub fn allow_group(&self, gid: u32) -> Result<(), Error> {
        self.segment.allow_group(gid)
    }

    /// As [`Segment::is_truncated`].
    ///
    /// # Errors
    /// [`Error::Os`].
    pub fn is_truncated(&self) -> Result<bool, Error> {
        self.segment.is_truncated()
    }

    /// Bytes of the arena.
    pub fn arena(&self) -> u64 {
        self.geometry.arena
    }

    /// Maps the ring for reading, anew and read-only.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub fn reader(&self) -> Result<Reader, Error> {
        Reader::from_fd(self.segment.read_only())
    }

    /// Takes the ring over for writing, on a map and a lock of the caller's own: they end with
    /// the caller's process, however it ends.
    ///
    /// # Errors
    /// [`Error::WriterLives`], [`Error::Os`].
    pub fn writer(&self) -> Result<Writer, Error> {
        Writer::take_over(self.segment.reopen()?, reopen(&self.lock)?)
    }

    /// Says what there is to see, on behalf of a writer that is gone. While a writer lives, only
    /// that writer may (its own [`Writer::set_signal`]); the caller sees to that.
    pub fn set_signal(&self, signal: Signal, reason: &str) {
        let header = self.header();
        if header.set_signal(signal, reason) {
            waker::wake(&header.indices, self.segment.file());
        }
    }

    /// Gives up the ring in a forked child, as [`Segment::abandon`] does: the name is the
    /// parent's, and writing the child's to nobody.
    pub fn abandon(self) {
        self.segment.abandon();
    }

    fn header(&self) -> &Header {
        // SAFETY: the map is page-aligned, at least a page long, lives as long as `self`, and
        // all fields are atomics.
        unsafe { self.segment.as_ptr().cast().as_ref() }
    }
}
