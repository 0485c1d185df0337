//! Which frame a viewer gets next, and what it missed: a pure function of what it had, what the
//! ring holds and whether it kept up.
//!
//! Not here: sending, waiting, and what to show while there is no frame.

use shm_ring::Bounds;
use worker::SkipCause;

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is no frame newer than the last one.
    Wait,
    /// Send frame `id`.
    Send {
        /// The frame.
        id: u64,
        /// How many ids lie between the last one and this, and why they are left out.
        skipped: Option<(SkipCause, u64)>,
    },
}

/// A viewer's place in the ring. Ids only rise, and each id above the starting point is either
/// sent or counted as skipped, once.
///
/// A viewer within `lag` gets every frame, in order. One that fell further behind because it was
/// slow is strained: from then on it gets the newest each time it was slow, so that what it sees
/// is fresh and not always `lag` frames old, until it has kept up for `lag` frames.
#[derive(Debug, Clone)]
pub struct Pacing {
    /// The last id sent or left out for good.
    last: u64,
    /// Frames that a viewer may be behind before it is put on the newest.
    lag: u64,
    /// Bytes were still unsent when the viewer was last looked at.
    slow: bool,
    /// Frames to be sent without a delay before it counts as keeping up; 0: it does.
    strained: u64,
}

impl Pacing {
    /// A viewer that has seen everything up to `last` and may fall `lag` frames behind (at
    /// least 1: the newest frame itself is one).
    pub fn new(last: u64, lag: u64) -> Self {
        Pacing {
            last,
            lag: lag.max(1),
            slow: false,
            strained: 0,
        }
    }

    /// Notes that the viewer has not taken yet what it was sent. It gets no frame meanwhile.
    pub fn note_unsent(&mut self) {
        self.slow = true;
    }

    /// Decides for a viewer with nothing unsent. What it says to send counts as given from then
    /// on: a frame that turns out to be overwritten is the caller's to count. Whoever skips is put
    /// on the newest frame, whatever the cause: the oldest is the next to be overwritten.
    pub fn next(&mut self, bounds: Bounds) -> Step {
        let Bounds { oldest, head } = bounds;
        if head <= self.last {
            // Nothing passed while the viewer was slow, so it has caught up.
            self.slow = false;
            return Step::Wait;
        }
        let next = self.last + 1;
        let slow = std::mem::take(&mut self.slow);
        let allowed = if slow && self.strained > 0 {
            1
        } else {
            self.lag
        };
        let too_far = head - self.last > allowed;
        let id = if too_far || next < oldest { head } else { next };
        let count = id - next;
        if slow && count > 0 {
            self.strained = self.lag + 1;
        } else if !slow {
            self.strained = self.strained.saturating_sub(1);
        }
        let cause = match (slow, too_far) {
            (true, _) => SkipCause::Slow,
            (false, true) => SkipCause::Behind,
            (false, false) => SkipCause::Overwritten,
        };
        self.last = id;
        Step::Send {
            id,
            skipped: (count > 0).then_some((cause, count)),
        }
    }

    /// Frames that passed a viewer that was still slow when it left: nothing else will count them.
    pub fn missed(&self, head: u64) -> u64 {
        if self.slow { self.behind(head) } else { 0 }
    }

