//! The rest of a part that the socket did not take at once: private bytes, sent as it drains.
//!
//! Not here: where the bytes come from, and whether they are whole.

use std::io::{self, Write};

/// Bytes on their way out; the buffer is kept from one part to the next.
#[derive(Debug, Default)]
pub(crate) struct Spill {
    bytes: Vec<u8>,
    sent: usize,
}

impl Spill {
    /// Whether all is out.
    pub fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// Forgets what is left and lends the buffer for the next rest.
    pub fn refill(&mut self) -> &mut Vec<u8> {
        self.sent = 0;
        self.bytes.clear();
        &mut self.bytes
    }

    /// The buffer, for more behind what is left.
    pub fn more(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Writes as much as `out` takes in one call, and says how much.
    ///
    /// # Errors
    /// Those of the call.
    pub fn write_to(&mut self, mut out: impl Write) -> io::Result<usize> {
        let count = out.write(&self.bytes[self.sent..])?;
        self.sent += count;
        Ok(count)
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
}
