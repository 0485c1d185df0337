//! A run: starts the processes, deals the blows, and counts.
//!
//! Not here: which blows (`schedule`), and what the counts should be (`report`).

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use shm_ring::clock::{monotonic_ns, unix_ns};
use shm_ring::{Reader, Ring, Segment};

use crate::child::Child;
use crate::schedule::{Blow, Limits, Pace, Progress, Schedule};
use crate::tally::{Reads, Tally, add};
use crate::{reader, sys, writer};

/// What is run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub readers: usize,
    /// Bytes.
    pub arena: u64,
    pub pace: Pace,
    pub limits: Limits,
}

/// What was done to the processes.
#[derive(Debug, Clone, Default)]
pub struct Blows {
    pub reader_kills: u64,
    pub reader_stops: u64,
    pub writer_stops: u64,
    /// Kills of the writer that left a frame half published.
    pub half_published: u64,
    /// From each SIGKILL of a writer to its successor's first frame, as a reader sees it, ns.
    pub takeovers_ns: Vec<u64>,
}

/// How a run went.
pub struct Outcome {
    pub tally: &'static Tally,
    pub blows: Blows,
    pub elapsed: Duration,
    /// The last id published.
    pub head: u64,
}

/// Longer than this nothing may take: what does has hung.
const HANG: Duration = Duration::from_secs(20);
/// How often children and limits are looked at.
const TICK: Duration = Duration::from_millis(1);

pub fn run(plan: &Plan) -> Result<Outcome> {
    let began = Instant::now();
    let mut run = Run::begin(plan)?;
    let mut schedule = Schedule::new(unix_ns(), plan.readers, plan.pace);
    let mut writing = Watchdog::new("the writer has published nothing");
    let mut reading = Watchdog::new("the readers have read nothing");
    let (pause, mut blow) = schedule.next();
    let mut due = began + pause;
    loop {
        let now = Instant::now();
        let progress = run.progress(now - began);
        if plan.limits.reached(progress) {
            break;
        }
        writing.check(now, run.watcher.bounds().head)?;
        reading.check(now, progress.reads)?;
        run.resume_stopped(now)?;
        if now >= due {
            run.deal(blow)?;
            let (pause, next) = schedule.next();
            (due, blow) = (Instant::now() + pause, next);
        }
        run.check_children()?;
        std::thread::sleep(due.saturating_duration_since(Instant::now()).min(TICK));
    }
    Ok(Outcome {
        tally: run.tally,
        head: run.watcher.bounds().head,
        elapsed: began.elapsed(),
        blows: std::mem::take(&mut run.blows),
    })
}

/// A child that may be stopped.
struct Stoppable {
    child: Child,
    resume_at: Option<Instant>,
}

impl Stoppable {
    fn new(child: Child) -> Stoppable {
        Stoppable {
            child,
            resume_at: None,
        }
    }
}

/// A reader's place.
struct Seat {
    process: Stoppable,
    /// `looks` when it was forked: it is not killed before it has begun to read.
    looks: u64,
}

struct Run {
    // Before the ring: the processes end first.
    writer: Stoppable,
    readers: Vec<Seat>,
    bystander: Child,
    watcher: Reader,
    ring: Ring,
    tally: &'static Tally,
    blows: Blows,
}

impl Run {
    fn begin(plan: &Plan) -> Result<Run> {
        let name = format!("shm-ring-stress-{}", std::process::id());
        let ring = Ring::create(&name, plan.arena)?;
        // All processes reach it through this one's descriptors: nothing is left, however it ends.
        Segment::remove(&name)?;
        let tally = sys::share::<Tally>().context("share the counts")?;
        let watcher = ring.reader()?;
        let writer = Stoppable::new(fork_writer(&ring, tally)?);
        let seats = 0..plan.readers;
        Ok(Run {
            readers: seats
                .map(|seat| Seat::take(&ring, &tally.readers[seat]))
                .collect::<Result<_>>()?,
            writer,
            bystander: Child::fork(|| writer::bystand(&tally.bystander))?,
            watcher,
            ring,
            tally,
            blows: Blows::default(),
        })
    }

    fn progress(&self, elapsed: Duration) -> Progress {
        Progress {
            elapsed,
            reads: self.tally.reads(|it| &it.accepted),
            kills: self.blows.reader_kills,
            torn: self.tally.reads(|it| &it.torn),
        }
    }

