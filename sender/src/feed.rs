//! What a viewer is to have of the ring, where that is not all of it as it comes: of a time-shifted
//! viewer what is due by now (`timeshift`), of one who asked for fewer frames those that are as many
//! (`decimation`). Pure.
//!
//! What it is to have is numbered from 1 on without a gap, and `pacing` goes by these places as it
//! otherwise goes by ids: so it is late, slow or behind among the frames that were for it, and what
//! was never for it is no loss.
//!
//! Not here: whether a frame is sent (`pacing`), and waiting.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use shm_ring::Bounds;

use crate::decimation::Decimation;
use worker::timeshift::Timeshift;

/// Who is overtaken in the past goes on by so large a part of the ring above its end, or it would
/// be overtaken again at once.
const MARGIN: u64 = 16;

/// A viewer's selection. Every id above the starting point is in it or counted as left out, once.
#[derive(Debug)]
pub(crate) struct Feed {
    shift: Option<Timeshift>,
    fewer: Option<(Decimation, f64)>,
    /// The last id that was looked at.
    seen: u64,
    /// Ids for the viewer, of which it has not yet taken the place; no more than it may be behind.
    queue: VecDeque<u64>,
    /// The place of the queue's last, and how many there were.
    head: u64,
    lag: u64,
}

/// What was left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// Because the viewer asked for fewer.
    pub asked: u64,
    /// Because it was overwritten before it was due, or looked at.
    pub overwritten: u64,
}

/// The moment of a look, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// This process's.
    pub instant: Instant,
    /// Unix time, nanoseconds.
    pub unix_ns: u64,
}

/// Why there is nothing for the viewer at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lull {
    /// There is nothing newer in the ring.
    Live,
    /// The next frame of the past is not yet due.
    Paced,
    /// The same, and there was an outage before it.
    Outage,
}

/// The first id that a viewer can follow from at the pace of capture: the oldest, if nothing was
/// overwritten yet, and else one that is not overwritten next.
pub(crate) fn safe(bounds: Bounds) -> u64 {
    let Bounds { oldest, head } = bounds;
    let held = head.saturating_add(1).saturating_sub(oldest);
    let margin = if oldest > 1 { held / MARGIN + 1 } else { 0 };
    // A frame that there is, but for an empty ring.
    oldest + margin.min(held.saturating_sub(1))
}

impl Feed {
    /// For a viewer that has seen everything up to `last` and may fall `lag` frames behind: in the
    /// past, where there is a shift, and of `fps` frames a second at most.
    pub fn new(last: u64, lag: u64, shift: Option<Timeshift>, fps: Option<f64>) -> Self {
        let speed = shift.as_ref().map_or(1.0, Timeshift::speed);
        Feed {
            shift,
            fewer: fps.map(|fps| (Decimation::new(fps / speed), fps)),
            seen: last,
            queue: VecDeque::new(),
            head: 0,
            lag: lag.max(1),
        }
    }

    /// Takes in what has come, or become due. `captured` tells when a frame was captured, none if it
    /// is gone. The bounds must be no wider than a ring can be.
    pub fn look(
        &mut self,
        bounds: Bounds,
        now: Now,
        captured: impl Fn(u64) -> Option<u64>,
    ) -> LeftOut {
        let mut left_out = LeftOut::default();
        loop {
            let next = self.seen.saturating_add(1);
            if next > bounds.head || next == self.seen {
                self.run_dry();
                break;
            }
            if next < bounds.oldest {
                let from = match &mut self.shift {
                    Some(shift) => {
                        shift.jump();
                        safe(bounds)
                    }
                    None => bounds.oldest,
                };
                left_out.overwritten += from - next;
                self.seen = from - 1;
                continue;
            }
            let Some(captured_ns) = captured(next) else {
                left_out.overwritten += 1;
                self.seen = next;
                continue;
            };
            if let Some(shift) = &mut self.shift {
                if shift.due(next, captured_ns, now.instant) > now.instant {
                    break;
                }
                shift.play(now.unix_ns);
            }
            self.seen = next;
            if let Some((decimation, _)) = &mut self.fewer
                && !decimation.takes(captured_ns)
            {
                left_out.asked += 1;
            } else {
                self.head += 1;
                self.queue.push_back(next);
            }
        }
        while let Some(&id) = self.queue.front()
            && (id < bounds.oldest || self.queue.len() as u64 > self.lag)
        {
            self.queue.pop_front();
        }
        left_out
    }

    fn run_dry(&mut self) {
        if self.shift.as_mut().is_some_and(Timeshift::run_dry) {
            self.shift = None;
            if let Some((decimation, fps)) = &mut self.fewer {
                decimation.set_fps(*fps);
            }
        }
    }

    /// The places that can be had.
    pub fn places(&self) -> Bounds {
        Bounds {
            oldest: self.head + 1 - self.queue.len() as u64,
            head: self.head,
        }
    }

    /// The id in a place, once; it and those before are had then.
    pub fn take(&mut self, place: u64) -> Option<u64> {
        let index = place.checked_sub(self.places().oldest)?;
        self.queue
            .drain(..usize::try_from(index).ok()?.min(self.queue.len()));
        self.queue.pop_front()
    }

    /// Why there is nothing more.
    pub fn lull(&self) -> Lull {
        match &self.shift {
            Some(shift) if shift.is_outage() => Lull::Outage,
            Some(shift) if shift.next().is_some() => Lull::Paced,
            _ => Lull::Live,
        }
    }

    /// When there will be more, as far as that is known.
    pub fn next(&self) -> Option<Instant> {
        self.shift.as_ref()?.next()
    }

    /// How far in the past the viewer is; nothing: it is live.
    pub fn behind(&self, unix_ns: u64) -> Duration {
        let shift = self.shift.as_ref();
        shift.map_or(Duration::ZERO, |shift| shift.behind(unix_ns))
    }

    /// Whether the viewer asked for fewer frames.
    pub fn is_fewer(&self) -> bool {
        self.fewer.is_some()
    }
}

#[cfg(test)]
mod tests;
