//! A strict, incremental parser of an HTTP response that is a `multipart/x-mixed-replace` stream
//! (RFC 9112 §4 for the head, RFC 2046 §5.1.1 for the parts): bytes in, events out.
//!
//! Stricter than the RFC: each part must carry a `Content-Length`, right after which a CRLF and
//! the delimiter follow; there is no preamble but one CRLF. That servers of this kind send the
//! delimiter together with the part before it changes only when it arrives, not the grammar.
//! [`Parser::headless`] takes the parts of a stream without a response head.
//!
//! Not here: sockets, clocks, and what is in a part (`tally` judges that).

use httparse::Status;

use crate::headers::{decimal, lossy, values};

/// Longest response head, bytes.
const MAX_HEAD: usize = 16 * 1024;
/// Longest headers of a part, bytes.
const MAX_PART_HEADERS: usize = 8 * 1024;
/// `--`, the longest boundary (RFC 2046 §5.1.1) and CRLF, bytes.
const MAX_FIRST_LINE: usize = 74;
/// Most header lines in either.
const MAX_HEADER_LINES: usize = 64;
/// Longest body of a part, bytes.
const MAX_BODY: u64 = 64 << 20;

/// What was found, in the order of the stream.
#[derive(Debug)]
pub enum Event<'a> {
    /// The head says 200 and names the boundary, or the first line does; parts follow.
    Head,
    /// The headers of a part; its body follows.
    Part {
        /// Counted from 1.
        number: u64,
        /// Where its headers begin, bytes from the beginning of the response.
        offset: u64,
        /// Of its body.
        length: u64,
        /// As they came.
        headers: &'a [httparse::Header<'a>],
    },
    /// More of the body, never empty.
    Body(&'a [u8]),
    /// The body is complete; the delimiter behind it has not been looked at.
    PartEnd,
    /// The closing delimiter. What may follow is ignored.
    End,
}

/// Why the stream cannot be followed any further. The place is [`Parser::offset`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not 200; the status line's code and reason.
    #[error("the server answered {0}")]
    Status(String),
    /// A head that goes on and on.
    #[error("the response has no end of headers within {MAX_HEAD} bytes")]
    LongHead,
    /// A head that `httparse` refuses.
    #[error("the response head is not HTTP: {0}")]
    Head(httparse::Error),
    /// Another content type; which.
    #[error("the content is {0:?}, not multipart/x-mixed-replace with a boundary")]
    NotMultipart(String),
    /// Chunks, which HTTP/1.0 does not have.
    #[error("the server answers an HTTP/1.0 request with Transfer-Encoding")]
    Encoded,
    /// Of a stream without a head; what it begins with.
    #[error("{0:?} is no -- and boundary, with which a stream without a head begins")]
    NoFirstLine(String),
    /// Something before the first part; the boundary.
    #[error("no delimiter --{0} where the first part should begin")]
    NoDelimiter(String),
    /// A part longer or shorter than it says; what it says.
    #[error("no CRLF and delimiter behind the {0} bytes that Content-Length says")]
    WrongLength(u64),
    /// Neither a part nor the end begins.
    #[error("neither CRLF nor -- behind a delimiter")]
    DelimiterEnd,
    /// Part headers that go on and on.
    #[error("the part has no end of headers within {MAX_PART_HEADERS} bytes")]
    LongPartHeaders,
    /// Part headers that `httparse` refuses.
    #[error("the part's headers are malformed: {0}")]
    PartHeaders(httparse::Error),
    /// A part without Content-Length.
    #[error("the part has no Content-Length")]
    NoLength,
    /// A Content-Length that is no length; what it is.
    #[error("the part's Content-Length is {0:?}, not one number up to {MAX_BODY}")]
    BadLength(String),
}

impl ParseError {
    /// Whether the server spoke proper HTTP, only that it gave no stream.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Status(_))
    }
}

enum State {
    Head,
    /// In place of a head the first line, which says the boundary.
    FirstLine,
    /// At the very beginning, most often without its CRLF.
    FirstDelimiter,
    /// Comparing with `delimiter`, of which so many bytes were there.
    Delimiter {
        matched: usize,
    },
    /// The two bytes behind a delimiter.
    DelimiterEnd {
        first: Option<u8>,
    },
    PartHeaders,
    Body {
        left: u64,
    },
    /// After the closing delimiter or an error.
    Over,
}

/// One response.
pub struct Parser {
    state: State,
    /// Head or part headers, so far.
    text: Vec<u8>,
    /// `CRLF--BOUNDARY`
    delimiter: Vec<u8>,
    offset: u64,
    part: u64,
    length: u64,
    /// The last part has no headers. Where each delimiter follows its part at once, a stream that
    /// is closed has such a one: nothing may come after it but the closing delimiter.
    empty: bool,
}

