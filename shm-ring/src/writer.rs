//! The writer: the one process that publishes.
//!
//! Not here: the order of its stores (`protocol`), what a frame is, and what to do when one does
//! not fit.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use crate::clock::{monotonic_ns, unix_ns};
use crate::frame::{FrameMeta, words};
use crate::memory::{Mapped, Use};
use crate::protocol::Publisher;
use crate::signal::{Signal, SignalState};
use crate::sync::Relaxed;
use crate::waker::Waker;
use crate::{Error, lock};

/// The one writer of a ring. Dropping it, or dying, lets a successor take over.
#[derive(Debug)]
pub struct Writer {
    memory: Arc<Mapped>,
    publisher: Publisher,
    epoch: u64,
    waker: Waker,
    file: Arc<File>,
    /// Held: closed, and so released, with the writer.
    lock: File,
}

impl Writer {
    /// Takes over the ring in `file`, if it gets the lock on `lock`; both opened for reading and
    /// writing by the caller itself (a lock on an inherited descriptor would outlive its holder).
    ///
    /// # Errors
    /// [`Error::WriterLives`], [`Error::NotARing`], [`Error::Version`], [`Error::Os`].
    pub(crate) fn take_over(file: File, lock: File) -> Result<Writer, Error> {
        let locked =
            lock::try_lock(&lock).map_err(|e| Error::os("lock the ring for writing", e))?;
        if !locked {
            return Err(Error::WriterLives);
        }
        // Shown to whoever does not have that lock, and no more: a reader's read lock on the
        // ring's own file may be in the way.
        let _ = lock::try_lock(&file);
        let file = Arc::new(file);
        let memory = Arc::new(Mapped::new(file.as_fd(), Use::Writing)?);
        let publisher = Publisher::resume(&*memory).map_err(|head| Error::NotARing {
            why: format!("no ring ever reached frame {head}"),
        })?;
        let header = memory.header();
        let last = header.epoch.load(Relaxed);
        let epoch = last.saturating_add(1).max(unix_ns() / 1_000_000_000);
        header.epoch.store(epoch, Relaxed);
        header.writer_pid.store(std::process::id(), Relaxed);
        let waker = Waker::start(memory.clone(), file.clone())?;
        let writer = Writer {
            memory,
            publisher,
            epoch,
            waker,
            file,
            lock,
        };
        writer.beat();
        Ok(writer)
    }

    /// The id that the next published frame will get.
    pub fn next_id(&self) -> u64 {
        self.publisher.next_id()
    }

    /// Which run of a writer this is: at least the Unix time in seconds at its start, and above
    /// every earlier one's.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Publishes a frame and returns its id. Costs the same however many readers there are.
    ///
    /// # Errors
    /// [`Error::EmptyFrame`], [`Error::FrameTooLarge`]; the ring is as before.
    /// [`Error::Truncated`]; this writer will publish nothing any more. That needs
    /// [`survive_truncation`](crate::survive_truncation).
    pub fn publish(&mut self, bytes: &[u8], meta: &FrameMeta) -> Result<u64, Error> {
        let len = bytes.len() as u64;
        if len == 0 {
            return Err(Error::EmptyFrame);
        }
        let geometry = self.memory.geometry();
        if len > geometry.shape().max_frame {
            return Err(Error::FrameTooLarge {
                len,
                arena: geometry.arena,
                needed: (len * 4).next_multiple_of(1 << 20),
            });
        }
        let epoch = self.epoch;
        let meta = || words(meta, unix_ns(), epoch);
        let id = self.publisher.publish(&*self.memory, bytes, meta);
        if self.memory.is_lost() {
            self.memory.check_len(self.file.as_fd())?;
        }
        self.waker.signal();
        self.beat();
        Ok(id)
    }

    /// What the ring says there is to see.
    pub fn signal(&self) -> SignalState {
        self.memory.header().signal()
    }

    /// Says what there is to see, and wakes the readers if it is a change.
    pub fn set_signal(&mut self, signal: Signal, reason: &str) {
        if self.memory.header().set_signal(signal, reason) {
            self.waker.signal();
        }
    }

    /// Shows that this writer is alive while it has nothing to publish.
    pub fn beat(&self) {
        let header = self.memory.header();
        header.heartbeat_ns.store(monotonic_ns(), Relaxed);
    }

    /// The descriptors that must stay open for the writer to be the writer.
    pub fn fds(&self) -> [BorrowedFd<'_>; 2] {
        [self.file.as_fd(), self.lock.as_fd()]
    }
}
