//! One fresh frame, copied out: published after the request arrived, so that a picture of a
//! moment is of that moment or not at all. A placeholder would end up in time-lapses; without a
//! frame the answer is 503 and the reason.
//!
//! Not here: HTTP.

use std::time::{Duration, Instant};

use shm_ring::{FrameInfo, Reader, Signal};
use worker::signals;

use crate::awaiting::Await;

/// How long to wait for it: twice as long as `--fps 1` takes.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest single wait.
const SLICE: Duration = Duration::from_millis(100);

/// A wait for the first frame that is published from now on.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The newest frame at its beginning.
    before: u64,
    deadline: Instant,
}

/// What has come of it.
pub(crate) enum Taken {
    Wait(Await),
    Frame(FrameInfo, Vec<u8>),
    /// Why there is none, as a sentence for a person.
    None(String),
}

impl Snapshot {
    pub fn new(ring: &Reader, now: Instant) -> Self {
        Snapshot {
            before: ring.bounds().head,
            deadline: now + PATIENCE,
        }
    }

    /// Copies the frame if it is there.
    pub fn step(&self, ring: &Reader, now: Instant) -> Taken {
        let ticket = ring.ticket(); // before looking, or a change in between is slept through
        let head = ring.bounds().head;
        if head > self.before {
            let mut jpeg = Vec::new();
            if let Ok(info) = ring.read(head, &mut jpeg) {
                return Taken::Frame(info, jpeg);
            }
        }
        // Where none is coming, a place that waits for one is missing elsewhere.
        let hopeless = matches!(ring.signal().signal, Signal::NoSignal | Signal::Ended);
        if hopeless || ring.is_lost() || now >= self.deadline || signals::stopping() {
            return Taken::None(why_not(ring));
        }
        if head > self.before {
            return Taken::Wait(Await::Turn); // overwritten meanwhile: there is a newer one
        }
        Taken::Wait(Await::Change(ticket, self.deadline.min(now + SLICE)))
    }
}

fn why_not(ring: &Reader) -> String {
    let state = ring.signal();
    let what = match state.signal {
        Signal::Ended => "The input has ended",
        Signal::Starting => "The source is still starting",
        Signal::Live | Signal::NoSignal => "There is no picture at the moment",
    };
    if state.reason.is_empty() {
        format!("{what}.")
    } else {
        format!("{what}: {}.", state.reason.trim_end_matches('.'))
    }
}
