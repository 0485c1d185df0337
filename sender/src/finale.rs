//! When the last frame before a pause goes out once more (`dual_final_frames`): WebKit shows a frame
//! late where no other follows. A pause is no new frame for twice as long as the last one took.
//!
//! Not here: sending it, and frames that are the same (`--drop-same` leaves them out in capture).

use std::time::{Duration, Instant};

/// Frames may come in twos, and late; a shorter silence is no pause.
const LEAST: Duration = Duration::from_millis(100);
/// A longer one is, however rare they are.
const MOST: Duration = Duration::from_secs(2);
/// How long a frame is thought to take before there are two.
const FIRST: Duration = Duration::from_millis(250);

/// Follows the frames that are sent.
#[derive(Debug, Default)]
pub(crate) struct Finale {
    last: Option<Instant>,
    /// The frame to repeat, and when.
    due: Option<(u64, Instant)>,
}

impl Finale {
    /// Frame `id` is sent.
    pub fn frame(&mut self, id: u64, now: Instant) {
        let gap = self.last.replace(now).map_or(FIRST, |last| now - last);
        let pause = (2 * gap.min(MOST)).clamp(LEAST, MOST);
        self.due = Some((id, now + pause));
    }

    /// Another picture was sent in between: there is nothing to repeat behind it.
    pub fn cancel(&mut self) {
        self.due = None;
    }

    /// When the next repetition is due, if nothing comes before.
    pub fn due(&self) -> Option<Instant> {
        self.due.map(|(_, at)| at)
    }

    /// The frame to repeat now; once.
    pub fn take(&mut self, now: Instant) -> Option<u64> {
        let (id, _) = self.due.take_if(|(_, at)| *at <= now)?;
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_in_a_pause() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut finale = Finale::default();
        assert_eq!((finale.due(), finale.take(at(0))), (None, None));
        finale.frame(1, at(0));
        assert_eq!(finale.due(), Some(at(500)));
        finale.frame(2, at(100));
        assert_eq!((finale.due(), finale.take(at(299))), (Some(at(300)), None));
        finale.frame(3, at(200));
        assert_eq!(finale.take(at(400)), Some(3));
        assert_eq!((finale.due(), finale.take(at(900))), (None, None));
        finale.frame(4, at(10_000));
        assert_eq!(finale.due(), Some(at(12_000)), "after a pause");
        finale.frame(5, at(10_001));
        assert_eq!(finale.due(), Some(at(10_101)));
        finale.cancel();
        assert_eq!((finale.due(), finale.take(at(11_000))), (None, None));
    }
}
