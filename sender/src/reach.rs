//! How far back a ring reaches, and how large it would have to be to reach further.
//!
//! Not here: what to do about a frame that is gone.

use shm_ring::{MAX_ARENA, MAX_DESCRIPTORS, Offset, Reader};
use worker::status;

const MIB: u128 = 1 << 20;

/// A ring's reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    /// From the oldest frame to the newest, nanoseconds.
    held_ns: u64,
    /// The `--ring` that would have held what was asked for, MiB; none where no ring would.
    needed_mib: Option<u64>,
}

impl Reach {
    /// Of a ring of which `asked` is overwritten.
    pub fn of(ring: &Reader, asked: Offset) -> Reach {
        let bounds = ring.bounds();
        let Some((oldest, newest)) = status::published(ring) else {
            return Reach {
                held_ns: 0,
                needed_mib: None,
            };
        };
        let held_ns = newest.saturating_sub(oldest);
        let next = bounds.head.saturating_add(1);
        let frames = next.saturating_sub(bounds.oldest);
        let (asked, held) = match asked {
            Offset::Id(id) => (next.saturating_sub(id), frames),
            Offset::Time(time) => (newest.saturating_sub(time), held_ns),
            Offset::First | Offset::Last | Offset::Next => (0, 0),
        };
        Reach {
            held_ns,
            needed_mib: needed(ring.arena(), frames, asked, held),
        }
    }

    /// What is held, seconds.
    fn held_s(&self) -> f64 {
        self.held_ns as f64 / 1e9
    }

    /// The `--ring` that would have done, as it is written on the command line.
    fn ring(&self) -> Option<String> {
        self.needed_mib.map(|mib| format!("{mib}M"))
    }

    /// For the head of an answer that begins with the oldest frame instead.
    pub fn headers(&self) -> String {
        let mut lines = format!("X-Seqcast-Held: {:.3}\r\n", self.held_s());
        if let Some(ring) = self.ring() {
            lines += &format!("X-Seqcast-Ring: {ring}\r\n");
        }
        lines
    }

    /// For the person who asked.
    pub fn sentence(&self) -> String {
        let held = self.held_s();
        match self.ring() {
            Some(ring) => format!(
                "The ring holds the last {held:.1} s and nothing older: start seqcast with \
                 --ring {ring} to reach that far."
            ),
            None => format!("The ring holds the last {held:.1} s; no ring reaches that far."),
        }
    }
}

/// MiB that hold `asked` where `arena` bytes and as many frames hold `held`, with a tenth to spare,
/// since frames differ.
fn needed(arena: u64, frames: u64, asked: u64, held: u64) -> Option<u64> {
    let scale = |amount: u64| u128::from(amount) * u128::from(asked) / u128::from(held.max(1));
    let bytes = scale(arena) * 11 / 10;
    let mib = u64::try_from(bytes.div_ceil(MIB)).ok()?;
    let largest = MAX_ARENA >> 20;
    (held > 0 && mib <= largest && scale(frames) <= u128::from(MAX_DESCRIPTORS)).then_some(mib)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_proportion_and_a_tenth_more() {
        assert_eq!(needed(16 << 20, 300, 30, 10), Some(53));
        assert_eq!(needed(16 << 20, 300, 11, 10), Some(20));
        assert_eq!(needed(64 << 10, 8, 2, 1), Some(1));
    }

    #[test]
    fn not_what_no_ring_holds() {
        assert_eq!(needed(16 << 20, 300, 10_000, 10), None, "too many frames");
        assert_eq!(needed(1 << 40, 300, u64::MAX, 1), None);
        assert_eq!(needed(16 << 20, 1, 10, 0), None);
    }

    #[test]
    fn said() {
        let reach = Reach {
            held_ns: 12_345_000_000,
            needed_mib: Some(48),
        };
        assert_eq!(
            reach.sentence(),
            "The ring holds the last 12.3 s and nothing older: start seqcast with --ring 48M to \
             reach that far."
        );
    }
}
