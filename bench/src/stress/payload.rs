//! What frame `id` of run `epoch` holds: every byte, the length and the meta data are a function
//! of the two, so that a reader needs nothing but a frame to know whether it is whole.
//!
//! Not here: which frames are asked for, and in which order they may come (`order`).

use shm_ring::{FrameInfo, FrameMeta};

use crate::random::mix;

/// The odd number nearest to 2^64 over the golden ratio: multiples of it do not repeat.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Bytes of the frame, of at most `max`: mostly 10 to 100 kB, some a few bytes, some up to `max`.
pub fn len(id: u64, epoch: u64, max: usize) -> usize {
    let seed = seed(id, epoch);
    let between = |low: usize, high: usize| low + (mix(seed) % (high - low + 1) as u64) as usize;
    match seed % 16 {
        0 => between(1, 64.min(max)),
        1 => between(1, max),
        _ => between(10_000.min(max), 100_000.min(max)),
    }
}

/// The frame's meta data.
pub fn meta(id: u64, epoch: u64) -> FrameMeta {
    let seed = seed(id, epoch);
    FrameMeta {
        format: ((seed >> 7) as u32).to_ne_bytes(),
        width: (seed >> 11) as u32,
        height: (seed >> 13) as u32,
        flags: (seed >> 17) as u32,
        sequence: mix(seed),
        captured_ns: mix(seed ^ 1),
    }
}

/// Replaces `out` with the frame's bytes.
pub fn fill(id: u64, epoch: u64, max: usize, out: &mut Vec<u8>) {
    let seed = seed(id, epoch);
    out.resize(len(id, epoch, max), 0);
    let (words, tail) = out.as_chunks_mut::<8>();
    let after = word(seed, words.len()).to_ne_bytes();
    for (index, to) in words.iter_mut().enumerate() {
        *to = word(seed, index).to_ne_bytes();
    }
    tail.copy_from_slice(&after[..tail.len()]);
}

/// What is wrong with a frame that a reader took for whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Length or meta data are not the frame's.
    Info,
    /// The first 8 bytes that are not the frame's begin here.
    Bytes { at: usize },
}

/// Verifies every byte, the length and the meta data of a frame.
pub fn verify(info: &FrameInfo, max: usize, bytes: &[u8]) -> Result<(), Wrong> {
    let seed = seed(info.id, info.epoch);
    let right = len(info.id, info.epoch, max);
    if info.len != right || bytes.len() != right || info.meta != meta(info.id, info.epoch) {
        return Err(Wrong::Info);
    }
    let (words, tail) = bytes.as_chunks::<8>();
    let differs = |index: usize, bytes: &[u8; 8]| u64::from_ne_bytes(*bytes) ^ word(seed, index);
    // Without a branch a word, so that it runs at the memory's speed.
    let difference = words.iter().enumerate();
    let difference = difference.fold(0, |sum, (index, bytes)| sum | differs(index, bytes));
    if difference != 0 {
        let mut words = words.iter().enumerate();
        let at = words.position(|(index, bytes)| differs(index, bytes) != 0);
        return Err(Wrong::Bytes {
            at: 8 * at.unwrap_or_default(),
        });
    }
    if *tail != word(seed, words.len()).to_ne_bytes()[..tail.len()] {
        return Err(Wrong::Bytes {
            at: 8 * words.len(),
        });
    }
    Ok(())
}

fn seed(id: u64, epoch: u64) -> u64 {
    mix(mix(id) ^ epoch)
}

/// A Weyl sequence, with its high half folded into the low one.
fn word(seed: u64, index: usize) -> u64 {
    let word = seed.wrapping_add(STEP.wrapping_mul(index as u64));
    word ^ (word >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 256 << 10;

    fn frame(id: u64) -> (FrameInfo, Vec<u8>) {
        let mut bytes = Vec::new();
        fill(id, 7, MAX, &mut bytes);
        let info = FrameInfo {
            id,
            len: bytes.len(),
            epoch: 7,
            published_ns: 0,
            meta: meta(id, 7),
        };
        (info, bytes)
    }

    #[test]
    fn sizes_go_from_one_byte_to_the_largest() {
        let sizes: Vec<usize> = (1..20_000).map(|id| len(id, 7, MAX)).collect();
        assert_eq!(sizes.iter().min(), Some(&1));
        assert!(*sizes.iter().max().unwrap() > MAX - MAX / 100);
        let most = sizes.iter().filter(|len| (10_000..=100_000).contains(*len));
        assert!(most.count() > sizes.len() * 8 / 10);
        assert!((1..2000).all(|id| (1..=3).contains(&len(id, 7, 3))));
    }

    #[test]
    fn any_one_byte_that_is_another_frames_is_found() {
        for id in 1..40 {
            let (info, bytes) = frame(id);
            assert_eq!(verify(&info, MAX, &bytes), Ok(()));
            for at in [0, bytes.len() / 2, bytes.len() - 1] {
                let mut torn = bytes.clone();
                torn[at] ^= 1;
                let found = Err(Wrong::Bytes { at: at / 8 * 8 });
                assert_eq!(verify(&info, MAX, &torn), found);
            }
        }
    }

    #[test]
    fn another_frames_bytes_or_meta_are_found() {
        let (info, bytes) = frame(1);
        let (other, _) = frame(2);
        let meta = FrameInfo {
            meta: other.meta,
            ..info
        };
        assert_eq!(verify(&meta, MAX, &bytes), Err(Wrong::Info));
        let again = FrameInfo { epoch: 8, ..info };
        assert_eq!(verify(&again, MAX, &bytes), Err(Wrong::Info));
    }
}
