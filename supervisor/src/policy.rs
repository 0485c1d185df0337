//! What to do about workers, as a pure function of what they show and of the clock: restart at
//! once or later, kill the hung, drain, stop.
//!
//! Not here: any process, descriptor or clock (`serve`, `fork`), and what a worker does.

use std::collections::VecDeque;
use std::time::Duration;

use worker::{Role, State};

/// A moment: time since the supervisor began.
pub type Moment = Duration;

/// A sender or a bridge that shows no life for so long is hung.
pub const SENDER_STALL: Duration = Duration::from_secs(15);
/// A capture process may be so long without a sign of life while it opens its source: to open a
/// camera may take the kernel 5 s in one call.
pub const OPENING: Duration = Duration::from_secs(15);
/// Workers that were at work are restarted at once, but not more often than so in a second.
pub const RESTARTS_A_SECOND: usize = 20;
/// Workers that end before they were at work wait so long, doubled each time,
pub const FIRST_DELAY: Duration = Duration::from_millis(100);
/// up to so long.
pub const LAST_DELAY: Duration = Duration::from_secs(5);
/// Workers asked to stop have so long.
pub const DRAIN: Duration = Duration::from_secs(2);
/// The supervisor looks at least this often.
pub const TICK: Duration = Duration::from_millis(500);
/// Later than this, and it was stopped itself; its workers probably with it.
const OVERSLEPT: Duration = Duration::from_millis(1500);

/// What the board shows of a worker.
#[derive(Debug, Clone, Copy)]
pub struct Sign {
    /// Its state.
    pub state: State,
    /// When it last showed life.
    pub beat: Moment,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Fork a worker for this cell.
    Fork(usize),
    /// This worker showed no life for so long: say so, kill it.
    KillHung(usize, Duration),
    /// Ask this worker to stop.
    Ask(usize),
    /// Kill this worker, which did not stop when asked.
    Kill(usize),
    /// All are gone: exit with this code.
    Exit(i32),
}

#[derive(Debug)]
enum Phase {
    /// Its process lives, since when, and whether it was seen at work.
    Running {
        since: Moment,
        worked: bool,
        killed: bool,
    },
    /// To be forked then.
    Due(Moment),
}

#[derive(Debug)]
struct Slot {
    role: Role,
    phase: Phase,
    /// Deaths in a row before it was at work.
    failures: u32,
    /// The latest restarts, oldest first.
    restarts: VecDeque<Moment>,
}

#[derive(Debug)]
struct Drain {
    code: i32,
    since: Moment,
    asked: bool,
}

/// The state of the decisions.
#[derive(Debug)]
pub struct Policy {
    slots: Vec<Slot>,
    stall: Duration,
    drain: Option<Drain>,
    last_tick: Moment,
    /// Signs of life before this count as given then: nobody could give any.
    amnesty: Moment,
}

impl Policy {
    /// All workers due at once. `roles` by cell; `stall` is the capture process's.
    pub fn new(roles: impl IntoIterator<Item = Role>, stall: Duration) -> Policy {
        let slots = roles.into_iter().map(|role| Slot {
            role,
            phase: Phase::Due(Duration::ZERO),
            failures: 0,
            restarts: VecDeque::new(),
        });
        Policy {
            slots: slots.collect(),
            stall,
            drain: None,
            last_tick: Duration::ZERO,
            amnesty: Duration::ZERO,
        }
    }

    /// What to do now. `sign` says what a cell shows.
    pub fn tick(&mut self, now: Moment, sign: impl Fn(usize) -> Sign) -> Vec<Action> {
        if now.saturating_sub(self.last_tick) > OVERSLEPT {
            self.amnesty = now;
        }
        self.last_tick = now;
        if self.drain.is_some() {
            return self.drained(now);
        }
        let mut actions = Vec::new();
        for (cell, slot) in self.slots.iter_mut().enumerate() {
            match &mut slot.phase {
                Phase::Due(at) if *at <= now => actions.push(Action::Fork(cell)),
                Phase::Due(_) => {}
                Phase::Running {
                    since,
                    worked,
                    killed,
                } => {
                    let sign = sign(cell);
                    *worked |= at_work(sign.state);
                    let limit = match slot.role {
                        // Woken, it opens its source as one that has just begun.
                        Role::Capture if *worked && sign.state != State::Starting => self.stall,
                        Role::Capture => self.stall.max(OPENING),
                        Role::Sender | Role::Bridge => SENDER_STALL,
                    };
                    let silent = now.saturating_sub(sign.beat.max(*since).max(self.amnesty));
                    if silent > limit && !*killed {
                        *killed = true;
                        actions.push(Action::KillHung(cell, silent));
                    }
                }
            }
        }
        actions
    }

