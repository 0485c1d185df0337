//! A viewer's life: accept, speak HTTP, pace, send frames straight from the ring.
//!
//! [`run`] is a sender process: it waits for a connection together with its like, answers it, and
//! waits again. One connection, one request, one process: whatever happens to a viewer happens to
//! no other.
//!
//! What belongs here: protocols, pacing, and the way from the ring to a socket. What does not:
//! where frames come from (`capture`), how many senders there are and what becomes of a dead one
//! (`supervisor`). The parsers and decisions ([`http`], `pacing`, `placeholder`, `spell`) do no
//! I/O.

mod accept;
mod connection;
pub mod http;
mod pacing;
mod peer;
mod placeholder;
mod snapshot;
mod socket;
mod spell;
mod spill;
mod stream;
mod sys;

use std::net::TcpListener;
use std::time::Duration;

use shm_ring::Reader;
use worker::{Board, Cell, Instance, State, exit, signals, title};

/// What a sender is told at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// The instance, for the status.
    pub instance: Instance,
    /// All listeners are on loopback addresses: requests for other hosts' names are refused.
    pub loopback_only: bool,
    /// Frames that a viewer may fall behind before it is put on the newest; at least 1.
    pub lag: u64,
    /// Pixels of the placeholder until the first frame has come.
    pub size: (u32, u32),
}

const IDLE_TITLE: &str = "seqcast: sender idle";
/// The longest wait for a connection, so that the heart beats and a stop is seen.
const DOOR: Duration = Duration::from_millis(500);
/// After a failed accept: out of descriptors or memory, which takes time to pass.
const PAUSE: Duration = Duration::from_millis(200);

/// What one sender process works with.
struct Sender<'a> {
    config: &'a Config,
    ring: &'a Reader,
    board: &'a Board,
    cell: Cell<'a>,
}

/// Serves connections, one at a time, until SIGTERM, or until it has nothing to serve: the ring
/// was cut short from outside. Returns the exit code.
pub fn run(
    config: &Config,
    listeners: &[TcpListener],
    ring: &Reader,
    board: &Board,
    cell: Cell<'_>,
) -> i32 {
    let sender = Sender {
        config,
        ring,
        board,
        cell,
    };
    let door = match accept::Door::new(listeners) {
        Ok(door) => door,
        Err(error) => {
            tracing::error!("a sender cannot wait for connections: {error}");
            return exit::FAILURE;
        }
    };
    title::set(IDLE_TITLE);
    while !signals::stopping() && !ring.is_lost() {
        cell.beat();
        cell.set_state(State::Idle);
        match door.next(DOOR) {
            Ok(None) => {}
            Ok(Some((socket, address))) => {
                cell.set_state(State::Serving);
                connection::serve(&socket, address, &sender);
            }
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
                std::thread::sleep(PAUSE);
            }
        }
    }
    cell.set_state(State::Draining);
    if ring.is_lost() {
        exit::FAILURE
    } else {
        exit::OK
    }
}
