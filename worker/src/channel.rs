//! One end of a pair of connected sockets between the supervisor and a worker: messages as JSON, a
//! packet each (`SOCK_SEQPACKET`, unix(7)). Nothing here ever waits for the other side: what it does
//! not take is not sent, and the caller learns it.
//!
//! Not here: what is said (`message`), and who is answered (`supervisor`).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest message, bytes.
pub const MAX_MESSAGE: usize = 64 << 10;

/// One end.
#[derive(Debug)]
pub struct Channel(OwnedFd);

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
pub enum Unsent {
    /// The other side has not read what is there already.
    #[error("it does not read what was sent before")]
    Full,
    /// Over [`MAX_MESSAGE`], or nothing that JSON can say.
    #[error("the message cannot be sent: {0}")]
    Unfit(String),
    /// The other side is gone.
    #[error("it is gone: {0}")]
    Gone(io::Error),
}

/// What came of looking for a message.
#[derive(Debug)]
pub enum Received<T> {
    /// One.
    Message(T),
    /// None is there now.
    Nothing,
    /// The other side is gone; none will come.
    Closed,
    /// What came is no message: why.
    Broken(String),
}

/// A pair of ends, both closed by exec.
///
/// # Errors
/// Those of `socketpair(2)`.
pub fn pair() -> io::Result<(Channel, Channel)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let (one, other) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
    Ok((Channel(one), Channel(other)))
}

impl Channel {
    /// Sends a message, if there is room for it.
    ///
    /// # Errors
    /// [`Unsent`].
    pub fn send(&self, message: &impl Serialize) -> Result<(), Unsent> {
        let bytes = serde_json::to_vec(message).map_err(|e| Unsent::Unfit(e.to_string()))?;
        if bytes.len() > MAX_MESSAGE {
            return Err(Unsent::Unfit(format!("it is {} bytes long", bytes.len())));
        }
        match send(self.0.as_raw_fd(), &bytes, MsgFlags::MSG_NOSIGNAL) {
            Ok(_) => Ok(()),
            // ENOBUFS: the kernel has no memory for it now.
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS) => Err(Unsent::Full),
            Err(e) => Err(Unsent::Gone(e.into())),
        }
    }

    /// Takes the next message, if one is there.
    pub fn receive<T: DeserializeOwned>(&self) -> Received<T> {
        // Most looks find nothing, and take no memory.
        let mut first = [0];
        match self.take(&mut first, MsgFlags::MSG_PEEK) {
            Ok(0) => return Received::Closed,
            Ok(_) => {}
            Err(Errno::EAGAIN | Errno::EINTR) => return Received::Nothing,
            Err(_) => return Received::Closed,
        }
        let mut bytes = vec![0; MAX_MESSAGE];
        match self.take(&mut bytes, MsgFlags::empty()) {
            Ok(len) if len > bytes.len() => Received::Broken(format!("{len} bytes")),
            Ok(len) => match serde_json::from_slice(&bytes[..len]) {
                Ok(message) => Received::Message(message),
                Err(e) => Received::Broken(e.to_string()),
            },
            Err(Errno::EAGAIN | Errno::EINTR) => Received::Nothing,
            Err(_) => Received::Closed,
        }
    }

    /// The whole packet's length, and as much of it as fits.
    fn take(&self, into: &mut [u8], how: MsgFlags) -> nix::Result<usize> {
        recv(self.0.as_raw_fd(), into, how | MsgFlags::MSG_TRUNC)
    }

    /// Waits at most `limit` for something to receive; a signal ends the wait, too.
    pub fn wait(&self, limit: Duration) {
        let millis = limit.as_micros().div_ceil(1000).min(u16::MAX.into()) as u16;
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        // It fails for want of memory alone: then it was a short wait.
        let _ = poll(&mut fds, PollTimeout::from(millis));
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(channel: &Channel, bytes: &[u8]) {
        send(channel.0.as_raw_fd(), bytes, MsgFlags::empty()).unwrap();
    }

    #[test]
    fn messages_in_order_then_nothing_then_the_end() {
        let (a, b) = pair().unwrap();
        a.send(&1).unwrap();
        a.send(&"two").unwrap();
        assert!(matches!(b.receive::<u32>(), Received::Message(1)));
        assert!(matches!(b.receive::<String>(), Received::Message(text) if text == "two"));
        assert!(matches!(b.receive::<u32>(), Received::Nothing));
        drop(a);
        assert!(matches!(b.receive::<u32>(), Received::Closed));
        assert!(matches!(b.send(&1), Err(Unsent::Gone(_))));
    }

    #[test]
    fn what_is_no_message_is_taken_off_and_the_next_is_read() {
        let (a, b) = pair().unwrap();
        for junk in [&b"{"[..], b"\xff", &[b'1'; MAX_MESSAGE + 1], b"1 2"] {
            bytes(&a, junk);
            a.send(&7).unwrap();
            assert!(matches!(b.receive::<u32>(), Received::Broken(_)));
            assert!(matches!(b.receive::<u32>(), Received::Message(7)));
        }
    }

    #[test]
    fn nobody_waits_for_who_does_not_read() {
        let (a, b) = pair().unwrap();
        let text = "x".repeat(MAX_MESSAGE - 2);
        let mut sent = 0;
        while a.send(&text).is_ok() {
            sent += 1;
        }
        assert!(sent > 0);
        assert!(matches!(a.send(&text), Err(Unsent::Full)));
        assert!(matches!(b.receive::<String>(), Received::Message(t) if t == text));
        a.send(&text).unwrap();
        assert!(matches!(
            a.send(&"x".repeat(MAX_MESSAGE)),
            Err(Unsent::Unfit(_))
        ));
    }
}
