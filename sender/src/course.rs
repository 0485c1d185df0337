//! A viewer's course through the ring: the way of `pacing` over all frames as they come, or over
//! those of a `feed`.
//!
//! Not here: deciding anything, and sending.

use std::time::{Duration, Instant};

use shm_ring::{Bounds, Reader};
use worker::unix_ns;

use crate::feed::{Feed, LeftOut, Lull, Now};
use crate::pacing::{Pacing, Step};

/// Where a viewer is, and what comes next.
#[derive(Debug)]
pub(crate) struct Course {
    pacing: Pacing,
    /// None for a viewer that is to have all.
    feed: Option<Feed>,
    /// The frame sent last; 0 before the first.
    last: u64,
}

impl Course {
    /// Of a viewer that has seen everything up to `last` and may fall `lag` frames behind.
    pub fn new(last: u64, lag: u64, feed: Option<Feed>) -> Self {
        let from = if feed.is_some() { 0 } else { last };
        Course {
            pacing: Pacing::new(from, lag),
            feed,
            last: 0,
        }
    }

    /// Looks at the ring: which places there are by now, and what was left out meanwhile.
    pub fn look(&mut self, ring: &Reader, now: Instant) -> (Bounds, LeftOut) {
        let mut bounds = ring.bounds();
        let Some(feed) = &mut self.feed else {
            return (bounds, LeftOut::default());
        };
        // What a ring says of itself may be anything, and each frame is looked at.
        let least = bounds.head.saturating_sub(ring.descriptors());
        bounds.oldest = bounds.oldest.max(least);
        let now = Now {
            instant: now,
            unix_ns: unix_ns(),
        };
        let captured = |id| Some(ring.frame(id).ok()?.info().meta.captured_ns);
        let left_out = feed.look(bounds, now, captured);
        (feed.places(), left_out)
    }

    /// The viewer has not taken yet what it was sent.
    pub fn note_unsent(&mut self) {
        self.pacing.note_unsent();
    }

    /// Decides; the id is a frame's, or 0, which none has, where it is already overwritten.
    pub fn next(&mut self, places: Bounds) -> Step {
        match (self.pacing.next(places), &mut self.feed) {
            (Step::Send { id, skipped }, Some(feed)) => Step::Send {
                id: feed.take(id).unwrap_or(0),
                skipped,
            },
            (step, _) => step,
        }
    }

    /// Frame `id` was sent.
    pub fn sent(&mut self, id: u64) {
        self.last = id;
    }

    /// Whether that was the frame sent last.
    pub fn is_last(&self, id: u64) -> bool {
        self.last == id
    }

    /// How many frames between the one sent last and this were not asked for, where so many were
    /// lost; none where all were asked for.
    pub fn asked_before(&self, id: u64, lost: u64) -> Option<u64> {
        self.feed.as_ref().filter(|feed| feed.is_fewer())?;
        let between = match self.last {
            0 => 0,
            last => id.saturating_sub(last).saturating_sub(1),
        };
        Some(between.saturating_sub(lost))
    }

    /// Frames that passed a viewer that was still slow when it left.
    pub fn missed(&self, places: Bounds) -> u64 {
        self.pacing.missed(places.head)
    }

    /// Frames for the viewer beyond what it has.
    pub fn behind(&self, places: Bounds) -> u64 {
        self.pacing.behind(places.head)
    }

    /// Why there is nothing to send.
    pub fn lull(&self) -> Lull {
        self.feed.as_ref().map_or(Lull::Live, Feed::lull)
    }

    /// When there will be more, as far as that is known.
    pub fn due(&self) -> Option<Instant> {
        self.feed.as_ref()?.next()
    }

    /// How far in the past the viewer is; nothing: it is live.
    pub fn shift(&self, unix_ns: u64) -> Duration {
        let feed = self.feed.as_ref();
        feed.map_or(Duration::ZERO, |feed| feed.behind(unix_ns))
    }
}
