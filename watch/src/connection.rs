//! One TCP connection in the making: non-blocking socket, receive buffer, request.
//!
//! Not here: when to try, what comes back.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, connect, getsockopt, setsockopt, socket,
    sockopt,
};

/// Begins to connect. The socket is writable when it is decided; see [`established`].
/// `rcvbuf` must be set before, since the window scale is agreed in the handshake (tcp(7)).
pub fn begin(address: SocketAddr, rcvbuf: usize) -> io::Result<TcpStream> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket(family, SockType::Stream, flags, None)?;
    let stream = TcpStream::from(fd);
    setsockopt(&stream, sockopt::RcvBuf, &rcvbuf)?;
    match connect(stream.as_raw_fd(), &SockaddrStorage::from(address)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(stream),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether the attempt came to a connection. Takes the error off the socket.
pub fn established(stream: &TcpStream) -> io::Result<()> {
    match stream.take_error()? {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Sends the whole request: a fresh send buffer has room for it.
pub fn ask(mut stream: &TcpStream, request: &str) -> io::Result<()> {
    let sent = stream.write(request.as_bytes())?;
    if sent < request.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    Ok(())
}

/// SO_RCVBUF as granted, bytes.
pub fn granted_rcvbuf(stream: &TcpStream) -> io::Result<usize> {
    Ok(getsockopt(stream, sockopt::RcvBuf)?)
}
