//! Which frame is published, and what becomes of all others: a pure function of what the ring holds, how the
//! broker does, and the clock.
//!
//! At most [`MOST`] frames are published and not confirmed. While no more can be, the newest frame is held:
//! it goes out as soon as there is room, unless a newer one has taken its place. Each id is published or
//! skipped, once; the first bridge of an instance begins before the ring's first frame.
//!
//! Not here: publishing, counting, waiting.

use std::time::Duration;

use worker::SkipCause;

/// Frames on their way at most.
pub(crate) const MOST: usize = 2;

/// A broker that owes a confirm for so long is not given another frame.
pub(crate) const LATE: Duration = Duration::from_millis(250);

/// A broker that owes one for so long is given up, and connected to anew. Not sooner: one that is merely slow would
/// be left and come back to three times a second.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(4);

/// A moment: time since the bridge began.
pub(crate) type Moment = Duration;

/// How the broker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// There is no connection.
    Away,
    /// It has said that it takes nothing for now.
    Blocked,
    /// It takes messages, as far as is known.
    Up,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Step {
    /// So many frames are left out for good, and why.
    pub skipped: Option<(SkipCause, u64)>,
    /// This one is to be published.
    pub publish: Option<u64>,
}

/// Frames on their way.
#[derive(Debug, Clone)]
pub(crate) struct Flight {
    /// The last id that was published or skipped.
    last: u64,
    /// Ids and since when, oldest first.
    unconfirmed: Vec<(u64, Moment)>,
    /// Why the newest frame was held when it was last looked at.
    held: Option<SkipCause>,
}

impl Flight {
    /// Everything up to `last` was published or skipped.
    pub fn new(last: u64) -> Flight {
        Flight {
            last,
            unconfirmed: Vec::with_capacity(MOST),
            held: None,
        }
    }

    /// Decides. `head` is the newest frame's id; `fresh`: it is a picture of now.
    pub fn look(&mut self, head: u64, fresh: bool, link: Link, now: Moment) -> Step {
        if link == Link::Blocked {
            // It has said that it confirms nothing for now.
            self.unconfirmed
                .iter_mut()
                .for_each(|(_, since)| *since = now);
        }
        let behind = self.behind(head);
        if behind == 0 {
            return Step::default();
        }
        let obstacle = match link {
            Link::Away => Some(SkipCause::Away),
            Link::Blocked => Some(SkipCause::Blocked),
            Link::Up if self.is_full(now) => Some(SkipCause::Slow),
            Link::Up => None,
        };
        let goes = obstacle.is_none() && fresh;
        // What was held went by for the reason that held it, else the bridge itself came late.
        let cause = obstacle.or(self.held).unwrap_or(SkipCause::Behind);
        // The newest may still go out, unless it is too old for that.
        let passed = if fresh { behind - 1 } else { behind };
        self.last = if fresh && !goes { head - 1 } else { head };
        self.held = obstacle;
        Step {
            skipped: (passed > 0).then_some((cause, passed)),
            publish: goes.then_some(head),
        }
    }

    /// Whether the broker owes too much to be given another frame.
    fn is_full(&self, now: Moment) -> bool {
        self.unconfirmed.len() >= MOST || self.owing(now) >= LATE
    }

    /// For how long the broker has owed its oldest confirm.
    pub fn owing(&self, now: Moment) -> Duration {
        let oldest = self.unconfirmed.first();
        oldest.map_or(Duration::ZERO, |&(_, since)| now.saturating_sub(since))
    }

    /// The frame is on its way.
    pub fn sent(&mut self, id: u64, now: Moment) {
        self.unconfirmed.push((id, now));
    }

    /// The broker has said what became of it, and owes what is left from now on: a slow way is no dead one.
    pub fn settled(&mut self, id: u64, now: Moment) {
        self.unconfirmed.retain(|&(sent, _)| sent != id);
        self.unconfirmed
            .iter_mut()
            .for_each(|(_, since)| *since = now);
    }

    /// There is no connection any more: so many frames may have arrived or not.
    pub fn lost(&mut self) -> u64 {
        let lost = self.unconfirmed.len() as u64;
        self.unconfirmed.clear();
        lost
    }

