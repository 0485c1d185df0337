//! What the processes of a run count, in memory that they share: written with relaxed stores by
//! one process each, so that a process killed anywhere leaves counts that hold.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The most readers of a run.
pub const READERS: usize = 64;

/// All counts. All zero is their beginning.
#[repr(C)]
pub struct Tally {
    pub writer: Writes,
    /// A process that does nothing but look at the clock: what gaps the machine makes by itself.
    pub bystander: Gaps,
    pub readers: [Reads; READERS],
}

/// A reader's, and all before it in its place.
#[repr(C, align(128))]
pub struct Reads {
    /// Looks at the ring, with or without a frame.
    pub looks: AtomicU64,
    /// Frames found whole, and verified to be, but for `torn`.
    pub accepted: AtomicU64,
    /// Bytes of them.
    pub bytes: AtomicU64,
    /// Frames that were overwritten while they were read, and were refused.
    pub overtaken: AtomicU64,
    /// Frames that were overwritten before they were lent.
    pub gone: AtomicU64,
    /// Frames found whole that were not.
    pub torn: AtomicU64,
    /// Ids that repeated or fell.
    pub violations: AtomicU64,
}

/// The writers'.
#[repr(C, align(128))]
pub struct Writes {
    /// The id about to be published.
    pub begun: AtomicU64,
    /// The id last published.
    pub done: AtomicU64,
    /// `head` as the last writer left it, which the driver notes.
    pub left: AtomicU64,
    /// Heads that a writer had no reason to leave, and first ids of successors that were not the
    /// next ones. The driver's while there is no writer.
    pub violations: AtomicU64,
    /// Counts SIGSTOPs and SIGCONTs of the writer: odd while it is stopped.
    pub stops: AtomicU64,
    pub gaps: Gaps,
}

/// Times between two beats of a process that should run all the time.
#[repr(C, align(128))]
pub struct Gaps {
    /// The longest, ns.
    pub longest_ns: AtomicU64,
    /// The longest that was the process's own doing, ns: work, or a wait for something. In the
    /// rest the machine had taken the processor away.
    pub longest_own_ns: AtomicU64,
    /// Those above a frame at 30 fps.
    pub over_a_frame: AtomicU64,
}

/// A frame at 30 fps, ns.
pub const FRAME_NS: u64 = 1_000_000_000 / 30;

/// Adds to a count that this process alone changes.
pub fn add(count: &AtomicU64, n: u64) {
    count.store(count.load(Relaxed) + n, Relaxed);
}

impl Gaps {
    pub fn add(&self, ns: u64, own_ns: u64) {
        if ns > self.longest_ns.load(Relaxed) {
            self.longest_ns.store(ns, Relaxed);
        }
        if own_ns > self.longest_own_ns.load(Relaxed) {
            self.longest_own_ns.store(own_ns, Relaxed);
        }
        if ns > FRAME_NS {
            add(&self.over_a_frame, 1);
        }
    }
}

impl Tally {
    /// A count of all readers together.
    pub fn reads(&self, count: fn(&Reads) -> &AtomicU64) -> u64 {
        self.readers.iter().map(|it| count(it).load(Relaxed)).sum()
    }
}
