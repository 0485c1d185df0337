//! One run: a server, its viewers, and what it cost and did.
//!
//! **CPU per delivered frame.** The viewers start and get [`WARM_UP`]; then a window is opened and,
//! `seconds` later, closed by two samples of the CPU time of all processes of the server, while
//! every viewer streams (a viewer whose stream does not span the window makes the run void, and so
//! does a thread that ends within it). Delivered within the window is the sum of the rates at
//! which the viewers received whole frames (intervals over the time from the first frame to the
//! last, as `watch` says), times the time between the samples. At a steady rate that is exact, where
//! counts at the two moments would be off by up to a frame a viewer, and it charges no
//! server for counting. Of a viewer that lost frames it takes the mean rate.
//!
//! Not here: the order of runs (`main`), and what follows from them (`report`).

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Serialize;

use crate::server::{Kind, Parts, Server};
use bench::FPS;
use bench::cpu::{Sample, Spent};
use bench::drain::{self, Drain, Percentiles, Viewer};
use bench::memory::PrivateDirty;
use bench::seqcast::Worker;
use bench::stats::{max, median, min};

/// From the viewers' start to the window: connections are made and the kernel has sized the send
/// buffers, and a sender has gone once through the ring: each page costs it a fault the first time.
const WARM_UP: Duration = Duration::from_secs(7);
/// The viewers go on for so long after the window.
const TAIL: Duration = Duration::from_millis(500);
/// Viewers of which one stalls.
const STALL_VIEWERS: usize = 10;
/// When it stalls, and how long the viewers go on after it.
const STALL_AROUND: Duration = Duration::from_secs(3);

/// What one run showed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// CPU of all processes of the server per delivered frame, µs.
    pub cpu_us: f64,
    /// Of the slowest viewer.
    pub fps_min: f64,
    /// Ids missed by all viewers, from the first frame each got, warm-up included.
    pub lost: u64,
    /// Between the first and the last viewer to have a frame; none of one viewer.
    pub skew_p50_ms: Option<f64>,
    pub skew_p99_ms: Option<f64>,
    /// Of the median viewer.
    pub latency_p50_ms: f64,
    /// Of the worst viewer.
    pub latency_p99_ms: f64,
    /// Only of seqcast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seqcast: Option<Seqcast>,
}

/// What is only asked of seqcast.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Seqcast {
    /// Of its senders, before any viewer connects.
    pub idle_private_dirty: PrivateDirty,
    /// Parts of [`Run::cpu_us`], µs a delivered frame.
    pub capture_us: f64,
    pub senders_us: f64,
    pub supervisor_us: f64,
}

/// What a stall of one of ten viewers did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Stalled {
    /// Frames that the stalled viewer got after it, captured more than 200 ms before its end.
    pub stale: u64,
    /// Of the other viewers.
    pub others_lost: u64,
    /// Of the slowest other viewer.
    pub others_fps_min: f64,
    /// SO_RCVBUF as granted, bytes: twice what was asked.
    pub rcvbuf: usize,
}

/// Starts a server of that kind, measures it for `window`, stops it.
///
/// # Errors
/// Where it could not be measured.
pub fn run(kind: Kind, viewers: usize, window: Duration, parts: &Parts) -> Result<Run> {
    measure(kind, viewers, window, parts).with_context(|| format!("{kind}, {viewers} viewers"))
}

fn measure(kind: Kind, viewers: usize, window: Duration, parts: &Parts) -> Result<Run> {
    let server = Server::start(kind, viewers, parts)?;
    let idle_private_dirty = match kind {
        Kind::Seqcast => Some(idle_private_dirty(&server.workers)?),
        Kind::Reference(_) => None,
    };
    let duration = WARM_UP + window + TAIL;
    let mut drain = Drain::start(&drain::Args::new(&server.url, viewers, duration))?;
    sleep(WARM_UP);
    let roots = [server.root()];
    let opened = Sample::of(&roots)?;
    sleep(window);
    let spent = Sample::of(&roots)?.since(&opened);
    if let Some((pid, tid)) = spent.ended.first() {
        bail!("thread {tid} of process {pid} ended while it was measured");
    }
    ensure!(
        drain.ended()?.is_none(),
        "the viewers ended before the window: is this machine overloaded?"
    );
    let report = drain.report()?.valid()?;
    let workers = server.workers.clone();
    server.stop()?;

    for (index, viewer) in report.viewers.iter().enumerate() {
        ensure!(
            spans(viewer, window),
            "viewer {index} had no stream when the window opened"
        );
    }
    let fps = || report.viewers.iter().map(|viewer| viewer.fps);
    let delivered = fps().sum::<f64>() * spent.wall.as_secs_f64();
    let seqcast = idle_private_dirty
        .map(|idle_private_dirty| split(&spent, delivered, &workers, idle_private_dirty));
    let latency = |of: fn(&Percentiles) -> Option<f64>| {
        let latencies = report.viewers.iter().map(move |v| of(&v.latency_ms));
        latencies.map(Option::unwrap_or_default)
    };
    Ok(Run {
        cpu_us: micros(spent.total()) / delivered,
        fps_min: min(fps()),
        lost: report.viewers.iter().map(|viewer| viewer.lost).sum(),
        skew_p50_ms: report.skew_ms.p50,
        skew_p99_ms: report.skew_ms.p99,
        latency_p50_ms: median(latency(|ms| ms.p50)).unwrap_or_default(),
        latency_p99_ms: max(latency(|ms| ms.p99)),
        seqcast,
    })
}