impl Parser {
    /// At the beginning of a response.
    #[allow(clippy::new_without_default)] // there is nothing default about a response
    pub fn new() -> Self {
        Self {
            state: State::Head,
            text: Vec::with_capacity(512),
            delimiter: Vec::new(),
            offset: 0,
            part: 0,
            length: 0,
            empty: false,
        }
    }

    /// At the beginning of a stream without a head: its first line is `--BOUNDARY`.
    pub fn headless() -> Self {
        Self {
            state: State::FirstLine,
            ..Self::new()
        }
    }

    /// Bytes of the response taken; after an error, those before the fault or the faulty headers.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Where the stream stands, for a sentence about why it ended.
    pub fn place(&self) -> String {
        let part = self.part;
        match self.state {
            State::Head => format!("in the response head, after {} bytes", self.offset),
            State::FirstLine => format!("in the first line, after {} bytes", self.offset),
            State::Body { left } => {
                let length = self.length;
                format!("in part {part}, after {} of {length} bytes", length - left)
            }
            State::PartHeaders if !self.text.is_empty() => {
                format!("in the headers of part {}", part + 1)
            }
            State::FirstDelimiter
            | State::Delimiter { .. }
            | State::DelimiterEnd { .. }
            | State::PartHeaders => format!("after part {part}"),
            State::Over => format!("at byte {}", self.offset),
        }
    }

