//! Copies into and out of memory that another process may be reading or overwriting.
//!
//! A plain load or `memcpy` of bytes that change is undefined behaviour, so the copy is one that
//! the compiler cannot see into: `rep movsb` on x86-64 (as fast as `memcpy`, and never with
//! non-temporal stores, which a release fence would not order), relaxed atomic words elsewhere.
//! What was copied out means nothing until it was validated.
//!
//! Miri (`cargo +nightly miri test -p shm-ring --lib copy`) and a build with
//! `--cfg shm_ring_portable_copy` take the portable copy on x86-64, too: the address sanitizer
//! sees into it, and not into the assembly.

#[cfg(all(target_arch = "x86_64", not(miri), not(shm_ring_portable_copy)))]
pub(crate) use assembly::{copy_in, copy_out};
#[cfg(any(not(target_arch = "x86_64"), miri, shm_ring_portable_copy))]
pub(crate) use portable::{copy_in, copy_out};

#[cfg(all(target_arch = "x86_64", not(miri), not(shm_ring_portable_copy)))]
mod assembly {
    /// Copies `len` bytes into shared memory.
    ///
    /// # Safety
    /// `shared` is writable and `private` readable for `len` bytes; nobody has a Rust reference
    /// into the first, and nobody writes to the second.
    pub(crate) unsafe fn copy_in(shared: *mut u8, private: *const u8, len: usize) {
        // SAFETY: the caller's promise is passed on.
        unsafe { rep_movsb(shared, private, len) }
    }

    /// Copies `len` bytes out of shared memory.
    ///
    /// # Safety
    /// `private` is writable and `shared` readable for `len` bytes; nobody has a Rust reference
    /// into the second, and the first is the caller's alone.
    pub(crate) unsafe fn copy_out(private: *mut u8, shared: *const u8, len: usize) {
        // SAFETY: the caller's promise is passed on.
        unsafe { rep_movsb(private, shared, len) }
    }

    /// # Safety
    /// `from` is readable and `to` writable for `len` bytes, and they do not overlap.
    unsafe fn rep_movsb(to: *mut u8, from: *const u8, len: usize) {
        // SAFETY: the caller vouches for both ranges; the direction flag is clear by the ABI; the
        // three registers are declared clobbered, and memory is, by the absence of `nomem`.
        unsafe {
            std::arch::asm!(
                "rep movsb",
                inout("rcx") len => _,
                inout("rdi") to => _,
                inout("rsi") from => _,
                options(nostack, preserves_flags)
            );
        }
    }
}

/// The copy for every architecture. The shared side is atomic, by words where it is aligned; the
/// private side is not, and need not be aligned.
#[cfg(any(test, not(target_arch = "x86_64"), miri, shm_ring_portable_copy))]
mod portable {
    use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

    /// # Safety
    /// As on x86-64.
    pub(crate) unsafe fn copy_in(shared: *mut u8, private: *const u8, len: usize) {
        let word = |at| {
            // SAFETY: `at..at + 8` is within both ranges, and aligned in the shared one, where
            // all accesses are atomic.
            unsafe {
                let from = private.add(at).cast::<u64>().read_unaligned();
                (*shared.add(at).cast::<AtomicU64>()).store(from, Relaxed);
            }
        };
        let byte = |at| {
            // SAFETY: `at` is within both ranges; all accesses to the shared one are atomic.
            unsafe { (*shared.add(at).cast::<AtomicU8>()).store(*private.add(at), Relaxed) }
        };
        by_words(shared, len, word, byte);
    }

    /// # Safety
    /// As on x86-64. The shared memory may be mapped read-only: these loads are of those that
    /// `std::sync::atomic` allows there.
    pub(crate) unsafe fn copy_out(private: *mut u8, shared: *const u8, len: usize) {
        let word = |at| {
            // SAFETY: as in `copy_in`; the private side is this call's alone.
            unsafe {
                let from = (*shared.add(at).cast::<AtomicU64>()).load(Relaxed);
                private.add(at).cast::<u64>().write_unaligned(from);
            }
        };
        let byte = |at| {
            // SAFETY: as in `copy_in`; the private side is this call's alone.
            unsafe { *private.add(at) = (*shared.add(at).cast::<AtomicU8>()).load(Relaxed) }
        };
        by_words(shared, len, word, byte);
    }

    /// Splits `0..len` into words where `shared` is aligned, and the bytes before and behind them.
    fn by_words(shared: *const u8, len: usize, word: impl Fn(usize), byte: impl Fn(usize)) {
        let first = shared.align_offset(align_of::<AtomicU64>()).min(len);
        let end = len - (len - first) % 8;
        (0..first).for_each(&byte);
        (first..end).step_by(8).for_each(word);
        (end..len).for_each(&byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offset_and_length_is_copied_and_nothing_beside_it() {
        type Copy = unsafe fn(*mut u8, *const u8, usize);
        let ways: [(Copy, Copy); 2] =
            [(copy_in, copy_out), (portable::copy_in, portable::copy_out)];
        let from: Vec<u8> = (0..32).collect();
        for (copy_in, copy_out) in ways {
            for (skip, place) in (0..9).flat_map(|a| (0..9).map(move |b| (a, b))) {
                for len in 0..=32 - skip {
                    let (mut shared, mut to) = ([0xee_u8; 48], [0xee_u8; 48]);
                    // SAFETY: 9 + 32 < 48; the three are alive, distinct, and nobody else's.
                    unsafe {
                        copy_in(shared.as_mut_ptr().add(place), from[skip..].as_ptr(), len);
                        let out = to.as_mut_ptr().add(skip);
                        copy_out(out, shared.as_ptr().add(place), len);
                    }
                    for (copied, at) in [(&shared, place), (&to, skip)] {
                        assert_eq!(copied[at..at + len], from[skip..skip + len]);
                        assert!(copied[..at].iter().all(|&b| b == 0xee));
                        assert!(copied[at + len..].iter().all(|&b| b == 0xee));
                    }
                }
            }
        }
    }
}
