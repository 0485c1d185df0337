//! When a frame was captured: the driver's stamp as Unix time.
//!
//! Not here: reading clocks. The caller reads both at the same moment.

use v4l::buffer::Flags;
use v4l::timestamp::Timestamp;

/// A stamp older than this is no time of capture but a driver's slip (or a process that was
/// stopped for longer than the supervisor lets it live). Nanoseconds.
const OLDEST: u64 = 10_000_000_000;

/// The same moment on both clocks, nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// CLOCK_REALTIME.
    pub unix: u64,
    /// CLOCK_MONOTONIC.
    pub monotonic: u64,
}

/// Unix time of capture in nanoseconds. The buffer's flags say which clock stamped it
/// (V4L2_BUF_FLAG_TIMESTAMP_*, linux/videodev2.h); unless that was CLOCK_MONOTONIC, and for a
/// stamp that cannot be (unset, malformed, in the future, older than 10 s), it is now.
pub(super) fn captured_ns(flags: Flags, stamp: Timestamp, now: Now) -> u64 {
    if flags & Flags::TIMESTAMP_MASK != Flags::TIMESTAMP_MONOTONIC {
        return now.unix;
    }
    match age(stamp, now.monotonic) {
        Some(age) if age <= OLDEST => now.unix.saturating_sub(age),
        _ => now.unix,
    }
}

/// Nanoseconds from `stamp` to `monotonic`; nothing if the stamp is no time in the past.
fn age(stamp: Timestamp, monotonic: u64) -> Option<u64> {
    if !(0..1_000_000).contains(&stamp.usec) {
        return None;
    }
    let seconds = u64::try_from(stamp.sec).ok()?;
    let micros = u64::try_from(stamp.usec).ok()?;
    let nanos = seconds
        .checked_mul(1_000_000_000)?
        .checked_add(micros * 1000)?;
    monotonic.checked_sub(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now {
        unix: 1_800_000_000_000_000_000,
        monotonic: 100_000_000_000,
    };

    fn monotonic(sec: i64, usec: i64) -> u64 {
        captured_ns(Flags::TIMESTAMP_MONOTONIC, Timestamp { sec, usec }, NOW)
    }

    #[test]
    fn a_monotonic_stamp_becomes_unix_time() {
        assert_eq!(monotonic(99, 960_000), NOW.unix - 40_000_000);
        assert_eq!(monotonic(100, 0), NOW.unix);
        assert_eq!(monotonic(90, 0), NOW.unix - OLDEST);
    }

    #[test]
    fn the_source_of_the_stamp_does_not_matter() {
        let flags = Flags::TIMESTAMP_MONOTONIC | Flags::TSTAMP_SRC_SOE | Flags::DONE;
        let stamp = Timestamp::new(99, 0);
        assert_eq!(captured_ns(flags, stamp, NOW), NOW.unix - 1_000_000_000);
    }

    #[test]
    fn another_clock_is_now() {
        for flags in [
            Flags::TIMESTAMP_UNKNOWN,
            Flags::TIMESTAMP_COPY,
            Flags::MAPPED,
        ] {
            assert_eq!(captured_ns(flags, Timestamp::new(99, 0), NOW), NOW.unix);
        }
    }

    #[test]
    fn a_stamp_that_cannot_be_is_now() {
        let odd = [
            (0, 0),
            (89, 999_999),
            (100, 1),
            (-1, 0),
            (99, -1),
            (99, 1_000_000),
            (1_800_000_000, 0),
            (i64::MAX, 0),
            (i64::MIN, i64::MIN),
        ];
        for (sec, usec) in odd {
            assert_eq!(monotonic(sec, usec), NOW.unix, "{sec}.{usec}");
        }
    }
}
