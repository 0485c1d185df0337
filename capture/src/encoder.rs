//! Encoding on a thread of its own, so that it never delays the dequeue of a camera.
//!
//! A frame is copied out of the driver's buffer, which may then be queued again at once, and waits
//! until the encoder is free. At most one waits: a newer one takes its place, and the old one is skipped and
//! counted. `Desk` is what happens to frames, without threads or clocks; [`EncoderThread`] is the thin
//! shell around it. All buffers are used again: nothing is allocated per frame.
//!
//! Not here: the formats and the encoding (`picture::encode`), and what a skipped frame is counted as.

use std::io;
use std::mem::{replace, swap};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use picture::encode::{Encoder, Planes, RawFormat};

/// What is known of a frame beside its pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Unix time of capture, nanoseconds.
    pub captured_ns: u64,
    /// The driver's count of the frame.
    pub sequence: u64,
}

/// The desk between the thread that captures and the one that encodes: one frame may wait to be encoded,
/// one result to be taken. `J` and `R` are their buffers, which change hands by swapping.
#[derive(Debug, Default)]
struct Desk<J, R> {
    job: J,
    waiting: bool,
    result: R,
    done: bool,
}

impl<J, R> Desk<J, R> {
    /// Lays a job down and gives a buffer back. Whether one that waited was skipped for it.
    fn put(&mut self, job: &mut J) -> bool {
        swap(&mut self.job, job);
        replace(&mut self.waiting, true)
    }

    /// Gives the job that waits to the encoder, if there is one. While a result has not been taken
    /// none begins: it would be older than the one that comes next.
    fn begin(&mut self, job: &mut J) -> bool {
        if self.done || !replace(&mut self.waiting, false) {
            return false;
        }
        swap(&mut self.job, job);
        true
    }

    /// Lays the result down of what was begun.
    fn finish(&mut self, result: &mut R) {
        swap(&mut self.result, result);
        self.done = true;
    }

    /// Gives the result that waits, if there is one.
    fn take(&mut self, result: &mut R) -> bool {
        let done = replace(&mut self.done, false);
        if done {
            swap(&mut self.result, result);
        }
        done
    }
}

#[derive(Debug, Default)]
struct Job {
    planes: Planes,
    stamp: Stamp,
}

#[derive(Debug, Default)]
struct Outcome {
    jpeg: Vec<u8>,
    stamp: Stamp,
    error: Option<picture::Error>,
}

struct Shared {
    state: Mutex<State>,
    /// The encoder may have something to do, or is to stop.
    work: Condvar,
    /// A result waits to be taken.
    ready: EventFd,
}

#[derive(Default)]
struct State {
    desk: Desk<Job, Outcome>,
    stop: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that encodes. Dropping it waits for the frame it is at.
pub struct EncoderThread {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// What the next frame is loaded into.
    loading: Job,
    /// What was taken last, lent to the caller.
    taken: Outcome,
    /// Submitted, and neither skipped nor taken.
    pending: u64,
}

impl EncoderThread {
    /// Starts it, with that JPEG quality (1 to 100).
    ///
    /// # Errors
    /// Another quality (`InvalidInput`); no thread or descriptor to be had.
    pub fn start(quality: u8) -> io::Result<EncoderThread> {
        let encoder = Encoder::new(quality)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e.to_string()))?;
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            ready: EventFd::from_flags(flags)?,
        });
        let thread = {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name("encoder".to_owned())
                .spawn(move || encode_all(&shared, encoder))?
        };
        Ok(EncoderThread {
            shared,
            thread: Some(thread),
            loading: Job::default(),
            taken: Outcome::default(),
            pending: 0,
        })
    }

    /// Copies a frame out of `raw`, for the encoder to come to it. How many frames (0 or 1) were skipped for it.
    ///
    /// # Errors
    /// As [`Planes::load`]: the frame is not whole, or of no size that can be encoded.
    pub fn submit(
        &mut self,
        raw: &[u8],
        format: &RawFormat,
        stamp: Stamp,
    ) -> Result<u64, picture::Error> {
        self.loading.planes.load(raw, format)?;
        self.loading.stamp = stamp;
        let skipped = u64::from(self.shared.state().desk.put(&mut self.loading));
        self.shared.work.notify_one();
        self.pending += 1 - skipped;
        Ok(skipped)
    }

    /// The next JPEG, if one is ready, in the order of submission.
    ///
    /// # Errors
    /// As [`Encoder::encode`]: this one frame is lost.
    pub fn take(&mut self) -> Option<Result<(&[u8], Stamp), picture::Error>> {
        let taken = {
            let mut state = self.shared.state();
            // Within the lock, so that it is ready exactly while a result waits.
            let _ = self.shared.ready.read();
            state.desk.take(&mut self.taken)
        };
        if !taken {
            return None;
        }
        self.shared.work.notify_one();
        self.pending -= 1;
        Some(match self.taken.error.take() {
            None => Ok((&self.taken.jpeg, self.taken.stamp)),
            Some(e) => Err(e),
        })
    }

    /// Frames that were submitted and are still to be taken, 0 to 3. To drop the thread is to lose them.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.pending
    }
}

/// Readable (POLLIN) while [`EncoderThread::take`] has something to give.
impl AsFd for EncoderThread {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.ready.as_fd()
    }
}

impl Drop for EncoderThread {
    fn drop(&mut self) {
        self.shared.state().stop = true;
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there has been said, and is no reason for another.
            let _ = thread.join();
        }
    }
}

fn encode_all(shared: &Shared, mut encoder: Encoder) {
    let (mut job, mut outcome) = (Job::default(), Outcome::default());
    loop {
        let mut state = shared.state();
        while !state.stop && !state.desk.begin(&mut job) {
            state = shared
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.stop {
            return;
        }
        drop(state);
        outcome.error = encoder.encode(&job.planes, &mut outcome.jpeg).err();
        outcome.stamp = job.stamp;
        let mut state = shared.state();
        state.desk.finish(&mut outcome);
        wake(&shared.ready);
    }
}

fn wake(ready: &EventFd) {
    // Its count is 0 or 1, so it has room (EAGAIN is for a full one), and a signal does not break in
    // (EINTR) where nothing waits.
    while ready.write(1) == Err(Errno::EINTR) {}
}

#[cfg(test)]
mod tests;
