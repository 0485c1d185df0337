//! The end that a person asks for: Ctrl-C, or SIGTERM.
//!
//! Not here: what ends then (whatever is dropped on the way out).

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

static ASKED: AtomicBool = AtomicBool::new(false);

/// The error of what was interrupted.
#[derive(Debug)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped; the same command goes on where it ended")
    }
}

impl std::error::Error for Stopped {}

/// From now on it is heard.
///
/// # Errors
/// Those of `sigaction(2)`.
pub fn listen() -> Result<()> {
    ctrlc::set_handler(|| ASKED.store(true, Relaxed)).context("handle Ctrl-C")
}

/// [`Stopped`] if it was asked for.
pub fn check() -> Result<()> {
    if ASKED.load(Relaxed) {
        return Err(Stopped.into());
    }
    Ok(())
}

/// Sleeps until then, or until it is asked for.
pub fn sleep_until(due: Instant) -> Result<()> {
    loop {
        check()?;
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        sleep(left.min(Duration::from_millis(50)));
    }
}