    fn check_children(&mut self) -> Result<()> {
        self.writer.child.check().context("the writer")?;
        self.bystander.check().context("the bystander")?;
        for seat in &mut self.readers {
            seat.process.child.check().context("a reader")?;
        }
        Ok(())
    }

    fn deal(&mut self, blow: Blow) -> Result<()> {
        match blow {
            Blow::KillReader(seat) if self.has_begun(seat) => {
                // The dead one is reaped before the next takes its place and its counts.
                self.readers[seat].process.child.kill();
                self.readers[seat] = Seat::take(&self.ring, &self.tally.readers[seat])?;
                self.blows.reader_kills += 1;
            }
            Blow::KillReader(_) => {}
            Blow::StopReader(seat, pause) => {
                let process = &mut self.readers[seat].process;
                process.child.stop()?;
                process.resume_at = Some(Instant::now() + pause);
                self.blows.reader_stops += 1;
            }
            Blow::KillWriter => self.kill_writer()?,
            Blow::StopWriter(pause) => {
                if self.writer.resume_at.is_none() {
                    add(&self.tally.writer.stops, 1);
                }
                self.writer.child.stop()?;
                self.writer.resume_at = Some(Instant::now() + pause);
                self.blows.writer_stops += 1;
            }
        }
        Ok(())
    }

    fn has_begun(&self, seat: usize) -> bool {
        self.tally.readers[seat].looks.load(Relaxed) > self.readers[seat].looks
    }

    fn resume_stopped(&mut self, now: Instant) -> Result<()> {
        let due = |it: &Stoppable| it.resume_at.is_some_and(|at| now >= at);
        for process in self.readers.iter_mut().map(|seat| &mut seat.process) {
            if due(process) {
                process.child.resume()?;
                process.resume_at = None;
            }
        }
        if due(&self.writer) {
            self.writer.child.resume()?;
            self.writer.resume_at = None;
            add(&self.tally.writer.stops, 1);
        }
        Ok(())
    }

    /// Kills the writer, starts its successor, and waits for that one's first frame.
    fn kill_writer(&mut self) -> Result<()> {
        let killed_ns = monotonic_ns();
        self.writer.child.kill();
        // Dead and reaped: what is above this `head` is the successor's.
        let head = self.watcher.bounds().head;
        let counts = &self.tally.writer;
        let (done, begun) = (counts.done.load(Relaxed), counts.begun.load(Relaxed));
        if head != done && head != begun {
            add(&counts.violations, 1);
        }
        counts.left.store(head, Relaxed);
        self.blows.half_published += u64::from(begun > head);
        if self.writer.resume_at.is_some() {
            add(&counts.stops, 1); // it was stopped, its successor is not
        }
        self.writer = Stoppable::new(fork_writer(&self.ring, self.tally)?);
        let hung = Instant::now() + HANG;
        loop {
            let ticket = self.watcher.ticket();
            if self.watcher.bounds().head > head {
                break;
            }
            ensure!(Instant::now() < hung, "no successor's frame after {HANG:?}");
            self.writer.child.check().context("a successor")?;
            self.watcher.wait(ticket, Duration::from_millis(100));
        }
        let takeover_ns = monotonic_ns() - killed_ns;
        self.blows.takeovers_ns.push(takeover_ns);
        Ok(())
    }
}

impl Seat {
    fn take(ring: &Ring, tally: &'static Reads) -> Result<Seat> {
        let looks = tally.looks.load(Relaxed);
        let max = max_frame(ring);
        let seed = unix_ns();
        let life = || reader::run(&ring.reader()?, max, seed, tally);
        Ok(Seat {
            process: Stoppable::new(Child::fork(life)?),
            looks,
        })
    }
}

fn fork_writer(ring: &Ring, tally: &'static Tally) -> Result<Child> {
    Child::fork(|| writer::run(ring, max_frame(ring), &tally.writer))
}

/// The largest frame that a ring takes, bytes.
fn max_frame(ring: &Ring) -> usize {
    ring.arena() as usize / 4
}

/// Notices that a count has stopped rising.
struct Watchdog {
    what: &'static str,
    count: u64,
    since: Instant,
}

impl Watchdog {
    fn new(what: &'static str) -> Watchdog {
        Watchdog {
            what,
            count: 0,
            since: Instant::now(),
        }
    }

    fn check(&mut self, now: Instant, count: u64) -> Result<()> {
        if count != self.count {
            (self.count, self.since) = (count, now);
        }
        ensure!(now - self.since < HANG, "{} for {HANG:?}", self.what);
        Ok(())
    }
}
