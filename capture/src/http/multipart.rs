//! Pictures out of a `multipart/x-mixed-replace` body as cameras really send it: sans I/O, bounded,
//! and of the same opinion however the bytes were cut.
//!
//! Why not the parser of `watch`: that one judges servers and keeps nothing, so each deviation ends
//! it and a body streams through. This one is to get pictures out of a sloppy server and go on after
//! a bad one: it looks for the delimiter, skips what lies between parts, and must hold a body to find
//! its end. One type for both would be two parsers behind a flag.
//!
//! - The delimiter is the body's first line that begins with `--`, whatever the response's head
//!   calls it: there it is quoted, left out, or has the dashes in it already. (As ffmpeg does it.)
//! - Lines end with CRLF or LF; what is before the first delimiter or between parts is skipped.
//! - A part ends by its `Content-Length`, or where it has none at the next delimiter.
//!
//! Not here: HTTP, chunks, and whether a part is a JPEG (the capture loop judges that).

use std::ops::Range;

use memchr::memchr;
use memchr::memmem::Finder;

use super::tags::{Tags, decimal};

/// Longest that may come before the first part, bytes.
const MAX_PREAMBLE: usize = 64 << 10;
/// Longest delimiter, bytes; RFC 2046 section 5.1.1 has 72.
const MAX_DELIMITER: usize = 128;
/// Longest headers of a part, bytes.
const MAX_HEADERS: usize = 8 << 10;
/// Most blanks that may pad a delimiter's line (RFC 2046 section 5.1.1).
const MAX_PADDING: usize = 16;
/// More than a delimiter's line takes, with what ends the line before it.
const MAX_LINE: usize = MAX_DELIMITER + MAX_PADDING + 4;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A part, lent by [`Parts::part`] until more bytes are taken.
    Part(Tags),
    /// A part longer than any frame may be; it is skipped.
    TooLong,
    /// A part whose headers go on and on, or that broke off with the stream.
    Broken,
    /// The closing delimiter. What may follow is ignored.
    End,
}

/// There are no parts in what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no part begins in its first 64 KiB")]
pub struct NoParts;

#[derive(Debug, Clone, Copy)]
enum State {
    /// The delimiter is not known yet; so much was skipped.
    Preamble {
        skipped: usize,
    },
    /// Between parts. A delimiter may begin where the last part ended, too.
    Between {
        anchored: bool,
    },
    Headers,
    /// In a body of known length.
    Sized {
        len: usize,
        tags: Tags,
    },
    /// In one that the next delimiter ends.
    Unsized {
        tags: Tags,
    },
    Over,
}

/// A step of the machine.
enum Step {
    On,
    Found(Found),
    NeedMore,
}

/// A delimiter's line, in the buffer.
struct Line {
    at: usize,
    end: usize,
    closing: bool,
}

/// A body, part for part.
#[derive(Debug)]
pub struct Parts {
    max: usize,
    state: State,
    /// `--BOUNDARY`
    delimiter: Finder<'static>,
    buffer: Vec<u8>,
    /// What is before it was dealt with.
    begin: usize,
    /// What is before it was searched.
    searched: usize,
    /// The part found last.
    part: Range<usize>,
}

impl Parts {
    /// At the beginning of a body, whose parts have at most `max` bytes.
    pub fn new(max: usize) -> Parts {
        Parts {
            max,
            state: State::Preamble { skipped: 0 },
            delimiter: Finder::new(b"--").into_owned(),
            buffer: Vec::new(),
            begin: 0,
            searched: 0,
            part: 0..0,
        }
    }

    /// Takes up to `room` bytes, which `put` writes and counts. What was lent is gone.
    ///
    /// # Errors
    /// Those of `put`.
    pub fn fill<E>(
        &mut self,
        room: usize,
        put: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        self.buffer.drain(..self.begin);
        self.searched = self.searched.saturating_sub(self.begin);
        (self.begin, self.part) = (0, 0..0);
        let len = self.buffer.len();
        self.buffer.resize(len + room, 0);
        let taken = put(&mut self.buffer[len..]);
        let kept = taken.as_ref().map_or(0, |&taken| taken.min(room));
        self.buffer.truncate(len + kept);
        taken
    }

