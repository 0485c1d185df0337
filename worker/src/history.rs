//! The last minutes: a sample for each second, kept on the board by the supervisor. So it outlives every
//! worker, and is read like the rest of the board, also where the supervisor is gone.
//!
//! What a sample is, [`Sampler`] decides, without a clock. Not here: where the counts come from (`board`).

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Samples that are held: five minutes.
pub const HELD: usize = 300;
/// Between two of them.
pub const INTERVAL: Duration = Duration::from_secs(1);
/// One more than are held: the one that is written over counts no more.
const PLACES: u64 = HELD as u64 + 1;

/// What happened in one second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 4]", into = "[u64; 4]")]
pub struct Sample {
    /// Frames captured.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Unexpected deaths of workers.
    pub restarts: u64,
    /// Streams at its end.
    pub viewers: u64,
}

impl From<Sample> for [u64; 4] {
    fn from(sample: Sample) -> Self {
        [sample.frames, sample.bytes, sample.restarts, sample.viewers]
    }
}

impl From<[u64; 4]> for Sample {
    fn from([frames, bytes, restarts, viewers]: [u64; 4]) -> Self {
        Sample {
            frames,
            bytes,
            restarts,
            viewers,
        }
    }
}

/// The samples as they lie in shared memory. One process writes.
#[repr(C, align(64))]
pub(crate) struct Samples {
    /// How many were ever written; sample `n` lies in place `n % PLACES`.
    written: AtomicU64,
    /// Unix seconds: the end of the newest.
    now: AtomicU64,
    places: [[AtomicU64; 4]; PLACES as usize],
}

impl Samples {
    /// Adds one that ended then.
    pub fn push(&self, sample: Sample, now: u64) {
        let written = self.written.load(Relaxed);
        // As in the ring: who sees any of what follows sees that what was here counts no more.
        fence(Release);
        let place = &self.places[(written % PLACES) as usize];
        for (word, value) in place.iter().zip(<[u64; 4]>::from(sample)) {
            word.store(value, Relaxed);
        }
        self.now.store(now, Relaxed);
        self.written.store(written.wrapping_add(1), Release);
    }

    /// The samples held, and when the newest ended.
    pub fn read(&self) -> History {
        let end = self.written.load(Acquire);
        let now = self.now.load(Relaxed);
        let mut samples: Vec<Sample> = (end.saturating_sub(HELD as u64)..end)
            .map(|n| {
                let place = &self.places[(n % PLACES) as usize];
                place.each_ref().map(|word| word.load(Relaxed)).into()
            })
            .collect();
        fence(Acquire);
        let overwritten = self.written.load(Relaxed).saturating_sub(end);
        samples.drain(..samples.len().min(overwritten as usize));
        History {
            interval_s: INTERVAL.as_secs(),
            now,
            samples,
        }
    }
}

/// The last minutes, as `GET /history` shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct History {
    /// Seconds from one sample to the next.
    pub interval_s: u64,
    /// Unix seconds: the end of the newest sample.
    pub now: u64,
    /// `[frames, bytes, restarts, viewers]`, the oldest first.
    pub samples: Vec<Sample>,
}

/// Counts that only rise, and who watches.
pub type Counts = Sample;

/// Makes samples of counts, one for each whole second since the beginning.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sampler {
    /// Seconds of which there are samples.
    sampled: u64,
    last: Counts,
}

impl Sampler {
    /// The samples of the seconds that are over since the last call, of what was counted by now. Of a
    /// supervisor that was held up for longer than a second nobody knows what happened when: each of those
    /// seconds has its share.
    pub fn tick(&mut self, now: Duration, counts: Counts) -> Vec<Sample> {
        let seconds = now.as_secs().saturating_sub(self.sampled);
        if seconds == 0 {
            return Vec::new();
        }
        let last = std::mem::replace(&mut self.last, counts);
        self.sampled = now.as_secs();
        let share = |now: u64, last: u64, nth: u64| {
            let rise = u128::from(now.saturating_sub(last));
            let until = |nth: u64| (rise * u128::from(nth) / u128::from(seconds)) as u64;
            until(nth + 1) - until(nth)
        };
        // What is older than all that are held would only be written over.
        (seconds.saturating_sub(HELD as u64)..seconds)
            .map(|nth| Sample {
                frames: share(counts.frames, last.frames, nth),
                bytes: share(counts.bytes, last.bytes, nth),
                restarts: share(counts.restarts, last.restarts, nth),
                viewers: counts.viewers,
            })
            .collect()
    }

    /// How long until a second is over.
    pub fn sleep(&self, now: Duration) -> Duration {
        Duration::from_secs(self.sampled + 1).saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(frames: u64, restarts: u64) -> Counts {
        Counts {
            frames,
            bytes: frames * 1000,
            restarts,
            viewers: 2,
        }
    }

    #[test]
    fn a_second_is_what_was_counted_in_it() {
        let mut sampler = Sampler::default();
        let ms = Duration::from_millis;
        assert_eq!(sampler.tick(ms(999), counts(29, 0)), []);
        assert_eq!(sampler.sleep(ms(999)), ms(1));
        assert_eq!(sampler.tick(ms(1001), counts(30, 0)), [counts(30, 0)]);
        assert_eq!(sampler.tick(ms(1500), counts(45, 0)), []);
        assert_eq!(sampler.sleep(ms(1500)), ms(500));
        assert_eq!(sampler.tick(ms(2000), counts(61, 1)), [counts(31, 1)]);
    }

    #[test]
    fn held_up_seconds_have_a_share_each_and_nothing_is_lost() {
        let mut sampler = Sampler::default();
        let samples = sampler.tick(Duration::from_millis(3900), counts(100, 1));
        let of = |of: fn(&Sample) -> u64| samples.iter().map(of).collect::<Vec<_>>();
        assert_eq!(of(|s| s.frames), [33, 33, 34]);
        assert_eq!(of(|s| s.restarts).iter().sum::<u64>(), 1);
        assert_eq!(of(|s| s.viewers), [2, 2, 2]);
        let long = sampler.tick(Duration::from_secs(100_000), counts(100, 1));
        assert_eq!(long.len(), HELD);
        // A count that fell, which none does, is no rise.
        let fallen = sampler.tick(Duration::from_secs(100_001), counts(0, 0));
        assert_eq!(fallen, [counts(0, 0)]);
    }

    fn empty() -> Box<Samples> {
        Box::new(Samples {
            written: AtomicU64::new(0),
            now: AtomicU64::new(0),
            places: [const { [const { AtomicU64::new(0) }; 4] }; PLACES as usize],
        })
    }

    #[test]
    fn the_newest_are_held_the_oldest_first() {
        let samples = empty();
        assert_eq!(samples.read().samples, []);
        for n in 0..2 * PLACES {
            samples.push(counts(n, 0), 1000 + n);
            let History { now, samples, .. } = samples.read();
            assert_eq!(now, 1000 + n);
            assert_eq!(samples.len() as u64, (n + 1).min(HELD as u64));
            let frames = samples.iter().map(|sample| sample.frames);
            assert!(frames.rev().eq((0..=n).rev().take(HELD)));
        }
    }

    #[test]
    fn as_json() {
        let samples = empty();
        samples.push(counts(30, 0), 7);
        let json = serde_json::to_string(&samples.read()).unwrap();
        let want = "{\"interval_s\":1,\"now\":7,\"samples\":[[30,30000,0,2]]}";
        assert_eq!(json, want);
    }
}
