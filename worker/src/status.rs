//! The board and the ring read together: what `seqcast status --json`, `GET /status` and the page
//! show. Field names are a contract with scripts: more may come, none is renamed.
//!
//! Not here: a table for people (`supervisor`), and the page (`sender`).

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;
use shm_ring::{Reader, Signal, SignalState};

use crate::fault::Fault;
use crate::slot::{Counters, DropCause, Sink, SkipCause, Slot, Viewer, Wants};
use crate::{Board, CAPTURE_CELL, Cell, Instance, Role, State, monotonic_ns, unix_ns};

/// An instance as it is.
#[derive(Debug, Serialize)]
#[allow(missing_docs)] // the names are the documentation that scripts have
pub struct Status {
    pub name: String,
    pub source: Source,
    pub ring: Ring,
    /// Addresses, comma-separated where there are several.
    pub http: String,
    /// Those that send raw frames; null where none does.
    pub raw: Option<String>,
    /// How viewers are divided among senders: `process`, `thread` or `multiplex`.
    pub model: String,
    /// Viewers that a sender takes at most.
    pub viewers_per_sender: usize,
    pub supervisor: Supervisor,
    /// One for each viewer, and one for each process without any: all of the same pid are one
    /// process, whose time and memory each of them says.
    pub workers: Vec<Worker>,
    pub totals: Totals,
}

/// The source.
#[derive(Debug, Serialize)]
#[allow(missing_docs)]
pub struct Source {
    pub kind: String,
    pub detail: String,
    pub width: u32,
    pub height: u32,
    pub format: String,
    pub fps_set: f64,
    /// Over the last second or so of frames; 0 where none came for 2.5 s.
    pub fps_measured: f64,
    /// `starting`, `live`, `no-signal`, `ended` or `resting`.
    pub state: &'static str,
    /// What is wrong, as viewers see it (`NO CAMERA`, `CAMERA BUSY (pid 71)`); null while nothing is.
    pub fault: Option<String>,
    pub reason: String,
    /// How long the state, with that title of its reason, has lasted; 0 before the first.
    pub since_s: f64,
    /// What was to be set when the source was opened and could not be; null where all could.
    pub controls_refused: Option<String>,
    pub dropped: BTreeMap<&'static str, u64>,
}

/// The ring.
#[derive(Debug, Serialize)]
#[allow(missing_docs)]
pub struct Ring {
    /// Bytes of the frame arena.
    pub bytes: u64,
    pub oldest: u64,
    pub head: u64,
    pub epoch: u64,
    pub seconds_held: f64,
    /// The newest frame's fourcc; null while there is none.
    pub format: Option<String>,
}

/// The supervisor.
#[derive(Debug, Serialize)]
#[allow(missing_docs)]
pub struct Supervisor {
    pub pid: u32,
    pub uptime_s: f64,
    /// Whether it holds the instance's lock.
    pub alive: bool,
    /// Seconds since it last showed life.
    pub silent_s: f64,
}

/// A worker.
#[derive(Debug, Serialize)]
#[allow(missing_docs)]
pub struct Worker {
    pub role: Role,
    pub pid: u32,
    pub state: State,
    pub restarts: u32,
    pub uptime_s: f64,
    /// Where a bridge publishes; null of others.
    pub target: Option<String>,
    /// How that goes, in a sentence.
    pub condition: Option<String>,
    /// Its address and port; the address alone that a proxy named; or `unix`.
    pub viewer: Option<String>,
    /// That proxy.
    pub via: Option<String>,
    pub user: Option<String>,
    pub key: Option<String>,
    pub protocol: Option<String>,
    /// 16 hexadecimal digits, as in `/state`.
    pub id: Option<String>,
    pub wants: Option<Wants>,
    /// To this viewer, over the last second or so.
    pub fps: f64,
    /// To this viewer; of a capture process and a bridge, since the instance began.
    pub frames: u64,
    pub bytes: u64,
    pub skipped: u64,
    pub skip_causes: BTreeMap<&'static str, u64>,
    pub lag: u64,
    /// From the capture of a frame to the viewer's socket, a mean of the last 16 or so; null before the first.
    pub latency_ms: Option<f64>,
    pub stalled_s: f64,
    pub torn: u64,
    pub cpu_s: f64,
    /// Proportional set size, from /proc/PID/smaps_rollup; only where it was asked for.
    pub pss_bytes: Option<u64>,
}

/// Sums that never fall.
#[derive(Debug, Serialize)]
#[allow(missing_docs)]
pub struct Totals {
    /// Streams now.
    pub viewers: u64,
    pub frames_captured: u64,
    pub frames_sent: u64,
    pub frames_skipped: u64,
    pub torn: u64,
    pub restarts: u64,
    pub refused: u64,
}

/// A source whose newest frame is older is not live; the slowest, `--fps 1`, is younger.
const SILENT_NS: u64 = 2_500_000_000;