    /// Frames that the ring holds beyond what was published or skipped.
    pub fn behind(&self, head: u64) -> u64 {
        head.saturating_sub(self.last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn publish(id: u64) -> Step {
        Step {
            skipped: None,
            publish: Some(id),
        }
    }

    fn skip(cause: SkipCause, count: u64) -> Step {
        Step {
            skipped: Some((cause, count)),
            publish: None,
        }
    }

    #[test]
    fn each_frame_while_it_is_confirmed() {
        let mut flight = Flight::new(0);
        assert_eq!(flight.look(0, true, Link::Up, MS), Step::default());
        for id in 1..10 {
            assert_eq!(flight.look(id, true, Link::Up, MS), publish(id));
            flight.sent(id, MS);
            flight.settled(id, MS);
        }
    }

    #[test]
    fn two_on_their_way_and_then_the_newest() {
        let mut flight = Flight::new(0);
        for id in [1, 2] {
            assert_eq!(flight.look(id, true, Link::Up, MS), publish(id));
            flight.sent(id, MS);
        }
        assert_eq!(flight.look(3, true, Link::Up, MS), Step::default(), "held");
        assert_eq!(flight.look(5, true, Link::Up, MS), skip(SkipCause::Slow, 2));
        flight.settled(1, MS);
        assert_eq!(flight.look(5, true, Link::Up, MS), publish(5));
        assert_eq!(flight.behind(7), 2);
    }

    #[test]
    fn a_slow_way_is_no_dead_one() {
        let mut flight = Flight::new(0);
        flight.sent(1, MS);
        flight.sent(2, MS);
        flight.settled(1, GIVE_UP);
        assert_eq!(flight.owing(GIVE_UP + MS), MS);
    }

    #[test]
    fn a_late_confirm_stops_it_with_one_on_its_way() {
        let mut flight = Flight::new(0);
        flight.look(1, true, Link::Up, MS);
        flight.sent(1, MS);
        assert_eq!(flight.look(2, true, Link::Up, LATE), publish(2));
        let mut flight = Flight::new(1);
        flight.sent(1, MS);
        assert_eq!(
            flight.look(3, true, Link::Up, LATE + MS),
            skip(SkipCause::Slow, 1)
        );
        assert_eq!(flight.owing(LATE + MS), LATE);
        assert_eq!(
            flight.look(3, true, Link::Blocked, LATE + MS),
            Step::default()
        );
        assert_eq!(flight.look(3, true, Link::Up, LATE + MS), publish(3));
    }

    #[test]
    fn what_passes_meanwhile_is_counted_by_its_cause() {
        let mut flight = Flight::new(10);
        assert_eq!(
            flight.look(20, true, Link::Away, MS),
            skip(SkipCause::Away, 9)
        );
        assert_eq!(flight.look(20, true, Link::Blocked, MS), Step::default());
        assert_eq!(
            flight.look(22, true, Link::Blocked, MS),
            skip(SkipCause::Blocked, 2)
        );
        assert_eq!(
            flight.look(22, false, Link::Up, MS),
            skip(SkipCause::Blocked, 1),
            "too old by now"
        );
        let late = Step {
            skipped: Some((SkipCause::Behind, 2)),
            publish: Some(25),
        };
        assert_eq!(flight.look(25, true, Link::Up, MS), late);
        flight.sent(25, MS);
        assert_eq!((flight.lost(), flight.lost()), (1, 0));
    }

    proptest! {
        /// Ids rise, never more than two are unconfirmed, and every id is published or skipped exactly once.
        #[test]
        fn every_id_is_accounted_for(
            start in 0_u64..1000,
            steps in prop::collection::vec((0_u64..5, any::<bool>(), 0_usize..3, 0_u32..300, any::<bool>()), 0..200),
        ) {
            let mut flight = Flight::new(start);
            let (mut head, mut now, mut published, mut skipped) = (start, Duration::ZERO, Vec::new(), 0);
            for (advance, fresh, link, ms, settle) in steps {
                head += advance;
                now += MS * ms;
                let link = [Link::Away, Link::Blocked, Link::Up][link];
                let step = flight.look(head, fresh, link, now);
                if let Some((_, count)) = step.skipped {
                    prop_assert!(count > 0);
                    skipped += count;
                }
                if let Some(id) = step.publish {
                    prop_assert!(id == head && fresh && link == Link::Up);
                    prop_assert!(published.last().is_none_or(|&last| last < id));
                    prop_assert!(flight.unconfirmed.len() < MOST && flight.owing(now) < LATE);
                    published.push(id);
                    flight.sent(id, now);
                }
                if settle && let Some(&(id, _)) = flight.unconfirmed.first() {
                    flight.settled(id, now);
                }
                prop_assert_eq!(published.len() as u64 + skipped + flight.behind(head), head - start);
                prop_assert!(flight.behind(head) <= 1, "at most the newest is held");
            }
        }
    }
}
