//! What the runs say: a table for people, and one JSON document.
//!
//! Not here: how it was measured (`measure`), and what it should be (`verdict`).

use std::fmt;

use serde::Serialize;

use crate::measure::{Run, Stalled};
use crate::verdict::{JUDGED_VIEWERS, Verdict};
use bench::memory::PrivateDirty;
use bench::stats::{max, median, median_ratio, min};

/// Two pairs of runs, each member right after the other: ours and (a), ours and (b).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Round {
    pub ours_beside_epoll: Run,
    pub epoll: Run,
    pub ours_beside_forked: Run,
    pub forked: Run,
}

/// All rounds at one number of viewers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    pub viewers: usize,
    /// Medians of CPU a delivered frame, µs.
    pub ours_us: f64,
    pub epoll_us: f64,
    pub forked_us: f64,
    /// Medians over the pairs.
    pub ratio_to_epoll: f64,
    pub ratio_to_forked: f64,
    /// Medians over the runs, of ours those beside (b); none of one viewer.
    pub skew_p99_ms: Option<f64>,
    pub forked_skew_p99_ms: Option<f64>,
    /// Over all of our runs.
    pub lost: u64,
    pub fps_min: f64,
    /// Of ours: the median run's median, the largest of all.
    pub idle_private_dirty: Option<PrivateDirty>,
    pub rounds: Vec<Round>,
}

/// What a stall did to each.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Stall {
    pub seconds: f64,
    pub ours: Stalled,
    pub epoll: Stalled,
    pub forked: Stalled,
}

/// On what it was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Machine {
    pub cpus: usize,
    pub kernel: String,
    /// Runnable processes in the minute before: above 0 somebody else was at work.
    pub load_before: f64,
}

/// The JSON document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub machine: Machine,
    /// What seqcast was started with beside what each run needs.
    pub options: Vec<String>,
    pub fps: u32,
    pub frame_bytes: usize,
    pub seconds: f64,
    pub pairs: usize,
    pub cells: Vec<Cell>,
    pub stall: Option<Stall>,
    pub verdicts: Vec<Verdict>,
}

impl Cell {
    /// Sums the rounds up; none of no rounds.
    pub fn new(viewers: usize, rounds: Vec<Round>) -> Option<Cell> {
        let pairs_with_epoll = || rounds.iter().map(|r| (&r.ours_beside_epoll, &r.epoll));
        let pairs_with_forked = || rounds.iter().map(|r| (&r.ours_beside_forked, &r.forked));
        let ours = || {
            let pairs = pairs_with_epoll().chain(pairs_with_forked());
            pairs.map(|(ours, _)| ours)
        };
        let cpu = |(ours, theirs): (&Run, &Run)| (ours.cpu_us, theirs.cpu_us);
        let idle = || ours().filter_map(|run| Some(run.seqcast.as_ref()?.idle_private_dirty));
        Some(Cell {
            viewers,
            ours_us: median(ours().map(|run| run.cpu_us))?,
            epoll_us: median(rounds.iter().map(|round| round.epoll.cpu_us))?,
            forked_us: median(rounds.iter().map(|round| round.forked.cpu_us))?,
            ratio_to_epoll: median_ratio(pairs_with_epoll().map(cpu))?,
            ratio_to_forked: median_ratio(pairs_with_forked().map(cpu))?,
            skew_p99_ms: median(pairs_with_forked().filter_map(|(ours, _)| ours.skew_p99_ms)),
            forked_skew_p99_ms: median(rounds.iter().filter_map(|round| round.forked.skew_p99_ms)),
            lost: ours().map(|run| run.lost).sum(),
            fps_min: min(ours().map(|run| run.fps_min)),
            idle_private_dirty: median(idle().map(|idle| idle.median_kb)).map(|median_kb| {
                PrivateDirty {
                    median_kb,
                    max_kb: max(idle().map(|idle| idle.max_kb)),
                }
            }),
            rounds,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} B at {} fps over loopback, {} pairs of {} s each; {} CPUs, Linux {}, load {:.1} before.\n\
             CPU of all server processes a delivered frame, medians: {}, (a) one epoll process that only\n\
             writes, (b) a forked process per socket that only writes.\n",
            self.frame_bytes,
            self.fps,
            self.pairs,
            self.seconds,
            self.machine.cpus,
            self.machine.kernel,
            self.machine.load_before,
            [&["seqcast".to_owned()], &self.options[..]]
                .concat()
                .join(" "),
        )?;
        writeln!(
            f,
            "viewers  seqcast µs    (a) µs    (b) µs   to (a)   to (b)   skew p99 ms  (b)'s ms    lost  min fps"
        )?;
        for cell in &self.cells {
            writeln!(
                f,
                "{:>7} {:>11.1} {:>9.1} {:>9.1} {:>8.2} {:>8.2} {:>13} {:>9} {:>7} {:>8.2}",
                cell.viewers,
                cell.ours_us,
                cell.epoll_us,
                cell.forked_us,
                cell.ratio_to_epoll,
                cell.ratio_to_forked,
                shown(cell.skew_p99_ms),
                shown(cell.forked_skew_p99_ms),
                cell.lost,
                cell.fps_min,
            )?;
        }
        writeln!(
            f,
            "\nviewers  capture µs  senders µs  supervisor µs  latency p50 ms    p99  (b)'s p50    p99  idle sender kB"
        )?;
        for cell in &self.cells {
            cell.shares(f)?;
        }
        if let Some(stall) = &self.stall {
            writeln!(
                f,
                "\n1 of 10 viewers stalls for {} s (SO_RCVBUF {} B): stale frames after it, and of the others:",
                stall.seconds, stall.ours.rcvbuf
            )?;
            for (name, it) in [
                ("seqcast", stall.ours),
                ("(a)", stall.epoll),
                ("(b)", stall.forked),
            ] {
                let Stalled {
                    stale,
                    others_lost,
                    others_fps_min,
                    ..
                } = it;
                writeln!(
                    f,
                    "{name:>8} {stale:>5} stale   {others_lost} lost, {others_fps_min:.2} fps at least"
                )?;
            }
        }
        if !self.verdicts.is_empty() {
            writeln!(f, "\nBounds, at {JUDGED_VIEWERS} viewers:")?;
        }
        for verdict in &self.verdicts {
            let word = if verdict.pass { "pass" } else { "FAIL" };
            let Verdict {
                what, value, bound, ..
            } = verdict;
            writeln!(f, "  {word}  {what}: {value:.2} (bound {bound:.2})")?;
        }
        Ok(())
    }
}

