//! Waiting on one connection's socket: shell, no decisions.

use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};

use crate::transport::Transport;

/// The longest single wait of a connection for its peer, so that a stop is seen.
pub(crate) const SLICE: Duration = Duration::from_millis(250);

/// Waits for `events`, at most `limit`; a signal ends the wait, too.
///
/// # Errors
/// The socket's own, where the connection is broken or ended in both directions; else those of
/// `poll(2)`.
pub(crate) fn wait(socket: &Transport, events: PollFlags, limit: Duration) -> io::Result<()> {
    // Rounded up: a wait of 0 ms towards a deadline would spin.
    let millis = limit.as_micros().div_ceil(1000).min(u16::MAX.into()) as u16;
    let mut fds = [PollFd::new(socket.as_fd(), events)];
    match poll(&mut fds, PollTimeout::from(millis)) {
        Ok(_) => {}
        Err(nix::Error::EINTR) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let broken = PollFlags::POLLERR | PollFlags::POLLHUP;
    if fds[0]
        .revents()
        .is_some_and(|found| found.intersects(broken))
    {
        return Err(error_of(socket));
    }
    Ok(())
}

/// Why a socket that polls as broken is so.
pub(crate) fn error_of(socket: &Transport) -> io::Error {
    match getsockopt(socket, sockopt::SocketError) {
        Ok(0) => io::ErrorKind::ConnectionReset.into(),
        Ok(error) => io::Error::from_raw_os_error(error),
        Err(error) => error.into(),
    }
}

/// Whether an error of a non-blocking call only says "later".
pub(crate) fn is_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
