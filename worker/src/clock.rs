//! What a process has used of the processors; the time of day is `shm_ring::clock`'s.

use nix::time::{ClockId, clock_gettime};

/// CPU time of this process, all threads, nanoseconds.
pub(crate) fn cpu_ns() -> u64 {
    let used = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID);
    let used = used.expect("every process has this clock on every Linux");
    used.tv_sec() as u64 * 1_000_000_000 + used.tv_nsec() as u64
}
