//! Finds the JPEGs in a byte stream: MJPEG on a pipe, `.mjpeg` files, multipart streams.
//!
//! Walks marker segments, so a thumbnail within a segment does not end the picture around it. Says
//! where a picture begins and ends and no more: whether it can be shown is for [`crate::jpeg`].

use crate::walk::{Event, Stop, Walk};

/// SOI and the first byte of the marker that must follow it.
const BEGIN: &[u8] = &[0xff, 0xd8, 0xff];

/// What was found in the stream, in its order. Every byte of the stream is in exactly one of these,
/// but for those that are still [`Splitter::pending`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// From SOI to EOI: [`Splitter::frame`] lends it.
    Frame {
        /// Its length.
        bytes: usize,
    },
    /// Bytes that belong to no picture: padding, part headers, noise. Reported when a picture
    /// begins, and each time that they come to the largest frame's size.
    Garbage {
        /// How many.
        bytes: usize,
    },
    /// A picture that broke off, so many bytes after its SOI.
    Truncated {
        /// How many bytes were dropped.
        bytes: usize,
    },
    /// A picture that had not ended when it reached the largest frame's size.
    TooLong {
        /// How many bytes were dropped.
        bytes: usize,
    },
}

/// Splits a byte stream into JPEGs.
///
/// What comes out does not depend on how the bytes were cut into fills. Memory: twice the largest
/// frame and the largest fill, as long as [`Splitter::next_frame`] is called until `None` after each
/// fill. Time: linear in the bytes of the stream. A frame is lent where it was read to: never copied.
#[derive(Debug)]
pub struct Splitter {
    max_frame: usize,
    /// Storage: of the stream, `begin..end` is held.
    buffer: Vec<u8>,
    begin: usize,
    end: usize,
    /// The frame that was found last, just before `begin`.
    frame: usize,
    /// The walk through the picture that begins at `begin`; none while its SOI is looked for.
    walk: Option<Walk>,
    /// Bytes dropped since the last report.
    garbage: usize,
}

impl Splitter {
    /// A splitter for pictures of at most `max_frame` bytes.
    pub fn new(max_frame: usize) -> Splitter {
        Splitter {
            max_frame: max_frame.max(BEGIN.len()),
            buffer: Vec::new(),
            begin: 0,
            end: 0,
            frame: 0,
            walk: None,
            garbage: 0,
        }
    }

    /// Takes the next bytes of the stream: `read` puts at most `most` into the room that it is
    /// given, and says how many. The frame that was lent ends here.
    ///
    /// # Errors
    /// Those of `read`; the stream is then as it was.
    pub fn fill<E>(
        &mut self,
        most: usize,
        read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        self.frame = 0;
        // Moved only once as much is done with as is left, so each byte is moved once on average.
        if self.begin >= self.end - self.begin {
            self.buffer.copy_within(self.begin..self.end, 0);
            self.end -= self.begin;
            self.begin = 0;
        }
        if self.buffer.len() < self.end + most {
            self.buffer.resize(self.end + most, 0);
        }
        let n = read(&mut self.buffer[self.end..][..most])?.min(most);
        self.end += n;
        Ok(n)
    }

    /// The frame that [`Splitter::next_frame`] found last, until the next call of it or of
    /// [`Splitter::fill`]; empty if there is none.
    pub fn frame(&self) -> &[u8] {
        &self.buffer[self.begin - self.frame..self.begin]
    }

    /// Bytes that are held and not yet reported. At the end of the stream: what is left of a picture
    /// that broke off, or garbage.
    pub fn pending(&self) -> usize {
        self.end - self.begin + self.garbage
    }

    /// Forgets what is pending: another stream begins.
    pub fn restart(&mut self) {
        (self.begin, self.end, self.frame, self.garbage) = (0, 0, 0, 0);
        self.walk = None;
    }

    /// What is found next, or `None` if more bytes are needed.
    pub fn next_frame(&mut self) -> Option<Split> {
        self.frame = 0;
        let Some(walk) = &mut self.walk else {
            return self.seek();
        };
        // Only so much is looked at as a frame may have, or the outcome would depend on the pushes.
        let held = &self.buffer[self.begin..self.end];
        let window = &held[..held.len().min(self.max_frame)];
        loop {
            match walk.next(window) {
                Ok(Event::Segment { .. }) => {}
                Ok(Event::End(bytes)) => {
                    self.pass(bytes);
                    self.frame = bytes;
                    return Some(Split::Frame { bytes });
                }
                Err(Stop::More) if window.len() < self.max_frame => return None,
                Err(Stop::More) => {
                    let bytes = window.len();
                    self.pass(bytes);
                    return Some(Split::TooLong { bytes });
                }
                Err(Stop::Bad { resume, .. }) => {
                    self.pass(resume);
                    return Some(Split::Truncated { bytes: resume });
                }
            }
        }
    }

    fn pass(&mut self, bytes: usize) {
        self.begin += bytes;
        self.walk = None;
    }

    /// Drops bytes until a picture begins.
    fn seek(&mut self) -> Option<Split> {
        // The last two bytes may be the beginning of a beginning.
        let tail = BEGIN.len() - 1;
        let held = &self.buffer[self.begin..self.end];
        let window = &held[..held.len().min(self.max_frame - self.garbage + tail)];
        let found = memchr::memmem::find(window, BEGIN);
        let skip = found.unwrap_or(window.len().saturating_sub(tail));
        self.begin += skip;
        self.garbage += skip;
        if self.garbage == self.max_frame || (found.is_some() && self.garbage > 0) {
            let bytes = std::mem::take(&mut self.garbage);
            return Some(Split::Garbage { bytes });
        }
        found?;
        self.walk = Some(Walk::new());
        self.next_frame()
    }
}

#[cfg(test)]
mod tests;
