//! The two sides that are held against each other, as a publisher sees them, and a burst of
//! frames through one of them.
//!
//! Not here: how each side publishes (`ours`, `theirs`), and its readers (`fleet`, `reader`).

use std::time::{Duration, Instant};

use anyhow::Result;
use shm_ring::clock::monotonic_ns;

use crate::clock::{process_cpu_ns, thread_cpu_ns};

/// What each frame carries for its readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// `CLOCK_MONOTONIC`, nanoseconds, taken before publishing began.
    pub sent_ns: u64,
    /// What the frame belongs to; [`WARM_UP`] and [`END`] are none.
    pub round: u32,
}

/// Frames that nobody measures.
pub const WARM_UP: u32 = 0;
/// The frame after which a reader reports and ends.
pub const END: u32 = u32::MAX;

/// Hands frames to whoever listens, and wakes them.
pub trait Publish {
    /// Returns once the frame is published and its readers are about to be woken.
    ///
    /// # Errors
    /// What the library says.
    fn publish(&mut self, bytes: &[u8], stamp: Stamp) -> Result<()>;
}

/// What a burst of frames cost its publisher.
#[derive(Debug, Clone, PartialEq)]
pub struct Burst {
    /// Of each call that publishes a frame, microseconds of wall time.
    pub wall_us: Vec<f64>,
    /// CPU microseconds of the publishing thread, in the calls that publish, per frame.
    pub thread_us: f64,
    /// The same, and all that the process's other threads spent, per frame.
    pub process_us: f64,
}

/// How a burst goes.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub frames: u32,
    pub interval: Duration,
}

/// Frames at a burst's beginning that are not measured: the other side has just had the caches.
const UNMEASURED: u32 = 3;

/// Publishes `pace.frames` frames of round `round`, and some more before them.
///
/// # Errors
/// What the library or the clocks say.
pub fn burst(side: &mut dyn Publish, bytes: &[u8], round: u32, pace: Pace) -> Result<Burst> {
    let mut next = Instant::now();
    let mut sleep = || {
        next += pace.interval;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    };
    for _ in 0..UNMEASURED {
        publish(side, bytes, WARM_UP)?;
        sleep();
    }
    let mut wall_us = Vec::with_capacity(pace.frames as usize);
    let mut publishing = 0;
    let (thread, process) = (thread_cpu_ns()?, process_cpu_ns()?);
    for _ in 0..pace.frames {
        let cpu = thread_cpu_ns()?;
        let wall = Instant::now();
        publish(side, bytes, round)?;
        wall_us.push(wall.elapsed().as_nanos() as f64 / 1e3);
        publishing += thread_cpu_ns()? - cpu;
        sleep(); // the process's other threads, too, are done when it is over
    }
    let thread = thread_cpu_ns()? - thread;
    let others = (process_cpu_ns()? - process).saturating_sub(thread);
    let per_frame = |ns: u64| ns as f64 / 1e3 / f64::from(pace.frames);
    Ok(Burst {
        wall_us,
        thread_us: per_frame(publishing),
        process_us: per_frame(publishing + others),
    })
}

/// Publishes one frame, stamped now.
///
/// # Errors
/// What the library says.
pub fn publish(side: &mut dyn Publish, bytes: &[u8], round: u32) -> Result<()> {
    let sent_ns = monotonic_ns();
    side.publish(bytes, Stamp { sent_ns, round })
}
