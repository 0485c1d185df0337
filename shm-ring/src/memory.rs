//! A ring that is mapped and was checked: the protocol's memory, as it is in a process.
//!
//! Not here: what is done with it (`protocol`), and who may map it how (`reader`, `writer`).

use std::os::fd::BorrowedFd;

use raw_sync::Timeout;
use raw_sync::events::{BusyEvent, EventInit};

use crate::frame::META;
use crate::layout::{FIXED, Geometry, Header, LATCH, PAGE};
use crate::protocol::{Descriptor, Indices, Memory, Shape};
use crate::segment::len_of;
use crate::sync::{Acquire, fence};
use crate::{Error, Map, copy};

/// A map, and where things lie in it.
#[derive(Debug)]
pub(crate) struct Mapped {
    map: Map,
    geometry: Geometry,
}

/// What a map may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Reading,
    Writing,
}

impl Mapped {
    /// Checks that `fd` is a finished ring, and maps it.
    ///
    /// # Errors
    /// [`Error::NotARing`], [`Error::Version`], [`Error::Os`].
    pub fn new(fd: BorrowedFd<'_>, what_for: Use) -> Result<Mapped, Error> {
        let segment = len_of(fd)?;
        let mut fixed = [0; FIXED];
        // Read once, by the kernel, into private memory: what is checked here cannot change after.
        let got = nix::sys::uio::pread(fd, &mut fixed, 0)
            .map_err(|e| Error::os("read a ring's header", e))?;
        if got < FIXED {
            return Err(Error::NotARing {
                why: format!("it has only {segment} bytes"),
            });
        }
        let geometry = Geometry::decode(&fixed, segment)?;
        if !latched([fixed[LATCH], fixed[LATCH + 1]]) {
            return Err(Error::NotARing {
                why: "its creation was not finished".into(),
            });
        }
        fence(Acquire); // pairs with the release fence in `Ring::create`
        let map = match what_for {
            Use::Reading => Map::read_only(fd)?,
            Use::Writing => Map::read_write(fd)?,
        };
        if (map.len() as u64) < geometry.total() {
            return Err(Error::NotARing {
                why: "it was cut short while it was opened".into(),
            });
        }
        Ok(Mapped { map, geometry })
    }

    /// As [`Map::is_lost`].
    pub fn is_lost(&self) -> bool {
        self.map.is_lost()
    }

    /// [`Error::Truncated`] where the ring behind `fd` was cut short, seen by the map or not yet.
    pub fn check_len(&self, fd: BorrowedFd<'_>) -> Result<(), Error> {
        let (len, left) = (self.map.len() as u64, len_of(fd)?);
        if self.is_lost() || left < len {
            return Err(Error::Truncated { len, left });
        }
        Ok(())
    }

    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    pub fn header(&self) -> &Header {
        // SAFETY: `new` checked that the map is as long as the geometry says, more than a page;
        // maps are page-aligned; all fields are atomics, and of a read-only map nothing but loads
        // is asked.
        unsafe { self.map.as_ptr().cast().as_ref() }
    }

    /// The place of byte `at` of the arena. `at..at + len` must lie within it.
    pub fn arena_ptr(&self, at: u64, len: u64) -> *mut u8 {
        assert!(at <= self.geometry.arena && len <= self.geometry.arena - at);
        // SAFETY: the arena lies within the map (checked in `new`), and `at` within the arena.
        unsafe {
            let start = self.map.as_ptr().as_ptr();
            start.add((self.geometry.arena_offset + at) as usize)
        }
    }
}

impl Memory<META> for Mapped {
    fn shape(&self) -> Shape {
        self.geometry.shape()
    }

    fn indices(&self) -> &Indices {
        &self.header().indices
    }

    fn descriptor(&self, id: u64) -> &Descriptor<META> {
        let slot = (id % self.geometry.descriptors) as usize;
        let at = PAGE as usize + slot * size_of::<Descriptor<META>>();
        // SAFETY: the table lies within the map (its geometry was checked against the map's
        // length), aligned since it begins on a page, and all its fields are atomics.
        unsafe { self.map.as_ptr().add(at).cast().as_ref() }
    }

    fn store_bytes(&self, at: u64, bytes: &[u8]) {
        let to = self.arena_ptr(at, bytes.len() as u64);
        // SAFETY: `arena_ptr` vouches for the range, the writer's map is writable, and no
        // reference into the arena exists anywhere.
        unsafe { copy::copy_in(to, bytes.as_ptr(), bytes.len()) }
    }
}

/// Tests the ready latch, on a private copy and without waiting: a `BusyEvent` whose second byte
/// (`auto_reset`) is set would write when it is tested, and the map may be read-only.
fn latched(mut latch: [u8; 2]) -> bool {
    // SAFETY: the event lies in a local array of its size and does not outlive it.
    let event = unsafe { BusyEvent::from_existing(latch.as_mut_ptr()) };
    event.is_ok_and(|(event, _)| event.wait(Timeout::Val(std::time::Duration::ZERO)).is_ok())
}
