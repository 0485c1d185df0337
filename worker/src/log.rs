//! Log lines on standard error, one per event that a person cares about.

use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

/// Starts logging at `level`: `error`, `warn`, `info`, `debug`, `trace`, `off`, or a filter of
/// `tracing-subscriber` such as `sender=debug,info`.
///
/// With `as_json` each line is an object: `timestamp` (RFC 3339, UTC), `level` and `message`.
///
/// # Errors
/// A sentence if the level is none of these.
pub fn init(level: &str, as_json: bool) -> Result<(), String> {
    let filter = filter(level)
        .ok_or_else(|| format!("--log {level:?}: use error, warn, info, debug, trace or off"))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || Unwaiting { as_json })
        .with_ansi(!as_json && io::stderr().is_terminal())
        .with_target(false)
        // Its way to say that a line could not be written is a panic.
        .log_internal_errors(false);
    // A second start (tests in one process) changes nothing.
    let _ = match as_json {
        true => log.json().flatten_event(true).try_init(),
        false => log.try_init(),
    };
    Ok(())
}

/// Standard error, whose reader nobody waits for: a pager or a terminal that was stopped (Ctrl-S)
/// would stop every process that has something to say. What it does not take is left out.
struct Unwaiting {
    as_json: bool,
}

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
            count => stderr.write_all(left_out(count, self.as_json).as_bytes())?,
        }
        stderr.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // standard error has no buffer
    }
}

/// The line that stands for those which are missing.
fn left_out(count: u64, as_json: bool) -> String {
    let said = format!("({count} lines left out, which nobody took)");
    match as_json {
        true => line_as_json("WARN", &said) + "\n",
        false => said + "\n",
    }
}

/// A line as an object, for what must be said even where no log was started.
pub fn line_as_json(level: &str, message: &str) -> String {
    let mut now = String::new();
    // Without a time it is a line all the same.
    let _ = SystemTime.format_time(&mut Writer::new(&mut now));
    serde_json::json!({"timestamp": now, "level": level, "message": message}).to_string()
}

/// A filter takes every word that is no level for a module's name, also a misspelt level.
fn filter(level: &str) -> Option<EnvFilter> {
    let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    let fine = |part: &str| part.contains('=') || is_level(part);
    // What lapin says is said here in a sentence; its traces hold passwords.
    // A span's name in brackets reaches into it, too.
    let secret = |part: &str| part.trim_start().starts_with("lapin") || part.contains('[');
    level
        .split(',')
        .all(|part| fine(part) && !secret(part))
        .then_some(())?;
    EnvFilter::try_new(format!("lapin=off,{level}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_is_said_in_the_lines_form() {
        assert!(left_out(3, false).starts_with("(3 lines left out"));
        let line: serde_json::Value = serde_json::from_str(&left_out(3, true)).unwrap();
        assert_eq!(line["message"], "(3 lines left out, which nobody took)");
        let time = line["timestamp"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.contains('T'), "{time}");
    }

    #[test]
    fn levels_and_filters_but_no_misspelt_level() {
        for fine in ["info", "off", "sender=debug,info"] {
            assert!(filter(fine).is_some(), "{fine}");
        }
        for bad in [
            "",
            "wran",
            "info,",
            "sender=loud",
            "info,lapin=trace",
            "lapin::channel=debug",
            "[io_loop]=trace",
        ] {
            assert!(filter(bad).is_none(), "{bad}");
        }
    }
}
