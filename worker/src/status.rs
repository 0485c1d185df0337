//! The board and the ring read together: what `seqcast status --json`, `GET /status` and the page
//! show. Field names are a contract with scripts: more may come, none is renamed.
//!
//! Not here: a table for people (`supervisor`), and the page (`sender`).

mod pulse;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;
use shm_ring::{Reader, Signal};

use crate::fault::Fault;
use crate::slot::{Counters, DropCause, Sink, SkipCause, Slot, Viewer, Wants};
use crate::{Board, CAPTURE_CELL, Cell, Instance, Role, State, monotonic_ns, unix_ns};
pub use pulse::{Liveness, liveness, published};
use pulse::{fps_measured, newest_age, signal};

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
    /// Streams that there may be at once.
    pub seats: usize,
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
    /// How long ago the newest frame was published; null while there is none, or none since the clock was set
    /// back.
    pub newest_age_s: Option<f64>,
    /// The newest frame's fourcc; null while there is none.
    pub format: Option<String>,
}

/// The supervisor.
#[derive(Debug, Serialize)]
#[allow(missing_docs)]
pub struct Supervisor {
    pub pid: u32,
    pub uptime_s: f64,
    /// When it started, Unix seconds.
    pub started: u64,
    /// Whether it holds the instance's lock.
    pub alive: bool,
    /// Seconds since it last showed life.
    pub silent_s: f64,
    pub cpu_s: f64,
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
    /// Of a viewer the number of its place: no two have the same at once, and who comes later has those of
    /// who has left, so there are no more than connections at once.
    pub place: Option<usize>,
    pub wants: Option<Wants>,
    /// To this viewer, over the last second or so.
    pub fps: f64,
    /// To this viewer; of a capture process and a bridge, since the instance began.
    pub frames: u64,
    pub bytes: u64,
    /// Without those that the viewer asked not to have (`asked` in `skip_causes`).
    pub skipped: u64,
    pub skip_causes: BTreeMap<&'static str, u64>,
    pub lag: u64,
    /// How far in the past it is shown; 0 where it is live.
    pub shift_s: f64,
    /// From the capture of a frame to the viewer's socket, a mean of the last 16 or so; null before the first.
    pub latency_ms: Option<f64>,
    pub stalled_s: f64,
    pub torn: u64,
    pub cpu_s: f64,
    /// Proportional set size, from /proc/PID/smaps_rollup; only where it was asked for.
    pub pss_bytes: Option<u64>,
    /// What was counted at this place, over all viewers that it has had.
    #[serde(skip)]
    pub ever: Ever,
}

/// Sums of a viewer's place that never fall.
#[derive(Debug, Default)]
#[allow(missing_docs)]
pub struct Ever {
    pub frames: u64,
    pub bytes: u64,
    pub stalled_s: f64,
    /// All causes, also those of none.
    pub skip_causes: BTreeMap<&'static str, u64>,
}

/// Sums that never fall.
#[derive(Debug, Serialize)]
#[allow(missing_docs)]
pub struct Totals {
    /// Streams now.
    pub viewers: u64,
    pub frames_captured: u64,
    pub bytes_captured: u64,
    pub frames_sent: u64,
    pub bytes_sent: u64,
    pub frames_skipped: u64,
    pub skip_causes: BTreeMap<&'static str, u64>,
    pub torn: u64,
    pub restarts: u64,
    pub refused: u64,
    pub roles: Vec<OfRole>,
}

