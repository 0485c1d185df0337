//! A worker's cell: what one process says of itself on the board, and its slots. This worker alone
//! writes it, and all may read.
//!
//! Not here: what is counted of a viewer or a source (`slot`), where the memory comes from
//! (`board`), and how it is shown (`status`).

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use serde::Serialize;

use crate::clock::cpu_ns;
use crate::monotonic_ns;
use crate::slot::Slot;

/// What a worker is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u32)]
pub enum Role {
    /// Publishes frames.
    Capture = 1,
    /// Sends them to viewers.
    Sender = 2,
    /// Publishes them to a broker.
    Bridge = 3,
}

impl Role {
    /// What it is called, everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Role::Capture => "capture",
            Role::Sender => "sender",
            Role::Bridge => "bridge",
        }
    }
}

/// What a worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u32)]
pub enum State {
    /// Forked, not yet at work; a capture process that opens its source.
    Starting = 0,
    /// A sender without a connection; a capture process at rest; a bridge that has no broker.
    Idle = 1,
    /// A capture process that has published; a sender with a connection; a bridge whose frames are confirmed.
    Serving = 2,
    /// Ending on request.
    Draining = 3,
    /// Showed no life for too long; about to be killed. Said by the supervisor.
    Hung = 4,
}

impl State {
    fn from_u32(value: u32) -> State {
        match value {
            1 => State::Idle,
            2 => State::Serving,
            3 => State::Draining,
            4 => State::Hung,
            _ => State::Starting,
        }
    }
}

/// The process, as it lies in shared memory; its slots follow.
#[repr(C, align(64))]
pub(crate) struct Process {
    role: AtomicU32,
    state: AtomicU32,
    pid: AtomicU32,
    restarts: AtomicU32,
    /// Slots in use.
    busy: AtomicU32,
    /// Those of them that want pictures.
    watching: AtomicU32,
    /// Connections that ever did, over all processes of the cell.
    visits: AtomicU64,
    pub started_ns: AtomicU64,
    heartbeat_ns: AtomicU64,
    /// CPU time of all processes that the cell has had, and of those before the present one.
    pub cpu_ns: AtomicU64,
    pub cpu_before_ns: AtomicU64,
}

/// Who beats once a second and has not for so long is stopped, or about to be found hung.
const SILENT_NS: u64 = 2_500_000_000;

/// A handle on one cell. Writing is for its worker (and, between workers, the supervisor).
#[derive(Clone, Copy)]
pub struct Cell<'a> {
    pub(crate) process: &'a Process,
    pub(crate) slots: &'a [Slot],
    pub(crate) bell: Option<BorrowedFd<'a>>,
}

impl std::fmt::Debug for Cell<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cell(pid {})", self.pid())
    }
}

impl<'a> Cell<'a> {
    /// A new worker's first act; the cell was vacated by its predecessor's undertaker.
    pub fn begin(&self, role: Role) {
        let process = self.process;
        process.role.store(role as u32, Relaxed);
        process.state.store(State::Starting as u32, Relaxed);
        process.busy.store(0, Relaxed);
        process.watching.store(0, Relaxed);
        process.started_ns.store(monotonic_ns(), Relaxed);
        let before = process.cpu_ns.load(Relaxed);
        process.cpu_before_ns.store(before, Relaxed);
        self.slots.iter().for_each(Slot::begin);
        self.beat();
        process.pid.store(std::process::id(), Relaxed);
    }

