//! Which frames make a steady N a second out of however many there are: a pure function of the
//! times of capture.
//!
//! Each frame that is taken sets the time of the next one, a period after its own time was, and not
//! after it came: so the rate does not drift, and 7 of 30 are as even as can be. The frame nearest
//! to that time is taken, which makes 5 of 30 every sixth, however uneven the source is.
//!
//! Not here: what is lost on the way (`pacing`), and the counting (`feed`).

/// A gap of so many periods is no jitter: the source was away.
const AWAY: i128 = 2;
/// A sixteenth of each gap goes into what the usual gap is taken for.
const SMOOTHING: i128 = 16;

/// Picks frames. Times are nanoseconds.
#[derive(Debug, Clone)]
pub(crate) struct Decimation {
    period: i128,
    /// When the next one is to be from; none before the first.
    due: Option<i128>,
    /// When the frame before was captured.
    last: i128,
    /// The usual time from one frame to the next; 0 while unknown.
    gap: i128,
}

impl Decimation {
    /// At most `fps` frames (over 0) for each second of capture.
    pub fn new(fps: f64) -> Self {
        Decimation {
            period: period(fps),
            due: None,
            last: 0,
            gap: 0,
        }
    }

    /// From the next frame on at most so many.
    pub fn set_fps(&mut self, fps: f64) {
        let period = period(fps);
        if let Some(due) = &mut self.due {
            *due += period - self.period;
        }
        self.period = period;
    }

    /// Whether the next frame, captured at this Unix time, is one of them.
    pub fn takes(&mut self, captured_ns: u64) -> bool {
        let now = i128::from(captured_ns);
        let Some(due) = self.due else {
            (self.last, self.due) = (now, Some(now + self.period));
            return true;
        };
        let gap = now - self.last;
        self.last = now;
        if gap > 0 && gap < AWAY * self.period.max(self.gap) {
            self.gap = match self.gap {
                0 => gap,
                usual => usual + (gap - usual) / SMOOTHING,
            };
        }
        // Early by half a gap is nearer than the next frame will be.
        let early = self.gap.min(self.period) / 2;
        let clock_went_back = due - now > self.period + early;
        if now + early < due && !clock_went_back {
            return false;
        }
        // A source slower than this passes whole and owes nothing; after an absence it begins anew.
        let anew = clock_went_back || now - due > self.period;
        self.due = Some(if anew { now } else { due } + self.period);
        true
    }
}

fn period(fps: f64) -> i128 {
    (1e9 / fps) as i128
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const START: u64 = 1_700_000_000 * SECOND;

    /// The numbers of those taken of `count` frames at `rate` a second; `jitter(n)` is in gaps.
    fn taken(fps: f64, rate: f64, count: u64, jitter: impl Fn(u64) -> f64) -> Vec<u64> {
        let mut decimation = Decimation::new(fps);
        let at = |n| ((n as f64 + 1.0 + jitter(n)) / rate * SECOND as f64) as u64;
        (0..count)
            .filter(|&n| decimation.takes(START + at(n)))
            .collect()
    }

    fn gaps(taken: &[u64]) -> Vec<u64> {
        taken.windows(2).map(|two| two[1] - two[0]).collect()
    }

    #[test]
    fn five_of_thirty_is_every_sixth() {
        let smooth = taken(5.0, 30.0, 3000, |_| 0.0);
        assert!(gaps(&smooth).iter().all(|&gap| gap == 6));
        // A third of a gap to and fro, as cameras with long exposures have it.
        let jitter = |n: u64| [0.0, 0.3, -0.3, 0.1, -0.2][(n % 5) as usize];
        let uneven = taken(5.0, 30.0, 3000, jitter);
        assert!(gaps(&uneven).iter().all(|&gap| gap == 6), "{uneven:?}");
    }

    #[test]
    fn seven_of_thirty_is_as_even_as_can_be() {
        let taken = taken(7.0, 30.0, 3001, |_| 0.0);
        assert_eq!(taken.len(), 701);
        for (n, &frame) in taken.iter().enumerate() {
            let ideal = n as f64 * 30.0 / 7.0;
            assert!((frame as f64 - ideal).abs() <= 0.51, "{n}: {frame}");
        }
    }

    #[test]
    fn a_slower_source_passes_whole() {
        for rate in [5.0, 14.9, 15.0] {
            let jitter = |n: u64| [0.0, 0.2, -0.2][(n % 3) as usize];
            assert_eq!(taken(15.0, rate, 1000, jitter).len(), 1000, "{rate}");
        }
    }

    #[test]
    fn no_burst_after_an_absence_and_no_silence_after_a_clock_was_set_back() {
        for step in [100 * SECOND as i64, -(100 * SECOND as i64)] {
            let mut decimation = Decimation::new(5.0);
            let frames = (0..60_u64).map(|n| {
                let at = START + n * SECOND / 30;
                if n < 30 {
                    at
                } else {
                    at.saturating_add_signed(step)
                }
            });
            let taken: Vec<bool> = frames.map(|at| decimation.takes(at)).collect();
            let numbers: Vec<_> = (0..60).filter(|&n| taken[n]).collect();
            assert_eq!(numbers, [0, 6, 12, 18, 24, 30, 36, 42, 48, 54], "{step}");
        }
    }

    proptest! {
        /// The rate is what was asked for or the source's, and no wait is longer than one gap more
        /// than a period.
        #[test]
        fn steady_at_any_rate(fps in 0.2_f64..200.0, rate in 1.0_f64..240.0, jitter in 0.0_f64..0.2) {
            let count = 2000;
            let noise = |n: u64| jitter * ((n * 7919 % 200) as f64 / 100.0 - 1.0);
            let taken = taken(fps, rate, count, noise);
            let ideal = (count as f64 * (fps / rate).min(1.0)).ceil();
            prop_assert!((taken.len() as f64 - ideal).abs() <= 2.0 + ideal / 500.0, "{} {ideal}", taken.len());
            let most = (rate / fps).max(1.0).ceil() as u64 + 1;
            prop_assert!(gaps(&taken).iter().all(|&gap| gap <= most));
        }

        #[test]
        fn whatever_the_times(fps in 0.01_f64..1000.0, times in prop::collection::vec(any::<u64>(), 0..100)) {
            let mut decimation = Decimation::new(fps);
            for time in times {
                decimation.takes(time);
            }
        }
    }
}
