//! CPU time of this thread and this process, nanoseconds (`clock_gettime(2)`).
//!
//! Reading one is a system call, and so 0.3 µs of what is measured. Not here: the time of day
//! and of intervals, for which `shm_ring::clock` serves.

use anyhow::{Context as _, Result};
use nix::time::{ClockId, clock_gettime};

/// What this thread has run.
///
/// # Errors
/// Where the kernel has no such clock.
pub fn thread_cpu_ns() -> Result<u64> {
    read(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

/// What all threads of this process have run.
///
/// # Errors
/// Where the kernel has no such clock.
pub fn process_cpu_ns() -> Result<u64> {
    read(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

fn read(clock: ClockId) -> Result<u64> {
    let now = clock_gettime(clock).context("a CPU-time clock")?;
    Ok(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}
