//! System calls that `nix` lacks.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{c_int, c_void, socklen_t, tcp_info};

/// Bytes given to a TCP socket and not yet sent, whatever the reason (`SIOCOUTQNSD`,
/// `linux/sockios.h`).
pub(crate) fn unsent(socket: BorrowedFd<'_>) -> io::Result<u64> {
    ask(socket, libc::SIOCOUTQNSD)
}

/// Bytes given to a socket and not yet with the peer (`SIOCOUTQ`, by its terminal name `TIOCOUTQ`).
/// TCP: not yet acknowledged, the unsent included. UNIX: not yet read, with what the kernel adds.
pub(crate) fn queued(socket: BorrowedFd<'_>) -> io::Result<u64> {
    ask(socket, libc::TIOCOUTQ)
}

fn ask(socket: BorrowedFd<'_>, request: libc::Ioctl) -> io::Result<u64> {
    let mut bytes: c_int = 0;
    // SAFETY: both requests write one int to the address, and `bytes` is one.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut bytes) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// What the kernel knows of a connection (`tcp(7)`).
pub(crate) fn connection_info(socket: BorrowedFd<'_>) -> io::Result<tcp_info> {
    let mut info = MaybeUninit::<tcp_info>::zeroed();
    let mut len = size_of::<tcp_info>() as socklen_t;
    // SAFETY: the kernel writes at most `len` bytes, which is the size of `info`.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast::<c_void>(),
            &raw mut len,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: integers alone, all of them zeroed before an older kernel filled in fewer.
    Ok(unsafe { info.assume_init() })
}

/// From how many unsent bytes on the socket does not poll writable (`TCP_NOTSENT_LOWAT`): 1 makes
/// it so when all is sent, 0 takes the system's default again.
pub(crate) fn set_unsent_limit(socket: BorrowedFd<'_>, bytes: u32) -> io::Result<()> {
    // SAFETY: the kernel reads an u32's four bytes from an u32.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NOTSENT_LOWAT,
            (&raw const bytes).cast::<c_void>(),
            size_of::<u32>() as socklen_t,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A Unix time in the machine's time zone, as `2026-11-22 14:03:22`.
pub(crate) fn local_time(unix_seconds: u64) -> String {
    let time = libc::time_t::try_from(unix_seconds).unwrap_or(0);
    let mut parts = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both addresses are valid; localtime_r(3) keeps neither.
    if unsafe { libc::localtime_r(&raw const time, parts.as_mut_ptr()) }.is_null() {
        return format!("Unix time {unix_seconds}");
    }
    // SAFETY: integers and a pointer that may be null, zeroed and then filled in.
    let t = unsafe { parts.assume_init() };
    format!(
        "{}-{:02}-{:02} {:02}:{:02}:{:02}",
        i64::from(t.tm_year) + 1900,
        t.tm_mon + 1,
        t.tm_mday,
        t.tm_hour,
        t.tm_min,
        t.tm_sec
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn queues_of_a_peer_that_does_not_read() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut socket, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        assert_eq!(unsent(socket.as_fd()).unwrap(), 0);
        let mut written = 0;
        while let Ok(count) = socket.write(&[0; 65536]) {
            written += count as u64;
        }
        let unsent = unsent(socket.as_fd()).unwrap();
        let queued = queued(socket.as_fd()).unwrap();
        assert!(unsent > 0 && unsent <= queued && queued <= written);
        assert!(connection_info(socket.as_fd()).unwrap().tcpi_snd_mss > 0);
        set_unsent_limit(socket.as_fd(), 1).unwrap();
        set_unsent_limit(socket.as_fd(), 0).unwrap();
    }

    #[test]
    fn times_have_a_date_and_a_time() {
        let text = local_time(1_732_270_000);
        assert_eq!(text.len(), "2024-11-22 10:06:40".len(), "{text}");
        assert!(text.starts_with("2024-11-2"), "{text}");
    }
}
