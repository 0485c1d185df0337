//! What the figures of a case are made of.
//!
//! **CPU per delivered frame**: CPU time of all processes of the server between the ends of the window, over the frames
//! that all viewers got whole within the window's seconds. A thread of the server that ended in between takes what it
//! spent in the window with it; since all viewers streamed on, it was none that served (a broker runs small programs
//! now and then).
//!
//! Pure. Not here: looking (`case`).

use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bench::drain::{self, Percentiles, Report, Viewer};
use bench::stats::{max, median, min};
use bench::{cpu, switches};

use crate::case::Timing;
use crate::record::{Killed, Measured, Sample, Stalled, Tick};
use crate::viewers::Stall;

/// All of the server, and the machine, at one moment.
pub struct Look {
    pub cpu: cpu::Sample,
    pub switches: switches::Sample,
    /// Clock ticks since boot: idle, all.
    pub machine: (u64, u64),
}

/// What happened right after the window.
pub enum Event {
    None,
    Stall(Stall),
    Kill(Kill),
}

/// Who was killed, when since the viewers' start, and when since then a new viewer had a picture.
pub struct Kill {
    pub what: String,
    pub at: Duration,
    pub back: Option<Duration>,
}

/// All that was seen.
pub struct Seen {
    pub timing: Timing,
    pub report: Report,
    pub open: Look,
    pub close: Look,
    pub samples: Vec<Sample>,
    /// From the server's start to the viewers'.
    pub viewers_after: Duration,
    pub event: Event,
}

/// Makes figures of it.
///
/// # Errors
/// Where the viewers had no valid streams, so that it would be figures of something else.
pub fn measured(seen: Seen) -> Result<Measured> {
    let Seen { timing, report, .. } = &seen;
    let killed = matches!(seen.event, Event::Kill(_));
    for (index, viewer) in report.viewers.iter().enumerate() {
        // The stalled one may have been given up.
        let may_end = killed || (index == 0 && matches!(seen.event, Event::Stall(_)));
        if let Some(fault) = fault(viewer, timing, may_end) {
            bail!("viewer {index}: {fault}");
        }
    }
    let spent = seen.close.cpu.since(&seen.open.cpu);
    let seconds = spent.wall.as_secs_f64();
    let in_window = |viewer: &Viewer| {
        let ticks = viewer.timeline.iter().skip(timing.warm_up as usize);
        ticks
            .take(timing.window as usize)
            .map(|tick| f64::from(tick.frames))
            .sum::<f64>()
    };
    let counted: f64 = report.viewers.iter().map(in_window).sum();
    ensure!(counted > 0.0, "no viewer got a frame in the window");
    let delivered = counted * seconds / timing.window as f64;
    let cpu_s = spent.total().as_secs_f64();
    let switches = seen.close.switches.since(&seen.open.switches);
    let (idle, all) = {
        let (before, after) = (seen.open.machine, seen.close.machine);
        (
            after.0.saturating_sub(before.0),
            after.1.saturating_sub(before.1),
        )
    };
    let opened_s = (seen.viewers_after + Duration::from_secs(timing.warm_up)).as_secs_f64();
    let window = opened_s..=opened_s + seconds;
    let latencies = |of: fn(&Percentiles) -> Option<f64>| {
        let viewers = report.viewers.iter();
        viewers
            .filter_map(|viewer| of(&viewer.latency_ms))
            .collect::<Vec<_>>()
    };
    let worst = latencies(|ms| ms.p99);
    Ok(Measured {
        seconds,
        cpu_us: cpu_s * 1e6 / delivered,
        cpu_cores: cpu_s / seconds,
        machine_busy: 1.0 - idle as f64 / all.max(1) as f64,
        pss_kib: pss_kib(&seen.samples, &window)?,
        processes: seen.close.cpu.processes().len(),
        threads: seen.close.cpu.threads(),
        voluntary_switches: switches.voluntary as f64 / delivered,
        involuntary_switches: switches.involuntary as f64 / delivered,
        fps: report.viewers.iter().map(|viewer| viewer.fps).collect(),
        lost: report.viewers.iter().map(|viewer| viewer.lost).sum(),
        repeated: report.viewers.iter().map(|viewer| viewer.repeated).sum(),
        latency_p50_ms: median(latencies(|ms| ms.p50)),
        latency_p99_ms: (!worst.is_empty()).then(|| max(worst)),
        skew_p50_ms: report.skew_ms.p50,
        skew_p99_ms: report.skew_ms.p99,
        timelines: match seen.event {
            Event::None => Vec::new(),
            Event::Stall(_) | Event::Kill(_) => report.viewers.iter().map(ticks).collect(),
        },
        stalled: match &seen.event {
            Event::Stall(stall) => Some(stalled(report, stall)),
            Event::None | Event::Kill(_) => None,
        },
        killed: match &seen.event {
            Event::Kill(kill) => Some(after_kill(report, kill)),
            Event::None | Event::Stall(_) => None,
        },
        samples: seen.samples,
    })
}

