//! Errors at the binary's edge: one line for a person, one exit code for a script.

use anyhow::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use worker::exit;

use crate::address::AddressError;
use crate::former;
use crate::units::show_bytes;

/// The exit code of an error, by its kind.
pub fn code(error: &Error) -> i32 {
    if error.is::<capture::Error>()
        || error.is::<crate::Usage>()
        || error.is::<sender::tls::IdentityError>()
    {
        return exit::USAGE;
    }
    match error.downcast_ref() {
        Some(AddressError::Same(..) | AddressError::Passed(_) | AddressError::NotRaw) => {
            return exit::USAGE;
        }
        Some(_) => return exit::ADDRESS,
        None => {}
    }
    if let Some(watch) = error.downcast_ref::<watch::Error>() {
        return watch.exit_code();
    }
    match error.downcast_ref::<worker::Error>() {
        Some(worker::Error::BadName { .. }) => return exit::USAGE,
        Some(worker::Error::Running { .. } | worker::Error::Foreign { .. }) => return exit::TAKEN,
        _ => {}
    }
    match ring_error(error) {
        Some(shm_ring::Error::ArenaSize { .. }) => exit::USAGE,
        Some(shm_ring::Error::NoSpace { .. } | shm_ring::Error::Os { .. }) => exit::MEMORY,
        _ => exit::FAILURE,
    }
}

/// The error in one line that says what to do.
pub fn line(error: &Error) -> String {
    match ring_error(error) {
        Some(&shm_ring::Error::NoSpace { needed, available }) => format!(
            "/dev/shm is too small: {} needed, {} free; use a smaller --ring, or enlarge it \
             (mount -o remount,size=SIZE /dev/shm; Docker: --shm-size)",
            show_bytes(needed),
            show_bytes(available)
        ),
        Some(&shm_ring::Error::ArenaSize { bytes, min, max }) => format!(
            "--ring {}: from {} to {}",
            show_bytes(bytes),
            show_bytes(min),
            show_bytes(max)
        ),
        _ => chain(error),
    }
}

/// The error and its causes. A system call's says its cause itself: that is not said again.
fn chain(error: &Error) -> String {
    error.chain().fold(String::new(), |said, cause| {
        let cause = cause.to_string();
        match said.as_str() {
            "" => cause,
            said if said.ends_with(&cause) => said.into(),
            said => format!("{said}: {cause}"),
        }
    })
}

/// What clap says of a mistake, without the usage that it appends: `--help` has it.
pub fn misuse(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::UnknownArgument
        && let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg)
        && let Some(ours) = former::ours(flag)
    {
        return format!("unexpected argument '{flag}' found; {ours}; see --help");
    }
    let text = error.to_string();
    let said = text.split("\n\nUsage:").next().unwrap_or_default();
    let said = said.split("\n\nFor more").next().unwrap_or_default();
    let words: Vec<_> = said.split_whitespace().collect();
    let said = words.join(" ");
    format!("{}; see --help", said.trim_start_matches("error: "))
}

fn ring_error(error: &Error) -> Option<&shm_ring::Error> {
    if let Some(worker::Error::Segment(e)) = error.downcast_ref() {
        return Some(e);
    }
    error.downcast_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_on_the_command_line_is_one_line() {
        use clap::Parser as _;
        let said = |args: &[&str]| {
            let args = ["seqcast"].iter().chain(args);
            misuse(&crate::cli::Cli::try_parse_from(args).unwrap_err())
        };
        assert_eq!(
            said(&["--clients", "0"]),
            "invalid value '0' for '--clients <N>': 0 is not in 1..=4096; see --help"
        );
        assert_eq!(
            said(&["-d", "test", "-s", "0.0.0.0"]),
            "unexpected argument '-s' found; -s of ustreamer is part of --http HOST:PORT here; see --help"
        );
        assert_eq!(
            said(&["--desired-fps=30"]),
            "unexpected argument '--desired-fps' found; --desired-fps of ustreamer is --fps here; see --help"
        );
        assert_eq!(
            said(&["stauts"]),
            "unrecognized subcommand 'stauts' tip: a similar subcommand exists: 'status'; see --help"
        );
        assert_eq!(
            said(&["watch"]),
            "the following required arguments were not provided: <URL>; see --help"
        );
    }

    #[test]
    fn a_cause_is_said_once() {
        let source = std::io::Error::from_raw_os_error(2);
        let os = shm_ring::Error::Os {
            what: "open it".into(),
            source,
        };
        let error = Error::new(os).context("it cannot be read");
        let said = line(&error);
        assert_eq!(said.matches("No such file").count(), 1, "{said}");
        assert!(said.starts_with("it cannot be read: open it: "), "{said}");
    }

    #[test]
    fn too_small_a_shm_names_both_sizes() {
        let error = Error::new(shm_ring::Error::NoSpace {
            needed: 999 << 30,
            available: 64 << 20,
        });
        assert_eq!(code(&error), exit::MEMORY);
        let line = line(&error);
        assert!(
            line.contains("999 GiB") && line.contains("64 MiB"),
            "{line}"
        );
    }
}
