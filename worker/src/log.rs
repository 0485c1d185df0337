//! Log lines on standard error, one per event that a person cares about.

use std::io::IsTerminal as _;

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
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // Its way to say that a line could not be written is a panic.
        .log_internal_errors(false)
        .try_init();
    Ok(())
}

/// A filter takes every word that is no level for a module's name, also a misspelt level.
fn filter(level: &str) -> Option<EnvFilter> {
    let is_level = |part: &str| part.parse::<LevelFilter>().is_ok();
    let fine = |part: &str| part.contains('=') || is_level(part);
    level.split(',').all(fine).then_some(())?;
    EnvFilter::try_new(level).ok()
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
