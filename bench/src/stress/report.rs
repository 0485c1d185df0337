//! What a run came to: for people, as JSON, and held against the bounds.
//!
//! Not here: how it was counted (`driver`).

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

use crate::driver::{Outcome, Plan};
use crate::tally::{FRAME_NS, Gaps};

const FRAME_MS: f64 = FRAME_NS as f64 / 1e6;

/// The JSON document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub seconds: f64,
    pub processes: usize,
    pub cpus: usize,
    pub arena: u64,
    pub reads: Reads,
    pub publishes: u64,
    /// Ids that repeated or fell, as readers and successors saw it.
    pub id_violations: u64,
    pub blows: Blows,
    /// Between two publications of one writer, but for those in which it was stopped.
    pub stalls: Pauses,
    /// The same of a process that only looks at the clock: what the machine does to everybody.
    pub bystander: Pauses,
    pub takeovers: Option<Takeovers>,
    pub verdicts: Vec<Verdict>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Reads {
    pub accepted: u64,
    pub gigabytes: f64,
    /// Overwritten while they were read, and refused.
    pub overtaken: u64,
    /// Overwritten before they were lent.
    pub gone: u64,
    /// Accepted, and wrong.
    pub torn: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Blows {
    pub reader_kills: u64,
    pub reader_stops: u64,
    pub writer_kills: u64,
    pub writer_stops: u64,
    /// Kills of the writer that left a frame half published.
    pub half_published: u64,
}

/// Times in which a process that should run did not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Pauses {
    pub longest_ms: f64,
    /// The longest part that was its own doing: work, or a wait for something.
    pub longest_own_ms: f64,
    /// Longer than a frame at 30 fps.
    pub over_a_frame: u64,
}

/// From a writer's SIGKILL to its successor's first frame, as a reader sees it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Takeovers {
    pub count: usize,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

/// Whether a bound holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    pub what: &'static str,
    pub value: f64,
    /// What `value` may be at most.
    pub bound: f64,
    pub pass: bool,
    /// Not a matter of the machine's load: judged in every run, not only in a strict one.
    pub always: bool,
}

impl Report {
    pub fn new(plan: &Plan, outcome: &Outcome) -> Report {
        let Outcome { tally, blows, .. } = outcome;
        let mut report = Report {
            seconds: outcome.elapsed.as_secs_f64(),
            processes: plan.readers + 3, // the writer, the bystander and the driver
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            arena: plan.arena,
            reads: Reads {
                accepted: tally.reads(|it| &it.accepted),
                gigabytes: tally.reads(|it| &it.bytes) as f64 / 1e9,
                overtaken: tally.reads(|it| &it.overtaken),
                gone: tally.reads(|it| &it.gone),
                torn: tally.reads(|it| &it.torn),
            },
            publishes: outcome.head,
            id_violations: tally.reads(|it| &it.violations) + tally.writer.violations.load(Relaxed),
            blows: Blows {
                reader_kills: blows.reader_kills,
                reader_stops: blows.reader_stops,
                writer_kills: blows.takeovers_ns.len() as u64,
                writer_stops: blows.writer_stops,
                half_published: blows.half_published,
            },
            stalls: Pauses::of(&tally.writer.gaps),
            bystander: Pauses::of(&tally.bystander),
            takeovers: Takeovers::of(&blows.takeovers_ns),
            verdicts: Vec::new(),
        };
        report.verdicts = report.judge();
        report
    }

    fn judge(&self) -> Vec<Verdict> {
        let at_most = |what, value: f64, bound, always| Verdict {
            what,
            value,
            bound,
            pass: value <= bound,
            always,
        };
        let mut verdicts = vec![
            at_most("torn frames accepted", self.reads.torn as f64, 0.0, true),
            at_most(
                "ids that repeated or fell",
                self.id_violations as f64,
                0.0,
                true,
            ),
            at_most(
                "longest stall of the writer, ms",
                self.stalls.longest_ms,
                FRAME_MS,
                false,
            ),
            at_most(
                "longest of its own doing, ms",
                self.stalls.longest_own_ms,
                FRAME_MS,
                false,
            ),
        ];
        verdicts.extend(
            self.takeovers
                .map(|it| at_most("takeover p99, ms", it.p99_ms, FRAME_MS, false)),
        );
        verdicts
    }

    /// Whether all bounds hold that are judged.
    pub fn passes(&self, strict: bool) -> bool {
        let judged = |it: &&Verdict| strict || it.always;
        self.verdicts.iter().filter(judged).all(|it| it.pass)
    }
}

impl Pauses {
    fn of(gaps: &Gaps) -> Pauses {
        Pauses {
            longest_ms: gaps.longest_ns.load(Relaxed) as f64 / 1e6,
            longest_own_ms: gaps.longest_own_ns.load(Relaxed) as f64 / 1e6,
            over_a_frame: gaps.over_a_frame.load(Relaxed),
        }
    }
}