/// What makes a stream no measure; repeated frames do not.
fn fault(viewer: &Viewer, timing: &Timing, may_end: bool) -> Option<String> {
    if let Some(end) = viewer.end.as_ref().filter(|_| !may_end) {
        return Some(end.clone());
    }
    if viewer.invalid_count > viewer.repeated {
        let rises = |sentence: &&String| !sentence.contains("does not rise");
        let first = viewer.invalid.iter().find(rises);
        return Some(first.cloned().unwrap_or_else(|| "invalid parts".to_owned()));
    }
    if viewer.frames > 0 && viewer.unnumbered > 0 {
        return Some(format!(
            "{} placeholders among the frames",
            viewer.unnumbered
        ));
    }
    let mut warm = viewer.timeline.iter().take(timing.warm_up as usize);
    if !warm.any(|tick| tick.frames > 0) {
        return Some("no frame before the window".to_owned());
    }
    None
}

fn ticks(viewer: &Viewer) -> Vec<Tick> {
    let tick = |(at, tick): (usize, &drain::Tick)| Tick {
        at_s: at as f64,
        frames: tick.frames,
        lost: tick.lost as u32,
        latency_max_ms: tick.latency_max_ms,
    };
    viewer.timeline.iter().enumerate().map(tick).collect()
}

fn stalled(report: &Report, stall: &Stall) -> Stalled {
    let others = || report.viewers.iter().skip(1);
    let stale = report
        .viewers
        .first()
        .and_then(|viewer| viewer.stale_after_stall);
    Stalled {
        from_s: stall.at.as_secs_f64(),
        for_s: stall.duration.as_secs_f64(),
        stale: stale.unwrap_or_default(),
        others_lost: others().map(|viewer| viewer.lost).sum(),
        others_fps_min: min(others().map(|viewer| viewer.fps)),
    }
}

fn after_kill(report: &Report, kill: &Kill) -> Killed {
    let at_s = kill.at.as_secs();
    // What was on its way arrives within the second.
    let after = |viewer: &Viewer| {
        let ticks = viewer.timeline.iter().skip(at_s as usize + 2);
        ticks.map(|tick| tick.frames).sum::<u32>()
    };
    let (cut, on): (Vec<_>, Vec<_>) = report
        .viewers
        .iter()
        .partition(|viewer| viewer.end.is_some() || after(viewer) == 0);
    let lost = |viewer: &&Viewer| {
        let ticks = viewer.timeline.iter().skip(at_s as usize);
        ticks.map(|tick| tick.lost).sum::<u64>()
    };
    Killed {
        what: kill.what.clone(),
        at_s: kill.at.as_secs_f64(),
        cut: cut.len(),
        others_lost: on.iter().map(lost).sum(),
        back_ms: kill.back.map(|back| back.as_secs_f64() * 1e3),
    }
}

