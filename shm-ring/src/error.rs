//! What can go wrong with a segment or a ring, with what a person needs to act on it.

use std::io;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name cannot name a shared-memory object.
    #[error("{name:?} cannot name a shared-memory object: use 1 to 200 of A-Z a-z 0-9 . _ -")]
    BadName {
        /// The name as given.
        name: String,
    },
    /// A segment of that name is there already.
    #[error("/dev/shm/{name} exists already")]
    Exists {
        /// The segment's name.
        name: String,
    },
    /// There is no segment of that name.
    #[error("there is no /dev/shm/{name}")]
    NotFound {
        /// The segment's name.
        name: String,
    },
    /// The shared-memory file system cannot hold the segment.
    #[error("/dev/shm has {available} bytes free, {needed} are needed")]
    NoSpace {
        /// Bytes that the segment takes.
        needed: u64,
        /// Bytes that were free.
        available: u64,
    },
    /// The arena's size is out of range.
    #[error("an arena of {bytes} bytes is out of range: {min} to {max}")]
    ArenaSize {
        /// Bytes as asked.
        bytes: u64,
        /// [`MIN_ARENA`](crate::MIN_ARENA).
        min: u64,
        /// [`MAX_ARENA`](crate::MAX_ARENA).
        max: u64,
    },
    /// The segment holds no ring that this crate can read.
    #[error("not a ring: {why}")]
    NotARing {
        /// Which check it failed.
        why: String,
    },
    /// The ring has another layout version.
    #[error("the ring's layout is version {found}, this program reads {known}")]
    Version {
        /// Version found.
        found: u32,
        /// The one version known here.
        known: u32,
    },
    /// A frame of no bytes.
    #[error("a frame of no bytes cannot be published")]
    EmptyFrame,
    /// A frame over a quarter of the arena: with it the newest frame would not stay readable
    /// while the next is written.
    #[error("a frame of {len} bytes is over a quarter of the ring's {arena}: it takes {needed}")]
    FrameTooLarge {
        /// Bytes of the frame.
        len: u64,
        /// Bytes of the arena.
        arena: u64,
        /// The arena that would do, bytes, a whole MiB.
        needed: u64,
    },
    /// Another living process writes this ring.
    #[error("another process is writing this ring")]
    WriterLives,
    /// Somebody who may write the object truncated it; see
    /// [`survive_truncation`](crate::survive_truncation).
    #[error("shared memory of {len} bytes was cut short from outside, to {left}: start it anew")]
    Truncated {
        /// Bytes that were mapped.
        len: u64,
        /// Bytes that the object has now.
        left: u64,
    },
    /// A system call failed.
    #[error("{what}: {source}")]
    Os {
        /// What was being done, with its object.
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
