//! The atomics of the protocol, under one name: the model in `tests/loom` compiles the
//! protocol's files with its own in their place.
//!
//! Not for flags between a process's own threads: those are no part of the protocol.

pub(crate) use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
pub(crate) use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, fence};

/// An acquire load that may be of read-only memory: there only relaxed loads are defined, and a
/// fence behind one has the same effect (`std::sync::atomic`, "Atomic accesses to read-only
/// memory").
pub(crate) fn acquire(atomic: &AtomicU64) -> u64 {
    let value = atomic.load(Relaxed);
    fence(Acquire);
    value
}

/// As [`acquire`].
pub(crate) fn acquire32(atomic: &AtomicU32) -> u32 {
    let value = atomic.load(Relaxed);
    fence(Acquire);
    value
}
