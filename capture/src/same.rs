//! `--drop-same N`: whether a picture is the one before it again, byte for byte, and may be left out.
//! HDMI grabbers repeat a frame where the picture stands still.
//!
//! Not here: the counting of what is left out.

use std::time::{Duration, Instant};

/// However many in a row: so often a picture goes out. Viewers take longer silence for a lost signal
/// (the senders' patience is 1 s at least, and twice the last gap).
const LONGEST: Duration = Duration::from_millis(500);

/// Compares picture with picture.
#[derive(Debug)]
pub(crate) struct Same {
    most: u32,
    /// Left out since the last one that was not.
    left_out: u32,
    /// The last one that was not, and when; empty at first.
    last: Vec<u8>,
    shown: Option<Instant>,
}

impl Same {
    /// Leaves out at most `most` in a row; 0: none, and nothing is kept or compared.
    pub(crate) fn new(most: u32) -> Same {
        Same {
            most,
            left_out: 0,
            last: Vec::new(),
            shown: None,
        }
    }

    /// The next one is shown whatever it is: the source was opened anew.
    pub(crate) fn forget(&mut self) {
        self.shown = None;
    }

    /// Whether to leave this one out.
    pub(crate) fn drops(&mut self, picture: &[u8], now: Instant) -> bool {
        if self.most == 0 {
            return false;
        }
        let fresh = |at: Instant| now.saturating_duration_since(at) < LONGEST;
        // Slices of different lengths are not compared further.
        let same = picture == self.last;
        if same && self.left_out < self.most && self.shown.is_some_and(fresh) {
            self.left_out += 1;
            return true;
        }
        if !same {
            self.last.clear();
            self.last.extend_from_slice(picture);
        }
        (self.left_out, self.shown) = (0, Some(now));
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the pictures, 10 ms apart, are left out.
    fn dropped(most: u32, pictures: &[&[u8]]) -> Vec<bool> {
        let (mut same, start) = (Same::new(most), Instant::now());
        let at = |n| start + Duration::from_millis(10) * n;
        let each = pictures.iter().zip(0..);
        each.map(|(picture, n)| same.drops(picture, at(n)))
            .collect()
    }

    #[test]
    fn off_it_drops_nothing_and_keeps_nothing() {
        assert_eq!(dropped(0, &[b"a", b"a"]), [false, false]);
        let mut same = Same::new(0);
        same.drops(b"a", Instant::now());
        assert_eq!(same.last.capacity(), 0);
    }

    #[test]
    fn at_most_so_many_in_a_row() {
        let a: &[u8] = b"a";
        let wanted = [false, true, true, false, true, true, false];
        assert_eq!(dropped(2, &[a; 7]), wanted);
    }

    #[test]
    fn another_picture_always_passes() {
        let pictures: [&[u8]; 6] = [b"a", b"ab", b"ab", b"aa", b"ab", b"ab"];
        assert_eq!(
            dropped(9, &pictures),
            [false, false, true, false, false, true]
        );
    }

    #[test]
    fn viewers_get_one_twice_a_second_all_the_same() {
        let a: &[u8] = b"a";
        let passed = dropped(1000, &[a; 200]).iter().filter(|d| !**d).count();
        assert_eq!(passed, 4); // in 2 s
    }
}