    /// Its slots: one for each connection at once; the capture process has one.
    pub fn slots(&self) -> &'a [Slot] {
        self.slots
    }

    /// The first slot: the only one of the capture process.
    pub fn slot(&self) -> &'a Slot {
        &self.slots[0]
    }

    /// Says what the worker is doing; rings the supervisor's bell if that is news.
    pub fn set_state(&self, state: State) {
        if self.process.state.swap(state as u32, Relaxed) != state as u32 {
            self.ring();
        }
    }

    /// Wakes the supervisor.
    pub fn ring(&self) {
        if let Some(bell) = self.bell {
            // A full counter rings, too: nothing can be lost.
            let _ = nix::unistd::write(bell, &1u64.to_ne_bytes());
        }
    }

    /// A connection has come, or, with the guard's drop, gone: an idle sender with one is serving.
    pub fn engage(&self) -> Engaged<'a> {
        self.process.busy.fetch_add(1, Relaxed);
        Engaged(&self.process.busy)
    }

    /// A connection wants pictures, until the guard's drop.
    pub fn watch(&self) -> Watching<'a> {
        self.process.watching.fetch_add(1, Relaxed);
        self.process.visits.fetch_add(1, Relaxed);
        Watching(&self.process.watching)
    }

    /// Connections that want pictures now.
    pub fn watching(&self) -> u32 {
        self.process.watching.load(Relaxed)
    }

    /// Connections that ever wanted pictures: who comes and goes unseen still shows here.
    pub fn visits(&self) -> u64 {
        self.process.visits.load(Relaxed)
    }

    /// Shows life; every worker does at least once a second, whatever it waits for. Notes the CPU
    /// time, at most four times a second.
    pub fn beat(&self) {
        let now = monotonic_ns();
        let last = self.process.heartbeat_ns.swap(now, Relaxed);
        if now / 250_000_000 != last / 250_000_000 {
            let before = self.process.cpu_before_ns.load(Relaxed);
            self.process
                .cpu_ns
                .store(before.saturating_add(cpu_ns()), Relaxed);
        }
    }

    /// The worker's pid; 0 where there is none.
    pub fn pid(&self) -> u32 {
        self.process.pid.load(Relaxed)
    }

    /// The worker's role; `None` for a cell never used.
    pub fn role(&self) -> Option<Role> {
        match self.process.role.load(Relaxed) {
            1 => Some(Role::Capture),
            2 => Some(Role::Sender),
            3 => Some(Role::Bridge),
            _ => None,
        }
    }

    /// What the worker is doing.
    pub fn state(&self) -> State {
        match State::from_u32(self.process.state.load(Relaxed)) {
            State::Idle if self.process.busy.load(Relaxed) > 0 => State::Serving,
            state => state,
        }
    }

    /// Connections that it could take beside those that it has; one that is stopped takes none.
    pub fn free_slots(&self) -> usize {
        let silent_ns = monotonic_ns().saturating_sub(self.heartbeat_ns());
        match (self.role(), self.state()) {
            (Some(Role::Sender), State::Idle | State::Serving) if silent_ns < SILENT_NS => {
                let busy = self.process.busy.load(Relaxed);
                self.slots.len().saturating_sub(busy as usize)
            }
            _ => 0,
        }
    }

    /// When the worker last showed life, `CLOCK_MONOTONIC` nanoseconds.
    pub fn heartbeat_ns(&self) -> u64 {
        self.process.heartbeat_ns.load(Relaxed)
    }

    /// Unexpected deaths in this cell.
    pub fn restarts(&self) -> u32 {
        self.process.restarts.load(Relaxed)
    }

    /// The supervisor's word on a worker that is dead: nobody is here any more.
    pub fn vacate(&self, unexpected: bool) {
        let process = self.process;
        if unexpected {
            process.restarts.fetch_add(1, Relaxed);
        }
        process.pid.store(0, Relaxed);
        process.state.store(State::Starting as u32, Relaxed);
        process.busy.store(0, Relaxed);
        process.watching.store(0, Relaxed);
        for slot in self.slots {
            match self.role() {
                Some(Role::Sender) => slot.set_viewer(None),
                _ => slot.begin(),
            }
        }
    }
}

/// A slot in use.
#[derive(Debug)]
pub struct Engaged<'a>(&'a AtomicU32);

impl Drop for Engaged<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A connection that wants pictures.
#[derive(Debug)]
pub struct Watching<'a>(&'a AtomicU32);

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
