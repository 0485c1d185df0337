//! When to say that a viewer falls behind, and when that it has recovered: two lines a spell,
//! however many frames it costs.
//!
//! Not here: the counting that status shows; this is for the log.

use std::time::{Duration, Instant};

/// So long without a skip, and the viewer has recovered; less would tell of every skip of a
/// viewer that is always a little too slow.
const CALM: Duration = Duration::from_secs(30);

/// A stretch of time in which a viewer misses frames again and again.
#[derive(Debug, Default)]
pub struct Spell {
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    began: Instant,
    last: Instant,
    skipped: u64,
}

/// A spell that is over.
#[derive(Debug, PartialEq, Eq)]
pub struct Over {
    /// Frames skipped in it.
    pub skipped: u64,
    /// From its first to its last skip.
    pub lasted: Duration,
}

impl Spell {
    /// Notes that `count` frames were skipped. Returns whether a spell begins with them.
    pub fn skipped(&mut self, count: u64, now: Instant) -> bool {
        let begins = self.running.is_none();
        let running = self.running.get_or_insert(Running {
            began: now,
            last: now,
            skipped: 0,
        });
        running.last = now;
        running.skipped += count;
        begins
    }

    /// The spell that has just ended, if one has.
    pub fn over(&mut self, now: Instant) -> Option<Over> {
        let Running {
            began,
            last,
            skipped,
        } = *self.running.as_ref()?;
        if now.duration_since(last) < CALM {
            return None;
        }
        self.running = None;
        Some(Over {
            skipped,
            lasted: last - began,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_beginning_and_one_end() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut spell = Spell::default();
        assert_eq!(spell.over(at(0)), None);
        assert!(spell.skipped(3, at(1)));
        assert!(!spell.skipped(2, at(4)));
        assert_eq!(spell.over(at(33)), None);
        let over = Over {
            skipped: 5,
            lasted: Duration::from_secs(3),
        };
        assert_eq!(spell.over(at(34)), Some(over));
        assert_eq!(spell.over(at(90)), None);
        assert!(spell.skipped(1, at(91)));
    }
}
