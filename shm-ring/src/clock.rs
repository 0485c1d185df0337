//! The two clocks of a machine's processes: Unix time for people, monotonic time for intervals.

use nix::time::{ClockId, clock_gettime};

/// Unix time, nanoseconds; good until the year 2554.
pub fn unix_ns() -> u64 {
    read(ClockId::CLOCK_REALTIME)
}

/// `CLOCK_MONOTONIC`, nanoseconds since some fixed moment, the same for all processes.
pub fn monotonic_ns() -> u64 {
    read(ClockId::CLOCK_MONOTONIC)
}

fn read(clock: ClockId) -> u64 {
    let now = clock_gettime(clock).expect("these two clocks exist on every Linux");
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}
