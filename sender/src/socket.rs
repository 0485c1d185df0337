//! Waiting on one connection's socket, and the short replies' way out: shell, no decisions.
//!
//! Nothing here waits longer than [`SLICE`] at a time, so that the caller can beat its heart and
//! see that it is to stop.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The longest single wait.
pub(crate) const SLICE: Duration = Duration::from_millis(250);

/// Waits for `events`, at most [`SLICE`] and not past `deadline`; a signal ends the wait, too.
///
/// # Errors
/// The socket's own, where the connection is broken or ended in both directions; else those of
/// `poll(2)`.
pub(crate) fn wait(socket: &TcpStream, events: PollFlags, deadline: Instant) -> io::Result<()> {
    let left = deadline
        .saturating_duration_since(Instant::now())
        .min(SLICE);
    // Rounded up: a wait of 0 ms towards a deadline would spin.
    let millis = left.as_micros().div_ceil(1000) as u16;
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
        let error = socket.take_error()?;
        return Err(error.unwrap_or_else(|| io::ErrorKind::ConnectionReset.into()));
    }
    Ok(())
}

/// Whether an error of a non-blocking call only says "later".
pub(crate) fn is_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// Writes all of `bytes` before `deadline`; `go_on` is asked after each wait.
pub(crate) fn write_all(
    mut socket: &TcpStream,
    mut bytes: &[u8],
    deadline: Instant,
    mut go_on: impl FnMut() -> bool,
) -> io::Result<()> {
    while !bytes.is_empty() {
        match socket.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if is_later(&error) => {
                wait(socket, PollFlags::POLLOUT, deadline)?;
                if Instant::now() >= deadline || !go_on() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Ends the sending side and reads off what the peer still sends until it ends its own: a close
/// over unread bytes would reset the connection and take the reply with it.
pub(crate) fn linger(mut socket: &TcpStream, deadline: Instant, mut go_on: impl FnMut() -> bool) {
    if socket.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let mut scrap = [0; 4096];
    loop {
        match socket.read(&mut scrap) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if is_later(&error) => {
                if wait(socket, PollFlags::POLLIN, deadline).is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
        if Instant::now() >= deadline || !go_on() {
            return;
        }
    }
}