impl Cell {
    /// A line of what seqcast's CPU went to, and how late its frames came.
    fn shares(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ours = || self.rounds.iter().map(|round| &round.ours_beside_forked);
        let theirs = || self.rounds.iter().map(|round| &round.forked);
        let seqcast = || ours().filter_map(|run| run.seqcast.as_ref());
        writeln!(
            f,
            "{:>7} {:>11} {:>11} {:>14} {:>15} {:>6} {:>10} {:>6} {:>15}",
            self.viewers,
            shown(median(seqcast().map(|it| it.capture_us))),
            shown(median(seqcast().map(|it| it.senders_us))),
            shown(median(seqcast().map(|it| it.supervisor_us))),
            shown(median(ours().map(|run| run.latency_p50_ms))),
            shown(median(ours().map(|run| run.latency_p99_ms))),
            shown(median(theirs().map(|run| run.latency_p50_ms))),
            shown(median(theirs().map(|run| run.latency_p99_ms))),
            shown(self.idle_private_dirty.map(|idle| idle.max_kb)),
        )
    }
}

fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::measure::Seqcast;

    fn run(cpu_us: f64) -> Run {
        Run {
            cpu_us,
            fps_min: 30.0,
            lost: 0,
            skew_p50_ms: Some(1.0),
            skew_p99_ms: Some(5.0),
            latency_p50_ms: 1.0,
            latency_p99_ms: 2.0,
            seqcast: None,
        }
    }

    fn ours(cpu_us: f64) -> Run {
        Run {
            seqcast: Some(Seqcast {
                idle_private_dirty: PrivateDirty {
                    median_kb: 36.0,
                    max_kb: 48.0,
                },
                capture_us: 1.0,
                senders_us: cpu_us - 2.0,
                supervisor_us: 1.0,
            }),
            ..run(cpu_us)
        }
    }

    fn round(ours_us: [f64; 2], epoll_us: f64, forked_us: f64) -> Round {
        Round {
            ours_beside_epoll: ours(ours_us[0]),
            epoll: run(epoll_us),
            ours_beside_forked: ours(ours_us[1]),
            forked: run(forked_us),
        }
    }

    pub(crate) fn cell() -> Cell {
        let rounds = vec![
            round([60.0, 66.0], 30.0, 60.0),
            round([70.0, 72.0], 35.0, 60.0),
            round([80.0, 60.0], 20.0, 60.0),
        ];
        Cell::new(20, rounds).unwrap()
    }

    pub(crate) fn stall(stale: u64) -> Stall {
        let stalled = |stale| Stalled {
            stale,
            others_lost: 0,
            others_fps_min: 30.0,
            rcvbuf: 262_144,
        };
        Stall {
            seconds: 10.0,
            ours: stalled(stale),
            epoll: stalled(47),
            forked: stalled(47),
        }
    }

    #[test]
    fn a_cell_is_the_median_of_its_pairs() {
        let cell = cell();
        assert_eq!((cell.ratio_to_epoll, cell.ratio_to_forked), (2.0, 1.1));
        assert_eq!((cell.ours_us, cell.epoll_us), (68.0, 30.0));
        assert_eq!(cell.idle_private_dirty.unwrap().max_kb, 48.0);
        assert_eq!(Cell::new(20, Vec::new()), None);
    }

    #[test]
    fn a_person_sees_every_cell_and_verdict() {
        let cells = vec![cell()];
        let stall = Some(stall(6));
        let report = Report {
            machine: Machine {
                cpus: 2,
                kernel: "6.1".to_owned(),
                load_before: 0.0,
            },
            options: vec!["--model".into(), "thread".into()],
            fps: 30,
            frame_bytes: 100_000,
            seconds: 10.0,
            pairs: 3,
            verdicts: crate::verdict::verdicts(&cells, stall.as_ref()),
            cells,
            stall,
        };
        let text = report.to_string();
        assert!(
            text.contains("medians: seqcast --model thread, (a)"),
            "{text}"
        );
        assert!(
            text.contains("     20        68.0      30.0      60.0     2.00     1.10"),
            "{text}"
        );
        assert!(
            text.contains("FAIL  stale frames after a stall: 6.00 (bound 5.00)"),
            "{text}"
        );
        assert!(
            text.contains("pass  frames lost: 0.00 (bound 0.00)"),
            "{text}"
        );
        assert!(
            serde_json::to_string(&report)
                .unwrap()
                .contains(r#""ratio_to_forked":1.1"#)
        );
    }
}
