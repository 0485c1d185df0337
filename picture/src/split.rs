//! Finds the JPEGs in a byte stream: MJPEG on a pipe, `.mjpeg` files, multipart streams.
//!
//! Walks marker segments, so a thumbnail within a segment does not end the picture around it. Says
//! where a picture begins and ends and no more: whether it can be shown is for [`crate::jpeg`].

use crate::walk::{Event, Stop, Walk};

/// SOI and the first byte of the marker that must follow it.
const BEGIN: &[u8] = &[0xff, 0xd8, 0xff];

/// What was found in the stream, in its order. Every byte of the stream is in exactly one of these,
/// but for those that are still [`Splitter::pending`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Split {
    /// From SOI to EOI.
    Frame(Vec<u8>),
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
/// What comes out does not depend on how the bytes were cut into pushes. Memory: the largest frame
/// and the largest push, as long as [`Splitter::next_frame`] is called until `None` after each push.
/// Time: linear in the bytes pushed.
#[derive(Debug)]
pub struct Splitter {
    max_frame: usize,
    buffer: Vec<u8>,
    /// What lies before this in the buffer is done with.
    begin: usize,
    /// The walk through the picture that begins at `begin`; none while its SOI is looked for.
    walk: Option<Walk>,
    /// Bytes dropped since the last report.
    garbage: usize,
    /// The next frame's memory.
    spare: Vec<u8>,
}

impl Splitter {
    /// A splitter for pictures of at most `max_frame` bytes.
    pub fn new(max_frame: usize) -> Splitter {
        Splitter {
            max_frame: max_frame.max(BEGIN.len()),
            buffer: Vec::new(),
            begin: 0,
            walk: None,
            garbage: 0,
            spare: Vec::new(),
        }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        // Moved only once as much is done with as is left, so each byte is moved once on average.
        if self.begin > self.buffer.len() / 2 {
            self.buffer.drain(..self.begin);
            self.begin = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes that are held and not yet reported. At the end of the stream: what is left of a picture
    /// that broke off, or garbage.
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.begin + self.garbage
    }

    /// Takes a frame's memory back for the next one: a fresh one each time costs page faults.
    pub fn recycle(&mut self, frame: Vec<u8>) {
        self.spare = frame;
    }

    /// What is found next, or `None` if more bytes are needed.
    pub fn next_frame(&mut self) -> Option<Split> {
        let Some(walk) = &mut self.walk else {
            return self.seek();
        };
        // Only so much is looked at as a frame may have, or the outcome would depend on the pushes.
        let held = &self.buffer[self.begin..];
        let window = &held[..held.len().min(self.max_frame)];
        loop {
            match walk.next(window) {
                Ok(Event::Segment { .. }) => {}
                Ok(Event::End(end)) => {
                    let mut frame = std::mem::take(&mut self.spare);
                    frame.clear();
                    frame.extend_from_slice(&window[..end]);
                    self.drop_frame(end);
                    return Some(Split::Frame(frame));
                }
                Err(Stop::More) if window.len() < self.max_frame => return None,
                Err(Stop::More) => {
                    let bytes = window.len();
                    self.drop_frame(bytes);
                    return Some(Split::TooLong { bytes });
                }
                Err(Stop::Bad { resume, .. }) => {
                    self.drop_frame(resume);
                    return Some(Split::Truncated { bytes: resume });
                }
            }
        }
    }

    fn drop_frame(&mut self, bytes: usize) {
        self.begin += bytes;
        self.walk = None;
    }

    /// Drops bytes until a picture begins.
    fn seek(&mut self) -> Option<Split> {
        // The last two bytes may be the beginning of a beginning.
        let tail = BEGIN.len() - 1;
        let held = &self.buffer[self.begin..];
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
