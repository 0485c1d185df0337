//! `--on-demand`: whether the source may rest, as a pure function of who watches and of the clock.
//!
//! Not here: where viewers are seen and how capture is told (`switchboard`, `serve`).

use std::time::Duration;

use crate::policy::Moment;

/// Who wants pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Audience {
    /// Connections now.
    pub watching: u64,
    /// Connections ever: who came and went between two looks shows here.
    pub visits: u64,
}

/// Remembers when somebody last watched.
#[derive(Debug)]
pub struct Demand {
    /// How long nobody must have watched; none: it never rests.
    patience: Option<Duration>,
    visits: u64,
    last: Moment,
}

impl Demand {
    /// As asked. The beginning counts as a visit: so long the source shows whether it works.
    pub fn new(patience: Option<Duration>) -> Demand {
        Demand {
            patience,
            visits: 0,
            last: Duration::ZERO,
        }
    }

    /// Whether the source may rest now.
    pub fn may_rest(&mut self, now: Moment, audience: Audience) -> bool {
        let Some(patience) = self.patience else {
            return false;
        };
        let visits = std::mem::replace(&mut self.visits, audience.visits);
        if audience.watching > 0 || visits != audience.visits {
            self.last = now;
        }
        now.saturating_sub(self.last) >= patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn audience(watching: u64, visits: u64) -> Audience {
        Audience { watching, visits }
    }

    /// What comes of (second, watching, visits) one after the other.
    fn rests(patience: Option<Duration>, seen: &[(u32, u64, u64)]) -> Vec<bool> {
        let mut demand = Demand::new(patience);
        seen.iter()
            .map(|&(at, watching, visits)| demand.may_rest(at * S, audience(watching, visits)))
            .collect()
    }

    #[test]
    fn rests_when_nobody_watched_for_so_long_and_wakes_at_once() {
        for (what, seen, wanted) in [
            (
                "nobody ever",
                &[(0, 0, 0), (9, 0, 0), (10, 0, 0)][..],
                &[false, false, true][..],
            ),
            (
                "one all the time",
                &[(1, 1, 1), (20, 1, 1), (99, 1, 1)],
                &[false; 3],
            ),
            (
                "one that left at 20",
                &[(20, 1, 1), (29, 0, 1), (30, 0, 1)],
                &[false, false, true],
            ),
            (
                "one that comes",
                &[(10, 0, 0), (11, 1, 1), (12, 1, 1)],
                &[true, false, false],
            ),
            (
                "one that came and went unseen",
                &[(10, 0, 0), (11, 0, 1), (21, 0, 1)],
                &[true, false, true],
            ),
            (
                "a snapshot every 8 s",
                &[(8, 0, 1), (16, 0, 2), (24, 0, 3)],
                &[false; 3],
            ),
            (
                "the last of two",
                &[(1, 2, 2), (15, 1, 2), (24, 0, 2), (25, 0, 2)],
                &[false, false, false, true],
            ),
        ] {
            assert_eq!(rests(Some(10 * S), seen), wanted, "{what}");
        }
    }

    #[test]
    fn without_being_asked_it_never_rests() {
        assert_eq!(rests(None, &[(0, 0, 0), (86_400, 0, 0)]), [false, false]);
    }
}
