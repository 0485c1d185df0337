//! One case: a server, its viewers, and what is looked at when.
//!
//! Each case has a server of its own. From the viewers' start on it gets time to warm up: connections are made, the
//! kernel has sized the send buffers, and a reader of seqcast's ring has gone once through it (each page costs it a
//! fault the first time). Then comes the window, at whose ends all processes of the server are looked at, and in cases
//! with an event that event, right after the window.
//!
//! Not here: what the figures are made of (`outcome`).

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bench::process::Process;
use bench::{FPS, cpu, seqcast, switches, tree};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::launch::{self, Parts, Served, Victim};
use crate::outcome::{self, Event, Kill, Look, Seen};
use crate::probe;
use crate::record::{Case, Design, Frames, Measured, Scenario};
use crate::sampler::Sampler;
use crate::viewers::{Stall, Viewers};

/// seqcast's ring, as large as it is by default.
const RING: u64 = 16 << 20;
/// Before the window, where the figures are not the point.
const EVENT_WARM_UP: u64 = 3;
/// The window before an event.
const EVENT_WINDOW: u64 = 5;
/// How long the viewer does not read, and how long all go on after that.
const STALL: u64 = 10;
const AFTER_STALL: u64 = 5;
/// How long the viewers go on after a kill: while it is tried to come back.
const AFTER_KILL: u64 = probe::PATIENCE.as_secs() + 1;
/// The viewers go on for so long after a window that nothing follows.
const TAIL: Duration = Duration::from_millis(500);
/// About what a start and an end take; for the time left.
const AROUND: Duration = Duration::from_secs(2);
const AROUND_BROKER: Duration = Duration::from_secs(14);

/// When what happens, since the viewers were started.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// Whole seconds, as the viewers count by them.
    pub warm_up: u64,
    pub window: u64,
    /// The viewers' end.
    pub end: Duration,
}

impl Timing {
    /// Of a case whose window is to be so many seconds, where it has no event.
    pub fn of(case: &Case, seconds: u64) -> Timing {
        let timing = |warm_up, window, rest| Timing {
            warm_up,
            window,
            end: Duration::from_secs(warm_up + window) + rest,
        };
        let event = |after| timing(EVENT_WARM_UP, EVENT_WINDOW, Duration::from_secs(after));
        match case.scenario {
            Scenario::Steady => timing(warm_up(case.frames), seconds, TAIL),
            Scenario::Stall => event(STALL + AFTER_STALL),
            Scenario::Kill => event(AFTER_KILL),
        }
    }

    fn event(&self) -> Duration {
        Duration::from_secs(self.warm_up + self.window)
    }
}

/// Whole seconds in which the ring is written once and the connections are made.
fn warm_up(frames: Frames) -> u64 {
    1 + RING.div_ceil(bytes(frames) * u64::from(FPS)) + 1
}

/// Bytes a frame, about.
pub fn bytes(frames: Frames) -> u64 {
    match frames {
        Frames::Raw160 => 160 * 120 * 3,
        Frames::Raw640 => 640 * 480 * 3,
        Frames::Jpeg720 => 100_000,
    }
}

/// About how long a case takes.
pub fn expected(case: &Case, seconds: u64) -> Duration {
    let around = match case.design {
        Design::Rabbitmq2019 => AROUND_BROKER + Duration::from_millis(150) * case.clients.into(),
        _ => AROUND,
    };
    Timing::of(case, seconds).end + around
}

