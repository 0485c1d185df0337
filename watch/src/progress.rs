//! The line that a person sees while a watch runs: one a second on standard error, in place.
//!
//! Not here: the report at the end.

use std::io::{IsTerminal, Write};

/// What the line says.
#[derive(Debug, Default, PartialEq)]
pub struct Snapshot {
    pub seconds: u64,
    pub viewers: usize,
    pub streaming: usize,
    /// Parts since the beginning, over all viewers.
    pub frames: u64,
    pub lost: u64,
    pub invalid: u64,
    pub worst_gap_ms: u64,
}

/// Draws the line; clears it when dropped.
pub struct Progress {
    frames: u64,
}

impl Progress {
    /// None where nobody would see it.
    pub fn new(wanted: bool) -> Option<Self> {
        (wanted && std::io::stderr().is_terminal()).then(|| Self { frames: 0 })
    }

    /// To be called once a second: frames since the last call are frames a second.
    pub fn show(&mut self, now: &Snapshot) {
        let fps = now.frames - self.frames;
        self.frames = now.frames;
        // A closed terminal is no reason to stop measuring.
        let _ = write!(std::io::stderr(), "\r{}\x1b[K", line(now, fps));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
}

fn line(now: &Snapshot, fps: u64) -> String {
    format!(
        "{} s: {} of {} viewers, {fps} frames/s in all, worst gap {} ms, {} lost, {} invalid",
        now.seconds, now.streaming, now.viewers, now.worst_gap_ms, now.lost, now.invalid,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_all_in_one_line() {
        let now = Snapshot {
            seconds: 12,
            viewers: 10,
            streaming: 9,
            worst_gap_ms: 41,
            ..Snapshot::default()
        };
        assert_eq!(
            line(&now, 270),
            "12 s: 9 of 10 viewers, 270 frames/s in all, worst gap 41 ms, 0 lost, 0 invalid"
        );
    }
}
