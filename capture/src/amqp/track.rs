//! How far a replay has come in a history: where it begins, which messages it passes over, and where it goes on when
//! the connection was lost. Pure decisions over a clock that is passed in.
//!
//! Not here: when a frame is due (`worker::timeshift`), the connection (`broker`).

use broker::Tags;
use shm_ring::Offset;

/// A frame that comes is one that was waited for, if its capture is not earlier than the wait by more than what a
/// broker and two clocks may take. Nanoseconds.
const FRESH: u64 = 1_000_000_000;

/// The way through one history. It outlives connections.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    from: Offset,
    /// The offset of the last frame that was shown, and its epoch and id, where it has those.
    last: Option<(u64, Option<(u64, u64)>)>,
    /// The first frame was found.
    found: bool,
}

impl Track {
    pub fn new(from: Offset) -> Track {
        Track {
            from,
            last: None,
            found: false,
        }
    }

    /// The offset that was shown last.
    pub fn last(&self) -> Option<u64> {
        self.last.map(|(offset, _)| offset)
    }

    /// Goes on behind this offset, which another run has shown last, unless it has begun itself.
    pub fn resume(&mut self, offset: u64) {
        self.last.get_or_insert((offset, None));
    }

    /// Whether a message is to be shown. Messages come in whole chunks, which begin before what was asked for;
    /// offsets only rise, with gaps.
    pub fn takes(&mut self, offset: Option<u64>, tags: Option<&Tags>, now_unix_ns: u64) -> bool {
        if let (Some((last, frame)), Some(offset)) = (self.last, offset)
            && offset <= last
        {
            // A stream that was made anew counts from 0 again: what is newer is no repetition.
            let newer = frame.zip(tags.map(place)).is_some_and(|(a, b)| b > a);
            if !newer {
                return false;
            }
        }
        self.found = self.found
            || self.last.is_some()
            || match self.from {
                Offset::Id(id) => offset.is_none_or(|offset| offset >= id),
                // Nothing is awaited from the future.
                Offset::Time(ns) => tags.is_none_or(|tags| tags.captured_ns >= ns.min(now_unix_ns)),
                Offset::First | Offset::Last | Offset::Next => true,
            };
        self.found
    }

    /// A message was shown.
    pub fn shown(&mut self, offset: Option<u64>, tags: Option<&Tags>) {
        if let Some(offset) = offset {
            self.last = Some((offset, tags.map(place)));
        }
    }
}

/// Where in its camera's life.
fn place(tags: &Tags) -> (u64, u64) {
    (tags.epoch, tags.frame_id)
}

/// Whether a frame, captured then, came when all there was had been shown: nothing was to be had `since`.
/// Time alone does not tell, since a broker may be slow.
pub(crate) fn caught_up(since_unix_ns: u64, captured_ns: u64) -> bool {
    captured_ns.saturating_add(FRESH) >= since_unix_ns
}

#[cfg(test)]
mod tests {
    use broker::Origin;
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn tags(epoch: u64, frame_id: u64, captured_ns: u64) -> Tags {
        Tags {
            frame_id,
            epoch,
            captured_ns,
            width: 64,
            height: 48,
            origin: Origin(1),
            relays: 0,
        }
    }

    /// The offsets that are shown of those that come; the frame of each is its offset's.
    fn shown(track: &mut Track, offsets: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut shown = Vec::new();
        for offset in offsets {
            let tags = tags(1, offset + 1, offset * SECOND);
            if track.takes(Some(offset), Some(&tags), u64::MAX) {
                track.shown(Some(offset), Some(&tags));
                shown.push(offset);
            }
        }
        shown
    }

    #[test]
    fn what_a_chunk_has_before_it_is_passed_over() {
        for from in [Offset::Id(12), Offset::Time(12 * SECOND)] {
            let mut track = Track::new(from);
            assert_eq!(track.last(), None);
            assert_eq!(shown(&mut track, 10..15), [12, 13, 14]);
            assert_eq!(track.last(), Some(14));
        }
        for from in [Offset::First, Offset::Last, Offset::Next] {
            assert_eq!(shown(&mut Track::new(from), 10..12), [10, 11]);
        }
    }

    #[test]
    fn the_future_is_not_awaited() {
        let mut track = Track::new(Offset::Time(100 * SECOND));
        assert!(!track.takes(Some(1), Some(&tags(1, 1, 9 * SECOND)), 10 * SECOND));
        assert!(track.takes(Some(2), Some(&tags(1, 2, 10 * SECOND)), 10 * SECOND));
    }

    #[test]
    fn a_clock_that_is_set_back_on_the_way_loses_nothing() {
        let mut track = Track::new(Offset::Time(12 * SECOND));
        assert!(track.takes(Some(1), Some(&tags(1, 1, 13 * SECOND)), u64::MAX));
        track.shown(Some(1), None);
        assert!(track.takes(Some(2), Some(&tags(2, 1, 5 * SECOND)), u64::MAX));
    }

    #[test]
    fn frames_without_a_word_of_themselves() {
        let mut track = Track::new(Offset::Time(12 * SECOND));
        assert!(track.takes(None, None, u64::MAX));
        track.shown(Some(7), None);
        assert!(!track.takes(Some(7), None, u64::MAX));
        assert!(track.takes(Some(8), None, u64::MAX));
    }

    #[test]
    fn a_stream_that_was_made_anew_is_gone_on_with() {
        let mut track = Track::new(Offset::First);
        shown(&mut track, 10..20);
        assert!(track.takes(Some(0), Some(&tags(1, 500, 0)), u64::MAX));
        assert!(track.takes(Some(0), Some(&tags(2, 1, 0)), u64::MAX));
        assert!(!track.takes(Some(0), Some(&tags(1, 20, 0)), u64::MAX));
    }

    #[test]
    fn a_stored_position_is_where_nothing_was_shown_yet() {
        let mut track = Track::new(Offset::First);
        track.resume(41);
        assert_eq!(track.last(), Some(41));
        assert_eq!(shown(&mut track, 40..44), [42, 43]);
        track.resume(41);
        assert_eq!(track.last(), Some(43));
    }

    #[test]
    fn only_a_frame_that_was_waited_for_is_live() {
        assert!(caught_up(100 * SECOND, 100 * SECOND - 1));
        assert!(!caught_up(100 * SECOND, 98 * SECOND));
    }

    proptest! {
        /// Whenever the connection is lost, and wherever the chunk begins: each is shown once, in order.
        #[test]
        fn nothing_is_lost_or_repeated(
            from in 0_u64..60,
            cuts in prop::collection::vec((1_usize..20, 0_u64..10), 0..8),
        ) {
            let mut track = Track::new(Offset::Id(from));
            let mut all = Vec::new();
            for (count, before) in cuts {
                let start = track.last().map_or(from, |last| last + 1);
                let chunk = start.saturating_sub(before);
                all.extend(shown(&mut track, (chunk..).take(count)));
            }
            let want: Vec<_> = (from..).take(all.len()).collect();
            prop_assert_eq!(all, want);
        }
    }
}
