//! The memory that processes have for themselves alone.
//!
//! Not here: whose.

use std::fs;

use anyhow::{Context as _, Result};

/// What `/proc/PID/smaps_rollup` says (proc_pid_smaps(5)), kB of 1024 bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Private {
    /// Written to, by this process alone.
    pub dirty_kb: f64,
    /// Not written to, and in no other process's map at the moment.
    pub clean_kb: f64,
}

impl Private {
    /// Of one process.
    ///
    /// # Errors
    /// Where /proc does not tell.
    pub fn of(pid: u32) -> Result<Private> {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&path).with_context(|| path.clone())?;
        parse(&text).with_context(|| format!("{path} says nothing private"))
    }
}

fn parse(smaps_rollup: &str) -> Option<Private> {
    let kb = |field: &str| {
        let mut lines = smaps_rollup.lines();
        let value = lines.find_map(|line| line.strip_prefix(field))?;
        value.trim().strip_suffix(" kB")?.trim().parse().ok()
    };
    Some(Private {
        dirty_kb: kb("Private_Dirty:")?,
        clean_kb: kb("Private_Clean:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_lines() {
        let text = "556c14a84000-7ffe7b84c000 ---p 00000000 00:00 0    [rollup]\n\
                    Rss:                1836 kB\n\
                    Private_Clean:         4 kB\n\
                    Private_Dirty:        36 kB\n";
        let expected = Private {
            dirty_kb: 36.0,
            clean_kb: 4.0,
        };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse("Rss: 4 kB\n"), None);
    }
}
