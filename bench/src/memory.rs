//! The memory of processes: what one has for itself alone, and its fair share of what it has at all.
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
            field(&text, "Private_Dirty").with_context(|| format!("{path} has no Private_Dirty"))
        });
        let kb = kb.collect::<Result<Vec<_>>>()?;
        Ok(PrivateDirty {
            median_kb: median(kb.iter().copied()).context("no idle sender to measure")?,
            max_kb: max(kb),
        })
    }
}

/// PSS of a process, KiB: what is shared counts in parts. 0 of one that has ended.
pub fn pss_kib(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
    let kib = text.ok().and_then(|text| field(&text, "Pss"));
    kib.unwrap_or_default() as u64
}

/// A line like `Private_Dirty:       36 kB` of a smaps_rollup (proc_pid_smaps(5)).
fn field(smaps_rollup: &str, name: &str) -> Option<f64> {
    let mut lines = smaps_rollup.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
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
        assert_eq!(field(text, "Private_Dirty"), Some(36.0));
        assert_eq!(field(text, "Pss"), None);
        assert_eq!(field("Private_Dirty: 4 MB\n", "Private_Dirty"), None);
    }

    #[test]
    fn a_process_has_some() {
        let ours = PrivateDirty::of(&[std::process::id() as i32]).unwrap();
        assert!(ours.median_kb > 0.0 && ours.median_kb == ours.max_kb);
        assert!(PrivateDirty::of(&[]).is_err());
        assert!(pss_kib(std::process::id() as i32) > 0);
        assert_eq!(pss_kib(0), 0);
    }
}
