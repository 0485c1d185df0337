//! Percentiles in bounded memory: a log-linear histogram (64 linear steps per power of two, as in
//! HdrHistogram), so that a value is known to within 1 % whatever its size, in 7 KB.
//!
//! Not here: what the values mean.

/// Steps per power of two: 64.
const STEP_BITS: u32 = 6;
const STEPS: usize = 1 << STEP_BITS;
/// Values from 2³² on (71 minutes in microseconds) count as 2³² − 1.
const MAX: u64 = u32::MAX as u64;
const BUCKETS: usize = STEPS * (32 - STEP_BITS as usize + 1);

/// Counts of microseconds.
#[derive(Clone)]
pub struct Histogram {
    counts: Box<[u32; BUCKETS]>,
    total: u64,
}

impl Histogram {
    pub fn new() -> Self {
        Self {
            counts: Box::new([0; BUCKETS]),
            total: 0,
        }
    }

    pub fn record(&mut self, us: u64) {
        let count = &mut self.counts[bucket(us)];
        *count = count.saturating_add(1);
        self.total += 1;
    }

    /// The smallest value that `percent` (above 0, to 100) of all values do not exceed; the
    /// middle of its step. None of nothing.
    pub fn percentile(&self, percent: f64) -> Option<u64> {
        let rank = (self.total as f64 * percent / 100.0).ceil() as u64;
        let mut seen = 0;
        let found = self.counts.iter().position(|&count| {
            seen += u64::from(count);
            seen >= rank && seen > 0
        })?;
        let (low, width) = range(found);
        Some(low + width / 2)
    }
}

/// Below 128 a bucket per value; above, the top seven bits of the value say which.
fn bucket(us: u64) -> usize {
    let us = us.min(MAX);
    let octave = (us | STEPS as u64).ilog2() - STEP_BITS;
    octave as usize * STEPS + (us >> octave) as usize
}

/// The lowest value of a bucket, and how many values share it.
fn range(bucket: usize) -> (u64, u64) {
    let octave = (bucket / STEPS).saturating_sub(1);
    let step = bucket - octave * STEPS;
    ((step as u64) << octave, 1 << octave)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn is_empty_at_first() {
        assert_eq!(Histogram::new().percentile(50.0), None);
    }

    #[test]
    fn covers_every_value_once() {
        let mut next = 0;
        for index in 0..BUCKETS {
            let (low, width) = range(index);
            assert_eq!(low, next);
            assert_eq!(bucket(low), index);
            assert_eq!(bucket(low + width - 1), index);
            next = low + width;
        }
        assert_eq!(next, MAX + 1);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    proptest! {
        #[test]
        fn is_right_to_one_percent(values in prop::collection::vec(0u64..10_000_000, 1..200),
                                   percent in 1u32..=100) {
            let mut histogram = Histogram::new();
            values.iter().for_each(|&value| histogram.record(value));
            let mut sorted = values;
            sorted.sort_unstable();
            let percent = f64::from(percent);
            let rank = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
            let exact = sorted[rank - 1] as f64;
            let got = histogram.percentile(percent).unwrap() as f64;
            prop_assert!((got - exact).abs() <= 0.01 * exact, "{got} for {exact}");
        }
    }
}
