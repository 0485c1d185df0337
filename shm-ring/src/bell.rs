//! A descriptor that becomes readable when a ring changes: to wait for a ring and for sockets,
//! timers or other rings in one `epoll(7)`, `poll(2)` or `select(2)`.
//!
//! It is an `inotify(7)` descriptor on the ring's own file, which the writer touches after each
//! change: nothing is shared with the writer, it does not know who listens, and any process that
//! may read the ring can have one. It belongs to that one file: a ring that is made anew needs a
//! new bell, and does not ring when it appears. Not here: waiting without one ([`Reader::wait`]).
//!
//! [`Reader::wait`]: crate::Reader::wait

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::unistd::read;

use crate::Error;

/// Reads that empty it, at most: whoever writes to the ring's file all the time may go on ringing,
/// but not keep a reader here.
const READS: usize = 16;

/// Readable after a change of its ring, or after the ring's removal, until [`Bell::clear`].
#[derive(Debug)]
pub struct Bell {
    inotify: Inotify,
}

impl Bell {
    pub(crate) fn new(ring: BorrowedFd<'_>) -> Result<Bell, Error> {
        let failed = |e| {
            Error::os(
                "watch a ring with inotify (sysctl fs.inotify.max_user_instances)",
                e,
            )
        };
        let inotify =
            Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).map_err(failed)?;
        // By descriptor: the name may be another ring's by now.
        let path = format!("/proc/self/fd/{}", ring.as_raw_fd());
        // IN_ATTRIB tells of the name's removal, since the link count changes.
        let events = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_ATTRIB;
        inotify.add_watch(path.as_str(), events).map_err(failed)?;
        Ok(Bell { inotify })
    }

    /// Makes it silent until the next change. Call it *before* looking at the ring, or a change
    /// in between is slept through.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub fn clear(&self) -> Result<(), Error> {
        let mut events = [0; 1024];
        for _ in 0..READS {
            match read(&self.inotify, &mut events) {
                // As many as there were: all are of one size, and 64 of them would fit.
                Ok(len) if len < events.len() => break,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                Err(e) => return Err(Error::os("read an inotify descriptor", e)),
            }
        }
        Ok(())
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
