//! A strict, incremental parser of the protocol of 2017: from the connection on, for each frame
//! `[u64 little-endian: height << 32 | width << 16 | channels][height * width * channels bytes]`.
//! Bytes in, events out.
//!
//! Frames of this protocol carry neither id nor time. Where their first pixels do, as those of
//! `bench/originals/source.py`, the [`Stamp`] is read from there.
//!
//! Not here: sockets, clocks, and what the ids and times mean (`tally`).

use std::fmt;

/// Largest frame, bytes; that of a part of a multipart stream.
const MAX_FRAME: u64 = 64 << 20;
/// Bytes of a header.
const HEADER: usize = 8;
/// Bytes of the coding: the mark, the id and the time.
pub(crate) const STAMP: usize = 24;
/// The first bytes of a frame with the coding.
const MARK: &[u8; 8] = b"seqcast1";

/// What a header says; each 1 to 65535, all together at most 64 Mi bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Rows.
    pub height: u16,
    /// Pixels a row.
    pub width: u16,
    /// Bytes a pixel: 3 for BGR.
    pub channels: u16,
}

impl Size {
    /// Takes a header apart, and refuses what is none.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn parse(header: [u8; HEADER]) -> Result<Self, ParseError> {
        let packed = u64::from_le_bytes(header);
        let field = |shift: u32| (packed >> shift) as u16;
        let size = Self {
            height: field(32),
            width: field(16),
            channels: field(0),
        };
        if field(48) != 0 || size.bytes() == 0 {
            return Err(ParseError::NoSize(packed));
        }
        if size.bytes() > MAX_FRAME {
            return Err(ParseError::TooLarge(size));
        }
        Ok(size)
    }

    /// Of one frame: at most (2¹⁶ - 1)³, so without overflow.
    pub fn bytes(self) -> u64 {
        u64::from(self.height) * u64::from(self.width) * u64::from(self.channels)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.width, self.height, self.channels)
    }
}

/// Why the stream cannot be followed any further. The place is [`Parser::offset`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Something is 0, or there is more than three numbers; the header.
    #[error("the header {0:#018x} is no height, width and channels of 1 to 65535 in 16 bits each")]
    NoSize(u64),
    /// Nobody sends such frames; the size.
    #[error("a frame of {0} bytes would be larger than {MAX_FRAME}")]
    TooLarge(Size),
}

/// The coding in the first 24 bytes of a frame: a mark of 8 bytes, and two u64, little-endian. A
/// JPEG may have it in a COM segment right behind its SOI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Rises by one a frame.
    pub id: u64,
    /// Unix nanoseconds.
    pub captured_ns: u64,
}

impl Stamp {
    /// None where the pixels begin otherwise.
    pub(crate) fn parse(bytes: &[u8; STAMP]) -> Option<Self> {
        let (mark, numbers) = bytes.split_at(MARK.len());
        let (id, time) = numbers.split_at(8);
        (mark == MARK).then_some(Self {
            id: u64::from_le_bytes(id.try_into().ok()?),
            captured_ns: u64::from_le_bytes(time.try_into().ok()?),
        })
    }
}

/// What was found, in the order of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The first header says a size; frames follow.
    Begin,
    /// All pixels of a frame were there.
    Frame(Frame),
}

/// A frame, without its pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Counted from 1.
    pub number: u64,
    /// Where its header begins, bytes from the beginning of the stream.
    pub offset: u64,
    /// As its header says.
    pub size: Size,
    /// None where there is no coding.
    pub stamp: Option<Stamp>,
}

enum State {
    /// So many bytes of it were there.
    Header {
        filled: usize,
    },
    Pixels {
        size: Size,
        left: u64,
    },
    /// After an error.
    Over,
}

/// One connection.
pub struct Parser {
    state: State,
    header: [u8; HEADER],
    /// The first pixels, of the last frame that had so many.
    first: [u8; STAMP],
    number: u64,
    offset: u64,
}

impl Parser {
    /// At the beginning of a connection.
    #[allow(clippy::new_without_default)] // there is nothing default about a connection
    pub fn new() -> Self {
        Self {
            state: State::Header { filled: 0 },
            header: [0; HEADER],
            first: [0; STAMP],
            number: 0,
            offset: 0,
        }
    }

    /// Bytes of the stream taken; after an error, those before the faulty header.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Where the stream stands, for a sentence about why it ended.
    pub fn place(&self) -> String {
        let number = self.number;
        match self.state {
            State::Header { filled: 0 } if number == 0 => "before any frame".to_owned(),
            State::Header { filled: 0 } => format!("after frame {number}"),
            State::Header { .. } => format!("in the header of frame {}", number + 1),
            State::Pixels { size, left } => {
                let length = size.bytes();
                format!(
                    "in frame {number}, after {} of {length} bytes",
                    length - left
                )
            }
            State::Over => format!("at byte {}", self.offset),
        }
    }

    /// Takes the next bytes, however they were cut. After an error it ignores what else comes.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn push(
        &mut self,
        mut bytes: &[u8],
        sink: &mut impl FnMut(Event),
    ) -> Result<(), ParseError> {
        while !bytes.is_empty() {
            let taken = match self.state {
                State::Header { filled } => self.take_header(filled, bytes, sink)?,
                State::Pixels { size, left } => self.take_pixels(size, left, bytes, sink),
                State::Over => break,
            };
            self.offset += taken as u64;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// Takes more of a header of which `filled` bytes were there; says how many.
    fn take_header(
        &mut self,
        filled: usize,
        bytes: &[u8],
        sink: &mut impl FnMut(Event),
    ) -> Result<usize, ParseError> {
        let taken = fill(&mut self.header[filled..], bytes);
        if filled + taken < HEADER {
            self.state = State::Header {
                filled: filled + taken,
            };
            return Ok(taken);
        }
        let size = Size::parse(self.header).inspect_err(|_| {
            self.state = State::Over;
            self.offset -= filled as u64;
        })?;
        if self.number == 0 {
            sink(Event::Begin);
        }
        self.number += 1;
        let left = size.bytes();
        self.state = State::Pixels { size, left };
        Ok(taken)
    }

    /// Takes some of the pixel bytes, of which so many are `left`; says how many.
    fn take_pixels(
        &mut self,
        size: Size,
        left: u64,
        bytes: &[u8],
        sink: &mut impl FnMut(Event),
    ) -> usize {
        let taken = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let received = size.bytes() - left;
        if received < STAMP as u64 {
            fill(&mut self.first[received as usize..], &bytes[..taken]);
        }
        let left = left - taken as u64;
        if left > 0 {
            self.state = State::Pixels { size, left };
        } else {
            self.state = State::Header { filled: 0 };
            // Its last bytes are not counted yet.
            let end = self.offset + taken as u64;
            sink(Event::Frame(Frame {
                number: self.number,
                offset: end - size.bytes() - HEADER as u64,
                size,
                stamp: Stamp::parse(&self.first).filter(|_| size.bytes() >= STAMP as u64),
            }));
        }
        taken
    }
}

/// Copies what fits; says how many bytes that were.
fn fill(room: &mut [u8], bytes: &[u8]) -> usize {
    let len = room.len().min(bytes.len());
    room[..len].copy_from_slice(&bytes[..len]);
    len
}

#[cfg(test)]
mod tests;
