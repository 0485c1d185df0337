//! `seqcast serve`: makes the shared objects, forks the workers, sleeps, and does what the policy
//! says until the end.
//!
//! Not here: decisions (`policy`), how a process is made (`fork`), what is printed (`announce`).

use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigHandler, Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use shm_ring::{Reader, Ring};
use tracing::{info, warn};
use worker::{Board, CAPTURE_CELL, Instance, Role, State, exit, title};

use crate::announce::{self, Announcement};
use crate::cli;
use crate::fork::{self, Child};
use crate::policy::{Action, Moment, Policy, Sign};
use crate::{address, sys};

/// Senders beside those that may stream, for pages, snapshots, status and refusals.
const SPARE: usize = 4;

/// Serves until asked to stop, or until the input ended; returns the exit code.
///
/// # Errors
/// All that keeps an instance from starting; nothing is left behind then.
pub fn run(asked: &cli::Serve) -> Result<i32> {
    worker::log::init(&asked.log).map_err(crate::Usage)?;
    let (width, height) = asked.size;
    let capture = capture::Config::new(&asked.source, width, height, asked.fps, asked.quality)?;
    let instance = Instance::new(&asked.name)?;
    let lock = instance.lock()?;
    let listeners = address::bind(&asked.http)?;
    let ring = Ring::create(&instance.ring(), asked.ring)?;
    let seats = usize::from(asked.clients);
    let board = Board::create(&instance, seats + SPARE, seats)?;
    let addresses = address::bound(&listeners);
    let shown: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    board.set_http(&shown.join(","));

    let roles = (0..board.cells()).map(role);
    let mut supervisor = Supervisor {
        reader: ring.reader()?,
        sender: sender::Config {
            instance: instance.clone(),
            lag: asked.lag,
            size: asked.size,
            loopback_only: address::loopback_only(&addresses),
        },
        capture,
        policy: Policy::new(roles, asked.stall),
        children: (0..board.cells()).map(|_| None).collect(),
        ring: Some(ring),
        board,
        listeners,
        stops: catch_stops()?,
        began: Instant::now(),
        began_ns: worker::monotonic_ns(),
    };
    announce::addresses(&addresses);
    let code = supervisor.run(&mut Announcement::new(asked));
    announce::summary(&worker::status::collect(
        &instance,
        &supervisor.board,
        &supervisor.reader,
        false,
    ));
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

/// An eventfd that counts Ctrl-C, SIGTERM and SIGHUP. The handler takes no lock: a child forked
/// while it held one would find it held forever.
fn catch_stops() -> Result<Arc<EventFd>> {
    let stops = Arc::new(EventFd::from_flags(
        EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK,
    )?);
    let ring = stops.clone();
    let nohup = sys::is_ignored(Signal::SIGHUP)?;
    ctrlc::set_handler(move || {
        let _ = ring.write(1);
    })
    .context("handle Ctrl-C and SIGTERM")?;
    if nohup {
        sys::set_handler(Signal::SIGHUP, SigHandler::SigIgn)?;
    }
    Ok(stops)
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
    listeners: Vec<TcpListener>,
    stops: Arc<EventFd>,
    began: Instant,
    began_ns: u64,
}

impl Supervisor {
    fn run(&mut self, announcement: &mut Announcement) -> i32 {
        let mut stops = 0;
        loop {
            let now = self.began.elapsed();
            self.board.beat();
            for action in self.decide(now) {
                if let Some(code) = self.act(action, now) {
                    return code;
                }
            }
            announcement.tick(now, &self.board, &self.reader);
            if let Err(e) = self.sleep() {
                warn!("poll: {e}");
            }
            // Before the dead are counted: a service manager asks them all to stop at once.
            stops += self.stops.read().unwrap_or(0);
            match stops {
                0 => {}
                1 if self.policy.stopping() => {}
                1 => self.stop(exit::OK),
                _ => return self.stop_at_once(),
            }
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

    /// Does it; says the exit code when all is over.
    fn act(&mut self, action: Action, now: Moment) -> Option<i32> {
        match action {
            Action::Fork(cell) => self.fork(cell, now),
            Action::KillHung(cell, silent) => {
                let worker = self.describe(cell);
                warn!(
                    "{worker} hung: no life for {:.1} s; killed",
                    silent.as_secs_f64()
                );
                self.board.cell(cell).set_state(State::Hung);
                self.signal(cell, Signal::SIGKILL);
            }
            Action::Ask(cell) => self.signal(cell, Signal::SIGTERM),
            Action::Kill(cell) => {
                warn!("{} did not stop when asked; killed", self.describe(cell));
                self.signal(cell, Signal::SIGKILL);
            }
            Action::Exit(code) => return Some(code),
        }
        None
    }

    fn fork(&mut self, cell: usize, now: Moment) {
        let forked = fork::fork(|| match self.become_worker(cell) {
            Ok(code) => code,
            Err(e) => {
                tracing::error!("{} could not start: {e:#}", self.describe(cell));
                exit::FAILURE
            }
        });
        match forked {
            Ok(child) => {
                self.children[cell] = Some(child);
                self.policy.forked(cell, now);
            }
            Err(e) => {
                warn!("fork a worker: {e}; trying again");
                self.policy.not_forked(cell, now);
            }
        }
    }

    /// Runs in the child: keeps what this worker may have, gives up the rest, works.
    fn become_worker(&mut self, cell: usize) -> Result<i32> {
        self.board.disown();
        let mut ring = self.ring.take().context("the ring is there in a parent")?;
        ring.disown();
        let bell = self.board.bell().map(AsRawFd::as_raw_fd);
        let role = role(cell);
        match role {
            Role::Capture => {
                title::set("seqcast: capture");
                let writer = ring.writer()?;
                drop(ring); // and with it the parent's writable map
                let keep = [0, writer.as_fd().as_raw_fd()];
                fork::settle(&keep.into_iter().chain(bell).collect::<Vec<_>>())?;
                let cell = self.board.cell(cell);
                cell.begin(role);
                Ok(capture::run(&self.capture, writer, cell))
            }
            Role::Sender => {
                title::set("seqcast: sender idle");
                let reader = ring.reader()?;
                drop(ring);
                let keep: Vec<_> = self.listeners.iter().map(AsRawFd::as_raw_fd).collect();
                fork::settle(&keep.into_iter().chain(bell).collect::<Vec<_>>())?;
                let cell = self.board.cell(cell);
                cell.begin(role);
                Ok(sender::run(
                    &self.sender,
                    &self.listeners,
                    reader,
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

    /// Buries the dead and says what comes after them.
    fn reap(&mut self) {
        for cell in 0..self.children.len() {
            let Some(child) = &self.children[cell] else {
                continue;
            };
            let end = match waitpid(child.pid, Some(nix::sys::wait::WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) => continue,
                Ok(end) => end,
                Err(e) => {
                    warn!("waitpid: {e}");
                    continue;
                }
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
        self.policy.stop(code, self.began.elapsed());
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
            Role::Sender => match self.board.cell(cell).viewer() {
                Some(viewer) => format!("sender {cell} serving {}", viewer.addr),
                None => format!("sender {cell}"),
            },
        }
    }
}
