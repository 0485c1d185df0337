//! A light client that checks and measures MJPEG and raw streams.
//!
//! [`run`] opens any number of viewers on one stream (`multipart/x-mixed-replace` of JPEGs over
//! HTTP or without a head, or the raw frames of the protocol of 2017) in one thread around one epoll set, checks
//! everything that arrives and keeps none of it. It is strict: it judges servers, it does not try
//! to get a picture out of a broken one.
//!
//! Not here: decoding or showing pictures, the command line, anything of the server.

mod client;
mod connection;
mod headers;
mod histogram;
pub mod multipart;
mod progress;
pub mod raw;
pub mod recorded;
mod report;
mod skew;
mod tally;
mod timeline;
mod timing;
mod url;
mod viewer;

use std::io;
use std::time::Duration;

pub use client::run;
pub use report::{Percentiles, Report, Viewer};
pub use timeline::Tick;

/// Where a stream is, and in which protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stream {
    /// `http://HOST[:PORT][/PATH][?QUERY]`; the path is `/stream` where none is given.
    Http(String),
    /// `HOST:PORT` of a server that sends raw frames to whoever connects; see [`raw`].
    Raw(String),
    /// `HOST:PORT` of a server that sends the parts of a multipart stream to whoever connects,
    /// without a request and a head, as GStreamer's `tcpserversink` does.
    Multipart(String),
}

/// What to watch, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What all viewers connect to.
    pub stream: Stream,
    /// Connections, at least 1.
    pub viewers: usize,
    /// The time over which the connections are opened; 0: all at once. Each begins within its own
    /// equal share of the time, and not always at the same place in it, so that viewers do not fall in step
    /// with anything periodic in the server.
    pub spread: Duration,
    /// How long to watch, from the first connection attempt; without it until `stop` says so.
    pub duration: Option<Duration>,
    /// Lets viewer 0 stop reading for a while.
    pub stall: Option<Stall>,
    /// SO_RCVBUF asked for each connection, bytes. Linux grants twice what is asked, for its own
    /// bookkeeping, within `net.core.rmem_max` (socket(7)); [`Report::rcvbuf`] says what it was.
    pub rcvbuf: usize,
    /// Whether [`Viewer::timeline`] is kept.
    pub timeline: bool,
    /// A line a second on standard error, if that is a terminal.
    pub progress: bool,
}

impl Options {
    /// One viewer of the HTTP stream at `url`, until stopped, with a receive buffer of 128 KiB,
    /// without timeline and progress.
    pub fn new(url: impl Into<String>) -> Self {
        Self::of(Stream::Http(url.into()))
    }

    /// The same of the raw stream at `address`.
    pub fn raw(address: impl Into<String>) -> Self {
        Self::of(Stream::Raw(address.into()))
    }

    /// The same of that stream.
    pub fn of(stream: Stream) -> Self {
        Self {
            stream,
            viewers: 1,
            spread: Duration::ZERO,
            duration: None,
            stall: None,
            rcvbuf: 128 * 1024,
            timeline: false,
            progress: false,
        }
    }
}

/// A viewer that does not read: what the server does about it shows in
/// [`Viewer::stale_after_stall`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stall {
    /// When viewer 0 stops reading, from the first connection attempt (but not before it has its
    /// stream).
    pub at: Duration,
    /// How long it does not read.
    pub duration: Duration,
}

/// Why there is no report at all. What happens to single viewers is in the [`Report`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is no `http://` URL, or of another stream no `HOST:PORT`.
    #[error("{address:?} is no address of a stream: {reason}")]
    Address {
        /// As given.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// [`Options::viewers`] is 0.
    #[error("0 viewers see nothing: ask for at least 1")]
    NoViewers,
    /// The host has no address.
    #[error("{host}: no address found: {source}")]
    Resolve {
        /// The host part of the address.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No socket for a viewer, most likely too many open files.
    #[error("no socket for viewer {viewer}: {source} (see `ulimit -n`)")]
    Socket {
        /// Counted from 0.
        viewer: usize,
        /// What the kernel said.
        source: io::Error,
    },
    /// The epoll set failed.
    #[error("epoll: {0}")]
    Epoll(#[source] io::Error),
}

impl Error {
    /// The exit code of `seqcast watch`: 2 for what the user can correct on the command line, 5
    /// where nothing can be connected to, 1 for what this machine refused.
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Address { .. } | Self::NoViewers => 2,
            Self::Resolve { .. } => 5,
            Self::Socket { .. } | Self::Epoll(_) => 1,
        }
    }
}
