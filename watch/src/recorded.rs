//! The account of viewers that are programs of their own and wrote down what they got, so that it
//! is kept by the same rules as that of the viewers here.
//!
//! Not here: how it was written down.

use serde::Deserialize;

use crate::raw::{Frame, Size, Stamp};
use crate::report::{Percentiles, Report, Viewer};
use crate::skew::Skew;
use crate::tally::{Arrival, Tally};
use crate::timeline::Timeline;

/// A frame that such a viewer got. As JSON an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Arrived {
    /// Coded into its pixels.
    pub id: u64,
    /// Likewise; Unix nanoseconds.
    pub captured_ns: u64,
    /// When it was complete; Unix nanoseconds, by the same clock for all viewers.
    pub arrived_ns: u64,
}

/// What a viewer wrote down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// In the order in which they came.
    pub frames: Vec<Arrived>,
    /// Why it ended before the watch did.
    pub end: Option<String>,
}

/// The report of a watch that began and ended at these Unix times (nanoseconds), with a timeline.
/// `resumed_ns` is when viewer 0 went on after a stall.
pub fn report(
    viewers: Vec<Recording>,
    began_ns: u64,
    ended_ns: u64,
    resumed_ns: Option<u64>,
) -> Report {
    let at = |unix_ns: u64| Arrival {
        mono_ns: unix_ns.saturating_sub(began_ns),
        unix_ns,
    };
    let mut tallies = Vec::new();
    for _ in &viewers {
        let mut tally = Tally::new(at(began_ns));
        tally.timeline = Some(Timeline::default());
        tallies.push(tally);
    }
    let frames = |(viewer, recording): (usize, &Recording)| {
        let frames = recording.frames.iter();
        frames.map(|&frame| (viewer, frame)).collect::<Vec<_>>()
    };
    let mut arrivals: Vec<_> = viewers.iter().enumerate().flat_map(frames).collect();
    arrivals.sort_by_key(|(_, frame)| frame.arrived_ns); // stable: in order for each viewer
    let mut skew = Skew::new();
    let mut resumed = resumed_ns;
    for (viewer, arrived) in arrivals {
        if viewer == 0
            && let Some(resumed_ns) = resumed.take_if(|at| *at <= arrived.arrived_ns)
        {
            tallies[0].resume(at(resumed_ns));
        }
        let tally = &mut tallies[viewer];
        let frame = Frame {
            number: tally.frames + tally.repeated + 1,
            offset: 0,
            size: Size {
                height: 0,
                width: 0,
                channels: 0,
            },
            stamp: Some(Stamp {
                id: arrived.id,
                captured_ns: arrived.captured_ns,
            }),
        };
        let now = at(arrived.arrived_ns);
        if let Some(id) = tally.raw_frame(&frame, now)
            && tally.frames > 1
        {
            skew.arrived(id, now.mono_ns);
        }
    }
    let account = |(tally, recording): (Tally, Recording)| Viewer {
        connected: tally.frames > 0,
        cut: recording.end.is_some(),
        end: recording.end,
        ..tally.report(at(ended_ns))
    };
    Report {
        viewers: tallies.into_iter().zip(viewers).map(account).collect(),
        skew_ms: Percentiles::of(&skew.into_spreads()),
        rcvbuf: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const BEGAN: u64 = 1_700_000_000_000_000_000;

    /// Frame `id`, captured 10 ms after the one before, there after so long.
    fn frame(id: u64, after_ms: u64) -> Arrived {
        let captured_ns = BEGAN + id * 10 * MS;
        Arrived {
            id,
            captured_ns,
            arrived_ns: captured_ns + after_ms * MS,
        }
    }

    fn recording(frames: Vec<Arrived>) -> Recording {
        Recording { frames, end: None }
    }

    #[test]
    fn is_the_account_that_watch_itself_keeps() {
        let first = (1..=100).map(|id| frame(id, 1)).collect();
        let mut second: Vec<_> = (1..=100).map(|id| frame(id, 4)).collect();
        second.remove(50);
        second.push(frame(100, 5));
        let viewers = vec![recording(first), recording(second)];
        let report = report(viewers, BEGAN, BEGAN + 2_000 * MS, None);
        let [first, second] = &report.viewers[..] else {
            panic!("two viewers");
        };
        assert_eq!((first.frames, first.lost, first.repeated), (100, 0, 0));
        assert_eq!((second.frames, second.lost, second.repeated), (99, 1, 1));
        assert_eq!(second.invalid_count, 1);
        assert_eq!(first.fps, 100.0);
        assert!((2.9..3.1).contains(&report.skew_ms.p50.unwrap()));
        assert_eq!(first.timeline.len(), 2);
    }

    #[test]
    fn what_comes_late_after_a_stall_is_stale() {
        let resumed = BEGAN + 1_000 * MS;
        let mut frames: Vec<_> = (1..=20).map(|id| frame(id, 1)).collect();
        let late = |id| Arrived {
            arrived_ns: resumed + id * MS,
            ..frame(id, 0)
        };
        frames.extend((21..=30).map(late));
        let viewers = vec![recording(frames)];
        let report = report(viewers, BEGAN, resumed + 100 * MS, Some(resumed));
        assert_eq!(report.viewers[0].stale_after_stall, Some(10));
    }
}
