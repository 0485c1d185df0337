//! The memory that a process has for itself alone.
//!
//! Not here: CPU time (`cpu`), and whose memory is wanted.

use std::fs;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::stats::{max, median};

/// `Private_Dirty` of several processes, kB (1024 bytes, as the kernel says it).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PrivateDirty {
    /// Of the middle one.
    pub median_kb: f64,
    /// Of the largest.
    pub max_kb: f64,
}

impl PrivateDirty {
    /// Reads it of each of `pids`.
    ///
    /// # Errors
    /// Where one of them cannot be read, or there is none.
    pub fn of(pids: &[i32]) -> Result<PrivateDirty> {
        let kb = pids.iter().map(|pid| {
            let path = format!("/proc/{pid}/smaps_rollup");
            let text = fs::read_to_string(&path).with_context(|| path.clone())?;
            private_dirty_kb(&text).with_context(|| format!("{path} has no Private_Dirty"))
        });
        let kb = kb.collect::<Result<Vec<_>>>()?;
        Ok(PrivateDirty {
            median_kb: median(kb.iter().copied()).context("no idle sender to measure")?,
            max_kb: max(kb),
        })
    }
}

/// The line `Private_Dirty:       36 kB` of a smaps_rollup (proc_pid_smaps(5)).
fn private_dirty_kb(smaps_rollup: &str) -> Option<f64> {
    let lines = smaps_rollup.lines();
    let value = lines
        .filter_map(|line| line.strip_prefix("Private_Dirty:"))
        .next()?;
    value.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_line() {
        let text = "556c14a84000-7ffe7b84c000 ---p 00000000 00:00 0    [rollup]\n\
                    Rss:                1836 kB\n\
                    Pss_Dirty:           116 kB\n\
                    Private_Clean:         4 kB\n\
                    Private_Dirty:        36 kB\n";
        assert_eq!(private_dirty_kb(text), Some(36.0));
        assert_eq!(private_dirty_kb("Rss: 4 kB\n"), None);
        assert_eq!(private_dirty_kb("Private_Dirty: 4 MB\n"), None);
    }

    #[test]
    fn a_process_has_some() {
        let ours = PrivateDirty::of(&[std::process::id() as i32]).unwrap();
        assert!(ours.median_kb > 0.0 && ours.median_kb == ours.max_kb);
        assert!(PrivateDirty::of(&[]).is_err());
    }
}
