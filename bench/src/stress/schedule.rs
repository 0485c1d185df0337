//! What is done to whom, and when: decided here, done in `driver`.

use std::time::Duration;

use crate::random::Random;

/// Something that happens to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// SIGKILL; another reader takes its place.
    KillReader(usize),
    /// SIGSTOP, and SIGCONT after a while.
    StopReader(usize, Duration),
    /// SIGKILL; a successor takes over.
    KillWriter,
    StopWriter(Duration),
}

/// Which blows fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// About 60 a second, of all kinds.
    Mixed,
    /// Kills of readers, as fast as they come back.
    ReaderKills,
}

/// Blows a second, of [`Pace::Mixed`].
const KILL_READER: u64 = 30;
const STOP_READER: u64 = 20;
const KILL_WRITER: u64 = 8;
const STOP_WRITER: u64 = 2;
const ALL: u64 = KILL_READER + STOP_READER + KILL_WRITER + STOP_WRITER;

/// The longest stop.
const READER_STOP: Duration = Duration::from_millis(100);
const WRITER_STOP: Duration = Duration::from_millis(20);

/// An endless sequence of blows.
#[derive(Debug)]
pub struct Schedule {
    random: Random,
    readers: u64,
    pace: Pace,
}

impl Schedule {
    pub fn new(seed: u64, readers: usize, pace: Pace) -> Schedule {
        Schedule {
            random: Random::new(seed),
            readers: readers as u64,
            pace,
        }
    }

    /// The next blow, and how long after the one before.
    pub fn next(&mut self) -> (Duration, Blow) {
        let reader = self.random.below(self.readers) as usize;
        if self.pace == Pace::ReaderKills {
            let pause = self.up_to(Duration::from_micros(100));
            return (pause, Blow::KillReader(reader));
        }
        let pause = self.up_to(Duration::from_secs(2) / ALL as u32);
        let lot = self.random.below(ALL);
        let blow = if lot < KILL_READER {
            Blow::KillReader(reader)
        } else if lot < KILL_READER + STOP_READER {
            Blow::StopReader(reader, self.up_to(READER_STOP))
        } else if lot < KILL_READER + STOP_READER + KILL_WRITER {
            Blow::KillWriter
        } else {
            Blow::StopWriter(self.up_to(WRITER_STOP))
        };
        (pause, blow)
    }

    fn up_to(&mut self, longest: Duration) -> Duration {
        Duration::from_nanos(self.random.below(longest.as_nanos() as u64 + 1))
    }
}

/// When a run is over: when one of these is reached.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    pub elapsed: Option<Duration>,
    /// Frames accepted.
    pub reads: Option<u64>,
    /// Kills of readers.
    pub kills: Option<u64>,
    /// At the first torn frame.
    pub torn: bool,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    pub elapsed: Duration,
    pub reads: u64,
    pub kills: u64,
    pub torn: u64,
}

impl Limits {
    pub fn reached(&self, now: Progress) -> bool {
        self.elapsed.is_some_and(|limit| now.elapsed >= limit)
            || self.reads.is_some_and(|limit| now.reads >= limit)
            || self.kills.is_some_and(|limit| now.kills >= limit)
            || self.torn && now.torn > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_fall_at_their_rates() {
        let mut schedule = Schedule::new(1, 3, Pace::Mixed);
        let blows: Vec<(Duration, Blow)> = (0..6000).map(|_| schedule.next()).collect();
        let seconds: Duration = blows.iter().map(|(pause, _)| pause).sum();
        assert!(
            (95.0..105.0).contains(&seconds.as_secs_f64()),
            "{seconds:?}"
        );
        let count = |kind: fn(&Blow) -> bool| blows.iter().filter(|(_, blow)| kind(blow)).count();
        assert!(count(|blow| matches!(blow, Blow::KillReader(0))) > 800);
        assert!(count(|blow| matches!(blow, Blow::StopReader(2, _))) > 500);
        assert!(count(|blow| *blow == Blow::KillWriter) > 600);
        assert!(count(|blow| matches!(blow, Blow::StopWriter(_))) > 100);
    }

    #[test]
    fn the_fast_pace_kills_readers_alone() {
        let mut schedule = Schedule::new(1, 3, Pace::ReaderKills);
        assert!((0..1000).all(|_| matches!(schedule.next(), (_, Blow::KillReader(0..3)))));
    }

    #[test]
    fn a_run_ends_at_the_first_limit() {
        let limits = Limits {
            reads: Some(10),
            torn: true,
            ..Limits::default()
        };
        let now = Progress::default();
        assert!(!limits.reached(now));
        assert!(limits.reached(Progress { reads: 10, ..now }));
        assert!(limits.reached(Progress { torn: 1, ..now }));
        let elapsed = Duration::from_secs(1);
        assert!(!limits.reached(Progress { elapsed, ..now }));
    }
}
