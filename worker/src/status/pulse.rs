//! What the ring's newest frames say of their source: whether they come, how often, and of what time.
//!
//! Not here: what the board says.

use std::time::Duration;

use shm_ring::{Reader, Signal, SignalState};

use super::seconds;
use crate::fault::Fault;
use crate::unix_ns;

/// A source whose newest frame is older is not live, unless it is slow.
const SILENT_NS: u64 = 2_500_000_000;
/// And however slow it is.
const LONG_SILENT_NS: u64 = 15_000_000_000;

/// Whether pictures come, as far as the ring shows: what a health check asks, which reads no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Liveness {
    /// What capture, or the supervisor in its place, said last.
    pub signal: Signal,
    /// Why it is none, for people; empty where nothing is to be said.
    pub reason: String,
    /// How long ago the newest frame was published; none: there is none, or none since the clock was set back.
    pub newest_age: Option<Duration>,
}

/// Reads it.
pub fn liveness(ring: &Reader) -> Liveness {
    let said = ring.signal();
    let (_, why) = Fault::of(&said.reason);
    Liveness {
        signal: said.signal,
        reason: why.to_owned(),
        newest_age: newest_age(ring),
    }
}

/// What two readings of the clock may differ by.
const CLOCKS_NS: u64 = 5_000_000_000;

pub(super) fn newest_age(ring: &Reader) -> Option<Duration> {
    let (now, published) = (unix_ns(), published_ns(ring, ring.bounds().head)?);
    // Of a time to come: the clock was set back since, and no frame came.
    let age = (published <= now + CLOCKS_NS).then(|| now.saturating_sub(published))?;
    Some(Duration::from_nanos(age))
}

/// What the ring says, but that nothing is live without frames: a capture process that was
/// stopped cannot say so itself.
pub(super) fn signal(ring: &Reader) -> SignalState {
    let said = ring.signal();
    let newest = published_ns(ring, ring.bounds().head);
    let silent = newest.map_or(0, |at| unix_ns().saturating_sub(at));
    if said.signal != Signal::Live || silent < silence_ns(ring) {
        return said;
    }
    SignalState {
        signal: Signal::NoSignal,
        reason: format!("no frame for {:.0} s", seconds(silent)),
        since_ns: said.since_ns,
    }
}

/// How old the newest frame of a live source can be: three times the gap between the last two.
fn silence_ns(ring: &Reader) -> u64 {
    let head = ring.bounds().head;
    let before = head.wrapping_sub(1);
    let gap = match (published_ns(ring, head), published_ns(ring, before)) {
        (Some(newest), Some(before)) => newest.saturating_sub(before),
        _ => 0,
    };
    gap.saturating_mul(3).clamp(SILENT_NS, LONG_SILENT_NS)
}

/// The rate of the newest frames, of at most a second or so, or of the last two.
pub(super) fn fps_measured(ring: &Reader) -> f64 {
    let bounds = ring.bounds();
    let Some(newest) = published_ns(ring, bounds.head) else {
        return 0.0;
    };
    if unix_ns().saturating_sub(newest) > silence_ns(ring) {
        return 0.0;
    }
    // Back from the newest until a second is covered; ids are dense, so their difference counts.
    let mut first = (bounds.head, newest);
    for id in (bounds.oldest..bounds.head).rev() {
        match published_ns(ring, id) {
            Some(at) if first.0 == bounds.head || newest.saturating_sub(at) <= 1_500_000_000 => {
                first = (id, at);
            }
            _ => break,
        }
    }
    let time = seconds(newest.saturating_sub(first.1));
    let rate = if time > 0.0 {
        (bounds.head - first.0) as f64 / time
    } else {
        0.0
    };
    (rate * 100.0).round() / 100.0
}

/// When the oldest and the newest of the ring's frames were published, Unix time, nanoseconds; none
/// where it has none.
pub fn published(ring: &Reader) -> Option<(u64, u64)> {
    let bounds = ring.bounds();
    let published = |id| published_ns(ring, id);
    // The oldest may be overwritten under our eyes: then the next one is nearly as old.
    let oldest = (bounds.oldest..=bounds.head).take(8).find_map(published)?;
    Some((oldest, published(bounds.head)?))
}

fn published_ns(ring: &Reader, id: u64) -> Option<u64> {
    Some(ring.frame(id).ok()?.info().published_ns)
}
