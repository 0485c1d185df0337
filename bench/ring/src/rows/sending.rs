//! CPU of sending a frame to loopback TCP: straight from the ring, against `write(2)` from a
//! private buffer that is hot in the cache. This process publishes, a second one sends, a third
//! one throws away what comes.
//!
//! CPU of a send on loopback holds the receiver's half of TCP as well, whenever the kernel does that
//! in the sender's time, so single sends differ much; hence many.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::copying::SIZES;
use super::{Effort, frame};
use crate::fleet::wait_attached;
use crate::ours::Ours;
use crate::report::{Figure, Goal, Row};
use crate::side::{END, Pace, WARM_UP, burst, publish};

/// What the ratio may be at each of [`SIZES`].
const BOUNDS: [f64; 3] = [1.10, 1.25, 1.35];

/// Frames that the ring holds; the sender has touched all of its memory once it has seen twice
/// as many.
const HELD: u32 = 8;

/// Measures at each size.
///
/// # Errors
/// Where a process or the ring fails.
pub fn run(effort: Effort, tag: &str) -> Result<Vec<Figure>> {
    let paces = [
        effort.pace(150, 500, 8),
        effort.pace(80, 300, 16),
        effort.pace(40, 150, 60),
    ];
    let mut figures = Vec::new();
    for (((len, name), pace), bound) in SIZES.into_iter().zip(paces).zip(BOUNDS) {
        eprintln!("sending {name}");
        let pairs = pairs(len, pace, &format!("{tag}-send{len}"))?;
        let what = format!("send CPU, {name}");
        let figure = Figure::of_pairs(Row::Send, what, "write, hot", "us", &pairs);
        figures.push(
            figure
                .context("nothing was sent")?
                .with_goal(Goal::AtMost(bound)),
        );
    }
    Ok(figures)
}

/// CPU µs of sends from the ring and from the private buffer.
fn pairs(len: usize, pace: Pace, name: &str) -> Result<Vec<(f64, f64)>> {
    let mut side = Ours::new(name, u64::from(HELD) * len as u64)?;
    let mut sink = Ended(start(&["sink"])?);
    let mut port = [0; 2];
    let stdout = sink.0.stdout.as_mut().context("no pipe from the sink")?;
    stdout.read_exact(&mut port)?;
    let port = u16::from_ne_bytes(port).to_string();
    let mut sender = Ended(start(&["sender", name, &port, &len.to_string()])?);

    let bytes = frame(len);
    let warm_up = Pace {
        frames: 2 * HELD,
        ..pace
    };
    burst(&mut side, &bytes, WARM_UP, warm_up)?;
    burst(&mut side, &bytes, 1, pace)?;
    publish(&mut side, &bytes, END)?;
    let mut said = Vec::new();
    let stdout = sender
        .0
        .stdout
        .as_mut()
        .context("no pipe from the sender")?;
    stdout.read_to_end(&mut said)?;
    let status = sender.0.wait()?;
    ensure!(status.success(), "the sender ended with {status}");
    let us = |word: &[u8]| {
        let ns = u64::from_ne_bytes(std::array::from_fn(|i| word[i]));
        ns as f64 / 1e3
    };
    let pairs = said.chunks_exact(16);
    Ok(pairs.map(|pair| (us(&pair[..8]), us(&pair[8..]))).collect())
}

/// A child that is ended when dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Ended already, perhaps; either way there is nothing left to do about it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(arguments: &[&str]) -> Result<Child> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()?;
    wait_attached(&mut child)?;
    Ok(child)
}
