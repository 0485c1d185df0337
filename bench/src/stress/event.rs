//! Two ways to wake waiters, side by side while waiters are killed: `raw_sync`'s `Event`, a
//! pthread mutex and condition variable in shared memory, and the ring's futex word. One setter,
//! a few waiters, the same kills at the same moments; what is found is after how many of them
//! the setter hangs.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use raw_sync::Timeout;
use raw_sync::events::EventState;
use serde::Serialize;
use shm_ring::{FrameMeta, MIN_ARENA, Ring, Segment};

use crate::child::Child;
use crate::sys::{self, EventMemory, foreign};
use crate::tally::add;

const WAITERS: usize = 4;
/// Between two wake-ups, and between two kills.
const SET_EVERY: Duration = Duration::from_millis(5);
const KILL_EVERY: Duration = Duration::from_millis(10);
/// How long the event stays set, and what a waiter does with a wake-up.
const SET_FOR: Duration = Duration::from_millis(1);
const WORK: Duration = Duration::from_millis(2);
/// A setter that has not come back for so long hangs.
const HANG: Duration = Duration::from_secs(2);
/// A trial without a hang ends.
const TRIAL: Duration = Duration::from_secs(4);

/// What a setter and its waiters share. All zero is its beginning.
#[repr(C)]
pub struct Party {
    event: EventMemory,
    /// Wake-ups that the setter came back from.
    sets: AtomicU64,
    /// Wake-ups of each waiter.
    wakes: [AtomicU64; WAITERS],
}

/// How a trial went for one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Fate {
    /// Kills of waiters until the setter hung, or in all.
    pub kills: u64,
    /// Wake-ups that the setter came back from.
    pub sets: u64,
    /// Wake-ups that reached a waiter.
    pub wakes: u64,
    pub hung: bool,
}

/// A trial of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Trial {
    pub event: Fate,
    pub futex: Fate,
}

/// Both at the same time, until one hangs or the trial is over.
pub fn trial(number: u32) -> Result<Trial> {
    let mut event = Group::new(Kind::Event)?;
    let mut futex = Group::new(Kind::Futex(nameless_ring(number)?))?;
    let over = Instant::now() + TRIAL;
    let mut waiters = (0..WAITERS).cycle();
    while Instant::now() < over && !event.hangs()? && !futex.hangs()? {
        sleep(KILL_EVERY);
        let Some(waiter) = waiters.next() else { break };
        event.kill(waiter)?;
        futex.kill(waiter)?;
    }
    Ok(Trial {
        event: event.fate()?,
        futex: futex.fate()?,
    })
}

fn nameless_ring(number: u32) -> Result<Ring> {
    let name = format!("shm-ring-event-{}-{number}", std::process::id());
    let ring = Ring::create(&name, MIN_ARENA)?;
    Segment::remove(&name)?;
    Ok(ring)
}

enum Kind {
    Event,
    Futex(Ring),
}

impl Kind {
    fn set(&self, party: &'static Party) -> Result<()> {
        match self {
            Kind::Event => {
                let event = sys::existing_event(&party.event)?;
                loop {
                    event.set(EventState::Signaled).map_err(foreign)?;
                    sleep(SET_FOR);
                    event.set(EventState::Clear).map_err(foreign)?;
                    add(&party.sets, 1);
                    sleep(SET_EVERY - SET_FOR);
                }
            }
            Kind::Futex(ring) => {
                let mut writer = ring.writer()?;
                loop {
                    writer.publish(b"wake up", &FrameMeta::default())?;
                    add(&party.sets, 1);
                    sleep(SET_EVERY);
                }
            }
        }
    }

    fn wait(&self, party: &'static Party, wakes: &AtomicU64) -> Result<()> {
        match self {
            Kind::Event => {
                let event = sys::existing_event(&party.event)?;
                loop {
                    event.wait(Timeout::Infinite).map_err(foreign)?;
                    add(wakes, 1);
                    sleep(WORK);
                }
            }
            Kind::Futex(ring) => {
                let reader = ring.reader()?;
                let mut ticket = reader.ticket();
                loop {
                    while reader.ticket() == ticket {
                        reader.wait(ticket, HANG);
                    }
                    ticket = reader.ticket();
                    add(wakes, 1);
                    sleep(WORK);
                }
            }
        }
    }
}

/// A setter, its waiters, and what is known of them.
struct Group {
    // The processes end before what they use.
    setter: Child,
    waiters: Vec<Child>,
    kind: Kind,
    party: &'static Party,
    kills: u64,
    progress: Progress,
}

/// The setter's last sign of life.
struct Progress {
    sets: u64,
    kills: u64,
    at: Instant,
}

impl Group {
    fn new(kind: Kind) -> Result<Group> {
        let party = sys::share::<Party>()?;
        if let Kind::Event = kind {
            sys::new_event(&party.event)?;
        }
        let waiters = (0..WAITERS).map(|i| Child::fork(|| kind.wait(party, &party.wakes[i])));
        Ok(Group {
            waiters: waiters.collect::<Result<_>>()?,
            setter: Child::fork(|| kind.set(party))?,
            kind,
            party,
            kills: 0,
            progress: Progress {
                sets: 0,
                kills: 0,
                at: Instant::now(),
            },
        })
    }

    /// Kills a waiter, and starts another in its place.
    fn kill(&mut self, waiter: usize) -> Result<()> {
        self.look()?;
        self.waiters[waiter].kill();
        self.kills += 1;
        let (kind, party) = (&self.kind, self.party);
        self.waiters[waiter] = Child::fork(|| kind.wait(party, &party.wakes[waiter]))?;
        Ok(())
    }

    /// Fails if the setter did not hang but ended.
    fn look(&mut self) -> Result<()> {
        self.setter.check()?;
        let sets = self.party.sets.load(Relaxed);
        if sets != self.progress.sets {
            self.progress = Progress {
                sets,
                kills: self.kills,
                at: Instant::now(),
            };
        }
        Ok(())
    }

    fn hangs(&mut self) -> Result<bool> {
        self.look()?;
        Ok(self.progress.at.elapsed() >= HANG)
    }

    fn fate(&mut self) -> Result<Fate> {
        let hung = self.hangs()?;
        Ok(Fate {
            kills: if hung {
                self.progress.kills
            } else {
                self.kills
            },
            sets: self.progress.sets,
            wakes: self.party.wakes.iter().map(|it| it.load(Relaxed)).sum(),
            hung,
        })
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fate {
            kills, sets, wakes, ..
        } = self;
        let end = if self.hung { "HUNG after" } else { "survived" };
        write!(f, "{end} {kills} kills ({sets} sets, {wakes} wake-ups)")
    }
}
