//! Idle senders at the door: all wait on the same listening sockets, and a connection wakes one.
//!
//! Not here: what happens to the connection.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// The listening sockets as one idle sender sees them.
#[derive(Debug)]
pub(crate) struct Door<'a> {
    listeners: &'a [TcpListener],
    epoll: Epoll,
}

impl<'a> Door<'a> {
    /// # Errors
    /// Those of `epoll_create1(2)` and `fcntl(2)`.
    pub fn new(listeners: &'a [TcpListener]) -> io::Result<Self> {
        for listener in listeners {
            // Another sender may be quicker between the wake-up and the accept.
            listener.set_nonblocking(true)?;
        }
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Door { listeners, epoll })
    }

    /// Waits for a connection, at most `timeout`; a signal ends the wait, too. The socket comes
    /// non-blocking. The listeners are in the epoll set only meanwhile: the kernel would give a
    /// busy sender's place in the queue a wake-up that an idle one needs.
    ///
    /// # Errors
    /// Those of `epoll_ctl(2)`, `epoll_wait(2)` and `accept(2)`, except where the connection was
    /// gone before it was accepted.
    pub fn next(&self, timeout: Duration) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        let mut open = Opened {
            door: self,
            count: 0,
        };
        for (index, listener) in self.listeners.iter().enumerate() {
            // One connection, one sender woken.
            let events = EpollFlags::EPOLLIN | EpollFlags::EPOLLEXCLUSIVE;
            self.epoll
                .add(listener, EpollEvent::new(events, index as u64))?;
            open.count += 1;
        }
        let mut ready = [EpollEvent::empty(); 8];
        let timeout = EpollTimeout::try_from(timeout).unwrap_or(EpollTimeout::ZERO);
        let count = match self.epoll.wait(&mut ready, timeout) {
            Ok(count) => count,
            Err(nix::Error::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        for event in &ready[..count] {
            if let Some(connection) = accept(&self.listeners[event.data() as usize])? {
                return Ok(Some(connection));
            }
        }
        Ok(None)
    }
}

/// Takes the listeners out of the set again.
struct Opened<'a> {
    door: &'a Door<'a>,
    count: usize,
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        for listener in &self.door.listeners[..self.count] {
            // It fails only for what is not in the set.
            let _ = self.door.epoll.delete(listener);
        }
    }
}

fn accept(listener: &TcpListener) -> io::Result<Option<(TcpStream, SocketAddr)>> {
    match listener.accept() {
        Ok((socket, address)) => {
            socket.set_nonblocking(true)?;
            Ok(Some((socket, address)))
        }
        Err(error) if is_nobody(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Taken by another sender, or gone: accept(2) passes the new socket's network errors on.
fn is_nobody(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
    matches!(error.kind(), WouldBlock | Interrupted | ConnectionAborted)
        || matches!(
            error.raw_os_error(),
            Some(
                libc::ENETDOWN
                    | libc::EPROTO
                    | libc::ENOPROTOOPT
                    | libc::EHOSTDOWN
                    | libc::ENONET
                    | libc::EHOSTUNREACH
                    | libc::EOPNOTSUPP
                    | libc::ENETUNREACH
            )
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_connection_from_any_listener_then_none() {
        let listeners = [
            TcpListener::bind("127.0.0.1:0").unwrap(),
            TcpListener::bind("127.0.0.1:0").unwrap(),
        ];
        let doors = [
            Door::new(&listeners).unwrap(),
            Door::new(&listeners).unwrap(),
        ];
        let at_once = Duration::ZERO;
        for listener in &listeners {
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (_, address) = doors[0].next(Duration::from_secs(60)).unwrap().unwrap();
            assert_eq!(address, client.local_addr().unwrap());
        }
        assert!(doors[1].next(at_once).unwrap().is_none());
    }
}
