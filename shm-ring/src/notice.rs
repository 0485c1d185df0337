//! A short text with a tag and a stamp, replaced as a whole: how a status is shared.
//!
//! Two slots; the word names the valid one. Whoever replaces the notice writes the other slot
//! and then the word, so a writer that dies in between leaves the old notice whole.
//!
//! Not for anything frequent or large: bytes are copied one by one.

use crate::sync::{Acquire, AtomicU8, AtomicU32, AtomicU64, Relaxed, Release, acquire, fence};

/// A replaceable notice of at most `N` bytes of text, in shared memory. All zero: no notice.
#[repr(C)]
pub struct Notice<const N: usize> {
    /// Generation in the upper 56 bits, tag in the lower 8.
    word: AtomicU64,
    slots: [Slot<N>; 2],
}

#[repr(C)]
struct Slot<const N: usize> {
    stamp: AtomicU64,
    len: AtomicU32,
    bytes: [AtomicU8; N],
}

/// Tries before a reader gives up on a notice that changes all the time.
const TRIES: usize = 32;

impl<const N: usize> Notice<N> {
    /// Elsewhere a notice is shared memory, all zero.
    #[cfg(test)]
    pub(crate) fn empty() -> Notice<N> {
        let slot = || Slot {
            stamp: AtomicU64::new(0),
            len: AtomicU32::new(0),
            bytes: std::array::from_fn(|_| AtomicU8::new(0)),
        };
        Notice {
            word: AtomicU64::new(0),
            slots: [slot(), slot()],
        }
    }

    /// What is read back of a text: without control characters, cut at a character's boundary.
    pub fn fitted(text: &str) -> String {
        let mut fitted: String = text.chars().filter(|c| !c.is_control()).collect();
        let end = (0..=fitted.len().min(N)).rfind(|&end| fitted.is_char_boundary(end));
        fitted.truncate(end.unwrap_or(0));
        fitted
    }

    /// Replaces the notice. Only one thread of all processes may do so at a time. Text over `N`
    /// bytes is cut at a character's boundary.
    pub fn replace(&self, tag: u8, stamp: u64, text: &str) {
        let generation = (self.word.load(Relaxed) >> 8).wrapping_add(1);
        // Pairs with the acquire fence in `read`: who sees a byte of this text sees the word
        // that made this slot the invalid one.
        fence(Release);
        let slot = &self.slots[(generation % 2) as usize];
        let text = Self::fitted(text);
        slot.stamp.store(stamp, Relaxed);
        slot.len.store(text.len() as u32, Relaxed);
        for (to, from) in slot.bytes.iter().zip(text.bytes()) {
            to.store(from, Relaxed);
        }
        // Pairs with the acquire load in `read`: who sees this word sees the slot's bytes.
        self.word.store(generation << 8 | u64::from(tag), Release);
    }

    /// Tag, stamp and text. `None` where it changed under every try, or is no text: whoever
    /// wrote it, control characters do not come through.
    pub fn read(&self) -> Option<(u8, u64, String)> {
        for _ in 0..TRIES {
            let word = acquire(&self.word); // pairs with the release store in `replace`
            let slot = &self.slots[((word >> 8) % 2) as usize];
            let stamp = slot.stamp.load(Relaxed);
            let len = slot.len.load(Relaxed) as usize;
            let bytes: Vec<u8> = slot
                .bytes
                .iter()
                .take(len)
                .map(|byte| byte.load(Relaxed))
                .collect();
            fence(Acquire); // pairs with the release fence in `replace`
            if self.word.load(Relaxed) != word {
                continue;
            }
            let mut text = String::from_utf8(bytes).ok()?;
            text.retain(|c| !c.is_control());
            return Some((word as u8, stamp, text));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_cuts_and_cleans() {
        let notice = Notice::<8>::empty();
        assert_eq!(notice.read(), Some((0, 0, String::new())));
        notice.replace(3, 7, "no\nsig");
        assert_eq!(notice.read(), Some((3, 7, "nosig".into())));
        notice.replace(4, 8, "1234567é");
        assert_eq!(notice.read(), Some((4, 8, "1234567".into())));
        assert_eq!(Notice::<8>::fitted("1\t234567é"), "1234567");
    }

    #[test]
    fn a_reader_never_sees_half_a_notice() {
        let notice = Notice::<64>::empty();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..200_000u64 {
                    let letter = char::from(b'a' + (n % 26) as u8);
                    let text = letter.to_string().repeat((n % 64) as usize);
                    notice.replace((n % 26) as u8, n, &text);
                }
            });
            for _ in 0..50_000 {
                if let Some((tag, stamp, text)) = notice.read() {
                    assert_eq!(u64::from(tag), stamp % 26);
                    assert_eq!(text.len() as u64, stamp % 64);
                    assert!(text.bytes().all(|b| b == b'a' + tag));
                }
            }
        });
    }

    #[test]
    fn hostile_lengths_and_bytes_are_no_text() {
        let notice = Notice::<4>::empty();
        notice.slots[0].len.store(u32::MAX, Relaxed);
        notice.slots[0].bytes[0].store(0xff, Relaxed);
        assert_eq!(notice.read(), None);
    }
}
