//! Which frames of an exchange are taken: those that are newer than the last, and none that went in a circle.
//! Pure decisions over a clock that is passed in.
//!
//! Not here: what a message says (`broker`), connections.

use std::time::{Duration, Instant};

use broker::message::MAX_RELAYS;
use broker::{Origin, Tags};

use crate::stamp;

/// When nothing newer came for so long, whatever comes is new: its publisher may have begun anew with its clock set
/// back.
const PATIENCE: Duration = Duration::from_secs(1);

/// For so long after a frame that went in a circle none is taken: one that is would be the next to do so.
const CIRCLE: Duration = Duration::from_secs(10);

/// What to do with a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is new; so many before it did not come.
    Take(u64),
    /// It is not newer than the last.
    Stale,
    /// It went in a circle, or one did just now; what to do about that.
    Circle(String),
}

/// What was seen of the frames so far.
#[derive(Debug)]
pub(crate) struct Guard {
    /// Who publishes what is taken here.
    own: Origin,
    /// Of the last frame that was taken: epoch, id, when.
    last: Option<(u64, u64, Instant)>,
    /// Since when frames have gone in a circle, and why that is known.
    circle: Option<(Instant, String)>,
}

impl Guard {
    pub fn new(own: Origin) -> Guard {
        Guard {
            own,
            last: None,
            circle: None,
        }
    }

    /// Judges a frame that says this of itself; one that says nothing is always new.
    pub fn judge(&mut self, tags: Option<&Tags>, now: Instant) -> Verdict {
        if let Some(why) = tags.and_then(|tags| circle(self.own, tags)) {
            self.circle = Some((now, why));
        }
        if let Some((since, why)) = &self.circle {
            if now.saturating_duration_since(*since) < CIRCLE {
                return Verdict::Circle(why.clone());
            }
            self.circle = None;
        }
        let Some(tags) = tags else {
            return Verdict::Take(0);
        };
        let last = self
            .last
            .filter(|&(.., at)| now.saturating_duration_since(at) < PATIENCE);
        if let Some((epoch, id, _)) = last
            && (tags.epoch, tags.frame_id) <= (epoch, id)
        {
            return Verdict::Stale;
        }
        let before = self.last.filter(|&(epoch, ..)| epoch == tags.epoch);
        let missed = stamp::missed(before.map(|(_, id, _)| id), Some(tags.frame_id));
        self.last = Some((tags.epoch, tags.frame_id, now));
        Verdict::Take(missed)
    }
}

/// Why a frame that says this of itself goes in a circle; `own`: who publishes what is taken here.
pub(crate) fn circle(own: Origin, tags: &Tags) -> Option<String> {
    if tags.origin == own && own != Origin::default() {
        return Some(
            "what this very instance publishes comes back: give --publish another exchange".into(),
        );
    }
    (tags.relays >= MAX_RELAYS).then(|| {
        format!("its frames have passed {MAX_RELAYS} brokers already, or go in a circle: relay from the first one")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn tags(epoch: u64, frame_id: u64) -> Tags {
        Tags {
            frame_id,
            epoch,
            captured_ns: 0,
            width: 64,
            height: 48,
            origin: Origin(1),
            relays: 0,
        }
    }

    fn judge(guard: &mut Guard, epoch: u64, id: u64, now: Instant) -> Verdict {
        guard.judge(Some(&tags(epoch, id)), now)
    }

    #[test]
    fn only_newer_ones_and_what_is_missing_is_counted() {
        let (mut guard, now) = (Guard::new(Origin(9)), Instant::now());
        assert_eq!(judge(&mut guard, 5, 100, now), Verdict::Take(0));
        assert_eq!(judge(&mut guard, 5, 101, now), Verdict::Take(0));
        assert_eq!(judge(&mut guard, 5, 104, now), Verdict::Take(2));
        for (epoch, id) in [(5, 104), (5, 103), (4, 200)] {
            assert_eq!(judge(&mut guard, epoch, id, now), Verdict::Stale);
        }
        // Its capture process, or all of it, was restarted.
        assert_eq!(judge(&mut guard, 6, 1, now), Verdict::Take(0));
        assert_eq!(judge(&mut guard, 6, 9_000_000, now), Verdict::Take(0));
        assert_eq!(guard.judge(None, now), Verdict::Take(0));
    }

    #[test]
    fn whoever_begins_anew_with_an_earlier_clock_is_heard_after_a_second() {
        let (mut guard, now) = (Guard::new(Origin(9)), Instant::now());
        judge(&mut guard, 5, 100, now);
        assert_eq!(judge(&mut guard, 3, 1, now + SECOND / 2), Verdict::Stale);
        assert_eq!(judge(&mut guard, 3, 2, now + SECOND), Verdict::Take(0));
        assert_eq!(judge(&mut guard, 3, 4, now + SECOND), Verdict::Take(1));
    }

    #[test]
    fn what_went_in_a_circle_takes_all_with_it_for_a_while() {
        let own = Tags {
            origin: Origin(9),
            ..tags(5, 1)
        };
        let far = Tags {
            relays: MAX_RELAYS,
            ..tags(5, 1)
        };
        for (circling, words) in [(own, "--publish another"), (far, "4 brokers")] {
            let (mut guard, now) = (Guard::new(Origin(9)), Instant::now());
            let circle = |verdict| matches!(verdict, Verdict::Circle(why) if why.contains(words));
            assert!(circle(guard.judge(Some(&circling), now)));
            assert!(circle(guard.judge(Some(&tags(5, 2)), now + 9 * SECOND)));
            assert!(circle(guard.judge(None, now + 9 * SECOND)));
            assert_eq!(judge(&mut guard, 5, 3, now + 10 * SECOND), Verdict::Take(0));
        }
        // Nobody knows who published it: nor whether it was this one.
        let nobody = Tags {
            origin: Origin::default(),
            ..tags(5, 1)
        };
        let mut guard = Guard::new(Origin::default());
        assert_eq!(guard.judge(Some(&nobody), Instant::now()), Verdict::Take(0));
    }
}
