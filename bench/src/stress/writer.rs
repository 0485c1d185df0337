//! The writer: takes the ring over and publishes at full speed until it is killed.

use std::sync::atomic::Ordering::Relaxed;

use anyhow::Result;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use shm_ring::Ring;
use shm_ring::clock::monotonic_ns;

use crate::payload;
use crate::tally::{Gaps, Writes, add};

pub fn run(ring: &Ring, max: usize, tally: &Writes) -> Result<()> {
    let mut writer = ring.writer()?;
    if writer.next_id() != tally.left.load(Relaxed) + 1 {
        add(&tally.violations, 1);
    }
    let epoch = writer.epoch();
    let mut bytes = Vec::with_capacity(max);
    // None before the first frame: up to that it is the takeover, which is measured elsewhere.
    let mut last: Option<(u64, Pulse)> = None;
    loop {
        let id = writer.next_id();
        payload::fill(id, epoch, max, &mut bytes);
        tally.begun.store(id, Relaxed);
        writer.publish(&bytes, &payload::meta(id, epoch))?;
        tally.done.store(id, Relaxed);

        // Asked before a gap begins and after it has ended: no stop falls in between unseen.
        let stops = tally.stops.load(Relaxed);
        let now = Pulse::take()?;
        let stops_after = tally.stops.load(Relaxed);
        if let Some((stops_before, before)) = last.replace((stops, now))
            && stops_before == stops_after
            && stops_after.is_multiple_of(2)
        {
            now.count_since(before, &tally.gaps);
        }
    }
}

/// Looks at the clock, and at nothing else, until it is killed.
pub fn bystand(gaps: &Gaps) -> Result<()> {
    let mut before = Pulse::take()?;
    loop {
        let now = Pulse::take()?;
        now.count_since(before, gaps);
        before = now;
    }
}

/// A moment in this thread's life, as `getrusage(2)` and the clock see it.
#[derive(Clone, Copy)]
struct Pulse {
    ns: u64,
    /// Processor time used until then; a scheduler's tick may be missing.
    used_ns: u64,
    /// Times that the thread gave the processor up by itself, to wait for something.
    sleeps: i64,
}

impl Pulse {
    fn take() -> nix::Result<Pulse> {
        let usage = getrusage(UsageWho::RUSAGE_THREAD)?;
        let used = usage.user_time() + usage.system_time();
        Ok(Pulse {
            ns: monotonic_ns(),
            used_ns: used.num_microseconds().unsigned_abs() * 1000,
            sleeps: usage.voluntary_context_switches(),
        })
    }

    fn count_since(self, before: Pulse, gaps: &Gaps) {
        let ns = self.ns - before.ns;
        gaps.add(ns, self.own_ns(before));
    }

    /// What of the time since `before` the thread has to answer for: its work, and all of it if
    /// it waited. In the rest the machine ran others.
    fn own_ns(self, before: Pulse) -> u64 {
        if self.sleeps == before.sleeps {
            self.used_ns.saturating_sub(before.used_ns)
        } else {
            self.ns - before.ns
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_answers_for_its_work_and_its_waits() {
        let pulse = |ns, used_ns, sleeps| Pulse {
            ns,
            used_ns,
            sleeps,
        };
        let before = pulse(100, 50, 3);
        assert_eq!(pulse(140, 55, 3).own_ns(before), 5);
        assert_eq!(pulse(140, 55, 4).own_ns(before), 40);
    }
}