/// The server's memory in the window; of the sample next to it where none is within, as a busy machine takes
/// them late.
fn pss_kib(samples: &[Sample], window: &RangeInclusive<f64>) -> Result<f64> {
    let within = samples.iter().filter(|it| window.contains(&it.at_s));
    let distance = |it: &&Sample| (window.start() - it.at_s).max(it.at_s - window.end());
    let next = samples
        .iter()
        .min_by(|a, b| distance(a).total_cmp(&distance(b)));
    median(within.map(|it| it.server_pss_kib as f64))
        .or(next.map(|it| it.server_pss_kib as f64))
        .context("the server's memory was never looked at")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A viewer that got so many frames in each second.
    fn viewer(frames: &[u32]) -> Viewer {
        let tick = |&frames| drain::Tick {
            frames,
            lost: 1,
            latency_max_ms: Some(2.0),
        };
        Viewer {
            frames: frames.iter().map(|&frames| u64::from(frames)).sum(),
            fps: 30.0,
            lost: 0,
            invalid: Vec::new(),
            latency_ms: Percentiles {
                p50: Some(1.0),
                p99: Some(2.0),
            },
            invalid_count: 0,
            repeated: 0,
            unnumbered: 0,
            stale_after_stall: None,
            end: None,
            timeline: frames.iter().map(tick).collect(),
        }
    }

    const TIMING: Timing = Timing {
        warm_up: 1,
        window: 2,
        end: Duration::from_secs(4),
    };

    #[test]
    fn only_whole_streams_count_but_repeats_do_not_matter() {
        let fault = |change: fn(&mut Viewer), may_end| {
            let mut viewer = viewer(&[30, 30, 30]);
            change(&mut viewer);
            super::fault(&viewer, &TIMING, may_end)
        };
        let repeats = |viewer: &mut Viewer| {
            viewer.repeated = 800;
            viewer.invalid_count = 800;
        };
        assert_eq!(fault(repeats, false), None);
        let ends = |viewer: &mut Viewer| viewer.end = Some("cut".into());
        assert_eq!(fault(ends, false), Some("cut".into()));
        assert_eq!(fault(ends, true), None);
        let invalid = |viewer: &mut Viewer| {
            viewer.invalid_count = 2;
            viewer.repeated = 1;
            viewer.invalid = vec!["its id does not rise".into(), "no JPEG".into()];
        };
        assert_eq!(fault(invalid, false), Some("no JPEG".into()));
        let placeholder = |viewer: &mut Viewer| viewer.unnumbered = 1;
        assert!(fault(placeholder, false).is_some());
        let late = |viewer: &mut Viewer| viewer.timeline[0].frames = 0;
        assert_eq!(
            fault(late, false),
            Some("no frame before the window".into())
        );
    }

    #[test]
    fn a_kill_cuts_who_gets_nothing_more() {
        let mut ended = viewer(&[30, 30, 5]);
        ended.end = Some("cut".into());
        let viewers = vec![
            ended,
            viewer(&[30, 30, 30, 1, 0]),
            viewer(&[30, 30, 30, 30, 30]),
        ];
        let none = Percentiles {
            p50: None,
            p99: None,
        };
        let report = Report {
            viewers,
            skew_ms: none,
            rcvbuf: 0,
        };
        let kill = Kill {
            what: "sender".into(),
            at: Duration::from_millis(2_200),
            back: Some(Duration::from_millis(3)),
        };
        let killed = after_kill(&report, &kill);
        assert_eq!((killed.cut, killed.others_lost), (2, 3));
        assert_eq!((killed.at_s, killed.back_ms), (2.2, Some(3.0)));
        let stall = Stall {
            at: Duration::from_secs(2),
            duration: Duration::from_secs(10),
        };
        let stalled = stalled(&report, &stall);
        assert_eq!((stalled.stale, stalled.others_fps_min), (0, 30.0));
        assert_eq!(ticks(&report.viewers[2])[4].at_s, 4.0);
    }
}