/// Reads an instance's board and ring. `with_pss` also reads each process's memory, which costs
/// the kernel a walk through its page tables.
pub fn collect(instance: &Instance, board: &Board, ring: &Reader, with_pss: bool) -> Status {
    let is_bridge = |cell: &Cell<'_>| cell.role() == Some(Role::Bridge);
    let senders = || {
        board
            .all()
            .skip(CAPTURE_CELL + 1)
            .filter(|cell| !is_bridge(cell))
    };
    let slots = || senders().flat_map(|cell| cell.slots());
    let sum = |of: &dyn Fn(&Counters) -> u64| total(slots().map(|slot| of(&slot.now)));
    let newest = ring.frame(ring.bounds().head).ok();
    Status {
        name: instance.name().into(),
        source: source(board, ring),
        ring: Ring {
            bytes: ring.arena(),
            oldest: ring.bounds().oldest,
            head: ring.bounds().head,
            epoch: ring.epoch(),
            seconds_held: seconds_held(ring),
            format: newest.map(|frame| frame.info().meta.format.escape_ascii().to_string()),
        },
        http: board.http(),
        raw: Some(board.raw()).filter(|addresses| !addresses.is_empty()),
        model: board.model(),
        viewers_per_sender: board.slots().min(board.seats()),
        supervisor: Supervisor {
            pid: board.supervisor(),
            uptime_s: seconds(monotonic_ns().saturating_sub(board.started_ns())),
            alive: instance.is_alive(),
            silent_s: seconds(monotonic_ns().saturating_sub(board.heartbeat_ns())),
        },
        workers: board
            .all()
            .flat_map(|cell| workers(&cell, with_pss))
            .collect(),
        totals: Totals {
            viewers: board.taken_seats() as u64,
            frames_captured: board.cell(CAPTURE_CELL).slot().frames(),
            frames_sent: sum(&|now| now.frames.load(Relaxed)),
            frames_skipped: sum(&|now| total(now.causes.iter().map(|n| n.load(Relaxed)))),
            torn: sum(&|now| now.torn.load(Relaxed)),
            restarts: total(board.all().map(|cell| cell.restarts().into())),
            refused: board.refused(),
        },
    }
}

fn source(board: &Board, ring: &Reader) -> Source {
    let capture = board.cell(CAPTURE_CELL);
    let granted = capture.slot().source().unwrap_or_default();
    let signal = signal(ring);
    let dropped = DropCause::ALL.iter().filter_map(|&cause| {
        let count = capture.slot().now.causes[cause as usize].load(Relaxed);
        (count > 0).then(|| (cause.name(), count))
    });
    let (fault, why) = Fault::of(&signal.reason);
    Source {
        kind: granted.kind,
        detail: granted.detail,
        width: granted.width,
        height: granted.height,
        format: granted.format,
        fps_set: granted.fps,
        fps_measured: fps_measured(ring),
        state: signal.signal.name(),
        fault: (signal.signal == Signal::NoSignal).then(|| fault.to_string()),
        reason: why.to_owned(),
        since_s: match signal.since_ns {
            0 => 0.0,
            since_ns => seconds(unix_ns().saturating_sub(since_ns)),
        },
        controls_refused: Some(board.controls_refused()).filter(|why| !why.is_empty()),
        dropped: dropped.collect(),
    }
}

/// What the ring says, but that nothing is live without frames: a capture process that was
/// stopped cannot say so itself.
fn signal(ring: &Reader) -> SignalState {
    let said = ring.signal();
    let newest = ring.frame(ring.bounds().head).ok();
    let silent = newest.map_or(0, |frame| {
        unix_ns().saturating_sub(frame.info().published_ns)
    });
    if said.signal != Signal::Live || silent < SILENT_NS {
        return said;
    }
    SignalState {
        signal: Signal::NoSignal,
        reason: format!("no frame for {:.0} s", seconds(silent)),
        since_ns: said.since_ns,
    }
}

/// One for each viewer of a process, or one for a process without any.
fn workers(cell: &Cell<'_>, with_pss: bool) -> Vec<Worker> {
    // Loaded once: it may be 0 a moment later, which is nobody's.
    let (pid, Some(role)) = (cell.pid(), cell.role()) else {
        return Vec::new();
    };
    if pid == 0 {
        return Vec::new();
    }
    let pss_bytes = with_pss.then(|| pss_bytes(pid)).flatten();
    let line = |slot, viewer| worker(cell, pid, role, slot, viewer, pss_bytes);
    let mut lines: Vec<_> = match role {
        Role::Capture | Role::Bridge => Vec::new(),
        Role::Sender => cell
            .slots()
            .iter()
            .filter_map(|slot| Some(line(slot, Some(slot.viewer()?))))
            .collect(),
    };
    if lines.is_empty() {
        lines.push(line(cell.slot(), None));
    }
    lines
}

