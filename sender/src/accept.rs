//! Senders at the door: all wait on the same listening sockets, and a connection wakes one.
//!
//! Not here: what happens to the connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::transport::Transport;
use crate::{Listener, Protocol};

/// A connection that has come.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// The connection.
    pub transport: Transport,
    /// The peer's; none: a UNIX socket's.
    pub address: Option<SocketAddr>,
    /// What is spoken where it came in.
    pub protocol: Protocol,
}

/// The listening sockets as one sender sees them, and the set in which it waits for them.
#[derive(Debug)]
pub(crate) struct Door<'a> {
    listeners: &'a [Listener],
    epoll: Epoll,
    /// How many listeners are in the set.
    open: usize,
}

impl<'a> Door<'a> {
    /// A closed door.
    ///
    /// # Errors
    /// Those of `epoll_create1(2)` and `fcntl(2)`.
    pub fn new(listeners: &'a [Listener]) -> io::Result<Self> {
        for listener in listeners {
            listener.socket.set_nonblocking()?;
        }
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Door {
            listeners,
            epoll,
            open: 0,
        })
    }

    /// The set. Events of listeners bear their index.
    pub fn epoll(&self) -> &Epoll {
        &self.epoll
    }

    /// Waits for a connection, at most `timeout`; a signal ends the wait, too. The door is open
    /// only meanwhile: the kernel would give a busy sender's place in the queue a wake-up that an
    /// idle one needs.
    ///
    /// # Errors
    /// Those of `epoll_ctl(2)`, `epoll_wait(2)` and `accept(2)`, except where the connection was
    /// gone before it was accepted.
    pub fn next(&mut self, timeout: Duration) -> io::Result<Option<Arrival>> {
        let next = self.open().and_then(|()| self.wait(timeout));
        self.close();
        next
    }

    fn wait(&self, timeout: Duration) -> io::Result<Option<Arrival>> {
        let mut ready = [EpollEvent::empty(); 8];
        let timeout = EpollTimeout::try_from(timeout).unwrap_or(EpollTimeout::ZERO);
        let count = match self.epoll.wait(&mut ready, timeout) {
            Ok(count) => count,
            Err(nix::Error::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        for event in &ready[..count] {
            if let Some(connection) = self.accept(event.data() as usize)? {
                return Ok(Some(connection));
            }
        }
        Ok(None)
    }

    /// Has connections wake who waits for the set, one sender each, if they do not yet.
    ///
    /// # Errors
    /// Those of `epoll_ctl(2)`.
    pub fn open(&mut self) -> io::Result<()> {
        for (index, listener) in self.listeners.iter().enumerate().skip(self.open) {
            let events = EpollFlags::EPOLLIN | EpollFlags::EPOLLEXCLUSIVE;
            self.epoll
                .add(&listener.socket, EpollEvent::new(events, index as u64))?;
            self.open += 1;
        }
        Ok(())
    }

    /// Leaves them to others.
    pub fn close(&mut self) {
        for listener in &self.listeners[..self.open] {
            // It fails only for what is not in the set.
            let _ = self.epoll.delete(&listener.socket);
        }
        self.open = 0;
    }

    /// Takes a connection from listener `index`, if one is there.
    ///
    /// # Errors
    /// Those of `accept(2)`, except where the connection was gone before it was accepted.
    pub fn accept(&self, index: usize) -> io::Result<Option<Arrival>> {
        self.listeners.get(index).map_or(Ok(None), accept)
    }
}

fn accept(listener: &Listener) -> io::Result<Option<Arrival>> {
    match listener.socket.accept() {
        Ok((transport, address)) => Ok(Some(Arrival {
            transport,
            address,
            protocol: listener.protocol,
        })),
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
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::Socket;

    #[test]
    fn one_connection_from_any_listener_then_none() {
        let listeners = [Protocol::Http, Protocol::Raw].map(|protocol| Listener {
            socket: Socket::Tcp(TcpListener::bind("127.0.0.1:0").unwrap()),
            protocol,
        });
        let mut doors = [
            Door::new(&listeners).unwrap(),
            Door::new(&listeners).unwrap(),
        ];
        let at_once = Duration::ZERO;
        for listener in &listeners {
            let Socket::Tcp(socket) = &listener.socket else {
                unreachable!()
            };
            let client = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
            let arrival = doors[0].next(Duration::from_secs(60)).unwrap().unwrap();
            assert_eq!(arrival.address, Some(client.local_addr().unwrap()));
            assert_eq!(arrival.protocol, listener.protocol);
        }
        assert!(doors[1].next(at_once).unwrap().is_none());
    }
}
