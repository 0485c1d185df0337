//! What one viewer got second by second.
//!
//! Not here: what it got in all (`tally`).

use serde::Serialize;

use crate::report::millis;

const SECOND_NS: u64 = 1_000_000_000;

/// One second of a viewer; the first begins with the watch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Tick {
    /// Valid frames, with an id or without.
    pub frames: u32,
    /// Ids found missing, at the frame behind the gap.
    pub lost: u64,
    /// The longest time from capture to arrival, ms; none where no frame said its time.
    pub latency_max_ms: Option<f64>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Timeline {
    ticks: Vec<Tick>,
    lost: u64,
}

impl Timeline {
    /// A frame was complete at `at_ns` since the watch's start. `lost` counts from the stream's
    /// begin.
    pub fn frame(&mut self, at_ns: u64, lost: u64, latency_us: Option<u64>) {
        let index = (at_ns / SECOND_NS) as usize;
        self.reach(index + 1);
        let tick = &mut self.ticks[index];
        tick.frames += 1;
        tick.lost += lost - self.lost;
        self.lost = lost;
        let latency = latency_us.map(millis);
        // None is less than any time.
        if latency > tick.latency_max_ms {
            tick.latency_max_ms = latency;
        }
    }

    /// All seconds that were over at `end_ns`, and what came in the one that was not.
    pub fn into_ticks(mut self, end_ns: u64) -> Vec<Tick> {
        self.reach((end_ns / SECOND_NS) as usize);
        self.ticks
    }

    fn reach(&mut self, len: usize) {
        if self.ticks.len() < len {
            self.ticks.resize(len, Tick::default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_own_account() {
        let mut timeline = Timeline::default();
        timeline.frame(100, 0, Some(2_000));
        timeline.frame(SECOND_NS - 1, 3, Some(1_000));
        timeline.frame(2 * SECOND_NS, 4, None);
        let ticks = timeline.into_ticks(4 * SECOND_NS + 1);
        let seen: Vec<_> = ticks
            .iter()
            .map(|tick| (tick.frames, tick.lost, tick.latency_max_ms))
            .collect();
        let empty = (0, 0, None);
        assert_eq!(seen, [(2, 3, Some(2.0)), empty, (1, 1, None), empty]);
    }
}
