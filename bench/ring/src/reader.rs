//! A reader process: the hidden subcommands that a [`Fleet`](crate::fleet::Fleet) starts.
//!
//! It says `+` on standard output once it is attached, and after the frame [`END`] what it
//! measured, as pairs of native 32-bit words: round, and latency in nanoseconds.
//! Not here: how a side is read (`ours`, `theirs`).

use std::io::{Write as _, stdout};

use anyhow::{Result, ensure};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{getppid, pause};
use shm_ring::clock::monotonic_ns;

use crate::side::{END, Stamp, WARM_UP};
use crate::{ours, theirs};

/// What a reader process reads.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub enum Kind {
    /// A ring
    #[command(hide = true)]
    Ours {
        name: String,
        /// Copies every frame out
        #[arg(long)]
        copies: bool,
    },
    /// iceoryx2's services
    #[command(hide = true)]
    Theirs { tag: String },
    /// Nothing: what any process of this program costs
    #[command(hide = true)]
    Blank,
}

/// What a reader saw of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub round: u32,
    pub latency_ns: u32,
}

/// Runs until [`END`], or until the parent is gone.
///
/// # Errors
/// What the library says, and where the parent does not listen.
pub fn run(kind: &Kind) -> Result<()> {
    end_with_parent()?;
    let mut seen = Vec::new();
    let mut taken = |stamp: Stamp| {
        let latency = monotonic_ns().saturating_sub(stamp.sent_ns);
        if !matches!(stamp.round, WARM_UP | END) {
            seen.push(Seen {
                round: stamp.round,
                latency_ns: latency.try_into().unwrap_or(u32::MAX),
            });
        }
        stamp.round != END
    };
    match kind {
        Kind::Ours { name, copies } => ours::read(name, *copies, attached, &mut taken)?,
        Kind::Theirs { tag } => theirs::read(tag, attached, &mut taken)?,
        Kind::Blank => {
            attached()?;
            pause(); // until it is killed
        }
    }
    let words = seen.iter().flat_map(|it| [it.round, it.latency_ns]);
    let bytes: Vec<u8> = words.flat_map(u32::to_ne_bytes).collect();
    stdout().write_all(&bytes)?;
    Ok(stdout().flush()?)
}

/// Parses what [`run`] says at its end.
///
/// # Errors
/// Where it is cut short.
pub fn parse(said: &[u8]) -> Result<Vec<Seen>> {
    ensure!(
        said.len().is_multiple_of(8),
        "a reader's report was cut short"
    );
    let pairs = said.chunks_exact(8).map(|pair| {
        let word = |at: usize| u32::from_ne_bytes(std::array::from_fn(|i| pair[at + i]));
        Seen {
            round: word(0),
            latency_ns: word(4),
        }
    });
    Ok(pairs.collect())
}

/// Says that this process has begun.
///
/// # Errors
/// Where the parent does not listen.
pub fn attached() -> Result<()> {
    stdout().write_all(b"+")?;
    Ok(stdout().flush()?)
}

/// Has the kernel end this process with its parent, which started it a moment ago.
///
/// # Errors
/// Those of `prctl(2)`, and where the parent is gone already.
pub fn end_with_parent() -> Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    ensure!(getppid().as_raw() != 1, "the parent is gone");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_pairs_of_words() {
        let said: Vec<u8> = [7_u32, 1_000, 8, 2_000]
            .into_iter()
            .flat_map(u32::to_ne_bytes)
            .collect();
        let seen = |round, latency_ns| Seen { round, latency_ns };
        assert_eq!(parse(&said).unwrap(), [seen(7, 1_000), seen(8, 2_000)]);
        assert_eq!(parse(&[]).unwrap(), []);
        assert!(parse(&said[1..]).is_err());
    }
}
