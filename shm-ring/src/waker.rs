//! Wakes those who wait for a change: a thread does it on the writer's behalf, so that those it
//! wakes pre-empt it and not the writer.
//!
//! Two ways to wait, one announcement: the futex word, and the file itself, on which a
//! [`Bell`](crate::Bell) sits. Not here: what has changed, and who waits.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::thread::JoinHandle;

use crate::layout::BELL;
use crate::memory::Mapped;
use crate::protocol::{Indices, Memory as _};
use crate::{Error, sys};

/// The thread. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Waker {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Waker {
    pub fn start(memory: Arc<Mapped>, file: Arc<File>) -> Result<Waker, Error> {
        let ended = Arc::new(AtomicBool::new(false));
        let seen = ended.clone();
        let thread = std::thread::Builder::new()
            .name("waker".into())
            .spawn(move || {
                loop {
                    std::thread::park(); // a signal before this is not lost
                    // Asked before waking, so that what came before the end is always announced.
                    let ended = seen.load(Acquire);
                    wake(memory.indices(), &file);
                    if ended {
                        return;
                    }
                }
            })
            .map_err(|e| Error::os("start the waker thread", e))?;
        Ok(Waker {
            ended,
            thread: Some(thread),
        })
    }

    /// Has everybody woken, soon.
    pub fn signal(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.ended.store(true, Release); // after all that was to be announced
        self.signal();
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked: it parks and makes two system calls.
            let _ = thread.join();
        }
    }
}

/// Wakes all who wait, in this thread.
pub(crate) fn wake(indices: &Indices, file: &File) {
    sys::futex_wake_all(&indices.word.0);
    // What is written means nothing: that the file is written to is what inotify(7) tells, and
    // only a writer of the ring can do it. Nothing that it could fail of is known, and a bell
    // that does not ring leaves the futex.
    let _ = file.write_all_at(&[0; 4], BELL);
}
