//! Drives one connection to its end on the thread that calls: `poll(2)` for the socket, the ring's
//! futex for frames.
//!
//! Not here: where the connection came from (`one_by_one`, `threads`), and what it does.

use std::time::Instant;

use nix::poll::PollFlags;

use crate::Sender;
use crate::awaiting::Await;
use crate::connection::Connection;
use crate::socket;

/// Returns when the connection is over. `each` is told the time before every step.
pub(crate) fn drive(
    mut connection: Connection<'_>,
    sender: &Sender<'_>,
    mut each: impl FnMut(Instant),
) {
    loop {
        let now = Instant::now();
        each(now);
        let Some(wait) = connection.step(now) else {
            return;
        };
        let (events, until) = match wait {
            Await::Turn => continue,
            Await::Change(ticket, until) => {
                let left = until.saturating_duration_since(now);
                sender.ring.wait(ticket, left);
                continue;
            }
            Await::Readable(until) => (PollFlags::POLLIN, until),
            Await::Writable(until) => (PollFlags::POLLOUT, until),
        };
        let left = until.saturating_duration_since(now);
        if let Err(error) = socket::wait(connection.socket(), events, left) {
            return connection.broken(error);
        }
    }
}
