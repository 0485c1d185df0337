//! Copies into and out of memory that another process may be reading or overwriting.
//!
//! A plain load or `memcpy` of bytes that change is undefined behaviour, so the copy is one that
//! the compiler cannot see into: `rep movsb` on x86-64 (as fast as `memcpy`, and never with
//! non-temporal stores, which a release fence would not order), relaxed atomic words elsewhere.
//! What was copied out means nothing until it was validated.

/// Copies `len` bytes.
///
/// # Safety
/// `from` is readable and `to` writable for `len` bytes, they do not overlap, and at most one of
/// them is shared with other processes; nobody holds a Rust reference into the shared one.
#[cfg(target_arch = "x86_64")]
pub(crate) unsafe fn copy(to: *mut u8, from: *const u8, len: usize) {
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

/// Copies `len` bytes, by relaxed atomic words where both sides can be aligned.
///
/// # Safety
/// As on x86-64.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) unsafe fn copy(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller's promise is passed on.
    unsafe { portable(to, from, len) }
}

/// The copy for every architecture.
///
/// # Safety
/// As for [`copy`].
#[cfg(any(test, not(target_arch = "x86_64")))]
unsafe fn portable(to: *mut u8, from: *const u8, len: usize) {
    use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

    let mut at = 0;
    let aligned = to.align_offset(8) == from.align_offset(8);
    while at < len {
        // SAFETY: `at < len`, within both ranges.
        let (to, from) = unsafe { (to.add(at), from.add(at)) };
        if aligned && len - at >= 8 && to.align_offset(8) == 0 {
            // SAFETY: both are 8-aligned with 8 bytes left in their ranges; all accesses to the
            // shared side are atomic, and the private side is this call's alone.
            let (to, from) = unsafe {
                (
                    AtomicU64::from_ptr(to.cast()),
                    AtomicU64::from_ptr(from.cast_mut().cast()),
                )
            };
            to.store(from.load(Relaxed), Relaxed);
            at += 8;
        } else {
            // SAFETY: as above, for one byte.
            let (to, from) =
                unsafe { (AtomicU8::from_ptr(to), AtomicU8::from_ptr(from.cast_mut())) };
            to.store(from.load(Relaxed), Relaxed);
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offset_and_length_is_copied_and_nothing_beside_it() {
        let from: Vec<u8> = (0..64).collect();
        for copy in [copy, portable] as [unsafe fn(*mut u8, *const u8, usize); 2] {
            for (skip, place) in (0..9).flat_map(|a| (0..9).map(move |b| (a, b))) {
                for len in 0..40 {
                    let mut to = vec![0xee_u8; 64];
                    // SAFETY: 9 + 40 < 64, both vectors are alive and distinct.
                    unsafe { copy(to.as_mut_ptr().add(place), from.as_ptr().add(skip), len) };
                    assert_eq!(to[place..place + len], from[skip..skip + len]);
                    assert!(to[..place].iter().all(|&b| b == 0xee));
                    assert!(to[place + len..].iter().all(|&b| b == 0xee));
                }
            }
        }
    }
}