fn worker(
    cell: &Cell<'_>,
    pid: u32,
    role: Role,
    slot: &Slot,
    viewer: Option<Viewer>,
    pss_bytes: Option<u64>,
) -> Worker {
    // A sender's counts are its viewer's; the others' go on over restarts.
    let since = |of: &dyn Fn(&Counters) -> u64| {
        let mark = match role {
            Role::Capture | Role::Bridge => 0,
            Role::Sender => of(&slot.mark),
        };
        of(&slot.now).saturating_sub(mark)
    };
    let skip_causes: BTreeMap<_, _> = SkipCause::ALL
        .iter()
        .filter(|_| role != Role::Capture)
        .map(|&cause| {
            let of = |counters: &Counters| counters.causes[cause as usize].load(Relaxed);
            (cause.name(), since(&of))
        })
        .filter(|&(_, count)| count > 0)
        .collect();
    let sink = (role == Role::Bridge).then(|| slot.sink()).flatten();
    let (target, condition, spoken) = match sink {
        Some(Sink {
            to,
            protocol,
            condition,
        }) => (Some(to), Some(condition), Some(protocol)),
        None => (None, None, None),
    };
    let started_ns = cell.process.started_ns.load(Relaxed);
    Worker {
        role,
        pid,
        state: cell.state(),
        restarts: cell.restarts(),
        uptime_s: seconds(monotonic_ns().saturating_sub(started_ns)),
        id: viewer.as_ref().map(|viewer| format!("{:016x}", viewer.id)),
        wants: viewer.as_ref().map(|viewer| viewer.wants),
        via: viewer.as_ref().and_then(|viewer| viewer.via.clone()),
        user: viewer.as_ref().and_then(|viewer| viewer.user.clone()),
        key: viewer.as_ref().and_then(|viewer| viewer.key.clone()),
        target,
        condition,
        viewer: viewer.as_ref().map(|viewer| viewer.addr.clone()),
        protocol: viewer.map(|viewer| viewer.protocol.into_owned()).or(spoken),
        fps: slot.rate.load(Relaxed) as f64 / 1000.0,
        frames: since(&|c| c.frames.load(Relaxed)),
        bytes: since(&|c| c.bytes.load(Relaxed)),
        skipped: total(skip_causes.values().copied()),
        skip_causes,
        lag: slot.lag.load(Relaxed),
        latency_ms: Some(slot.latency_ns.load(Relaxed))
            .filter(|&ns| ns > 0)
            .map(|ns| (ns / 10_000) as f64 / 100.0),
        stalled_s: seconds(since(&|c| c.stalled_ns.load(Relaxed))),
        torn: since(&|c| c.torn.load(Relaxed)),
        cpu_s: seconds(cell.process.cpu_ns.load(Relaxed)),
        pss_bytes,
    }
}

/// The rate of the newest frames, of at most a second or so.
fn fps_measured(ring: &Reader) -> f64 {
    let bounds = ring.bounds();
    let published = |id| ring.frame(id).ok().map(|frame| frame.info().published_ns);
    let Some(newest) = published(bounds.head) else {
        return 0.0;
    };
    if unix_ns().saturating_sub(newest) > SILENT_NS {
        return 0.0;
    }
    // Back from the newest until a second is covered; ids are dense, so their difference counts.
    let mut first = (bounds.head, newest);
    for id in (bounds.oldest..bounds.head).rev() {
        match published(id) {
            Some(at) if newest.saturating_sub(at) <= 1_500_000_000 => first = (id, at),
            _ => break,
        }
    }
    let time = seconds(newest.saturating_sub(first.1));
    let rate = if time > 0.0 {
        (bounds.head - first.0) as f64 / time
    } else {
        0.0
    };
    (rate * 100.0).round() / 100.0
}

/// How much of the past the ring holds.
fn seconds_held(ring: &Reader) -> f64 {
    let bounds = ring.bounds();
    let captured = |id| {
        ring.frame(id)
            .ok()
            .map(|frame| frame.info().meta.captured_ns)
    };
    // The oldest may be overwritten under our eyes: then the next one is nearly as old.
    let oldest = (bounds.oldest..=bounds.head).take(8).find_map(captured);
    match (oldest, captured(bounds.head)) {
        (Some(oldest), Some(newest)) => seconds(newest.saturating_sub(oldest)),
        _ => 0.0,
    }
}

/// A sum of counts that may be anything: whose board it is, nobody knows.
fn total(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::saturating_add)
}

/// Nanoseconds as seconds, to the millisecond.
fn seconds(ns: u64) -> f64 {
    (ns / 1_000_000) as f64 / 1000.0
}

fn pss_bytes(pid: u32) -> Option<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_the_first_signal_there_is_no_since() {
        let instance = Instance::new(&format!("test-status-{}", std::process::id())).unwrap();
        let board = Board::create(&instance, 1, 1, 1).unwrap();
        let ring = shm_ring::Ring::create(&instance.ring(), 1 << 20).unwrap();
        let source = || collect(&instance, &board, &ring.reader().unwrap(), false).source;
        assert_eq!((source().state, source().since_s), ("starting", 0.0));
        ring.set_signal(Signal::NoSignal, "");
        assert_eq!(source().state, "no-signal");
        assert!(source().since_s < 60.0);
    }
}
