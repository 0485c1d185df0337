//! In which order ids may come, as a reader sees it: they never fall, and none comes twice with
//! two contents. Not here: the contents (`payload`).

use shm_ring::{Bounds, FrameInfo};

/// What a reader has seen.
#[derive(Debug, Default)]
pub struct Order {
    bounds: Option<Bounds>,
    /// Of the accepted frame with the highest id: its id, and which run of a writer it is of.
    highest: Option<(u64, u64)>,
    /// The last frame accepted in order.
    last: u64,
}

/// An id that repeated or fell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Violation;

impl Order {
    /// Bounds as just read: neither ever falls.
    pub fn bounds(&mut self, now: Bounds) -> Result<(), Violation> {
        let before = self.bounds.replace(now).unwrap_or(now);
        let fine = before.head <= now.head
            && before.oldest <= now.oldest
            && now.oldest <= now.head.saturating_add(1);
        fine.then_some(()).ok_or(Violation)
    }

    /// The id to read next in order: the one after the last, or, where that is overwritten, the
    /// oldest. Above `head` where there is none yet.
    pub fn next(&self, now: Bounds) -> u64 {
        (self.last + 1).max(now.oldest)
    }

    /// Frame `asked` was accepted: runs rise with the ids, so an id that a second run gave out
    /// again shows, too.
    pub fn accepted(&mut self, asked: u64, info: &FrameInfo) -> Result<(), Violation> {
        let now = (info.id, info.epoch);
        let before = self.highest.unwrap_or(now);
        self.highest = Some(before.max(now));
        let fine = match now.0.cmp(&before.0) {
            std::cmp::Ordering::Less => now.1 <= before.1,
            std::cmp::Ordering::Equal => now.1 == before.1,
            std::cmp::Ordering::Greater => now.1 >= before.1,
        };
        (fine && info.id == asked).then_some(()).ok_or(Violation)
    }

    /// As [`Order::accepted`], for a frame that was read in order.
    pub fn accepted_next(&mut self, asked: u64, info: &FrameInfo) -> Result<(), Violation> {
        let rose = info.id > self.last;
        self.last = self.last.max(info.id);
        self.accepted(asked, info)?;
        rose.then_some(()).ok_or(Violation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(id: u64, epoch: u64) -> FrameInfo {
        FrameInfo {
            id,
            len: 1,
            epoch,
            published_ns: 0,
            meta: shm_ring::FrameMeta::default(),
        }
    }

    #[test]
    fn bounds_never_fall() {
        let bounds = |oldest, head| Bounds { oldest, head };
        let mut order = Order::default();
        assert_eq!(order.bounds(bounds(1, 0)), Ok(()));
        assert_eq!(order.bounds(bounds(1, 5)), Ok(()));
        assert_eq!(order.next(bounds(1, 5)), 1);
        assert_eq!(order.bounds(bounds(6, 5)), Ok(()));
        assert_eq!(order.bounds(bounds(5, 6)), Err(Violation));
        assert_eq!(order.bounds(bounds(6, 5)), Err(Violation));
        assert_eq!(order.bounds(bounds(8, 6)), Err(Violation));
    }

    #[test]
    fn in_order_is_upwards() {
        let mut order = Order::default();
        let now = Bounds { oldest: 3, head: 9 };
        assert_eq!(order.next(now), 3);
        assert_eq!(order.accepted_next(3, &info(3, 1)), Ok(()));
        assert_eq!(order.next(now), 4);
        assert_eq!(order.accepted_next(5, &info(4, 1)), Err(Violation));
        assert_eq!(order.accepted_next(4, &info(4, 1)), Err(Violation));
    }

    #[test]
    fn a_frame_of_a_second_run_under_a_known_id_is_a_repetition() {
        let mut order = Order::default();
        assert_eq!(order.accepted(7, &info(7, 1)), Ok(()));
        assert_eq!(order.accepted(9, &info(9, 2)), Ok(()));
        assert_eq!(order.accepted(7, &info(7, 1)), Ok(()));
        assert_eq!(order.accepted(9, &info(9, 3)), Err(Violation));
        assert_eq!(order.accepted(8, &info(8, 4)), Err(Violation));
        assert_eq!(order.accepted(10, &info(10, 1)), Err(Violation));
    }
}
