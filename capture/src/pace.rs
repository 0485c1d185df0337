//! When the next frame of a source is due that has no clock of its own, or may have none.
//!
//! [`Pacer::beat`] and [`Limit::admit`] are decisions, [`Pacer::wait`] is the sleep around the
//! first. Not here: the retry of a source that failed ([`crate::outage`]).

use std::thread;
use std::time::{Duration, Instant};

use worker::DropCause;

use crate::source::Event;

/// Beats at a fixed rate, counted from the first, so that they never drift.
#[derive(Debug)]
pub struct Pacer {
    fps: u32,
    start: Option<Instant>,
    /// The number of the beat to come; beat `n` is due `n / fps` seconds after the start.
    next: u64,
}

/// What a [`Pacer`] says at one moment.
#[derive(Debug, PartialEq, Eq)]
pub enum Beat {
    /// Show a frame now.
    Due,
    /// So many beats passed unseen. They are given up, not caught up with in a burst.
    Missed(u64),
    /// Nothing yet.
    In(Duration),
}

const NANOS: u128 = 1_000_000_000;

impl Pacer {
    /// Beats `fps` times a second (at least 1), the first time as soon as it is asked.
    pub fn new(fps: u32) -> Pacer {
        Pacer {
            fps: fps.max(1),
            start: None,
            next: 0,
        }
    }

    /// Says what is to be done at `now`. Takes the beat that it calls [`Beat::Due`].
    pub fn beat(&mut self, now: Instant) -> Beat {
        let start = *self.start.get_or_insert(now);
        let elapsed = now.saturating_duration_since(start);
        let current = (elapsed.as_nanos() * u128::from(self.fps) / NANOS) as u64;
        if current < self.next {
            let due = (u128::from(self.next) * NANOS).div_ceil(u128::from(self.fps));
            return Beat::In(Duration::from_nanos(due as u64).saturating_sub(elapsed));
        }
        let missed = current - self.next;
        if missed > 0 {
            self.next = current;
            return Beat::Missed(missed);
        }
        self.next += 1;
        Beat::Due
    }

    /// Sleeps at most `timeout` until the next beat. `None` says that it is due; otherwise the
    /// event is what [`crate::Source::next`] returns.
    pub fn wait(&mut self, timeout: Duration) -> Option<Event<'static>> {
        let deadline = Instant::now() + timeout;
        loop {
            let now = Instant::now();
            match self.beat(now) {
                Beat::Due => return None,
                Beat::Missed(n) => return Some(Event::Dropped(DropCause::Late, n)),
                Beat::In(_) if now >= deadline => return Some(Event::Idle),
                Beat::In(rest) => thread::sleep(rest.min(deadline - now)),
            }
        }
    }
}

/// Holds a stream to a rate without touching one that keeps it by itself: a live stream may run a
/// little fast by its own clock, and its frames may come in bunches.
///
/// The generic cell rate algorithm (ITU-T I.371): frames are booked at even distances, and one may
/// come before its booking by a tolerance.
#[derive(Debug)]
pub struct Limit {
    period: Duration,
    /// When the next frame would come if all came evenly.
    booked: Option<Instant>,
}

impl Limit {
    /// How much a live stream's clock may be off.
    const MARGIN: f64 = 1.02;

    /// How far ahead of even distances a frame may be.
    const TOLERANCE: Duration = Duration::from_millis(500);

    /// At most `fps` frames a second (at least 1) and 2 % more, over any long time.
    pub fn new(fps: u32) -> Limit {
        Limit {
            period: Duration::from_secs_f64(1.0 / (f64::from(fps.max(1)) * Self::MARGIN)),
            booked: None,
        }
    }

    /// Takes a frame at `now`, or says for how long to hold it.
    ///
    /// # Errors
    /// How long to wait before asking again.
    pub fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        let booked = self.booked.unwrap_or(now).max(now);
        let early = (booked - now).saturating_sub(Self::TOLERANCE);
        if !early.is_zero() {
            return Err(early);
        }
        self.booked = Some(booked + self.period);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn does_not_drift_at_a_rate_that_no_period_hits() {
        let start = Instant::now();
        let mut pacer = Pacer::new(30);
        let mut now = start;
        for _ in 0..30 * 3600 {
            match pacer.beat(now) {
                Beat::Due => {}
                other => panic!("{other:?} at {:?}", now - start),
            }
            match pacer.beat(now) {
                Beat::In(rest) => now += rest,
                other => panic!("{other:?} at {:?}", now - start),
            }
        }
        assert_eq!(now - start, Duration::from_secs(3600));
    }

    #[test]
    fn a_late_beat_does_not_move_the_next() {
        let start = Instant::now();
        let mut pacer = Pacer::new(10);
        assert_eq!(pacer.beat(start), Beat::Due);
        assert_eq!(pacer.beat(at(start, 190)), Beat::Due);
        assert_eq!(
            pacer.beat(at(start, 190)),
            Beat::In(Duration::from_millis(10))
        );
    }

    #[test]
    fn after_a_stall_the_missed_beats_are_counted_and_one_frame_shown() {
        let start = Instant::now();
        let mut pacer = Pacer::new(10);
        assert_eq!(pacer.beat(start), Beat::Due);
        let late = at(start, 5_030);
        assert_eq!(pacer.beat(late), Beat::Missed(49));
        assert_eq!(pacer.beat(late), Beat::Due);
        assert_eq!(pacer.beat(late), Beat::In(Duration::from_millis(70)));
    }

    #[test]
    fn a_wait_shorter_than_the_period_is_idle() {
        let mut pacer = Pacer::new(1);
        assert!(pacer.wait(Duration::ZERO).is_none());
        let event = pacer.wait(Duration::from_millis(1));
        assert!(matches!(event, Some(Event::Idle)), "{event:?}");
    }

    /// How long a stream takes whose frames come at these milliseconds, and how long each is held
    /// at most.
    fn through(fps: u32, frames: impl IntoIterator<Item = u64>) -> (Duration, Duration) {
        let start = Instant::now();
        let mut limit = Limit::new(fps);
        let (mut now, mut held) = (start, Duration::ZERO);
        for ms in frames {
            let came = at(start, ms);
            now = now.max(came);
            while let Err(rest) = limit.admit(now) {
                now += rest;
            }
            held = held.max(now - came);
        }
        (now - start, held)
    }

    #[test]
    fn a_flood_is_held_to_the_rate() {
        let (took, _) = through(30, vec![0; 3000]);
        let even = Duration::from_secs(100).div_f64(Limit::MARGIN);
        assert!(
            took >= even - Limit::TOLERANCE - Duration::from_millis(100),
            "{took:?}"
        );
        assert!(took <= even, "{took:?}");
    }

    #[test]
    fn a_live_stream_is_never_held() {
        let a_little_fast = (0..100_000).map(|n| n * 33);
        let in_bunches_of_ten = (0..100_000).map(|n| n / 10 * 334);
        let slow = (0..1000).map(|n| n * 500);
        assert_eq!(through(30, a_little_fast).1, Duration::ZERO);
        assert_eq!(through(30, in_bunches_of_ten).1, Duration::ZERO);
        assert_eq!(through(30, slow).1, Duration::ZERO);
    }
}
