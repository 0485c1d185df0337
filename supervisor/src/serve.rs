//! `seqcast serve`: makes the shared objects, forks the workers, sleeps, and does what the policy
//! says until the end.
//!
//! Not here: decisions (`policy`), how a process is made (`fork`), what is printed (`announce`).

use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitStatus, waitpid};
use sender::{Listener, Protocol};
use shm_ring::{Reader, Ring};
use tracing::{error, info, warn};
use worker::status::{Status, Worker};
use worker::{Board, CAPTURE_CELL, Instance, Role, Slot, State, exit, title};

use crate::announce::{self, Announcement};
use crate::cli;
use crate::fork::{self, Child};
use crate::policy::{Action, Moment, Policy, Sign};
use crate::{address, limits, ring_group, sys};

/// Serves until asked to stop, or until the input ended; returns the exit code.
///
/// # Errors
/// All that keeps an instance from starting; nothing is left behind then.
pub fn run(asked: &cli::Serve) -> Result<i32> {
    worker::log::init(&asked.log).map_err(crate::Usage)?;
    let (width, height) = asked.size;
    let of_source = capture::Asked {
        width,
        height,
        fps: asked.fps,
        quality: asked.quality,
        form: asked.format.into(),
    };
    let capture = capture::Config::new(&asked.source, of_source)?;
    let group = asked.ring_group.as_deref();
    let gid = group.map(ring_group::resolve).transpose()?;
    let seats = usize::from(asked.clients);
    let each = asked.viewers_per_sender.map(usize::from);
    let fleet = asked.model.fleet(seats, each)?;
    limits::allow(fleet.processes + 1, fleet.slots)?;
    let instance = Instance::new(&asked.name)?;
    let lock = instance.lock()?;
    let mut listeners = address::bind(&asked.http, Protocol::Http, &[])?;
    let http = address::bound(&listeners, Protocol::Http);
    if let Some(raw) = &asked.raw {
        listeners.extend(address::bind(raw, Protocol::Raw, &http)?);
    }
    let raw = address::bound(&listeners, Protocol::Raw);
    let ring = Ring::create(&instance.ring(), asked.ring)?;
    let reader = ring.reader()?;
    if fleet.within == sender::Model::Multiplex {
        limits::allow_bells(&reader, fleet.processes)?;
    }
    if let (Some(group), Some(gid)) = (group, gid) {
        ring_group::allow(&ring, group, gid)?;
    }
    let board = Board::create(&instance, fleet.processes, fleet.slots, seats)?;
    board.set_http(&address::joined(&http));
    board.set_raw(&address::joined(&raw));
    board.set_model(asked.model.name());

    let roles = (0..board.cells()).map(role);
    let mut supervisor = Supervisor {
        reader,
        sender: sender::Config {
            instance: instance.clone(),
            model: fleet.within,
            lag: asked.lag,
            size: asked.size,
            quality: asked.quality,
            loopback_only: address::loopback_only(&http),
        },
        capture,
        policy: Policy::new(roles, asked.stall),
        children: (0..board.cells()).map(|_| None).collect(),
        ring: Some(ring),
        board,
        listeners,
        stops: catch_stops()?,
        last_viewers: Vec::new(),
        fork_failed: false,
        began: Instant::now(),
        began_ns: worker::monotonic_ns(),
    };
    announce::addresses(&http, &raw);
    sys::reap_by_waiting()?;
    fork::end_workers_with_panics();
    let code = supervisor.run(&mut Announcement::new(asked));
    announce::summary(&supervisor.status(), &supervisor.last_viewers);
    drop(supervisor);
    drop(lock);
    Ok(code)
}

/// Which role a cell is for.
fn role(cell: usize) -> Role {
    if cell == CAPTURE_CELL {
        Role::Capture
    } else {
        Role::Sender
    }
}

/// A descriptor on which Ctrl-C, SIGTERM and SIGHUP are read. No handler and no thread: a process
/// with one thread forks safely, and an idle sender has 52 KB of its own; with the thread of a
/// handler in the supervisor it had 92.
fn catch_stops() -> Result<SignalFd> {
    let mut stops: SigSet = [Signal::SIGINT, Signal::SIGTERM].into_iter().collect();
    // Blocked signals are queued even where they are ignored, as `nohup` leaves this one.
    if !sys::is_ignored(Signal::SIGHUP)? {
        stops.add(Signal::SIGHUP);
    }
    stops.thread_block()?;
    Ok(SignalFd::with_flags(
        &stops,
        SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK,
    )?)
}

struct Supervisor {
    capture: capture::Config,
    sender: sender::Config,
    policy: Policy,
    children: Vec<Option<Child>>,
    /// Always there but in a child that gave it up.
    ring: Option<Ring>,
    reader: Reader,
    board: Board,
    listeners: Vec<Listener>,
    stops: SignalFd,
    /// Senders with a viewer when the stop was asked for.
    last_viewers: Vec<Worker>,
    /// The latest fork failed, and it was said.
    fork_failed: bool,
    began: Instant,
    began_ns: u64,
}