    /// How long the supervisor may sleep.
    pub fn sleep(&self, now: Moment) -> Duration {
        let due = self.slots.iter().filter_map(|slot| match slot.phase {
            Phase::Due(at) if self.drain.is_none() => Some(at.saturating_sub(now)),
            _ => None,
        });
        due.min().unwrap_or(TICK).min(TICK)
    }

    /// The worker of `cell` was forked.
    pub fn forked(&mut self, cell: usize, now: Moment) {
        self.slots[cell].phase = Phase::Running {
            since: now,
            worked: false,
            killed: false,
        };
    }

    /// It could not be forked: try again later.
    pub fn not_forked(&mut self, cell: usize, now: Moment) {
        let slot = &mut self.slots[cell];
        slot.failures += 1;
        slot.phase = Phase::Due(now + delay(slot.failures));
    }

    /// The worker of `cell` is dead; `state` is the last it showed. Says after how long its
    /// successor starts.
    pub fn died(&mut self, cell: usize, now: Moment, state: State) -> Duration {
        let slot = &mut self.slots[cell];
        let worked = matches!(slot.phase, Phase::Running { worked: true, .. }) || at_work(state);
        let at = if worked {
            slot.failures = 0;
            now.max(soonest(&slot.restarts))
        } else {
            slot.failures += 1;
            now + delay(slot.failures)
        };
        if slot.restarts.len() == RESTARTS_A_SECOND {
            slot.restarts.pop_front();
        }
        slot.restarts.push_back(at);
        slot.phase = Phase::Due(at);
        at - now
    }

    /// Ends the instance: with `code`, once all workers are gone.
    pub fn stop(&mut self, code: i32, now: Moment) {
        self.drain.get_or_insert(Drain {
            code,
            since: now,
            asked: false,
        });
    }

    /// Whether the instance is ending.
    pub fn stopping(&self) -> bool {
        self.drain.is_some()
    }

    fn drained(&mut self, now: Moment) -> Vec<Action> {
        let Some(drain) = &mut self.drain else {
            return Vec::new();
        };
        let mut living = (0..self.slots.len())
            .filter(|&cell| matches!(self.slots[cell].phase, Phase::Running { .. }))
            .peekable();
        if living.peek().is_none() {
            return vec![Action::Exit(drain.code)];
        }
        if !drain.asked {
            drain.asked = true;
            return living.map(Action::Ask).collect();
        }
        if now.saturating_sub(drain.since) > DRAIN {
            return living.map(Action::Kill).collect();
        }
        Vec::new()
    }
}

/// Whether a worker in this state has reached what it was forked for.
pub fn at_work(state: State) -> bool {
    matches!(state, State::Idle | State::Serving)
}

/// How long to wait after so many failures in a row.
fn delay(failures: u32) -> Duration {
    let doubled = FIRST_DELAY.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(LAST_DELAY)
}

