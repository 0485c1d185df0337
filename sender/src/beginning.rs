//! How a stream begins: where in the ring, how much of it, and what its head says of that.
//!
//! Not here: what was asked for as text (`http::ask`), and what follows.

use std::time::Instant;

use shm_ring::{Bounds, Clamped, Start};
use worker::unix_ns;

use crate::Sender;
use crate::course::Course;
use crate::feed::{self, Feed};
use crate::http::ask::StreamAsk;
use crate::http::reply;
use crate::placeholder::Placeholder;
use worker::timeshift::Timeshift;
use worker::when::When;

/// All that a stream needs for its first step.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub course: Course,
    pub placeholder: Placeholder,
    /// Header lines for its head.
    pub headers: String,
}

/// A place to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// The first frame.
    id: u64,
    /// Frames are there already that are to be played at a pace.
    is_past: bool,
    clamped: Option<Clamped>,
}

impl Beginning {
    /// Of what was asked for, for the viewer of this number.
    pub fn new(ask: &StreamAsk, viewer: u64, sender: &Sender<'_>, now: Instant) -> Self {
        let (ring, unix_ns) = (sender.ring, unix_ns());
        let bounds = ring.bounds();
        let newest = ring.frame(bounds.head).ok().map(|frame| *frame.info());
        let placeholder = Placeholder::new(newest.as_ref(), sender.config.size, now, unix_ns);
        // A live picture begins with the frame that is there; an old one is no picture.
        let is_live = placeholder.is_live(&ring.signal(), now);
        let from = ask.from.unwrap_or(When::Last);
        let start = ring.locate(from.offset(unix_ns));
        let place = place(from, ask.speed, start, bounds, is_live);
        let shift = place.is_past.then(|| Timeshift::new(ask.speed));
        let lag = ask.lag.unwrap_or(sender.config.lag);
        let last = place.id.saturating_sub(1);
        let feed =
            (shift.is_some() || ask.fps.is_some()).then(|| Feed::new(last, lag, shift, ask.fps));
        let mut headers = reply::cookie(ask.key.as_deref(), viewer);
        if ask.from.is_some() {
            headers += &reply::begins(place.id, place.clamped);
        }
        Beginning {
            course: Course::new(last, lag, feed),
            placeholder,
            headers,
        }
    }
}

/// Decides where; `start` is where `from` was found.
fn place(from: When, speed: f64, start: Start, bounds: Bounds, is_live: bool) -> Place {
    let live = |id, clamped| Place {
        id,
        is_past: false,
        clamped,
    };
    let next = bounds.head.saturating_add(1);
    match from {
        When::Last => live(next - u64::from(is_live && bounds.head > 0), None),
        When::Next => live(next, None),
        _ if start.id >= next => live(next, start.clamped),
        _ => {
            // Who is no faster than capture would be overtaken at once at the ring's very end.
            let least = if speed > 1.0 { 1 } else { feed::safe(bounds) };
            let moved = start.id < least && from != When::First;
            Place {
                id: start.id.max(least),
                is_past: true,
                clamped: start.clamped.or(moved.then_some(Clamped::Overwritten)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVER: Option<Clamped> = Some(Clamped::Overwritten);
    const NOT_YET: Option<Clamped> = Some(Clamped::NotYet);

    #[test]
    fn live_or_past() {
        let bounds = Bounds {
            oldest: 101,
            head: 260,
        };
        for (from, speed, (start, clamped), is_live, want) in [
            (When::Last, 1.0, (260, None), true, (260, false, None)),
            (When::Last, 1.0, (260, None), false, (261, false, None)),
            (When::Next, 1.0, (261, None), true, (261, false, None)),
            (
                When::Id(300),
                1.0,
                (261, NOT_YET),
                true,
                (261, false, NOT_YET),
            ),
            (When::Id(200), 1.0, (200, None), false, (200, true, None)),
            (When::Id(7), 4.0, (101, OVER), true, (101, true, OVER)),
            (When::Id(7), 1.0, (101, OVER), true, (112, true, OVER)),
            (When::Id(101), 0.5, (101, None), true, (112, true, OVER)),
            (When::First, 1.0, (101, None), true, (112, true, None)),
            (When::First, 2.0, (101, None), true, (101, true, None)),
        ] {
            let found = Start { id: start, clamped };
            let (id, is_past, clamped) = want;
            let want = Place {
                id,
                is_past,
                clamped,
            };
            assert_eq!(place(from, speed, found, bounds, is_live), want, "{from:?}");
        }
    }

    #[test]
    fn a_ring_in_which_nothing_was_overwritten_begins_with_its_first_and_an_empty_one_with_the_next()
     {
        let first = |oldest, head| {
            let start = Start {
                id: oldest,
                clamped: None,
            };
            let place = place(When::First, 1.0, start, Bounds { oldest, head }, false);
            (place.id, place.is_past)
        };
        assert_eq!(first(1, 50), (1, true));
        assert_eq!(first(1, 0), (1, false));
        assert_eq!(first(10, 9), (10, false));
    }
}
