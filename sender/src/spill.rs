//! The rest of a part that the socket did not take at once: private bytes, sent as it drains.
//!
//! Not here: where the bytes come from, and whether they are whole.

use std::io::{self, IoSlice, Write};

use crate::convert::Shared;

/// Bytes on their way out; the buffers are kept from one part to the next.
#[derive(Debug, Default)]
pub(crate) struct Spill {
    head: Vec<u8>,
    /// Behind the head, a picture that others may be sending, too.
    picture: Option<Shared>,
    tail: Vec<u8>,
    sent: usize,
}

impl Spill {
    /// Whether all is out.
    pub fn is_empty(&self) -> bool {
        self.pieces().iter().map(|piece| piece.len()).sum::<usize>() == self.sent
    }

    /// Forgets what is left and lends the buffer for the next rest.
    pub fn refill(&mut self) -> &mut Vec<u8> {
        self.sent = 0;
        self.head.clear();
        self.picture = None;
        self.tail.clear();
        &mut self.head
    }

    /// What is in the buffer, of which nothing was sent yet.
    pub fn head(&mut self) -> &mut Vec<u8> {
        &mut self.head
    }

    /// Puts a picture behind what is in the buffer.
    pub fn set_picture(&mut self, picture: Shared) {
        self.picture = Some(picture);
    }

    /// A buffer for more behind all that is left.
    pub fn more(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    /// Writes as much as `out` takes in one call, and says how much.
    ///
    /// # Errors
    /// Those of the call.
    pub fn write_to(&mut self, mut out: impl Write) -> io::Result<usize> {
        let mut pieces = self.pieces().map(IoSlice::new);
        let mut left = &mut pieces[..];
        IoSlice::advance_slices(&mut left, self.sent);
        let count = out.write_vectored(left)?;
        self.sent += count;
        if self.is_empty() {
            self.refill(); // the picture's memory may be wanted
        }
        Ok(count)
    }

    fn pieces(&self) -> [&[u8]; 3] {
        let picture = self.picture.as_ref().map_or(&[][..], |shared| shared);
        [&self.head, picture, &self.tail]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes three bytes a call.
    struct Narrow(Vec<u8>);

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(&bytes[..bytes.len().min(3)])
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn comes_out_whole_and_in_order() {
        let mut spill = Spill::default();
        assert!(spill.is_empty());
        for text in [b"0123456789".as_slice(), b"abcd"] {
            spill.refill().extend_from_slice(text);
            let mut out = Narrow(Vec::new());
            while !spill.is_empty() {
                assert!(spill.write_to(&mut out).unwrap() > 0);
            }
            assert_eq!(out.0, text);
        }
    }

    #[test]
    fn a_picture_and_what_is_behind_it() {
        let picture = Shared::new(b"picture".to_vec());
        let mut spill = Spill::default();
        for behind in [b"".as_slice(), b"behind it"] {
            spill.refill().extend_from_slice(b"header");
            spill.set_picture(picture.clone());
            spill.more().extend_from_slice(behind);
            let mut out = Narrow(Vec::new());
            while !spill.is_empty() {
                assert!(spill.write_to(&mut out).unwrap() > 0);
            }
            assert_eq!(out.0, [b"headerpicture", behind].concat());
            assert_eq!(Shared::strong_count(&picture), 1);
        }
        let mut at_once = Vec::new();
        spill.refill().extend_from_slice(b"header");
        spill.set_picture(picture);
        spill.more().extend_from_slice(b"behind");
        assert_eq!(spill.write_to(&mut at_once).unwrap(), 19);
    }
}