    /// Takes the next bytes, however they were cut. After an error or [`Event::End`] it ignores
    /// what else comes.
    pub fn push(
        &mut self,
        mut bytes: &[u8],
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<(), ParseError> {
        while !bytes.is_empty() && !matches!(self.state, State::Over) {
            let begin = self.offset - self.text.len() as u64;
            let taken = self.step(bytes, sink).inspect_err(|_| {
                self.state = State::Over;
                // A fault in headers is placed where they begin.
                if !self.text.is_empty() {
                    self.offset = begin;
                }
            })?;
            self.offset += taken as u64;
            bytes = &bytes[taken..];
            // A body may be empty, so its end is looked for before more bytes are.
            if matches!(self.state, State::Body { left: 0 }) {
                self.state = State::Delimiter { matched: 0 };
                sink(Event::PartEnd);
            }
        }
        Ok(())
    }

    /// Takes some of `bytes` (there is at least one) or turns to the next state; says how many.
    fn step(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<usize, ParseError> {
        match &mut self.state {
            State::Head => {
                let (taken, complete) = take_headers(&mut self.text, bytes, MAX_HEAD);
                if complete {
                    let boundary = parse_head(&self.text)?;
                    self.delimiter = [b"\r\n--", boundary.as_bytes()].concat();
                    self.text.clear();
                    self.state = State::FirstDelimiter;
                    sink(Event::Head);
                } else if self.text.len() >= MAX_HEAD {
                    return Err(ParseError::LongHead);
                }
                Ok(taken)
            }
            State::FirstLine => {
                let room = (MAX_FIRST_LINE - self.text.len()).min(bytes.len());
                let newline = bytes[..room].iter().position(|&byte| byte == b'\n');
                let taken = newline.map_or(room, |at| at + 1);
                self.text.extend_from_slice(&bytes[..taken]);
                if newline.is_some() || self.text.len() == MAX_FIRST_LINE {
                    let line = self.text.strip_suffix(b"\r\n");
                    let boundary = line
                        .and_then(|line| str::from_utf8(line.strip_prefix(b"--")?).ok())
                        .filter(|boundary| is_boundary(boundary))
                        .ok_or_else(|| ParseError::NoFirstLine(lossy(&self.text)))?;
                    self.delimiter = [b"\r\n--", boundary.as_bytes()].concat();
                    self.text.clear();
                    self.state = State::PartHeaders;
                    sink(Event::Head);
                }
                Ok(taken)
            }
            State::FirstDelimiter => {
                let matched = if bytes[0] == b'\r' { 0 } else { 2 };
                self.state = State::Delimiter { matched };
                Ok(0)
            }
            State::Delimiter { matched } => {
                let wanted = &self.delimiter[*matched..];
                let len = wanted.len().min(bytes.len());
                if wanted[..len] != bytes[..len] {
                    // Byte by byte, so that the fault's place does not depend on the cuts.
                    let same = wanted.iter().zip(bytes).take_while(|(w, b)| w == b);
                    self.offset += same.count() as u64;
                    return Err(match self.part {
                        _ if self.empty => ParseError::NoLength,
                        0 => ParseError::NoDelimiter(lossy(&self.delimiter[4..])),
                        _ => ParseError::WrongLength(self.length),
                    });
                }
                *matched += len;
                if *matched == self.delimiter.len() {
                    self.state = State::DelimiterEnd { first: None };
                }
                Ok(len)
            }
            State::DelimiterEnd { first } => {
                match (*first, bytes[0]) {
                    (None, byte @ (b'\r' | b'-')) => *first = Some(byte),
                    (Some(b'\r'), b'\n') if self.empty => return Err(ParseError::NoLength),
                    (Some(b'\r'), b'\n') => self.state = State::PartHeaders,
                    (Some(b'-'), b'-') => {
                        self.state = State::Over;
                        sink(Event::End);
                    }
                    _ => return Err(ParseError::DelimiterEnd),
                }
                Ok(1)
            }
            State::PartHeaders => {
                let (taken, complete) = take_headers(&mut self.text, bytes, MAX_PART_HEADERS);
                if complete && self.text == b"\r\n" {
                    // Its blank line is the closing delimiter's CRLF (RFC 2046 §5.1.1).
                    self.empty = true;
                    self.text.clear();
                    self.state = State::Delimiter { matched: 2 };
                } else if complete {
                    let mut lines = [httparse::EMPTY_HEADER; MAX_HEADER_LINES];
                    let headers = match httparse::parse_headers(&self.text, &mut lines) {
                        Ok(Status::Complete((len, headers))) if len == self.text.len() => headers,
                        // httparse takes a bare LF for a line's end, and so an earlier end.
                        Ok(_) => return Err(ParseError::PartHeaders(httparse::Error::NewLine)),
                        Err(error) => return Err(ParseError::PartHeaders(error)),
                    };
                    self.length = content_length(headers)?;
                    self.part += 1;
                    sink(Event::Part {
                        number: self.part,
                        offset: self.offset + taken as u64 - self.text.len() as u64,
                        length: self.length,
                        headers,
                    });
                    self.text.clear();
                    self.state = State::Body { left: self.length };
                } else if self.text.len() >= MAX_PART_HEADERS {
                    return Err(ParseError::LongPartHeaders);
                }
                Ok(taken)
            }
            State::Body { left } => {
                let len = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= len as u64;
                sink(Event::Body(&bytes[..len]));
                Ok(len)
            }
            State::Over => Ok(bytes.len()),
        }
    }
}

/// Moves bytes to `text`, up to and with the blank line that ends headers, at most `max` in all.
/// Returns how many, and whether the blank line is there.
fn take_headers(text: &mut Vec<u8>, bytes: &[u8], max: usize) -> (usize, bool) {
    let room = max.saturating_sub(text.len());
    for (index, &byte) in bytes.iter().take(room).enumerate() {
        text.push(byte);
        if text.ends_with(b"\r\n\r\n") || text == b"\r\n" {
            return (index + 1, true);
        }
    }
    (bytes.len().min(room), false)
}

/// Returns the boundary that a head with status 200 names.
fn parse_head(text: &[u8]) -> Result<String, ParseError> {
    let mut lines = [httparse::EMPTY_HEADER; MAX_HEADER_LINES];
    let mut head = httparse::Response::new(&mut lines);
    match head.parse(text) {
        Ok(Status::Complete(len)) if len == text.len() => {}
        Ok(_) => return Err(ParseError::Head(httparse::Error::NewLine)),
        Err(error) => return Err(ParseError::Head(error)),
    }
    let code = head.code.unwrap_or_default();
    if code != 200 {
        let reason = head.reason.unwrap_or_default();
        return Err(ParseError::Status(
            format!("{code} {reason}").trim_end().to_owned(),
        ));
    }
    let value = |name| values(head.headers, name).next();
    if value("Transfer-Encoding").is_some() {
        return Err(ParseError::Encoded);
    }
    let content_type = value("Content-Type").unwrap_or_default();
    match str::from_utf8(content_type).ok().and_then(boundary) {
        Some(boundary) => Ok(boundary.to_owned()),
        None => Err(ParseError::NotMultipart(lossy(content_type))),
    }
}

/// RFC 2046 §5.1.1: 1 to 70 characters of a set that has no quote, backslash or semicolon, so
/// splitting at semicolons is enough.
fn boundary(content_type: &str) -> Option<&str> {
    let mut fields = content_type.split(';').map(str::trim);
    if !fields
        .next()?
        .eq_ignore_ascii_case("multipart/x-mixed-replace")
    {
        return None;
    }
    let value = fields.find_map(|field| {
        let (name, value) = field.split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then_some(value)
    })?;
    let unquoted = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    let boundary = unquoted.unwrap_or(value);
    is_boundary(boundary).then_some(boundary)
}

fn is_boundary(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&b);
    (1..=70).contains(&text.len()) && text.bytes().all(legal) && !text.ends_with(' ')
}

fn content_length(headers: &[httparse::Header<'_>]) -> Result<u64, ParseError> {
    let mut found = values(headers, "Content-Length");
    let value = found.next().ok_or(ParseError::NoLength)?;
    match (decimal(value), found.next()) {
        (Some(length), None) if length <= MAX_BODY => Ok(length),
        _ => Err(ParseError::BadLength(lossy(value))),
    }
}

#[cfg(test)]
mod tests;
