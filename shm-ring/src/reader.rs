//! A reader: looks at a ring that it cannot change, and trusts nothing in it unchecked.
//!
//! Not here: which frame to read next and what to make of a gap (the caller's policy, or that of
//! [`crate::Consumer`]); the order of its loads (`protocol`).

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use crate::frame::FrameInfo;
use crate::memory::{Mapped, Use};
use crate::protocol::{self, Bounds, Gone, Memory as _};
use crate::segment::Segment;
use crate::signal::SignalState;
use crate::sync::Relaxed;
use crate::{Bell, Error, copy, sys};

/// The count of changes at some moment: what [`Reader::wait`] waits to see changed. Take it
/// *before* looking at the ring, or a change in between is slept through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u32);

/// A read-only view of a ring. A process may have any number of them, of any rings.
#[derive(Debug)]
pub struct Reader {
    memory: Mapped,
    fd: OwnedFd,
}

impl Reader {
    /// Opens the ring `/dev/shm/NAME`, read-only.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotARing`] (also while it is being created),
    /// [`Error::Version`], [`Error::Os`].
    pub fn attach(name: &str) -> Result<Reader, Error> {
        Reader::new(Segment::open_read_only(name)?)
    }

    /// Maps the ring behind a descriptor, read-only, and keeps a duplicate of it.
    ///
    /// # Errors
    /// As [`Reader::attach`].
    pub fn from_fd(fd: impl AsFd) -> Result<Reader, Error> {
        let own = fd.as_fd().try_clone_to_owned();
        Reader::new(own.map_err(|e| Error::os("duplicate a ring's descriptor", e))?)
    }

    fn new(fd: OwnedFd) -> Result<Reader, Error> {
        let memory = Mapped::new(fd.as_fd(), Use::Reading)?;
        Ok(Reader { memory, fd })
    }

    /// Bytes of the arena.
    pub fn arena(&self) -> u64 {
        self.memory.geometry().arena
    }

    /// How many frames it can hold at most, however small.
    pub fn descriptors(&self) -> u64 {
        self.memory.geometry().descriptors
    }

    /// Which frames are readable now.
    pub fn bounds(&self) -> Bounds {
        protocol::bounds(self.memory.indices())
    }

    /// Which run of the writer is the latest; 0 before the first.
    pub fn epoch(&self) -> u64 {
        self.memory.header().epoch.load(Relaxed)
    }

    /// When the writer last showed life, `CLOCK_MONOTONIC` nanoseconds; 0 before the first.
    pub fn heartbeat_ns(&self) -> u64 {
        self.memory.header().heartbeat_ns.load(Relaxed)
    }

    /// The latest writer's process, by its number in its own namespace; 0 before the first.
    pub fn writer_pid(&self) -> u32 {
        self.memory.header().writer_pid.load(Relaxed)
    }

    /// What the ring says of its picture.
    pub fn signal(&self) -> SignalState {
        self.memory.header().signal()
    }

    /// Whether the ring's name was removed: nothing new will come here, and another ring may
    /// stand under the name.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub fn is_removed(&self) -> Result<bool, Error> {
        let stat =
            nix::sys::stat::fstat(&self.fd).map_err(|e| Error::os("fstat shared memory", e))?;
        Ok(stat.st_nlink == 0)
    }

    /// Whether the ring was cut short from outside and this reader touched what is missing, in a
    /// process that survives it ([`survive_truncation`](crate::survive_truncation)). Nothing will
    /// come here any more: no frame is readable, and all else is as in an empty ring.
    pub fn is_lost(&self) -> bool {
        self.memory.is_lost()
    }

    /// Asks the kernel whether the ring was cut short, also if this reader did not touch what is
    /// missing. For whoever waits in vain.
    ///
    /// # Errors
    /// [`Error::Truncated`] where it was; [`Error::Os`].
    pub fn check_len(&self) -> Result<(), Error> {
        self.memory.check_len(self.fd.as_fd())
    }

    /// The count of changes.
    pub fn ticket(&self) -> Ticket {
        Ticket(self.memory.indices().changes())
    }

    /// Waits for a change since `ticket`, at most `timeout`; a signal handler ends it, too, and
    /// on a ring that [is lost](Reader::is_lost) it does not wait.
    pub fn wait(&self, ticket: Ticket, timeout: Duration) {
        sys::futex_wait(&self.memory.indices().word.0, ticket.0, timeout);
    }

    /// A descriptor that becomes readable after a change, to wait in an `epoll(7)` set.
    ///
    /// # Errors
    /// [`Error::Os`], for instance where `fs.inotify.max_user_instances` is used up.
    pub fn bell(&self) -> Result<Bell, Error> {
        Bell::new(self.fd.as_fd())
    }

    /// Lends frame `id`, whose bytes may be overwritten at any moment.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn frame(&self, id: u64) -> Result<MaybeTorn<'_>, Gone> {
        let record = protocol::find(&self.memory, id)?;
        if self.is_lost() {
            return Err(Gone::Overwritten); // by zeros, which passed the check for it
        }
        Ok(MaybeTorn {
            reader: self,
            offset: record.position % self.arena(),
            info: FrameInfo::from_record(&record),
        })
    }

    /// Copies frame `id` into `bytes`, in place of what was there. It is whole.
    ///
    /// # Errors
    /// [`Gone`]; also when it was overwritten during the copy.
    pub fn read(&self, id: u64, bytes: &mut Vec<u8>) -> Result<FrameInfo, Gone> {
        bytes.clear();
        let frame = self.frame(id)?;
        frame.copy_range(0..frame.info.len, bytes);
        if !frame.is_intact() {
            bytes.clear();
            return Err(Gone::Overwritten);
        }
        Ok(frame.info)
    }
}

