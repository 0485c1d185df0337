//! What a watch found: as JSON (serde), as an exit code, and for a person (`Display`).
//!
//! Not here: how it was found.

use std::fmt;

use serde::Serialize;

use crate::histogram::Histogram;
use crate::timeline::Tick;

/// Most viewers that a person gets to see one by one; of more only those with something to say.
const MAX_ROWS: usize = 20;

/// The JSON of `seqcast watch --json`. Times are rounded to microseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// In the order in which they were opened.
    pub viewers: Vec<Viewer>,
    /// Over all frames that at least two viewers got, the first of each viewer aside: the time
    /// between the first and the last viewer to have it complete, in this one process (which reads
    /// them one by one).
    pub skew_ms: Percentiles,
    /// SO_RCVBUF as granted, bytes: as getsockopt says it, so with the kernel's doubling.
    pub rcvbuf: usize,
}

/// What one viewer got.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Viewer {
    /// Valid frames with an id: that of `X-Seqcast-Frame`, or what is coded into the pixels of a
    /// raw one, or into a COM segment of a JPEG right behind its SOI (mark and numbers as in
    /// [`crate::raw::Stamp`]).
    pub frames: u64,
    /// Intervals between frames, over the time from the first to the last; 0 below two frames.
    /// Like `latency_ms` and `gap_ms` of frames with an id, or, where there are none at all, of
    /// the unnumbered ones.
    pub fps: f64,
    /// Ids missing between the first frame and the last.
    pub lost: u64,
    /// What was wrong, a sentence each, at most 20; `invalid_count` has them all.
    pub invalid: Vec<String>,
    /// From the capture time that the part says, or the coding, to the arrival of its last byte. 0 where the sender's clock is ahead.
    pub latency_ms: Percentiles,
    /// The longest time between two complete frames, or from the last one to the end of the
    /// watch; with no frame at all, since the head of the response or the first header.
    pub gap_ms: f64,
    /// Bytes received, with all headers.
    pub bytes: u64,
    /// The server ended a stream that it had begun.
    pub cut: bool,
    /// It got a 200 and a stream; of a raw one, the first header.
    pub connected: bool,
    /// All faults, also those that are not in `invalid`.
    pub invalid_count: u64,
    /// Frames whose id had been there, or one after it: faults, too, and in `invalid_count`.
    pub repeated: u64,
    /// Valid parts or raw frames without an id: placeholders, or those of a server that sends
    /// none.
    pub unnumbered: u64,
    /// Of a viewer that stalled: frames captured more than 200 ms before it went on, and received
    /// after. None while there was no stall.
    pub stale_after_stall: Option<u64>,
    /// Why it ended before the watch did.
    pub end: Option<String>,
    /// A tick a second from the begin of the watch to its end, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<Tick>,
}

/// In milliseconds; none of nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// The median.
    pub p50: Option<f64>,
    /// What 1 in 100 exceeds.
    pub p99: Option<f64>,
}

impl Percentiles {
    pub(crate) fn of(us: &Histogram) -> Self {
        Self {
            p50: us.percentile(50.0).map(millis),
            p99: us.percentile(99.0).map(millis),
        }
    }
}

/// Microseconds as milliseconds.
pub(crate) fn millis(us: u64) -> f64 {
    us as f64 / 1e3
}

impl Viewer {
    fn is_clean(&self) -> bool {
        self.connected && !self.cut && self.invalid_count == 0 && self.lost == 0
    }
}

impl Report {
    /// 0 clean, 3 anything invalid received, 4 cut off, 5 could not connect or got no 200 (of a
    /// raw stream: no header). Of several the first in the order 3, 4, 5. Lost frames alone are no
    /// fault: a viewer that is too slow skips.
    pub fn exit_code(&self) -> i32 {
        let any = |what: fn(&Viewer) -> bool| self.viewers.iter().any(what);
        if any(|viewer| viewer.invalid_count > 0) {
            3
        } else if any(|viewer| viewer.cut) {
            4
        } else if any(|viewer| !viewer.connected) {
            5
        } else {
            0
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "viewer   frames     fps    lost  invalid  latency p50    p99  longest gap        MB"
        )?;
        let all = self.viewers.len() <= MAX_ROWS;
        for (index, viewer) in self.viewers.iter().enumerate() {
            if all || !viewer.is_clean() {
                viewer.row(index, f)?;
            }
        }
        let sum = |what: fn(&Viewer) -> u64| self.viewers.iter().map(what).sum::<u64>();
        // The closing line: of all viewers, the worst.
        let lowest = self.viewers.iter().map(|v| v.fps).fold(f64::MAX, f64::min);
        let gap = self.viewers.iter().map(|v| v.gap_ms).fold(0.0, f64::max);
        write!(
            f,
            "{} of {} viewers, {} frames, {} lost, {} invalid, lowest {lowest:.1} fps, longest gap {gap:.0} ms, \
             skew p50 {} p99 {} ms",
            sum(|v| v.connected.into()),
            self.viewers.len(),
            sum(|v| v.frames + v.unnumbered),
            sum(|v| v.lost),
            sum(|v| v.invalid_count),
            shown(self.skew_ms.p50),
            shown(self.skew_ms.p99),
        )
    }
}