/// When the next restart may be, given the latest ones.
fn soonest(restarts: &VecDeque<Moment>) -> Moment {
    match restarts.front() {
        Some(&first) if restarts.len() == RESTARTS_A_SECOND => first + Duration::from_secs(1),
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const S: Duration = Duration::from_secs(1);

    fn policy() -> Policy {
        let mut policy = Policy::new([Role::Capture, Role::Sender, Role::Sender], 3 * S);
        let forks = policy.tick(Duration::ZERO, |_| unreachable!());
        assert_eq!(forks, [0, 1, 2].map(Action::Fork));
        for cell in 0..3 {
            policy.forked(cell, Duration::ZERO);
        }
        policy
    }

    fn sign(state: State, beat: Moment) -> impl Fn(usize) -> Sign {
        move |_| Sign { state, beat }
    }

    #[test]
    fn a_worker_that_was_at_work_is_restarted_at_once() {
        let mut policy = policy();
        assert_eq!(policy.died(1, S, State::Idle), Duration::ZERO);
        let beat = sign(State::Serving, S);
        assert_eq!(policy.tick(S, &beat), [Action::Fork(1)]);
        // Seen at work once is enough, whatever it showed last.
        policy.forked(1, S);
        assert_eq!(policy.tick(S, &beat), []);
        assert_eq!(policy.died(1, S, State::Starting), Duration::ZERO);
    }

    #[test]
    fn at_most_twenty_restarts_a_second() {
        let mut policy = policy();
        let mut now = S;
        let mut restarts = 0;
        while now < 6 * S {
            now += policy.died(0, now, State::Serving) + MS;
            policy.forked(0, now);
            restarts += 1;
        }
        assert!(
            (5 * 20 - 20..=5 * 20 + 20).contains(&restarts),
            "{restarts}"
        );
    }

    #[test]
    fn one_that_ends_before_waits_longer_each_time_up_to_five_seconds() {
        let mut policy = policy();
        let mut delays = Vec::new();
        for _ in 0..8 {
            delays.push(policy.died(0, S, State::Starting).as_millis());
            policy.forked(0, S);
        }
        assert_eq!(delays, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        policy.died(0, S, State::Serving);
        policy.forked(0, S);
        assert_eq!(policy.died(0, S, State::Starting).as_millis(), 100);
    }

    #[test]
    fn the_hung_are_killed_once_each_after_its_own_time() {
        let mut policy = policy();
        let beat = sign(State::Serving, Duration::ZERO);
        let mut killed = Vec::new();
        for tick in 0..40 {
            for action in policy.tick(tick * TICK, &beat) {
                killed.push((tick * TICK, action));
            }
        }
        let cells: Vec<_> = killed
            .iter()
            .map(|(at, action)| match action {
                Action::KillHung(cell, silent) => (*at, *cell, *silent),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(cells[0], (3500 * MS, 0, 3500 * MS));
        assert_eq!(cells[1], (15500 * MS, 1, 15500 * MS));
        assert_eq!(cells.len(), 3);
    }

    #[test]
    fn a_bridge_is_restarted_and_hangs_like_a_sender() {
        let mut policy = Policy::new([Role::Capture, Role::Bridge], 3 * S);
        policy.forked(1, Duration::ZERO);
        let beat = sign(State::Idle, Duration::ZERO);
        let ticks = (0..40).map(|n| n * TICK);
        let hung = ticks
            .flat_map(|now| policy.tick(now, &beat))
            .find(|action| matches!(action, Action::KillHung(1, _)));
        assert_eq!(hung, Some(Action::KillHung(1, 15500 * MS)));
        assert_eq!(policy.died(1, 16 * S, State::Hung), Duration::ZERO);
    }

    #[test]
    fn one_that_wakes_has_time_to_open_its_source() {
        let mut policy = policy();
        let killed = |policy: &mut Policy, state, at| {
            let capture = sign(state, at);
            let hung = |action: &Action| matches!(action, Action::KillHung(0, _));
            let until = at + 3 * S + TICK;
            let ticks = (0..).map(|n| at + n * TICK).take_while(|&now| now <= until);
            let mut actions = ticks.flat_map(|now| policy.tick(now, &capture));
            actions.any(|action| hung(&action))
        };
        assert!(!killed(&mut policy, State::Starting, S), "not yet at work");
        policy.tick(5 * S, sign(State::Idle, 5 * S)); // at rest
        assert!(
            !killed(&mut policy, State::Starting, 6 * S),
            "opening it again"
        );
        assert_eq!(policy.died(0, 10 * S, State::Starting), Duration::ZERO);
        policy.forked(0, 10 * S);
        assert!(killed(&mut policy, State::Serving, 10 * S));
    }

    #[test]
    fn a_supervisor_that_was_stopped_itself_blames_nobody() {
        let mut policy = policy();
        let beat = sign(State::Serving, Duration::ZERO);
        assert_eq!(policy.tick(100 * S, &beat), []);
        let mut now = 100 * S;
        while policy.tick(now, &beat).is_empty() {
            now += TICK;
        }
        assert_eq!(now, 103 * S + TICK);
    }

    #[test]
    fn draining_asks_then_kills_then_exits() {
        let mut policy = policy();
        let beat = sign(State::Serving, S);
        policy.stop(6, S);
        assert_eq!(policy.tick(S, &beat), [0, 1, 2].map(Action::Ask));
        policy.died(0, S, State::Draining);
        policy.died(1, S, State::Draining);
        assert_eq!(policy.tick(2 * S, &beat), []);
        assert_eq!(policy.tick(4 * S, &beat), [Action::Kill(2)]);
        policy.died(2, 4 * S, State::Serving);
        assert_eq!(policy.tick(4 * S, &beat), [Action::Exit(6)]);
        policy.stop(0, 5 * S);
        assert_eq!(
            policy.tick(5 * S, &beat),
            [Action::Exit(6)],
            "the first code counts"
        );
    }

    #[test]
    fn sleeps_until_something_is_due() {
        let mut policy = policy();
        assert_eq!(policy.sleep(S), TICK);
        policy.died(0, S, State::Starting);
        assert_eq!(policy.sleep(S), 100 * MS);
        assert_eq!(policy.sleep(2 * S), Duration::ZERO);
    }
}
