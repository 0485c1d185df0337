//! What can go wrong with an instance and its board.

use std::io;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name cannot name an instance.
    #[error("--name {name:?}: use 1 to 64 of A-Z a-z 0-9 _ -")]
    BadName {
        /// The name as given.
        name: String,
    },
    /// A living instance has the name.
    #[error(
        "an instance named {name} is running already: stop it, or give this one another --name"
    )]
    Running {
        /// The instance's name.
        name: String,
    },
    /// Another user has the name.
    #[error("the name {name} is another user's: give this instance another --name")]
    Foreign {
        /// The instance's name.
        name: String,
    },
    /// The board is no board that this program can read.
    #[error("/dev/shm/{name} is not a board of this version: {why}")]
    NotABoard {
        /// The segment's name.
        name: String,
        /// Which check it failed.
        why: String,
    },
    /// The segment failed.
    #[error(transparent)]
    Segment(#[from] shm_ring::Error),
    /// A system call failed.
    #[error("{what}: {source}")]
    Os {
        /// What was being done.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn os(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Error::Os {
            what: what.into(),
            source: source.into(),
        }
    }
}
