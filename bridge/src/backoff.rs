//! When to connect again. Pure.

use std::time::Duration;

/// After the first failure; doubled with each.
const FIRST: Duration = Duration::from_millis(100);
/// A broker that is back has frames again within about so long.
const LAST: Duration = Duration::from_secs(1);
/// A broker that said no is asked again so soon, at least and at most.
const REFUSED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// Failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Backoff(u32);

impl Backoff {
    /// It failed again; says how long to wait. `refused`: the broker is there and said no.
    pub fn failed(&mut self, refused: bool) -> Duration {
        let doubled = |first: Duration| first.saturating_mul(1 << self.0.min(16));
        let wait = match refused {
            true => doubled(REFUSED.0).min(REFUSED.1),
            false => doubled(FIRST).min(LAST),
        };
        self.0 = self.0.saturating_add(1);
        wait
    }

    /// A frame was confirmed: a connection alone is no success.
    pub fn worked(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubled_up_to_a_second_or_five() {
        let waits = |refused| {
            let mut backoff = Backoff::default();
            let waits: Vec<_> = (0..7)
                .map(|_| backoff.failed(refused).as_millis())
                .collect();
            backoff.worked();
            assert_eq!(backoff.failed(refused).as_millis(), waits[0]);
            waits
        };
        assert_eq!(waits(false), [100, 200, 400, 800, 1000, 1000, 1000]);
        assert_eq!(waits(true), [1000, 2000, 4000, 5000, 5000, 5000, 5000]);
        let mut old = Backoff(u32::MAX);
        assert_eq!(old.failed(false), LAST);
    }
}
