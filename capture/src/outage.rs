//! What to tell, and when, of a source that fails: pure decisions over a clock that is passed in.
//!
//! Not here: the waiting, the ring's state, the log itself (all in [`crate::run`]).

use std::time::{Duration, Instant};

/// How long after a failure the source is opened anew.
pub const RETRY: Duration = Duration::from_secs(1);

/// How often a lasting outage is logged.
const REMIND: Duration = Duration::from_secs(60);

/// How long an open source may yield nothing that can be published before that is an outage.
/// Longer than the slowest beat (1 fps), and than a camera waits before it says so itself.
const SILENCE: Duration = Duration::from_secs(5);

/// Remembers an outage, so that it is logged once and then once a minute, also where the source
/// comes and goes every second.
#[derive(Debug, Default)]
pub struct Outage {
    told: Option<(String, Instant)>,
    /// Since when it lasts, and whether it was told of.
    current: Option<(Instant, bool)>,
}

impl Outage {
    /// Takes note of a failure; says whether to log it.
    pub fn fail(&mut self, reason: &str, now: Instant) -> bool {
        let current = self.current.get_or_insert((now, false));
        let tell = match &self.told {
            Some((told, at)) => told != reason || now.duration_since(*at) >= REMIND,
            None => true,
        };
        if tell {
            self.told = Some((reason.to_owned(), now));
            current.1 = true;
        }
        tell
    }

    /// Takes note of a published frame; says how long the outage lasted if that is worth a line,
    /// which it is when its beginning was.
    pub fn end(&mut self, now: Instant) -> Option<Duration> {
        let (since, told) = self.current.take()?;
        told.then(|| now.duration_since(since))
    }

    /// Nobody wants the source for now: whether it would work, nobody knows.
    pub fn forget(&mut self) {
        self.current = None;
    }
}

/// Whether an open source that last gave a frame at `last` has been silent for too long.
pub fn is_silent(last: Instant, now: Instant) -> bool {
    now.saturating_duration_since(last) >= SILENCE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn is_told_once_and_then_once_a_minute() {
        let start = Instant::now();
        let mut outage = Outage::default();
        let told: Vec<u64> = (0..=180)
            .filter(|s| outage.fail("busy", start + secs(*s)))
            .collect();
        assert_eq!(told, [0, 60, 120, 180]);
    }

    #[test]
    fn another_reason_is_news() {
        let start = Instant::now();
        let mut outage = Outage::default();
        assert!(outage.fail("unplugged", start));
        assert!(outage.fail("missing", start + secs(1)));
        assert!(!outage.fail("missing", start + secs(2)));
        assert_eq!(outage.end(start + secs(3)), Some(secs(3)));
    }

    #[test]
    fn a_source_that_comes_and_goes_is_told_once_a_minute_too() {
        let start = Instant::now();
        let mut outage = Outage::default();
        let mut lines = 0;
        for s in 0..60 {
            let now = start + secs(s);
            lines += u32::from(outage.fail("unplugged", now));
            lines += u32::from(outage.end(now).is_some());
        }
        assert_eq!(lines, 2);
        assert!(outage.fail("unplugged", start + secs(60)));
    }

    #[test]
    fn a_rest_is_no_part_of_an_outage() {
        let start = Instant::now();
        let mut outage = Outage::default();
        assert!(outage.fail("unplugged", start));
        outage.forget();
        assert_eq!(outage.end(start + secs(3600)), None);
        assert!(outage.fail("unplugged", start + secs(3601)));
        assert_eq!(outage.end(start + secs(3602)), Some(secs(1)));
    }

    #[test]
    fn without_an_outage_there_is_no_end_of_one() {
        assert_eq!(Outage::default().end(Instant::now()), None);
    }

    #[test]
    fn a_source_at_one_frame_a_second_is_not_silent() {
        let start = Instant::now();
        assert!(!is_silent(start, start + secs(2)));
        assert!(is_silent(start, start + secs(5)));
    }
}
