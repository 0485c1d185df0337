//! What `ps -o pcpu=,pmem=` prints of a process, computed from what it reads.
//!
//! `pcpu` is a lifetime average: CPU time over the time since the start, cut to tenths. Until procps-ng 4 that time was
//! whole seconds (`ps/output.c` of procps-ng 3.3, `pr_pcpu`: `seconds_since_boot - start_time / Hertz`), since then it is
//! hundredths (`TIME_ELAPSED`). `pmem` is the resident set in thousandths of the memory.
//!
//! Not here: whom it is asked of (`sampler`).

use std::fs;

use anyhow::{Context as _, Result};
use bench::tree;
use nix::unistd::{SysconfVar, sysconf};

/// What of the machine goes into the figures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// Clock ticks a second.
    ticks: u64,
    /// KiB in a page.
    page_kib: u64,
    /// MemTotal, KiB.
    memory_kib: u64,
}

/// What /proc/PID/stat says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stat {
    /// User and system time, ticks.
    used: u64,
    /// Since boot, ticks.
    start: u64,
    /// Pages resident.
    pages: u64,
}

/// What is printed, %.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Printed {
    pub cpu: f64,
    pub cpu_old: f64,
    pub mem: f64,
}

impl Machine {
    /// This one.
    ///
    /// # Errors
    /// Where the kernel does not say.
    pub fn this() -> Result<Machine> {
        let value = |what| {
            let value = sysconf(what).ok().flatten();
            value.and_then(|value| u64::try_from(value).ok())
        };
        Ok(Machine {
            ticks: value(SysconfVar::CLK_TCK).context("no clock ticks")?,
            page_kib: value(SysconfVar::PAGE_SIZE).context("no page size")? / 1024,
            memory_kib: meminfo_kib("MemTotal")?,
        })
    }

    /// What is printed of a process when the machine is up for so many seconds.
    pub fn print(&self, stat: &Stat, uptime: f64) -> Printed {
        let thousandths = stat.used as f64 * 1000.0 / self.ticks as f64;
        let cut = |seconds: f64| {
            let tenths = if seconds > 0.0 {
                (thousandths / seconds).floor()
            } else {
                0.0
            };
            // Four characters: from 100 % on no tenths.
            if tenths > 999.0 {
                (tenths / 10.0).floor()
            } else {
                tenths / 10.0
            }
        };
        let whole = uptime.floor() - (stat.start / self.ticks) as f64;
        let resident = stat.pages * self.page_kib * 1000 / self.memory_kib;
        Printed {
            cpu: cut(uptime - stat.start as f64 / self.ticks as f64),
            cpu_old: cut(whole),
            mem: resident.min(999) as f64 / 10.0,
        }
    }
}

impl Stat {
    /// Of a process; none of one that has ended.
    pub fn of(pid: i32) -> Option<Stat> {
        Stat::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Fields 14, 15, 22 and 24 (proc_pid_stat(5)).
    fn parse(stat: &[u8]) -> Option<Stat> {
        let fields: Vec<_> = tree::behind_name(stat)?.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Stat {
            used: field(14)? + field(15)?,
            start: field(22)?,
            pages: field(24)?,
        })
    }
}

/// Seconds since boot, with hundredths.
///
/// # Errors
/// Where /proc/uptime cannot be read.
pub fn uptime() -> Result<f64> {
    let text = fs::read_to_string("/proc/uptime").context("/proc/uptime")?;
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().context("/proc/uptime")
}

/// A field of /proc/meminfo, KiB.
///
/// # Errors
/// Where it is not there.
pub fn meminfo_kib(name: &str) -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("/proc/meminfo")?;
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let value = value.with_context(|| format!("/proc/meminfo has no {name}"))?;
    let number = value.trim().trim_end_matches(" kB");
    number
        .parse()
        .with_context(|| format!("/proc/meminfo, {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Machine = Machine {
        ticks: 100,
        page_kib: 4,
        memory_kib: 1_000_000,
    };

    #[test]
    fn reads_what_the_kernel_writes() {
        let text = b"7 (a b) c) S 1 7 7 0 -1 4194560 90 0 0 0 123 45 6 7 20 0 1 0 5000 1 250 18446744073709551615";
        let stat = Stat {
            used: 168,
            start: 5000,
            pages: 250,
        };
        assert_eq!(Stat::parse(text), Some(stat));
        assert_eq!(Stat::parse(b"7 (a) S 1"), None);
        assert!(Stat::of(std::process::id() as i32).unwrap().pages > 0);
        assert!(uptime().unwrap() > 0.0 && Machine::this().unwrap().memory_kib > 0);
    }

    #[test]
    fn the_old_figure_climbs_within_a_second_and_falls_at_its_end() {
        let print = |used, uptime| {
            let stat = Stat {
                used,
                start: 5050,
                pages: 250,
            };
            MACHINE.print(&stat, uptime)
        };
        // 41 % since second 50.5, looked at in 60.0, 60.9 and 61.0.
        let (first, last, next) = (print(389, 60.0), print(426, 60.9), print(430, 61.0));
        assert_eq!(
            (first.cpu_old, last.cpu_old, next.cpu_old),
            (38.9, 42.6, 39.0)
        );
        assert_eq!((first.cpu, last.cpu, next.cpu), (40.9, 40.9, 40.9));
        assert_eq!(first.mem, 0.1);
        // Nothing by nothing is nothing.
        assert_eq!(print(5, 50.6).cpu_old, 0.0);
        assert_eq!(print(1234, 60.5).cpu, 123.0);
    }
}