impl Supervisor {
    fn run(&mut self, announcement: &mut Announcement) -> i32 {
        let mut stops = 0;
        loop {
            let now = self.began.elapsed();
            self.board.beat();
            let mut due = Vec::new();
            for action in self.decide(now) {
                match action {
                    Action::Fork(cell) => due.push(cell),
                    Action::KillHung(cell, silent) => self.kill_hung(cell, silent),
                    Action::Ask(cell) => self.signal(cell, Signal::SIGTERM),
                    Action::Kill(cell) => self.kill_late(cell),
                    Action::Exit(code) => return code,
                }
            }
            self.fork(&due, now);
            announcement.tick(now, &self.board, &self.reader);
            if let Err(e) = self.sleep() {
                warn!("poll: {e}");
            }
            // Before the dead are counted: a service manager asks them all to stop at once.
            while let Ok(Some(_)) = self.stops.read_signal() {
                stops += 1;
            }
            match stops {
                0 => {}
                1 if self.policy.stopping() => {}
                1 => self.stop(exit::OK),
                _ => return self.stop_at_once(),
            }
            // Before what workers show counts, and before those who saw it themselves are buried.
            self.check_memory();
            self.reap();
        }
    }

    fn decide(&mut self, now: Moment) -> Vec<Action> {
        let (board, began_ns) = (&self.board, self.began_ns);
        self.policy.tick(now, |cell| {
            let cell = board.cell(cell);
            Sign {
                state: cell.state(),
                beat: Duration::from_nanos(cell.heartbeat_ns().saturating_sub(began_ns)),
            }
        })
    }

    fn kill_hung(&self, cell: usize, silent: Duration) {
        let worker = self.describe(cell);
        warn!(
            "{worker} hung: no life for {:.1} s; killed",
            silent.as_secs_f64()
        );
        self.board.cell(cell).set_state(State::Hung);
        self.signal(cell, Signal::SIGKILL);
    }

    fn kill_late(&self, cell: usize) {
        warn!("{} did not stop when asked; killed", self.describe(cell));
        self.signal(cell, Signal::SIGKILL);
    }

    /// Forks them all before it notes what came of it: each page written between two forks is one
    /// more that the first of the two has to itself.
    fn fork(&mut self, cells: &[usize], now: Moment) {
        let mut forked = Vec::with_capacity(cells.len());
        for &cell in cells {
            forked.push(fork::fork(|| match self.become_worker(cell) {
                Ok(code) => code,
                Err(e) => {
                    error!("{} could not start: {e:#}", self.describe(cell));
                    exit::FAILURE
                }
            }));
        }
        for (&cell, forked) in cells.iter().zip(forked) {
            match forked {
                Ok(child) => {
                    self.fork_failed = false;
                    self.children[cell] = Some(child);
                    self.policy.forked(cell, now);
                }
                Err(e) => {
                    if !std::mem::replace(&mut self.fork_failed, true) {
                        warn!("fork a worker: {e}; trying again");
                    }
                    self.policy.not_forked(cell, now);
                }
            }
        }
    }

    /// Runs in the child: keeps what this worker may have, gives up the rest, works.
    fn become_worker(&mut self, cell: usize) -> Result<i32> {
        self.board.disown();
        let ring = self.ring.take().context("the ring is there in a parent")?;
        let bell = self.board.bell().map(AsRawFd::as_raw_fd);
        let role = role(cell);
        match role {
            Role::Capture => {
                title::set("seqcast: capture");
                let writer = ring.writer()?;
                ring.abandon();
                let stdin = self.capture.reads_stdin().then_some(0);
                let keep = writer.fds().map(|fd| fd.as_raw_fd());
                let keep = keep.into_iter().chain(stdin).chain(bell);
                fork::settle(keep)?;
                let cell = self.board.cell(cell);
                cell.begin(role);
                Ok(capture::run(&self.capture, writer, cell))
            }
            Role::Sender => {
                title::set("seqcast: sender");
                ring.abandon();
                let keep = self.listeners.iter().map(|l| l.socket.as_raw_fd());
                let reader = self.reader.as_fd().as_raw_fd();
                fork::settle(keep.chain(bell).chain([reader]))?;
                let cell = self.board.cell(cell);
                cell.begin(role);
                Ok(sender::run(
                    &self.sender,
                    &self.listeners,
                    &self.reader,
                    &self.board,
                    cell,
                ))
            }
        }
    }

