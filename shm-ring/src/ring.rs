//! A ring as its creator sees it: make it, hand out its writer and readers, say that there is no
//! picture while nobody writes.
//!
//! Not here: publishing (`writer`) and reading (`reader`).

use std::io::Write as _;

use raw_sync::events::{BusyEvent, EventInit, EventState};

use crate::clock::unix_ns;
use crate::layout::{Geometry, Header, LATCH};
use crate::{Error, Map, Reader, Segment, Writer};

/// What a ring's header says of its picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// No frame yet.
    Starting,
    /// Frames are coming.
    Live,
    /// None are; the reason says why. They may come back.
    NoSignal,
    /// None will come any more.
    Ended,
}

impl Signal {
    pub(crate) fn tag(self) -> u8 {
        match self {
            Signal::Starting => 0,
            Signal::Live => 1,
            Signal::NoSignal => 2,
            Signal::Ended => 3,
        }
    }

    pub(crate) fn from_tag(tag: u8) -> Self {
        match tag {
            1 => Signal::Live,
            2 => Signal::NoSignal,
            3 => Signal::Ended,
            _ => Signal::Starting,
        }
    }
}

/// A [`Signal`], why, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalState {
    /// The signal.
    pub signal: Signal,
    /// A sentence for a person; may be empty.
    pub reason: String,
    /// Unix time of the change, nanoseconds; 0 where there was none yet.
    pub since_ns: u64,
}

/// A ring that this process created. Dropping it removes the name.
#[derive(Debug)]
pub struct Ring {
    segment: Segment,
    geometry: Geometry,
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
        let ring = Ring { segment, geometry };
        // Empty is `oldest = head + 1`; Relaxed, because the latch publishes all of this.
        ring.header()
            .oldest
            .0
            .store(1, std::sync::atomic::Ordering::Relaxed);
        // The latch's own store is relaxed: the fence makes all before it visible to whoever
        // sees it set and then fences (in `Reader::from_fd`).
        // SAFETY: the latch's two bytes lie inside the map and are nobody else's.
        let latch = unsafe { BusyEvent::new(ring.segment.as_ptr().as_ptr().add(LATCH), false) };
        std::sync::atomic::fence(std::sync::atomic::Ordering::Release);
        let latch = latch.and_then(|(latch, _)| latch.set(EventState::Signaled));
        latch.expect("setting a BusyEvent is one atomic store and returns Ok");
        Ok(ring)
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
        Writer::take_over(self.segment.reopen()?)
    }

    /// Says what there is to see, on behalf of a writer that is gone. While a writer lives, only
    /// that writer may (its own [`Writer::set_signal`]); the caller sees to that.
    pub fn set_signal(&self, signal: Signal, reason: &str) {
        self.header().set_signal(signal, reason);
    }

    /// Gives up the ring in a forked child, as [`Segment::abandon`] does: the name is the
    /// parent's, and writing the child's to nobody.
    pub fn abandon(self) {
        self.segment.abandon();
    }

    fn header(&self) -> &Header {
        // SAFETY: the map is page-aligned, at least a page long, lives as long as `self`, and
        // all fields that change are atomics.
        unsafe { self.segment.as_ptr().cast().as_ref() }
    }
}

impl Header {
    /// The header at the start of a map that was checked to be a ring.
    pub(crate) fn of(map: &Map) -> &Header {
        debug_assert!(map.len() >= size_of::<Header>());
        // SAFETY: as in `Ring::header`; a reader's map is read-only, and readers only load.
        unsafe { map.as_ptr().cast().as_ref() }
    }

    /// Replaces the signal and wakes all readers, where it is a change.
    pub(crate) fn set_signal(&self, signal: Signal, reason: &str) {
        let now = self.signal();
        if (now.signal, now.reason.as_str()) == (signal, reason) && now.since_ns != 0 {
            return;
        }
        self.signal.0.replace(signal.tag(), unix_ns(), reason);
        self.announce();
        crate::sys::futex_wake_all(&self.word.0);
    }

    pub(crate) fn signal(&self) -> SignalState {
        let (tag, since_ns, reason) = self.signal.0.read().unwrap_or_default();
        SignalState {
            signal: Signal::from_tag(tag),
            reason,
            since_ns,
        }
    }

    /// Counts a change. Pairs with the acquire load in `Reader::ticket`: who sees the new word
    /// sees what changed; who saw the old one is not let sleep by the futex.
    pub(crate) fn announce(&self) {
        self.word
            .0
            .fetch_add(1, std::sync::atomic::Ordering::Release);
    }
}