/// What all workers of a role come to.
#[derive(Debug, Serialize)]
#[allow(missing_docs)]
pub struct OfRole {
    pub role: Role,
    /// There now.
    pub processes: u64,
    pub restarts: u64,
    /// Those that are gone included.
    pub cpu_s: f64,
}

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
    let capture = board.cell(CAPTURE_CELL).slot();
    let skip_causes = |cause: SkipCause| {
        let count = sum(&|now| now.causes[cause as usize].load(Relaxed));
        (count > 0).then(|| (cause.name(), count))
    };
    Status {
        name: instance.name().into(),
        source: source(board, ring),
        ring: Ring {
            bytes: ring.arena(),
            oldest: ring.bounds().oldest,
            head: ring.bounds().head,
            epoch: ring.epoch(),
            seconds_held: published(ring).map_or(0.0, |(oldest, newest)| {
                seconds(newest.saturating_sub(oldest))
            }),
            newest_age_s: newest_age(ring).map(|age| seconds(age.as_nanos() as u64)),
            format: newest.map(|frame| frame.info().meta.format.escape_ascii().to_string()),
        },
        http: board.http(),
        raw: Some(board.raw()).filter(|addresses| !addresses.is_empty()),
        model: board.model(),
        viewers_per_sender: board.slots().min(board.seats()),
        seats: board.seats(),
        supervisor: Supervisor {
            pid: board.supervisor(),
            uptime_s: seconds(monotonic_ns().saturating_sub(board.started_ns())),
            started: board.started_unix(),
            alive: instance.is_alive(),
            silent_s: seconds(monotonic_ns().saturating_sub(board.heartbeat_ns())),
            cpu_s: seconds(board.cpu_ns()),
        },
        workers: board
            .all()
            .enumerate()
            .flat_map(|(index, cell)| workers(&cell, first_place(board, index), with_pss))
            .collect(),
        totals: Totals {
            viewers: board.taken_seats() as u64,
            frames_captured: capture.frames(),
            bytes_captured: capture.now.bytes.load(Relaxed),
            frames_sent: sum(&|now| now.frames.load(Relaxed)),
            bytes_sent: sum(&|now| now.bytes.load(Relaxed)),
            frames_skipped: sum(&|now| {
                let losses = SkipCause::ALL.iter().filter(|cause| cause.is_loss());
                total(losses.map(|&cause| now.causes[cause as usize].load(Relaxed)))
            }),
            skip_causes: SkipCause::ALL.into_iter().filter_map(skip_causes).collect(),
            torn: sum(&|now| now.torn.load(Relaxed)),
            restarts: total(board.all().map(|cell| cell.restarts().into())),
            refused: board.refused(),
            roles: [Role::Capture, Role::Sender]
                .into_iter()
                .chain(
                    board
                        .all()
                        .any(|cell| is_bridge(&cell))
                        .then_some(Role::Bridge),
                )
                .map(|role| of_role(board, role))
                .collect(),
        },
    }
}

fn of_role(board: &Board, role: Role) -> OfRole {
    let cells = || board.all().filter(|cell| cell.role() == Some(role));
    OfRole {
        role,
        processes: cells().filter(|cell| cell.pid() != 0).count() as u64,
        restarts: total(cells().map(|cell| cell.restarts().into())),
        cpu_s: seconds(total(cells().map(|cell| cell.process.cpu_ns.load(Relaxed)))),
    }
}

/// The number of the first place in cell `index`; the capture process's is no viewer's.
fn first_place(board: &Board, index: usize) -> usize {
    index.saturating_sub(CAPTURE_CELL + 1) * board.slots()
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

/// One for each viewer of a process, or one for a process without any.
fn workers(cell: &Cell<'_>, first_place: usize, with_pss: bool) -> Vec<Worker> {
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
            .enumerate()
            .filter_map(|(nth, slot)| {
                Some(Worker {
                    place: Some(first_place + nth),
                    ..line(slot, Some(slot.viewer()?))
                })
            })
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
        .filter(|cause| cause.is_of(role))
        .map(|&cause| {
            let of = |counters: &Counters| counters.causes[cause as usize].load(Relaxed);
            (cause.name(), since(&of))
        })
        .filter(|&(_, count)| count > 0)
        .collect();
    let ever = |of: &AtomicU64| of.load(Relaxed);
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
    let before_ns = cell.process.cpu_before_ns.load(Relaxed);
    let cpu_ns = cell.process.cpu_ns.load(Relaxed);
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
        skipped: total(
            SkipCause::ALL
                .iter()
                .filter(|cause| cause.is_loss())
                .filter_map(|cause| skip_causes.get(cause.name()).copied()),
        ),
        skip_causes,
        lag: slot.lag.load(Relaxed),
        shift_s: seconds(slot.shift_ns.load(Relaxed)),
        latency_ms: Some(slot.latency_ns.load(Relaxed))
            .filter(|&ns| ns > 0)
            .map(|ns| (ns / 10_000) as f64 / 100.0),
        stalled_s: seconds(since(&|c| c.stalled_ns.load(Relaxed))),
        torn: since(&|c| c.torn.load(Relaxed)),
        cpu_s: seconds(cpu_ns.saturating_sub(before_ns)),
        pss_bytes,
        place: None,
        ever: Ever {
            frames: ever(&slot.now.frames),
            bytes: ever(&slot.now.bytes),
            stalled_s: seconds(ever(&slot.now.stalled_ns)),
            skip_causes: SkipCause::ALL
                .iter()
                .filter(|cause| cause.is_of(role))
                .map(|&cause| (cause.name(), ever(&slot.now.causes[cause as usize])))
                .collect(),
        },
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
    bytes_in(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

/// Memory that a process shares with nobody through a file or shared memory, from /proc/PID/status:
/// cheap, where its proportional share costs a walk through its page tables.
pub fn private_bytes(pid: u32) -> Option<u64> {
    bytes_in(&format!("/proc/{pid}/status"), "RssAnon:")
}

fn bytes_in(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests;