impl Takeovers {
    fn of(ns: &[u64]) -> Option<Takeovers> {
        let mut ns = ns.to_vec();
        ns.sort_unstable();
        // The least that so many of a thousand do not exceed.
        let ms = |per_mille: usize| {
            let rank = (ns.len() * per_mille).div_ceil(1000).max(1);
            Some(*ns.get(rank - 1)? as f64 / 1e6)
        };
        Some(Takeovers {
            count: ns.len(),
            p50_ms: ms(500)?,
            p99_ms: ms(990)?,
            max_ms: ms(1000)?,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { reads, blows, .. } = self;
        writeln!(
            f,
            "{:.1} s, {} processes on {} CPUs, arena of {} KiB\n\
             reads       {} accepted and verified ({:.1} GB), {} overtaken, {} gone before\n\
             torn        {} accepted\n\
             publishes   {}, ids that repeated or fell: {}\n\
             readers     {} killed, {} stopped\n\
             writers     {} killed ({} of them left a frame half published), {} stopped",
            self.seconds,
            self.processes,
            self.cpus,
            self.arena >> 10,
            reads.accepted,
            reads.gigabytes,
            reads.overtaken,
            reads.gone,
            reads.torn,
            self.publishes,
            self.id_violations,
            blows.reader_kills,
            blows.reader_stops,
            blows.writer_kills,
            blows.half_published,
            blows.writer_stops,
        )?;
        for (name, it) in [("writer", self.stalls), ("bystander", self.bystander)] {
            writeln!(
                f,
                "{name:<11} longest pause {:.1} ms, {} over a frame; longest of its own doing {:.1} ms",
                it.longest_ms, it.over_a_frame, it.longest_own_ms
            )?;
        }
        if let Some(it) = self.takeovers {
            writeln!(
                f,
                "takeovers   p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
                it.p50_ms, it.p99_ms, it.max_ms
            )?;
        }
        for it in &self.verdicts {
            let word = if it.pass { "pass" } else { "FAIL" };
            let Verdict {
                what, value, bound, ..
            } = it;
            writeln!(f, "  {word}  {what}: {value:.1} (bound {bound:.1})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let pauses = Pauses {
            longest_ms: 20.0,
            longest_own_ms: 0.0,
            over_a_frame: 0,
        };
        Report {
            seconds: 1.0,
            processes: 6,
            cpus: 2,
            arena: 1 << 20,
            reads: Reads {
                accepted: 10,
                gigabytes: 0.1,
                overtaken: 2,
                gone: 1,
                torn: 0,
            },
            publishes: 100,
            id_violations: 0,
            blows: Blows {
                reader_kills: 1,
                reader_stops: 1,
                writer_kills: 1,
                writer_stops: 1,
                half_published: 1,
            },
            stalls: pauses,
            bystander: pauses,
            takeovers: Takeovers::of(&[30_000_000, 1_000_000]),
            verdicts: Vec::new(),
        }
    }

    #[test]
    fn percentiles_are_of_what_was_measured() {
        let ns: Vec<u64> = (1..=200).rev().map(|ms| ms * 1_000_000).collect();
        let it = Takeovers::of(&ns).unwrap();
        assert_eq!((it.p50_ms, it.p99_ms, it.max_ms), (100.0, 198.0, 200.0));
        assert_eq!(Takeovers::of(&[]), None);
        assert_eq!(Takeovers::of(&[5_000_000]).unwrap().p99_ms, 5.0);
    }

    #[test]
    fn what_is_wrong_always_fails_and_what_is_slow_only_strictly() {
        let passes = |change: fn(&mut Report)| {
            let mut report = report();
            change(&mut report);
            report.verdicts = report.judge();
            (report.passes(false), report.passes(true))
        };
        assert_eq!(passes(|_| {}), (true, true));
        assert_eq!(passes(|it| it.reads.torn = 1), (false, false));
        assert_eq!(passes(|it| it.id_violations = 1), (false, false));
        assert_eq!(passes(|it| it.stalls.longest_ms = 34.0), (true, false));
        let slow = |it: &mut Report| it.takeovers = Takeovers::of(&[40_000_000]);
        assert_eq!(passes(slow), (true, false));
    }

    #[test]
    fn a_person_sees_what_failed() {
        let mut report = report();
        report.reads.torn = 3;
        report.verdicts = report.judge();
        let text = report.to_string();
        assert!(text.contains("FAIL  torn frames accepted: 3.0 (bound 0.0)"));
        assert!(text.contains("pass  takeover p99, ms: 30.0 (bound 33.3)"));
    }
}
