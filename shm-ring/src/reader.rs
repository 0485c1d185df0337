//! A reader: looks at a ring that it cannot change, and trusts nothing in it unchecked.
//!
//! Not here: which frame to read next and what to make of a gap; that is the caller's policy.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::fence;
use std::time::Duration;

use raw_sync::Timeout;
use raw_sync::events::{BusyEvent, EventInit};

use crate::layout::{FIXED, FrameInfo, Geometry, Header, LATCH};
use crate::ring::SignalState;
use crate::segment::{Segment, len_of};
use crate::writer::descriptor;
use crate::{Error, Map, sys};

/// The ids that were readable when it was asked: `oldest ≤ id ≤ head`; empty is
/// `oldest = head + 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The oldest readable frame's id.
    pub oldest: u64,
    /// The newest frame's id; 0 before the first.
    pub head: u64,
}

/// The count of changes at some moment: what [`Reader::wait`] waits to see changed. Take it
/// *before* looking at the ring, or a change in between is slept through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u32);

/// Why a frame cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Gone {
    /// It is above `head`.
    #[error("not published yet")]
    NotYet,
    /// It is below `oldest`, or its descriptor is no frame of this ring.
    #[error("overwritten")]
    Overwritten,
}

/// A read-only view of a ring.
#[derive(Debug)]
pub struct Reader {
    map: Map,
    geometry: Geometry,
}

impl Reader {
    /// Opens the ring `/dev/shm/NAME`, read-only.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotARing`] (also while it is being created),
    /// [`Error::Version`], [`Error::Os`].
    pub fn attach(name: &str) -> Result<Reader, Error> {
        Reader::from_fd(Segment::open_read_only(name)?)
    }

    /// Maps the ring behind a descriptor, read-only.
    ///
    /// # Errors
    /// As [`Reader::attach`].
    pub fn from_fd(fd: impl AsFd) -> Result<Reader, Error> {
        let fd = fd.as_fd();
        let segment = len_of(fd)?;
        let mut fixed = [0; FIXED];
        // Read once, by the kernel, into private memory: what is checked here cannot change after.
        let got = nix::sys::uio::pread(fd, &mut fixed, 0)
            .map_err(|e| Error::os("read a ring's header", e))?;
        if got < FIXED {
            return Err(Error::NotARing {
                why: format!("it is {segment} bytes short"),
            });
        }
        let geometry = Geometry::decode(&fixed, segment)?;
        if !latched([fixed[LATCH], fixed[LATCH + 1]]) {
            return Err(Error::NotARing {
                why: "its creation was not finished".into(),
            });
        }
        fence(Acquire); // pairs with the release fence in `Ring::create`
        let map = Map::read_only(fd)?;
        Ok(Reader { map, geometry })
    }

    /// Bytes of the arena.
    pub fn arena(&self) -> u64 {
        self.geometry.arena
    }

    /// Which frames are readable now.
    pub fn bounds(&self) -> Bounds {
        let header = Header::of(&self.map);
        // Pairs with the release store in `Writer::publish`.
        let head = header.head.0.load(Acquire);
        // It may have risen past this head meanwhile: then nothing up to it is readable.
        let oldest = header.oldest.0.load(Relaxed).min(head.saturating_add(1));
        Bounds { oldest, head }
    }

    /// Which run of the writer is the latest; 0 before the first.
    pub fn epoch(&self) -> u64 {
        Header::of(&self.map).epoch.load(Relaxed)
    }

    /// The count of changes. Pairs with the release increment in `Header::announce`.
    pub fn ticket(&self) -> Ticket {
        Ticket(Header::of(&self.map).word.0.load(Acquire))
    }

    /// Waits for a change since `ticket`, at most `timeout`; a signal handler ends it, too.
    pub fn wait(&self, ticket: Ticket, timeout: Duration) {
        sys::futex_wait(&Header::of(&self.map).word.0, ticket.0, timeout);
    }

    /// What the ring says of its picture.
    pub fn signal(&self) -> SignalState {
        Header::of(&self.map).signal()
    }

