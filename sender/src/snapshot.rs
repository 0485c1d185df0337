//! One fresh frame, copied out: published after the request arrived, so that a picture of a
//! moment is of that moment or not at all. A placeholder would end up in time-lapses; without a
//! frame the answer is 503 and the reason.
//!
//! Not here: HTTP.

use std::time::{Duration, Instant};

use shm_ring::{FrameInfo, Reader, Signal};

/// How long to wait for it: twice as long as `--fps 1` takes.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest single wait.
const SLICE: Duration = Duration::from_millis(100);

/// Copies the first frame that is published from now on. `go_on` is asked after each wait.
///
/// # Errors
/// Why there is none, as a sentence for a person.
pub(crate) fn take(
    ring: &Reader,
    mut go_on: impl FnMut() -> bool,
) -> Result<(FrameInfo, Vec<u8>), String> {
    let before = ring.bounds().head;
    let deadline = Instant::now() + PATIENCE;
    let mut jpeg = Vec::new();
    loop {
        let ticket = ring.ticket();
        let head = ring.bounds().head;
        if head > before
            && let Ok(frame) = ring.frame(head)
        {
            jpeg.clear();
            frame.copy_range(0..frame.info().len, &mut jpeg);
            if frame.is_intact() {
                return Ok((*frame.info(), jpeg));
            }
            continue; // overwritten meanwhile: there is a newer one
        }
        // Where none is coming, a process that waits for one is missing elsewhere.
        let hopeless = matches!(ring.signal().signal, Signal::NoSignal | Signal::Ended);
        let left = deadline.saturating_duration_since(Instant::now());
        if hopeless || ring.is_lost() || left.is_zero() || !go_on() {
            return Err(why_not(ring));
        }
        ring.wait(ticket, left.min(SLICE));
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