impl AsFd for Reader {
    /// The ring's descriptor, open for reading: what [`Reader::bell`] and [`Reader::is_removed`]
    /// need, and the rest does not.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A frame lent straight from the ring. Nothing taken from it counts before
/// [`is_intact`](MaybeTorn::is_intact) has said so *afterwards*.
#[derive(Debug)]
pub struct MaybeTorn<'a> {
    reader: &'a Reader,
    /// Bytes from the arena's start; with `info.len` within the arena.
    offset: u64,
    info: FrameInfo,
}

impl MaybeTorn<'_> {
    /// What the ring knows of the frame; whole, since it was checked when the frame was lent.
    pub fn info(&self) -> &FrameInfo {
        &self.info
    }

    /// Hands the frame's bytes in `range` to a descriptor in one `write(2)`, straight from the
    /// ring. Returns how many it took, which may be fewer. The kernel copies them in the call:
    /// what is overwritten later does not change what was written, and what was overwritten
    /// earlier shows in [`is_intact`](MaybeTorn::is_intact).
    ///
    /// # Errors
    /// Those of `write(2)`; `EFAULT` where the ring was cut short from outside.
    ///
    /// # Panics
    /// If the range is not within `0..len`.
    pub fn write_to(&self, fd: BorrowedFd<'_>, range: Range<usize>) -> io::Result<usize> {
        let (at, len) = self.part(&range);
        // SAFETY: `part` vouches for the range.
        unsafe { sys::write(fd, at, len) }
    }

    /// Hands `before` and the frame's bytes in `range` to a socket in one `sendmsg(2)`, and says
    /// that more follows (`MSG_MORE`). Returns how many bytes of the two together it took; as to
    /// what they are, see [`write_to`](MaybeTorn::write_to). A sender keeps the frame's last bytes
    /// back until it has asked whether it is intact.
    ///
    /// # Errors
    /// Those of `sendmsg(2)`; `EFAULT` where the ring was cut short from outside.
    ///
    /// # Panics
    /// If the range is not within `0..len`.
    pub fn send_to(
        &self,
        socket: BorrowedFd<'_>,
        before: &[u8],
        range: Range<usize>,
    ) -> io::Result<usize> {
        let (at, len) = self.part(&range);
        // SAFETY: `part` vouches for the range.
        unsafe { sys::send_behind(socket, before, at, len) }
    }

    /// Appends the bytes of `range` to `out`.
    ///
    /// # Panics
    /// If the range is not within `0..len`.
    pub fn copy_range(&self, range: Range<usize>, out: &mut Vec<u8>) {
        let (from, len) = self.part(&range);
        out.reserve(len);
        let filled = out.len();
        // SAFETY: `part` vouches for the source, `reserve` made `len` bytes of room that this
        // vector alone owns, and all of them are written before `set_len`.
        unsafe {
            copy::copy_out(out.as_mut_ptr().add(filled), from, len);
            out.set_len(filled + len);
        }
    }

    /// Whether all that was taken from the frame until now was the frame's.
    pub fn is_intact(&self) -> bool {
        // The stress test's control: without the check it must find torn frames.
        cfg!(shm_ring_unchecked)
            // In this order: the zeros of a lost map would pass the first check.
            || !protocol::is_overwritten(self.reader.memory.indices(), self.info.id)
                && !self.reader.is_lost()
    }

    /// The bytes of a range, which must be within the frame; they are then within the map.
    fn part(&self, range: &Range<usize>) -> (*const u8, usize) {
        assert!(range.start <= range.end && range.end <= self.info.len);
        let (at, len) = (self.offset + range.start as u64, range.len());
        (self.reader.memory.arena_ptr(at, len as u64), len)
    }
}
