//! One viewer: its connection's stage, its stream, its account. Takes bytes, reports a [`Viewer`].
//!
//! Not here: when to read or connect (`client`), what is right (`multipart`, `tally`).

use std::net::TcpStream;
use std::time::Instant;

use crate::multipart::{Event, Parser};
use crate::report::{Percentiles, Viewer, millis};
use crate::skew::Skew;
use crate::tally::{Arrival, Tally};

/// How far a connection is.
pub enum Stage {
    /// To this one of the addresses.
    Connecting(usize),
    Answering,
    Streaming,
}

/// See the module.
pub struct Client {
    /// None before the first attempt, and when it has ended.
    pub open: Option<(TcpStream, Stage)>,
    /// For the connection, then for the answer.
    pub deadline: Instant,
    pub tally: Tally,
    parser: Parser,
    bytes: u64,
    connected: bool,
    cut: bool,
    end: Option<(String, Arrival)>,
}

impl Client {
    pub fn new(now: Arrival) -> Self {
        Self {
            open: None,
            deadline: Instant::now(),
            tally: Tally::new(now),
            parser: Parser::new(),
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
        let mut ended = false;
        let parsed = self.parser.push(bytes, &mut |event| {
            match event {
                Event::Head => {
                    self.connected = true;
                    self.tally = Tally::new(now);
                    if let Some((_, stage)) = &mut self.open {
                        *stage = Stage::Streaming;
                    }
                }
                Event::End => ended = true,
                Event::Part { .. } | Event::Body(_) | Event::PartEnd => {}
            }
            if let Some(id) = self.tally.event(event, now) {
                skew.arrived(id, now.mono_ns);
            }
        });
        match parsed {
            Ok(()) if ended => self.cut("the server ended the stream", now),
            Ok(()) => {}
            Err(error) if error.is_refusal() => self.end(error.to_string(), now),
            Err(error) => {
                self.tally.fault(self.parser.offset(), &error);
                let end = "given up: what follows could not be told apart";
                self.end(end.to_owned(), now);
            }
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
            frames: self.tally.frames,
            fps: (self.tally.fps() * 1e3).round() / 1e3,
            lost: self.tally.lost,
            latency_ms: Percentiles::of(self.tally.latency()),
            gap_ms: millis(gap_ns / 1000),
            bytes: self.bytes,
            cut: self.cut,
            connected: self.connected,
            invalid_count: self.tally.invalid_count,
            unnumbered: self.tally.unnumbered,
            stale_after_stall: self.tally.stale,
            end: self.end.map(|(why, _)| why).or_else(unanswered),
            invalid: self.tally.invalid,
        }
    }
}
