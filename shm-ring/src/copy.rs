//! Copies into and out of memory that another process may be reading or overwriting.
//!
//! A plain load or `memcpy` of bytes that change is undefined behaviour, so the copy is one that
//! the compiler cannot see into: assembly on x86-64, relaxed atomic words elsewhere. The assembly
//! is a loop over AVX registers, or `rep movsb` where there are none: that has slow cases (a third
//! of the speed and less where the low 12 bits of both addresses are close, as those of a malloc
//! of megabytes and a frame that begins with a page). Neither stores past the cache, which a
//! release fence would not order.
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
        unsafe { copy(shared, private, len) }
    }

    /// Copies `len` bytes out of shared memory.
    ///
    /// # Safety
    /// `private` is writable and `shared` readable for `len` bytes; nobody has a Rust reference
    /// into the second, and the first is the caller's alone.
    pub(crate) unsafe fn copy_out(private: *mut u8, shared: *const u8, len: usize) {
        // SAFETY: the caller's promise is passed on.
        unsafe { copy(private, shared, len) }
    }

    /// # Safety
    /// `from` is readable and `to` writable for `len` bytes, and they do not overlap.
    unsafe fn copy(to: *mut u8, from: *const u8, len: usize) {
        if std::arch::is_x86_feature_detected!("avx") {
            // SAFETY: there is AVX, and the caller's promise is passed on.
            unsafe { avx(to, from, len) }
        } else {
            // SAFETY: the caller's promise is passed on.
            unsafe { rep_movsb(to, from, len) }
        }
    }

    /// # Safety
    /// As for [`copy`].
    pub(super) unsafe fn rep_movsb(to: *mut u8, from: *const u8, len: usize) {
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

    /// 128 bytes a turn, the rest with `rep movsb`.
    ///
    /// # Safety
    /// As for [`copy`], on a processor that has AVX.
    #[target_feature(enable = "avx")]
    unsafe fn avx(to: *mut u8, from: *const u8, len: usize) {
        // SAFETY: no turn begins with fewer than 128 bytes left, and rcx counts what is left, so
        // nothing beyond the caller's ranges is touched; unaligned moves need no alignment; all
        // vector registers are declared clobbered, as `vzeroupper` touches them all, and memory
        // is, by the absence of `nomem`.
        unsafe {
            std::arch::asm!(
                "cmp rcx, 128",
                "jb 3f",
                "2:",
                "vmovdqu ymm0, [rsi]",
                "vmovdqu ymm1, [rsi + 32]",
                "vmovdqu ymm2, [rsi + 64]",
                "vmovdqu ymm3, [rsi + 96]",
                "vmovdqu [rdi], ymm0",
                "vmovdqu [rdi + 32], ymm1",
                "vmovdqu [rdi + 64], ymm2",
                "vmovdqu [rdi + 96], ymm3",
                "add rsi, 128",
                "add rdi, 128",
                "sub rcx, 128",
                "cmp rcx, 128",
                "jae 2b",
                "vzeroupper",
                "3:",
                "rep movsb",
                inout("rcx") len => _,
                inout("rdi") to => _,
                inout("rsi") from => _,
                out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _,
                out("ymm4") _, out("ymm5") _, out("ymm6") _, out("ymm7") _,
                out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
                out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
                options(nostack)
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
        let ways: &[(Copy, Copy)] = &[
            (copy_in, copy_out),
            (portable::copy_in, portable::copy_out),
            #[cfg(all(target_arch = "x86_64", not(miri), not(shm_ring_portable_copy)))]
            (assembly::rep_movsb, assembly::rep_movsb),
        ];
        // Lengths around what one turn of a loop takes.
        let lengths = (0..=32).chain([63, 64, 127, 128, 129, 255, 256, 257, 300]);
        let from: Vec<u8> = (0..309_u16).map(|n| n as u8).collect();
        for &(copy_in, copy_out) in ways {
            for (skip, place) in (0..9).flat_map(|a| (0..9).map(move |b| (a, b))) {
                for len in lengths.clone() {
                    let (mut shared, mut to) = ([0xee_u8; 320], [0xee_u8; 320]);
                    // SAFETY: 9 + 300 < 320; the three are alive, distinct, and nobody else's.
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
