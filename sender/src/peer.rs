//! Whether the other end is still there.
//!
//! A viewer that does not read is slow, not dead: its kernel still answers, with a window of
//! zero, and it may come back after minutes (a stopped player, a tab in the background). A dead
//! one answers nothing. The kernel's own `TCP_USER_TIMEOUT` cannot tell them apart: from the
//! first window probe on it counts down whatever is answered (`tcp_probe_timer`, net/ipv4/
//! tcp_timer.c), and without it the probes grow up to two minutes apart, too rare to tell. But
//! it also bounds the time to the next probe, so here it is pushed along as long as answers
//! come: probes then go out at least every [`PROBE`], and who has not answered for [`SILENCE`]
//! is gone.
//!
//! The other end of a UNIX socket is on this machine: when it dies, its kernel closes the connection.
//!
//! Not here: slowness, and what is sent.

use std::io;
use std::net::TcpStream;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};

use crate::sys;
use crate::transport::Transport;

/// The longest time between two questions to a peer that owes an answer.
const PROBE: Duration = Duration::from_secs(10);
/// Who has not answered for so long is gone: two questions and a while.
const SILENCE: Duration = Duration::from_secs(25);

/// What is known of the peer of one connection.
#[derive(Debug)]
pub struct Peer {
    /// Bytes acknowledged when last looked at.
    acknowledged: u64,
    /// When that last rose, or nothing was owed.
    progressed: Instant,
    /// `TCP_USER_TIMEOUT` as it is set.
    user_timeout: Duration,
}

impl Peer {
    /// A peer that has just been heard of.
    pub fn new(now: Instant) -> Self {
        Peer {
            acknowledged: 0,
            progressed: now,
            user_timeout: Duration::ZERO,
        }
    }

    /// Sets the connection up: no delay for small segments, and questions to a silent peer.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`.
    pub fn set_up(&mut self, transport: &Transport) -> io::Result<()> {
        let Some(socket) = transport.tcp() else {
            return Ok(());
        };
        socket.set_nodelay(true)?;
        setsockopt(socket, sockopt::KeepAlive, &true)?;
        setsockopt(socket, sockopt::TcpKeepIdle, &5)?;
        setsockopt(socket, sockopt::TcpKeepInterval, &5)?;
        setsockopt(socket, sockopt::TcpKeepCount, &4)?;
        self.set_user_timeout(socket, PROBE)
    }

    /// Looks at the connection, on which `written` bytes have been written so far; to be called
    /// about once a second. Returns whether the peer still answers.
    ///
    /// # Errors
    /// Those of `ioctl(2)`, `getsockopt(2)` and `setsockopt(2)`.
    pub fn answers(
        &mut self,
        transport: &Transport,
        written: u64,
        now: Instant,
    ) -> io::Result<bool> {
        let Some(socket) = transport.tcp() else {
            return Ok(true);
        };
        let owed = sys::queued(socket.as_fd())?;
        let acknowledged = written.saturating_sub(owed);
        if owed == 0 || acknowledged > self.acknowledged {
            self.progressed = now;
        }
        self.acknowledged = acknowledged;
        let info = sys::connection_info(socket.as_fd())?;
        let silence = Duration::from_millis(info.tcpi_last_ack_recv.into());
        if is_gone(owed, silence) {
            return Ok(false);
        }
        self.set_user_timeout(socket, user_timeout(now - self.progressed))?;
        Ok(true)
    }

    fn set_user_timeout(&mut self, socket: &TcpStream, timeout: Duration) -> io::Result<()> {
        if timeout != self.user_timeout {
            let millis = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
            setsockopt(socket, sockopt::TcpUserTimeout, &millis)?;
            self.user_timeout = timeout;
        }
        Ok(())
    }
}

/// With nothing owed, keep-alive asks; it ends the connection by itself.
fn is_gone(owed: u64, silence: Duration) -> bool {
    owed > 0 && silence >= SILENCE
}

/// The kernel counts from a stall's first probe, `stalled` from a little before it.
fn user_timeout(stalled: Duration) -> Duration {
    if stalled < Duration::from_secs(1) {
        return PROBE; // no system call for what is healthy
    }
    stalled + PROBE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_owes_an_answer_can_be_gone() {
        assert!(!is_gone(0, Duration::from_secs(60)));
        assert!(!is_gone(1, SILENCE - Duration::from_millis(1)));
        assert!(is_gone(1, SILENCE));
    }

    #[test]
    fn a_stall_pushes_the_timeout_along() {
        assert_eq!(user_timeout(Duration::from_millis(900)), PROBE);
        assert_eq!(
            user_timeout(Duration::from_secs(300)),
            Duration::from_secs(300) + PROBE
        );
        assert!(PROBE * 2 < SILENCE);
    }
}
