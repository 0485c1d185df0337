//! How far apart viewers get the same frame, in bounded memory: a window over the newest ids.
//!
//! Not here: single viewers (`tally`), the clock.

use crate::histogram::Histogram;

/// Ids remembered: at 30 frames a second, viewers half a minute apart still meet.
const WINDOW: usize = 1024;

#[derive(Clone, Copy)]
struct Slot {
    id: u64,
    first_ns: u64,
    last_ns: u64,
    viewers: u32,
}

/// Takes arrivals of frames at any viewer.
pub struct Skew {
    window: Box<[Slot]>,
    spreads: Histogram,
}

impl Skew {
    pub fn new() -> Self {
        let empty = Slot {
            id: 0,
            first_ns: 0,
            last_ns: 0,
            viewers: 0,
        };
        Self {
            window: vec![empty; WINDOW].into_boxed_slice(),
            spreads: Histogram::new(),
        }
    }

    /// Frame `id` is complete at one more viewer at `at_ns` (monotonic, rising over all calls).
    /// One that is so late that its place is taken no longer counts. The first frame of a viewer is
    /// not for here: it may have been there for a while before the viewer came.
    pub fn arrived(&mut self, id: u64, at_ns: u64) {
        let slot = &mut self.window[(id % WINDOW as u64) as usize];
        if slot.viewers > 0 && slot.id == id {
            slot.last_ns = at_ns;
            slot.viewers += 1;
        } else if slot.viewers == 0 || slot.id < id {
            settle(slot, &mut self.spreads);
            *slot = Slot {
                id,
                first_ns: at_ns,
                last_ns: at_ns,
                viewers: 1,
            };
        }
    }

    /// Microseconds between the first and the last arrival of each frame that at least two
    /// viewers got.
    pub fn into_spreads(mut self) -> Histogram {
        for slot in &self.window {
            settle(slot, &mut self.spreads);
        }
        self.spreads
    }
}

fn settle(slot: &Slot, spreads: &mut Histogram) {
    if slot.viewers > 1 {
        spreads.record(slot.last_ns.saturating_sub(slot.first_ns) / 1000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_spread_of_each_frame() {
        let mut skew = Skew::new();
        for id in 1..=5000 {
            let at = id * 1_000_000;
            skew.arrived(id, at);
            skew.arrived(id, at + 20_000);
            skew.arrived(id, at + if id == 7 { 90_000 } else { 30_000 });
        }
        let spreads = skew.into_spreads();
        assert_eq!(spreads.percentile(50.0), Some(30));
        assert_eq!(spreads.percentile(100.0), Some(90));
    }

    #[test]
    fn counts_no_frame_of_a_single_viewer() {
        let mut skew = Skew::new();
        skew.arrived(0, 1);
        skew.arrived(u64::MAX, 2);
        assert_eq!(skew.into_spreads().percentile(50.0), None);
    }

    #[test]
    fn leaves_out_what_fell_out_of_the_window() {
        let mut skew = Skew::new();
        skew.arrived(3, 1_000);
        skew.arrived(3 + WINDOW as u64, 2_000);
        skew.arrived(3, 9_000_000);
        skew.arrived(3 + WINDOW as u64, 7_000);
        assert_eq!(skew.into_spreads().percentile(100.0), Some(5));
    }
}
