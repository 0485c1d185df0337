//! Log lines on standard error, one per event that a person cares about.

use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Starts logging at `level`: `error`, `warn`, `info`, `debug`, `trace`, `off`, or a filter of
/// `tracing-subscriber` such as `sender=debug,info`.
///
/// # Errors
/// A sentence if the level is none of these.
pub fn init(level: &str) -> Result<(), String> {
    let filter = filter(level)
        .ok_or_else(|| format!("--log {level:?}: use error, warn, info, debug, trace or off"))?;
    // A second start (tests in one process) changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Unwaiting)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        // Its way to say that a line could not be written is a panic.
        .log_internal_errors(false)
        .try_init();
    Ok(())
}

/// Standard error, whose reader nobody waits for: a pager or a terminal that was stopped (Ctrl-S)
/// would stop every process that has something to say. What it does not take is left out.
struct Unwaiting;

/// Lines left out by this process since the last one that was taken.
static LEFT_OUT: AtomicU64 = AtomicU64::new(0);

impl Write for Unwaiting {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut stderr = io::stderr();
        let mut fds = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
        if poll(&mut fds, PollTimeout::ZERO) == Ok(0) {
            LEFT_OUT.fetch_add(1, Relaxed);
            return Ok(line.len());
        }
        match LEFT_OUT.swap(0, Relaxed) {
            0 => {}
            count => writeln!(stderr, "({count} lines left out, which nobody took)")?,
        }
        stderr.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // standard error has no buffer
    }
}

/// A filter takes every word that is no level for a module's name, also a misspelt level.
fn filter(level: &str) -> Option<EnvFilter> {
    let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    let fine = |part: &str| part.contains('=') || is_level(part);
    level.split(',').all(fine).then_some(())?;
    // What lapin says is said here in a sentence; its traces hold passwords.
    EnvFilter::try_new(format!("lapin=off,{level}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_filters_but_no_misspelt_level() {
        for fine in ["info", "off", "sender=debug,info"] {
            assert!(filter(fine).is_some(), "{fine}");
        }
        for bad in ["", "wran", "info,", "sender=loud"] {
            assert!(filter(bad).is_none(), "{bad}");
        }
    }
}