impl Viewer {
    fn row(&self, index: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{index:>6} {:>8} {:>7.1} {:>7} {:>8} {:>9} ms {:>6} {:>9.0} ms {:>9.1}",
            self.frames + self.unnumbered,
            self.fps,
            self.lost,
            self.invalid_count,
            shown(self.latency_ms.p50),
            shown(self.latency_ms.p99),
            self.gap_ms,
            self.bytes as f64 / 1e6,
        )?;
        if self.unnumbered > 0 {
            writeln!(f, "       {} of them without an id", self.unnumbered)?;
        }
        if let Some(stale) = self.stale_after_stall {
            writeln!(f, "       {stale} stale frames after its stall")?;
        }
        for sentence in &self.invalid {
            writeln!(f, "       invalid: {sentence}")?;
        }
        let more = self.invalid_count - self.invalid.len() as u64;
        if more > 0 {
            writeln!(f, "       invalid: {more} more")?;
        }
        if let Some(end) = &self.end {
            writeln!(f, "       {end}")?;
        }
        Ok(())
    }
}

fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn viewer() -> Viewer {
        Viewer {
            frames: 60,
            fps: 30.0,
            lost: 0,
            invalid: Vec::new(),
            latency_ms: Percentiles {
                p50: Some(0.5),
                p99: None,
            },
            gap_ms: 34.25,
            bytes: 6_000_000,
            cut: false,
            connected: true,
            invalid_count: 0,
            repeated: 0,
            unnumbered: 0,
            stale_after_stall: None,
            end: None,
            timeline: Vec::new(),
        }
    }

    fn report(viewers: Vec<Viewer>) -> Report {
        Report {
            viewers,
            skew_ms: Percentiles {
                p50: None,
                p99: None,
            },
            rcvbuf: 262_144,
        }
    }

    #[test]
    fn the_json_is_the_contract() {
        let json = serde_json::to_value(report(vec![viewer()])).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "viewers": [{
                    "frames": 60, "fps": 30.0, "lost": 0, "invalid": [],
                    "latency_ms": {"p50": 0.5, "p99": null},
                    "gap_ms": 34.25, "bytes": 6_000_000, "cut": false,
                    "connected": true, "invalid_count": 0, "repeated": 0, "unnumbered": 0,
                    "stale_after_stall": null, "end": null,
                }],
                "skew_ms": {"p50": null, "p99": null},
                "rcvbuf": 262_144,
            })
        );
    }

    #[test]
    fn the_gravest_gives_the_exit_code() {
        let clean = viewer();
        let lossy = Viewer {
            lost: 7,
            ..viewer()
        };
        let invalid = Viewer {
            invalid_count: 1,
            ..viewer()
        };
        let cut = Viewer {
            cut: true,
            ..viewer()
        };
        let refused = Viewer {
            connected: false,
            ..viewer()
        };
        let code =
            |viewers: &[&Viewer]| report(viewers.iter().map(|&v| v.clone()).collect()).exit_code();
        assert_eq!(code(&[&clean, &lossy]), 0);
        assert_eq!(code(&[&clean, &refused]), 5);
        assert_eq!(code(&[&refused, &cut]), 4);
        assert_eq!(code(&[&refused, &cut, &invalid]), 3);
    }

    #[test]
    fn a_person_sees_what_was_wrong_also_among_many() {
        let mut viewers = vec![viewer(); 30];
        viewers[17].invalid = vec!["part 3: it is no good".to_owned()];
        viewers[17].invalid_count = 41;
        let text = report(viewers).to_string();
        assert!(text.contains("invalid: part 3: it is no good"), "{text}");
        assert!(text.contains("invalid: 40 more"), "{text}");
        assert_eq!(text.lines().count(), 5, "{text}");
    }
}