    /// The next thing in what was taken so far.
    ///
    /// # Errors
    /// [`NoParts`], for good.
    pub fn next_part(&mut self) -> Result<Option<Found>, NoParts> {
        loop {
            let step = match self.state {
                State::Preamble { skipped } => self.preamble(skipped)?,
                State::Between { anchored } => self.between(anchored),
                State::Headers => self.headers(),
                State::Sized { len, tags } => self.sized(len, tags),
                State::Unsized { tags } => self.delimited(tags),
                State::Over => Step::NeedMore,
            };
            match step {
                Step::On => {}
                Step::Found(found) => return Ok(Some(found)),
                Step::NeedMore => return Ok(None),
            }
        }
    }

    /// What is left when no more bytes come: a part without a length is over then.
    pub fn finish(&mut self) -> Option<Found> {
        let rest = self.begin..self.buffer.len();
        match std::mem::replace(&mut self.state, State::Over) {
            State::Unsized { tags } if !rest.is_empty() => {
                self.part = rest;
                Some(Found::Part(tags))
            }
            State::Sized { .. } => Some(Found::Broken),
            _ => None,
        }
    }

    /// The part found last.
    pub fn part(&self) -> &[u8] {
        &self.buffer[self.part.clone()]
    }

    /// What is before `begin` is dealt with; goes on there.
    fn go(&mut self, begin: usize, state: State) -> Step {
        (self.begin, self.searched, self.state) = (begin, begin, state);
        Step::On
    }

    fn preamble(&mut self, skipped: usize) -> Result<Step, NoParts> {
        let rest = &self.buffer[self.searched..];
        let Some(len) = memchr(b'\n', rest) else {
            self.searched = self.buffer.len();
            if skipped + self.buffer.len() - self.begin > MAX_PREAMBLE {
                return Err(NoParts);
            }
            return Ok(Step::NeedMore);
        };
        let end = self.searched + len + 1;
        let skipped = skipped + end - self.begin;
        if skipped > MAX_PREAMBLE {
            return Err(NoParts);
        }
        let line = self.buffer[self.begin..end].trim_ascii_end();
        let plain = |&b: &u8| b.is_ascii_graphic() || b == b' ';
        if line.starts_with(b"--")
            && (3..=MAX_DELIMITER).contains(&line.len())
            && line.iter().all(plain)
        {
            self.delimiter = Finder::new(line).into_owned();
            return Ok(self.go(end, State::Headers));
        }
        Ok(self.go(end, State::Preamble { skipped }))
    }

    fn between(&mut self, anchored: bool) -> Step {
        if let Some(line) = self.find(anchored) {
            return self.pass(&line);
        }
        // One byte before what is yet to be searched tells whether a line begins there.
        let begin = self.searched.saturating_sub(1).max(self.begin);
        let anchored = anchored && begin == self.begin;
        (self.begin, self.state) = (begin, State::Between { anchored });
        Step::NeedMore
    }

    /// Goes on behind a delimiter.
    fn pass(&mut self, line: &Line) -> Step {
        if line.closing {
            self.go(line.end, State::Over);
            return Step::Found(Found::End);
        }
        self.go(line.end, State::Headers)
    }