    /// Lends frame `id`, whose bytes may be overwritten at any moment.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn frame(&self, id: u64) -> Result<MaybeTorn<'_>, Gone> {
        if id == 0 || id > self.bounds().head {
            return Err(Gone::NotYet);
        }
        let found = descriptor(&self.map, &self.geometry, id).load(id, &self.geometry);
        let overwritten = self.is_overwritten(id);
        match found {
            Some((position, info)) if !overwritten => Ok(MaybeTorn {
                reader: self,
                offset: (self.geometry.arena_offset + position % self.geometry.arena) as usize,
                info,
            }),
            _ => Err(Gone::Overwritten),
        }
    }

    /// Whether what was read of frame `id` until now may be another's.
    fn is_overwritten(&self, id: u64) -> bool {
        // Pairs with the release fence in `Writer::make_room`: if any load before this saw a byte
        // stored after that fence, the load after this sees `oldest` raised. An acquire load of
        // `oldest` would not do: it orders what comes after it.
        fence(Acquire);
        Header::of(&self.map).oldest.0.load(Relaxed) > id
    }
}

/// Tests the ready latch, on a private copy and without waiting: a `BusyEvent` whose second byte
/// (`auto_reset`) is set would write when it is tested, and the map is read-only.
fn latched(mut latch: [u8; 2]) -> bool {
    // SAFETY: the event lies in a local array of its size and does not outlive it.
    let event = unsafe { BusyEvent::from_existing(latch.as_mut_ptr()) };
    event.is_ok_and(|(event, _)| event.wait(Timeout::Val(Duration::ZERO)).is_ok())
}

/// A frame lent straight from the ring. Nothing taken from it counts before
/// [`is_intact`](MaybeTorn::is_intact) has said so *afterwards*.
#[derive(Debug)]
pub struct MaybeTorn<'a> {
    reader: &'a Reader,
    /// Bytes from the map's start; with `info.len` within the arena.
    offset: usize,
    info: FrameInfo,
}

impl MaybeTorn<'_> {
    /// What the ring knows of the frame; whole, since it was checked when the frame was lent.
    pub fn info(&self) -> &FrameInfo {
        &self.info
    }

    /// Hands `before` and the frame's bytes in `range` to a socket in one `sendmsg(2)`, and says
    /// that more follows (`MSG_MORE`). Returns how many bytes of the two together it took. The
    /// kernel copies them in the call: what is overwritten later does not change what was
    /// written, and what was overwritten earlier shows in [`is_intact`](MaybeTorn::is_intact).
    /// So a sender keeps the frame's last bytes back until it has asked that.
    ///
    /// # Errors
    /// Those of `sendmsg(2)`.
    ///
    /// # Panics
    /// If the range is not within `0..len`.
    pub fn send_to(
        &self,
        socket: BorrowedFd<'_>,
        before: &[u8],
        range: Range<usize>,
    ) -> io::Result<usize> {
        assert!(range.start <= range.end && range.end <= self.info.len);
        // SAFETY: `frame` checked that offset and length lie within the map, and the range lies
        // within the length.
        unsafe { sys::send_behind(socket, before, self.at(range.start), range.len()) }
    }

    /// Appends the bytes of `range` to `out`.
    ///
    /// # Panics
    /// If the range is not within `0..len`.
    pub fn copy_range(&self, range: Range<usize>, out: &mut Vec<u8>) {
        assert!(range.start <= range.end && range.end <= self.info.len);
        let len = range.len();
        out.reserve(len);
        let filled = out.len();
        // SAFETY: the range is within the frame and so within the map, `reserve` made `len` bytes
        // of room that this vector alone owns, and all of them are written before `set_len`.
        unsafe {
            crate::copy::copy(out.as_mut_ptr().add(filled), self.at(range.start), len);
            out.set_len(filled + len);
        }
    }

    /// Whether all that was taken from the frame until now was the frame's.
    pub fn is_intact(&self) -> bool {
        !self.reader.is_overwritten(self.info.id)
    }

    fn at(&self, start: usize) -> *const u8 {
        debug_assert!(start <= self.info.len);
        // SAFETY: `offset + len` lies within the map.
        unsafe { self.reader.map.as_ptr().as_ptr().add(self.offset + start) }
    }
}
