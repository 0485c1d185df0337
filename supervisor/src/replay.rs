//! `seqcast replay`: from what was asked for to a source.
//!
//! Not here: the source itself (`capture`), and serving it (`serve`).

use anyhow::Result;

use crate::{Usage, cli};

/// The source that is asked for. What is said relative to now is so to the start: a capture process that is
/// started anew begins where the first did.
///
/// # Errors
/// What can never become right.
pub fn source(asked: &cli::Replay, of_source: capture::Asked) -> Result<capture::Config> {
    if asked.serve.source != "auto" {
        let why = "replay has its source: the exchange; leave --source out";
        return Err(Usage(why.into()).into());
    }
    Ok(capture::Config::replay(
        &asked.url,
        asked.from.offset(worker::unix_ns()),
        asked.speed,
        asked.position.clone(),
        of_source,
    )?)
}