    /// Sleeps until a worker died or rang, a stop was asked for, or something is due.
    fn sleep(&mut self) -> Result<()> {
        let timeout = self.policy.sleep(self.began.elapsed());
        // Rounded up: waking a moment early would spin until it is due.
        let timeout = PollTimeout::try_from(timeout + Duration::from_millis(1))?;
        let bell = self.board.bell().map(AsFd::as_fd);
        let pidfds = self
            .children
            .iter()
            .flatten()
            .map(|child| child.pidfd.as_fd());
        let mut watched: Vec<_> = [self.stops.as_fd()]
            .into_iter()
            .chain(bell)
            .chain(pidfds)
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
            .collect();
        match poll(&mut watched, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
        if let Some(bell) = self.board.bell() {
            let _ = bell.read(); // to count again from zero; empty is fine
        }
        Ok(())
    }

    /// Stops all if somebody cut the shared memory short: there is nothing left to serve.
    fn check_memory(&mut self) {
        if self.policy.stopping() {
            return;
        }
        let ring = self.ring.as_ref().map(Ring::is_truncated);
        // What cannot be asked is not known to be short.
        let name = if let Some(Ok(true)) = ring {
            self.sender.instance.ring()
        } else if let Ok(true) = self.board.is_truncated() {
            self.sender.instance.board()
        } else {
            return;
        };
        error!("/dev/shm/{name} was cut short from outside; stopping: start seqcast anew");
        self.stop(exit::FAILURE);
    }

    /// Buries the dead and says what comes after them.
    fn reap(&mut self) {
        for cell in 0..self.children.len() {
            let Some(child) = &self.children[cell] else {
                continue;
            };
            let end = match waitpid(child.pid, Some(nix::sys::wait::WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) => continue,
                Ok(end) => end,
                // Somebody else reaped it: dead all the same.
                Err(_) => WaitStatus::Exited(child.pid, exit::FAILURE),
            };
            self.bury(cell, end);
        }
    }

    fn bury(&mut self, cell: usize, end: WaitStatus) {
        let Some(child) = self.children[cell].take() else {
            return;
        };
        let now = self.began.elapsed();
        let worker = format!("{} (pid {})", self.describe(cell), child.pid);
        let shown = self.board.cell(cell);
        let delay = self.policy.died(cell, now, shown.state());
        let over = self.policy.stopping();
        if cell == CAPTURE_CELL
            && let WaitStatus::Exited(_, code @ exit::INPUT_ENDED) = end
        {
            shown.vacate(false);
            info!("the input ended; stopping");
            return self.stop(code);
        }
        // A worker that somebody else asked to stop did what it was asked.
        let asked = matches!(end, WaitStatus::Exited(_, exit::OK));
        shown.vacate(!over && !asked);
        self.board.free_seats(child.pid.as_raw() as u32);
        if over {
            return;
        }
        let how = match end {
            WaitStatus::Exited(_, exit::OK) => "was asked to stop".into(),
            WaitStatus::Signaled(_, signal, _) => format!("was killed by {signal}"),
            WaitStatus::Exited(_, exit::PANIC) => "panicked".into(),
            WaitStatus::Exited(_, code) => format!("exited with {code}"),
            other => format!("ended ({other:?})"),
        };
        if delay.is_zero() {
            warn!("{worker} {how}; a successor starts at once");
        } else {
            let next = format!("next try in {:.1} s", delay.as_secs_f64());
            warn!("{worker} {how}; {next}");
            if cell == CAPTURE_CELL
                && let Some(ring) = &self.ring
            {
                let reason = format!("the capture process {how}: {next}");
                ring.set_signal(shm_ring::Signal::NoSignal, &reason);
            }
        }
    }

    fn stop(&mut self, code: i32) {
        if code == exit::OK {
            info!("stopping; once more to stop at once");
        }
        if !self.policy.stopping() {
            self.last_viewers = self.status().workers;
            self.last_viewers.retain(|worker| worker.viewer.is_some());
        }
        self.policy.stop(code, self.began.elapsed());
    }

    fn status(&self) -> Status {
        worker::status::collect(&self.sender.instance, &self.board, &self.reader, false)
    }

    fn stop_at_once(&mut self) -> i32 {
        for cell in 0..self.children.len() {
            self.signal(cell, Signal::SIGKILL);
        }
        for child in self.children.iter().flatten() {
            let _ = waitpid(child.pid, None);
        }
        exit::FAILURE
    }

    fn signal(&self, cell: usize, signal: Signal) {
        if let Some(child) = &self.children[cell] {
            // Not reaped, so the pid is still its own.
            let _ = kill(child.pid, signal);
        }
    }

    fn describe(&self, cell: usize) -> String {
        match role(cell) {
            Role::Capture => "capture".into(),
            Role::Sender => {
                let shown = self.board.cell(cell);
                let mut viewers = shown.slots().iter().filter_map(Slot::viewer);
                match (viewers.next(), viewers.count()) {
                    (None, _) => format!("sender {cell}"),
                    (Some(viewer), 0) => format!("sender {cell} serving {}", viewer.addr),
                    (Some(_), others) => format!("sender {cell} serving {} viewers", 1 + others),
                }
            }
        }
    }
}