/// Runs it. `commands` gets what was started, also where it fails.
///
/// # Errors
/// Where there are no figures, or when a person asked for the end.
pub fn run(
    case: &Case,
    seconds: u64,
    parts: &Parts,
    commands: &mut Vec<String>,
) -> Result<Measured> {
    let timing = Timing::of(case, seconds);
    let stall = (case.scenario == Scenario::Stall).then_some(Stall {
        at: timing.event(),
        duration: Duration::from_secs(STALL),
    });
    let began = Instant::now();
    let mut served = launch::start(case, parts)?;
    commands.extend(served.commands());
    let sampler = Sampler::start(began, served.roots());
    let stream = served.stream.clone();
    let mut viewers = Viewers::start(&stream, case.clients, timing.end, stall, &parts.python)?;
    commands.extend(viewers.commands());
    sampler.viewers(viewers.pids());

    viewers.wait(Duration::from_secs(timing.warm_up))?;
    let open = look(&served.roots())?;
    viewers.wait(timing.event())?;
    let close = look(&served.roots())?;
    let event = match (case.scenario, stall) {
        (Scenario::Kill, _) => Event::Kill(strike(case, parts, &mut served, &viewers)?),
        (_, Some(stall)) => Event::Stall(stall),
        (_, None) => Event::None,
    };
    let viewers_began = viewers.began;
    let report = viewers.report()?;
    let samples = sampler.stop()?;
    served.stop()?;
    outcome::measured(Seen {
        timing,
        report,
        open,
        close,
        samples,
        viewers_after: viewers_began - began,
        event,
    })
}

fn look(roots: &[i32]) -> Result<Look> {
    Ok(Look {
        cpu: cpu::Sample::of(roots)?,
        switches: switches::Sample::of(roots)?,
        machine: machine()?,
    })
}

/// Clock ticks of all CPUs since boot, idle ones and all; the first line of /proc/stat (proc_stat(5)).
fn machine() -> Result<(u64, u64)> {
    let stat = fs::read_to_string("/proc/stat").context("/proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    let fields = line.split_ascii_whitespace().skip(1).map(str::parse);
    let fields = fields
        .collect::<Result<Vec<u64>, _>>()
        .context("/proc/stat")?;
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are within user.
    let [.., idle, waiting, _, _, _] = fields.get(..8).context("/proc/stat")? else {
        anyhow::bail!("/proc/stat is too short");
    };
    Ok((idle + waiting, fields[..8].iter().sum()))
}

/// Kills what serves a viewer, and tries to come back.
fn strike(case: &Case, parts: &Parts, served: &mut Served, viewers: &Viewers) -> Result<Kill> {
    let root = served.processes.first().map(Process::pid);
    let root = root.context("a server has a process")?;
    let (pid, what) = match &served.victim {
        Victim::Sender(name) => {
            let status = seqcast::status(&parts.seqcast, name)?.context("no status")?;
            let mut workers = status.workers.iter();
            let sender = workers.find(|worker| worker.is_serving_sender());
            (sender.context("no sender has a viewer")?.pid, "sender")
        }
        Victim::Child => {
            let mut tree = tree::processes(&[root])?;
            tree.remove(&root);
            (*tree.first().context("it has no child")?, "a child")
        }
        Victim::Only => (root, "the only process"),
        Victim::Broker(pid) => (*pid, "broker"),
    };
    let at = viewers.began.elapsed();
    let killed = Instant::now();
    kill(Pid::from_raw(pid), Signal::SIGKILL).with_context(|| format!("kill {what} {pid}"))?;
    let back = match case.design {
        // Nobody starts a broker anew, and the probe does not speak its protocol.
        Design::Rabbitmq2019 => None,
        _ => probe::back(&served.stream, killed)?,
    };
    Ok(Kill {
        what: what.to_owned(),
        at,
        back,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(frames: Frames, scenario: Scenario) -> Case {
        Case {
            frames,
            design: Design::Process,
            clients: 10,
            scenario,
            run: 1,
        }
    }

    #[test]
    fn the_window_opens_when_the_ring_was_written_once() {
        let steady = Timing::of(&case(Frames::Jpeg720, Scenario::Steady), 20);
        assert_eq!((steady.warm_up, steady.window), (8, 20));
        assert_eq!(steady.end, Duration::from_millis(28_500));
        assert_eq!(warm_up(Frames::Raw160), 12);
        assert_eq!(warm_up(Frames::Raw640), 3);
    }

    #[test]
    fn events_are_after_the_window_and_before_the_end() {
        for scenario in [Scenario::Stall, Scenario::Kill] {
            let timing = Timing::of(&case(Frames::Raw160, scenario), 20);
            assert_eq!(timing.event(), Duration::from_secs(8));
            assert!(timing.end > timing.event() + Duration::from_secs(STALL));
        }
    }

    #[test]
    fn the_machine_says_how_idle_it_is() {
        let (idle, all) = machine().unwrap();
        assert!(idle < all);
    }
}
