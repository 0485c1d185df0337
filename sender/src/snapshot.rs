//! One fresh frame as a JPEG, copied out or converted: published after the request arrived, so that
//! a picture of a moment is of that moment or not at all. A placeholder would end up in
//! time-lapses; without a frame the answer is 503 and the reason.
//!
//! Not here: HTTP.

use std::time::{Duration, Instant};

use shm_ring::{FrameInfo, Gone, Reader, Signal};
use worker::{SkipCause, signals};

use crate::Sender;
use crate::awaiting::Await;
use crate::convert::Shared;
use crate::framing::Form;

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
    Frame(FrameInfo, Shared),
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

    /// Takes the frame if it is there.
    pub fn step(&self, sender: &Sender<'_>, now: Instant) -> Taken {
        let ring = sender.ring;
        let ticket = ring.ticket(); // before looking, or a change in between is slept through
        let head = ring.bounds().head;
        if head > self.before {
            match take(sender, head) {
                Ok((info, jpeg)) => return Taken::Frame(info, jpeg),
                Err(SkipCause::Unusable) => {
                    let why = "The frame at this moment is no picture. Try again.";
                    return Taken::None(why.into());
                }
                Err(_) => {}
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

/// Frame `id` as a JPEG.
fn take(sender: &Sender<'_>, id: u64) -> Result<(FrameInfo, Shared), SkipCause> {
    let ring = sender.ring;
    let overwritten = |_: Gone| SkipCause::Overwritten;
    let info = *ring.frame(id).map_err(overwritten)?.info();
    if let Some((Form::Jpeg, _)) = Form::of(&info) {
        let mut jpeg = Vec::new();
        ring.read(id, &mut jpeg).map_err(overwritten)?;
        return Ok((info, Shared::new(jpeg)));
    }
    let jpeg = sender.converter.join().picture(ring, id, Form::Jpeg)?;
    Ok((info, jpeg))
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
