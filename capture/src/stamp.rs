//! What another machine says of a frame, and how much of it is believed: when it was taken, and its number.
//!
//! Not here: how it says it (`http`, `amqp`).

/// A stamp older than this is of another clock: mjpg-streamer passes the driver's on, which counts
/// from the boot of its machine. Nanoseconds.
pub(crate) const OLDEST: u64 = 10_000_000_000;

/// Frames that one gap may count; a wider one is no gap but another server's count.
const WIDEST: u64 = 1_000_000;

/// Unix time of capture, nanoseconds: the stamp if it lies in the ten seconds before `now`, or
/// else `now`, when the picture came. So where the other machine's clock is ahead, a picture is
/// as old as it can be seen to be; where it is behind, by so much older.
pub(crate) fn captured_ns(stamp: Option<u64>, now: u64) -> u64 {
    match stamp {
        Some(stamp) if stamp <= now && now - stamp <= OLDEST => stamp,
        _ => now,
    }
}

/// How many pictures are missing between the one numbered `last` and `number`.
pub(crate) fn missed(last: Option<u64>, number: Option<u64>) -> u64 {
    match (last, number) {
        (Some(last), Some(number)) if number > last && number - last <= WIDEST => number - last - 1,
        _ => 0,
    }
}

/// Clocks that are set by NTP agree to a few tens of milliseconds, over the internet, too (RFC 1129, abstract).
/// Nanoseconds.
const AGREEING: u64 = 50_000_000;

/// So many stamps in a row that are not plausible are another clock's.
const DIFFERING: u32 = 30;

/// What the stamps that came so far say of the other machine's clock.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// Its stamps were plausible.
    believed: bool,
    /// Those in a row that were not.
    differing: u32,
}

impl Clock {
    /// As [`captured_ns`], but that a clock may be slightly ahead, and that an older stamp of one that is believed
    /// is that of a frame that was held up on its way.
    pub fn captured_ns(&mut self, stamp: Option<u64>, now: u64) -> u64 {
        let Some(stamp) = stamp else { return now };
        if stamp <= now.saturating_add(AGREEING) && now.saturating_sub(stamp) <= OLDEST {
            *self = Clock {
                believed: true,
                differing: 0,
            };
            return stamp.min(now);
        }
        self.differing = self.differing.saturating_add(1);
        self.believed &= self.differing < DIFFERING;
        if self.believed { stamp.min(now) } else { now }
    }

    /// Whether it has just become evident that it is not this machine's.
    pub fn differs(&self) -> bool {
        self.differing == DIFFERING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000_000_000;

    #[test]
    fn a_frame_that_was_held_up_is_old_and_another_clocks_is_new() {
        let old = Some(NOW - 2 * OLDEST);
        let mut clock = Clock::default();
        assert_eq!(clock.captured_ns(old, NOW), NOW, "nothing is known yet");
        assert_eq!(clock.captured_ns(Some(NOW - 5), NOW), NOW - 5);
        assert_eq!(clock.captured_ns(old, NOW), NOW - 2 * OLDEST);
        assert_eq!(clock.captured_ns(Some(NOW + 5), NOW), NOW, "never ahead");
        assert_eq!(clock.captured_ns(None, NOW), NOW);
        let differing = (0..DIFFERING).filter(|_| {
            clock.captured_ns(old, NOW);
            clock.differs()
        });
        assert_eq!(differing.count(), 1);
        assert_eq!(clock.captured_ns(old, NOW), NOW, "it was set back");
    }

    #[test]
    fn a_clock_that_is_a_little_ahead_is_not_another() {
        let mut clock = Clock::default();
        for _ in 0..2 * DIFFERING {
            assert_eq!(clock.captured_ns(Some(NOW + AGREEING), NOW), NOW);
            assert!(!clock.differs());
        }
        let ahead = Some(NOW + AGREEING + 1);
        let differing = (0..2 * DIFFERING).filter(|_| {
            assert_eq!(clock.captured_ns(ahead, NOW), NOW, "never ahead");
            clock.differs()
        });
        assert_eq!(differing.count(), 1);
    }
}
