//! The measurements, one a file. What they are held against says `report`.

pub mod copying;
pub mod fanout;
pub mod history;
pub mod joining;
pub mod sending;
pub mod wall;

use std::time::Duration;

use crate::side::Pace;

/// How much of everything is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Bounded by a minute or so in place of a few.
    pub quick: bool,
}

impl Effort {
    /// One of two numbers.
    pub fn pick<T>(self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Frames at a camera's pace, or twice or thrice that.
    fn pace(self, quick: u32, full: u32, interval_ms: u64) -> Pace {
        Pace {
            frames: self.pick(quick, full),
            interval: Duration::from_millis(interval_ms),
        }
    }
}

/// A frame of `len` bytes, of no particular content.
pub fn frame(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}
