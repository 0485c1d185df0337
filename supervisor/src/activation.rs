//! Listening sockets that a service manager passed, as `sd_listen_fds(3)` and
//! `sd_listen_fds_with_names(3)` have it: from descriptor 3 on, so many, for the process that is
//! named.
//!
//! Not here: the sockets that this program makes itself (`address`, `unix_socket`).

use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::sockopt::{AcceptConn, SockType};
use nix::sys::socket::{self, SockaddrLike as _, SockaddrStorage, getsockname, getsockopt};
use sender::Socket;

use crate::sys;

/// The first descriptor (`SD_LISTEN_FDS_START`).
const FIRST: i32 = 3;
/// More of them are a mistake.
const MOST: i32 = 64;

/// What was passed.
#[derive(Debug, Default)]
pub struct Passed(Vec<Named>);

#[derive(Debug)]
struct Named {
    fd: OwnedFd,
    name: String,
}

/// A listening socket that was passed, and whether its name is `raw`.
#[derive(Debug)]
pub struct Listening {
    /// The socket.
    pub socket: Socket,
    /// Named `raw` (`FileDescriptorName=raw`).
    pub raw: bool,
}

/// Takes what was passed to this process out of the environment, so that no child takes it for its
/// own. To be called once, by `main`, before any other thread and any other descriptor.
pub fn take() -> Passed {
    let variables = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];
    let values = variables.map(|name| std::env::var(name).ok());
    sys::forget_variables(&variables);
    let [pid, count, names] = values.each_ref().map(|value| value.as_deref());
    let names = claimed(std::process::id(), pid, count, names);
    let named = names.into_iter().zip(FIRST..).filter_map(|(name, fd)| {
        let fd = sys::passed_descriptor(fd)?;
        let kept = fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
        kept.ok().map(|_| Named { fd, name })
    });
    Passed(named.collect())
}

/// The names of those that were passed to process `us`, one for each.
fn claimed(us: u32, pid: Option<&str>, count: Option<&str>, names: Option<&str>) -> Vec<String> {
    if pid.and_then(|pid| pid.parse().ok()) != Some(us) {
        return Vec::new();
    }
    let count = count.and_then(|count| count.parse().ok()).unwrap_or(0);
    let names = names.map_or(Vec::new(), |names| names.split(':').collect());
    (0..count.clamp(0, MOST))
        .map(|index| names.get(index as usize).copied().unwrap_or("").to_owned())
        .collect()
}

impl Passed {
    /// Whether there is anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The listening sockets.
    ///
    /// # Errors
    /// What is wrong with them, as a sentence that says what to do.
    pub fn sockets(self) -> Result<Vec<Listening>, String> {
        if self.is_empty() {
            return Err(
                "no socket was passed: start it by its .socket unit, or say --http HOST:PORT"
                    .into(),
            );
        }
        self.0.into_iter().map(socket).collect()
    }
}

fn socket(Named { fd, name }: Named) -> Result<Listening, String> {
    let wrong = |what: &str| {
        let of = if name.is_empty() {
            "without a name"
        } else {
            &name
        };
        Err(format!(
            "the socket passed to it ({of}) {what}: ListenStream= and Accept=no are what it takes"
        ))
    };
    match getsockopt(&fd, SockType) {
        Err(_) => return wrong("is no socket"),
        Ok(kind) if kind != socket::SockType::Stream => return wrong("is no stream socket"),
        Ok(_) => {}
    }
    if getsockopt(&fd, AcceptConn) != Ok(true) {
        return wrong("does not listen");
    }
    let socket = match family(&fd) {
        Some(libc::AF_INET | libc::AF_INET6) => Socket::Tcp(fd.into()),
        Some(libc::AF_UNIX) => Socket::Unix(fd.into()),
        _ => return wrong("is neither of TCP nor a UNIX socket"),
    };
    let raw = name == "raw";
    Ok(Listening { socket, raw })
}

fn family(fd: &impl AsFd) -> Option<i32> {
    use std::os::fd::AsRawFd as _;
    let at: SockaddrStorage = getsockname(fd.as_fd().as_raw_fd()).ok()?;
    at.family().map(|family| family as i32)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_what_was_passed_to_us() {
        let names = |pid, count, names| claimed(71, pid, count, names).join("|");
        assert_eq!(names(Some("71"), Some("2"), Some("http:raw")), "http|raw");
        assert_eq!(names(Some("71"), Some("3"), Some("raw")), "raw||");
        assert_eq!(names(Some("71"), Some("2"), None), "|");
        assert!(claimed(71, Some("72"), Some("2"), None).is_empty());
        assert!(claimed(71, None, Some("2"), None).is_empty());
        assert!(claimed(71, Some("71"), Some("x"), None).is_empty());
        assert!(claimed(71, Some("71"), Some("-1"), None).is_empty());
        assert_eq!(claimed(71, Some("71"), Some("999999"), None).len(), 64);
    }

    #[test]
    fn only_stream_sockets_that_listen() {
        let named = |fd: OwnedFd, name: &str| {
            let name = name.into();
            socket(Named { fd, name })
        };
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let unix = UnixListener::bind(dir.path().join("http")).unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let found = named(tcp.into(), "seqcast@cam0.socket").unwrap();
        assert!(matches!(found.socket, Socket::Tcp(_)) && !found.raw);
        let found = named(unix.into(), "raw").unwrap();
        assert!(matches!(found.socket, Socket::Unix(_)) && found.raw);
        let null = std::fs::File::open("/dev/null").unwrap();
        for (fd, wanted) in [
            (connection.into(), "does not listen"),
            (udp.into(), "no stream socket"),
            (null.into(), "no socket"),
        ] {
            let said = named(fd, "x").unwrap_err();
            assert!(said.contains(wanted), "{said}");
        }
        let said = Passed::default().sockets().unwrap_err();
        assert!(said.contains(".socket unit"), "{said}");
    }
}
