//! The servers that take turns: seqcast and the references.
//!
//! Not here: who watches them, and what they cost.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use bench::jpeg::Material;
use bench::process::Process;
use bench::reference;
use bench::seqcast::{Seqcast, Worker};

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Ours.
    Seqcast,
    /// One that does less.
    Reference(reference::Kind),
}

/// (a)
pub const EPOLL: Kind = Kind::Reference(reference::Kind::Epoll);
/// (b)
pub const FORKED: Kind = Kind::Reference(reference::Kind::Forked);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Kind::Seqcast => "seqcast",
            EPOLL => "(a) one epoll process",
            Kind::Reference(_) => "(b) a forked process per socket",
        })
    }
}

/// What servers are started from.
pub struct Parts {
    /// The binary `seqcast`.
    pub seqcast: PathBuf,
    /// What it is started with beside what each run needs.
    pub options: Vec<String>,
    /// What is sent.
    pub material: Material,
}

/// A server that serves. Its processes end with it.
pub struct Server {
    process: Process,
    /// Of the stream.
    pub url: String,
    /// Of seqcast: which process is what. Empty of references.
    pub workers: Vec<Worker>,
}

impl Server {
    /// Starts it with room for `viewers` and returns when it serves.
    ///
    /// # Errors
    /// Where it does not come up; nothing is left of it then.
    pub fn start(kind: Kind, viewers: usize, parts: &Parts) -> Result<Server> {
        let (process, address, workers) = match kind {
            Kind::Seqcast => {
                let name = format!("fanout-{}", std::process::id());
                let movie = parts.material.movie().into_os_string().into_string();
                let movie = movie.ok().context("a temporary folder with a plain name")?;
                let options = [&["--source".to_owned(), movie], &parts.options[..]].concat();
                let seqcast = Seqcast::start(&parts.seqcast, &name, viewers, &options)?;
                (seqcast.process, seqcast.status.http, seqcast.status.workers)
            }
            Kind::Reference(which) => {
                let (process, address) = reference::start(which, &parts.material.still())?;
                (process, address, Vec::new())
            }
        };
        Ok(Server {
            process,
            url: format!("http://{address}/stream"),
            workers,
        })
    }

    /// The process from which all others of this server descend.
    pub fn root(&self) -> i32 {
        self.process.pid()
    }

    /// Ends it.
    ///
    /// # Errors
    /// Where it had to be killed.
    pub fn stop(mut self) -> Result<()> {
        self.process.stop()
    }
}
