//! CPU time of a tree of processes, to the nanosecond.
//!
//! The first field of `/proc/PID/task/TID/schedstat` is the time that a thread has run, in
//! nanoseconds (Documentation/scheduler/sched-stats.rst). `utime + stime` of `/proc/PID/stat` reads
//! up to a quarter low with many processes that run shortly. The field is brought up to date when
//! the thread leaves its CPU and at each timer tick, so of a thread that runs at the very moment
//! of a sample at most one tick is missing.
//!
//! Not here: which processes those are (`tree`), memory (`memory`), and when to look.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::tree;

/// The time that each thread of a tree had run at one moment.
#[derive(Debug, Clone)]
pub struct Sample {
    at: Instant,
    /// Nanoseconds by (pid, tid).
    ran: BTreeMap<(i32, i32), u64>,
}

/// What a tree spent between two samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Spent {
    /// Between the samples.
    pub wall: Duration,
    /// CPU time by pid.
    pub by_process: BTreeMap<i32, Duration>,
    /// Threads, by (pid, tid), that ended in between: what they spent is nowhere to be read.
    pub ended: Vec<(i32, i32)>,
}

impl Spent {
    /// CPU time of all.
    pub fn total(&self) -> Duration {
        self.by_process.values().sum()
    }
}

impl Sample {
    /// Looks at `roots` and all that descend from them.
    ///
    /// # Errors
    /// Where /proc cannot be read.
    pub fn of(roots: &[i32]) -> Result<Sample> {
        let tree = tree::processes(roots)?;
        let at = Instant::now();
        let mut ran = BTreeMap::new();
        for pid in tree {
            // Who ended meanwhile is missed by `since`, if it was there before.
            for tid in tree::threads(pid) {
                let path = format!("/proc/{pid}/task/{tid}/schedstat");
                match fs::read_to_string(&path) {
                    Ok(text) => {
                        let ns = ran_ns(&text).with_context(|| format!("{path} says {text:?}"))?;
                        ran.insert((pid, tid), ns);
                    }
                    Err(e) if tree::is_gone(&e) => {}
                    Err(e) => {
                        return Err(e).context(format!("{path} (CONFIG_SCHED_INFO is needed)"));
                    }
                }
            }
        }
        Ok(Sample { at, ran })
    }

    /// What was spent since `earlier`. A thread that began in between counts as a whole.
    pub fn since(&self, earlier: &Sample) -> Spent {
        let mut by_process = BTreeMap::new();
        for (task, &ns) in &self.ran {
            let before = earlier.ran.get(task).copied().unwrap_or(0);
            *by_process.entry(task.0).or_default() +=
                Duration::from_nanos(ns.saturating_sub(before));
        }
        let known = earlier.ran.keys().copied();
        Spent {
            wall: self.at - earlier.at,
            by_process,
            ended: known.filter(|task| !self.ran.contains_key(task)).collect(),
        }
    }

    /// The processes that were there.
    pub fn processes(&self) -> BTreeSet<i32> {
        self.ran.keys().map(|&(pid, _)| pid).collect()
    }

    /// How many threads there were, in all.
    pub fn threads(&self) -> usize {
        self.ran.len()
    }
}

/// The first field of a schedstat: nanoseconds run.
fn ran_ns(schedstat: &str) -> Option<u64> {
    schedstat.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(ran_ns("215760 2129343 2\n"), Some(215_760));
        assert_eq!(ran_ns(""), None);
        assert_eq!(ran_ns("x 1 2"), None);
    }

    fn sample(at: Instant, ran: &[((i32, i32), u64)]) -> Sample {
        Sample {
            at,
            ran: ran.iter().copied().collect(),
        }
    }

    #[test]
    fn adds_up_the_threads_of_each_process() {
        let began = Instant::now();
        let first = sample(began, &[((1, 1), 100), ((1, 2), 50), ((3, 3), 7)]);
        let wall = Duration::from_secs(2);
        let tasks = [((1, 1), 160), ((1, 2), 51), ((3, 3), 7), ((4, 4), 9)];
        let spent = sample(began + wall, &tasks).since(&first);
        let ns = Duration::from_nanos;
        assert_eq!(spent.wall, wall);
        assert_eq!(
            spent.by_process,
            BTreeMap::from([(1, ns(61)), (3, ns(0)), (4, ns(9))])
        );
        assert_eq!(spent.total(), ns(70));
        assert_eq!(spent.ended, []);
    }

    #[test]
    fn a_thread_that_ended_is_told() {
        let now = Instant::now();
        let first = sample(now, &[((1, 1), 100), ((1, 2), 50)]);
        let spent = sample(now, &[((1, 1), 160)]).since(&first);
        assert_eq!(spent.ended, [(1, 2)]);
    }

    #[test]
    fn sees_this_process_run() {
        let pid = std::process::id() as i32;
        let first = Sample::of(&[pid]).unwrap();
        assert!(first.threads() > 0 && first.processes().contains(&pid));
        while Sample::of(&[pid]).unwrap().ran[&(pid, pid)] == first.ran[&(pid, pid)] {
            std::thread::yield_now();
        }
    }
}
