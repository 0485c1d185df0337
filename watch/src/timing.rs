//! When one viewer's frames came: rate, gaps, latency.
//!
//! Not here: which frames count (`tally`), seconds one by one (`timeline`).

use crate::histogram::Histogram;

/// When bytes were read, on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Monotonic, from any origin common to all viewers.
    pub mono_ns: u64,
    /// Unix time, as capture times are.
    pub unix_ns: u64,
}

/// When frames came.
pub struct Timing {
    pub frames: u64,
    pub first_ns: u64,
    pub last_ns: u64,
    longest_gap_ns: u64,
    /// From capture to arrival, microseconds.
    pub latency: Histogram,
}

impl Timing {
    pub fn new(start_ns: u64) -> Self {
        Self {
            frames: 0,
            first_ns: start_ns,
            last_ns: start_ns,
            longest_gap_ns: 0,
            latency: Histogram::new(),
        }
    }

    pub fn frame(&mut self, at: Arrival, captured_ns: Option<u64>) {
        if self.frames == 0 {
            self.first_ns = at.mono_ns;
        } else {
            self.longest_gap_ns = self.gap_ns(at.mono_ns);
        }
        self.frames += 1;
        self.last_ns = at.mono_ns;
        if let Some(captured_ns) = captured_ns {
            // Between two hosts' clocks a frame may arrive before its capture.
            self.latency
                .record(at.unix_ns.saturating_sub(captured_ns) / 1000);
        }
    }

    pub fn gap_ns(&self, now_ns: u64) -> u64 {
        self.longest_gap_ns.max(now_ns.saturating_sub(self.last_ns))
    }
}
