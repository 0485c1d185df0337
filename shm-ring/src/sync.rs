//! The atomics of the protocol, under one name: the model in `tests/loom` compiles the
//! protocol's files with its own in their place.
//!
//! Not for flags between a process's own threads: those are no part of the protocol.

pub(crate) use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
pub(crate) use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, fence};
