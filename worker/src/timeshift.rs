//! When a frame of the past is due for whoever sees the past: at the pace of capture, times a
//! speed. Pure: the time and the frames come from the caller, one after the other.
//!
//! A frame is due so long after the one before as it was captured after it, whatever the clock of
//! capture says otherwise: so nothing drifts, and a clock that was set does no harm. An outage that
//! is over by then is played for 2 s and not as long as it was. One that the viewer has lived
//! through itself (nothing more was there) leaves it as far behind as it was before.
//!
//! Not here: which frames there are, and what a slow viewer misses of them.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// What may be asked for: captured seconds for each second.
pub const SPEEDS: RangeInclusive<f64> = 0.1..=16.0;

/// A longer time between two frames is an outage, unless frames are as rare as that.
const OUTAGE: Duration = Duration::from_secs(2);
/// And this is one for any source.
const SURELY_AN_OUTAGE: Duration = Duration::from_secs(10);

/// The schedule of one viewer.
#[derive(Debug, Clone)]
pub struct Timeshift {
    speed: f64,
    /// How far it was behind at the beginning: the most that it is put behind again.
    most_behind: Option<Duration>,
    /// The frame that was due last; none where the next one is due at once.
    last: Option<Due>,
    next: Option<(u64, Due)>,
    /// All that there was had been due when it was last looked.
    dry: bool,
}

#[derive(Debug, Clone, Copy)]
struct Due {
    at: Instant,
    captured_ns: u64,
    /// From the capture of the frame before.
    gap: Duration,
    /// That gap is an outage.
    outage: bool,
    /// How old it was when it became due.
    behind: Duration,
}

impl Timeshift {
    /// From the next frame on at this speed: captured seconds for each of the viewer's, over 0.
    pub fn new(speed: f64) -> Self {
        Timeshift {
            speed,
            most_behind: None,
            last: None,
            next: None,
            dry: false,
        }
    }

    /// Captured seconds for each of the viewer's.
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// When frame `id`, the next one, is due. It is not scheduled anew when it is asked for again.
    pub fn due(&mut self, id: u64, captured_ns: u64, now: Instant) -> Instant {
        if let Some((_, due)) = self.next.filter(|&(known, _)| known == id) {
            return due.at;
        }
        let due = match self.last {
            None => Due {
                at: now,
                captured_ns,
                gap: Duration::ZERO,
                outage: false,
                behind: Duration::ZERO,
            },
            Some(last) => self.follow(&last, captured_ns, now),
        };
        self.next = Some((id, due));
        due.at
    }

    fn follow(&self, last: &Due, captured_ns: u64, now: Instant) -> Due {
        let gap = Duration::from_nanos(captured_ns.saturating_sub(last.captured_ns));
        let usual = (2 * last.gap.min(SURELY_AN_OUTAGE)).clamp(OUTAGE, SURELY_AN_OUTAGE);
        let outage = gap > usual;
        let at = match (outage, self.dry) {
            // It waited for less than that: the clock was set, or the outage was before its time.
            (true, true) if now.saturating_duration_since(last.at) < OUTAGE => {
                now + last.behind.min(OUTAGE)
            }
            (true, true) => now + last.behind,
            (true, false) => last.at + OUTAGE.div_f64(self.speed.max(1.0)),
            (false, _) => last.at + gap.div_f64(self.speed),
        };
        Due {
            at,
            captured_ns,
            gap,
            outage,
            behind: Duration::ZERO,
        }
    }

    /// The frame that was asked for last is played now, at this Unix time.
    pub fn play(&mut self, unix_ns: u64) {
        if let Some((_, mut due)) = self.next.take() {
            let behind = Duration::from_nanos(unix_ns.saturating_sub(due.captured_ns));
            due.behind = behind.min(*self.most_behind.get_or_insert(behind));
            self.last = Some(due);
        }
        self.dry = false;
    }

    /// There is nothing more. Whether the viewer has caught up for good and is live from now on.
    pub fn run_dry(&mut self) -> bool {
        self.dry = true;
        self.next = None;
        self.speed > 1.0
    }

    /// The frames from the next one on are gone: it goes on with another one, at once.
    pub fn jump(&mut self) {
        self.next = None;
        self.last = None;
    }

    /// When the frame that was asked for last is due; none where there is nothing more.
    pub fn next(&self) -> Option<Instant> {
        self.next.map(|(_, due)| due.at)
    }

