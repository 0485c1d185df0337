//! `seqcast watch`: the command line of the crate `watch`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use anyhow::{Context as _, Result};

use crate::cli;
use crate::output::say;

/// Watches until the time is over or Ctrl-C, reports, and says the exit code.
///
/// # Errors
/// Those of [`watch::run`].
pub fn run(asked: &cli::Watch) -> Result<i32> {
    let stop = Arc::new(AtomicBool::new(false));
    let handler = stop.clone();
    ctrlc::set_handler(move || handler.store(true, Relaxed)).context("handle Ctrl-C")?;
    let stall = asked.stall_at.zip(asked.stall_for);
    let options = watch::Options {
        viewers: asked.viewers.into(),
        duration: asked.seconds,
        stall: stall.map(|(at, duration)| watch::Stall { at, duration }),
        progress: !asked.json,
        ..match &asked.raw {
            Some(address) => watch::Options::raw(address),
            // Without --raw there is a URL, or clap would have said so.
            None => watch::Options::new(asked.url.as_deref().unwrap_or_default()),
        }
    };
    let report = watch::run(&options, || stop.load(Relaxed))?;
    if asked.json {
        say!("{}", serde_json::to_string(&report)?);
    } else {
        say!("{report}");
    }
    Ok(report.exit_code())
}
