//! Why a stream ended, in the words of the log.

use std::io;

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    #[error("left")]
    Left,
    #[error("was lost ({0})")]
    Broken(io::Error),
    #[error("stopped answering")]
    Gone,
    #[error("took too little")]
    TooSlow,
    #[error("was overtaken by the writer: frame {0} went out torn")]
    Torn(u64),
    #[error("was ended by the stop")]
    Stopped {
        /// The viewer has all of it.
        whole: bool,
    },
    #[error("was ended: the ring was cut short from outside")]
    Lost,
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => End::Left,
            _ => End::Broken(error),
        }
    }
}