    /// What the viewer sees now is an outage of the past.
    pub fn is_outage(&self) -> bool {
        self.next.is_some_and(|(_, due)| due.outage)
    }

    /// How far in the past the viewer is.
    pub fn behind(&self, unix_ns: u64) -> Duration {
        self.last.map_or(Duration::ZERO, |last| {
            Duration::from_nanos(unix_ns.saturating_sub(last.captured_ns))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const START: u64 = 1_700_000_000_000 * MS;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// When frames that were captured at these milliseconds are due, from the first one on, for a
    /// viewer who begins `behind` ms after that one's capture. A frame is there once it is captured.
    fn schedule(speed: f64, behind: u64, captured: &[u64]) -> Vec<u64> {
        let began = Instant::now();
        let mut shift = Timeshift::new(speed);
        let mut now = behind;
        let mut dues = Vec::new();
        for (id, &at) in captured.iter().enumerate() {
            if at > now {
                shift.run_dry();
                now = at;
            }
            let due = shift.due(id as u64, START + at * MS, began + ms(now));
            now = now.max((due - began).as_millis() as u64);
            shift.play(START + now * MS);
            dues.push(now - behind);
        }
        dues
    }

    #[test]
    fn at_the_pace_of_capture_times_the_speed() {
        let captured = [0, 33, 66, 166, 200];
        assert_eq!(schedule(1.0, 5000, &captured), [0, 33, 66, 166, 200]);
        assert_eq!(schedule(2.0, 5000, &captured), [0, 16, 33, 83, 100]);
        assert_eq!(schedule(0.5, 5000, &captured), [0, 66, 132, 332, 400]);
    }

    #[test]
    fn an_outage_of_the_past_takes_two_seconds() {
        let captured = [0, 100, 60_100, 60_200];
        assert_eq!(schedule(1.0, 90_000, &captured), [0, 100, 2100, 2200]);
        assert_eq!(schedule(4.0, 90_000, &captured), [0, 25, 525, 550]);
        assert_eq!(schedule(0.5, 90_000, &captured), [0, 200, 2200, 2400]);
    }

    #[test]
    fn one_that_is_lived_through_leaves_the_viewer_as_far_behind() {
        // At 5 s behind; the frame of 60 s comes when the viewer has waited for it for long.
        let captured = [0, 100, 60_100, 60_200];
        let dues = schedule(1.0, 5000, &captured);
        assert_eq!(dues, [0, 100, 60_100, 60_200]);
    }

    #[test]
    fn rare_frames_are_no_outages() {
        let captured = [0, 5000, 10_000, 15_000];
        assert_eq!(schedule(1.0, 60_000, &captured), [0, 2000, 7000, 12_000]);
    }

    #[test]
    fn a_clock_that_is_set_does_no_harm() {
        let back = [1_000_000, 1_000_100, 100, 200, 300];
        let dues = schedule(1.0, 1_005_000, &back);
        assert_eq!(dues, [0, 100, 100, 200, 300]);
        let forth = [0, 100, 9_000_000, 9_000_100];
        assert_eq!(schedule(1.0, 9_500_000, &forth), [0, 100, 2100, 2200]);
    }

    #[test]
    fn a_clock_that_is_set_while_it_is_live_does_none_either() {
        // Of a machine that booted in 1970, and then heard of the time.
        let began = Instant::now();
        let mut shift = Timeshift::new(1.0);
        assert_eq!(shift.due(0, 7 * MS, began), began);
        shift.play(START);
        shift.run_dry();
        let due = shift.due(1, START, began + ms(50));
        assert_eq!(due, began + ms(50) + OUTAGE);
        shift.play(START + 2050 * MS);
        shift.run_dry();
        assert_eq!(
            shift.due(2, START + 2100 * MS, began + ms(2100)),
            due + ms(2100)
        );
    }

    #[test]
    fn only_the_fast_catch_up() {
        assert!(Timeshift::new(1.5).run_dry());
        assert!(!Timeshift::new(1.0).run_dry());
    }

    #[test]
    fn asked_twice_it_is_the_same_moment() {
        let now = Instant::now();
        let mut shift = Timeshift::new(1.0);
        shift.due(1, START, now);
        shift.play(START);
        let due = shift.due(2, START + 50 * MS, now + ms(1));
        assert_eq!(due, now + ms(50));
        assert_eq!(shift.due(2, START + 50 * MS, now + ms(40)), due);
        assert_eq!(shift.next(), Some(due));
    }
}
