//! Survives that somebody cuts a mapped object short, in programs that ask for it.
//!
//! Whoever may write an object may truncate it: its owner and root, and nobody whom a ring was
//! lent for reading. From then on, touching what was cut off is a `SIGBUS` for everybody who has
//! it mapped. It cannot be forbidden: `F_SEAL_SHRINK` (`fcntl(2)`) could, but files of a tmpfs,
//! which is what `/dev/shm` is, are made with `F_SEAL_SEAL` already set (`mm/shmem.c`,
//! `__shmem_get_inode`: `EPERM`). Only a `memfd_create(2)` goes without it, and that has no name
//! and gets none in `/dev/shm` (`EXDEV`). So it is handled: a handler puts zero pages in place of
//! the whole map, marks it as lost and lets the interrupted instruction go on; from then on reads
//! give nothing and writes give [`Error::Truncated`].
//!
//! It protects lives, not contents. Cut within a page, that page's end reads as zeros, and cut
//! and made long again, all that was cut off does: nobody is told, as nobody is told when the
//! owner overwrites a ring. The kernel's own reads from a map (`write(2)`, `sendmsg(2)`) raise no
//! signal: they fail with `EFAULT`, or fall short.
//!
//! Not here: what to do about a lost map, and other programs' maps.

use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, fence};

use nix::errno::Errno;

use crate::{Error, sys};

/// From now on this process does not die of a map of this crate whose object was cut short, be
/// it mapped already or later, by whichever thread. Forked children inherit it.
///
/// Installs a handler for `SIGBUS`, once for the process however often it is called. Any other
/// `SIGBUS` goes to whom it went before. A thread that blocks `SIGBUS` is not protected: the
/// kernel kills at a fault that it cannot tell of (`signal(7)`).
///
/// # Errors
/// [`Error::Os`].
pub fn survive_truncation() -> Result<(), Error> {
    static INSTALLED: OnceLock<Result<(), Errno>> = OnceLock::new();
    let install = || {
        // Asked first: the handler never runs without it.
        let _ = PREVIOUS.set(sys::bus_action()?);
        sys::catch_bus(on_bus)
    };
    INSTALLED
        .get_or_init(install)
        .map_err(|e| Error::os("catch SIGBUS", e))
}

/// Who is asked about what is not ours.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

/// The first of the list of ranges. It only grows, by as many as are mapped at a time: entries
/// are used again, and never freed. So a handler may walk it at any moment.
static FIRST: AtomicPtr<Guarded> = AtomicPtr::new(std::ptr::null_mut());

/// A mapped range, or room for one.
#[derive(Debug)]
pub(crate) struct Guarded {
    taken: AtomicBool,
    /// An address; 0 while there is no range.
    start: AtomicUsize,
    /// Bytes.
    len: AtomicUsize,
    writable: AtomicBool,
    lost: AtomicBool,
    next: Option<&'static Guarded>,
}

impl Guarded {
    /// Guards a map until [`Guarded::release`], which must come before it is unmapped.
    pub fn new(start: NonNull<u8>, len: usize, writable: bool) -> &'static Guarded {
        let free = entries().find(|entry| !entry.taken.swap(true, Acquire));
        let entry = free.unwrap_or_else(add);
        // Pairs with the fence in `covers`: who sees what is stored below sees the earlier range's
        // start gone, which the swap above saw released.
        fence(Release);
        entry.lost.store(false, Relaxed);
        entry.len.store(len, Relaxed);
        entry.writable.store(writable, Relaxed);
        // Last, and pairs with the first load in `covers`: who sees it sees the rest.
        entry.start.store(start.as_ptr() as usize, Release);
        entry
    }

    /// Forgets the map.
    pub fn release(&self) {
        self.start.store(0, Relaxed);
        // Pairs with the swap in `new`, and before it nothing of this entry changes.
        self.taken.store(false, Release);
    }

    /// Whether the map was replaced by zeros before anything that was loaded from it until now.
    ///
    /// The flag is set before the map is replaced. In the thread that ran the handler that is
    /// program order. Another that loaded a zero got there by a page of the new map, which it, or
    /// who faulted the page in, found under the kernel's locks after they were held to put it
    /// there: the store happened before, and the fence keeps the load behind the one of the zero.
    pub fn is_lost(&self) -> bool {
        fence(Acquire);
        self.lost.load(Relaxed)
    }

    /// The range, if `address` lies in it.
    fn covers(&self, address: usize) -> Option<(usize, usize)> {
        let start = self.start.load(Acquire);
        let len = self.len.load(Relaxed);
        // Somebody else's entry may be changing hands: then it is not the one.
        fence(Acquire);
        let same = self.start.load(Relaxed) == start;
        (same && start != 0 && (start..start + len).contains(&address)).then_some((start, len))
    }
}

fn entries() -> impl Iterator<Item = &'static Guarded> {
    // SAFETY: null, or a leaked entry; pairs with the exchange in `add`.
    let first = unsafe { FIRST.load(Acquire).as_ref() };
    std::iter::successors(first, |entry| entry.next)
}

/// Makes room for one more, and takes it.
fn add() -> &'static Guarded {
    let entry = Box::leak(Box::new(Guarded {
        taken: AtomicBool::new(true),
        start: AtomicUsize::new(0),
        len: AtomicUsize::new(0),
        writable: AtomicBool::new(false),
        lost: AtomicBool::new(false),
        next: None,
    }));
    loop {
        let first = FIRST.load(Acquire);
        // SAFETY: as in `entries`.
        entry.next = unsafe { first.as_ref() };
        let added = FIRST.compare_exchange_weak(first, entry, Release, Relaxed);
        if added.is_ok() {
            return entry;
        }
    }
}

/// The handler: loads and stores of atomics and system calls, all that a handler may do.
extern "C" fn on_bus(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel's, alive during the call (SA_SIGINFO).
    let code = unsafe { (*info).si_code };
    // Not one that was sent (it has no address), nor a memory error of the machine.
    if code == libc::BUS_ADRERR {
        // SAFETY: as above; this code comes with an address.
        let address = unsafe { (*info).si_addr() } as usize;
        if entries().any(|entry| is_replaced(entry, address)) {
            return;
        }
    }
    sys::pass_on(PREVIOUS.get(), signal, info, context);
}

/// Puts zeros in the place of the map in which `address` lies, if it is this one.
fn is_replaced(entry: &Guarded, address: usize) -> bool {
    let Some((start, len)) = entry.covers(address) else {
        return false;
    };
    entry.lost.store(true, Relaxed); // before: see `is_lost`
    // SAFETY: the range is a map of this crate, alive since it was just touched, and nobody has
    // references into it but to atomics, for which any value is fine.
    unsafe { sys::replace_by_zeros(start, len, entry.writable.load(Relaxed)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_address_until_released() {
        let at = |address: usize| NonNull::new(address as *mut u8).unwrap();
        let found = |address| entries().any(|entry| entry.covers(address).is_some());
        // No map is ever there.
        let one = Guarded::new(at(0x1000), 0x100, false);
        let two = Guarded::new(at(0x2000), 0x100, true);
        assert!(found(0x1000) && found(0x10ff) && found(0x2080));
        assert!(!found(0xfff) && !found(0x1100));
        one.release();
        assert!(!found(0x1000) && found(0x2000));
        two.release();
        let again = Guarded::new(at(0x3000), 1, true);
        assert!(!found(0x2000) && found(0x3000) && !found(0x3001));
        again.release();
        assert!(!found(0x3000));
    }
}
