//! A viewer's life: accept, speak HTTP or the raw protocol of 2017, pace, send frames straight from
//! the ring.
//!
//! [`run`] is a sender process. What a connection does is one machine, `connection`, which never
//! waits: it says what it waits for. The [`Model`] is who waits: one connection after the other
//! (`one_by_one`), a thread for each (`threads`), or one loop for all (`multiplex`).
//!
//! What belongs here: protocols, pacing, and the way from the ring to a socket. What does not:
//! where frames come from (`capture`), how many senders there are and what becomes of a dead one
//! (`supervisor`). The parsers and decisions ([`http`], [`auth`], `pacing`, `feed`, `placeholder`, `spell`) do no
//! I/O.

mod accept;
pub mod auth;
mod awaiting;
mod beginning;
mod blocking;
mod caller;
mod clip;
mod connection;
mod convert;
mod course;
mod decimation;
mod desk;
mod end;
mod feed;
mod finale;
mod framing;
pub mod http;
mod multiplex;
mod one_by_one;
mod pacing;
mod peer;
mod placeholder;
mod raw;
mod reach;
mod snapshot;
mod socket;
mod spell;
mod spill;
mod stream;
mod sys;
mod threads;
pub mod tls;
mod transport;

use std::time::{Duration, Instant};

use shm_ring::Reader;
use worker::{Board, Cell, Channel, Instance, State, Watching, exit, signals};

use crate::auth::{Auth, Guard};
use crate::convert::Converter;
use crate::desk::Desk;
use crate::http::cors::AllowOrigin;
use crate::http::host::Hosts;
use crate::placeholder::Easel;
use crate::tls::Identity;

pub use crate::transport::Socket;

/// How one sender process serves its connections, of which it takes as many at once as its cell
/// has slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// One after the other: the process has one slot.
    OneByOne,
    /// A thread for each.
    Threads,
    /// One thread for all.
    Multiplex,
}

/// What is spoken on a connection, by where it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// A request, and its answer: the page, a stream of JPEGs, a snapshot, the status.
    Http,
    /// Raw frames from the connection on, as in 2017.
    Raw,
}

/// Where connections come in.
#[derive(Debug)]
pub struct Listener {
    /// The listening socket.
    pub socket: Socket,
    /// What is spoken there.
    pub protocol: Protocol,
}

/// What a sender is told at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// The instance, for the status.
    pub instance: Instance,
    /// How it serves its connections.
    pub model: Model,
    /// What TLS shows, where it is spoken: then on every TCP connection for HTTP.
    pub tls: Option<Identity>,
    /// HTTP is on loopback addresses only: requests for others' names are refused.
    pub loopback_only: bool,
    /// Names that are not, in lower case.
    pub allow_hosts: Vec<String>,
    /// The source is closed while nobody watches: who comes wakes the supervisor.
    pub on_demand: bool,
    /// Controls are not set over HTTP.
    pub read_only: bool,
    /// Who may look over HTTP, and who may set controls; none: no password is asked for.
    pub auth: Option<Auth>,
    /// Whose pages may read what is answered over HTTP, beside the server's own.
    pub allow_origin: Option<AllowOrigin>,
    /// Streams that one address may have at once; none: as many as there are seats.
    pub per_address: Option<usize>,
    /// Frames that a viewer may fall behind before it is put on the newest; at least 1.
    pub lag: u64,
    /// Pixels of the placeholder until the first frame has come.
    pub size: (u32, u32),
    /// JPEG quality of what is encoded here, 1 to 100.
    pub quality: u8,
}

impl Config {
    /// Under which names it is asked. A page that reaches this server through a name of its own knows no
    /// password, and browsers send none of another name's along.
    fn hosts(&self) -> Hosts<'_> {
        match self.loopback_only && self.auth.is_none() {
            true => Hosts::Own(&self.allow_hosts),
            false => Hosts::Any,
        }
    }
}

/// The longest wait for a connection, so that the heart beats and a stop is seen.
const DOOR: Duration = Duration::from_millis(500);
/// After a failed accept: out of descriptors or memory, which takes time to pass.
const PAUSE: Duration = Duration::from_millis(200);
/// Between two beats of the heart of a process at work.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// What one sender process works with.
struct Sender<'a> {
    config: &'a Config,
    ring: &'a Reader,
    board: &'a Board,
    cell: Cell<'a>,
    easel: Easel,
    converter: Converter,
    desk: Desk<'a>,
    guard: Option<Guard<'a>>,
}

/// Serves connections until SIGTERM, or until it has nothing to serve: the ring was cut short
/// from outside. Asks the supervisor over the `channel`. Returns the exit code.
pub fn run(
    config: &Config,
    listeners: &[Listener],
    ring: &Reader,
    board: &Board,
    cell: Cell<'_>,
    channel: &Channel,
) -> i32 {
    let sender = Sender {
        config,
        ring,
        board,
        cell,
        easel: Easel::default(),
        converter: Converter::new(config.quality),
        desk: Desk::new(channel),
        guard: config.auth.as_ref().map(Guard::new),
    };
    let served = accept::Door::new(listeners).and_then(|door| match config.model {
        Model::OneByOne => {
            one_by_one::run(&sender, door);
            Ok(())
        }
        Model::Threads => {
            threads::run(&sender, door);
            Ok(())
        }
        Model::Multiplex => multiplex::run(&sender, door),
    });
    if let Err(error) = served {
        tracing::error!("a sender cannot wait for connections: {error}");
        return exit::FAILURE;
    }
    cell.set_state(State::Draining);
    if ring.is_lost() {
        exit::FAILURE
    } else {
        exit::OK
    }
}

impl<'a> Sender<'a> {
    /// Somebody wants pictures, until the guard's drop.
    fn watch(&self) -> Watching<'a> {
        let watching = self.cell.watch();
        if self.config.on_demand {
            self.cell.ring();
        }
        watching
    }

    /// Whether it is to go on.
    fn is_wanted(&self) -> bool {
        !signals::stopping() && !self.ring.is_lost()
    }
}

/// The process's heart, beaten by whoever leads it.
struct Heart<'a> {
    cell: Cell<'a>,
    next: Instant,
}

impl<'a> Heart<'a> {
    fn new(cell: Cell<'a>, now: Instant) -> Self {
        Heart { cell, next: now }
    }

    /// Beats if it is time.
    fn tick(&mut self, now: Instant) {
        if now >= self.next {
            self.next = now + HEARTBEAT;
            self.cell.beat();
        }
    }
}
