//! The way to a connection: the name looked up, its addresses tried one after the other, all on a
//! thread of its own. glibc's resolver can neither be polled nor told when to give up, and capture
//! owes a sign of life four times a second.
//!
//! Not here: what is asked over the connection, and when to try again.

use std::cell::RefCell;
use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long all addresses of a host may take together. With a look-up the source waits no longer,
/// either, so that of the two it is this one's reason that is heard.
const PATIENCE: Duration = Duration::from_millis(3500);

/// An answer that lay there for longer came while nobody waited: the server may have closed that connection
/// by now, or be there again. Longer than the loop waits before it opens a source anew.
const FRESH: Duration = Duration::from_secs(2);

/// Makes connections. It outlives the source that asked: a lookup that hangs for minutes, while the
/// source is given up and opened anew each second, stays one thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connector(Rc<RefCell<Option<Attempt>>>);

#[derive(Debug)]
struct Attempt {
    host: String,
    port: u16,
    /// When it came, and what it is.
    answer: Receiver<(Instant, io::Result<TcpStream>)>,
}

impl Connector {
    /// Waits at most `timeout` for a connection to `host` (an IPv6 address without brackets), and
    /// begins to make it unless that is under way. `None`: not yet.
    pub(super) fn wait(
        &self,
        host: &str,
        port: u16,
        timeout: Duration,
    ) -> Option<io::Result<TcpStream>> {
        let mut slot = self.0.borrow_mut();
        loop {
            let attempt = match slot.take() {
                Some(attempt) if (&*attempt.host, attempt.port) == (host, port) => attempt,
                _ => match begin(host, port) {
                    Ok(attempt) => attempt,
                    Err(e) => return Some(Err(e)),
                },
            };
            match attempt.answer.recv_timeout(timeout) {
                Ok((came, _)) if came.elapsed() > FRESH => {}
                Ok((_, answer)) => return Some(answer),
                Err(RecvTimeoutError::Timeout) => {
                    *slot = Some(attempt);
                    return None;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Some(Err(io::Error::other("gave up")));
                }
            }
        }
    }
}

fn begin(host: &str, port: u16) -> io::Result<Attempt> {
    // Room for the answer: the thread ends even where nobody waits any more.
    let (sender, answer) = sync_channel(1);
    let to = host.to_owned();
    thread::Builder::new()
        .name("connect".into())
        .spawn(move || {
            let answer = connect(&to, port);
            let _ = sender.send((Instant::now(), answer));
        })?;
    Ok(Attempt {
        host: host.to_owned(),
        port,
        answer,
    })
}

fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses: Vec<_> = (host, port).to_socket_addrs()?.collect();
    let deadline = Instant::now() + PATIENCE;
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for (n, address) in addresses.iter().enumerate() {
        // Each gets its share: one that swallows everything must not eat the others' time.
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / (addresses.len() - n) as u32;
        match TcpStream::connect_timeout(address, share.max(Duration::from_millis(1))) {
            Ok(stream) => return Ok(stream),
            Err(e) => failed = e,
        }
    }
    Err(failed)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const HANG: Duration = Duration::from_secs(60);

    #[test]
    fn a_listener_is_reached_by_name_and_by_number() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost"] {
            let stream = Connector::default().wait(host, port, HANG).unwrap();
            assert_eq!(stream.unwrap().peer_addr().unwrap().port(), port);
        }
    }

    #[test]
    fn nobody_there_is_said() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let answer = Connector::default().wait("127.0.0.1", port, HANG).unwrap();
        assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn an_attempt_under_way_is_not_begun_again() {
        let connector = Connector::default();
        let (sender, answer) = sync_channel(1);
        *connector.0.borrow_mut() = Some(Attempt {
            host: "cam".into(),
            port: 80,
            answer,
        });
        let clone = connector.clone();
        assert!(clone.wait("cam", 80, Duration::ZERO).is_none());
        assert!(connector.wait("cam", 80, Duration::ZERO).is_none());
        let late = Err(io::Error::other("late"));
        sender.send((Instant::now(), late)).unwrap();
        let late = clone.wait("cam", 80, HANG).unwrap().unwrap_err();
        assert_eq!(late.to_string(), "late");
    }

    #[test]
    fn an_answer_from_long_ago_is_not_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connector = Connector::default();
        let (sender, answer) = sync_channel(1);
        *connector.0.borrow_mut() = Some(Attempt {
            host: "127.0.0.1".into(),
            port,
            answer,
        });
        let came = Instant::now().checked_sub(FRESH * 2).unwrap();
        let refused = Err(io::ErrorKind::ConnectionRefused.into());
        sender.send((came, refused)).unwrap();
        assert!(connector.wait("127.0.0.1", port, HANG).unwrap().is_ok());
    }
}
