//! Context switches of a tree of processes: `/proc/PID/task/TID/status` (proc_pid_status(5)).
//!
//! Not here: CPU time (`cpu`).

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};

use crate::tree;

/// How often threads left their CPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// To wait for something.
    pub voluntary: u64,
    /// For another thread.
    pub involuntary: u64,
}

/// Each thread's counts at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample(BTreeMap<(i32, i32), Count>);

impl Sample {
    /// Looks at `roots` and all that descend from them.
    ///
    /// # Errors
    /// Where /proc cannot be read.
    pub fn of(roots: &[i32]) -> Result<Sample> {
        let mut counts = BTreeMap::new();
        for pid in tree::processes(roots)? {
            for tid in tree::threads(pid) {
                let path = format!("/proc/{pid}/task/{tid}/status");
                match fs::read_to_string(&path) {
                    Ok(text) => {
                        let count = parse(&text)
                            .with_context(|| format!("{path} counts no context switches"))?;
                        counts.insert((pid, tid), count);
                    }
                    Err(e) if tree::is_gone(&e) => {}
                    Err(e) => return Err(e).context(path),
                }
            }
        }
        Ok(Sample(counts))
    }

    /// What was counted since `earlier`. A thread that began in between counts as a whole, one that ended not at all.
    pub fn since(&self, earlier: &Sample) -> Count {
        let mut sum = Count::default();
        for (task, now) in &self.0 {
            let before = earlier.0.get(task).copied().unwrap_or_default();
            sum.voluntary += now.voluntary.saturating_sub(before.voluntary);
            sum.involuntary += now.involuntary.saturating_sub(before.involuntary);
        }
        sum
    }
}

fn parse(status: &str) -> Option<Count> {
    let field = |name| {
        let mut lines = status.lines();
        lines
            .find_map(|line| line.strip_prefix(name))?
            .trim()
            .parse()
            .ok()
    };
    Some(Count {
        voluntary: field("voluntary_ctxt_switches:")?,
        involuntary: field("nonvoluntary_ctxt_switches:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let text = "Name:\tcat\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n";
        let count = Count {
            voluntary: 150,
            involuntary: 545,
        };
        assert_eq!(parse(text), Some(count));
        assert_eq!(parse("Name:\tcat\n"), None);
    }

    #[test]
    fn sleeping_is_counted() {
        let pid = std::process::id() as i32;
        let first = Sample::of(&[pid]).unwrap();
        while Sample::of(&[pid]).unwrap().since(&first).voluntary == 0 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}
