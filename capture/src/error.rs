//! What is wrong with a source that can never become right.
//!
//! Not here: what may come back by itself (a camera that is missing, busy or silent), which is
//! [`crate::SourceError`].

use std::io;
use std::path::PathBuf;

use crate::config::{FPS, MAX_SIZE, MIN_SIZE, QUALITY};

/// Found before anything is started. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither a word that is known nor a path.
    #[error(
        "unknown source {0:?}: give auto, test, /dev/videoN, FILE.mjpeg, FILE.jpg, a directory \
         of .jpg files, http://HOST/PATH, amqp://HOST/EXCHANGE, or - for MJPEG on standard input"
    )]
    UnknownSource(String),
    /// An address that cannot be read from.
    #[error("{address}: {reason}")]
    Address {
        /// Without user, password and query.
        address: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// A path to nothing.
    #[error("{}: no such file or directory: check the path, or try --source test", .0.display())]
    Missing(PathBuf),
    /// A path that may not be read.
    #[error("cannot read {}: {cause}: give this user the right to read it", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A FIFO, a socket, a device other than a camera.
    #[error(
        "{} is not a regular file: feed it in with --source - < {}", .0.display(), quoted(.0)
    )]
    NotRegular(PathBuf),
    /// A file of another kind.
    #[error(
        "{} is neither MJPEG nor JPEG: convert it on the way: \
         ffmpeg -re -i {} -an -c:v mjpeg -q:v 5 -f mjpeg - | seqcast --source -",
        .0.display(), quoted(.0)
    )]
    Convert(PathBuf),
    /// A name that promises JPEG, and something else inside.
    #[error("{} holds no JPEG ({cause}): give a file with whole JPEG frames", path.display())]
    NoJpeg {
        /// The file.
        path: PathBuf,
        /// What was found instead.
        cause: String,
    },
    /// Nothing to show in a directory.
    #[error(
        "{} holds no readable .jpg or .jpeg file: give a directory that does", .0.display()
    )]
    EmptyDirectory(PathBuf),
    /// `-`, and nobody feeds it.
    #[error(
        "standard input is a terminal: pipe MJPEG into it, as in \
         ffmpeg … -f mjpeg - | seqcast --source -"
    )]
    Terminal,
    /// A picture too small, too large, or of odd sides.
    #[error(
        "size {width}x{height} is out of range: give even numbers from {}x{} to {}x{}, \
         as in --size 1280x720", MIN_SIZE.0, MIN_SIZE.1, MAX_SIZE.0, MAX_SIZE.1
    )]
    Size {
        /// Pixels, as asked.
        width: u32,
        /// Pixels, as asked.
        height: u32,
    },
    /// A rate that no source has.
    #[error(
        "{0} frames a second are out of range: give --fps {min} to {max}",
        min = FPS.start(), max = FPS.end()
    )]
    Fps(u32),
    /// A raw format of what is no camera.
    #[error(
        "{what} cannot be asked for {format}, as cameras can: leave --format auto, or give \
         --format bgr24 for raw frames"
    )]
    Format {
        /// As `--format` has it.
        format: String,
        /// The source.
        what: String,
    },
    /// Not a JPEG quality.
    #[error(
        "quality {0} is out of range: give --quality {min} to {max}",
        min = QUALITY.start(), max = QUALITY.end()
    )]
    Quality(u8),
}

/// The path as a shell takes it.
fn quoted(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+:,@%=".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
