//! The calls that are `unsafe` in Rust. Not here: any decision.

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicU64;

use anyhow::{Result, anyhow, ensure};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::unistd::{ForkResult, fork};
use raw_sync::events::{Event, EventImpl, EventInit};

use crate::event::Party;
use crate::tally::Tally;

/// What may begin as zeros in memory that several processes change.
///
/// # Safety
/// The type consists of atomics, whose zeros are values of it, and is at most page-aligned.
pub unsafe trait Shareable: Sync + 'static {}

// SAFETY: `AtomicU64`s in arrays and structures, 128-aligned at most.
unsafe impl Shareable for Tally {}
// SAFETY: `AtomicU64`s in a structure.
unsafe impl Shareable for Party {}

/// Memory of zeros that this process will share with those it forks, for as long as they live.
///
/// # Errors
/// Those of `mmap(2)`.
pub fn share<T: Shareable>() -> nix::Result<&'static T> {
    let len = NonZeroUsize::new(size_of::<T>()).ok_or(nix::Error::EINVAL)?;
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: no address is asked for, so nothing mapped is replaced. The map is never unmapped,
    // large enough for a T, page-aligned and zero, which is a T by the trait's promise.
    unsafe {
        let map = mmap_anonymous(None, len, protection, MapFlags::MAP_SHARED)?;
        Ok(map.cast().as_ref())
    }
}

/// Forks a process that has a single thread.
///
/// # Errors
/// Those of `fork(2)`.
pub fn fork_single_threaded() -> nix::Result<ForkResult> {
    // SAFETY: the processes that fork never start a thread: no lock is held by a thread that the
    // child does not have.
    unsafe { fork() }
}

/// Ends this process without running anything that it shares with its parent (atexit, destructors).
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit(2) takes any value and does not return.
    unsafe { libc::_exit(code) }
}

/// Where an [`Event`] lives, with its mutex, shared by several processes.
pub type EventMemory = [AtomicU64; 32];

/// Makes an event that stays set until it is cleared.
///
/// # Errors
/// Those of `pthread_mutex_init(3)` and `pthread_cond_init(3)`.
pub fn new_event(memory: &'static EventMemory) -> Result<Box<dyn EventImpl>> {
    let start = fitting(memory)?;
    // SAFETY: the memory is large enough, aligned, writable, never freed, and no other's: its
    // words are only reached through events.
    let made = unsafe { Event::new(start, false) };
    made.map(|(event, _)| event).map_err(foreign)
}

/// The event that [`new_event`] has made there.
///
/// # Errors
/// None, for such an event.
pub fn existing_event(memory: &'static EventMemory) -> Result<Box<dyn EventImpl>> {
    let start = fitting(memory)?;
    // SAFETY: as above; the zeros of a memory without an event are a mutex and a condition
    // variable, too (glibc's PTHREAD_MUTEX_INITIALIZER).
    let found = unsafe { Event::from_existing(start) };
    found.map(|(event, _)| event).map_err(foreign)
}

/// Where an event goes in `memory`.
fn fitting(memory: &EventMemory) -> Result<*mut u8> {
    let start = memory.as_ptr().cast_mut().cast();
    let needed = Event::size_of(Some(start));
    ensure!(
        needed <= size_of_val(memory),
        "an event takes {needed} bytes"
    );
    Ok(start)
}

/// `raw_sync`'s errors may not cross threads, `anyhow`'s may.
pub fn foreign(e: Box<dyn std::error::Error>) -> anyhow::Error {
    anyhow!("raw_sync: {e}")
}