    /// Frames that the ring holds beyond what the viewer has.
    pub fn behind(&self, head: u64) -> u64 {
        head.saturating_sub(self.last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn send(id: u64) -> Step {
        Step::Send { id, skipped: None }
    }

    fn skip(id: u64, cause: SkipCause, count: u64) -> Step {
        Step::Send {
            id,
            skipped: Some((cause, count)),
        }
    }

    fn bounds(oldest: u64, head: u64) -> Bounds {
        Bounds { oldest, head }
    }

    #[test]
    fn in_order_while_it_keeps_up() {
        let mut pacing = Pacing::new(0, 10);
        assert_eq!(pacing.next(bounds(1, 0)), Step::Wait);
        for id in 1..=10 {
            assert_eq!(pacing.next(bounds(1, 10)), send(id));
        }
        assert_eq!(pacing.next(bounds(1, 10)), Step::Wait);
    }

    #[test]
    fn exactly_lag_behind_is_still_in_order() {
        assert_eq!(Pacing::new(5, 3).next(bounds(1, 8)), send(6));
        assert_eq!(
            Pacing::new(5, 3).next(bounds(1, 9)),
            skip(9, SkipCause::Behind, 3)
        );
        assert_eq!(Pacing::new(5, 0).next(bounds(1, 6)), send(6));
        assert_eq!(
            Pacing::new(5, 0).next(bounds(1, 7)),
            skip(7, SkipCause::Behind, 1)
        );
    }

    #[test]
    fn slow_within_lag_is_still_in_order() {
        let mut pacing = Pacing::new(5, 10);
        pacing.note_unsent();
        assert_eq!(pacing.next(bounds(1, 15)), send(6));
        pacing.note_unsent();
        assert_eq!(pacing.missed(17), 11, "on its way to the newest");
        assert_eq!(
            pacing.next(bounds(1, 17)),
            skip(17, SkipCause::Slow, 10),
            "beyond it: the newest"
        );
        assert_eq!(pacing.missed(20), 0, "not slow now");
    }

    #[test]
    fn the_strained_get_the_newest_until_they_keep_up() {
        let mut pacing = Pacing::new(0, 3);
        pacing.note_unsent();
        assert_eq!(pacing.next(bounds(1, 4)), skip(4, SkipCause::Slow, 3));
        pacing.note_unsent();
        assert_eq!(pacing.next(bounds(1, 6)), skip(6, SkipCause::Slow, 1));
        pacing.note_unsent();
        assert_eq!(pacing.next(bounds(1, 6)), Step::Wait);
        for id in 7..=10 {
            assert_eq!(pacing.next(bounds(1, id)), send(id));
        }
        pacing.note_unsent();
        assert_eq!(
            pacing.next(bounds(1, 12)),
            send(11),
            "kept up for lag frames"
        );
    }

    #[test]
    fn overwritten_goes_on_with_the_newest() {
        assert_eq!(
            Pacing::new(5, 10).next(bounds(8, 9)),
            skip(9, SkipCause::Overwritten, 3)
        );
        // A ring may be hostile: an empty one with ids above.
        assert_eq!(
            Pacing::new(5, 10).next(bounds(10, 9)),
            skip(9, SkipCause::Overwritten, 3)
        );
    }

    proptest! {
        /// Ids rise, nothing repeats, and every id is sent or counted exactly once.
        #[test]
        fn every_id_is_accounted_for(
            start in 0_u64..1000,
            lag in 0_u64..20,
            steps in prop::collection::vec((0_u64..30, 0_u64..40, any::<bool>()), 0..200),
        ) {
            let mut pacing = Pacing::new(start, lag);
            let (mut head, mut last, mut sent, mut skipped) = (start, start, 0, 0);
            for (advance, held, unsent) in steps {
                head += advance;
                let oldest = (head + 1).saturating_sub(held).max(1);
                if unsent {
                    pacing.note_unsent();
                }
                match pacing.next(bounds(oldest, head)) {
                    Step::Wait => prop_assert_eq!(last, head),
                    Step::Send { id, skipped: left_out } => {
                        prop_assert!(id > last && id <= head);
                        prop_assert!(head - id < lag.max(1), "never further behind than lag allows");
                        last = id;
                        sent += 1;
                        if let Some((_, count)) = left_out {
                            prop_assert!(count > 0);
                            skipped += count;
                        }
                    }
                }
                prop_assert_eq!(sent + skipped, last - start);
                prop_assert_eq!(pacing.behind(head), head - last);
            }
        }
    }
}
