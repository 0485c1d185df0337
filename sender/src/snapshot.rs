//! One frame as a JPEG, copied out or converted. A fresh one is published after the request arrived,
//! so that a picture of a moment is of that moment or not at all; one of the past is there or is not.
//! A placeholder would end up in time-lapses; without a frame the answer is the reason.
//!
//! Not here: HTTP.

use std::time::{Duration, Instant};

use shm_ring::{Bounds, Clamped, FrameInfo, Gone, Offset, Reader, Signal};
use worker::{SkipCause, Watching, signals};

use crate::Sender;
use crate::awaiting::Await;
use crate::convert::Shared;
use crate::framing::Form;
use crate::reach::Reach;

/// How long to wait for it: twice as long as `--fps 1` takes.
const PATIENCE: Duration = Duration::from_secs(2);
/// And where the source has to be opened first: a camera takes seconds.
const ON_DEMAND: Duration = Duration::from_secs(10);
/// How often a frame of the past is looked for: no writer overtakes that often.
const TRIES: usize = 8;
/// The longest single wait.
const SLICE: Duration = Duration::from_millis(100);

/// A wait for the first frame that is published from now on.
#[derive(Debug)]
pub(crate) struct Snapshot<'a> {
    /// The newest frame at its beginning.
    before: u64,
    began: Instant,
    /// The source was at rest or starting when it was looked at.
    opening: bool,
    _watching: Watching<'a>,
}

/// What has come of it.
pub(crate) enum Taken {
    Wait(Await),
    Frame(FrameInfo, Shared),
    /// Why there is none, as a sentence for a person.
    None(String),
}

impl<'a> Snapshot<'a> {
    pub fn new(sender: &Sender<'a>, now: Instant) -> Self {
        Snapshot {
            before: sender.ring.bounds().head,
            began: now,
            opening: false,
            _watching: sender.watch(),
        }
    }

    /// Takes the frame if it is there.
    pub fn step(&mut self, sender: &Sender<'_>, now: Instant) -> Taken {
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
        let signal = ring.signal().signal;
        let hopeless = matches!(signal, Signal::NoSignal | Signal::Ended);
        let opening = matches!(signal, Signal::Resting | Signal::Starting);
        self.opening |= opening && sender.config.on_demand;
        let deadline = self.began + patience(self.opening, sender.board.free_slots());
        if hopeless || ring.is_lost() || now >= deadline || signals::stopping() {
            return Taken::None(why_not(ring));
        }
        if head > self.before {
            self.before = head; // overwritten meanwhile: there is a newer one
        }
        Taken::Wait(Await::Change(ticket, deadline.min(now + SLICE)))
    }
}

/// It holds one of the places of those who come: no longer than it must where none is left.
fn patience(opening: bool, free_slots: usize) -> Duration {
    match opening && free_slots > 0 {
        true => ON_DEMAND,
        false => PATIENCE,
    }
}

/// The frame of a moment that has been, as a JPEG: of a time, the first from then on; the newest,
/// where none has come since.
///
/// # Errors
/// Why there is none, as a sentence.
pub(crate) fn held(
    sender: &Sender<'_>,
    at: Offset,
    unix_ns: u64,
) -> Result<(FrameInfo, Shared), String> {
    let ring = sender.ring;
    for _ in 0..TRIES {
        let Bounds { oldest, head } = ring.bounds();
        if oldest > head || ring.is_lost() {
            return Err(why_not(ring));
        }
        let start = ring.locate(at);
        let id = match start.clamped {
            Some(Clamped::Overwritten) => return Err(Reach::of(ring, at).sentence()),
            Some(Clamped::NotYet) if matches!(at, Offset::Time(time) if time <= unix_ns) => head,
            _ if start.id > head => return Err("That frame is not there yet.".into()),
            _ => start.id,
        };
        match take(sender, id) {
            Ok(taken) => return Ok(taken),
            Err(SkipCause::Unusable) => {
                return Err("The frame of that moment is no picture.".into());
            }
            Err(_) => {} // overwritten meanwhile: another is the oldest now
        }
    }
    Err("The frame of that moment was just being overwritten.".into())
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

pub(crate) fn why_not(ring: &Reader) -> String {
    let state = ring.signal();
    let what = match state.signal {
        Signal::Ended => "The input has ended",
        Signal::Starting => "The source is still starting",
        Signal::Resting => "The camera was resting, and is not back yet",
        Signal::Live | Signal::NoSignal => "There is no picture at the moment",
    };
    if state.reason.is_empty() || state.signal == Signal::Resting {
        format!("{what}.")
    } else {
        format!("{what}: {}.", state.reason.trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_only_for_a_source_that_opens_and_while_a_place_is_left() {
        assert_eq!(patience(true, 1), ON_DEMAND);
        assert_eq!(patience(true, 0), PATIENCE);
        assert_eq!(patience(false, 9), PATIENCE);
    }
}
