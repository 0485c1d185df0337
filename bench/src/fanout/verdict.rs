//! The bounds that seqcast is held to, and whether it keeps them.
//!
//! Not here: the figures (`report`).

use serde::Serialize;

use crate::report::{Cell, Stall};

/// The viewers at which the bounds hold.
pub const JUDGED_VIEWERS: usize = 20;
/// CPU a frame over (b)'s.
const MAX_RATIO_TO_FORKED: f64 = 1.3;
/// 30 within 1 %.
const MIN_FPS: f64 = 29.7;
/// kB, of the largest idle sender.
const MAX_IDLE_PRIVATE_DIRTY: f64 = 64.0;
/// Frames that a viewer may get after a stall that are older than its end.
const MAX_STALE: u64 = 5;

/// Whether a bound holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    pub what: String,
    pub value: f64,
    /// What `value` may be at most, or at least.
    pub bound: f64,
    pub pass: bool,
}

impl Verdict {
    fn at_most(what: &str, value: f64, bound: f64) -> Verdict {
        Verdict {
            what: what.to_owned(),
            value,
            bound,
            pass: value <= bound,
        }
    }

    fn at_least(what: &str, value: f64, bound: f64) -> Verdict {
        Verdict {
            pass: value >= bound,
            ..Verdict::at_most(what, value, bound)
        }
    }
}

/// Judges what was measured; what was not is not judged.
pub fn verdicts(cells: &[Cell], stall: Option<&Stall>) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    if let Some(cell) = cells.iter().find(|cell| cell.viewers == JUDGED_VIEWERS) {
        verdicts.extend([
            Verdict::at_most(
                "CPU a frame over (b)'s",
                cell.ratio_to_forked,
                MAX_RATIO_TO_FORKED,
            ),
            Verdict::at_least("fps of the slowest viewer", cell.fps_min, MIN_FPS),
            Verdict::at_most("frames lost", cell.lost as f64, 0.0),
        ]);
        verdicts.extend(cell.idle_private_dirty.map(|idle| {
            Verdict::at_most(
                "private dirty kB of an idle sender",
                idle.max_kb,
                MAX_IDLE_PRIVATE_DIRTY,
            )
        }));
        let skew = cell.skew_p99_ms.zip(cell.forked_skew_p99_ms);
        verdicts.extend(skew.map(|(ours, theirs)| {
            Verdict::at_most("skew p99 ms, no worse than (b)'s", ours, theirs)
        }));
    }
    verdicts.extend(stall.map(|stall| {
        let stale = stall.ours.stale as f64;
        Verdict::at_most("stale frames after a stall", stale, MAX_STALE as f64)
    }));
    verdicts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{cell, stall};
    use bench::memory::PrivateDirty;

    #[test]
    fn all_bounds_are_judged_where_they_were_measured() {
        let passed = verdicts(&[cell()], Some(&stall(5)));
        assert_eq!(passed.len(), 6);
        assert!(passed.iter().all(|verdict| verdict.pass), "{passed:?}");
        let other = Cell {
            viewers: 5,
            ..cell()
        };
        assert_eq!(verdicts(&[other], None), []);
    }

    #[test]
    fn each_bound_can_be_missed() {
        let judged = |change: fn(&mut Cell), stale| {
            let mut cell = cell();
            change(&mut cell);
            let verdicts = verdicts(&[cell], Some(&stall(stale)));
            let missed = verdicts.iter().filter(|verdict| !verdict.pass);
            assert_eq!(missed.count(), 1, "{verdicts:?}");
        };
        judged(|cell| cell.ratio_to_forked = 1.31, 0);
        judged(|cell| cell.fps_min = 29.6, 0);
        judged(|cell| cell.lost = 1, 0);
        judged(|cell| cell.skew_p99_ms = Some(5.1), 0);
        judged(
            |cell| {
                cell.idle_private_dirty = Some(PrivateDirty {
                    median_kb: 36.0,
                    max_kb: 68.0,
                });
            },
            0,
        );
        judged(|_| {}, 6);
        // What is no number passes no bound.
        judged(|cell| cell.ratio_to_forked = f64::NAN, 0);
    }
}