    fn headers(&mut self) -> Step {
        let text = &self.buffer[self.begin..];
        let mut tags = Tags::default();
        let mut length = None;
        let mut at = 0;
        loop {
            let end = memchr(b'\n', &text[at..]).map(|len| at + len + 1);
            if end.unwrap_or(text.len()) > MAX_HEADERS {
                self.go(self.begin, State::Between { anchored: false });
                return Step::Found(Found::Broken);
            }
            let Some(end) = end else {
                return Step::NeedMore;
            };
            let line = text[at..end].trim_ascii();
            at = end;
            if line.is_empty() {
                break;
            }
            if let Some(colon) = memchr(b':', line) {
                let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
                if name.eq_ignore_ascii_case(b"Content-Length") {
                    length = decimal(value);
                }
                tags.header(name, value);
            }
        }
        let body = self.begin + at;
        match length.map(usize::try_from) {
            None => self.go(body, State::Unsized { tags }),
            Some(Ok(len)) if len <= self.max => self.go(body, State::Sized { len, tags }),
            Some(_) => {
                self.go(body, State::Between { anchored: false });
                Step::Found(Found::TooLong)
            }
        }
    }

    fn sized(&mut self, len: usize, tags: Tags) -> Step {
        if self.buffer.len() - self.begin < len {
            return Step::NeedMore;
        }
        self.part = self.begin..self.begin + len;
        self.go(self.part.end, State::Between { anchored: true });
        Step::Found(Found::Part(tags))
    }

    fn delimited(&mut self, tags: Tags) -> Step {
        let Some(line) = self.find(true) else {
            if self.buffer.len() - self.begin > self.max + MAX_LINE {
                self.go(
                    self.buffer.len() - MAX_LINE,
                    State::Between { anchored: false },
                );
                return Step::Found(Found::TooLong);
            }
            return Step::NeedMore;
        };
        let body = &self.buffer[self.begin..line.at];
        let body = body.strip_suffix(b"\n").unwrap_or(body);
        let body = body.strip_suffix(b"\r").unwrap_or(body);
        let part = self.begin..self.begin + body.len();
        let too_long = part.len() > self.max;
        if part.is_empty() {
            // Where the delimiter is sent right behind a picture, a stream that is closed ends so.
            return self.pass(&line);
        }
        // The delimiter is found again at the next step.
        self.go(line.at, State::Between { anchored: true });
        if too_long {
            return Step::Found(Found::TooLong);
        }
        self.part = part;
        Step::Found(Found::Part(tags))
    }

    /// The next delimiter at the beginning of a line, or right at `begin` if that is `anchored`.
    fn find(&mut self, anchored: bool) -> Option<Line> {
        let len = self.delimiter.needle().len();
        let mut from = self.searched;
        while let Some(found) = self.delimiter.find(&self.buffer[from..]) {
            let at = from + found;
            let begins = if at == self.begin {
                anchored
            } else {
                self.buffer[at - 1] == b'\n'
            };
            match ending(&self.buffer[at + len..]) {
                Ending::Line { len: rest, closing } if begins => {
                    let end = at + len + rest;
                    return Some(Line { at, end, closing });
                }
                Ending::Unknown if begins => {
                    self.searched = at;
                    return None;
                }
                _ => from = at + 1,
            }
        }
        self.searched = from.max((self.buffer.len() + 1).saturating_sub(len));
        None
    }
}

/// What follows a delimiter.
enum Ending {
    /// The line's end after so many bytes, or the dashes that close the stream.
    Line {
        len: usize,
        closing: bool,
    },
    Unknown,
    /// It was none.
    Other,
}

fn ending(rest: &[u8]) -> Ending {
    let blank = |&b: &u8| matches!(b, b' ' | b'\t');
    let padding = rest
        .iter()
        .take(MAX_PADDING)
        .take_while(|b| blank(b))
        .count();
    let line = |len, closing| Ending::Line { len, closing };
    match &rest[padding..] {
        [b'\n', ..] => line(padding + 1, false),
        [b'\r', b'\n', ..] => line(padding + 2, false),
        [b'-', b'-', ..] if padding == 0 => line(2, true),
        [] | [b'\r'] => Ending::Unknown,
        [b'-'] if padding == 0 => Ending::Unknown,
        _ => Ending::Other,
    }
}

#[cfg(test)]
mod tests;
