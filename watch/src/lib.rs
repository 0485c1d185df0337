//! A light client that checks and measures MJPEG streams.
//!
//! [`run`] opens any number of viewers on one stream (`multipart/x-mixed-replace` of JPEGs over
//! HTTP) in one thread around one epoll set, checks everything that arrives and keeps none of it.
//! It is strict: it judges servers, it does not try to get a picture out of a broken one.
//!
//! Not here: decoding or showing pictures, the command line, anything of the server.

mod client;
mod connection;
mod histogram;
pub mod multipart;
mod progress;
mod report;
mod skew;
mod tally;
mod url;
mod viewer;

use std::io;
use std::time::Duration;

pub use client::run;
pub use report::{Percentiles, Report, Viewer};

/// What to watch, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `http://HOST[:PORT][/PATH][?QUERY]`; the path is `/stream` where none is given.
    pub url: String,
    /// Connections opened at once, at least 1.
    pub viewers: usize,
    /// How long to watch, from the first connection attempt; without it until `stop` says so.
    pub duration: Option<Duration>,
    /// Lets viewer 0 stop reading for a while.
    pub stall: Option<Stall>,
    /// SO_RCVBUF asked for each connection, bytes. Linux grants twice what is asked, for its own
    /// bookkeeping, within `net.core.rmem_max` (socket(7)); [`Report::rcvbuf`] says what it was.
    pub rcvbuf: usize,
    /// A line a second on standard error, if that is a terminal.
    pub progress: bool,
}

impl Options {
    /// One viewer of `url`, until stopped, with a receive buffer of 128 KiB, without progress.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            viewers: 1,
            duration: None,
            stall: None,
            rcvbuf: 128 * 1024,
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
    /// The address is no `http://` URL.
    #[error("{url:?} is no address of a stream: {reason}")]
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// [`Options::viewers`] is 0.
    #[error("0 viewers see nothing: ask for at least 1")]
    NoViewers,
    /// The host has no address.
    #[error("{host}: no address found: {source}")]
    Resolve {
        /// The host part of the URL.
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
            Self::Url { .. } | Self::NoViewers => 2,
            Self::Resolve { .. } => 5,
            Self::Socket { .. } | Self::Epoll(_) => 1,
        }
    }
}
