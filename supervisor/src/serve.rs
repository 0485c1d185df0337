//! `seqcast serve`: makes the shared objects, forks the workers, sleeps, and does what the policy
//! says until the end.
//!
//! Not here: decisions (`policy`), how a process is made (`fork`), what is printed (`announce`).

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitStatus, waitpid};
use sender::auth::Auth;
use sender::tls::Identity;
use sender::{Listener, Protocol};
use shm_ring::{Reader, Ring};
use tracing::{error, info, warn};
use worker::history::Sampler;
use worker::status::{Status, Worker};
use worker::{Board, CAPTURE_CELL, Cell, Instance, Role, Slot, State, channel, exit};

use crate::activation::Passed;
use crate::announce::{self, Announcement};
use crate::auth_file;
use crate::cli;
use crate::demand::{Audience, Demand};
use crate::fork::{self, Child};
use crate::notify::{Manager, Phase};
use crate::policy::{self, Action, Moment, Policy, Sign};
use crate::switchboard::{News, Switchboard};
use crate::{address, limits, publish, replay, ring_group, sys};

mod forked;

/// Serves, a replay where that is what was asked for, until asked to stop, or until the input ended; returns the exit code.
///
/// # Errors
/// All that keeps an instance from starting; nothing is left behind then.
pub fn run(asked: &cli::Serve, past: Option<&cli::Replay>, passed: Passed) -> Result<i32> {
    worker::log::init(&asked.log, asked.log_json).map_err(crate::Usage)?;
    let (width, height) = asked.size;
    let of_source = capture::Asked {
        width,
        height,
        fps: asked.fps,
        quality: asked.quality,
        format: asked.format,
        allow_truncated: asked.allow_truncated,
    };
    let mut capture = match past {
        Some(past) => replay::source(past, of_source)?,
        None => capture::Config::new(&asked.source, of_source)?,
    };
    capture.drop_same = asked.drop_same;
    capture.remember(&asked.control);
    let source = capture.choice.to_string();
    capture.origin = publish::origin();
    let bridge = publish::bridge(asked, &capture)?;
    let source_as_given = past.map_or(&asked.source, |past| &past.url);
    publish::hide_logins(source_as_given, asked, &capture, bridge.as_ref());
    if asked.on_demand.is_some() && capture.reads_stdin() {
        let why = "--on-demand closes the source and opens it again, and standard input cannot be opened again";
        return Err(crate::Usage(why.into()).into());
    }
    let users = asked
        .auth_file
        .as_deref()
        .map(auth_file::read)
        .transpose()?;
    let group = asked.ring_group.as_deref();
    let gid = group.map(ring_group::resolve).transpose()?;
    let seats = usize::from(asked.clients);
    let each = asked.viewers_per_sender.map(usize::from);
    let fleet = asked.model.fleet(seats, each)?;
    let others = 1 + usize::from(bridge.is_some());
    limits::allow(fleet.processes + others, fleet.slots)?;
    let tls = match (&asked.tls_cert, &asked.tls_key) {
        (Some(cert), Some(key)) => Some(Identity::load(cert, key)?),
        _ => None,
    };
    let is_tls = tls.is_some();
    let instance = Instance::new(&asked.name)?;
    let lock = instance.lock()?;
    let listening = address::listen(&asked.http, asked.raw.as_ref(), passed)?;
    let (listeners, socket_files) = (listening.listeners, listening.files);
    let http = address::bound(&listeners, Protocol::Http);
    if http.is_empty() {
        let why =
            "--http systemd: all sockets that were passed are named raw: one has to be for HTTP";
        return Err(crate::Usage(why.into()).into());
    }
    if tls.is_some() && !http.iter().any(|place| place.tcp().is_some()) {
        let why = "--tls-cert goes with TCP: nobody is between the two ends of a UNIX socket";
        return Err(crate::Usage(why.into()).into());
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
    let board = Board::create(&instance, fleet.processes + others - 1, fleet.slots, seats)?;
    board.set_http(&address::joined(&http, is_tls));
    board.set_raw(&address::joined(&raw, false));
    board.set_model(asked.model.name());

    let roles: Vec<_> = roles(fleet.processes, bridge.is_some()).collect();
    let publishing = bridge.as_ref().map(|bridge| bridge.address.clone());
    let mut supervisor = Supervisor {
        reader,
        sender: sender::Config {
            instance: instance.clone(),
            model: fleet.within,
            lag: asked.lag,
            size: asked.size,
            quality: asked.quality,
            tls,
            loopback_only: address::loopback_only(&http),
            on_demand: asked.on_demand.is_some(),
            read_only: asked.read_only,
            auth: users.clone().map(Auth::new).transpose()?,
            allow_hosts: asked.allow_host.clone(),
            allow_origin: asked.allow_origin.clone(),
            per_address: asked.clients_per_address.map(usize::from),
        },
        capture,
        policy: Policy::new(roles.iter().copied(), asked.stall),
        roles,
        bridge,
        demand: Demand::new(asked.on_demand),
        switchboard: Switchboard::new(board.cells()),
        children: (0..board.cells()).map(|_| None).collect(),
        ring: Some(ring),
        board,
        listeners,
        stops: catch_stops()?,
        manager: Manager::new(std::process::id(), |name| std::env::var_os(name)),
        last_viewers: Vec::new(),
        sampler: Sampler::default(),
        fork_failed: false,
        began: Instant::now(),
        began_ns: worker::monotonic_ns(),
    };
    announce::addresses(&http, &raw, is_tls);
    announce::who_may(&http, &raw, users.as_ref(), is_tls);
    publishing.iter().for_each(announce::publishing);
    announce::how_to_stop();
    sys::reap_by_waiting()?;
    fork::end_workers_with_panics();
    let code = supervisor.run(&mut Announcement::new(source));
    announce::summary(&supervisor.status(), &supervisor.last_viewers);
    drop(socket_files);
    drop(supervisor);
    drop(lock);
    Ok(code)
}

/// Which role each cell is for: capture's is the first, a bridge's the last.
fn roles(senders: usize, with_bridge: bool) -> impl Iterator<Item = Role> {
    let bridge = with_bridge.then_some(Role::Bridge);
    let senders = std::iter::repeat_n(Role::Sender, senders);
    [Role::Capture].into_iter().chain(senders).chain(bridge)
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
    bridge: Option<bridge::Config>,
    /// Which role each cell is for.
    roles: Vec<Role>,
    policy: Policy,
    demand: Demand,
    switchboard: Switchboard,
    children: Vec<Option<Child>>,
    /// Always there but in a child that gave it up.
    ring: Option<Ring>,
    reader: Reader,
    board: Board,
    listeners: Vec<Listener>,
    stops: SignalFd,
    manager: Manager,
    /// Senders with a viewer, and the bridge, when the stop was asked for.
    last_viewers: Vec<Worker>,
    sampler: Sampler,
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
            for sample in self.sampler.tick(now, self.board.counts()) {
                self.board.remember(sample);
            }
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
            let audience = self.audience();
            self.switchboard.rest(self.demand.may_rest(now, audience));
            announcement.tick(now, &self.board, &self.reader);
            let speaking = self.sleep().unwrap_or_else(|e| {
                warn!("poll: {e}");
                Vec::new()
            });
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
            self.listen(&speaking);
            self.reap();
            self.tell(announcement.is_done());
        }
    }

    /// Tells the service manager how it goes. Ready: what was to be announced is, and a sender answers.
    fn tell(&mut self, announced: bool) {
        let is_sender = |cell: &Cell<'_>| cell.role() == Some(Role::Sender);
        let mut senders = self.board.all().filter(is_sender);
        let phase = if self.policy.stopping() {
            Phase::Stopping
        } else if announced && senders.any(|cell| policy::at_work(cell.state())) {
            Phase::Ready
        } else {
            Phase::Starting
        };
        let (instance, board, reader) = (&self.sender.instance, &self.board, &self.reader);
        self.manager.tell(self.began.elapsed(), phase, || {
            let status = worker::status::collect(instance, board, reader, false);
            announce::condition(&status, board.seats())
        });
    }

    /// Takes what these workers have to say.
    fn listen(&mut self, cells: &[usize]) {
        let now = self.began.elapsed();
        for &cell in cells {
            for news in self.switchboard.hear(cell, now) {
                match news {
                    News::Refused(why) => self.board.set_controls_refused(&why.join("; ")),
                    News::Set(settings) => self.capture.remember(&settings),
                }
            }
        }
        self.switchboard.expire(now);
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

    /// Who wants pictures now.
    fn audience(&self) -> Audience {
        let mut audience = Audience::default();
        for cell in self.board.all() {
            audience.watching += u64::from(cell.watching());
            audience.visits = audience.visits.wrapping_add(cell.visits());
        }
        audience
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
            forked.push(channel::pair().and_then(|(ours, theirs)| {
                let child = fork::fork(|| match self.become_worker(cell, &theirs) {
                    Ok(code) => code,
                    Err(e) => {
                        error!("{} could not start: {e:#}", self.describe(cell));
                        exit::FAILURE
                    }
                })?;
                Ok((child, ours))
            }));
        }
        for (&cell, forked) in cells.iter().zip(forked) {
            match forked {
                Ok((child, channel)) => {
                    self.fork_failed = false;
                    self.children[cell] = Some(child);
                    self.switchboard.connect(cell, channel);
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

    /// Sleeps until a worker died, rang or says something, a stop was asked for, or something is
    /// due. Gives the cells of those who say something.
    fn sleep(&mut self) -> Result<Vec<usize>> {
        let now = self.began.elapsed();
        let timeout = self.policy.sleep(now).min(self.manager.sleep(now));
        let timeout = timeout.min(self.sampler.sleep(now));
        // Rounded up: waking a moment early would spin until it is due.
        let timeout = PollTimeout::try_from(timeout + Duration::from_millis(1))?;
        let bell = self.board.bell().map(AsFd::as_fd);
        let pidfds = self
            .children
            .iter()
            .flatten()
            .map(|child| child.pidfd.as_fd());
        let others = [self.stops.as_fd()].into_iter().chain(bell).chain(pidfds);
        let speakers = self.switchboard.fds().map(|(_, fd)| fd);
        let mut watched: Vec<_> = speakers
            .chain(others.map(|fd| PollFd::new(fd, PollFlags::POLLIN)))
            .collect();
        match poll(&mut watched, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
        let cells = self.switchboard.fds().map(|(cell, _)| cell);
        let speaking = cells
            .zip(&watched)
            .filter(|(_, fd)| fd.any() == Some(true))
            .map(|(cell, _)| cell)
            .collect();
        if let Some(bell) = self.board.bell() {
            let _ = bell.read(); // to count again from zero; empty is fine
        }
        Ok(speaking)
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
        self.switchboard.disconnect(cell);
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
            let served = |worker: &Worker| worker.viewer.is_some() || worker.target.is_some();
            self.last_viewers.retain(served);
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
        match self.roles[cell] {
            role @ (Role::Capture | Role::Bridge) => role.name().into(),
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
