//! One viewer: its connection's stage, its stream, its account. Takes bytes, reports a [`Viewer`].
//!
//! Not here: when to read or connect (`client`), what is right (`multipart`, `raw`, `tally`).

use std::net::TcpStream;
use std::time::Instant;

use crate::Stream;
use crate::multipart::{self, Event};
use crate::raw;
use crate::report::{Viewer, millis};
use crate::skew::Skew;
use crate::tally::{Arrival, Tally};
use crate::timeline::Timeline;

/// How far a connection is.
pub enum Stage {
    /// To this one of the addresses.
    Connecting(usize),
    Answering,
    Streaming,
}

/// What the server sends.
enum Parser {
    Multipart(multipart::Parser),
    Raw(raw::Parser),
}

impl Parser {
    fn place(&self) -> String {
        match self {
            Self::Multipart(parser) => parser.place(),
            Self::Raw(parser) => parser.place(),
        }
    }
}

/// Why a viewer reads no further.
enum Over {
    Ended,
    /// With these words.
    Refused(String),
    /// The tally has the fault.
    GivenUp,
}

/// See the module.
pub struct Client {
    /// None before the first attempt, and when it has ended.
    pub open: Option<(TcpStream, Stage)>,
    /// For the connection, then for the answer.
    pub deadline: Instant,
    pub tally: Tally,
    timeline: bool,
    parser: Parser,
    bytes: u64,
    connected: bool,
    cut: bool,
    end: Option<(String, Arrival)>,
}

impl Client {
    pub fn new(stream: &Stream, timeline: bool, now: Arrival) -> Self {
        Self {
            open: None,
            deadline: Instant::now(),
            tally: Tally::new(now),
            timeline,
            parser: match stream {
                Stream::Http(_) => Parser::Multipart(multipart::Parser::new()),
                Stream::Multipart(_) => Parser::Multipart(multipart::Parser::headless()),
                Stream::Raw(_) => Parser::Raw(raw::Parser::new()),
            },
            bytes: 0,
            connected: false,
            cut: false,
            end: None,
        }
    }

    pub fn is_streaming(&self) -> bool {
        matches!(self.open, Some((_, Stage::Streaming)))
    }

    /// Takes what was read at `now`.
    pub fn received(&mut self, bytes: &[u8], now: Arrival, skew: &mut Skew) {
        self.bytes += bytes.len() as u64;
        let mut begin = |tally: &mut Tally| {
            self.connected = true;
            *tally = Tally::new(now);
            tally.timeline = self.timeline.then(Timeline::default);
            if let Some((_, stage)) = &mut self.open {
                *stage = Stage::Streaming;
            }
        };
        let tally = &mut self.tally;
        let over = match &mut self.parser {
            Parser::Multipart(parser) => {
                let mut ended = false;
                let parsed = parser.push(bytes, &mut |event| {
                    match event {
                        Event::Head => begin(tally),
                        Event::End => ended = true,
                        Event::Part { .. } | Event::Body(_) | Event::PartEnd => {}
                    }
                    if let Some(id) = tally.event(event, now)
                        && tally.frames > 1
                    {
                        skew.arrived(id, now.mono_ns);
                    }
                });
                match parsed {
                    Ok(()) if ended => Some(Over::Ended),
                    Ok(()) => None,
                    Err(error) if error.is_refusal() => Some(Over::Refused(error.to_string())),
                    Err(error) => {
                        tally.fault(parser.offset(), &error);
                        Some(Over::GivenUp)
                    }
                }
            }
            Parser::Raw(parser) => {
                let parsed = parser.push(bytes, &mut |event| match event {
                    raw::Event::Begin => begin(tally),
                    raw::Event::Frame(frame) => {
                        if let Some(id) = tally.raw_frame(&frame, now)
                            && tally.frames > 1
                        {
                            skew.arrived(id, now.mono_ns);
                        }
                    }
                });
                parsed.err().map(|error| {
                    tally.fault(parser.offset(), &error);
                    Over::GivenUp
                })
            }
        };
        match over {
            Some(Over::Ended) => self.cut("the server ended the stream", now),
            Some(Over::Refused(answer)) => self.end(answer, now),
            Some(Over::GivenUp) => {
                let end = "given up: what follows could not be told apart";
                self.end(end.to_owned(), now);
            }
            None => {}
        }
    }

    /// The server's side ended it.
    pub fn cut(&mut self, how: &str, now: Arrival) {
        self.cut = self.connected;
        self.end(format!("{how} {}", self.parser.place()), now);
    }

    /// Closes the connection, which also takes it out of any epoll set.
    pub fn end(&mut self, why: String, now: Arrival) {
        self.open = None;
        self.end = Some((why, now));
    }

    /// The longest time without a frame, to its end or `now`; 0 before it has a stream.
    pub fn gap_ns(&self, now: Arrival) -> u64 {
        let end = self.end.as_ref().map_or(now, |&(_, at)| at);
        if self.connected {
            self.tally.gap_ns(end)
        } else {
            0
        }
    }

    /// What it got, at the end of the watch.
    pub fn report(self, now: Arrival) -> Viewer {
        let gap_ns = self.gap_ns(now);
        let unanswered = || (!self.connected).then(|| "no answer before the end".to_owned());
        Viewer {
            gap_ms: millis(gap_ns / 1000),
            bytes: self.bytes,
            cut: self.cut,
            connected: self.connected,
            end: self.end.map(|(why, _)| why).or_else(unanswered),
            ..self.tally.report(now)
        }
    }
}
