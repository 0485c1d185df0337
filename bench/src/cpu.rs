//! CPU time of a tree of processes, to the nanosecond.
//!
//! The first field of `/proc/PID/task/TID/schedstat` is the time that a thread has run, in
//! nanoseconds (Documentation/scheduler/sched-stats.rst). `utime + stime` of `/proc/PID/stat` reads
//! up to a quarter low with many processes that run shortly. The field is brought up to date when
//! the thread leaves its CPU and at each timer tick, so of a thread that runs at the very moment
//! of a sample at most one tick is missing.
//!
//! The tree is found by the parents that `/proc/PID/stat` names: `/proc/PID/task/TID/children` is
//! an option of the kernel (`CONFIG_PROC_CHILDREN`) that many lack.
//!
//! Not here: memory (`memory`), and when to look.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

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
}

impl Spent {
    /// CPU time of all.
    pub fn total(&self) -> Duration {
        self.by_process.values().sum()
    }
}

impl Sample {
    /// Looks at `root` and all that descend from it.
    ///
    /// # Errors
    /// Where /proc cannot be read, or `root` is not there.
    pub fn of(root: i32) -> Result<Sample> {
        let tree = tree(root)?;
        let at = Instant::now();
        let mut ran = BTreeMap::new();
        for pid in tree {
            // Who ended meanwhile is missed by `since`, if it was there before.
            for tid in numbers_in(&format!("/proc/{pid}/task")).unwrap_or_default() {
                let path = format!("/proc/{pid}/task/{tid}/schedstat");
                match fs::read_to_string(&path) {
                    Ok(text) => {
                        let ns = ran_ns(&text).with_context(|| format!("{path} says {text:?}"))?;
                        ran.insert((pid, tid), ns);
                    }
                    Err(e) if is_gone(&e) => {}
                    Err(e) => {
                        return Err(e).context(format!("{path} (CONFIG_SCHED_INFO is needed)"));
                    }
                }
            }
        }
        Ok(Sample { at, ran })
    }

    /// What was spent since `earlier`. A thread that began in between counts as a whole.
    ///
    /// # Errors
    /// Where a thread ended in between: what it spent is nowhere to be read.
    pub fn since(&self, earlier: &Sample) -> Result<Spent> {
        if let Some((pid, tid)) = earlier
            .ran
            .keys()
            .find(|&task| !self.ran.contains_key(task))
        {
            bail!("thread {tid} of process {pid} ended while it was measured");
        }
        let mut by_process = BTreeMap::new();
        for (task, &ns) in &self.ran {
            let before = earlier.ran.get(task).copied().unwrap_or(0);
            *by_process.entry(task.0).or_default() +=
                Duration::from_nanos(ns.saturating_sub(before));
        }
        Ok(Spent {
            wall: self.at - earlier.at,
            by_process,
        })
    }
}

/// `root` and its descendants, by pid.
fn tree(root: i32) -> Result<BTreeSet<i32>> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for pid in numbers_in("/proc").context("/proc")? {
        let path = format!("/proc/{pid}/stat");
        // Not UTF-8 where a program put such a thing in its name.
        if let Ok(stat) = fs::read(&path) {
            let parent = parent(&stat).with_context(|| format!("{path} names no parent"))?;
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = BTreeSet::new();
    let mut ahead = vec![root];
    while let Some(pid) = ahead.pop() {
        if found.insert(pid) {
            ahead.extend(children.get(&pid).into_iter().flatten());
        }
    }
    Ok(found)
}

/// The entries of a directory that are numbers.
fn numbers_in(path: &str) -> io::Result<Vec<i32>> {
    let names = fs::read_dir(path)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter_map(|name| name.parse().ok()).collect())
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

/// The first field of a schedstat: nanoseconds run.
fn ran_ns(schedstat: &str) -> Option<u64> {
    schedstat.split_ascii_whitespace().next()?.parse().ok()
}

/// The fourth field of `/proc/PID/stat` (proc_pid_stat(5)). The second is the program's name in
/// brackets, which may hold spaces and brackets itself.
fn parent(stat: &[u8]) -> Option<i32> {
    let name_end = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = str::from_utf8(&stat[name_end + 1..]).ok()?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(ran_ns("215760 2129343 2\n"), Some(215_760));
        assert_eq!(ran_ns(""), None);
        assert_eq!(ran_ns("x 1 2"), None);
        assert_eq!(parent(b"12 (fanout) S 7 12 1 0 -1"), Some(7));
        assert_eq!(parent(b"12 (a) (\xff 9) R 8 12 1"), Some(8));
        assert_eq!(parent(b"12 fanout"), None);
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
        let spent = sample(began + wall, &tasks).since(&first).unwrap();
        let ns = Duration::from_nanos;
        assert_eq!(spent.wall, wall);
        assert_eq!(
            spent.by_process,
            BTreeMap::from([(1, ns(61)), (3, ns(0)), (4, ns(9))])
        );
        assert_eq!(spent.total(), ns(70));
    }

    #[test]
    fn a_thread_that_ended_makes_it_void() {
        let now = Instant::now();
        let first = sample(now, &[((1, 1), 100), ((1, 2), 50)]);
        let error = sample(now, &[((1, 1), 160)]).since(&first).unwrap_err();
        assert!(error.to_string().starts_with("thread 2 of process 1"));
    }

    #[test]
    fn sees_this_process_run() {
        let pid = std::process::id() as i32;
        let first = Sample::of(pid).unwrap();
        while Sample::of(pid).unwrap().ran[&(pid, pid)] == first.ran[&(pid, pid)] {
            std::thread::yield_now();
        }
        assert!(
            tree(nix::unistd::getppid().as_raw())
                .unwrap()
                .contains(&pid)
        );
    }
}
