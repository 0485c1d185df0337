//! How a connection's bytes come and go: TCP, a UNIX stream socket, or TLS over TCP; and the
//! listening sockets that they come in by.
//!
//! Not here: the waiting (`socket`), and what is said.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use nix::sys::socket::{setsockopt, sockopt};

use crate::sys;
use crate::tls::{Identity, Session};

/// Send buffer of a UNIX socket, bytes, as far as the system grants it (`net.core.wmem_max`): it
/// does not grow by itself, and what does not fit takes a copy and a second call.
const UNIX_BUFFER: usize = 4 << 20;

/// Unread bytes of a UNIX socket that are no delay, with what the kernel adds, some 750 for each
/// write: a viewer that reads a part by its length has not read what is behind it.
const FEW: u64 = 4 << 10;

/// A listening socket.
#[derive(Debug)]
pub enum Socket {
    /// Of IPv4 or IPv6.
    Tcp(TcpListener),
    /// Of this machine.
    Unix(UnixListener),
}

impl Socket {
    /// A connection that has come, without waiting, and its peer's address over TCP.
    pub(crate) fn accept(&self) -> io::Result<(Transport, Option<SocketAddr>)> {
        match self {
            Socket::Tcp(listener) => {
                let (socket, address) = listener.accept()?;
                socket.set_nonblocking(true)?;
                Ok((Link::Tcp(socket).into(), Some(address)))
            }
            Socket::Unix(listener) => {
                let (socket, _) = listener.accept()?;
                socket.set_nonblocking(true)?;
                setsockopt(&socket, sockopt::SndBuf, &UNIX_BUFFER)?;
                Ok((Link::Unix(socket).into(), None))
            }
        }
    }

    /// Another process may be quicker between a wake-up and the accept.
    ///
    /// # Errors
    /// Those of `fcntl(2)`.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(listener) => listener.set_nonblocking(true),
            Socket::Unix(listener) => listener.set_nonblocking(true),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(listener) => listener.as_fd(),
            Socket::Unix(listener) => listener.as_fd(),
        }
    }
}

/// A connection, non-blocking. A read or write that cannot be finished now gives `WouldBlock`; a
/// write is then to be tried again with the same bytes.
#[derive(Debug)]
pub(crate) struct Transport {
    link: Link,
    /// Of TLS over TCP.
    session: Option<Box<Session>>,
}

#[derive(Debug)]
enum Link {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl From<Link> for Transport {
    fn from(link: Link) -> Self {
        let session = None;
        Transport { link, session }
    }
}

impl Transport {
    /// The TCP socket under it, if there is one.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match &self.link {
            Link::Tcp(socket) => Some(socket),
            Link::Unix(_) => None,
        }
    }

    /// Where bytes of others' memory may go out from where they lie; none where they are private
    /// first.
    pub fn bare(&self) -> Option<BorrowedFd<'_>> {
        self.session.is_none().then(|| self.as_fd())
    }

    /// The first byte that has come over TCP, left where it is; none: the peer has ended.
    pub fn peek(&self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        let count = self.tcp().map_or(Ok(0), |socket| socket.peek(&mut byte))?;
        Ok((count > 0).then_some(byte[0]))
    }

    /// Has TLS spoken from now on.
    pub fn begin_tls(&mut self, identity: &Identity) -> io::Result<()> {
        self.session = Some(Box::new(Session::new(identity)?));
        Ok(())
    }

    /// Whether TLS's handshake has begun and not ended.
    pub fn is_handshaking(&self) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|session| session.is_handshaking())
    }

    /// Whether all that was written is on its way. On a UNIX socket, where there is no way: whether
    /// the peer has read it, but for a few bytes.
    pub fn is_drained(&self) -> io::Result<bool> {
        Ok(match &self.link {
            Link::Tcp(socket) => sys::unsent(socket.as_fd())? == 0,
            Link::Unix(socket) => sys::queued(socket.as_fd())? <= FEW,
        })
    }

    /// Whether it polls writable when nothing is unsent, where that was asked for. A UNIX socket does
    /// when three quarters are free (`unix_writable`, net/unix/af_unix.c): somebody has to look.
    pub fn tells_drained(&self) -> bool {
        self.tcp().is_some()
    }

    /// Asks for that, or to poll writable when there is room.
    pub fn limit_unsent(&self, limited: bool) -> io::Result<()> {
        match &self.link {
            Link::Tcp(socket) => sys::set_unsent_limit(socket.as_fd(), u32::from(limited)),
            Link::Unix(_) => Ok(()),
        }
    }

    /// Says that nothing more comes.
    pub fn shut_down(&mut self) -> io::Result<()> {
        if let (Some(session), Link::Tcp(socket)) = (&mut self.session, &mut self.link) {
            session.close(socket)?;
        }
        match &self.link {
            Link::Tcp(socket) => socket.shutdown(Shutdown::Write),
            Link::Unix(socket) => socket.shutdown(Shutdown::Write),
        }
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.link {
            Link::Tcp(socket) => socket.as_fd(),
            Link::Unix(socket) => socket.as_fd(),
        }
    }
}

impl Read for Transport {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match (&mut self.session, &mut self.link) {
            (Some(session), Link::Tcp(socket)) => session.read(socket, out),
            (_, Link::Tcp(socket)) => socket.read(out),
            (_, Link::Unix(socket)) => socket.read(out),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match (&mut self.session, &mut self.link) {
            (Some(session), Link::Tcp(socket)) => session.write(socket, pieces),
            (_, Link::Tcp(socket)) => socket.write_vectored(pieces),
            (_, Link::Unix(socket)) => socket.write_vectored(pieces),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unix_socket_is_drained_once_it_is_read() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut ours = Transport::from(Link::Unix(ours));
        assert!(ours.is_drained().unwrap());
        ours.write_all(&[7; 100_000]).unwrap();
        assert!(!ours.is_drained().unwrap());
        let mut half = [0; 50_000];
        theirs.read_exact(&mut half).unwrap();
        assert!(!ours.is_drained().unwrap());
        ours.write_all(b"behind").unwrap();
        theirs.read_exact(&mut half).unwrap();
        assert!(ours.is_drained().unwrap(), "all but a few");
        ours.write_all(&[7; 100_000]).unwrap();
        assert!(!ours.is_drained().unwrap());
        drop(theirs);
        assert!(ours.is_drained().unwrap(), "nobody can read it any more");
        let error = ours.write(b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