fn idle_private_dirty(workers: &[Worker]) -> Result<PrivateDirty> {
    let idle = workers.iter().filter(|worker| worker.is_idle_sender());
    PrivateDirty::of(&idle.map(|worker| worker.pid).collect::<Vec<_>>())
}

/// Whether the viewer's stream began before the window, which ended [`TAIL`] before it.
fn spans(viewer: &Viewer, window: Duration) -> bool {
    // Three frames' time for where in the rhythm it began and ended.
    let slack = Duration::from_secs(3) / FPS;
    let streamed = (viewer.frames + viewer.lost).saturating_sub(1) as f64 / f64::from(FPS);
    streamed >= (window + TAIL - slack).as_secs_f64()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Tells the roles' shares apart.
fn split(spent: &Spent, delivered: f64, workers: &[Worker], idle: PrivateDirty) -> Seqcast {
    let share = |wanted: Option<&str>| {
        let of_role = spent.by_process.iter().filter(|&(&pid, _)| {
            let worker = workers.iter().find(|worker| worker.pid == pid);
            worker.map(|worker| worker.role.as_str()) == wanted
        });
        micros(of_role.map(|(_, &time)| time).sum()) / delivered
    };
    Seqcast {
        idle_private_dirty: idle,
        capture_us: share(Some("capture")),
        senders_us: share(Some("sender")),
        supervisor_us: share(None),
    }
}

/// Lets one of ten viewers stop reading for a while.
///
/// # Errors
/// Where that could not be measured.
pub fn stall(kind: Kind, stall: Duration, parts: &Parts) -> Result<Stalled> {
    measure_stall(kind, stall, parts).with_context(|| format!("{kind}, stall"))
}

fn measure_stall(kind: Kind, stall: Duration, parts: &Parts) -> Result<Stalled> {
    let server = Server::start(kind, STALL_VIEWERS, parts)?;
    let duration = STALL_AROUND + stall + STALL_AROUND;
    let drain = Drain::start(&drain::Args {
        stall_at: Some(STALL_AROUND.as_secs_f64()),
        stall_for: Some(stall.as_secs_f64()),
        ..drain::Args::new(&server.url, STALL_VIEWERS, duration)
    })?;
    let report = drain.report()?.valid()?;
    server.stop()?;
    let (stalled, others) = report.viewers.split_first().context("no viewers")?;
    Ok(Stalled {
        stale: stalled.stale_after_stall.context("no viewer stalled")?,
        others_lost: others.iter().map(|viewer| viewer.lost).sum(),
        others_fps_min: min(others.iter().map(|viewer| viewer.fps)),
        rcvbuf: report.rcvbuf,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn shares_add_up_to_the_whole() {
        let us = Duration::from_micros;
        let spent = Spent {
            wall: Duration::from_secs(1),
            by_process: BTreeMap::from([(1, us(10)), (2, us(300)), (3, us(500)), (4, us(700))]),
            ended: Vec::new(),
        };
        let workers: Vec<Worker> = serde_json::from_str(
            r#"[{"role": "capture", "pid": 2, "state": "serving"},
                {"role": "sender", "pid": 3, "state": "idle"},
                {"role": "sender", "pid": 4, "state": "idle"}]"#,
        )
        .unwrap();
        let idle = PrivateDirty {
            median_kb: 36.0,
            max_kb: 40.0,
        };
        let split = split(&spent, 10.0, &workers, idle);
        assert_eq!(
            (split.supervisor_us, split.capture_us, split.senders_us),
            (1.0, 30.0, 120.0)
        );
    }

    #[test]
    fn a_late_viewer_does_not_span_the_window() {
        let viewer = |frames, lost| Viewer {
            frames,
            fps: 30.0,
            lost,
            invalid: Vec::new(),
            latency_ms: Percentiles {
                p50: None,
                p99: None,
            },
            invalid_count: 0,
            repeated: 0,
            unnumbered: 0,
            stale_after_stall: None,
            end: None,
            timeline: Vec::new(),
        };
        let window = Duration::from_secs(10);
        assert!(spans(&viewer(315, 0), window));
        assert!(spans(&viewer(300, 20), window));
        assert!(!spans(&viewer(310, 0), window));
        assert!(!spans(&viewer(0, 0), window));
    }
}
