//! A look at everybody about once a second, from a thread of its own.
//!
//! Not here: the figures of the window (`case`), which are taken at its ends.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use bench::cpu;
use bench::memory::pss_kib;
use bench::tree;

use crate::ps::{self, Printed, Stat};
use crate::record::Sample;

const EVERY: Duration = Duration::from_secs(1);
/// How late the end may be seen.
const GLANCE: Duration = Duration::from_millis(20);

/// Who is looked at: the processes from which the others descend.
#[derive(Debug, Default)]
struct Roots {
    server: Vec<i32>,
    viewers: Vec<i32>,
}

/// Looks until it is stopped or dropped.
#[derive(Debug)]
pub struct Sampler {
    roots: Arc<Mutex<Roots>>,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Vec<Sample>>>>,
}

impl Sampler {
    /// Looks at a server that was started at `began`.
    pub fn start(began: Instant, server: Vec<i32>) -> Sampler {
        let viewers = Vec::new();
        let roots = Arc::new(Mutex::new(Roots { server, viewers }));
        let end = Arc::new(AtomicBool::new(false));
        let (of, until) = (roots.clone(), end.clone());
        Sampler {
            roots,
            end,
            thread: Some(std::thread::spawn(move || run(began, &of, &until))),
        }
    }

    /// From now on at its viewers, too.
    pub fn viewers(&self, pids: Vec<i32>) {
        let mut roots = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
        roots.viewers = pids;
    }

    /// What was seen.
    ///
    /// # Errors
    /// Where /proc could not be read.
    pub fn stop(mut self) -> Result<Vec<Sample>> {
        self.end.store(true, Relaxed);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(samples)) => samples,
            Some(Err(_)) => anyhow::bail!("the sampling thread panicked"),
            None => Ok(Vec::new()),
        }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.end.store(true, Relaxed);
    }
}

/// One side's earlier sample of CPU time.
type Before = Option<cpu::Sample>;

fn run(began: Instant, roots: &Mutex<Roots>, end: &AtomicBool) -> Result<Vec<Sample>> {
    // A look at a hundred processes takes some 40 ms, mostly for their PSS: it is to delay nobody.
    bench::sys::give_way();
    let machine = ps::Machine::this()?;
    let mut samples = Vec::new();
    let mut before: [Before; 2] = [None, None];
    let mut due = Instant::now();
    while !end.load(Relaxed) {
        if Instant::now() < due {
            std::thread::sleep(GLANCE);
            continue;
        }
        due = (due + EVERY).max(Instant::now());
        let [server, viewers] = {
            let roots = roots.lock().unwrap_or_else(PoisonError::into_inner);
            [roots.server.clone(), roots.viewers.clone()]
        };
        let at_s = began.elapsed().as_secs_f64();
        let [server_before, viewers_before] = &mut before;
        let (server_cpu, server_pids) = spent(&server, server_before)?;
        let (viewers_cpu, viewers_pids) = spent(&viewers, viewers_before)?;
        let uptime = ps::uptime()?;
        let mut sum = Printed::default();
        for stat in server_pids
            .union(&viewers_pids)
            .filter_map(|&pid| Stat::of(pid))
        {
            let one = machine.print(&stat, uptime);
            sum.cpu += one.cpu;
            sum.cpu_old += one.cpu_old;
            sum.mem += one.mem;
        }
        let pss = |pids: &BTreeSet<i32>| pids.iter().map(|&pid| pss_kib(pid)).sum();
        samples.push(Sample {
            at_s,
            server_cpu,
            server_pss_kib: pss(&server_pids),
            viewers_cpu,
            viewers_pss_kib: pss(&viewers_pids),
            ps_cpu: sum.cpu,
            ps_cpu_old: sum.cpu_old,
            ps_mem: sum.mem,
        });
    }
    Ok(samples)
}

/// CPU since the sample before, %, and who it was.
fn spent(roots: &[i32], before: &mut Before) -> Result<(f64, BTreeSet<i32>)> {
    let now = cpu::Sample::of(roots)?;
    // Who was not there before would count as a whole, over however little time has passed.
    let before_them = before.as_ref().filter(|before| before.threads() > 0);
    let percent = before_them.map_or(0.0, |before| {
        let spent = now.since(before);
        100.0 * spent.total().as_secs_f64() / spent.wall.as_secs_f64()
    });
    *before = Some(now);
    Ok((percent, tree::processes(roots)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_both_sides() {
        let pid = std::process::id() as i32;
        let sampler = Sampler::start(Instant::now(), vec![pid]);
        sampler.viewers(vec![pid]);
        std::thread::sleep(EVERY + EVERY / 2);
        let samples = sampler.stop().unwrap();
        let last = samples.last().unwrap();
        assert!(last.server_pss_kib > 0 && last.viewers_pss_kib > 0);
        assert!(last.ps_mem >= 0.0 && last.at_s >= 1.0);
    }
}
