//! Where to begin reading, in the words of RabbitMQ Streams (`rabbitmq.com/docs/streams`,
//! "Consuming from a stream"), with frames where it has chunks.
//!
//! Not here: what to do about what is found there, and following it ([`crate::Consumer`]).

use crate::{Bounds, Reader};

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offset {
    /// The oldest frame that is readable.
    First,
    /// The newest frame.
    Last,
    /// The frame that is published next.
    Next,
    /// The frame of this id.
    Id(u64),
    /// The first frame that was published at this Unix time or later, nanoseconds. Found by
    /// halving: where the clock was set back in between, it may be another.
    Time(u64),
}

/// Where that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The frame to begin with: readable, or the next to be published.
    pub id: u64,
    /// How it differs from what was asked for.
    pub clamped: Option<Clamped>,
}

/// Why a start is not where it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clamped {
    /// What was asked for is overwritten: the oldest frame that is not.
    Overwritten,
    /// What was asked for is not yet published: the next frame.
    NotYet,
}

impl Reader {
    /// Finds where to begin. [`Start::id`] may be overwritten by the time that it is read, like
    /// any frame.
    ///
    /// An empty ring, and one whose frames are all being overwritten, has no first and no last
    /// frame: the next one is both, and that is no clamping.
    pub fn locate(&self, offset: Offset) -> Start {
        let published = |id| self.frame(id).ok().map(|frame| frame.info().published_ns);
        locate(self.bounds(), offset, published)
    }
}

/// [`Reader::locate`] with `published(id)` for the Unix time at which a frame was published, `None`
/// if it is not readable.
fn locate(bounds: Bounds, offset: Offset, published: impl Fn(u64) -> Option<u64>) -> Start {
    let Bounds { oldest, head } = bounds;
    let next = head.saturating_add(1);
    let at = |id| Start { id, clamped: None };
    let clamped = |id, clamped| Start {
        id,
        clamped: Some(clamped),
    };
    match offset {
        Offset::First => at(oldest),
        Offset::Last => at(head.max(oldest)),
        Offset::Next => at(next),
        // Id 0 never exists: what begins there begins with 1.
        Offset::Id(id) if id.max(1) < oldest => clamped(oldest, Clamped::Overwritten),
        Offset::Id(id) if id > next => clamped(next, Clamped::NotYet),
        Offset::Id(id) => at(id.max(1)),
        Offset::Time(time) => {
            // Frames below the one sought: those overwritten meanwhile are older than all others.
            let (mut low, mut high) = (oldest, next);
            while low < high {
                let middle = low + (high - low) / 2;
                if published(middle).is_none_or(|at| at < time) {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            if low == next {
                clamped(next, Clamped::NotYet)
            } else if low == oldest && oldest > 1 && published(low).is_some_and(|at| at > time) {
                clamped(oldest, Clamped::Overwritten)
            } else {
                at(low)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVER: Option<Clamped> = Some(Clamped::Overwritten);
    const NOT_YET: Option<Clamped> = Some(Clamped::NotYet);

    fn find(oldest: u64, head: u64, offset: Offset) -> (u64, Option<Clamped>) {
        // Frame `id` was published at `10 * id`.
        let published = |id| (oldest..=head).contains(&id).then_some(10 * id);
        let start = locate(Bounds { oldest, head }, offset, published);
        (start.id, start.clamped)
    }

    #[test]
    fn offsets_in_a_ring_that_laps() {
        assert_eq!(find(5, 9, Offset::First), (5, None));
        assert_eq!(find(5, 9, Offset::Last), (9, None));
        assert_eq!(find(5, 9, Offset::Next), (10, None));
        assert_eq!(find(5, 9, Offset::Id(7)), (7, None));
        assert_eq!(find(5, 9, Offset::Id(10)), (10, None));
        assert_eq!(find(5, 9, Offset::Id(4)), (5, OVER));
        assert_eq!(find(5, 9, Offset::Id(0)), (5, OVER));
        assert_eq!(find(5, 9, Offset::Id(u64::MAX)), (10, NOT_YET));
        assert_eq!(find(5, 9, Offset::Time(0)), (5, OVER));
        assert_eq!(find(5, 9, Offset::Time(49)), (5, OVER));
        assert_eq!(find(5, 9, Offset::Time(50)), (5, None));
        assert_eq!(find(5, 9, Offset::Time(51)), (6, None));
        assert_eq!(find(5, 9, Offset::Time(90)), (9, None));
        assert_eq!(find(5, 9, Offset::Time(91)), (10, NOT_YET));
    }

    #[test]
    fn offsets_in_a_ring_that_is_empty_or_new() {
        for (oldest, head) in [(1, 0), (10, 9)] {
            for offset in [
                Offset::First,
                Offset::Last,
                Offset::Next,
                Offset::Id(head + 1),
            ] {
                assert_eq!(find(oldest, head, offset), (head + 1, None), "{offset:?}");
            }
            assert_eq!(find(oldest, head, Offset::Time(1)), (head + 1, NOT_YET));
        }
        // Nothing was ever overwritten: the first frame is what was asked for.
        assert_eq!(find(1, 3, Offset::Time(0)), (1, None));
        assert_eq!(find(1, 0, Offset::Id(0)), (1, None));
    }

    #[test]
    fn times_are_found_while_frames_go() {
        let bounds = Bounds { oldest: 5, head: 9 };
        let published = |id| (id >= 8).then_some(10 * id);
        assert_eq!(locate(bounds, Offset::Time(60), published).id, 8);
        assert_eq!(locate(bounds, Offset::Time(60), |_| None).id, 10);
    }
}
